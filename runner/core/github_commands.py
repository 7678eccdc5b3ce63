"""GitHub's workflow commands: lines of a job's output that it shows beside the files of a pull request."""

from __future__ import annotations

import os
import re

from runner.core.sanitize import sanitize
from runner.core.secrets import redact_known


def workflow_command(name: str, message: str, **properties: str | int) -> str:
    """`::name key=value,key=value::message` as one line, all in it escaped and secrets masked.

    `name` is error, warning or notice.
    """
    listed = ",".join(f"{key}={_escape_property(str(value))}" for key, value in properties.items())
    return f"::{name} {listed}::{_escape(message)}"


def disarm_commands(text: str) -> str:
    """The text without lines that GitHub would obey, for what a job prints: `::name::` at a line's beginning, `##[`."""
    if "::" not in text and "##[" not in text:
        return text
    return re.sub(r"(?m)^(\s*):(?=:)", r"\1\\:", text).replace("##[", r"##\[")


def _escape(text: str) -> str:
    return redact_known(sanitize(text), os.environ).replace("%", "%25").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
