"""One conversation with all that a conversation can hold, said in each dialect and held to the vendor's own types."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from pydantic import TypeAdapter

from runner.core.messages import Attachment, Message, Opaque, ToolCall, ToolResult, ToolSpec
from runner.gateways import Request, connect

PIXEL = Attachment("image/png", b"\x89PNG\r\n\x1a\n not quite", "pixel.png")
SEEN = {"größe": [1, None, 2.5], "wo": "Zürich 🏔"}
LOOK = ToolSpec(
    "look_at",
    "Looks at a place.",
    {"type": "object", "properties": {"at": {"type": "string"}, "how": {"enum": ["near", "far"]}}, "required": ["at"]},
)


def asked(id: str, at: str) -> ToolCall:
    return ToolCall(id, "look_at", {"at": at}, json.dumps({"at": at}))


def conversation(kept: Opaque | None) -> tuple[Message, ...]:
    """Five turns: an image, calls side by side, a failed result, a reply that broke off, a call cut by the limit."""
    cut = ToolCall("call_4", "look_at", None, '{"at": "Ge', "arguments are not valid JSON")
    broken = Message("assistant", "Once upon", calls=(asked("call_x", "x"),), finish="incomplete")
    return (
        Message.user("Was ist das? 🤔", [PIXEL]),
        Message("assistant", "Ein Pixel\u2028vielleicht.", thinking="hm", finish="stop"),
        Message.user("Look at both."),
        Message(
            "assistant", "", (asked("call_1", "Zürich"), asked("call_2", "東京")), finish="tool_calls", opaque=kept
        ),
        Message.tool([ToolResult("call_1", "look_at", SEEN), ToolResult("call_2", "look_at", "fog", failed=True)]),
        Message.assistant("One is there."),
        Message.user("Tell a story."),
        broken,
        Message.tool([ToolResult("call_x", "look_at", "interrupted", failed=True)]),
        Message.user("Go on."),
        Message("assistant", "I look again.", (cut,), finish="length"),
        Message.tool([ToolResult("call_4", "look_at", "not run", failed=True)]),
        Message("assistant", "Sorry.", finish="stop"),
        Message.user("Thanks \x00\ud800!"),
    )


@dataclass(frozen=True)
class Held:
    """A dialect with the vendor's type of its requests, and what its model wants back of the reply with calls."""

    name: str
    model: str
    types: str
    kept: Callable[[], Any] = lambda: None

    def sent(self) -> Any:
        gateway = connect(self.name, url="http://127.0.0.1:1", key="")
        encode = getattr(gateway, "encode", None) or import_module(f"runner.gateways.dialects.{self.name}").encode
        content = self.kept()
        opaque = Opaque(self.name, self.model, content) if content else None
        options = {"max_tokens": 99, "thinking": "low"}
        request = Request(self.model, conversation(opaque), "Sei nett.", (LOOK,), "required", options)
        return json.loads(encode(request))


def claude() -> list[dict[str, Any]]:
    calls = [
        {"type": "tool_use", "id": f"call_{at}", "name": "look_at", "input": {"at": place}}
        for at, place in ((1, "Zürich"), (2, "東京"))
    ]
    return [{"type": "thinking", "thinking": "let me see", "signature": "c2ln=="}, *calls]


def gpt() -> list[dict[str, Any]]:
    calls = [{"type": "function_call", "call_id": f"call_{at}", "name": "look_at", "arguments": "{}"} for at in (1, 2)]
    return [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}, *calls]


def flash() -> list[dict[str, Any]]:
    calls = [{"functionCall": {"name": "look_at", "args": {"at": at}}} for at in ("Zürich", "東京")]
    calls[0]["thoughtSignature"] = "c2ln"
    return calls


HELD = [
    Held("openai", "gpt-4o", "openai.types.chat.completion_create_params:CompletionCreateParamsStreaming"),
    Held("responses", "gpt-5", "openai.types.responses.response_create_params:ResponseCreateParamsStreaming", gpt),
    Held("anthropic", "claude-x-4-5", "anthropic.types.message_create_params:MessageCreateParamsStreaming", claude),
    Held("gemini", "gemini-3-pro", "google.genai.types:Content", flash),
]
IDS = [each.name for each in HELD]


def plain(value: Any) -> Any:
    """The value with lists where pydantic left iterators, which look at their items only when they are read."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


def completed(item: Any) -> Any:
    """What OpenAI's types demand of items, and its API does not."""
    if item.get("role") == "assistant":
        content = [each | {"annotations": []} for each in item["content"]]
        return item | {"id": "msg_1", "status": "completed", "content": content}
    if isinstance(item.get("content"), list):
        details = [each | {"detail": "auto"} if each["type"] == "input_image" else each for each in item["content"]]
        return item | {"content": details}
    return item


@pytest.mark.slow
@pytest.mark.parametrize("held", HELD, ids=IDS)
def test_the_vendor_s_own_types_know_all_that_is_sent(held):
    module, _, name = held.types.partition(":")
    checked = TypeAdapter(getattr(import_module(module), name))
    sent = held.sent()
    if held.name == "gemini":
        for content in sent["contents"]:
            checked.validate_python(content)
        return
    if held.name == "responses":
        sent["input"] = [*map(completed, sent["input"])]
    assert plain(checked.validate_python(sent)) == sent


@pytest.mark.parametrize("held", [*HELD, Held("ollama", "qwen3", "")], ids=[*IDS, "ollama"])
def test_nothing_that_was_said_is_lost_and_nothing_that_broke_off_is_called(held):
    text = json.dumps(held.sent(), ensure_ascii=False)
    for said in ("Sei nett.", "Was ist das? 🤔", "Zürich", "größe", "fog", "Once upon", "not run", "Sorry.", "Thanks"):
        assert said in text, said
    assert b64encode(PIXEL.data).decode() in text
    assert "call_x" not in text
    assert "interrupted" not in text
    assert '\\"at\\": \\"Ge' in text or '\\\\\\"at\\\\\\": \\\\\\"Ge' in text
    assert "\ud800" not in text
    if content := held.kept():
        signed = next(value for key, value in content[0].items() if key in _SIGNATURES)
        assert json.dumps(signed) in text


_SIGNATURES = frozenset({"signature", "encrypted_content", "thoughtSignature"})
