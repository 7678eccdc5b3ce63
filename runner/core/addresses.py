"""Hosts and IP addresses: which are this machine, and which belong to the open internet. Nothing is resolved here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_METADATA = frozenset({"168.63.129.16", "192.0.0.192"})  # clouds' metadata services at public-looking addresses
_NAT64_LOCAL = 0x64FF9B0001  # 64:ff9b:1::/48, which ipaddress takes for public before Python 3.12.4


def host_of(url: str) -> str:
    """The host of a URL in lower case, without port and brackets; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine: localhost, any name below it, and every spelling of loopback.

    An unspecified address (0.0.0.0, ::) counts, since a connection to it ends here.
    """
    name = host.strip("[]").lower().rstrip(".")
    if name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost"):
        return True
    address = parse_address(name)
    if address is None:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_public(host: str) -> bool:
    """Whether an address, and any that an IPv6 transition form carries inside, belongs to the open internet.

    False for what is no address, and for a cloud's metadata service.
    """
    address = parse_address(host)
    if address is None or int(address) >> 80 == _NAT64_LOCAL:
        return False
    parts = (address, *_carried(address))
    return all(part.is_global and not part.is_multicast and str(part) not in _METADATA for part in parts)


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is written as, without brackets, zone and trailing dot; None for a name.

    The short, octal and hexadecimal forms of IPv4 that resolvers take (127.1, 0177.0.0.1, 2130706433) are read as well.
    """
    text = host.strip("[]").partition("%")[0].rstrip(".")
    if ":" not in text and not text.rpartition(".")[2][:1].isdigit():
        return None  # the quick answer for names, without an import
    import ipaddress  # lazy: few hosts are written as addresses

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        number = None if ":" in text else _legacy_ipv4(text)
        return None if number is None else ipaddress.IPv4Address(number)


def _legacy_ipv4(text: str) -> int | None:
    """The number that inet_aton makes of one to four parts, the last of which fills what is left of 32 bits."""
    parts = text.split(".")
    try:
        numbers = [int(part, 16 if part[:2].lower() == "0x" else 8 if part[:1] == "0" else 10) for part in parts]
    except ValueError:
        return None
    *heads, last = numbers
    if len(numbers) > 4 or any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        return None
    return sum(head << 8 * (3 - position) for position, head in enumerate(heads)) + last


def _carried(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The IPv4 addresses inside an IPv6 one: mapped, compatible, 6to4, Teredo, NAT64, ISATAP."""
    from ipaddress import IPv4Address  # lazy, as above

    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    high = int(address) >> 32
    if high in (0, 0xFFFF0000, 0x64FF9B << 64) or high & 0xFFFFFFFF in (0x5EFE, 0x02005EFE):
        yield low
