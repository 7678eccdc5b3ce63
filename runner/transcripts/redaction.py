"""Redaction: secret values and texts of a secret's shape become stable placeholders, before writing and hashing."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from runner.core.secrets import may_hold_secret, redact, shapes_in

MIN_SECRET_LENGTH = 6

_HEX = "%[0-9A-F]{2}"
_PLACEHOLDER = r"(«[^«»\n]*»)"


class Redactor:
    """Redacts secrets in texts and JSON values; `counts` says how often each was redacted.

    `secrets` maps a name, such as env:TOKEN, to its value; `patterns` maps a name to a regular expression of the
    user's. The same secret always becomes the same placeholder, so redacted texts can be hashed and compared.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None, patterns: Mapping[str, str] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._names = _encoded_secrets(secrets or {})
        self._exact = re.compile("|".join(map(re.escape, self._names))) if self._names else None
        self._patterns = tuple((name, re.compile(pattern)) for name, pattern in (patterns or {}).items())

    def may_hold_secret(self, text: str) -> bool:
        """Whether a text, or the JSON text of a value, may hold a secret: a quick test that errs on the safe side."""
        if self._patterns or may_hold_secret(text):
            return True
        return self._exact is not None and self._exact.search(text) is not None

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        if self._exact is not None:
            text = self._exact.sub(self._known_placeholder, text)
        for name, pattern in self._patterns:
            text = self._without(pattern, name, text)
        return redact(text, self._placeholder)

    def value(self, value: Any) -> Any:
        """A JSON value with every secret in its strings and keys replaced."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def unredacted(self, text: str) -> tuple[str, ...]:
        """The names of secrets that are still in a text about to be written."""
        names = {self._names[match.group()] for match in self._exact.finditer(text)} if self._exact else set()
        names |= shapes_in(text)
        outside = re.sub(_PLACEHOLDER, " ", text)
        names |= {name for name, pattern in self._patterns if pattern.search(outside)}
        return tuple(sorted(names))

    def _without(self, pattern: re.Pattern[str], name: str, text: str) -> str:
        """The text without what the pattern matches; placeholders stay, since replays redact recorded texts again."""
        parts = re.split(_PLACEHOLDER, text)
        parts[::2] = [pattern.sub(lambda _: self._placeholder(name), part) for part in parts[::2]]
        return "".join(parts)

    def _known_placeholder(self, match: re.Match[str]) -> str:
        return self._placeholder(self._names[match.group()])

    def _placeholder(self, name: str) -> str:
        self.counts[name] += 1
        return f"«{name}»"


def _encoded_secrets(secrets: Mapping[str, str]) -> dict[str, str]:
    """Every encoding of every secret, longest first, and the secret's name."""
    names: dict[str, str] = {}
    for name, value in secrets.items():
        if len(value) >= MIN_SECRET_LENGTH:
            for encoded in _encodings(value):
                names.setdefault(encoded, name)
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def _encodings(value: str) -> Iterable[str]:
    """The value as it is, and in URLs, in JSON and in Base64."""
    yield value
    for quoted in {quote(value, safe=""), quote_plus(value)}:
        yield from {quoted, re.sub(_HEX, lambda match: match[0].lower(), quoted)}
    yield from {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    raw = value.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(raw).decode()
        yield from {encoded, encoded.rstrip("=")}
        # A value inside a longer encoded text starts at any of three offsets: its inner characters are always the same.
        for offset in (0, 1, 2):
            inner = encode(b"\0" * offset + raw).decode().rstrip("=")[4 if offset else 0 : -1]
            if len(inner) >= MIN_SECRET_LENGTH:
                yield inner
