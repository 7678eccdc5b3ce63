"""The closed word lists of events are those that the documentation names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from runner.core.events import LimitName, NoticeKind, TurnReason
from runner.core.messages import UNFINISHED, FinishReason
from runner.core.policy import Limits

DOCS = Path(__file__).parent.parent.parent / "docs" / "cli.md"


def words(union: Any) -> set[str]:
    """The strings of a Literal, or of a union of several."""
    return {inner for word in get_args(union) for inner in ({word} if isinstance(word, str) else words(word))}


def row(name: str) -> str:
    (line,) = re.findall(rf"^\| `{name}` \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    return line


def test_every_kind_of_notice_is_a_row():
    table = DOCS.read_text().partition("| notice | says |\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == words(NoticeKind)


def test_the_reasons_of_a_turn_and_of_a_reply_are_named():
    assert set(re.findall(r"`(\w+)`", row("turn"))) == words(TurnReason) | {"usage", "reason"}
    complete = words(FinishReason) - UNFINISHED
    assert set(re.findall(r"`(\w+)`", row("reply"))) == complete | {"text", "finish_reason", "usage"}


def test_every_limit_of_a_turn_is_a_key_of_the_agent_file():
    assert words(LimitName) - {"max_tokens"} <= set(Limits.__dataclass_fields__)
