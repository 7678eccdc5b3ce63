"""Replaying one recording: its replies stand for the model's, and the expectations judge the agent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from runner.core.errors import ConfigError, RecordingError
from runner.engine.from_agent import SessionOptions, from_agent, nothing_runs
from runner.engine.session import ChatSession
from runner.transcripts.conversation.run_context import RunContext, declared_models, model_of
from runner.transcripts.conversation.script_renderer import script_renderer
from runner.transcripts.conversation.scripted_conversation import (
    ScriptedConversation,
    agent_variables,
    fixed_clock,
    merged_inputs,
    rules_of_tools,
)
from runner.transcripts.conversation.scripted_user import ScriptedUser
from runner.transcripts.expectations.evaluate import Evaluation, expects_error, expects_failure
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.fingerprint import RequestHasher, schema_text
from runner.transcripts.model import Recording, ScriptTurn, Transcript
from runner.transcripts.outcome import Change, Finding, Outcome
from runner.transcripts.replaying.recorded_gateway import Deviation, NoWaitCancel, RecordedGateway
from runner.transcripts.replaying.recorded_tools import RecordedTools

_LEVELS: Mapping[str, Any] = {"tool-drift": "drift"}


def replay_recording(
    transcript: Transcript,
    recording: Recording,
    context: RunContext,
    *,
    chunking: str = "recorded",
    hash_events: bool = False,
) -> Outcome:
    """Replay one recording of a transcript: no network, and no process unless a tool is on verify or execute.

    `hash_events` adds a hash over all events. Raises ConfigError, UsageError and NeedsTrust for what keeps the
    conversation from beginning.
    """
    return RecordingReplay(transcript, recording, context, chunking).run(hash_events=hash_events)


class RecordingReplay:
    """The replay of one recording of a transcript: a session on the recorded gateway and tools, and its evaluation."""

    def __init__(
        self, transcript: Transcript, recording: Recording, context: RunContext, chunking: str = "recorded"
    ) -> None:
        self._started = time.perf_counter()
        agent = context.agent(transcript, model_of(recording))
        self.transcript = transcript
        self.recording = recording
        self.agent = agent
        self.redactor = context.redactor(agent, transcript)
        self.evaluation = Evaluation(self.redactor)
        self.results: list[TurnResult] = []
        self._played: set[str] = set()
        self._broken_off: set[str] = set()
        self.changes: list[Change] = []
        self.hasher = RequestHasher(self.redactor)
        self.gateway = RecordedGateway(recording, declared_models(agent), self.hasher, chunking)
        # Not through self: a replay in a reference cycle would wait for the collector, which costs a fifth of a replay.
        user = ScriptedUser(partial(self.gateway.add_deviation, "unanswered"))
        self.entries = context.tools(agent, transcript, recording, user)
        if recording.request is not None:
            closed = (spec.name for each in self.entries.closed.values() for spec in each.specs)
            self.hasher.known_tools = {name: recording.request.tools[name].digest for name in closed}
        self.tools = RecordedTools(self.entries, self.gateway, transcript.modes, self.redactor)
        user.allows_unlisted = self.tools.allows_unlisted
        self.conversation = self._conversation(context, user)

    def _conversation(self, context: RunContext, user: ScriptedUser) -> ScriptedConversation:
        inputs = merged_inputs(self.transcript.inputs, self.recording.inputs)
        clock = fixed_clock(inputs)
        options = SessionOptions(
            ChatSession,
            agent_variables(inputs, self.agent),
            gateways=self.gateway.gateways,
            toolbox=self.tools,
            clock=clock,
            seed=inputs.seed,
            approve=user.approve,
            ask=user.ask,
            allow=rules_of_tools(inputs.allow, self.agent),
            deny=rules_of_tools(inputs.deny, self.agent),
        )
        session = from_agent(self.agent, options, nothing_runs)  # what runs at all was checked by the RunContext
        renderer = script_renderer(self.transcript, self.agent, inputs, clock)
        return ScriptedConversation(session, renderer, user, self.transcript, NoWaitCancel, trusted=context.trust)

    def run(self, *, hash_events: bool = False) -> Outcome:
        """Replay the recorded turns, and evaluate the expectations of each and then those of all."""
        try:
            self._run_turns()
        finally:
            self.conversation.session.close()
        if self.recording.by_hand:
            for turn_id, location in self.transcript.unscripted_turns(self.recording):
                what = f"the recorded turn {turn_id} is not in the script, so it is never played"
                self.evaluation.add_finding(Finding("fail", "left-over", what, location, turn_id))
        return self._outcome(self._events_hash() if hash_events else "")

    def _events_hash(self) -> str:
        from runner.transcripts.replaying.event_hash import events_hash  # lazy: few replays are compared

        return events_hash(self.results)

    def _run_turns(self) -> None:
        recording_expect = self.recording.expect
        failed_turn = ""
        for turn in self.transcript.turns:
            if turn.id not in self.recording.turns:
                if self.recording.by_hand:
                    continue
                self._add_unrecorded(turn)
                break
            if failed_turn:
                what = f"not played: {failed_turn} failed"
                self.evaluation.add_finding(Finding("note", "turn", what, turn.location, turn.id))
                continue
            try:
                self._run_turn(turn, judged=recording_expect is None)
            except ConfigError as error:
                if not self.evaluation.failed:
                    raise
                what = f"not played: {error.problems[0].text}"
                self.evaluation.add_finding(Finding("note", "turn", what, turn.location, turn.id))
                failed_turn = turn.id
            if self.evaluation.failed and not (turn.keep_going or self.transcript.keep_going):
                failed_turn = turn.id
        self._evaluate_whole()

    def _evaluate_whole(self) -> None:
        """Evaluate what is expected of the conversation as a whole, if all of it was held."""
        turns = [turn.id for turn in self.transcript.turns]
        expected, turn_id, held = self.transcript.finally_, "finally", self._played - self._broken_off
        if self.recording.expect is not None:  # it is of the turns that were written by hand, and of how they failed
            turns = [each for each in turns if each in self.recording.turns]
            expected, turn_id, held = self.recording.expect, "", self._played
        missing = next((each for each in turns if each not in held), "")
        self.evaluation.evaluate_whole(
            expected, self.conversation.renderer.expectations, self.results, missing, turn_id
        )

    def _run_turn(self, turn: ScriptTurn, *, judged: bool) -> None:
        gateway, evaluation = self.gateway, self.evaluation
        replies = self.recording.turns[turn.id]
        deviations, served = len(gateway.deviations), len(gateway.served)
        gateway.begin(turn.id)
        result = self.conversation.run_turn(turn, lambda: [reply.request for reply in gateway.served[served:]])
        gateway.end()
        self.results.append(result)
        self._played.add(turn.id)
        for deviation in sorted(gateway.deviations[deviations:], key=lambda each: (each.reply, each.call)):
            evaluation.add_finding(self._finding(deviation, turn))
        expect = self.conversation.renderer.expectations(turn.expect) if judged else []
        expected = expects_failure(replies) or expects_error([*expect, *(self.recording.expect or ())])
        if result.error is not None and not expected:
            self._broken_off.add(turn.id)
            if not isinstance(result.error, RecordingError):  # which is told as what deviates
                evaluation.add_finding(Finding("fail", "error", str(result.error), turn.location, turn.id))
        if judged:
            # Where a tool gave its recorded result, it asked only when that was recorded.
            complete = result.error is None and not self.recording.edited
            if complete and not any(self.tools.may_have_asked(call.name) for call in result.calls):
                for finding in self.conversation.user.left_over(turn):
                    evaluation.add_finding(finding)
            if expect:
                evaluation.evaluate(expect, result, turn.id)
            else:
                evaluation.evaluate_golden(replies, result, turn)
            self.conversation.renderer.values.update(evaluation.captured)

    def _finding(self, deviation: Deviation, turn: ScriptTurn) -> Finding:
        """A deviation as a finding at the turn; where it is about a recorded reply, it names that one's line, too."""
        what = deviation.what
        if deviation.reply:
            path: tuple[str | int, ...] = ("turns", turn.id, deviation.reply - 1)
            path += ("calls", deviation.call - 1) if deviation.call else ()
            what = f"{what} ({turn.id}, reply {deviation.reply}: {self.recording.location_of(*path)})"
        level = _LEVELS.get(deviation.kind, "fail")
        return Finding(level, deviation.kind, what, turn.location, turn.id, deviation.diff)

    def _add_unrecorded(self, turn: ScriptTurn) -> None:
        what = f"!the script has this turn, the recording has not: {turn.id}"
        self.changes.append(Change("turns", turn.id, 0, turn.location, "", what))

    def _outcome(self, events_hash: str) -> Outcome:
        served = self.gateway.served
        return Outcome(
            str(self.transcript.path),
            self.recording.name,
            self.transcript.location,
            (*self.evaluation.findings, *self._unread_code()),
            tuple(self._changes()),
            self.evaluation.held,
            self.evaluation.judged,
            len(self.results),
            len(served[0].request.messages) if served else 0,
            time.perf_counter() - self._started,
            self.recording.recorded,
            exit_code=self.evaluation.exit_code,
            events_hash=events_hash,
        )

    def _unread_code(self) -> Iterator[Finding]:
        """That the code of tools was not imported, so that only the recording tells what they are."""
        names = [closed.entry.name for closed in self.entries.closed.values() if closed.imports]
        if names:
            location = self.agent.locations.get("tools", self.transcript.location)
            untold = "was not looked at, since nobody trusts it: what the model is told comes from the recording"
            what = f"the code of {', '.join(names)} {untold}; with --trust it is compared"
            yield Finding("info", "code", what, location)

    def _may_have_changed(self) -> bool:
        """A quick test, without a diff, for what most recordings are: fresh."""
        request = self.recording.request
        if request is None or any(reply.has_changed for reply in self.gateway.served):
            return request is not None
        if self.entries.closed or self.recording.routes:
            return True
        known = ((request.tools[spec.name], spec) for spec in self.entries.specs if spec.name in request.tools)
        return any(
            tool.load_schema is not None or (tool.schema and tool.schema != self.redactor(schema_text(spec.parameters)))
            for tool, spec in known
        )

    def _changes(self) -> Iterator[Change]:
        if self.recording.edited:
            what = "!this recording was edited by hand: record it again, or name it hand/NAME and delete its request:"
            yield Change("recording", next(iter(self.recording.turns), ""), 0, self.recording.location, "", what)
        if self._may_have_changed():
            from runner.transcripts.replaying.staleness import SentRequests, find_changes  # lazy: most are fresh

            parts = (self.gateway.served, self.transcript, self.agent, self.entries, self.hasher, self.redactor)
            yield from find_changes(SentRequests(self.recording, *parts))
        yield from self.changes
        if not self.recording.by_hand:
            warns = self.transcript.stale.get("turns") == "warn"
            for turn_id, location in self.transcript.unscripted_turns(self.recording):
                what = f"!the recording has this turn, the script has not: {turn_id}"
                yield Change("turns", turn_id, 0, location, "", what, warns)
