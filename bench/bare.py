"""What Python alone needs for a direct message: blocking sockets, no event loop, no loss, no order,
no names.

python -m bench.bare COUNT WINDOW

Two processes on a core each. A message is encoded by msgspec, and all that may leave together
shares datagrams of ten, each sealed by AES-256-GCM; an acknowledgement answers all that one wake-up
brought. Each end appends what it sends or takes to a file before it goes on, as ChatApp's journal
does. Prints {"p50", "rate", "cpu"}: seconds of a round trip, messages a second, and seconds of
processor time of both ends in all.
"""

import json
import os
import resource
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.machine import cache

TEXT: Final = "x" * 100
TOGETHER: Final = 10
"""Messages of 100 bytes that fit a datagram of 1,200."""
_NONCE: Final = 12
_PATIENCE: Final = 30
"""Seconds for a datagram that must come. Python's own timeout would make `MSG_DONTWAIT` wait,
too."""


class Said(msgspec.Struct, array_like=True, tag=1, gc=False):
    """A message."""

    number: int
    at: int
    text: str


class Acked(msgspec.Struct, array_like=True, tag=2, gc=False):
    """An acknowledgement of `count` messages from `first` on."""

    first: int
    count: int


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Said | Acked]).decode


class End:
    """One end: a connected socket, a key and a file."""

    def __init__(self, sock: socket.socket, core: int) -> None:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
        self._sock = sock
        self._key = AESGCM(bytes(32))
        self._nonce = core << 64
        self._file = tempfile.TemporaryFile(dir=cache(), buffering=0)  # noqa: SIM115 - ends with the process

    def send(self, frames: list[Said] | list[Acked]) -> None:
        """Store frames, and send them."""
        self._file.write(_encode(frames))
        for start in range(0, len(frames), TOGETHER):
            self._nonce += 1
            nonce = self._nonce.to_bytes(_NONCE, "big")
            self._sock.send(
                nonce + self._key.encrypt(nonce, _encode(frames[start : start + TOGETHER]), None)
            )

    def store(self, frames: list[Said | Acked]) -> None:
        """Store frames that came."""
        self._file.write(_encode(frames))

    def receive(self) -> list[Said | Acked]:
        """Wait for a datagram, and read until the socket is empty."""
        return [frame for data in self._datagrams() for frame in _decode(self._opened(data))]

    def _opened(self, data: bytes) -> bytes:
        return self._key.decrypt(data[:_NONCE], data[_NONCE:], None)

    def _datagrams(self) -> Iterator[bytes]:
        yield self._sock.recv(2_048)
        while True:
            try:
                yield self._sock.recv(2_048, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return


def answer(end: End, count: int) -> None:
    """Take and acknowledge `count` messages."""
    taken = 0
    while taken < count:
        came = end.receive()
        end.store(came)
        taken += len(came)
        end.send([Acked(taken - len(came), len(came))])


def ask(end: End, count: int, window: int) -> list[float]:
    """Send `count` messages, `window` of them not yet acknowledged. Return the spans from sending
    to an acknowledgement."""
    sent = acked = 0
    took = []
    while acked < count:
        began = time.perf_counter()
        fresh = min(window - (sent - acked), count - sent)
        if fresh > 0:
            end.send([Said(sent + place, 1_700_000_000_000, TEXT) for place in range(fresh)])
            sent += fresh
        answers = end.receive()
        end.store(answers)
        acked += sum(one.count for one in answers if isinstance(one, Acked))
        took.append(time.perf_counter() - began)
    return took


def connected() -> tuple[socket.socket, socket.socket]:
    """Return two sockets that are connected to each other."""
    both = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for sock in both:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _PATIENCE, 0))
        sock.bind(("127.0.0.1", 0))
    near, far = both
    near.connect(far.getsockname())
    far.connect(near.getsockname())
    return near, far


def main() -> None:
    """Run the command line."""
    count, window = int(sys.argv[1]), int(sys.argv[2])
    near, far = connected()
    child = os.fork()
    if not child:
        answer(End(far, 1), count)
        os._exit(0)
    end = End(near, 0)
    before, began = time.process_time(), time.monotonic()
    took = ask(end, count, window)
    cpu, seconds = time.process_time() - before, time.monotonic() - began
    os.waitpid(child, 0)
    there = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += there.ru_utime + there.ru_stime
    print(json.dumps({"p50": statistics.median(took), "rate": count / seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
