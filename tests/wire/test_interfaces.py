"""The addresses of this machine."""

import ipaddress
import socket

from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.aio.lan import own_addresses, reachable


def test_every_address_is_one_of_this_machine() -> None:
    for address in own_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as endpoint:
            endpoint.bind((address, 0))  # fails for the address of another machine


def test_addresses_that_others_cannot_use_are_left_out() -> None:
    found = [
        "::1",
        "127.0.0.1",
        "fe80::1",
        "169.254.3.4",
        "0.0.0.0",
        "2001:db8::5",
        "192.0.2.7",
        "192.0.2.7",
    ]
    assert reachable(found) == ["192.0.2.7", "2001:db8::5"]


@given(st.lists(st.ip_addresses().map(str)))
def test_the_order_does_not_depend_on_the_system(addresses: list[str]) -> None:
    shown = reachable(addresses)
    assert shown == reachable(reversed(addresses))
    versions = [ipaddress.ip_address(one).version for one in shown]
    assert versions == sorted(versions), "IPv4 first: it is what people read to each other"
