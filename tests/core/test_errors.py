"""Errors are values: the tree is as it is drawn, and nobody changes one that is on its way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from runner.core import errors
from runner.core.errors import AgentRunError, ConfigError, PromptTooLong, UsageError

RUNNER = Path(errors.__file__).parent.parent


def drawn() -> Iterator[tuple[str, str, int]]:
    """Each class of the drawing, with its parent's name and the exit code at its right, its parent's where none is."""
    line_of_ancestors: list[tuple[str, int]] = []
    for line in (errors.__doc__ or "").splitlines()[2:]:
        match = re.fullmatch(r"([│ ]*[├└]── )?(\w+) {2,}.*?(?: {2,}exit (\d))?", line)
        assert match, line
        depth = len(match[1] or "") // 4
        del line_of_ancestors[depth:]
        parent, code = line_of_ancestors[-1] if line_of_ancestors else ("Exception", AgentRunError.exit_code)
        code = int(match[3]) if match[3] else code
        line_of_ancestors.append((match[2], code))
        yield match[2], parent, code


def test_the_drawn_tree_is_the_tree():
    classes = {
        (name, value.__base__.__name__, value.exit_code)
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, AgentRunError) and value.__base__
    }
    assert set(drawn()) == classes


def test_a_replaced_error_is_another_of_the_same_kind():
    first = PromptTooLong("too long", where="there", status=400, retry_after=1.5)
    second = first.replace(what="much too long", fix="cut it", window=8)
    assert (first.what, first.fix, first.window, str(first.args[0])) == ("too long", "", None, "too long")
    assert (type(second), second.args, second.where, second.status) == (PromptTooLong, ("much too long",), "there", 400)
    assert (second.fix, second.window, second.retry_after) == ("cut it", 8, 1.5)
    config = ConfigError(["one", "two"]).replace(where="here")
    assert (config.problems, config.what, config.where) == (("one", "two"), "one\ntwo", "here")


def test_nobody_changes_an_error_that_is_on_its_way():
    texts = set(UsageError("").__dict__) | {"exit_code", "retry_after", "window", "status"}
    for path in RUNNER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                changed = {ast.unparse(target) for target in assigned(node)} & {f"{node.name}.{text}" for text in texts}
                assert not changed, f"{path} changes {changed}"
            assert not (isinstance(node, ast.Attribute) and node.attr == "add_note"), path


def assigned(node: ast.AST) -> Iterator[ast.expr]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign):
            for target in inner.targets:
                yield from target.elts if isinstance(target, ast.Tuple) else (target,)
        elif isinstance(inner, ast.AugAssign):
            yield inner.target
