"""A gateway's key and headers: where they come from, and the only hosts that they may go to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.core.addresses import host_of, is_cleartext, is_loopback
from runner.core.cleartext import found_in_clear
from runner.core.errors import KeyRefused
from runner.core.sanitize import is_printable_ascii
from runner.core.secrets import redact_known
from runner.gateways.catalogue import CATALOGUE
from runner.gateways.http.server_urls import preset_url

_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True)
class Credentials:
    """A gateway's key: `key` from the program, or read from `variable` when the first request is made.

    `hosts`: where the user allows it to go besides the catalogue's own hosts and this machine. `extra_headers`: what
    the gateway sends besides.
    """

    gateway: str
    variable: str = ""
    key: str | None = None
    header: str = "Authorization"
    prefix: str = "Bearer "
    hosts: tuple[str, ...] = ()
    extra_headers: Mapping[str, str] = field(default_factory=dict)

    def headers_for(self, url: str) -> dict[str, str]:
        """The headers that go to `url`: the key's, and the gateway's own ones, which win. Raises KeyRefused."""
        self._check_extra_headers(url)
        headers = dict(self.extra_headers)
        if not any(name.lower() == self.header.lower() for name in headers) and (value := self._key(url)):
            headers[self.header] = self.prefix + value
        for name, value in headers.items():
            if not is_printable_ascii(name + value):
                raise KeyRefused(
                    f"the header {name} of {self.gateway} holds characters that no header can carry",
                    where=url,
                    fix=f"set {self.variable or 'it'} again, without quotes or line breaks",
                )
        return headers

    @property
    def fix(self) -> str:
        """What to do where the server refuses the key."""
        if self.key is not None:
            return "check the key that the program gives"
        if not self.variable:
            return f"name the variable that holds the key as `key_from` of the gateway {self.gateway}"
        return f"check {self.variable}" if os.environ.get(self.variable) else f"export {self.variable}=…"

    def redact(self, text: str) -> str:
        """The text without the key, the values of the gateway's own headers, and any text of a secret's shape."""
        from runner.core.encoded_secrets import secret_finder  # lazy: only where something is shown

        for secret in (self.key or os.environ.get(self.variable, ""), *self.extra_headers.values()):
            if len(secret) >= _SHORTEST_SECRET:
                text = secret_finder({"key": secret}).redact(text, lambda _: "[redacted]")
        return redact_known(text, os.environ)

    def _key(self, url: str) -> str:
        value = (self.key if self.key is not None else os.environ.get(self.variable, "")).strip()
        if value:
            self._check_host(url, self.variable)
        elif self.variable and host_of(url) in _own_hosts(self.variable) and not is_loopback(host_of(url)):
            raise KeyRefused(
                f"{self.gateway} needs a key, and {self.variable} is not set",
                where=url,
                fix=f"export {self.variable}=…",
            )
        return value

    def _check_extra_headers(self, url: str) -> None:
        """Hold a known key that hides in another header to the same rules, and what the header's name calls a key."""
        part, what = found_in_clear(url, self.extra_headers, os.environ)
        if part:
            raise self._in_clear_text(url, f"{what} in the address" if part == "url" else what)
        if not self.extra_headers:
            return
        for variable in {preset.key_from for preset in CATALOGUE.values()} | {self.variable}:
            value = os.environ.get(variable, "")
            if len(value) >= _SHORTEST_SECRET and any(value in header for header in self.extra_headers.values()):
                self._check_host(url, variable)

    def _check_host(self, url: str, variable: str) -> None:
        host = host_of(url)
        if is_loopback(host):
            return
        if is_cleartext(url):
            raise self._in_clear_text(url, "the key")
        from_program = self.key is not None and variable == self.variable
        if not from_program and host not in _own_hosts(variable) and host not in self.hosts:
            raise KeyRefused(
                f"refused to send {variable} to {host}",
                where=url,
                why="a key goes only to its own service and to hosts that you listed yourself",
                fix=f"if you trust it, add {host} to `hosts` in your config.yaml",
            )

    def _in_clear_text(self, url: str, what: str) -> KeyRefused:
        what = f"refused to send {what} of {self.gateway} in clear text to {host_of(url)}"
        return KeyRefused(what, where=url, fix="use an https:// url")


def _own_hosts(variable: str) -> set[str]:
    """The hosts whose key `variable` is, by the catalogue and by the user's own environment."""
    hosts: set[str] = set()
    for preset in CATALOGUE.values():
        if preset.key_from == variable:
            hosts |= {host_of(preset.url), host_of(preset_url(preset))}
    return hosts - {""}
