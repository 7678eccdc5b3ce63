"""Expectations that nothing could break: recordings are spoilt in every way that counts, to see which ones notice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.commands.check import is_transcript
from runner.config.diagnostics import Diagnostic
from runner.core.errors import AgentRunError
from runner.core.messages import Usage
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Expectation, RecordedCall, RecordedError, RecordedReply, Recording, Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.replaying.replay import replay
from runner.transcripts.suite.run import find_transcripts
from runner.transcripts.suite.shared import Stage

SPOILT = "(nothing of the kind)"
_MANY = 50

# What a recording cannot break: it is the agent file that makes the request.
_BEYOND = frozenset({"request"})


def unbreakable(paths: Iterable[Path], *, trust: bool = False) -> list[Diagnostic]:
    """A warning for each expectation that holds, and still holds when the recording is spoilt. Raises ConfigError."""
    stage = Stage(trust=trust)
    try:
        return [
            diagnostic for path in paths for diagnostic in _of_file(load_transcript(path, stage.suite_files), stage)
        ]
    finally:
        stage.close()


def unbreakable_in(paths: Iterable[str], *, trust: bool = False) -> list[Diagnostic]:
    """The same for files and folders; what is no transcript is passed over. Raises ConfigError."""
    return unbreakable(filter(is_transcript, find_transcripts(map(Path, paths))), trust=trust)


def _of_file(transcript: Transcript, stage: Stage) -> Iterator[Diagnostic]:
    patient = transcript._replace(keep_going=True)
    judged: dict[tuple[str, int, int], bool] = {}
    for recording in transcript.recordings:
        wanted = list(_expectations(transcript, recording))
        unjudged = _said(replay(patient, recording, stage), ("note", "fail", "warn"))
        spoilt = [_noticed(patient, mutant, stage, ("fail", "warn")) for mutant in mutants(recording, wanted)]
        for expectation in wanted:
            if expectation.kind not in _BEYOND and _key(expectation) not in unjudged:
                key = _key(expectation)
                judged[key] = judged.get(key, False) or any(key in each for each in spoilt)
    for (kind, line, column), noticed in judged.items():
        if not noticed:
            message = f"{kind}: nothing that the model could say or do breaks this"
            yield Diagnostic(str(transcript.path), line, column, message, "say more exactly what counts", "warning")


def mutants(recording: Recording, wanted: Iterable[Expectation]) -> Iterator[Recording]:
    """The recording spoilt in one way at a time: answers blanked, calls dropped, altered and repeated, ends changed."""
    forbidden = " ".join(_texts([each.expected for each in wanted if each.negated]))
    for turn, replies in recording.turns.items():
        for position, reply in enumerate(replies):
            for spoilt in _spoilt(reply, last=position == len(replies) - 1, forbidden=forbidden):
                changed = (*replies[:position], *spoilt, *replies[position + 1 :])
                yield recording._replace(turns={**recording.turns, turn: changed})


def _spoilt(reply: RecordedReply, *, last: bool, forbidden: str) -> Iterator[tuple[RecordedReply, ...]]:
    yield RecordedReply(error=RecordedError(429)), reply
    if reply.error is not None:
        yield ()
        return
    yield reply._replace(calls=(RecordedCall("unheard_of", {}, returned=SPOILT, ran=True),), finish="tool_calls"), reply
    if last:
        yield (reply._replace(text=SPOILT, chunk_lengths=()),)
        yield (reply._replace(text=f"{reply.text} {forbidden} {' word' * 1000}", chunk_lengths=()),)
        yield (reply._replace(finish="length"),)
        yield (RecordedReply(error=RecordedError(401)),)
    yield (reply._replace(usage=Usage(10**9, 10**9)),)
    if reply.calls:
        yield (reply._replace(calls=(), text=SPOILT, finish="stop"),)
        yield (reply._replace(calls=reply.calls * _MANY),)
        yield (reply,) * _MANY
    for position, call in enumerate(reply.calls):
        before, after = reply.calls[:position], reply.calls[position + 1 :]
        if len(reply.calls) > 1:
            yield (reply._replace(calls=(*before, *after)),)
        yield from ((reply._replace(calls=(*before, spoilt, *after)),) for spoilt in _spoilt_calls(call))


def _spoilt_calls(call: RecordedCall) -> Iterator[RecordedCall]:
    yield call._replace(returned=SPOILT)
    yield call._replace(failed=not call.failed)
    for name, value in (call.arguments or {}).items():
        yield call._replace(arguments={**(call.arguments or {}), name: _altered(value)})
    yield call._replace(arguments={**(call.arguments or {}), "unheard_of": SPOILT})


def _altered(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1_000_003 if isinstance(value, (int, float)) else SPOILT


def _texts(value: Any) -> Iterator[str]:
    """Every text in an expectation's value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _expectations(transcript: Transcript, recording: Recording) -> Iterator[Expectation]:
    if recording.expect is not None:
        yield from recording.expect
        return
    for turn in transcript.turns:
        if turn.id in recording.turns:
            yield from turn.expect
    yield from transcript.finally_


def _noticed(
    transcript: Transcript, recording: Recording, stage: Stage, levels: tuple[str, ...]
) -> set[tuple[str, int, int]]:
    """Which expectations say something of these levels about the recording."""
    try:
        return _said(replay(transcript, recording, stage), levels)
    except AgentRunError:
        return set()


def _said(outcome: Outcome, levels: tuple[str, ...]) -> set[tuple[str, int, int]]:
    return {
        (finding.kind, finding.location.line, finding.location.column)
        for finding in outcome.findings
        if finding.level in levels
    }


def _key(expectation: Expectation) -> tuple[str, int, int]:
    return expectation.kind, expectation.location.line, expectation.location.column
