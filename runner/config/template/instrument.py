"""Puts looks at the clock and at sizes into a parsed template, where the compiled code would take none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

_MOST_PAIRS = 1_000
_MOST_COMPARED = 20


def instrument(tree: nodes.Template, environment: Environment) -> None:
    """Let loops, comparisons, literals, slices and `~` go through the environment's methods of these names.

    `timed(items)`, `passed(value)`, `count(value)`, `sliced(value, start, stop, step)`, `concatenated(*parts)`. Raises
    TemplateSyntaxError for a mapping of too many pairs, whose keys could all have the same hash.
    """

    def call(method: str, *arguments: Any) -> nodes.Call:
        made = nodes.Call(nodes.EnvironmentAttribute(method), [*arguments], [], None, None)
        made.set_lineno(arguments[0].lineno).set_environment(environment)
        return made

    def slice_of(item: nodes.Getitem) -> nodes.Expr:
        if not isinstance(item.arg, nodes.Slice):
            return item
        parts = (item.arg.start, item.arg.stop, item.arg.step)
        return call("sliced", item.node, *(part or nodes.Const(None, lineno=item.lineno) for part in parts))

    def literal(node: Any) -> nodes.Expr:
        if isinstance(node, nodes.Dict) and len(node.items) > _MOST_PAIRS:
            raise TemplateSyntaxError(f"a mapping of more than {_MOST_PAIRS:,} pairs", node.lineno)
        stored: nodes.Expr = node
        return stored if getattr(node, "ctx", "load") != "load" else call("count", node)

    for loop in tree.find_all(nodes.For):
        loop.iter = call("timed", loop.iter)
    for comparison in tree.find_all(nodes.Compare):
        if len(comparison.ops) > _MOST_COMPARED:
            raise TemplateSyntaxError(f"a comparison of more than {_MOST_COMPARED} values in a row", comparison.lineno)
        comparison.expr = call("passed", comparison.expr)
    _replace_all(tree, nodes.Getitem, slice_of)
    _replace_all(tree, (nodes.List, nodes.Tuple, nodes.Dict), literal)
    _replace_all(tree, nodes.Concat, lambda concat: call("concatenated", *concat.nodes))


def deepest_line(tree: nodes.Template) -> int:
    """The line of the node that the most others stand around."""
    deepest, line = -1, 1
    waiting: list[tuple[int, nodes.Node]] = [(0, tree)]
    while waiting:
        depth, node = waiting.pop()
        if depth > deepest:
            deepest, line = depth, node.lineno or line
        waiting += [(depth + 1, child) for child in node.iter_child_nodes()]
    return line


def _replace_all(root: nodes.Node, kind: Any, make: Callable[[Any], nodes.Node]) -> None:
    """Put `make(node)` where each node of a kind stands, the innermost first."""
    for node in reversed([*_below(root)]):
        for name, value in node.iter_fields():
            if isinstance(value, kind):
                setattr(node, name, make(value))
            elif isinstance(value, list):
                value[:] = [make(item) if isinstance(item, kind) else item for item in value]


def _below(root: nodes.Node) -> Iterator[nodes.Node]:
    """All nodes, each before those inside it; without recursion, since a template may be deep."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.iter_child_nodes()
