"""A gateway over HTTP: what all dialects share, from the preset and the keywords to a transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from runner.core.addresses import host_of
from runner.core.errors import UsageError
from runner.core.policy import Timeouts
from runner.gateways.catalogue import CATALOGUE, GatewayPreset
from runner.gateways.http.credentials import Credentials
from runner.gateways.http.server_urls import preset_url
from runner.gateways.http.transport import HttpTransport

# Any server may need these: the header that carries the key, and a file of authorities to trust.
_COMMON_QUIRKS: Mapping[str, Any] = {"key_header": "", "ca_bundle": ""}


class HttpGateway:
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
    models_path: ClassVar[str] = ""
    """Where the server lists its models; empty where it does not."""

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
        known = {**_COMMON_QUIRKS, **self.known_quirks}
        self.quirks = {**known, **(preset.quirks if preset.dialect == self.dialect else {}), **(quirks or {})}
        self._is_cache_set = "cache" in (quirks or {})
        for quirk in self.quirks.keys() - known.keys():
            raise UsageError(f"unknown quirk {quirk!r}", fix=f"one of {', '.join(sorted(known))}")
        credentials = Credentials(
            self.name,
            preset.key_from if key_from is None else key_from,
            key,
            header=self.quirks["key_header"] or self.key_header,
            prefix="" if self.quirks["key_header"] else self.key_prefix,
            hosts=tuple(host.lower() for host in hosts),
            extra_headers={**preset.headers, **(headers or {})},
        )
        self.transport = self._transport(HttpTransport, self._normalized_url(url or preset_url(preset)), credentials)

    def _transport(self, kind: type[HttpTransport], url: str, credentials: Credentials) -> HttpTransport:
        return kind(
            self.name,
            url,
            credentials,
            first_token=self.first_token,
            fixes=self.fixes,
            ca_bundle=self.quirks["ca_bundle"],
        )

    @staticmethod
    def _normalized_url(url: str) -> str:
        """The url that was meant, for dialects whose addresses may be written shorter."""
        return url

    @property
    def where(self) -> str:
        return self.transport.where

    @property
    def caches(self) -> bool:
        """Whether requests may speak of the server's cache: the preset's own server knows that, others by a quirk."""
        if not self.quirks.get("cache"):
            return False
        own = CATALOGUE.get(self.name)
        return self._is_cache_set or (own is not None and host_of(own.url) == host_of(self.transport.url))

    def count_models(self, timeouts: Timeouts) -> int | None:
        """How many models the server lists, which tells that it is there and takes the key; None if it has no list.

        Raises GatewayError.
        """
        if not self.models_path:
            return None
        from runner.gateways.http.client import HttpClient  # lazy: httpx, for the doctor alone

        client = self._transport(HttpClient, self.transport.url, self.transport.credentials)
        listed = client.get_json(self.models_path, timeouts=timeouts)
        models = (listed.get("models") or listed.get("data")) if isinstance(listed, dict) else None
        return len(models) if isinstance(models, list) else 0

    def close(self) -> None:
        self.transport.close()
