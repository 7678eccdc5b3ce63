"""T2: no value of the environment, and no key, goes to another machine without TLS; harmless local use goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.config.agent import UserConfig
from runner.config.loader import check_agent, load_agent
from runner.config.user import load_user_config
from runner.core.cleartext import found_in_clear
from runner.core.errors import ConfigError

ENVIRON = {
    "KEY": "canary-4242-abcd",
    "CITY": "Berlin",
    "LAN": "nas.lan",
    "HERE": "127.0.0.1",
    "PORT": "8080",
    "SCHEME": "http",
    "LAN_URL": "http://nas.lan:8000/v1",
    "KEYCLOAK_URL": "http://kc.lan/auth",
    "URL_WITH_KEY": "http://nas.lan/v1?key=abc",
    "URL_WITH_PASSWORD": "http://u:p@nas.lan",
    "URL_WITH_TOKEN": "http://nas.lan/sk-abcdefghijklmnop1234/v1",
}
GATEWAY = 'gateway: g\nmodel: m\ngateways: {g: {dialect: openai, url: "URL" MORE}}\n'
TOOL = "gateway: scripted\nmodel: m\nscript: [x]\ntools: [{TOOL}]\n"
OPENAPI = 'openapi: 3.0.0\nservers: [{url: "URL"}]\npaths: {/x: {get: {operationId: x}}}\n'
HTTP = 'http: {name: a, description: d, url: "URL" MORE}'
MCP = 'mcp: {name: a, url: "URL" MORE}'
OVER_URL = 'openapi: {spec: o.yaml, url: "URL" MORE}'
SERVERS = {"gateway": GATEWAY, **{each[:5]: TOOL.replace("TOOL", each) for each in (HTTP, MCP, OVER_URL)}}

REFUSED = [
    ("http://a.test/${env:KEY}/v1", ""),
    ("HTTP://a.test/${env:KEY}/v1".lower(), ""),
    ("http://a.test/v1?key=${env:KEY}", ""),
    ("http://a.test/v1?city=${env:CITY}", ""),
    ("http://${env:KEY}@a.test/", ""),
    ("http://u:${env:KEY}@a.test/", ""),
    ("http://${env:KEY}.a.test/", ""),
    ("http://u:p@a.test/", ""),
    ("${env:URL_WITH_KEY}", ""),
    ("${env:URL_WITH_PASSWORD}", ""),
    ("${env:URL_WITH_TOKEN}", ""),
    ("${env:LAN_URL}/${env:KEY}", ""),
    ("http://${env:LAN}/${env:KEY}", ""),
    ("http://10.0.0.1/${env:KEY}", ""),
    ("http://127.0.0.1.a.test/${env:KEY}", ""),
    ("http://localhost.evil.test/${env:KEY}", ""),
    ("http://a.test@127.0.0.1@b.test/${env:KEY}", ""),
    ("http://a.test/", ', headers: {X-A: "${env:KEY}"}'),
    ("http://a.test/", ', headers: {X-A: "${env:CITY}"}'),
    ("http://a.test/", ', headers: {X-A: "${env:NOT_SET}"}'),
    ("http://a.test/", ', headers: {Authorization: "Basic YTpi"}'),
    ("http://${env:LAN}/", ', headers: {X-A: "${env:KEY}"}'),
    ("${env:SCHEME}://a.test/", ', headers: {X-A: "${env:KEY}"}'),
]
ALLOWED = [
    ("https://a.test/${env:KEY}/v1", ""),
    ("https://u:${env:KEY}@a.test/v1", ""),
    ("http://127.0.0.1:1/${env:KEY}/v1", ', headers: {X-A: "${env:KEY}"}'),
    ("http://localhost/${env:KEY}", ""),
    ("http://[::1]:8/${env:KEY}", ""),
    ("http://[::ffff:127.0.0.1]/${env:KEY}", ""),
    ("http://${env:HERE}:8/${env:KEY}", ""),
    ("http://${env:LAN}:${env:PORT}/v1", ""),
    ("${env:SCHEME}://${env:LAN}/v1", ""),
    ("${env:LAN_URL}", ""),
    ("${env:LAN_URL}/chat", ""),
    ("${env:KEYCLOAK_URL}", ""),
    ("http://a.test/", ', headers: {X-A: "${env:NOT_SET:-plain}", Idempotency-Key: one, Accept: text/plain}'),
    ("http://${env:NOT_SET:-nas.lan}/v1", ""),
]


def problems(folder: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    (folder / "a.yaml").write_text(text)
    checked = check_agent(folder / "a.yaml", environ=environ, user=UserConfig(), missing_variable="warning")
    return [str(each) for each in checked.diagnostics if "clear text" in each.message]


def filled(server: str, url: str, more: str) -> str:
    return SERVERS[server].replace("URL", url).replace("MORE", more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "o.yaml").write_text(OPENAPI.replace("URL", "https://a.test"))
    return tmp_path


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("url", "more"), REFUSED)
def test_t2_nothing_of_the_environment_goes_out_in_clear(server: str, url: str, more: str, folder: Path) -> None:
    (problem, *_) = problems(folder, filled(server, url, more))
    assert problem.startswith(f"{folder / 'a.yaml'}:{4 if server != 'gateway' else 3}:")
    assert "canary" not in problem


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("url", "more"), ALLOWED)
def test_t2_what_is_harmless_goes_on(server: str, url: str, more: str, folder: Path) -> None:
    assert problems(folder, filled(server, url, more)) == []


def test_t2_a_query_and_the_server_of_a_document_count(folder: Path) -> None:
    query = TOOL.replace("TOOL", HTTP.replace("URL", "http://a.test").replace("MORE", ', query: {q: "${env:CITY}"}'))
    assert problems(folder, query)
    document = TOOL.replace("TOOL", 'openapi: {spec: o.yaml, headers: {X-A: "${env:KEY}"}}')
    assert problems(folder, document) == []
    (folder / "o.yaml").write_text(OPENAPI.replace("URL", "http://a.test"))
    assert problems(folder, document)


def test_t2_a_server_that_is_a_program_gets_its_environment(folder: Path) -> None:
    assert problems(folder, TOOL.replace("TOOL", 'mcp: {name: a, command: [x], env: {X: "${env:KEY}"}}')) == []


def test_t2_an_address_out_of_the_environment_counts_as_the_file_has_it(folder: Path) -> None:
    text = filled("gateway", "https://a.test/v1", ', url_from: OTHER, headers: {X-A: "${env:KEY}"}')
    assert problems(folder, text) == []
    assert problems(folder, text, {**ENVIRON, "OTHER": "http://nas.lan"})
    assert problems(folder, text, {**ENVIRON, "OTHER": "http://localhost:1"}) == []


def test_t2_the_users_own_file_is_held_to_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text('gateways: {g: {dialect: openai, url: "http://a.test/${env:KEY}"}}\n')
    with pytest.raises(ConfigError, match="clear text"):
        load_user_config({**ENVIRON, "AGENT_RUN_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize("option", ["url", "headers"])
def test_a_key_as_a_default_is_a_key_in_the_file(option: str, folder: Path) -> None:
    key = "${env:NOT_SET:-sk-abcdefghijklmnop1234}"
    values = {"url": f"https://a.test/{key}", "headers": "https://a.test"}
    text = filled("gateway", values[option], f', headers: {{X: "{key}"}}' if option == "headers" else "")
    (folder / "a.yaml").write_text(text)
    checked = check_agent(folder / "a.yaml", environ={}, user=UserConfig())
    assert any("a secret does not belong in the file" in each.message for each in checked.diagnostics)


SECRET = {"OPENAI_API_KEY": "short-but-1-key", "AUTH_HOST": "ollama.corp.test"}
IN_CLEAR = [
    ("http://a.test/v1?x=short-but-1-key", {}, "url"),
    ("http://a.test/v1?x=short%2Dbut%2D1%2Dkey", {}, "url"),
    ("http://a.test/short-but-1-key/v1", {}, "url"),
    ("http://a.test/0123456789abcdef0123456789abcdef/v1", {}, "url"),
    ("http://u@a.test/", {}, "url"),
    ("ws://a.test/", {"Cookie": "a"}, "Cookie"),
    ("http://a.test/", {"X-A": "Token short-but-1-key"}, "X-A"),
    ("http://a.test/", {"X-A": "sk-abcdefghijklmnop1234"}, "X-A"),
    ("http://ollama.corp.test/v1", {"X-A": "b"}, ""),
    ("http://a.test/v1?page=2", {"Accept": "c"}, ""),
    ("https://a.test/short-but-1-key", {"Cookie": "d"}, ""),
    ("http://localhost./short-but-1-key", {"Cookie": "e"}, ""),
]


@pytest.mark.parametrize(("url", "headers", "part"), IN_CLEAR)
def test_t2_the_same_rule_holds_when_it_is_sent(url: str, headers: Mapping[str, str], part: str) -> None:
    found, what = found_in_clear(url, headers, SECRET)
    assert found == part
    assert bool(what) is bool(part) and "short" not in what


@pytest.mark.parametrize("value", ["canary-4242-abcd", "ftp://canary-4242-abcd", "https://u:canary-4242-abcd@a.test"])
def test_t10_what_url_from_names_is_masked_where_it_is_no_plain_address(value: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("gateway: g\nmodel: m\ngateways: {g: {dialect: openai, url_from: ANYTHING}}\n")
    agent = load_agent(file, environ={"ANYTHING": value})
    assert dict(agent.secrets) == {"env:ANYTHING": value}
    assert not dict(load_agent(file, environ={"ANYTHING": "https://a.test/v1/"}).secrets)
