"""A recording's values come back from its YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.gateways import Capabilities
from runner.transcripts.expectations.matchers import value_differences
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.fingerprint import RequestHasher
from runner.transcripts.model import RecordedCall, RecordedReply, Recording, ReplayInputs
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import RecordedGateway, recorded_capabilities


def test_what_a_gateway_can_do_comes_back() -> None:
    able_to = Capabilities(structured=True, window=8192, lacks=frozenset({"seed", "top_k"}))
    recording = Recording("openai/m", {"t": ()}, inputs=ReplayInputs(capabilities=recorded_capabilities(able_to)))
    text = recording_document(recording)
    assert "capabilities: {structured: true, window: 8192, lacks: [seed, top_k]}" in text
    assert RecordedGateway(recording, ["openai/m"], RequestHasher(Redactor())).gateways[0].capabilities("m") == able_to


@pytest.mark.parametrize("seen", ["854897e8", "07638e43", "12345678", "'00000000'", "deadbeef"])
def test_a_hash_is_a_word_even_where_yaml_sees_a_number(case, seen: str) -> None:
    recorded = f"---\nrecording: hand/m\nturns: {{plan: [{{reply: {{seen: {seen}}}, text: Yes.}}]}}\n"
    case.file.write_text(case.file.read_text() + recorded)
    assert case.load().recordings[0].turns["plan"][0].seen == seen.strip("'")


SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = TEXTS | st.sampled_from(["$literal", "$blob", "$regex", "$ignore", "$eq", "$", "a"])
VALUES = st.recursive(
    SCALARS | TEXTS | st.sampled_from(["{{ x }}", "$literal"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("beside", [True, False], ids=["with blobs", "without"])
@given(arguments=st.dictionaries(KEYS, VALUES, max_size=3), returned=VALUES)
@settings(max_examples=60, deadline=None)
def test_what_was_recorded_is_a_value_and_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, beside: bool, arguments: dict[str, object], returned: object
) -> None:
    folder = tmp_path_factory.mktemp("values")
    blobs = Blobs(folder)
    call = RecordedCall("find", arguments, returned=returned, ran=True)
    recording = Recording("hand/values", {"t": (RecordedReply(calls=(call,)),)})
    text = recording_document(recording, blobs if beside else None)
    blobs.write()
    again = reread(folder, text)
    assert (again.arguments, again.returned) == (arguments, returned)
    assert not list(value_differences(returned, again.returned))


def reread(folder: Path, text: str) -> RecordedCall:
    (folder / "agent.yaml").write_text("gateway: scripted\nmodel: m\n")
    script = "transcript: 1\nagent: agent.yaml\nturns: [{id: t, user: Hi}]\n"
    (folder / "a.transcript.yaml").write_text(script + text, "utf-8", newline="")
    return load_transcript(folder / "a.transcript.yaml").recordings[0].turns["t"][0].calls[0]


@pytest.mark.parametrize(
    "recorded", [{"$regex": "x"}, {"a": {"$ignore": True}}, {"a": {"$literal": 1}}, [{"$any": [1]}], {"$a": 1, "b": 2}]
)
def test_a_recording_that_escapes_nothing_holds_values_too(tmp_path: Path, recorded: object) -> None:
    call = f"{{f: {{}}, returned: {json.dumps(recorded)}}}"
    text = f"---\nrecording: hand/old\nturns: {{t: [{{reply: {{}}, calls: [{call}]}}]}}\n"
    assert reread(tmp_path, text).returned == recorded
