"""Mutation testing of expectations: recordings are altered in every way that counts, to see which ones fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from runner.config.diagnostics import Diagnostic, Location
from runner.core.errors import AgentRunError
from runner.core.messages import Usage
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.exit_codes import exit_code
from runner.transcripts.expectations import expectation_kind
from runner.transcripts.expectations.evaluate import is_vacuous
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Expectation, RecordedCall, RecordedError, RecordedReply, Recording, Transcript
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.replaying.replay import replay_recording
from runner.transcripts.suite.cell import Cell
from runner.transcripts.suite.run import outcomes
from runner.transcripts.suite.selection import Selection

ALTERED = "(nothing of the kind)"
_REPEATS = 50
_MAX_SECONDS = 3600


def unbreakable(paths: Sequence[Path], *, trust: bool = False) -> tuple[list[Diagnostic], int]:
    """A warning for each expectation that holds, and still holds when the recording is altered; and an exit code.

    A file of which this cannot be told has errors instead, and the code is that of the worst one.
    """
    selection = Selection(trust=trust)
    found = [*outcomes(partial(MutatedFiles, selection), paths, selection)]
    diagnostics = [
        Diagnostic(
            str(finding.location.path),
            finding.location.line,
            finding.location.column,
            " ".join(finding.what.split()),
            "say more exactly what counts" if finding.level == "warn" else "",
            "warning" if finding.level == "warn" else "error",
        )
        for outcome in found
        for finding in outcome.findings
    ]
    bad = [outcome for outcome in found if outcome.is_bad]
    return diagnostics, exit_code(bad) if bad else 0


class MutatedFiles:
    """A cell for each file, whose findings are the expectations that nothing breaks."""

    def __init__(self, selection: Selection) -> None:
        self._context = RunContext(trust=selection.trust)

    def cells(self, path: Path) -> Iterator[Cell]:
        """The file's only cell. Raises ConfigError for a file, a suite or an agent that is broken."""
        transcript = load_transcript(path, self._context.suite_files)
        runs_code = self._context.may_run_code(transcript, self._context.agent(transcript))
        yield Cell(path, "", transcript.location, partial(self._run, transcript), runs_code, self.close, _MAX_SECONDS)

    def close(self) -> None:
        self._context.close()

    def _run(self, transcript: Transcript) -> Outcome:
        findings = tuple(_unbreakable_of(transcript, self._context))
        return Outcome(str(transcript.path), "", transcript.location, findings)


def _unbreakable_of(transcript: Transcript, context: RunContext) -> Iterator[Finding]:
    continuing = transcript._replace(keep_going=True)
    judged: dict[tuple[str, int, int], bool] = {}
    for recording in transcript.recordings:
        expectations = list(_expectations(transcript, recording))
        unjudged = _reported(replay_recording(continuing, recording, context), ("note", "fail", "warn"))
        reported = [
            _reported_of(continuing, mutant, context, ("fail", "warn")) for mutant in mutants(recording, expectations)
        ]
        for expectation in expectations:
            if not expectation.templated and is_vacuous(expectation):
                judged.setdefault(_key(expectation), False)
                continue
            about_requests = expectation_kind(expectation.kind).about_requests
            if not about_requests and _key(expectation) not in unjudged:
                key = _key(expectation)
                judged[key] = judged.get(key, False) or any(key in keys for keys in reported)
    for (kind, line, column), breakable in judged.items():
        if not breakable:
            what = f"{kind}: nothing that the model could say or do breaks this"
            yield Finding("warn", kind, what, Location(transcript.path, line, column))


def mutants(recording: Recording, expectations: Iterable[Expectation]) -> Iterator[Recording]:
    """The recording altered in one way at a time: answers replaced, calls dropped, changed and repeated, other ends."""
    forbidden = " ".join(_texts([expectation.expected for expectation in expectations if expectation.negated]))
    for turn, replies in recording.turns.items():
        for position, reply in enumerate(replies):
            for altered in _altered_replies(reply, last=position == len(replies) - 1, forbidden=forbidden):
                changed = (*replies[:position], *altered, *replies[position + 1 :])
                yield recording._replace(turns={**recording.turns, turn: changed})


def _altered_replies(reply: RecordedReply, *, last: bool, forbidden: str) -> Iterator[tuple[RecordedReply, ...]]:
    yield RecordedReply(error=RecordedError(429)), reply
    if reply.error is not None:
        yield ()
        return
    yield (
        reply._replace(calls=(RecordedCall("unheard_of", {}, returned=ALTERED, ran=True),), finish="tool_calls"),
        reply,
    )
    if last:
        yield (reply._replace(text=ALTERED, chunk_lengths=()),)
        yield (reply._replace(text=f"{reply.text} {forbidden} {' word' * 1000}", chunk_lengths=()),)
        yield (reply._replace(finish="length"),)
        yield (RecordedReply(error=RecordedError(401)),)
    yield (reply._replace(usage=Usage(10**9, 10**9)),)
    if reply.calls:
        yield (reply._replace(calls=(), text=ALTERED, finish="stop"),)
        yield (reply._replace(calls=reply.calls * _REPEATS),)
        yield (reply,) * _REPEATS
    for position, call in enumerate(reply.calls):
        before, after = reply.calls[:position], reply.calls[position + 1 :]
        if len(reply.calls) > 1:
            yield (reply._replace(calls=(*before, *after)),)
        yield from ((reply._replace(calls=(*before, altered, *after)),) for altered in _altered_calls(call))


def _altered_calls(call: RecordedCall) -> Iterator[RecordedCall]:
    yield call._replace(returned=ALTERED)
    yield call._replace(failed=not call.failed)
    for name, value in (call.arguments or {}).items():
        yield call._replace(arguments={**(call.arguments or {}), name: _altered_value(value)})
    yield call._replace(arguments={**(call.arguments or {}), "unheard_of": ALTERED})


def _altered_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1_000_003 if isinstance(value, (int, float)) else ALTERED


def _texts(value: Any) -> Iterator[str]:
    """Every text in an expectation's value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _expectations(transcript: Transcript, recording: Recording) -> Iterator[Expectation]:
    if recording.expect is not None:
        yield from recording.expect
        return
    for turn in transcript.turns:
        if turn.id in recording.turns:
            yield from turn.expect
    yield from transcript.finally_


def _reported_of(
    transcript: Transcript, recording: Recording, context: RunContext, levels: tuple[str, ...]
) -> set[tuple[str, int, int]]:
    """The expectations of which a replay of the recording reports something of these levels."""
    try:
        return _reported(replay_recording(transcript, recording, context), levels)
    except AgentRunError:
        return set()


def _reported(outcome: Outcome, levels: tuple[str, ...]) -> set[tuple[str, int, int]]:
    return {
        (finding.kind, finding.location.line, finding.location.column)
        for finding in outcome.findings
        if finding.level in levels
    }


def _key(expectation: Expectation) -> tuple[str, int, int]:
    return expectation.kind, expectation.location.line, expectation.location.column
