"""The metadata of a GGUF file that decides how its model can be asked, read without loading the model."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from runner.core.files import open_regular

_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class GgufMetadata:
    """`window`: the context in tokens that the model was trained for. `tools`: its chat template knows of tools."""

    window: int | None = None
    tools: bool = False


def read_metadata(path: Path) -> GgufMetadata:
    """The metadata of the file. Raises ValueError for a file that is no GGUF or is cut short, and OSError."""
    window: int | None = None
    tools = False
    with open_regular(path) as file:
        try:
            for key, value in _fields(file):
                if key.endswith(".context_length") and isinstance(value, int):
                    window = value
                elif key == "tokenizer.chat_template" and isinstance(value, str):
                    tools = "tools" in value
        except (struct.error, KeyError, UnicodeDecodeError, OverflowError, RecursionError) as error:
            raise ValueError("the GGUF header is damaged") from error
    return GgufMetadata(window, tools)


def _fields(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Each key of the header with its value; arrays, the vocabulary above all, are passed over and give None."""
    if file.read(4) != b"GGUF":
        raise ValueError("the file does not begin with GGUF")
    version, _tensors, count = _unpack(file, "IQQ")
    if version < 2:
        raise ValueError(f"GGUF version {version} is too old")
    for _ in range(count):
        key = _text(file)
        (kind,) = _unpack(file, "I")
        yield key, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        return _skip(file, *_unpack(file, "IQ"))
    return _unpack(file, _NUMBERS[kind])[0]


def _skip(file: BinaryIO, kind: int, count: int) -> None:
    if kind in _NUMBERS:
        file.seek(count * struct.calcsize(_NUMBERS[kind]), 1)
        return
    for _ in range(count):
        if kind == _STRING:
            file.seek(_unpack(file, "Q")[0], 1)
        else:
            _skip(file, *_unpack(file, "IQ"))


def _text(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    data = file.read(min(length, 1 << 24))
    if len(data) < length:
        raise ValueError("the GGUF header is cut short")
    return data.decode()


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    form = "<" + form
    return struct.unpack(form, file.read(struct.calcsize(form)))
