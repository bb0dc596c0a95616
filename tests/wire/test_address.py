"""Addresses: the normal form of a host, and valid ports."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.address import (
    PORT_MAX,
    PORT_MIN,
    Address,
    ip_literal,
    is_port,
    normalized_host,
    parse_port,
    server_name,
)
from chatapp.wire.errors import AddressRefused


@pytest.mark.parametrize(
    ("address", "written"),
    [(Address("127.0.0.1", 5000), "127.0.0.1:5000"), (Address("::1", 5000), "[::1]:5000")],
)
def test_an_address_is_written_as_people_write_it(address: Address, written: str) -> None:
    assert str(address) == written


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("example.org", "example.org"),
        ("", ""),
    ],
)
def test_hosts_have_one_form(host: str, same: str) -> None:
    assert normalized_host(host) == same
    assert normalized_host(same) == same


@given(st.ip_addresses())
def test_every_ip_address_is_a_literal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    found = ip_literal(str(address))
    assert found is not None
    assert normalized_host(found) == ip_literal(found) == found
    assert ip_literal(f"::ffff:{address}") == str(address) if address.version == 4 else True


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "1.2.3", "300.1.1.1", "1.2.3.4.5", "::g", "1.2.3.4\n", " ::1"]
)
def test_nothing_else_is_a_literal(text: str) -> None:
    assert ip_literal(text) is None


@given(st.integers(min_value=PORT_MIN, max_value=PORT_MAX))
def test_ports_in_the_range_are_taken(port: int) -> None:
    assert parse_port(str(port), "port") == port
    assert is_port(port)


@pytest.mark.parametrize(
    "text", ["", "99", "1023", "65536", "-5", "+5000", "5000\n", " 5000", "5e3", "５０００", "9" * 5_000]
)
def test_other_ports_are_refused_with_the_argument_and_the_range(text: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        parse_port(text, "client-port")
    assert str(refused.value).startswith('client-port: "')
    assert str(refused.value).endswith("is not a port; ports are 1024-65535")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("Chat.Example.ORG.", "chat.example.org:5000"),
        ("localhost", "localhost:5000"),
        ("127.0.0.1", "127.0.0.1:5000"),
        ("2001:DB8:0::1", "[2001:db8::1]:5000"),
        ("::ffff:192.0.2.1", "192.0.2.1:5000"),
        ("fe80::1%eth0", "[fe80::1]:5000"),
    ],
)
def test_a_server_has_one_name_however_it_is_typed(host: str, written: str) -> None:
    assert server_name(host, 5_000) == written
