"""Equipment that tests of several rooms share."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pexpect
import pytest

from parts import missing
from runner.core.errors import ModelMissing
from runner.gateways.local import models, worker
from thoroughness import FULL

ROOT = Path(__file__).parent.parent
EMBEDDED = "smollm2-135m"
KEY = "test-key"
WINDOW = 4096


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr != "not slow":
        os.environ[FULL] = "1"
    # A shell starts what it puts into the background with ^C ignored, which programs under test would inherit.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is collected stays to the end: the collector need not walk it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks a real server of the embedded model is slow."""
    for item in items:
        if "llama_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


def printable(value: Any) -> Any:
    """The same with what UTF-8 cannot carry written as an escape, in all the texts inside."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {printable(key): printable(inner) for key, inner in value.items()}
        case list() | tuple():
            return type(value)(map(printable, value))
    return value


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A lone surrogate in the report of a test cannot be sent to the process that collects them, and ends the run."""
    return printable((yield))


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: warnings.WarningMessage) -> None:
    """The same for warnings."""
    if (text := str(warning_message.message)) != printable(text):
        warning_message.message = warning_message.category(printable(text))


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A real llama.cpp server with the embedded model: OpenAI and Anthropic dialects under `url` + "/v1"."""

    url: str
    key: str = KEY
    model: str = EMBEDDED
    window: int = WINDOW


@pytest.fixture(scope="session")
def embedded_weights() -> str:
    """The path of the embedded model's file; without it, tests that ask for it are skipped, and fail in CI."""
    if find_spec("xllamacpp") is None:
        missing("xllamacpp is not installed")
    try:
        return str(models.find_model(EMBEDDED))
    except ModelMissing:
        missing(f"the weights of {EMBEDDED} are not installed")


@pytest.fixture(scope="session")
def llama_server(embedded_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """One server a test process, started by the first test that asks for it."""
    log = tmp_path_factory.mktemp("llama") / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-P", str(worker.__file__), "shared"],
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


class Terminal:
    """`agent-run` in a real pseudo-terminal."""

    def __init__(self, arguments: tuple[str, ...], cwd: Path, environment: dict[str, str]) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "runner", *arguments],
            cwd=str(cwd),
            env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"} | environment,
            encoding="utf-8",
            timeout=30,
        )

    def expect(self, text: str) -> str:
        """Wait for a text; gives what stood before it."""
        self.child.expect_exact(text)
        return str(self.child.before)

    def type(self, line: str) -> None:
        self.child.sendline(line)

    def press(self, key: str) -> None:
        self.child.send(key)

    def ended(self) -> int:
        """Wait for the end; the exit code, or minus the signal."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus) if self.child.exitstatus is not None else -int(self.child.signalstatus)


@pytest.fixture
def at_terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts `agent-run ARGUMENTS` in a pseudo-terminal; what is left at the end of the test is killed."""
    started: list[Terminal] = []

    def start(*arguments: str, cwd: Path = ROOT, **environment: str) -> Terminal:
        started.append(Terminal(arguments, cwd, environment))
        return started[-1]

    yield start
    for terminal in started:
        terminal.child.close(force=True)
