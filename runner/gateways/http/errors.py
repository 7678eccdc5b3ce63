"""What a server says when it will not or cannot answer, as one of our errors: the one place that reads statuses."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.errors import (
    ContentFiltered,
    GatewayError,
    IncompleteReply,
    KeyRefused,
    ModelFailed,
    ModelMissing,
    OutOfQuota,
    PromptTooLong,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
    TimedOut,
    Unreachable,
    Untrusted,
)
from runner.gateways.http.context_overflow import TOO_LONG, window_in
from runner.gateways.http.request import ProxyFailed

_SHOWN = 400
_READ = 10_000
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Scene:
    """Who was asked for what, for the error's words; `fixes` maps an error's class name to that server's own remedy."""

    name: str = "the server"
    where: str = ""
    model: str = ""
    fixes: Mapping[str, str] = field(default_factory=dict)

    def fix(self, kind: str, otherwise: str = "") -> str:
        """What to do about an error of this kind."""
        return self.fixes.get(kind, otherwise).replace("{model}", self.model)

    @property
    def check_url(self) -> str:
        """What to do where no such server answers."""
        return self.fix("ProtocolBroken", "check the gateway's url: is /v1 missing?")


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: type[GatewayError]
    says: str
    statuses: tuple[int, ...] = ()
    among: tuple[int, ...] = ()

    def fits(self, status: int, hint: str) -> bool:
        if status in self.statuses:
            return True
        return bool(self.says) and (not self.among or status in self.among) and re.search(self.says, hint) is not None


# The first rule that fits decides: codes and phrases before bare statuses, since servers reuse statuses freely.
_RULES = (
    _Rule(
        OutOfQuota,
        r"insufficient_quota|billing_hard_limit|billing_not_active"
        r"|credit balance is too low|insufficient (?:balance|credit|funds)",
        (402,),
    ),
    _Rule(ContentFiltered, r"content_filter|content_policy|responsibleaipolicy|prohibited_content"),
    _Rule(
        PromptTooLong,
        TOO_LONG,
        among=(0, 400, 413, 422, 500),
    ),
    _Rule(
        ModelFailed, r"tool_use_failed|failed_generation|error parsing tool call|pars\w+ tool call|output_parse_failed"
    ),
    _Rule(
        KeyRefused,
        r"invalid_api_key|incorrect api key|authentication_error|api key not valid|api_key_invalid|unauthenticated",
        (401, 403),
    ),
    _Rule(
        ModelMissing,
        r"model_not_found|no such model|unknown model|not a valid model|invalid model|deploymentnotfound"
        r"|model:? ?\S{0,200} (?:was )?(?:not found|does not exist|not exist)"
        r"|not_found_error.*model|models/\S+ is not found",
    ),
    _Rule(
        RateLimited,
        r"rate_limit|rate limit|too many requests|resource_exhausted|tokens per minute",
        (429,),
        (0, 413, 503),
    ),
    _Rule(
        ServerFailed,
        r"overloaded|server_error|internal_error|internal error|api_error"
        r"|unavailable|loading model|bad gateway|timeout",
        (408, 409, *range(500, 600)),
        (0,),
    ),
    _Rule(ProtocolBroken, "", (404, 405)),
    _Rule(Rejected, r"invalid_request|bad_request|invalid_argument|validation", tuple(range(400, 500))),
)


def failure(scene: Scene, payload: Any, *, status: int = 0, headers: Mapping[str, str] | None = None) -> GatewayError:
    """The error that a server reports by a status, or by an error object (text or JSON value) inside a good status."""
    codes, message = read_error(payload)
    if status < 400:
        status = next((int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code)), status)
    hint = " ".join((*codes, message)).lower()
    kind = next((rule.kind for rule in _RULES if rule.fits(status, hint)), ServerFailed)
    wait = retry_after(headers or {}, message)
    what, fix = _words(kind, scene, hint, status, wait)
    why = " ".join(message.split())[:_SHOWN] or ", ".join(codes) or f"HTTP {status}"
    if status and str(status) not in why and not message:
        why = f"HTTP {status}: {why}"
    error = kind(
        what,
        where=scene.where,
        why=why,
        fix=scene.fix(kind.__name__, fix),
        status=status,
        retry_after=wait,
    )
    if isinstance(error, PromptTooLong) and (window := window_in(_objects(_value(payload)), message)):
        fix = f"set context.max_tokens in the agent file to {window}, or shorten the conversation"
        return error.replace(window=window, fix=fix)
    return error


def unreachable(error: Exception, scene: Scene) -> GatewayError:
    """What an error of the socket means, before any event has come."""
    from http.client import HTTPException, IncompleteRead  # lazy: it brings the email package

    name = scene.name
    if isinstance(error, TimeoutError):
        return TimedOut(
            f"{name} did not accept the connection in time",
            why="the timer timeouts.connect rang",
            fix="check the address, or raise timeouts.connect in the agent file",
        )
    if isinstance(error, ProxyFailed):
        fix = "check HTTPS_PROXY and its kin, or name the server's host in NO_PROXY"
        return Unreachable(f"the proxy on the way to {name} failed", why=_reason(error), fix=fix)
    if isinstance(error, ConnectionRefusedError):
        what, fix = f"{name} is not running at {scene.where}", scene.fix("Unreachable", "start it, or check its url")
    elif isinstance(error, HTTPException) and not isinstance(error, ConnectionError | IncompleteRead):
        return ProtocolBroken(f"{name} does not speak HTTP", why=_reason(error), fix=scene.check_url)
    elif "WRONG_VERSION_NUMBER" in str(error):
        what, fix = f"{name} does not speak TLS at this address", "write http:// in its url, or check the port"
        return Untrusted(what, why=_reason(error), fix=fix)
    elif "CERTIFICATE_VERIFY" in str(error):
        what = f"the certificate of {name} cannot be trusted"
        fix = "set SSL_CERT_FILE, or quirks: {ca_bundle: FILE} of the gateway, to your authority's certificate"
        return Untrusted(what, why=_reason(error), fix=fix)
    elif "getaddrinfo" in str(error) or type(error).__name__ == "gaierror":
        what, fix = f"{name} cannot be found", "check the host in the gateway's url, and the network"
    else:
        what, fix = f"the connection to {name} broke before an answer came", "try again, or check its url"
    return Unreachable(what, why=_reason(error), fix=fix)


def broke_off(scene: Scene, error: Exception, events: int) -> IncompleteReply:
    """A connection that broke in the middle of an answer."""
    return IncompleteReply(
        f"the connection to {scene.name} broke in the middle of the answer",
        why=f"{_reason(error)}, after {events} events",
        fix="ask it to continue, or try again",
    )


def cut_off(scene: Scene, events: int) -> IncompleteReply:
    """An answer that ended without its terminator."""
    return IncompleteReply(
        f"the answer of {scene.name} ended without its terminator",
        why=f"the server closed the stream after {events} events",
        fix="ask it to continue, or try again",
    )


def not_a_reply(scene: Scene, data: bytes, content_type: str) -> ProtocolBroken:
    """A good status over something that the dialect does not know; the first bytes are shown."""
    if not data.strip():
        what, why = f"{scene.name} answered with nothing", "the body is empty"
        return ProtocolBroken(what, why=why, fix=scene.check_url)
    start = " ".join(data[:200].decode("utf-8", "replace").split())
    return ProtocolBroken(
        f"{scene.name} does not answer as a model server does",
        why=f"content type {content_type or 'unknown'}: {start}",
        fix=scene.check_url,
    )


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def read_error(payload: Any) -> tuple[tuple[str, ...], str]:
    """The codes and the message of an error in any of the shapes that servers use."""
    value = _value(payload)
    if isinstance(value, str):
        return (), value[:_READ]
    codes: list[str] = []
    messages: list[str] = []
    for each in _objects(value):
        if isinstance(each, str):
            messages.append(each)
            continue
        codes += [str(each[key]) for key in ("code", "type", "status") if isinstance(each.get(key), (str, int))]
        messages += [each[key] for key in ("message", "detail", "msg", "raw") if isinstance(each.get(key), str)]
        if "failed_generation" in each:
            codes.append("failed_generation")
    found = ": ".join(dict.fromkeys(message for message in messages if message))
    return tuple(dict.fromkeys(codes)), (found or _as_text(value))[:_READ]


def _value(payload: Any) -> Any:
    """What bytes or a text hold as JSON, or the text itself; any other value as it stands."""
    text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else payload
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "an error that is nested too deeply to be shown"


def _objects(value: Any, depth: int = 0) -> Iterator[Any]:
    """The error object itself, found wherever servers put it, and what it wraps."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value[:3]:
            yield from _objects(each, depth + 1)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if "error" in key and isinstance(inner, dict | list | str):
                if key not in ("error", "errors", "innererror"):
                    yield key
                yield from _objects(inner, depth + 1)
            elif key in ("detail", "metadata") and isinstance(inner, dict | list):
                yield from _objects(inner, depth + 1)


def _words(kind: type[GatewayError], scene: Scene, hint: str, status: int, wait: float | None) -> tuple[str, str]:
    """What happened, and what to do about it."""
    name = scene.name
    if kind is ServerFailed and "loading model" in hint:
        return f"{name} is still loading the model", "try again in a moment"
    if kind is Rejected and "does not support" in hint:
        return f"{name} says that {scene.model!r} cannot do this", "choose another model, or take the feature out"
    found: dict[type[GatewayError], tuple[str, str]] = {
        OutOfQuota: (f"the account at {name} has no quota left", "look at the account's billing page"),
        ContentFiltered: (f"the safety filter of {name} refused the prompt", "say it in other words"),
        PromptTooLong: (
            f"the prompt is too long for {scene.model!r} at {name}",
            "set context.max_tokens in the agent file to the model's window, or shorten the conversation",
        ),
        ModelFailed: (f"{scene.model!r} wrote a tool call that {name} could not parse", "try again, or another model"),
        KeyRefused: (f"{name} refused the key", "check the key"),
        ModelMissing: (f"{name} has no model {scene.model!r}", "check `model:` in the agent file"),
        RateLimited: (f"{name} asks us to slow down", _wait_words(wait)),
        ServerFailed: (f"{name} failed" + (f" with status {status}" if status else ""), "try again later"),
        ProtocolBroken: (f"{name} has nothing at this address", scene.check_url),
    }
    if status == 413 and kind is Rejected:
        return f"the request is too large for {name}", "send fewer or smaller attachments"
    return found.get(kind, (f"{name} rejected the request", "see the server's words above"))


def _wait_words(wait: float | None) -> str:
    return f"wait {wait:.0f} s" if wait is not None else "wait a little, then try again"


def retry_after(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds that the server asks us to wait: from `retry-after-ms`, `retry-after`, or its words; None if unknown.

    Header names are in lower case. Nonsense and times that are over count as unknown.
    """
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    plain = headers.get("retry-after", "").strip()
    if plain:
        seconds = _number(plain)
        return seconds if seconds is not None else _until(plain)
    if said := re.search(r"(?:try again|retry) (?:in|after) (?:(\d+)m(?!s))?\s?(?:(\d+(?:\.\d+)?) ?(ms|s))?", message):
        minutes, number, unit = said.groups()
        if minutes or number:
            return int(minutes or 0) * 60 + float(number or 0) / (1000 if unit == "ms" else 1)
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # lazy: only for servers that name a date

    try:
        seconds = parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None
