"""A live run that sends what the recording sent: whether it was the model that drifted, or our change that broke it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from runner.core.chunks import Chunk
from runner.engine.route import Route
from runner.gateways import Request
from runner.transcripts.conversation.run_context import RunContext, declared_models, secrets_of
from runner.transcripts.conversation.unrun_outcomes import missing_outcome
from runner.transcripts.model import RecordedRequest, Transcript
from runner.transcripts.outcome import Change, Finding, Outcome
from runner.transcripts.recording.drift import outcome_with_drift
from runner.transcripts.recording.gateway_wrapper import GatewayWrapper
from runner.transcripts.recording.live_run import LiveOptions, run_transcript
from runner.transcripts.replaying.replay import replay_recording


def run_as_recorded(transcript: Transcript, context: RunContext, options: LiveOptions) -> Outcome:
    """The live outcome with the recorded system prompt, options and tool descriptions, and what follows from it.

    The words of the user and the schemas of the tools are today's. Raises AgentRunError.
    """
    agent = context.agent(transcript)
    models = (options.model,) if options.model else declared_models(agent)
    recordings = map(transcript.recording, models)
    recording = next((recording for recording in recordings if recording and recording.request), None)
    if recording is None or recording.request is None:
        return missing_outcome(transcript, agent, models[0])
    changes = replay_recording(transcript, recording, RunContext(trust=context.trust)).changes
    sent, secrets = recording.request, secrets_of(agent)
    run = run_transcript(
        transcript,
        context,
        options._replace(model=recording.name),
        wrap=lambda route: _as_recorded_gateway(route, sent, secrets),
    )
    outcome = outcome_with_drift(run, recording)
    finding = Finding("info", "as-recorded", _conclusion(outcome, changes), outcome.location)
    return outcome._replace(findings=(*outcome.findings, finding))


def _conclusion(outcome: Outcome, changes: Sequence[Change]) -> str:
    parts = ", ".join(
        f"{change.component} ({change.where})" if change.where else change.component for change in changes
    )
    if outcome.verdict == "fail":
        return "the model or its server drifted: what was recorded is sent, and it fails today"
    if outcome.verdict == "not-run":
        return "nothing was judged, so nothing follows: give the turns expectations"
    if not changes:
        return "neither side drifted: nothing has changed since the recording, and the model does as expected"
    return f"the model has not drifted: what fails without --as-recorded comes of the change of {parts}"


def _as_recorded_gateway(route: Route, sent: RecordedRequest, secrets: Mapping[str, str]) -> GatewayWrapper:
    """The route's gateway, asked with the recorded request in place of each of the engine's."""

    def stream(route: Route, request: Request) -> Iterator[Chunk]:
        return route.gateway.stream(_as_recorded_request(request, sent, secrets))

    return GatewayWrapper(route, stream)


def _as_recorded_request(request: Request, sent: RecordedRequest, secrets: Mapping[str, str]) -> Request:
    """The recorded request with today's messages."""

    def with_secrets(text: str) -> str:
        for name, value in secrets.items():
            text = text.replace(f"«{name}»", value)
        return text

    today = {spec.name: spec for spec in request.tools}
    tools = (
        replace(today[name], description=with_secrets(tool.description))
        for name, tool in sent.tools.items()
        if name in today
    )
    options = dict(sent.options)
    return replace(
        request,
        system=with_secrets(sent.system),
        tools=tuple(tools),
        tool_choice=options.pop("tool_choice", "auto"),
        schema=options.pop("schema", None),
        options=options,
    )
