"""A chat becomes a transcript that replays green."""

from __future__ import annotations

import pytest

from runner.config.loader import load_agent
from runner.core.cancel import Cancel
from runner.core.errors import UsageError
from runner.core.events import TextDelta, ToolStarted
from runner.engine.attachments import attach
from runner.engine.session import ChatSession
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.recording.chat_recorder import ChatRecorder
from runner.transcripts.replaying.replay import replay_recording


def test_a_chat_is_a_transcript(case) -> None:
    agent = load_agent(case.agent)
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", agent, {"manner": "terse"})
    with ChatSession.from_agent(
        agent, variables={"manner": "terse"}, clock=recorder.clock, wrap=recorder.wrap
    ) as session:
        for text in ("When is it?\nAnd tomorrow: say #1", "{{ no }}template"):
            for event in session.send(text):
                recorder.observe(event)
    path = recorder.write()
    transcript = load_transcript(path)
    assert transcript.turns[0].user == "When is it?\nAnd tomorrow: say #1"
    assert [[each.kind for each in turn.expect] for turn in transcript.turns] == [["tools"], ["tools"]]
    assert "March 13" not in path.read_text().partition("---\n")[0]
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext())
    assert (outcome.verdict, outcome.changes) == ("pass", ())
    with pytest.raises(UsageError, match="exists already"):
        ChatRecorder(path, agent)


def test_images_of_a_chat_are_named_and_sent_again(case) -> None:
    picture = case.folder / "dot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    agent = load_agent(case.agent)
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", agent)
    with ChatSession.from_agent(agent, clock=recorder.clock, wrap=recorder.wrap) as session:
        recorder.add_files([picture])
        for event in session.send("When is it?", [attach(picture)]):
            recorder.observe(event)
    transcript = load_transcript(recorder.write())
    assert transcript.turns[0].files == (picture,) and transcript.turns[0].user == "When is it?"
    assert replay_recording(transcript, transcript.recordings[0], RunContext()).verdict == "pass"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21))
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext())
    assert (outcome.verdict, [change.component for change in outcome.changes]) == ("stale", ["messages"])


def test_a_chat_in_which_nothing_was_said_writes_nothing(case) -> None:
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", load_agent(case.agent))
    assert recorder.write() is None
    assert not (case.folder / "chat.transcript.yaml").exists()


@pytest.mark.parametrize(("stop_at", "turns"), [(TextDelta, 2), (ToolStarted, 1)])
def test_what_the_user_stopped(case, stop_at: type, turns: int) -> None:
    case.change(case.agent, "script:\n", "script:\n- text: Hello.\n")
    agent = load_agent(case.agent)
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", agent)
    with ChatSession.from_agent(agent, clock=recorder.clock, wrap=recorder.wrap) as session:
        for number, text in enumerate(("Hi.", "When is it?", "Again?")):
            cancel = Cancel()
            for event in session.send(text, cancel=cancel):
                recorder.observe(event)
                if isinstance(event, stop_at) and number == (0 if stop_at is TextDelta else 1):
                    cancel.cancel()
            if stop_at is TextDelta and number == 1:
                break
    transcript = load_transcript(recorder.write())
    assert len(transcript.turns) == turns
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext())
    assert (outcome.verdict, outcome.changes) == ("pass", ())


HOSTILE = [
    "{{ x }} {% raw %} {# no #}",
    "{{\r",
    "{{\r\r\n",
    "{\r\n",
    "{ {{{",
    "a\r\nb\n",
    "---\nrecording: x/y\n",
    " lead \u2028\x85",
    "\x07#: &*!",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_the_user_said_is_said_again(case, text: str) -> None:
    agent = load_agent(case.agent)
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", agent)
    with ChatSession.from_agent(agent, clock=recorder.clock, wrap=recorder.wrap) as session:
        for event in session.send(text):
            recorder.observe(event)
    transcript = load_transcript(recorder.write())
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext())
    assert (outcome.verdict, outcome.changes) == ("pass", ())


RULES = [
    ((), ("note",)),
    ((), ("note(text=*secret*)",)),
    (("note",), ()),
    (("note",), ("note(text=*secret*)",)),
]


@pytest.mark.parametrize(("allow", "deny"), RULES)
def test_a_chat_with_rules_of_its_own_replays_to_the_same(case, allow: tuple, deny: tuple) -> None:
    case.agent.write_text(
        "gateway: scripted\nmodel: demo\n"
        "tools:\n- command: {name: note, description: Note it., run: ['true', '{text}'], effects: write,"
        " parameters: {text: {type: string}}}\n"
        "script: [{calls: [{note: {text: a secret}}, {note: {text: a word}}]}, Noted.]\n"
    )
    agent = load_agent(case.agent)
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", agent, allow=allow, deny=deny)
    options = {"allow": allow, "deny": deny, "trust": True, "approve": lambda call, request: "yes"}
    with ChatSession.from_agent(agent, clock=recorder.clock, wrap=recorder.wrap, **options) as session:
        for event in session.send("Note it."):
            recorder.observe(event)
    transcript = load_transcript(recorder.write())
    inputs = transcript.recordings[0].inputs
    assert (inputs.allow, inputs.deny) == (allow, deny)
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext())
    assert (outcome.verdict, outcome.changes) == ("pass", ())
    bare = transcript.recordings[0]._replace(inputs=inputs._replace(allow=(), deny=()))
    assert replay_recording(transcript, bare, RunContext()).verdict == ("stale" if deny else "pass")
