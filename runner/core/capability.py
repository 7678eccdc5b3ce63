"""One thing that an agent file can do on the user's machine or with the user's keys, as consent is asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

from runner.core.sanitize import escape_line

Action = Literal["run", "start", "import", "load", "write", "send", "read", "connect", "allow"]
ACTIONS: tuple[Action, ...] = get_args(Action)
"""In the order in which capabilities are shown: what can do most harm comes first."""

# Printable by their category, and yet nothing to see: fillers, and variation selectors.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0").union(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_MOST_MARKS = 3
_PLACEHOLDER = r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)"
# A url whose host no variable reaches into: it begins with the only one, or its host ends before the first.
_FIXED_HOST = r"\$\{env:[^}]*\}[^$]*$|https?://[^/?#\\$]+[/?#]"


class Capability(NamedTuple):
    """An action and what it acts on; `where` is the line of the file that it follows from.

    `host` is where a `send` goes, without scheme and port.
    """

    action: Action
    target: str
    where: str = ""
    host: str = ""

    def __str__(self) -> str:
        return f"{self.action:<8} {_visible(self.target)}"


def _visible(text: str) -> str:
    """The text as one line on which nothing hides: long blanks by their number, invisible characters by an escape."""
    shown = "".join(
        char if char not in _BLANK else char.encode("unicode_escape").decode() for char in escape_line(text)
    )
    shown = re.sub(r" {4,}", lambda blanks: f" ␣×{len(blanks[0])} ", shown)
    return shown if shown.isascii() else _with_few_marks(shown)


def _with_few_marks(text: str) -> str:
    """The text without the piles of combining marks that reach into other lines: the rest of each by its escapes."""
    from unicodedata import combining  # lazy: most files are ASCII

    shown, marks = [], 0
    for char in text:
        marks = marks + 1 if combining(char) else 0
        shown.append(char if marks <= _MOST_MARKS else char.encode("unicode_escape").decode())
    return "".join(shown)


def origin(url: str) -> str:
    """Scheme, host and port of a url; the whole of one that cannot be taken apart, without a password."""
    from urllib.parse import urlsplit  # lazy: an agent of a known server names no url

    try:
        parts = urlsplit(url)
        authority = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.rpartition("@")[2]
    return f"{parts.scheme}://{authority}" if authority else url


def destination(url: str, raw: Mapping[str, Any]) -> str:
    """Where a url leads, without the values of the environment in it, which may be secrets.

    `raw` is the mapping that holds the url as the file writes it. It is shown whole, placeholders and all, where a
    variable has a say in its host besides being all of its beginning: no part of it could then be left out without
    hiding where it leads.
    """
    text = str(raw.get("url", url))
    if "${" not in text:
        return origin(url)
    return origin(url) if re.match(_FIXED_HOST, text) and "://" in url else text


def env_variables(value: Any) -> dict[str, None]:
    """The variables of the environment that fill `${env:NAME}` places in a value of the file, in order."""
    return dict.fromkeys(name for text in _strings(value) for name in re.findall(_PLACEHOLDER, text))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
