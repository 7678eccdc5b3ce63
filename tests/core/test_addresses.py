"""Every way to write this machine and a private network, and that names and public addresses are neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.addresses import host_of, is_loopback, is_public, parse_address

LOOPBACK = [
    "localhost", "LOCALHOST", "localhost.", "api.localhost", "a.b.localhost.", "127.0.0.1", "127.255.255.254",
    "127.0.0.1.", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001",
    "::1", "[::1]", "::1%lo", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "0.0.0.0", "0", "::",
]  # fmt: skip
NOT_LOOPBACK = [
    "", ".", "localhost.example.org", "notlocalhost", "127.0.0.1.example.org", "127.example", "1270.0.0.1", "128.0.0.1",
    "10.0.0.1", "169.254.169.254", "fe80::1", "256", "1.2.3.4.5", "0x", "08.0.0.1", "127.0.0.256", "127..1", ":", "::g",
    "4294967296", "example.org",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "168.63.129.16", "192.0.0.192",
    "100.100.100.200", "100.64.0.1", "224.0.0.1", "255.255.255.255", "10.1", "0x0a000001", "::", "::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::808:808",
    "2002:0a00:0001::", "2001:0:7f00:1::", "fe80::5efe:10.0.0.1", "localhost", "example.org", "",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1.", "134744072", "2606:4700::1111", "[2606:4700::1111]", "::ffff:8.8.8.8"]


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
    [("http://A.Example:80/x", "a.example"), ("http://[::1]:8080", "::1"), ("http://[::1", ""), ("x", "")],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host
