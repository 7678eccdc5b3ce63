"""`agent-run trust AGENT`, and the one question about trust."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.config.trust import Standing


@click.command()
@click.argument("agent", type=click.Path(), required=False)
@click.option("-y", "--yes", is_flag=True, help="Consent without being asked.")
@click.option("--list", "listed", is_flag=True, help="List the files that were trusted.")
@click.option("--revoke", is_flag=True, help="Take back the consent for AGENT.")
def trust(agent: str | None, *, yes: bool, listed: bool, revoke: bool) -> None:
    """Show what AGENT can execute and reach, and remember consent for exactly that content.

    Any change to the file, or to the files it names, asks again and shows what is different.
    """
    if listed:
        return _list()
    if agent is None:
        raise click.UsageError("name an agent file, or pass --list")
    return _revoke(agent) if revoke else _trust(agent, yes=yes)


def agree(text: str) -> bool:
    """Show what a file can do and ask the person at the terminal for consent; no answer is none."""
    click.echo(text, err=True)
    return click.confirm("Trust it?", default=False, err=True)


def _trust(agent: str, *, yes: bool) -> None:
    from runner.cli.terminal.plain import warn  # lazy, as the next: `--help` needs none of them
    from runner.config.loader import load_agent
    from runner.config.trust import standing

    now = standing(load_agent(agent), warn)
    if now is None:
        click.echo(f"{agent} needs no trust: it executes nothing, and reaches nothing but its model")
    elif now.trusted:
        click.echo(f"{now.text}\nand is trusted as it stands")
    else:
        click.echo(now.text)
        _consent(now, yes=yes)
        now.remember()
        click.echo("trusted, until any of it changes")


def _consent(now: Standing, *, yes: bool) -> None:
    """Return if the user consents to what was just shown. Raises NeedsTrust."""
    from runner.core.errors import NeedsTrust  # lazy, as above

    if not yes and sys.stdin.isatty():
        yes = click.confirm("Trust it?", default=False, err=True)
    if not yes:
        path = str(now.agent.path)
        raise NeedsTrust("nothing was trusted", where=path, fix=f"agent-run trust --yes {path}, once you have read it")


def _list() -> None:
    from runner.cli.terminal.plain import inert, warn  # lazy, as above
    from runner.config.consents import all_consents

    for consent in all_consents(warn):
        click.echo(f"{inert(consent.path)}  ({inert(consent.given)})")


def _revoke(agent: str) -> None:
    from pathlib import Path

    from runner.config.consents import forget  # lazy, as above

    stood = forget(Path(agent))
    click.echo(f"{agent} is no longer trusted" if stood else f"{agent} was not trusted")
