"""`agent-run doctor [AGENT]`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from runner.cli.terminal.streams import print_json, print_text

if TYPE_CHECKING:
    from runner.commands.doctor import HealthCheck


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
    from dataclasses import asdict  # lazy, as the next

    from runner.commands.doctor import check_agent, check_machine, exit_code  # lazy: `--help` needs none of it

    checks = [*check_machine(), *(check_agent(agent) if agent else ())]
    print_json([asdict(check) for check in checks]) if form == "json" else print_text(as_text(checks))
    return exit_code(checks)


def as_text(checks: Iterable[HealthCheck]) -> str:
    lines = []
    for topic, group in groupby(checks, key=lambda check: check.topic):
        of_topic = list(group)
        lines += [topic, *(_key_lines(of_topic) if topic == "keys" else map(_line, of_topic))]
    return "\n".join(lines)


def _key_lines(keys: Sequence[HealthCheck]) -> list[str]:
    """The keys that are set, a line each, and all others on one line: nobody has them all."""
    others = ", ".join(key.name for key in keys if key.state != "ok")
    return [_line(key) for key in keys if key.state == "ok"] + [f"  not set {others}"] * bool(others)


def _line(check: HealthCheck) -> str:
    from runner.core.sanitize import escape_line  # lazy, as above
    from runner.core.secrets import redact

    fix = f" → {check.fix}" if check.fix else ""
    return escape_line(redact(f"  {check.state:<8}{check.name}: {check.says}{fix}"))
