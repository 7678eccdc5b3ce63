"""The tool calls of a reply: refused, or run side by side, each with its time, and stopped with the turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

from runner.core.cancel import Cancel
from runner.core.events import Event, Notice, ToolFinished, ToolStarted
from runner.core.messages import Message, ToolCall, ToolResult
from runner.core.thread_pool import Job, side_by_side
from runner.engine.approval import PermissionCheck
from runner.engine.limits import TurnLimits
from runner.tools import Context, Tools


class ToolCalls:
    """Runs the tool calls of one turn. `denied` is why the last call that was not allowed was not; `ran`: one began."""

    def __init__(
        self, tools: Tools, context: Context, limits: TurnLimits, permission_check: PermissionCheck | None = None
    ) -> None:
        self.tools = tools
        self.denied = ""
        self.ran = False
        # What a tool uses on its own account counts as the session's.
        self._context = replace(context, spend=limits.usage.add)
        self._limits = limits
        self._permission_check = permission_check

    @property
    def cancel(self) -> Cancel:
        """Stops the turn."""
        return self._context.cancel

    def run(self, reply: Message, results: list[ToolResult | None]) -> Iterator[Event]:
        """Run the reply's calls and put their results into `results`, in call order, as they come."""
        jobs: list[tuple[int, ToolCall]] = []
        for position, call in enumerate(reply.calls):
            yield ToolStarted(call)
            refusal = self._refusal(reply, call)
            if refusal is None:
                jobs.append((position, call))
            else:
                results[position] = refusal
                yield ToolFinished(refusal, ran=False)
        texts: dict[int, deque[str]] = {position: deque() for position, _ in jobs}
        for position, result in self._side_by_side(jobs, texts):
            results[position] = result
            while texts[position]:
                yield Notice("tool", texts[position].popleft())
            yield ToolFinished(result)

    def _side_by_side(
        self, jobs: list[tuple[int, ToolCall]], texts: Mapping[int, deque[str]]
    ) -> Iterator[tuple[int, ToolResult]]:
        """Run the calls; one that is late, or still runs when the turn is stopped, is told to stop and left behind.

        What a tool tells the user goes to the texts of its call's position, so that it stands before that call's result
        however the calls overtake each other.
        """
        self.ran = self.ran or bool(jobs)
        cancels = [Cancel() for _ in jobs]
        seconds_left = self._limits.seconds_left()

        def job(position: int, call: ToolCall, cancel: Cancel) -> Job[ToolResult]:
            seconds = self.tools.seconds(call)
            context = replace(self._context, cancel=cancel, notify=texts[position].append)
            if seconds is not None and seconds_left is not None:
                seconds = min(seconds, seconds_left)
            return Job(lambda: self.tools.call(call, context), seconds)

        work = [job(position, call, cancel) for (position, call), cancel in zip(jobs, cancels, strict=True)]

        def timed_out(index: int) -> ToolResult:
            cancels[index].cancel()
            call, seconds = jobs[index][1], work[index].seconds or 0
            return ToolResult(call.id, call.name, f"timed out after {seconds:.4g} s", failed=True, seconds=seconds)

        with ExitStack() as stack:
            for cancel in cancels:
                stack.callback(cancel.cancel)
                stack.enter_context(self.cancel.on_cancel(cancel.cancel))
            for index, result in side_by_side(work, timed_out, self.cancel):
                yield jobs[index][0], result

    def _refusal(self, reply: Message, call: ToolCall) -> ToolResult | None:
        """The failed result of a call that must not run, None for one that may."""
        if reply.finish == "length":
            why = f"not run: the arguments were cut off after {len(call.raw)} characters; write less, or in parts"
            return ToolResult(call.id, call.name, why, failed=True)
        reason = self._permission_check(call) if self._permission_check is not None else None
        if reason is None:
            return None
        self.denied = reason
        return ToolResult(call.id, call.name, f"not allowed: {reason}", failed=True)
