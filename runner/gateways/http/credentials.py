"""Addresses and keys: where they come from, and the only hosts that a key may go to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from runner.core.addresses import host_of, is_loopback
from runner.core.errors import KeyRefused, Rejected
from runner.core.sanitize import is_printable_ascii
from runner.core.secrets import is_secret_name, redact
from runner.gateways.catalogue import CATALOGUE, GatewayPreset

_SHORTEST_SECRET = 8
_VARIABLE = re.compile(r"\$\{env:(\w+)\}")


@dataclass(frozen=True, slots=True)
class Key:
    """A gateway's key: `given` by the program, or read from `variable` when the first request is made.

    `hosts`: where the user allows it to go besides the catalogue's own hosts and this machine. `extra`: headers that
    the gateway sends besides.
    """

    gateway: str
    variable: str = ""
    given: str | None = None
    header: str = "Authorization"
    prefix: str = "Bearer "
    hosts: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    def headers(self, url: str) -> dict[str, str]:
        """The headers that go to `url`: the key's, and the gateway's own ones, which win. Raises KeyRefused."""
        self._check_extra(url)
        found = dict(self.extra)
        if not any(name.lower() == self.header.lower() for name in found) and (value := self._value(url)):
            found[self.header] = self.prefix + value
        for name, value in found.items():
            if not is_printable_ascii(name + value):
                raise KeyRefused(
                    f"the header {name} of {self.gateway} holds characters that no header can carry",
                    where=url,
                    fix=f"set {self.variable or 'it'} again, without quotes or line breaks",
                )
        return found

    @property
    def remedy(self) -> str:
        """What to do where the server refuses the key."""
        if self.given is not None:
            return "check the key that the program gives"
        if not self.variable:
            return f"name the variable that holds the key as `key_from` of the gateway {self.gateway}"
        return f"check {self.variable}" if os.environ.get(self.variable) else f"export {self.variable}=…"

    def redact(self, text: str) -> str:
        """The text without the key, the values of the gateway's own headers, and any text of a secret's shape."""
        for secret in (self.given or os.environ.get(self.variable, ""), *self.extra.values()):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[redacted]")
        return redact(text)

    def _value(self, url: str) -> str:
        value = (self.given if self.given is not None else os.environ.get(self.variable, "")).strip()
        if value:
            self._check(url, self.variable)
        elif self.variable and host_of(url) in _homes(self.variable) and not is_loopback(host_of(url)):
            raise KeyRefused(
                f"{self.gateway} needs a key, and {self.variable} is not set",
                where=url,
                fix=f"export {self.variable}=…",
            )
        return value

    def _check_extra(self, url: str) -> None:
        """Hold a known key that hides in another header to the same rules, and what the header's name calls a key."""
        if not self.extra:
            return
        if urlsplit(url).scheme != "https" and any(map(is_secret_name, self.extra)) and not is_loopback(host_of(url)):
            raise self._in_clear(url)
        for variable in {preset.key_from for preset in CATALOGUE.values()} | {self.variable}:
            value = os.environ.get(variable, "")
            if len(value) >= _SHORTEST_SECRET and any(value in each for each in self.extra.values()):
                self._check(url, variable)

    def _check(self, url: str, variable: str) -> None:
        host = host_of(url)
        if is_loopback(host):
            return
        if urlsplit(url).scheme != "https":
            raise self._in_clear(url)
        given = self.given is not None and variable == self.variable
        if not given and host not in _homes(variable) and host not in self.hosts:
            raise KeyRefused(
                f"refused to send {variable} to {host}",
                where=url,
                why="a key goes only to its own service and to hosts that you listed yourself",
                fix=f"if you trust it, add {host} to `hosts` in your config.yaml",
            )

    def _in_clear(self, url: str) -> KeyRefused:
        what = f"refused to send the key of {self.gateway} in clear text to {host_of(url)}"
        return KeyRefused(what, where=url, fix="use an https:// url")


def address(preset: GatewayPreset) -> str:
    """The url of a catalogue preset: from the user's environment where the preset names a variable, or its own."""
    named = os.environ.get(preset.url_from, "") if preset.url_from else ""
    return named or _VARIABLE.sub(lambda found: os.environ.get(found[1], "").rstrip("/"), preset.url)


def check_url(name: str, url: str) -> None:
    """Raise Rejected for what no connection can be made to."""
    labels = host_of(url).strip(".").split(".")
    try:
        good = urlsplit(url).scheme in ("http", "https") and urlsplit(url).port != 0
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", url) or not all(0 < len(label) < 64 for label in labels):
        raise Rejected(
            f"{name} has no address that can be asked" if url else f"{name} has no address",
            why=f"its url is {url!r}",
            fix=_address_fix(name),
        )


def _address_fix(name: str) -> str:
    preset = CATALOGUE.get(name)
    if preset and os.environ.get(preset.url_from):
        return f"export {preset.url_from}=http://… or https://…"
    for variable in _VARIABLE.findall(preset.url) if preset else ():
        if not os.environ.get(variable):
            return f"export {variable}=https://…"
    return "set the gateway's url to one that begins with http:// or https://"


def proxy_to(url: str) -> str:
    """The proxy that the environment names for this address; this machine is asked without one."""
    if is_loopback(host_of(url)) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass  # lazy: few have proxies

    proxies = getproxies()
    proxy = proxies.get(urlsplit(url).scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass(host_of(url)):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _homes(variable: str) -> set[str]:
    """The hosts whose key `variable` is, by the catalogue and by the user's own environment."""
    homes: set[str] = set()
    for preset in CATALOGUE.values():
        if preset.key_from == variable:
            homes |= {host_of(preset.url), host_of(address(preset))}
    return homes - {""}
