"""What servers say when they fail, as typed errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.errors import (
    ContentFiltered,
    GatewayError,
    KeyRefused,
    ModelFailed,
    ModelMissing,
    OutOfQuota,
    PromptTooLong,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
)
from runner.gateways.http.error_body import read_error_body
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.retry_after import retry_after
from runner.gateways.http.status_errors import error_from_server

CONTEXT = ErrorContext("it", "https://it.example", "m-1")


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}, OutOfQuota),
        (400, {"type": "error", "error": {"message": "Your credit balance is too low"}}, OutOfQuota),
        (402, {"error": {"message": "Insufficient Balance"}}, OutOfQuota),
        (
            400,
            {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            ContentFiltered,
        ),
        (400, {"error": {"code": "context_length_exceeded", "message": "x"}}, PromptTooLong),
        (400, {"error": {"message": "the request exceeds the available context size"}}, PromptTooLong),
        (400, {"type": "error", "error": {"message": "prompt is too long: 3 tokens > 2 maximum"}}, PromptTooLong),
        (400, {"error": {"message": "The input token count (9) exceeds the maximum", "code": 400}}, PromptTooLong),
        (
            400,
            {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
            PromptTooLong,
        ),
        (500, {"error": "input length exceeds the context length"}, PromptTooLong),
        (400, {"error": {"code": "tool_use_failed", "failed_generation": "<x"}}, ModelFailed),
        (500, {"error": "error parsing tool call: raw='{'"}, ModelFailed),
        (401, "nope", KeyRefused),
        (
            400,
            {"error": {"status": "INVALID_ARGUMENT", "message": "API key not valid. Please pass a valid API key."}},
            KeyRefused,
        ),
        (404, {"error": 'model "m-1" not found, try pulling it first'}, ModelMissing),
        (404, {"error": {"message": "The model `m-1` does not exist or you do not have access to it."}}, ModelMissing),
        (400, {"error": {"message": "m-1 is not a valid model ID", "code": 400}}, ModelMissing),
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist"}}, ModelMissing),
        (404, [{"error": {"code": 404, "message": "models/m-1 is not found for API version"}}], ModelMissing),
        (429, {"error": {"message": "Rate limit reached"}}, RateLimited),
        (
            429,
            {"error": {"status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded for requests per minute"}},
            RateLimited,
        ),
        (
            413,
            {"error": {"code": "rate_limit_exceeded", "message": "Request too large on tokens per minute"}},
            RateLimited,
        ),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, ServerFailed),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ServerFailed),
        (500, "<html>Internal Server Error</html>", ServerFailed),
        (404, "404 page not found", ProtocolBroken),
        (405, {"detail": "Method Not Allowed"}, ProtocolBroken),
        (400, {"error": {"message": "Invalid value for 'timeout'"}}, Rejected),
        (422, {"detail": [{"loc": ["body", "top_k"], "msg": "extra fields not permitted"}]}, Rejected),
        (400, {"error": '"m-1" does not support thinking'}, Rejected),
        (0, {"error": {"code": 429, "message": "x"}}, RateLimited),
        (0, {"error": {"code": "502", "message": "x"}}, ServerFailed),
        (0, {"error": {"message": "x", "metadata": {"raw": "maximum context length"}}}, PromptTooLong),
        (0, {"error": {"type": "invalid_request_error", "message": "x"}}, Rejected),
        (0, {"error": "something"}, ServerFailed),
    ],
)
def test_errors_are_typed(status: int, said: Any, kind: type[GatewayError]):
    body = said if isinstance(said, str) else json.dumps(said)
    error = error_from_server(CONTEXT, body.encode(), status=status)
    assert type(error) is kind
    assert error.what
    assert error.why
    assert error.fix
    assert error.where == CONTEXT.where


def test_a_server_may_have_its_own_remedy():
    context = ErrorContext("ollama", model="qwen3", fixes={"ModelMissing": "ollama pull {model}"})
    assert error_from_server(context, {"error": "model 'qwen3' not found"}, status=404).fix == "ollama pull qwen3"


@pytest.mark.parametrize(
    ("message", "window"),
    [
        ("This model's maximum context length is 4097 tokens. However, you requested 5000 tokens", 4097),
        ("You passed 5000 input tokens. However, the model's context length is only 4096 tokens, resulting in", 4096),
        ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", 4096),
        ("request (900 tokens) exceeds the available context size (700 tokens), try increasing it", 700),
        ("prompt is too long: 210,000 tokens > 200,000 maximum", 200_000),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease it", 200_000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
        ("The input token count exceeds the maximum number of tokens allowed 1048575.", 1_048_575),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32_768),
        ("Please reduce the length of the messages. Current length is 9000 while limit is 8192", 8192),
        ("`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000", 8193),
        ("This model's maximum prompt length is 131072 but the request contains 150000 tokens.", 131_072),
        ("However, the model is loaded with context length of only 4096 tokens", 4096),
        ("the input length exceeds the context length", None),
        ("Please reduce the length of the messages or completion.", None),
    ],
)
def test_how_long_a_prompt_may_be(message: str, window: int | None):
    error = error_from_server(CONTEXT, {"error": {"message": message}}, status=400)
    assert isinstance(error, PromptTooLong)
    assert error.window == window
    assert window is None or f"to {window}," in error.fix


def test_how_long_a_prompt_may_be_by_llama_cpp_s_field():
    said = {"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error", "n_ctx": 700}}
    for payload in (said, json.dumps(said), json.dumps(said).encode()):
        error = error_from_server(CONTEXT, payload, status=400)
        assert isinstance(error, PromptTooLong)
        assert error.window == 700


@pytest.mark.parametrize("code", ["²²²", "9" * 5000, "-429", "0x1ad", "429.0", "٤٢٩"])
def test_codes_that_are_no_status(code: str):
    assert error_from_server(CONTEXT, {"error": {"code": code, "message": "x"}}).status == 0


@pytest.mark.parametrize("depth", [900, 9000])
def test_errors_within_errors_within_errors(depth: int):
    said: Any = "x"
    for _ in range(depth):
        said = {"error": said}
    assert isinstance(error_from_server(CONTEXT, said), ServerFailed)
    assert isinstance(error_from_server(CONTEXT, json.dumps({"error": [[[[[["x"]]]]]]}), status=500), ServerFailed)


def test_long_words_are_cut():
    assert len(error_from_server(CONTEXT, "x" * 100_000, status=500).why) < 1000


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after": "0"}, "", 0.0),
        ({"retry-after": "-1"}, "", None),
        ({"retry-after": "274579000"}, "", 274_579_000.0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after": ""}, "", None),
        ({"retry-after": "9", "retry-after-ms": "250"}, "", 0.25),
        ({"retry-after": "9", "retry-after-ms": "x"}, "", 9.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", None),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, "", None),
        ({}, "Please try again in 7.66s.", 7.66),
        ({}, "Please try again in 250ms.", 0.25),
        ({}, "Please try again in 1m26.4s.", 86.4),
        ({}, "Please retry after 20 s", 20.0),
        ({}, "Please try again later", None),
        ({}, "", None),
    ],
)
def test_the_wait_that_a_server_asks_for(headers: dict[str, str], message: str, seconds: float | None):
    assert retry_after(headers, message) == (pytest.approx(seconds) if seconds is not None else None)


def test_the_wait_until_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    wait = retry_after({"retry-after": date})
    assert wait is not None
    assert 50 < wait <= 60


KEYS = st.sampled_from(["error", "code", "type", "message", "detail", "metadata"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)


@given(VALUES, st.sampled_from([0, 400, 404, 429, 500]))
def test_any_body_gives_an_error(said: Any, status: int):
    error = error_from_server(CONTEXT, json.dumps(said).encode(), status=status)
    assert isinstance(error, GatewayError)
    assert isinstance(read_error_body(said)[1], str)


@given(st.binary(max_size=40))
def test_any_bytes_give_an_error(said: bytes):
    assert isinstance(error_from_server(CONTEXT, said, status=500), GatewayError)
