"""`openapi:`, a local OpenAPI 3 document as a source of HTTP tools; what cannot be one is left out, and said so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.core.capability import Capability, destination, origin
from runner.core.errors import UsageError
from runner.core.messages import Effects, ToolSpec
from runner.core.sanitize import strip_invisible
from runner.tools.argument_validator import Checker
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import server_capabilities
from runner.tools.entry_schema import HTTP_URL, options_schema, shared, text, text_mapping, texts
from runner.tools.kinds.http import DEFAULT_SECONDS, HttpTool
from runner.tools.parameters import PLACEHOLDER, schema_of
from runner.tools.schema_refs import inlined
from runner.tools.tool_kind import PathOption, RawOptions, ToolKind, always
from runner.tools.tool_names import qualified_name

LARGEST_DOCUMENT = 10_000_000
_LONGEST_DESCRIPTION = 2_000
_METHODS = ("get", "head", "post", "put", "patch", "delete")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_IGNORED_HEADERS = frozenset({"accept", "authorization", "content-type"})
_DECORATION = frozenset({"discriminator", "example", "examples", "externalDocs", "xml"})


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation of the document; `parameters` are those of its path and its own, references and all."""

    name: str
    method: str
    path: str
    value: Mapping[str, Any]
    parameters: tuple[Any, ...]


@dataclass(slots=True)
class _Request:
    """The places of a request as an operation's parameters are laid out in it."""

    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    optional: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, schema: Mapping[str, Any], *, required: bool) -> str:
        """A new argument's name, unlike those before it."""
        argument = _FOREIGN.sub("_", name)
        argument = argument if PLACEHOLDER.fullmatch(f"{{{argument}}}") else f"_{argument}"
        while argument in self.parameters:
            argument += "_"
        self.parameters[argument] = dict(schema)
        if not required:
            self.optional[argument] = None
        return argument


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[HttpTool]:
    """The tools of the operations that the entry names, of all of them without `operations`. Raises UsageError."""
    options = entry.options
    path = entry.base / options["spec"]
    try:
        document = _document(path)
        url = options.get("url") or _server(document)
        operations = list(_operations(document))
        chosen = _chosen(operations, options.get("operations"))
    except ValueError as problem:
        raise UsageError(f"the OpenAPI document {path} cannot be used: {problem}", where=entry.where) from problem
    tools: dict[str, HttpTool] = {}
    for operation in chosen:
        try:
            tool = _tool(operation, document, url, entry, settings)
            if tool.spec.name in tools:
                raise ValueError("another operation has the same name")
            tools[tool.spec.name] = tool
        except ValueError as problem:
            settings.notify(f"{path}: the operation {operation.name!r} cannot be used: {problem}")
    return tuple(tools.values())


def _document(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > LARGEST_DOCUMENT:
            raise ValueError(f"it is larger than {LARGEST_DOCUMENT} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    document = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("it has no `openapi: 3.…`")
    return document


def _yaml(text: str) -> Any:
    """YAML with strings left alone: no dates, and of the booleans only true and false."""
    import yaml  # lazy: many a document is JSON

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, match) for tag, match in each if not tag.endswith((":bool", ":timestamp"))]
        for first, each in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is not valid YAML: {error}") from error


def _server(document: Mapping[str, Any]) -> str:
    servers = document.get("servers")
    server = _mapping(servers[0]) if isinstance(servers, list) and servers else {}
    defaults = {
        name: str(_mapping(each).get("default", "")) for name, each in _mapping(server.get("variables")).items()
    }
    url = PLACEHOLDER.sub(lambda match: defaults.get(match[1], match[0]), str(server.get("url", "")))
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("it names no server with http:// or https://; give one with `url:`")
    return url


def _operations(document: Mapping[str, Any]) -> Iterator[_Operation]:
    for path, item in _mapping(document.get("paths")).items():
        shared = _mapping(item)
        for method in _METHODS:
            if isinstance(value := shared.get(method), dict):
                parameters = (*_sequence(shared.get("parameters")), *_sequence(value.get("parameters")))
                name = str(value.get("operationId") or f"{method}_{path.strip('/').replace('/', '_')}")
                yield _Operation(name, method.upper(), str(path), value, parameters)


def _parameters(operation: _Operation, document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The operation's own stand in for those of its path."""
    found = [_mapping(inlined(each, document)) for each in operation.parameters]
    yield from {(str(each.get("name")), str(each.get("in"))): each for each in found}.values()


def _chosen(operations: list[_Operation], wanted: Sequence[str] | None) -> list[_Operation]:
    if wanted is None:
        return operations
    known = [each.name for each in operations]
    for name in wanted:
        if name not in known:
            from difflib import get_close_matches  # lazy: only for a mistake

            near = get_close_matches(name, known) or known[:10]
            raise ValueError(f"it has no operation {name!r}; it has {', '.join(near) or 'none'}")
    return [each for each in operations if each.name in wanted]


def _tool(
    operation: _Operation, document: Mapping[str, Any], url: str, entry: ToolEntry, settings: ToolSettings
) -> HttpTool:
    """Raises ValueError for an operation that no request of ours can make."""
    options = entry.options
    request = _request_of(operation, document)
    schema = schema_of(request.parameters)
    schema["required"] = [name for name in request.parameters if name not in request.optional]
    Checker(schema).problems({})
    effects: Effects = options.get("effects") or ("read" if operation.method in ("GET", "HEAD") else "write")
    description = "\n".join(str(each) for key in ("summary", "description") if (each := operation.value.get(key)))
    return HttpTool(
        ToolSpec(
            qualified_name(options.get("name", ""), operation.name),
            strip_invisible(description or f"{operation.method} {operation.path}")[:_LONGEST_DESCRIPTION],
            schema,
            effects,
        ),
        method=operation.method,
        url=url.rstrip("/") + request.path,
        query=request.query,
        headers={**request.headers, **options.get("headers", {})},
        body=request.body,
        defaults=request.optional,
        hosts=tuple(options.get("hosts", ())),
        seconds=options.get("timeout", min(DEFAULT_SECONDS, settings.seconds)),
    )


def _request_of(operation: _Operation, document: Mapping[str, Any]) -> _Request:
    request = _Request(operation.path)
    for each in _parameters(operation, document):
        name, place = str(each.get("name")), each.get("in")
        required = bool(each.get("required")) or place == "path"
        if place == "cookie" and required:
            raise ValueError(f"it needs the cookie {name!r}")
        if place == "cookie" or (place == "header" and name.lower() in _IGNORED_HEADERS):
            continue
        argument = request.add(name, _parameter_schema(each), required=required)
        match place:
            case "path":
                request.path = request.path.replace(f"{{{name}}}", f"{{{argument}}}")
            case "query":
                request.query[name] = f"{{{argument}}}"
            case "header":
                request.headers[name] = f"{{{argument}}}"
            case _:
                raise ValueError(f"its parameter {name!r} stands in {place!r}")
    if unfilled := [name for name in PLACEHOLDER.findall(request.path) if name not in request.parameters]:
        raise ValueError(f"nothing declares {{{unfilled[0]}}} of its path")
    if (body := operation.value.get("requestBody")) is not None:
        _add_body(request, _mapping(inlined(body, document)))
    return request


def _add_body(request: _Request, body: Mapping[str, Any]) -> None:
    content = _mapping(body.get("content"))
    kind = next((kind for kind in content if kind.partition(";")[0].endswith(("/json", "+json"))), None)
    if kind is None and body.get("required"):
        raise ValueError(f"its body is {' or '.join(content) or 'of no kind'}, and only JSON can be sent")
    if kind is not None:
        schema = {"description": str(body.get("description", "The body of the request.")), **_schema(content[kind])}
        argument = request.add("body", schema, required=bool(body.get("required")))
        request.body = f"{{{argument}}}"
        request.headers["Content-Type"] = kind


def _parameter_schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    media = next(iter(_mapping(parameter.get("content")).values()), parameter)
    described = {"description": strip_invisible(str(parameter["description"]))} if parameter.get("description") else {}
    return {**_schema(media), **described}


def _schema(media: Any) -> Mapping[str, Any]:
    return _mapping(_as_json_schema(_mapping(media).get("schema")))


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, as it should be; else an empty one."""
    return value if isinstance(value, dict) else {}


def _as_json_schema(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 in the words of JSON Schema, which 3.1 speaks already."""
    if isinstance(schema, list):
        return [_as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _keyword_value(key, each) for key, each in schema.items() if key not in _DECORATION}
    if found.pop("nullable", False) is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(found.get(exclusive), bool) and found.pop(exclusive) and bound in found:
            found[exclusive] = found.pop(bound)
    return found


def _keyword_value(key: str, schema: Any) -> Any:
    if key in ("const", "default", "enum"):
        return schema
    if key == "properties" and isinstance(schema, dict):
        return {name: _as_json_schema(each) for name, each in schema.items()}
    return _as_json_schema(schema)


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    return {"spec": PathOption(entry.options["spec"], "file")}


def _capabilities(entry: ToolEntry, raw: RawOptions, folder: Path) -> Iterator[Capability]:
    url = entry.options.get("url")
    server = _document_server(entry) if url is None else destination(url, raw())
    return server_capabilities(server, "", entry, raw)


def _document_server(entry: ToolEntry) -> str:
    """Where the document's operations go; one that cannot be read gives no tools later on."""
    try:
        return origin(_server(_document(entry.base / entry.options["spec"])))
    except ValueError:
        return f"what {entry.options['spec']} describes"


KIND = ToolKind(
    name="openapi",
    summary="Operations of a web service that an OpenAPI document describes.",
    schema=options_schema(
        "Operations of a web service that an OpenAPI document describes.",
        {
            "name": shared("tool_name"),
            "spec": text("The OpenAPI 3 document, JSON or YAML, relative to this file.", minLength=1),
            "operations": texts("The operationIds that become tools."),
            "url": text("The server's address, instead of the document's.", pattern=HTTP_URL),
            "headers": text_mapping("Headers of every request."),
            "hosts": texts("Hosts that may be reached beside the url's own."),
            "effects": shared("effects"),
            "timeout": shared("timeout"),
        },
        ("spec",),
    ),
    open=_open,
    default_name=lambda options: "",
    naming="group",
    env_fields=frozenset({"spec", "url", "headers"}),
    paths=_paths,
    capabilities=_capabilities,
    files=lambda entry: (str(entry.options["spec"]),),
    inert=always,
)
