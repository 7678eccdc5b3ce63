"""How two states of a part of a request differ, as the lines of a diff: texts, tools with their schemas, options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.core.messages import ToolSpec
from runner.core.sanitize import escape_line
from runner.transcripts.expectations.matchers import json_equal, json_line
from runner.transcripts.fingerprint import property_order, tool_signature
from runner.transcripts.model import RecordedTool

_MAX_VALUE = 300


def text_lines(old: str, new: str) -> list[str]:
    """The changed lines with one line around them; those that look alike with their blanks and line ends shown."""
    lines = _unified(old.splitlines(), new.splitlines())
    if not lines and old != new:
        lines = _unified(_visible_lines(old), _visible_lines(new))
    elif _looks(old) == _looks(new):
        lines = _unified([_visible(line) for line in old.splitlines()], [_visible(line) for line in new.splitlines()])
    return lines


def tool_lines(
    old: Mapping[str, RecordedTool], new: Sequence[ToolSpec], altered: Sequence[str], redact: Callable[[str], str]
) -> list[str]:
    """The tools that came, went or read otherwise; then what changed in the schema of each that is `altered`."""
    today = {spec.name: spec for spec in new}
    lines = _unified(
        [f"{name}{tool.signature}: {tool.description}" for name, tool in old.items()],
        [f"{spec.name}{redact(tool_signature(spec))}: {redact(spec.description)}" for spec in new],
    )
    for name in altered:
        if name in old and name in today:
            lines += _schema_lines(name, old[name], today[name], redact, shown=f"{name}(" in "\n".join(lines))
    return lines


def option_lines(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    """Each option that is not as it was, one within a mapping by its path."""
    before, after = _flattened(old, new), _flattened(new, old)
    for key in dict.fromkeys((*before, *after)):
        if key not in after or key not in before or not json_equal(before[key], after[key]):
            if key in before:
                yield f"-{key}: {json_line(before[key], _MAX_VALUE)}"
            if key in after:
                yield f"+{key}: {json_line(after[key], _MAX_VALUE)}"


def _schema_lines(
    name: str, old: RecordedTool, new: ToolSpec, redact: Callable[[str], str], *, shown: bool
) -> Iterator[str]:
    """What changed in the schema of one tool's parameters."""
    try:
        recorded = json.loads(old.schema_text() or "null")
    except ValueError as error:
        yield f"!{name}: its recorded schema cannot be read: {error}"
        return
    if not isinstance(recorded, dict):
        if not shown:
            yield f"!{name}: its schema changed: {tool_signature(new)}; the recording keeps no older one to compare"
        return
    today = json.loads(redact(json.dumps(new.parameters, default=str)))
    lines = [f"{line[0]}{name}.{line[1:]}" for line in option_lines(recorded, today)]
    if not lines and property_order(recorded) != property_order(today):
        order = ", ".join(recorded.get("properties", {})), ", ".join(today.get("properties", {}))
        lines = [f"-{name}: the parameters in the order {order[0]}", f"+{name}: the parameters in the order {order[1]}"]
    yield from lines


def _flattened(value: Mapping[str, object], other: object, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """The value's parts by their paths, as deep as `other` has mappings too; `properties` are not spelt out in them."""
    parts: dict[str, Any] = {}
    for key, item in value.items():
        here = path if key == "properties" and isinstance(item, Mapping) else (*path, str(key))
        beside = other.get(key) if isinstance(other, Mapping) else None
        if isinstance(item, Mapping) and isinstance(beside, Mapping):
            parts |= _flattened(item, beside, here)
        else:
            parts[".".join(here) or key] = item
    return parts


def _unified(old: Sequence[str], new: Sequence[str]) -> list[str]:
    from difflib import unified_diff  # lazy: only what is stale is shown

    return [line for line in list(unified_diff(old, new, lineterm="", n=1))[2:] if not line.startswith("@@")]


def _looks(text: str) -> str:
    """What a reader sees of a text: no blanks, and nothing invisible."""
    return "".join(char for char in text if char.isprintable() and not char.isspace())


def _visible_lines(text: str) -> list[str]:
    return [_visible(line) for line in re.split(r"(?<=\n)", text) if line]


def _visible(line: str) -> str:
    """A line with blanks that are easily missed as `·`, its line end as `⏎`, and what is invisible escaped."""
    body, end = (line[:-1], "⏎") if line.endswith("\n") else (line, "")
    dotted = re.sub(r"^ +| +$|  +", lambda blanks: "·" * len(blanks[0]), body)
    return escape_line(dotted) + end
