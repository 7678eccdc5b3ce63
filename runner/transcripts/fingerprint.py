"""Short hashes of what the model was shown: equal on every machine, for every dialect and in every run.

Hashed are the system text, the tools in their order, the options that were set, and the messages: role, text, calls by
position, results. Not hashed: keys, hosts, ids, usage, timing. Secrets are redacted before, and CRLF counts as LF.
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
"""The parts of a request that have a hash of their own, which a recording calls its stamp."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


def canonical_json(value: Any) -> str:
    """One JSON text for one value, whatever the order of its keys."""
    return _ENCODER.encode(value)


def fold_line_ends(text: str) -> str:
    """The text with every line end as LF."""
    return text.replace("\r\n", "\n") if "\r" in text else text


def digest(text: str) -> str:
    """The short hash of a text, as it stands in a recording."""
    return hashlib.blake2b(fold_line_ends(text).encode("utf-8", "surrogatepass"), digest_size=DIGITS // 2).hexdigest()


def tool_digest(spec: ToolSpec) -> str:
    """The hash of one tool as the model is told of it."""
    return digest(canonical_json([spec.name, spec.description, spec.parameters]))


def schema_text(schema: Mapping[str, Any]) -> str:
    """A tool's schema as a recording keeps it: JSON in the schema's own order, which the model sees."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"), default=str)


def property_order(schema: Any) -> Any:
    """The names of a schema's properties in their order, at every depth: the one order that no hash tells."""
    if isinstance(schema, list):
        return [order for item in schema if (order := property_order(item))]
    if not isinstance(schema, Mapping):
        return []
    properties = schema.get("properties")
    own = [list(properties)] if isinstance(properties, Mapping) else []
    return own + [order for key in sorted(schema, key=str) if (order := property_order(schema[key]))]


def turns_digest(turns: Any) -> str:
    """The hash of a recording's turns as its document holds them: tells an edit by hand from a reformatting."""
    return digest(canonical_json(turns))


def stamp_of(system: str, tools: Mapping[str, str], options: Any) -> dict[str, str]:
    """The hashes of a request's parts: its system text, the hash of each tool by name in their order, its options."""
    return {
        "system": digest(system),
        "tools": digest(canonical_json(list(tools.items()))),
        "options": digest(canonical_json(options)),
    }


def sent_options(request: Request) -> dict[str, Any]:
    """The options that were set, and what else changes how the model answers."""
    options = dict(request.options)
    if request.tool_choice != "auto":
        options["tool_choice"] = request.tool_choice
    if request.schema is not None:
        options["schema"] = request.schema
    return options


def tool_signature(spec: ToolSpec) -> str:
    """A tool's parameters as people write them: `(date: string, reference?: string)`."""
    required = spec.parameters.get("required", ())
    parameters = (
        f"{name}{'' if name in required else '?'}: {_type_name(schema)}"
        for name, schema in spec.parameters.get("properties", {}).items()
    )
    return f"({', '.join(parameters)})"


def _type_name(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return "any"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = schema.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)


class RequestHasher:
    """Hashes what each request of one conversation shows the model; what has not changed is not hashed again.

    `known_tools` gives the hashes of tools whose schema cannot be had offline, by name.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.known_tools: Mapping[str, str] = {}
        self._last: tuple[Any, Mapping[str, str]] | None = None
        self._messages: dict[int, tuple[Message, bytes]] = {}

    def stamp(self, request: Request) -> Mapping[str, str]:
        """The hashes of the request's system text, tools and options."""
        parts = (request.system, request.tools, request.options, request.tool_choice, request.schema)
        if self._last is None or self._last[0] != parts:
            options = self._redactor.value(sent_options(request))
            self._last = parts, stamp_of(self._redactor(request.system), self.tools(request), options)
        return self._last[1]

    def tools(self, request: Request) -> dict[str, str]:
        """The hash of each tool by its name, in their order."""
        return {spec.name: self.known_tools.get(spec.name) or tool_digest(spec) for spec in request.tools}

    def seen(self, request: Request, stamp: Mapping[str, str] | None = None) -> str:
        """The hash chained over the stamp and all messages of the request; another stamp may replace its own."""
        stamp = stamp or self.stamp(request)
        chain = hashlib.blake2b(" ".join(stamp.get(part, "") for part in PARTS).encode(), digest_size=DIGITS // 2)
        known = self._messages
        for message in request.messages:
            # By identity: the messages of a history are the same objects in each request, and equality costs more.
            entry = known.get(id(message))
            if entry is None:
                text = self._hashed_text(message).encode("utf-8", "surrogatepass")
                entry = known[id(message)] = (message, hashlib.blake2b(text, digest_size=DIGITS).digest())
            chain.update(entry[1])
        return chain.hexdigest()

    def _hashed_text(self, message: Message) -> str:
        """What of a message is hashed, as canonical JSON with its secrets redacted."""
        parts: list[Any] = [message.role, fold_line_ends(message.text)]
        if message.calls:
            parts.append(
                [[call.name, call.raw if call.arguments is None else call.arguments] for call in message.calls]
            )
        if message.results:
            parts.append([[result.name, result.output, result.failed] for result in message.results])
        if message.files:
            parts.append([[file.media_type, hashlib.blake2b(file.data).hexdigest()] for file in message.files])
        text = canonical_json(parts)
        return canonical_json(self._redactor.value(parts)) if self._redactor.may_hold_secret(text) else text
