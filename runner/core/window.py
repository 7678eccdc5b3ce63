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


class WindowContents(NamedTuple):
    """The messages of one request, how many older ones were left out, and the estimate of the whole prompt.

    `can_shrink`: it holds something that could be left out too. `truncated`: results in it are cut in the middle.
    """

    messages: tuple[Message, ...]
    evicted: int
    estimated: int
    can_shrink: bool
    truncated: bool = False


def fit(
    turns: Sequence[Turn], *, fixed: int, room: int, calibrate: Calibration, aim: int | None = None
) -> WindowContents:
    """The newest suffix of `turns` that fits.

    `fixed`: estimated tokens of the system prompt and the tools. `room`: tokens of the window that the prompt may take;
    `aim`: a lower number to keep to where that can be done.
    The newest user message always stays, and so does the newest exchange of its turn, its results cut if they must be.
    Raises ContextOverflowError when these alone are too much.
    """
    newest = turns[-1]
    exchanges = newest.exchanges
    limit = calibrate.max_estimate(room if aim is None else min(room, aim))
    used = fixed + newest.user_tokens
    start = len(exchanges)
    for exchange in reversed(exchanges):
        if used + exchange.tokens > limit and start < len(exchanges):
            break
        used += exchange.tokens
        start -= 1
    recent = exchanges[start:]
    whole = used <= calibrate.max_estimate(room)
    if not whole:
        from runner.core.truncate_tool_results import truncate_results  # lazy: most exchanges fit

        truncated = (
            truncate_results(recent[0], calibrate.max_estimate(room) - used + recent[0].tokens) if recent else None
        )
        if truncated is None:
            raise _overflow(newest, fixed, calibrate, room)
        used += truncated.tokens - recent[0].tokens
        recent = [truncated]
    first = len(turns) - 1
    while whole and start == 0 and first > 0 and used + turns[first - 1].tokens <= limit:
        first -= 1
        used += turns[first].tokens
    older = chain.from_iterable(turn.messages for turn in turns[first:-1])
    messages = (*older, newest.user, *chain.from_iterable(exchange.messages for exchange in recent))
    evicted = sum(len(turn.messages) for turn in turns) - len(messages)
    can_shrink = first < len(turns) - 1 or len(recent) > 1
    return WindowContents(messages, evicted, used, can_shrink, truncated=not whole)


def _overflow(newest: Turn, fixed: int, calibrate: Calibration, room: int) -> ContextOverflowError:
    parts = {"system prompt and tools": fixed, "newest message": newest.user_tokens}
    if newest.exchanges:
        parts["newest tool results"] = newest.exchanges[-1].tokens
    ranked = sorted(parts, key=lambda part: parts[part], reverse=True)
    sizes = ", ".join(f"{part} about {calibrate(parts[part])} tokens" for part in ranked)
    return ContextOverflowError(
        f"the {list(parts)[-1]} {'do' if newest.exchanges else 'does'} not fit the context window",
        why=f"{sizes}; there is room for {max(0, room)}",
        fix=f"{_SHORTER[ranked[0]]}, or raise context.max_tokens in the agent file",
    )
