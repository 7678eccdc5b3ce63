"""The file and line that a change is told at: that of the include, base file, suite file or variable it comes from."""

from __future__ import annotations

import pytest

AGENT = """\
extends: base.yaml
system_prompt: {file: prompts/system.md}
variables:
  manner: kind
  place: {default: Lisbon}
  reader: ''
  formal: false
  long: "One.\\nTwo."
options: {temperature: 0.2}
tools: [resolve_date]
script: [Hello., Bye.]
"""
FILES = {
    "base.yaml": (
        "gateway: scripted\nmodel: demo\noptions:\n  seed: 3\n  max_tokens: 100\nvariables:\n  inherited: old\n"
    ),
    "agent.yaml": AGENT,
    "prompts/system.md": (
        "You are a calendar of {{ place }}.\n{% include 'prompts/rules.md' %}\nToday is {{ now('%A') }}.\n"
        "{{ long }}\n{% if formal %}Say Sir.{% endif %}\nFor {{ reader }}, {{ inherited }}.\nNever be late.\n"
    ),
    "prompts/rules.md": "Be {{ manner }}.\nNever guess.\n{% include 'prompts/deep.md' %}\n",
    "prompts/deep.md": "Speak plainly.\nUse metric units.\n",
    "_suite.yaml": "suite: 1\nclock: '2026-03-05T09:30:00Z'\nvariables:\n  reader: Ann\n",
    "case.transcript.yaml": (
        "transcript: 1\nagent: agent.yaml\nvariables:\n  place: Porto\nturns:\n- user: Hi.\n- user: Bye.\n"
    ),
}
CHANGES = [
    ("prompts/rules.md", "Be {{ manner }}", "Be very {{ manner }}", "prompts/rules.md:1"),
    ("prompts/rules.md", "Never guess.", "Always guess.", "prompts/rules.md:2"),
    ("prompts/rules.md", "Never guess.", "Ask.", "prompts/rules.md:2"),
    ("prompts/rules.md", "Be {{ manner }}.\n", "", "prompts/rules.md:1"),
    ("prompts/rules.md", "Never guess.\n", "Never guess.\nNever lie.\n", "prompts/rules.md:3"),
    ("prompts/deep.md", "Speak plainly.", "Speak.", "prompts/deep.md:1"),
    ("prompts/deep.md", "Use metric units.\n", "", "prompts/deep.md:1"),
    ("prompts/system.md", "You are a calendar", "You are an almanac", "prompts/system.md:1"),
    ("prompts/system.md", "Today is", "The day is", "prompts/system.md:3"),
    ("prompts/system.md", "%A", "%B", "prompts/system.md:3"),
    ("prompts/system.md", "Never be late.", "Never be early.", "prompts/system.md:7"),
    ("agent.yaml", "manner: kind", "manner: terse", "agent.yaml:4"),
    ("agent.yaml", "One.", "Three.", "agent.yaml:8"),
    ("agent.yaml", "Two.", "Three.", "agent.yaml:8"),
    ("agent.yaml", "formal: false", "formal: true", "prompts/system.md:5"),
    ("base.yaml", "inherited: old", "inherited: new", "base.yaml:7"),
    ("_suite.yaml", "reader: Ann", "reader: Bob", "_suite.yaml:4"),
    ("case.transcript.yaml", "place: Porto", "place: Braga", "case.transcript.yaml:4"),
    ("case.transcript.yaml", "  place: Porto", "  place: Porto\n  manner: gruff", "case.transcript.yaml:5"),
    ("base.yaml", "max_tokens: 100", "max_tokens: 101", "base.yaml:5"),
    ("base.yaml", "seed: 3", "seed: 4", "base.yaml:4"),
    ("base.yaml", "  seed: 3\n", "  seed: 3\n  top_p: 0.5\n", "base.yaml:5"),
    ("agent.yaml", "temperature: 0.2", "temperature: 0.3", "agent.yaml:9"),
    ("agent.yaml", "temperature: 0.2", "temperature: 0.2, max_tokens: 5", "agent.yaml:9"),
    ("agent.yaml", "tools: [resolve_date]", "tools: [resolve_date, current_datetime]", "agent.yaml:10"),
]


@pytest.fixture
def written(case):
    """A case whose prompt, options and variables come from seven files, recorded."""
    for name, text in FILES.items():
        path = case.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    case.record()
    return case


@pytest.mark.parametrize(("file", "old", "new", "where"), CHANGES, ids=[f"{row[0]}: {row[2]!r}" for row in CHANGES])
def test_a_change_is_told_at_the_line_it_comes_from(written, file: str, old: str, new: str, where: str) -> None:
    written.change(written.folder / file, old, new, 1)
    outcome = written.replay()
    assert outcome.verdict == "stale"
    assert outcome.changes[0].where == f"{written.folder / where}"


@pytest.mark.parametrize("style", ['"{}"', "|\n  {}", ">-\n  {}", "{}"])
def test_a_prompt_in_the_agent_file_is_told_at_its_line(case, style: str) -> None:
    text = "You are a calendar of {{ place }}."
    agent = "gateway: scripted\nmodel: demo\nvariables: {place: Lisbon}\nscript: [A, B]\nsystem_prompt: "
    case.agent.write_text(agent + style.format(text) + "\n")
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns: [{user: Hi.}]\n")
    case.record()
    case.change(case.agent, "a calendar", "an almanac")
    assert case.replay().changes[0].where == f"{case.agent}:{5 + style.count(chr(10))}"
