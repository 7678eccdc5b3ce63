"""Recording one transcript: its conversation is held live, reviewed, and written into its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runner.transcripts.conversation.run_context import RunContext, redactor_for
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.live_run import LiveOptions, LiveRun, run_transcript
from runner.transcripts.recording.recording_writer import write_recording

Review = Callable[[Transcript, LiveRun], bool]
"""Shows a fresh recording beside the old one; False leaves the old one."""


def record_transcript(
    path: Path, context: RunContext, options: LiveOptions, *, review: Review | None = None
) -> Outcome | None:
    """Hold a transcript's conversation live and write its recording; None if the reviewer left the old one.

    Raises AgentRunError, and then nothing was written.
    """
    transcript = load_transcript(path, context.suite_files)
    run = run_transcript(transcript, context, options)
    if not run.complete:
        options.notify(f"{run.outcome.name}: not recorded, since a turn could not be said")
        return run.outcome
    if review is not None and not review(transcript, run):
        options.notify(f"{run.outcome.name}: left as it was")
        return None
    write_recording(transcript, run.recording, redactor_for(context.agent(transcript, options.model), transcript))
    options.notify(f"{run.outcome.name}: recorded")
    return run.outcome._replace(written=True)
