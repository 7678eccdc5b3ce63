"""The process that runs an embedded model, seen from its parent: start, wait until loaded, end, exit errors.

Native code may crash, run out of memory or hold the interpreter; in a process of its own that ends no conversation.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from runner.core.cancel import Cancel
from runner.core.child_environment import child_environment
from runner.core.errors import GatewayError, LocalDied, TimedOut
from runner.core.secrets import is_secret_name
from runner.gateways.dialects.openai import OpenAI

_WORKER = Path(__file__).with_name("worker.py")
_EXIT_SECONDS = 2.0
_QUIRKS = {"alternate": True}  # many chat templates insist on it
_NEEDED = (
    *("CUDA_", "GGML_", "GOMP_", "GPU_", "HIP_", "HSA_", "KMP_", "MKL_", "OMP_", "OPENBLAS_", "ROCR_", "VK_"),
    *("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH"),
)
_ERROR_LINE = re.compile(r"^\S+ E (.+)$", re.MULTILINE)


class ModelProcess:
    """One process with one model; making it starts it without waiting for the load. Raises GatewayError, LocalDied.

    `window`: the context in tokens that the model is given. `open_replies`: how many are being made or waited for.
    """

    def __init__(self, model: Path, window: int) -> None:
        if find_spec("xllamacpp") is None:
            raise GatewayError(
                "the embedded model needs llama.cpp",
                why="xllamacpp is not installed",
                fix='pip install "agent-run[local]"',
            )
        self.model = model
        self.window = window
        self.open_replies = 0
        self._key = os.urandom(16).hex()
        self._url = ""
        self._loaded = threading.Event()
        self._gateway: OpenAI | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process may write
        self._process = _spawn(model, self._log)
        settings = json.dumps({"model": str(model), "window": window, "key": self._key}) + "\n"
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has exited already, which the thread below finds
            self._process.stdin.write(settings.encode())
            self._process.stdin.flush()
        threading.Thread(target=self._read_url, daemon=True, name="local-model").start()

    def gateway(self, name: str, seconds: float, cancel: Cancel) -> OpenAI:
        """The gateway to the process, once the model is loaded. Raises LocalDied, TimedOut, Cancelled."""
        deadline = time.monotonic() + seconds
        while not self._loaded.wait(0.05):
            cancel.check()
            if time.monotonic() > deadline:  # it goes on loading: asked again, it may be there
                raise TimedOut(
                    f"the embedded model was not loaded within {seconds:g} s",
                    where=str(self.model),
                    fix="raise timeouts.first_token in the agent file, or choose a smaller model",
                )
        if not self._url:
            if not self.has_exited(_EXIT_SECONDS):
                self.terminate()
            raise self.exit_error()
        if self._gateway is None:
            self._gateway = OpenAI(url=f"{self._url}/v1", key=self._key, name=name, quirks=_QUIRKS)
        return self._gateway

    def has_exited(self, seconds: float = 0) -> bool:
        """Whether the process is gone, after waiting for that up to `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self) -> None:
        """Make the process end: its stdin does, and if that is not enough it is killed."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        if not self.has_exited(_EXIT_SECONDS):
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the process and let go of its log."""
        self.terminate()
        if self._gateway is not None:
            self._gateway.close()
        self._log.close()

    def exit_error(self) -> LocalDied:
        """Why a process has exited: the status or signal, and the first error of its log, which is kept in a file."""
        log = b""
        if not self._log.closed:
            self._log.seek(0)
            log = self._log.read()
        with tempfile.NamedTemporaryFile(prefix="agent-run-local-", suffix=".log", delete=False) as file:
            file.write(log)
        code = self._process.returncode
        what, fix = f"the embedded model's process ended with status {code}", "ask again: it is started anew"
        if code < 0:
            what = f"the embedded model's process was ended by {signal.Signals(-code).name}"
        elif not self._url:
            what, fix = "the embedded model could not be loaded", "fetch the file again, or choose another model"
        if code < 0 and code == -signal.SIGKILL:
            fix = "if memory ran out: set a smaller context.max_tokens, or choose a smaller model"
        why = _first_error(log.decode("utf-8", "replace"))
        if why.startswith(("ImportError", "ModuleNotFoundError")):  # the file is not to blame
            fix = 'pip install --force-reinstall "agent-run[local]"'
        return LocalDied(what, where=f"{self.model}, log in {file.name}", why=why, fix=fix)

    def _read_url(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            self._url = stdout.readline().decode().strip()
        self._loaded.set()


def _spawn(model: Path, log: BinaryIO) -> subprocess.Popen[bytes]:
    """The child: out of reach of the terminal's signals, without our secrets."""
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(os.environ),
            start_new_session=True,
        )
    except OSError as error:
        log.close()
        raise LocalDied("the embedded model's process could not be started", where=str(model), why=str(error)) from None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What every child gets, and what says where libraries are and how to use the processors."""
    needed = {name: value for name, value in environ.items() if name.startswith(_NEEDED) and not is_secret_name(name)}
    return child_environment(environ, needed)


def _first_error(log: str) -> str:
    """The first error of a log, of which the others follow, or its last line."""
    if match := _ERROR_LINE.search(log):
        return match[1]
    return next(reversed(log.strip().splitlines()), "")
