"""Restamping: a recording gets the hashes of what the agent sends today, and its answers stay."""

from __future__ import annotations

from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.recording.recorder import recorded_request
from runner.transcripts.replaying.replay import RecordingReplay


def restamped(
    transcript: Transcript, recording: Recording, context: RunContext, components: frozenset[str]
) -> Recording | None:
    """The recording with today's hashes, if nothing but these components has changed; None where more has.

    Its `accepted` names the changed components.
    """
    replay = RecordingReplay(transcript, recording, context)
    outcome = replay.run()
    changed = {change.component for change in outcome.changes}
    served = {(reply.turn, reply.number): reply for reply in replay.gateway.served}
    all_served = all(
        (turn, number) in served
        for turn, replies in recording.turns.items()
        for number, _ in enumerate(replies, start=1)
    )
    if not changed or not changed <= components or not all_served or recording.request is None:
        return None
    turns = {
        turn: tuple(reply._replace(seen=served[turn, number].seen) for number, reply in enumerate(replies, start=1))
        for turn, replies in recording.turns.items()
    }
    request = recorded_request(replay.gateway.served[0].request, replay.hasher, replay.redactor)
    known = recording.request.tools
    tools = {
        name: known[name] if name in known and known[name].digest == tool.digest else tool
        for name, tool in request.tools.items()
    }
    accepted = tuple(dict.fromkeys((*recording.accepted, *sorted(changed - {"recording"}))))
    return recording._replace(turns=turns, request=request._replace(tools=tools), accepted=accepted, edited=False)
