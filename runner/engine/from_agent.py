"""From an Agent to a session: its broker, its tools, and the permission rules of its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.config.agent import Agent
from runner.config.template.render import render
from runner.config.template.variables import bind_variables
from runner.core.errors import UsageError
from runner.engine.approval import Approve, ToolApproval
from runner.engine.broker import Broker, WrapGateway
from runner.gateways import Gateway, connect, dialect_of
from runner.tools import Context, Toolbox, Tools, open_toolbox
from runner.tools.context import ToolFailed, ToolOutput, nobody, system_clock
from runner.tools.entry import ToolSettings

if TYPE_CHECKING:
    from runner.config.trust.trust import TrustedContent
    from runner.engine.session import ChatSession
    from runner.engine.structured import ReplySchema
    from runner.tools.permissions import PermissionPolicy

MAX_DEPTH = 5
MAX_INNER_CALLS = 25
"""How many calls of agents one call of an agent may lead to, those of all levels together."""

AskUser = Callable[[str, tuple[str, ...]], str]
"""A tool's question to the user, with the choices, to its answer."""

Authorize = Callable[[Agent], "TrustedContent | None"]
"""Raises NeedsTrust unless what the agent file names may be executed and reached; gives what was consented to."""


def nothing_runs(agent: Agent) -> None:
    """For an agent of which nothing is run: others than its own tools stand in for them."""


class SessionOptions(NamedTuple):
    """What a session is opened with beside its agent file.

    `session_class` is ChatSession, which stands above this module. `variables` are the templates'; `gateways` are asked
    instead of the file's own, one for the first choice and one for each fallback that may be asked; `wrap` gives each
    route's gateway, as for a Broker; `toolbox` stands in for the file's tools. `clock` and `seed` are the tools'.
    `allow` and `deny` are rules above those of the file; `approve` answers where a rule says `ask`, as Approve says,
    None if nobody can; `ask` answers a tool's questions; `notify` takes a text for the user. `depth`: how many agents
    call each other; `agent_calls`: counts the calls of all agents below one that the outermost called.
    """

    session_class: type[ChatSession]
    variables: Mapping[str, Any] = {}
    gateways: tuple[Gateway, ...] = ()
    wrap: WrapGateway | None = None
    toolbox: Tools | None = None
    clock: Callable[[], datetime] = system_clock
    seed: int | None = None
    stream: bool = True
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    approve: Approve | None = None
    ask: AskUser | None = None
    notify: Callable[[str], None] = lambda text: None
    depth: int = 0
    agent_calls: Iterator[int] | None = None


def from_agent(agent: Agent, options: SessionOptions, authorize: Authorize) -> ChatSession:
    """The session that an agent file describes. Nothing has touched the network when it returns.

    `authorize` is asked before any tool is opened, and any package imported that offers a gateway. Raises ConfigError,
    UsageError, NeedsTrust.
    """
    variables = bind_variables(agent.variables, options.variables, where=agent.location("variables"))
    system_prompt = render(agent.system_prompt, variables, now=options.clock)
    trusted = authorize(agent)
    broker = _broker(agent, options)
    with ExitStack() as undo:
        toolbox = options.toolbox
        if toolbox is None:
            toolbox = open_tools(agent, options, trusted)
            undo.callback(toolbox.close)
        session = options.session_class(
            broker,
            system_prompt,
            toolbox,
            tool_choice=agent.tool_choice,
            context=agent.context,
            limits=agent.limits,
            reply=_reply_schema(agent),
            permit=_approval(agent, toolbox, options) if agent.tools else None,
            tool_context=Context(
                clock=options.clock,
                seed=options.seed,
                variables=variables,
                depth=options.depth,
                ask=options.ask or nobody,
            ),
            stream=options.stream,
        )
        undo.pop_all()
    return session


def open_tools(agent: Agent, options: SessionOptions, trusted: TrustedContent | None) -> Toolbox:
    """The tools that the file declares, opened; a python file is imported here, so the agent must be trusted by now.

    What is run, now or later, is held to what was `trusted`. An agent that is a tool is held to `deny` as well, and was
    trusted with the file that names it.
    """

    def ask_agent(path: Path, message: str, context: Context) -> ToolOutput:
        inner_calls = count(1) if options.agent_calls is None else options.agent_calls
        if options.agent_calls is not None and next(inner_calls) > MAX_INNER_CALLS:
            raise ToolFailed("Too many agents have been called for one answer. Answer without this tool.")
        other = _loaded(path)
        if trusted is not None:
            trusted.check_agent(other)  # it may have been changed by a tool of this very conversation
        inner = SessionOptions(
            options.session_class,
            clock=context.clock,
            seed=context.seed,
            deny=options.deny,
            approve=options.approve,
            ask=options.ask,
            notify=options.notify,
            depth=context.depth + 1,
            agent_calls=inner_calls,
        )
        return _answer(from_agent(other, inner, lambda agent: trusted), message, context)

    return open_toolbox(
        agent.tools,
        ToolSettings(
            ask_agent=ask_agent if options.depth < MAX_DEPTH else None,
            seconds=agent.limits.tool_seconds,
            output_bytes=agent.limits.tool_output_bytes,
            notify=options.notify,
            trusted=trusted.files if trusted is not None else None,
            strict=options.approve is None,
            describe_agent=_description,
        ),
    )


def _broker(agent: Agent, options: SessionOptions) -> Broker:
    if options.gateways:
        first, *others = options.gateways
        return Broker(
            agent.model,
            first,
            options=agent.options,
            cache=agent.cache,
            fallback=[
                {"gateway": gateway, "model": other.model, "options": other.options}
                for gateway, other in zip(others, agent.fallback, strict=False)
            ],
            retry=agent.retry,
            timeouts=agent.timeouts,
            wrap=options.wrap,
        )
    from runner.config.trust.trust import consented_hosts  # lazy: only the file's own gateways get keys

    hosts = (*agent.user.hosts, *consented_hosts(agent))

    def connected(name: str) -> Gateway:
        if dialect_of(name, agent.gateways).answers_from_script:
            from runner.gateways import Scripted  # lazy: the real gateways are not it

            return Scripted(agent.script, name=name)
        return connect(name, agent.gateways, hosts=hosts)

    return Broker(
        agent.model,
        connected(agent.gateway),
        options=agent.options,
        fallback=[
            {
                "gateway": connected(other.gateway),
                "model": other.model,
                "options": other.options,
                "where": agent.location("fallback"),
            }
            for other in agent.fallback
        ],
        cache=agent.cache,
        retry=agent.retry,
        timeouts=agent.timeouts,
        where=agent.location("gateway"),
        wrap=options.wrap,
    )


def _reply_schema(agent: Agent) -> ReplySchema | None:
    if agent.reply is None:
        return None
    from runner.engine.structured import ReplySchema  # lazy: most replies are free text

    return ReplySchema(agent.reply.schema, agent.reply.retries)


def _approval(agent: Agent, toolbox: Tools, options: SessionOptions) -> ToolApproval:
    def load_policy() -> PermissionPolicy:
        from runner.tools.permission_rules import AGENT_FILE, COMMAND_LINE, USER_FILE, RuleLayer  # lazy: as the next
        from runner.tools.permissions import PermissionPolicy  # lazy: at the first call

        own, users = agent.permissions, agent.user.permissions
        layers = (
            RuleLayer.of(COMMAND_LINE, allow=options.allow, deny=options.deny),
            RuleLayer.of(AGENT_FILE, allow=own.allow, ask=own.ask, deny=own.deny),
            RuleLayer.of(USER_FILE, allow=users.allow, ask=users.ask, deny=users.deny),
        )
        return PermissionPolicy(layers, toolbox.find)

    if (options.allow or options.deny) and not options.depth:
        load_policy()  # a malformed rule of the command line is said now, not in the middle of the conversation
        _check_rule_names(agent, options)
    return ToolApproval(load_policy, toolbox, options.approve)


def _check_rule_names(agent: Agent, options: SessionOptions) -> None:
    """Raise UsageError for a rule of the command line that can match nothing: a misspelt `deny` would deny nothing.

    `deny` holds for the tools of the agents that are tools as well.
    """
    from runner.config.trust.capabilities import with_agent_tools  # lazy: few give rules
    from runner.config.validation.rule_names import rule_problem  # lazy: as above

    all_tools = [entry for member in with_agent_tools(agent) for entry in member.tools]
    for rules, tools in ((options.allow, agent.tools), (options.deny, all_tools)):
        for rule in rules:
            if (problem := rule_problem(rule, tools)) is None:
                continue
            if problem.severity == "error":
                raise UsageError(f"{problem.message} of {agent.path}", where=f"the rule {rule!r}", fix=problem.hint)
            options.notify(f"the rule {rule!r}: {problem.message}")


def _loaded(path: Path) -> Agent:
    from runner.config.loader import load_agent  # lazy: few agents call others

    return load_agent(path)


def _description(path: Path) -> str:
    """What the agent of another file says of itself. Raises ConfigError."""
    return _loaded(path).description


def _answer(session: ChatSession, message: str, context: Context) -> ToolOutput:
    """What one message to an agent that is a tool gives; its tokens are counted here."""
    with session:
        for _ in session.send(message, cancel=context.cancel):
            pass
        context.spend(session.usage)
        return ToolOutput(session.messages[-1].text if session.messages else "")
