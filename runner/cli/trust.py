"""`agent-run trust AGENT`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.config.trust.trust import TrustStatus


@click.command()
@click.argument("agent", type=click.Path(readable=False), required=False)
@click.option("-y", "--yes", is_flag=True, help="Consent without being asked.")
@click.option("--list", "listed", is_flag=True, help="List the files that were trusted.")
@click.option("--revoke", is_flag=True, help="Take back the consent for AGENT.")
def trust(agent: str | None, *, yes: bool, listed: bool, revoke: bool) -> None:
    """Show what AGENT can execute and reach, and remember consent for exactly that content.

    Any change to the file, or to the files it names, asks again and shows what is different. Tools of its MCP servers
    that have changed since they were first used are accepted as they will be listed next.
    """
    if listed:
        return _list()
    if agent is None:
        raise click.UsageError("name an agent file, or pass --list")
    return _revoke(agent) if revoke else _trust(agent, yes=yes)


def _trust(agent: str, *, yes: bool) -> None:
    from runner.cli.terminal.plain_text import warn  # lazy, as the next: `--help` needs none of them
    from runner.config.loader import load_agent
    from runner.config.trust.trust import trust_status, unpin_mcp_tools
    from runner.core.sanitize import sanitize

    loaded = load_agent(agent)
    status = trust_status(loaded, warn)
    if status is None:
        click.echo(f"{sanitize(agent)} needs no trust: it executes nothing, and reaches nothing but its model")
        return
    if status.trusted:
        click.echo(f"{status.description}\nand is trusted as it stands")
    else:
        _consent(status, yes=yes)
        status.save_consent()
        click.echo("trusted, until any of it changes")
    unpin_mcp_tools(loaded)


def _consent(status: TrustStatus, *, yes: bool) -> None:
    """Show what the file can do; return if the user consents. Raises NeedsTrust."""
    from runner.cli.terminal.questions import consent  # lazy, as above
    from runner.core.errors import NeedsTrust

    if yes or not sys.stdin.isatty():
        click.echo(status.description)
    if not (yes or (sys.stdin.isatty() and consent(status.description))):
        path = str(status.agent.path)
        raise NeedsTrust("nothing was trusted", where=path, fix="read it, then pass --yes or answer yes at a terminal")


def _list() -> None:
    from runner.cli.terminal.plain_text import warn  # lazy, as above
    from runner.config.trust.store import TrustStore
    from runner.core.sanitize import sanitize

    for consent in TrustStore(warn).load_all():
        click.echo(f"{sanitize(consent.path)}  ({sanitize(consent.given)})")


def _revoke(agent: str) -> None:
    from pathlib import Path

    from runner.config.trust.store import TrustStore  # lazy, as above

    removed = TrustStore().remove(Path(agent))
    click.echo(f"{agent} is no longer trusted" if removed else f"{agent} was not trusted")
