"""One turn: ask the model, run the tools it calls, ask again, until it answers or a limit stops it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Literal

from runner.core.cancel import Cancelled
from runner.core.chunks import Assembly, Chunk, TextChunk, ThinkingChunk
from runner.core.errors import (
    AgentRunError,
    ContentFiltered,
    Denied,
    EmptyReply,
    GatewayError,
    IncompleteReply,
    LimitReached,
    ReplyInvalid,
)
from runner.core.events import Event, Notice, Replied, TextDelta, ThinkingDelta, TurnReason
from runner.core.history import Exchange
from runner.core.messages import FinishReason, Message, ToolResult, Usage
from runner.engine.limits import TurnLimits
from runner.engine.textual_calls import has_textual_call
from runner.engine.tool_calls import ToolCalls

if TYPE_CHECKING:
    from runner.engine.structured import ReplySchema

AskModel = Callable[[tuple[Message, ...], float | None], Iterator[Chunk | Notice]]
"""The chunks of the next reply, given messages that are sent with this one request and forgotten, and the seconds that
the turn may still take, None without a limit."""

_ENDLESS = frozenset({"rounds", "identical_calls"})
EMPTY_REPLY_PROMPT = "Your last reply was empty. Please answer, or call a tool."


class TurnLoop:
    """Runs one turn. `exchanges` grows by whole exchanges only, whatever happens.

    After `run()`, `reason` says how the turn ended.
    """

    def __init__(
        self,
        ask_model: AskModel,
        exchanges: list[Exchange],
        tool_calls: ToolCalls,
        limits: TurnLimits,
        reply_schema: ReplySchema | None = None,
    ) -> None:
        self._ask_model = ask_model
        self._exchanges = exchanges
        self._tool_calls = tool_calls
        self._cancel = tool_calls.cancel
        self._limits = limits
        self._reply_schema = reply_schema
        self._empty_replies = 0
        self._invalid_replies = 0
        self._partial: Message | None = None
        self.reason: TurnReason = "answered"

    def run(self) -> Generator[Event, None, None]:
        """The turn's events, TurnEnded last. Raises AgentRunError after it when the turn did not end in an answer."""
        failure: AgentRunError | None = None
        try:
            yield from self._exchange_until_answered()
        except Cancelled:
            self.reason = "cancelled"
        except LimitReached as error:
            failure = error
            self.reason = self._limits.reached or "failed"
            yield Notice("limit", error.what, {"limit": self.reason})
        except AgentRunError as error:
            failure = error
            self.reason = "failed" if self._partial is None else "incomplete"
            if self._partial is not None:
                kept = f"{len(self._partial.text)} characters came, and are kept"
                yield Notice("incomplete", f"the reply is incomplete: {kept}")
        if self._tool_calls.denied and (isinstance(failure, EmptyReply) or self.reason in _ENDLESS):
            failure = Denied(
                "a tool call was not allowed, and the turn could not go on without it",
                why=self._tool_calls.denied,
                fix="allow it with --allow TOOL, or under permissions: in your own configuration",
            )
        yield self._limits.turn_ended(self.reason)
        if failure is not None:
            raise failure

    def _exchange_until_answered(self) -> Iterator[Event]:
        extra: tuple[Message, ...] = ()
        while True:
            self._cancel.check()
            self._limits.check()
            reply = yield from self._reply(extra)
            extra = ()
            if reply.finish == "content_filter":
                if reply.text.strip() or reply.calls:
                    self._exchanges.append(Exchange.of(reply))
                raise ContentFiltered("the reply was stopped by the server's safety filter", fix="rephrase the message")
            if reply.calls:
                yield from self._run_tools(reply)
                continue
            correction = self._correction(reply)
            if correction is None:
                self._exchanges.append(Exchange(reply))
                yield from self._answer_notices(reply)
                return
            notice, extra = correction
            yield notice

    def _answer_notices(self, reply: Message) -> Iterator[Notice]:
        """What the user should know of a reply that ends the turn."""
        if reply.finish == "length":
            self.reason = "truncated"
            yield Notice("truncated", "the reply was cut at the token limit; options.max_tokens sets it")
        specs = self._tool_calls.tools.specs
        if specs and has_textual_call(reply.text, (spec.name for spec in specs)):
            text = "the model wrote a tool call as text, which was not run: use a model that can call tools"
            yield Notice("textual_call", text)

    def _reply(self, extra: tuple[Message, ...]) -> Generator[Event, None, Message]:
        """One reply as it arrives. One that breaks off enters the exchanges marked, and never runs a tool."""
        assembly = Assembly()
        text = assembly.text
        cancel = self._cancel
        broke_off: FinishReason | Literal[""] = "cancelled"
        try:
            for chunk in self._ask_model(extra, self._limits.seconds_left()):
                if cancel.cancelled:
                    raise Cancelled
                kind = type(chunk)
                if kind is TextChunk:
                    text.append(chunk.text)  # type: ignore[union-attr]
                    yield TextDelta(chunk.text)  # type: ignore[union-attr]
                elif isinstance(chunk, Notice):
                    yield chunk
                else:
                    assembly.add(chunk)
                    if isinstance(chunk, ThinkingChunk):
                        yield ThinkingDelta(chunk.text)
            cancel.check()
            if assembly.done is None:
                raise IncompleteReply("the reply ended without its terminator")
            broke_off = ""
        except GatewayError:
            broke_off = "incomplete"
            self._limits.check_seconds()
            raise
        finally:
            if broke_off:
                self._keep_partial(assembly, broke_off)
        reply = assembly.message()
        usage = assembly.done.usage or Usage()
        self._limits.usage.add(usage)
        try:
            if (notice := self._limits.no_price_notice(assembly.done.model)) is not None:
                yield notice
            yield Replied(reply.text, reply.finish, usage, reply.calls, assembly.done.model)
        except GeneratorExit:  # the reader leaves with the whole reply in hand
            if reply.text.strip() or reply.calls:
                self._exchanges.append(Exchange.of(reply))
            raise
        return reply

    def _keep_partial(self, assembly: Assembly, finish: FinishReason) -> None:
        """Text and whole calls stay, the calls answered as interrupted; a call cut in the middle is no call."""
        partial = assembly.message(finish)
        whole = tuple(call for call in partial.calls if call.raw and call.arguments is not None)
        if partial.text.strip() or whole:
            self._partial = Message("assistant", partial.text, calls=whole, finish=finish)
            self._exchanges.append(Exchange.of(self._partial))

    def _correction(self, reply: Message) -> tuple[Notice, tuple[Message, ...]] | None:
        """The notice and the extra messages of one more request, when this reply cannot stand; None if it can.

        Raises EmptyReply and ReplyInvalid when it has been asked for often enough.
        """
        if not reply.text.strip():
            self._empty_replies += 1
            if self._empty_replies > 1:
                raise EmptyReply(
                    "the model answered with nothing, twice",
                    why="neither text nor a tool call came, only thinking or blanks",
                    fix="try another model, or raise options.max_tokens if it thinks a lot",
                )
            text = "the model answered with nothing: asking once more"
            return Notice("empty", text), (Message.user(EMPTY_REPLY_PROMPT),)
        schema = self._reply_schema
        if schema is None or not (problem := schema.problem(reply.text)):
            return None
        self._invalid_replies += 1
        if self._invalid_replies > schema.retries:
            self._exchanges.append(Exchange(reply))
            raise ReplyInvalid(
                "the reply does not keep its schema",
                why=problem,
                fix="loosen reply.schema, raise reply.retries, or use a model that keeps schemas",
            )
        request = Message.user(f"That reply is not valid: {problem}. Answer again.")
        text = f"the reply does not keep its schema ({problem}): asking again"
        return Notice("reply_invalid", text), (reply, request)

    def _run_tools(self, reply: Message) -> Iterator[Event]:
        """Run the reply's calls; the exchange enters with results in call order, also when the turn is stopped."""
        results: list[ToolResult | None] = [None] * len(reply.calls)
        complete = False
        try:
            yield from self._tool_calls.run(reply, results)
            self._cancel.check()
            complete = True
        finally:
            if not complete:
                self._cancel.cancel()
            self._exchanges.append(Exchange.of(reply, results))
        self._limits.check_exchange(reply, results)
