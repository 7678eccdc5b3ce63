"""Updates after a replay, by category: each is made only where its outcome calls for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.core.errors import UsageError
from runner.transcripts.conversation.run_context import RunContext, declared_models, model_of, redactor_for
from runner.transcripts.files.blobs import prune_blobs
from runner.transcripts.files.documents import rewrite_recordings
from runner.transcripts.files.expectation_edits import renew_expectations
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import COMPONENTS, Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.live_run import LiveOptions
from runner.transcripts.recording.record_transcript import Review, record_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.recording.restamp import restamped
from runner.transcripts.redaction import Redactor

CATEGORIES: Mapping[str, str] = {
    "create": "record what has no recording, live",
    "recording": "record again what is stale, live",
    "expect": "put what came in the place of a failing text, finish or exit",
    "restamp": "accept what changed without a new recording",
    "prune": "take out recordings of models that neither the agent nor `models` names, and blobs that nothing names",
}


class Updates:
    """Updates transcripts: `apply` each outcome, then `prune`. Raises UsageError for a category unknown.

    `accept` names the components that `--accept-stale` takes as they are now; `options` are those of live runs.
    """

    def __init__(
        self,
        categories: Sequence[str],
        options: LiveOptions,
        *,
        accept: frozenset[str] = frozenset(),
        trust: bool = False,
        review: Review | None = None,
    ) -> None:
        unknown = [name for name in categories if name not in CATEGORIES]
        if unknown:
            raise UsageError(f"--update knows no {', '.join(unknown)}", fix=f"one of {', '.join(CATEGORIES)}")
        all_components = frozenset({*COMPONENTS, "recording"})
        if unknown := sorted(accept - all_components):
            raise UsageError(f"--accept-stale knows no {', '.join(unknown)}", fix=", ".join(COMPONENTS))
        self._categories = frozenset(categories)
        self._accept = all_components if "restamp" in categories else accept
        self._review = review
        self._options = options
        self._offline = RunContext(trust=trust)
        self._live = RunContext(offline=False, trust=trust)

    def apply(self, outcome: Outcome) -> None:
        """Update what one outcome calls for. Raises AgentRunError."""
        verdict, categories = outcome.verdict, self._categories
        if verdict == "stale" and self._accept and self._restamp(outcome):
            return
        if (verdict == "missing" and "create" in categories) or (verdict == "stale" and "recording" in categories):
            self._record(outcome)
        elif verdict == "fail" and "expect" in categories:
            self._renew_expectations(outcome)

    def prune(self, paths: Sequence[Path]) -> None:
        """Take out what nothing needs any more, if that is among the categories."""
        if "prune" not in self._categories:
            return
        for path in paths:
            transcript = load_transcript(path, self._offline.suite_files)
            models = {*declared_models(self._offline.agent(transcript)), *transcript.models}
            obsolete = [
                recording.name
                for recording in transcript.recordings
                if not recording.by_hand and recording.name not in models
            ]
            if obsolete and rewrite_recordings(path, dict.fromkeys(obsolete)):
                self._options.notify(f"{path}: took out {', '.join(obsolete)}")
        for folder in {path.parent for path in paths}:
            if count := prune_blobs(folder):
                self._options.notify(f"{folder}: took out {count} blobs that nothing names")

    def _restamp(self, outcome: Outcome) -> bool:
        """Give the recording today's hashes; whether that was enough."""
        transcript = load_transcript(Path(outcome.path), self._offline.suite_files)
        recording = transcript.recording(outcome.recording)
        fresh = restamped(transcript, recording, self._offline, self._accept) if recording is not None else None
        if recording is None or fresh is None:
            changed = ", ".join(change.component for change in outcome.changes)
            self._options.notify(f"{outcome.name}: not restamped, since more has changed: {changed}")
            return False
        write_recording(transcript, fresh, self._redactor(transcript, model_of(recording)))
        self._options.notify(f"{outcome.name}: accepted {', '.join(fresh.accepted) or 'the edit'}")
        return True

    def _record(self, outcome: Outcome) -> None:
        options = self._options._replace(model=outcome.recording)
        record_transcript(Path(outcome.path), self._live, options, review=self._review)

    def _renew_expectations(self, outcome: Outcome) -> None:
        count = renew_expectations(Path(outcome.path), outcome.findings)
        self._options.notify(f"{outcome.name}: renewed {count} of the failing expectations")

    def _redactor(self, transcript: Transcript, model: str) -> Redactor:
        return redactor_for(self._offline.agent(transcript, model), transcript)
