"""`http:` tools against loopback servers: what goes out, what comes back, and where they refuse to go."""

from __future__ import annotations

import gzip
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from unicodedata import normalize
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.addresses import is_public
from runner.core.cancel import Cancel
from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, ToolFailed, ToolSettings, open_toolbox
from runner.tools.allowed_hosts import AllowedHosts
from runner.tools.guarded_http import MAX_BODY, GuardedRequest, send_guarded
from runner.tools.kinds.http import HttpTool, open_http
from thoroughness import examples

if TYPE_CHECKING:
    from tests.tools.conftest import Serve

Reply = Callable[["ReceivedRequest"], None]


CLIMBING = [
    "", " ", ".", "..", "/", "../x", "a/../b", "a/.", "..\\x", "%2e%2e", "%2E%2e%2Fx", "..%2Fx", "..%5Cx", "%252e%252e",
    ".%2e/x", "..;/x", "..;a", ";a", "..\0", "..\t/x", ".\t.", "．．", "‥", "..／x", "%c0%ae%c0%ae%c0%afx", "%u002e.",
    "%00", "%20",
]  # fmt: skip
ONE_SEGMENT = [
    "a/b", "São/Paulo?x", "https://x.org/a//b", "a.b", "...", "..a", "a..", "v1.2", ".hidden", "a;b", "100%", "50%25",
    "C:\\x", "a b", "~user", "x..y/z", "№", "%",
]  # fmt: skip


class ReceivedRequest(BaseHTTPRequestHandler):
    """Answers with what the test scripted for the path, and remembers what was asked."""

    protocol_version = "HTTP/1.1"
    server: Site

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        reply = self.server.replies.get(urlsplit(self.path).path, echo)
        self.close_connection = True
        reply(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Site(ThreadingHTTPServer):
    """A loopback server; `replies` maps a path to what answers there."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ReceivedRequest)
        self.replies: dict[str, Reply] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


def echo(asked: ReceivedRequest) -> None:
    asked.answer(200, json.dumps({"path": asked.path}).encode(), Content_Type="application/json")


@pytest.fixture
def site(serve: Serve) -> Site:
    return serve(Site())


@pytest.fixture
def elsewhere(serve: Serve) -> Site:
    return serve(Site())


def toolbox(**options: Any) -> Toolbox:
    return open_toolbox([ToolEntry("http", "fetch", {"description": "Fetches.", **options}, "agent.yaml:3")])


def call(options: dict[str, Any], context: Context | None = None, /, **arguments: Any) -> ToolResult:
    return toolbox(**options).call(ToolCall("1", "fetch", arguments), context or Context())


STRING: dict[str, Any] = {"type": "string"}


class TestWhatGoesOut:
    def test_path_query_headers_and_json_body_keep_their_places_and_types(self, site: Site) -> None:
        result = call(
            {
                "method": "post",
                "url": site.url + "/v1/{city}/now?fixed=1",
                "query": {"q": "{word}", "tag": "{tags}", "n": 3},
                "headers": {"X-Word": "is {word}"},
                "body": {"count": "{count}", "text": "about {city}", "deep": [{"all": "{tags}"}], "on": True},
                "parameters": {
                    "city": STRING,
                    "word": STRING,
                    "tags": {"type": "array"},
                    "count": {"type": "integer", "default": 10},
                },
            },
            city="São/Paulo?x=1#y",
            word="a&b c",
            tags=["x", "y&z"],
        )
        assert not result.failed, result.output
        method, path, headers, body = site.asked[0]
        assert method == "POST"
        assert path == "/v1/S%C3%A3o%2FPaulo%3Fx%3D1%23y/now?fixed=1&q=a%26b%20c&tag=x&tag=y%26z&n=3"
        assert headers["X-Word"] == "is a&b c"
        assert json.loads(body) == {
            "count": 10,
            "text": "about São/Paulo?x=1#y",
            "deep": [{"all": ["x", "y&z"]}],
            "on": True,
        }
        assert headers["Content-Type"] == "application/json"

    def test_a_text_body_is_sent_as_text(self, site: Site) -> None:
        options = {"method": "PUT", "url": site.url, "body": "say {it}", "parameters": {"it": STRING}}
        call(options, it="é\n")
        assert site.asked[0][3] == "say é\n".encode()
        assert site.asked[0][2]["Content-Type"].startswith("text/plain")

    @pytest.mark.parametrize("city", CLIMBING)
    def test_t7_an_argument_neither_empties_a_segment_nor_climbs(self, site: Site, city: str) -> None:
        result = call({"url": site.url + "/v1/{city}/x", "parameters": {"city": STRING}}, city=city)
        assert result.failed
        assert "cannot stand in the path" in result.output
        assert site.asked == []

    @pytest.mark.parametrize("city", ONE_SEGMENT)
    def test_t7_any_other_argument_is_one_segment(self, site: Site, city: str) -> None:
        result = call({"url": site.url + "/v1/{city}/x", "parameters": {"city": STRING}}, city=city)
        assert not result.failed, result.output
        assert site.asked[0][1] == f"/v1/{quote(city, safe='')}/x"

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ключ", "a\0b"])
    def test_a_header_takes_one_line_of_ascii(self, site: Site, value: str) -> None:
        options = {"url": site.url, "headers": {"X-Key": "{value}"}, "parameters": {"value": STRING}}
        result = call(options, value=value)
        assert result.failed
        assert "one line of ASCII" in result.output and value not in result.output
        assert site.asked == []

    @settings(max_examples=examples(80), deadline=None)
    @given(st.text(min_size=1))
    def test_an_argument_never_changes_the_structure_of_the_url(self, value: str) -> None:
        declared = ToolEntry(
            "http", "t", {"url": "https://api.example.org/v1/{x}/end?a={x}", "parameters": {"x": STRING}}
        )
        (tool,) = open_http(declared, ToolSettings())
        try:
            url = tool._address({"x": value})
        except ToolFailed:
            plain = re.sub(r"[\x00-\x20\x7f]|;.*", "", normalize("NFKC", value), flags=re.DOTALL)
            assert not plain.strip("/\\") or not {".", ".."}.isdisjoint(re.split(r"[/\\]", plain))
            return
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.org", "")
        assert parts.path.startswith("/v1/") and parts.path.endswith("/end") and parts.path.count("/") == 3
        assert parts.query.startswith("a=") and not set(parts.query[2:]) & set("&=#")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"url": "http://{host}/x", "parameters": {"host": STRING}}, "never in the host"),
            ({"url": "{scheme}://a/x", "parameters": {"scheme": STRING}}, "must begin with http"),
            ({"url": "ftp://a/x"}, "must begin with http"),
            ({"url": "http://a/{b}"}, "{b} stands in it"),
            ({"url": "http://a/", "parameters": {"b": STRING}}, "'b' is used nowhere"),
            ({"url": "http://a/", "body": {}}, "carries no body"),
        ],
    )
    def test_a_declaration_that_cannot_work_is_refused_with_its_place(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(UsageError) as error:
            toolbox(**options)
        assert said in str(error.value)
        assert "agent.yaml:3" in str(error.value)

    @pytest.mark.parametrize(
        ("method", "effects"), [("GET", "read"), ("HEAD", "read"), ("POST", "write"), ("DELETE", "write")]
    )
    def test_effects_follow_the_method(self, method: str, effects: str) -> None:
        assert toolbox(url="http://a/", method=method).specs[0].effects == effects
        assert toolbox(url="http://a/", method=method, effects="none").specs[0].effects == "none"


class TestWhatComesBack:
    def test_json_is_parsed_and_text_is_text(self, site: Site) -> None:
        site.replies["/j"] = lambda asked: asked.answer(200, b'{"a": [1]}', Content_Type="application/problem+json")
        site.replies["/t"] = lambda asked: asked.answer(200, "né".encode("latin-1"), Content_Type="a/b; charset=latin1")
        assert call({"url": site.url + "/j"}).output == {"a": [1]}
        assert call({"url": site.url + "/t"}).output == "né"

    def test_what_claims_to_be_json_and_is_not_is_shown_as_text(self, site: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(200, b"<html>", Content_Type="application/json")
        assert call({"url": site.url + "/"}).output == "<html>"

    def test_an_error_status_is_a_failure_with_the_head_of_the_body(self, site: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(404, b"no such city" + b"." * 5000)
        result = call({"url": site.url + "/"})
        assert result.failed
        assert result.output.startswith("HTTP 404 Not Found\nno such city")
        assert len(result.output) < 3000

    def test_a_redirect_that_leads_nowhere_is_a_failure(self, site: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(302)
        result = call({"url": site.url + "/"})
        assert result.failed and "HTTP 302 Found" in result.output

    def test_a_redirect_in_foreign_letters_is_followed(self, site: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(302, Location="/a b/é?q=ü")
        assert call({"url": site.url + "/"}).output == {"path": "/a%20b/%C3%A9?q=%C3%BC"}

    def test_an_empty_answer_says_so_and_an_image_travels_as_a_file(self, site: Site) -> None:
        site.replies["/none"] = lambda asked: asked.answer(204)
        site.replies["/dot"] = lambda asked: asked.answer(200, b"\x89PNG\0", Content_Type="image/png")
        assert "empty body" in call({"url": site.url + "/none"}).output
        (image,) = call({"url": site.url + "/dot"}).files
        assert (image.media_type, image.data) == ("image/png", b"\x89PNG\0")

    def test_gzip_is_unpacked_and_a_bomb_is_not(self, site: Site) -> None:
        bomb = gzip.compress(b"0" * (MAX_BODY * 4))
        site.replies["/small"] = lambda asked: asked.answer(200, gzip.compress(b"hello"), Content_Encoding="gzip")
        site.replies["/bomb"] = lambda asked: asked.answer(200, bomb, Content_Encoding="gzip")
        site.replies["/bad"] = lambda asked: asked.answer(200, b"hello", Content_Encoding="gzip")
        assert call({"url": site.url + "/small"}).output == "hello"
        result = call({"url": site.url + "/bomb"})
        assert result.failed and f"larger than {MAX_BODY}" in result.output
        assert "not the gzip" in call({"url": site.url + "/bad"}).output

    def test_an_endless_body_is_cut_by_the_bound(self, site: Site) -> None:
        def endless(asked: ReceivedRequest) -> None:
            asked.send_response(200)
            asked.end_headers()
            while True:
                asked.wfile.write(b"x" * 65536)

        site.replies["/"] = endless
        result = call({"url": site.url + "/"})
        assert result.failed and "larger than" in result.output

    def test_a_body_cut_short_is_a_failure(self, site: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(200, b"half", Content_Length="400")
        result = call({"url": site.url + "/"})
        assert result.failed and "broke off after 4 bytes" in result.output


class TestWhereItMayGo:
    def test_a_redirect_is_followed_on_the_own_host_with_its_headers(self, site: Site) -> None:
        site.replies["/a"] = lambda asked: asked.answer(302, Location="/b?x=1")
        result = call({"url": site.url + "/a", "headers": {"Authorization": "secret"}})
        assert result.output == {"path": "/b?x=1"}
        assert site.asked[1][2]["Authorization"] == "secret"

    def test_a_redirect_to_a_host_that_is_not_listed_is_refused(self, site: Site, elsewhere: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(302, Location=elsewhere.url)
        result = call({"url": site.url + "/"})
        assert result.failed and "not among the hosts" in result.output
        assert elsewhere.asked == []

    def test_declared_headers_stay_behind_on_the_way_to_another_listed_host(self, site: Site, elsewhere: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(307, Location=elsewhere.url + "/there")
        headers = {"X-Api-Key": "secret", "Accept": "text/plain"}
        result = call({"url": site.url + "/", "headers": headers, "hosts": [elsewhere.host]})
        assert result.output == {"path": "/there"}
        assert "secret" not in str(elsewhere.asked)
        assert elsewhere.asked[0][2]["Accept"] == "text/plain"

    @pytest.mark.parametrize(("status", "method"), [(301, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
    def test_the_status_decides_whether_the_body_goes_along(self, site: Site, status: int, method: str) -> None:
        site.replies["/"] = lambda asked: asked.answer(status, Location="/next")
        call({"method": "POST", "url": site.url + "/", "body": {"a": 1}})
        assert site.asked[1][0] == method
        assert site.asked[1][3] == (b'{"a": 1}' if method == "POST" else b"")

    def test_a_circle_of_redirects_ends(self, site: Site) -> None:
        site.replies["/"] = lambda asked: asked.answer(302, Location="/")
        result = call({"url": site.url + "/"})
        assert result.failed and "more than 5 redirects" in result.output
        assert len(site.asked) == 6

    @pytest.mark.parametrize(
        "target",
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://localhost:1/",
            "http://[::ffff:169.254.169.254]/",
            "http://0x7f000001/",
            "http://user:pass@127.0.0.1/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
        ],
    )
    def test_a_redirect_to_an_inner_address_is_refused(self, site: Site, target: str) -> None:
        site.replies["/"] = lambda asked: asked.answer(302, Location=target)
        result = call({"url": site.url + "/", "hosts": ["*"]})
        assert result.failed, result.output
        assert len(site.asked) == 1

    @pytest.mark.parametrize(
        "url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://2130706433/", "http://[fe80::1]/"]
    )
    def test_a_private_address_is_refused_before_any_connection(self, url: str) -> None:
        result = call({"url": url, "timeout": 2})
        assert result.failed and "not a public address" in result.output

    @pytest.mark.parametrize(
        ("listed", "host", "port", "opens"),
        [
            (("10.1.2.3",), "10.1.2.3", 80, True),
            (("10.1.2.3:8080",), "10.1.2.3", 8080, True),
            (("10.1.2.3:8080",), "10.1.2.3", 80, False),
            (("10.0.0.0/8",), "10.1.2.3", 443, True),
            (("10.0.0.0/8",), "192.168.0.1", 443, False),
            (("[fd00::1]:80",), "fd00::1", 80, True),
            (("*",), "10.1.2.3", 80, False),
            ((), "169.254.169.254", 80, False),
        ],
    )
    def test_a_listed_address_opens_itself_alone(
        self, listed: tuple[str, ...], host: str, port: int, opens: bool
    ) -> None:
        allowed = AllowedHosts.of("https://api.example.org/", listed)
        if opens:
            assert {address for _, address in allowed.resolve(host, port)} == {host}
        else:
            with pytest.raises(Exception, match=r"not a public address|not among the hosts"):
                allowed.resolve(host, port)

    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.192",
            "192.168.1.1",
            "168.63.129.16",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "2001:db8::1",
            "2606:4700::5efe:10.0.0.1",
        ],
    )
    def test_inner_addresses_are_known_in_every_disguise(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::8.8.8.8"])
    def test_public_addresses_are_public(self, address: str) -> None:
        assert is_public(address)


class TestTimeAndTrouble:
    def test_nobody_listening_and_no_such_host(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            refused = call({"url": f"http://127.0.0.1:{port}/"})
        assert refused.failed and "refused" in refused.output
        for host in ("no-such-host.invalid", "büro.invalid"):
            missing = call({"url": f"http://{host}/"})
            assert missing.failed and f"the host {host} was not found" in missing.output

    def test_a_trickle_does_not_outlive_the_timeout(self, site: Site) -> None:
        def trickle(asked: ReceivedRequest) -> None:
            asked.send_response(200)
            asked.end_headers()
            while True:
                asked.wfile.write(b".")
                asked.wfile.flush()
                time.sleep(0.02)

        site.replies["/"] = trickle
        started = time.monotonic()
        result = call({"url": site.url + "/", "timeout": 0.3})
        assert result.failed and "did not answer in time" in result.output
        assert time.monotonic() - started < 5

    def test_silence_ends_with_the_timeout(self, site: Site) -> None:
        release = threading.Event()
        site.replies["/"] = lambda asked: release.wait(10) and None
        try:
            result = call({"url": site.url + "/", "timeout": 0.2})
        finally:
            release.set()
        assert result.failed and "`timeout`" in result.output

    def test_a_cancel_from_another_thread_ends_the_wait(self, site: Site) -> None:
        asked, release, cancel = threading.Event(), threading.Event(), Cancel()

        def silent(_: ReceivedRequest) -> None:
            asked.set()
            release.wait(20)

        site.replies["/"] = silent
        threading.Thread(target=lambda: (asked.wait(10), cancel.cancel()), daemon=True).start()
        started = time.monotonic()
        try:
            result = call({"url": site.url + "/", "timeout": 20}, Context(cancel=cancel))
        finally:
            release.set()
        assert result.failed and "stopped" in result.output
        assert time.monotonic() - started < 10

    @pytest.mark.skipif(sys.platform != "linux", reason="a full backlog answers otherwise elsewhere")
    def test_a_cancel_ends_the_connecting_too(self) -> None:
        cancel = Cancel()
        with ExitStack() as sockets:
            full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(4):
                waiting = sockets.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            threading.Timer(0.2, cancel.cancel).start()
            started = time.monotonic()
            url = f"http://127.0.0.1:{full.getsockname()[1]}/"
            result = call({"url": url, "timeout": 20}, Context(cancel=cancel))
        assert result.failed and "stopped" in result.output
        assert time.monotonic() - started < 10

    def test_a_certificate_nobody_vouches_for_is_refused(self, serve: Serve, tmp_path: Any) -> None:
        import ssl

        import trustme

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        site = Site()
        site.socket = context.wrap_socket(site.socket, server_side=True)
        serve(site)
        url = f"https://localhost:{site.server_port}/x"
        result = call({"url": url})
        assert result.failed and "certificate verify failed" in result.output
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert call({"url": url}).output == {"path": "/x"}
            release = threading.Event()
            site.replies["/slow"] = lambda asked: release.wait(10) and None
            slow = call({"url": url.replace("/x", "/slow"), "timeout": 0.3})
            release.set()
            assert slow.failed and "in time" in slow.output


def test_a_header_that_cannot_be_sent_is_a_failure_of_the_tool(site: Site) -> None:
    with pytest.raises(ToolFailed, match="could not be asked"):
        send_guarded(GuardedRequest("GET", site.url, {"X-\u00dc": "a"}), Cancel())
    assert site.asked == []


def test_the_length_is_the_one_of_the_body(site: Site) -> None:
    send_guarded(GuardedRequest("PUT", site.url, {"Content-Length": "3"}, b"abcdef"), Cancel())
    assert site.asked[0][2]["Content-Length"] == "6"


def test_a_tool_is_a_value() -> None:
    (one,) = open_http(ToolEntry("http", "t", {"url": "http://a/"}), ToolSettings())
    (two,) = open_http(ToolEntry("http", "t", {"url": "http://a/"}), ToolSettings())
    assert isinstance(one, HttpTool) and one == two
