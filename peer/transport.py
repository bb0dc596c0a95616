"""The TCP connection of a node to the registry.

The core decides when there is to be a connection and what its frames mean (`peer.core.registry.link`); here bytes move.
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

LINK_QUEUE: Final = 8 * 1024 * 1024
"""Bytes of ours that may wait until the registry reads them. They are the user's own words, so the limit is generous."""


def call_guarded(handle: Callable[..., None], *what: object, now: float, dropped: Counter[str]) -> None:
    """Pass input to the core. A bug there is logged and counted; it must not end the program."""
    try:
        handle(*what, now=now)
    except Exception as error:  # noqa: BLE001 - any bug at all
        dropped["fault of ours"] += 1
        _log.error(
            "fault while listening: %s", quoted(repr(error)), exc_info=_log.isEnabledFor(logging.DEBUG)
        )


class LinkedCore(Protocol):
    """What a connection needs of a core, a peer's or a visitor's."""

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


class LinkedNode(Protocol):
    """What has the core."""

    @property
    def core(self) -> LinkedCore: ...


class Connection:
    """The connection that a node has, if any. Frames of an earlier connection are ignored."""

    def __init__(
        self, node: LinkedNode, host: str, *, read_clock: Callable[[], float], take_turn: Callable[[], None]
    ) -> None:
        self._node = node
        self._host = host
        self._now = read_clock
        self._take_turn = take_turn
        self._link: TcpLink | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._is_over = False
        self._is_held = False

    def tend(self, *, now: float) -> None:
        """Close, write and connect, as the core wants."""
        core = self._node.core
        if core.wants_link_closed() and self._link is not None:
            self._link.close("no longer wanted")
            self._link = None
        pieces = core.link_bytes_to_send(now=now)
        if self._link is not None and pieces:
            self._link.write(pieces)
        if core.wants_link():
            if self._connecting is not None:
                self._connecting.cancel()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def hold(self, *, is_held: bool) -> None:
        """Stop or resume reading. What the registry has for us meanwhile waits at its end."""
        if is_held is not self._is_held:
            self._is_held = is_held
            self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        if self._link is not None and self._is_held:
            self._link.pause_reading()
        elif self._link is not None:
            self._link.resume_reading()

    def close(self) -> None:
        """Send what is written, read nothing more, and close."""
        self._is_over = True
        if self._link is not None:
            self._link.close("leaving")
        if self._connecting is not None:
            self._connecting.cancel()

    async def closed(self) -> None:
        """Wait until no attempt to connect is under way."""
        if self._connecting is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting

    async def _connect(self) -> None:
        try:
            await self._connect_to(self._host, self._node.core.link_port)
        except OSError as error:
            _log.debug("no link: %s", error)
            if not self._is_over:
                self._node.core.link_closed(now=self._now())
                self._take_turn()

    async def _connect_to(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            limit_segments(sock, host)  # takes effect only if it is set before the handshake of TCP
            await loop.sock_connect(sock, (host, port))
            await loop.create_connection(lambda: TcpLink(self, queue_max=LINK_QUEUE), sock=sock)
        except BaseException:
            sock.close()
            raise

    # --- what the link reports (`wire.aio.link.TcpLinkOwner`)

    def link_opened(self, link: TcpLink) -> None:
        if self._is_over:
            link.cut("closed meanwhile")
            return
        self._link = link
        link.allow_full_frames()
        if self._is_held:
            self._pause_or_resume()
        self._node.core.link_connected(now=self._now())
        self._take_turn()

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        if self._is_current(link):
            core = self._node.core
            call_guarded(core.receive_frames, frames, now=self._now(), dropped=core.dropped)
            self._take_turn()

    def link_closed(self, link: TcpLink, reason: str) -> None:
        if self._is_current(link):
            _log.debug("link closed: %s", reason)
            self._link = None
            self._node.core.link_closed(now=self._now())
            self._take_turn()

    def _is_current(self, link: TcpLink) -> bool:
        return link is self._link and not self._is_over
