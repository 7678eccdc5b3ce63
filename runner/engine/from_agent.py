"""From an Agent to a session: who is asked, what can be done, and what may be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.agent import Agent
from runner.config.template.render import render
from runner.config.template.variables import bind
from runner.core.errors import NeedsTrust
from runner.core.messages import ToolSpec
from runner.engine.approval import Approve, Permits
from runner.engine.broker import Broker
from runner.engine.session import ChatSession
from runner.engine.structured import ReplySchema
from runner.gateways import CATALOGUE, Gateway, connect
from runner.tools import Context, Toolbox, Tools, open_toolbox
from runner.tools.context import ToolOutput, nobody, system_clock
from runner.tools.entry import ToolSettings

if TYPE_CHECKING:
    from runner.tools.permissions import Gate

MAX_DEPTH = 5

Ask = Callable[[str, tuple[str, ...]], str]


def open_session(
    agent: Agent,
    *,
    variables: Mapping[str, Any] | None = None,
    gateway: Gateway | None = None,
    toolbox: Tools | None = None,
    clock: Callable[[], datetime] = system_clock,
    seed: int | None = None,
    stream: bool = True,
    allow: Iterable[str] = (),
    deny: Iterable[str] = (),
    approve: Approve | None = None,
    ask: Ask | None = None,
    trust: bool = False,
    consent: Callable[[str], bool] | None = None,
    notify: Callable[[str], None] = lambda text: None,
    depth: int = 0,
) -> ChatSession:
    """The session that an agent file describes. Nothing has touched the network when it returns.

    `variables` are the templates'; `gateway` is asked instead of the file's own, without fallback; `toolbox` stands in
    for the file's tools. `clock` and `seed` are the session's. `allow` and `deny` are rules above those of the file;
    `approve` answers where a rule says `ask`, `ask` answers a tool's questions. `trust` consents, this once, to what
    the file can execute and reach; `consent` is shown it and may. Raises ConfigError, UsageError, NeedsTrust.
    """
    bound = bind(agent.variables, variables or {}, where=agent.location("variables"))
    system_prompt = render(agent.system_prompt, bound, now=clock)
    broker, deny = _broker(agent, gateway), tuple(deny)
    if toolbox is None or gateway is None:
        from runner.config.trust.trust import ensure_trusted  # lazy: a replay runs and reaches nothing

        ensure_trusted(agent, trust=trust, ask=consent, notify=notify)
    with ExitStack() as undo:
        if toolbox is None:
            toolbox = open_tools(agent, deny=deny, approve=approve, ask=ask, notify=notify, depth=depth)
            undo.callback(toolbox.close)
        session = ChatSession(
            broker,
            system_prompt,
            toolbox,
            tool_choice=agent.tool_choice,
            context=agent.context,
            limits=agent.limits,
            reply=ReplySchema(agent.reply.schema, agent.reply.retries) if agent.reply else None,
            permit=_permits(agent, toolbox, allow, deny, approve),
            tool_context=Context(clock=clock, seed=seed, variables=bound, depth=depth, ask=ask or nobody),
            stream=stream,
        )
        undo.pop_all()
    return session


def open_tools(
    agent: Agent,
    *,
    deny: Iterable[str] = (),
    approve: Approve | None = None,
    ask: Ask | None = None,
    notify: Callable[[str], None] = lambda text: None,
    depth: int = 0,
) -> Toolbox:
    """The tools that the file declares, opened; a python file is imported here, so the agent must be trusted by now.

    An agent that is a tool is held to `deny` as well, and was trusted with the file that names it.
    """
    from runner.config.trust.trust import manifest_hash  # lazy, as above

    others = {each.base / each.options["file"] for each in agent.tools if each.kind == "agent"}
    manifest_hashes = {path: manifest_hash(_loaded(path)) for path in others}

    def converse(path: Path, message: str, context: Context) -> ToolOutput:
        other = _loaded(path)
        if manifest_hash(other) != manifest_hashes[path]:  # by a tool of this very conversation, perhaps
            raise NeedsTrust(f"{path} has changed since it was trusted", fix="look at the change, then begin anew")
        session = open_session(
            other,
            clock=context.clock,
            seed=context.seed,
            deny=deny,
            approve=approve,
            ask=ask,
            trust=True,
            notify=notify,
            depth=context.depth + 1,
        )
        return _answer(session, message, context)

    return open_toolbox(
        agent.tools,
        ToolSettings(
            converse=converse if depth < MAX_DEPTH else None,
            seconds=agent.limits.tool_seconds,
            output_bytes=agent.limits.tool_output_bytes,
            notify=notify,
            strict=approve is None,
            describe=_description,
        ),
    )


def _broker(agent: Agent, gateway: Gateway | None) -> Broker:
    if gateway is not None:
        return Broker(agent.model, gateway, options=agent.options, retry=agent.retry, timeouts=agent.timeouts)
    from runner.config.trust.trust import consented_hosts  # lazy, as above

    hosts = (*agent.user.hosts, *consented_hosts(agent))

    def reach(name: str) -> Gateway:
        preset = agent.gateways.get(name) or CATALOGUE.get(name)
        if preset is not None and preset.dialect == "scripted":
            from runner.gateways import Scripted  # lazy: the real gateways are not it

            return Scripted(agent.script, name=name)
        return connect(name, agent.gateways, hosts=hosts)

    return Broker(
        agent.model,
        reach(agent.gateway),
        options=agent.options,
        fallback=[
            {
                "gateway": reach(each.gateway),
                "model": each.model,
                "options": each.options,
                "place": agent.location("fallback"),
            }
            for each in agent.fallback
        ],
        retry=agent.retry,
        timeouts=agent.timeouts,
        place=agent.location("gateway"),
    )


def _permits(
    agent: Agent, toolbox: Tools, allow: Iterable[str], deny: Iterable[str], approve: Approve | None
) -> Permits | None:
    if not agent.tools:
        return None
    allow, deny = tuple(allow), tuple(deny)

    def gate() -> Gate:
        from runner.tools.permissions import AGENT_FILE, COMMAND_LINE, USER_FILE, Gate, Rules  # lazy: at the first call

        own, users = agent.permissions, agent.user.permissions
        layers = (
            Rules.of(COMMAND_LINE, allow=allow, deny=deny),
            Rules.of(AGENT_FILE, allow=own.allow, ask=own.ask, deny=own.deny),
            Rules.of(USER_FILE, allow=users.allow, ask=users.ask, deny=users.deny),
        )
        find = getattr(toolbox, "find", None)  # the tools of a replay know the real ones, too
        return Gate(layers, find) if find is not None else Gate(layers)

    def spec(name: str) -> ToolSpec | None:
        if isinstance(toolbox, Toolbox):
            return toolbox.spec(name)
        return next((spec for spec in toolbox.specs if spec.name == name), None)

    if allow or deny:
        gate()  # a malformed rule of the command line is said now, not in the middle of the conversation
    return Permits(gate, spec, approve)


def _description(path: Path) -> str:
    """What the agent of another file says of itself. Raises ConfigError."""
    from runner.config.loader import load_agent  # lazy: few agents call others

    return load_agent(path).description


def _loaded(path: Path) -> Agent:
    from runner.config.loader import load_agent  # lazy: few agents call others

    return load_agent(path)


def _answer(session: ChatSession, message: str, context: Context) -> ToolOutput:
    """What one message to an agent that is a tool gives; its tokens are counted here."""
    with session:
        for _ in session.send(message, cancel=context.cancel):
            pass
        context.spend(session.usage)
        return ToolOutput(session.messages[-1].text if session.messages else "")
