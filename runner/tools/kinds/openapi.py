"""`openapi:`, a local OpenAPI 3 document as a source of HTTP tools; what cannot be one is left out, and said so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.core.capability import Capability, destination, origin
from runner.core.errors import UsageError
from runner.core.json_schema import JsonSchema
from runner.core.messages import Effects, ToolSpec
from runner.core.sanitize import strip_invisible
from runner.core.spelling import close_names
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import server_capabilities
from runner.tools.entry_schema import HTTP_URL, options_schema, shared, text, text_mapping, texts
from runner.tools.kinds.http import DEFAULT_SECONDS, HttpTool
from runner.tools.openapi_document import Operation, operations_of, read_document, request_of, server_url
from runner.tools.parameters import schema_of
from runner.tools.tool_kind import NamedFile, PathOption, ToolKind, always
from runner.tools.tool_names import qualified_name

_MAX_DESCRIPTION = 2_000


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[HttpTool]:
    """The tools of the operations that the entry names, of all of them without `operations`. Raises UsageError."""
    options = entry.options
    path = entry.folder / options["spec"]
    settings.check_files(entry)
    try:
        document = read_document(path)
        url = options.get("url") or server_url(document)
        operations = list(operations_of(document))
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


def _chosen(operations: list[Operation], names: Sequence[str] | None) -> list[Operation]:
    if names is None:
        return operations
    known = [operation.name for operation in operations]
    for name in names:
        if name not in known:
            near = close_names(name, known) or known[:10]
            raise ValueError(f"it has no operation {name!r}; it has {', '.join(near) or 'none'}")
    return [operation for operation in operations if operation.name in names]


def _tool(
    operation: Operation, document: Mapping[str, Any], url: str, entry: ToolEntry, settings: ToolSettings
) -> HttpTool:
    """Raises ValueError for an operation that no request of ours can make."""
    options = entry.options
    request = request_of(operation, document)
    schema = schema_of(request.parameters)
    schema["required"] = [name for name in request.parameters if name not in request.optional]
    JsonSchema(schema).compile()
    effects: Effects = options.get("effects") or ("read" if operation.method in ("GET", "HEAD") else "write")
    description = "\n".join(str(each) for key in ("summary", "description") if (each := operation.value.get(key)))
    return HttpTool(
        ToolSpec(
            qualified_name(options.get("name", ""), operation.name),
            strip_invisible(description or f"{operation.method} {operation.path}")[:_MAX_DESCRIPTION],
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
        separator="__",
    )


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    return {"spec": PathOption(entry.options["spec"], "file")}


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    if "url" in entry.options:
        server = destination(entry.options["url"], entry.written)
    else:
        server = origin(_url(entry)) or f"what {entry.options['spec']} describes"
    return server_capabilities(server, "", entry)


def _url(entry: ToolEntry) -> str:
    """Where the operations go; "" for a document that cannot be read, which gives no tools later on."""
    try:
        return str(entry.options.get("url") or server_url(read_document(entry.folder / entry.options["spec"])))
    except ValueError:
        return ""


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
    files=lambda entry: (NamedFile((entry.folder / entry.options["spec"]).resolve()),),
    url=_url,
    opens_safely=always,
)
