"""The first document, checked by the schema, as values: turns, expectations, inputs; and what a suite adds to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from runner.config.yaml.document import NodePath
from runner.transcripts import expectations
from runner.transcripts.files.location import SourceDocument
from runner.transcripts.model import Answers, Expectation, ReplayInputs, ScriptTurn, ToolMode

_MODIFIERS = ("when", "severity", "normalize")


class Partial(NamedTuple):
    """Turns of a suite that transcripts splice in."""

    source: SourceDocument
    turns: Sequence[Mapping[str, Any]]
    node_path: NodePath


class Suite(NamedTuple):
    """What the `_suite.yaml` files above a transcript give it, the nearest one winning."""

    inputs: ReplayInputs = ReplayInputs()
    modes: Mapping[str, ToolMode] = {}
    normalize: tuple[str, ...] = ()
    stale: Mapping[str, str] = {}
    redact: Mapping[str, str] = {}
    partials: Mapping[str, Partial] = {}

    def with_defaults(self, source: SourceDocument) -> Suite:
        """This suite overlaid by what one more file sets."""
        given = source.document.value
        return Suite(
            inputs(source, self.inputs),
            {**self.modes, **given.get("tools", {})},
            tuple(given.get("normalize", self.normalize)),
            {**self.stale, **given.get("stale", {})},
            {**self.redact, **patterns(source)},
            {
                **self.partials,
                **{
                    name: Partial(source, turns, ("partials", name))
                    for name, turns in given.get("partials", {}).items()
                },
            },
        )


def inputs(source: SourceDocument, outer: ReplayInputs = ReplayInputs(), node_path: NodePath = ()) -> ReplayInputs:  # noqa: B008 - frozen
    """clock, seed and variables as they stand at `node_path`, over those of the suite."""
    given = source.document.value
    for key in node_path:
        given = given.get(key, {})
    return ReplayInputs(
        _clock(source, (*node_path, "clock"), given["clock"]) if "clock" in given else outer.clock,
        given.get("seed", outer.seed),
        {**outer.variables, **given.get("variables", {})},
        given.get("capabilities", outer.capabilities),
    )


def patterns(source: SourceDocument) -> dict[str, str]:
    """The `redact` patterns that compile."""
    good = {}
    for name, text in source.document.value.get("redact", {}).items():
        try:
            if re.compile(text).search(""):
                source.report(("redact", name), f"redact.{name}: this matches even nothing", "say what must be there")
            else:
                good[name] = text
        except re.error as error:
            source.report(("redact", name), f"redact.{name}: not a regular expression: {error}")
    return good


def turns(source: SourceDocument, suite: Suite) -> tuple[ScriptTurn, ...]:
    """The script's turns with the partials spliced in; ids are unique."""
    said: list[ScriptTurn] = []
    known: dict[str, ScriptTurn] = {}
    for turn_source, node_path, turn in _spliced(source, suite):
        name = turn.get("id") or f"turn-{len(said) + 1}"
        if name in known:
            turn_source.report(
                (*node_path, "id") if "id" in turn else node_path,
                f"a turn named {name} stands already at line {known[name].location.line}",
                "recordings are found by the turn's id",
            )
            continue
        known[name] = _turn(turn_source, node_path, turn, name, suite.normalize)
        said.append(known[name])
    return tuple(said)


def _spliced(source: SourceDocument, suite: Suite) -> Iterator[tuple[SourceDocument, NodePath, Mapping[str, Any]]]:
    for position, turn in enumerate(source.document.value["turns"]):
        node_path: NodePath = ("turns", position)
        if (name := turn.get("include")) is None:
            yield from _spoken(source, node_path, turn)
        elif len(turn) > 1:
            source.report(node_path, "include: stands alone in its turn")
        elif (partial := suite.partials.get(name)) is None:
            known = ", ".join(suite.partials) or "none"
            source.report((*node_path, "include"), f"there is no partial {name!r}", f"known in _suite.yaml: {known}")
        else:
            theirs = SourceDocument(partial.source.document, partial.source.path, source.diagnostics)
            for number, included in enumerate(partial.turns):
                yield from _spoken(theirs, (*partial.node_path, number), included)


def _spoken(
    source: SourceDocument, node_path: NodePath, turn: Mapping[str, Any]
) -> Iterator[tuple[SourceDocument, NodePath, Mapping[str, Any]]]:
    """The turn, if the user says something in it."""
    if "user" in turn:
        yield source, node_path, turn
    else:
        source.report(node_path, "a turn needs user: what the user says")


def _turn(
    source: SourceDocument, node_path: NodePath, turn: Mapping[str, Any], name: str, normalize: tuple[str, ...]
) -> ScriptTurn:
    answers = turn.get("answers", {})
    user = {"text": turn["user"]} if isinstance(turn["user"], str) else turn["user"]
    files = tuple(source.path.parent / file for file in user.get("files", ()))
    for position, file in enumerate(files):
        if not file.is_file():
            source.report((*node_path, "user", "files", position), f"there is no file {file}")
    return ScriptTurn(
        name,
        user["text"],
        source.lazy_location(*node_path),
        expected(source, (*node_path, "expect"), turn.get("expect", ()), normalize),
        Answers(tuple(answers.get("ask_user", ())), tuple(answers["approve"]) if "approve" in answers else None),
        files,
        turn.get("keep_going", False),
    )


def expected(
    source: SourceDocument, node_path: NodePath, items: Sequence[Mapping[str, Any]], normalize: tuple[str, ...] = ()
) -> tuple[Expectation, ...]:
    """The expectations of a list; a budget becomes one a key, so that what cannot be judged hides nothing."""
    found: list[Expectation] = []
    for position, item in enumerate(items):
        at: NodePath = (*node_path, position)
        negated = "not" in item
        body = item["not"] if negated else {key: value for key, value in item.items() if key not in _MODIFIERS}
        if len(body) != 1 or (negated and len(item.keys() - set(_MODIFIERS)) > 1):
            source.report(at, "an expectation has exactly one key besides when, severity and normalize")
            continue
        ((key, wanted),) = body.items()
        here: NodePath = (*at, "not", key) if negated else (*at, key)
        if wrong := expectations.kind(key).problem(wanted):
            source.report(here, f"{key}: {wrong}")
            continue
        parts = (
            [({each: most}, (*here, each)) for each, most in wanted.items()] if key == "budget" else [(wanted, here)]
        )
        for part, part_path in parts:
            found.append(
                Expectation(
                    key,
                    part,
                    source.lazy_location(*part_path),
                    negated,
                    item.get("when", "both"),
                    item.get("severity", "error"),
                    tuple(item.get("normalize", normalize)),
                    "{{" in str(part) or "{%" in str(part),
                )
            )
    return tuple(found)


def _clock(source: SourceDocument, node_path: NodePath, text: str) -> datetime | None:
    try:
        clock = datetime.fromisoformat(text)
    except ValueError:
        source.report(node_path, f"clock: {text!r} is no ISO 8601 time", "such as 2026-03-05T09:30:00-05:00")
        return None
    if clock.tzinfo is None:
        source.report(node_path, "clock: an offset is missing", f"{text}Z for UTC")
        return None
    return clock
