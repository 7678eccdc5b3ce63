"""An estimate needs no tokenizer, and learns from what servers count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.messages import Attachment, Message, ToolCall, ToolResult, ToolSpec
from runner.core.tokens import Calibration, estimate, estimate_message, estimate_tools


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one, other):
    assert estimate(one + other) >= max(estimate(one), estimate(other))
    assert estimate(one + other) <= estimate(one) + estimate(other) + 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("1\n" * 100, 200),
        ("日本語の文章です。", 9),
        ("😀" * 10, 20),
    ],
)
def test_the_estimate_is_of_the_right_size(text, tokens):
    assert tokens / 2 <= estimate(text) <= tokens * 2


def test_calls_results_files_and_tools_count():
    bare = estimate_message(Message.user("hi"))
    assert estimate_message(Message.user("hi", [Attachment("image/png", b"")])) > bare + 500
    assert estimate_message(Message.assistant("hi", [ToolCall("1", "look", {}, '{"a": "some words"}')])) > bare + 5
    assert estimate_message(Message.tool([ToolResult("1", "look", {"a": ["some words"] * 9})])) > 20
    assert estimate_tools((ToolSpec("look", "Look at it.", {"type": "object"}),)) > 15


def test_calibration_closes_in_on_the_servers_count_within_bounds():
    calibration = Calibration()
    for _ in range(10):
        calibration.learn(1000, 1500)
    assert 1450 <= calibration(1000) <= 1550
    for counted in (0, 10**9, 10**9, 10**9):
        calibration.learn(1000, counted)
    assert calibration(1000) <= 4001
    before = calibration.factor
    calibration.learn(10, 900)
    assert calibration.factor == before
