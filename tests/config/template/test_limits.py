"""No template takes long or fills the memory: each operation on large values, and code of any shape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.config.agent import PromptSource
from runner.config.template.render import render, template_dependencies
from runner.config.template.sandbox import _METHODS, SECONDS, open_sandbox
from runner.core.errors import ConfigError

SLACK = 4
"""Seconds more that the measurement of coverage may cost."""
NOW = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
TEXTS = "{% set a = 'a' * 500000 %}{% set b = 'a' * 250000 ~ 'b' %}"
NUMBERS = "{% set a = 2 ** 9000 %}{% set b = 3 ** 5000 %}"
LISTS = "{% set l = range(40000) | map('string') | list %}{% set b = '7' * 1000 %}"
ALIKE = (
    "{% set p = 'a' * 400000 %}{% set q = p ~ 'b' %}{% set r = p ~ 'c' %}{% set l = [q, r] + [r, q] %}{% set b = q %}"
)
SANDBOX = open_sandbox(Path(), lambda: NOW)
ARGUMENTS = ["", "(b, b)", "(5)"]


def show(template: str, **values: object) -> str:
    return render(PromptSource(template, Path("/nonexistent")), values, now=lambda: NOW)


def operations() -> Iterator[str]:
    for method in sorted(_METHODS[str]):
        for call in ("a.{}()", "a.{}(b)", "a.{}('b' * 90)"):
            yield TEXTS + "{% set x = " + call.format(method) + " %}"
    for name in sorted(SANDBOX.filters):
        for arguments in ARGUMENTS:
            for given in (TEXTS + "{% set l = a %}", LISTS, ALIKE, NUMBERS + "{% set l = a %}"):
                yield given + "{% set x = l | " + name + arguments + " %}"
    for name in sorted(filter(str.isalpha, SANDBOX.tests)):
        for arguments in ("", "(b)", "(5)"):
            yield TEXTS + "{% set x = a is " + name + arguments + " %}"
            yield LISTS + "{% set x = l is " + name + arguments + " %}"
    for operator in ("+", "-", "*", "/", "//", "%", "**", "==", "<", "in", "~", "and"):
        for given in (TEXTS, NUMBERS, LISTS + "{% set a = l %}"):
            yield given + "{% set x = a " + operator + " b %}"
            yield given + "{% set x = " + f"a {operator} " * 20 + "b %}"


def looped() -> Iterator[str]:
    """What takes a moment, done very often."""
    for each in (
        "a.rfind('b' * 90)",
        "a.split('b')",
        "a | upper",
        "a[1:]",
        "a == b",
        "b in a",
        "a is in [a]",
        "a ~ 'x'",
    ):
        yield TEXTS + "{% for i in range(99999) %}{% set x = " + each + " %}{% endfor %}"
        yield TEXTS + "{% set x = [" + f"{each}, " * 2000 + "] %}"


def many(texts: str) -> str:
    return "".join(f"{{% set k{number} = {texts.format(number)} %}}" for number in range(1, 60))


SHAPES = {
    **{
        f"loops {n}": "".join(f"{{% for a{i} in [1] %}}" for i in range(n)) + "{% endfor %}" * n for n in (15, 25, 2000)
    },
    **{f"conditions {n}": "{% if 1 %}" * n + "{% endif %}" * n for n in (80, 150, 5000)},
    **{
        word: f"{{% {begin} %}}" * 150 + f"{{% end{word} %}}" * 150
        for word, begin in {
            "macro": "macro a()",
            "set": "set x",
            "filter": "filter upper",
            "with": "with a = 1",
        }.items()
    },
    "brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "lists": "{{ " + "[" * 400 + "1" + "]" * 400 + " }}",
    "negations": "{{ " + "not " * 5000 + "1 }}",
    "filters": "{{ 'a'" + "|upper" * 5000 + " }}",
    "attributes": "{{ 'a'" + ".x" * 5000 + " }}",
    "sums": "{{ " + "1+" * 400_000 + "1 }}",
    "items": "{{ [" + "a," * 400_000 + "] }}",
    "uses": "{{ a.b }}" * 100_000,
    "variables": "{{a}}" * 190_000,
    "names": "".join(f"{{{{a{number}}}}}" for number in range(90_000)),
    "open": "{{" * 400_000,
    "comments": "{#" * 400_000,
    "blanks": "{{" + " " * 900_000,
    "digits": "{{ " + "9" * 900_000 + " }}",
    "a name": "{{ " + "a" * 900_000 + ".b }}",
    "a chain": "{% set x = " + "1 in " * 3000 + "[1] %}",
    "steps": "{% set x = range(99999)|map('string')|map(attribute='" + ".".join(["0"] * 40_000) + "')|list %}",
    "a large base": "{% set x = ('f' * 999999) | int(0, 16) %}{{ x // (x + 1) }}",
    "years": "{{ now('%Y' * 400000) }}",
    "a width": "{{ now().strftime('%999999999d') }}",
    "hashes": "{% set m = 2305843009213693951 %}{% set x = {" + ",".join(f"m*{i}: 0" for i in range(3000)) + "} %}",
    "unique hashes": "{% set m = 2305843009213693951 %}{% set x = ["
    + ",".join(f"m*{i}" for i in range(4900))
    + "] | unique | list %}",
    "doubled": "{% set l = ['x'] %}" + "{% set l = [l, l] %}" * 200 + "{% set x = l == l %}",
    "deep": "{% set l = [1] %}" + "{% set l = [l] %}" * 2500 + "{{ l }}{{ l == l[0] }}",
    "kept words": many("('{} ' * 200000).split()"),
    "kept characters": many("('\u4e00\u4e01' * 400000) | list"),
    "kept texts": many("('\U0001f600' * 99{} * 1000)"),
}


@pytest.mark.slow
def test_t3_no_operation_outlasts_the_clock():
    for template in operations():
        started = time.process_time()
        with suppress(ConfigError):
            show(template)
        assert time.process_time() - started < SECONDS + SLACK, template[-100:]


@pytest.mark.slow
def test_t3_nothing_repeated_outlasts_the_clock():
    for template in looped():
        started = time.process_time()
        with suppress(ConfigError):
            show(template)
        assert time.process_time() - started < SECONDS + SLACK, template[-100:]


@pytest.mark.slow
@pytest.mark.parametrize("template", SHAPES.values(), ids=SHAPES)
def test_t3_code_of_any_shape_is_read_and_rendered_within_the_clock(template: str):
    for take in (lambda: template_dependencies(PromptSource(template, Path())), lambda: show(template, a="x" * 1000)):
        started = time.process_time()
        with suppress(ConfigError):
            take()
        assert time.process_time() - started < SECONDS + SLACK


@pytest.mark.parametrize("begin, end, number", [("for a in [1]", "endfor", 25), ("if 1", "endif", 150)])
def test_what_is_nested_too_deeply_is_told_of_at_its_line(begin: str, end: str, number: int):
    text = "first\n\n" + f"{{% {begin} %}}\n" * number + "x" + f"{{% {end} %}}" * number
    with pytest.raises(ConfigError, match="nested too deeply") as caught:
        template_dependencies(PromptSource(text, Path()))
    assert caught.value.problems[0].line == number + 2


def test_variables_are_put_in_within_bounds():
    with pytest.raises(ConfigError, match=r"characters|words"):
        show("{{a}}" * 1000, a="x" * 10_000)
    assert len(show("{{a}}" * 90, a="x" * 10_000)) == 900_000


def test_t3_what_prompts_do_goes_on_working():
    cases = "".join(f"{{% elif a == {number} %}}{number}" for number in range(300))
    assert show("{% if a == -1 %}" + cases + "{% endif %}", a=7) == "7"
    assert len(show("{% for i in range(5000) %}- {{ i }}: {{ a | upper }}\n{% endfor %}", a="x" * 100)) > 500_000
    assert show("{{ 'abc'[1:] }}{{ [1, 2, 3][:2] }}{{ (1, 2)[0] }}{{ {'a': [1]}['a'][0] }}") == "bc[1, 2]11"
    assert show("{% for k, v in {'x': 1}.items() %}{{ k }}{{ v }}{% endfor %}{% set x, y = 1, 2 %}{{ y }}") == "x12"
    assert show("{{ 1 < 2 < 3 }}{{ 'a' in ['a'] }}{{ 'a-b'.rsplit('-') }}{{ ' a ' | trim }}") == "TrueTrue['a', 'b']a"
    assert show("{{ [3, 1, 3] | unique | sort }}{{ 5 is odd }}{{ 7 // 2 }}{{ 7 - 2 }}") == "[1, 3]True35"
