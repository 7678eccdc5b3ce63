"""What it means that a connection fails, breaks off, or carries something else than a reply, as our errors."""

from __future__ import annotations

from collections.abc import Mapping

from runner.core.errors import GatewayError, IncompleteReply, ProtocolBroken, TimedOut, Unreachable, Untrusted
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.messages import ProxyFailed

_CERTIFICATE_FIXES: Mapping[str, str] = {
    "certificate has expired": "whoever runs the server has to renew it; or is this machine's clock wrong?",
    "not yet valid": "check this machine's clock",
    "Hostname mismatch": "write the host that the certificate is for into the gateway's url",
    "IP address mismatch": "write the host that the certificate is for into the gateway's url",
}


def connection_error(context: ErrorContext, error: Exception) -> GatewayError:
    """What an error of the socket means, before any event has come."""
    from http.client import HTTPException, IncompleteRead  # lazy: it brings the email package

    name = context.name
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
        what, fix = (
            f"{name} is not running at {context.where}",
            context.fix("Unreachable", "start it, or check its url"),
        )
    elif isinstance(error, HTTPException) and not isinstance(error, ConnectionError | IncompleteRead):
        return ProtocolBroken(f"{name} does not speak HTTP", why=_reason(error), fix=context.check_url)
    elif "WRONG_VERSION_NUMBER" in str(error):
        what, fix = f"{name} does not speak TLS at this address", "write http:// in its url, or check the port"
        return Untrusted(what, why=_reason(error), fix=fix)
    elif "CERTIFICATE_VERIFY" in str(error):
        what = f"the certificate of {name} cannot be trusted"
        return Untrusted(what, why=_reason(error), fix=_certificate_fix(str(error)))
    elif "getaddrinfo" in str(error) or type(error).__name__ == "gaierror":
        what, fix = f"{name} cannot be found", "check the host in the gateway's url, and the network"
    else:
        what, fix = f"the connection to {name} broke before an answer came", "try again, or check its url"
    return Unreachable(what, why=_reason(error), fix=fix)


def interrupted_reply(context: ErrorContext, error: Exception, events: int) -> IncompleteReply:
    """A connection that broke in the middle of an answer."""
    return IncompleteReply(
        f"the connection to {context.name} broke in the middle of the answer",
        why=f"{_reason(error)}, after {events} events",
        fix="ask it to continue, or try again",
    )


def missing_terminator(context: ErrorContext, events: int) -> IncompleteReply:
    """An answer that ended without its terminator."""
    return IncompleteReply(
        f"the answer of {context.name} ended without its terminator",
        why=f"the server closed the stream after {events} events",
        fix="ask it to continue, or try again",
    )


def not_a_reply(context: ErrorContext, data: bytes, content_type: str) -> ProtocolBroken:
    """A good status over something that the dialect does not know; the first bytes are shown."""
    if not data.strip():
        what, why = f"{context.name} answered with nothing", "the body is empty"
        return ProtocolBroken(what, why=why, fix=context.check_url)
    start = " ".join(data[:200].decode("utf-8", "replace").split())
    return ProtocolBroken(
        f"{context.name} does not answer as a model server does",
        why=f"content type {content_type or 'unknown'}: {start}",
        fix=context.check_url,
    )


def _certificate_fix(reason: str) -> str:
    """What helps against a certificate that OpenSSL refuses with this reason."""
    for words, fix in _CERTIFICATE_FIXES.items():
        if words in reason:
            return fix
    return "set SSL_CERT_FILE, or quirks: {ca_bundle: FILE} of the gateway, to your authority's certificate"


def _reason(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
