"""One entry under `tools:` of an agent file, and the settings of the agent that its tools are opened with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.tools.context import Context, ToolOutput

if TYPE_CHECKING:
    from runner.tools.trusted_files import TrustedFiles


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """A tool as a file declares it: its kind ("builtin", "python", "command", …), its options, and where it stands.

    Paths in the options are relative to `folder`. The options `effects` and `timeout` may stand at every kind.
    `written` are the options before placeholders were filled in.
    """

    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    folder: Path = Path()
    written: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """What a kind may need to open an entry.

    `ask_agent` sends a message to the agent of another file and gives its answer, `describe_agent` gives that agent's
    description; `ask_agent` is None where agents cannot be tools. `seconds` and `output_bytes` are the agent's limits
    for one call; `environ` is the environment that programs get a part of; `notify` tells the user of a tool that
    cannot be had; `trusted` holds files to what was consented to, None where no file needs consent; `strict` makes a
    tool that changed since the user first saw it an error, for where nobody can be asked.
    """

    ask_agent: Callable[[Path, str, Context], ToolOutput] | None = None
    seconds: float = 120
    output_bytes: int = 65_536
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    notify: Callable[[str], None] = lambda text: None
    strict: bool = False
    describe_agent: Callable[[Path], str] = lambda path: ""
    trusted: TrustedFiles | None = None

    def check_files(self, entry: ToolEntry) -> None:
        """Raise NeedsTrust if a file that the entry runs is not the one that was consented to."""
        if self.trusted is not None:
            self.trusted.check(entry)
