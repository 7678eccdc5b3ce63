"""MCP servers over streamable HTTP that go wrong: nothing hangs, and the hint fits."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from runner.core.errors import ToolsUnavailable
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, ToolSettings, open_toolbox

if TYPE_CHECKING:
    from tests.tools.conftest import McpSite, Speaker


@pytest.fixture
def boxes() -> Iterator[list[Toolbox]]:
    opened: list[Toolbox] = []
    yield opened
    for box in opened:
        box.close()


@pytest.fixture
def box(site: McpSite, boxes: list[Toolbox]) -> Callable[..., Toolbox]:
    def open_box(seconds: float = 10, **options: Any) -> Toolbox:
        declared = ToolEntry("mcp", "far", {"url": site.url, **options}, "agent.yaml:9")
        boxes.append(open_toolbox([declared], ToolSettings(seconds=seconds)))
        return boxes[-1]

    return open_box


def call(box: Toolbox) -> ToolResult:
    return box.call(ToolCall("1", "far__echo", {}), Context())


def test_it_is_listed_called_given_its_headers_and_its_session_ended(
    site: McpSite, box: Callable[..., Toolbox]
) -> None:
    toolbox = box(headers={"Authorization": "Bearer key"})
    assert [spec.name for spec in toolbox.specs] == ["far__echo"]
    assert call(toolbox).output == "heard"
    assert all(headers.get("authorization", headers.get("Authorization")) == "Bearer key" for _, headers in site.heard)
    toolbox.close()
    assert site.sessions == set()


def test_a_lost_session_is_begun_again_once_and_the_call_repeated(site: McpSite, box: Callable[..., Toolbox]) -> None:
    toolbox = box()
    assert toolbox.specs
    site.sessions.clear()
    assert call(toolbox).output == "heard"
    assert site.count("initialize") == 2


def test_a_server_that_loses_every_session_is_given_up(site: McpSite, box: Callable[..., Toolbox]) -> None:
    toolbox = box()
    assert toolbox.specs
    site.replies["tools/call"] = lambda speaker, message: speaker.refuse(404)
    result = call(toolbox)
    assert result.failed and "forgot its session twice" in result.output
    assert site.count("initialize") == 2


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "HTTP 401: it wants a key"), (403, "HTTP 403"), (404, "path"), (405, "path"), (500, "HTTP 500")],
)
def test_a_refusal_at_the_start_comes_with_a_hint(
    site: McpSite, box: Callable[..., Toolbox], status: int, hint: str
) -> None:
    site.replies["initialize"] = lambda speaker, message: speaker.refuse(status)
    with pytest.raises(ToolsUnavailable) as error:
        _ = box().specs
    assert hint in str(error.value) and site.url in str(error.value)


def test_a_redirect_to_another_host_is_not_followed(site: McpSite, box: Callable[..., Toolbox]) -> None:
    elsewhere = "http://localhost:1/mcp"
    site.replies["initialize"] = lambda speaker, message: speaker.refuse(307, Location=elsewhere)
    with pytest.raises(ToolsUnavailable, match=r"Redirect to .*localhost.* not followed"):
        _ = box().specs


def test_nobody_listening(site: McpSite, box: Callable[..., Toolbox]) -> None:
    with pytest.raises(ToolsUnavailable, match="did not start"):
        _ = box(url="http://127.0.0.1:9/mcp").specs


def test_a_page_instead_of_a_server(site: McpSite, box: Callable[..., Toolbox]) -> None:
    site.replies["initialize"] = lambda speaker, message: speaker.send(b"<html>", kind="text/html")
    with pytest.raises(ToolsUnavailable, match="text/html"):
        _ = box().specs


def test_a_stream_that_breaks_off_does_not_hang(site: McpSite, box: Callable[..., Toolbox]) -> None:
    toolbox = box()
    assert toolbox.specs
    site.replies["tools/call"] = lambda speaker, message: speaker.send(b": hello\n\n", kind="text/event-stream")
    result = call(toolbox)
    assert result.failed and "ended" in result.output
    assert site.count("tools/call") == 1
    del site.replies["tools/call"]
    assert call(toolbox).output == "heard"


def drop(speaker: Speaker, message: dict[str, Any]) -> None:
    speaker.close_connection = True
    speaker.connection.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_is_dropped_is_made_again(site: McpSite, box: Callable[..., Toolbox]) -> None:
    toolbox = box()
    assert toolbox.specs
    site.replies["tools/call"] = drop
    result = call(toolbox)
    assert result.failed and "not repeated" in result.output
    assert site.count("tools/call") == 1
    del site.replies["tools/call"]
    assert call(toolbox).output == "heard"


def test_a_server_that_went_away_is_told_of(site: McpSite, box: Callable[..., Toolbox]) -> None:
    toolbox = box()
    assert toolbox.specs
    site.replies["tools/call"] = drop
    site.shutdown()
    site.server_close()
    assert "ended during this call" in call(toolbox).output
    assert "could not be started again" in call(toolbox).output


def test_an_answer_that_does_not_come_times_out(site: McpSite, box: Callable[..., Toolbox]) -> None:
    release = threading.Event()
    site.replies["tools/call"] = lambda speaker, message: release.wait(20) and None
    toolbox = box(seconds=0.3)
    assert toolbox.specs
    started = time.monotonic()
    try:
        result = call(toolbox)
    finally:
        release.set()
    assert result.failed and "did not answer within 0.3 s" in result.output
    assert time.monotonic() - started < 5


def test_eight_megabytes_in_one_event(site: McpSite, box: Callable[..., Toolbox]) -> None:
    def huge(speaker: Speaker, message: dict[str, Any]) -> None:
        result = {"content": [{"type": "text", "text": "y" * 8_000_000}]}
        data = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        speaker.send(f"event: message\ndata: {data}\n\n".encode(), kind="text/event-stream")

    site.replies["tools/call"] = huge
    toolbox = box()
    assert toolbox.specs
    assert not call(toolbox).failed
