"""Which hosts and addresses a tool may reach.

A name is resolved once and the connection goes to the address that was checked here, so that no second answer of a DNS
server can lead elsewhere. Private, link-local, loopback and metadata addresses are reached only where the file lists
them, in any of the forms that IPv6 wraps around them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from runner.tools.context import ToolFailed

if TYPE_CHECKING:
    import ipaddress

PORTS = {"http": 80, "https": 443}
_METADATA = frozenset({"168.63.129.16", "192.0.0.192"})  # clouds' metadata services at public-looking addresses


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached: the url's own host, and what the file lists: `host`, `host:port`, `*.host`, `10.0.0.0/8`.

    A listed address or network is reached although it is private; a name alone never opens a private address.
    """

    own: str
    listed: tuple[str, ...]

    @classmethod
    def of(cls, url: str, hosts: tuple[str, ...]) -> Reach:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        listed = tuple(each.lower() for each in hosts)
        own = f"{_bracketed(host)}:{port_of(parts)}"
        return cls("", (own, *listed)) if is_loopback(host) else cls(_bracketed(host), listed)

    def addresses(self, host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
        """Where an allowed host is, every address checked. Raises ToolFailed, and OSError if the name is not found."""
        if not self._names(host, port):
            allowed = ", ".join(filter(None, (self.own, *self.listed)))
            raise ToolFailed(f"{_bracketed(host)}:{port} is not among the hosts this tool may reach: {allowed}")
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses: list[tuple[socket.AddressFamily, str]] = [
            (family, str(address[0])) for family, _, _, _, address in found
        ]
        for _, address in addresses:
            if not (is_public(address) or self._opens(host, address, port)):
                raise ToolFailed(
                    f"{host} leads to {address}, which is not a public address; "
                    "an agent file that means it lists that address under `hosts`"
                )
        return addresses

    def _names(self, host: str, port: int) -> bool:
        name = _bracketed(host)
        if name == self.own or any(fnmatchcase(name, each) or f"{name}:{port}" == each for each in self.listed):
            return True
        return bool(host) and self._opens(host, host, port)

    def _opens(self, host: str, address: str, port: int) -> bool:
        import ipaddress  # lazy: with http tools alone

        try:
            meant = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if host == "localhost" and meant.is_loopback:
            return True
        return any(meant in network for network in self._networks(port))

    def _networks(self, port: int) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        import ipaddress  # lazy, as above

        for each in self.listed:
            with suppress(ValueError):
                yield ipaddress.ip_network(each.removesuffix(f":{port}").strip("[]"))


def is_public(address: str) -> bool:
    """The address, and any that an IPv6 transition form carries inside, belongs to the open internet."""
    import ipaddress  # lazy: with http tools alone

    whole = ipaddress.ip_address(address.partition("%")[0])
    return all(
        each.is_global and not each.is_multicast and str(each) not in _METADATA for each in (whole, *_carried(whole))
    )


def _carried(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    import ipaddress  # lazy, as above

    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    high = int(address) >> 32
    if high in (0, 0xFFFF0000, 0x64FF9B << 64) or high & 0xFFFFFFFF in (0x5EFE, 0x02005EFE):
        yield low


def port_of(parts: SplitResult) -> int:
    try:
        return parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ToolFailed(f"the url's port is none: {error}") from error


def authority(parts: SplitResult) -> str:
    host = _bracketed((parts.hostname or "").lower())
    port = port_of(parts)
    return host if port == PORTS.get(parts.scheme) else f"{host}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())
