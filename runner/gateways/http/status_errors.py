"""How an HTTP status, or an error object inside a good one, becomes one of our errors: the only place that decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.errors import (
    ContentFiltered,
    GatewayError,
    KeyRefused,
    ModelFailed,
    ModelMissing,
    OutOfQuota,
    PromptTooLong,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
)
from runner.gateways.http.context_overflow import TOO_LONG, stated_window
from runner.gateways.http.error_body import error_parts, read_error_body
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.retry_after import retry_after

_LONGEST_WHY = 400


@dataclass(frozen=True, slots=True)
class _ErrorPattern:
    """`statuses` mean the error whatever is said; `pattern` in the codes and message means it, among some statuses."""

    error: type[GatewayError]
    pattern: str
    statuses: tuple[int, ...] = ()
    only_among: tuple[int, ...] = ()

    def matches(self, status: int, text: str) -> bool:
        if status in self.statuses:
            return True
        possible = not self.only_among or status in self.only_among
        return bool(self.pattern) and possible and re.search(self.pattern, text) is not None


# The first pattern that matches decides: codes and phrases before bare statuses, since servers reuse statuses freely.
_PATTERNS = (
    _ErrorPattern(
        OutOfQuota,
        r"insufficient_quota|billing_hard_limit|billing_not_active"
        r"|credit balance is too low|insufficient (?:balance|credit|funds)",
        (402,),
    ),
    _ErrorPattern(ContentFiltered, r"content_filter|content_policy|responsibleaipolicy|prohibited_content"),
    _ErrorPattern(
        PromptTooLong,
        TOO_LONG,
        only_among=(0, 400, 413, 422, 500),
    ),
    _ErrorPattern(
        ModelFailed, r"tool_use_failed|failed_generation|error parsing tool call|pars\w+ tool call|output_parse_failed"
    ),
    _ErrorPattern(
        KeyRefused,
        r"invalid_api_key|incorrect api key|authentication_error|api key not valid|api_key_invalid|unauthenticated",
        (401, 403),
    ),
    _ErrorPattern(
        ModelMissing,
        r"model_not_found|no such model|unknown model|not a valid model|invalid model|deploymentnotfound"
        r"|model:? ?\S{0,200} (?:was )?(?:not found|does not exist|not exist)"
        r"|not_found_error.*model|models/\S+ is not found",
    ),
    _ErrorPattern(
        RateLimited,
        r"rate_limit|rate limit|too many requests|resource_exhausted|tokens per minute",
        (429,),
        (0, 413, 503),
    ),
    _ErrorPattern(
        ServerFailed,
        r"overloaded|server_error|internal_error|internal error|api_error"
        r"|unavailable|loading model|bad gateway|timeout",
        (408, 409, *range(500, 600)),
        (0,),
    ),
    _ErrorPattern(ProtocolBroken, "", (404, 405)),
    _ErrorPattern(Rejected, r"invalid_request|bad_request|invalid_argument|validation", tuple(range(400, 500))),
)


def error_from_server(
    context: ErrorContext, payload: Any, *, status: int = 0, headers: Mapping[str, str] | None = None
) -> GatewayError:
    """The error that a server reports by a status, or by an error object (text or JSON value) inside a good status."""
    codes, message = read_error_body(payload)
    if status < 400:
        status = next((int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code)), status)
    text = " ".join((*codes, message)).lower()
    error = next((pattern.error for pattern in _PATTERNS if pattern.matches(status, text)), ServerFailed)
    wait = retry_after(headers or {}, message)
    what, fix = _what_and_fix(error, context, text, status, wait)
    why = " ".join(message.split())[:_LONGEST_WHY] or ", ".join(codes) or f"HTTP {status}"
    if status and str(status) not in why and not message:
        why = f"HTTP {status}: {why}"
    fix = context.fix(error.__name__, fix)
    window = stated_window(error_parts(payload), message) if error is PromptTooLong else None
    if window:
        fix = f"set context.max_tokens in the agent file to {window}, or shorten the conversation"
    made = error(what, where=context.where, why=why, fix=fix, status=status, retry_after=wait)
    return made.replace(window=window) if window else made


def _what_and_fix(
    error: type[GatewayError], context: ErrorContext, text: str, status: int, wait: float | None
) -> tuple[str, str]:
    """What happened, and what to do about it."""
    name = context.name
    if error is ServerFailed and "loading model" in text:
        return f"{name} is still loading the model", "try again in a moment"
    if error is Rejected and "does not support" in text:
        return f"{name} says that {context.model!r} cannot do this", "choose another model, or take the feature out"
    messages: dict[type[GatewayError], tuple[str, str]] = {
        OutOfQuota: (f"the account at {name} has no quota left", "look at the account's billing page"),
        ContentFiltered: (f"the safety filter of {name} refused the prompt", "say it in other words"),
        PromptTooLong: (
            f"the prompt is too long for {context.model!r} at {name}",
            "set context.max_tokens in the agent file to the model's window, or shorten the conversation",
        ),
        ModelFailed: (
            f"{context.model!r} wrote a tool call that {name} could not parse",
            "try again, or another model",
        ),
        KeyRefused: (f"{name} refused the key", "check the key"),
        ModelMissing: (f"{name} has no model {context.model!r}", "check `model:` in the agent file"),
        RateLimited: (f"{name} asks us to slow down", _wait_fix(wait)),
        ServerFailed: (f"{name} failed" + (f" with status {status}" if status else ""), "try again later"),
        ProtocolBroken: (f"{name} has nothing at this address", context.check_url),
    }
    if status == 413 and error is Rejected:
        return f"the request is too large for {name}", "send fewer or smaller attachments"
    return messages.get(error, (f"{name} rejected the request", "see the server's words above"))


def _wait_fix(wait: float | None) -> str:
    return f"wait {wait:.0f} s" if wait is not None else "wait a little, then try again"
