"""Resolving the host of a server that a person or a program named."""

import re
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

from chatapp.wire.address import Address, ip_literal, normalized_host
from chatapp.wire.errors import AddressRefused

LOOKUP_TIMEOUT: Final = 5.0
"""Seconds for which a host name is looked up. Without a network a resolver would otherwise block
the program for minutes. Names that are looked up together share these seconds."""
ANSWER_KEPT: Final = 10.0
"""Seconds for which an answer, or that there is none, is used again: a start checks its servers,
and opens them then."""

_NUMERIC: Final = re.compile(r"[0-9.]+\Z|0[xX]")


def hosts_from(text: str, what: str) -> list[str]:
    """Return the IP addresses that `text` is or resolves to, at least one. Raises
    AddressRefused."""
    return _checked(text, what, _lookup_of(text))


def server_addresses(servers: Sequence[Address], what: str) -> dict[Address, Address]:
    """Return the IP addresses of the servers of one registry, in their order: of each the server as
    it was named. A host name may have several, and one that is not found has none. All names are
    looked up at the same time. Raises AddressRefused if no server has an address."""
    found: dict[Address, Address] = {}
    refused: AddressRefused | None = None
    lookups = [_lookup_of(server.host) for server in servers]
    for server, lookup in zip(servers, lookups, strict=True):
        try:
            for host in _checked(server.host, what, lookup):
                found.setdefault(Address(host, server.port), server)
        except AddressRefused as error:
            refused = refused or error
    if not found and refused is not None:
        raise refused
    return found


class _Lookup:
    """A name that is being looked up, in a thread: getaddrinfo has no timeout of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[tuple[int, str]] = []
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._look_up, daemon=True)
        self._thread.start()

    @property
    def is_fresh(self) -> bool:
        """Whether its answer may still be used."""
        return time.monotonic() < self._began + ANSWER_KEPT

    def answer(self) -> list[str]:
        """Return the addresses, those of IPv4 first; none if there are none or no answer comes in
        time."""
        self._thread.join(max(0.0, self._began + LOOKUP_TIMEOUT - time.monotonic()))
        found = sorted(self._found, key=lambda found: found[0] != socket.AF_INET)
        return list(dict.fromkeys(host for _, host in found))

    def _look_up(self) -> None:
        try:
            answers = socket.getaddrinfo(self._name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return
        self._found = [
            (family, normalized_host(str(where[0]))) for family, _, _, _, where in answers
        ]


_lookups: Final[dict[str, _Lookup]] = {}
"""The lookups of the last seconds. Callers may be in several threads."""
_lock: Final = threading.Lock()


def _lookup_of(text: str) -> _Lookup | None:
    """Begin to look `text` up, or return the lookup of a moment ago. None if it is no name."""
    if ip_literal(text) is not None or not text or _NUMERIC.match(text):
        return None
    with _lock:
        for name in [name for name, lookup in _lookups.items() if not lookup.is_fresh]:
            del _lookups[name]
        if text not in _lookups:
            _lookups[text] = _Lookup(text)
        return _lookups[text]


def _checked(text: str, what: str, lookup: _Lookup | None) -> list[str]:
    """Return the addresses of one host. Raises AddressRefused."""
    literal = ip_literal(text)
    if literal is None and lookup is None:
        raise AddressRefused(what, text, "is not an IP address")  # some resolvers accept "127.1"
    found = lookup.answer() if lookup is not None else [literal] if literal is not None else []
    if not found:
        raise AddressRefused(
            what, text, "is neither an IP address nor the name of a host that can be found"
        )
    if any(host in ("0.0.0.0", "::", "255.255.255.255") for host in found):
        raise AddressRefused(what, text, "is not the address of one machine")
    return found
