"""`agent-run doctor [AGENT]`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.commands.doctor import Finding

_FIRST = (2, 6, 4)


@click.command()
@click.argument("agent", type=click.Path(readable=False), required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def doctor(agent: str | None, form: str) -> int:
    """Tell what is installed, reachable and missing, on this machine and for AGENT.

    No key is shown, and nothing of a file that is not trusted is started. The code is 0, or says why AGENT cannot run:
    2 its file or your configuration is wrong, 6 it is not trusted, 4 no gateway of it answers, or a program or server
    that it needs is missing.
    """
    from runner.commands.doctor import of_agent, of_machine  # lazy: `--help` needs neither

    findings = [*of_machine(), *(of_agent(agent) if agent else ())]
    click.echo(_json(findings) if form == "json" else _text(findings))
    blocking = {finding.blocks for finding in findings}
    return next((code for code in _FIRST if code in blocking), 0)


def _text(findings: Iterable[Finding]) -> str:
    lines = []
    for topic, group in groupby(findings, key=lambda finding: finding.topic):
        found = list(group)
        lines += [topic, *(_of_keys(found) if topic == "keys" else map(_line, found))]
    return "\n".join(lines)


def _of_keys(keys: Sequence[Finding]) -> list[str]:
    """The keys that are set, a line each, and all others on one line: nobody has them all."""
    others = ", ".join(each.name for each in keys if each.state != "ok")
    return [_line(each) for each in keys if each.state == "ok"] + [f"  not set {others}"] * bool(others)


def _line(finding: Finding) -> str:
    from runner.core.sanitize import escape_line  # lazy, as above
    from runner.core.secrets import redact

    fix = f" → {finding.fix}" if finding.fix else ""
    return escape_line(redact(f"  {finding.state:<8}{finding.name}: {finding.says}{fix}"))


def _json(findings: Sequence[Finding]) -> str:
    import json  # lazy, as above
    from dataclasses import asdict

    from runner.core.secrets import redact

    rows = [asdict(finding) for finding in findings]
    rows = [{key: redact(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows]
    return json.dumps(rows, indent=2)
