"""What `record` does: the conversations of transcripts held live, and their recordings written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.live_run import LiveOptions
from runner.transcripts.recording.record_transcript import Review
from runner.transcripts.recording.recording_writer import refuse_in_ci
from runner.transcripts.suite.discovery import find_transcripts
from runner.transcripts.suite.live import record_all
from runner.transcripts.suite.selection import Selection


def record(
    paths: Iterable[Path],
    selection: Selection,
    options: LiveOptions,
    *,
    gateway: str = "",
    model: str = "",
    review: Review | None = None,
) -> Sequence[Outcome]:
    """The outcome of each chosen transcript of the files and folders. Raises UsageError, and where CI is set.

    `gateway` and `model` replace those of each agent; `review` may refuse a fresh recording.
    """
    refuse_in_ci()
    return list(
        record_all(
            find_transcripts(paths, options.notify), selection, options, gateway=gateway, model=model, review=review
        )
    )
