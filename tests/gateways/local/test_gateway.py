"""The embedded model for real: several turns on one load, and a process that never outlives what it serves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import Broker, ChatSession
from runner.core.cancel import Cancelled
from runner.core.chunks import Assembly, TextChunk
from runner.core.errors import LocalDied, ModelMissing, PromptTooLong, TimedOut
from runner.core.messages import Message
from runner.core.policy import Timeouts
from runner.gateways import Gateway, Local, Request

MODEL = "smollm2-135m"

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def children(parent: int) -> list[int]:
    """The model processes that `parent` has started, without the one that tests share."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            mother = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
        except (OSError, ValueError):
            continue
        if command.endswith(b"local/worker.py\0") and mother == parent:
            found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether any thread of the process runs; one that only waits for its parent to look does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        return state not in "ZX" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def ask(*messages: Message, tokens: int = 8, **fields) -> Request:
    return Request(
        MODEL, messages or (Message.user("Say hello."),), options={"temperature": 0, "max_tokens": tokens}, **fields
    )


def answer(gateway: Gateway, request: Request) -> Assembly:
    reply = Assembly()
    for chunk in gateway.stream(request):
        reply.add(chunk)
    return reply


def log_of(death: LocalDied) -> Path:
    """The log that the error names."""
    named = re.search(r"log in (\S+)", death.where)
    assert named
    return Path(named[1])


@pytest.fixture
def local(embedded_weights) -> Iterator[Local]:
    gateway = Local()
    yield gateway
    gateway.close()
    assert children(os.getpid()) == []


def test_turns_share_one_load_and_what_was_said(local):
    said = [Message.user("My favourite colour is green.")]
    first = answer(local, ask(*said, tokens=24))
    pid = children(os.getpid())
    said += [first.message(), Message.user("What is my favourite colour?")]
    second = answer(local, ask(*said, tokens=24))
    assert "green" in second.message().text.lower()
    assert second.done.usage.input_tokens > first.done.usage.input_tokens
    assert second.done.usage.cached_tokens >= first.done.usage.input_tokens
    assert second.done.model == "SmolLM2-135M-Instruct.Q4_1"
    assert children(os.getpid()) == pid

    stream = local.stream(ask(tokens=400))
    assert isinstance(next(stream), TextChunk)
    stream.close()
    assert answer(local, ask()).message().text
    assert children(os.getpid()) == pid

    os.kill(pid[0], signal.SIGINT)
    assert answer(local, ask()).message().text

    local.close()
    assert ends(pid[0])
    assert answer(local, ask()).message().text


def test_closing_one_session_leaves_the_reply_of_another_on_the_same_broker(local):
    broker = Broker(MODEL, local, options={"temperature": 0, "max_tokens": 60})
    leaving, staying = ChatSession(broker), ChatSession(broker)
    stream, handle = staying.send_stream("Count to twenty.")
    next(stream)
    leaving.close()
    for _ in stream:
        pass
    assert handle.finalize() is staying and handle.finish_reason in ("stop", "length")
    assert all(ends(pid) for pid in children(os.getpid()))


@pytest.mark.slow
def test_t9_the_child_gets_what_it_needs_and_no_more(local, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CHARMED_LIFE", "no-key-by-its-name")
    answer(local, ask(tokens=1))
    environment = Path(f"/proc/{children(os.getpid())[0]}/environ").read_bytes()
    assert b"sk-very-secret" not in environment
    assert b"PATH=" in environment
    assert b"CUDA_VISIBLE_DEVICES=0" in environment
    assert b"CHARMED_LIFE=no-key-by-its-name" not in environment


def test_capabilities_are_the_file_s_and_start_nothing(local):
    capabilities = local.capabilities(MODEL)
    assert (capabilities.tools, capabilities.images, capabilities.structured) == (False, False, True)
    assert capabilities.window == 8192
    assert children(os.getpid()) == []


@pytest.mark.slow
def test_a_crash_is_told_and_the_next_request_starts_anew(local):
    stream = local.stream(ask(tokens=400))
    next(stream)
    (pid,) = children(os.getpid())
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(LocalDied, match="SIGSEGV") as error_from_server:
        list(stream)
    assert not error_from_server.value.retryable
    log_of(error_from_server.value).unlink()
    assert answer(local, ask()).message().text
    (pid,) = children(os.getpid())
    os.kill(pid, signal.SIGKILL)
    assert ends(pid)
    assert answer(local, ask()).message().text


@pytest.mark.slow
def test_a_larger_window_is_given_and_a_smaller_one_kept(local):
    answer(local, ask(window=1024, tokens=1))
    pid = children(os.getpid())
    answer(local, ask(window=512, tokens=1))
    assert children(os.getpid()) == pid
    answer(local, ask(window=2048, tokens=1))
    assert children(os.getpid()) != pid
    assert len(children(os.getpid())) == 1


@pytest.mark.slow
def test_a_schema_holds_and_one_piece_is_one_piece(local):
    schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
    capital = Message.user("The capital of France, as JSON.")
    reply = answer(local, ask(capital, tokens=64, schema=schema, stream=False))
    assert list(json.loads(reply.message().text)) == ["city"]
    assert len(reply.text) == 1


@pytest.mark.slow
def test_what_exceeds_the_window_is_said_as_such(local):
    with pytest.raises(PromptTooLong):
        answer(local, ask(Message.user("too long " * 1000), window=512))
    assert answer(local, ask(window=512)).done


@pytest.mark.slow
def test_two_at_once_are_answered_in_turn(local):
    replies: list[Assembly] = []
    threads = [threading.Thread(target=lambda: replies.append(answer(local, ask()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [bool(reply.message().text and reply.done) for reply in replies] == [True] * 3
    assert len(children(os.getpid())) == 1


@pytest.mark.slow
def test_a_child_that_is_replaced_ends_its_reply_first(local):
    slow = local.stream(ask(tokens=40, window=512))
    text = [next(slow)]
    (old,) = children(os.getpid())
    assert answer(local, ask(tokens=2, window=1024)).done
    assert alive(old)
    text += slow
    assert text[-1].finish
    assert ends(old)
    assert len(children(os.getpid())) == 1


@pytest.mark.slow
def test_loading_can_be_cancelled_and_is_timed(local):
    request = ask()
    request.cancel.cancel()
    with pytest.raises(Cancelled):
        next(local.stream(request))
    assert answer(local, ask(tokens=1)).done
    local.close()
    with pytest.raises(TimedOut, match=r"timeouts\.first_token"):
        next(local.stream(ask(timeouts=Timeouts(first_token=0.001))))
    assert answer(local, ask(tokens=1)).done


def test_a_file_that_is_no_model(local, tmp_path, embedded_weights):
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    with pytest.raises(LocalDied, match="does not begin with GGUF"):
        local.capabilities(str(text))
    cut = tmp_path / "cut.gguf"
    with Path(embedded_weights).open("rb") as whole:
        cut.write_bytes(whole.read(8_000_000))
    with pytest.raises(LocalDied, match="could not be loaded") as error_from_server:
        next(local.stream(Request(str(cut), (Message.user("hello"),))))
    assert "corrupted or incomplete" in error_from_server.value.why
    assert error_from_server.value.fix
    log_of(error_from_server.value).unlink()


def test_a_library_that_does_not_load_is_not_blamed_on_the_file(local, tmp_path, monkeypatch, embedded_weights):
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LocalDied, match="could not be loaded") as error_from_server:
        next(local.stream(ask()))
    assert "libgomp" in error_from_server.value.why and "pip install" in error_from_server.value.fix
    log_of(error_from_server.value).unlink()


def test_weights_that_are_not_there_say_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv("AGENT_RUN_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelMissing, match=r"agent-run pull hf:a/b/c\.gguf"):
        Local().capabilities("hf:a/b/c.gguf")


START = """
import os, sys
from runner.core.messages import Message
from runner.gateways import Local, Request
gateway = Local()
stream = gateway.stream(Request("smollm2-135m", (Message.user("Tell me a long story."),), options={"max_tokens": 2000}))
"""


def run_python(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START + code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "next(stream); print('talking', flush=True); [None for _ in stream]",
        "next(stream); stream.close(); print('idle', flush=True); sys.stdin.read()",
    ],
    ids=["while it talks", "while it waits"],
)
def test_the_model_goes_when_its_parent_is_killed(embedded_weights, code):
    with run_python(code) as parent:
        assert parent.stdout.readline()
        (pid,) = children(parent.pid)
        parent.kill()
    assert ends(pid)


@pytest.mark.slow
def test_the_model_goes_when_its_parent_is_killed_while_it_loads(embedded_weights):
    with run_python("import threading; threading.Thread(target=next, args=(stream,)).start()") as parent:
        deadline = time.monotonic() + 20
        while not (found := children(parent.pid)) and time.monotonic() < deadline:
            time.sleep(0.001)
        parent.kill()
    assert len(found) == 1
    assert ends(*found)


@pytest.mark.slow
def test_the_model_goes_when_its_parent_ends_without_a_word(embedded_weights):
    with run_python("next(stream); print('x', flush=True); sys.stdin.readline(); os._exit(3)") as parent:
        parent.stdout.readline()
        found = children(parent.pid)
    assert ends(*found)


def test_without_llama_cpp_the_error_says_what_to_install(embedded_weights):
    code = "try: next(stream)\nexcept Exception as error: print(type(error).__name__, error)"
    with run_python("sys.modules['xllamacpp'] = None\n" + code) as child:
        told, _ = child.communicate(timeout=60)
    assert told.startswith("GatewayError ")
    assert 'pip install "agent-run[local]"' in told
