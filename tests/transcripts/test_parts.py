"""The small parts: lengths, documents, matchers, pairing, JSON paths, redaction."""

from __future__ import annotations

import base64
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gateways import Capabilities
from runner.transcripts.chunking import cut, decode_lengths, encode_lengths, pieces
from runner.transcripts.expectations.call_matching import in_order, most_pairs
from runner.transcripts.expectations.jsonpath import compiled, find
from runner.transcripts.expectations.matchers import differences, matches, problem
from runner.transcripts.files.documents import split, with_recording
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.fingerprint import Stamper
from runner.transcripts.model import Recording, ReplayInputs
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import RecordedGateway, able

lengths = st.lists(st.integers(1, 40), max_size=30)
texts = st.text(max_size=200)


@given(lengths)
def test_lengths_come_back(wanted: list[int]) -> None:
    assert decode_lengths(encode_lengths(wanted)) == tuple(wanted)


def test_lengths_are_run_length_coded() -> None:
    assert encode_lengths([1, 1, 1, 4, 2, 2]) == "1x3 4 2x2"


@pytest.mark.parametrize("coded", ["x", "1x", "0", "-1", "1 2y3", "1.5"])
def test_what_is_no_row_of_lengths_is_refused(coded: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_lengths(coded)


@given(texts, lengths, st.sampled_from(["recorded", "whole", "char", "fuzz:1", "fuzz:99"]))
def test_however_a_text_is_cut_nothing_is_lost_and_no_piece_is_empty(text: str, rows: list[int], mode: str) -> None:
    cuts = pieces(text, rows, mode)
    assert "".join(cuts) == text
    assert all(cuts)
    assert cuts == pieces(text, rows, mode)


def test_what_the_lengths_do_not_cover_is_the_last_piece() -> None:
    assert cut("abcdef", [1, 2]) == ["a", "bc", "def"]
    assert cut("ab", [1, 9, 9]) == ["a", "b"]


lines = st.lists(
    st.sampled_from(["a: 1", "---", "--- # x", "---x", "# c", "", "  ---", "recording: a/b", "..."]), max_size=12
)


@given(lines, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_documents_joined_are_the_file(rows: list[str], newline: str, ended: bool) -> None:
    text = newline.join(rows) + (newline if ended else "")
    assert "".join(split(text)) == text


@given(lines, st.sampled_from(["\n", "\r\n"]))
def test_a_recording_put_in_leaves_the_others_alone(rows: list[str], newline: str) -> None:
    text = newline.join(["transcript: 1", *rows, ""])
    once = with_recording(text, "new/one", "---\nrecording: new/one\nturns: {}\n")
    twice = with_recording(once, "new/one", "---\nrecording: new/one\nturns: {a: []}\n")
    assert split(once)[:-1] == split(text) == split(twice)[:-1]
    assert with_recording(twice, "new/one", None) == text


HOLDS = [
    ("a", "a"),
    (1, 1.0),
    ({"a": 1}, {"a": 1, "b": 2}),
    ([1, {"a": 2}], [1, {"a": 2, "b": 3}]),
    ({"$regex": "(?i)next friday"}, "on Next Friday"),
    ({"$icontains": "MEET"}, "a meetup"),
    ({"$any": [1, {"$regex": "x"}]}, "axb"),
    ({"$all": [{"$regex": "a"}, {"$regex": "b"}]}, "ab"),
    ({"$oneof": ["a", "b"]}, "b"),
    ({"$range": [1, None]}, 7),
    ({"$range": [None, 7]}, 7),
    ({"$approx": 0.3}, 0.1 + 0.2),
    ({"$approx": {"value": 10, "within": 1}}, 10.9),
    ({"$date": "2026-03-13"}, "March 13, 2026"),
    ({"$date": "2026-03-13"}, "2026-03-13T10:00:00Z"),
    ({"$date": True}, "13 March 2026"),
    ({"a": {"$ignore": True}}, {}),
    ({"$eq": {"$regex": "x"}}, {"$regex": "x"}),
    ({"$len": 2}, [1, 2]),
    ({"$len": {"$range": [1, 3]}}, "ab"),
    ({"$not": "a"}, "b"),
]
FAILS = [
    ("a", "A"),
    (1, True),
    (0, False),
    ("1", 1),
    ({"a": 1}, {"b": 1}),
    ([1], [1, 2]),
    ({"$regex": "x"}, 5),
    ({"$oneof": [1]}, True),
    ({"$range": [1, 2]}, "1"),
    ({"$approx": 1}, "1"),
    ({"$date": "2026-03-13"}, "2026-03-14"),
    ({"$date": True}, "soon"),
    ({"$eq": {"a": 1}}, {"a": 1, "b": 2}),
    ({"$len": 2}, 2),
    ({"$not": {"$regex": "b"}}, "b"),
]


@pytest.mark.parametrize(("wanted", "actual"), HOLDS)
def test_matchers_hold(wanted: object, actual: object) -> None:
    assert matches(wanted, actual)
    assert problem(wanted) == ""


@pytest.mark.parametrize(("wanted", "actual"), FAILS)
def test_matchers_fail_with_a_reason(wanted: object, actual: object) -> None:
    assert list(differences(wanted, actual))


@pytest.mark.parametrize(
    "wanted",
    [
        {"$regex": "("},
        {"$regex": 5},
        {"$what": 1},
        {"$range": [1]},
        {"$range": ["a", "b"]},
        {"$approx": "x"},
        {"$date": "soon"},
        {"$any": []},
        {"$oneof": 5},
        {"$ignore": False},
        {"$icontains": 1},
        {"$eq": 1, "$not": 2},
        [{"a": {"$regex": "("}}],
    ],
)
def test_a_matcher_that_can_never_work_is_a_problem(wanted: object) -> None:
    assert problem(wanted)


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=4))
def test_pairing_is_the_best_there_is(table: list[list[bool]]) -> None:
    pairs = most_pairs(len(table), 4, lambda one, other: table[one][other])
    assert len(set(pairs.values())) == len(pairs)
    assert all(table[one][other] for one, other in pairs.items())
    best = max(
        (sum(table[one][other] for one, other in enumerate(order[: len(table)])) for order in permutations(range(4))),
        default=0,
    )
    assert len(pairs) == best


def test_a_greedy_pairing_would_fail_here() -> None:
    fits = {(0, 0), (0, 1), (1, 0)}
    assert most_pairs(2, 2, lambda one, other: (one, other) in fits) == {0: 1, 1: 0}


def test_order_skips_what_stands_between_and_keeps_batches() -> None:
    names = ["a", "x", "b", "b"]

    def found(wanted: str, together: set[int]) -> int:
        return in_order(len(wanted), [0, 0, 1, 1], lambda i, j: wanted[i] == names[j], lambda i: i in together)

    assert found("ab", set()) == 2
    assert found("ab", {1}) == 1
    assert found("bb", {1}) == 2
    assert found("ba", set()) == 1


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [{"a": [{"b": 1}, {"b": 2}], "c d": 3}]),
        ("$.a[0].b", [1]),
        ("$.a[-1].b", [2]),
        ("$.a[*].b", [1, 2]),
        ("$['c d']", [3]),
        ("$..b", [1, 2]),
        ("$.*", [[{"b": 1}, {"b": 2}], 3]),
        ("$.nothing[3]", []),
    ],
)
def test_json_paths(path: str, found: list[object]) -> None:
    assert find(path, {"a": [{"b": 1}, {"b": 2}], "c d": 3}) == found


@pytest.mark.parametrize("path", ["a", "$a", "$.a[", "$.", "$[x]"])
def test_what_is_no_json_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="JSON path"):
        compiled(path)


SHAPES = {
    "openai-key": "sk-proj-abcdefghijklmnopqrst",
    "github-token": "ghp_" + "a1" * 18,
    "github-token ": "github_pat_" + "a1_" * 15,
    "aws-key": "AKIA" + "A1" * 8,
    "google-key": "AIza" + "b" * 35,
    "slack-token": "xoxb-1234567890-abc",
    "jwt": "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "bearer": "Bearer abcdefghijklmnopqrstuvwx",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize(("name", "secret"), [(name.strip(), secret) for name, secret in SHAPES.items()])
def test_what_looks_secret_is_masked(name: str, secret: str) -> None:
    mask = Redactor()
    assert mask(f"it is {secret}, no?") == f"it is «{name}», no?"
    assert mask.concerns(secret)
    assert mask.left(secret) == (name,)
    assert mask.counts == {name: 1}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=30), texts, texts)
def test_a_known_secret_never_stays(secret: str, before: str, after: str) -> None:
    mask = Redactor({"env:IT": secret})
    masked = mask(f"{before}{secret}{after}")
    assert "«env:IT»" in masked
    assert mask(masked) == masked or secret in "«env:IT»"
    assert secret not in masked or secret in "«env:IT»"
    assert mask.value({"a": [secret, 1], secret: None}) == {"a": ["«env:IT»", 1], "«env:IT»": None}


@pytest.mark.parametrize("before", ["", "a", "ab", "user:", "user12:"])
@pytest.mark.parametrize("after", ["", "x", ":tail", "tail12"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_base64_is_found_wherever_it_begins(before: str, after: str, encode) -> None:
    secret = "p@ss/w0rd+canary=42~??>>"
    coded = encode(f"{before}{secret}{after}".encode()).decode()
    masked = Redactor({"env:IT": secret})(f"Basic {coded}")
    assert "«env:IT»" in masked
    left = masked.replace("«env:IT»", "").removeprefix("Basic ")
    assert all(coded[at : at + 12] not in left for at in range(len(before) * 4 // 3 + 2, len(coded) - 12))


@pytest.mark.parametrize("spelling", ["p%40ss%2Fw0rd", "p%40ss%2fw0rd", "p@ss/w0rd"])
def test_a_secret_in_a_url_is_found(spelling: str) -> None:
    mask = Redactor({"env:IT": "p@ss/w0rd"})
    assert mask(f"https://x.test/?t={spelling}&u=1") == "https://x.test/?t=«env:IT»&u=1"


@pytest.mark.parametrize(
    ("name", "pattern", "text", "masked"),
    [
        ("jwt", "o+", "foo", "f«jwt»"),
        ("order", r"(?i)ord-\d+", "ORD-12", "«order»"),
        ("order", "[order]+", "-red-", "-«order»-"),
        ("twin", r"(?P<y>a)(?P=y)|(b)\2", "aa bb ab", "«twin» «twin» ab"),
    ],
)
def test_whatever_pattern_the_user_writes(name: str, pattern: str, text: str, masked: str) -> None:
    mask = Redactor({}, {name: pattern})
    assert mask(text) == masked
    assert mask(masked) == masked
    assert (mask.left(text), mask.left(masked)) == ((name,), ())


def test_equal_secrets_stay_equal_and_own_patterns_count() -> None:
    mask = Redactor({}, {"order": r"#\d{4}"})
    assert mask("#1234 and #1234, not #12") == "«order» and «order», not #12"


def test_what_a_gateway_can_do_comes_back() -> None:
    able_to = Capabilities(structured=True, window=8192, lacks=frozenset({"seed", "top_k"}))
    recording = Recording("openai/m", {"t": ()}, inputs=ReplayInputs(capabilities=able(able_to)))
    text = recording_document(recording)
    assert "capabilities: {structured: true, window: 8192, lacks: [seed, top_k]}" in text
    assert RecordedGateway(recording, "openai", Stamper(Redactor())).capabilities("m") == able_to


@pytest.mark.parametrize("seen", ["854897e8", "07638e43", "12345678", "'00000000'", "deadbeef"])
def test_a_hash_is_a_word_even_where_yaml_sees_a_number(case, seen: str) -> None:
    recorded = f"---\nrecording: openai/m\nturns: {{plan: [{{reply: {{seen: {seen}}}, text: Yes.}}]}}\n"
    case.file.write_text(case.file.read_text() + recorded)
    assert case.load().recordings[0].turns["plan"][0].seen == seen.strip("'")
