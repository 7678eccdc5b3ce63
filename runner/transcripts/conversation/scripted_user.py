"""The user of a scripted conversation: answers questions and approvals as the turn says, and never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.core.messages import ToolCall
from runner.engine.approval import ApprovalRequest
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry
from runner.transcripts.expectations.matchers import json_line
from runner.transcripts.model import ScriptTurn
from runner.transcripts.outcome import Finding

AllowsUnlisted = Callable[[ToolCall, ApprovalRequest], bool]
"""Whether a call may run of which the turn says nothing."""


def may_ask(entry: ToolEntry | None) -> bool:
    """Whether a tool of the entry may ask the user: the built-in for it, code that is not ours, or an agent."""
    if entry is None:
        return False
    kind = tool_kind_of(entry)
    return entry.name == "ask_user" if kind.opens_safely(entry) else not kind.served


class ScriptedUser:
    """Answers with the `answers` of the current turn.

    `allows_unlisted` decides where the turn says nothing of approvals, and may be set later; `report_unanswered(text)`
    gets each question that has no answer.
    """

    def __init__(
        self, report_unanswered: Callable[[str], None], allows_unlisted: AllowsUnlisted = lambda call, request: False
    ) -> None:
        self.allows_unlisted = allows_unlisted
        self._report_unanswered = report_unanswered
        self._answers: list[str] = []
        self._approved: tuple[str, ...] | None = None

    def begin_turn(self, turn: ScriptTurn) -> None:
        """Answer with this turn's answers from now on."""
        self._answers = list(turn.answers.ask_user)
        self._approved = turn.answers.approve

    def ask(self, question: str, choices: tuple[str, ...]) -> str:
        """The next answer. Raises EOFError when there is none."""
        if not self._answers:
            self._report_unanswered(f"nobody answers: {question}")
            raise EOFError("nobody is there to answer")
        return self._answers.pop(0)

    def left_over(self, turn: ScriptTurn) -> Iterator[Finding]:
        """A failure for each of the turn's answers that nothing asked for."""
        asked = len(turn.answers.ask_user) - len(self._answers)
        for answer, lazy in zip(self._answers, turn.answers.locations[asked:], strict=True):
            what = f"answers.ask_user: nothing asked for the answer {json_line(answer)}"
            yield Finding("fail", "left-over", what, lazy.location, turn.id)

    def approve(self, call: ToolCall, request: ApprovalRequest) -> str:
        """`yes` or `no`: whether a call may run that the permissions ask about."""
        allowed = call.name in self._approved if self._approved is not None else self.allows_unlisted(call, request)
        return "yes" if allowed else "no"
