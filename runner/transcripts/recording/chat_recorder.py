"""A chat written down as a transcript: what the user said, which tools were called, and the recording of it all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.config.agent import Agent
from runner.core.errors import UsageError
from runner.core.events import Asked, Event, TurnEnded
from runner.engine.session import ChatSession
from runner.transcripts.files.documents import write_atomically
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.files.script_yaml import script_document
from runner.transcripts.model import FORMAT, RecordedReply, Recording, ReplayInputs
from runner.transcripts.recording.recorder import Recorder
from runner.transcripts.redaction import Redactor
from runner.transcripts.suite.run import SUFFIX
from runner.transcripts.suite.shared import secrets_of

# What a template would take for its own: its marks, and a line end that it would write as another.
_MARK = re.compile(r"\{[{%#]|\r")
_MARKS = re.compile(r"\{+[%#]?|\r+")


class ChatRecorder:
    """Records a chat: open the session with its `clock`, then `listen_to` it, let it `hear` every event, and `write`.

    The clock stands still, so that a replay sees what the chat saw. Where a tool was interrupted the transcript ends:
    no replay could tell what the model was shown next. Raises UsageError for a file that exists.
    """

    def __init__(self, path: Path, agent: Agent, variables: Mapping[str, Any] | None = None) -> None:
        self._path = path if path.name.endswith(".yaml") else path.with_name(path.name + SUFFIX)
        if self._path.exists():
            raise UsageError(f"{self._path} exists already", fix="name another file, or remove it")
        self._agent = agent
        self._inputs = ReplayInputs(datetime.now().astimezone().replace(microsecond=0), None, dict(variables or {}))
        self._redactor = Redactor(secrets_of(agent))
        self._recorder = Recorder(self._redactor, self._inputs)
        self._said: list[tuple[str, tuple[Path, ...]]] = []
        self._attached: tuple[Path, ...] = ()
        self._over = False
        self._route: Callable[[], str] = lambda: f"{agent.gateway}/{agent.model}"

    def clock(self) -> datetime:
        """The session's now."""
        assert self._inputs.clock is not None
        return self._inputs.clock

    def listen_to(self, session: ChatSession) -> None:
        """Hear every reply of the session's model."""
        self._recorder.listen_to(session.broker)
        self._route = lambda: str(session.broker.route)

    def attach(self, files: Iterable[str | Path]) -> None:
        """These images go with what the user says next."""
        self._attached = tuple(map(Path, files))

    def hear(self, event: Event) -> None:
        """Take note of one of the session's events; what the user says begins a turn."""
        if self._over:
            return
        if isinstance(event, Asked):
            self._said.append((event.text, self._attached))
            self._attached = ()
            self._recorder.begin(_turn_id(len(self._said)))
        self._recorder.hear(event)
        if isinstance(event, TurnEnded) and event.reason == "cancelled" and self._recorder.interrupted:
            self._recorder.forget(_turn_id(len(self._said)))
            self._said.pop()
            self._over = True

    def write(self) -> Path | None:
        """Write the transcript and give its path; None if the model was never asked. Raises UsageError."""
        recording = self._recorder.recording(self._route())
        if recording.request is None:
            return None
        text = script_document(self._script(recording)) + recording_document(recording)
        if left := self._redactor.left(text):
            raise UsageError(f"the transcript would hold a secret: {', '.join(left)}", fix="nothing was written")
        write_atomically(self._path, text)
        return self._path

    def _script(self, recording: Recording) -> Iterator[tuple[str, Any]]:
        """The first document; what a model says is never expected, only which tools it calls."""
        yield "transcript", FORMAT
        yield "agent", os.path.relpath(self._agent.path, self._path.parent)
        yield "clock", self.clock().isoformat()
        if variables := recording.inputs.variables:
            yield "variables", dict(variables)
        yield "turns", [self._turn(number, *said, recording) for number, said in enumerate(self._said, 1)]

    def _turn(self, number: int, said: str, files: tuple[Path, ...], recording: Recording) -> dict[str, Any]:
        turn, text = _turn_id(number), _literal(self._redactor(said))
        calls = list(_calls(recording.turns.get(turn, ())))
        beside = [os.path.relpath(file, self._path.parent) for file in files]
        return {"id": turn, "user": {"text": text, "files": beside} if files else text, "expect": [{"tools": calls}]}


def _literal(text: str) -> str:
    """The text as a template that gives it back."""
    if not _MARK.search(text):
        return text
    return _MARKS.sub(lambda mark: f"{{{{ {mark[0]!r} }}}}", text)


def _turn_id(number: int) -> str:
    return f"turn-{number}"


def _calls(replies: Iterable[RecordedReply]) -> Iterator[dict[str, Any]]:
    for reply in replies:
        for call in reply.calls:
            yield {call.name: dict(call.arguments or {})}
