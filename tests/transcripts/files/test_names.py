"""Names in a transcript that stand for nothing are errors at their line, in check and in replay; none that stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.core.errors import ConfigError
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.files.check import check_file
from runner.transcripts.files.loader import load_transcript

AGENT = """\
gateway: scripted
model: demo
variables: {place: Lisbon}
system_prompt: You are in {{ place }}.
script: [text: Hello.]
tools:
"""
TOOLS = {
    "dates": "- resolve_date\n- ask_user\n",
    "files": "- files: {root: .}\n",
    "tasks": "- tasks\n",
    "command": "- command: {name: say, run: [echo, hi], description: Says hi.}\n",
    "python": "- python: ./tools.py:look_up\n",
    "class": "- python: ./tools.py:Dice\n",
    "server": "- mcp: {name: clock, command: [nothing]}\n",
}
CODE = "def look_up(word: str) -> str:\n    return word\n\n\nclass Dice:\n    pass\n"
HEAD = "transcript: 1\nagent: agent.yaml\n"
HELLO = "turns: [{id: t, user: Hello.}]\n"
SERVED = (
    "---\nrecording: scripted/demo\nrequest:\n  system: x\n  tools: {clock__now: {sig: (), doc: d, is: a}}\n"
    "  options: {}\n  stamp: {system: a, tools: b, options: c, turns: d}\nturns: {}\n"
)
CALLED = "---\nrecording: hand/x\nturns: {t: [{reply: {}, calls: [{nope: {}}]}, {reply: {}}]}\n"


def expect(call: str) -> str:
    return f"turns: [{{id: t, user: Hello., expect: [{{not: {{tools: {{mode: superset, calls: [{call}]}}}}}}]}}]\n"


UNKNOWN = {
    "a mode": (
        "dates",
        f"tools: {{resolve_data: forbid}}\n{HELLO}",
        "3:9: error: tools: the agent has no tool 'resolve_data' (did you mean 'resolve_date'?)",
    ),
    "a mode of a group": ("files", f"tools: {{files_raed: forbid}}\n{HELLO}", "(did you mean 'files_read'?)"),
    "a mode of what is not offered": ("files", f"tools: {{files_write: forbid}}\n{HELLO}", "no tool 'files_write'"),
    "a mode of an entry": ("tasks", f"tools: {{tasks: forbid}}\n{HELLO}", "no tool 'tasks'"),
    "a mode of a kind": ("command", f"tools: {{command: forbid}}\n{HELLO}", "no tool 'command'"),
    "a mode in other letters": ("command", f"tools: {{Say: forbid}}\n{HELLO}", "did you mean 'say'?"),
    "a mode of a function": ("python", f"tools: {{lookup: forbid}}\n{HELLO}", "did you mean 'look_up'?"),
    "a mode of no server": ("server", f"tools: {{clok__now: forbid}}\n{HELLO}", "no tool 'clok__now'"),
    "a mode that no recording shows": (
        "server",
        f"tools: {{clock__nwo: forbid}}\n{HELLO}{SERVED}",
        "did you mean 'clock__now'?",
    ),
    "an approval": (
        "command",
        "turns:\n- id: t\n  user: Hello.\n  answers:\n    approve:\n    - sya\n",
        "8:7: error: answers.approve: the agent has no tool 'sya' (did you mean 'say'?)",
    ),
    "answers to nothing": (
        "files",
        "turns: [{user: Hello., answers: {ask_user: [blue]}}]\n",
        "3:34: error: answers.ask_user: the agent has no tool that asks the user",
    ),
    "a call": (
        "command",
        expect("{sya: {}}"),
        "3:80: error: tools: the agent has no tool 'sya', and no recording calls one (did you mean 'say'?)",
    ),
    "a call at the end": ("command", f"{HELLO}finally: [{{tools: [{{sya: {{}}, times: 0}}]}}]\n", "no tool 'sya'"),
    "a call of a hand": (
        "command",
        f"{HELLO}---\nrecording: hand/x\nturns: {{t: [{{reply: {{}}}}]}}\nexpect: [{{tools: [{{sya: {{}}}}]}}]\n",
        "no tool 'sya'",
    ),
    "a call of no tool of a recorded server": (
        "server",
        expect("{clock__nwo: {}}") + SERVED,
        "did you mean 'clock__now'?",
    ),
    "a recording in other letters": (
        "dates",
        f"{HELLO}---\nrecording: hand/x\nturns: {{t: [{{reply: {{}}}}]}}\n---\nrecording: hand/X\nturns: {{}}\n",
        "8:12: error: only upper and lower case tell it from hand/x at line 5",
    ),
    "normalize where no text is compared": (
        "dates",
        "turns: [{user: Hi., expect: [{tools: [], normalize: [ws]}]}]\n",
        "normalize: tools compares no text",
    ),
    "a variable": (
        "dates",
        f"variables: {{plcae: Faro}}\n{HELLO}",
        "3:13: error: variables: neither the agent nor this file uses 'plcae' (did you mean 'place'?)",
    ),
    "a variable of a hand": (
        "dates",
        f"{HELLO}---\nrecording: hand/x\nwith: {{variables: {{plcae: Faro}}}}\nturns: {{t: [{{reply: {{}}}}]}}\n",
        "uses 'plcae'",
    ),
}
KNOWN = {
    "modes": ("dates", f"tools: {{resolve_date: forbid, ask_user: stub}}\n{HELLO}"),
    "modes of a group": ("files", f"tools: {{files_read: stub, files_list: stub}}\n{HELLO}"),
    "modes of tasks": ("tasks", f"tools: {{tasks_add: stub}}\n{HELLO}"),
    "a mode of a class, which may name itself": ("class", f"tools: {{roll: stub}}\n{HELLO}"),
    "a mode of a server that nobody recorded": ("server", f"tools: {{clock__now: stub}}\n{HELLO}"),
    "a mode of a recorded server": ("server", f"tools: {{clock__now: stub}}\n{HELLO}{SERVED}"),
    "a mode of a tool that is gone": ("dates", f"tools: {{clock__now: stub}}\n{HELLO}{SERVED}"),
    "a call that a recording makes": ("dates", expect("{nope: {}}") + CALLED),
    "a call of a server that nobody recorded": ("server", expect("{clock__nwo: {}}")),
    "an approval": ("command", "turns: [{user: Hello., answers: {approve: [say]}}]\n"),
    "answers": ("dates", "turns: [{user: Hello., answers: {ask_user: [blue]}}]\n"),
    "answers to code that may ask": ("python", "turns: [{user: Hello., answers: {ask_user: [blue]}}]\n"),
    "the agent's variable": ("dates", f"variables: {{place: Faro}}\n{HELLO}"),
    "the file's variable": ("dates", "variables: {who: Ann}\nturns: [{user: 'I am {{ who | upper }}.'}]\n"),
    "a variable of an expectation": (
        "dates",
        "variables: {who: Ann}\nturns: [{user: Hi., expect: [{contains: '{{ who }}'}]}]\n",
    ),
}


def problems(folder: Path, tools: str, text: str) -> tuple[list[str], list[str]]:
    """What check says, and what a replay does."""
    (folder / "agent.yaml").write_text(AGENT + TOOLS[tools])
    (folder / "tools.py").write_text(CODE)
    file = folder / "case.transcript.yaml"
    file.write_text(HEAD + text)
    checked = [str(problem) for problem in check_file(file) if problem.severity == "error"]
    try:
        RunContext().agent(load_transcript(file))
    except ConfigError as error:
        return checked, [str(problem) for problem in error.problems]
    return checked, []


@pytest.mark.parametrize(("tools", "text", "said"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_name_that_stands_for_nothing_is_an_error(tmp_path: Path, tools: str, text: str, said: str) -> None:
    checked, replayed = problems(tmp_path, tools, text)
    assert len(checked) == 1, checked
    assert said in checked[0]
    assert replayed == checked


@pytest.mark.parametrize(("tools", "text"), KNOWN.values(), ids=KNOWN.keys())
def test_a_name_that_stands_for_something_is_none(tmp_path: Path, tools: str, text: str) -> None:
    assert problems(tmp_path, tools, text) == ([], [])


def test_what_a_suite_sets_is_for_many_agents(tmp_path: Path) -> None:
    (tmp_path / "_suite.yaml").write_text("suite: 1\ntools: {say: forbid}\nvariables: {who: Ann}\n")
    assert problems(tmp_path, "dates", HELLO) == ([], [])


def test_a_partial_is_held_to_the_agent_that_it_is_played_with(tmp_path: Path) -> None:
    (tmp_path / "_suite.yaml").write_text("suite: 1\npartials:\n  hi:\n  - user: Hi.\n    answers: {approve: [sya]}\n")
    checked, replayed = problems(tmp_path, "command", "turns: [{include: hi}]\n")
    assert checked == replayed
    assert "_suite.yaml:5:25: error: answers.approve: the agent has no tool 'sya'" in checked[0]


def test_check_warns_of_what_nothing_could_break(tmp_path: Path) -> None:
    assert problems(tmp_path, "dates", "turns: [{user: Hi., expect: [{contains: ' '}, {contains: a}]}]\n") == ([], [])
    assert [(each.line, each.severity) for each in check_file(tmp_path / "case.transcript.yaml")] == [(3, "warning")]
