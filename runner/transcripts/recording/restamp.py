"""Restamping: a recording gets the hashes of what the agent sends today, and its answers stay."""

from __future__ import annotations

from collections.abc import Iterator

from runner.transcripts.conversation.run_context import RunContext, declared_models
from runner.transcripts.fingerprint import sent_options
from runner.transcripts.model import RecordedRoute, Recording, Transcript
from runner.transcripts.recording.recorder import recorded_request
from runner.transcripts.recording.unchanged_times import with_unchanged_tools
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
        (turn, number) in served or (turn, number) in replay.gateway.failed_early
        for turn, replies in recording.turns.items()
        for number, _ in enumerate(replies, start=1)
    )
    if not changed or not changed <= components or not all_served or recording.request is None:
        return None
    turns = {
        turn: tuple(
            reply._replace(seen=served[turn, number].seen) if (turn, number) in served else reply
            for number, reply in enumerate(replies, start=1)
        )
        for turn, replies in recording.turns.items()
    }
    request = recorded_request(
        replay.gateway.served[0].request, replay.hasher, replay.redactor, replay.entries.recorded_entries
    )
    accepted = tuple(dict.fromkeys((*recording.accepted, *sorted(changed - {"recording"}))))
    return recording._replace(
        turns=turns,
        request=with_unchanged_tools(request, recording.request),
        accepted=accepted,
        edited=False,
        routes=tuple(_restamped_routes(recording, replay)),
    )


def _restamped_routes(recording: Recording, replay: RecordingReplay) -> Iterator[RecordedRoute]:
    """The models that were asked, each with the options and hashes of its first request today."""
    for number, (route, model) in enumerate(zip(recording.routes, declared_models(replay.agent), strict=False), 1):
        first = next((reply for reply in replay.gateway.served if reply.route == number), None)
        if number == 1 or first is None:
            yield route._replace(model=model)
        else:
            options = replay.redactor.value(sent_options(first.request))
            yield route._replace(model=model, options=options, stamp=dict(first.stamp))
