"""The process that runs the embedded model: run as a script, it reads its settings and serves until its parent is gone.

Stdin gives one line of JSON ({model, window, key}) and must then stay open: its end, however the parent came to it,
ends this process. Stdout gets one line, the address, once the model is loaded. All else goes to stderr, a log file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_LONGEST_REPLY = 2048  # tokens; where the request sets no limit, a small model in a loop would fill its whole window
_PROMPT_CACHE_MIB = 256
_WARNINGS = 2
_FEW_CORES = 4


def main() -> None:
    """Serve one model on loopback."""
    settings = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C stops a reply, not the model
    _end_with_stdin()
    address = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # native code may print; only the address belongs on stdout

    import xllamacpp  # lazy: 40 ms, and a process that imports this file must not load it

    server = xllamacpp.Server(_params(xllamacpp, settings))
    with suppress(BrokenPipeError):  # the parent has gone: stdin says so, too
        print(server.listening_address, file=address, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


def _end_with_stdin() -> None:
    """Let the kernel end this process when stdin does, since native code holds the interpreter while it loads."""
    if sys.platform == "linux":
        import fcntl  # lazy, as the next: not everywhere
        import select

        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)  # SIGIO, which nobody handles
        if select.select([0], [], [], 0)[0]:  # it had ended before that
            os._exit(0)


def _params(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {Path(settings["model"]).stem}
    params.n_ctx = settings["window"]
    params.n_parallel = 1
    params.n_predict = _LONGEST_REPLY
    params.port = 0
    params.api_keys = [settings["key"]]
    params.ui = params.endpoint_slots = params.warmup = False
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.verbosity = _WARNINGS
    params.fit_params = _has_gpu(xllamacpp)
    if threads := _threads():
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    return params


def _has_gpu(xllamacpp: Any) -> bool:
    """Fitting a model to a device's memory reads it twice: a fifth of the start, for nothing where all is the CPU's."""
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    return any(device["type"] != cpu for device in xllamacpp.get_device_info())


def _threads() -> int:
    """One fewer than the cores that we may use; 0, llama.cpp's own choice, where there are many and all are ours.

    Its threads spin until the last one is done: with a core taken by others, two ran at an eighth of one's speed.
    """
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return 0 if usable == cores > _FEW_CORES else max(1, usable - 1)


if __name__ == "__main__":
    main()
