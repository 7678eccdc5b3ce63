"""A transcript's conversation with a real model: every turn is sent, recorded and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from runner.config.agent import Agent
from runner.core.cancel import Cancel
from runner.core.errors import AgentRunError, ConfigError, Denied
from runner.core.messages import ToolCall
from runner.engine.approval import ApprovalRequest
from runner.engine.broker import WrapGateway
from runner.engine.from_agent import SessionOptions, from_agent, nothing_runs, open_tools
from runner.engine.session import ChatSession
from runner.transcripts.conversation.closed_entries import recorded_entries
from runner.transcripts.conversation.run_context import RunContext, redactor_for
from runner.transcripts.conversation.script_renderer import script_renderer
from runner.transcripts.conversation.scripted_conversation import (
    ScriptedConversation,
    agent_variables,
    fixed_clock,
    rules_of_tools,
)
from runner.transcripts.conversation.scripted_user import ScriptedUser
from runner.transcripts.expectations.evaluate import Evaluation, expects_error
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.model import ReplayInputs, ScriptTurn, Transcript
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.recording.recorder import Recorder
from runner.transcripts.recording.stubbed_tools import StubbedTools


class LiveConversation:
    """A session with a real model and its recorder. `complete` is False once a turn could not be sent."""

    def __init__(
        self,
        transcript: Transcript,
        agent: Agent,
        context: RunContext,
        inputs: ReplayInputs,
        allow_writes: bool,
        wrap: WrapGateway | None,
    ) -> None:
        self.transcript = transcript
        self.evaluation = Evaluation(redactor_for(agent, transcript))
        self.results: list[TurnResult] = []
        self.complete = True
        self.recorder = Recorder(redactor_for(agent, transcript), inputs)
        self._allow_writes = allow_writes
        self._unanswered: list[str] = []
        self._approved: frozenset[str] = frozenset()
        clock = fixed_clock(inputs)
        user = ScriptedUser(self._unanswered.append, self._allows_unlisted)
        trusted = context.ensure_trusted(agent)
        options = SessionOptions(
            ChatSession,
            agent_variables(inputs, agent),
            wrap=self._recorded(wrap),
            clock=clock,
            seed=inputs.seed,
            approve=user.approve,
            ask=user.ask,
            deny=rules_of_tools(inputs.deny, agent),
        )
        toolbox = open_tools(agent, options, trusted)
        self.recorder.entries = lambda names: recorded_entries(agent.tools, names, toolbox.entry)
        self._tools = StubbedTools(toolbox, transcript.recordings, self._may_run)
        session = from_agent(agent, options._replace(toolbox=self._tools), nothing_runs)
        renderer = script_renderer(transcript, agent, inputs, clock)
        self.conversation = ScriptedConversation(
            session, renderer, user, transcript, Cancel, self.recorder.observe, live=True, trusted=context.trust
        )

    def _recorded(self, wrap: WrapGateway | None) -> WrapGateway:
        """Records what comes of each route's gateway, or of the one that `wrap` gives for it."""
        if wrap is None:
            return self.recorder.wrap
        return lambda route: self.recorder.wrap(replace(route, gateway=wrap(route)))

    def _allows_unlisted(self, call: ToolCall, request: ApprovalRequest) -> bool:
        """Whether a call may go on that the permissions ask about: a stubbed one may, any may with `allow_writes`."""
        if self._tools.is_stubbed(call.name) or self._allow_writes:
            self.recorder.note_approval(call)
            return True
        self._unanswered.append(call.name)
        return False

    def _may_run(self, name: str) -> bool:
        """A tool may write or execute."""
        return self._allow_writes or name in self._approved

    def run(self, notify: Callable[[str], None]) -> None:
        """Send and judge every turn, then the whole. Raises what a turn raised that does not expect a failure."""
        for turn in self.transcript.turns:
            notify(f"{self.transcript.path}: {turn.id}")
            self.recorder.begin_turn(turn.id)
            self._approved = frozenset(turn.answers.approve or ())
            try:
                result = self.conversation.run_turn(turn, self.recorder.requests)
            except ConfigError as error:
                if not self.evaluation.failed:
                    raise
                what = f"not said: {error.problems[0].text}"
                self.evaluation.add_finding(Finding("note", "turn", what, turn.location, turn.id))
                self.complete = False
                break
            self.results.append(result)
            self._raise_failure(turn, result.error)
            if result.error is None and not any(self._tools.may_have_asked(call.name) for call in result.calls):
                for finding in self.conversation.user.left_over(turn):
                    self.evaluation.add_finding(finding)
            expect = self.conversation.renderer.expectations(turn.expect)
            self.evaluation.evaluate(expect, result, turn.id)
            if not expect:
                finding = Finding("note", "golden", "judged in replays only", turn.location, turn.id)
                self.evaluation.add_finding(finding)
            self.conversation.renderer.values.update(self.evaluation.captured)
        missing = "" if self.complete else self.transcript.turns[len(self.results)].id
        render = self.conversation.renderer.expectations
        self.evaluation.evaluate_whole(self.transcript.finally_, render, self.results, missing, "finally")

    def _raise_failure(self, turn: ScriptTurn, error: AgentRunError | None) -> None:
        """Raise Denied where an answer or approval was missing, else the turn's error if no expectation is about it."""
        if missing := (*self._unanswered, *self._tools.unrecorded):
            raise Denied(
                f"the turn {turn.id} needs somebody to say yes",
                where=str(turn.location),
                why="; ".join(dict.fromkeys(missing)),
                fix="list the tools under answers.approve and the answers under answers.ask_user, or --allow-writes;"
                " a tool that only reads says so with effects: read on its entry",
            )
        if error is not None and not expects_error(turn.expect):
            what, why = self.evaluation.redact(error.what), self.evaluation.redact(error.why)
            raise error.replace(what=what, why=why, where=error.where or str(turn.location))

    def outcome(self, name: str) -> Outcome:
        """The outcome of the conversation with the model of that name."""
        return Outcome(
            str(self.transcript.path),
            name,
            self.transcript.location,
            tuple(self.evaluation.findings),
            (),
            self.evaluation.held,
            self.evaluation.judged,
            len(self.results),
            live=True,
            exit_code=self.evaluation.exit_code,
        )
