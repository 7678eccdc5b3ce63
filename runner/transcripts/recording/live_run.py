"""A live run: one transcript's conversation with a real model, which `record` writes and `replay --live` judges."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from runner.engine.broker import WrapGateway
from runner.transcripts.conversation.run_context import RunContext, declared_models
from runner.transcripts.conversation.scripted_conversation import merged_inputs
from runner.transcripts.model import Recording, ReplayInputs, Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.live_conversation import LiveConversation
from runner.transcripts.recording.unchanged_times import with_unchanged_times

Notify = Callable[[str], None]
"""Gets a line of text for the user while a run goes on."""


def silent(text: str) -> None:
    """Drop a line of progress."""


class LiveOptions(NamedTuple):
    """How a live run is held.

    `model` is a GATEWAY/MODEL in place of the agent's; `variables` come before the script's. Tools that write or
    execute run if the turn approves them, or with `allow_writes`; else they give what older recordings hold.
    """

    model: str = ""
    variables: Mapping[str, Any] = {}
    allow_writes: bool = False
    notify: Notify = silent


class LiveRun(NamedTuple):
    """A conversation that took place: its recording, and the outcome of its expectations.

    `complete` is False if a turn could not be sent, since an earlier answer did not give a variable that it needs.
    """

    recording: Recording
    outcome: Outcome
    complete: bool = True


def run_transcript(
    transcript: Transcript,
    context: RunContext,
    options: LiveOptions = LiveOptions(),  # noqa: B008 - frozen
    *,
    wrap: WrapGateway | None = None,
) -> LiveRun:
    """Hold the transcript's conversation with a real model. Raises AgentRunError.

    Clock and seed are those of the script, or of an older recording of the same model, so that the conversation can
    be held again. `wrap` gives the gateways to ask, as for a Broker.
    """
    agent = context.agent(transcript, options.model)
    recordings = map(transcript.recording, declared_models(agent))
    inputs = _inputs(transcript, next((older for older in recordings if older), None), options.variables)
    conversation = LiveConversation(transcript, agent, context, inputs, options.allow_writes, wrap)
    started = time.perf_counter()
    try:
        conversation.run(options.notify)
    finally:
        conversation.conversation.session.close()
    name = str(conversation.conversation.session.broker.route)
    recording = with_unchanged_times(conversation.recorder.recording(name), transcript.recording(name))
    outcome = conversation.outcome(name)._replace(seconds=time.perf_counter() - started)
    return LiveRun(recording, outcome, conversation.complete)


def _inputs(transcript: Transcript, older: Recording | None, variables: Mapping[str, Any]) -> ReplayInputs:
    # What a chat was allowed is no consent for today, when its calls run again; what it was denied stays denied.
    recorded = ReplayInputs() if older is None else older.inputs._replace(variables={}, allow=())
    inputs = merged_inputs(transcript.inputs, recorded)
    clock = inputs.clock or datetime.now().astimezone().replace(microsecond=0)
    return inputs._replace(clock=clock, variables={**inputs.variables, **variables})
