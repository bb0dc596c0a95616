"""Access lists: the syntax of keys, names, addresses and networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.program.settings import flaw_of_bans, flaw_of_keys
from chatapp.registry.rules.people.access import Bans
from chatapp.wire.identity import fingerprint, fingerprint_from

IDENTITY = bytes(range(32))


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_the_same_in_full_and_as_its_fingerprint(identity: bytes) -> None:
    shown = fingerprint(identity)
    assert (
        fingerprint_from(shown)
        == fingerprint_from(identity.hex())
        == fingerprint_from(shown.replace(" ", ":").upper())
    )
    assert Bans([shown]).has_key(identity)
    assert Bans([identity.hex()]).has_key(identity)


@pytest.mark.parametrize("text", ["", "bob", "12", "g" * 32, "0" * 33])
def test_an_invalid_key_is_named(text: str) -> None:
    assert fingerprint_from(text) is None
    assert "is not a key" in flaw_of_keys([fingerprint(IDENTITY), text])


@pytest.mark.parametrize("text", ["a b", "10.0.0", "10.0.0.0/33", "fe80::/129", "", "server/"])
def test_entries_that_cannot_be_banned_are_refused(text: str) -> None:
    assert flaw_of_bans([text])


ADDRESSES = st.ip_addresses()


@given(st.lists(st.tuples(ADDRESSES, st.integers(0, 128)), max_size=5), ADDRESSES)
def test_an_address_is_banned_when_one_of_the_networks_has_it(
    listed: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]],
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    texts = [f"{one}/{min(length, one.max_prefixlen)}" for one, length in listed]
    networks = [ipaddress.ip_network(text, strict=False) for text in texts]
    assert Bans(texts).has_host(str(address)) == any(address in network for network in networks)


def test_names_are_compared_as_names_are() -> None:
    bans = Bans(["Bob", "10.0.0.1"])
    assert bans.has_name("bob")
    assert not bans.has_name("rob")
    assert bans.has_host("10.0.0.1")
    assert not bans.has_host("10.0.0.2")
