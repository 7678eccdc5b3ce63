"""Runs over many transcripts with real models: judged, or written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from runner.core.errors import AgentRunError
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.as_recorded import probe
from runner.transcripts.recording.live_run import drifted, take
from runner.transcripts.recording.updates import Review, Tell, record
from runner.transcripts.suite.run import Choice, broken
from runner.transcripts.suite.shared import Stage


def run_live(
    paths: Iterable[Path],
    choice: Choice,
    *,
    as_recorded: bool = False,
    allow_writes: bool = False,
    tell: Tell = lambda text: None,
) -> Iterator[Outcome]:
    """The outcome of every chosen transcript with a real model; nothing is written.

    `as_recorded` sends what the recording sent, to tell a drift of the model from a change of ours.
    """

    def judged(path: Path, transcript: Transcript, stage: Stage) -> Outcome:
        if as_recorded:
            return probe(transcript, stage, model=choice.model, allow_writes=allow_writes, progress=tell)
        taken = take(transcript, stage, model=choice.model, allow_writes=allow_writes, progress=tell)
        return drifted(taken, transcript.recording(taken.recording.name))

    return _each_live(paths, choice, judged)


def record_all(
    paths: Iterable[Path],
    choice: Choice,
    *,
    gateway: str = "",
    model: str = "",
    variables: Mapping[str, str] | None = None,
    allow_writes: bool = False,
    review: Review | None = None,
    tell: Tell = lambda text: None,
) -> Iterator[Outcome]:
    """The outcome of every chosen transcript's recording, which is written as it comes."""

    def recorded(path: Path, transcript: Transcript, stage: Stage) -> Outcome | None:
        agent = stage.agent(transcript)
        route = f"{gateway or agent.gateway}/{model or agent.model}" if gateway or model else ""
        return record(
            path, stage, model=route, variables=variables, allow_writes=allow_writes, review=review, tell=tell
        )

    return _each_live(paths, choice, recorded)


def _each_live(
    paths: Iterable[Path], choice: Choice, play: Callable[[Path, Transcript, Stage], Outcome | None]
) -> Iterator[Outcome]:
    stage = Stage(offline=False, trust=choice.trust)
    for path in paths:
        try:
            transcript = load_transcript(path, stage.suites)
            outcome = play(path, transcript, stage) if choice.takes(transcript) else None
        except AgentRunError as error:
            outcome = broken(path, error)
        if outcome is not None:
            yield outcome
            if choice.fail_fast and outcome.verdict not in ("pass", "not-run"):
                return
