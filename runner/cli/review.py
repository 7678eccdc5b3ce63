"""Review of a fresh recording: each changed turn as a diff, which the user accepts or rejects."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff

import click

from runner.cli.terminal.streams import print_text
from runner.core.errors import UsageError
from runner.transcripts.files.recording_yaml import reply_text
from runner.transcripts.model import RecordedReply, Recording, Transcript
from runner.transcripts.recording.live_run import LiveRun
from runner.transcripts.reports import SuiteResult, report_renderer


def review(transcript: Transcript, run: LiveRun) -> bool:
    """First what the expectations say of the new answers, then each changed turn: accept, reject, or edit the script.

    A recording is kept whole or not at all: each reply was given to all that went before. Raises UsageError.
    """
    print_text(report_renderer("console")(SuiteResult([run.outcome], run.outcome.seconds)), end="")
    older = transcript.recording(run.recording.name)
    return all(_accepted(transcript, turn, older, run.recording) for turn in run.recording.turns)


def _accepted(transcript: Transcript, turn: str, older: Recording | None, fresh: Recording) -> bool:
    before = older.turns.get(turn, ()) if older is not None else ()
    lines = list(unified_diff(_lines(before), _lines(fresh.turns[turn]), "recorded", "now", lineterm="", n=2))
    if not lines:
        return True
    while True:
        print_text(f"\n{transcript.path} › {turn}   {fresh.name}")
        print_text("\n".join(lines))
        try:
            answer = click.prompt("[a]ccept, [r]eject, [e]dit the script", type=click.Choice("are"), show_choices=False)
        except click.Abort:
            raise UsageError("the review was broken off", why="there was no answer", fix="answer a, r or e") from None
        if answer == "e":
            click.edit(filename=str(transcript.path))
            continue
        return bool(answer == "a")


def _lines(replies: Sequence[RecordedReply]) -> list[str]:
    return [line for reply in replies for line in reply_text(reply).splitlines()]
