"""One life of one server: reached, greeted, asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from runner.tools.child_environment import program_path
from runner.tools.mcp.server_config import Server

if TYPE_CHECKING:
    from mcp.client.session import ClientSession
    from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
    from mcp_types import ServerCapabilities

_MOST_PAGES = 100


class NotStarted(Exception):
    """The server cannot be reached or did not greet; the text says why, in its own words where it has any."""


class Connection:
    """A server that can be asked, until it has `ended`.

    `listed` are its tools, raw; `stale` once it says that they changed; `offers` what it has besides: "resources",
    "prompts".
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.listed: list[Any] = []
        self.stale = False
        self.ended = False
        self.offers: frozenset[str] = frozenset()
        self._on_end = on_end
        self._dispatcher: JSONRPCDispatcher | None = None
        self._last_words: Callable[[], Awaitable[str]] | None = None

    def reached(self, dispatcher: JSONRPCDispatcher, last_words: Callable[[], Awaitable[str]]) -> None:
        """There is a way to the server now."""
        self._dispatcher, self._last_words = dispatcher, last_words

    def end(self) -> None:
        """Nothing more can be asked of it."""
        self.ended = True
        self._on_end()

    async def hear(self, message: Any) -> None:
        """Take a notification."""
        from mcp_types import ToolListChangedNotification  # lazy: here and below, only in the thread of a server

        if isinstance(message, ToolListChangedNotification):
            self.stale = True

    async def last_words(self) -> str:
        """What is known of why it refused or ended, in its own words."""
        return await self._last_words() if self._last_words else ""

    async def request(self, method: str, params: Mapping[str, Any] | None, seconds: float) -> dict[str, Any]:
        """The raw result; typed parsing would let one bad tool spoil the list. Raises MCPError."""
        assert self._dispatcher is not None
        return await self._dispatcher.send_raw_request(method, params, {"timeout": seconds})

    async def list_tools(self, seconds: float) -> list[Any]:
        """All pages of the list of tools, kept in `listed`."""
        self.stale = False
        self.listed = await self.list_all("tools/list", "tools", seconds)
        return self.listed

    async def list_all(self, method: str, key: str, seconds: float) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await self.request(method, {"cursor": cursor} if cursor else None, seconds)
            entries = page.get(key)
            found.extend(entries if isinstance(entries, list) else ())
            previous, cursor = cursor, page.get("nextCursor")
            if not cursor or cursor == previous:
                break
        return found

    async def greet(self, greeting: Callable[[], Awaitable[Any]], seconds: float) -> None:
        """Shake hands, list the tools, and see what else there is."""
        can: ServerCapabilities = (await greeting()).capabilities
        if can.tools is not None or not (can.resources or can.prompts):
            await self.list_tools(seconds)
        reads = can.resources is not None and (
            await self._has("resources/list", "resources", seconds)
            or await self._has("resources/templates/list", "resourceTemplates", seconds)
        )
        prompts = can.prompts is not None and await self._has("prompts/list", "prompts", seconds)
        self.offers = frozenset(offer for offer, there in (("resources", reads), ("prompts", prompts)) if there)

    async def _has(self, method: str, key: str, seconds: float) -> bool:
        """The list has something in it; many a server offers lists that are always empty."""
        from mcp.shared.exceptions import MCPError

        try:
            return bool((await self.request(method, None, seconds)).get(key))
        except MCPError:
            return False


@asynccontextmanager
async def connect(server: Server, tell: Callable[[str], None], on_end: Callable[[], None]) -> AsyncIterator[Connection]:
    """The server, greeted within its seconds; leaving ends it. `tell` hears what a user should know of it.

    Raises NotStarted, or an ExceptionGroup around it: the task groups in between wrap what passes through them.
    """
    connection = Connection(on_end)
    async with _way(server, tell, connection.end) as (streams, last_words):
        # The SDK takes most of a second to import: the server starts meanwhile.
        from mcp.client.session import ClientSession
        from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
        from mcp_types import Implementation

        from runner import __version__

        dispatcher: JSONRPCDispatcher = JSONRPCDispatcher(*streams)
        connection.reached(dispatcher, last_words)
        us = Implementation(name="agent-run", version=__version__)
        async with ClientSession(dispatcher=dispatcher, message_handler=connection.hear, client_info=us) as session:
            await _greeted(connection, session, server.seconds)
            try:
                yield connection
            finally:
                connection.end()


async def _greeted(connection: Connection, session: ClientSession, seconds: float) -> None:
    """Raises NotStarted."""
    import anyio
    from mcp.shared.exceptions import MCPError
    from mcp_types import CONNECTION_CLOSED

    try:
        with anyio.fail_after(seconds):
            await connection.greet(session.initialize, seconds)
    except TimeoutError:
        problem = f"it did not answer within {seconds:g} s"
    except MCPError as error:
        problem = "it ended" if error.error.code == CONNECTION_CLOSED else str(error)
    except (RuntimeError, ValueError) as error:
        problem = str(error).partition("\n")[0]
    else:
        return
    raise NotStarted(", ".join(filter(None, (problem, await connection.last_words()))))


@asynccontextmanager
async def _way(
    server: Server, tell: Callable[[str], None], ended: Callable[[], None]
) -> AsyncIterator[tuple[tuple[Any, Any], Callable[[], Awaitable[str]]]]:
    """The two streams to the server, and how to ask what became of it."""
    import logging

    for logger in (logging.getLogger("mcp"), logging.getLogger("client")):
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # the SDK's warnings are for its developers
    if server.url:
        from runner.tools.mcp.streamable_http import talk  # lazy: pipes need none of it

        async with talk(server) as reached:
            yield reached
        return
    from runner.tools.mcp.stdio import ServerProcess  # lazy, likewise

    try:
        process = ServerProcess(_argv(server), server.env, server.cwd, tell, ended)
    except OSError as error:
        raise NotStarted(f"{error.strerror}: {error.filename}") from error
    async with process.talk() as streams:
        yield streams, process.last_words


def _argv(server: Server) -> list[str]:
    """The command with its program's path. Raises NotStarted."""
    program = server.command[0]
    found = program_path(str(server.cwd / program) if "/" in program else program, server.env)
    if found is None:
        raise NotStarted(f"the command {program!r} was not found")
    return [found, *server.command[1:]]
