"""A conversation: its history, what of it fits the window, and one turn at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk, DoneChunk
from runner.core.errors import PromptTooLong, SessionBusy, UsageError
from runner.core.events import Asked, Event, Notice, Replied
from runner.core.history import History, Turn
from runner.core.messages import Attachment, Message, ToolSpec, Usage
from runner.core.policy import DEFAULT_WINDOW, ContextPolicy, Limits
from runner.core.sanitize import replace_surrogates
from runner.core.tokens import IMAGE, Calibration, estimate, estimate_tools
from runner.core.window import View, fit
from runner.engine.approval import Approve, PermissionCheck
from runner.engine.broker import Broker, Route, WrapGateway
from runner.engine.drafts import within
from runner.engine.stream import StreamHandle
from runner.engine.structured import ReplySchema
from runner.engine.turn import Loop
from runner.engine.usage import Spent
from runner.gateways import Capabilities, Gateway, Request
from runner.tools import Context, Toolbox, Tools
from runner.tools.context import system_clock

if TYPE_CHECKING:
    from runner.config.agent import Agent
    from runner.engine.from_agent import AskUser

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."


def new_session_id() -> str:
    """A name for a session that no other has."""
    return "s_" + os.urandom(8).hex()


class ChatSession:
    """A conversation with one agent; safe to share between threads, one turn at a time.

    `broker`: who is asked. `system_prompt`: always the first thing the model reads. `tools`: Tool instances or classes,
    `@tool` functions, or a ready Tools. `context`, `limits`: the agent file's policies. `reply`: the schema answers
    must keep. `permit`: may refuse a tool call. `clock`: the session's now, for the tools. `stream`: False asks for
    each reply in one piece.
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
        id: str = "",
    ) -> None:
        self.id = id or new_session_id()
        self.broker = broker
        self.system_prompt = replace_surrogates(system_prompt)
        self._limits = limits or Limits()
        self._toolbox = self._ready(tools)
        self._tool_choice = tool_choice
        self._policy = context or ContextPolicy()
        self._reply = reply if isinstance(reply, ReplySchema) or reply is None else ReplySchema(reply)
        self._permit = permit
        self._context = replace(tool_context or Context(), session=self.id)
        if clock is not None:
            self._context = replace(self._context, clock=clock)
        self._streaming = stream
        self._history = history or History()
        self._spent = Spent(broker.price)
        self._calibrations: dict[str, Calibration] = {}
        self._aims: dict[str, int] = {}
        self._told: set[tuple[str, str]] = set()
        self._sized: tuple[tuple[ToolSpec, ...], int] = (), 0
        self._turn_lock = threading.Lock()
        self._turn_owner: int | None = None

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
            variables or {},
            gateway,
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
        return self._spent.usage

    @property
    def cost_usd(self) -> float | None:
        """What the session has cost in US dollars, None where no price is known."""
        return self._spent.cost_usd

    @property
    def max_context(self) -> int | None:
        """The window in tokens that the file sets; None leaves it to the model."""
        return self._policy.max_tokens

    @property
    def tools(self) -> Tools:
        return self._toolbox

    def send_message(self, text: str, files: Iterable[Attachment] = ()) -> str:
        """The answer to `text`. Raises AgentRunError; a turn in which nothing was said leaves no trace."""
        answer = ""
        with closing(self.send(text, files)) as events:
            for event in events:
                if type(event) is Replied:
                    answer = event.text
        return answer

    def send_stream(self, text: str, files: Iterable[Attachment] = ()) -> tuple[Iterator[str], StreamHandle]:
        """The answer as it arrives, and a handle on it.

        The user's message enters the history at once; the request is sent when the stream is first read.
        """
        cancel = Cancel()
        events = self._turn(text, files, cancel)
        next(events)
        handle = StreamHandle(self, events, cancel)
        return handle.read(), handle

    def finalize_stream(self, handle: StreamHandle, *, partial: bool = False) -> ChatSession:
        """This session, with the streamed response recorded; see StreamHandle.finalize."""
        return handle.finalize(partial=partial)

    def send(
        self, text: str, files: Iterable[Attachment] = (), *, cancel: Cancel | None = None
    ) -> Generator[Event, None, None]:
        """One turn as events; it begins at the first `next()`. Closing the generator stops the turn.

        `cancel` stops it from another thread. Raises AgentRunError.
        """
        return self._turn(text, files, cancel or Cancel())

    def reset(self) -> None:
        """Forget the conversation; the system prompt and the tools stay. Waits for a turn under way."""
        self._take_turn()
        self._history = History()
        self._end_turn()

    def close(self) -> None:
        """Let go of the tools and of the gateways."""
        self._toolbox.close()
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

    def _turn(self, text: str, files: Iterable[Attachment], cancel: Cancel) -> Generator[Event, None, None]:
        self._take_turn()
        turn: Turn | None = None
        try:
            turn = self._history.open(Message.user(replace_surrogates(text), files))
            yield Asked(turn.user.text)
            loop = Loop(
                lambda aside, seconds: self._ask(aside, seconds, cancel),
                turn.exchanges,
                self._toolbox,
                context=replace(self._context, cancel=cancel),
                limits=self._limits,
                permit=self._permit,
                reply_schema=self._reply,
                spent=self._spent,
            )
            yield from loop.run()
        finally:
            if turn is not None:
                self._history.settle(turn)
            self._end_turn()

    def _take_turn(self) -> None:
        if self._turn_owner == threading.get_ident():
            raise SessionBusy(
                "a turn of this session is still open",
                fix="read its stream to the end, or call handle.abort() or handle.finalize(partial=True)",
            )
        self._turn_lock.acquire()
        self._turn_owner = threading.get_ident()

    def _end_turn(self) -> None:
        self._turn_owner = None
        self._turn_lock.release()

    def _ask(self, aside: tuple[Message, ...], seconds: float | None, cancel: Cancel) -> Iterator[Chunk | Notice]:
        """The chunks of one reply; a prompt that the server finds too long is shortened once."""
        asked: list[tuple[Route, View]] = []

        def draft(route: Route, capabilities: Capabilities) -> tuple[Request, Sequence[Notice]]:
            request, notices, view = self._draft(route, capabilities, aside)
            asked[:] = [(route, view)]
            return request, notices

        began = monotonic()
        shortened = heard = False
        while True:
            left = None if seconds is None else max(0.0, seconds - (monotonic() - began))
            try:
                for chunk in self.broker.reply(draft, cancel, left):
                    heard = heard or not isinstance(chunk, Notice)
                    if type(chunk) is DoneChunk and chunk.usage is not None:
                        yield from self._learn(*asked[0], chunk.usage.input_tokens)
                    yield chunk
                return
            except PromptTooLong as error:
                if shortened or heard or not asked or not self._shorten(*asked[0], error.window):
                    raise
                shortened = True
                why = error.why or error.what
            yield Notice("evicted", f"the server finds the prompt too long ({why}): asking with less")

    def _shorten(self, route: Route, view: View, window: int | None) -> bool:
        """Aim lower with this route from now on, at the window that it names; False if nothing more can be left out."""
        sent = self._calibration(route)(view.estimated)
        room = self._room(window, route.options) if window else sent
        self._aims[str(route)] = room if room < sent else sent * 3 // 4
        return view.spare and self._policy.overflow == "evict"

    def _learn(self, route: Route, view: View, counted: int) -> Iterator[Notice]:
        """Let the server's own count correct our estimate, unless it shows that the server has cut the prompt."""
        calibration = self._calibration(route)
        images = sum(len(message.files) for message in view.messages)
        images += sum(len(result.files) for message in view.messages for result in message.results)
        expected = calibration(view.estimated - IMAGE * images)
        if route.gateway.capabilities(route.model).truncates and 0 < counted < expected * 0.5 and expected > 512:
            yield Notice(
                "server_truncated",
                f"{route.gateway.name} read only {counted} of about {expected} tokens: the prompt's front was dropped",
                {"counted": counted, "expected": expected},
            )
        elif not images:  # each model counts them in its own way
            calibration.learn(view.estimated, counted)

    def _draft(
        self, route: Route, capabilities: Capabilities, aside: tuple[Message, ...]
    ) -> tuple[Request, Sequence[Notice], View]:
        free = self._tool_choice != "none" and bool(self._history.turns[-1].exchanges)  # or it would call for ever
        window = self._policy.max_tokens or capabilities.window or DEFAULT_WINDOW
        request = Request(
            route.model,
            (),
            system=self.system_prompt,
            tools=self._toolbox.specs,
            tool_choice="auto" if free else self._tool_choice,
            options=route.options,
            window=window,
            stream=self._streaming,
            timeouts=self.broker.timeouts,
        )
        request, notices = within(capabilities, request, route, self._reply)
        view = self._fit(route, request, window, aside)
        if (view.evicted or view.abridged) and self._policy.overflow == "error":
            raise UsageError(
                "the conversation no longer fits the context window",
                why=f"the window has {window} tokens and context.overflow is error",
                fix="start a new session, raise context.max_tokens, or set context.overflow: evict",
            )
        if view.evicted:
            notices.append(
                Notice("evicted", f"{view.evicted} older messages no longer fit the window", {"messages": view.evicted})
            )
        if view.abridged:
            notices.append(Notice("abridged", "the newest tool results do not fit the window: cut in the middle"))
        if not capabilities.images and any(message.files for message in view.messages):
            raise UsageError(f"{route} takes no images", fix="ask a model that does, or leave the file out")
        return replace(request, messages=view.messages + aside), self._untold(notices), view

    def _fit(self, route: Route, request: Request, window: int, aside: tuple[Message, ...]) -> View:
        fixed = estimate(request.system) + self._size(request.tools) + sum(estimate(each.text) for each in aside)
        return fit(
            self._history.turns,
            fixed=fixed,
            room=self._room(window, request.options),
            aim=self._aims.get(str(route)),
            calibrate=self._calibration(route),
        )

    def _size(self, tools: tuple[ToolSpec, ...]) -> int:
        """The tools' tokens, estimated anew only when they are others: they are the same for most requests."""
        if self._sized[0] is not tools:
            self._sized = tools, estimate_tools(tools)
        return self._sized[1]

    def _room(self, window: int, options: Mapping[str, Any]) -> int:
        """Tokens of the window that the prompt may take; the rest is the reply's."""
        return window - min(int(options.get("max_tokens") or self._policy.reserve), window // 2)

    def _untold(self, notices: Sequence[Notice]) -> list[Notice]:
        """Those the user has not been told yet in these words."""
        new = [notice for notice in notices if (notice.kind, notice.text) not in self._told]
        self._told.update((notice.kind, notice.text) for notice in new)
        return new

    def _calibration(self, route: Route) -> Calibration:
        return self._calibrations.setdefault(str(route), Calibration())
