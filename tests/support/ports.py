"""Ports for programs under test: free for UDP and TCP, and not used by other tests meanwhile.

A port may be free for a while between two runs of a registry, or must stay free for a whole test;
another test process looking for a free port could take it then. So each process claims a block of
ports: the process that holds the first port of a block owns all of it.
"""

import atexit
import errno
import itertools
import socket
from collections.abc import Iterator
from random import SystemRandom
from typing import Final

FIRST: Final = 20_000
LAST: Final = 32_000
"""Below the ports that the system hands out by itself; `examples.theatre` has those below
20,000."""

BLOCK: Final = 400
"""Ports of one process. They come round again when all have had their turn, long after their last
test: one on which connections have ended is not free for another minute."""


def free_port() -> int:
    """A port of our own, free for UDP and TCP on all addresses; another one each time."""
    return next(_ours)


def _turns() -> Iterator[int]:
    claimed = _claim()
    for port in itertools.cycle(range(claimed + 1, claimed + BLOCK)):
        if _is_free(port):
            yield port


def _claim() -> int:
    """The first port of a block that nobody else has; it is held until the process ends."""
    blocks = list(range(FIRST, LAST, BLOCK))
    SystemRandom().shuffle(blocks)
    for first in blocks:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.bind(("127.0.0.1", first))
        except OSError:
            holder.close()
            continue
        atexit.register(holder.close)
        return first
    raise RuntimeError(f"all blocks of ports from {FIRST} to {LAST} are taken")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            try:
                with socket.socket(family, kind) as probe:
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:  # else the machine has no such addresses at all
                    return False
    return True


_ours: Final = _turns()
