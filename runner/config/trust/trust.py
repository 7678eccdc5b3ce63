"""Trust: a file may execute and reach out only after the user saw what it can do, and consented to exactly that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from runner.config.agent import Agent
from runner.config.trust.capabilities import CapabilitySet, capabilities_of
from runner.core.errors import NeedsTrust, UsageError
from runner.core.sanitize import escape_line

if TYPE_CHECKING:
    from runner.config.trust.manifest import Manifest
    from runner.config.trust.store import Consent

_MAX_DIFF_LINES = 200


class TrustStatus(NamedTuple):
    """What a file can do, what it is made of now, and what was consented to before, if anything."""

    agent: Agent
    capabilities: CapabilitySet
    manifest: Manifest
    consent: Consent | None

    @property
    def trusted(self) -> bool:
        return self.consent is not None and self.consent.hash == self.manifest.hash

    @property
    def changes(self) -> tuple[str, ...]:
        """What is not as it was when the user consented: capabilities `+` and `-`, files `~`, `+`, `-` and lines."""
        if self.consent is None or self.trusted:
            return ()
        before, now = self.consent.capabilities, self.manifest.capabilities
        lost = [f"- {capability}" for capability in before if capability not in now]
        gained = [f"+ {capability}" for capability in now if capability not in before]
        return (*lost, *gained, *_changed_files(self.consent, self.manifest))

    @property
    def description(self) -> str:
        """All of it for the user to read before saying yes: nothing is cut, and nothing in it is active."""
        text = f"{escape_line(str(self.agent.path))} can, on your machine and with your keys:\n{self.capabilities}"
        if self.changes:
            changes = "".join(f"\n  {escape_line(change)}" for change in self.changes)
            text += f"\nsince you trusted it, this has changed:{changes}"
        return text

    def save_consent(self) -> None:
        """Record consent for exactly this content. Raises UsageError."""
        from runner.config.trust.store import Consent, TrustStore  # lazy: consent is given rarely

        TrustStore().save(Consent.now(self.agent.path, self.manifest))


def trust_status(agent: Agent, notify: Callable[[str], None] = lambda text: None) -> TrustStatus | None:
    """Whether the file is trusted; None if it needs no trust. Reads files, and runs nothing. Raises ConfigError."""
    capabilities = capabilities_of(agent)
    if not capabilities:
        return None
    from runner.config.trust.manifest import build_manifest  # lazy, as the next: most agents need no trust
    from runner.config.trust.store import TrustStore

    return TrustStatus(agent, capabilities, build_manifest(capabilities), TrustStore(notify).load(agent.path))


def ensure_trusted(
    agent: Agent,
    *,
    trust: bool = False,
    ask: Callable[[str], bool] | None = None,
    notify: Callable[[str], None] = lambda text: None,
) -> None:
    """Return if the agent may act: it needs no trust, was trusted with exactly this content, or is trusted now.

    `trust` consents this once. `ask` shows the user a text of several lines and gives the answer, which is kept.
    `notify` takes what the user should know of the records. Raises NeedsTrust, and ConfigError for a file it names.
    """
    if trust:
        return
    status = trust_status(agent, notify)
    if status is None or status.trusted:
        return
    if ask is None or not ask(status.description):
        raise _refusal(status, shown=ask is not None)
    try:
        status.save_consent()
    except UsageError as error:
        notify(f"your consent holds for this run alone: {error}")


def consented_hosts(agent: Agent) -> tuple[str, ...]:
    """The hosts that the file's own gateways send keys to; consented to once `ensure_trusted` has returned."""
    return capabilities_of(agent).hosts


def manifest_hash(agent: Agent) -> str:
    """A hash that changes as soon as anything does that the agent is made of, or that it can do."""
    from runner.config.trust.manifest import build_manifest  # lazy: asked of agents that are tools

    return build_manifest(capabilities_of(agent)).hash


def unpin_mcp_tools(agent: Agent) -> None:
    """Take the tools of the agent's MCP servers as they are listed next, whatever they were when first used."""
    from runner.tools.catalogue import tool_kind_of  # lazy: only a user's explicit word comes here

    for member in capabilities_of(agent).agents:
        for entry in member.tools:
            tool_kind_of(entry).accept_changes(entry)


def _refusal(status: TrustStatus, *, shown: bool) -> NeedsTrust:
    import shlex  # lazy: most files need no trust, or have it

    path = escape_line(str(status.agent.path))
    what = (
        "has changed since you trusted it"
        if status.consent
        else "can execute or reach out, and you have not trusted it"
    )
    return NeedsTrust(
        f"{path} {what}",
        why="" if shown else status.description.replace("\n", "\n  "),
        fix=f"read it, then run `agent-run trust {shlex.quote(path)}`; or pass --trust for this once",
    )


def _changed_files(before: Consent, now: Manifest) -> Iterator[str]:
    from runner.tools.tool_names import changed_lines  # lazy: a file that was trusted mostly is as it was

    texts = now.texts()
    for name, digest in now.files.items():
        if name not in before.files:
            yield f"+ the file {name} is new"
        elif digest != before.files[name]:
            yield f"~ the file {name} has changed"
            if name in before.texts and name in texts:
                lines = changed_lines(before.texts[name].splitlines(), texts[name].splitlines(), _MAX_DIFF_LINES)
                yield from (f"    {line}" for line in lines)
    yield from (f"- the file {name} was removed" for name in before.files if name not in now.files)
