"""Where somebody is: a host and a port, and the one way to write them.

It knows text; it must not look names up or open anything.
"""

import re
from typing import Final, NamedTuple

from chatapp.wire.errors import AddressRefused

PORT_MIN: Final = 1_024
PORT_MAX: Final = 65_535

_PORT: Final = re.compile(r"[0-9]{1,5}\Z")
_MAPPED: Final = "::ffff:"


class Address(NamedTuple):
    """Where datagrams go and come from. `host` is an IP address as text, as `normalized_host` writes it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def via(self) -> str:
        """Which address of this machine a datagram from here was sent to, and has to be answered from; empty if the kernel
        may choose. It is no part of the address: two that differ only in this are equal."""
        return ""


def addresses_via(host: str) -> type[Address]:
    """The class of addresses that are answered from `host`, one of ours. A class each costs no memory an address."""

    class AddressVia(Address):
        __slots__ = ()
        via = host

    return AddressVia


def normalized_host(host: str) -> str:
    """`host` in the one form in which hosts are compared: no scope id, and IPv4 never inside IPv6.

    Sockets write the rest in one way already; this runs for every datagram and so does no more than it must.
    """
    if ":" not in host:
        return host
    bare = host.partition("%")[0]
    if bare[: len(_MAPPED)].lower() == _MAPPED and "." in bare:
        return bare[len(_MAPPED) :]
    return bare


def network_of(host: str) -> str:
    """By what a host is counted where addresses have a quota: itself, or the /64 of IPv6, which one customer has whole."""
    if ":" not in host:
        return host
    import ipaddress  # as below

    try:
        return str(ipaddress.IPv6Network((host, 64), strict=False))
    except ValueError:
        return host


def ip_literal(text: str) -> str | None:
    """The IPv4 or IPv6 address that `text` writes out, in its normal form; None when it is none."""
    import ipaddress  # not at the top: it costs milliseconds at a peer's start, and only faces parse addresses

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if found.version == 6 and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return normalized_host(str(found))


def server_name(host: str, port: int) -> str:
    """A server as its user names it, in the one form by which it is remembered: lower case, no dot at the end, an IP address
    in its normal form. A host name stays one: where it leads may change."""
    return str(Address(ip_literal(host) or host.lower().removesuffix("."), port))


def parse_port(text: str, what: str) -> int:
    """The port that `text` says, for the argument `what`. Raises AddressRefused, which names both and the range."""
    if not _PORT.match(text) or not is_port(int(text)):
        raise AddressRefused(what, text, f"is not a port; ports are {PORT_MIN}-{PORT_MAX}")
    return int(text)


def is_port(number: int) -> bool:
    """Whether a program of ours may listen on port `number`."""
    return PORT_MIN <= number <= PORT_MAX
