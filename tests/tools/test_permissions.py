"""Which rule decides, and that nothing is loosened by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.loader import load_agent
from runner.config.validation.rule_names import misspelt_everywhere, rule_problem
from runner.core.errors import UsageError
from runner.core.messages import Effects, ToolCall, ToolSpec
from runner.engine.session import ChatSession
from runner.tools import Toolbox, ToolEntry, open_toolbox
from runner.tools.permission_rules import AGENT_FILE, COMMAND_LINE, USER_FILE, RuleLayer, parse_rule
from runner.tools.permissions import PermissionPolicy, parse_call
from thoroughness import examples


def layer(source: str, **rules: list[str]) -> RuleLayer:
    return RuleLayer.of(source, **rules)


def decided(*layers: RuleLayer, name: str = "save", effects: Effects = "write", **arguments: Any) -> str:
    spec = ToolSpec(name, "", {"type": "object"}, effects)
    return PermissionPolicy(layers).decide(ToolCall("1", name, arguments), spec).decision


@pytest.mark.parametrize(
    ("effects", "decision"), [("none", "allow"), ("read", "allow"), ("write", "ask"), ("exec", "ask")]
)
def test_without_rules_the_effects_decide(effects: Effects, decision: str) -> None:
    assert decided(effects=effects) == decision


@pytest.mark.parametrize(
    ("layers", "decision"),
    [
        ([layer(AGENT_FILE, allow=["save"])], "allow"),
        ([layer(AGENT_FILE, allow=["save(*)"])], "allow"),
        ([layer(AGENT_FILE, allow=["*"])], "ask"),
        ([layer(AGENT_FILE, allow=["sav?"])], "ask"),
        ([layer(AGENT_FILE, allow=["*(*)"])], "ask"),
        ([layer(USER_FILE, allow=["*"])], "allow"),
        ([layer(COMMAND_LINE, allow=["*"])], "allow"),
        ([layer(AGENT_FILE, allow=["save"]), layer(USER_FILE, ask=["save"])], "ask"),
        ([layer(AGENT_FILE, allow=["save"]), layer(USER_FILE, deny=["*"])], "deny"),
        ([layer(AGENT_FILE, deny=["save"]), layer(USER_FILE, allow=["save"])], "deny"),
        ([layer(AGENT_FILE, ask=["save"]), layer(USER_FILE, allow=["save"])], "ask"),
        ([layer(AGENT_FILE, ask=["save"]), layer(COMMAND_LINE, allow=["save"])], "allow"),
        ([layer(USER_FILE, ask=["save"]), layer(COMMAND_LINE, allow=["save"])], "allow"),
        ([layer(USER_FILE, deny=["save"]), layer(COMMAND_LINE, allow=["save"])], "deny"),
        ([layer(COMMAND_LINE, allow=["save"], deny=["save"])], "deny"),
        ([layer(USER_FILE, allow=["save"], ask=["save"])], "ask"),
        ([layer(USER_FILE, allow=["other"])], "ask"),
    ],
)
def test_layers(layers: list[RuleLayer], decision: str) -> None:
    assert decided(*layers) == decision
    assert decided(*reversed(layers)) == decision


@pytest.mark.parametrize("rule", ["*", "look", "look(*)"])
def test_a_file_may_tighten_by_glob_and_allow_what_is_allowed(rule: str) -> None:
    assert decided(layer(AGENT_FILE, deny=[rule]), name="look", effects="none") == "deny"
    assert decided(layer(AGENT_FILE, ask=[rule]), name="look", effects="none") == "ask"
    assert decided(layer(AGENT_FILE, allow=[rule]), name="look", effects="none") == "allow"


@pytest.mark.parametrize(
    ("rule", "name", "arguments", "matches"),
    [
        ("files.write", "files_write", {}, True),
        ("server.tool", "server__tool", {}, True),
        ("server.*", "server__tool", {}, True),
        ("files.write", "files_write_all", {}, False),
        ("save", "Save", {}, False),
        ("sa.e", "save", {}, False),
        ("save(*secret*)", "save", {"text": "my secret"}, True),
        ('save({"a": 1, "b": "x*"})', "save", {"b": "xyz", "a": 1}, True),
        ('save({"a": 1})', "save", {"a": "1"}, False),
        ("save(to=home/*)", "save", {"to": "home/x"}, True),
        ("save(to=home/*)", "save", {"to": "away/x"}, False),
        ("save(to=home/*)", "save", {}, False),
        ("save(to=*, mode=w)", "save", {"to": "x", "mode": "w"}, True),
        ("save(to=*, mode=w)", "save", {"to": "x", "mode": "r"}, False),
        ("save(n=3)", "save", {"n": 3}, True),
        ("save(flag=true)", "save", {"flag": True}, True),
        ("save(text=a, b)", "save", {"text": "a, b"}, True),
        ("save(text=[x]*)", "save", {"text": "[x] done"}, True),
        ("save(text=*)", "save", {"text": "two\nlines"}, True),
    ],
)
def test_what_a_rule_matches(rule: str, name: str, arguments: dict[str, Any], matches: bool) -> None:
    spec = ToolSpec(name, "", {"type": "object"}, "none")
    verdict = PermissionPolicy([layer(USER_FILE, deny=[rule])]).decide(ToolCall("1", name, arguments), spec)
    assert (verdict.decision == "deny") is matches


@pytest.mark.parametrize("rule", ["", "save(", "save()", "save(x", "(x)", "save x", "save)(", "sa ve(x)", "rm -rf"])
def test_a_malformed_rule_is_refused(rule: str) -> None:
    with pytest.raises(UsageError, match="is no permission rule"):
        parse_rule(rule)
    with pytest.raises(UsageError):
        RuleLayer.of(USER_FILE, deny=[rule])


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    text, count = {"type": "string"}, {"type": "integer", "default": 3}
    (tmp_path / "tools.py").write_text("def lookup(word: str) -> str: ...\n")
    declared = [
        ToolEntry(
            "command",
            "git",
            {"run": ["git", "log", "-n", "{n}", "--", "{path}"], "parameters": {"path": text, "n": count}},
        ),
        ToolEntry("command", "wipe", {"run": ["/bin/rm", "-rf", "--", "{path}"], "parameters": {"path": text}}),
        ToolEntry("files", "files", {"root": ".", "write": True}, folder=tmp_path),
        ToolEntry("command", "git_evil", {"run": ["git"]}),
        ToolEntry("command", "files__evil", {"run": ["git"]}),
        ToolEntry("python", "lookup", {"function": "tools.py:lookup"}, folder=tmp_path),
    ]
    return open_toolbox(declared)


@pytest.mark.parametrize(
    ("rule", "call", "matches"),
    [
        ("command", 'git({"path": "a"})', True),
        ("command(git log *)", 'git({"path": "a"})', True),
        ("command(git log -n 3 -- a)", 'git({"path": "a"})', True),
        ("git(n=3)", 'git({"path": "a"})', True),
        ("command(git push*)", 'git({"path": "git push"})', False),
        ("command(git log -n 3 -- 'a b')", 'git({"path": "a b"})', True),
        ("command(rm *)", 'wipe({"path": "a"})', True),
        ("command(/bin/rm *)", 'wipe({"path": "a"})', True),
        ("command", 'files_read({"path": "a"})', False),
        ("files", 'files_write({"path": "a", "content": ""})', True),
        ("files.write(notes/*)", 'files_write({"path": "notes/a", "content": ""})', True),
        ("files.write(notes/*)", 'files_write({"path": ".//notes/./a", "content": ""})', True),
        ("files.write(path=notes/*)", 'files_write({"path": "./notes//a", "content": ""})', True),
        ("files.write(notes/*)", 'files_write({"path": "other", "content": "notes/"})', False),
        ("files.list(.)", "files_list({})", True),
        ("files.write(./notes/*)", 'files_write({"path": "notes/a", "content": ""})', True),
        ("files.write(notes//*)", 'files_write({"path": "notes/a", "content": ""})', True),
        ("files.write(other/../notes/*)", 'files_write({"path": "notes/a", "content": ""})', True),
        ("files.write(notes/)", 'files_write({"path": "notes/a/b", "content": ""})', True),
        ("files.write(path=./notes/*)", 'files_write({"path": "notes/a", "content": ""})', True),
        ("files.write(notes/)", 'files_write({"path": "notebook", "content": ""})', False),
        ("files.write(*/../notes)", 'files_write({"path": "notes", "content": ""})', False),
        ("files.write(content=./notes)", 'files_write({"path": "a", "content": "notes"})', False),
        ("files.*", 'files_write({"path": "a", "content": ""})', True),
        ("git.*", "git_evil({})", False),
        ("git.evil", "git_evil({})", True),
        ("files.*", "files__evil({})", False),
        ("files.read", 'lookup({"word": "x"})', False),
        ("python", 'lookup({"word": "x"})', True),
        ("lookup(word=x)", 'LOOKUP({"word": "x"})', True),
        ("git(*)", 'git({"wrong": 1})', True),
    ],
)
def test_rules_know_what_a_call_call_text(box: Toolbox, rule: str, call: str, matches: bool) -> None:
    parsed = parse_call(call)
    spec = box.spec(parsed.name)
    assert spec is not None
    verdict = PermissionPolicy([layer(USER_FILE, deny=[rule])], box.find).decide(parsed, spec)
    assert (verdict.decision == "deny") is matches


def test_an_allow_needs_the_true_command_line(box: Toolbox) -> None:
    call = parse_call('wipe({"path": "a"})')
    spec = box.spec("wipe")
    assert spec is not None
    for rule, decision in (("command(rm *)", "ask"), ("command(/bin/rm *)", "allow")):
        assert PermissionPolicy([layer(USER_FILE, allow=[rule])], box.find).decide(call, spec).decision == decision


def test_a_path_cannot_be_spelled_around_a_rule(box: Toolbox) -> None:
    policy = PermissionPolicy([layer(USER_FILE, allow=["files.write(notes/*)"])], box.find)
    spec = box.spec("files_write")
    assert spec is not None
    for path in ("notes/../private", "../notes/x", "/notes/x", "private/notes/x"):
        call = ToolCall("1", "files_write", {"path": path, "content": ""})
        assert policy.decide(call, spec).decision == "ask", path


@pytest.mark.parametrize(
    ("rule", "source", "decision"),
    [
        ("command", AGENT_FILE, "ask"),
        ("command(*)", AGENT_FILE, "ask"),
        ("command(git *)", AGENT_FILE, "ask"),
        ("git(git log *)", AGENT_FILE, "allow"),
        ("command(*)", USER_FILE, "allow"),
        ("command(*)", COMMAND_LINE, "allow"),
    ],
)
def test_a_file_cannot_allow_a_whole_kind(box: Toolbox, rule: str, source: str, decision: str) -> None:
    call, spec = parse_call('git({"path": "a"})'), box.spec("git")
    assert spec is not None
    policy = PermissionPolicy([layer(source, allow=[rule])], box.find)
    assert policy.decide(call, spec).decision == decision
    assert ("spares no question" in policy.explain(call, spec)) is (decision == "ask")


def test_a_call_is_shown_as_what_it_comes_to(box: Toolbox) -> None:
    call, spec = parse_call('git({"path": "a b"})'), box.spec("git")
    assert spec is not None
    assert PermissionPolicy([], box.find).call_text(call, spec) == "git log -n 3 -- 'a b'"


def test_explain_names_every_matching_rule_and_the_one_that_decides() -> None:
    policy = PermissionPolicy([layer(AGENT_FILE, allow=["save"]), layer(USER_FILE, ask=["save(*)"], deny=["rm"])])
    spec = ToolSpec("save", "", {"type": "object"}, "write")
    assert policy.explain(parse_call('save({"a": 1})'), spec).splitlines() == [
        'save {"a": 1}',
        "  matches allow: save in the agent file",
        "  matches ask: save(*) in your configuration",
        "  ask, because of ask: save(*) in your configuration",
    ]
    assert PermissionPolicy([]).explain(parse_call("save"), spec).endswith("ask, because its effects are 'write'")


@pytest.mark.parametrize("text", ["", "save(", "save({)", "save([1])", "save({}) x"])
def test_what_is_no_call_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no call"):
        parse_call(text)


RULE = st.sampled_from(["save", "save(*)", "save(a=1)", "s*", "*", "other", "save(x)"])
RULES = st.fixed_dictionaries({key: st.lists(RULE, max_size=2) for key in ("allow", "ask", "deny")})
STRICTNESS = ("allow", "ask", "deny")


@settings(max_examples=examples(150), deadline=None)
@given(RULES, RULES, st.sampled_from(["none", "read", "write", "exec"]))
def test_a_file_never_loosens_what_the_user_rules(
    users: dict[str, list[str]], files: dict[str, list[str]], effects: Effects
) -> None:
    spec, call = ToolSpec("save", "", {"type": "object"}, effects), ToolCall("1", "save", {"a": 1})
    user = layer(USER_FILE, **users)
    alone = PermissionPolicy([user]).decide(call, spec)
    both = PermissionPolicy([layer(AGENT_FILE, **files), user]).decide(call, spec)
    if alone.rule:
        assert STRICTNESS.index(both.decision) >= STRICTNESS.index(alone.decision)


ODD = (
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.just("../x")
    | st.just({})
)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["path", "n", "content", "word"]), ODD),
    st.sampled_from(["git", "files_write", "wipe"]),
)
def test_arguments_of_any_shape_are_decided(box: Toolbox, arguments: dict[str, Any], name: str) -> None:
    spec = box.spec(name)
    assert spec is not None
    policy = PermissionPolicy([layer(USER_FILE, allow=["command(git *)"], deny=["files(secret)"])], box.find)
    assert policy.decide(ToolCall("1", name, arguments), spec).decision in STRICTNESS


ENTRIES = [
    ToolEntry("command", "git_log", {"run": ["git", "{count}"], "parameters": {"count": {"type": "integer"}}}),
    ToolEntry("files", "files", {"root": ".", "write": True}),
    ToolEntry("mcp", "time"),
    ToolEntry("builtin", "tasks"),
]
KNOWN = ["git_log", "git_log(*)", "files.write", "files_read(x)", "files", "command(rm *)", "time.now", "time__now"]
KNOWN += ["tasks.add", "tasks_list", "ask_user", "*", "python", "git.log"]
KNOWN += ["tim*", "time.n*", "*_log", "time(zone=x)", "time.now(zone=x)", "git_log(count=3)", "git.log(count=3)"]
KNOWN += ["files.read(path=x)", "files(path=x, content=y)", "*(path=x)", "command(count=3)", "tasks.add(titles=*)"]
MISSPELT = [
    ("files.wirte(*)", "files.write"),
    ("git_lgo", "git_log"),
    ("git.lgo", "git_log"),
    ("tiem.*", "time.*"),
    ("git_log(cuont=3)", "count"),
    ("git.log(cuont=3)", "count"),
    ("files.read(paht=*.key)", "path"),
    ("files_write(path=x, contnet=y)", "content"),
    ("tasks_add(titels=x)", "titles"),
    ("tiem.now", ""),
    ("comand", "command"),
]


@pytest.mark.parametrize("rule", KNOWN)
def test_a_rule_that_may_match_is_fine(rule: str) -> None:
    assert rule_problem(rule, ENTRIES) is None


@pytest.mark.parametrize(("rule", "near"), MISSPELT)
def test_t5_a_rule_that_can_match_nothing_is_told_with_the_nearest_name(rule: str, near: str) -> None:
    unknown = rule_problem(rule, ENTRIES)
    assert unknown is not None
    assert near in unknown.hint


@pytest.mark.parametrize("rule", ["web.*", "gti*", "command(cuont=3)", "files.*(paht=x)"])
def test_a_rule_that_may_be_meant_for_other_agents_is_a_warning(rule: str) -> None:
    problem = rule_problem(rule, ENTRIES)
    assert problem is not None
    assert problem.severity == "warning"


def test_rules_of_code_that_names_its_own_tools_are_not_errors(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("class Dice: ...\n")
    entries = [ToolEntry("python", "Dice", {"function": "./tools.py:Dice"}, folder=tmp_path), *ENTRIES]
    for rule in ("roll", "roll(sides=6)", "git_lgo", "r*"):
        problem = rule_problem(rule, entries)
        assert problem is None or problem.severity == "warning", rule


@pytest.mark.parametrize(
    ("rule", "problem"), [("ask_usr", "ask_user"), ("files.wirte", "files.write"), ("github.merge", ""), ("lookup", "")]
)
def test_rules_for_all_agents_are_held_against_the_built_ins_alone(rule: str, problem: str) -> None:
    found = misspelt_everywhere(rule)
    assert (found is not None) == bool(problem)
    assert found is None or problem in found.hint


def test_what_you_allow_everywhere_is_not_what_a_file_calls_like_it(box: Toolbox) -> None:
    spec = box.spec("git_evil")
    assert spec is not None
    call = ToolCall("1", "git_evil", {})
    for source, decision in ((USER_FILE, "ask"), (AGENT_FILE, "allow"), (COMMAND_LINE, "allow")):
        assert PermissionPolicy([layer(source, allow=["git.evil"])], box.find).decide(call, spec).decision == decision


FORGED = """
from runner.core.messages import ToolSpec
class Forged:
    kind, separator, spec = {kind!r}, "_", ToolSpec("forged", "d", {{"type": "object"}}, "write")
    def canonical(self, arguments): return {{}}
    def subjects(self, arguments): return ("harmless",)
    def run(self, arguments, context): return "x"
class Several:
    def tools(self): return [Forged()]
    def close(self): pass
"""


@pytest.mark.parametrize("name", ["Forged", "Several"])
@pytest.mark.parametrize("kind", ["files", "", "builtin", None, 3])
def test_t5_code_cannot_say_of_what_kind_it_is(tmp_path: Path, name: str, kind: object) -> None:
    (tmp_path / "tools.py").write_text(FORGED.format(kind=kind))
    box = open_toolbox([ToolEntry("python", name, {"function": f"./tools.py:{name}"}, folder=tmp_path)])
    spec = box.spec("forged")
    assert spec is not None
    for rule, decision in (("python", "deny"), ("*(a=secret)", "deny"), ("python(harmless)", "ask"), ("files", "ask")):
        policy = PermissionPolicy([layer(USER_FILE, deny=[rule])], box.find)
        assert policy.decide(ToolCall("1", "forged", {"a": "secret"}), spec).decision == decision, rule


@pytest.mark.parametrize("rules", [{"deny": ["git_lgo"]}, {"allow": ["files.wirte(*)"]}])
def test_a_misspelt_rule_of_the_command_line_is_refused(tmp_path: Path, rules: dict[str, list[str]]) -> None:
    tools = "[{files: {root: .}}, {command: {name: git_log, description: d, run: [git]}}]"
    (tmp_path / "a.yaml").write_text(f"gateway: scripted\nmodel: m\nscript: [{{text: x}}]\ntools: {tools}\n")
    with pytest.raises(UsageError, match="no tool is named"):
        ChatSession.from_agent(load_agent(tmp_path / "a.yaml"), trust=True, **rules)
