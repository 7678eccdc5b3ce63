"""A file that executes or reaches out does so only after the user has seen what, and consented to exactly that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config.agent import Agent
from runner.config.trust.capabilities import escaped
from runner.config.trust.reach import Reach, reach
from runner.core.errors import NeedsTrust, UsageError

if TYPE_CHECKING:
    from runner.config.trust.manifest import Closure
    from runner.config.trust.store import Consent

_LONGEST_DIFF = 200
_Notify = Callable[[str], None]


def _silent(text: str) -> None:
    """Told to nobody."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a file stands: what it can do, what it is made of now, and what was consented to before, if anything."""

    agent: Agent
    reach: Reach
    closure: Closure
    consent: Consent | None

    @property
    def trusted(self) -> bool:
        return self.consent is not None and self.consent.hash == self.closure.hash

    @property
    def changes(self) -> tuple[str, ...]:
        """What is not as it was when the user consented: deeds `+` and `-`, files `~`, `+`, `-` and lines."""
        if self.consent is None or self.trusted:
            return ()
        then, now = self.consent.deeds, self.closure.deeds
        deeds = [f"- {deed}" for deed in then if deed not in now] + [f"+ {deed}" for deed in now if deed not in then]
        return (*deeds, *_changed_files(self.consent, self.closure))

    @property
    def text(self) -> str:
        """All of it for the user to read before saying yes: nothing is cut, and nothing in it is active."""
        text = f"{escaped(str(self.agent.path))} can, on your machine and with your keys:\n{self.reach}"
        if self.changes:
            changes = "".join(f"\n  {escaped(each)}" for each in self.changes)
            text += f"\nsince you trusted it, this has changed:{changes}"
        return text

    def remember(self) -> None:
        """Keep consent for exactly this content. Raises UsageError."""
        from runner.config.trust.store import Consent, keep  # lazy: consent is given rarely

        keep(Consent.now(self.agent.path, self.closure))


def standing(agent: Agent, notify: _Notify = _silent) -> Standing | None:
    """Where the file stands; None for one that needs no trust. Reads files, and runs nothing. Raises ConfigError."""
    powers = reach(agent)
    if not powers:
        return None
    from runner.config.trust.manifest import closure  # lazy, as the next: most agents need no trust
    from runner.config.trust.store import recall

    return Standing(agent, powers, closure(powers), recall(agent.path, notify))


def ensure_trusted(
    agent: Agent, *, trust: bool = False, ask: Callable[[str], bool] | None = None, notify: _Notify = _silent
) -> None:
    """Return if the agent may act: it needs no trust, was trusted with exactly this content, or is trusted now.

    `trust` consents this once. `ask` shows the user a text of several lines and gives the answer, which is kept.
    `notify` takes what the user should know of the records. Raises NeedsTrust, and ConfigError for a file it names.
    """
    if trust:
        return
    now = standing(agent, notify)
    if now is None or now.trusted:
        return
    if ask is None or not ask(now.text):
        raise _refusal(now, shown=ask is not None)
    try:
        now.remember()
    except UsageError as error:
        notify(f"your consent holds for this run alone: {error}")


def consented_hosts(agent: Agent) -> tuple[str, ...]:
    """The hosts that the file's own gateways send keys to; consented to once `ensure_trusted` has returned."""
    return reach(agent).hosts


def seal(agent: Agent) -> str:
    """A hash that is another one as soon as anything is that the agent is made of, or that it can do."""
    from runner.config.trust.manifest import closure  # lazy: only agents that are tools are sealed

    return closure(reach(agent)).hash


def accept_servers(agent: Agent) -> None:
    """Take the tools of the agent's MCP servers as they are listed next, whatever they were when first used."""
    from runner.tools.context import Opening  # lazy, as the next: only a user's explicit word comes here
    from runner.tools.mcp.pinned_tools import forget
    from runner.tools.mcp.server_config import server_of

    for each in reach(agent).agents:
        for declared in each.tools:
            if declared.kind == "mcp":
                forget(server_of(declared, Opening()))


def _refusal(now: Standing, *, shown: bool) -> NeedsTrust:
    import shlex  # lazy: most files need no trust, or have it

    path = escaped(str(now.agent.path))
    what = (
        "has changed since you trusted it" if now.consent else "can execute or reach out, and you have not trusted it"
    )
    return NeedsTrust(
        f"{path} {what}",
        why="" if shown else now.text.replace("\n", "\n  "),
        fix=f"read it, then run `agent-run trust {shlex.quote(path)}`; or pass --trust for this once",
    )


def _changed_files(then: Consent, now: Closure) -> Iterator[str]:
    from runner.tools.tool_names import difference  # lazy: a file that was trusted mostly is as it was

    texts = now.texts()
    for name, digest in now.files.items():
        if name not in then.files:
            yield f"+ the file {name} is new"
        elif digest != then.files[name]:
            yield f"~ the file {name} is another"
            if name in then.texts and name in texts:
                lines = difference(then.texts[name].splitlines(), texts[name].splitlines(), _LONGEST_DIFF)
                yield from (f"    {line}" for line in lines)
    yield from (f"- the file {name} has gone" for name in then.files if name not in now.files)
