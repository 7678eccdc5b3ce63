"""The expectation of a turn that names none: what is shown, called and finished equals the recording."""

from __future__ import annotations

from collections.abc import Sequence

from runner.transcripts.expectations import PASSED, Result
from runner.transcripts.expectations.matchers import json_equal, json_line
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.model import RecordedReply


def compare_with_recording(replies: Sequence[RecordedReply], turn: TurnResult) -> Result:
    """The turn's calls, text and finish against the replies recorded of it."""
    if not replies:
        return Result("not_run", "no reply of this turn is recorded")
    last = replies[-1]
    recorded_calls = [call for reply in replies for call in reply.calls]
    recorded = [(call.name, call.raw if call.arguments is None else call.arguments) for call in recorded_calls]
    actual = [(call.name, call.raw if call.arguments is None else call.arguments) for call in turn.calls]
    if not json_equal(recorded, actual) and last.error is None:
        from runner.transcripts.expectations.tools import call_line  # lazy: for a failure

        expected_lines = "\n".join(f"-{name}({json_line(arguments)})" for name, arguments in recorded)
        actual_lines = "".join(f"\n+{call_line(call)}" for call in turn.calls)
        return Result("fail", "other tools were called", expected_lines + actual_lines)
    if last.text != turn.text:
        from runner.transcripts.expectations.text import text_diff  # lazy: for a failure

        return Result("fail", "the text is not the recorded one", text_diff(last.text, turn.text))
    if last.error is None and last.finish not in (turn.finish, turn.reason):
        return Result("fail", f"the turn ended with {turn.finish or turn.reason}, recorded is {last.finish}")
    return PASSED
