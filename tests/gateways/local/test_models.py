"""Weights: found in the wheel, the cache or at a path; fetched from a hub that may break at any byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.dirs import cache_folder
from runner.core.errors import GatewayError, KeyRefused, ModelMissing, ProtocolBroken, Unreachable
from runner.gateways.local.download import download
from runner.gateways.local.models import KNOWN_MODELS, Weights, find_model, installed, weights_of

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()
TINY = Weights("owner/repo", "sub/tiny.gguf", SHA, len(BODY))


class Hub(ThreadingHTTPServer):
    """A hub with one file. `cut`: lengths after which the next answers break off; `redirect`: through another path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.body = BODY
        self.cut: list[int] = []
        self.status = 0
        self.ranges = True
        self.redirect = ""
        self.linked = ""
        self.asked: list[tuple[str, str]] = []


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        hub, wanted = self.server, self.headers.get("Range", "")
        hub.asked.append((self.path, wanted))
        if hub.status:
            return self.head(hub.status, {"Content-Length": "9"}, b"not today")
        if hub.redirect and not self.path.startswith("/cdn"):
            extra = {"X-Linked-Etag": f'"{hub.linked}"'} if hub.linked else {}
            return self.head(302, {"Location": hub.redirect, "Content-Length": "0"} | extra)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.ranges else 0
        if start and start >= len(hub.body):
            return self.head(416, {"Content-Length": "0"})
        rest, headers = hub.body[start:], {}
        headers["Content-Length"] = str(len(rest))
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(hub.body) - 1}/{len(hub.body)}"
        if hub.cut:
            rest = rest[: hub.cut.pop(0)]
        return self.head(206 if start else 200, headers, rest)

    def head(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
        monkeypatch.setenv("AGENT_RUN_CACHE_HOME", str(tmp_path / "cache"))
        yield server
        server.shutdown()


def quiet(there: int, total: int | None) -> None:
    pass


def part_of(wanted: Weights):
    return wanted.cached.with_name(wanted.cached.name + ".part")


def test_a_file_arrives_whole_and_progress_is_told(hub, tmp_path):
    seen = []
    path = download(TINY, lambda there, total: seen.append((there, total)))
    assert path == tmp_path / "cache/models/owner/repo/sub/tiny.gguf"
    assert path.read_bytes() == BODY
    assert not part_of(TINY).exists()
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert hub.asked == [("/owner/repo/resolve/main/sub/tiny.gguf", "")]


def test_a_good_file_is_not_fetched_again_and_a_damaged_one_is(hub):
    path = download(TINY, quiet)
    download(TINY, quiet)
    assert len(hub.asked) == 1
    path.write_bytes(b"rotten")
    assert download(TINY, quiet).read_bytes() == BODY


def test_redirects_are_followed_and_keep_the_promise(hub):
    hub.redirect, hub.linked = "/cdn/x?sig=1", SHA
    unknown = replace(TINY, sha256="", size=None)
    assert download(unknown, quiet).read_bytes() == BODY
    assert [path for path, _ in hub.asked] == ["/owner/repo/resolve/main/sub/tiny.gguf", "/cdn/x?sig=1"]


def test_a_promise_that_is_broken_leaves_nothing(hub):
    hub.redirect, hub.linked = "/cdn/x", "0" * 64
    with pytest.raises(ProtocolBroken):
        download(replace(TINY, sha256="", size=None), quiet)
    assert not TINY.cached.exists()


@pytest.mark.parametrize("target", ["", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_to_elsewhere_is_refused(hub, target):
    hub.redirect = target or "/again"
    with pytest.raises(ProtocolBroken):
        download(TINY, quiet)


def test_what_breaks_off_goes_on_where_it_stopped(hub):
    hub.cut = [1000, 70_000]
    assert download(TINY, quiet).read_bytes() == BODY
    assert [wanted for _, wanted in hub.asked] == ["", "bytes=1000-", "bytes=71000-"]


def test_what_keeps_breaking_is_kept_for_the_next_run(hub):
    hub.cut = [500_000, 0, 0]
    with pytest.raises(Unreachable) as error_from_server:
        download(TINY, quiet)
    assert "goes on where it stopped" in error_from_server.value.fix
    assert part_of(TINY).stat().st_size == 500_000
    hub.cut = []
    assert download(TINY, quiet).read_bytes() == BODY
    assert hub.asked[-1][1] == "bytes=500000-"


def test_a_hub_without_ranges_starts_over(hub):
    part_of(TINY).parent.mkdir(parents=True)
    part_of(TINY).write_bytes(b"x" * 77)
    hub.ranges = False
    assert download(TINY, quiet).read_bytes() == BODY


@pytest.mark.parametrize("junk", [b"x" * 77, b"x" * len(BODY), b"x" * (len(BODY) + 9)])
def test_a_part_of_another_file_does_not_poison_this_one(hub, junk):
    part_of(TINY).parent.mkdir(parents=True)
    part_of(TINY).write_bytes(junk)
    assert download(TINY, quiet).read_bytes() == BODY


def test_a_wrong_hash_leaves_no_file_and_no_part_to_go_on_from(hub):
    hub.body = BODY[:-1] + b"!"
    with pytest.raises(ProtocolBroken) as error_from_server:
        download(TINY, quiet)
    assert SHA in error_from_server.value.why
    assert not TINY.cached.exists()
    assert part_of(TINY).stat().st_size == 0


@pytest.mark.parametrize(("status", "kind"), [(404, ProtocolBroken), (401, KeyRefused), (500, GatewayError)])
def test_a_hub_that_refuses_says_why(hub, status, kind):
    hub.status = status
    with pytest.raises(kind) as error_from_server:
        download(TINY, quiet)
    assert error_from_server.value.why
    assert error_from_server.value.fix
    assert not TINY.cached.exists()


def test_no_network_is_said_as_such(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AGENT_RUN_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unreachable) as error_from_server:
        download(TINY, quiet)
    assert "HF_ENDPOINT" in error_from_server.value.fix


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_is_said_as_such(hub):
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from runner.gateways.local.download import download; from runner.gateways.local.models import Weights\n"
        f"try: download(Weights('owner/repo', 'sub/tiny.gguf', {SHA!r}, {len(BODY)}), lambda a, b: None)\n"
        "except OSError as error: print('raw', error)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.startswith("GatewayError the weights cannot be written")
    assert "AGENT_RUN_CACHE_HOME" in told.stdout


def test_a_disk_that_is_too_small_is_not_filled_first(hub):
    with pytest.raises(GatewayError, match="cannot be written") as error_from_server:
        download(replace(TINY, size=1 << 60), quiet)
    assert "make room" in error_from_server.value.fix
    assert part_of(TINY).stat().st_size == 0


def test_a_folder_that_cannot_be_made_is_said_as_such(hub, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(GatewayError, match="cannot be written"):
        download(TINY, quiet)


def test_two_at_once_do_not_write_into_one_another(hub):
    def meddle(there: int, total: int | None) -> None:
        with pytest.raises(GatewayError, match="already"):
            download(TINY, quiet)

    assert download(TINY, meddle).read_bytes() == BODY


def test_a_stop_keeps_what_arrived(hub):
    def stop(there: int, total: int | None) -> None:
        if there > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(TINY, stop)
    assert 100_000 < part_of(TINY).stat().st_size <= len(BODY)
    assert download(TINY, quiet).read_bytes() == BODY


@pytest.mark.parametrize(
    "name",
    [
        *("nothing", "hf:owner", "hf:owner/repo/file.bin", "hf:a/b/../../x.gguf", "hf:../b/x.gguf", "hf:a/b/c d.gguf"),
        *("hf:a/b//tmp/x/pwn.gguf", "hf:a/b/./x.gguf", "hf:/a/b/x.gguf", "hf:./b/x.gguf", "hf:a/./x.gguf"),
        *(
            "hf:a/b/.gguf",
            "hf:a/b/c\\x.gguf",
            "hf:a/b/C:/x.gguf",
            "hf:a/b/x\0.gguf",
            "hf:a/b/x.gguf\n",
            "hf:a/b/~.gguf",
        ),
        *("hf:a/b/.hidden/x.gguf", f"hf:a/b/{'x' * 300}.gguf", "hf:a//x.gguf", "HF:a/b/c.bin"),
    ],
)
def test_a_name_that_stands_for_nothing(name):
    with pytest.raises(ModelMissing) as error_from_server:
        weights_of(name)
    assert "smollm2-135m" in error_from_server.value.fix


_PARTS = st.sampled_from(["..", ".", "", "/", "a", "b.gguf", "\\", "C:", "\0", "~", "\n", "é", ".gguf", "%2e%2e"])


@given(st.lists(_PARTS, max_size=6).map("/".join) | st.text(max_size=30))
def test_t14_whatever_a_model_is_called_its_file_lies_in_the_cache(name):
    for model in (f"hf:{name}", f"hf:{name}.gguf", f"hf:a/b/{name}.gguf", f"hf:{name}/b/c.gguf"):
        try:
            weights = weights_of(model)
        except ModelMissing:
            continue
        cache = os.path.realpath(cache_folder())
        path = os.path.normpath(weights.cached)
        assert path.startswith(cache + os.sep)
        assert len(Path(path).relative_to(cache).parts) == model.count("/") + 2  # no part is lost on the way


def test_names_of_the_hub_and_paths():
    assert weights_of("hf:owner/repo/sub/tiny.gguf") == Weights("owner/repo", "sub/tiny.gguf")
    assert weights_of("./models/own.gguf") is None
    assert weights_of("smollm2-135m") is KNOWN_MODELS["smollm2-135m"]


def test_a_path_is_found_or_said_to_be_wrong(tmp_path):
    own = tmp_path / "own.gguf"
    with pytest.raises(ModelMissing, match="correct the path"):
        find_model(str(own))
    own.write_bytes(b"GGUF")
    assert find_model(str(own)) == own


def test_what_was_fetched_is_found(hub):
    name = "hf:owner/repo/sub/tiny.gguf"
    with pytest.raises(ModelMissing, match=f"agent-run pull {name}"):
        find_model(name)
    download(weights_of(name), quiet)
    assert find_model(name).read_bytes() == BODY


def test_the_embedded_model_s_file_is_the_pinned_one(embedded_weights):
    known = KNOWN_MODELS["smollm2-135m"]
    found = installed(known) or known.cached
    assert str(found) == embedded_weights
    with found.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == known.sha256
    assert found.stat().st_size == known.size
