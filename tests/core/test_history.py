"""A history holds whole exchanges: every call answered, in order."""

from __future__ import annotations

from runner.core.history import INTERRUPTED, Exchange, History, Turn
from runner.core.messages import Message, ToolCall, ToolResult


def test_calls_without_a_result_are_answered_as_interrupted_in_call_order():
    calls = [ToolCall(each, "t", {}) for each in "abc"]
    whole = Exchange.of(Message.assistant("", calls), [None, ToolResult("c", "t", 3), ToolResult("other", "t", 0)])
    assert [result.call_id for result in whole.results] == ["a", "b", "c"]
    assert [result.output for result in whole.results] == [INTERRUPTED, INTERRUPTED, 3]
    assert [message.role for message in whole.messages] == ["assistant", "tool"]


def test_a_turn_knows_its_messages_and_tokens_after_each_exchange():
    turn = Turn(Message.user("hi"))
    before = turn.tokens
    assert turn.messages == (turn.user,)
    turn.exchanges.append(Exchange(Message.assistant("hello there")))
    assert turn.tokens > before and len(turn.messages) == 2


def test_a_turn_in_which_nothing_was_said_leaves_no_trace():
    history = History()
    silent = history.open(Message.user("a"))
    history.settle(silent)
    assert history.messages() == ()
    said = history.open(Message.user("b"))
    said.exchanges.append(Exchange(Message.assistant("c")))
    history.settle(said)
    history.settle(silent)
    assert [message.text for message in history.messages()] == ["b", "c"]
