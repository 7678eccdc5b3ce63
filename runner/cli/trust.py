"""`agent-run trust AGENT`."""

from __future__ import annotations

import sys
from functools import partial

import click

from runner.cli.terminal.streams import print_text


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
    from runner.cli.terminal.text_output import warn  # lazy, as the next: `--help` needs none of them
    from runner.commands.trust import trust as trust_file
    from runner.core.sanitize import escape_line

    status = trust_file(agent, partial(_consents, yes=yes), warn)
    if status is None:
        print_text(f"{escape_line(agent)} needs no trust: it executes nothing, and reaches nothing but its model")
    elif status.trusted:
        print_text(f"{status.description}\nand is trusted as it stands")
    else:
        print_text("trusted, until any of it changes")


def _consents(description: str, *, yes: bool) -> bool:
    """Show what the file can do, and ask at a terminal unless the user has said yes already."""
    from runner.cli.terminal.questions import consent  # lazy, as above

    at_terminal = sys.stdin.isatty()
    if yes or not at_terminal:
        print_text(description)
        return yes
    return consent(description)


def _list() -> None:
    from runner.cli.terminal.text_output import warn  # lazy, as above
    from runner.commands.trust import trusted_files
    from runner.core.sanitize import escape_line

    for consent in trusted_files(warn):
        print_text(f"{escape_line(consent.path)}  ({escape_line(consent.given)})")


def _revoke(agent: str) -> None:
    from runner.commands.trust import revoke  # lazy, as above
    from runner.core.sanitize import escape_line

    name = escape_line(agent)
    print_text(f"{name} is no longer trusted" if revoke(agent) else f"{name} was not trusted")
