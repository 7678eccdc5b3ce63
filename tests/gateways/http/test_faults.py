"""The faults of the wire by their numbers, F01 to F37, F60 and F62, turn to a session: what it says, keeps, asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.core.errors import (
    AgentRunError,
    ContentFiltered,
    ContextOverflowError,
    EmptyReply,
    IncompleteReply,
    KeyRefused,
    LimitReached,
    ModelFailed,
    ModelMissing,
    OutOfQuota,
    PromptTooLong,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
    TimedOut,
    Unreachable,
    Untrusted,
)
from runner.core.events import Event, Notice, TextDelta, ToolFinished
from runner.core.messages import Attachment
from runner.core.policy import ContextPolicy, Limits
from runner.engine.broker import Broker
from runner.engine.session import ChatSession
from runner.gateways import GatewayPreset, connect
from runner.tools import tool

FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
DONE = b"[DONE]"
FAST = {"Retry_After_Ms": "1"}


def text(piece: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": finish}]}


def calls(*each: tuple[str | None, str, Any], finish: str = "tool_calls") -> list[dict[str, Any]]:
    pieces = [
        {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
        for index, (id, name, arguments) in enumerate(each)
    ]
    return [{"choices": [{"index": 0, "delta": {"tool_calls": pieces}, "finish_reason": None}]}, text("", finish)]


@dataclass
class TurnResult:
    """What a turn gave: the text shown, its events, the error at its end, and what the server was asked."""

    text: str
    events: list[Event]
    error: AgentRunError | None
    asked: list[Any]
    session: ChatSession

    @property
    def results(self) -> list[Any]:
        return [event.result for event in self.events if isinstance(event, ToolFinished)]

    @property
    def notices(self) -> list[str]:
        return [event.kind for event in self.events if isinstance(event, Notice)]


@tool
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


@tool
def now() -> str:
    """Say the time."""
    return "noon"


class FaultChat:
    """A fault server and a session that talks to it."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.session: ChatSession | None = None

    def answer(self, *payloads: Any) -> None:
        """The next request is answered with these events, whole."""
        self.server.answers(self.server.chunked(self.server.sse(*payloads)))

    def cut(self, *payloads: Any, how: str = "close") -> None:
        """The next request is answered with these events, and then the connection breaks."""
        self.server.answers(self.server.head() + self.server.sse(*payloads), self.server.sleep(0.05), how)

    def refuse(self, status: int, said: Any = "no", **headers: str) -> None:
        body = said if isinstance(said, dict) else {"error": {"message": said}}
        self.server.answers(self.server.whole(body, status, **headers))

    def run_turn(self, question: str = "hi", **given: Any) -> TurnResult:
        if self.session is None:
            gateway = connect("openai", url=self.server.url)
            retry = given.pop("retry", {"attempts": 3})
            timeouts = given.pop("timeouts", {"first_token": 5, "gap": 5})
            broker = Broker("m", gateway, retry=retry, timeouts=timeouts)
            self.session = ChatSession(broker, tools=[look, now], **given)
        events: list[Event] = []
        error = None
        try:
            for event in self.session.send(question):
                events.append(event)
        except AgentRunError as caught:
            error = caught
        said = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert {each.method for each in self.server.asked} <= {"POST"}, "a list of models was asked for"
        asked = [each.json for each in self.server.asked]
        return TurnResult(said, events, error, asked, self.session)


@pytest.fixture
def chat(fault_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultChat]:
    monkeypatch.setenv("OPENAI_API_KEY", "test-key-123")
    made = FaultChat(fault_server)
    yield made
    if made.session is not None:
        made.session.close()


def test_f01_a_reply_without_terminator_is_kept_and_marked(chat):
    chat.answer(text("Hel"), text("lo"))
    turn = chat.run_turn()
    assert (turn.text, type(turn.error), len(turn.asked)) == ("Hello", IncompleteReply, 1)
    assert turn.session.messages[-1].finish == "incomplete"
    assert "incomplete" in turn.notices


def test_f01_nor_do_its_tools_run(chat):
    chat.answer(text("I look"), *calls(("c1", "look", '{"at": "x"}'))[:1])
    turn = chat.run_turn()
    assert isinstance(turn.error, IncompleteReply)
    assert not turn.results


@pytest.mark.parametrize(
    ("name", "said", "requests"),
    [
        ("f02", b'{"message": {"content": "Hel"}}\n{"message": {"content": "lo"}}\n', ["/api/show", "/api/chat"]),
        (
            "f03",
            b'data: {"type": "message_start", "message": {}}\n\n'
            b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hello"}}\n\n'
            b'data: {"type": "content_block_stop", "index": 0}\n\n',
            ["/v1/messages"],
        ),
    ],
)
def test_f02_f03_whatever_the_dialect(fault_server, name, said, requests):
    dialect = {"f02": "ollama", "f03": "anthropic"}[name]
    if dialect == "ollama":
        fault_server.answers(fault_server.whole({"capabilities": ["completion"]}))
    fault_server.answers(fault_server.chunked(said, ""))
    with ChatSession(Broker("m", connect(dialect, url=fault_server.url))) as session:
        with pytest.raises(IncompleteReply):
            list(session.send("hi"))
        assert (session.messages[-1].text, session.messages[-1].finish) == ("Hello", "incomplete")
    assert [each.path for each in fault_server.asked] == requests


@pytest.mark.parametrize("end", [[FINISH], [DONE], [FINISH, DONE]])
def test_f04_either_terminator_is_enough(chat, end):
    chat.answer(text("Hello"), *end)
    turn = chat.run_turn()
    assert (turn.text, turn.error, turn.session.messages[-1].finish) == ("Hello", None, "stop")
    assert len(turn.asked) == 1


def test_f05_a_break_before_output_is_tried_again(chat):
    chat.server.answers(chat.server.RST)
    chat.answer(text("Hello"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == ("Hello", None, 2)
    assert "retry" in turn.notices


def test_f05_until_the_attempts_are_spent(chat):
    chat.server.answers(chat.server.RST)
    turn = chat.run_turn(retry={"attempts": 2})
    assert (type(turn.error), len(turn.asked)) == (Unreachable, 2)
    assert "2 times" in turn.error.why


def test_f06_a_break_after_output_is_not(chat):
    chat.cut(text("Hel"), text("lo"), how="reset")
    turn = chat.run_turn()
    assert (turn.text, type(turn.error), len(turn.asked)) == ("Hello", IncompleteReply, 1)


@pytest.mark.parametrize(
    "broken",
    [
        {"error": {"code": "server_error", "message": "oops"}},
        {"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "oops"}, "finish_reason": "error"}]},
        {"error while answering": "oops"},
    ],
)
def test_f07_f08_an_error_in_the_stream_is_tried_again_only_before_output(chat, broken):
    chat.answer(broken)
    chat.answer(text("Hello"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == ("Hello", None, 2)
    chat.server.scripts.clear()
    chat.answer(text("Hel"), broken)
    turn = chat.run_turn()
    assert (turn.text, type(turn.error), len(turn.asked)) == ("Hel", ServerFailed, 3)
    assert turn.session.messages[-1].text == "Hel"


@pytest.mark.parametrize(
    ("header", "asked"), [("0.2", 2), ("0.001", 2), ("-1", 2), ("soon", 2), ("86400", 1), ("274579000", 1)]
)
def test_f09_retry_after(chat, header, asked):
    chat.refuse(429, Retry_After=header)
    chat.answer(text("Hello"), FINISH)
    turn = chat.run_turn()
    assert len(turn.asked) == asked
    if asked == 1:
        assert isinstance(turn.error, RateLimited)
        assert "max_wait" in turn.error.fix


@pytest.mark.parametrize(("wait", "asked"), [("30", 1), ("0.1", 2)])
def test_f09_no_wait_outlasts_the_turn(chat, wait, asked):
    chat.refuse(429, Retry_After=wait)
    chat.server.answers(chat.server.HANG)
    turn = chat.run_turn(limits=Limits(seconds=0.5))
    assert len(turn.asked) == asked
    assert "limits.seconds" in (turn.error.fix if asked == 1 else turn.error.where)
    assert turn.events[-1].seconds < 5


@pytest.mark.parametrize(
    ("status", "said", "kind", "fix"),
    [
        (429, {"error": {"code": "insufficient_quota", "message": "no money"}}, OutOfQuota, "billing"),
        (401, "Incorrect API key provided", KeyRefused, "OPENAI_API_KEY"),
        (403, "Forbidden", KeyRefused, "OPENAI_API_KEY"),
        (
            404,
            {"error": {"code": "model_not_found", "message": "The model `m` does not exist"}},
            ModelMissing,
            "model:",
        ),
        (413, "Payload too large", Rejected, "smaller"),
        (400, {"error": {"code": "content_filter", "message": "filtered"}}, ContentFiltered, "words"),
    ],
)
def test_f10_what_waiting_does_not_mend_is_asked_once(chat, status, said, kind, fix):
    chat.refuse(status, said)
    turn = chat.run_turn()
    assert (type(turn.error), len(turn.asked)) == (kind, 1)
    assert fix in turn.error.fix
    assert turn.session.messages == ()


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_f11_a_server_that_fails_is_asked_again(chat, status):
    chat.refuse(status, "Loading model" if status == 503 else "oops", **FAST)
    chat.refuse(status, "oops", **FAST)
    chat.answer(text("Hello"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == ("Hello", None, 3)


def test_f11_but_not_for_ever(chat):
    chat.refuse(500, "oops", **FAST)
    turn = chat.run_turn()
    assert (type(turn.error), len(turn.asked)) == (ServerFailed, 3)


QUICK = {"first_token": 0.2, "gap": 0.2}


def test_f12_silence_is_timed_and_tried_again(chat):
    chat.server.answers(chat.server.HANG)
    turn = chat.run_turn(retry={"attempts": 2}, timeouts=QUICK)
    assert (type(turn.error), len(turn.asked)) == (TimedOut, 2)
    assert "timeouts.first_token" in turn.error.fix
    assert chat.server.left.wait(5)


@pytest.mark.parametrize("drip", [b"", b"\n", b": ping\n\n", b"retry: 1\n\n", b"event: ping\n\n"])
def test_f13_f14_a_stall_after_output_is_timed_and_not_tried_again(chat, drip):
    dripping = [step for _ in range(40) for step in (chat.server.sleep(0.05), drip)] if drip else []
    chat.server.answers(chat.server.head() + chat.server.sse(text("Hel")), *dripping, chat.server.HANG)
    turn = chat.run_turn(timeouts=QUICK)
    assert (turn.text, type(turn.error), len(turn.asked)) == ("Hel", TimedOut, 1)
    assert "timeouts.gap" in turn.error.fix
    assert (turn.session.messages[-1].text, turn.session.messages[-1].finish) == ("Hel", "incomplete")


def test_f15_slow_but_steady_takes_as_long_as_it_takes(chat):
    pieces = [step for _ in range(8) for step in (chat.server.sleep(0.1), chat.server.sse(text("x")))]
    chat.server.answers(chat.server.head(), *pieces, chat.server.sse(FINISH))
    turn = chat.run_turn(timeouts=QUICK | {"gap": 0.4})
    assert (turn.text, turn.error, len(turn.asked)) == ("xxxxxxxx", None, 1)


def test_f16_f17_odd_framing_and_odd_letters_say_the_same(chat):
    chat.server.one_byte = True
    said = "a\u2028b\u0085c \U0001f600\x00"
    odd = b"\xef\xbb\xbf: hello\r\n\r\nid: 7\r\n\r\nretry: 5\n\ndata:" + json.dumps(text(said)).encode() + b"\r\n\r\n"
    raw = b'data: {"choices": [{"delta": {"content": "\xff"}}]}\r\r'
    chat.server.answers(chat.server.chunked(odd + raw + chat.server.sse(FINISH), size=7))
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == (said + "\ufffd", None, 1)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b'{"hello": "world"}', b""])
@pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/event-stream"])
def test_f18_something_else_than_a_reply_is_asked_for_once(chat, body, content_type):
    chat.server.answers(chat.server.whole(body, content_type=content_type))
    turn = chat.run_turn()
    assert (type(turn.error), len(turn.asked)) == (ProtocolBroken, 1)
    assert "/v1" in turn.error.fix
    assert body[:9].decode() in turn.error.why
    assert turn.session.messages == ()


def test_f19_what_is_no_json_ends_a_reply_that_is_kept(chat):
    chat.answer(text("Hel"), b'{"choices": [', text("lo"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, type(turn.error), len(turn.asked)) == ("Hel", ProtocolBroken, 1)
    assert "event 2" in turn.error.why
    assert turn.session.messages[-1].finish == "incomplete"


def test_f20_arguments_cut_by_the_limit_never_run(chat):
    chat.answer(*calls(("c1", "look", '{"at": "/a'), finish="length"))
    chat.answer(text("sorry"), FINISH)
    turn = chat.run_turn()
    [result] = turn.results
    assert result.failed
    assert "seen" not in str(result.output)
    assert "cut off after 10 characters" in str(result.output)


@pytest.mark.parametrize(
    "arguments",
    ['{"at": "x"', '{"at": "x"}"', '{"at": "x", "at": "y"}', '{"at": NaN}', "[1]", '{"at":' + "[" * 2_000],
)
def test_f21_arguments_that_are_no_json_never_run(chat, arguments):
    chat.answer(*calls(("c1", "look", arguments)))
    chat.answer(text("sorry"), FINISH)
    turn = chat.run_turn()
    assert turn.error is None, turn.error
    assert (turn.text, [result.failed for result in turn.results]) == ("sorry", [True])
    sent = turn.asked[1]["messages"]
    assert json.loads(sent[-2]["tool_calls"][0]["function"]["arguments"])["not_json"] == arguments
    assert sent[-1]["tool_call_id"] == "c1"


@pytest.mark.parametrize("arguments", ['{"at": 7}', '{"to": "x"}', "{}"])
def test_f22_arguments_that_break_the_schema_never_run(chat, arguments):
    chat.answer(*calls(("c1", "look", arguments)))
    chat.answer(text("sorry"), FINISH)
    [result] = chat.run_turn().results
    assert result.failed
    assert "at" in str(result.output)


@pytest.mark.parametrize("arguments", ["", None, "{}", "null", {}])
def test_f23_no_arguments_are_the_empty_object(chat, arguments):
    chat.answer(*calls(("c1", "now", arguments)))
    chat.answer(text("It is noon."), FINISH)
    [result] = chat.run_turn().results
    assert (result.failed, result.output) == (False, "noon")


def test_f24_arguments_as_an_object_are_taken_and_sent_back_as_text(chat):
    chat.answer(*calls(("c1", "look", {"at": "x"})))
    chat.answer(text("ok"), FINISH)
    turn = chat.run_turn()
    assert [result.output for result in turn.results] == ["seen x"]
    assert turn.asked[1]["messages"][-2]["tool_calls"][0]["function"]["arguments"] == '{"at": "x"}'


@pytest.mark.parametrize("ids", [("a", "b"), ("", ""), (None, None)])
def test_f25_f26_calls_keep_their_results_whatever_their_ids(chat, ids):
    first, second = ids
    chat.answer(*calls((first, "look", '{"at": "x"}'), (second, "look", '{"at": "y"}')))
    chat.answer(text("ok"), FINISH)
    turn = chat.run_turn()
    assert sorted(result.output for result in turn.results) == ["seen x", "seen y"]
    asked, *answered = turn.asked[1]["messages"][-3:]
    sent = [call["id"] for call in asked["tool_calls"]]
    assert [each["tool_call_id"] for each in answered] == sent
    assert len(set(sent)) == 2
    assert [each["content"] for each in answered] == ["seen x", "seen y"]


def test_f27_calls_run_whatever_the_finish_reason(chat):
    chat.answer(*calls(("c1", "look", '{"at": "x"}'), finish="stop"))
    chat.answer(text("ok"), FINISH)
    assert [result.output for result in chat.run_turn().results] == ["seen x"]


def test_f27_a_finish_for_calls_without_calls_is_asked_again_once(chat):
    chat.answer(text("", "tool_calls"))
    chat.answer(text("ok"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == ("ok", None, 2)


def test_f28_an_unknown_tool_is_told_to_the_model(chat):
    chat.answer(*calls(("c1", "lok", '{"at": "x"}')))
    chat.answer(text("ok"), FINISH)
    [result] = chat.run_turn().results
    assert result.failed
    assert "look" in str(result.output)


def test_f29_a_loop_of_calls_is_stopped(chat):
    chat.answer(*calls(("c1", "look", '{"at": "x"}')))
    turn = chat.run_turn(limits=Limits(identical_calls=3))
    assert isinstance(turn.error, LimitReached)
    assert len(turn.asked) == 3


@pytest.mark.parametrize("silence", [[], [text("  \n")], [{"choices": [{"delta": {"reasoning_content": "hm"}}]}]])
def test_f30_an_empty_reply_is_nudged_once_and_then_an_error(chat, silence):
    chat.answer(*silence, FINISH)
    turn = chat.run_turn()
    assert (type(turn.error), len(turn.asked)) == (EmptyReply, 2)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('<tool_call>{"name": "look", "arguments": {"at": "x"}}</tool_call>', True),
        ('{"name": "look", "parameters": {"at": "x"}}', True),
        ("<function=look>{}</function>", True),
        ("[TOOL_CALLS][{}]", True),
        ('[look(at="x")]', True),
        ('I would look(at="x") if I could.', False),
        ('{"name": "Ada"}', False),
        ("I look at it.", False),
    ],
)
def test_f31_a_call_written_as_text_stays_text_and_is_told(chat, said, told):
    chat.answer(text(said), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, turn.results, len(turn.asked)) == (said, None, [], 1)
    assert ("textual_call" in turn.notices) is told


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, {"error": {"code": "tool_use_failed", "message": "x", "failed_generation": "<function=look"}}),
        (500, {"error": "error parsing tool call: raw='{'"}),
    ],
)
def test_f32_what_the_model_wrote_wrong_is_asked_again(chat, status, said):
    chat.refuse(status, said, **FAST)
    chat.answer(text("ok"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == ("ok", None, 2)
    chat.server.scripts.clear()
    chat.refuse(status, said, **FAST)
    assert isinstance(chat.run_turn().error, ModelFailed)


@pytest.mark.parametrize(("window", "kept"), [(None, 6), (2000, 6), (1500, 4), (950, 2)])
def test_f35_a_prompt_that_the_server_finds_too_long_is_shortened_once(chat, window, kept):
    for _ in range(3):
        chat.answer(text("word " * 200), FINISH)
        assert chat.run_turn("word " * 200, context=ContextPolicy(reserve=500, keep=1)).error is None
    before = len(chat.server.asked)
    words = f"maximum context length is {window} tokens" if window else "too long"
    chat.refuse(400, {"error": {"code": "context_length_exceeded", "message": words}})
    chat.answer(text("ok"), FINISH)
    chat.server.scripts.pop(0)
    turn = chat.run_turn("and now?")
    assert (turn.text, turn.error, turn.notices.count("evicted")) == ("ok", None, 2)
    long, short = (json.loads(each.body)["messages"] for each in chat.server.asked[before:])
    assert (len(long), len(short)) == (8, kept)
    assert (short[0], short[-1]) == (long[0], long[-1])
    assert len(turn.session.messages) == 8


def test_f35_and_if_it_still_is_that_is_an_error(chat):
    chat.refuse(400, {"error": {"code": "context_length_exceeded", "message": "maximum context length is 7 tokens"}})
    turn = chat.run_turn()
    assert isinstance(turn.error, PromptTooLong | ContextOverflowError)
    assert len(turn.asked) <= 2


def test_f36_a_message_larger_than_the_window_is_refused_before_it_is_sent(chat):
    turn = chat.run_turn("word " * 5000, context=ContextPolicy(max_tokens=2000, reserve=200))
    assert isinstance(turn.error, ContextOverflowError)
    assert not turn.asked
    assert turn.session.messages == ()


@pytest.mark.parametrize("window", [700, 900, 1100, 1300])
def test_f37_no_eviction_cuts_between_a_call_and_its_result(chat, window):
    policy = ContextPolicy(max_tokens=window, reserve=100)
    for turn in range(6):
        chat.server.scripts.clear()
        chat.answer(*calls((f"c{turn}", "look", json.dumps({"at": "x" * 90 * turn})), (f"d{turn}", "now", "")))
        chat.answer(text("word " * 40), FINISH)
        assert chat.run_turn("word " * 20 * turn, context=policy).error is None
    assert len(chat.server.asked) == 12
    assert len(chat.server.asked[-1].json["messages"]) < 20
    for each in chat.server.asked:
        waiting: list[str] = []
        for message in each.json["messages"]:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0)
            else:
                assert not waiting
            waiting += [call["id"] for call in message.get("tool_calls", ())]
        assert not waiting


def test_f60_a_certificate_that_nobody_knows_is_not_tried_twice(fault_servers, tls):
    server = fault_servers(tls=tls)
    gateway = connect("mine", {"mine": GatewayPreset("openai", server.url)})
    with ChatSession(Broker("m", gateway)) as session, pytest.raises(Untrusted, match="certificate") as caught:
        session.send_message("hi")
    assert "ca_bundle" in caught.value.fix
    assert (server.connections, server.asked) == (1, [])


def test_f60_a_dead_proxy_does_not_stand_before_this_machine(chat, monkeypatch):
    for variable in ("HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    chat.answer(text("Hello"), FINISH)
    turn = chat.run_turn()
    assert (turn.text, turn.error, len(turn.asked)) == ("Hello", None, 1)


def ollama_line(content: str = "", **more: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content}, "done": bool(more)} | more


@pytest.mark.parametrize(("counted", "told"), [(2051, True), (9000, False)])
def test_f34_a_prompt_that_ollama_cut_without_a_word_is_told(fault_server, counted, told):
    fault_server.answers(fault_server.whole({"capabilities": ["tools"], "model_info": {"x.context_length": 32768}}))
    ending = {"done_reason": "stop", "prompt_eval_count": counted, "eval_count": 2}
    reply = fault_server.lines(ollama_line("ok"), ollama_line("", **ending))
    fault_server.answers(fault_server.chunked(reply, "application/x-ndjson"))
    with ChatSession(Broker("m", connect("ollama", url=fault_server.url))) as session:
        notices = [event.kind for event in session.send("word " * 8000) if isinstance(event, Notice)]
    assert fault_server.asked[-1].json["options"]["num_ctx"] == 32768
    assert ("server_truncated" in notices) is told


def test_f34_what_images_count_says_nothing_of_a_cut(fault_server):
    fault_server.answers(fault_server.whole({"capabilities": ["vision"], "model_info": {"x.context_length": 32768}}))
    ending = {"done_reason": "stop", "prompt_eval_count": 290, "eval_count": 2}
    fault_server.answers(fault_server.whole(ollama_line("a cat", **ending)))
    with ChatSession(Broker("m", connect("ollama", url=fault_server.url))) as session:
        events = list(session.send("what is this?", [Attachment("image/png", b"\x89PNG")]))
    assert not [event for event in events if isinstance(event, Notice)]


def test_f33_what_the_model_cannot_do_is_not_asked_of_it(fault_server):
    fault_server.answers(fault_server.whole({"capabilities": ["completion"]}))
    ending = {"done_reason": "stop"}
    fault_server.answers(fault_server.whole({**ollama_line("ok"), **ending, "done": True}))
    with ChatSession(Broker("m", connect("ollama", url=fault_server.url)), tools=[look]) as session:
        notices = [event.kind for event in session.send("hi") if isinstance(event, Notice)]
    assert "tools" not in fault_server.asked[-1].json
    assert "tools_off" in notices


ELSEWHERE = {"F62": "local/test_gateway.py::test_a_crash_is_told_and_the_next_request_starts_anew"}


def test_every_fault_of_the_wire_has_its_test():
    here = Path(__file__)
    tested = set(re.findall(r"f\d\d", " ".join(re.findall(r"def (test_\w+)", here.read_text()))))
    for fault in [*(f"f{each:02}" for each in range(1, 38)), "f60"]:
        assert fault in tested, fault
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (here.parents[1] / file).read_text()
