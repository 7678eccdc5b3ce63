"""The address guard: which hosts and addresses a tool may reach.

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

from runner.core.addresses import is_loopback, is_public, parse_address
from runner.tools.context import ToolFailed

if TYPE_CHECKING:
    import ipaddress

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """What may be reached: the url's own host, and what the file lists: `host`, `host:port`, `*.host`, `10.0.0.0/8`.

    A listed address or network is reached although it is private; a name alone never opens a private address.
    """

    own_host: str
    listed: tuple[str, ...]

    @classmethod
    def of(cls, url: str, hosts: tuple[str, ...]) -> AllowedHosts:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        listed = tuple(host_pattern.lower() for host_pattern in hosts)
        own_host = f"{_in_brackets(host)}:{port_of(parts)}"
        return cls("", (own_host, *listed)) if is_loopback(host) else cls(_in_brackets(host), listed)

    def resolve(self, host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
        """Where an allowed host is, every address checked. Raises ToolFailed, and OSError if the name is not found."""
        if not self._allows_name(host, port):
            allowed = ", ".join(filter(None, (self.own_host, *self.listed)))
            raise ToolFailed(f"{_in_brackets(host)}:{port} is not among the hosts this tool may reach: {allowed}")
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses: list[tuple[socket.AddressFamily, str]] = [
            (family, str(address[0])) for family, _, _, _, address in answers
        ]
        for _, address in addresses:
            if not (is_public(address) or self._allows_address(host, address, port)):
                raise ToolFailed(
                    f"{host} leads to {address}, which is not a public address; "
                    "an agent file that means it lists that address under `hosts`"
                )
        return addresses

    def _allows_name(self, host: str, port: int) -> bool:
        name = _in_brackets(host)
        if name == self.own_host or any(fnmatchcase(name, entry) or f"{name}:{port}" == entry for entry in self.listed):
            return True
        return bool(host) and self._allows_address(host, host, port)

    def _allows_address(self, host: str, address: str, port: int) -> bool:
        parsed = parse_address(address)
        if parsed is None:
            return False
        if is_loopback(host) and is_loopback(address) and parse_address(host) is None:
            return True
        return any(parsed in network for network in self._networks(port))

    def _networks(self, port: int) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        import ipaddress  # lazy: with http tools alone

        for entry in self.listed:
            with suppress(ValueError):
                yield ipaddress.ip_network(entry.removesuffix(f":{port}").strip("[]"))


def port_of(parts: SplitResult) -> int:
    try:
        return parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ToolFailed(f"the url's port is none: {error}") from error


def authority(parts: SplitResult) -> str:
    host = _in_brackets((parts.hostname or "").lower())
    port = port_of(parts)
    return host if port == PORTS.get(parts.scheme) else f"{host}:{port}"


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host
