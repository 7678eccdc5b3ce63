"""A server behind a url: streamable HTTP, by the SDK's transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from runner.core.addresses import host_of, is_loopback
from runner.tools.mcp.server_config import Server

LARGEST_EVENT = 64 * 1024 * 1024
_CONNECT_SECONDS = 30.0
_HINTS = {
    401: "it wants a key: give one under `headers`",
    403: "it does not let this key in",
    404: "the path of the url may be wrong",
    405: "it takes no POST there: the path of the url may be wrong",
}


@asynccontextmanager
async def talk(server: Server) -> AsyncIterator[tuple[tuple[Any, Any], Callable[[], Awaitable[str]]]]:
    """The two streams to the server, and what its last refusal was. The SDK follows no redirect to another origin."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    refused: list[int] = []

    async def note(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            refused[:] = [response.status_code]

    async def last_words() -> str:
        if not refused:
            return ""
        hint = _HINTS.get(refused[0], "")
        return f"HTTP {refused[0]}: {hint}" if hint else f"HTTP {refused[0]}"

    client = httpx2.AsyncClient(
        headers=dict(server.headers),
        timeout=httpx2.Timeout(_CONNECT_SECONDS, read=None),
        event_hooks={"response": [note]},
        trust_env=not is_loopback(host_of(server.url)),
    )
    async with (
        client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=LARGEST_EVENT) as streams,
    ):
        yield streams, last_words
