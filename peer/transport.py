"""Our TCP connection to the registry: made when the core wants one, its bytes handed to the core.

It pumps; what a link says, and when there is to be one, stands in `peer.core.registry.link`.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from chatapp.wire.aio.link import TcpLink, limit_segments
from chatapp.wire.errors import quoted

_log = logging.getLogger("chatapp.peer")


def call_guarded(listen: Callable[..., None], *what: object, now: float, dropped: Counter[str]) -> None:
    """Let `listen` have what came."""
    try:
        listen(*what, now=now)
    except Exception as error:  # noqa: BLE001 - whatever it is
        dropped["fault of ours"] += 1
        _log.error(
            "fault while listening: %s", quoted(repr(error)), exc_info=_log.isEnabledFor(logging.DEBUG)
        )


LINK_QUEUE: Final = 8 * 1024 * 1024
"""Bytes of our own that may wait for the registry to read them: our memory, our words."""


class Linked(Protocol):
    """The core of a node that has a link: a peer's, a visitor's."""

    @property
    def dropped(self) -> Counter[str]: ...
    @property
    def link_port(self) -> int: ...
    def wants_link(self) -> bool: ...
    def wants_link_closed(self) -> bool: ...
    def link_connected(self, *, now: float) -> None: ...
    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None: ...
    def link_closed(self, *, now: float) -> None: ...
    def link_bytes_to_send(self, *, now: float) -> list[bytes]: ...


class Connection:
    """The one connection of a node; an older one that still speaks is not listened to."""

    def __init__(
        self, core: Linked, host: str, *, read_clock: Callable[[], float], pump: Callable[[], None]
    ) -> None:
        self._core = core
        self._host = host
        self._now = read_clock
        self._pump = pump
        self._link: TcpLink | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._is_over = False
        self._is_held = False

    def tend(self, *, now: float) -> None:
        """Close, write and connect as the core wants."""
        if self._core.wants_link_closed() and self._link is not None:
            self._link.close("no longer wanted")
            self._link = None
        pieces = self._core.link_bytes_to_send(now=now)
        if self._link is not None and pieces:
            self._link.write(pieces)
        if self._core.wants_link():
            if self._connecting is not None:
                self._connecting.cancel()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def hold(self, *, is_held: bool) -> None:
        """Read nothing more for a while: what the registry has for us waits with it."""
        if is_held is not self._is_held:
            self._is_held = is_held
            self._pace()

    def _pace(self) -> None:
        if self._link is not None and self._is_held:
            self._link.pause_reading()
        elif self._link is not None:
            self._link.resume_reading()

    def close(self) -> None:
        """What is written still goes; nothing more is heard."""
        self._is_over = True
        if self._link is not None:
            self._link.close("leaving")
        if self._connecting is not None:
            self._connecting.cancel()

    async def closed(self) -> None:
        """Until no attempt is under way."""
        if self._connecting is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting

    async def _connect(self) -> None:
        try:
            await self._connect_to(self._host, self._core.link_port)
        except OSError as error:
            _log.debug("no link: %s", error)
            if not self._is_over:
                self._core.link_closed(now=self._now())
                self._pump()

    async def _connect_to(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            limit_segments(sock, host)
            await loop.sock_connect(sock, (host, port))
            await loop.create_connection(lambda: TcpLink(self, queue_max=LINK_QUEUE), sock=sock)
        except BaseException:
            sock.close()
            raise

    # --- as the owner of a link (`wire.aio.link.TcpLinkOwner`)

    def link_opened(self, link: TcpLink) -> None:
        if self._is_over:
            link.cut("closed meanwhile")
            return
        self._link = link
        link.allow_full_frames()
        if self._is_held:
            self._pace()
        self._core.link_connected(now=self._now())
        self._pump()

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        if self._listens_to(link):
            call_guarded(self._core.receive_frames, frames, now=self._now(), dropped=self._core.dropped)
            self._pump()

    def link_closed(self, link: TcpLink, reason: str) -> None:
        if self._listens_to(link):
            _log.debug("link closed: %s", reason)
            self._link = None
            self._core.link_closed(now=self._now())
            self._pump()

    def _listens_to(self, link: TcpLink) -> bool:
        return link is self._link and not self._is_over
