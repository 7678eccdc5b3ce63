"""Secrets are redacted wherever and however they are written, and equal ones stay equal."""

from __future__ import annotations

import base64
import html
import json
import quopri
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.encoded_secrets import secret_finder
from runner.core.errors import UsageError
from runner.transcripts.redaction import Redactor
from thoroughness import examples

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


def inside(text: str) -> str:
    return f"user:12{text}, and more of it"


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "hex": lambda text: text.encode().hex(),
    "upper-case hex": lambda text: text.encode().hex().upper(),
    "hex with colons": lambda text: text.encode().hex(":"),
    "hex with blanks": lambda text: text.encode().hex(" ", 2),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "unpadded base64": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "url-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 at the second offset": lambda text: base64.b64encode(f"u{text}tail".encode()).decode(),
    "base64 at the third offset": lambda text: base64.b64encode(f"us{text}x".encode()).decode(),
    "MIME": lambda text: base64.encodebytes(f"{'a long text ' * 9}{text}{' and more' * 9}".encode()).decode(),
    "MIME of mail": lambda text: base64.encodebytes(f"{text} {inside(text)}".encode()).decode().replace("\n", "\r\n"),
    "url": quote,
    "url, all of it": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "every byte in a url": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "JSON": json.dumps,
    "JSON with its characters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON with slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON, every character": lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "HTML": html.escape,
    "HTML, numbers": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "HTML without semicolons": lambda text: "".join(f"&#{ord(char)}" for char in text),
    "HTML with zeros": lambda text: "".join(f"&#x{ord(char):010x};" for char in text),
    "hex with commas": lambda text: ",".join(f"{byte:02x}" for byte in text.encode()),
    "bytes of C": lambda text: ", ".join(f"0x{byte:02X}" for byte in text.encode()),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "%u": lambda text: "".join(f"%u{ord(char):04x}" for char in text),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
}
characters = st.characters(min_codepoint=33, max_codepoint=0xFFFD, exclude_categories=["Cs", "Zs", "Cc"])
secrets = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=8, max_size=60),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.text(characters, min_size=8, max_size=30),
)


@settings(max_examples=examples(600), deadline=None)
@given(
    inner=st.sampled_from([*ENCODINGS]),
    outer=st.sampled_from([*ENCODINGS]),
    secret=secrets,
    before=st.sampled_from(["", "x= ", "a", "\n", "«", "https://a.test/?q="]),
)
def test_t10_a_secret_is_found_in_whatever_it_is_encoded(inner: str, outer: str, secret: str, before: str) -> None:
    encoded = ENCODINGS[outer](ENCODINGS[inner](secret))
    redacted = Redactor({"env:IT": secret})(f"{before} {encoded} after")
    assert "«env:IT»" in redacted
    left = redacted.replace("«env:IT»", "\0")
    assert encoded not in left
    assert secret not in left


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_t10_a_secret_of_windows_is_found(encoding: str) -> None:
    secret = "k1-q7w2E9r4T"
    for coded in (base64.b64encode(secret.encode(encoding)).decode(), secret.encode(encoding).hex()):
        assert "«env:IT»" in Redactor({"env:IT": secret})(f"powershell -e {coded}")


@pytest.mark.parametrize("secret", ["0000000\xad", "\x80\x9f-key-1", "schl\xfcssel-\xe9\n\x81"])
@pytest.mark.parametrize("encoded", [repr, lambda text: repr(repr(text)), lambda text: repr(text.encode())])
def test_t10_an_escape_is_a_character_or_a_byte(secret: str, encoded: Callable[[str], str]) -> None:
    assert "«env:IT»" in Redactor({"env:IT": secret})(f"x {encoded(secret)} y")


INVISIBLE = ["\x1b[31m", "\u200b", "\xad", "\ufeff", "\u2060", "\u202e", "\x08", "\x9b", "\U000e0041", "\\\n    "]


@pytest.mark.parametrize("between", INVISIBLE)
def test_t10_what_nobody_sees_does_not_hide_a_secret(between: str) -> None:
    assert Redactor({"env:IT": "k1-q7w2E9r4T"})(f"a {between.join('k1-q7w2E9r4T')} b") == "a «env:IT» b"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("&lowbar;", "_"), ("&plus;", "+"), ("&period;", "."), ("&sol;", "/"), ("&equals;", "="), ("&AMP;", "&")],
)
def test_t10_every_name_of_html_is_known(name: str, shown: str) -> None:
    assert Redactor({"env:IT": f"k1{shown}q7w2E9r4T"})(f"a k1{name}q7w2E9r4T b") == "a «env:IT» b"


HARMLESS = sorted(Path(__file__).parent.parent.parent.glob("docs/*.md"))


@pytest.mark.parametrize("path", HARMLESS, ids=lambda path: path.name)
def test_t10_nothing_else_is_redacted(path: Path) -> None:
    values = {f"env:K{number}": f"k{number}-q7w2E9r4T{number * 7919}" for number in range(10)}
    text = path.read_text()
    assert not secret_finder(values).spans(text)


@pytest.mark.slow
def test_t10_a_text_of_escapes_alone_costs_little() -> None:
    find = Redactor({"env:IT": "k1-q7w2E9r4T", "env:LONG": "x" * 500})
    started = time.process_time()
    for piece in (
        "%41",
        "\\u0041",
        "&#65;",
        "=41",
        "QUJD",
        "41 ",
        "41,",
        "0x41, ",
        "\u200b",
        "\x1b[0m",
        "&amp",
        "QUJDQUJDQUJDQUJDQUJD\n",
        "\\\\",
        "+",
        "a" * 7 + "\n",
    ):
        find(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 30


@pytest.mark.slow
def test_a_pattern_that_takes_too_long_stops_what_it_should_mask() -> None:
    redact = Redactor({}, {"x": r"(a|aa)+$"})
    assert redact("aa") == "«x»"
    for use in (redact, redact.unredacted):
        with pytest.raises(UsageError, match=r"redact\.x: the pattern .* takes too long"):
            use("a" * 60 + "b")
