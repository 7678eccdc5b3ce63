"""What counts as a secret, for every room: the known shapes of keys, and the names of variables that hold one.

A shape is masked by its placeholder, `«openai-key»`, always the same, so that masked texts can be hashed and compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

_START = r"(?:\b|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"
"""Where a word begins, also after the escape of a line break or of another character in JSON or a URL."""

_SERVICE_KEYS: tuple[tuple[str, str], ...] = (
    ("sk_live_", "[A-Za-z0-9]{10,}"),
    ("sk_test_", "[A-Za-z0-9]{10,}"),
    ("rk_live_", "[A-Za-z0-9]{10,}"),
    ("whsec_", "[A-Za-z0-9+/]{20,}"),
    ("SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("npm_", "[A-Za-z0-9]{30,}"),
    ("pypi-Ag", "[A-Za-z0-9_-]{40,}"),
    ("ya29.", "[A-Za-z0-9_-]{20,}"),
    ("GOCSPX-", "[A-Za-z0-9_-]{20,}"),
    ("xapp-", "[A-Za-z0-9-]{20,}"),
    ("dop_v1_", "[a-f0-9]{40,}"),
    ("hvs.", "[A-Za-z0-9_-]{20,}"),
    ("dapi", "[a-f0-9]{32}"),
    ("nvapi-", "[A-Za-z0-9_-]{20,}"),
    ("tvly-", "[A-Za-z0-9_-]{16,}"),
    ("lin_api_", "[A-Za-z0-9]{20,}"),
    ("lsv2_", "(?:pt|sk)_[A-Za-z0-9_]{20,}"),
    ("ntn_", "[A-Za-z0-9]{30,}"),
    ("figd_", "[A-Za-z0-9_-]{20,}"),
    ("shpat_", "[A-Fa-f0-9]{32}"),
    ("sbp_", "[a-f0-9]{40}"),
    ("glsa_", "[A-Za-z0-9_]{30,}"),
    ("dckr_pat_", "[A-Za-z0-9_-]{20,}"),
    ("AGE-SECRET-KEY-1", "[A-Z0-9]{40,}"),
    ("AccountKey=", "[A-Za-z0-9+/]{40,}={0,2}"),
)
"""How the keys of a service begin, and how they go on."""

_KEY_HEAD = "-----BEGIN [A-Z ]*PRIVATE KEY-----"
_KEY_END = "-----END [A-Z ]*PRIVATE KEY-----"
_BETWEEN = r"(?:\s|\\[nrt]|%0[ADad]|%20)"
# What can be a key's own lines and nothing else: where texts of several stand together, no mark may hide what follows.
_KEY_IN_LIST = (
    rf"{_KEY_HEAD}(?:{_BETWEEN}*(?:[A-Za-z0-9+/=]{{24,}}|(?:Proc-Type|DEK-Info): [^\s\\%]{{1,60}}))*"
    rf"(?:{_BETWEEN}*(?:[A-Za-z0-9+/=]{{1,23}}{_BETWEEN}*)?{_KEY_END})?"
)

SHAPES: tuple[tuple[str, str], ...] = (
    ("openai-key", _START + r"sk-(?:[A-Za-z0-9_-]{20,}|(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{8,})"),
    ("github-token", _START + r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("aws-key", _START + r"(?:AKIA|ASIA)[A-Z0-9]{16,}"),
    ("google-key", _START + r"AIza[A-Za-z0-9_-]{30,}"),
    ("slack-token", _START + r"xox[abprs]-[A-Za-z0-9-]{10,}"),
    ("jwt", _START + r"eyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*"),
    ("private-key", rf"{_KEY_HEAD}[\s\S]*?(?:{_KEY_END}|\Z)"),
    ("bearer", _START + r"(?i:bearer )[A-Za-z0-9._~+/-]{20,}=*"),
    ("url-password", r"(?<=://)[^\s/:@«»]+:[^\s/@«»]+(?=@)"),
    ("gitlab-token", _START + r"glpat-[A-Za-z0-9_-]{16,}"),
    # A digit or a long run of letters tells a key from an identifier such as hf_text_generation.
    (
        "api-key",
        _START + r"(?:gsk|xai|hf|r8|pplx|csk|fw|tgp)[_-](?=[A-Za-z_-]{0,99}(?:[0-9]|[A-Za-z]{16}))[A-Za-z0-9_-]{16,}",
    ),
    ("service-key", _START + "(?:" + "|".join(re.escape(start) + rest for start, rest in _SERVICE_KEYS) + ")"),
    # Digits and letters of both cases tell an encoded name and password from a word.
    ("basic", _START + r"(?i:basic )(?=\S*[0-9]\S*[A-Za-z])(?=\S*[A-Z])(?=\S*[a-z])[A-Za-z0-9+/]{12,}={0,2}"),
)
"""Placeholder and regular expression of each shape, in the order in which they are tried.

What is looked at before a shape can fail is bounded: a text of beginnings alone must not cost quadratic time.
"""

_GITHUB = ("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_")
_SERVICES = ("sk-", "sk_", "xai", "hf_", "hf-", "r8_", "r8-", "pplx", "fw_", "fw-", "tgp", "glpat")
_MARKERS = (
    *_GITHUB,
    *_SERVICES,
    *(start for start, _ in _SERVICE_KEYS),
    "AKIA",
    "ASIA",
    "AIza",
    "xox",
    "eyJ",
    "-----BEGIN",
    "earer ",
    "EARER ",
    "asic ",
    "ASIC ",
    "://",
)

# A shorter value that only its variable's name calls a secret may be an everyday word, a host or a region.
_NO_WORD = r".{12,}|(?=.*[0-9])(?=.*[A-Za-z])[^\s./:-]{8,}"

_RANDOM = r"[A-Za-z0-9_\-+/=.]{32,}"
_SECRET_NAME = (
    r"AUTH(?!_SOCK|OR(?!I[SZ]))|(?<!MON)(?<!IDEMPOTENCY.)KEY(?!BOARD|MAP|CHAIN)|TOKEN(?!I[SZ])"
    r"|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE"
)


def may_hold_secret(text: str) -> bool:
    """A secret of a known shape may be in the text: a cheap look, since every shape holds one of the markers."""
    for marker in _MARKERS:  # noqa: SIM110 - called for every message, and any() takes twice as long
        if marker in text:
            return True
    return False


def redact(text: str, placeholder: Callable[[str], str] = "«{}»".format) -> str:
    """The text with each secret of a known shape replaced by `placeholder(name of the shape)`."""
    if not may_hold_secret(text):
        return text
    return _shapes().sub(lambda match: placeholder(_shape_name(match)), text)


def shapes_in(text: str) -> set[str]:
    """The names of the shapes that stand in a text."""
    return {_shape_name(match) for match in _shapes().finditer(text)} if may_hold_secret(text) else set()


def has_known_secret(text: str) -> bool:
    """Whether a text holds a key of a known shape; a password in a URL alone is none."""
    return bool(shapes_in(text) - {"url-password"})


def looks_secret(text: str) -> bool:
    """Whether a text looks like a key: a known shape, or one long word of mixed letters and digits."""
    word = text.strip().removeprefix("Bearer ").strip()
    if has_known_secret(text):
        return True
    return (
        bool(re.fullmatch(_RANDOM, word)) and sum(char.isdigit() for char in word) >= 4 and any(map(str.isalpha, word))
    )


def dot_out(text: str) -> str:
    """The text with what looks like a key dotted out, each character in its place."""
    text = _shapes().sub(lambda match: "•" * len(match[0]), text) if may_hold_secret(text) else text
    return re.sub(r"[^\s'\",{}\[\]()]+", lambda word: "•" * len(word[0]) if looks_secret(word[0]) else word[0], text)


@cache
def is_secret_name(name: str) -> bool:
    """Whether an environment variable or a header of this name holds a secret."""
    return re.search(_SECRET_NAME, name, re.IGNORECASE) is not None


def environment_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables whose names say that they hold a secret, and whose values are no everyday words."""
    named = {name: value for name, value in environ.items() if is_secret_name(name)}
    return {name: value for name, value in named.items() if re.fullmatch(_NO_WORD, value, re.DOTALL)}


@cache
def _shapes(private_key: str = "") -> re.Pattern[str]:
    """One pattern for all shapes, compiled when a text may hold one."""
    shapes = {**dict(SHAPES), **({"private-key": private_key} if private_key else {})}
    return re.compile("|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in shapes.items()))


def _shape_name(match: re.Match[str]) -> str:
    return str(match.lastgroup).replace("_", "-")


_in_use: set[str] = set()


def mark_secret(variable: str) -> None:
    """From now on a variable of the environment holds a secret, whatever its name: a file fills or names it as one."""
    _in_use.add(variable)


def redact_known(text: str, environ: Mapping[str, str]) -> str:
    """The text without secrets of a known shape, and without those of the environment, however they are encoded.

    It may hold what several have to say: the beginning of a private key hides nothing but lines of a key.
    """
    if not text:
        return text
    used = {name: environ[name].strip() for name in _in_use if environ.get(name)}
    secrets = {f"env:{name}": value for name, value in (environment_secrets(environ) | used).items()}
    text = Secrets(secrets).redact(text)
    if not may_hold_secret(text):
        return text
    return _shapes(_KEY_IN_LIST).sub(lambda match: f"«{_shape_name(match)}»", text)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Name to value, `env:NAME` as a rule. Its repr shows the names alone."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.values.items())

    def __bool__(self) -> bool:
        return bool(self.values)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `«name»`, however it is encoded."""
        if not self.values:
            return text
        from runner.core.encoded_secrets import secret_finder  # lazy: only where there are secrets

        return secret_finder(self.values).redact(text)
