"""A slow path between two networks that exist for a measurement only: namespaces without a name,
which end with the processes in them.

python -m bench.slowpath NEAR FAR    carries packets between two open TUN devices, as a radio would

Told by a line on standard input, it answers with the bytes that it has carried so far.
"""

import ctypes
import fcntl
import heapq
import json
import os
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.machine import Process
from bench.rivals import Absent

BITS_A_SECOND: Final = 9_600
DELAY: Final = 0.3
"""Seconds each way: a round trip takes 600 ms and the time that its bytes need."""
_QUEUE_MAX: Final = 4_096
"""Bytes that wait for the line, as in a modem. What comes on top of them is lost."""
NEAR: Final = "10.99.0.1"
FAR: Final = "10.99.0.2"

_NEW_NETWORK: Final = 0x40000000
_SET_DEVICE: Final = 0x400454CA
_TUN_WITHOUT_HEAD: Final = 0x1001
_LARGEST: Final = 2_048
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Line:
    """One direction of the path."""

    def __init__(self, into: int) -> None:
        """`into`: the descriptor at the end of the line."""
        self._into: Final = into
        self._is_free_at = 0.0
        self._under_way: list[tuple[float, int, bytes]] = []
        self._count = 0
        self.carried = 0
        """Bytes of IP so far."""

    def take(self, packet: bytes, now: float) -> None:
        """Put a packet on the line, unless too much waits for it."""
        begins = max(now, self._is_free_at)
        if (begins - now) * BITS_A_SECOND / 8 + len(packet) > _QUEUE_MAX:
            return
        self._is_free_at = begins + len(packet) * 8 / BITS_A_SECOND
        self._count += 1
        self.carried += len(packet)
        heapq.heappush(self._under_way, (self._is_free_at + DELAY, self._count, packet))

    def deliver(self, now: float) -> float | None:
        """Hand out what has arrived; when to come again."""
        while self._under_way and self._under_way[0][0] <= now:
            os.write(self._into, heapq.heappop(self._under_way)[2])
        return self._under_way[0][0] if self._under_way else None


def carry(near: int, far: int) -> None:
    """Carry packets until standard input ends."""
    lines = {near: Line(far), far: Line(near)}
    while True:
        now = time.monotonic()
        due = [at for line in lines.values() if (at := line.deliver(now)) is not None]
        patience = max(min(due) - now, 0) if due else None
        for fd in select.select([near, far, 0], [], [], patience)[0]:
            if fd in lines:
                packet = os.read(fd, _LARGEST)
                if packet[0] >> 4 == 4:  # not what the system says about itself by IPv6
                    lines[fd].take(packet, time.monotonic())
            elif not sys.stdin.readline():
                return
            else:
                print(json.dumps(sum(line.carried for line in lines.values())), flush=True)


class SlowPath:
    """The two networks. This process is in the near one."""

    def __init__(self, far: int, radio: Process) -> None:
        self._far: Final = far
        self._radio: Final = radio

    @contextmanager
    def at_far_end(self) -> Iterator[None]:
        """Start processes there: NEAR is their only neighbour."""
        with _in_network(self._far):
            yield

    def carried(self) -> int:
        """Bytes of IP that the path has carried, both ways."""
        carried: int = self._radio.ask("")
        return carried


@contextmanager
def slow_path() -> Iterator[SlowPath]:
    """Move to a network of our own that has a slow neighbour, and back afterwards. Raises Absent
    where that is not possible."""
    if os.geteuid() or shutil.which("ip") is None or not os.access("/dev/net/tun", os.R_OK):
        raise Absent("a slow path needs root, `ip` and /dev/net/tun; skipped")
    with ExitStack() as stack:
        home = _opened_network(stack)
        stack.callback(_enter, home)
        near, near_end = _made(stack, NEAR, FAR)
        far, far_end = _made(stack, FAR, NEAR)
        _enter(near)
        words = [sys.executable, "-m", "bench.slowpath", str(near_end), str(far_end)]
        yield SlowPath(far, stack.enter_context(Process(words, fds=(near_end, far_end))))


def _made(stack: ExitStack, address: str, neighbour: str) -> tuple[int, int]:
    """Move to a new network with one device; return both."""
    if _libc.unshare(_NEW_NETWORK):
        raise Absent("a slow path needs network namespaces; skipped")
    device = os.open("/dev/net/tun", os.O_RDWR)
    stack.callback(os.close, device)
    fcntl.ioctl(device, _SET_DEVICE, struct.pack("16sH22x", b"radio", _TUN_WITHOUT_HEAD))
    for words in (
        f"address add {address} peer {neighbour} dev radio",
        "link set radio up",
        "link set lo up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return _opened_network(stack), device


def _opened_network(stack: ExitStack) -> int:
    network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, network)
    return network


@contextmanager
def _in_network(network: int) -> Iterator[None]:
    with ExitStack() as stack:
        before = _opened_network(stack)
        _enter(network)
        stack.callback(_enter, before)
        yield


def _enter(network: int) -> None:
    if _libc.setns(network, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


if __name__ == "__main__":
    carry(int(sys.argv[1]), int(sys.argv[2]))
