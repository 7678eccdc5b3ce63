"""Equipment that tests of several rooms share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import pytest

from runner.core.errors import ModelMissing
from runner.gateways import local_worker, weights

EMBEDDED = "smollm2-135m"
KEY = "test-key"
WINDOW = 4096


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A real llama.cpp server with the embedded model: OpenAI and Anthropic dialects under `url` + "/v1"."""

    url: str
    key: str = KEY
    model: str = EMBEDDED
    window: int = WINDOW


@pytest.fixture(scope="session")
def embedded_weights() -> str:
    """The path of the embedded model's file; tests that ask for it are skipped where it cannot run."""
    if find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed")
    try:
        return str(weights.find(EMBEDDED))
    except ModelMissing:
        pytest.skip(f"the weights of {EMBEDDED} are not installed")


@pytest.fixture(scope="session")
def llama_server(embedded_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """One server a test process, started by the first test that asks for it."""
    log = tmp_path_factory.mktemp("llama") / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-P", str(local_worker.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"model": embedded_weights, "window": WINDOW, "key": KEY}).encode() + b"\n")
        child.stdin.flush()
        address = child.stdout.readline().decode().strip()
        assert address, log.read_text()
        yield LlamaServer(address)
