"""ChatSession: a conversation with a model, its history, and one turn at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from threading import current_thread
from typing import TYPE_CHECKING, Any, Self

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import TurnStopped
from runner.core.events import Asked, Event, Notice, Replied
from runner.core.fork import call_after_fork
from runner.core.history import History
from runner.core.messages import Attachment, Message, Usage
from runner.core.policy import DEFAULT_SYSTEM_PROMPT, ContextPolicy, Limits
from runner.core.sanitize import replace_surrogates
from runner.engine.approval import Approve, PermissionCheck
from runner.engine.broker import Broker, WrapGateway
from runner.engine.limits import TurnLimits
from runner.engine.open_turn import OpenTurn, TurnSlot
from runner.engine.prompt_window import Prompt
from runner.engine.session_requests import SessionRequests
from runner.engine.stream import StreamHandle
from runner.engine.tool_calls import ToolCalls
from runner.engine.turn import TurnLoop
from runner.engine.usage import SessionUsage
from runner.gateways import Gateway
from runner.tools import Context, Toolbox, Tools
from runner.tools.context import system_clock

if TYPE_CHECKING:
    from runner.config.agent import Agent
    from runner.engine.from_agent import AskUser
    from runner.engine.structured import ReplySchema


def new_session_id() -> str:
    """A name for a session that no other has."""
    return "s_" + os.urandom(8).hex()


class ChatSession:
    """A conversation with one model; safe to share between threads, one turn at a time.

    `broker`: asks the model. `system_prompt`: always the first thing the model reads. `tools`: Tool instances or
    classes, `@tool` functions, or a ready Tools. `tool_choice`: auto, none, required or a tool's name. `context`,
    `limits`: the agent file's policies. `reply`: the JSON Schema that answers must keep. `permit`: given a ToolCall,
    None if it may run or the reason why not. `clock`: the current time, for the tools. `history`: a conversation to
    go on with. `stream`: False asks for each reply in one piece. `busy_timeout`: how many seconds a send waits for the
    turn of another thread before it raises SessionBusy; None is 60, and 0 where an event loop runs. Raises UsageError
    for what is no tool.
    """

    def __init__(
        self,
        broker: Broker,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        tools: Iterable[Any] | Tools = (),
        *,
        tool_choice: str = "auto",
        context: ContextPolicy | None = None,
        limits: Limits | None = None,
        reply: ReplySchema | Mapping[str, Any] | None = None,
        permit: PermissionCheck | None = None,
        tool_context: Context | None = None,
        clock: Callable[[], datetime] | None = None,
        history: History | None = None,
        stream: bool = True,
        busy_timeout: float | None = None,
        id: str = "",
    ) -> None:
        self.id = id or new_session_id()
        self.broker = broker
        self.system_prompt = replace_surrogates(system_prompt)
        self._limits = limits or Limits()
        self._tools = self._ready(tools)
        self._policy = context or ContextPolicy()
        self._reply_schema = _reply_schema(reply)
        self._requests = SessionRequests(
            self._tools, tool_choice, self._reply_schema, self._policy, stream=stream, id=self.id
        )
        self._permission_check = permit
        self._context = replace(tool_context or Context(), session=self.id)
        if clock is not None:
            self._context = replace(self._context, clock=clock)
        self._history = history or History()
        self._usage = SessionUsage(broker.price)
        self._turn_slot = TurnSlot()
        self._busy_timeout = busy_timeout
        call_after_fork(self._leave_turn_to_parent)

    @classmethod
    def from_agent(
        cls,
        agent: Agent,
        *,
        variables: Mapping[str, Any] | None = None,
        gateway: Gateway | None = None,
        wrap: WrapGateway | None = None,
        toolbox: Tools | None = None,
        clock: Callable[[], datetime] = system_clock,
        seed: int | None = None,
        stream: bool = True,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        approve: Approve | None = None,
        ask: AskUser | None = None,
        trust: bool = False,
        consent: Callable[[str], bool] | None = None,
        notify: Callable[[str], None] = lambda text: None,
    ) -> ChatSession:
        """The session that an agent file describes. Nothing has touched the network when it returns.

        `trust` consents, this once, to what the file can execute and reach; `consent` is shown it and may, for good.
        The other options are those of `runner.engine.from_agent.SessionOptions`. Raises ConfigError, UsageError,
        NeedsTrust.
        """
        from runner.config.trust.trust import ensure_trusted  # lazy, as the next: few sessions come from a file
        from runner.engine.from_agent import SessionOptions, from_agent

        options = SessionOptions(
            cls,
            variables or {},
            () if gateway is None else (gateway,),
            wrap,
            toolbox,
            clock,
            seed,
            stream,
            tuple(allow),
            tuple(deny),
            approve,
            ask,
            notify,
        )
        return from_agent(agent, options, partial(ensure_trusted, trust=trust, ask=consent, notify=notify))

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history: user messages, replies and tool results, oldest first; the system prompt is not in it."""
        return self._history.messages()

    @property
    def usage(self) -> Usage:
        """Tokens of all model calls of this session."""
        return self._usage.tokens

    @property
    def cost_usd(self) -> float | None:
        """What the session has cost in US dollars, None where no price is known."""
        return self._usage.cost_usd

    @property
    def max_context(self) -> int | None:
        """The window in tokens that the file sets; None leaves it to the model."""
        return self._policy.max_tokens

    @property
    def tools(self) -> Tools:
        return self._tools

    def send_message(self, text: str, files: Iterable[Attachment] = (), *, timeout: float | None = None) -> str:
        """The text of the answer to `text` and the attached images, which the whole turn has `timeout` seconds for.

        Raises AgentRunError (GatewayError, LimitReached, ContextOverflowError, …). The history is then as it was
        before, unless a tool has run: its exchange stays.
        """
        turn = OpenTurn(Cancel(), keeps_fragment=False)
        answer: str | None = None
        with closing(self._events(text, files, turn, timeout)) as events:
            for event in events:
                if type(event) is Replied:
                    answer = event.text
        if turn.cancel.cancelled or answer is None:
            raise TurnStopped("the turn was stopped before it had an answer")
        return answer

    def send_stream(self, text: str, files: Iterable[Attachment] = ()) -> tuple[Iterator[str], StreamHandle]:
        """The pieces of the answer as they arrive, each a str, and a handle on the turn.

        The user's message enters the history at once; the request is sent when the stream is first read, and
        reading it raises what send_message would. Closing or dropping the stream ends the turn.
        """
        turn = OpenTurn(Cancel())
        events = self._events(text, files, turn)
        next(events)
        handle = StreamHandle(self, events, turn)
        return handle.read(), handle

    def finalize_stream(self, handle: StreamHandle, *, partial: bool = False) -> ChatSession:
        """This session, with the streamed response recorded; see StreamHandle.finalize."""
        return handle.finalize(partial=partial)

    def send(
        self, text: str, files: Iterable[Attachment] = (), *, cancel: Cancel | None = None
    ) -> Generator[Event, None, None]:
        """One turn as events; it begins at the first `next()`. Closing or dropping the generator stops the turn.

        `cancel` stops it from another thread. What was shown of an answer that was stopped or broke off is kept, and
        marked. Raises AgentRunError.
        """
        return self._events(text, files, OpenTurn(cancel or Cancel()))

    def reset(self) -> None:
        """Forget the conversation; the system prompt and the tools stay. Waits for the turn of another thread."""
        turn = OpenTurn(Cancel())
        self._turn_slot.take(turn, self._busy_timeout)
        self._history = History()
        self._turn_slot.release(turn)

    def close(self) -> None:
        """Stop the turn under way; close the tools and the gateways, with their connections and processes."""
        self._turn_slot.stop()
        self._tools.close()
        self.broker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ready(self, tools: Any) -> Tools:
        """The tools themselves if they can be called already. To ask for more would wait for servers to start."""
        if callable(getattr(tools, "call", None)):
            return tools  # type: ignore[no-any-return]
        return Toolbox(tools, seconds=self._limits.tool_seconds, output_bytes=self._limits.tool_output_bytes)

    def _leave_turn_to_parent(self) -> None:
        if self._turn_slot.is_open:
            self._history.drop_newest()
        self._turn_slot = TurnSlot()

    def _events(
        self, text: str, files: Iterable[Attachment], turn: OpenTurn, seconds: float | None = None
    ) -> Generator[Event, None, None]:
        """The turn's events; it is open from the first to the last."""
        events = self._run_turn(text, files, turn, seconds)
        turn.attach(events)
        return events

    def _run_turn(
        self, text: str, files: Iterable[Attachment], open_turn: OpenTurn, seconds: float | None
    ) -> Generator[Event, None, None]:
        def ask_model(extra: tuple[Message, ...], seconds: float | None) -> Iterator[Chunk | Notice]:
            prompt = Prompt(self.system_prompt, self._history.turns, extra)
            return self._requests.reply(self.broker, prompt, cancel, seconds)

        cancel, slot = open_turn.cancel, self._turn_slot
        slot.take(open_turn, self._busy_timeout)
        is_whole = False
        try:
            turn = open_turn.begin(self._history, Message.user(replace_surrogates(text), files))
            yield Asked(turn.user.text)
            open_turn.reader = current_thread()
            limits = TurnLimits(self._limits, self._usage, seconds)
            context = replace(self._context, cancel=cancel)
            tool_calls = open_turn.tool_calls = ToolCalls(self._tools, context, limits, self._permission_check)
            with closing(TurnLoop(ask_model, turn.exchanges, tool_calls, limits, self._reply_schema).run()) as events:
                for event in events:
                    yield event
                    open_turn.reader = current_thread()  # who goes on reading may be another thread than before
            is_whole = not cancel.cancelled
        finally:
            if is_whole or open_turn.keeps_fragment:
                open_turn.settle()
            else:
                open_turn.roll_back()
            slot.release(open_turn)


def _reply_schema(reply: ReplySchema | Mapping[str, Any] | None) -> ReplySchema | None:
    if reply is None:
        return None
    from runner.engine.structured import ReplySchema  # lazy: most replies are free text

    return reply if isinstance(reply, ReplySchema) else ReplySchema(reply)
