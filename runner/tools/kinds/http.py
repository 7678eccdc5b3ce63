"""`http:`, a request as a tool: arguments fill placeholders in its url, query, headers and body, nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote, unquote, urlencode, urlsplit

from runner.core.capability import Capability, destination
from runner.core.errors import UsageError
from runner.core.messages import Attachment, Effects, ToolSpec
from runner.core.sanitize import is_printable_ascii
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import server_capabilities
from runner.tools.entry_schema import HTTP_URL, options_schema, shared, text, text_mapping, texts
from runner.tools.guarded_http import MAX_BODY, GuardedRequest, GuardedResponse, send_guarded
from runner.tools.parameters import (
    DESCRIPTION,
    PLACEHOLDER,
    as_text,
    fill,
    fill_json,
    parameter_problems,
    placeholder_error,
    placeholders,
    schema_of,
)
from runner.tools.permission_patterns import argument_text
from runner.tools.tool_kind import EntryProblem, SourceText, ToolKind, always

DEFAULT_SECONDS = 30.0
_GRACE_SECONDS = 2.0
_DECODINGS = 5
# Dots and slashes, also as the overlong and %u forms that some servers take for them, and what is left out of a part.
_DOT = re.compile(r"%c0%ae|%e0%80%ae|%u002e", re.IGNORECASE)
_SLASH = re.compile(r"[/\\]|%c0%af|%e0%80%af|%c1%9c|%u002f|%u005c", re.IGNORECASE)
_SKIPPED = re.compile(r";.*|[\x00-\x20\x7f]", re.DOTALL)
_SHOWN_CHARACTERS = 2_000
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class HttpTool:
    """One request with placeholders for arguments.

    One in the url is one component, percent-encoded: it never moves the scheme, the host or a slash. In the query a
    list repeats its key; there and in headers and as the body, None leaves its key out.
    """

    spec: ToolSpec
    method: str
    url: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    seconds: float = DEFAULT_SECONDS
    kind: str = "http"
    separator: str = ""

    @property
    def timeout(self) -> float:
        """Longer than the request's own time, so that it ends here and can be told of."""
        return self.seconds + _GRACE_SECONDS

    def subjects(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The request line, `GET https://…`, and for what is not in it the arguments as JSON."""
        line = f"{self.method} {self._address({**self.defaults, **arguments})}"
        return line, argument_text(arguments)

    def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutput:
        values = {**self.defaults, **arguments}
        body, media_type = self._body(values)
        headers = {
            name: _header(name, filled)
            for name, template in self.headers.items()
            if (filled := fill_json(template, values)) is not None
        }
        if media_type and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = media_type
        request = GuardedRequest(self.method, self._address(values), headers, body, self.hosts, self.seconds)
        return _tool_output(send_guarded(request, context.cancel))

    def _address(self, values: Mapping[str, Any]) -> str:
        parts = urlsplit(self.url)
        path = "/".join(_segment(each, values) for each in parts.path.split("/"))
        fixed = "&".join(fill(each, values, _component) for each in parts.query.split("&") if each)
        query = "&".join(filter(None, (fixed, urlencode(_query_pairs(self.query, values), quote_via=quote))))
        return parts._replace(path=path, query=query, fragment="").geturl()

    def _body(self, values: Mapping[str, Any]) -> tuple[bytes | None, str]:
        if self.body is None:
            return None, ""
        if isinstance(self.body, str) and not PLACEHOLDER.fullmatch(self.body):
            return fill(self.body, values, as_text).encode(), "text/plain; charset=utf-8"
        filled = fill_json(self.body, values)
        if filled is None:
            return None, ""
        return json.dumps(filled, ensure_ascii=False).encode(), "application/json"


def open_http(entry: ToolEntry, settings: ToolSettings) -> Sequence[HttpTool]:
    """The tool that an `http:` entry declares. Raises UsageError."""
    options = entry.options
    parameters = options.get("parameters", {})
    method = str(options.get("method", "GET")).upper()
    effects: Effects = options.get("effects") or ("read" if method in ("GET", "HEAD") else "write")
    tool = HttpTool(
        spec=ToolSpec(entry.name, options.get("description", ""), schema_of(parameters), effects),
        method=method,
        url=options["url"],
        query=options.get("query", {}),
        headers=options.get("headers", {}),
        body=options.get("body"),
        defaults={name: schema["default"] for name, schema in parameters.items() if "default" in schema},
        hosts=tuple(options.get("hosts", ())),
        seconds=options.get("timeout", min(DEFAULT_SECONDS, settings.seconds)),
    )
    if problem := _declaration_error(tool):
        raise UsageError(f"the tool {entry.name!r} cannot be made: {problem}", where=entry.where)
    return (tool,)


def _declaration_error(tool: HttpTool) -> str:
    """What is wrong with the declaration; nothing if it can be used."""
    parts = urlsplit(tool.url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return f"its url must begin with http:// or https:// and a host, not {tool.url[:60]!r}"
    if any(placeholders(f"{parts.scheme} {parts.netloc}")):
        return "a place in its url may stand in the path or the query, never in the host"
    if tool.body is not None and tool.method not in (*_BODY_METHODS, "DELETE"):
        return f"a {tool.method} request carries no body"
    return placeholder_error(tool.spec.parameters["properties"], tool.url, tool.query, tool.headers, tool.body)


def _component(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_component(item) for item in value)
    return quote(as_text(value), safe="")


def _segment(template: str, values: Mapping[str, Any]) -> str:
    """One segment of the path; the arguments in it can neither empty it nor climb out of it."""
    if not PLACEHOLDER.search(template):
        return template
    segment = fill(template, values, _component)
    if _moves(segment):
        raise ToolFailed(f"{segment!r} cannot stand in the path of the url. Give another value for {template}.")
    return segment


def _moves(segment: str) -> bool:
    r"""Whether a server that decodes a segment, once or again, may find it empty, or `.` or `..` in it.

    Some take a backslash for a slash, leave out what follows a semicolon, skip control characters, or fold wide ones.
    """
    for _ in range(_DECODINGS):
        plain = segment if segment.isascii() else normalize("NFKC", segment)
        parts = [re.sub(_SKIPPED, "", part) for part in re.split(_SLASH, re.sub(_DOT, ".", plain))]
        if not any(parts) or not {".", ".."}.isdisjoint(parts):
            return True
        if (decoded := unquote(segment)) == segment:
            return False
        segment = decoded
    return True


def _query_pairs(query: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, template in query.items():
        value = fill_json(template, values)
        items = value if isinstance(value, list) else [value]
        pairs.extend((fill(key, values, as_text), as_text(item)) for item in items if item is not None)
    return pairs


def _header(name: str, value: Any) -> str:
    text = as_text(value)
    if not is_printable_ascii(text):
        raise ToolFailed(f"the header {name} takes one line of ASCII text")  # its value may be a key
    return text


def _tool_output(response: GuardedResponse) -> ToolOutput:
    """What the model reads of a response."""
    if not 200 <= response.status < 300:
        text = f"HTTP {response.status} {response.reason}".rstrip()
        return ToolOutput(f"{text}\n{response.text[:_SHOWN_CHARACTERS]}".rstrip(), failed=True)
    if response.cut:
        head = response.text[:_SHOWN_CHARACTERS]
        return ToolOutput(f"the answer is larger than {MAX_BODY} bytes; it begins:\n{head}", failed=True)
    if not response.body:
        return ToolOutput(f"HTTP {response.status} {response.reason}, with an empty body")
    media_type = response.media_type
    if media_type.startswith("image/"):
        return ToolOutput(
            f"an image ({media_type}, {len(response.body)} bytes)", files=(Attachment(media_type, response.body),)
        )
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return ToolOutput(json.loads(response.body))
        except (ValueError, RecursionError):
            return ToolOutput(response.text)
    if b"\0" in response.body[:_SHOWN_CHARACTERS]:
        return ToolOutput(
            f"{len(response.body)} bytes of {media_type or 'an unknown kind'}, which cannot be shown", failed=True
        )
    return ToolOutput(response.text)


def _check(entry: ToolEntry, text_of: SourceText) -> Iterator[EntryProblem]:
    templates = [((key,), entry.options[key]) for key in ("url", "query", "headers", "body") if key in entry.options]
    return parameter_problems(entry.options.get("parameters", {}), templates)


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    note = f" ({entry.options.get('method', 'GET')})"
    return server_capabilities(destination(entry.options["url"], entry.written), note, entry)


KIND = ToolKind(
    name="http",
    summary="One request to a web service.",
    schema=options_schema(
        "One request to a web service.",
        {
            "name": shared("tool_name"),
            "description": DESCRIPTION,
            "method": {
                "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
                "description": "The HTTP method.",
                "default": "GET",
            },
            "url": text(
                "The address; {name} stands for a parameter, encoded, and cannot change the host.", pattern=HTTP_URL
            ),
            "query": {
                "type": "object",
                "description": "Query parameters.",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
            "headers": text_mapping("Headers of the request."),
            "body": {"description": 'A JSON value or a text; a "{name}" alone keeps the parameter\'s type.'},
            "parameters": shared("parameters"),
            "effects": shared("effects"),
            "hosts": texts("Hosts that may be reached beside the url's own."),
            "timeout": shared("timeout"),
        },
        ("name", "description", "url"),
    ),
    open=open_http,
    env_fields=frozenset({"url", "query", "headers"}),
    check=_check,
    capabilities=_capabilities,
    opens_safely=always,
)
