"""Ollama's native dialect: its address, what its models can do, what is sent, what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding import assembled, so_far
from runner.core.chunks import Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import (
    GatewayError,
    IncompleteReply,
    ModelFailed,
    ModelMissing,
    ProtocolBroken,
    Rejected,
    ServerFailed,
    Unreachable,
)
from runner.core.messages import Attachment, Message, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import Capabilities, Request
from runner.gateways.dialects.ollama import Ollama, OllamaDecoder, server_url
from thoroughness import examples

SPEC = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})


def line(content: str = "", done: bool = False, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content} | more.pop("message", {})
    return {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": done} | more


def lines(*values: Any) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in values)


DONE = line(done=True, done_reason="stop", prompt_eval_count=9, eval_count=5)
RICH = lines(
    line(message={"thinking": "hm \U0001f914"}),
    line("Grüße\u2028 "),
    line("\ud83d"),
    line("\ude00!"),
    line(message={"tool_calls": [{"function": {"name": "look", "arguments": {"at": "door"}}}]}),
    line(message={"tool_calls": [{"id": "c2", "function": {"index": 0, "name": "look", "arguments": '{"at": "x"}'}}]}),
    DONE,
)


def decode(*pieces: bytes) -> list[Chunk]:
    decoder = OllamaDecoder()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return [*chunks, *decoder.end()]


class TestAddress:
    @pytest.mark.parametrize(
        ("spelled", "url"),
        [
            ("", "http://127.0.0.1:11434"),
            ("box", "http://box:11434"),
            ("box:8080", "http://box:8080"),
            (":8080", "http://127.0.0.1:8080"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("http://0.0.0.0:8080/", "http://127.0.0.1:8080"),
            ("http://box", "http://box:80"),
            ("https://box", "https://box:443"),
            ("https://box/ollama/", "https://box:443/ollama"),
            ("box:8080/ollama", "http://box:8080/ollama"),
            ("[::1]", "http://[::1]:11434"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("::1", "http://[::1]:11434"),
            ("[::]:8080", "http://[::1]:8080"),
            ("box:what", "http://box:11434"),
            (' "box" ', "http://box:11434"),
        ],
    )
    def test_every_spelling(self, spelled, url):
        assert server_url(spelled) == url

    def test_the_environment_names_it(self, monkeypatch):
        assert Ollama().where == "http://localhost:11434"
        monkeypatch.setenv("OLLAMA_HOST", "box")
        assert Ollama().where == "http://box:11434"
        assert Ollama(url="http://other:1").where == "http://other:1"

    def test_a_server_on_another_machine_needs_no_key(self, monkeypatch):
        monkeypatch.setenv("OLLAMA_HOST", "http://nowhere.invalid:11434")
        with pytest.raises(Unreachable):
            Ollama().capabilities("qwen3")


class TestCapabilities:
    @pytest.mark.parametrize(
        ("shown", "expected"),
        [
            (
                {"capabilities": ["completion", "tools"], "model_info": {"qwen3.context_length": 40960}},
                Capabilities(thinking=False, images=False, structured=True, truncates=True, window=40960),
            ),
            (
                {
                    "capabilities": ["completion", "vision", "thinking"],
                    "parameters": 'stop     "<|im_end|>"\nnum_ctx                        16384\ntemperature 1',
                    "model_info": {"general.architecture": "x", "x.context_length": 40960},
                },
                Capabilities(tools=False, structured=True, truncates=True, window=16384),
            ),
            ({}, Capabilities(structured=True, truncates=True)),
            ({"model_info": None, "parameters": 7}, Capabilities(structured=True, truncates=True)),
        ],
    )
    def test_the_server_tells_them_once(self, fault_server, shown, expected):
        fault_server.answers(fault_server.whole(shown))
        gateway = Ollama(url=fault_server.url)
        expected = replace(expected, lacks=frozenset({"parallel_calls", "tool_choice"}))
        assert [gateway.capabilities("qwen3"), gateway.capabilities("qwen3")] == [expected, expected]
        [asked] = fault_server.asked
        assert (asked.path, asked.json) == ("/api/show", {"model": "qwen3"})
        gateway.close()

    def test_a_model_that_is_not_pulled(self, fault_server):
        fault_server.answers(fault_server.whole({"error": "model 'qwen3:32b' not found"}, 404))
        gateway = Ollama(url=fault_server.url)
        with pytest.raises(ModelMissing) as caught:
            gateway.capabilities("qwen3:32b")
        assert caught.value.fix == "ollama pull qwen3:32b"
        assert caught.value.where == fault_server.url
        gateway.close()

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_server_that_can_only_chat_may(self, fault_server, status):
        fault_server.answers(fault_server.whole(b"404 page not found", status, "text/plain"))
        gateway = Ollama(url=fault_server.url)
        assert gateway.capabilities("qwen3") == gateway.capabilities("qwen3")
        assert gateway.capabilities("qwen3").window is None and len(fault_server.asked) == 1
        gateway.close()

    def test_what_is_no_ollama_at_all(self, fault_server):
        fault_server.answers(fault_server.whole(b"<html>It works!</html>", 200, "text/html"))
        gateway = Ollama(url=fault_server.url)
        with pytest.raises(ProtocolBroken):
            gateway.capabilities("qwen3")
        gateway.close()

    def test_nobody_there(self):
        with pytest.raises(Unreachable) as caught:
            Ollama(url="http://127.0.0.1:9").capabilities("qwen3")
        assert caught.value.what == "ollama is not running at http://127.0.0.1:9"
        assert caught.value.fix == "ollama serve"


class TestDecoding:
    def test_a_rich_stream(self):
        chunks = decode(RICH)
        message = assembled(chunks).message()
        assert (message.text, message.thinking) == ("Grüße\u2028 \U0001f600!", "hm \U0001f914")
        assert [(each.name, each.arguments) for each in message.calls] == [
            ("look", {"at": "door"}),
            ("look", {"at": "x"}),
        ]
        assert message.finish == "tool_calls"
        assert chunks[-1] == DoneChunk("stop", "stop", Usage(9, 5), "qwen3")

    @settings(max_examples=examples(60), deadline=None)
    @given(places=st.lists(st.integers(0, len(RICH)), max_size=12))
    def test_any_split_gives_the_same_chunks(self, places):
        edges = [0, *sorted(places), len(RICH)]
        assert decode(*(RICH[start:end] for start, end in pairwise(edges))) == decode(RICH)

    def test_a_cut_at_any_byte_is_complete_with_a_terminator_or_incomplete(self):
        whole = decode(RICH)
        for place in range(len(RICH) - 1):
            chunks, error = so_far(OllamaDecoder(), [RICH[:place]])
            assert error is IncompleteReply
            assert chunks == whole[: len(chunks)]
            assert not any(isinstance(chunk, DoneChunk) for chunk in chunks)
        assert so_far(OllamaDecoder(), [RICH[:-1]]) == (whole, None)

    def test_a_whole_reply_gives_the_same_message_as_its_stream(self):
        message = {
            "role": "assistant",
            "content": "Grüße\u2028 \U0001f600!",
            "thinking": "hm \U0001f914",
            "tool_calls": [
                {"id": "c1", "function": {"name": "look", "arguments": {"at": "door"}}},
                {"id": "c2", "function": {"name": "look", "arguments": '{"at": "x"}'}},
            ],
        }
        whole = list(OllamaDecoder().decode_document(json.dumps({**DONE, "message": message}).encode()))
        once, again = assembled(whole).message(), assembled(decode(RICH)).message()
        assert (once.text, once.thinking, once.finish) == (again.text, again.thinking, again.finish)
        assert [each.arguments for each in once.calls] == [each.arguments for each in again.calls]
        assert whole[-1] == decode(RICH)[-1]

    def test_text_on_the_last_line_is_not_lost(self):
        assert decode(lines(line("a"), line("b", done=True, done_reason="length"))) == [
            TextChunk("a"),
            TextChunk("b"),
            DoneChunk("length", "length", None, "qwen3"),
        ]

    def test_thinking_comes_before_its_text(self):
        assert decode(lines(line("b", message={"thinking": "a"}), DONE))[:1] == [ThinkingChunk("a")]

    @pytest.mark.parametrize("before", [(), ("a", "b")])
    @pytest.mark.parametrize(
        ("broken", "kind"),
        [
            ({"error": "an error was encountered while running the model: CUDA error"}, ServerFailed),
            ({"error": "error parsing tool call: raw='{'"}, ModelFailed),
            ({"error parsing tool call": "raw='{'"}, ModelFailed),
            ({"status": "pulling"}, ServerFailed),
            (b"<html>", ProtocolBroken),
            (b"[]", ProtocolBroken),
        ],
    )
    def test_errors_in_the_stream_are_typed_and_what_came_is_kept(self, before, broken, kind):
        chunks, error = so_far(OllamaDecoder(), [lines(*map(line, before), broken)])
        assert (chunks, error) == ([TextChunk(piece) for piece in before], kind)

    @pytest.mark.parametrize("odd", [None, [], {"function": None}, {"function": {"name": None, "arguments": None}}])
    def test_nonsense_where_calls_should_be(self, odd):
        assert decode(lines(line(message={"tool_calls": [odd]}), line("a"), DONE))[-2] == TextChunk("a")


def encoded(request: Request) -> Any:
    return json.loads(Ollama().encode(request))


class TestEncoding:
    def test_a_plain_question_asks_for_its_window(self):
        options = {
            "max_tokens": 5,
            "temperature": 0.5,
            "stop": "x",
            "extra": {"keep_alive": -1, "options": {"min_p": 1}},
        }
        assert encoded(Request("qwen3", (Message.user("hi"),), system="Be kind.", window=4096, options=options)) == {
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
            "model": "qwen3",
            "stream": True,
            "keep_alive": -1,
            "options": {"temperature": 0.5, "stop": ["x"], "num_predict": 5, "num_ctx": 4096, "min_p": 1},
        }

    def test_calls_and_their_results(self):
        asked = Message.assistant("", [ToolCall("c1", "look", {"at": "x"}, '{"at": "x"}')], "tool_calls")
        broken = Message.assistant("", [ToolCall("c2", "look", None, "{", "cut")], "length")
        answered = Message.tool([ToolResult("c1", "look", [1]), ToolResult("c2", "look", "no", failed=True)])
        request = Request("qwen3", (asked, broken, answered), tools=(SPEC,))
        sent = encoded(request)
        assert [each["function"]["name"] for each in sent["tools"]] == ["look"]
        first, second, *results = sent["messages"]
        assert first["tool_calls"] == [{"id": "c1", "function": {"name": "look", "arguments": {"at": "x"}}}]
        assert second["tool_calls"][0]["function"]["arguments"] == {"not_json": "{"}
        assert results == [
            {"role": "tool", "tool_name": "look", "tool_call_id": "c1", "content": "[1]"},
            {"role": "tool", "tool_name": "look", "tool_call_id": "c2", "content": "error: no"},
        ]

    @pytest.mark.parametrize(
        ("asked", "sent"), [(True, True), (False, False), ("none", False), ("low", "low"), ("minimal", "low")]
    )
    def test_thinking(self, asked, sent):
        assert encoded(Request("qwen3", (), options={"thinking": asked}))["think"] == sent

    def test_thinking_is_left_alone_where_nobody_says(self):
        assert "think" not in encoded(Request("qwen3", ()))

    def test_images_and_schemas(self):
        picture = Attachment("image/png", b"\x89PNG")
        sent = encoded(Request("qwen3", (Message.user("what?", [picture]),), schema={"type": "object"}))
        assert sent["messages"][0]["images"] == ["iVBORw=="]
        assert sent["format"] == {"type": "object"}

    def test_no_tools_where_none_are_wanted(self):
        assert "tools" not in encoded(Request("qwen3", (), tools=(SPEC,), tool_choice="none"))


class TestServer:
    def test_a_stream(self, fault_server):
        fault_server.answers(fault_server.chunked(RICH, "application/x-ndjson", size=7))
        gateway = Ollama(url=fault_server.url)
        assert list(gateway.stream(Request("qwen3", (Message.user("hi"),)))) == decode(RICH)
        [asked] = fault_server.asked
        assert (asked.path, asked.headers["accept"]) == ("/api/chat", "application/x-ndjson")
        gateway.close()

    @pytest.mark.parametrize(
        ("status", "said", "kind", "fix"),
        [
            (404, 'model "qwen3" not found, try pulling it first', ModelMissing, "ollama pull qwen3"),
            (400, "registry.ollama.ai/library/qwen3 does not support tools", Rejected, "another model"),
            (500, "error parsing tool call: raw='{\"a'", ModelFailed, "try again"),
            (503, "server busy, please try again.  maximum pending requests exceeded", ServerFailed, "later"),
        ],
    )
    def test_errors_before_the_stream(self, fault_server, status, said, kind, fix):
        fault_server.answers(fault_server.whole({"error": said}, status))
        gateway = Ollama(url=fault_server.url)
        with pytest.raises(GatewayError) as caught:
            list(gateway.stream(Request("qwen3", (Message.user("hi"),))))
        assert (type(caught.value), caught.value.why) == (kind, " ".join(said.split()))
        assert fix in caught.value.fix
        gateway.close()

    def test_a_stream_that_ends_early(self, fault_server):
        fault_server.answers(fault_server.chunked(lines(line("a")), "application/x-ndjson"))
        gateway = Ollama(url=fault_server.url)
        chunks = []
        with pytest.raises(IncompleteReply):
            for chunk in gateway.stream(Request("qwen3", (Message.user("hi"),))):
                chunks.append(chunk)
        assert chunks == [TextChunk("a")]
        gateway.close()
