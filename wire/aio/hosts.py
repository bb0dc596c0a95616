"""Resolving the host of a server that a person or a program named."""

import re
import socket
import threading
from collections.abc import Sequence
from typing import Final

from chatapp.wire.address import Address, ip_literal, normalized_host
from chatapp.wire.errors import AddressRefused

LOOKUP_TIMEOUT: Final = 5.0
"""Seconds for which a host name is looked up. Without a network a resolver would otherwise block the program for
minutes."""

_NUMERIC: Final = re.compile(r"[0-9.]+\Z|0[xX]")


def hosts_from(text: str, what: str) -> list[str]:
    """Return the IP addresses that `text` is or resolves to, at least one. Raises AddressRefused."""
    literal = ip_literal(text)
    if literal is None and (not text or _NUMERIC.match(text)):
        raise AddressRefused(what, text, "is not an IP address")  # some resolvers accept "127.1"
    found = _looked_up(text) if literal is None else [literal]
    if not found:
        raise AddressRefused(what, text, "is neither an IP address nor the name of a host that can be found")
    if any(host in ("0.0.0.0", "::", "255.255.255.255") for host in found):
        raise AddressRefused(what, text, "is not the address of one machine")
    return found


def server_addresses(servers: Sequence[Address], what: str) -> dict[Address, Address]:
    """Return the IP addresses of the servers of one registry, in their order: of each the server as it was named. A host
    name may have several, and one that is not found has none. Raises AddressRefused if no server has an address."""
    found: dict[Address, Address] = {}
    refused: AddressRefused | None = None
    for server in servers:
        try:
            for host in hosts_from(server.host, what):
                found.setdefault(Address(host, server.port), server)
        except AddressRefused as error:
            refused = refused or error
    if not found and refused is not None:
        raise refused
    return found


def _looked_up(name: str) -> list[str]:
    """Return the addresses of host `name`, those of IPv4 first; none if there are none or no answer comes in time."""
    found: list[tuple[int, str]] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return
        found.extend((family, normalized_host(str(where[0]))) for family, _, _, _, where in answers)

    thread = threading.Thread(target=look_up, daemon=True)  # getaddrinfo has no timeout of its own
    thread.start()
    thread.join(LOOKUP_TIMEOUT)
    return list(dict.fromkeys(host for _, host in sorted(found, key=lambda one: one[0] != socket.AF_INET)))
