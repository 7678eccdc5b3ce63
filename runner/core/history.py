"""The history of a conversation: turns of whole exchanges, a valid request at every instant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from runner.core.messages import Message, ToolResult
from runner.core.tokens import estimate_message

INTERRUPTED = "interrupted: this call was stopped before it gave a result"


@dataclass(frozen=True)
class Exchange:
    """One model reply and the results of the tools it asked for: as many results as calls, in their order."""

    reply: Message
    results: tuple[ToolResult, ...] = ()

    @classmethod
    def of(cls, reply: Message, results: Iterable[ToolResult | None] = ()) -> Exchange:
        """The exchange with every call answered: those without a result get one that says `interrupted`."""
        by_call = {result.call_id: result for result in results if result is not None}
        return cls(
            reply,
            tuple(
                by_call.get(call.id) or ToolResult(call.id, call.name, INTERRUPTED, failed=True) for call in reply.calls
            ),
        )

    @cached_property
    def tokens(self) -> int:
        """What the exchange may cost in a prompt, by the uncalibrated estimate."""
        return sum(estimate_message(message) for message in self.messages)

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        return (self.reply, Message.tool(self.results)) if self.results else (self.reply,)


class Turn:
    """One user message and the exchanges that follow it until the agent is done.

    `messages` are all of it, `tokens` what it may cost in a prompt by the uncalibrated estimate. Both are kept until
    another exchange comes, since each request looks at every turn there is.
    """

    __slots__ = ("_cached_exchanges", "_messages", "_tokens", "exchanges", "user", "user_tokens")

    def __init__(self, user: Message, exchanges: Iterable[Exchange] = ()) -> None:
        self.user = user
        self.exchanges = list(exchanges)
        self.user_tokens = estimate_message(user)
        self._cached_exchanges = -1

    @property
    def tokens(self) -> int:
        if self._cached_exchanges != len(self.exchanges):
            self._cache()
        return self._tokens

    @property
    def messages(self) -> tuple[Message, ...]:
        if self._cached_exchanges != len(self.exchanges):
            self._cache()
        return self._messages

    def _cache(self) -> None:
        exchanges = tuple(self.exchanges)
        self._tokens = self.user_tokens + sum(exchange.tokens for exchange in exchanges)
        self._messages = (self.user, *(message for exchange in exchanges for message in exchange.messages))
        self._cached_exchanges = len(exchanges)


class History:
    """The turns of a session, oldest first; only the newest one may still grow."""

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self.turns = list(turns)

    def open(self, user: Message) -> Turn:
        """Begin a turn with the user's message."""
        turn = Turn(user)
        self.turns.append(turn)
        return turn

    def settle(self, turn: Turn) -> None:
        """End a turn; one without an exchange is removed."""
        if not turn.exchanges and self.turns and self.turns[-1] is turn:
            self.turns.pop()

    def roll_back(self, turn: Turn, *, keep_results: bool) -> None:
        """Remove a turn, or with `keep_results` only the replies after its last results of tools.

        One that others have followed stays as it is: they were answered with it in view.
        """
        if not self.turns or self.turns[-1] is not turn:
            return
        while turn.exchanges and not (
            keep_results and turn.exchanges[-1].results and turn.exchanges[-1].reply.complete
        ):
            turn.exchanges.pop()
        self.settle(turn)

    def drop_newest(self) -> None:
        """Forget the newest turn."""
        self.turns.pop()

    def messages(self) -> tuple[Message, ...]:
        return tuple(message for turn in self.turns for message in turn.messages)
