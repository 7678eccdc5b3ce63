"""What `trust` does: consent to what an agent file can execute and reach, given, listed and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from runner.config.loader import load_agent
from runner.config.trust.store import Consent, TrustStore
from runner.config.trust.trust import TrustStatus, ask_consent, trust_status, unpin_mcp_tools
from runner.core.errors import NeedsTrust


def trust(path: str, consent: Callable[[str], bool], notify: Callable[[str], None]) -> TrustStatus | None:
    """Trust the agent file as it stands, and the tools of its MCP servers as they are listed next.

    Gives its status from before; None for one that needs no trust. `consent` is shown what the file can do, unless it
    is trusted already. Raises ConfigError, and NeedsTrust without consent.
    """
    agent = load_agent(path)
    status = trust_status(agent, notify)
    if status is None:
        return None
    if not status.trusted:
        try:
            ask_consent(status, consent, notify).save_consent()
        except NeedsTrust:
            fix = "read it, then pass --yes or answer yes at a terminal"
            raise NeedsTrust("nothing was trusted", where=str(agent.path), fix=fix) from None
    unpin_mcp_tools(agent)
    return status


def trusted_files(notify: Callable[[str], None]) -> Iterable[Consent]:
    """Every consent that is remembered; `notify` gets what is wrong with a record."""
    return TrustStore(notify).load_all()


def revoke(path: str) -> bool:
    """Take the consent for the file back; False if there was none."""
    return TrustStore().remove(Path(path))
