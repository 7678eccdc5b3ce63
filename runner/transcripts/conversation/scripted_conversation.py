"""A conversation driven by a script, replayed or live: each turn is sent to a session, and its result collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from runner.config.agent import Agent
from runner.core.cancel import Cancel
from runner.core.errors import AgentRunError
from runner.core.events import Event
from runner.engine.session import ChatSession
from runner.gateways import Request
from runner.tools.context import system_clock
from runner.transcripts.conversation.script_renderer import ScriptRenderer
from runner.transcripts.conversation.scripted_user import ScriptedUser
from runner.transcripts.expectations.turn_result import TurnResult, turn_result
from runner.transcripts.model import ReplayInputs, ScriptTurn, Transcript


class ScriptedConversation(NamedTuple):
    """A session and its transcript; `observe` gets each event as it comes, `user` answers questions and approvals."""

    session: ChatSession
    renderer: ScriptRenderer
    user: ScriptedUser
    transcript: Transcript
    cancel: Callable[[], Cancel]
    observe: Callable[[Event], None] = lambda event: None
    live: bool = False
    trusted: bool = False

    def run_turn(self, turn: ScriptTurn, requests: Callable[[], Sequence[Request]]) -> TurnResult:
        """Send the user's text and take events until the agent is done; an error is part of the result.

        Raises ConfigError for a template that cannot be rendered.
        """
        self.user.begin_turn(turn)
        text = self.renderer.user_text(turn)
        events: list[Event] = []
        error: AgentRunError | None = None
        started = time.monotonic()
        first_event = 0.0
        try:
            for event in self.session.send(text, _attached(turn), cancel=self.cancel()):
                events.append(event)
                self.observe(event)
                if self.live and not first_event and len(events) > 1:
                    first_event = time.monotonic()
        except AgentRunError as failure:
            error = failure
        ended = time.monotonic()
        result = turn_result(events, requests(), error, self.transcript.path.parent, self.trusted)
        if self.live:
            times = 1000 * ((first_event or ended) - started), 1000 * (ended - started)
            result = result._replace(live=True, first_token_ms=times[0], total_ms=times[1])
        return result


def _attached(turn: ScriptTurn) -> list[Any]:
    if not turn.files:
        return []
    from runner.engine.attachments import attach  # lazy: few turns carry files

    return [attach(path) for path in turn.files]


def merged_inputs(script: ReplayInputs, recorded: ReplayInputs) -> ReplayInputs:
    """The script's inputs, and the recording's where the script is silent."""
    return ReplayInputs(
        script.clock or recorded.clock,
        script.seed if script.seed is not None else recorded.seed,
        {**recorded.variables, **script.variables},
        allow=recorded.allow,
        deny=recorded.deny,
    )


def fixed_clock(inputs: ReplayInputs) -> Callable[[], datetime]:
    """The clock of the inputs, which stands still; the system's where none is set."""
    at = inputs.clock
    return system_clock if at is None else lambda: at


def agent_variables(inputs: ReplayInputs, agent: Agent) -> dict[str, Any]:
    """The variables of the inputs that the agent declares; the others are the transcript's alone."""
    return {name: value for name, value in inputs.variables.items() if name in agent.variables}


def rules_of_tools(rules: tuple[str, ...], agent: Agent) -> tuple[str, ...]:
    """Those recorded rules that can match a tool; one that is gone is stale, and no mistake of a command line."""
    if not rules:
        return ()
    from runner.config.validation.rule_names import rule_problem  # lazy: few chats were given rules

    return tuple(rule for rule in rules if rule_problem(rule, agent.tools) is None)
