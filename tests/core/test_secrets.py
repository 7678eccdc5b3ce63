"""What counts as a secret, and that everything which writes, checks or prints knows the same list."""

from __future__ import annotations

import time

import pytest

from runner.cli.doctor import as_text as doctor_text
from runner.cli.error_output import print_error
from runner.commands.doctor import HealthCheck
from runner.core.errors import GatewayError
from runner.core.secrets import (
    SHAPES,
    dot_out,
    has_known_secret,
    is_secret_name,
    looks_secret,
    may_hold_secret,
    redact,
    redact_known,
    shapes_in,
)
from runner.gateways.http.credentials import Credentials
from runner.transcripts.redaction import Redactor

SECRETS = [
    ("openai-key", "sk-proj-abcdefghijklmnopqrst"),
    ("openai-key", "sk-abcdefgh1234"),
    ("github-token", "ghp_" + "a1" * 10),
    ("github-token", "ghs_" + "a1" * 18),
    ("github-token", "github_pat_" + "a1_" * 15),
    ("gitlab-token", "glpat-" + "a1" * 8),
    ("aws-key", "AKIA" + "A1" * 8),
    ("aws-key", "ASIA" + "A1" * 8),
    ("google-key", "AIza" + "b" * 35),
    ("slack-token", "xoxb-1234567890-abc"),
    ("jwt", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl"),
    ("jwt", "eyJhbGciOiJI.c2lnbmF0dXJl"),
    ("bearer", "Bearer abcdefghijklmnopqrstuvwx"),
    ("private-key", "-----BEGIN RSA PRIVATE KEY-----MIIE-----END RSA PRIVATE KEY-----"),
    ("api-key", "gsk_" + "aB3" * 17),
    ("api-key", "xai-" + "aB3" * 26),
    ("api-key", "hf_" + "aB" * 17),
    ("api-key", "r8_" + "aB3" * 12),
    ("api-key", "pplx-" + "aB3" * 16),
    ("api-key", "csk-" + "aB3" * 16),
    ("api-key", "fw_" + "aB3" * 8),
    ("api-key", "tgp_v1_" + "aB3" * 14),
    ("basic", "Basic dXNlcjEyOnBhc3N3b3Jk"),
    ("service-key", "sk_live_" + "aB3" * 8),
    ("service-key", "rk_live_" + "aB3" * 8),
    ("service-key", "whsec_" + "aB3" * 8),
    ("service-key", "SG." + "aB3" * 7 + "." + "aB3" * 14),
    ("service-key", "npm_" + "aB3" * 12),
    ("service-key", "pypi-AgEI" + "aB3" * 30),
    ("service-key", "ya29." + "aB3" * 12),
    ("service-key", "GOCSPX-" + "aB3" * 9),
    ("service-key", "xapp-1-A1-" + "a3" * 20),
    ("service-key", "dop_v1_" + "a3" * 32),
    ("service-key", "hvs." + "aB3" * 8),
    ("service-key", "dapi" + "a3" * 16),
    ("service-key", "nvapi-" + "aB3" * 20),
    ("service-key", "tvly-dev-" + "aB3" * 10),
    ("service-key", "lsv2_pt_" + "a3" * 16),
    ("service-key", "shpat_" + "a3" * 16),
    ("service-key", "AccountKey=" + "aB3" * 28 + "=="),
]
HARMLESS = [
    "",
    "risk-assessment-of-2025",
    "sk-learn-guide",
    "hf_text_generation_pipeline",
    "fw-is-a-short-name",
    "eyJust a word.",
    "https://example.org/a@b",
    "AKIA",
    "bearer of good news",
    "basic internationalization of programs",
    "Basic Authentication1",
    "npm_config_registry_of_the_company_is_set",
    "the dapi of the data platform",
    "SG.com.example",
]


def test_every_shape_has_a_row() -> None:
    assert {name for name, _ in SECRETS} | {"url-password"} == {name for name, _ in SHAPES}


@pytest.mark.parametrize(("name", "secret"), SECRETS)
def test_every_consumer_knows_it(name: str, secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"it is {secret}, no?"
    assert may_hold_secret(secret)
    assert has_known_secret(secret)
    assert looks_secret(secret)
    assert shapes_in(text) == {name}
    assert redact(text) == Redactor()(text) == Credentials("x").redact(text) == f"it is «{name}», no?"
    assert Redactor().unredacted(text) == (name,)
    assert dot_out(text) == f"it is {'•' * len(secret)}, no?"
    assert secret not in doctor_text([HealthCheck("gateways", "x", "wrong", text)])
    print_error(GatewayError("x", why=text))
    assert f"it is «{name}», no?" in capsys.readouterr().err


def test_a_password_in_a_url_is_redacted_but_a_file_may_hold_it() -> None:
    text = "postgres://user:word@localhost/db"
    assert redact(text) == Redactor()(text) == "postgres://«url-password»@localhost/db"
    assert "word" not in dot_out(text)
    assert not has_known_secret(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_is_no_secret(text: str) -> None:
    assert redact(text) == dot_out(text) == text
    assert not has_known_secret(text)
    assert not looks_secret(text)


@pytest.mark.parametrize(("name", "secret"), SECRETS)
def test_what_is_redacted_stays_as_it_is(name: str, secret: str) -> None:
    assert redact(redact(secret)) == redact(secret)


@pytest.mark.parametrize(
    "beginning", ["hf-", "gsk_xai-", "sk-", "eyJaaaaaaaa-", "eyJ", "xoxb-", "-----BEGIN ", "://a:b", "bearer "]
)
def test_a_text_of_beginnings_alone_costs_linear_time(beginning: str) -> None:
    text = beginning * (300_000 // len(beginning))
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 5  # quadratic time would be minutes


SECRET_NAMES = [
    "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "NPM_TOKENS", "DB_PASSWORD",
    "DB_PASSWD", "KEY_PASSPHRASE", "GOOGLE_APPLICATION_CREDENTIALS", "SESSION_COOKIE", "apikey", "Authorization",
    "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "Cookie", "Authentication",
]  # fmt: skip
OTHER_NAMES = [
    "HOME", "PATH", "LANG", "GIT_AUTHOR_NAME", "SSH_AUTH_SOCK", "XAUTHORITY", "KEYBOARD_LAYOUT", "MONKEY",
    "TOKENIZERS_PARALLELISM", "Accept", "User-Agent",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_says_secret(name: str) -> None:
    assert is_secret_name(name)
    assert is_secret_name(name.lower())


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_name_that_says_nothing(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("before", ["\\n", "\\t", "%20", "%3D", "\\u0022", "&quot;", "=", '"'])
@pytest.mark.parametrize(("name", "secret"), SECRETS)
def test_t10_an_escape_before_a_key_does_not_hide_it(before: str, name: str, secret: str) -> None:
    assert redact(f"{before}{secret}") == f"{before}«{name}»"


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "123e4567-e89b-12d3-a456-426614174000",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "arn:aws:iam::123456789012:user/Development/product_1234/*",
    ],
)
def test_t10_digests_ids_and_pictures_are_not_redacted(text: str) -> None:
    assert redact(text) == text


HEAD = "-----BEGIN RSA PRIVATE KEY-----"


@pytest.mark.parametrize("after", [": unknown key", "\nrun    rm -rf /", '", "x": 1}', " and more", "\\nb", ""])
def test_t11_the_beginning_of_a_private_key_hides_nothing_that_follows(after: str) -> None:
    assert redact_known(f"a {HEAD}{after}", {}) == f"a «private-key»{after}"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\\n", "%0A", "\n    ", " "])
@pytest.mark.parametrize("end", ["-----END RSA PRIVATE KEY-----", ""])
def test_t10_all_of_a_private_key_is_hidden_in_a_list(line_break: str, end: str) -> None:
    lines = [HEAD, "Proc-Type: 4,ENCRYPTED", "MIIEabcdefghijkl/+0123456789" * 2, "MIIEabcdefghijkl/+0123456789" * 2]
    lines += ["abc123==", end] if end else []
    assert redact_known(f"a {line_break.join(lines)}. B", {}) == "a «private-key». B"
