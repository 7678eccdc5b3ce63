"""The door to the network: timers, connections, headers, proxies, TLS, and what breaks, over real sockets."""

from __future__ import annotations

import gc
import gzip
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from runner.core.cancel import Cancelled
from runner.core.chunks import DoneChunk, TextChunk
from runner.core.errors import (
    GatewayError,
    IncompleteReply,
    KeyRefused,
    ProtocolBroken,
    Rejected,
    TimedOut,
    Unreachable,
    Untrusted,
)
from runner.core.messages import Message
from runner.core.policy import Timeouts
from runner.gateways import GatewayPreset, Request, connect
from runner.gateways.dialects.openai import OpenAI

QUICK = Timeouts(connect=5, first_token=0.4, gap=0.4)


def text(piece: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}


FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.fixture
def gateways() -> Iterator[Callable[..., OpenAI]]:
    made: list[OpenAI] = []

    def make(url: str, **given: Any) -> OpenAI:
        made.append(OpenAI(url=url, key="test-key-123", **given))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


def ask(**given: Any) -> Request:
    return Request("m", (Message.user("hi"),), **{"timeouts": Timeouts(gap=5, first_token=5), **given})


def said(gateway: OpenAI, request: Request | None = None) -> str:
    return "".join(chunk.text for chunk in gateway.stream(request or ask()) if isinstance(chunk, TextChunk))


def failing(gateway: OpenAI, request: Request | None = None) -> tuple[str, GatewayError]:
    """What came before the error, and the error."""
    pieces = []
    with pytest.raises(GatewayError) as caught:
        for chunk in gateway.stream(request or ask()):
            pieces += [chunk.text] if isinstance(chunk, TextChunk) else []
    return "".join(pieces), caught.value


def whole_reply(server: Any, *pieces: str) -> bytes:
    return server.chunked(server.sse(*map(text, pieces), FINISH, b"[DONE]"))


def test_a_request_is_plain_http_with_the_key(fault_server, gateways):
    fault_server.answers(whole_reply(fault_server, "a"))
    assert said(gateways(fault_server.url + "/v1", headers={"X-Team": "blue"})) == "a"
    [asked] = fault_server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["authorization"] == "Bearer test-key-123"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["accept"] == "text/event-stream"
    assert asked.headers["x-team"] == "blue"
    assert asked.headers["host"] == fault_server.host


def test_the_connection_is_kept_and_used_again(fault_server, gateways):
    fault_server.answers(whole_reply(fault_server, "a"))
    gateway = gateways(fault_server.url)
    assert [said(gateway) for _ in range(3)] == ["a", "a", "a"]
    assert fault_server.connections == 1


def test_an_idle_connection_that_was_closed_is_replaced_silently(fault_server, gateways):
    fault_server.answers(whole_reply(fault_server, "a"), fault_server.FIN)
    fault_server.answers(whole_reply(fault_server, "b"))
    gateway = gateways(fault_server.url)
    assert (said(gateway), said(gateway)) == ("a", "b")
    assert fault_server.connections == 2


def test_an_idle_connection_that_breaks_on_the_next_request_is_replaced_once(fault_server, gateways):
    fault_server.answers(whole_reply(fault_server, "a"))
    fault_server.answers(fault_server.FIN)
    fault_server.answers(whole_reply(fault_server, "b"))
    gateway = gateways(fault_server.url)
    assert (said(gateway), said(gateway)) == ("a", "b")
    assert len(fault_server.asked) == 3


def test_a_fresh_connection_that_breaks_is_an_error(fault_server, gateways):
    fault_server.answers(fault_server.RST)
    before, error = failing(gateways(fault_server.url))
    assert (before, type(error), error.where) == ("", Unreachable, fault_server.url)
    assert len(fault_server.asked) == 1


def test_a_server_that_keeps_the_line_after_done_is_not_waited_for(fault_server, gateways):
    answer = fault_server.head(Transfer_Encoding="chunked")
    events = fault_server.sse(text("a"), FINISH, b"[DONE]")
    fault_server.answers(answer + b"%x\r\n%s\r\n" % (len(events), events), fault_server.HANG)
    began = time.monotonic()
    assert said(gateways(fault_server.url)) == "a"
    assert time.monotonic() - began < 3
    assert fault_server.left.wait(5)


def test_a_break_after_the_finish_reason_loses_nothing(fault_server, gateways):
    fault_server.answers(fault_server.head() + fault_server.sse(text("a"), FINISH), fault_server.RST)
    chunks = list(gateways(fault_server.url).stream(ask()))
    assert chunks[0] == TextChunk("a")
    assert isinstance(chunks[-1], DoneChunk)


def test_silence_after_the_finish_reason_loses_nothing(fault_server, gateways):
    fault_server.answers(fault_server.head() + fault_server.sse(text("a"), FINISH), fault_server.HANG)
    assert said(gateways(fault_server.url), ask(timeouts=QUICK)) == "a"


class TestTimers:
    def test_a_slow_reader_is_not_a_slow_server(self, fault_server, gateways):
        fault_server.answers(
            fault_server.head() + fault_server.sse(text("a")), fault_server.sse(text("b"), FINISH, b"[DONE]")
        )
        stream = gateways(fault_server.url).stream(ask(timeouts=QUICK))
        next(stream)
        time.sleep(0.6)
        assert TextChunk("b") in list(stream)

    def test_patience_has_no_bound(self, fault_server, gateways):
        fault_server.answers(whole_reply(fault_server, "a"))
        endless = Timeouts(connect=1e300, first_token=1e300, gap=1e300)
        assert said(gateways(fault_server.url), ask(timeouts=endless, seconds=1e300)) == "a"

    def test_the_whole_call(self, fault_server, gateways):
        steps = [step for _ in range(30) for step in (fault_server.sse(text("a")), fault_server.sleep(0.1))]
        fault_server.answers(fault_server.head(), *steps)
        _, error = failing(gateways(fault_server.url), ask(seconds=0.5))
        assert isinstance(error, TimedOut)
        assert "limits.seconds" in error.fix

    def test_a_request_that_nobody_reads(self, gateways):
        with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            request = Request("m", (Message.user("x" * 30_000_000),), timeouts=QUICK)
            _, error = failing(gateways(url), request)
        assert isinstance(error, TimedOut)


class TestStopping:
    def test_closing_the_stream_hangs_up(self, fault_server, gateways):
        fault_server.answers(fault_server.head() + fault_server.sse(text("a")), fault_server.HANG)
        stream = gateways(fault_server.url).stream(ask())
        assert next(stream) == TextChunk("a")
        stream.close()
        assert fault_server.left.wait(5)

    @pytest.mark.parametrize("begun", [True, False])
    def test_another_thread_stops_a_read(self, fault_server, gateways, begun):
        first = fault_server.head() + fault_server.sse(text("a")) if begun else b""
        fault_server.answers(first, fault_server.HANG)
        request = ask()
        threading.Timer(0.3, request.cancel.cancel).start()
        with pytest.raises(Cancelled):
            list(gateways(fault_server.url).stream(request))
        assert fault_server.left.wait(5)

    def test_what_was_stopped_before_is_never_sent(self, fault_server, gateways):
        request = ask()
        request.cancel.cancel()
        with pytest.raises(Cancelled):
            list(gateways(fault_server.url).stream(request))
        assert fault_server.connections == 0

    def test_an_interrupt_hangs_up(self, fault_server):
        fault_server.answers(fault_server.head() + fault_server.sse(text("a")), fault_server.HANG)
        program = (
            "import sys, _thread, threading\n"
            "from runner.core.messages import Message\n"
            "from runner.gateways import OpenAI, Request\n"
            "try:\n"
            "    for chunk in OpenAI(url=sys.argv[1]).stream(Request('m', (Message.user('hi'),))):\n"
            "        threading.Timer(0.2, _thread.interrupt_main).start()\n"
            "except KeyboardInterrupt:\n"
            "    print('stopped', flush=True); sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, fault_server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert fault_server_asked(fault_server)
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=20)
        assert "stopped" in out
        assert fault_server.left.wait(5)


def fault_server_asked(server: Any) -> bool:
    """Wait for the first request."""
    until = time.monotonic() + 20
    while not server.asked and time.monotonic() < until:
        time.sleep(0.02)
    return bool(server.asked)


class TestWhatIsNoReply:
    @pytest.mark.parametrize("content_type", ["text/html", "text/plain", ""])
    def test_a_page(self, fault_server, gateways, content_type):
        page = b"<html><title>Please log in</title>" + b"x" * 500
        fault_server.answers(fault_server.whole(page, content_type=content_type))
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, ProtocolBroken)
        assert "Please log in" in error.why
        assert "/v1" in error.fix

    @pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
    def test_an_empty_body(self, fault_server, gateways, content_type):
        fault_server.answers(fault_server.whole(b"", content_type=content_type))
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, ProtocolBroken)

    def test_status_204(self, fault_server, gateways):
        fault_server.answers(b"HTTP/1.1 204 No Content\r\n\r\n", fault_server.FIN)
        _, error = failing(gateways(fault_server.url))
        assert (type(error), error.status) == (ProtocolBroken, 204)

    def test_something_that_is_not_http(self, fault_server, gateways):
        fault_server.answers(b"SSH-2.0-OpenSSH_9.6\r\n", fault_server.FIN)
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, ProtocolBroken)
        assert "SSH-2.0" in error.why

    def test_a_redirect_is_not_followed(self, fault_server, gateways):
        fault_server.answers(fault_server.whole(b"", 307, Location="https://elsewhere.example/v1"))
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, ProtocolBroken)
        assert "elsewhere.example" in error.what
        assert len(fault_server.asked) == 1


class TestForgiven:
    def test_a_server_that_compresses_unasked(self, fault_server, gateways):
        data = gzip.compress(fault_server.sse(text("a"), text("b"), FINISH))
        answer = fault_server.whole(data, content_type="text/event-stream", Content_Encoding="gzip")
        fault_server.answers(answer)
        assert said(gateways(fault_server.url)) == "ab"

    @pytest.mark.parametrize(("encoding", "body"), [("gzip", b"not packed"), ("br", b"\x8b\x02\x80"), ("zstd", b"{}")])
    @pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
    def test_what_cannot_be_unpacked(self, fault_server, gateways, encoding, body, content_type):
        fault_server.answers(fault_server.whole(body, content_type=content_type, Content_Encoding=encoding))
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, ProtocolBroken)
        assert encoding in error.what
        assert "uncompressed" in error.fix

    def test_a_small_body_that_unpacks_to_a_huge_one(self, fault_server, gateways):
        bomb = gzip.compress(b"\0" * 100_000_000)
        fault_server.answers(fault_server.whole(bomb, Content_Encoding="gzip"))
        tracemalloc.start()
        _, error = failing(gateways(fault_server.url))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(error, ProtocolBroken)
        assert peak < 80_000_000

    def test_http_1_0(self, fault_server, gateways):
        head = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        fault_server.answers(head + fault_server.sse(text("a"), FINISH), fault_server.FIN)
        assert said(gateways(fault_server.url)) == "a"

    def test_a_whole_reply_where_a_stream_was_asked_for(self, fault_server, gateways):
        fault_server.answers(fault_server.whole({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}))
        assert said(gateways(fault_server.url)) == "a"

    def test_one_byte_at_a_time(self, fault_servers, gateways):
        server = fault_servers(one_byte=True)
        server.answers(whole_reply(server, "é", "\U0001f600"))
        assert said(gateways(server.url)) == "é\U0001f600"


class TestBreaks:
    def test_after_output_it_says_how_much_came(self, fault_server, gateways):
        fault_server.answers(
            fault_server.head() + fault_server.sse(text("a"), text("b")), fault_server.sleep(0.2), "reset"
        )
        before, error = failing(gateways(fault_server.url))
        assert (before, type(error)) == ("ab", IncompleteReply)
        assert "after 2 events" in error.why

    @pytest.mark.parametrize("framing", ["chunked", "length"])
    def test_a_short_body(self, fault_server, gateways, framing):
        events = fault_server.sse(text("a"))
        if framing == "chunked":
            sent = fault_server.head(Transfer_Encoding="chunked") + b"%x\r\n%s\r\n" % (len(events), events)
        else:
            sent = fault_server.head(Content_Length="100000") + events
        fault_server.answers(sent, fault_server.FIN)
        before, error = failing(gateways(fault_server.url))
        assert (before, type(error)) == ("a", IncompleteReply)

    def test_a_short_body_before_any_event(self, fault_server, gateways):
        fault_server.answers(fault_server.head(Transfer_Encoding="chunked"), fault_server.FIN)
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, Unreachable)

    def test_nobody_listens(self, gateways):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        _, error = failing(gateways(f"http://127.0.0.1:{port}"))
        assert isinstance(error, Unreachable)
        assert f"127.0.0.1:{port}" in error.what

    def test_no_such_host(self, gateways):
        _, error = failing(OpenAI(url="https://nowhere.invalid/v1", key="test-key-123"))
        assert isinstance(error, Unreachable)
        assert "nowhere.invalid" in error.where

    @pytest.mark.parametrize(
        "url",
        ["", "localhost:8080/v1", "ftp://a.invalid", "https://", "http://a:b/v1", "https://a..b", "https://a b/v1"],
    )
    def test_no_address(self, url):
        _, error = failing(connect("mine", {"mine": GatewayPreset("openai", url or "/openai/v1")}))
        assert isinstance(error, Rejected)
        assert "http://" in error.fix


class TestProxies:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_this_machine_is_asked_directly(self, fault_server, gateways, monkeypatch, host):
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, "http://127.0.0.1:9")
        fault_server.answers(whole_reply(fault_server, "a"))
        assert said(gateways(f"http://{host}:{fault_server.port}")) == "a"

    def test_others_are_asked_through_the_proxy(self, fault_server, monkeypatch):
        monkeypatch.setenv("http_proxy", fault_server.url)
        fault_server.answers(whole_reply(fault_server, "a", "b"))
        gateway = OpenAI(url="http://model.invalid/v1", key_from="")
        assert said(gateway) == "ab"
        assert fault_server.asked[0].path == "http://model.invalid/v1/chat/completions"

    def test_errors_and_timers_hold_behind_the_proxy(self, fault_server, monkeypatch):
        monkeypatch.setenv("http_proxy", fault_server.url)
        fault_server.answers(fault_server.head() + fault_server.sse(text("a")), fault_server.HANG)
        before, error = failing(OpenAI(url="http://model.invalid/v1", key_from=""), ask(timeouts=QUICK))
        assert (before, type(error)) == ("a", TimedOut)
        fault_server.scripts[:] = [[fault_server.head() + fault_server.sse(text("a"))]]
        before, error = failing(OpenAI(url="http://model.invalid/v1", key_from=""), ask())
        assert (before, type(error)) == ("a", IncompleteReply)

    def test_a_dead_proxy(self, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        _, error = failing(OpenAI(url="http://model.invalid/v1", key_from=""))
        assert isinstance(error, Unreachable)
        assert "proxy" in error.what
        assert "127.0.0.1:9" in error.why
        assert "HTTPS_PROXY" in error.fix

    def test_a_proxy_that_lets_nobody_through(self, fault_server, monkeypatch):
        monkeypatch.setenv("https_proxy", f"http://user:proxy-password@{fault_server.host}")
        fault_server.answers(fault_server.whole(b"", 407))
        _, error = failing(OpenAI(url="https://model.invalid/v1", key_from=""))
        assert isinstance(error, Unreachable)
        assert "407" in error.why
        assert "proxy-password" not in str(error)
        assert [each.method for each in fault_server.asked] == ["CONNECT"]

    @pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9", "127.0.0.1:9"])
    def test_a_proxy_of_any_kind_is_at_least_an_error(self, monkeypatch, proxy):
        monkeypatch.setenv("ALL_PROXY", proxy)
        _, error = failing(OpenAI(url="https://model.invalid/v1", key_from=""))
        assert isinstance(error, Unreachable)
        assert "127.0.0.1:9" in error.why

    def test_hosts_that_need_no_proxy_are_asked_directly(self, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "invalid")
        _, error = failing(OpenAI(url="http://model.invalid/v1", key_from=""))
        assert "cannot be found" in error.what


class TestTls:
    @pytest.mark.parametrize("how", ["SSL_CERT_FILE", "ca_bundle"])
    def test_a_private_authority(self, fault_servers, tls, authority: trustme.CA, tmp_path: Path, monkeypatch, how):
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(bundle))
        server = fault_servers(tls=tls)
        server.answers(whole_reply(server, "a"))
        if how == "SSL_CERT_FILE":
            monkeypatch.setenv(how, str(bundle))
        gateway = OpenAI(url=server.url, key_from="", quirks={"ca_bundle": str(bundle)} if how == "ca_bundle" else {})
        assert said(gateway) == "a"
        gateway.close()

    def test_an_unknown_authority_names_the_remedy(self, fault_servers, tls):
        server = fault_servers(tls=tls)
        server.answers(whole_reply(server, "a"))
        _, error = failing(OpenAI(url=server.url, key_from=""))
        assert isinstance(error, Untrusted)
        assert not error.retryable
        assert "SSL_CERT_FILE" in error.fix
        assert "ca_bundle" in error.fix
        assert not server.asked

    @pytest.mark.parametrize(
        ("valid", "fix"),
        [
            ({"not_after": datetime(2020, 1, 2, tzinfo=UTC), "not_before": datetime(2020, 1, 1, tzinfo=UTC)}, "renew"),
            ({"not_before": datetime(2999, 1, 1, tzinfo=UTC), "not_after": datetime(2999, 1, 2, tzinfo=UTC)}, "clock"),
        ],
    )
    def test_a_certificate_out_of_its_time_is_not_cured_by_another_authority(
        self, fault_servers, authority: trustme.CA, tmp_path: Path, valid: dict[str, datetime], fix: str
    ):
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(bundle))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", **valid).configure_cert(context)
        server = fault_servers(tls=context)
        _, error = failing(OpenAI(url=server.url, key_from="", quirks={"ca_bundle": str(bundle)}))
        assert isinstance(error, Untrusted)
        assert fix in error.fix and "SSL_CERT_FILE" not in error.fix

    def test_a_certificate_for_another_host(self, fault_servers, tls, authority: trustme.CA, tmp_path: Path):
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(bundle))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("other.example").configure_cert(context)
        server = fault_servers(tls=context)
        server.answers(whole_reply(server, "a"))
        _, error = failing(OpenAI(url=server.url, key_from="", quirks={"ca_bundle": str(bundle)}))
        assert isinstance(error, Untrusted)

    def test_a_bundle_that_is_not_there(self, tmp_path: Path):
        _, error = failing(
            OpenAI(url="https://127.0.0.1:9", key_from="", quirks={"ca_bundle": str(tmp_path / "no.pem")})
        )
        assert "no.pem" in error.what

    def test_plain_http_behind_an_https_url(self):
        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65_536)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=answer)
            thread.start()
            _, error = failing(OpenAI(url=f"https://127.0.0.1:{listener.getsockname()[1]}", key_from=""))
            thread.join()
        assert isinstance(error, Untrusted)
        assert "http://" in error.fix

    def test_a_handshake_that_nobody_answers(self, fault_server):
        url = fault_server.url.replace("http:", "https:")
        _, error = failing(OpenAI(url=url, key_from=""), ask(timeouts=Timeouts(connect=0.4)))
        assert isinstance(error, TimedOut)
        assert "timeouts.connect" in error.fix


class TestKeys:
    def test_a_missing_key_names_its_variable(self):
        _, error = failing(OpenAI())
        assert isinstance(error, KeyRefused)
        assert "OPENAI_API_KEY" in error.fix

    def test_a_key_goes_to_its_own_service_alone(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret-key-123")
        _, error = failing(OpenAI(url="https://evil.example/v1"))
        assert isinstance(error, KeyRefused)
        assert "refused to send OPENAI_API_KEY to evil.example" in error.what
        assert "secret-key-123" not in str(error)

    def test_nor_does_it_hide_in_another_header(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret-key-123")
        stolen = OpenAI(name="mine", url="https://evil.example/v1", key_from="", headers={"X-A": "k secret-key-123"})
        _, error = failing(stolen)
        assert isinstance(error, KeyRefused)

    def test_hosts_of_the_user_are_trusted(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret-key-123")
        _, error = failing(OpenAI(url="https://mine.invalid/v1", hosts=("MINE.invalid",)))
        assert isinstance(error, Unreachable)

    def test_so_is_the_address_in_the_user_s_own_environment(self, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret-key-123")
        monkeypatch.setenv("OPENAI_BASE_URL", "https://mine.invalid/v1")
        _, error = failing(OpenAI())
        assert isinstance(error, Unreachable)

    def test_so_is_this_machine(self, fault_server, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret-key-123")
        monkeypatch.setenv("OPENAI_BASE_URL", fault_server.url)
        fault_server.answers(whole_reply(fault_server, "a"))
        gateway = OpenAI()
        assert said(gateway) == "a"
        gateway.close()
        assert fault_server.asked[0].headers["authorization"] == "Bearer secret-key-123"

    def test_never_in_clear_text(self):
        _, error = failing(OpenAI(url="http://mine.invalid/v1", key="secret-key-123"))
        assert isinstance(error, KeyRefused)
        assert "clear text" in error.what

    @pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "x-office-token", "Cookie"])
    def test_nor_in_a_header_that_its_name_gives_away(self, header):
        _, error = failing(OpenAI(name="mine", url="http://mine.invalid/v1", key_from="", headers={header: "s"}))
        assert isinstance(error, KeyRefused)
        assert "clear text" in error.what

    def test_a_key_that_the_server_refuses_names_the_remedy(self, fault_server, monkeypatch):
        fault_server.answers(fault_server.whole({"error": {"message": "no"}}, 401))
        own = {
            "mine": GatewayPreset("openai", fault_server.url, key_from="MINE_KEY"),
            "bare": GatewayPreset("openai", fault_server.url),
        }
        assert failing(connect("mine", own))[1].fix == "export MINE_KEY=…"
        assert "key_from" in failing(connect("bare", own))[1].fix
        monkeypatch.setenv("MINE_KEY", "secret-key-123")
        assert failing(connect("mine", own))[1].fix == "check MINE_KEY"

    @pytest.mark.parametrize("key", ["", "secret-key-123"])
    def test_an_address_from_the_environment_names_its_variable(self, monkeypatch, key):
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", key)
        assert "AZURE_OPENAI_ENDPOINT" in failing(connect("azure"))[1].fix

    @pytest.mark.parametrize(
        "host", ["127.0.0.1.evil.example", "localhost.evil.example", "127.evil.example", "10.0.0.7"]
    )
    def test_what_merely_looks_like_this_machine_is_not(self, host, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "secret-key-123")
        for scheme in ("http", "https"):
            _, error = failing(OpenAI(url=f"{scheme}://{host}/v1"))
            assert isinstance(error, KeyRefused)

    def test_an_agent_file_cannot_lead_a_key_astray(self, monkeypatch):
        monkeypatch.setenv("GROQ_API_KEY", "secret-key-123")
        stray = {"groq": GatewayPreset("openai", "https://evil.example/v1", key_from="GROQ_API_KEY")}
        assert isinstance(failing(connect("groq", stray))[1], KeyRefused)
        renamed = {"mine": GatewayPreset("openai", "https://evil.example/v1", key_from="GROQ_API_KEY")}
        assert isinstance(failing(connect("mine", renamed))[1], KeyRefused)
        assert isinstance(failing(connect("mine", renamed, hosts=["evil.example"]))[1], Unreachable)

    def test_a_key_that_no_header_can_carry(self):
        _, error = failing(OpenAI(url="https://mine.invalid/v1", key="secret\r\nX-Evil: 1"))
        assert isinstance(error, KeyRefused)
        assert "secret" not in str(error).replace("secrets", "")

    def test_a_key_that_comes_back_is_redacted(self, fault_server, gateways):
        fault_server.answers(fault_server.whole({"error": {"message": "bad key test-key-123"}}, 401))
        _, error = failing(gateways(fault_server.url))
        assert isinstance(error, KeyRefused)
        assert "[redacted]" in error.why
        assert "test-key-123" not in str(error)

    def test_user_and_password_of_a_url_are_not_shown(self, fault_server):
        assert "pass" not in OpenAI(url="https://user:pass@mine.invalid/v1").where


def test_what_is_thrown_away_leaves_no_socket_open(fault_server):
    fault_server.answers(fault_server.chunked(fault_server.sse(text("a"), FINISH, b"[DONE]")), fault_server.HANG)
    gateway = OpenAI(url=fault_server.url)
    assert said(gateway) == "a"
    assert not fault_server.left.is_set()
    del gateway
    gc.collect()
    assert fault_server.left.wait(5)
