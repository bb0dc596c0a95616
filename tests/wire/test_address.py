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
    parse_servers,
    server_name,
    servers_of,
    servers_text,
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
def test_every_ip_address_is_a_literal(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    found = ip_literal(str(address))
    assert found is not None
    assert normalized_host(found) == ip_literal(found) == found
    assert ip_literal(f"::ffff:{address}") == str(address) if address.version == 4 else True


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "127.1", "1.2.3", "300.1.1.1", "1.2.3.4.5", "::g", "1.2.3.4\n", " ::1"],
)
def test_nothing_else_is_a_literal(text: str) -> None:
    assert ip_literal(text) is None


@given(st.integers(min_value=PORT_MIN, max_value=PORT_MAX))
def test_ports_in_the_range_are_taken(port: int) -> None:
    assert parse_port(str(port), "port") == port
    assert is_port(port)


@pytest.mark.parametrize(
    "text",
    ["", "99", "1023", "65536", "-5", "+5000", "5000\n", " 5000", "5e3", "５０００", "9" * 5_000],
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


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("a", [("a", 5_000)]),
        ("a,b:5001", [("a", 5_000), ("b", 5_001)]),
        ("192.0.2.1:5002, ::1,[::1]:5001,[2001:db8::5]", None),
        ("a:5000,a:5001", [("a", 5_000), ("a", 5_001)]),
    ],
)
def test_servers_with_commas_between_them(text: str, servers: list[tuple[str, int]] | None) -> None:
    found = parse_servers(text, 5_000, "server-ip")
    assert list(found) == (
        servers or [("192.0.2.1", 5_002), ("::1", 5_000), ("::1", 5_001), ("2001:db8::5", 5_000)]
    )
    assert parse_servers(servers_text(found), 6_000, "server-ip") == found
    assert servers_of(servers_text(found)) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,,b", 'server-ip: "a,,b" names no server before or after a comma'),
        (",", 'server-ip: "," names no server before or after a comma'),
        ("a,b:80", 'server-ip b: "80" is not a port; ports are 1024-65535'),
        ("a,b:", 'server-ip b: "" is not a port; ports are 1024-65535'),
        ("a,b:5001,a", 'server-ip: "a:5000" is named twice'),
    ],
)
def test_a_wrong_list_of_servers_is_told_by_its_wrong_element(text: str, complaint: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        parse_servers(text, 5_000, "server-ip")
    assert str(caught.value) == complaint


@given(st.text(max_size=40))
def test_any_text_is_servers_or_is_refused_in_one_line(text: str) -> None:
    try:
        servers = parse_servers(text, 5_000, "server-ip")
    except AddressRefused as refused:
        assert "\n" not in str(refused)
    else:
        assert 0 < len(servers) <= 8
        assert len(set(servers)) == len(servers)


def test_a_program_names_servers_in_several_ways() -> None:
    both = (Address("a", 5_000), Address("b", 5_001))
    assert servers_of(("a", 5_000)) == both[:1]
    assert servers_of([("a", 5_000), ("b", 5_001)]) == both
    assert servers_of("a:5000,b:5001") == both
    assert servers_of(["a:5000", ("b", 5_001)]) == both
    assert servers_of(both) == both
    for wrong in ("a", ["a:5000", "b"], [("a", 5_000), "a:5000"], ("a", 80), []):
        with pytest.raises(AddressRefused):
            servers_of(wrong)  # type: ignore[arg-type]


def test_too_many_servers_are_refused() -> None:
    assert len(parse_servers("a,b,c,d,e,f,g,h", 5_000, "server-ip")) == 8
    with pytest.raises(AddressRefused, match="are too many servers: at most 8 are allowed"):
        parse_servers("a,b,c,d,e,f,g,h,i", 5_000, "server-ip")
