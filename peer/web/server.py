"""Serving pages on a port until a signal ends that: the port, bounded connections, and an orderly end."""

import asyncio
import contextlib
import errno
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from chatapp.peer.ui.terminal import DONE, INTERRUPTED
from chatapp.peer.web.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_NETWORK,
    HEAD_MAX,
    HEAD_WITHIN,
    IDLE_CONNECTION,
)
from chatapp.wire.address import Address, network_of, normalized_host
from chatapp.wire.errors import ChatAppError

ENDS_WITHIN: Final = 3
"""Seconds for which requests under way are finished at the end."""


class CannotListen(ChatAppError):
    """The port cannot be taken."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"--listen: {self.address} {self.reason}"


def listen(address: Address) -> socket.socket:
    """Take a TCP port. `address`: an IP address, and the port, 0 for any. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        match error.errno:
            case errno.EADDRINUSE:
                reason = "is in use already"
            case errno.EADDRNOTAVAIL:
                reason = "is no address of this machine"
            case _:
                reason = f"cannot be used: {error.strerror or error}"
        raise CannotListen(address, reason) from None
    listener.setblocking(False)
    return listener


def allow_descriptors(wanted: int) -> None:
    """Raise our own limit on open files to `wanted`, or as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class BoundedConnection(H11Protocol):
    """A connection of a browser. Too many of them are cut at once, the head of each request must arrive within a time, and a
    page may cut the connection: `request.state.abort()`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, "abort": self._abort}
        self._head_due: asyncio.TimerHandle | None = None
        self._network = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head, unless there are too many connections in all or of this network."""
        super().connection_made(transport)
        if self.client is not None:
            self._network = network_of(normalized_host(self.client[0]))
        if self._is_one_too_many():
            self._abort()
        else:
            self._watch_head()

    def _is_one_too_many(self) -> bool:
        """Whether this connection, which is among `self.connections`, goes beyond a limit. All that come by a proxy have its
        address, so only their total counts there."""
        if len(self.connections) > CONNECTIONS_MAX:
            return True
        if self.config.proxy_headers:
            return False
        same = sum(1 for one in self.connections if getattr(one, "_network", "") == self._network)
        return same > CONNECTIONS_PER_NETWORK

    def data_received(self, data: bytes) -> None:
        """Handle what has come, and wait for the rest of a head that has begun."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._head_due is not None:
            self._head_due.cancel()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        is_in_head = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if is_in_head and self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN, self._abort)
        elif not is_in_head and self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn, whose owner decides about signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    proxies: Sequence[str],
    until: asyncio.Future[int],
    ending: Callable[[], None],
) -> int:
    """Serve `app` until `until` is done, or SIGTERM, SIGHUP or SIGINT comes; return its result, the exit status. `proxies`:
    the addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. `ending` is called first at
    the end, and closes streams."""
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        server_header=False,
        h11_max_incomplete_event_size=HEAD_MAX,
        timeout_keep_alive=IDLE_CONNECTION,
        timeout_graceful_shutdown=ENDS_WITHIN,
    )
    server = Server(config)

    def end(status: int) -> None:
        if not until.done():
            until.set_result(status)

    def stop(_: object) -> None:
        ending()
        server.should_exit = True

    until.add_done_callback(stop)
    loop = asyncio.get_running_loop()
    for number, status in _STATUS_OF.items():
        loop.add_signal_handler(number, end, status)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in _STATUS_OF:
            loop.remove_signal_handler(number)
    return until.result()


_STATUS_OF: Final = {signal.SIGTERM: DONE, signal.SIGHUP: DONE, signal.SIGINT: INTERRUPTED}
"""The exit status for each signal that ends the program."""
