"""`--live --as-recorded` sends the old request, and tells whether the model drifted or our own change broke it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from runner.transcripts.exit_codes import exit_code
from runner.transcripts.outcome import Outcome
from runner.transcripts.suite.live import run_live
from runner.transcripts.suite.selection import Selection

AGENT = """\
gateway: here
model: m
system_prompt: Answer {{ manner }}, token {{ token }}.
variables: {manner: kindly, token: none}
options: {temperature: 0.5}
tools: [resolve_date]
gateways: {here: {dialect: openai, url: "%s/v1"}}
"""
SCRIPT = """\
transcript: 1
agent: agent.yaml
turns:
- id: ask
  user: When is it?
  expect:
  - contains: March 13
"""


class Moody:
    """A server that answers kindly asked questions, as long as it has not `drifted`; it remembers the `bodies`."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.drifted = False
        moody = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                moody.bodies.append(body)
                kindly = "kindly" in body["messages"][0]["content"] and not moody.drifted
                delta = {"delta": {"content": "March 13." if kindly else "No."}, "index": 0, "finish_reason": "stop"}
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(f"data: {json.dumps({'model': 'm', 'choices': [delta]})}\n\ndata: [DONE]\n\n".encode())

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def moody() -> Iterator[Moody]:
    made = Moody()
    Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def recorded(case, moody: Moody):
    case.agent.write_text(AGENT % moody.url)
    case.file.write_text(SCRIPT)
    case.record()
    moody.bodies.clear()
    return case


def live(case, *, as_recorded: bool) -> Outcome:
    (outcome,) = run_live([case.file], Selection(trust=True), as_recorded=as_recorded)
    return outcome


def told(outcome: Outcome) -> str:
    return next(finding.what for finding in outcome.findings if finding.kind == "as-recorded")


def test_our_change_broke_it(recorded, moody: Moody) -> None:
    recorded.change(recorded.agent, "Answer {{", "Reply {{")
    recorded.change(recorded.agent, "manner: kindly", "manner: tersely")
    recorded.change(recorded.agent, "0.5", "0.9")
    recorded.change(recorded.agent, "tools: [resolve_date]", "tools: [current_datetime, resolve_date]")
    assert live(recorded, as_recorded=False).verdict == "fail"
    outcome = live(recorded, as_recorded=True)
    assert (outcome.verdict, exit_code([outcome])) == ("pass", 0)
    assert told(outcome).startswith(
        "the model has not drifted: what fails without --as-recorded comes of the change of"
    )
    assert f"system ({recorded.agent}:3)" in told(outcome)
    today, then = moody.bodies
    assert today["messages"][0]["content"] == "Reply tersely, token none."
    assert then["messages"][0]["content"] == "Answer kindly, token none."
    assert (then["temperature"], [each["function"]["name"] for each in then["tools"]]) == (0.5, ["resolve_date"])


def test_the_model_drifted(recorded, moody: Moody) -> None:
    recorded.change(recorded.agent, "kindly", "ever so kindly")
    moody.drifted = True
    outcome = live(recorded, as_recorded=True)
    assert (outcome.verdict, exit_code([outcome])) == ("fail", 1)
    assert told(outcome).startswith("the model or its server drifted")


def test_neither_has(recorded) -> None:
    outcome = live(recorded, as_recorded=True)
    assert outcome.verdict == "pass"
    assert told(outcome).startswith("neither side drifted")


def test_a_masked_secret_is_sent_as_it_is(recorded, moody: Moody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-4f9a1c77e0b2")
    recorded.change(recorded.agent, "token: none", "token: canary-4f9a1c77e0b2")
    recorded.record()
    assert "token «env:SOME_TOKEN»" in recorded.file.read_text()
    assert live(recorded, as_recorded=True).verdict == "pass"
    assert moody.bodies[-1]["messages"][0]["content"] == "Answer kindly, token canary-4f9a1c77e0b2."


def test_without_a_recording_there_is_nothing_to_send(recorded) -> None:
    recorded.file.write_text(SCRIPT)
    outcome = live(recorded, as_recorded=True)
    assert (outcome.verdict, exit_code([outcome])) == ("missing", 3)
