"""A script's document, checked by the schema, as values: turns, expectations and replay inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from runner.config.paths import OutsideFolder, path_kind, resolve_within
from runner.config.yaml.document import NodePath
from runner.core.bounded_regex import search
from runner.transcripts import expectations
from runner.transcripts.files.source_document import SourceDocument
from runner.transcripts.model import Answers, Expectation, ReplayInputs, ScriptTurn

_MODIFIERS = ("when", "severity", "normalize")


class Partial(NamedTuple):
    """Turns of a suite file that a script includes by name."""

    source: SourceDocument
    turns: Sequence[Mapping[str, Any]]
    node_path: NodePath


class _TurnNode(NamedTuple):
    """A turn as a mapping, and where it stands: in the script, or in the suite file of its partial."""

    source: SourceDocument
    node_path: NodePath
    value: Mapping[str, Any]


def parse_inputs(
    source: SourceDocument,
    defaults: ReplayInputs = ReplayInputs(),  # noqa: B008 - frozen
    node_path: NodePath = (),
) -> ReplayInputs:
    """clock, seed and variables as they stand at `node_path`, over the defaults."""
    fields = source.document.value
    for key in node_path:
        fields = fields.get(key, {})
    variables = fields.get("variables", {})
    at = (*node_path, "variables")
    return ReplayInputs(
        _clock(source, (*node_path, "clock"), fields["clock"]) if "clock" in fields else defaults.clock,
        fields.get("seed", defaults.seed),
        {**defaults.variables, **variables},
        fields.get("capabilities", defaults.capabilities),
        tuple(fields.get("allow", ())),
        tuple(fields.get("deny", ())),
        {**defaults.variable_locations, **{name: source.lazy_location(*at, name) for name in variables}},
    )


def parse_redact_patterns(source: SourceDocument) -> dict[str, str]:
    """The `redact` patterns that compile."""
    patterns = {}
    for name, pattern in source.document.value.get("redact", {}).items():
        try:
            if search(pattern, "") is not None:
                source.report(("redact", name), f"redact.{name}: this matches even nothing", "say what must be there")
            else:
                patterns[name] = pattern
        except ValueError as error:
            source.report(("redact", name), f"redact.{name}: not a regular expression: {error}")
    return patterns


def parse_turns(
    source: SourceDocument, partials: Mapping[str, Partial], normalize: tuple[str, ...]
) -> tuple[ScriptTurn, ...]:
    """The script's turns, those of included partials among them; ids are unique."""
    turns: dict[str, ScriptTurn] = {}
    for node in _turn_nodes(source, partials):
        turn_id = node.value.get("id") or f"turn-{len(turns) + 1}"
        if turn_id in turns:
            node.source.report(
                (*node.node_path, "id") if "id" in node.value else node.node_path,
                f"a turn named {turn_id} stands already at line {turns[turn_id].location.line}",
                "recordings are found by the turn's id",
            )
            continue
        turns[turn_id] = _turn(node, turn_id, normalize)
    return tuple(turns.values())


def _turn_nodes(source: SourceDocument, partials: Mapping[str, Partial]) -> Iterator[_TurnNode]:
    """The turns in which the user says something, each include replaced by the turns of its partial."""
    for node in _nodes_with_partials(source, partials):
        if "include" in node.value:
            node.source.report((*node.node_path, "include"), "a partial includes no other")
        elif "user" in node.value:
            yield node
        else:
            node.source.report(node.node_path, "a turn needs user: what the user says")


def _nodes_with_partials(source: SourceDocument, partials: Mapping[str, Partial]) -> Iterator[_TurnNode]:
    for position, turn in enumerate(source.document.value["turns"]):
        node_path: NodePath = ("turns", position)
        if (name := turn.get("include")) is None:
            yield _TurnNode(source, node_path, turn)
        elif len(turn) > 1:
            source.report(node_path, "include: stands alone in its turn")
        elif (partial := partials.get(name)) is None:
            known = ", ".join(partials) or "none"
            source.report((*node_path, "include"), f"there is no partial {name!r}", f"known in _suite.yaml: {known}")
        else:
            # The suite file was read for another transcript, perhaps: what is wrong is told with this one's.
            suite_source = SourceDocument(partial.source.document, partial.source.path, source.diagnostics)
            for number, included in enumerate(partial.turns):
                yield _TurnNode(suite_source, (*partial.node_path, number), included)


def _turn(node: _TurnNode, turn_id: str, normalize: tuple[str, ...]) -> ScriptTurn:
    source, node_path, turn = node
    answers = turn.get("answers", {})
    user = {"text": turn["user"]} if isinstance(turn["user"], str) else turn["user"]
    files = tuple(
        _image(source, (*node_path, "user", "files", position), name)
        for position, name in enumerate(user.get("files", ()))
    )
    return ScriptTurn(
        turn_id,
        user["text"],
        source.lazy_location(*node_path),
        parse_expectations(source, (*node_path, "expect"), turn.get("expect", ()), normalize),
        Answers(
            tuple(answers.get("ask_user", ())),
            tuple(answers["approve"]) if "approve" in answers else None,
            tuple(
                source.lazy_location(*node_path, "answers", "ask_user", position)
                for position in range(len(answers.get("ask_user", ())))
            ),
        ),
        files,
        turn.get("keep_going", False),
    )


def _image(source: SourceDocument, node_path: NodePath, name: str) -> Path:
    """The path of an image that goes with a message; it lies in the folder of the file that names it, or below."""
    folder = source.path.parent
    try:
        path = resolve_within(name, folder, folder, "transcript")
    except OutsideFolder as error:
        source.report(node_path, f"files: {error}", "an image lies in the transcript's folder, or below")
        return folder
    if path_kind(path) != "file":
        source.report(node_path, f"there is no file {path}", "files: takes images, relative to this file")
    return path


def parse_expectations(
    source: SourceDocument, node_path: NodePath, items: Sequence[Mapping[str, Any]], normalize: tuple[str, ...] = ()
) -> tuple[Expectation, ...]:
    """The expectations of a list; a kind of which each key is one, such as `budget`, becomes several."""
    parsed: list[Expectation] = []
    for position, item in enumerate(items):
        item_path: NodePath = (*node_path, position)
        negated = "not" in item
        body = item["not"] if negated else {key: value for key, value in item.items() if key not in _MODIFIERS}
        if len(body) != 1 or (negated and len(item.keys() - set(_MODIFIERS)) > 1):
            source.report(item_path, "an expectation has exactly one key besides when, severity and normalize")
            continue
        ((kind, expected),) = body.items()
        kind_path: NodePath = (*item_path, "not", kind) if negated else (*item_path, kind)
        record = expectations.expectation_kind(kind)
        if "normalize" in item and expectations.MODULES[kind] != "text":
            source.report((*item_path, "normalize"), f"normalize: {kind} compares no text, and ignores it", at_key=True)
            continue
        if problem := record.problem(expected):
            source.report(kind_path, f"{kind}: {problem}")
            continue
        parts = (
            [({limit: maximum}, (*kind_path, limit)) for limit, maximum in expected.items()]
            if record.one_per_key and not negated  # `not` turns round the whole, and never a part of it
            else [(expected, kind_path)]
        )
        for part, part_path in parts:
            parsed.append(
                Expectation(
                    kind,
                    part,
                    source.lazy_location(*part_path),
                    negated,
                    item.get("when", "both"),
                    item.get("severity", "error"),
                    tuple(item.get("normalize", normalize)),
                    "{{" in str(part) or "{%" in str(part),
                )
            )
    return tuple(parsed)


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
