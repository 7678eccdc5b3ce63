"""One cell replayed: the recording plays the model, and the engine is judged by what it makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from runner.core.errors import ConfigError, RecordingError
from runner.engine.from_agent import SessionOptions, already_trusted, from_agent
from runner.engine.session import ChatSession
from runner.transcripts.conversation.run_context import RunContext, model_of
from runner.transcripts.conversation.script_renderer import script_renderer
from runner.transcripts.conversation.scripted_conversation import (
    ScriptedConversation,
    agent_variables,
    fixed_clock,
    merged_inputs,
)
from runner.transcripts.conversation.scripted_user import ScriptedUser
from runner.transcripts.expectations.evaluate import Evaluation, expects_error, expects_failure
from runner.transcripts.expectations.turn_result import TurnResult, conversation_result
from runner.transcripts.fingerprint import RequestHasher
from runner.transcripts.model import Recording, ScriptTurn, Transcript
from runner.transcripts.outcome import Change, Outcome
from runner.transcripts.replaying.recorded_gateway import NoWaitCancel, RecordedGateway
from runner.transcripts.replaying.recorded_tools import RecordedTools, server_tools

_LEVELS: Mapping[str, Any] = {"tool-drift": "drift"}


def replay(
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
    return Cell(transcript, recording, context, chunking).run(hash_events=hash_events)


class Cell:
    """A transcript, one of its recordings, and the session that is to make the same of it."""

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
        self.changes: list[Change] = []
        toolbox = context.toolbox(agent, transcript)
        from_servers = server_tools(agent, recording, toolbox)
        recorded = recording.request.tools if recording.request is not None else {}
        self.hasher = RequestHasher(self.redactor, {spec.name: recorded[spec.name].digest for spec in from_servers})
        self.gateway = RecordedGateway(recording, agent.gateway, self.hasher, chunking)
        self._tools = RecordedTools(
            toolbox, self.gateway, transcript.modes, self.redactor, from_servers, tuple(recorded)
        )
        self.conversation = self._begin(context)

    def _begin(self, context: RunContext) -> ScriptedConversation:
        inputs = merged_inputs(self.transcript.inputs, self.recording.inputs)
        clock = fixed_clock(inputs)
        # Not through self: a cell in a cycle would wait for the collector, which costs a fifth of a replay.
        user = ScriptedUser(self._tools.allows_unlisted, partial(self.gateway.add_deviation, "unanswered"))
        options = SessionOptions(
            ChatSession,
            agent_variables(inputs, self.agent),
            gateway=self.gateway,
            toolbox=self._tools,
            clock=clock,
            seed=inputs.seed,
            approve=user.approve,
            ask=user.ask,
        )
        session = from_agent(self.agent, options, already_trusted)  # what runs at all was checked by the RunContext
        renderer = script_renderer(self.transcript, self.agent, inputs, clock)
        return ScriptedConversation(session, renderer, user, self.transcript, NoWaitCancel, trusted=context.trust)

    def run(self, *, hash_events: bool = False) -> Outcome:
        """Play the turns that are recorded, and judge each and then all."""
        try:
            self._play()
        finally:
            self.conversation.session.close()
        return self._outcome(self._events_hash() if hash_events else "")

    def _events_hash(self) -> str:
        from runner.transcripts.replaying.event_hash import events_hash  # lazy: few replays are compared

        return events_hash(self.results)

    def _play(self) -> None:
        brought = self.recording.expect
        stopped = ""
        for turn in self.transcript.turns:
            if turn.id not in self.recording.turns:
                if self.recording.by_hand:
                    continue
                self._unrecorded(turn)
                break
            if stopped:
                self.evaluation.add_finding("note", "turn", f"not played: {stopped} failed", turn.location, turn.id)
                continue
            try:
                self._turn(turn, judged=brought is None)
            except ConfigError as error:
                if not self.evaluation.failed:
                    raise
                self.evaluation.add_finding(
                    "note", "turn", f"not played: {error.problems[0].text}", turn.location, turn.id
                )
                stopped = turn.id
            if self.evaluation.failed and not (turn.keep_going or self.transcript.keep_going):
                stopped = turn.id
        if self.results and not stopped:
            last = self.transcript.finally_ if brought is None else brought
            self.evaluation.evaluate(
                self.conversation.renderer.expectations(last),
                conversation_result(self.results),
                "finally" if brought is None else "",
            )

    def _turn(self, turn: ScriptTurn, *, judged: bool) -> None:
        gateway, evaluation = self.gateway, self.evaluation
        replies = self.recording.turns[turn.id]
        deviations, served = len(gateway.deviations), len(gateway.served)
        gateway.begin(turn.id)
        result = self.conversation.run_turn(turn, lambda: [each.request for each in gateway.served[served:]])
        gateway.end()
        self.results.append(result)
        for deviation in gateway.deviations[deviations:]:
            level = _LEVELS.get(deviation.kind, "fail")
            evaluation.add_finding(level, deviation.kind, deviation.what, turn.location, turn.id, deviation.diff)
        expect = self.conversation.renderer.expectations(turn.expect) if judged else []
        wanted = [*expect, *(self.recording.expect or ())]
        told = expects_failure(replies) or expects_error(wanted)
        if result.error is not None and not isinstance(result.error, RecordingError) and not told:
            evaluation.add_finding("fail", "error", str(result.error), turn.location, turn.id)
        if judged:
            if expect:
                evaluation.evaluate(expect, result, turn.id)
            else:
                evaluation.evaluate_golden(replies, result, turn)
            self.conversation.renderer.values.update(evaluation.captured)

    def _unrecorded(self, turn: ScriptTurn) -> None:
        what = "!the script has this turn, the recording has not"
        self.changes.append(Change("turns", turn.id, 0, turn.location, "", what))

    def _outcome(self, events_hash: str) -> Outcome:
        served = self.gateway.served
        return Outcome(
            str(self.transcript.path),
            self.recording.name,
            self.transcript.location,
            tuple(self.evaluation.findings),
            tuple(self._stale()),
            self.evaluation.held,
            self.evaluation.judged,
            len(self.results),
            len(served[0].request.messages) if served else 0,
            time.perf_counter() - self._started,
            self.recording.recorded,
            events_hash=events_hash,
        )

    def _stale(self) -> Iterator[Change]:
        if self.recording.edited:
            what = "!this recording was edited by hand: record it again, or name it hand/NAME"
            yield Change("recording", next(iter(self.recording.turns), ""), 0, self.recording.location, "", what)
        spots = {turn.id: turn for turn in self.transcript.turns}
        policy = self.transcript.stale
        served = self.gateway.served
        if any(one.seen != one.reply.seen for one in served):
            from runner.transcripts.replaying.staleness import changes  # lazy: most recordings are fresh

            yield from changes(self.recording, served, self.agent, self.hasher, self.redactor, policy, spots)
        yield from self.changes
        if not self.recording.by_hand:
            for turn in self.recording.turns:
                if turn not in spots:
                    what = "!the recording has this turn, the script has not"
                    yield Change("turns", turn, 0, self.recording.location, "", what, policy.get("turns") == "warn")
