"""Templates render plain data, find mistakes at their line, and cannot get out."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.agent import Location, PromptSource
from runner.config.template.render import render, template_dependencies
from runner.config.yaml.parser import load_document
from runner.core.errors import ConfigError
from thoroughness import examples

NOW = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
VALUES = {"name": "Ada", "words": ["b", "a"], "count": 2, "on": True, "nothing": None, "table": {"k": "v"}}


def show(text: str, root: Path = Path("/nonexistent")) -> str:
    return render(PromptSource(text, root), VALUES, now=lambda: NOW)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no marks, {one} brace", "no marks, {one} brace"),
        ("{{ name }} and {{count}}\n", "Ada and 2\n"),
        ("{{ on }}{{ nothing }}", "True"),
        ("{{ now('%A %H:%M') }} {{ now().year }}", "Thursday 09:30 2026"),
        ("{% for w in words | sort %}{{ loop.index }}{{ w }}{% endfor %}", "1a2b"),
        ("{% if on and count > 1 %}yes{% endif %}{# a comment #}", "yes"),
        ("{{ name ~ '-' ~ count }} {{ 'ab' * 2 }} {{ 2 ** 3 }} {{ 7 % 4 }}", "Ada-2 abab 8 3"),
        ("{{ words + ['c'] }}", "['b', 'a', 'c']"),
        ("{{ table.k }}{{ table['k'] }}{{ table.get('x', 'd') }}", "vvd"),
        ("{{ words | join(', ') }} {{ words | tojson }} {{ name | upper | replace('A', 'O') }}", 'b, a ["b", "a"] ODO'),
        ("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f(f(1)) }}", "<<1>>"),
        ("{% set t %}a{{ name }}{% endset %}{{ t | indent(2) }}", "aAda"),
        ("{{ name if nothing else 'none' }} {{ nothing | default('d', true) }}", "none d"),
        ("{{ 'x\ny' | indent }}", "x\n    y"),
        ("{{ 2.567 | round(1) }} {{ words | first }} {{ words | length }}", "2.6 b 2"),
    ],
)  # fmt: skip
def test_what_a_prompt_needs(template: str, expected: str):
    assert show(template) == expected


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_text_without_marks_is_itself(text: str):
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        assert show(text) == text


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.sampled_from(["{{ name }}", "{{count}}", "{{ on }}", "text ", "\n", "{{ nothing }}", "}}", "{ x"])))
def test_the_short_way_renders_as_jinja_does(parts: list[str]):
    text = "".join(parts)
    assert show(text) == show(text + "{# the long way #}")


OUT = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ name.__class__ }}", "{{ name['__class__'] }}",
    "{{ (1).__class__ }}", "{{ words.__len__ }}", "{{ now.__globals__ }}", "{{ now().__reduce__() }}",
    "{{ name | attr('__class__') }}", "{{ self.__init__.__globals__ }}", "{{ self._TemplateReference__context }}",
    "{{ '{0.__class__}'.format(name) }}", "{{ '{0}'.format_map({}) }}", "{{ ('%s' % name) }}", "{{ name.format }}",
    "{{ cycler.__init__ }}", "{{ lipsum.__globals__ }}", "{{ joiner }}", "{{ namespace(a=1) }}", "{{ dict(a=1) }}",
    "{{ config }}", "{{ request }}", "{{ environment }}", "{{ loop }}",
    "{% for x in words %}{{ loop._iterable }}{% endfor %}",
    "{% for x in words %}{{ loop.__class__ }}{% endfor %}", "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{{ words | map('attr', '__class__') | list }}", "{{ words | map(attribute='__class__') | list }}",
    "{{ words | selectattr('__class__') | list }}", "{{ words | groupby('__class__') }}", "{{ words.append('x') }}",
    "{{ table.update({}) }}", "{{ table.clear() }}", "{{ table.pop('k') }}", "{% do words %}", "{{ range }}",
    "{% import 'os' as os %}", "{% include '../x' %}", "{% include '/etc/passwd' %}", "{% extends '/etc/passwd' %}",
    "{% include ['/etc/passwd', '../x'] %}", "{% from '/etc/passwd' import x %}", "{% include name %}",
    "{{ name | xmlattr }}", "{{ words | random }}", "{{ name | pprint }}", "{{ now().tzinfo }}",
    "{{ now().__class__ }}",
]  # fmt: skip


@pytest.mark.parametrize("template", OUT)
def test_nothing_leads_out(template: str):
    with pytest.raises(ConfigError) as caught:
        show(template)
    assert "Traceback" not in str(caught.value)


HUGE = [
    "{{ 'x' * 10**9 }}", "{{ 10**9 * 'x' }}", "{{ [1] * 10**9 }}", "{{ 10 ** (10 ** 8) }}", "{{ 9**99999999 }}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "{% set a = ['x'] %}" + "{% set a = [a,a,a,a,a,a,a,a,a,a] %}" * 12 + "{{ a }}",
    "{% set a = ['x'] %}" + "{% set a = [a,a,a,a,a,a,a,a,a,a] %}" * 12 + "{{ a | tojson }}",
    "{% set a = ['x'] %}" + "{% set a = [a,a,a,a,a,a,a,a,a,a] %}" * 12 + "{{ 'x' ~ a }}",
    "{% set a = ['x'] %}" + "{% set a = [a,a,a,a,a,a,a,a,a,a] %}" * 12 + "{{ [a] | join }}",
    "{% set a %}" + "x" * 1000 + "{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 30 + "{{ a }}",
    "{{ ('x' * 900000) | replace('x', 'y' * 900000) }}", "{{ ('x' * 900000) | list | join('y' * 900000) }}",
    "{{ 'x\n' | indent(10**9) }}", "{{ 'x' | center(10**9) }}", "{{ 'x'.ljust(10**9) }}",
    "{{ 1.5 | round(10**9, 'ceil') }}",
    "{{ '%1000000000d' % 1 }}", "{{ '{:1000000000}'.format(1) }}", "{{ 'x' | wordwrap(1, wrapstring='y' * 10**8) }}",
    "{{ 5 | round(-10**9) }}", "{{ [1, 2] | join('y' * 999999) }}",
    "".join("{% set a" + str(n) + " = 'x' * 999999 %}" for n in range(40)),
    "{% set a = 'x' * 999999 %}{{ [" + "a," * 5000 + "] | map('upper') | list | length }}",
    "{{ range(99999) | map('replace', '', 'x' * 9999) | list | length }}",
    "{{ range(99999) | map('string') | map('replace', '1', 'x' * 99999) | join }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ (9 ** 3000) * (9 ** 3000) * (9 ** 3000) * (9 ** 3000) }}",
    "{% for a in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}",
]  # fmt: skip


@pytest.mark.parametrize("template", HUGE)
def test_nothing_grows_without_bound(template: str):
    started = time.monotonic()
    with pytest.raises(ConfigError):
        show(template)
    assert time.monotonic() - started < 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    ],
)
def test_nothing_runs_for_ever(template: str):
    started = time.monotonic()
    with pytest.raises(ConfigError, match="longer than 2 seconds"):
        show(template)
    assert time.monotonic() - started < 30


def test_includes_stay_in_their_folder(tmp_path: Path):
    root = tmp_path / "agents"
    (root / "parts").mkdir(parents=True)
    (tmp_path / "secret.md").write_text("SECRET")
    (root / "parts" / "rules.md").write_text("Be {{ name }}.")
    (root / "link.md").symlink_to(tmp_path / "secret.md")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop.md").write_text("{% include 'loop.md' %}")
    (root / "twice.md").write_text("{% include 'twice2.md' %}{% include 'twice2.md' %}")
    assert show("{% include 'parts/rules.md' %}", root) == "Be Ada."
    for name, why in [
        ("link.md", "a symlink leads out"),
        ("folder/secret.md", "a symlink leads out"),
        ("../secret.md", ".. leads out"),
        (str(tmp_path / "secret.md"), "absolute"),
        ("parts", "no file"),
        ("nope.md", "no file"),
        ("loop.md", "without end"),
    ]:
        with pytest.raises(ConfigError, match=why) as caught:
            show(f"{{% include '{name}' %}}", root)
        assert "SECRET" not in str(caught.value)


def test_a_mistake_in_an_included_file_stands_there(tmp_path: Path):
    (tmp_path / "part.md").write_text("fine\nand {{ nmae }}\n")
    with pytest.raises(ConfigError) as caught:
        show("{% include 'part.md' %}", tmp_path)
    assert str(caught.value) == f"{tmp_path}/part.md:2:8: error: template: 'nmae' is not defined (did you mean 'name'?)"


def test_a_mistake_at_rendering_stands_at_its_line_of_the_yaml_file():
    document = load_document("a.yaml", text="system_prompt: |\n  fine\n\n    {{ table.nope }}\n")
    text = document.value["system_prompt"]
    source = PromptSource(text, Path(), Location(Path("a.yaml"), 1), document.source_map(("system_prompt",)))
    with pytest.raises(ConfigError) as caught:
        render(source, VALUES, now=lambda: NOW)
    diagnostic = caught.value.problems[0]
    assert (diagnostic.path, diagnostic.line, diagnostic.column) == ("a.yaml", 4, 14)


def test_the_names_that_a_template_takes_from_outside(tmp_path: Path):
    (tmp_path / "part.md").write_text("{{ inner }} {{ each }}")
    text = """{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{% set b = c %}{{ b }}
{% for each in d %}{{ each }}{{ loop.index }}{% include 'part.md' %}{% endfor %}{{ now() }}{{ range(2) }}"""
    used = template_dependencies(PromptSource(text, tmp_path))
    assert sorted(used.names) == ["c", "d", "inner"]
    assert (used.names["inner"].path, used.names["inner"].line) == (str(tmp_path / "part.md"), 1)
    assert used.files == (tmp_path / "part.md",)
    assert template_dependencies(PromptSource("nothing here", tmp_path)).names == {}
    plain = template_dependencies(PromptSource("{{ x }}\n{{ y }} {{ x }}", tmp_path)).names
    assert {name: diagnostic.line for name, diagnostic in plain.items()} == {"x": 1, "y": 2}


@pytest.mark.parametrize("name", ["name", "'a' if x else 'b'", "['a', 'b']", "'a' ~ 'b'"])
def test_what_is_included_is_known_beforehand(name: str):
    with pytest.raises(ConfigError, match="names one file, in quotes"):
        template_dependencies(PromptSource(f"{{% include {name} %}}", Path()))
