"""Where an HTTP request goes."""

from __future__ import annotations

import pytest

from runner.gateways.http.messages import request_target


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("http://a", "/chat", "/chat"),
        ("http://a/v1/", "/chat", "/v1/chat"),
        ("http://a/v1", "/chat?alt=sse", "/v1/chat?alt=sse"),
        ("http://a/v1?api-version=1", "/chat", "/v1/chat?api-version=1"),
        ("http://a/v1?api-version=1", "/chat?alt=sse", "/v1/chat?api-version=1&alt=sse"),
    ],
)
def test_where_a_request_goes(url: str, path: str, expected: str):
    assert request_target(url, path) == expected
