"""One conversation under way, replayed or live: who speaks, who answers questions, and what the engine makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from runner.config.agent import Agent, PromptSource
from runner.config.template.render import is_template, render
from runner.core.cancel import Cancel
from runner.core.errors import AgentRunError
from runner.core.events import Event
from runner.core.messages import ToolCall
from runner.engine.session import ChatSession
from runner.gateways import Request
from runner.tools.context import system_clock
from runner.transcripts.expectations.turn_result import TurnResult, turn_result
from runner.transcripts.model import Expectation, LazyLocation, ReplayInputs, ScriptTurn, Transcript


class Voice:
    """What the transcript says, its `{{ … }}` filled in from its variables and from what regexes captured."""

    def __init__(self, transcript: Transcript, values: Mapping[str, Any], clock: Callable[[], datetime]) -> None:
        self.values = dict(values)
        self._folder = transcript.path.parent
        self._clock = clock

    def said(self, turn: ScriptTurn) -> str:
        """The user's text. Raises ConfigError."""
        return self._filled(turn.user, turn)

    def wanted(self, expectations: Sequence[Expectation]) -> list[Expectation]:
        """The expectations, filled in. Raises ConfigError."""
        return [each._replace(expected=self._deep(each)) if each.templated else each for each in expectations]

    def _deep(self, expectation: Expectation) -> Any:
        def fill(value: Any) -> Any:
            if isinstance(value, str):
                return self._filled(value, expectation)
            if isinstance(value, Mapping):
                return {fill(key): fill(each) for key, each in value.items()}
            return [fill(each) for each in value] if isinstance(value, list) else value

        return fill(expectation.expected)

    def _filled(self, text: str, lazy_location: LazyLocation) -> str:
        if not is_template(text):
            return text
        return render(PromptSource(text, self._folder, lazy_location.location), self.values, now=self._clock)


class Stand(Protocol):
    """Whether a tool may run where the script does not say: a stub may, what acts for real may not."""

    def lets(self, call: ToolCall) -> bool: ...

    def trouble(self, kind: str, what: str, diff: str = "") -> None: ...


class Person:
    """Who sits before the session: answers questions and approvals as the turn says, and never hangs."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._answers: list[str] = []
        self._approves: tuple[str, ...] | None = None

    def attend(self, turn: ScriptTurn) -> None:
        """From now on it is this turn's answers that count."""
        self._answers = list(turn.answers.ask_user)
        self._approves = turn.answers.approve

    def ask(self, question: str, choices: tuple[str, ...]) -> str:
        """The next answer. Raises EOFError when there is none."""
        if not self._answers:
            self._stand.trouble("unanswered", f"nobody answers: {question}")
            raise EOFError("nobody is there to answer")
        return self._answers.pop(0)

    def approve(self, call: ToolCall, why: str) -> str:
        """Whether a call may run that the rules ask about."""
        allowed = call.name in self._approves if self._approves is not None else self._stand.lets(call)
        return "yes" if allowed else "no"


class Play(NamedTuple):
    """A session and its transcript; `hear` gets every event as it comes, `person` answers in between."""

    session: ChatSession
    voice: Voice
    person: Person
    transcript: Transcript
    cancel: Callable[[], Cancel]
    hear: Callable[[Event], None] = lambda event: None
    live: bool = False
    trusted: bool = False

    def turn(self, turn: ScriptTurn, requests: Callable[[], Sequence[Request]]) -> TurnResult:
        """Say the turn and listen until the agent is done; a failure is one of the facts. Raises ConfigError."""
        self.person.attend(turn)
        text = self.voice.said(turn)
        events: list[Event] = []
        error: AgentRunError | None = None
        started = time.monotonic()
        first = 0.0
        try:
            for event in self.session.send(text, _attached(turn), cancel=self.cancel()):
                events.append(event)
                self.hear(event)
                if self.live and not first and len(events) > 1:
                    first = time.monotonic()
        except AgentRunError as failure:
            error = failure
        ended = time.monotonic()
        result = turn_result(events, requests(), error, self.transcript.path.parent, self.trusted)
        if self.live:
            times = 1000 * ((first or ended) - started), 1000 * (ended - started)
            result = result._replace(live=True, first_token_ms=times[0], total_ms=times[1])
        return result


def _attached(turn: ScriptTurn) -> list[Any]:
    if not turn.files:
        return []
    from runner.engine.attachments import attach  # lazy: few turns carry files

    return [attach(path) for path in turn.files]


def merged(script: ReplayInputs, recorded: ReplayInputs) -> ReplayInputs:
    """The script's inputs, and the recording's where the script is silent."""
    return ReplayInputs(
        script.clock or recorded.clock,
        script.seed if script.seed is not None else recorded.seed,
        {**recorded.variables, **script.variables},
    )


def frozen(inputs: ReplayInputs) -> Callable[[], datetime]:
    """The clock of the inputs, which stands still; the machine's where none is set."""
    at = inputs.clock
    return system_clock if at is None else lambda: at


def voice_of(transcript: Transcript, agent: Agent, inputs: ReplayInputs, clock: Callable[[], datetime]) -> Voice:
    """The transcript's voice: the agent's variables with their defaults, and those of the inputs."""
    defaults = {name: variable.default for name, variable in agent.variables.items()}
    return Voice(transcript, {**defaults, **inputs.variables}, clock)


def agents_own(inputs: ReplayInputs, agent: Agent) -> dict[str, Any]:
    """The variables of the inputs that the agent declares; the others are the transcript's alone."""
    return {name: value for name, value in inputs.variables.items() if name in agent.variables}
