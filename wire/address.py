"""Addresses: a host and a port, and the one way to write them. Nothing here looks a name up."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from chatapp.wire.errors import AddressRefused
from chatapp.wire.limits import SERVERS_MAX

PORT_MIN: Final = 1_024
PORT_MAX: Final = 65_535

_PORT: Final = re.compile(r"[0-9]{1,5}\Z")
_SERVER: Final = re.compile(
    r"(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[^:]*))?\Z"
)
_NO_PORT: Final = 0
_HOST: Final = re.compile(r"(?:[0-9A-Za-z_](?:[0-9A-Za-z_.-]{0,63})|[0-9A-Fa-f:.]{2,64})\Z")
_HOST_NAME: Final = re.compile(r"(?!-)[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*\.?")
_HOST_NAME_MAX: Final = 253
_MAPPED: Final = "::ffff:"


ServerSpec: TypeAlias = "tuple[str, int] | str | Sequence[tuple[str, int] | str]"
"""How a program names the servers of a registry (`servers_of`)."""


class Address(NamedTuple):
    """A host and a port. `host` is an IP address as text, as `normalized_host` writes it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def via(self) -> str:
        """The address of this machine from which to answer a datagram that came from here; empty if
        the kernel may choose.

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
    """Return `host` in the one form in which hosts are compared: without a scope id, and IPv4 never
    inside IPv6.

    Sockets write everything else in one way already; this runs for every datagram, so it does no
    more than it must.
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
    # deferred: it costs milliseconds at a peer's start, and only faces parse addresses
    import ipaddress

    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if found.version == 6 and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return normalized_host(str(found))


def host_name(text: str) -> str | None:
    """Return a name of a host as it is compared: lower case, without the dot at its end. None if it
    is no name."""
    if len(text) > _HOST_NAME_MAX or not _HOST_NAME.fullmatch(text):
        return None
    return text.lower().removesuffix(".")


def server_name(host: str, port: int) -> str:
    """Return the form by which a server is remembered: lower case, no dot at the end, an IP address
    normalized.

    A host name stays a host name: the address to which it resolves may change.
    """
    return str(Address(ip_literal(host) or host.lower().removesuffix("."), port))


def parse_servers(text: str, port: int, what: str) -> tuple[Address, ...]:
    """Parse the servers of one registry: hosts with commas between them, each with a port of its
    own where it is not `port` (`a,b:5001,[::1]:5002`). Raises AddressRefused, which names the
    argument `what` and the wrong element."""
    elements = [element.strip() for element in text.split(",")]
    if len(elements) > 1 and not all(elements):
        raise AddressRefused(what, text, "names no server before or after a comma")
    return _checked(
        [_parse_server(element, port, what) for element in elements[: SERVERS_MAX + 1]], what
    )


def _checked(servers: list[Address], what: str) -> tuple[Address, ...]:
    """Return servers of which each is named once, and not too many. Raises AddressRefused."""
    if len(servers) > SERVERS_MAX:
        raise AddressRefused(
            what, servers_text(servers), f"are too many servers: at most {SERVERS_MAX} are allowed"
        )
    twice = next((server for at, server in enumerate(servers) if server in servers[:at]), None)
    if twice is not None:
        raise AddressRefused(what, str(twice), "is named twice")
    return tuple(servers)


def _parse_server(element: str, port: int, what: str) -> Address:
    found = _SERVER.match(element)
    if (
        found is None
    ):  # an IPv6 address, which has no port unless it is in brackets, or what no host is called
        return Address(element, port)
    host, own = found["bracketed"] or found["host"], found["port"]
    return Address(host, port if own is None else parse_port(own, f"{what} {host}"))


def servers_of(given: ServerSpec) -> tuple[Address, ...]:
    """Return the servers that a program names: a host and a port, a text such as `a:5000,b:5001`,
    or several of either. Raises AddressRefused."""
    if isinstance(given, str):
        parts: Sequence[tuple[str, int] | str] = (given,)
    elif len(given) == 2 and isinstance(given[0], str) and isinstance(given[1], int):
        parts = ((given[0], given[1]),)
    else:
        parts = given  # type: ignore[assignment]
    servers: list[Address] = []
    for part in parts:
        host, port = (
            (part, _NO_PORT)
            if isinstance(part, str)
            else (part[0], parse_port(str(part[1]), "server"))
        )
        servers += parse_servers(host, port, "server")
    if not servers:
        raise AddressRefused("server", "", "names no server")
    for server in servers:
        if server.port == _NO_PORT:
            raise AddressRefused("server", server.host, "has no port: say host:port")
    return _checked(servers, "server")


def is_server(server: Address) -> bool:
    """Whether a program may look for a registry there, going by the form of the host and by the
    port."""
    return is_port(server.port) and _HOST.match(server.host) is not None


def servers_text(servers: Iterable[Address]) -> str:
    """Return servers as `parse_servers` reads them."""
    return ",".join(map(str, servers))


def parse_port(text: str, what: str) -> int:
    """Parse a port that was given for the argument `what`. Raises AddressRefused, which names the
    argument and the range."""
    if not _PORT.match(text) or not is_port(int(text)):
        raise AddressRefused(what, text, f"is not a port; ports are {PORT_MIN}-{PORT_MAX}")
    return int(text)


def is_port(number: int) -> bool:
    """Whether a ChatApp program may listen on port `number`."""
    return PORT_MIN <= number <= PORT_MAX


# --- the header `Host` of HTTP


LOOPBACK_NAMES: Final = ("localhost",)
"""Names that lead to this machine on every machine."""

_HOST_HEADER: Final = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<plain>[^:\[\]]+))(?::[0-9]{1,5})?"
)


class KnownHosts:
    """The names under which a server is reached: those of loopback, further ones, and every IP
    address."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names`: further ones, of which each is a `host_name`."""
        self._names: Final = frozenset(filter(None, map(host_name, (*LOOPBACK_NAMES, *names))))

    def serves(self, header: str) -> bool:
        """Whether a request with this header `Host` is answered. A port behind the name is not
        compared."""
        found = _HOST_HEADER.fullmatch(header)
        if found is None:
            return False
        if found["bracketed"] is not None:
            return ip_literal(found["bracketed"]) is not None
        return ip_literal(found["plain"]) is not None or host_name(found["plain"]) in self._names
