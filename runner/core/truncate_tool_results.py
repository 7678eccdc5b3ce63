"""Tool results truncated in the middle for one request, where the newest exchange alone exceeds the window."""

from __future__ import annotations

import json
from dataclasses import replace

from runner.core.history import Exchange
from runner.core.messages import ToolResult
from runner.core.tokens import estimate, estimate_json

_LEAST = 64
_HEAD = 0.7


def truncate_results(exchange: Exchange, tokens: int) -> Exchange | None:
    """The exchange in at most `tokens` by the uncalibrated estimate, its long results cut; the one that entered history
    stays whole. None where a result would be left with next to nothing.
    """
    sizes = [estimate_json(result.output) for result in exchange.results]
    spare = tokens - (exchange.tokens - sum(sizes))
    share = _fair_share(sizes, spare)
    if share < _LEAST:
        return None
    results = tuple(
        result if size <= share else _truncate_result(result, share)
        for result, size in zip(exchange.results, sizes, strict=True)
    )
    return Exchange(exchange.reply, results)


def _fair_share(sizes: list[int], spare: int) -> int:
    """What each result may take so that all together take `spare`: small ones leave their rest to the others."""
    share = 0
    waiting = sorted(sizes)
    while waiting:
        share = spare // len(waiting)
        if waiting[0] > share:
            return share
        spare -= waiting.pop(0)
    return share


def _truncate_result(result: ToolResult, tokens: int) -> ToolResult:
    output = result.output
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)
    kept = len(text)
    while True:
        kept = min(kept - 1, int(kept * tokens / estimate(text[:kept]) * 0.95))
        head = int(kept * _HEAD)
        tail = text[len(text) - (kept - head) :]
        left_out = len(text) - kept
        shown = f"{text[:head]}\n[… {left_out} characters left out to fit the context window …]\n{tail}"
        if estimate(shown) <= tokens:
            return replace(result, output=shown)
