"""One line, whatever is in it, and nothing in it that begins a command or a property."""

from __future__ import annotations

import pytest

from runner.core.github_commands import workflow_command


@pytest.mark.parametrize(
    ("message", "properties", "line"),
    [
        ("plain", {"file": "a.yaml", "line": 3, "col": 1}, "::error file=a.yaml,line=3,col=1::plain"),
        ("two\nlines", {"file": "a"}, "::error file=a::two%0Alines"),
        ("50%", {"file": "a,b:c%"}, "::error file=a%2Cb%3Ac%25::50%25"),
        ("a:b,c", {"title": "x\ny"}, "::error title=x%0Ay::a:b,c"),
        ("a\r\nb\x1b[31m\u202ec", {"file": "a"}, "::error file=a::a%0Ab[31mc"),
    ],
)
def test_a_command(message: str, properties: dict[str, str | int], line: str) -> None:
    assert workflow_command("error", message, **properties) == line


def test_t10_a_command_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-4711-abc")
    hidden = "\u200b".join("canary-4711-abc")
    line = workflow_command("error", f"a {hidden}", file="x/canary-4711-abc.yaml", title="canary-4711-abc")
    assert "4711" not in line
    assert line.count("«env") == 3
