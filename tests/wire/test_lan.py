"""Announcements on the local network: what a stranger may say in one, and what is taken of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.address import Address, is_port
from chatapp.wire.aio import lan
from chatapp.wire.aio.lan import SERVICE, FoundRegistry, registry_of

KEY = b"0123456789abcdef" * 2
NAME = f"lab-pc 5000.{SERVICE}"


def test_an_announcement_names_the_address_the_machine_and_the_key() -> None:
    found = registry_of(NAME, 5000, ["2001:db8::5", "192.0.2.7"], {b"key": KEY})
    assert found == FoundRegistry(Address("192.0.2.7", 5000), "lab-pc 5000", KEY.decode())
    only_6 = registry_of(NAME, 5000, ["2001:db8::5"], {b"key": KEY})
    assert only_6 == FoundRegistry(Address("2001:db8::5", 5000), "lab-pc 5000", KEY.decode())


def test_an_announcement_that_names_no_registry() -> None:
    assert registry_of(NAME, None, ["192.0.2.7"], {b"key": KEY}) is None
    assert registry_of(NAME, 80, ["192.0.2.7"], {b"key": KEY}) is None
    assert registry_of(NAME, 5000, [], {b"key": KEY}) is None
    assert registry_of(NAME, 5000, ["lab.example"], {b"key": KEY}) is None
    assert registry_of(NAME, 5000, ["192.0.2.7"], {}) is None, "nothing could be demanded of it"
    assert registry_of(NAME, 5000, ["192.0.2.7"], {b"key": KEY[1:]}) is None


def test_a_name_cannot_look_like_what_the_list_says_of_it() -> None:
    name = f"lab: 192.0.2.1 5000 (0123, where you were last)\n.{SERVICE}"
    found = registry_of(name, 5000, ["192.0.2.7"], {b"key": KEY})
    assert found is not None
    assert found.name == "lab- 192-0-2-1 5000 -0123- where you wer"


@given(
    st.text(),
    st.none() | st.integers(-1, 70_000),
    st.lists(st.text() | st.ip_addresses().map(str)),
    st.dictionaries(st.binary(), st.none() | st.binary())
    | st.builds(lambda key: {b"key": key}, st.binary()),
)
def test_whatever_a_stranger_announces_does_no_harm(
    name: str, port: int | None, addresses: list[str], properties: dict[bytes, bytes | None]
) -> None:
    found = registry_of(name, port, addresses, properties)
    if found is not None:
        assert is_port(found.address.port)
        assert re.fullmatch("[A-Za-z0-9 -]{0,40}", found.name)
        assert re.fullmatch("[0-9a-f]{32}", found.key)


@pytest.mark.parametrize(
    ("wireless", "is_wireless"),
    [((), False), (("wlan0",), False), (("eth0",), False), (("eth0", "wlan0"), True)],
)
def test_wi_fi_counts_where_there_is_no_cable(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wireless: tuple[str, ...],
    is_wireless: bool,
) -> None:
    found = [("lo", "127.0.0.1"), ("eth0", "10.0.0.1"), ("wlan0", "10.0.0.2"), ("tap", "fe80::1")]
    monkeypatch.setattr(lan, "_listed", lambda: found)
    monkeypatch.setattr(lan, "INTERFACES", tmp_path)
    for name in wireless:
        (tmp_path / name / "wireless").mkdir(parents=True)
    assert lan.is_wireless() == is_wireless
