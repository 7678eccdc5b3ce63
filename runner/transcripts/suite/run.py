"""A run over many transcripts: which files, which cells of them, in how many processes, in what order."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.core.errors import AgentRunError
from runner.transcripts.conversation.run_context import RunContext, declared_models
from runner.transcripts.conversation.unrun_outcomes import error_outcome, missing_outcome
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.replaying.replay import replay_recording
from runner.transcripts.suite.selection import Choice

# Where it is sound, a fork spares each process the start and the imports.
_START = "fork" if sys.platform == "linux" else "spawn"
_FEW = 20


def run(paths: Sequence[Path], choice: Choice, *, jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of every chosen cell, in the order of the files; with `fail_fast` none after the first bad one."""
    outcomes = _in_processes(paths, choice, jobs) if jobs > 1 and len(paths) > 1 else _here(paths, choice)
    for outcome in outcomes:
        yield outcome
        if choice.fail_fast and outcome.verdict not in ("pass", "not-run"):
            return


def _here(paths: Sequence[Path], choice: Choice) -> Iterator[Outcome]:
    if len(paths) > _FEW:
        from runner.core.json_schema import JsonSchema  # lazy: it validates many files faster than its import takes

        JsonSchema(True).compile()
    context = RunContext(trust=choice.trust)
    try:
        with _few_collections():
            for path in paths:
                yield from _cells(path, choice, context)
    finally:
        context.close()


def _in_processes(paths: Sequence[Path], choice: Choice, jobs: int) -> Iterator[Outcome]:
    """The same over several processes; each takes a share of neighbours, so that agents are read few times."""
    from concurrent.futures import ProcessPoolExecutor  # lazy: only -j needs processes
    from multiprocessing import get_context

    share = max(1, min(50, -(-len(paths) // (jobs * 4))))
    shares = [paths[start : start + share] for start in range(0, len(paths), share)]
    with ProcessPoolExecutor(jobs, mp_context=get_context(_START)) as pool:
        try:
            for outcomes in pool.map(_share, shares, [choice] * len(shares)):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)


def _share(paths: Sequence[Path], choice: Choice) -> list[Outcome]:
    return list(run(paths, choice))


def _cells(path: Path, choice: Choice, context: RunContext) -> Iterator[Outcome]:
    """The chosen cells of one file; what keeps it from running is an outcome too."""
    try:
        transcript = load_transcript(path, context.suite_files)
        if choice.takes(transcript):
            context.agent(transcript)  # a broken agent is told once, not by each recording
            for recording in _recordings(transcript, choice, context):
                if choice.cells is None or f"{path} [{recording.name}]" in choice.cells:
                    yield _outcome(transcript, recording, choice, context)
            yield from _missing(transcript, choice, context)
    except AgentRunError as error:
        yield error_outcome(path, error)


def _outcome(transcript: Transcript, recording: Recording, choice: Choice, context: RunContext) -> Outcome:
    try:
        outcome = replay_recording(transcript, recording, context, chunking=choice.chunking, hash_events=choice.twice)
        if choice.twice:
            again = replay_recording(transcript, recording, context, chunking=choice.chunking, hash_events=True)
            outcome = _compared(outcome, again)
        return outcome
    except AgentRunError as error:
        return error_outcome(transcript.path, error, recording.name, recording.location)


def _compared(first: Outcome, second: Outcome) -> Outcome:
    if first.events_hash == second.events_hash:
        return first
    what = "two replays gave different events: something depends on time, chance or the run before"
    return first._replace(findings=(*first.findings, Finding("fail", "twice", what, first.location)))


def _recordings(transcript: Transcript, choice: Choice, context: RunContext) -> tuple[Recording, ...]:
    if not choice.model:
        return transcript.recordings
    found = transcript.recording(choice.model)
    return (found,) if found is not None else ()


def _missing(transcript: Transcript, choice: Choice, context: RunContext) -> Iterator[Outcome]:
    """A cell for the model that is asked for, or that the agent names, when the file has no recording of it."""
    machine = [each.name for each in transcript.recordings if not each.by_hand]
    wanted = (choice.model,) if choice.model else declared_models(context.agent(transcript))
    if any(name in machine for name in wanted) or (not choice.model and not machine and transcript.recordings):
        return
    cell = missing_outcome(transcript, wanted[0])
    if choice.cells is None or cell.name in choice.cells:
        yield cell


@contextmanager
def _few_collections() -> Iterator[None]:
    """A replay leaves few cycles behind: the collector need not look after every few hundred values."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
