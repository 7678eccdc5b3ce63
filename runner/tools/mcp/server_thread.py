"""The door between a session's threads and the one thread in which a server is talked to."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runner.core.cancel import Cancel
from runner.tools.context import ToolFailed
from runner.tools.mcp.connection import Connection, NotStarted, connect
from runner.tools.mcp.server_config import Server

if TYPE_CHECKING:
    import asyncio

    import anyio

T = TypeVar("T")
Work = Callable[[Connection], Awaitable[T]]

CLOSE_SECONDS = 6.0
_PEACE_SECONDS = 2.0
_PING_SECONDS = 2.0


class Portal:
    """One server, kept alive: started at once, started again once after it ended, ended with everything it started.

    `told` holds what a user should know until somebody takes it; `current` is the latest life.
    """

    def __init__(self, server: Server) -> None:
        self.told: deque[str] = deque()
        self.current: Connection | None = None
        self._server = server
        self._loop: asyncio.AbstractEventLoop
        self._wake: asyncio.Event
        self._life: asyncio.Future[Connection]
        self._scope: anyio.CancelScope
        self._chores: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._closing = False
        self._spare = True
        self._thread = threading.Thread(target=self._main, name=f"mcp-{server.name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def run(self, work: Work[T], seconds: float, cancel: Cancel) -> T:
        """What `work` gives, done in the server's thread. Raises NotStarted, ToolFailed and Cancelled."""
        import asyncio  # lazy: here and below, only an agent with a server pays for it
        from concurrent.futures import CancelledError

        closed = ToolFailed(f"the MCP server {self._server.name} was closed")
        self._ready.wait()
        if self._closing or not self._thread.is_alive():
            raise closed
        task = asyncio.run_coroutine_threadsafe(self._served(work, seconds), self._loop)
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
            self._loop.call_soon_threadsafe(self._hurry)
        self._thread.join(CLOSE_SECONDS)

    def _main(self) -> None:
        import asyncio

        try:
            asyncio.run(self._live())
        finally:
            self._ready.set()

    async def _live(self) -> None:
        """Life after life, until the portal is closed."""
        import asyncio

        import anyio

        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._life = self._loop.create_future()
        with anyio.CancelScope() as self._scope:
            self._ready.set()
            while not self._closing:
                await self._one_life()
                await self._until(lambda: self._closing or not self._life.done())

    async def _one_life(self) -> None:
        begun = False
        try:
            async with connect(self._server, self._tell, self._wake.set) as connection:
                begun = True
                self.current = connection
                self._life.set_result(connection)
                await self._until(lambda: self._closing or connection.ended)
        except (NotStarted, ExceptionGroup) as error:
            # A life that had begun has ended, which its callers know; the next one may be awaited already.
            if not begun:
                self._life.set_exception(NotStarted(_innermost(error)))
                self._life.exception()  # looked at, or asyncio complains on stderr where nobody waits for it

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._wake.clear()
            await self._wake.wait()

    def _hurry(self) -> None:
        """Have the current life end: in peace for a moment, or at once if it has not begun."""
        self._wake.set()
        if self._life.done():
            self._loop.call_later(_PEACE_SECONDS, self._scope.cancel)
        else:
            self._scope.cancel()

    def _tell(self, text: str) -> None:
        self.told.append(f"the MCP server {self._server.name} {text}")

    async def _served(self, work: Work[T], seconds: float) -> T:
        """`work`, within its seconds. A server that ends or loses its session meanwhile is started again, once."""
        connection = await self._alive()
        try:
            return await self._asked(connection, work, seconds)
        except _SessionLost:
            # HTTP 404 to our session: the call was not taken, so it may be repeated.
            self._renew(connection)
        try:
            return await self._asked(await self._alive(), work, seconds)
        except _SessionLost:
            raise ToolFailed(f"the MCP server {self._server.name} forgot its session twice") from None

    async def _asked(self, connection: Connection, work: Work[T], seconds: float) -> T:
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
                raise ToolFailed(await self._ended(connection)) from error
            if error.error.code != REQUEST_TIMEOUT:
                words = await connection.last_words() if self._server.url else ""
                raise ToolFailed(f"{name}: {error}\n{words}".rstrip()) from error
        else:
            self._spare = True
            return result
        doubt = self._loop.create_task(self._doubt(connection))
        self._chores.add(doubt)
        doubt.add_done_callback(self._chores.discard)
        raise ToolFailed(f"{name} did not answer within {seconds:g} s. Whether it did its work is not known.")

    async def _alive(self) -> Connection:
        """The current life, or the next one if that has ended. Raises NotStarted and ToolFailed."""
        import asyncio

        connection = await asyncio.shield(self._life)
        if connection.ended:
            if not self._renew(connection):
                raise ToolFailed(f"the MCP server {self._server.name} ended again and is not started a third time")
            connection = await asyncio.shield(self._life)
        return connection

    def _renew(self, connection: Connection) -> bool:
        """Have the server started again, if it may be; True also where that is under way."""
        if self.current is not connection or not self._life.done():
            return True
        if not self._spare:
            return False
        self._spare = False
        self._life = self._loop.create_future()
        connection.end()
        return True

    async def _ended(self, connection: Connection) -> str:
        """What to tell the model of a call during which the server ended."""
        words = await connection.last_words()
        connection.end()
        hope = "It is being started again." if self._renew(connection) else "It is not started again."
        return (
            f"The MCP server {self._server.name} ended during this call, which was not repeated: whether it did its "
            f"work is not known. {hope}\n{words}"
        ).rstrip()

    async def _doubt(self, connection: Connection) -> None:
        """A server that let a call run out and answers no ping either is started again."""
        from mcp.shared.exceptions import MCPError

        try:
            await connection.request("ping", None, _PING_SECONDS)
        except MCPError:
            self._renew(connection)


class _SessionLost(Exception):
    """A server over HTTP no longer knows the session."""


def _innermost(error: BaseException) -> str:
    """The first cause inside the groups that task groups make."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
