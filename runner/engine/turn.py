"""One turn: ask the model, run the tools it calls, ask again, until it answers or a limit stops it."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace

from runner.core.cancel import Cancel, Cancelled
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
from runner.core.events import Event, Notice, Replied, TextDelta, ThinkingDelta, ToolFinished, ToolStarted, TurnEnded
from runner.core.history import Exchange
from runner.core.messages import Message, ToolCall, ToolResult, Usage
from runner.core.policy import Limits
from runner.core.thread_pool import Job, side_by_side
from runner.engine.approval import PermissionCheck
from runner.engine.structured import ReplySchema
from runner.engine.textual_calls import written_call
from runner.engine.usage import Spent
from runner.tools import Context, Tools

Ask = Callable[[tuple[Message, ...], float | None], Iterator[Chunk | Notice]]

_OF_LOOPS = frozenset({"rounds", "identical_calls"})
_OF_SESSION = frozenset({"total_tokens", "cost_usd"})
NUDGE = "Your last reply was empty. Please answer, or call a tool."


class Loop:
    """Runs one turn. `exchanges` grows by whole exchanges only, whatever happens.

    `ask` gives the chunks of the next reply: it is given messages that are sent with this one request and forgotten,
    and the seconds that the turn may still take, None without a limit.
    `spent` is the session's account. After `run()`, `reason` says how the turn ended.
    """

    def __init__(
        self,
        ask: Ask,
        exchanges: list[Exchange],
        toolbox: Tools,
        *,
        context: Context,
        limits: Limits,
        permit: PermissionCheck | None = None,
        reply_schema: ReplySchema | None = None,
        spent: Spent | None = None,
    ) -> None:
        self._ask = ask
        self._exchanges = exchanges
        self._toolbox = toolbox
        self._told: deque[str] = deque()
        self._limits = limits
        self._permit = permit
        self._reply_schema = reply_schema
        self._spent = spent or Spent()
        # What a tool uses on its own account counts as ours.
        self._context = replace(context, notify=self._told.append, spend=self._spent.add)
        self._before = self._spent.usage, self._spent.cost_usd
        self._started = time.monotonic()
        self._rounds = 0
        self._asides: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._denied = ""
        self._partial: Message | None = None
        self.reason = "answered"

    def run(self) -> Iterator[Event]:
        """The turn's events, TurnEnded last. Raises AgentRunError after it when the turn did not end in an answer."""
        failure: AgentRunError | None = None
        try:
            yield from self._rounds_of_tools()
        except Cancelled:
            self.reason = "cancelled"
        except LimitReached as error:
            failure = error
            yield Notice("limit", error.what, {"limit": self.reason})
        except AgentRunError as error:
            failure = error
            self.reason = "failed" if self._partial is None else "incomplete"
            if self._partial is not None:
                came = f"{len(self._partial.text)} characters came, and are kept"
                yield Notice("incomplete", f"the reply is incomplete: {came}")
        if self._denied and (isinstance(failure, EmptyReply) or self.reason in _OF_LOOPS):
            failure = Denied(
                "a tool call was not allowed, and the turn could not go on without it",
                why=self._denied,
                fix="allow it with --allow TOOL, or under permissions: in your own configuration",
            )
        yield self._ended()
        if failure is not None:
            raise failure

    def _rounds_of_tools(self) -> Iterator[Event]:
        aside: tuple[Message, ...] = ()
        while True:
            self._hold_limits()
            reply = yield from self._reply(aside)
            aside = ()
            if reply.finish == "content_filter":
                if reply.text.strip() or reply.calls:
                    self._exchanges.append(Exchange.of(reply))
                raise ContentFiltered("the reply was stopped by the server's safety filter", fix="rephrase the message")
            if reply.calls:
                self._rounds += 1
                yield from self._answer_calls(reply)
                continue
            again = self._asked_again(reply)
            if again is None:
                self._exchanges.append(Exchange(reply))
                yield from self._remarks(reply)
                return
            notice, aside = again
            yield notice

    def _remarks(self, reply: Message) -> Iterator[Notice]:
        """What the user should know of a reply that ends the turn."""
        if reply.finish == "length":
            self.reason = "truncated"
            yield Notice("truncated", "the reply was cut at the token limit; options.max_tokens sets it")
        if self._toolbox.specs and written_call(reply.text, (spec.name for spec in self._toolbox.specs)):
            told = "the model wrote a tool call as text, which was not run: use a model that can call tools"
            yield Notice("textual_call", told)

    def _reply(self, aside: tuple[Message, ...]) -> Generator[Event, None, Message]:
        """One reply as it arrives. One that breaks off enters the exchanges marked, and never runs a tool."""
        assembly = Assembly()
        text = assembly.text
        cancel = self._context.cancel
        broke_off = "cancelled"
        try:
            for chunk in self._ask(aside, self._left()):
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
            self._hold_seconds()
            raise
        finally:
            if broke_off:
                self._keep_partial(assembly, broke_off)
        reply = assembly.message()
        usage = assembly.done.usage or Usage()
        self._spent.add(usage)
        try:
            yield from self._unpriced(assembly.done.model)
            yield Replied(reply.text, reply.finish, usage, reply.calls, assembly.done.model)
        except GeneratorExit:  # the reader leaves with the whole reply in hand
            if reply.text.strip() or reply.calls:
                self._exchanges.append(Exchange.of(reply))
            raise
        return reply

    def _unpriced(self, model: str) -> Iterator[Notice]:
        """Say once that a limit of money cannot hold."""
        spent = self._spent
        if self._limits.cost_usd is not None and spent.cost_usd is None and not spent.unpriced_told:
            spent.unpriced_told = True
            yield Notice("no_price", f"no price is known for {model or 'this model'}: limits.cost_usd cannot hold")

    def _keep_partial(self, assembly: Assembly, finish: str) -> None:
        """Text and whole calls stay, the calls answered as interrupted; a call cut in the middle is no call."""
        partial = assembly.message(finish)
        whole = tuple(call for call in partial.calls if call.raw and call.arguments is not None)
        if partial.text.strip() or whole:
            self._partial = Message("assistant", partial.text, calls=whole, finish=finish)
            self._exchanges.append(Exchange.of(self._partial))

    def _asked_again(self, reply: Message) -> tuple[Notice, tuple[Message, ...]] | None:
        """What the user is told, and the messages of one more request, when this reply cannot stand; None if it can."""
        if not reply.text.strip():
            self._asides["empty"] += 1
            if self._asides["empty"] > 1:
                raise EmptyReply(
                    "the model answered with nothing, twice",
                    why="neither text nor a tool call came, only thinking or blanks",
                    fix="try another model, or raise options.max_tokens if it thinks a lot",
                )
            return Notice("empty", "the model answered with nothing: asking once more"), (Message.user(NUDGE),)
        wanted = self._reply_schema
        if wanted is None or not (problem := wanted.problem(reply.text)):
            return None
        self._asides["reply"] += 1
        if self._asides["reply"] > wanted.retries:
            self._exchanges.append(Exchange(reply))
            raise ReplyInvalid(
                "the reply does not keep its schema",
                why=problem,
                fix="loosen reply.schema, raise reply.retries, or use a model that keeps schemas",
            )
        again = Message.user(f"That reply is not valid: {problem}. Answer again.")
        return Notice("reply_invalid", f"the reply does not keep its schema ({problem}): asking again"), (reply, again)

    def _answer_calls(self, reply: Message) -> Iterator[Event]:
        """Run the calls side by side; the exchange enters with results in call order, also when we are stopped."""
        results: list[ToolResult | None] = [None] * len(reply.calls)
        whole = False
        try:
            jobs: list[tuple[int, ToolCall]] = []
            for position, call in enumerate(reply.calls):
                yield ToolStarted(call)
                refusal = self._refusal(reply, call)
                if refusal is None:
                    jobs.append((position, call))
                else:
                    results[position] = refusal
                    yield ToolFinished(refusal, ran=False)
            for position, result in self._side_by_side(jobs):
                results[position] = result
                while self._told:
                    yield Notice("tool", self._told.popleft())
                yield ToolFinished(result)
            self._context.cancel.check()
            whole = True
        finally:
            if not whole:
                self._context.cancel.cancel()
            self._exchanges.append(Exchange.of(reply, results))
        self._stop_repetition(reply, results)

    def _side_by_side(self, jobs: list[tuple[int, ToolCall]]) -> Iterator[tuple[int, ToolResult]]:
        """Run the calls; one that is late, or still runs when we are stopped, is told to stop and left behind."""
        cancels = [Cancel() for _ in jobs]
        left = self._left()

        def job(call: ToolCall, cancel: Cancel) -> Job[ToolResult]:
            seconds, context = self._toolbox.seconds(call), replace(self._context, cancel=cancel)
            if seconds is not None and left is not None:
                seconds = min(seconds, left)
            return Job(lambda: self._toolbox.call(call, context), seconds)

        work = [job(call, cancel) for (_, call), cancel in zip(jobs, cancels, strict=True)]

        def late(index: int) -> ToolResult:
            cancels[index].cancel()
            call, seconds = jobs[index][1], work[index].seconds or 0
            return ToolResult(call.id, call.name, f"timed out after {seconds:.4g} s", failed=True, seconds=seconds)

        with ExitStack() as stack:
            for cancel in cancels:
                stack.callback(cancel.cancel)
                stack.enter_context(self._context.cancel.on_cancel(cancel.cancel))
            for index, result in side_by_side(work, late):
                yield jobs[index][0], result

    def _refusal(self, reply: Message, call: ToolCall) -> ToolResult | None:
        """The failed result of a call that must not run, None for one that may."""
        if reply.finish == "length":
            why = f"not run: the arguments were cut off after {len(call.raw)} characters; write less, or in parts"
            return ToolResult(call.id, call.name, why, failed=True)
        if self._permit is None:
            return None
        why_not = self._permit(call)
        if why_not is None:
            return None
        self._denied = why_not
        return ToolResult(call.id, call.name, f"not allowed: {why_not}", failed=True)

    def _stop_repetition(self, reply: Message, results: list[ToolResult | None]) -> None:
        for call, result in zip(reply.calls, results, strict=True):
            said = result.output if result else None
            asked = call.raw if call.arguments is None else call.arguments
            key = json.dumps([call.name, asked, said], sort_keys=True, default=str)
            self._seen[key] += 1
            if self._seen[key] >= self._limits.identical_calls:
                self._stop("identical_calls", f"{call.name} was called {self._seen[key]} times with the same result")
        cut = reply.finish == "length"
        self._asides["cut"] += cut
        if cut and self._asides["cut"] > 1:
            self._stop("max_tokens", "tool arguments were cut at the token limit twice")

    def _hold_limits(self) -> None:
        limits, spent = self._limits, self._spent
        self._context.cancel.check()
        if self._rounds >= limits.rounds:
            self._stop("rounds", f"the turn took {limits.rounds} rounds of tools without an answer")
        if limits.total_tokens is not None and spent.usage.total_tokens >= limits.total_tokens:
            self._stop("total_tokens", f"the session used {spent.usage.total_tokens} tokens")
        if limits.cost_usd is not None and (spent.cost_usd or 0) >= limits.cost_usd:
            self._stop("cost_usd", f"the session cost ${spent.cost_usd:.4f}")
        self._hold_seconds()

    def _hold_seconds(self) -> None:
        if self._left() == 0:
            self._stop("seconds", f"the turn took longer than {self._limits.seconds:g} s")

    def _left(self) -> float | None:
        """Seconds that the turn may still take, None without a limit."""
        limit = self._limits.seconds
        return None if limit is None else max(0.0, limit - (time.monotonic() - self._started))

    def _stop(self, limit: str, what: str) -> None:
        self.reason = limit
        key = "options.max_tokens" if limit == "max_tokens" else f"limits.{limit}"
        instead = "start a new session" if limit in _OF_SESSION else "send another message to go on from here"
        raise LimitReached(what, where=key, fix=f"raise {key}, or {instead}")

    def _ended(self) -> TurnEnded:
        usage, cost = self._spent.since(*self._before)
        return TurnEnded(usage, time.monotonic() - self._started, self.reason, cost)
