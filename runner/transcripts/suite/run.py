"""Replaying many transcripts: the outcome of each selected cell, in the order of the files."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.core.errors import AgentRunError
from runner.transcripts.conversation.run_context import RunContext, declared_models
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.replaying.replay import replay_recording
from runner.transcripts.suite.selection import Selection

_MANY_FILES = 20
"""From more files than this on, the compiled schema validator repays its import."""


def run(paths: Sequence[Path], selection: Selection, *, jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of every chosen cell, in the order of the files; with `fail_fast` none after the first bad one."""
    for outcome in _outcomes(paths, selection, jobs if len(paths) > 1 else 1):
        yield outcome
        if selection.fail_fast and outcome.verdict not in ("pass", "not-run"):
            return


def _outcomes(paths: Sequence[Path], selection: Selection, jobs: int) -> Iterable[Outcome]:
    if jobs == 1:
        return replay_in_this_process(paths, selection)
    from runner.transcripts.suite.worker_processes import replay_in_processes  # lazy: only -j needs processes

    return replay_in_processes(replay_in_this_process, paths, selection, jobs)


def replay_in_this_process(paths: Sequence[Path], selection: Selection) -> Iterator[Outcome]:
    """The outcomes of the files' selected cells, one after the other."""
    if len(paths) > _MANY_FILES:
        from runner.core.json_schema import JsonSchema  # lazy: it validates many files faster than its import takes

        JsonSchema(True).compile()
    context = RunContext(trust=selection.trust)
    try:
        with _rare_garbage_collection():
            for path in paths:
                yield from _cells(path, selection, context)
    finally:
        context.close()


def _cells(path: Path, selection: Selection, context: RunContext) -> Iterator[Outcome]:
    """The chosen cells of one file; what keeps it from running is an outcome too."""
    try:
        transcript = load_transcript(path, context.suite_files)
        if selection.includes(transcript):
            context.agent(transcript)  # so that a broken agent is one outcome, not one a recording
            for recording in _recordings(transcript, selection, context):
                if selection.cells is None or f"{path} [{recording.name}]" in selection.cells:
                    yield _outcome(transcript, recording, selection, context)
            yield from _missing(transcript, selection, context)
    except AgentRunError as error:
        from runner.transcripts.conversation.unrun_outcomes import error_outcome  # lazy: most cells run

        yield error_outcome(path, error)


def _outcome(transcript: Transcript, recording: Recording, selection: Selection, context: RunContext) -> Outcome:
    try:
        outcome = replay_recording(
            transcript, recording, context, chunking=selection.chunking, hash_events=selection.twice
        )
        if selection.twice:
            again = replay_recording(transcript, recording, context, chunking=selection.chunking, hash_events=True)
            outcome = _compared(outcome, again)
        return outcome
    except AgentRunError as error:
        from runner.transcripts.conversation.unrun_outcomes import error_outcome  # lazy: most cells run

        return error_outcome(transcript.path, error, recording.name, recording.location)


def _compared(first: Outcome, second: Outcome) -> Outcome:
    if first.events_hash == second.events_hash:
        return first
    what = "two replays gave different events: something depends on time, chance or the run before"
    return first._replace(findings=(*first.findings, Finding("fail", "twice", what, first.location)))


def _recordings(transcript: Transcript, selection: Selection, context: RunContext) -> tuple[Recording, ...]:
    if not selection.model:
        return transcript.recordings
    recording = transcript.recording(selection.model)
    return (recording,) if recording is not None else ()


def _missing(transcript: Transcript, selection: Selection, context: RunContext) -> Iterator[Outcome]:
    """A cell for the model that is asked for, or that the agent names, when the file has no recording of it."""
    machine = [recording.name for recording in transcript.recordings if not recording.by_hand]
    models = (selection.model,) if selection.model else declared_models(context.agent(transcript))
    if any(name in machine for name in models) or (not selection.model and not machine and transcript.recordings):
        return
    from runner.transcripts.conversation.unrun_outcomes import missing_outcome  # lazy: most models are recorded

    outcome = missing_outcome(transcript, models[0])
    if selection.cells is None or outcome.name in selection.cells:
        yield outcome


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Collect garbage less often within the block, since a replay leaves few reference cycles."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
