"""Writing a recording into its transcript file: checked for secrets once more, every other byte left as it is."""

from __future__ import annotations

import os
import re

from runner.core.errors import UsageError
from runner.transcripts.files.blobs import Blobs, escaped_references
from runner.transcripts.files.documents import read_verbatim, rewrite_recordings, split_documents
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.redaction import Redactor


def refuse_in_ci() -> None:
    """Raise UsageError where CI is set: a build must not mend its own tests."""
    if os.environ.get("CI"):
        raise UsageError(
            "nothing is recorded or updated where CI is set",
            why="a build that rewrites its recordings cannot fail",
            fix="do it on your own machine, and commit the result",
        )


def write_recording(transcript: Transcript, recording: Recording, redactor: Redactor) -> None:
    """Put a recording into its transcript's file, in place of the older one of its name. Raises UsageError."""
    blobs = Blobs(transcript.path.parent)
    document = _document(transcript, recording, blobs)
    for name, text in {"the recording": document, **blobs.unwritten}.items():
        if secrets := redactor.unredacted(text):
            raise UsageError(
                f"{name} would hold a secret: {', '.join(secrets)}",
                where=str(transcript.path),
                why="it survived the redaction, so nothing was written",
                fix="keep it out of the conversation, or mask it with a pattern under redact:",
            )
    blobs.write()
    rewrite_recordings(transcript.path, {recording.name: document})


def _document(transcript: Transcript, recording: Recording, blobs: Blobs) -> str:
    """The recording's document; where nothing but the date is new, also the spelling of an older version stays."""
    older = recording_document(recording, blobs, escaped_references)
    today = recording_document(recording, blobs)
    if older == today or not transcript.path.is_file():
        return today
    written = map(_undated, split_documents(read_verbatim(transcript.path)))
    return older if _undated(older) in written else today


def _undated(document: str) -> str:
    return re.sub(r"(?m)^recorded: .*$", "", document.replace("\r\n", "\n"))
