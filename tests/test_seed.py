"""The tutorial's promises, one test a row of its checklist, against the scripted gateway."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import warm_process
from runner import Broker, ChatSession, Message, load_agent
from runner.core.chunks import Chunk
from runner.core.errors import ContextOverflowError, GatewayError, StreamIncomplete
from runner.core.policy import ContextPolicy
from runner.gateways import Ollama, Request, Scripted
from runner.tools import DateResolver

ROOT = Path(__file__).parent.parent
CLOCK = datetime(2025, 6, 30, 9, 0, tzinfo=timezone(timedelta(hours=-5)))
QUESTION = "What day of the week is July 4th, 2025?"
ASK_FOR_THE_DATE = {"calls": [{"resolve_date": {"date": "July 4th, 2025"}}]}


class Watched(Scripted):
    """The scripted gateway, with the requests it was sent."""

    def __init__(self, *script: dict | str) -> None:
        super().__init__(script)
        self.requests: list[Request] = []

    def stream(self, request: Request) -> Iterator[Chunk]:
        self.requests.append(request)
        return super().stream(request)


def agent_run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return warm_process.run(*arguments, cwd=ROOT, environment=os.environ, stdin=stdin)


@pytest.fixture
def echo_agent(tmp_path: Path) -> Path:
    file = tmp_path / "echo.yaml"
    file.write_text(
        "gateway: scripted\nmodel: demo\nscript:\n- text: Hello.\n- text: You said hi before.\n- text: Third.\n"
    )
    return file


def texts(request: Request) -> list[str]:
    return [message.text for message in request.messages]


def test_01_one_off_generation_needs_no_session(echo_agent):
    assert Broker("demo", Scripted(["Hi yourself"])).generate([Message.user("Hi")]) == "Hi yourself"
    done = agent_run(str(echo_agent), "-m", "Hi")
    assert (done.returncode, done.stdout) == (0, "Hello.\n")


def test_02_the_second_request_holds_the_first_turn():
    gateway = Watched("one", "two")
    session = ChatSession(Broker("demo", gateway))
    session.send_message("first")
    session.send_message("second")
    assert texts(gateway.requests[1]) == ["first", "one", "second"]


def test_03_what_was_said_earlier_can_be_asked_for():
    gateway = Watched("Nice to meet you, Ada.", "Your name is Ada.")
    session = ChatSession(Broker("demo", gateway))
    session.send_message("My name is Ada.")
    assert "Ada" in session.send_message("What is my name?")
    assert any("My name is Ada." in text for text in texts(gateway.requests[1]))


def test_04_interactive_and_scripted_runs_share_the_engine(echo_agent):
    one_shot = agent_run(str(echo_agent), "-m", "a", "-m", "b")
    lines = agent_run(str(echo_agent), "--lines", stdin="a\nb\n")
    assert one_shot.stdout == lines.stdout == "Hello.\nYou said hi before.\n"


def test_05_each_message_enters_once_in_order_also_after_errors_and_retries():
    script = (
        "one",
        {"error": {"status": 400, "message": "no"}},
        {"error": {"status": 503, "message": "busy", "retry_after": 0}},
        "two",
    )
    session = ChatSession(Broker("demo", Watched(*script)))
    session.send_message("a")
    with pytest.raises(GatewayError):
        session.send_message("b")
    session.send_message("b")
    said = [(message.role, message.text) for message in session.messages]
    assert said == [("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two")]


def test_06_only_what_fits_is_sent_and_never_without_the_newest_message():
    gateway = Watched(*[f"answer {n} " + "word " * 60 for n in range(9)])
    session = ChatSession(Broker("demo", gateway), context=ContextPolicy(max_tokens=500, reserve=100))
    for n in range(9):
        session.send_message(f"question {n}")
    last = gateway.requests[-1]
    assert last.messages[-1].text == "question 8" and last.messages[0].role == "user"
    assert last.system == session.system_prompt and len(last.messages) < 17
    with pytest.raises(ContextOverflowError) as overflow:
        session.send_message("long " * 2000)
    assert "newest message" in overflow.value.why
    assert session.max_context == 500


def test_07_tool_results_stay_in_history():
    gateway = Watched(ASK_FOR_THE_DATE, "Friday.", "As I said, Friday.")
    session = ChatSession(Broker("demo", gateway), tools=[DateResolver])
    session.send_message(QUESTION)
    session.send_message("Sure?")
    assert gateway.requests[2].messages[2].results[0].output["weekday"] == "Friday"


def test_08_the_names_are_where_the_tutorial_says_and_touch_no_network():
    code = (
        "import sys\n"
        "from runner import Broker, ChatSession\n"
        "from runner.gateways import Ollama\n"
        "assert not {'httpx', 'ssl', 'asyncio', 'http.client'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_09_a_broker_takes_a_gateway_class_or_instance_and_does_no_io():
    assert Broker("qwen3:32b", Ollama).model == Broker("qwen3:32b", Ollama()).model == "qwen3:32b"


def test_10_a_session_has_defaults():
    with ChatSession(Broker("demo", Scripted(["hi"]))) as session:
        assert session.system_prompt == "You are a helpful assistant."
        assert session.tools.specs == ()


def test_11_and_12_the_greeting_the_prompt_exit_and_end_of_input(echo_agent, at_terminal):
    chat = at_terminal(str(echo_agent))
    chat.expect("Chatbot started. Type 'exit' to quit.")
    chat.expect("Query: ")
    chat.type("   ")
    chat.expect("Query: ")
    chat.type("hi")
    chat.expect("Hello.")
    chat.expect("Query: ")
    chat.type("exit")
    assert chat.ended() == 0
    chat = at_terminal(str(echo_agent))
    chat.expect("Query: ")
    chat.press("\x04")
    assert chat.ended() == 0


def test_13_an_answer_is_text_and_a_failure_an_exception_that_the_loop_survives():
    session = ChatSession(Broker("demo", Scripted(["fine", {"error": {"status": 401, "message": "bad"}}, "again"])))
    assert session.send_message("a") == "fine"
    with pytest.raises(GatewayError):
        session.send_message("b")
    assert session.send_message("c") == "again"


def test_14_the_session_object_itself_keeps_the_conversation():
    session = ChatSession(Broker("demo", Scripted(["one", "two"])))
    alias = session
    session.send_message("a")
    assert len(alias.messages) == 2


def test_15_gateways_are_reached_through_the_broker_alone():
    session = ChatSession(Broker("demo", Scripted([{"error": {"status": 503, "retry_after": 0}}, "after a retry"])))
    assert session.send_message("a") == "after a retry"


def test_16_one_turn_at_a_time_whoever_asks():
    script = [{"text": f"answer {n}", "delay": 0.002} for n in range(12)]
    session = ChatSession(Broker("demo", Scripted(script)))
    threads = [threading.Thread(target=session.send_message, args=(f"question {n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message.role for message in session.messages] == ["user", "assistant"] * 12
    assert {message.text for message in session.messages if message.role == "user"} == {
        f"question {n}" for n in range(12)
    }


def test_17_the_window_is_the_one_configured_or_the_models_own():
    gateway = Watched("a")
    ChatSession(Broker("demo", gateway), context=ContextPolicy(max_tokens=4096)).send_message("x")
    assert gateway.requests[0].window == 4096


def test_18_asked_then_sent_then_recorded_then_returned_and_nothing_on_failure():
    gateway = Watched("the reply", {"error": {"status": 400, "message": "no"}})
    session = ChatSession(Broker("demo", gateway))
    events = session.send("hello")
    next(events)
    assert [message.text for message in session.messages] == ["hello"]
    list(events)
    assert texts(gateway.requests[0]) == ["hello"]
    assert session.messages[-1].text == "the reply"
    with pytest.raises(GatewayError):
        session.send_message("lost")
    assert [message.text for message in session.messages] == ["hello", "the reply"]


def test_19_and_20_the_system_prompt_and_tools_come_from_code_or_file(tmp_path):
    gateway = Watched("ok")
    prompt = "You are a helpful AI assistant specialized in Elixir programming."
    ChatSession(Broker("demo", gateway), system_prompt=prompt, tools=[DateResolver]).send_message("x")
    assert gateway.requests[0].system == prompt
    assert [spec.name for spec in gateway.requests[0].tools] == ["resolve_date"]
    file = tmp_path / "elixir_helper.yaml"
    file.write_text(
        f'gateway: scripted\nmodel: m\nsystem_prompt: "{prompt}"\ntools: [resolve_date]\nscript: [text: ok]\n'
    )
    session = ChatSession.from_agent(load_agent(file))
    assert session.system_prompt == prompt
    assert [spec.name for spec in session.tools.specs] == ["resolve_date"]


@pytest.mark.parametrize("tool", [DateResolver, DateResolver()])
def test_21_and_22_the_date_tool_knows_that_it_was_a_friday(tool):
    gateway = Watched(ASK_FOR_THE_DATE, "It is a Friday.")
    session = ChatSession(Broker("demo", gateway), tools=[tool], clock=lambda: CLOCK)
    assert session.send_message(QUESTION) == "It is a Friday."
    result = gateway.requests[1].messages[-1].results[0]
    assert not result.failed
    assert result.output["date"] == "2025-07-04" and result.output["weekday"] == "Friday"


def test_23_the_first_piece_is_out_before_the_last_arrives():
    session = ChatSession(Broker("demo", Scripted([{"chunks": ["a", "b"], "delay": 0.2}])))
    stream, _ = session.send_stream("go")
    started = time.monotonic()
    next(stream)
    first = time.monotonic() - started
    list(stream)
    assert first < time.monotonic() - started


def test_24_the_message_is_there_before_the_stream_is_read():
    gateway = Watched("a story")
    session = ChatSession(Broker("demo", gateway))
    stream, handle = session.send_stream("Tell me a story")
    assert [message.text for message in session.messages] == ["Tell me a story"]
    assert gateway.requests == []
    list(stream)
    handle.finalize()


def test_25_pieces_are_text_and_failures_raise():
    session = ChatSession(Broker("demo", Scripted([{"text": "so far", "error": {"status": 500, "message": "gone"}}])))
    stream, _ = session.send_stream("go")
    pieces = []
    with pytest.raises(GatewayError):
        for piece in stream:
            pieces.append(piece)
    assert "".join(pieces) == "so far" and all(type(piece) is str for piece in pieces)


def test_26_finalizing_records_the_answer_and_never_a_broken_one_as_whole():
    session = ChatSession(Broker("demo", Scripted(["one two", "three four", {"error": {"status": 400}}, "end"])))
    stream, handle = session.send_stream("a")
    with pytest.raises(StreamIncomplete):
        handle.finalize()
    list(stream)
    assert session.finalize_stream(handle) is session is handle.finalize()
    assert session.messages[-1].text == "one two" and session.messages[-1].complete
    stream, handle = session.send_stream("b")
    next(stream)
    handle.finalize(partial=True)
    assert not session.messages[-1].complete
    stream, handle = session.send_stream("c")
    with pytest.raises(GatewayError):
        list(stream)
    with pytest.raises(GatewayError):
        handle.finalize()
    assert [message.text for message in session.messages if message.role == "user"] == ["a", "b"]
    assert session.send_message("d") == "end"


def test_27_the_handle_tells_text_usage_finish_and_calls_also_when_the_stream_is_dropped():
    script = [ASK_FOR_THE_DATE, {"text": "Friday it is", "usage": {"input": 9, "output": 3}}, "next"]
    session = ChatSession(Broker("demo", Scripted(script)), tools=[DateResolver])
    stream, handle = session.send_stream(QUESTION)
    list(stream)
    assert handle.text == "Friday it is" and handle.finish_reason == "stop"
    assert handle.usage.total_tokens == 12
    assert [call.name for call in handle.tool_calls] == ["resolve_date"]
    stream, handle = session.send_stream("drop me")
    del stream
    handle.abort()
    assert handle.finish_reason == "cancelled"


def test_28_tools_run_inside_a_stream_and_every_rounds_text_comes_through():
    first = {"text": "Let me look. ", "calls": ASK_FOR_THE_DATE["calls"]}
    session = ChatSession(Broker("demo", Scripted([first, "It was a Friday."])), tools=[DateResolver])
    stream, handle = session.send_stream(QUESTION)
    assert "".join(stream) == "Let me look. It was a Friday."
    handle.finalize()
    assert [message.role for message in session.messages] == ["user", "assistant", "tool", "assistant"]


def test_29_the_whole_tutorial_is_one_file_and_one_command(tmp_path):
    file = tmp_path / "elixir_helper.yaml"
    file.write_text(
        "name: elixir_helper\ngateway: scripted\nmodel: demo\n"
        'system_prompt: "You are a helpful AI assistant specialized in Elixir programming."\n'
        "tools: [resolve_date]\n"
        "script:\n- calls: [{resolve_date: {date: 'July 4th, 2025'}}]\n- text: It was a Friday.\n"
    )
    done = agent_run(str(file), "-m", QUESTION)
    assert (done.returncode, done.stdout) == (0, "It was a Friday.\n")
    assert "resolve_date" in done.stderr
