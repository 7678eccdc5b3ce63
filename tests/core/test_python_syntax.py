"""Python source is parsed in any number of threads at once."""

from __future__ import annotations

import ast
import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.core.python_syntax import parse_python


def test_threads_parse_side_by_side() -> None:
    sources = [f"def f{n}():\n    return [{', '.join(map(str, range(400)))}]\n" * 20 for n in range(8)]
    before = gc.get_threshold()
    gc.set_threshold(1)  # finalizers let other threads in
    try:
        with ThreadPoolExecutor(8) as pool:
            trees = list(pool.map(parse_python, sources * 3))
    finally:
        gc.set_threshold(*before)
    assert all(isinstance(tree, ast.Module) and len(tree.body) == 20 for tree in trees)


@pytest.mark.parametrize("source", ["def (", b"\xff\xfe", "x = '\0'", "(" * 5000])
def test_what_is_no_python_raises_what_is_said(source: str | bytes) -> None:
    with pytest.raises((SyntaxError, ValueError, RecursionError, MemoryError)):
        parse_python(source)
