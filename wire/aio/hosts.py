"""Resolving the host of a server that a person or a program named."""

import re
import socket
import threading
from typing import Final

from chatapp.wire.address import ip_literal, normalized_host
from chatapp.wire.errors import AddressRefused

LOOKUP_TIMEOUT: Final = 5.0
"""Seconds for which a host name is looked up. Without a network a resolver would otherwise block the program for
minutes."""

_NUMERIC: Final = re.compile(r"[0-9.]+\Z|0[xX]")


def host_from(text: str, what: str) -> str:
    """Return the IP address that `text` is or resolves to. Raises AddressRefused."""
    found = ip_literal(text)
    if found is None and (not text or _NUMERIC.match(text)):
        raise AddressRefused(what, text, "is not an IP address")  # some resolvers accept "127.1"
    found = found or _looked_up(text)
    if found is None:
        raise AddressRefused(what, text, "is neither an IP address nor the name of a host that can be found")
    if found in ("0.0.0.0", "::", "255.255.255.255"):
        raise AddressRefused(what, text, "is not the address of one machine")
    return found


def _looked_up(name: str) -> str | None:
    """Return an address of host `name`, IPv4 if it has both; None if there is none or no answer in time."""
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
    of_ipv4 = (host for family, host in found if family == socket.AF_INET)
    return next(of_ipv4, found[0][1] if found else None)
