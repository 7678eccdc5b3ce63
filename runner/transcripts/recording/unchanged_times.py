"""Recording again: an older recording's times and words are kept where nothing changed, so that few bytes do."""

from __future__ import annotations

import json
from itertools import zip_longest

from runner.core.messages import Usage
from runner.transcripts.fingerprint import property_order
from runner.transcripts.model import RecordedReply, RecordedRequest, RecordedTool, Recording


def with_unchanged_times(fresh: Recording, older: Recording | None) -> Recording:
    """The fresh recording, each reply with the older one's times and cache counts where it is otherwise the same.

    What was recorded of a tool that is the same keeps its form, also that of an older version.
    """
    if older is None:
        return fresh
    turns = {
        turn: tuple(
            _with_times_of(reply, before)
            for reply, before in zip_longest(replies, older.turns.get(turn, ())[: len(replies)])
        )
        for turn, replies in fresh.turns.items()
    }
    return fresh._replace(turns=turns, request=with_unchanged_tools(fresh.request, older.request))


def with_unchanged_tools(fresh: RecordedRequest | None, older: RecordedRequest | None) -> RecordedRequest | None:
    """The fresh request, with the older one's words for each tool of the same hash that has no parameters reordered."""
    if fresh is None or older is None:
        return fresh
    tools = {
        name: older.tools[name] if name in older.tools and _is_same(tool, older.tools[name]) else tool
        for name, tool in fresh.tools.items()
    }
    is_old = older.entries is None and any(tool.schema_text() == "" for tool in tools.values())
    all_by_name = all(entry.tools == (name,) for name, entry in (fresh.entries or {}).items())
    return fresh._replace(tools=tools, entries=None if is_old and all_by_name else fresh.entries)


def _is_same(fresh: RecordedTool, older: RecordedTool) -> bool:
    if fresh.digest != older.digest:
        return False
    try:
        recorded = older.schema_text()
    except ValueError:  # its blob is gone
        return False
    return not recorded or property_order(json.loads(recorded)) == property_order(json.loads(fresh.schema_text()))


def _with_times_of(reply: RecordedReply, older: RecordedReply | None) -> RecordedReply:
    if older is None:
        return reply
    usage = older.usage if _token_counts(reply.usage) == _token_counts(older.usage) else reply.usage
    unchanged = reply._replace(ms=older.ms, usage=usage)
    return unchanged if unchanged == older else reply


def _token_counts(usage: Usage | None) -> tuple[int, int] | None:
    """The counts that do not depend on what a server still had in its cache."""
    return None if usage is None else (usage.input_tokens, usage.output_tokens)
