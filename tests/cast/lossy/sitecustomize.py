"""UDP losses: Python loads this file at the start of a program under test whose PYTHONPATH names
its folder.

The program itself is unaware of it. Datagrams vanish as they are sent: the share LOSSY_SHARE of
them, chosen by LOSSY_SEED and their count, and all that go to one of LOSSY_PORTS. At the end the
file LOSSY_REPORT says how many were sent and lost. Those that begin with the byte LOSSY_KIND are
written to the file LOSSY_HEARD as they are sent, each as a line: port, hex.
"""

import atexit
import os
import random
import socket
from pathlib import Path
from typing import Any

_SHARE = float(os.environ.get("LOSSY_SHARE", "0"))
_PORTS = frozenset(map(int, os.environ.get("LOSSY_PORTS", "").split()))
_REPORT = os.environ.get("LOSSY_REPORT", "")
_KIND = os.environ.get("LOSSY_KIND", "")
_HEARD = os.environ.get("LOSSY_HEARD", "")
_CHANCE = random.Random(int(os.environ.get("LOSSY_SEED", "0")))
_counts = {"sent": 0, "lost": 0}


class LossySocket(socket.socket):
    """A socket that loses some datagrams."""

    def sendto(self, data: Any, *where: Any) -> int:
        if self.type == socket.SOCK_DGRAM and _is_lost(data, where[-1][1]):
            return len(data)
        return super().sendto(data, *where)

    def send(self, data: Any, *flags: Any) -> int:
        if self.type == socket.SOCK_DGRAM and _is_lost(data, self.getpeername()[1]):
            return len(data)
        return super().send(data, *flags)


def _is_lost(data: Any, port: int) -> bool:
    if _HEARD and bytes(data[:1]).hex() == _KIND:
        with Path(_HEARD).open("a", encoding="utf-8") as heard:
            heard.write(f"{port} {bytes(data).hex()}\n")
    _counts["sent"] += 1
    is_lost = _CHANCE.random() < _SHARE or port in _PORTS
    _counts["lost"] += is_lost
    return is_lost


@atexit.register
def _report() -> None:
    if _REPORT:
        Path(_REPORT).write_text(f"{_counts['sent']} {_counts['lost']}\n", "utf-8")


socket.socket = LossySocket  # type: ignore[misc]
