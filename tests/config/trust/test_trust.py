"""What a file can do, what consent is given to, and when it is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.agent import Agent
from runner.config.loader import load_agent
from runner.config.trust.capabilities import capabilities_of
from runner.config.trust.manifest import build_manifest
from runner.config.trust.store import Consent, TrustStore
from runner.config.trust.trust import consented_hosts, ensure_trusted, trust_status
from runner.core.capability import Capability
from runner.core.errors import NeedsTrust, UsageError
from runner.core.sanitize import escape_line
from runner.tools import KINDS
from runner.tools.entry import ToolEntry
from thoroughness import examples
from tool_entries import ENTRIES

Write = Callable[..., Agent]
HEAD = "gateway: scripted\nmodel: m\nscript: [{text: hi}]\n"
RUNS = "tools: [{command: {name: go, description: d, run: [git, log]}}]\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an agent file, and others beside it, and loads it."""
    folder = tmp_path / "agent"
    folder.mkdir()

    def make(text: str, name: str = "a.yaml", **others: str) -> Agent:
        for other, content in others.items():
            (folder / other.replace("__", ".")).write_text(content)
        (folder / name).write_text(text)
        return load_agent(folder / name)

    return make


def capabilities(agent: Agent) -> list[str]:
    return [" ".join(str(capability).split()) for capability in capabilities_of(agent)]


HARMLESS = [
    "",
    "tools: [resolve_date, current_datetime, tasks, ask_user, tell_user]\n",
    "tools: [{files: {root: .}}]\n",
    "permissions: {allow: [resolve_date]}\ntools: [resolve_date]\n",
    "gateways: {mine: {dialect: openai, url: 'https://api.openai.com/v1', key_from: OPENAI_API_KEY}}\n"
    "fallback: [{gateway: mine, model: m}]\n",
    "fallback: [{gateway: local, model: smollm2-135m}, {gateway: ollama, model: m}, {gateway: openai, model: m}]\n",
    "gateways: {unused: {dialect: openai, url: 'https://evil.example/v1'}}\n",
    "tools: [{agent: {file: ./a.yaml, name: again, description: d}}]\n",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_talks_needs_no_trust(write: Write, text: str):
    agent = write(HEAD + text)
    assert not capabilities_of(agent)
    assert trust_status(agent) is None
    ensure_trusted(agent)


DOES = [
    ("{command: {name: go, description: d, run: [git, log, 'a b']}}", ["run git log 'a b'"]),
    (
        "{command: {name: go, description: d, run: [make], env: {LD_PRELOAD: ./x.so, T: '${env:TOKEN}'}, cwd: .}}",
        ["run LD_PRELOAD=./x.so 'T=${env:TOKEN}' make in .", "send TOKEN to make"],
    ),
    (
        "{command: {name: go, description: d, run: [rm], effects: none}}",
        ["run rm (declared as none: not asked about each time)"],
    ),
    (
        '{command: {name: go, description: d, run: [sh], stdin: "rm -rf x\\n"}}',
        [r"run sh fed with 'rm -rf x\n'"],
    ),
    (
        "{http: {name: w, description: d, method: POST, url: 'https://a.example/x', effects: read}}",
        ["connect https://a.example (POST) (declared as read: not asked about each time)"],
    ),
    ("{python: './t.py:look'}", ["import ./t.py:look"]),
    ("{python: 'os:system'}", ["import os:system"]),
    ("{mcp: {name: time, command: [mcp-server-time]}}", ["start mcp-server-time (the MCP server time)"]),
    (
        "{mcp: {name: far, url: 'https://u:p@far.example/mcp', headers: {A: '${env:TOKEN}'}}}",
        ["connect https://far.example (the MCP server far)", "send TOKEN to https://far.example"],
    ),
    (
        "{http: {name: w, description: d, method: POST, url: 'https://a.example:81/x', hosts: [10.0.0.0/8]}}",
        ["connect https://a.example:81 (POST)", "connect 10.0.0.0/8"],
    ),
    (
        "{http: {name: w, description: d, url: '${env:SERVICE}/x'}}",
        ["connect https://service.example (GET)", "send SERVICE to https://service.example"],
    ),
    (
        "{http: {name: w, description: d, url: 'https://${env:TOKEN}.a.example/x'}}",
        ["connect https://${env:TOKEN}.a.example/x (GET)", "send TOKEN to https://${env:TOKEN}.a.example/x"],
    ),
    ("{openapi: {spec: o.json}}", ["connect https://o.example"]),
    ("{openapi: {spec: o.json, url: 'https://other.example/v1'}}", ["connect https://other.example"]),
    ("{files: {root: ., write: true}}", ["write files under ."]),
    ("{files: {root: '${env:FAR}'}}", ["read files under /"]),
]


@pytest.mark.parametrize(("tool", "expected"), DOES, ids=[expected[0] for _, expected in DOES])
def test_what_a_tool_does_is_told(write: Write, monkeypatch: pytest.MonkeyPatch, tool: str, expected: list[str]):
    monkeypatch.setenv("TOKEN", "s3cretvalue")
    monkeypatch.setenv("SERVICE", "https://service.example")
    monkeypatch.setenv("FAR", "/")
    spec = json.dumps({"openapi": "3.1.0", "servers": [{"url": "https://o.example/v1"}], "paths": {}})
    agent = write(f"{HEAD}tools: [{tool}]\n", t__py="def look(): ...\n", o__json=spec)
    assert sorted(capabilities(agent)) == sorted(expected)
    assert "s3cretvalue" not in str(capabilities_of(agent))


GATEWAYS = [
    ("{dialect: openai, url: 'https://x.example/v1'}", ["connect https://x.example"], ()),
    (
        "{dialect: openai, url: 'https://x.example/v1', key_from: OPENAI_API_KEY}",
        ["connect https://x.example", "send OPENAI_API_KEY to https://x.example"],
        ("x.example",),
    ),
    (
        "{dialect: openai, url: 'https://api.openai.com/v1', key_from: OPENAI_API_KEY, quirks: {ca_bundle: ca.pem}}",
        ["connect https://api.openai.com", "send OPENAI_API_KEY to https://api.openai.com"],
        ("api.openai.com",),
    ),
    (
        "{dialect: anthropic, url: 'https://api.openai.com/v1', key_from: ANTHROPIC_API_KEY}",
        ["connect https://api.openai.com", "send ANTHROPIC_API_KEY to https://api.openai.com"],
        ("api.openai.com",),
    ),
    (
        "{dialect: openai, url: 'https://api.openai.com@x.example/v1', headers: {A: '${env:TOKEN}'}}",
        ["connect https://x.example", "send TOKEN to https://x.example"],
        ("x.example",),
    ),
]


@pytest.mark.parametrize(("row", "expected", "hosts"), GATEWAYS)
@pytest.mark.parametrize("name", ["mine", "openai"])
def test_where_a_gateway_of_the_file_leads_is_told(
    write: Write, monkeypatch: pytest.MonkeyPatch, row: str, name: str, expected: list[str], hosts: tuple[str, ...]
):
    monkeypatch.setenv("TOKEN", "s3cretvalue")
    agent = write(f"gateway: {name}\nmodel: m\ngateways: {{{name}: {row}}}\n")
    assert sorted(line.partition(" (")[0] for line in capabilities(agent)) == sorted(expected)
    assert consented_hosts(agent) == hosts


def test_a_gateway_of_the_users_own_is_not_asked_about(write: Write, homes: Path):
    (homes / "CONFIG").mkdir(parents=True)
    row = "{dialect: openai, url: 'https://x.example/v1', key_from: X_KEY}"
    (homes / "CONFIG" / "config.yaml").write_text(f"gateways: {{mine: {row}}}\n")
    assert not capabilities_of(write("gateway: mine\nmodel: m\n"))
    assert capabilities_of(write(f"gateway: mine\nmodel: m\ngateways: {{mine: {row}}}\n"))


def test_a_model_file_is_told_unless_it_was_typed(write: Write):
    agent = write("gateway: local\nmodel: ./x.gguf\n", x__gguf="GGUF")
    assert capabilities(agent) == ["load the model file ./x.gguf"]
    assert not capabilities_of(load_agent(write("gateway: local\nmodel: smollm2-135m\n").path, model="./x.gguf"))


def test_what_a_file_allows_itself_is_told_beside_what_it_does(write: Write):
    assert capabilities(write(HEAD + RUNS + "permissions: {allow: [go]}\n")) == [
        "run git log",
        "allow go without asking each time",
    ]


def test_agents_that_are_tools_bring_their_capabilities(write: Write):
    inner = HEAD + RUNS.replace("git, log", "make") + "description: inner\n"
    agent = write(HEAD + "tools: [{agent: ./b.yaml}]\n", b__yaml=inner)
    assert capabilities(agent) == ["run make"]
    assert [each.path.name for each in capabilities_of(agent).agents] == ["a.yaml", "b.yaml"]


def test_every_kind_of_tool_is_judged(write: Write):
    harmless = {"agent", "files"}
    agent = write(HEAD)
    for kind in KINDS.keys() - harmless:
        judged = replace(agent, tools=(ToolEntry(kind, "x", ENTRIES[kind]),))
        assert capabilities_of(judged)
    with pytest.raises(UsageError, match="no kind of tool 'new'"):
        capabilities_of(replace(agent, tools=(ToolEntry("new", "x"),)))


@settings(max_examples=examples(60), deadline=None)
@given(st.text())
def test_a_capability_is_one_line_without_anything_active(text: str):
    shown = str(Capability("run", text))
    assert shown.isprintable()
    assert escape_line(shown) == shown


CHANGES = [
    ("a.yaml", RUNS.replace("log", "push"), "+ run      git push"),
    ("tools.py", "def look(): return 1\n", "~ the file tools.py has changed"),
    ("run.sh", "echo other", "~ the file run.sh has changed"),
    ("new.so", "", "+ the file new.so is new"),
    ("b.yaml", HEAD + RUNS, "+ run      git log"),
]
WORDS = [
    ("base.yaml", "options: {temperature: 1}\ndescription: d\ngreeting: hello\nlimits: {rounds: 3}\n"),
    ("prompt.md", "other"),
    ("part.md", "other"),
    ("b.yaml", "description: other\nsystem_prompt: other\n"),
]
WHOLE = """extends: base.yaml
system_prompt: {file: prompt.md}
tools:
  - python: ./tools.py:look
  - command: {name: sh, description: d, run: [./run.sh, --data, new.so]}
  - command: {name: c, description: d, run: [python3, -c, "%s"]}
  - agent: ./b.yaml
"""


def whole(write: Write) -> Agent:
    return write(
        WHOLE % ("import time; " * 60),
        base__yaml=HEAD,
        prompt__md="{% include 'part.md' %}",
        part__md="x",
        tools__py="def look(): ...\n",
        run__sh="echo",
        b__yaml=HEAD + "description: d\n",
    )


@pytest.mark.parametrize(("name", "text", "told"), CHANGES, ids=[name for name, *_ in CHANGES])
def test_consent_ends_with_any_change_and_says_which(write: Write, name: str, text: str, told: str):
    agent = whole(write)
    ensure_trusted(agent, ask=lambda shown: True)
    ensure_trusted(agent)
    file = agent.path.parent / name
    content = file.read_text() if name == "a.yaml" else ""
    file.write_text(content.replace("[./run.sh", "[git, push, ./run.sh") if name == "a.yaml" else content + text)
    with pytest.raises(NeedsTrust, match="has changed") as refusal:
        ensure_trusted(load_agent(agent.path))
    assert told in refusal.value.why


@pytest.mark.parametrize(("name", "text"), WORDS, ids=[name for name, _ in WORDS])
def test_other_words_for_the_model_ask_nobody(write: Write, name: str, text: str):
    agent = whole(write)
    ensure_trusted(agent, ask=lambda shown: True)
    file = agent.path.parent / name
    file.write_text((HEAD if name.endswith(".yaml") else "") + text)
    ensure_trusted(load_agent(agent.path))


def test_what_changed_in_a_file_is_shown_line_by_line(write: Write):
    agent = whole(write)
    ensure_trusted(agent, ask=lambda shown: True)
    code = agent.path.parent / "tools.py"
    code.write_text("++ 1  # not the head of a diff\n# \x1b[2J\n" + code.read_text())
    with pytest.raises(NeedsTrust) as refusal:
        ensure_trusted(load_agent(agent.path))
    assert "+++ 1  # not the head of a diff\n" in refusal.value.why
    assert "+# \\x1b[2J" in refusal.value.why
    code.write_text("x = 1\n" * 1000 + "def look(): return 1\n")
    with pytest.raises(NeedsTrust, match="lines more"):
        ensure_trusted(load_agent(agent.path))


def test_the_hash_tells_nothing_of_where_the_file_lies(write: Write, tmp_path: Path):
    agent = whole(write)
    here = build_manifest(capabilities_of(agent)).hash
    elsewhere = tmp_path / "elsewhere"
    agent.path.parent.rename(elsewhere)
    assert build_manifest(capabilities_of(load_agent(elsewhere / "a.yaml"))).hash == here


def test_another_address_out_of_the_environment_asks_again(write: Write, monkeypatch: pytest.MonkeyPatch):
    text = HEAD + "tools: [{http: {name: w, description: d, url: '${env:SERVICE}/x'}}]\n"
    monkeypatch.setenv("SERVICE", "https://one.example")
    ensure_trusted(write(text), ask=lambda shown: True)
    monkeypatch.setenv("SERVICE", "https://two.example")
    with pytest.raises(NeedsTrust, match=r"two\.example"):
        ensure_trusted(write(text))


def test_untrusted_is_refused_with_a_way_out(write: Write):
    agent = write(HEAD + RUNS, name="my agent.yaml")
    with pytest.raises(NeedsTrust) as refusal:
        ensure_trusted(agent)
    assert refusal.value.exit_code == 6
    assert "git log" in refusal.value.why
    assert f"agent-run trust '{agent.path}'" in refusal.value.fix


def test_a_no_is_not_kept_and_a_yes_is(write: Write):
    agent = write(HEAD + RUNS)
    shown: list[str] = []
    with pytest.raises(NeedsTrust):
        ensure_trusted(agent, ask=lambda text: bool(shown.append(text)))
    with pytest.raises(NeedsTrust):
        ensure_trusted(agent)
    ensure_trusted(agent, ask=lambda text: True)
    ensure_trusted(agent, ask=lambda text: pytest.fail("asked again"))
    assert "git log" in shown[0]


def test_trust_for_once_is_not_kept(write: Write):
    agent = write(HEAD + RUNS)
    ensure_trusted(agent, trust=True)
    with pytest.raises(NeedsTrust):
        ensure_trusted(agent)


def test_records_are_private_and_not_beside_the_agent(write: Write, homes: Path):
    agent = write(HEAD + RUNS)
    ensure_trusted(agent, ask=lambda text: True)
    (record,) = (homes / "STATE" / "trust").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in agent.path.parent.iterdir()] == ["a.yaml"]


def test_the_same_file_by_another_name_is_the_same(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    agent = write(HEAD + RUNS.replace("]\n", ", {files: {root: ., write: true}}]\n"))
    ensure_trusted(agent, ask=lambda text: True)
    monkeypatch.chdir(agent.path.parent)
    ensure_trusted(load_agent("a.yaml"))
    (tmp_path / "other").symlink_to(agent.path.parent)
    ensure_trusted(load_agent(tmp_path / "other" / "a.yaml"))


DAMAGE = ["", "{", "[]", "null", '{"path": 1}', "[" * 100_000, '{"path": "/x", "hash": "h", "files": {}, "deeds": []}']


@pytest.mark.parametrize("content", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_record_counts_for_nothing_and_is_told(write: Write, homes: Path, content: str):
    agent = write(HEAD + RUNS)
    ensure_trusted(agent, ask=lambda text: True)
    (record,) = (homes / "STATE" / "trust").iterdir()
    record.write_text(content)
    told: list[str] = []
    with pytest.raises(NeedsTrust, match="have not trusted"):
        ensure_trusted(agent, notify=told.append)
    assert "counts for nothing" in told[0]
    ensure_trusted(agent, ask=lambda text: True)
    ensure_trusted(agent)


def test_a_record_of_another_file_counts_for_nothing(write: Write, homes: Path):
    ensure_trusted(write(HEAD + RUNS), ask=lambda text: True)
    (first,) = (homes / "STATE" / "trust").iterdir()
    other = write(HEAD + RUNS, name="b.yaml")
    ensure_trusted(other, ask=lambda text: True)
    (second,) = set(first.parent.iterdir()) - {first}
    second.write_bytes(first.read_bytes())
    with pytest.raises(NeedsTrust):
        ensure_trusted(other)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_record_that_others_can_write_counts_for_nothing(write: Write, homes: Path):
    agent = write(HEAD + RUNS)
    ensure_trusted(agent, ask=lambda text: True)
    (record,) = (homes / "STATE" / "trust").iterdir()
    record.chmod(0o666)
    told: list[str] = []
    with pytest.raises(NeedsTrust):
        ensure_trusted(agent, notify=told.append)
    assert "written by others" in told[0]


def test_consent_that_cannot_be_kept_holds_for_the_run(write: Write, homes: Path):
    agent = write(HEAD + RUNS)
    homes.mkdir()
    (homes / "STATE").write_text("a file where the folder should be")
    told: list[str] = []
    ensure_trusted(agent, ask=lambda text: True, notify=told.append)
    assert "for this run alone" in told[-1]
    with pytest.raises(UsageError, match="cannot be changed"):
        TrustStore().save(Consent.now(agent.path, build_manifest(capabilities_of(agent))))


def test_consent_can_be_taken_back(write: Write):
    agent = write(HEAD + RUNS)
    ensure_trusted(agent, ask=lambda text: True)
    assert [each.path for each in TrustStore(pytest.fail).load_all()] == [os.path.realpath(agent.path)]
    assert TrustStore().remove(agent.path)
    assert not TrustStore().remove(agent.path)
    with pytest.raises(NeedsTrust):
        ensure_trusted(agent)


def test_t11_nothing_of_a_capability_is_pushed_out_of_sight():
    shown = str(Capability("run", f"true{' ' * 5000}\u3164\u2800; rm -rf x"))
    assert shown == r"run      true ␣×5000 \u3164\u2800; rm -rf x"


def test_what_is_most_dangerous_is_told_first(write: Write):
    many = ", ".join(f"{{http: {{name: h{n}, description: d, url: 'https://h{n}.example/'}}}}" for n in range(30))
    agent = write(f"{HEAD}tools: [{many}, {{command: {{name: go, description: d, run: [rm]}}}}]\n")
    assert capabilities(agent)[0] == "run rm"


def test_the_first_line_counts_what_follows(write: Write):
    agent = write(HEAD + RUNS)
    status = trust_status(agent)
    assert status is not None
    assert "(one thing):\n" in status.description
    agent = write(
        HEAD
        + "tools:\n"
        + "- command: {name: a, description: d, run: [git]}\n- http: {name: h, description: d, url: 'https://h.example/'}\n"
    )
    status = trust_status(agent)
    assert status is not None
    first, run, connect = status.description.split("\n")
    assert first.endswith("(2 things, what can do most harm first):")
    assert run.split()[0] == "run" and connect.split()[0] == "connect"


@pytest.mark.parametrize("hidden", ["\ufe0f", "\U000e0101", "\u2800", "a" + "\u0301" * 40])
def test_t11_what_is_not_to_be_seen_is_shown_as_an_escape(hidden: str):
    shown = str(Capability("run", f"rm{hidden}x"))
    assert "\\u" in shown.lower() and shown.count("\u0301") <= 3
