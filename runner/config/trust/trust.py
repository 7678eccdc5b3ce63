"""Trust: a file may execute and reach out only after the user saw what it can do, and consented to exactly that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.config.agent import Agent
from runner.config.trust.capabilities import CapabilitySet, agent_files, capabilities_of
from runner.core.errors import NeedsTrust, UsageError
from runner.core.sanitize import escape_line

if TYPE_CHECKING:
    from runner.config.trust.manifest import Manifest
    from runner.config.trust.store import Consent
    from runner.tools.trusted_files import TrustedFiles

_MAX_DIFF_LINES = 200
_MAX_QUESTIONS = 3


class TrustedContent(NamedTuple):
    """What was consented to, for as long as the agent runs: its files, and what each agent that is a tool can do."""

    files: TrustedFiles
    agents: Mapping[Path, str]

    def check_agent(self, agent: Agent) -> None:
        """Raise NeedsTrust unless an agent that is a tool can do what it could do then."""
        if capability_hash(agent) != self.agents.get(agent.path.resolve()):
            path = escape_line(str(agent.path))
            raise NeedsTrust(f"{path} has changed since it was trusted", fix="look at the change, then begin anew")


class TrustStatus(NamedTuple):
    """What a file can do, what it is made of now, and what was consented to before, if anything.

    `shown` is what the user was asked about a moment ago, if the file is no longer that.
    """

    agent: Agent
    capabilities: CapabilitySet
    manifest: Manifest
    consent: Consent | None
    shown: Consent | None = None

    @property
    def trusted(self) -> bool:
        return self.consent is not None and self.consent.hash == self.manifest.hash

    @property
    def content(self) -> TrustedContent:
        """What is there now, to which the run is held."""
        return _content(self.capabilities, self.manifest.hashes())

    @property
    def changes(self) -> tuple[str, ...]:
        """What is not as it was when the user consented: capabilities `+` and `-`, files `~`, `+`, `-` and lines."""
        before = self.shown or self.consent
        return () if before is None or self.trusted else tuple(_changes(before, self.manifest))

    @property
    def description(self) -> str:
        """All of it for the user to read before saying yes: nothing is cut, and nothing in it is active."""
        count = len(self.capabilities.items)
        number = f"{count} things, what can do most harm first" if count > 1 else "one thing"
        path = escape_line(str(self.agent.path))
        text = f"{path} can, on your machine and with your keys ({number}):\n{self.capabilities}"
        if self.changes:
            changes = "".join(f"\n  {escape_line(change)}" for change in self.changes)
            since = "while you were asked" if self.shown else "since you trusted it"
            text += f"\n{since}, this has changed:{changes}"
        return text

    def as_of_now(self) -> TrustStatus:
        """The status, what is on the disk read again; itself if nothing has changed meanwhile."""
        from runner.config.trust.store import Consent  # lazy: consent is given rarely

        again = _status(self.agent, self.consent)
        if again.manifest.hash == self.manifest.hash:
            return self
        return again._replace(shown=Consent.now(self.agent.path, self.manifest))

    def save_consent(self) -> None:
        """Record consent for exactly this content. Raises UsageError."""
        from runner.config.trust.store import Consent, TrustStore  # lazy: consent is given rarely

        TrustStore().save(Consent.now(self.agent.path, self.manifest))


def trust_status(agent: Agent, notify: Callable[[str], None] = lambda text: None) -> TrustStatus | None:
    """Whether the file is trusted; None if it needs no trust. Reads files, and runs nothing. Raises ConfigError."""
    if not capabilities_of(agent):
        return None
    from runner.config.trust.store import TrustStore  # lazy: most agents need no trust

    return _status(agent, TrustStore(notify).load(agent.path))


def ensure_trusted(
    agent: Agent,
    *,
    trust: bool = False,
    ask: Callable[[str], bool] | None = None,
    notify: Callable[[str], None] = lambda text: None,
) -> TrustedContent | None:
    """What the agent may run and reach, None where that is nothing: it was trusted with exactly this, or is now.

    `trust` consents this once. `ask` shows the user a text of several lines and gives the answer, which is kept.
    `notify` takes what the user should know of the records. Raises NeedsTrust, and ConfigError for a file it names.
    """
    status = trust_status(agent, notify)
    if status is None:
        return _content(capabilities_of(agent), {}) if any(agent_files(agent)) else None
    if trust or status.trusted:
        return status.content
    if ask is None:
        raise _refusal(status, shown=False)
    status = ask_consent(status, ask, notify)
    try:
        status.save_consent()
    except UsageError as error:
        notify(f"your consent holds for this run alone: {error}")
    return status.content


def ask_consent(status: TrustStatus, ask: Callable[[str], bool], notify: Callable[[str], None]) -> TrustStatus:
    """The status that the user consented to. Raises NeedsTrust.

    An answer counts for what was shown: where the file, or one that it runs, was changed meanwhile, it is asked again.
    """
    for _ in range(_MAX_QUESTIONS):
        status.manifest.texts  # noqa: B018 - read before the question stands, to tell afterwards what has changed
        if not ask(status.description):
            raise _refusal(status, shown=True)
        now = status.as_of_now()
        if now is status:
            return status
        notify(f"{escape_line(str(status.agent.path))} was changed while you were asked: your answer counts no longer")
        status = now
    raise _refusal(status, shown=False)


def consented_hosts(agent: Agent) -> tuple[str, ...]:
    """The hosts that the file's own gateways send keys to; consented to once `ensure_trusted` has returned."""
    return capabilities_of(agent).hosts


def capability_hash(agent: Agent) -> str:
    """A hash that changes as soon as anything does that the agent can do."""
    from runner.config.trust.manifest import capability_hash as hash_of  # lazy: asked of agents that are tools

    return hash_of(capabilities_of(agent))


def unpin_mcp_tools(agent: Agent) -> None:
    """Take the tools of the agent's MCP servers as they are listed next, whatever they were when first used."""
    from runner.tools.catalogue import tool_kind_of  # lazy: only a user's explicit word comes here

    for member in capabilities_of(agent).agents:
        for entry in member.tools:
            tool_kind_of(entry).accept_changes(entry)


def _status(agent: Agent, consent: Consent | None) -> TrustStatus:
    from runner.config.trust.manifest import build_manifest  # lazy: most agents need no trust

    capabilities = capabilities_of(agent)
    return TrustStatus(agent, capabilities, build_manifest(capabilities), consent)


def _content(capabilities: CapabilitySet, hashes: Mapping[Path, str]) -> TrustedContent:
    from runner.tools.trusted_files import TrustedFiles  # lazy: a replay runs nothing

    called = {file.resolve() for agent in capabilities.agents for file in agent_files(agent)}
    agents = {path: capability_hash(agent) for agent in capabilities.agents if (path := agent.path.resolve()) in called}
    return TrustedContent(TrustedFiles(hashes), agents)


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


def _changes(before: Consent, now: Manifest) -> Iterator[str]:
    """What is different, a line each, and below what has changed in a text its lines."""
    yield from (f"- {capability}" for capability in before.capabilities if capability not in now.capabilities)
    yield from (f"+ {capability}" for capability in now.capabilities if capability not in before.capabilities)
    from runner.config.trust.declarations import PERMISSIONS  # lazy: a file that was trusted mostly is as it was

    for name, text in now.declarations.items():
        if name in before.declarations and text != before.declarations[name]:
            yield f"~ {name} is declared otherwise"
            yield from _changed_lines(before.declarations[name], text)
    lost = [name for name in before.declarations if name.startswith(PERMISSIONS) and name not in now.declarations]
    yield from (f"- {name} were removed" for name in lost)
    for name, digest in now.files.items():
        if name not in before.files:
            yield f"+ the file {name} is new"
        elif digest != before.files[name]:
            yield f"~ the file {name} has changed"
            if name in before.texts and name in now.texts:
                yield from _changed_lines(before.texts[name], now.texts[name])
    yield from (f"- the file {name} was removed" for name in before.files if name not in now.files)


def _changed_lines(before: str, now: str) -> Iterator[str]:
    from runner.tools.tool_names import changed_lines  # lazy: a file that was trusted mostly is as it was

    return (f"    {line}" for line in changed_lines(before.splitlines(), now.splitlines(), _MAX_DIFF_LINES))
