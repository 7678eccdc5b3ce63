"""Recordings written into their files: secrets looked for once more, the script's text left as it is."""

from __future__ import annotations

import os

from runner.core.errors import UsageError
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.documents import rewrite
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.recording.recorder import recorded_request
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.replay import Cell
from runner.transcripts.suite.shared import Stage


def refuse_in_ci() -> None:
    """A build must not mend its own tests. Raises UsageError where CI is set."""
    if os.environ.get("CI"):
        raise UsageError(
            "nothing is recorded or updated where CI is set",
            why="a build that rewrites its recordings cannot fail",
            fix="do it on your own machine, and commit the result",
        )


def keep(transcript: Transcript, recording: Recording, redactor: Redactor) -> None:
    """Write a recording into its transcript's file, in place of its older self. Raises UsageError."""
    blobs = Blobs(transcript.path.parent)
    text = recording_document(recording, blobs)
    for name, content in {"the recording": text, **blobs.unwritten}.items():
        if left := redactor.left(content):
            raise UsageError(
                f"{name} would hold a secret: {', '.join(left)}",
                where=str(transcript.path),
                why="it survived the redaction, so nothing was written",
                fix="keep it out of the conversation, or mask it with a pattern under redact:",
            )
    blobs.write()
    rewrite(transcript.path, {recording.name: text})


def restamped(
    transcript: Transcript, recording: Recording, stage: Stage, components: frozenset[str]
) -> Recording | None:
    """The recording with today's hashes, if nothing but these components has changed; None where more has.

    Its answers are as old as before: `accepted` says so.
    """
    cell = Cell(transcript, recording, stage)
    outcome = cell.run()
    changed = {change.component for change in outcome.changes}
    served = {(one.turn, one.number): one for one in cell.gateway.served}
    whole = all((turn, 1 + at) in served for turn, replies in recording.turns.items() for at in range(len(replies)))
    if not changed or not changed <= components or not whole or recording.request is None:
        return None
    turns = {
        turn: tuple(reply._replace(seen=served[turn, 1 + at].seen) for at, reply in enumerate(replies))
        for turn, replies in recording.turns.items()
    }
    request = recorded_request(cell.gateway.served[0].request, cell.stamper, cell.redactor)
    known = recording.request.tools
    tools = {
        name: known[name] if name in known and known[name].digest == tool.digest else tool
        for name, tool in request.tools.items()
    }
    accepted = tuple(dict.fromkeys((*recording.accepted, *sorted(changed - {"recording"}))))
    return recording._replace(turns=turns, request=request._replace(tools=tools), accepted=accepted, edited=False)
