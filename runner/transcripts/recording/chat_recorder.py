"""A chat written as a transcript: what the user said, which tools were called, and the recording of it all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.config.agent import Agent
from runner.core.errors import UsageError
from runner.core.events import Asked, Event, TurnEnded
from runner.engine.route import Route
from runner.transcripts.conversation.run_context import secrets_of
from runner.transcripts.files.blobs import has_dollar_key
from runner.transcripts.files.documents import write_atomically
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.files.script_yaml import script_document, template_of
from runner.transcripts.model import FORMAT_VERSION, TRANSCRIPT_SUFFIX, RecordedReply, Recording, ReplayInputs
from runner.transcripts.recording.gateway_wrapper import GatewayWrapper
from runner.transcripts.recording.recorder import Recorder
from runner.transcripts.redaction import Redactor


class ChatRecorder:
    """Records a chat: open the session with its `clock` and `wrap`, let it `observe` every event, and `write`.

    The clock stands still, so that a replay sees what the chat saw. Where a tool was interrupted the transcript ends:
    no replay could tell what the model was shown next. `allow` and `deny` are the session's own rules. Raises
    UsageError for a file that exists.
    """

    def __init__(
        self,
        path: Path,
        agent: Agent,
        variables: Mapping[str, Any] | None = None,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
    ) -> None:
        self._path = path if path.name.endswith(".yaml") else path.with_name(path.name + TRANSCRIPT_SUFFIX)
        if self._path.exists():
            raise UsageError(f"{self._path} exists already", fix="name another file, or remove it")
        self._agent = agent
        clock = datetime.now().astimezone().replace(microsecond=0)
        self._inputs = ReplayInputs(clock, None, dict(variables or {}), allow=tuple(allow), deny=tuple(deny))
        self._redactor = Redactor(secrets_of(agent))
        self._recorder = Recorder(self._redactor, self._inputs)
        self._user_turns: list[tuple[str, tuple[Path, ...]]] = []
        self._next_files: tuple[Path, ...] = ()
        self._ended = False

    def clock(self) -> datetime:
        """The session's now."""
        assert self._inputs.clock is not None
        return self._inputs.clock

    def wrap(self, route: Route) -> GatewayWrapper:
        """The route's gateway, each of its replies recorded."""
        return self._recorder.wrap(route)

    def add_files(self, files: Iterable[str | Path]) -> None:
        """These images go with what the user says next."""
        self._next_files = tuple(map(Path, files))

    def observe(self, event: Event) -> None:
        """Take note of one of the session's events; what the user says begins a turn."""
        if self._ended:
            return
        if isinstance(event, Asked):
            self._user_turns.append((event.text, self._next_files))
            self._next_files = ()
            self._recorder.begin_turn(_turn_id(len(self._user_turns)))
        self._recorder.observe(event)
        if isinstance(event, TurnEnded) and event.reason == "cancelled" and self._recorder.ends_with_calls:
            self._recorder.drop_turn(_turn_id(len(self._user_turns)))
            self._user_turns.pop()
            self._ended = True

    def write(self) -> Path | None:
        """Write the transcript and give its path; None if the model was never asked. Raises UsageError."""
        recording = self._recorder.recording(self._recorder.route)
        if recording.request is None:
            return None
        text = script_document(self._script(recording)) + recording_document(recording)
        if secrets := self._redactor.unredacted(text):
            raise UsageError(f"the transcript would hold a secret: {', '.join(secrets)}", fix="nothing was written")
        write_atomically(self._path, text)
        return self._path

    def _script(self, recording: Recording) -> Iterator[tuple[str, Any]]:
        """The first document's keys; it expects which tools are called, never what the model says."""
        yield "transcript", FORMAT_VERSION
        yield "agent", os.path.relpath(self._agent.path, self._path.parent)
        yield "clock", self.clock().isoformat()
        if variables := recording.inputs.variables:
            yield "variables", dict(variables)
        yield (
            "turns",
            [self._turn(number, text, files, recording) for number, (text, files) in enumerate(self._user_turns, 1)],
        )

    def _turn(self, number: int, text: str, files: tuple[Path, ...], recording: Recording) -> dict[str, Any]:
        turn, user = _turn_id(number), template_of(self._redactor(text))
        calls = list(_calls(recording.turns.get(turn, ())))
        paths = [os.path.relpath(file, self._path.parent) for file in files]
        return {"id": turn, "user": {"text": user, "files": paths} if files else user, "expect": [{"tools": calls}]}


def _turn_id(number: int) -> str:
    return f"turn-{number}"


def _calls(replies: Iterable[RecordedReply]) -> Iterator[dict[str, Any]]:
    for reply in replies:
        for call in reply.calls:
            arguments = _rendering_to(dict(call.arguments or {}))
            yield {call.name: {"$eq": arguments} if has_dollar_key(arguments) else arguments}


def _rendering_to(value: Any) -> Any:
    """A value whose texts are templates that render to this one."""
    if isinstance(value, str):
        return template_of(value)
    if isinstance(value, Mapping):
        return {template_of(key): _rendering_to(item) for key, item in value.items()}
    return [_rendering_to(item) for item in value] if isinstance(value, (list, tuple)) else value
