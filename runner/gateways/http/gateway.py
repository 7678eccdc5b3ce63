"""What the gateways over the wire have in common: their making, their address, their quirks and their end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from runner.core.errors import UsageError
from runner.gateways.catalogue import CATALOGUE, GatewayPreset
from runner.gateways.http.credentials import Key, address
from runner.gateways.http.transport import Wire

# Any server may need these: the header that carries the key, and a file of authorities to trust.
_COMMON: Mapping[str, Any] = {"key_header": "", "ca_bundle": ""}


class Remote:
    """A server that speaks `dialect`; making one does no I/O.

    `url`, `key`, `headers`: in place of the catalogue's. `name`: a preset of the catalogue, or the agent file's own
    name. `key_from`: the variable that holds the key. `hosts`: where else the key may go. `quirks`: how the server
    departs from its dialect. Raises UsageError for a quirk that there is not.
    """

    dialect: ClassVar[str]
    key_header: ClassVar[str] = "Authorization"
    key_prefix: ClassVar[str] = "Bearer "
    known_quirks: ClassVar[Mapping[str, Any]] = {}
    first_token: ClassVar[float] = 120.0
    fixes: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *,
        url: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "",
        key_from: str | None = None,
        quirks: Mapping[str, Any] | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        self.name = name or self.dialect
        preset = CATALOGUE.get(self.name) or GatewayPreset(self.dialect)
        known = {**_COMMON, **self.known_quirks}
        self.quirks = {**known, **(preset.quirks if preset.dialect == self.dialect else {}), **(quirks or {})}
        for quirk in self.quirks.keys() - known.keys():
            raise UsageError(f"unknown quirk {quirk!r}", fix=f"one of {', '.join(sorted(known))}")
        bound = Key(
            self.name,
            preset.key_from if key_from is None else key_from,
            key,
            header=self.quirks["key_header"] or self.key_header,
            prefix="" if self.quirks["key_header"] else self.key_prefix,
            hosts=tuple(host.lower() for host in hosts),
            extra={**preset.headers, **(headers or {})},
        )
        self.wire = Wire(
            self.name,
            self._spelled_out(url or address(preset)),
            bound,
            first_token=self.first_token,
            fixes=self.fixes,
            ca_bundle=self.quirks["ca_bundle"],
        )

    @staticmethod
    def _spelled_out(url: str) -> str:
        """The url that was meant, for dialects whose addresses may be written shorter."""
        return url

    @property
    def where(self) -> str:
        return self.wire.where

    def close(self) -> None:
        self.wire.close()
