"""Redaction: secret values and texts of a secret's shape become stable placeholders, before writing and hashing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from runner.core.bounded_regex import PatternTooSlow, search, sub
from runner.core.errors import UsageError
from runner.core.secrets import may_hold_secret, redact, shapes_in

if TYPE_CHECKING:
    from runner.core.encoded_secrets import SecretFinder

T = TypeVar("T")

_PLACEHOLDER = r"(«[^«»\n]*»)"


class Redactor:
    """Redacts secrets in texts and JSON values; `counts` says how often each was redacted.

    `secrets` maps a name, such as env:TOKEN, to its value; `patterns` maps a name to a regular expression of the
    user's. The same secret always becomes the same placeholder, so redacted texts can be hashed and compared.
    """

    def __init__(self, secrets: Mapping[str, str] | None = None, patterns: Mapping[str, str] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._finder = _finder(secrets) if secrets else None
        self._patterns = tuple((patterns or {}).items())
        self._too_slow: UsageError | None = None

    def may_hold_secret(self, text: str) -> bool:
        """Whether a text, or the JSON text of a value, may hold a secret: a quick test that errs on the safe side."""
        if self._patterns or may_hold_secret(text):
            return True
        return self._finder is not None and bool(self._finder.spans(text))

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        if self._finder is not None:
            text = self._finder.redact(text, self._placeholder)
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
        names = {span.name for span in self._finder.spans(text)} if self._finder else set()
        names |= shapes_in(text)
        outside = re.sub(_PLACEHOLDER, " ", text)
        for name, pattern in self._patterns:
            if self._in_time(name, partial(search, pattern, outside)):
                names.add(name)
        return tuple(sorted(names))

    def _in_time(self, name: str, work: Callable[[], T]) -> T:
        """What the work gives. Raises UsageError if the pattern takes too long: what it hides must not be shown."""
        if self._too_slow is not None:
            raise self._too_slow
        try:
            return work()
        except PatternTooSlow as error:
            fix = "write a pattern in which nothing that repeats is repeated"
            self._too_slow = UsageError(f"redact.{name}: {error}", fix=fix)
            raise self._too_slow from None

    def _without(self, pattern: str, name: str, text: str) -> str:
        """The text without what the pattern matches; placeholders stay, since replays redact recorded texts again."""

        def mask(match: Any) -> str:
            return self._placeholder(name)

        parts = re.split(_PLACEHOLDER, text)
        parts[::2] = [self._in_time(name, partial(sub, pattern, mask, part)) for part in parts[::2]]
        return "".join(parts)

    def _placeholder(self, name: str) -> str:
        self.counts[name] += 1
        return f"«{name}»"


def _finder(secrets: Mapping[str, str]) -> SecretFinder:
    from runner.core.encoded_secrets import secret_finder  # lazy: only where there are secrets

    return secret_finder(secrets)
