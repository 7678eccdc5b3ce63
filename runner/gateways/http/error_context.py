"""The server and the model that an error message names, and the fixes that it offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """The server's name, its address and the model; `fixes` maps an error's class name to that server's own remedy."""

    name: str = "the server"
    where: str = ""
    model: str = ""
    fixes: Mapping[str, str] = field(default_factory=dict)

    def fix(self, error_class: str, otherwise: str = "") -> str:
        """What to do about an error of this class."""
        return self.fixes.get(error_class, otherwise).replace("{model}", self.model)

    @property
    def check_url(self) -> str:
        """What to do where no such server answers."""
        return self.fix("ProtocolBroken", "check the gateway's url: is /v1 missing?")
