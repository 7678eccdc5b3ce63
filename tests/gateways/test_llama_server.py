"""The shared llama.cpp server really answers, in each dialect that other tests rely on."""

from __future__ import annotations

import json
from urllib.request import ProxyHandler, Request, build_opener

import pytest

BODY = {"max_tokens": 4, "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.mark.parametrize(
    ("path", "extra", "where"),
    [
        ("/v1/chat/completions", {}, "choices"),
        ("/v1/messages", {}, "content"),
        ("/v1/responses", {"input": "Say hello.", "max_output_tokens": 4}, "output"),
    ],
)
def test_each_dialect_answers(llama_server, path, extra, where):
    body = json.dumps({"model": llama_server.model} | (extra or BODY)).encode()
    headers = {"Authorization": f"Bearer {llama_server.key}", "Content-Type": "application/json"}
    with build_opener(ProxyHandler({})).open(Request(llama_server.url + path, body, headers), timeout=60) as answer:
        assert json.load(answer)[where]
