"""A route: one model behind one gateway, with the options it is asked with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.gateways import Gateway


@dataclass(frozen=True, slots=True)
class Route:
    """One model behind one gateway, with the options it is asked with; `where` a file names it."""

    gateway: Gateway
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    def __str__(self) -> str:
        return f"{self.gateway.name}/{self.model}"
