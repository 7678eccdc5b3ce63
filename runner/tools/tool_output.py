"""What a tool returned, as the model can read it: json_value JSON of bounded size, the same at every run."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from pathlib import PurePath
from typing import Any

from runner.core.images import image_media_type
from runner.core.messages import Attachment
from runner.core.sanitize import replace_surrogates
from runner.tools.context import ToolOutput
from runner.tools.output_limit import OutputCapture

_MAX_DEPTH = 32
_MAX_ITEMS = 10_000


def limited_output(returned: Any, name: str, limit: int) -> ToolOutput:
    """What the model reads of what `name` returned; what is beyond `limit` bytes goes to a private file."""
    tool_output = returned if isinstance(returned, ToolOutput) else ToolOutput(returned)
    value, files = tool_output.output, tool_output.files
    if isinstance(value, bytes) and (media_type := image_media_type(value)):
        value = Attachment(media_type, value)
    if isinstance(value, Attachment):
        files = (*files, value)
        value = f"({value.media_type}, {len(value.data)} bytes)"
    return ToolOutput(_truncated(json_value(value), name, limit), tool_output.failed, files)


def json_value(value: Any, above: tuple[int, ...] = ()) -> Any:
    """The value as JSON can say it; what it cannot say becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return json_value(value.value, above)
    if isinstance(value, str):
        return replace_surrogates(str(value))
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _text_of(bytes(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if id(value) in above:
        return "(contains itself)"
    if len(above) >= _MAX_DEPTH:
        return "(nested too deeply)"
    return _composite(value, (*above, id(value)))


def _composite(value: Any, above: tuple[int, ...]) -> Any:
    if isinstance(value, ToolOutput):
        return json_value(value.output, above)
    if callable(as_json := getattr(value, "model_dump", None)) and not isinstance(value, type):
        return json_value(as_json(mode="json"), above)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: json_value(getattr(value, each.name), above) for each in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return json_value(value._asdict(), above)
    if isinstance(value, Mapping):
        return {_key(key): json_value(each, above) for key, each in value.items()}
    if isinstance(value, Set):
        return [json_value(each, above) for each in sorted(value, key=repr)]
    if isinstance(value, Sequence | Iterator) and not isinstance(value, PurePath):
        items = [json_value(each, above) for each in islice(value, _MAX_ITEMS + 1)]
        return items if len(items) <= _MAX_ITEMS else [*items[:-1], f"(more than {_MAX_ITEMS} items)"]
    return _as_text(value)


def _number(value: int | float) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    return int(value) if value.bit_length() < 10_000 else hex(value)


def _key(key: Any) -> str:
    found = json_value(key)
    return found if isinstance(found, str) else json.dumps(found)


def _as_text(value: Any) -> str:
    """Text for anything else; never an address in memory, which would differ at each run."""
    words = str(value)
    return replace_surrogates(words) if words != object.__repr__(value) else f"({type(value).__qualname__})"


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({len(data)} bytes that are no text)"


def _truncated(value: Any, name: str, limit: int) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= limit // 4:
        return value
    data = text.encode()
    if len(data) <= limit:
        return value
    with OutputCapture(name, limit) as capture:
        capture.feed(data)
    return capture.text()
