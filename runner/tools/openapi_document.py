"""OpenAPI 3 documents: the operations of one, and the request and the JSON Schemas that an operation comes to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.core.bounded_data import load_json, load_yaml
from runner.core.files import read_text_bounded
from runner.core.sanitize import strip_invisible
from runner.core.schema_refs import inline_refs
from runner.tools.parameters import PLACEHOLDER

MAX_DOCUMENT_BYTES = 10_000_000
_METHODS = ("get", "head", "post", "put", "patch", "delete")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")
_IGNORED_HEADERS = frozenset({"accept", "authorization", "content-type"})
_NOT_JSON_SCHEMA = frozenset({"discriminator", "example", "examples", "externalDocs", "xml"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document; `parameters` are those of its path and its own, references and all."""

    name: str
    method: str
    path: str
    value: Mapping[str, Any]
    parameters: tuple[Any, ...]


@dataclass(slots=True)
class OperationRequest:
    """A request with placeholders for the operation's parameters, and the schemas of these."""

    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    optional: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, schema: Mapping[str, Any], *, required: bool) -> str:
        """A new argument's name, unlike those before it."""
        argument = _NOT_ALLOWED.sub("_", name)
        argument = argument if PLACEHOLDER.fullmatch(f"{{{argument}}}") else f"_{argument}"
        while argument in self.parameters:
            argument += "_"
        self.parameters[argument] = dict(schema)
        if not required:
            self.optional[argument] = None
        return argument


def read_document(path: Path) -> Mapping[str, Any]:
    """The document of a file, JSON or YAML. Raises ValueError."""
    try:
        text = read_text_bounded(path, MAX_DOCUMENT_BYTES).removeprefix("\ufeff")
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    document = load_json(text) if text.lstrip().startswith("{") else load_yaml(text)
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("it has no `openapi: 3.…`")
    return document


def server_url(document: Mapping[str, Any]) -> str:
    """The url that the operations go to. Raises ValueError."""
    servers = document.get("servers")
    server = _mapping(servers[0]) if isinstance(servers, list) and servers else {}
    defaults = {
        name: str(_mapping(each).get("default", "")) for name, each in _mapping(server.get("variables")).items()
    }
    url = PLACEHOLDER.sub(lambda match: defaults.get(match[1], match[0]), str(server.get("url", "")))
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("it names no server with http:// or https://; give one with `url:`")
    return url


def operations_of(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation, named by its operationId, else by its method and path."""
    for path, item in _mapping(document.get("paths")).items():
        shared = _mapping(item)
        for method in _METHODS:
            if isinstance(value := shared.get(method), dict):
                parameters = (*_sequence(shared.get("parameters")), *_sequence(value.get("parameters")))
                name = str(value.get("operationId") or f"{method}_{path.strip('/').replace('/', '_')}")
                yield Operation(name, method.upper(), str(path), value, parameters)


def _parameters(operation: Operation, document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of its path, unless its own have the same name and place."""
    parameters = [_mapping(inline_refs(parameter, document)) for parameter in operation.parameters]
    yield from {(str(each.get("name")), str(each.get("in"))): each for each in parameters}.values()


def request_of(operation: Operation, document: Mapping[str, Any]) -> OperationRequest:
    """Raises ValueError for an operation that no request of ours can make."""
    request = OperationRequest(operation.path)
    for parameter in _parameters(operation, document):
        name, location = str(parameter.get("name")), parameter.get("in")
        required = bool(parameter.get("required")) or location == "path"
        if location == "cookie" and required:
            raise ValueError(f"it needs the cookie {name!r}")
        if location == "cookie" or (location == "header" and name.lower() in _IGNORED_HEADERS):
            continue
        argument = request.add(name, _parameter_schema(parameter), required=required)
        match location:
            case "path":
                request.path = request.path.replace(f"{{{name}}}", f"{{{argument}}}")
            case "query":
                request.query[name] = f"{{{argument}}}"
            case "header":
                request.headers[name] = f"{{{argument}}}"
            case _:
                raise ValueError(f"its parameter {name!r} stands in {location!r}")
    if unfilled := [name for name in PLACEHOLDER.findall(request.path) if name not in request.parameters]:
        raise ValueError(f"nothing declares {{{unfilled[0]}}} of its path")
    if (body := operation.value.get("requestBody")) is not None:
        _add_body(request, _mapping(inline_refs(body, document)))
    return request


def _add_body(request: OperationRequest, body: Mapping[str, Any]) -> None:
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
    converted = {key: _keyword_value(key, each) for key, each in schema.items() if key not in _NOT_JSON_SCHEMA}
    if converted.pop("nullable", False) is True and isinstance(converted.get("type"), str):
        converted["type"] = [converted["type"], "null"]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(converted.get(exclusive), bool) and converted.pop(exclusive) and bound in converted:
            converted[exclusive] = converted.pop(bound)
    return converted


def _keyword_value(key: str, schema: Any) -> Any:
    if key in ("const", "default", "enum"):
        return schema
    if key == "properties" and isinstance(schema, dict):
        return {name: _as_json_schema(each) for name, each in schema.items()}
    return _as_json_schema(schema)
