"""The error tree: who should catch what, and how a user reads it.

AgentRunError                     everything this package raises on purpose
├── UsageError                    the user's command line or call is wrong                    exit 2
│   ├── ConfigError               an agent or transcript file is wrong: carries every problem
│   ├── ContextOverflowError      system prompt and newest message alone exceed the window
│   └── SessionBusy               a second turn was begun while a stream is open
├── GatewayError                  the model could not be asked, or did not answer well        exit 4
│   ├── Unreachable               no connection: refused, DNS, reset before an answer
│   │   └── Untrusted             no secure connection: a certificate that cannot be verified, or no TLS
│   ├── TimedOut                  a timer ran out: connect, first token, gap, total
│   ├── RateLimited               429, with the wait the server asked for
│   ├── OutOfQuota                the account has no money or quota left
│   ├── ServerFailed              5xx, 408, 409, 529
│   ├── KeyRefused                401, 403, a missing key
│   ├── ModelMissing              the server does not know the model
│   ├── Rejected                  another 4xx: the request will not pass as it stands
│   │   └── PromptTooLong         the server says that the prompt exceeds its window
│   ├── ModelFailed               the model wrote what the server could not parse
│   ├── ContentFiltered           stopped by the server's safety filter
│   ├── ProtocolBroken            the server is not what it claims
│   ├── EmptyReply                no text and no call, also after a nudge
│   ├── ReplyInvalid              structured output still wrong after the retries
│   ├── IncompleteReply           the stream ended without its terminator
│   └── LocalDied                 the embedded model's process ended
├── LimitReached                  a limit of the agent file stopped the turn                  exit 4
├── StreamIncomplete              a handle was finalized before its stream was read           exit 4
├── TurnStopped                   a turn was stopped from elsewhere before its answer         exit 4
├── ToolsUnavailable              a tool server that the agent requires did not start         exit 4
├── RecordingError                a recording is missing, stale or of another format          exit 3
├── NeedsTrust                    the file executes or reaches out, and was not trusted       exit 6
└── Denied                        a tool call was not allowed, and the turn cannot go on      exit 6
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self


class AgentRunError(Exception):
    """Says what went wrong, where, why, and how to mend it; `code` is stable, `exit_code` is the process's."""

    code: ClassVar[str] = "AR-ERROR"
    exit_code: ClassVar[int] = 4

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def replace(self, **attributes: Any) -> Self:
        """The same error with other attributes (`where`, `why`, …); an error that is on its way is never changed."""
        other = type(self).__new__(type(self), attributes.get("what", self.what))
        other.__dict__.update(self.__dict__ | attributes)
        return other.with_traceback(self.__traceback__)

    def to_dict(self) -> dict[str, Any]:
        """The `error` event."""
        return {
            "type": "error",
            "code": self.code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "fix": self.fix,
        }

    def __str__(self) -> str:
        lines = [self.what]
        for label in ("where", "why", "fix"):
            if text := getattr(self, label):
                lines.append(f"  {label + ':':<6} {text}".replace("\n", "\n         "))
        return "\n".join(lines)


class UsageError(AgentRunError):
    """The command line or the call is wrong."""

    code = "USAGE"
    exit_code = 2


class ConfigError(UsageError):
    """A file is wrong; `problems` holds every one of them, in the order of the files and lines."""

    code = "CONFIG"

    def __init__(self, problems: Sequence[Any]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ContextOverflowError(UsageError):
    """The system prompt and the newest user message alone do not fit the context window."""

    code = "SES-OVERFLOW"


class SessionBusy(UsageError):
    """Another turn of this session is open, and did not end while this one waited."""

    code = "SES-BUSY"


class GatewayError(AgentRunError):
    """The model could not be asked, or did not answer well.

    `retryable`: asking again may help. `falls_back`: another model may be asked instead.
    `retry_after`: seconds the server asked us to wait, if it did. `status`: the HTTP status, 0 if there was none.
    """

    code = "GW-ERROR"
    retryable: ClassVar[bool] = False
    falls_back: ClassVar[bool] = True

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        fix: str = "",
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.status = status
        self.retry_after = retry_after


class Unreachable(GatewayError):
    """No connection, or one that broke before the first event."""

    code = "GW-UNREACHABLE"
    retryable = True


class Untrusted(Unreachable):
    """No secure connection, which waiting does not mend: a certificate, its authorities, or no TLS at all."""

    code = "GW-TLS"
    retryable = False


class TimedOut(GatewayError):
    """A timer ran out; the message names the timer and its key in the agent file."""

    code = "GW-TIMEOUT"
    retryable = True


class RateLimited(GatewayError):
    """The server asked us to slow down."""

    code = "GW-RATE"
    retryable = True


class OutOfQuota(GatewayError):
    """The account has no money or quota left: waiting does not help."""

    code = "GW-QUOTA"


class ServerFailed(GatewayError):
    """The server failed on its own account: 5xx, 408, 409, 529."""

    code = "GW-SERVER"
    retryable = True


class KeyRefused(GatewayError):
    """The key is missing, wrong, or may not be sent to this host."""

    code = "GW-KEY"


class ModelMissing(GatewayError):
    """The server does not know the model."""

    code = "GW-MODEL"


class Rejected(GatewayError):
    """The server will not take the request as it stands."""

    code = "GW-REJECTED"
    falls_back = False


class PromptTooLong(Rejected):
    """The server says that the prompt exceeds its context window; `window` is how many tokens fit, where it says so."""

    code = "GW-OVERFLOW"
    window: int | None = None


class ModelFailed(GatewayError):
    """The model wrote something that its server could not parse; asking once more may help."""

    code = "GW-MODEL-FAILED"
    retryable = True


class ContentFiltered(GatewayError):
    """The server's safety filter refused the prompt or stopped the reply."""

    code = "GW-FILTERED"
    falls_back = False


class ProtocolBroken(GatewayError):
    """What arrived is not what the dialect promises."""

    code = "GW-PROTOCOL"


class EmptyReply(GatewayError):
    """The model answered with nothing, also after a nudge."""

    code = "GW-EMPTY"
    falls_back = False


class ReplyInvalid(GatewayError):
    """Structured output that still breaks its schema after the retries."""

    code = "GW-REPLY"
    falls_back = False


class IncompleteReply(GatewayError):
    """The stream ended without its terminator; what arrived is kept and marked."""

    code = "GW-INCOMPLETE"
    falls_back = False


class LocalDied(GatewayError):
    """The embedded model's process ended; the session is kept."""

    code = "GW-LOCAL"


class LimitReached(AgentRunError):
    """A limit of the agent file stopped the turn; all that was said is kept."""

    code = "LIMIT"


class StreamIncomplete(AgentRunError):
    """A handle was finalized before its stream had been read to the end."""

    code = "SES-STREAM"


class TurnStopped(AgentRunError):
    """A turn was stopped from elsewhere before it had an answer, as by leaving its session."""

    code = "SES-STOPPED"


class ToolsUnavailable(AgentRunError):
    """A server of tools that the agent requires did not start."""

    code = "MCP-START"


class RecordingError(AgentRunError):
    """A recording is missing, exhausted or of another format."""

    code = "RECORDING"
    exit_code = 3


class NeedsTrust(AgentRunError):
    """The file can execute or reach out, and nobody consented to it."""

    code = "TRUST"
    exit_code = 6


class Denied(AgentRunError):
    """A tool call was not allowed, and the turn cannot go on without it."""

    code = "DENIED"
    exit_code = 6
