"""The first document, checked by the schema, as values: turns, expectations, inputs; and what a suite adds to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from runner.transcripts import expectations
from runner.transcripts.files.location import Sheet
from runner.transcripts.model import Answers, Expectation, ReplayInputs, Route, ScriptTurn, ToolMode

_MODIFIERS = ("when", "severity", "normalize")


class Partial(NamedTuple):
    """Turns of a suite that transcripts splice in."""

    sheet: Sheet
    turns: Sequence[Mapping[str, Any]]
    route: Route


class Suite(NamedTuple):
    """What the `_suite.yaml` files above a transcript give it, the nearest one winning."""

    inputs: ReplayInputs = ReplayInputs()
    modes: Mapping[str, ToolMode] = {}
    normalize: tuple[str, ...] = ()
    stale: Mapping[str, str] = {}
    redact: Mapping[str, str] = {}
    partials: Mapping[str, Partial] = {}

    def with_defaults(self, sheet: Sheet) -> Suite:
        """This suite overlaid by what one more file sets."""
        given = sheet.document.value
        return Suite(
            inputs(sheet, self.inputs),
            {**self.modes, **given.get("tools", {})},
            tuple(given.get("normalize", self.normalize)),
            {**self.stale, **given.get("stale", {})},
            {**self.redact, **patterns(sheet)},
            {
                **self.partials,
                **{
                    name: Partial(sheet, turns, ("partials", name)) for name, turns in given.get("partials", {}).items()
                },
            },
        )


def inputs(sheet: Sheet, outer: ReplayInputs = ReplayInputs(), route: Route = ()) -> ReplayInputs:  # noqa: B008 - frozen
    """clock, seed and variables as they stand at the route, over those of the suite."""
    given = sheet.document.value
    for key in route:
        given = given.get(key, {})
    return ReplayInputs(
        _clock(sheet, (*route, "clock"), given["clock"]) if "clock" in given else outer.clock,
        given.get("seed", outer.seed),
        {**outer.variables, **given.get("variables", {})},
        given.get("capabilities", outer.capabilities),
    )


def patterns(sheet: Sheet) -> dict[str, str]:
    """The `redact` patterns that compile."""
    good = {}
    for name, text in sheet.document.value.get("redact", {}).items():
        try:
            if re.compile(text).search(""):
                sheet.problem(("redact", name), f"redact.{name}: this matches even nothing", "say what must be there")
            else:
                good[name] = text
        except re.error as error:
            sheet.problem(("redact", name), f"redact.{name}: not a regular expression: {error}")
    return good


def turns(sheet: Sheet, suite: Suite) -> tuple[ScriptTurn, ...]:
    """The script's turns with the partials spliced in; ids are unique."""
    said: list[ScriptTurn] = []
    known: dict[str, ScriptTurn] = {}
    for origin, route, turn in _spliced(sheet, suite):
        name = turn.get("id") or f"turn-{len(said) + 1}"
        if name in known:
            origin.problem(
                (*route, "id") if "id" in turn else route,
                f"a turn named {name} stands already at line {known[name].place.line}",
                "recordings are found by the turn's id",
            )
            continue
        known[name] = _turn(origin, route, turn, name, suite.normalize)
        said.append(known[name])
    return tuple(said)


def _spliced(sheet: Sheet, suite: Suite) -> Iterator[tuple[Sheet, Route, Mapping[str, Any]]]:
    for position, turn in enumerate(sheet.document.value["turns"]):
        route: Route = ("turns", position)
        if (name := turn.get("include")) is None:
            yield from _spoken(sheet, route, turn)
        elif len(turn) > 1:
            sheet.problem(route, "include: stands alone in its turn")
        elif (partial := suite.partials.get(name)) is None:
            known = ", ".join(suite.partials) or "none"
            sheet.problem((*route, "include"), f"there is no partial {name!r}", f"known in _suite.yaml: {known}")
        else:
            theirs = Sheet(partial.sheet.document, partial.sheet.path, sheet.problems)
            for number, included in enumerate(partial.turns):
                yield from _spoken(theirs, (*partial.route, number), included)


def _spoken(sheet: Sheet, route: Route, turn: Mapping[str, Any]) -> Iterator[tuple[Sheet, Route, Mapping[str, Any]]]:
    """The turn, if the user says something in it."""
    if "user" in turn:
        yield sheet, route, turn
    else:
        sheet.problem(route, "a turn needs user: what the user says")


def _turn(sheet: Sheet, route: Route, turn: Mapping[str, Any], name: str, normalize: tuple[str, ...]) -> ScriptTurn:
    answers = turn.get("answers", {})
    user = {"text": turn["user"]} if isinstance(turn["user"], str) else turn["user"]
    files = tuple(sheet.path.parent / file for file in user.get("files", ()))
    for position, file in enumerate(files):
        if not file.is_file():
            sheet.problem((*route, "user", "files", position), f"there is no file {file}")
    return ScriptTurn(
        name,
        user["text"],
        sheet.spot(*route),
        expected(sheet, (*route, "expect"), turn.get("expect", ()), normalize),
        Answers(tuple(answers.get("ask_user", ())), tuple(answers["approve"]) if "approve" in answers else None),
        files,
        turn.get("keep_going", False),
    )


def expected(
    sheet: Sheet, route: Route, items: Sequence[Mapping[str, Any]], normalize: tuple[str, ...] = ()
) -> tuple[Expectation, ...]:
    """The expectations of a list; a budget becomes one a key, so that what cannot be judged hides nothing."""
    found: list[Expectation] = []
    for position, item in enumerate(items):
        at: Route = (*route, position)
        negated = "not" in item
        body = item["not"] if negated else {key: value for key, value in item.items() if key not in _MODIFIERS}
        if len(body) != 1 or (negated and len(item.keys() - set(_MODIFIERS)) > 1):
            sheet.problem(at, "an expectation has exactly one key besides when, severity and normalize")
            continue
        ((key, wanted),) = body.items()
        here: Route = (*at, "not", key) if negated else (*at, key)
        if wrong := expectations.kind(key).problem(wanted):
            sheet.problem(here, f"{key}: {wrong}")
            continue
        parts = (
            [({each: most}, (*here, each)) for each, most in wanted.items()] if key == "budget" else [(wanted, here)]
        )
        for part, spot in parts:
            found.append(
                Expectation(
                    key,
                    part,
                    sheet.spot(*spot),
                    negated,
                    item.get("when", "both"),
                    item.get("severity", "error"),
                    tuple(item.get("normalize", normalize)),
                    "{{" in str(part) or "{%" in str(part),
                )
            )
    return tuple(found)


def _clock(sheet: Sheet, route: Route, text: str) -> datetime | None:
    try:
        clock = datetime.fromisoformat(text)
    except ValueError:
        sheet.problem(route, f"clock: {text!r} is no ISO 8601 time", "such as 2026-03-05T09:30:00-05:00")
        return None
    if clock.tzinfo is None:
        sheet.problem(route, "clock: an offset is missing", f"{text}Z for UTC")
        return None
    return clock
