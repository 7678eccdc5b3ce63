"""A streamed turn: its text as it arrives, and StreamHandle, which tells its state and ends it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING
from weakref import ref

from runner.core.errors import StreamIncomplete
from runner.core.events import Event, Replied, TextDelta, ToolStarted, TurnEnded
from runner.core.messages import ToolCall, Usage

if TYPE_CHECKING:
    from runner.engine.open_turn import OpenTurn
    from runner.engine.session import ChatSession


class StreamHandle:
    """A turn under way: its `text`, `usage` (tokens), `finish_reason` and `tool_calls` (a tuple of ToolCall) so far.

    It works also after the stream is dropped. `finish_reason` is empty until the last reply of the turn is complete;
    then it is the reply's (`stop`, `length`, …), `cancelled` after `abort()`, or `incomplete`.
    """

    def __init__(self, session: ChatSession, events: Generator[Event, None, None], turn: OpenTurn) -> None:
        self._session = session
        self._events = events
        self._turn = turn
        self._stream: ref[Iterator[str]] | None = None
        self._failure: Exception | None = None
        self._pieces: list[str] = []
        self._ended = False
        self._dropped = False
        self.usage = Usage()
        self.finish_reason = ""
        self.tool_calls: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """What has been streamed so far, all replies of the turn together."""
        return "".join(self._pieces)

    def abort(self) -> None:
        """Stop the reply and close the connection, from any thread; what arrived stays in the session, marked."""
        if not self._ended:
            self._turn.stop()  # where another thread is reading, that one ends the turn
            self._ended = True
            self.finish_reason = "cancelled"

    def finalize(self, *, partial: bool = False) -> ChatSession:
        """The session, with the assembled response recorded. Doing it again changes nothing.

        A stream that was not read to its end raises StreamIncomplete, or with `partial` is stopped there and recorded
        as the incomplete answer it is. After a failure of the stream the turn is taken back, as send_message does it,
        and the failure raised; with `partial` what was shown stays.
        """
        if partial:
            self.abort()
            self._dropped, self._failure = False, None
        elif self._failure is not None:
            self._turn.roll_back()
            raise self._failure
        elif not self._ended or self._dropped:
            raise StreamIncomplete(
                "the stream has not been read to its end",
                fix="read it, call handle.abort(), or finalize(partial=True)",
            )
        return self._session

    def read(self) -> Iterator[str]:
        """The stream: the pieces of text, each a non-empty str, as they arrive. It raises AgentRunError, as the turn.

        Closing or dropping it, also before its first piece, ends the turn; the handle need not.
        """
        stream = self._read()
        handle = ref(self)

        def dropped(_: object) -> None:
            if (known := handle()) is not None:
                known._drop()

        self._stream = ref(stream, dropped)
        return stream

    def _drop(self) -> None:
        """End the turn, since nobody will read on."""
        if not self._ended:
            self.abort()
            self._dropped = True

    def _read(self) -> Iterator[str]:
        pieces = self._pieces
        try:
            for event in self._events:
                if type(event) is TextDelta:
                    pieces.append(event.text)
                    yield event.text
                elif isinstance(event, Replied):
                    self.usage += event.usage
                    self.finish_reason = "" if event.calls else event.finish_reason
                elif isinstance(event, ToolStarted):
                    self.tool_calls += (event.call,)
                elif isinstance(event, TurnEnded):
                    self.usage = event.usage
                    if event.reason in {"cancelled", "incomplete"}:
                        self.finish_reason = event.reason
            self._ended = True
        except GeneratorExit:
            self._drop()
            raise
        except Exception as error:
            if isinstance(error, ValueError) and self._turn.cancel.cancelled:
                return  # abort() in another thread is closing the turn at this moment
            self._ended, self._failure = True, error
            raise
