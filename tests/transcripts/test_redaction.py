"""Secrets are redacted wherever and however they are written, and equal ones stay equal."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.transcripts.redaction import Redactor

texts = st.text(max_size=200)

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
    assert mask.may_hold_secret(secret)
    assert mask.unredacted(secret) == (name,)
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
    assert (mask.unredacted(text), mask.unredacted(masked)) == ((name,), ())


def test_equal_secrets_stay_equal_and_own_patterns_count() -> None:
    mask = Redactor({}, {"order": r"#\d{4}"})
    assert mask("#1234 and #1234, not #12") == "«order» and «order», not #12"
