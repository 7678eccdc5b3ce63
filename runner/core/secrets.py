"""The secret values that an agent resolved, kept so that they can be taken out of whatever is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_KNOWN = re.compile(
    r"""\b(?:
        sk-[A-Za-z0-9_-]{8,} | (?:gsk|xai|hf|r8|pplx|csk|fw|tgp)[_-][A-Za-z0-9_-]{16,} | AIza[A-Za-z0-9_-]{30,}
        | gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_-]{16,}
        | xox[abprs]-[A-Za-z0-9-]{10,} | AKIA[A-Z0-9]{16} | eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
    )""",
    re.VERBOSE,
)
_RANDOM = re.compile(r"[A-Za-z0-9_\-+/=.]{32,}")


def has_known_secret(text: str) -> bool:
    """Whether a text holds a key of a well-known form."""
    return bool(_KNOWN.search(text))


def masked(text: str) -> str:
    """The text with what looks like a key dotted out, each character in its place."""
    return re.sub(r"[^\s'\",{}\[\]()]+", lambda word: "•" * len(word[0]) if looks_secret(word[0]) else word[0], text)


def looks_secret(text: str) -> bool:
    """Whether a text looks like a key: a well-known form, or one long word of mixed letters and digits."""
    word = text.strip().removeprefix("Bearer ").strip()
    if has_known_secret(word):
        return True
    return bool(_RANDOM.fullmatch(word)) and sum(each.isdigit() for each in word) >= 4 and any(map(str.isalpha, word))


@dataclass(frozen=True, slots=True)
class Secrets:
    """Name to value, `env:NAME` as a rule. Its repr shows the names alone."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.values.items())

    def __bool__(self) -> bool:
        return bool(self.values)

    def hide(self, text: str) -> str:
        """The text with every secret replaced by `«name»`, the longest first."""
        for name, value in sorted(self.values.items(), key=lambda pair: -len(pair[1])):
            text = text.replace(value, f"«{name}»")
        return text
