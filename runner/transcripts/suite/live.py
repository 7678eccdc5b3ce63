"""Live runs of many transcripts: judged, or written as recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from runner.core.errors import AgentRunError
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.conversation.unrun_outcomes import error_outcome
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.as_recorded import run_as_recorded
from runner.transcripts.recording.drift import outcome_with_drift
from runner.transcripts.recording.live_run import LiveOptions, run_transcript
from runner.transcripts.recording.record_transcript import Review, record_transcript
from runner.transcripts.suite.selection import Selection


def run_live(
    paths: Iterable[Path],
    selection: Selection,
    options: LiveOptions = LiveOptions(),  # noqa: B008 - frozen
    *,
    as_recorded: bool = False,
) -> Iterator[Outcome]:
    """The outcome of every chosen transcript with a real model, that of `selection`; nothing is written.

    `as_recorded` sends what the recording sent, to tell a drift of the model from a change of ours.
    """
    options = options._replace(model=selection.model)

    def judged(transcript: Transcript, context: RunContext) -> Outcome:
        if as_recorded:
            return run_as_recorded(transcript, context, options)
        run = run_transcript(transcript, context, options)
        return outcome_with_drift(run, transcript.recording(run.recording.name))

    return _outcomes(paths, selection, judged)


def record_all(
    paths: Iterable[Path],
    selection: Selection,
    options: LiveOptions,
    *,
    gateway: str = "",
    model: str = "",
    review: Review | None = None,
) -> Iterator[Outcome]:
    """The outcome of every chosen transcript's recording, which is written as it comes.

    `gateway` and `model`, both or one of them, replace those of each agent.
    """

    def recorded(transcript: Transcript, context: RunContext) -> Outcome | None:
        agent = context.agent(transcript)
        route = f"{gateway or agent.gateway}/{model or agent.model}" if gateway or model else ""
        return record_transcript(transcript.path, context, options._replace(model=route), review=review)

    return _outcomes(paths, selection, recorded)


def _outcomes(
    paths: Iterable[Path], selection: Selection, run: Callable[[Transcript, RunContext], Outcome | None]
) -> Iterator[Outcome]:
    context = RunContext(offline=False, trust=selection.trust)
    for path in paths:
        try:
            transcript = load_transcript(path, context.suite_files)
            outcome = run(transcript, context) if selection.includes(transcript) else None
        except AgentRunError as error:
            outcome = error_outcome(path, error)
        if outcome is not None:
            yield outcome
            if selection.fail_fast and outcome.verdict not in ("pass", "not-run"):
                return
