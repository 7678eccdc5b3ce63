"""Hosts and IP addresses: which are this machine, and which belong to the open internet. Nothing is resolved here."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

NOT_PUBLIC: tuple[str, ...] = (
    # IANA's special-purpose registry of IPv4: all that is not globally reachable, and what is reserved.
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private use
    "100.64.0.0/10",  # shared address space of carriers
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, and most clouds' metadata
    "172.16.0.0/12",  # private use
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # automatic multicast tunnelling
    "192.88.99.0/24",  # 6to4 relays, deprecated
    "192.168.0.0/16",  # private use
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "168.63.129.16/32",  # Azure's metadata, at an address that looks public
    # The same of IPv6, of which 2000::/3 alone is handed out: what is special within it, and all the rest.
    "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID and more
    "2001:db8::/32",  # documentation
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
    "::/3",  # unspecified, loopback, mapped, compatible, translated, discard-only
    "4000::/2",
    "8000::/1",  # segment routing, unique local, link-local, site-local, multicast
)
"""Networks in which no server of the open internet is."""

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
# A name of letters, digits, `-`, `_` and `.`, or an address in brackets, and a port. Of all else, of two `@` and of
# blanks, parsers of URLs, proxies and resolvers make different hosts.
_AUTHORITY = re.compile(
    r"(?:[^@\\\s\x00-\x1f\x7f]*@)?"
    r"(?:[\w.\x80-\U0010ffff-]*|\[[0-9A-Fa-f:.]+(?:%\w+)?\])(?::[0-9]*)?"
)
_NAME = re.compile(r"[\w.-]+")
_ZONE = re.compile(r"%[A-Za-z0-9]+$")


def host_of(url: str) -> str:
    """The host of a URL in lower case, without port and brackets; empty if it has none that all readers agree on."""
    try:
        parts = urlsplit(url)
        if _AUTHORITY.fullmatch(parts.netloc) is None or url != url.strip():
            return ""
        return (parts.hostname or "").lower()
    except ValueError:
        return ""


def without_credentials(url: str) -> str:
    """A URL without user name, password, query and fragment, for people to read."""
    if not host_of(url):  # a password with a slash in it, as a rule: what is before the last @ could be its beginning
        return re.sub(r"(?s)(?<=://).*@", "", url.partition("?")[0])
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def is_cleartext(url: str) -> bool:
    """Whether what is sent to a URL can be read on the way: it has no TLS, and does not stay on this machine."""
    return url.partition(":")[0].lower() not in ("https", "wss") and not is_loopback(host_of(url))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine: localhost, any name below it, and every spelling of loopback.

    An unspecified address (0.0.0.0, ::) counts, since a connection to it ends here.
    """
    name = host.strip("[]").lower().rstrip(".")
    if name in ("localhost", "127.0.0.1", "::1") or (name.endswith(".localhost") and _NAME.fullmatch(name)):
        return True
    address = parse_address(name)
    if address is None:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def loopback_alone(host: str, addresses: list[Any]) -> list[Any]:
    """Of what a resolver says of a host, as getaddrinfo gives it, what is this machine if the host is to be that.

    A name below localhost is counted for this machine wherever it is sent to. Raises OSError if nothing is left.
    """
    if not is_loopback(host):
        return addresses
    kept = [each for each in addresses if is_loopback(str(each[4][0]))]
    if not kept:
        raise OSError(f"{host} leads to another machine, {addresses[0][4][0]}")
    return kept


def is_public(host: str) -> bool:
    """Whether an address, and any that an IPv6 transition form carries inside, belongs to the open internet.

    False for what is no address, and for a cloud's metadata service.
    """
    address = parse_address(host)
    if address is None:
        return False
    carried = _carried(address)
    if carried and int(address) >> 125 == 0:  # mapped, compatible and NAT64: what is inside is where it leads
        return all(map(_is_assigned, carried))
    return all(map(_is_assigned, (address, *carried)))


def _is_assigned(address: IPv4Address | IPv6Address) -> bool:
    return not any(address in network for network in _networks() if network.version == address.version)


@cache
def _networks() -> tuple[IPv4Network | IPv6Network, ...]:
    from ipaddress import ip_network  # lazy: few hosts are written as addresses

    return tuple(map(ip_network, NOT_PUBLIC))


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is written as, without brackets, zone and trailing dot; None for a name.

    The short, octal and hexadecimal forms of IPv4 that resolvers take (127.1, 0177.0.0.1, 2130706433) are read as well.
    """
    text = host.strip("[]").rstrip(".")
    text = _ZONE.sub("", text) if ":" in text else text
    if "%" in text:
        return None
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
    if not all(map(_NUMBER.fullmatch, parts)):  # int() takes more, such as 1_0 and digits of other scripts
        return None
    try:
        numbers = [int(part, 16 if part[:2].lower() == "0x" else 8 if part[:1] == "0" else 10) for part in parts]
    except ValueError:
        return None
    *heads, last = numbers
    if len(numbers) > 4 or any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        return None
    return sum(head << 8 * (3 - position) for position, head in enumerate(heads)) + last


def _carried(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """The IPv4 addresses inside an IPv6 one: mapped, compatible, translated, 6to4, Teredo, NAT64, ISATAP."""
    from ipaddress import IPv4Address  # lazy, as above

    if isinstance(address, IPv4Address):
        return ()
    low, high = int(address) & 0xFFFFFFFF, int(address) >> 32
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if high in (0, 0xFFFF, 0xFFFF0000, 0x64FF9B << 64) or high & 0xFFFFFFFF in (0x5EFE, 0x02005EFE):
        return (IPv4Address(low),)
    return ()
