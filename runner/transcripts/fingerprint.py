"""What the model had seen, as short hashes: equal on every machine, for every dialect and every run.

Hashed are the system text, the tools in their order, the options that were set, and the messages: role, text, calls by
position, results. Not hashed: keys, hosts, ids, usage, timing. Secrets are masked before, and CRLF is one line end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from runner.core.messages import Message, ToolSpec
from runner.gateways import Request
from runner.transcripts.redaction import Redactor

DIGITS = 8
PARTS = ("system", "tools", "options")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


def canonical(value: Any) -> str:
    """One JSON text for one value, whatever the order of its keys."""
    return _ENCODER.encode(value)


def fold(text: str) -> str:
    """The text with every line end as LF."""
    return text.replace("\r\n", "\n") if "\r" in text else text


def digest(text: str) -> str:
    """The short hash of a text, as it stands in a recording."""
    return hashlib.blake2b(fold(text).encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2).hexdigest()


def tool_digest(spec: ToolSpec) -> str:
    """The hash of one tool as the model is told of it."""
    return digest(canonical([spec.name, spec.description, spec.parameters]))


def turns_digest(turns: Any) -> str:
    """The hash of a recording's turns as its document holds them: tells an edit by hand from a reformatting."""
    return digest(canonical(turns))


def sent_options(request: Request) -> dict[str, Any]:
    """The options that were set, and what else changes how the model answers."""
    options = dict(request.options)
    if request.tool_choice != "auto":
        options["tool_choice"] = request.tool_choice
    if request.schema is not None:
        options["schema"] = request.schema
    return options


def signature(spec: ToolSpec) -> str:
    """A tool's parameters as people write them: `(date: string, reference?: string)`."""
    required = spec.parameters.get("required", ())
    shown = (
        f"{name}{'' if name in required else '?'}: {_type(schema)}"
        for name, schema in spec.parameters.get("properties", {}).items()
    )
    return f"({', '.join(shown)})"


def _type(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return "any"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)


class Stamper:
    """Hashes what each request of one conversation shows the model; what has not changed is not hashed again.

    `known` gives the hashes of tools whose schema cannot be had offline.
    """

    def __init__(self, redactor: Redactor, known: Mapping[str, str] | None = None) -> None:
        self._redactor = redactor
        self._known_tools = known or {}
        self._parts: tuple[Any, Mapping[str, str]] | None = None
        self._messages: dict[int, tuple[Message, bytes]] = {}

    def parts(self, request: Request) -> Mapping[str, str]:
        """The hashes of the request's system text, tools and options."""
        facts = (request.system, request.tools, request.options, request.tool_choice, request.schema)
        if self._parts is None or self._parts[0] != facts:
            stamp = {
                "system": digest(self._redactor(request.system)),
                "tools": digest(canonical(list(self.tools(request).items()))),
                "options": digest(canonical(self._redactor.value(sent_options(request)))),
            }
            self._parts = facts, stamp
        return self._parts[1]

    def tools(self, request: Request) -> dict[str, str]:
        """The hash of each tool, in their order."""
        return {spec.name: self._known_tools.get(spec.name) or tool_digest(spec) for spec in request.tools}

    def seen(self, request: Request, stamp: Mapping[str, str] | None = None) -> str:
        """The hash chained over the parts and all messages of the request; another `stamp` may stand for its parts."""
        stamp = stamp or self.parts(request)
        chain = hashlib.blake2b(" ".join(stamp.get(part, "") for part in PARTS).encode(), digest_size=DIGITS // 2)
        known = self._messages
        for message in request.messages:
            held = known.get(id(message))
            if held is None:
                text = self._text(message).encode("utf-8", "surrogatepass")
                held = known[id(message)] = (message, hashlib.blake2b(text, digest_size=DIGITS).digest())
            chain.update(held[1])
        return chain.hexdigest()

    def _text(self, message: Message) -> str:
        """What of a message counts, as canonical JSON with its secrets masked."""
        said: list[Any] = [message.role, fold(message.text)]
        if message.calls:
            said.append([[call.name, call.raw if call.arguments is None else call.arguments] for call in message.calls])
        if message.results:
            said.append([[result.name, result.output, result.failed] for result in message.results])
        if message.files:
            said.append([[each.media_type, hashlib.blake2b(each.data).hexdigest()] for each in message.files])
        text = canonical(said)
        return canonical(self._redactor.value(said)) if self._redactor.concerns(text) else text
