"""Nothing secret is written: known values and known shapes become stable placeholders, before writing and hashing."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST = 6

_SHAPES: tuple[tuple[str, str], ...] = (
    ("openai-key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})"),
    ("aws-key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("google-key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("slack-token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("bearer", r"(?i:\bbearer )[A-Za-z0-9._~+/-]{20,}=*"),
    ("url-password", r"(?<=://)[^\s/:@«»]+:[^\s/@«»]+(?=@)"),
)
# A cheap look before the expensive one: every shape holds one of these.
_GITHUB = ("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_")
_HINTS = (*_GITHUB, "sk-", "AKIA", "ASIA", "AIza", "xox", "eyJ", "-----BEGIN", "earer ", "EARER ", "://")


_HEX = re.compile("%[0-9A-F]{2}")
_PLACEHOLDER = re.compile(r"(«[^«»\n]*»)")


class Redactor:
    """Masks secrets in texts and JSON values; `counts` says how often each was met.

    `secrets` maps a name, such as env:TOKEN, to its value; `patterns` maps a name to a regular expression of the
    user's. The same secret always becomes the same placeholder, so masked texts can be hashed and compared.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None, patterns: Mapping[str, str] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._values = _spellings(secrets or {})
        self._exact = re.compile("|".join(map(re.escape, self._values))) if self._values else None
        self._own = tuple((name, re.compile(pattern)) for name, pattern in (patterns or {}).items())

    def concerns(self, text: str) -> bool:
        """The text, or the JSON text of a value, may hold a secret; a cheap look."""
        if self._own or _hinted(text):
            return True
        return self._exact is not None and self._exact.search(text) is not None

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        if self._exact is not None:
            text = self._exact.sub(self._known, text)
        for name, pattern in self._own:
            text = self._masked(name, pattern, text)
        if _hinted(text):
            text = _shapes().sub(self._shaped, text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with every secret in its strings and keys replaced."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(each) for each in value]
        return value

    def left(self, text: str) -> tuple[str, ...]:
        """The names of secrets that still stand in a text about to be written."""
        found = {self._values[match.group()] for match in self._exact.finditer(text)} if self._exact else set()
        found |= {_name(match) for match in _shapes().finditer(text)}
        bare = _PLACEHOLDER.sub(" ", text)
        found |= {name for name, pattern in self._own if pattern.search(bare)}
        return tuple(sorted(found))

    def _masked(self, name: str, pattern: re.Pattern[str], text: str) -> str:
        """The text without what the pattern matches; what is masked already stays, since replays mask again."""
        parts = _PLACEHOLDER.split(text)
        parts[::2] = [pattern.sub(lambda _: self._placeholder(name), part) for part in parts[::2]]
        return "".join(parts)

    def _known(self, match: re.Match[str]) -> str:
        return self._placeholder(self._values[match.group()])

    def _shaped(self, match: re.Match[str]) -> str:
        return self._placeholder(_name(match))

    def _placeholder(self, name: str) -> str:
        self.counts[name] += 1
        return f"«{name}»"


def _hinted(text: str) -> bool:
    """Some shape may be in the text."""
    for hint in _HINTS:  # noqa: SIM110 - asked of every message: any() would take twice as long
        if hint in text:
            return True
    return False


@cache
def _shapes() -> re.Pattern[str]:
    """One pattern for all shapes, compiled when a text may hold one."""
    return re.compile("|".join(f"(?P<{name.replace('-', '_')}>{shape})" for name, shape in _SHAPES))


def _name(match: re.Match[str]) -> str:
    return str(match.lastgroup).replace("_", "-")


def _spellings(secrets: Mapping[str, str]) -> dict[str, str]:
    """Every way in which a secret may be written, longest first, and its name."""
    found: dict[str, str] = {}
    for name, value in secrets.items():
        if len(value) >= SHORTEST:
            for spelling in _ways(value):
                found.setdefault(spelling, name)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _ways(value: str) -> Iterable[str]:
    yield value
    for quoted in {quote(value, safe=""), quote_plus(value)}:
        yield from {quoted, _HEX.sub(lambda found: found[0].lower(), quoted)}
    yield from {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    raw = value.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        coded = encode(raw).decode()
        yield from {coded, coded.rstrip("=")}
        # A value inside a longer encoded text starts at any of three offsets: its inner characters are always the same.
        for shift in (0, 1, 2):
            inner = encode(b"\0" * shift + raw).decode().rstrip("=")[4 if shift else 0 : -1]
            if len(inner) >= SHORTEST:
                yield inner
