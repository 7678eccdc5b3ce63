"""A streamed turn: its text as it arrives, and StreamHandle, which tells its state and ends it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.core.cancel import Cancel
from runner.core.errors import StreamIncomplete
from runner.core.events import Event, Replied, TextDelta, ToolStarted, TurnEnded
from runner.core.messages import ToolCall, Usage

if TYPE_CHECKING:
    from runner.engine.session import ChatSession


class StreamHandle:
    """A turn under way: its `text`, `usage` (tokens), `finish_reason` and `tool_calls` (a tuple of ToolCall) so far.

    It works also after the stream is dropped. `finish_reason` is empty until the last reply of the turn is complete;
    then it is the reply's (`stop`, `length`, …), `cancelled` after `abort()`, or `incomplete`.
    """

    def __init__(self, session: ChatSession, events: Generator[Event, None, None], cancel: Cancel) -> None:
        self._session = session
        self._events = events
        self._cancel = cancel
        self._pieces: list[str] = []
        self._ended = False
        self.usage = Usage()
        self.finish_reason = ""
        self.tool_calls: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """What has been streamed so far, all replies of the turn together."""
        return "".join(self._pieces)

    def abort(self) -> None:
        """Stop the reply and close the connection, from any thread; what arrived stays in the session, marked."""
        if self._ended:
            return
        self._cancel.cancel()
        with suppress(ValueError):  # another thread is reading: it ends by itself
            self._events.close()
        self._ended = True
        self.finish_reason = "cancelled"

    def finalize(self, *, partial: bool = False) -> ChatSession:
        """The session, with the assembled response recorded. Doing it again changes nothing.

        A stream that was not read to its end raises StreamIncomplete, or with `partial` is stopped there and recorded
        as the incomplete answer it is.
        """
        if not self._ended:
            if not partial:
                raise StreamIncomplete(
                    "the stream has not been read to its end",
                    fix="read it, call handle.abort(), or finalize(partial=True)",
                )
            self.abort()
        return self._session

    def read(self) -> Iterator[str]:
        """The pieces of text, each a non-empty str, as they arrive. Raises AgentRunError, as the turn does."""
        pieces, ended = self._pieces, True
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
        except GeneratorExit:  # the stream was dropped: the handle can still end the turn
            ended = False
            raise
        except ValueError:  # abort() in another thread may be closing the turn at this moment
            if not self._cancel.cancelled:
                raise
        finally:
            self._ended = self._ended or ended
