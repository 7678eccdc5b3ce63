"""`agent-run chat` as people and programs use it: whole processes, pipes and a real terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import warm_process

ROOT = Path(__file__).parent.parent.parent

SCRIPT = """\
name: demo
gateway: scripted
model: demo
tools: [resolve_date]
script:
- text: "Looking it up. "
  calls: [{resolve_date: {date: "July 4th, 2025"}}]
- {text: It was a Friday., usage: {input: 20, output: 5}}
- Second answer.
- Third answer.
"""


def run(*arguments: str | Path, stdin: str | None = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return warm_process.run(*map(str, arguments), cwd=cwd, environment=environment, stdin=stdin)


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    file = tmp_path / "demo.yaml"
    file.write_text(SCRIPT)
    return file


def write(folder: Path, script: str, **more: str) -> Path:
    file = folder / "agent.yaml"
    lines = [f"{key}: {value}" for key, value in more.items()]
    file.write_text("\n".join(["gateway: scripted", "model: demo", *lines, "script:", script, ""]))
    return file


def test_stdout_carries_the_answer_alone_and_a_tool_call_is_a_line_on_stderr(agent):
    done = run(agent, "-m", "When?")
    assert (done.returncode, done.stdout) == (0, "Looking it up. It was a Friday.\n")
    assert done.stderr == '→ resolve_date(date="July 4th, 2025")\n'


def test_stdout_carries_no_answer_that_breaks_its_schema(tmp_path):
    reply = "{schema: {type: object, required: [day]}}"
    agent = write(tmp_path, "- Friday.\n- {text: '{}'}\n- {text: '{\"day\": \"Friday\"}'}", reply=reply)
    done = run(agent, "-m", "When?")
    assert (done.returncode, done.stdout) == (0, '{"day": "Friday"}\n')
    assert done.stderr.count("asking again") == 2


def test_verbose_shows_results_tokens_and_time(agent):
    done = run(agent, "-m", "When?", "-v")
    assert "← resolve_date" in done.stderr and "Friday" in done.stderr and "20 in, 5 out" in done.stderr


def test_all_of_a_pipe_is_one_message_and_lines_are_one_each(agent):
    done = run(agent, "--output", "jsonl", stdin="two\nlines\n")
    asked = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["text"] for event in asked if event["type"] == "user"] == ["two\nlines"]
    done = run(agent, "--lines", stdin="a\n\nb\n")
    assert done.stdout == "Looking it up. It was a Friday.\nSecond answer.\n"


def test_jsonl_is_one_object_a_line_type_first(agent):
    done = run(agent, "-m", "When?", "--output", "jsonl")
    lines = done.stdout.splitlines()
    assert all(line.startswith('{"type": "') for line in lines)
    events = [json.loads(line) for line in lines]
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["session", "user"] and kinds[-1] == "turn"
    assert [kind for kind in kinds if kind.startswith("tool")] == ["tool_call", "tool_result"]
    assert events[0]["agent"] == "demo" and events[0]["gateway"] == "scripted" and events[0]["session"]
    result = next(event for event in events if event["type"] == "tool_result")
    assert result["output"]["weekday"] == "Friday" and result["failed"] is False
    assert "".join(event["delta"] for event in events if event["type"] == "text") == "Looking it up. It was a Friday."
    assert events[-1]["reason"] == "answered"


def test_json_is_one_object_at_the_end(agent):
    done = run(agent, "-m", "When?", "--output", "json")
    shown = json.loads(done.stdout)
    assert shown["text"] == "It was a Friday." and shown["finish_reason"] == "stop"
    assert shown["usage"]["input_tokens"] == 20
    assert shown["tool_calls"][0]["name"] == "resolve_date"
    assert shown["session"]["model"] == "demo"
    assert "error" not in shown


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_errors_stand_in_the_machine_output_too(tmp_path, output):
    file = write(tmp_path, "- error: {status: 401, message: bad key}")
    done = run(file, "-m", "x", "--output", output)
    last = json.loads(done.stdout.splitlines()[-1])
    error = last["error"] if output == "json" else last
    assert done.returncode == 4
    assert error["code"] == "GW-KEY" and error["why"]


@pytest.mark.parametrize(
    ("script", "code", "word"),
    [
        ("- error: {status: 500, message: broken}", 4, "broken"),
        ("- {text: half, finish: incomplete}", 4, "incomplete"),
        ("- calls: [{none_such: {}}]\n- {text: fine}", 0, "none_such"),
    ],
)
def test_exit_codes_of_a_turn(tmp_path, script, code, word):
    done = run(write(tmp_path, script, retry="{attempts: 1}"), "-m", "x")
    assert done.returncode == code
    assert word in done.stderr or word in done.stdout
    assert "Traceback" not in done.stderr


def test_a_partial_answer_is_shown_and_marked(tmp_path):
    done = run(write(tmp_path, "- {text: half an answer, finish: incomplete}"), "-m", "x")
    assert done.stdout == "half an answer\n"
    assert done.returncode == 4 and "kept" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["missing.yaml", "-m", "x"], "no such file"),
        ([".", "-m", "x"], "is a directory"),
        (["BINARY", "-m", "x"], "not text"),
        (["chta"], "did you mean 'chat'"),
        (["AGENT", "-m", "x", "--var", "nope=1"], "no variable 'nope'"),
        (["AGENT", "-m", "x", "--var", "nope"], "is not K=V"),
        (["AGENT", "-m", "x", "--set", "options.temprature=1"], "did you mean 'temperature'"),
        (["AGENT", "-m", "x", "--gateway", "nope"], "no gateway is named 'nope'"),
        (["AGENT", "-m", "x", "-a", "nothing.png"], "cannot read the attachment"),
        (["AGENT", "-m", "x", "--output", "xml"], "xml"),
        (["AGENT"], "there is no message"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_with_exit_2(agent, tmp_path, arguments, word):
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    stands_for = {"AGENT": str(agent), "BINARY": str(binary)}
    done = run(*[stands_for.get(each, each) for each in arguments])
    assert done.returncode == 2, done.stderr
    assert word in done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_stdin_closed_is_a_clear_error(agent):
    command = [sys.executable, "-m", "runner", str(agent)]
    done = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *command], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 2 and "there is no message" in done.stderr


def test_a_reader_that_leaves_early_is_no_error(agent):
    command = f'"{sys.executable}" -m runner "{agent}" -m a -m b -m c | head -c 1'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "L" and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("arguments", [("AGENT", "-m", "a", "-m", "b", "-m", "c"), ("--help",), ("show", "AGENT")])
def test_a_reader_that_has_left_is_no_error(tmp_path, arguments):
    """The development mode tells what Python 3.13 tells always: which stream could not be closed at the end."""
    agent = tmp_path / "a.yaml"
    agent.write_text(
        "gateway: scripted\nmodel: m\ntools: [resolve_date]\n"
        "script: [{text: Look., calls: [{resolve_date: {date: today}}]}, One., Two., Three.]\n"
    )
    shown = [str(agent) if each == "AGENT" else each for each in arguments]
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "runner", *shown],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as program:
        os.close(writer)
        os.close(reader)
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 0
    assert "Traceback" not in errors and "BrokenPipe" not in errors and "ignored" not in errors


def test_hostile_text_is_inert_on_a_terminal_and_escaped_for_machines(tmp_path, at_terminal):
    file = write(tmp_path, '- "red \\e[31m title \\e]0;x\\a end"')
    chat = at_terminal(str(file), "-m", "x")
    seen = chat.expect("end")
    assert "\x1b" not in seen and "\x07" not in seen
    assert chat.ended() == 0
    assert "\x1b" not in run(file, "-m", "x", "--output", "jsonl").stdout


def test_interrupt_stops_the_reply_keeps_the_session_and_leaves_at_the_prompt(tmp_path, at_terminal):
    file = write(tmp_path, '- {chunks: ["one ", "two ", "three "], delay: 1}\n- "after the stop"')
    chat = at_terminal(str(file))
    chat.expect("Query: ")
    chat.type("count")
    chat.expect("one ")
    chat.press("\x03")
    chat.expect("stopped")
    chat.expect("Query: ")
    chat.type("and now?")
    chat.expect("after the stop")
    chat.expect("Query: ")
    chat.press("\x03")
    assert chat.ended() == 130


def test_a_wait_is_counted_down_and_an_interrupt_ends_it(tmp_path, at_terminal):
    file = write(tmp_path, "- error: {status: 429, message: slow, retry_after: 60}\n- fine again")
    chat = at_terminal(str(file), TERM="xterm")
    chat.expect("Query: ")
    chat.type("a")
    chat.expect("60 s left")
    chat.expect("59 s left")
    chat.press("\x03")
    chat.expect("stopped")
    chat.expect("Query: ")
    chat.type("b")
    chat.expect("fine again")
    chat.type("exit")
    assert chat.ended() == 0


def test_a_failed_turn_is_told_and_the_chat_goes_on(tmp_path, at_terminal):
    chat = at_terminal(str(write(tmp_path, "- error: {status: 400, message: refused}\n- fine again")))
    chat.expect("Query: ")
    chat.type("a")
    chat.expect("refused")
    chat.expect("Query: ")
    chat.type("b")
    chat.expect("fine again")
    chat.type("exit")
    assert chat.ended() == 0


def test_continue_goes_on_after_a_broken_reply_and_a_misspelt_command_is_not_sent(tmp_path, at_terminal):
    chat = at_terminal(str(write(tmp_path, "- {text: one half, finish: incomplete}\n- the other half")))
    chat.expect("Query: ")
    chat.type("a")
    chat.expect("is incomplete")
    chat.expect("Query: ")
    chat.type("/contniue")
    chat.expect("there is no /contniue")
    chat.expect("Query: ")
    chat.type("/continue")
    chat.expect("the other half")
    chat.type("exit")
    assert chat.ended() == 0


def test_a_terminal_that_vanishes_ends_the_process(tmp_path, at_terminal):
    chat = at_terminal(str(write(tmp_path, "- hi")))
    chat.expect("Query: ")
    pid = chat.child.pid
    os.kill(pid, signal.SIGHUP)
    chat.child.close(force=True)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_an_interrupt_in_one_shot_mode_is_130(tmp_path):
    file = write(tmp_path, "- {chunks: [a, b], delay: 5}")
    child = subprocess.Popen([sys.executable, "-m", "runner", str(file), "-m", "x"], cwd=ROOT, stderr=subprocess.PIPE)
    time.sleep(1.5)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 130 and b"Traceback" not in errors


def test_a_write_tool_needs_approval_at_the_prompt_and_is_refused_without_one(tmp_path, at_terminal):
    file = tmp_path / "writer.yaml"
    file.write_text(
        "gateway: scripted\nmodel: m\n"
        "tools:\n- command: {name: touch_it, description: Touch a file., run: [touch, made], parameters: {}}\n"
        "script:\n- calls: [{touch_it: {}}]\n- done\n"
    )
    untrusted = run(file, "-m", "x")
    assert untrusted.returncode == 6 and "agent-run trust" in untrusted.stderr
    refused = run(file, "-m", "x", "--trust", "--output", "json")
    call = json.loads(refused.stdout)["tool_calls"][0]
    assert call["failed"] and "needs approval" in call["output"]
    assert not (tmp_path / "made").exists()
    allowed = run(file, "-m", "x", "--trust", "--allow", "touch_it")
    assert allowed.returncode == 0 and (tmp_path / "made").exists()
    (tmp_path / "made").unlink()
    chat = at_terminal(str(file), "--trust")
    chat.expect("Query: ")
    chat.type("go")
    chat.expect("Allow it?")
    chat.type("n")
    chat.expect("done")
    chat.type("exit")
    assert chat.ended() == 0 and not (tmp_path / "made").exists()


def shell(line: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command, as `"$@"`, in a line of the shell."""
    return subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-m", "runner", *map(str, arguments)],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def test_streams_that_are_closed_full_or_of_another_encoding_are_no_bug(tmp_path):
    file = write(tmp_path, '- "one → 😀"')
    closed = shell('"$@" 2>&-', file, "-m", "x", "-v")
    assert (closed.returncode, closed.stdout.decode()) == (0, "one → 😀\n")
    assert shell('"$@" >&-', file, "-m", "x").returncode == 0
    latin = shell('"$@"', file, "-m", "x", PYTHONIOENCODING="latin-1")
    assert (latin.returncode, latin.stdout) == (0, b"one ? ?\n")
    full = shell('"$@" > /dev/full', file, "-m", "x")
    assert full.returncode == 4 and b"No space left" in full.stderr and b"bug" not in full.stderr
    binary = shell("printf 'a\\377b' | \"$@\" --output jsonl", file, PYTHONIOENCODING="utf-8:strict")
    assert binary.returncode == 0 and b'"a\\ufffdb"' in binary.stdout


def test_json_is_about_the_last_turn_also_when_it_failed(tmp_path):
    file = write(tmp_path, "- first answer\n- error: {status: 400, message: refused}")
    shown = json.loads(run(file, "-m", "a", "-m", "b", "--output", "json").stdout)
    assert (shown["text"], shown["finish_reason"], shown["error"]["code"]) == ("", "failed", "GW-REJECTED")
    half = write(tmp_path, "- {text: half an answer, finish: incomplete}")
    shown = json.loads(run(half, "-m", "a", "--output", "json").stdout)
    assert (shown["text"], shown["finish_reason"]) == ("half an answer", "incomplete")


def test_a_file_that_greets_with_control_codes_is_inert(tmp_path, at_terminal):
    file = write(tmp_path, "- hi", greeting='"good\\e]52;c;QUFB\\a day"', prompt='"ask\\e[31m: "')
    chat = at_terminal(str(file))
    seen = chat.expect("ask[31m: ")
    assert "good]52;c;QUFB day" in seen and "\x1b]52" not in seen
    chat.type("exit")
    assert chat.ended() == 0


def test_hostile_names_and_arguments_make_no_lines_of_their_own(tmp_path):
    file = write(tmp_path, '- calls: [{"x\\nagent-run: fake": {"k\\nagent-run: fake": 1}}]\n- done')
    done = run(file, "-m", "x")
    assert not any(line.startswith("agent-run: fake") for line in done.stderr.splitlines())


def test_an_interrupt_leaves_a_tool_that_hangs(tmp_path, at_terminal):
    (tmp_path / "slow.py").write_text("import time\n\n\ndef hang() -> str:\n    '''Hang.'''\n    time.sleep(60)\n")
    file = write(tmp_path, "- calls: [{hang: {}}]\n- after the stop", tools="[{python: './slow.py:hang'}]")
    chat = at_terminal(str(file), "--trust", "--allow", "hang")
    chat.expect("Query: ")
    chat.type("go")
    chat.expect("hang()")
    time.sleep(0.3)
    chat.press("\x03")
    chat.expect("stopped")
    chat.expect("Query: ")
    chat.type("and now?")
    chat.expect("after the stop")
    chat.type("exit")
    started = time.monotonic()
    assert chat.ended() == 0 and time.monotonic() - started < 20


def test_a_chat_is_recorded_as_a_transcript_that_replays(agent, tmp_path):
    file = tmp_path / "chat.transcript.yaml"
    done = run(agent, "-m", "When?", "-m", "And then?", "--record", file)
    assert done.returncode == 0 and str(file) in done.stderr
    written = file.read_text()
    assert "resolve_date" in written and "recording: scripted/demo" in written
    replayed = run("replay", file)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    again = run(agent, "-m", "When?", "--record", file)
    assert again.returncode == 2 and "exists already" in again.stderr
    assert file.read_text() == written


def test_a_chat_that_fails_is_recorded_as_far_as_it_came(tmp_path):
    agent = write(tmp_path, "- fine\n- error: {status: 400, message: refused}")
    file = tmp_path / "failed.transcript.yaml"
    assert run(agent, "-m", "a", "-m", "b", "--record", file).returncode == 4
    assert "fine" in file.read_text() and "refused" in file.read_text()


def test_a_failing_server_is_told_with_its_address_and_the_line_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    agent = tmp_path / "agent.yaml"
    agent.write_text("name: a\ngateway: ollama\nmodel: m\nretry: {attempts: 1}\n")
    done = run("agent.yaml", "-m", "Hi", "--output", "jsonl", cwd=tmp_path)
    assert done.returncode == 4 and "where: http://127.0.0.1:9 (agent.yaml:2)\n" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["where"] == "http://127.0.0.1:9 (agent.yaml:2)"
    overridden = run("agent.yaml", "-m", "Hi", "--gateway", "ollama", cwd=tmp_path)
    assert "where: http://127.0.0.1:9 (--gateway ollama)\n" in overridden.stderr


def test_an_address_of_the_environment_that_is_none_names_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "127.0.0.1:9/v1")
    agent = tmp_path / "agent.yaml"
    agent.write_text("gateway: openai\nmodel: m\n")
    done = run(agent, "-m", "Hi")
    assert done.returncode == 4 and "fix:   export OPENAI_BASE_URL=http" in done.stderr


def test_a_variable_without_a_value_is_told_where_it_is_declared(tmp_path):
    agent = write(tmp_path, "- Hello", system_prompt='"{{ b }}"', variables="{b: {type: integer}}")
    done = run("agent.yaml", "-m", "Hi", cwd=tmp_path)
    assert done.returncode == 2 and "where: agent.yaml:4\n" in done.stderr
    assert run(agent, "-m", "Hi", "--var", "b=2").returncode == 0


def test_remarks_stand_in_lines_of_their_own_where_both_streams_are_one(agent):
    command = [sys.executable, "-m", "runner", str(agent), "-m", "When?"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.splitlines() == [
        "Looking it up. ",
        '→ resolve_date(date="July 4th, 2025")',
        "It was a Friday.",
    ]


def test_a_folder_that_cannot_be_looked_into_holds_no_configuration(agent, monkeypatch):
    monkeypatch.setenv("AGENT_RUN_CONFIG_HOME", "/" + "x" * 300)  # no system has such a name
    assert run(agent, "-m", "When?").returncode == 0
    assert "error: cannot be read" in run("check", "y" * 300).stdout


def test_a_blank_message_is_not_sent(agent):
    done = run(agent, "-m", " ")
    assert done.returncode == 2 and done.stdout == "" and "message is empty" in done.stderr
