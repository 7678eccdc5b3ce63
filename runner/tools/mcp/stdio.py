"""The stdio transport of MCP: a line a message on stdin and stdout; the end of stderr is kept for error messages."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runner.core.sanitize import strip_invisible
from runner.tools.process_tree import ProcessTree

if TYPE_CHECKING:
    import anyio
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared.message import SessionMessage

    Inbox = MemoryObjectReceiveStream[SessionMessage | Exception]
    Outbox = MemoryObjectSendStream[SessionMessage]

LONGEST_LINE = 64 * 1024 * 1024
KEPT_LINES = 20
_KEPT_BYTES = 500
_READ = 256 * 1024
_EXIT_SECONDS = 0.5
_STDERR_SECONDS = 0.2


class ServerProcess:
    """The server's process. `notify` is called once if stdout carries no messages, `on_end` when no more will come."""

    def __init__(
        self,
        argv: list[str],
        env: Mapping[str, str],
        cwd: Path,
        notify: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        """Start it. Raises OSError."""
        self._process_tree = ProcessTree(argv, env=env, cwd=cwd)
        self._stderr: deque[bytes] = deque(maxlen=KEPT_LINES)
        self._notify = notify
        self._on_end = on_end
        self._garbage_reported = False

    @asynccontextmanager
    async def open_streams(self) -> AsyncIterator[tuple[Inbox, Outbox]]:
        """The two streams of messages; leaving ends the process and all that descends from it."""
        import anyio  # lazy: here and below, only in the thread of a server

        incoming, inbox = anyio.create_memory_object_stream[Any](0)
        outbox, outgoing = anyio.create_memory_object_stream[Any](0)
        try:
            async with anyio.create_task_group() as tasks:
                stderr_ended = anyio.Event()
                tasks.start_soon(self._read_messages, incoming, stderr_ended)
                tasks.start_soon(self._write_messages, outgoing, incoming)
                tasks.start_soon(self._read_stderr, stderr_ended)
                yield inbox, outbox
                tasks.cancel_scope.cancel()
        finally:
            for stream in (incoming, inbox, outbox, outgoing):
                stream.close()
            with anyio.CancelScope(shield=True):
                await self._stop()

    async def failure_details(self) -> str:
        """How it ended and the last lines of its stderr; waits a moment for both."""
        import anyio

        with anyio.move_on_after(_EXIT_SECONDS):
            while self._process_tree.exit_code is None:
                await anyio.sleep(0.01)
        code = self._process_tree.exit_code
        how = "still running" if code is None else f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        stderr_lines = [strip_invisible(line.decode("utf-8", "replace").rstrip()) for line in self._stderr]
        return "\n".join((how, *stderr_lines))

    async def _read_messages(self, incoming: MemoryObjectSendStream[Any], stderr_ended: anyio.Event) -> None:
        """Pass on each message; of the notifications only that a list changed, for nobody reads the others.

        The end of stdout counts once stderr has been read as well, so that the reason is known by then.
        """
        import anyio
        from mcp.shared.message import SessionMessage
        from mcp_types import JSONRPCNotification

        stdout = _pipe(self._process_tree.process.stdout)
        async with incoming:
            async for line in _lines(stdout, LONGEST_LINE):
                try:
                    messages = _messages(line)
                except (ValueError, RecursionError):
                    self._report_garbage(line)
                    continue
                for message in messages:
                    if isinstance(message, JSONRPCNotification) and not message.method.endswith("/list_changed"):
                        continue
                    try:
                        await incoming.send(SessionMessage(message))
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        return
            with anyio.move_on_after(_STDERR_SECONDS):
                await stderr_ended.wait()
        self._on_end()

    async def _write_messages(
        self, outgoing: MemoryObjectReceiveStream[Any], incoming: MemoryObjectSendStream[Any]
    ) -> None:
        """Write each message; when the server no longer reads, end the connection."""
        import anyio

        stdin = _pipe(self._process_tree.process.stdin)
        async for message in outgoing:
            data = memoryview(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            while data:
                try:
                    data = data[os.write(stdin, data) :]
                except BlockingIOError:
                    await anyio.wait_writable(stdin)
                except OSError:
                    incoming.close()
                    return

    async def _read_stderr(self, stderr_ended: anyio.Event) -> None:
        async for line in _lines(_pipe(self._process_tree.process.stderr), _KEPT_BYTES):
            self._stderr.append(line)
        stderr_ended.set()

    async def _stop(self) -> None:
        """Close its stdin, give it a moment, then end it and what descends from it."""
        import anyio

        process = self._process_tree.process
        if process.stdin is not None:
            process.stdin.close()
        with anyio.move_on_after(_EXIT_SECONDS):
            while self._process_tree.alive():
                await anyio.sleep(0.01)
        for pause in self._process_tree.end():
            await anyio.sleep(pause)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def _report_garbage(self, line: bytes) -> None:
        if line.strip() and not self._garbage_reported:
            self._garbage_reported = True
            self._notify(f"wrote to its stdout what is no message: {line[:120].decode('utf-8', 'replace')!r}")


def _messages(line: bytes) -> list[Any]:
    """The message of a line, or the messages of a batch. Raises ValueError for anything else."""
    import json

    from mcp_types import jsonrpc_message_adapter as adapter

    try:
        return [adapter.validate_json(line, by_name=False)]
    except ValueError:
        # A batch, or a lone surrogate escape, which the quick parser refuses.
        found = json.loads(line)
        several = found if isinstance(found, list) else [found]
        return [adapter.validate_python(each, by_name=False) for each in several]


def _pipe(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


async def _lines(pipe: int, longest: int) -> AsyncIterator[bytes]:
    """The lines without their ends; of a longer one, its beginning."""
    import anyio

    parts: list[bytes] = []
    room = longest
    while True:
        try:
            data = os.read(pipe, _READ)
        except BlockingIOError:
            await anyio.wait_readable(pipe)
            continue
        except OSError:
            data = b""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            yield b"".join((*parts, piece[:room]))
            parts, room = [], longest
        parts.append(rest[:room])
        room -= len(parts[-1])
        if not data:
            if line := b"".join(parts):
                yield line
            return
