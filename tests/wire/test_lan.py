"""Announcements on the local network: what a stranger may say in one, and what is taken of it."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.address import Address, is_port
from chatapp.wire.aio.lan import SERVICE, FoundRegistry, registry_of

KEY = b"0123456789abcdef" * 2
NAME = f"lab-pc 5000.{SERVICE}"


def test_an_announcement_names_the_address_the_machine_and_the_key() -> None:
    found = registry_of(NAME, 5000, ["2001:db8::5", "192.0.2.7"], {b"key": KEY})
    assert found == FoundRegistry(Address("192.0.2.7", 5000), "lab-pc 5000", KEY.decode())
    only_6 = registry_of(NAME, 5000, ["2001:db8::5"], {})
    assert only_6 == FoundRegistry(Address("2001:db8::5", 5000), "lab-pc 5000", "")


def test_an_announcement_that_names_no_registry() -> None:
    assert registry_of(NAME, None, ["192.0.2.7"], {}) is None
    assert registry_of(NAME, 80, ["192.0.2.7"], {}) is None
    assert registry_of(NAME, 5000, [], {}) is None
    assert registry_of(NAME, 5000, ["lab.example"], {}) is None


@given(
    st.text(),
    st.none() | st.integers(-1, 70_000),
    st.lists(st.text() | st.ip_addresses().map(str)),
    st.dictionaries(st.binary(), st.none() | st.binary()) | st.builds(lambda key: {b"key": key}, st.binary()),
)
def test_whatever_a_stranger_announces_does_no_harm(
    name: str, port: int | None, addresses: list[str], properties: dict[bytes, bytes | None]
) -> None:
    found = registry_of(name, port, addresses, properties)
    if found is not None:
        assert is_port(found.address.port)
        assert len(found.name) <= 41
        assert "\x1b" not in found.name
        assert found.key == "" or len(found.key) == 32
