"""What may be renewed after a replay, by category; each only where its outcome calls for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runner.core.errors import UsageError
from runner.transcripts.files.blobs import prune_blobs
from runner.transcripts.files.documents import rewrite
from runner.transcripts.files.expectation_edits import renewed_expectations
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import COMPONENTS, Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.live_run import Taken, take
from runner.transcripts.recording.recording_file import keep, restamped
from runner.transcripts.redaction import Redactor
from runner.transcripts.suite.shared import Stage, declared_models, model_of, redactor_for

CATEGORIES: Mapping[str, str] = {
    "create": "record what has no recording, live",
    "recording": "record again what is stale, live",
    "expect": "put what came in the place of a failing text, finish or exit",
    "restamp": "accept what changed without a new recording",
    "prune": "take out recordings of models that the agent no longer names, and blobs that nothing names",
}

Review = Callable[[Transcript, Taken], bool]
"""Shows a fresh recording beside the old one; False leaves the old one."""
Tell = Callable[[str], None]


class Updates:
    """Renews transcripts. `accept` names the components that `--accept-stale` takes as they are now."""

    def __init__(
        self,
        categories: Sequence[str],
        *,
        accept: frozenset[str] = frozenset(),
        trust: bool = False,
        allow_writes: bool = False,
        review: Review | None = None,
        tell: Tell = lambda text: None,
    ) -> None:
        unknown = [name for name in categories if name not in CATEGORIES]
        if unknown:
            raise UsageError(f"--update knows no {', '.join(unknown)}", fix=f"one of {', '.join(CATEGORIES)}")
        strange = accept - {*COMPONENTS, "recording"}
        if strange:
            raise UsageError(f"--accept-stale knows no {', '.join(sorted(strange))}", fix=", ".join(COMPONENTS))
        self._categories = frozenset(categories)
        self._accept = frozenset({*COMPONENTS, "recording"}) if "restamp" in categories else accept
        self._review = review
        self._tell = tell
        self._allow_writes = allow_writes
        self._offline = Stage(trust=trust)
        self._live = Stage(offline=False, trust=trust)

    def apply(self, outcome: Outcome) -> None:
        """Renew what one outcome calls for. Raises AgentRunError."""
        verdict, categories = outcome.verdict, self._categories
        if verdict == "stale" and self._accept and self._restamp(outcome):
            return
        if (verdict == "missing" and "create" in categories) or (verdict == "stale" and "recording" in categories):
            self._record(outcome)
        elif verdict == "fail" and "expect" in categories:
            self._expect(outcome)

    def prune(self, paths: Sequence[Path]) -> None:
        """Take out what nothing needs any more, if that is among the categories."""
        if "prune" not in self._categories:
            return
        for path in paths:
            transcript = load_transcript(path, self._offline.suites)
            named = declared_models(self._offline.agent(transcript))
            gone = [each.name for each in transcript.recordings if not each.by_hand and each.name not in named]
            if gone and rewrite(path, dict.fromkeys(gone)):
                self._tell(f"{path}: took out {', '.join(gone)}")
        for folder in {path.parent for path in paths}:
            if count := prune_blobs(folder):
                self._tell(f"{folder}: took out {count} blobs that nothing names")

    def _restamp(self, outcome: Outcome) -> bool:
        transcript = load_transcript(Path(outcome.path), self._offline.suites)
        recording = transcript.recording(outcome.recording)
        fresh = restamped(transcript, recording, self._offline, self._accept) if recording is not None else None
        if recording is None or fresh is None:
            changed = ", ".join(change.component for change in outcome.changes)
            self._tell(f"{outcome.name}: not restamped, since more has changed: {changed}")
            return False
        keep(transcript, fresh, self._redactor(transcript, model_of(recording)))
        self._tell(f"{outcome.name}: accepted {', '.join(fresh.accepted) or 'the edit'}")
        return True

    def _record(self, outcome: Outcome) -> None:
        record(
            Path(outcome.path),
            self._live,
            model=outcome.recording,
            allow_writes=self._allow_writes,
            review=self._review,
            tell=self._tell,
        )

    def _expect(self, outcome: Outcome) -> None:
        count = renewed_expectations(Path(outcome.path), outcome.findings)
        self._tell(f"{outcome.name}: renewed {count} of the failing expectations")

    def _redactor(self, transcript: Transcript, model: str) -> Redactor:
        return redactor_for(self._offline.agent(transcript, model), transcript)


def record(
    path: Path,
    stage: Stage,
    *,
    model: str = "",
    variables: Mapping[str, str] | None = None,
    allow_writes: bool = False,
    review: Review | None = None,
    tell: Tell = lambda text: None,
) -> Outcome | None:
    """Hold a transcript's conversation live and write its recording; None if the reviewer left the old one.

    Raises AgentRunError, and then nothing was written.
    """
    transcript = load_transcript(path, stage.suites)
    taken = take(transcript, stage, model=model, variables=variables, allow_writes=allow_writes, progress=tell)
    if not taken.whole:
        tell(f"{taken.outcome.name}: not recorded, since a turn could not be said")
        return taken.outcome
    if review is not None and not review(transcript, taken):
        tell(f"{taken.outcome.name}: left as it was")
        return None
    keep(transcript, taken.recording, redactor_for(stage.agent(transcript, model), transcript))
    tell(f"{taken.outcome.name}: recorded")
    return taken.outcome
