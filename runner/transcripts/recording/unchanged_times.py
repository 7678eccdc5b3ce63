"""An older recording's times kept where nothing else changed, so that recording again changes few bytes of a file."""

from __future__ import annotations

from itertools import zip_longest

from runner.core.messages import Usage
from runner.transcripts.model import RecordedReply, Recording


def with_unchanged_times(fresh: Recording, older: Recording | None) -> Recording:
    """The fresh recording, each reply with the older one's times and cache counts where it is otherwise the same."""
    if older is None:
        return fresh
    turns = {
        turn: tuple(
            _with_times_of(reply, before)
            for reply, before in zip_longest(replies, older.turns.get(turn, ())[: len(replies)])
        )
        for turn, replies in fresh.turns.items()
    }
    return fresh._replace(turns=turns)


def _with_times_of(reply: RecordedReply, older: RecordedReply | None) -> RecordedReply:
    if older is None:
        return reply
    usage = older.usage if _token_counts(reply.usage) == _token_counts(older.usage) else reply.usage
    unchanged = reply._replace(ms=older.ms, usage=usage)
    return unchanged if unchanged == older else reply


def _token_counts(usage: Usage | None) -> tuple[int, int] | None:
    """The counts that do not depend on what a server still had in its cache."""
    return None if usage is None else (usage.input_tokens, usage.output_tokens)
