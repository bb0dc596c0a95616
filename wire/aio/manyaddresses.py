"""One UDP datagram to many addresses by few system calls: `sendmmsg` of Linux, which Python has no
function for."""

import ctypes
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Final

from chatapp.wire.address import Address

AT_ONCE: Final = 256
"""Addresses in one call."""

_PORT: Final = struct.Struct("!H")


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.POINTER(_Piece)),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr`."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


class _Form:
    """How a socket address of one family is written: `struct sockaddr_in` and `struct
    sockaddr_in6`."""

    def __init__(
        self, family: socket.AddressFamily, before: bytes, after: bytes, *, host_size: int
    ) -> None:
        """`before`, `after`: the zeros on both sides of the host."""
        self._family: Final = family
        self._head: Final = struct.pack("=H", family)
        self._before: Final = before
        self._after: Final = after
        self.size: Final = 4 + len(before) + host_size + len(after)

    def written(self, addresses: Sequence[Address]) -> bytes:
        """Return the socket addresses, one after the other. Raises OSError if one of them is
        none."""
        port_of, host_of, family = _PORT.pack, socket.inet_pton, self._family
        head, before, after = self._head, self._before, self._after
        return b"".join(
            [
                head + port_of(port) + before + host_of(family, host) + after
                for host, port in addresses
            ]
        )


_FORMS: Final = {
    socket.AF_INET: _Form(socket.AF_INET, b"", bytes(8), host_size=4),
    socket.AF_INET6: _Form(socket.AF_INET6, bytes(4), bytes(4), host_size=16),
}


class ManyAddresses:
    """Sends one datagram to many addresses of one family. All that a call of the system is given is
    laid out once; only the addresses and the datagram change."""

    def __init__(self, family: socket.AddressFamily, call: Callable[..., int]) -> None:
        """`call`: `sendmmsg`."""
        self._form: Final = _FORMS[family]
        self._call: Final = call
        self._piece: Final = _Piece()
        self._names: Final = ctypes.create_string_buffer(self._form.size * AT_ONCE)
        self._messages: Final = (_Message * AT_ONCE)()
        for place in range(AT_ONCE):
            message = self._messages[place].header
            message.name = ctypes.addressof(self._names) + place * self._form.size
            message.name_size = self._form.size
            message.pieces = ctypes.pointer(self._piece)
            message.piece_count = 1

    def send(self, sock: socket.socket, data: bytes, addresses: Sequence[Address]) -> int:
        """Send. Return how many of the datagrams the kernel refused: each counts as a lost
        packet."""
        self._piece.data, self._piece.size = data, len(data)
        return sum(
            self._send_some(sock.fileno(), addresses[start : start + AT_ONCE])
            for start in range(0, len(addresses), AT_ONCE)
        )

    def _send_some(self, descriptor: int, addresses: Sequence[Address]) -> int:
        names = self._form.written(addresses)
        ctypes.memmove(self._names, names, len(names))
        done = refused = 0
        while done < len(addresses):
            rest = ctypes.byref(self._messages, done * ctypes.sizeof(_Message))
            sent = self._call(descriptor, rest, len(addresses) - done, 0)
            if (
                sent <= 0
            ):  # the kernel refuses the first of them, and stops before any later one that it would refuse
                refused, sent = refused + 1, 1
            done += sent
        return refused


def find_sendmmsg() -> Callable[..., int] | None:
    """Return the system's `sendmmsg`; None where there is none of this shape."""
    if sys.platform != "linux":
        return None
    try:
        return ctypes.CDLL(None).sendmmsg
    except (OSError, AttributeError):
        return None
