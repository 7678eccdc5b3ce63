"""Every way to write this machine and a private network, and that names and public addresses are neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.addresses import (
    host_of,
    is_cleartext,
    is_loopback,
    is_public,
    loopback_alone,
    parse_address,
    without_credentials,
)

LOOPBACK = [
    "localhost", "LOCALHOST", "localhost.", "api.localhost", "a.b.localhost.", "127.0.0.1", "127.255.255.254",
    "127.0.0.1.", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001",
    "::1", "[::1]", "::1%lo", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "0.0.0.0", "0", "::",
]  # fmt: skip
NOT_LOOPBACK = [
    "", ".", "localhost.example.org", "notlocalhost", "127.0.0.1.example.org", "127.example", "1270.0.0.1", "128.0.0.1",
    "10.0.0.1", "169.254.169.254", "fe80::1", "256", "1.2.3.4.5", "0x", "08.0.0.1", "127.0.0.256", "127..1", ":", "::g",
    "4294967296", "example.org", "12_7.0.0.1", "127.0.0.0_1", "0o177.0.0.1", "+127.0.0.1", "１２７.0.0.1", "127.0.0.-1",
    "localhost.evil.com", "localhost@evil.com", "127.0.0.1%evil.com",
    "127.0.0.1%25evil.com", "0%evil.com", "::1%25.evil.com", "evil.com%2f.localhost", "evil.com%00.localhost",
    "evil.com/.localhost", "evil.com|.localhost", "evil.com,.localhost", "evil.com:80.localhost",
    "evil.com#localhost", "::127.0.0.1", "2002:7f00:1::", "localhost%2e",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "168.63.129.16", "192.0.0.192",
    "100.100.100.200", "100.64.0.1", "224.0.0.1", "255.255.255.255", "10.1", "0x0a000001", "::", "::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808",
    "2002:0a00:0001::", "2001:0:7f00:1::", "fe80::5efe:10.0.0.1", "localhost", "example.org", "",
    "64:ff9b:1::1", "64:ff9b:1:ffff::8.8.8.8",
    "fec0::1", "feff::1", "fe80::1", "febf::1", "100::1", "100:0:0:1::1", "2001:db8::1", "2001:2::1", "2001:10::1",
    "2001:20::1", "2001:1::1", "3fff::1", "5f00::1", "4000::1", "fd12::1", "2620:4f:8000::1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::", "2002:c0a8:1::1", "::ffff:0:10.0.0.1",
    "::ffff:169.254.169.254", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:10.0.0.1", "192.0.0.8", "192.0.2.1",
    "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "240.0.0.1", "100.127.255.255", "172.31.255.255", "0.1.2.3", "239.1.1.1", "64:ff9b::192.88.99.1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1.", "134744072", "2606:4700::1111", "[2606:4700::1111]", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2002:808:808::1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "192.167.1.1",
    "198.17.1.1", "198.20.0.1", "223.255.255.255", "2a00:1450::1", "2400::1", "2001:200::1", "2620:4f:8001::1",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert not is_public(host)


@pytest.mark.parametrize("host", NOT_LOOPBACK)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", PRIVATE)
def test_not_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize("host", PUBLIC)
def test_public(host: str) -> None:
    assert is_public(host)
    assert not is_loopback(host)


@given(st.integers(0, 2**32 - 1))
def test_a_number_is_the_address_that_it_counts(number: int) -> None:
    address = parse_address(str(number))
    assert address is not None
    assert address == parse_address(hex(number)) == parse_address(str(address))


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert not (is_loopback(text) and is_public(text))
    assert host_of(text) == host_of(text).lower()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://A.Example:80/x", "a.example"),
        ("http://[::1]:8080", "::1"),
        ("http://[::1", ""),
        ("x", ""),
        ("http://u:p@a.test/@b", "a.test"),
        # What one reader of URLs takes for the host, and another does not.
        ("http://x@evil.test@127.0.0.1/", ""),
        ("http://evil.test\\@127.0.0.1/", ""),
        ("http://127.0.0.1 .evil.test/", ""),
        (" http://127.0.0.1/", ""),
        ("http://127.0.0.1%25.evil.test/", ""),
        ("http://127.0.0.1%.evil.test/", ""),
        ("http://evil.test%2f.localhost/", ""),
        ("http://evil.test{.localhost/", ""),
        ("http://evil.test,.localhost/", ""),
        ("http://[::1]evil.test/", ""),
        ("http://[::1%25.evil.test]/", ""),
        ("http://[::1%lo]:80/", "::1%lo"),
        ("http://b\u00fccher.test:8080/", "b\u00fccher.test"),
        ("http://my_service:8080/", "my_service"),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("https://a.test", False),
        ("wss://a.test", False),
        ("HTTPS://a.test", False),
        ("http://127.0.0.1:1/x", False),
        ("http://localhost.", False),
        ("http://[::ffff:127.0.0.1]/", False),
        ("ws://localhost", False),
        ("http://a.test", True),
        ("ws://a.test", True),
        ("http://10.0.0.1", True),
        ("http://127.0.0.1.a.test", True),
        ("http://a.test@localhost@b.test", True),
        ("", True),
        ("localhost", True),
    ],
)
def test_what_can_be_read_on_the_way(url: str, readable: bool) -> None:
    assert is_cleartext(url) is readable


def _answer(address: str) -> tuple[object, ...]:
    return (2, 1, 6, "", (address, 80))


def test_what_counts_for_this_machine_is_reached_on_it_alone() -> None:
    here, elsewhere = _answer("127.0.0.1"), _answer("93.184.216.34")
    assert loopback_alone("a.localhost", [elsewhere, here]) == [here]
    assert loopback_alone("a.test", [elsewhere, here]) == [elsewhere, here]
    with pytest.raises(OSError, match="another machine"):
        loopback_alone("a.localhost", [elsewhere])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@a.test/v1?k=1#f", "https://a.test/v1"),
        ("https://u:p/w@a.test/v1?k=1", "https://a.test/v1"),
        ("https://evil.test/@a.test/v1", "https://evil.test/@a.test/v1"),
        ("ftp://u:p/w@a.test", "ftp://a.test"),
    ],
)
def test_t10_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
