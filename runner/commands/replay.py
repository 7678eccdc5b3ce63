"""What `replay` does: transcripts against their recordings or a real model, and updates where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.core.errors import UsageError
from runner.transcripts.chunking import MODES, is_mode
from runner.transcripts.outcome import Outcome
from runner.transcripts.suite.discovery import find_transcripts
from runner.transcripts.suite.last_failures import load_failures, save_failures
from runner.transcripts.suite.run import run
from runner.transcripts.suite.selection import Selection

if TYPE_CHECKING:
    from runner.transcripts.recording.record_transcript import Review


class ReplayOptions(NamedTuple):
    """`selection` says what is replayed and how, `failed` to take only the cells that failed last time.

    `live` asks the model, `as_recorded` with the recorded prompt, `allow_writes` with tools that write and execute.
    `update` and `accept_stale` name the categories and components to update; `review` may refuse a fresh recording;
    `notify` gets lines for the user; `jobs` is the number of processes.
    """

    selection: Selection
    failed: bool = False
    live: bool = False
    as_recorded: bool = False
    allow_writes: bool = False
    update: Sequence[str] = ()
    accept_stale: Sequence[str] = ()
    review: Review | None = None
    notify: Callable[[str], None] = lambda text: None
    jobs: int = 1


class Replayed(NamedTuple):
    """How many transcripts were found, and the outcomes of the cells that were chosen."""

    files: int
    outcomes: Sequence[Outcome]


def replay(paths: Iterable[Path], options: ReplayOptions) -> Replayed:
    """The outcome of each chosen cell of the files and folders; which ones failed is remembered. Raises UsageError."""
    if options.as_recorded and not options.live:
        raise UsageError("--as-recorded belongs to --live", fix="replay --live --as-recorded, or neither")
    if not is_mode(options.selection.chunking):
        raise UsageError(f"--chunking knows no {options.selection.chunking!r}", fix=f"one of {', '.join(MODES)}")
    cells = load_failures() if options.failed else None
    if options.failed and cells is None:
        options.notify("--failed: no failures are remembered here, so all of them run")
    options = options._replace(selection=options.selection._replace(cells=cells))
    files = find_transcripts(paths, options.notify)
    outcomes = list(_outcomes(files, options))
    if options.update or options.accept_stale:
        _update(files, outcomes, options)
        outcomes = list(_outcomes(files, options))
    save_failures(outcomes)
    return Replayed(len(files), outcomes)


def _outcomes(files: Sequence[Path], options: ReplayOptions) -> Iterable[Outcome]:
    if not options.live:
        return run(files, options.selection, jobs=options.jobs)
    from runner.transcripts.recording.live_run import LiveOptions
    from runner.transcripts.suite.live import run_live  # lazy, as the next: an offline replay asks nobody

    live = LiveOptions(allow_writes=options.allow_writes, notify=options.notify)
    return run_live(files, options.selection, live, as_recorded=options.as_recorded)


def _update(files: Sequence[Path], outcomes: Sequence[Outcome], options: ReplayOptions) -> None:
    from runner.transcripts.recording.live_run import LiveOptions  # lazy, as the next: most replays change nothing
    from runner.transcripts.recording.recording_writer import refuse_in_ci
    from runner.transcripts.recording.updates import Updates

    refuse_in_ci()
    updates = Updates(
        options.update,
        LiveOptions(allow_writes=options.allow_writes, notify=options.notify),
        accept=frozenset(options.accept_stale),
        trust=options.selection.trust,
        review=options.review,
    )
    for outcome in outcomes:
        updates.apply(outcome)
    updates.prune(files)
