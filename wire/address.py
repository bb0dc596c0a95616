"""Addresses: a host and a port, and the one way to write them. Nothing here looks a name up."""

import re
from typing import Final, NamedTuple

from chatapp.wire.errors import AddressRefused

PORT_MIN: Final = 1_024
PORT_MAX: Final = 65_535

_PORT: Final = re.compile(r"[0-9]{1,5}\Z")
_MAPPED: Final = "::ffff:"


class Address(NamedTuple):
    """A host and a port. `host` is an IP address as text, as `normalized_host` writes it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def via(self) -> str:
        """The address of this machine from which to answer a datagram that came from here; empty if the kernel may choose.

        It is no part of the address: two that differ only in this are equal.
        """
        return ""


def addresses_via(host: str) -> type[Address]:
    """Return the class of addresses that are answered from `host`, which is one of ours.

    A class for each host costs no memory for each address.
    """

    class AddressVia(Address):
        __slots__ = ()
        via = host

    return AddressVia


def normalized_host(host: str) -> str:
    """Return `host` in the one form in which hosts are compared: without a scope id, and IPv4 never inside IPv6.

    Sockets write everything else in one way already; this runs for every datagram, so it does no more than it must.
    """
    if ":" not in host:
        return host
    bare = host.partition("%")[0]
    if bare[: len(_MAPPED)].lower() == _MAPPED and "." in bare:
        return bare[len(_MAPPED) :]
    return bare


def network_of(host: str) -> str:
    """Return the network under which a host is counted where addresses have a quota.

    That is the host itself for IPv4, and its /64 for IPv6, since one customer has a whole /64.
    """
    if ":" not in host:
        return host
    import ipaddress  # deferred for the reason given in ip_literal

    try:
        return str(ipaddress.IPv6Network((host, 64), strict=False))
    except ValueError:
        return host


def ip_literal(text: str) -> str | None:
    """Return the normalized form of `text` if it is an IPv4 or IPv6 address, else None."""
    import ipaddress  # deferred: it costs milliseconds at a peer's start, and only faces parse addresses

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if found.version == 6 and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return normalized_host(str(found))


def server_name(host: str, port: int) -> str:
    """Return the form by which a server is remembered: lower case, no dot at the end, an IP address normalized.

    A host name stays a host name: the address to which it resolves may change.
    """
    return str(Address(ip_literal(host) or host.lower().removesuffix("."), port))


def parse_port(text: str, what: str) -> int:
    """Parse a port that was given for the argument `what`. Raises AddressRefused, which names the argument and the
    range."""
    if not _PORT.match(text) or not is_port(int(text)):
        raise AddressRefused(what, text, f"is not a port; ports are {PORT_MIN}-{PORT_MAX}")
    return int(text)


def is_port(number: int) -> bool:
    """Whether a ChatApp program may listen on port `number`."""
    return PORT_MIN <= number <= PORT_MAX
