"""A connection to an MCP server: its transport, the handshake, and raw requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from runner.core.child_environment import program_path
from runner.core.errors import NeedsTrust
from runner.tools.mcp.server_config import McpServer

if TYPE_CHECKING:
    from mcp.client.session import ClientSession
    from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
    from mcp_types import ServerCapabilities

_MOST_PAGES = 100


class NotStarted(Exception):
    """The server cannot be reached or did not complete the handshake; the text says why."""


class McpConnection:
    """A server that takes requests, until it has `ended`.

    `listed` are its tools as the server sent them; `stale` once it says that they changed; `offers` what it has
    besides: "resources", "prompts".
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self.listed: list[Any] = []
        self.stale = False
        self.ended = False
        self.offers: frozenset[str] = frozenset()
        self._on_end = on_end
        self._dispatcher: JSONRPCDispatcher | None = None
        self._failure_details: Callable[[], Awaitable[str]] | None = None

    def attach(self, dispatcher: JSONRPCDispatcher, failure_details: Callable[[], Awaitable[str]]) -> None:
        """Requests go through `dispatcher` from now on; `failure_details` tells why the server failed."""
        self._dispatcher, self._failure_details = dispatcher, failure_details

    def end(self) -> None:
        """Mark the connection as ended: no more requests."""
        self.ended = True
        self._on_end()

    async def on_message(self, message: Any) -> None:
        """Mark the list of tools stale when the server says that it changed."""
        from mcp_types import ToolListChangedNotification  # lazy: here and below, only in the thread of a server

        if isinstance(message, ToolListChangedNotification):
            self.stale = True

    async def failure_details(self) -> str:
        """Why the server refused or ended, as far as it said: its exit code and stderr, or the HTTP status."""
        return await self._failure_details() if self._failure_details else ""

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
        entries: list[Any] = []
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await self.request(method, {"cursor": cursor} if cursor else None, seconds)
            listed = page.get(key)
            entries.extend(listed if isinstance(listed, list) else ())
            previous, cursor = cursor, page.get("nextCursor")
            if not cursor or cursor == previous:
                break
        return entries

    async def initialize(self, handshake: Callable[[], Awaitable[Any]], seconds: float) -> None:
        """Do the handshake, list the tools, and find out what else the server offers."""
        capabilities: ServerCapabilities = (await handshake()).capabilities
        if capabilities.tools is not None or not (capabilities.resources or capabilities.prompts):
            await self.list_tools(seconds)
        reads = capabilities.resources is not None and (
            await self._has("resources/list", "resources", seconds)
            or await self._has("resources/templates/list", "resourceTemplates", seconds)
        )
        prompts = capabilities.prompts is not None and await self._has("prompts/list", "prompts", seconds)
        self.offers = frozenset(offer for offer, there in (("resources", reads), ("prompts", prompts)) if there)

    async def _has(self, method: str, key: str, seconds: float) -> bool:
        """Whether the list has an entry: many servers offer lists that are always empty."""
        from mcp.shared.exceptions import MCPError

        try:
            return bool((await self.request(method, None, seconds)).get(key))
        except MCPError:
            return False


@asynccontextmanager
async def connect(
    server: McpServer, notify: Callable[[str], None], on_end: Callable[[], None]
) -> AsyncIterator[McpConnection]:
    """Connect to the server and initialize it within its seconds; leaving ends it. `notify` takes what a user should
    know. Raises NotStarted, or an ExceptionGroup around it: the task groups in between wrap what passes through them.
    """
    connection = McpConnection(on_end)
    async with _transport(server, notify, connection.end) as (streams, failure_details):
        # The SDK takes most of a second to import: the server starts meanwhile.
        from mcp.client.session import ClientSession
        from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
        from mcp_types import Implementation

        from runner import __version__

        dispatcher: JSONRPCDispatcher = JSONRPCDispatcher(*streams)
        connection.attach(dispatcher, failure_details)
        client_info = Implementation(name="agent-run", version=__version__)
        async with ClientSession(
            dispatcher=dispatcher, message_handler=connection.on_message, client_info=client_info
        ) as session:
            await _initialize(connection, session, server.seconds)
            try:
                yield connection
            finally:
                connection.end()


async def _initialize(connection: McpConnection, session: ClientSession, seconds: float) -> None:
    """Raises NotStarted."""
    import anyio
    from mcp.shared.exceptions import MCPError
    from mcp_types import CONNECTION_CLOSED

    try:
        with anyio.fail_after(seconds):
            await connection.initialize(session.initialize, seconds)
    except TimeoutError:
        problem = f"it did not answer within {seconds:g} s"
    except MCPError as error:
        problem = "it ended" if error.error.code == CONNECTION_CLOSED else str(error)
    except (RuntimeError, ValueError) as error:
        problem = str(error).partition("\n")[0]
    else:
        return
    raise NotStarted(", ".join(filter(None, (problem, await connection.failure_details()))))


@asynccontextmanager
async def _transport(
    server: McpServer, notify: Callable[[str], None], on_end: Callable[[], None]
) -> AsyncIterator[tuple[tuple[Any, Any], Callable[[], Awaitable[str]]]]:
    """The two message streams to the server, and a function that tells why it failed."""
    import logging

    for logger in (logging.getLogger("mcp"), logging.getLogger("client")):
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # the SDK's warnings are for its developers
    if server.url:
        from runner.tools.mcp.streamable_http import open_streams  # lazy: pipes need none of it

        async with open_streams(server) as transport:
            yield transport
        return
    from runner.tools.mcp.stdio import ServerProcess  # lazy, likewise

    try:
        server.check_files()
        process = ServerProcess(_argv(server), server.env, server.cwd, notify, on_end)
    except NeedsTrust as error:
        raise NotStarted(error.what) from error
    except OSError as error:
        raise NotStarted(f"{error.strerror}: {error.filename}") from error
    async with process.open_streams() as streams:
        yield streams, process.failure_details


def _argv(server: McpServer) -> list[str]:
    """The command with its program's path. Raises NotStarted."""
    program = server.command[0]
    program_file = program_path(str(server.cwd / program) if "/" in program else program, server.env)
    if program_file is None:
        raise NotStarted(f"the command {program!r} was not found")
    return [program_file, *server.command[1:]]
