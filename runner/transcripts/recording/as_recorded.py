"""A live run that sends what the recording sent: whether it was the model that drifted, or our change that broke it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from runner.core.chunks import Chunk
from runner.engine.broker import Broker, Route
from runner.gateways import Request
from runner.transcripts.model import RecordedRequest, Transcript
from runner.transcripts.outcome import Change, Finding, Outcome
from runner.transcripts.recording.gateway_wrapper import stand_between
from runner.transcripts.recording.live_run import drifted, take
from runner.transcripts.replaying.replay import replay
from runner.transcripts.suite.run import missing
from runner.transcripts.suite.shared import Stage, declared_models, secrets_of


def probe(
    transcript: Transcript,
    stage: Stage,
    *,
    model: str = "",
    allow_writes: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """The live outcome with the recorded system prompt, options and tool descriptions, and what follows from it.

    The words of the user and the schemas of the tools are today's. Raises AgentRunError.
    """
    agent = stage.agent(transcript)
    wanted = (model,) if model else declared_models(agent)
    recording = next((each for name in wanted if (each := transcript.recording(name)) and each.request), None)
    if recording is None or recording.request is None:
        return missing(transcript, wanted[0])
    changed = replay(transcript, recording, Stage(trust=stage.trust)).changes
    sent, secrets = recording.request, secrets_of(agent)
    taken = take(
        transcript,
        stage,
        model=recording.name,
        allow_writes=allow_writes,
        progress=progress,
        prepare=lambda broker: _send_as_recorded(broker, sent, secrets),
    )
    outcome = drifted(taken, recording)
    told = Finding("info", "as-recorded", _conclusion(outcome, changed), outcome.place)
    return outcome._replace(findings=(*outcome.findings, told))


def _conclusion(outcome: Outcome, changed: Sequence[Change]) -> str:
    parts = ", ".join(f"{each.component} ({each.where})" if each.where else each.component for each in changed)
    if outcome.verdict == "fail":
        return "the model or its server drifted: what was recorded is sent, and it fails today"
    if outcome.verdict == "not-run":
        return "nothing was judged, so nothing follows: give the turns expectations"
    if not changed:
        return "neither side drifted: nothing has changed since the recording, and the model does as expected"
    return f"the model has not drifted: what fails without --as-recorded comes of the change of {parts}"


def _send_as_recorded(broker: Broker, sent: RecordedRequest, secrets: Mapping[str, str]) -> None:
    def stream(route: Route, request: Request) -> Iterator[Chunk]:
        return route.gateway.stream(_as_recorded(request, sent, secrets))

    stand_between(broker, stream)


def _as_recorded(request: Request, sent: RecordedRequest, secrets: Mapping[str, str]) -> Request:
    """The recorded request with today's messages."""

    def unmasked(text: str) -> str:
        for name, value in secrets.items():
            text = text.replace(f"«{name}»", value)
        return text

    today = {spec.name: spec for spec in request.tools}
    tools = (
        replace(today[name], description=unmasked(tool.description))
        for name, tool in sent.tools.items()
        if name in today
    )
    options = dict(sent.options)
    return replace(
        request,
        system=unmasked(sent.system),
        tools=tuple(tools),
        tool_choice=options.pop("tool_choice", "auto"),
        schema=options.pop("schema", None),
        options=options,
    )
