"""How a change since the recording is told: its verdict, its exit code and its diff, word by word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.transcripts.exit_codes import exit_code
from runner.transcripts.outcome import Outcome
from runner.transcripts.reports import SuiteResult, report_renderer


def told(outcome: Outcome) -> str:
    return report_renderer("console")(SuiteResult([outcome]))


def test_an_unchanged_case_is_green(recorded) -> None:
    outcome = recorded.replay()
    assert (outcome.verdict, outcome.held, outcome.judged, outcome.turns) == ("pass", 3, 3, 2)
    assert exit_code([outcome]) == 0
    assert told(outcome).startswith("1 pass   3 expectations judged")


@pytest.mark.parametrize("mode", ["recorded", "whole", "char", "fuzz:1", "fuzz:2"])
def test_however_the_stream_is_cut_the_events_are_the_same(recorded, mode: str) -> None:
    outcome = recorded.replay(chunking=mode, hash_events=True)
    assert outcome.verdict == "pass"
    assert outcome.events_hash == recorded.replay(hash_events=True).events_hash != ""


def test_a_changed_word_of_the_prompt_is_stale_and_its_line_is_named(recorded) -> None:
    recorded.change(recorded.agent, "a calendar", "an almanac")
    outcome = recorded.replay()
    assert (outcome.verdict, exit_code([outcome])) == ("stale", 3)
    (change,) = outcome.changes
    assert (change.component, change.turn, change.reply) == ("system", "plan", 1)
    assert change.where == f"{recorded.agent}:5"
    assert change.diff == "-You are a calendar.\n+You are an almanac.\n Be kind."
    assert (outcome.held, outcome.judged) == (3, 3)
    report = told(outcome)
    assert report.startswith(f"STALE  {recorded.file}:5 › plan › reply 1   recorded ")
    assert "  system   CHANGED   (" in report
    assert "  tools same · options same · messages same (1)" in report
    assert "  expectations 3 of 3 hold on the recorded answers" in report
    assert f"Nothing was sent to a model. Next:  record {recorded.file} · replay --live" in report


def test_a_changed_variable_is_stale_at_the_line_that_sets_it(recorded) -> None:
    recorded.change(recorded.agent, "{manner: kind}", "{manner: terse}")
    (change,) = recorded.replay().changes
    assert change.where == f"{recorded.agent}:7"
    assert "-Be kind.\n+Be terse." in change.diff


def test_a_changed_option_is_stale(recorded) -> None:
    recorded.change(recorded.agent, "temperature: 0.2", "temperature: 0.3")
    outcome = recorded.replay()
    (change,) = outcome.changes
    assert (outcome.verdict, change.component, change.where) == ("stale", "options", f"{recorded.agent}:3")
    assert change.diff == "-temperature: 0.2\n+temperature: 0.3"


def test_a_changed_tool_is_stale(recorded) -> None:
    recorded.change(recorded.agent, "tools: [resolve_date]", "tools: [resolve_date, current_datetime]")
    outcome = recorded.replay()
    (change,) = outcome.changes
    assert (outcome.verdict, change.component) == ("stale", "tools")
    assert any(line.startswith("+current_datetime(") for line in change.diff.splitlines())


def test_a_changed_schema_of_a_tool_is_stale(case) -> None:
    tool = case.folder / "tools.py"
    tool.write_text('def lookup(word: str) -> str:\n    """Look a word up."""\n    return word.upper()\n')
    case.agent.write_text(
        "gateway: scripted\nmodel: demo\ntools: [{python: {function: './tools.py:lookup', effects: read}}]\n"
        "script: [{calls: [{lookup: {word: a}}]}, {text: A}]\n"
    )
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns: [{user: Look a up.}]\n")
    case.record()
    assert case.replay(trust=True).verdict == "pass"
    case.change(tool, "word: str", "word: int")
    (change,) = case.replay(trust=True).changes
    assert change.component == "tools"
    assert "-lookup(word: string): Look a word up.\n+lookup(word: integer): Look a word up." in change.diff


def test_changed_words_of_the_user_are_stale_messages(recorded) -> None:
    recorded.change(recorded.file, "as JSON.", "in JSON.")
    outcome = recorded.replay()
    (change,) = outcome.changes
    assert (outcome.verdict, change.component, change.turn, change.reply) == ("stale", "messages", "as_json", 1)
    assert "Give me that in JSON." in change.diff


def dropped(text: str) -> str:
    """Without the second reply of the first turn."""
    start = text.index("  - reply:", text.index("  - reply:") + 1)
    return text[:start] + text[text.index("  as_json:\n", start) :]


def reordered(text: str) -> str:
    """The two calls of the first reply change places."""
    first, second = text.rindex("    - resolve_date: {date: next"), text.rindex("    - resolve_date: {date: tomorrow")
    third = text.index("  - reply", second)
    return text[:first] + text[second:third] + text[first:second] + text[third:]


def swapped(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


EDITED = (
    "recording",
    "!this recording was edited by hand: record it again, or name it hand/NAME and delete its request:",
)
AFTER = "!messages 2 and 3, a reply and its results, are not what was recorded: resolve_date gave "
FRIDAY, TOMORROW = '{"date": "2026-03-13", "weekday": "Friday"}', '{"date": "2026-03-06", "weekday": "Friday"}'
NO_ANSWER = ("contains", "+(nothing)")
ASKED = '-resolve_date("date": "next Friday")\n-resolve_date("date": "tomorrow")\n'

MUTATIONS = {
    "a reply dropped": (dropped, "fail", 1, [EDITED, ("extra-call", ""), NO_ANSWER]),
    "a reply added": (
        lambda text: text + "  - reply: {seen: '00000000', finish: stop}\n    text: And?\n",
        "fail",
        1,
        [EDITED, ("left-over", ""), ("golden", '-And?\n+{"date": "2026-03-13"}')],
    ),
    "calls reordered": (
        reordered,
        "fail",
        1,
        [
            EDITED,
            ("messages", f"{AFTER}{TOMORROW}, resolve_date gave {FRIDAY}"),
            ("tools", f'{ASKED}+resolve_date("date": "tomorrow")\n+resolve_date("date": "next Friday")'),
        ],
    ),
    "an argument changed": (
        swapped("- resolve_date: {date: tomorrow}\n      returned", "- resolve_date: {date: today}\n      returned"),
        "fail",
        1,
        [
            EDITED,
            ("messages", f"{AFTER}{FRIDAY}, resolve_date gave {TOMORROW}"),
            (
                "tool-drift",
                '!resolve_date.date: wanted "2026-03-06", got "2026-03-05"\n'
                '!resolve_date.weekday: wanted "Friday", got "Thursday"',
            ),
            (
                "tools",
                f'{ASKED}+resolve_date("date": "next Friday")\n+resolve_date("date": "today")\n'
                '!resolve_date.date: wanted "tomorrow", got "today"',
            ),
        ],
    ),
    "a result changed": (
        swapped("returned: {date: '2026-03-06'", "returned: {date: '2026-03-07'"),
        "tool-drift",
        1,
        [
            EDITED,
            ("messages", f'{AFTER}{FRIDAY}, resolve_date gave {{"date": "2026-03-07", "weekday": "Friday"}}'),
            ("tool-drift", '!resolve_date.date: wanted "2026-03-07", got "2026-03-06"'),
        ],
    ),
    "an answer blanked": (
        swapped("text: |-\n      The meetup is on March 13; tomorrow is March 6.", 'text: ""'),
        "fail",
        1,
        [EDITED, ("extra-call", ""), NO_ANSWER],
    ),
    "another answer": (
        swapped("The meetup is on March 13; tomorrow is March 6.", "Well."),
        "fail",
        1,
        [EDITED, ("contains", "+Well.")],
    ),
    "a turn dropped": (
        lambda text: text[: text.index("  as_json:\n")],
        "stale",
        3,
        [EDITED, ("turns", "!the script has this turn, the recording has not: as_json")],
    ),
}


@pytest.mark.parametrize(("edit", "verdict", "code", "told"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_changed_recording(recorded, edit: Callable[[str], str], verdict: str, code: int, told: list) -> None:
    before = recorded.file.read_text()
    recorded.file.write_text(edit(before))
    assert recorded.file.read_text() != before
    outcome = recorded.replay()
    assert (outcome.verdict, exit_code([outcome])) == (verdict, code)
    found = [(change.component, change.diff) for change in outcome.changes]
    found += [(finding.kind, finding.diff) for finding in outcome.findings if finding.level != "note"]
    assert found == told


def test_a_changed_result_is_stale_where_the_tool_is_a_stub(recorded) -> None:
    recorded.change(recorded.file, "returned: {date: '2026-03-06'", "returned: {date: '2026-03-07'")
    recorded.change(recorded.file, "agent: agent.yaml\n", "agent: agent.yaml\ntools: {resolve_date: stub}\n")
    outcome = recorded.replay()
    assert (outcome.verdict, {change.component for change in outcome.changes}) == ("stale", {"messages", "recording"})


def test_a_golden_turn_fails_when_the_engine_takes_another_way(recorded) -> None:
    recorded.change(
        recorded.agent, "gateway: scripted", "gateway: scripted\nreply: {schema: {type: array}, retries: 0}"
    )
    outcome = recorded.replay()
    assert outcome.verdict == "fail"
    assert {"system", "options"} & {change.component for change in outcome.changes}


@pytest.mark.parametrize(
    ("edit", "component"),
    [
        (lambda text: text + "- id: more\n  user: More?\n", "turns"),
        (lambda text: text[: text.index("- id: as_json")], "turns"),
    ],
    ids=["a turn more", "a turn less"],
)
def test_another_set_of_turns_is_stale(recorded, edit: Callable[[str], str], component: str) -> None:
    script, mark, rest = recorded.file.read_text().partition("---\n")
    recorded.file.write_text(edit(script) + mark + rest)
    outcome = recorded.replay()
    assert outcome.verdict == "stale"
    assert {change.component for change in outcome.changes} == {component}


def test_a_change_that_only_warns_does_not_fail(recorded) -> None:
    recorded.change(recorded.file, "agent: agent.yaml\n", "agent: agent.yaml\nstale: {system: warn}\n")
    recorded.change(recorded.agent, "a calendar", "an almanac")
    outcome = recorded.replay()
    assert (outcome.verdict, outcome.changes[0].warns) == ("pass", True)
    assert "changed, only told" in told(outcome)


def test_a_suite_file_may_say_so_too(recorded) -> None:
    (recorded.folder / "_suite.yaml").write_text("suite: 1\nstale: {system: warn}\n")
    recorded.change(recorded.agent, "a calendar", "an almanac")
    assert recorded.replay().verdict == "pass"


def test_a_hand_edit_is_named_as_such(recorded) -> None:
    recorded.change(recorded.file, "in: 60", "in: 61")
    outcome = recorded.replay()
    assert outcome.verdict == "stale"
    assert "edited by hand" in outcome.changes[0].diff


def test_reformatting_a_recording_is_no_edit(recorded) -> None:
    in_a_row = "returned: {date: '2026-03-06', weekday: Friday}"
    recorded.change(recorded.file, in_a_row, 'returned:\n        date: "2026-03-06"\n        weekday: Friday')
    assert recorded.replay().verdict == "pass"


DENIED = """\
gateway: scripted
model: demo
tools: [{command: {name: log, description: Log., run: [git, log], effects: read}}]
permissions: {deny: ["command(git *)"]}
script: [{calls: [{log: {}}]}, {text: I may not.}]
"""


def test_a_denied_call_is_denied_again_and_a_lost_rule_is_noticed(case) -> None:
    case.agent.write_text(DENIED)
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns: [{id: t, user: Look., expect: [{contains: not}]}]\n")
    recording = case.record()
    assert not recording.turns["t"][0].calls[0].ran
    assert case.replay().verdict == "pass"
    case.change(case.agent, 'permissions: {deny: ["command(git *)"]}\n', "")
    outcome = case.replay()
    assert outcome.verdict == "fail"
    assert outcome.findings[0].kind == "unrecorded"
