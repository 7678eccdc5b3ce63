"""The facts in a GGUF header: read from any file, or refused with a reason, never a surprise."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.gateways.local import gguf
from runner.gateways.local.gguf import GgufMetadata
from thoroughness import examples


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def field(key: str, kind: int, value: Any) -> bytes:
    if kind == 8:
        packed = text(value)
    elif kind == 9:
        packed = struct.pack("<IQ", 8, len(value)) + b"".join(map(text, value))
    else:
        packed = struct.pack("<I" if kind == 4 else "<Q", value)
    return text(key) + struct.pack("<I", kind) + packed


def header(*fields: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(fields)) + b"".join(fields)


WORDS = field("tokenizer.ggml.tokens", 9, ["a", "b", "ccc"])
TEMPLATE = field("tokenizer.chat_template", 8, "{% if tools %}{{ tools }}{% endif %}")
WINDOW = field("qwen3.context_length", 4, 40960)
GOOD = header(WORDS, WINDOW, TEMPLATE)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "model.gguf"


def metadata(path: Path, data: bytes) -> GgufMetadata:
    path.write_bytes(data)
    return gguf.read_metadata(path)


def test_the_facts_are_found_behind_the_vocabulary(path):
    assert metadata(path, GOOD) == GgufMetadata(40960, tools=True)
    assert metadata(path, header()) == GgufMetadata(None, tools=False)


def test_the_embedded_model_s_facts(embedded_weights):
    assert gguf.read_metadata(Path(embedded_weights)) == GgufMetadata(8192, tools=False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin with GGUF"),
        (b"<!doctype html>", "does not begin with GGUF"),
        (header(version=1), "too old"),
        (GOOD[:-3], "cut short"),
        (header(text("key") + struct.pack("<I", 99)), "damaged"),
        (header(text("key") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 5000), "damaged"),
    ],
)
def test_a_header_that_cannot_be_read(path, data, why):
    with pytest.raises(ValueError, match=why):
        metadata(path, data)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_any_changed_byte_gives_facts_or_a_reason(path, place, value):
    try:
        metadata(path, GOOD[:place] + bytes([value]) + GOOD[place + 1 :])
    except (ValueError, OSError) as error:
        assert str(error)
