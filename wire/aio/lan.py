"""Registries on the local network: announced and found by mDNS (RFC 6762, 6763).

The library `zeroconf` is an optional extra (`lan`). Without it nothing is announced and nothing is
found. What others announce proves nothing: the handshake does (clause 4.1 of the protocol).
"""

import contextlib
import ctypes
import ipaddress
import re
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from chatapp.wire.address import Address, ip_literal, is_port

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

_HAS_LENGTH: Final = sys.platform == "darwin" or "bsd" in sys.platform
"""Whether a socket address begins with its length and has its family in the second byte, as on
BSD."""

INTERFACES: Final = Path("/sys/class/net")
"""Where Linux says of each interface what it is."""

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
        found = [address for _, address in _listed()]
    except (OSError, AttributeError):  # a C library without getifaddrs
        return []
    return reachable(found)


def is_wireless() -> bool:
    """Whether this machine reaches others by Wi-Fi alone, as far as its system says: Linux does."""
    try:
        names = {name for name, address in _listed() if reachable([address])}
    except (OSError, AttributeError):
        return False
    return bool(names) and all((INTERFACES / name / "wireless").is_dir() for name in names)


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


def _listed() -> Iterator[tuple[str, str]]:
    """Yield the name of each interface in use and an address of it."""
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if library.getifaddrs(ctypes.byref(first)) != 0:
        raise OSError(ctypes.get_errno(), "getifaddrs")
    try:
        entry = first
        while bool(entry):  # false for a null pointer
            here = entry.contents
            if here.address and here.flags & _UP:
                for address in _address_at(here.address):
                    yield here.name.decode(errors="replace"), address
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


SERVICE: Final = "_chatapp._tcp.local."
FOUND_MAX: Final = 16
"""Registries that are listed. Anybody on the network can announce any number."""
LOOK_FOR: Final = 1.0
"""Seconds in which answers are waited for; they usually come within 0.2."""

_KEY: Final = b"key"
_DIGITS: Final = re.compile(rb"[0-9a-f]{32}\Z")
_NAME_MAX: Final = 40
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9 -]")
"""What the name of no announcement of ours has. A list of registries has such characters between
what it says of each."""
_ANSWER_WITHIN: Final = 500
"""Milliseconds in which a registry says more about itself."""


class FoundRegistry(NamedTuple):
    """A registry that announces itself."""

    address: Address
    name: str
    """What it calls itself: the name of its machine."""
    key: str
    """The 32 digits of the fingerprint that it claims to have."""


class Announcer:
    """Announces one registry, in threads of its own, until it is closed."""

    def __init__(self, port: int, key: str) -> None:
        """`key`: the 32 digits of the fingerprint of the registry's key."""
        self._lock = threading.Lock()
        self._is_closed = False
        self._zeroconf: Zeroconf | None = None
        threading.Thread(target=self._announce, args=(port, key), daemon=True).start()

    def close(self, *, within: float) -> None:
        """Take the announcement back, and wait at most so many seconds for that."""
        with self._lock:
            self._is_closed = True
            zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            farewell = threading.Thread(target=zeroconf.close, daemon=True)  # says goodbye first
            farewell.start()
            farewell.join(within)

    def _announce(self, port: int, key: str) -> None:
        try:
            from zeroconf import Error, Zeroconf
        except ImportError:
            return
        addresses = own_addresses()
        if not addresses:
            return
        with contextlib.suppress(OSError, Error, RuntimeError):  # RuntimeError: closed meanwhile
            zeroconf = Zeroconf()
            with self._lock:
                if self._is_closed:
                    zeroconf.close()
                    return
                self._zeroconf = zeroconf
            zeroconf.register_service(_described(port, key, addresses), allow_name_change=True)


def _described(port: int, key: str, addresses: list[str]) -> "ServiceInfo":
    from zeroconf import ServiceInfo

    host = _label(socket.gethostname())
    return ServiceInfo(
        SERVICE,
        f"{host} {port}.{SERVICE}",
        port=port,
        properties={_KEY: key.encode()},
        server=f"{host}-{key[:8]}-{port}.local.",  # two machines may have the same name
        parsed_addresses=addresses,
    )


def _label(host: str) -> str:
    """Return the first label of a host's name as DNS takes it."""
    return re.sub(r"[^A-Za-z0-9-]", "-", host.partition(".")[0])[:_NAME_MAX].strip("-") or "chatapp"


class Discovery:
    """A look at the network, which begins at once and goes on in the background."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._found: dict[str, FoundRegistry] = {}
        self._zeroconf: Zeroconf | None = None
        threading.Thread(target=self._look, daemon=True).start()

    def finish(self) -> list[FoundRegistry]:
        """Return what was found, once the network has had its time to answer; by name."""
        time.sleep(max(0.0, self._since + LOOK_FOR - time.monotonic()))
        with self._lock:
            zeroconf, self._zeroconf = self._zeroconf, None
            found = sorted(
                self._found.values(), key=lambda registry: (registry.name, registry.address)
            )
        if zeroconf is not None:
            threading.Thread(target=zeroconf.close, daemon=True).start()
        return found

    def _look(self) -> None:
        try:
            from zeroconf import Error, ServiceBrowser, Zeroconf
        except ImportError:
            return
        try:
            zeroconf = Zeroconf()
        except (OSError, Error):
            return
        with self._lock:
            self._zeroconf = zeroconf
        ServiceBrowser(zeroconf, SERVICE, handlers=[self._noticed])

    def _noticed(
        self,
        zeroconf: "Zeroconf",
        service_type: str,
        name: str,
        state_change: object,  # noqa: ARG002 - the library names it
    ) -> None:
        """Ask a registry that was noticed for its address. Runs in a thread of the library."""
        info = None
        with contextlib.suppress(Exception):  # whatever a stranger sent
            info = zeroconf.get_service_info(service_type, name, timeout=_ANSWER_WITHIN)
        if info is None:
            return
        registry = registry_of(name, info.port, info.parsed_addresses(), info.properties)
        with self._lock:
            if registry is not None and (name in self._found or len(self._found) < FOUND_MAX):
                self._found[name] = registry


def registry_of(
    name: str, port: int | None, addresses: Iterable[str], properties: Mapping[bytes, bytes | None]
) -> FoundRegistry | None:
    """Return the registry that an announcement describes; None for one that describes none."""
    hosts = [host for host in map(ip_literal, addresses) if host is not None]
    if not hosts or port is None or not is_port(port):
        return None
    claimed = properties.get(_KEY) or b""
    if _DIGITS.match(claimed) is None:
        return None
    host = next((host for host in hosts if ":" not in host), hosts[0])
    shown = _NOT_IN_NAMES.sub("-", name.removesuffix(f".{SERVICE}"))[:_NAME_MAX]
    return FoundRegistry(Address(host, port), shown, claimed.decode())
