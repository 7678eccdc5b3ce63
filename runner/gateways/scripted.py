"""Gateway that answers from an agent file's `script:`, for demos and tests: one entry a reply, in order.

An entry holds any of: `text`; `chunks` (the pieces instead of `text`, or with it their lengths); `thinking`; `calls`
(`[{tool: arguments}]`, arguments as a mapping or as the text a model might write); `usage` (`{input, output, cached,
reasoning}`); `finish` (`incomplete` breaks off before the terminator); `delay` (seconds before each piece); `error`
(`{status, retry_after, message}`, raised after the pieces if there are any; without a status the connection breaks).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import GatewayError, IncompleteReply, Rejected, Unreachable
from runner.core.messages import Usage
from runner.core.sanitize import replace_surrogates
from runner.core.spelling import counted
from runner.gateways import Capabilities, Request

Entry = Mapping[str, Any]

_WORDS = re.compile(r"\s*\S+|\s+")


class Scripted:
    """Answers from a script. A string in it stands for `{text: …}`.

    `position` counts the entries already used, those that failed or were abandoned too: keep it with a session and
    set it again when the session is resumed, and the script goes on where it was.
    """

    def __init__(
        self,
        script: Iterable[Entry | str] = (),
        *,
        name: str = "scripted",
        position: int = 0,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name = name
        self.script = tuple({"text": entry} if isinstance(entry, str) else entry for entry in script)
        self.position = position
        self._capabilities = capabilities or Capabilities()

    @property
    def where(self) -> str:
        """The entry that the next reply is taken from."""
        return f"script, entry {self.position + 1} of {len(self.script)}"

    def capabilities(self, model: str) -> Capabilities:
        return self._capabilities

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The next entry's chunks; asking uses the entry up. Raises Rejected past the end, and the entry's `error`."""
        where, number = self.where, self.position
        if number >= len(self.script):
            raise Rejected(
                "the script has no more replies",
                where="`script:` in the agent file",
                why=f"{counted(len(self.script), 'entry', 'entries')} in all; reply {number + 1} was asked for",
                fix="add an entry under `script:`",
            )
        self.position += 1
        return _reply(self.script[number], number, where, request)

    def close(self) -> None:
        """Nothing is held."""


def _reply(entry: Entry, number: int, where: str, request: Request) -> Iterator[Chunk]:
    cancel = request.cancel
    delay = entry.get("delay", 0)
    for chunk in _chunks(entry, number, whole=not request.stream):
        if delay:
            cancel.wait(delay)
        cancel.check()
        yield chunk
    if (error := entry.get("error")) is not None:
        raise _scripted_error(error, where)
    finish = entry.get("finish", "tool_calls" if entry.get("calls") else "stop")
    if finish == "incomplete":
        raise IncompleteReply("the reply broke off before its end", where=where)
    yield DoneChunk(finish, finish, _usage(entry.get("usage")), request.model)


def _chunks(entry: Entry, number: int, *, whole: bool) -> Iterator[Chunk]:
    if thinking := entry.get("thinking"):
        yield ThinkingChunk(replace_surrogates(thinking))
    pieces = _pieces(entry.get("text", ""), entry.get("chunks"))
    for piece in ("".join(pieces),) if whole else pieces:
        if piece:
            yield TextChunk(replace_surrogates(piece))
    for index, call in enumerate(entry.get("calls", ())):
        ((tool, arguments),) = call.items()
        yield CallChunk(index, f"call_{number + 1}_{index + 1}", tool, arguments)


def _pieces(text: str, chunks: Sequence[str] | Sequence[int] | None) -> Iterable[str]:
    """The text word by word, or as `chunks` cuts it; what lengths leave over is one more piece."""
    if chunks is None:
        return _WORDS.findall(text)
    if chunks and isinstance(chunks[0], str):
        return chunks  # type: ignore[return-value]
    return _cut(text, chunks)  # type: ignore[arg-type]


def _cut(text: str, lengths: Sequence[int]) -> Iterator[str]:
    start = 0
    for length in lengths:
        yield text[start : start + length]
        start += length
    yield text[start:]


def _usage(counts: Mapping[str, int] | None) -> Usage | None:
    return None if counts is None else Usage(**{f"{kind}_tokens": count for kind, count in counts.items()})


def _scripted_error(error: Mapping[str, Any], where: str) -> GatewayError:
    """What a server's answer of the same status and message would raise."""
    status, message = error.get("status", 0), error.get("message", "")
    if not status:
        return Unreachable("the script breaks the connection", where=where, why=message)
    from runner.gateways.http.error_context import ErrorContext  # lazy, as the next: most scripts never fail
    from runner.gateways.http.status_errors import error_from_server

    wait = error.get("retry_after")
    headers = {} if wait is None else {"retry-after": str(wait)}
    return error_from_server(ErrorContext("the script", where), message, status=status, headers=headers)
