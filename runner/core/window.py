"""Which messages fit the context window: the newest whole exchanges, never a call without its result."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from runner.core.errors import ContextOverflowError
from runner.core.history import Turn
from runner.core.messages import Message
from runner.core.tokens import Calibration

_SHORTER = {
    "system prompt and tools": "shorten the system prompt, or leave tools out",
    "newest message": "shorten the message",
    "newest tool results": "lower limits.tool_output_bytes",
}


class Start(NamedTuple):
    """Where a prompt begins: at a turn, or within the newest one at an exchange, its user's message before it."""

    turn: int = 0
    exchange: int = 0


class WindowContents(NamedTuple):
    """The messages of one request, how many older ones were left out, and the estimate of the whole prompt.

    `start`: where they begin. `can_shrink`: it holds something that could be left out too. `truncated`: results in it
    are cut in the middle.
    """

    messages: tuple[Message, ...]
    evicted: int
    estimated: int
    start: Start
    can_shrink: bool
    truncated: bool = False


class Room(NamedTuple):
    """How large a prompt may be, in tokens.

    `fixed` are estimated for the system prompt and the tools. `tokens` of the window may be taken; `aim` is a lower
    number to keep to where that can be done. If something has to be left out, so much is that `keep` of it is filled:
    the prompt's beginning, which a server may have cached, then stays as it is for many turns.
    """

    fixed: int
    tokens: int
    calibrate: Calibration
    aim: int | None = None
    keep: float = 1.0


def fit(turns: Sequence[Turn], room: Room, start: Start = Start()) -> WindowContents:  # noqa: B008 - frozen
    """The messages from `start` on if they fit, else the newest suffix of `turns` that fills `keep` of the room.

    The newest user message always stays, and so does the newest exchange of its turn, its results cut if they must be.
    Raises ContextOverflowError when these alone are too much.
    """
    newest = turns[-1]
    most = room.calibrate.max_estimate(room.tokens)
    target = room.tokens if room.aim is None else min(room.tokens, room.aim)
    limit = room.calibrate.max_estimate(target)
    used = room.fixed + _tokens_from(turns, start)
    if used > limit:
        low = room.calibrate.max_estimate(int(room.keep * target))
        start, used = _newest_that_fit(turns, start, room.fixed, low)
    recent = newest.exchanges[start.exchange :]
    truncated = used > most
    if truncated:
        from runner.core.truncate_tool_results import truncate_results  # lazy: most exchanges fit

        short = truncate_results(recent[0], most - used + recent[0].tokens) if recent else None
        if short is None:
            raise _overflow(newest, room)
        used += short.tokens - recent[0].tokens
        recent = [short]
    older = chain.from_iterable(turn.messages for turn in turns[start.turn : -1])
    messages = (*older, newest.user, *chain.from_iterable(exchange.messages for exchange in recent))
    evicted = sum(len(turn.messages) for turn in turns) - len(messages)
    can_shrink = start.turn < len(turns) - 1 or len(recent) > 1
    return WindowContents(messages, evicted, used, start, can_shrink, truncated)


def _tokens_from(turns: Sequence[Turn], start: Start) -> int:
    newest = turns[-1]
    recent = newest.user_tokens + sum(exchange.tokens for exchange in newest.exchanges[start.exchange :])
    return recent + sum(turn.tokens for turn in turns[start.turn : -1])


def _newest_that_fit(turns: Sequence[Turn], start: Start, fixed: int, limit: int) -> tuple[Start, int]:
    """The earliest start from which the messages fit, not before `start`, and what they take with `fixed`."""
    newest = turns[-1]
    used, exchange = fixed + newest.user_tokens, len(newest.exchanges)
    while exchange > start.exchange:
        size = newest.exchanges[exchange - 1].tokens
        if used + size > limit and exchange < len(newest.exchanges):
            return Start(len(turns) - 1, exchange), used
        used += size
        exchange -= 1
    turn = len(turns) - 1
    while turn > start.turn and used + turns[turn - 1].tokens <= limit:
        turn -= 1
        used += turns[turn].tokens
    return Start(turn, exchange), used


def _overflow(newest: Turn, room: Room) -> ContextOverflowError:
    parts = {"system prompt and tools": room.fixed, "newest message": newest.user_tokens}
    if newest.exchanges:
        parts["newest tool results"] = newest.exchanges[-1].tokens
    ranked = sorted(parts, key=lambda part: parts[part], reverse=True)
    sizes = ", ".join(f"{part} about {room.calibrate(parts[part])} tokens" for part in ranked)
    return ContextOverflowError(
        f"the {ranked[0]} {'does' if ranked[0] == 'newest message' else 'do'} not fit the context window",
        why=f"{sizes}; there is room for {max(0, room.tokens)}",
        fix=f"{_SHORTER[ranked[0]]}, or raise context.max_tokens in the agent file",
    )
