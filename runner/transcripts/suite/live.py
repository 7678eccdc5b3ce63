"""Live runs of many transcripts: judged, or written as recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from runner.transcripts.conversation.run_context import RunContext, needed_models
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.as_recorded import run_as_recorded
from runner.transcripts.recording.drift import outcome_with_drift
from runner.transcripts.recording.live_run import LiveOptions, run_transcript
from runner.transcripts.recording.record_transcript import Review, record_transcript
from runner.transcripts.suite.cell import Cell, run_cells
from runner.transcripts.suite.run import outcomes
from runner.transcripts.suite.selection import Selection


def run_live(
    paths: Sequence[Path],
    selection: Selection,
    options: LiveOptions = LiveOptions(),  # noqa: B008 - frozen
    *,
    as_recorded: bool = False,
) -> Iterator[Outcome]:
    """The outcome of every chosen transcript with a real model, that of `selection`; nothing is written.

    `as_recorded` sends what the recording sent, to tell a drift of the model from a change of ours.
    """
    return outcomes(partial(LiveCells, selection, options, as_recorded), paths, selection)


def record_all(
    paths: Sequence[Path],
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
    open_source = partial(RecordingCells, selection, options, gateway, model, review)
    if review is not None:  # which asks at the terminal
        return run_cells(open_source, paths)
    return outcomes(open_source, paths, selection)


_MAX_SECONDS = 3600
"""A conversation with a model takes no longer."""


class LiveCells:
    """The cells of transcripts with real models: those they list, else the agent's own."""

    def __init__(self, selection: Selection, options: LiveOptions, as_recorded: bool = False) -> None:
        self._selection = selection
        self._options = options
        self._as_recorded = as_recorded
        self._in_children = True
        self._context = RunContext(offline=False, trust=selection.trust)

    def cells(self, path: Path) -> Iterator[Cell]:
        """The file's chosen cells. Raises ConfigError for a file, a suite or an agent that is broken."""
        transcript = load_transcript(path, self._context.suite_files)
        if not self._selection.includes(transcript):
            return
        agent = self._context.agent(transcript)
        for model in self._models(transcript):
            name = model or f"{agent.gateway}/{agent.model}"
            if self._selection.includes_cell(path, name):
                yield Cell(
                    path,
                    name,
                    transcript.location,
                    partial(self._run, transcript, model),
                    self._in_children and self._context.may_run_code(transcript, agent),
                    self.close,
                    _MAX_SECONDS,
                )

    def close(self) -> None:
        self._context.close()

    def _models(self, transcript: Transcript) -> Sequence[str]:
        """Each GATEWAY/MODEL to ask; an empty one is the agent's own, with its fallback."""
        return (self._selection.model,) if self._selection.model else transcript.models or ("",)

    def _run(self, transcript: Transcript, model: str) -> Outcome | None:
        options = self._options._replace(model=model)
        if self._as_recorded:
            return run_as_recorded(transcript, self._context, options)
        run = run_transcript(transcript, self._context, options)
        return outcome_with_drift(run, transcript.recording(run.recording.name))


class RecordingCells(LiveCells):
    """The cells of transcripts with real models, recorded."""

    def __init__(
        self, selection: Selection, options: LiveOptions, gateway: str, model: str, review: Review | None
    ) -> None:
        super().__init__(selection, options)
        self._gateway = gateway
        self._model = model
        self._review = review
        self._in_children = review is None  # it asks at the terminal, which belongs to this process

    def _models(self, transcript: Transcript) -> Sequence[str]:
        if not self._gateway and not self._model:
            return super()._models(transcript)
        agent = self._context.agent(transcript)
        return (f"{self._gateway or agent.gateway}/{self._model or agent.model}",)

    def _run(self, transcript: Transcript, model: str) -> Outcome | None:
        options = self._options._replace(model=model)
        outcome = record_transcript(transcript.path, self._context, options, review=self._review)
        if outcome is not None and outcome.written and model == self._models(transcript)[-1]:
            self._tell_missing(transcript.path)
        return outcome

    def _tell_missing(self, path: Path) -> None:
        transcript = load_transcript(path, self._context.suite_files)
        needed = needed_models(transcript, self._context.agent(transcript))
        missing = [name for name in needed if transcript.recording(name) is None]
        if missing:
            self._options.notify(f"{path}: still to be recorded, or left out by models: {', '.join(missing)}")
