"""Changes that are easily missed are shown: blanks, line ends, and what looks like something else."""

from __future__ import annotations

import pytest

PROMPTS = [
    ("|\n  Be kind.\n", "|-\n  Be kind.\n", "-Be kind.⏎\n+Be kind."),
    ("|-\n  Be kind.\n", "|+\n  Be kind.\n\n", " Be kind.\n+"),
    ('"Be kind."', '"Be  kind."', "-Be kind.\n+Be··kind."),
    ('"Be kind."', '"Be kind. "', "-Be kind.\n+Be kind.·"),
    ('"Be kind."', '"Be\\u00a0kind."', "-Be kind.\n+Be\\xa0kind."),
    ('"Be kind."', '"Be\\u200bkind."', ""),
    ('"Be kind."', '"Be\\tkind."', ""),
]


@pytest.mark.parametrize(("old", "new", "diff"), PROMPTS, ids=[repr(row[1]) for row in PROMPTS])
def test_a_change_of_blanks_can_be_seen(case, old: str, new: str, diff: str) -> None:
    agent = "gateway: scripted\nmodel: demo\nscript: [A]\nsystem_prompt: "
    case.agent.write_text(agent + old)
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns: [{user: Hi.}]\n")
    case.record()
    case.agent.write_text(agent + new)
    outcome = case.replay()
    (change,) = outcome.changes
    assert (outcome.verdict, change.component) == ("stale", "system")
    before, after = change.diff.splitlines()[0], change.diff.splitlines()[1]
    assert before[1:] != after[1:]
    assert diff in change.diff


def test_other_line_ends_change_nothing(recorded) -> None:
    for file in (recorded.agent, recorded.file):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert recorded.replay().verdict == "pass"


def test_a_missing_turn_is_named(recorded) -> None:
    text = recorded.file.read_text()
    recorded.file.write_text(text[: text.index("  as_json:\n")])
    turns = [change for change in recorded.replay().changes if change.component == "turns"]
    assert [change.diff for change in turns] == ["!the script has this turn, the recording has not: as_json"]
