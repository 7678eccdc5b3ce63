"""One transcript played with a real model: what `record` writes down, and what `replay --live` judges."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from runner.config.agent import Agent
from runner.config.trust.trust import ensure_trusted
from runner.core.cancel import Cancel
from runner.core.errors import AgentRunError, ConfigError, Denied
from runner.core.messages import ToolCall, Usage
from runner.engine.broker import Broker
from runner.engine.from_agent import open_tools
from runner.engine.session import ChatSession
from runner.transcripts.expectations import Facts
from runner.transcripts.expectations.evaluate import Tally
from runner.transcripts.expectations.matchers import show
from runner.transcripts.expectations.turn_result import summed
from runner.transcripts.model import RecordedReply, Recording, ReplayInputs, ScriptTurn, Transcript
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.recording.recorder import Recorder
from runner.transcripts.recording.stubbed_tools import StubbedTools
from runner.transcripts.scripted_user import Person, Play, agents_own, frozen, merged, voice_of
from runner.transcripts.suite.shared import Stage, declared_models, redactor_for


class Taken(NamedTuple):
    """A conversation that took place: its recording, and what came of its expectations.

    `whole` is False if a turn could not be said, for want of what an earlier answer should have given.
    """

    recording: Recording
    outcome: Outcome
    whole: bool = True


def take(
    transcript: Transcript,
    stage: Stage,
    *,
    model: str = "",
    variables: Mapping[str, Any] | None = None,
    allow_writes: bool = False,
    progress: Callable[[str], None] = lambda text: None,
    prepare: Callable[[Broker], None] = lambda broker: None,
) -> Taken:
    """Hold the conversation with the agent's model, or with `model` (GATEWAY/MODEL). Raises AgentRunError.

    Clock and seed are those of the script, or of an older recording of the same model, so that a conversation can be
    taken again. Tools that write or execute run if the turn approves them, or with `allow_writes`; else they give what
    older recordings hold. `prepare` is given the broker before anything is sent.
    """
    agent = stage.agent(transcript, model)
    older = next((each for name in declared_models(agent) if (each := transcript.recording(name))), None)
    inputs = _inputs(transcript, older, variables or {})
    conversation = _Conversation(transcript, agent, stage, inputs, allow_writes)
    prepare(conversation.play.session.broker)
    conversation.recorder.listen_to(conversation.play.session.broker)
    started = time.perf_counter()
    try:
        conversation.hold(progress)
    finally:
        conversation.play.session.close()
    name = str(conversation.play.session.broker.route)
    recording = conversation.recorder.recording(name)
    outcome = conversation.outcome(name)._replace(seconds=time.perf_counter() - started)
    return Taken(steadied(recording, transcript.recording(name)), outcome, conversation.whole)


def _inputs(transcript: Transcript, older: Recording | None, variables: Mapping[str, Any]) -> ReplayInputs:
    known = ReplayInputs() if older is None else older.inputs._replace(variables={})
    inputs = merged(transcript.inputs, known)
    clock = inputs.clock or datetime.now().astimezone().replace(microsecond=0)
    return inputs._replace(clock=clock, variables={**inputs.variables, **variables})


class _Conversation:
    """A session with a real model, listened to by a recorder."""

    def __init__(
        self, transcript: Transcript, agent: Agent, stage: Stage, inputs: ReplayInputs, allow_writes: bool
    ) -> None:
        self.transcript = transcript
        self.tally = Tally(redactor_for(agent, transcript))
        self.facts: list[Facts] = []
        self._allow_writes = allow_writes
        self._refused: list[str] = []
        self.whole = True
        self.recorder = Recorder(redactor_for(agent, transcript), inputs)
        clock = frozen(inputs)
        person = Person(self)
        ensure_trusted(agent, trust=stage.trust)
        real = open_tools(agent, approve=person.approve, ask=person.ask)
        self._tools = StubbedTools(real, transcript.recordings, self._acts)
        self._approved: frozenset[str] = frozenset()
        session = ChatSession.from_agent(
            agent,
            variables=agents_own(inputs, agent),
            toolbox=self._tools,
            clock=clock,
            seed=inputs.seed,
            approve=person.approve,
            ask=person.ask,
            trust=stage.trust,
        )
        voice = voice_of(transcript, agent, inputs, clock)
        self.play = Play(session, voice, person, transcript, Cancel, self.recorder.hear, live=True, trusted=stage.trust)

    def lets(self, call: ToolCall) -> bool:
        """A call that the rules ask about: what only plays a part may go on, as may all with `allow_writes`."""
        if self._tools.plays(call.name) or self._allow_writes:
            return True
        self._refused.append(call.name)
        return False

    def _acts(self, name: str) -> bool:
        """A tool may write or execute for real."""
        return self._allow_writes or name in self._approved

    def trouble(self, kind: str, what: str, diff: str = "") -> None:
        self._refused.append(what)

    def hold(self, progress: Callable[[str], None]) -> None:
        """Play every turn, judge it, and then all. Raises what a turn raised that does not expect a failure."""
        for turn in self.transcript.turns:
            progress(f"{self.transcript.path}: {turn.id}")
            self.recorder.begin(turn.id)
            self._approved = frozenset(turn.answers.approve or ())
            try:
                facts = self.play.turn(turn, self.recorder.requests)
            except ConfigError as error:
                if not self.tally.failed:
                    raise
                self.tally.note("note", "turn", f"not said: {error.problems[0].text}", turn.place, turn.id)
                self.whole = False
                return
            self.facts.append(facts)
            self._stop_at(turn, facts.error)
            expect = self.play.voice.wanted(turn.expect)
            self.tally.judge(expect, facts, turn.id)
            if not expect:
                self.tally.note("note", "golden", "judged in replays only", turn.place, turn.id)
            self.play.voice.values.update(self.tally.captured)
        final = self.play.voice.wanted(self.transcript.finally_)
        self.tally.judge(final, summed(self.facts), "finally")

    def _stop_at(self, turn: ScriptTurn, error: AgentRunError | None) -> None:
        if missed := (*self._refused, *self._tools.missed):
            raise Denied(
                f"the turn {turn.id} needs somebody to say yes",
                where=str(turn.place),
                why="; ".join(dict.fromkeys(missed)),
                fix="list the tools under answers.approve and the answers under answers.ask_user, or --allow-writes",
            )
        if error is not None and not any(each.kind == "exit" for each in turn.expect):
            error.what, error.why = self.tally.mask(error.what), self.tally.mask(error.why)
            error.where = error.where or str(turn.place)
            raise error

    def outcome(self, name: str) -> Outcome:
        return Outcome(
            str(self.transcript.path),
            name,
            self.transcript.place,
            tuple(self.tally.findings),
            (),
            self.tally.held,
            self.tally.judged,
            len(self.facts),
            live=True,
        )


def drifted(taken: Taken, recording: Recording | None) -> Outcome:
    """The outcome, with a drift noted where all holds but other tools were called than in the recording."""
    outcome = taken.outcome
    if recording is None or outcome.verdict != "pass":
        return outcome
    recorded, now = _path(recording), _path(taken.recording)
    if recorded == now:
        return outcome
    diff = "\n".join([*(f"-{call}" for call in recorded), *(f"+{call}" for call in now)])
    finding = Finding(
        "drift", "path", "the expectations hold, by other tool calls than recorded", outcome.place, "", diff
    )
    return outcome._replace(findings=(*outcome.findings, finding))


def _path(recording: Recording) -> list[str]:
    replies = (reply for replies in recording.turns.values() for reply in replies)
    return [f"{call.name}({show(call.arguments)})" for reply in replies for call in reply.calls]


def steadied(fresh: Recording, older: Recording | None) -> Recording:
    """The fresh recording with the older one's times where nothing else changed: re-recording is quiet."""
    if older is None:
        return fresh
    turns = {
        turn: tuple(
            _with_times_of(reply, before)
            for reply, before in zip_longest(replies, older.turns.get(turn, ())[: len(replies)])
        )
        for turn, replies in fresh.turns.items()
    }
    return fresh._replace(turns=turns)


def _with_times_of(reply: RecordedReply, before: RecordedReply | None) -> RecordedReply:
    if before is None:
        return reply
    usage = before.usage if _counts(reply.usage) == _counts(before.usage) else reply.usage
    as_before = reply._replace(ms=before.ms, usage=usage)
    return as_before if as_before == before else reply


def _counts(usage: Usage | None) -> tuple[int, int] | None:
    """What does not depend on what a server still had in its cache."""
    return None if usage is None else (usage.input_tokens, usage.output_tokens)
