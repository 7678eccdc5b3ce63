"""The lifecycle of an MCP server: a thread with an event loop that starts it, sends requests, restarts and ends it."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runner.core.cancel import Cancel
from runner.tools.context import ToolFailed
from runner.tools.mcp.connection import McpConnection, NotStarted, connect
from runner.tools.mcp.server_config import McpServer

if TYPE_CHECKING:
    import asyncio

    import anyio

T = TypeVar("T")
Work = Callable[[McpConnection], Awaitable[T]]

CLOSE_SECONDS = 6.0
_GRACEFUL_SECONDS = 2.0
_PING_SECONDS = 2.0


class ServerThread:
    """One server in a thread of its own: started at once, restarted once after it ended, ended with all it started.

    `notices` holds what a user should know until it is taken; `current` is the latest connection.
    """

    def __init__(self, server: McpServer) -> None:
        self.notices: deque[str] = deque()
        self.current: McpConnection | None = None
        self._server = server
        self._loop: asyncio.AbstractEventLoop
        self._wake: asyncio.Event
        self._connecting: asyncio.Future[McpConnection]
        self._scope: anyio.CancelScope
        self._background: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._closing = False
        self._may_restart = True
        self._thread = threading.Thread(target=self._main, name=f"mcp-{server.name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def run(self, work: Work[T], seconds: float, cancel: Cancel) -> T:
        """The result of `work`, run in the server's thread. Raises NotStarted, ToolFailed and Cancelled."""
        import asyncio  # lazy: here and below, only an agent with a server pays for it
        from concurrent.futures import CancelledError

        closed = ToolFailed(f"the MCP server {self._server.name} was closed")
        self._ready.wait()
        if self._closing or not self._thread.is_alive():
            raise closed
        task = asyncio.run_coroutine_threadsafe(self._request_with_restart(work, seconds), self._loop)
        with cancel.on_cancel(task.cancel):
            try:
                return task.result()
            except CancelledError:
                cancel.check()
                raise closed from None

    def close(self) -> None:
        """End the server; waits until it is gone, six seconds at most."""
        atexit.unregister(self.close)
        self._closing = True
        self._ready.wait()
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._shut_down)
        self._thread.join(CLOSE_SECONDS)

    def _main(self) -> None:
        import asyncio

        try:
            asyncio.run(self._serve_until_closed())
        finally:
            self._ready.set()

    async def _serve_until_closed(self) -> None:
        """Connect, and connect again after a restart, until `close`."""
        import asyncio

        import anyio

        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._connecting = self._loop.create_future()
        with anyio.CancelScope() as self._scope:
            self._ready.set()
            while not self._closing:
                await self._serve_once()
                await self._wait_until(lambda: self._closing or not self._connecting.done())

    async def _serve_once(self) -> None:
        connected = False
        try:
            async with connect(self._server, self._notify, self._wake.set) as connection:
                connected = True
                self.current = connection
                self._connecting.set_result(connection)
                await self._wait_until(lambda: self._closing or connection.ended)
        except (NotStarted, ExceptionGroup) as error:
            # Where there was a connection, its callers know that it ended; the next one may be awaited already.
            if not connected:
                self._connecting.set_exception(NotStarted(_root_cause(error)))
                self._connecting.exception()  # retrieved, or asyncio complains on stderr where nobody waits for it

    async def _wait_until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._wake.clear()
            await self._wake.wait()

    def _shut_down(self) -> None:
        """End the connection: gracefully within a moment, or at once where there is none yet."""
        self._wake.set()
        if self._connecting.done():
            self._loop.call_later(_GRACEFUL_SECONDS, self._scope.cancel)
        else:
            self._scope.cancel()

    def _notify(self, text: str) -> None:
        self.notices.append(f"the MCP server {self._server.name} {text}")

    async def _request_with_restart(self, work: Work[T], seconds: float) -> T:
        """`work`, within its seconds. A server that ends or loses its session meanwhile is started again, once."""
        connection = await self._open_connection()
        try:
            return await self._request(connection, work, seconds)
        except _SessionLost:
            # HTTP 404 to our session: the call was not taken, so it may be repeated.
            self._restart(connection)
        try:
            return await self._request(await self._open_connection(), work, seconds)
        except _SessionLost:
            raise ToolFailed(f"the MCP server {self._server.name} forgot its session twice") from None

    async def _request(self, connection: McpConnection, work: Work[T], seconds: float) -> T:
        import anyio
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        name = self._server.name
        try:
            with anyio.fail_after(seconds):
                result = await work(connection)
        except TimeoutError:
            pass
        except MCPError as error:
            if self._server.url and str(error) == "Session terminated":
                raise _SessionLost from error
            if error.error.code == CONNECTION_CLOSED or connection.ended:
                raise ToolFailed(await self._end_report(connection)) from error
            if error.error.code != REQUEST_TIMEOUT:
                details = await connection.failure_details() if self._server.url else ""
                raise ToolFailed(f"{name}: {error}\n{details}".rstrip()) from error
        else:
            self._may_restart = True
            return result
        check = self._loop.create_task(self._restart_if_unresponsive(connection))
        self._background.add(check)
        check.add_done_callback(self._background.discard)
        raise ToolFailed(f"{name} did not answer within {seconds:g} s. Whether it did its work is not known.")

    async def _open_connection(self) -> McpConnection:
        """The current connection, or the next one where that has ended. Raises NotStarted and ToolFailed."""
        import asyncio

        connection = await asyncio.shield(self._connecting)
        if connection.ended:
            if not self._restart(connection):
                raise ToolFailed(f"the MCP server {self._server.name} ended again and is not started a third time")
            connection = await asyncio.shield(self._connecting)
        return connection

    def _restart(self, connection: McpConnection) -> bool:
        """Start the server again if that is allowed; True also where a restart is under way."""
        if self.current is not connection or not self._connecting.done():
            return True
        if not self._may_restart:
            return False
        self._may_restart = False
        self._connecting = self._loop.create_future()
        connection.end()
        return True

    async def _end_report(self, connection: McpConnection) -> str:
        """The failed result of a call during which the server ended."""
        details = await connection.failure_details()
        connection.end()
        outlook = "It is being started again." if self._restart(connection) else "It is not started again."
        return (
            f"The MCP server {self._server.name} ended during this call, which was not repeated: whether it did its "
            f"work is not known. {outlook}\n{details}"
        ).rstrip()

    async def _restart_if_unresponsive(self, connection: McpConnection) -> None:
        """Restart a server that does not answer a ping either, after a call has timed out."""
        from mcp.shared.exceptions import MCPError

        try:
            await connection.request("ping", None, _PING_SECONDS)
        except MCPError:
            self._restart(connection)


class _SessionLost(Exception):
    """A server over HTTP no longer knows the session."""


def _root_cause(error: BaseException) -> str:
    """The first cause inside the groups that task groups make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
