"""The addresses of this machine, as the C library's `getifaddrs` lists them."""

import ctypes
import ipaddress
import socket
import sys
from collections.abc import Iterable, Iterator
from typing import Final

_HAS_LENGTH: Final = sys.platform == "darwin" or "bsd" in sys.platform
"""Whether a socket address begins with its length and has its family in the second byte, as on
BSD."""

_UP: Final = 0x1
"""The flag of an interface that is in use (`IFF_UP`)."""

_AT: Final = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
"""Where the address is in a socket address, and its length, by family."""


class _Interface(ctypes.Structure):
    """One entry of the list: `struct ifaddrs`, as far as it is read here."""


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]


def own_addresses() -> list[str]:
    """Return the addresses under which others can reach this machine, IPv4 first; empty if they
    cannot be read.

    Addresses of the loopback interface, and those that are valid on one cable only, are left
    out."""
    try:
        found = list(_listed())
    except (OSError, AttributeError):  # a C library without getifaddrs
        return []
    return reachable(found)


def reachable(addresses: Iterable[str]) -> list[str]:
    """Return the addresses that other machines can use, each once, IPv4 first."""
    parsed = {ipaddress.ip_address(address) for address in addresses}
    usable = (
        address
        for address in parsed
        if not (address.is_loopback or address.is_link_local or address.is_unspecified)
    )
    return [
        str(address)
        for address in sorted(usable, key=lambda address: (address.version, int(address)))
    ]


def _listed() -> Iterator[str]:
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if library.getifaddrs(ctypes.byref(first)) != 0:
        raise OSError(ctypes.get_errno(), "getifaddrs")
    try:
        entry = first
        while bool(entry):  # false for a null pointer
            here = entry.contents
            if here.address and here.flags & _UP:
                yield from _address_at(here.address)
            entry = here.next
    finally:
        library.freeifaddrs(first)


def _address_at(place: int) -> Iterator[str]:
    """Yield the IP address of a socket address in memory; nothing for another family."""
    head = ctypes.string_at(place, 2)
    family = head[1] if _HAS_LENGTH else int.from_bytes(head, sys.byteorder)
    for known, (offset, length) in _AT.items():
        if family == known:
            yield socket.inet_ntop(known, ctypes.string_at(place + offset, length))
