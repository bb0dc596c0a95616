"""What a service manager such as systemd is told, by the protocol of sd_notify(3): the registry
serves, loads its lists again, or stops; and its event loop still runs.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

_log = logging.getLogger(__name__)

_SEND_TIMEOUT: Final = 1.0
"""Seconds to wait for a service manager that reads slowly. A lost READY=1 would end the start."""
_KEEP_ALIVES: Final = 2
"""Signs of life in the span after which the service manager restarts a program that gives none."""
_MICROSECONDS: Final = 1_000_000


def socket_address(environment: Mapping[str, str]) -> str | None:
    """Return the address of the service manager's socket: NOTIFY_SOCKET, a path, or a name after
    `@`. None if there is none, or one of another kind."""
    named = environment.get("NOTIFY_SOCKET", "")
    if named.startswith("@"):
        return f"\0{named[1:]}"
    return named if named.startswith("/") else None


def watchdog_span(environment: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds after which the service manager restarts the process `pid` if it gives no
    sign of life (WATCHDOG_USEC), or None if it does not watch this process (WATCHDOG_PID)."""
    span, watched = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
    if (
        not (span.isascii() and span.isdecimal() and len(span) < 20)
        or watched != str(pid)
        or not int(span)
    ):
        return None
    return int(span) / _MICROSECONDS


class Supervisor:
    """The service manager that started this program, if any. Every method does nothing without
    one."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        pid: int | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now`: seconds of the monotonic clock of the system (CLOCK_MONOTONIC)."""
        self._address: Final = socket_address(environment)
        self._span: Final = watchdog_span(environment, os.getpid() if pid is None else pid)
        self._now: Final = now
        self._next: asyncio.TimerHandle | None = None

    def ready(self, status: str) -> None:
        """Tell that the program serves, at first or again after `reloading`. `status`: a line that
        is shown to people."""
        self._tell(f"READY=1\nSTATUS={status}")
        if self._address is not None and self._span is not None and self._next is None:
            self._keep_alive(asyncio.get_running_loop(), self._span / _KEEP_ALIVES)

    def reloading(self) -> None:
        """Tell that settings are read again. `ready` ends that."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={int(self._now() * _MICROSECONDS)}")

    def stopping(self) -> None:
        """Tell that the program stops, and give no more signs of life."""
        if self._next is not None:
            self._next.cancel()
        self._tell("STOPPING=1")

    def _keep_alive(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        """Give a sign of life, and again after `interval` seconds, from the event loop: a loop that
        hangs gives none."""
        self._tell("WATCHDOG=1", wait=False)
        self._next = loop.call_later(interval, self._keep_alive, loop, interval)

    def _tell(self, text: str, *, wait: bool = True) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_TIMEOUT if wait else 0.0)
                sender.connect(self._address)
                sender.send(text.encode())
        except OSError as error:  # a registry serves people, whether or not its manager listens
            _log.debug("the service manager was not told %r: %s", text, error)
