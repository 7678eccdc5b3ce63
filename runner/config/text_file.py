"""Text files: read as UTF-8, bounded, with a diagnostic for what cannot be read."""

from __future__ import annotations

import errno
from pathlib import Path

from runner.config.diagnostics import Diagnostic
from runner.core.errors import ConfigError
from runner.core.files import read_bounded

MAX_BYTES = 1_000_000


def read_text(path: Path | str, max_bytes: int = MAX_BYTES) -> str:
    """A file's text, UTF-8 with or without a byte order mark. Raises ConfigError."""
    shown = str(path)
    try:
        data = read_bounded(path, max_bytes)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError([Diagnostic(shown, 0, 0, f"the file is {error.strerror}")]) from None
        hint = "name a file" if isinstance(error, IsADirectoryError) else ""
        raise ConfigError(
            [Diagnostic(shown, 0, 0, f"cannot be read: {(error.strerror or 'error').lower()}", hint)]
        ) from None
    except ValueError:
        raise ConfigError([Diagnostic(shown, 0, 0, "cannot be read: no file can have this name")]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([encoding_diagnostic(shown, data, error.start)]) from None
    if "\0" in text:
        raise ConfigError([encoding_diagnostic(shown, data, data.index(0))])
    return text


def encoding_diagnostic(path: str, data: bytes, at: int) -> Diagnostic:
    """Says of a file that is not UTF-8 text what it is: text in another encoding, or no text at all."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[1:4:2] == b"\0\0" or data[0:3:2] == b"\0\0":
        return Diagnostic(path, 1, 1, "the file is UTF-16 text", "save it as UTF-8")
    line, column = data.count(b"\n", 0, at) + 1, at - data.rfind(b"\n", 0, at)
    if b"\0" in data:
        return Diagnostic(path, line, column, "the file is not text")
    column = len(data[at - column + 1 : at].decode("utf-8", "replace")) + 1
    return Diagnostic(path, line, column, f"the byte 0x{data[at]:02X} is not UTF-8 text", "save the file as UTF-8")
