"""A recording's values come back from its YAML."""

from __future__ import annotations

import pytest

from runner.gateways import Capabilities
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.fingerprint import RequestHasher
from runner.transcripts.model import Recording, ReplayInputs
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import RecordedGateway, recorded_capabilities


def test_what_a_gateway_can_do_comes_back() -> None:
    able_to = Capabilities(structured=True, window=8192, lacks=frozenset({"seed", "top_k"}))
    recording = Recording("openai/m", {"t": ()}, inputs=ReplayInputs(capabilities=recorded_capabilities(able_to)))
    text = recording_document(recording)
    assert "capabilities: {structured: true, window: 8192, lacks: [seed, top_k]}" in text
    assert RecordedGateway(recording, "openai", RequestHasher(Redactor())).capabilities("m") == able_to


@pytest.mark.parametrize("seen", ["854897e8", "07638e43", "12345678", "'00000000'", "deadbeef"])
def test_a_hash_is_a_word_even_where_yaml_sees_a_number(case, seen: str) -> None:
    recorded = f"---\nrecording: hand/m\nturns: {{plan: [{{reply: {{seen: {seen}}}, text: Yes.}}]}}\n"
    case.file.write_text(case.file.read_text() + recorded)
    assert case.load().recordings[0].turns["plan"][0].seen == seen.strip("'")
