"""The one turn that a session may have open: who waits for it, and who may end it.

A turn moves between threads: what reads it now may be another thread than the one that began it.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from threading import Condition, current_thread
from time import monotonic
from weakref import ref

from runner.core.cancel import Cancel
from runner.core.errors import SessionBusy
from runner.core.events import Event
from runner.core.history import History, Turn
from runner.core.messages import Message
from runner.engine.tool_calls import ToolCalls

BUSY_TIMEOUT = 60.0


class OpenTurn:
    """A turn, from its first event to its last.

    `reader` is the thread that read it last, as an object, since the numbers of threads are used again.
    `keeps_fragment`: what came of a reply that was stopped or broke off stays in the history, because it was shown.
    `tool_calls` runs its tools, None before the first request.
    """

    def __init__(self, cancel: Cancel, *, keeps_fragment: bool = True) -> None:
        self.cancel = cancel
        self.keeps_fragment = keeps_fragment
        self.reader = current_thread()
        self._history: History | None = None
        self._turn: Turn | None = None
        self.tool_calls: ToolCalls | None = None
        self._events: ref[Generator[Event, None, None]] | None = None

    def begin(self, history: History, user: Message) -> Turn:
        """Put the user's message into the history."""
        self._history, self._turn = history, history.open(user)
        return self._turn

    def settle(self) -> None:
        """End it in the history as it stands."""
        if self._history is not None and self._turn is not None:
            self._history.settle(self._turn)

    def roll_back(self) -> None:
        """Take it out of the history, or if a tool has run what came after its last results."""
        if self._history is not None and self._turn is not None:
            tools_ran = self.tool_calls is not None and self.tool_calls.ran
            self._history.roll_back(self._turn, keep_results=tools_ran)

    def attach(self, events: Generator[Event, None, None]) -> None:
        """`events` is the turn itself; it is not kept alive by this."""
        self._events = ref(events)

    def stop(self) -> bool:
        """Stop the turn, from any thread; False if it has not ended yet.

        One that another thread reads just now is ended by that thread, at once; one that calls this itself goes on.
        """
        events = self._events() if self._events is not None else None
        try:
            if events is not None:
                events.close()
        except ValueError:  # it is executing
            if self.reader is not current_thread():
                self.cancel.cancel()
            return False
        return True


class TurnSlot:
    """Holds the open turn of a session, one at a time."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._open: OpenTurn | None = None

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def take(self, turn: OpenTurn, seconds: float | None) -> None:
        """Open the turn as soon as no other is open. Raises SessionBusy after `seconds`; None is the default.

        A turn that this thread read last is stopped first: nobody else would.
        """
        seconds = _busy_timeout() if seconds is None else seconds
        deadline = monotonic() + seconds
        turn.reader = current_thread()
        while True:
            with self._changed:
                current = self._open
                if current is None:
                    self._open = turn
                    return
                if current.reader is not current_thread():
                    left = deadline - monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        raise _busy(seconds)
                    continue
            if not current.stop():
                raise SessionBusy(
                    "this session is asked from within its own turn",
                    fix="use another session, or ask when the turn has ended",
                )
            self.release(current)

    def release(self, turn: OpenTurn) -> None:
        """The turn is no longer open, if it was."""
        with self._changed:
            if self._open is turn:
                self._open = None
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop the open turn, if there is one."""
        with self._changed:
            current = self._open
        if current is not None and current.stop():
            self.release(current)


def _busy_timeout() -> float:
    """How long a thread waits for another's turn; not at all where it would hold up an event loop."""
    # Another thread may be importing it, a server's that starts for one: then it lacks the function, and no loop runs.
    running_loop = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return BUSY_TIMEOUT if running_loop is None or running_loop() is None else 0.0


def _busy(seconds: float) -> SessionBusy:
    return SessionBusy(
        "another turn of this session is open",
        why=f"it did not end within {seconds:g} s" if seconds else "",
        fix="wait for its end, give busy_timeout more seconds, or use a session for each conversation",
    )
