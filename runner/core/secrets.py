"""What counts as a secret, for every room: the known shapes of keys, and the names of variables that hold one.

A shape is masked by its placeholder, `«openai-key»`, always the same, so that masked texts can be hashed and compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

SHAPES: tuple[tuple[str, str], ...] = (
    ("openai-key", r"\bsk-(?:[A-Za-z0-9_-]{20,}|(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{8,})"),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("aws-key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16,}"),
    ("google-key", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("slack-token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*"),
    ("private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("bearer", r"(?i:\bbearer )[A-Za-z0-9._~+/-]{20,}=*"),
    ("url-password", r"(?<=://)[^\s/:@«»]+:[^\s/@«»]+(?=@)"),
    ("gitlab-token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    # A digit or a long run of letters tells a key from an identifier such as hf_text_generation.
    ("api-key", r"\b(?:gsk|xai|hf|r8|pplx|csk|fw|tgp)[_-](?=[A-Za-z_-]{0,99}(?:[0-9]|[A-Za-z]{16}))[A-Za-z0-9_-]{16,}"),
)
"""Placeholder and regular expression of each shape, in the order in which they are tried.

What is looked at before a shape can fail is bounded: a text of beginnings alone must not cost quadratic time.
"""

_GITHUB = ("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_")
_SERVICES = ("sk-", "sk_", "xai", "hf_", "hf-", "r8_", "r8-", "pplx", "fw_", "fw-", "tgp", "glpat")
_MARKERS = (*_GITHUB, *_SERVICES, "AKIA", "ASIA", "AIza", "xox", "eyJ", "-----BEGIN", "earer ", "EARER ", "://")

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


def is_secret_name(name: str) -> bool:
    """Whether an environment variable or a header of this name holds a secret."""
    return re.search(_SECRET_NAME, name, re.IGNORECASE) is not None


def environment_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables whose names say that they hold a secret, and whose values are no everyday words."""
    named = {name: value for name, value in environ.items() if is_secret_name(name)}
    return {name: value for name, value in named.items() if re.fullmatch(_NO_WORD, value, re.DOTALL)}


@cache
def _shapes() -> re.Pattern[str]:
    """One pattern for all shapes, compiled when a text may hold one."""
    return re.compile("|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in SHAPES))


def _shape_name(match: re.Match[str]) -> str:
    return str(match.lastgroup).replace("_", "-")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Name to value, `env:NAME` as a rule. Its repr shows the names alone."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.values.items())

    def __bool__(self) -> bool:
        return bool(self.values)

    def redact(self, text: str) -> str:
        """The text with every secret replaced by `«name»`, the longest first."""
        for name, value in sorted(self.values.items(), key=lambda pair: -len(pair[1])):
            text = text.replace(value, f"«{name}»")
        return text
