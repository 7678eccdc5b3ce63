"""OpenAPI documents as tools: what becomes of each operation, and what goes over the wire."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, ToolSettings, open_toolbox
from thoroughness import examples

if TYPE_CHECKING:
    from tests.tools.conftest import Serve

PETS = """
openapi: 3.0.3
info: {title: Pets, version: '1'}
servers:
  - url: http://{where}/v1/
    variables: {where: {default: pets.example.org}}
paths:
  /pets:
    get:
      operationId: listPets
      summary: Lists pets.
      description: "Sorted\u200b by age."
      parameters:
        - {name: kind, in: query, schema: {type: array, items: {type: string, enum: [no, 'on', dog]}}}
        - {name: 'page[size]', in: query, schema: {type: integer, minimum: 0, exclusiveMinimum: true}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
        - {name: theme, in: cookie, schema: {type: string}}
    post:
      operationId: addPet
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: '#/components/schemas/Pet'}}
  /pets/{pet-id}/{body}:
    parameters:
      - {name: pet-id, in: path, required: true, schema: {type: string}, description: Which one.}
      - {name: body, in: path, required: true, schema: {type: string}}
    patch:
      requestBody: {content: {application/merge-patch+json: {schema: {type: object}}}}
    delete:
      operationId: removePet
  /upload:
    put:
      operationId: upload
      requestBody: {required: true, content: {multipart/form-data: {schema: {type: object}}}}
  /session:
    get:
      operationId: session
      parameters: [{name: sid, in: cookie, required: true, schema: {type: string}}]
  /lost/{id}:
    get: {operationId: lost}
  /far:
    get:
      operationId: far
      parameters: [{name: a, in: query, schema: {$ref: 'https://example.org/a.json'}}]
components:
  schemas:
    Pet:
      type: object
      required: [name]
      properties:
        name: {type: string, example: Rex, nullable: true}
        example: {type: string}
        default: {$ref: '#/components/schemas/Day'}
        parent: {$ref: '#/components/schemas/Pet'}
    Day: {type: string, format: date, default: 2020-01-01}
"""


class Pets(BaseHTTPRequestHandler):
    asked: list[tuple[str, str, dict[str, str], bytes]]

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    do_GET = do_POST = do_PATCH = do_DELETE = _any

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def pets(serve: Serve) -> tuple[str, list[tuple[str, str, dict[str, str], bytes]]]:
    asked: list[tuple[str, str, dict[str, str], bytes]] = []
    server = serve(ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Pets,), {"asked": asked})))
    return f"http://127.0.0.1:{server.server_port}/v1", asked


def box(tmp_path: Path, text: str = PETS, told: list[str] | None = None, **options: Any) -> Toolbox:
    (tmp_path / "pets.yaml").write_text(text)
    declared = ToolEntry("openapi", "openapi", {"spec": "pets.yaml", **options}, "agent.yaml:5", tmp_path)
    return open_toolbox([declared], ToolSettings(notify=(told if told is not None else []).append))


def call(toolbox: Toolbox, name: str, /, **arguments: Any) -> ToolResult:
    return toolbox.call(ToolCall("1", name, arguments), Context())


def test_operations_become_tools_and_the_others_are_told_of(tmp_path: Path) -> None:
    told: list[str] = []
    specs = {spec.name: spec for spec in box(tmp_path, told=told).specs}
    assert list(specs) == ["listPets", "addPet", "patch_pets__pet-id___body_", "removePet"]
    assert specs["listPets"].description == "Lists pets.\nSorted by age."
    assert [specs[name].effects for name in ("listPets", "addPet", "removePet")] == ["read", "write", "write"]
    assert specs["listPets"].parameters == {
        "type": "object",
        "properties": {
            "kind": {"type": "array", "items": {"type": "string", "enum": ["no", "on", "dog"]}},
            "page_size_": {"type": "integer", "exclusiveMinimum": 0},
            "X-Trace": {"type": "string"},
        },
        "required": [],
        "additionalProperties": False,
    }
    assert specs["removePet"].parameters["properties"]["pet-id"]["description"] == "Which one."
    for name, why in (
        ("upload", "only JSON"),
        ("session", "cookie"),
        ("lost", "nothing declares"),
        ("far", "leads out"),
    ):
        assert any(f"'{name}' cannot be used" in line and why in line for line in told), told


def test_references_are_inlined_and_a_schema_within_itself_is_left_open(tmp_path: Path) -> None:
    spec = box(tmp_path, operations=["addPet"]).specs[0]
    properties = spec.parameters["properties"]["body"]["properties"]
    assert properties["name"] == {"type": ["string", "null"]}
    assert properties["example"] == {"type": "string"}
    assert properties["default"] == {"type": "string", "format": "date", "default": "2020-01-01"}
    assert properties["parent"] == {}


def test_requests_are_laid_out_as_the_document_says(tmp_path: Path, pets: Any) -> None:
    url, asked = pets
    toolbox = box(tmp_path, url=url, headers={"Authorization": "Bearer secret"})
    listed = call(toolbox, "listPets", **{"kind": ["dog", "no"], "page_size_": 5, "X-Trace": "t1"})
    assert listed.output == {"ok": True}
    assert asked[0][:2] == ("GET", "/v1/pets?kind=dog&kind=no&page%5Bsize%5D=5")
    assert asked[0][2]["X-Trace"] == "t1" and asked[0][2]["Authorization"] == "Bearer secret"
    call(toolbox, "listPets")
    assert asked[1][:2] == ("GET", "/v1/pets") and "X-Trace" not in asked[1][2]
    call(toolbox, "addPet", body={"name": "Rex", "example": "é"})
    assert json.loads(asked[2][3]) == {"name": "Rex", "example": "é"}
    call(toolbox, "patch_pets__pet-id___body_", **{"pet-id": "a/b", "body": "x", "body_": {"n": 1}})
    assert asked[3][1] == "/v1/pets/a%2Fb/x"
    assert asked[3][2]["Content-Type"] == "application/merge-patch+json" and asked[3][3] == b'{"n": 1}'
    call(toolbox, "removePet", **{"pet-id": "1", "body": "2"})
    assert asked[4][0] == "DELETE" and asked[4][3] == b""


def test_wrong_arguments_never_reach_the_wire(tmp_path: Path, pets: Any) -> None:
    url, asked = pets
    toolbox = box(tmp_path, url=url)
    for arguments in ({"body": {"example": "no name"}}, {}, {"body": "text"}):
        assert call(toolbox, "addPet", **arguments).failed
    assert asked == []


def test_a_name_groups_the_tools_and_the_file_may_choose_among_them(tmp_path: Path) -> None:
    toolbox = box(tmp_path, name="shop", operations=["removePet", "listPets"], effects="none")
    assert [(spec.name, spec.effects) for spec in toolbox.specs] == [
        ("shop__listPets", "none"),
        ("shop__removePet", "none"),
    ]


def test_json_and_3_1_documents_are_read_too(tmp_path: Path) -> None:
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"get": {"operationId": "x"}}},
    }
    assert [spec.name for spec in box(tmp_path, json.dumps(document)).specs] == ["x"]


JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([{}])


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from spots(each, (*path, key))


SOUND = yaml.load(PETS, yaml.BaseLoader)
SPOTS = [path for path in spots(SOUND) if path]


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SPOTS), JSON)
def test_whatever_stands_anywhere_in_a_document_it_gives_tools_or_a_usage_error(
    tmp_path: Path, spot: tuple[Any, ...], value: Any
) -> None:
    document = copy.deepcopy(SOUND)
    holder = document
    for key in spot[:-1]:
        holder = holder[key]
    holder[spot[-1]] = value
    try:
        specs = box(tmp_path, json.dumps(document)).specs
    except UsageError as error:
        assert "agent.yaml:5" in str(error)
    else:
        assert all(spec.name and spec.parameters["type"] == "object" for spec in specs)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("swagger: '2.0'", {}, "no `openapi: 3"),
        ("[1", {}, "not valid YAML"),
        ("{", {}, "cannot be used"),
        ("openapi: 3.0.0", {}, "names no server"),
        ("openapi: 3.0.0\nservers: [{url: /v1}]", {}, "give one with `url:`"),
        (PETS, {"operations": ["listPet"]}, "no operation 'listPet'; it has listPets"),
        (PETS, {"spec": "none.yaml"}, "No such file"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, text: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as error:
        box(tmp_path, text, **options)
    assert said in str(error.value) and "agent.yaml:5" in str(error.value)
