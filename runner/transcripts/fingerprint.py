"""What the model had seen, as short hashes: equal on every machine, for every dialect and every run.

Hashed are the system text, the tools in their order, the options that were set, and the messages: role, text, calls by
position, results. Not hashed: keys, hosts, ids, usage, timing. Secrets are masked before, and CRLF is one line end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.core.messages import Message, ToolSpec

DIGITS = 8
PARTS = ("system", "tools", "options")

Mask = Callable[[str], str]


def canonical(value: Any) -> str:
    """One JSON text for one value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def fold(text: str) -> str:
    """The text with every line end as LF."""
    return text.replace("\r\n", "\n") if "\r" in text else text


def digest(text: str) -> str:
    """The short hash of a text, as it stands in a recording."""
    return hashlib.blake2b(fold(text).encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2).hexdigest()


def tool_digest(spec: ToolSpec) -> str:
    """The hash of one tool as the model is told of it."""
    return digest(canonical([spec.name, spec.description, spec.parameters]))


def tools_digest(tools: Mapping[str, str]) -> str:
    """The hash of all tools from their names and hashes, in their order."""
    return digest(canonical(list(tools.items())))


def options_digest(options: Mapping[str, Any]) -> str:
    return digest(canonical(options))


def turns_digest(turns: Any) -> str:
    """The hash of a recording's turns as its document holds them: tells an edit by hand from a reformatting."""
    return digest(canonical(turns))


def message_text(message: Message, mask: Mask) -> str:
    """What of a message counts, as canonical JSON."""
    said: list[Any] = [message.role, fold(message.text)]
    if message.calls:
        said.append([[call.name, call.raw if call.arguments is None else call.arguments] for call in message.calls])
    if message.results:
        said.append([[result.name, result.output, result.failed] for result in message.results])
    if message.files:
        said.append([[each.media_type, hashlib.blake2b(each.data).hexdigest()] for each in message.files])
    return mask(json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str))


class Seen:
    """Hashes what each request of one conversation shows the model; a message is hashed once."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._known: dict[int, tuple[Message, bytes]] = {}

    def __call__(self, stamp: Mapping[str, str], messages: Iterable[Message]) -> str:
        """The chained hash over the parts' stamps and all messages of one request."""
        chain = hashlib.blake2b(" ".join(stamp[part] for part in PARTS).encode(), digest_size=DIGITS // 2)
        known = self._known
        for message in messages:
            held = known.get(id(message))
            if held is None:
                text = message_text(message, self._mask).encode("utf-8", "surrogatepass")
                held = known[id(message)] = (message, hashlib.blake2b(text, digest_size=DIGITS).digest())
            chain.update(held[1])
        return chain.hexdigest()
