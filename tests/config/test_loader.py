"""Layers, the environment, the user's own file, and what becomes of it all."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from runner.config.agent import Agent, Permissions, UserConfig, Variable
from runner.config.loader import Overrides, check_agent, load_agent
from runner.config.template.render import render
from runner.config.user import load_user_config
from runner.core.errors import ConfigError
from runner.gateways import GatewayPreset

SMALL = "gateway: ollama\nmodel: m\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def complaints(text: str, environ: Mapping[str, str] | None = None, **more: object) -> list[str]:
    write("a.yaml", text)
    return [str(each) for each in check_agent("a.yaml", environ={} if environ is None else environ, **more).diagnostics]  # type: ignore[arg-type]


@pytest.mark.usefixtures("folder")
class TestLayers:
    def test_mappings_merge_and_the_rest_replaces(self):
        write(
            "base.yaml",
            SMALL + "options: {seed: 1, extra: {a: 1, b: 2}}\nfallback: [{gateway: local, model: x}]\nprompt: '? '\n",
        )
        write("a.yaml", "extends: base.yaml\noptions: {extra: {b: 3}}\nfallback: []\n")
        agent = load_agent("a.yaml")
        assert agent.options == {"seed": 1, "extra": {"a": 1, "b": 3}}
        assert (agent.model, agent.fallback, agent.prompt, agent.name) == ("m", (), "? ", "a")
        assert agent.files == (Path("a.yaml"), Path("base.yaml"))

    def test_a_problem_stands_in_the_file_that_it_comes_from(self):
        write("parts/first.yaml", "extends: second.yaml\nlimits: {rounds: 0}\n")
        write("parts/second.yaml", SMALL + "options: {\n  temprature: 1}\ngreeting: 5\n")
        assert complaints("extends: parts/first.yaml\ntools: [nope]\ngreeting: hello\n")[1:] == [
            "parts/first.yaml:2:18: error: limits.rounds: must be at least 1, not 0",
            "parts/second.yaml:4:3: error: options.temprature: unknown option (did you mean 'temperature'?)",
        ]

    def test_paths_begin_from_the_file_that_they_stand_in(self):
        write("parts/prompt.md", "From the part.")
        write("parts/first.yaml", SMALL + "system_prompt: {file: prompt.md}\ntools: [{python: './t.py:f'}]\n")
        write("parts/t.py", "def f(): ...")
        write("a.yaml", "extends: parts/first.yaml\n")
        agent = load_agent("a.yaml")
        assert agent.system_prompt.text == "From the part."
        assert agent.tools[0].folder == Path("parts")
        assert agent.tools[0].where == "parts/first.yaml:4"
        assert Path("parts/prompt.md") in agent.files

    def test_a_ring_of_files_is_found(self):
        write("b.yaml", "extends: c.yaml\n")
        write("c.yaml", "extends: ./a.yaml\n")
        assert complaints("extends: b.yaml\n") == ["c.yaml:1:10: error: extends: './a.yaml' extends this file in turn"]

    def test_a_ring_of_symlinks_is_a_file_that_cannot_be_read(self):
        Path("ring.yaml").symlink_to("ring.yaml")
        assert complaints("extends: ring.yaml\n") == ["a.yaml:1:10: error: extends: there is no file 'ring.yaml'"]
        with pytest.raises(ConfigError, match="symbolic links"):
            load_agent("ring.yaml")

    def test_a_base_outside_the_folder_is_refused(self, folder: Path):
        write("in/link.yaml", "")
        Path("in/link.yaml").unlink()
        write("base.yaml", SMALL)
        Path("in/link.yaml").symlink_to(folder / "base.yaml")
        for named, why in [
            ("../base.yaml", ".. leads out"),
            ("link.yaml", "a symlink leads out"),
            ("/base.yaml", "absolute"),
        ]:
            write("in/a.yaml", f"extends: {named}\n")
            with pytest.raises(ConfigError, match=why):
                load_agent("in/a.yaml")

    def test_settings_stand_above_the_file(self):
        write("a.yaml", SMALL + "options: {temperature: 1, seed: 5}\n")
        agent = load_agent(
            "a.yaml",
            overrides=["options.temperature=0.5", "limits={rounds: 3}", "prompt=no", "limits.rounds=4", "fallback=[]"],
            gateway="local",
            model="x",
        )
        assert agent.options == {"temperature": 0.5, "seed": 5}
        assert (agent.limits.rounds, agent.prompt, agent.gateway, agent.model) == (4, "no", "local", "x")

    @pytest.mark.parametrize(
        ("setting", "diagnostic"),
        [
            ("options.temprature=1", "--set options.temprature=1: error: options.temprature: unknown option"),
            ("limits.rounds=0", "--set limits.rounds=0: error: limits.rounds: must be at least 1, not 0"),
            ("tools=[nope]", "--set tools=[nope]: error: tools[0]: no tool is named 'nope'"),
            ("prompt", "--set prompt: error: not a setting (write --set KEY.PATH=VALUE)"),
            ("=1", "--set =1: error: not a setting"),
            ("a..b=1", "--set a..b=1: error: not a setting"),
            ("prompt=[1", "--set prompt=[1: error: the list opened at line 1 is not closed"),
            ("extends=x.yaml", "--set extends=x.yaml: error: extends: can only stand in a file"),
            ("system_prompt={{ x }}", "--set system_prompt={{ x }}: error: a mapping cannot be a key"),
            ("system_prompt='{{ x }}'", "--set system_prompt='{{ x }}': error: 'x' is not defined"),
        ],
    )
    def test_a_problem_of_a_setting_names_the_setting(self, setting: str, diagnostic: str):
        assert complaints(SMALL + "tools: [resolve_date]\n", overrides=Overrides([setting]))[0].startswith(diagnostic)

    def test_a_gateway_from_the_command_line_must_be_known(self):
        assert complaints(SMALL, overrides=Overrides(gateway="olama")) == [
            "--gateway olama: error: gateway: no gateway is named 'olama' (did you mean 'ollama'?)"
        ]


@pytest.mark.usefixtures("folder")
class TestEnvironment:
    GATEWAY = SMALL + "gateways:\n  own:\n    dialect: openai\n    url: https://${env:HOST:-h.example}/v1\n"

    def test_it_fills_the_fields_that_may_hold_it(self):
        write("a.yaml", self.GATEWAY + "    headers: {X-Token: 'Bearer ${env:TOKEN}'}\n")
        agent = load_agent("a.yaml", environ={"TOKEN": "t0ken-value", "HOST": ""})
        assert agent.gateways["own"] == GatewayPreset(
            "openai", "https://h.example/v1", headers={"X-Token": "Bearer t0ken-value"}
        )
        assert dict(agent.secrets) == {"env:TOKEN": "t0ken-value"}
        assert "t0ken-value" not in repr(agent.secrets)
        assert agent.secrets.redact("a t0ken-value b") == "a «env:TOKEN» b"

    def test_a_missing_variable_stops_a_run_and_warns_a_check(self):
        text = SMALL + "gateways: {own: {dialect: openai, url: 'https://${env:NOPE}/'}}\n"
        where = "a.yaml:3:49"
        assert complaints(text) == [f"{where}: error: gateways.own.url: the environment variable NOPE is not set"]
        write("a.yaml", text)
        examined = check_agent("a.yaml", environ={}, missing_variable="warning")
        assert examined.agent is not None
        assert [str(each) for each in examined.diagnostics] == [
            f"{where}: warning: gateways.own.url: the environment variable NOPE is not set"
        ]

    def test_nothing_more_is_said_of_what_could_not_be_filled(self):
        write("a.yaml", SMALL + "gateways: {own: {dialect: openai, url: '${env:NOPE}'}}\n"
              "tools:\n  - files: {root: '${env:NOPE}/notes'}\n  - openapi: {spec: '${env:NOPE}'}\n")  # fmt: skip
        examined = check_agent("a.yaml", environ={}, missing_variable="warning")
        assert [each.severity for each in examined.diagnostics] == ["warning"] * 3

    def test_keys_of_the_gateways_are_secrets(self):
        write("a.yaml", "gateway: openai\nmodel: m\nfallback: [{gateway: own, model: x}]\n"
              "gateways: {own: {dialect: openai, url: https://o.example, key_from: OWN}}\n")  # fmt: skip
        agent = load_agent("a.yaml", environ={"OPENAI_API_KEY": "k1", "OWN": "k2", "ANTHROPIC_API_KEY": "k3"})
        assert dict(agent.secrets) == {"env:OPENAI_API_KEY": "k1", "env:OWN": "k2"}

    def test_the_users_environment_may_lead_outside_but_a_default_may_not(self, folder: Path):
        text = SMALL + "tools: [{files: {root: '${env:NOTES:-/etc}/sub'}}]\n"
        assert complaints(text)[0].endswith("absolute paths are not allowed: name it from the agent's folder")
        outside = folder.parent / "notes"
        (outside / "sub").mkdir(parents=True)
        write("a.yaml", text)
        assert load_agent("a.yaml", environ={"NOTES": str(outside)}).tools[0].options["root"] == f"{outside}/sub"


@pytest.mark.usefixtures("folder")
class TestUsersOwnFile:
    def test_there_need_be_none(self):
        assert load_user_config()[0] == UserConfig()

    def test_it_stands_below_the_agent_file(self, config_home: Path):
        (config_home / "config.yaml").write_text(
            "gateways:\n  mine: {dialect: openai, url: https://mine.example, key_from: MINE}\n"
            "  both: {dialect: openai, url: https://user.example}\n"
            "permissions: {deny: ['command(rm *)']}\nhosts: [mine.example]\ndefault: {gateway: mine, model: big}\n"
        )
        write("a.yaml", "gateways: {both: {dialect: openai, url: https://file.example}}\n")
        agent = load_agent("a.yaml")
        assert (agent.gateway, agent.model) == ("mine", "big")
        assert agent.gateways["mine"].url == "https://mine.example"
        assert agent.gateways["both"].url == "https://file.example"
        assert agent.permissions == Permissions()
        assert agent.user.permissions == Permissions(deny=("command(rm *)",))
        assert agent.user.hosts == ("mine.example",)

    @pytest.mark.parametrize(
        ("file", "expected"),
        [
            ("", ("mine", "big")),
            ("gateway: mine\n", ("mine", "big")),
            ("model: big\n", ("mine", "big")),
            ("gateway: ollama\nmodel: x\n", ("ollama", "x")),
            ("gateway: ollama\n", None),
            ("model: small\n", None),
        ],
    )
    def test_its_defaults_are_taken_together(self, config_home: Path, file: str, expected: tuple[str, str] | None):
        (config_home / "config.yaml").write_text(
            "gateways: {mine: {dialect: openai, url: https://m.example}}\ndefault: {gateway: mine, model: big}\n"
        )
        write("a.yaml", "description: d\n" + file)
        if expected is None:
            with pytest.raises(ConfigError, match="required, and missing"):
                load_agent("a.yaml")
        else:
            agent = load_agent("a.yaml")
            assert (agent.gateway, agent.model) == expected

    def test_its_mistakes_are_located(self, config_home: Path):
        file = config_home / "config.yaml"
        file.write_text("gatways: {}\npermissions: {deny: ['a(']}\n")
        write("a.yaml", SMALL)
        with pytest.raises(ConfigError) as caught:
            load_agent("a.yaml")
        assert str(caught.value) == f"{file}:1:1: error: gatways: unknown key (did you mean 'gateways'?)"
        both = complaints("gateway: ollama\n", {"AGENT_RUN_CONFIG_HOME": str(config_home)})
        assert sorted(each.rpartition("/")[2] for each in both) == [
            "a.yaml:1:1: error: model: required, and missing",
            "config.yaml:1:1: error: gatways: unknown key (did you mean 'gateways'?)",
        ]
        file.write_text("permissions: {deny: ['a(']}\n")
        with pytest.raises(ConfigError) as caught:
            load_agent("a.yaml")
        assert str(caught.value).startswith(f"{file}:1:22: error: permissions.deny[0]: ")


@pytest.mark.usefixtures("folder")
class TestAgent:
    def test_defaults_are_those_of_the_dataclass(self):
        write("small.yaml", SMALL)
        agent = load_agent("small.yaml")
        plain = Agent("small", "ollama", "m", Path("small.yaml"))
        own = {"locations", "files", "system_prompt"}
        assert all(
            getattr(agent, each.name) == getattr(plain, each.name) for each in fields(Agent) if each.name not in own
        )
        assert agent.system_prompt.text == plain.system_prompt.text
        assert agent.location("model") == "small.yaml:2"
        assert agent.location("tools") == "small.yaml"

    def test_variables_have_types(self):
        write("a.yaml", SMALL + "system_prompt: '{{ a }}{{ b }}{{ c }}{{ d }}'\nvariables:\n"
              "  a: 1\n  b: {default: [x], description: d}\n  c: {type: number}\n  d: {required: false}\n")  # fmt: skip
        assert dict(load_agent("a.yaml").variables) == {
            "a": Variable("a", "integer", 1),
            "b": Variable("b", "list", ("x",), "d"),
            "c": Variable("c", "number", None, required=True),
            "d": Variable("d", "string", None),
        }

    def test_a_prompt_file_is_a_template_with_its_own_lines(self):
        write("p.md", "one\r\ntwo {{ nope }}\r\n")
        assert complaints(SMALL + "system_prompt: {file: p.md}\n") == [
            "p.md:2:8: error: 'nope' is not defined (declare it under variables:)"
        ]
        write("p.md", "one\r\ntwo {{ a }}\r\n")
        agent = load_agent(write("a.yaml", SMALL + "system_prompt: {file: p.md}\nvariables: {a: x}\n"))
        from runner.tools.context import system_clock

        assert render(agent.system_prompt, {"a": "x"}, now=system_clock) == "one\ntwo x\n"

    def test_tools_become_declarations(self):
        write("t.py", "from os.path import join as look\nclass C:\n  pass\nx = y = 1\n")
        write("other-agent.v2.yaml", SMALL)
        agent = load_agent(write("a.yaml", SMALL + "tools:\n  - current_datetime: {timezone: UTC}\n"
              "  - python: t.py:look\n  - python: {function: t.py:C, name: c}\n  - python: t.py:y\n"
              "  - python: json:dumps\n"
              "  - agent: other-agent.v2.yaml\n"))  # fmt: skip
        assert [(each.kind, each.name, dict(each.options)) for each in agent.tools] == [
            ("builtin", "current_datetime", {"timezone": "UTC"}),
            ("python", "look", {"function": "t.py:look"}),
            ("python", "c", {"function": "t.py:C", "name": "c"}),
            ("python", "y", {"function": "t.py:y"}),
            ("python", "dumps", {"function": "json:dumps"}),
            ("agent", "other-agent", {"file": "other-agent.v2.yaml"}),
        ]

    def test_python_files_are_read_not_run(self):
        write("t.py", "import sys\nsys.exit('ran')\ndef f(): ...\n")
        load_agent(write("a.yaml", SMALL + "tools: [{python: 't.py:f'}]\n"))
        write("t.py", "def f(:\n")
        assert complaints(SMALL + "tools: [{python: 't.py:f'}]\n")[0].startswith("t.py:1:7: error: not valid Python")
        write("t.py", "x = " + "-" * 100_000 + "1\n")
        assert len(complaints(SMALL + "tools: [{python: 't.py:f'}]\n")) == 1
        Path("t.py").write_bytes(b"caf\xe9 = 1\n")
        assert complaints(SMALL + "tools: [{python: 't.py:f'}]\n") == [
            "t.py:1:4: error: the byte 0xE9 is not UTF-8 text (save the file as UTF-8)"
        ]

    @pytest.mark.parametrize("key", ["$ref", "$schema"])
    def test_a_schema_that_leads_out_is_not_followed(self, key: str):
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            url = f"http://127.0.0.1:{server.getsockname()[1]}/s.json"
            found = complaints(SMALL + f"reply: {{schema: {{type: object, {key}: '{url}'}}}}\n")
            with pytest.raises(TimeoutError):
                server.accept()
        assert len(found) == 1
        assert found[0].startswith("a.yaml:3:17: error: reply.schema: not a valid JSON Schema: ")

    def test_problems_of_agents_that_are_tools_are_told_too(self):
        write("b.yaml", SMALL + "tools: [{agent: a.yaml}, {agent: c.yaml}]\n")
        write("c.yaml", SMALL + "optons: {}\n")
        assert complaints(SMALL + "tools: [{agent: b.yaml}]\n") == [
            "c.yaml:3:1: error: optons: unknown key (did you mean 'options'?)"
        ]

    def test_tools_that_a_symlink_leads_out_to_are_refused(self, folder: Path):
        outside = folder.parent / "outside.py"
        outside.write_text("def f(): ...")
        Path("in").mkdir()
        Path("in/t.py").symlink_to(outside)
        Path("in/notes").symlink_to(folder.parent)
        write("in/a.yaml", SMALL + "tools: [{python: 't.py:f'}, {files: {root: notes}}]\n")
        found = [each.message for each in check_agent("in/a.yaml").diagnostics]
        assert found == [
            "tools[0].python: a symlink leads out of the agent's folder",
            "tools[1].files.root: a symlink leads out of the agent's folder",
        ]
