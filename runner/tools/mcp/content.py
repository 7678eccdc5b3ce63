"""Content of MCP results, as the model can read it: text, JSON, and files beside them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from runner.core.messages import Attachment
from runner.tools.context import ToolOutput


def tool_output(result: Mapping[str, Any]) -> ToolOutput:
    """The output of `tools/call`: structured content where there is some, else the text."""
    text, files = _read_blocks(result.get("content"))
    if result.get("isError"):
        return ToolOutput(text or "the tool failed and did not say why", failed=True, files=files)
    structured = result.get("structuredContent")
    return ToolOutput(text if structured is None else structured, files=files)


def resource_output(result: Mapping[str, Any]) -> ToolOutput:
    """The output of `resources/read`."""
    text, files = _read_blocks([{"type": "resource", "resource": each} for each in _objects(result.get("contents"))])
    return ToolOutput(text, files=files)


def prompt_output(result: Mapping[str, Any]) -> ToolOutput:
    """The output of `prompts/get`: each message after its role."""
    texts: list[str] = []
    files: tuple[Attachment, ...] = ()
    for message in _objects(result.get("messages")):
        content = message.get("content")
        text, more = _read_blocks(content if isinstance(content, list) else [content])
        texts.append(f"{message.get('role', 'user')}: {text}")
        files += more
    return ToolOutput("\n\n".join(texts), files=files)


def _read_blocks(content: Any) -> tuple[str, tuple[Attachment, ...]]:
    texts: list[str] = []
    files: list[Attachment] = []
    for block in _objects(content):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image" | "audio" as kind, "data": str(data)}:
                texts.append(_attach(files, data, str(block.get("mimeType", kind)), ""))
            case {"type": "resource", "resource": {"text": str(text)}}:
                texts.append(text)
            case {"type": "resource", "resource": {"blob": str(data), **rest}}:
                kind = str(rest.get("mimeType", "application/octet-stream"))
                texts.append(_attach(files, data, kind, str(rest.get("uri", ""))))
            case {"type": "resource_link", "uri": str(uri)}:
                texts.append(f"{block.get('title') or block.get('name') or 'resource'}: {uri}")
            case _:
                texts.append(f"[content of an unknown kind: {str(block.get('type'))[:40]!r}]")
    return "\n".join(texts), tuple(files)


def _attach(files: list[Attachment], data: str, media_type: str, name: str) -> str:
    try:
        file = Attachment(media_type, base64.b64decode(data, validate=True), name)
    except (binascii.Error, ValueError):
        return f"[{media_type}, which is not valid base64]"
    files.append(file)
    return f"[{media_type}, {len(file.data)} bytes]"


def _objects(content: Any) -> list[Mapping[str, Any]]:
    return [each for each in content if isinstance(each, Mapping)] if isinstance(content, list) else []
