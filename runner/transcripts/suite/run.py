"""Replaying many transcripts: the outcome of each selected cell, in the order of the files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from runner.transcripts.conversation.run_context import RunContext, declared_models, needed_models
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.replaying.replay import replay_recording
from runner.transcripts.suite.cell import Cell, OpenSource, run_cells
from runner.transcripts.suite.selection import Selection

_MANY_FILES = 20
"""From more files than this on, the compiled schema validator repays its import."""


def run(paths: Sequence[Path], selection: Selection, *, jobs: int = 1) -> Iterator[Outcome]:
    """The outcome of every chosen cell, in the order of the files; with `fail_fast` none after the first bad one."""
    if len(paths) > _MANY_FILES:
        from runner.core.json_schema import JsonSchema  # lazy: it validates many files faster than its import takes

        JsonSchema(True).compile()
    return outcomes(partial(RecordedCells, selection), paths, selection, jobs)


def outcomes(open_source: OpenSource, paths: Sequence[Path], selection: Selection, jobs: int = 1) -> Iterator[Outcome]:
    """The outcomes of a source's cells, in the order of the files; with `fail_fast` none after the first bad one."""
    jobs = min(jobs, len(paths))
    # What is trusted may end its process: where a cell cannot be forked, the run still outlives it.
    if jobs > 1 or (selection.trust and paths and sys.platform != "linux"):
        from runner.transcripts.suite.worker_processes import run_in_processes  # lazy: only these need processes

        found = run_in_processes(open_source, paths, jobs)
    else:
        found = run_cells(open_source, paths)
    for outcome in found:
        yield outcome
        if selection.fail_fast and outcome.is_bad:
            return


class RecordedCells:
    """The cells of transcripts with their recordings, and with the models of which a recording is missing."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._context = RunContext(trust=selection.trust)

    def cells(self, path: Path) -> Iterator[Cell]:
        """The file's chosen cells. Raises ConfigError for a file, a suite or an agent that is broken."""
        selection, context = self._selection, self._context
        transcript = load_transcript(path, context.suite_files)
        if not selection.includes(transcript):
            return
        agent = context.agent(transcript)  # so that a broken agent is one outcome, not one a recording
        for recording in transcript.recordings:
            if selection.model in ("", recording.name) and selection.includes_cell(path, recording.name):
                job = partial(self._replayed, transcript, recording)
                runs_code = context.may_run_code(transcript, agent)
                yield Cell(path, recording.name, recording.location, job, runs_code, self.close)
        for model in (selection.model,) if selection.model else needed_models(transcript, agent):
            if transcript.recording(model) is None and selection.includes_cell(path, model):
                yield Cell(path, model, transcript.location, partial(self._missing, transcript, model))

    def close(self) -> None:
        self._context.close()

    def _replayed(self, transcript: Transcript, recording: Recording) -> Outcome:
        selection = self._selection

        def replayed() -> Outcome:
            return replay_recording(
                transcript, recording, self._context, chunking=selection.chunking, hash_events=selection.twice
            )

        outcome = _compared(replayed(), replayed()) if selection.twice else replayed()
        if recording.by_hand or selection.model:
            return outcome
        agent = self._context.agent(transcript)
        known = {*declared_models(agent), *transcript.models}
        if recording.name in known:
            return outcome
        what = f"neither {agent.path} nor models: names {recording.name}: name it in one of them, or take it out"
        return outcome._replace(findings=(*outcome.findings, Finding("info", "model", what, recording.location)))

    def _missing(self, transcript: Transcript, model: str) -> Outcome:
        from runner.transcripts.conversation.unrun_outcomes import missing_outcome  # lazy: most models are recorded

        return missing_outcome(transcript, self._context.agent(transcript), model)


def _compared(first: Outcome, second: Outcome) -> Outcome:
    if first.events_hash == second.events_hash:
        return first
    what = "two replays gave different events: something depends on time, chance or the run before"
    return first._replace(findings=(*first.findings, Finding("fail", "twice", what, first.location)))
