"""The streamable HTTP transport of MCP, by the SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from runner.core.addresses import host_of, is_loopback, loopback_alone
from runner.tools.mcp.server_config import McpServer

LARGEST_EVENT = 64 * 1024 * 1024
_CONNECT_SECONDS = 30.0
_HINTS = {
    401: "it wants a key: give one under `headers`",
    403: "it does not let this key in",
    404: "the path of the url may be wrong",
    405: "it takes no POST there: the path of the url may be wrong",
}


@asynccontextmanager
async def open_streams(server: McpServer) -> AsyncIterator[tuple[tuple[Any, Any], Callable[[], Awaitable[str]]]]:
    """The two message streams, and what the last error status was. The SDK follows no redirect to another origin."""
    import httpx2
    from anyio import getaddrinfo
    from mcp.client.streamable_http import streamable_http_client

    host = host_of(server.url)
    if host.rstrip(".").endswith(".localhost"):
        loopback_alone(host, await getaddrinfo(host, None))
    error_status: list[int] = []

    async def keep_status(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            error_status[:] = [response.status_code]

    async def failure_details() -> str:
        if not error_status:
            return ""
        hint = _HINTS.get(error_status[0], "")
        return f"HTTP {error_status[0]}: {hint}" if hint else f"HTTP {error_status[0]}"

    client = httpx2.AsyncClient(
        headers=dict(server.headers),
        timeout=httpx2.Timeout(_CONNECT_SECONDS, read=None),
        event_hooks={"response": [keep_status]},
        trust_env=not is_loopback(host),
    )
    async with (
        client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=LARGEST_EVENT) as streams,
    ):
        yield streams, failure_details
