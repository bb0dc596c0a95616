"""Serving pages on a port until a signal ends that: the port, bounded connections, and an orderly
end."""

import asyncio
import contextlib
import errno
import gc
import resource
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from chatapp.peer.faces.program import ENDING_SIGNALS, FAILED, resume_gc
from chatapp.peer.faces.web.budget import Crowd, Ledger, WebBudget
from chatapp.peer.faces.web.limits import (
    CONNECTIONS_MAX,
    HEAD_MAX,
    HEAD_WITHIN,
    IDLE_CONNECTION,
    SEND_WITHIN,
)
from chatapp.wire.address import Address, network_of, normalized_host
from chatapp.wire.errors import ChatAppError

ENDS_WITHIN: Final = 3
"""Seconds for which requests under way are finished at the end."""
_GARBAGE_THRESHOLDS: Final = (10_000, 10, 1)
"""The garbage collector looks at new objects rarely, as it walks those of all members' nodes that
have come since, and at the oldest ones soon: a closed connection refers to itself, so of a crowd
thousands would stay until then."""


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
    listener.settimeout(0)
    return listener


def allow_descriptors(wanted: int) -> int:
    """Raise our own limit on open files to `wanted`, or as far as the system lets us. Return the
    limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else soft


def connections_for(descriptors: int) -> int:
    """Return how many connections are taken under a limit on open files: the other half is for
    everything else."""
    return min(CONNECTIONS_MAX, descriptors // 2)


class BoundedConnection(H11Protocol):
    """A connection of a browser. When there are too many, a silent one is cut. The head of each
    request must arrive within a time, and what is sent must be taken. A page may ask whether its
    reader is gone (`request.state.is_gone()`), and how many bytes of the last answer are not taken
    (`request.state.unsent()`); it may cut the connection (`request.state.abort()`); and it says
    when it has taken a part of the body (`request.state.note_arrived()`)."""

    # Python shares the keys of up to 30 attributes among all connections: these would be too many,
    # at 1 KiB for each.
    __slots__ = (
        "_arrived",
        "_budget",
        "_head_due",
        "_in_head",
        "_network",
        "_taken_due",
        "_unsent",
    )

    def __init__(self, *args: Any, budget: WebBudget, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._budget: Final = budget
        self._head_due: asyncio.TimerHandle | None = None
        self._taken_due: asyncio.TimerHandle | None = None
        self._network = ""
        self._arrived = 0
        """Bytes of requests that have come and that no page has taken, when we looked last."""
        self._in_head = 0
        """How many of them are of a head that is not whole."""
        self._unsent = 0
        """Bytes that the client had not taken when we looked last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head. If there are too many connections in all or of this network, one
        is cut."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(
            high=0
        )  # `pause_writing` tells all that is not taken at once
        if self.client is not None and not self._budget.is_proxied:
            self._network = network_of(normalized_host(self.client[0]))
        self._enter(self._budget.crowd)
        self._note_idle()
        self._watch_head()

    def _enter(self, crowd: Crowd[object]) -> None:
        cut = crowd.enter(self, self._network)
        if isinstance(cut, BoundedConnection):
            self._budget.incidents.note("connections cut for others")
            cut.abort()

    def _note_idle(self) -> None:
        """Count the connection among those on which no request is under way, or not. An idle one
        holds nothing of its last request."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._budget.idle.leave(self)
            return
        if getattr(self.cycle, "response_complete", False):
            self.scope = self.headers = self.cycle = None  # type: ignore[assignment]
        self._enter(self._budget.idle)

    def data_received(self, data: bytes) -> None:
        """Handle what has come, and wait for the rest of a head that has begun."""
        if (
            not self.app_state
        ):  # a connection that has sent nothing asks for nothing, and costs less
            self.app_state = {
                "abort": self.abort,
                "is_gone": self._is_gone,
                "note_arrived": self._note_arrived,
                "unsent": self._unsent_now,
            }
        self._budget.crowd.heard(self)
        try:
            super().data_received(data)
        except (h11.ProtocolError, RuntimeError):  # RuntimeError: h11 is given bytes behind the end
            self._budget.incidents.note("no request")
            self.abort()
        self._watch_head()

    def handle_events(self) -> None:
        """Handle what has come, and hold no more of it than there is room for."""
        super().handle_events()
        if not self._note_arrived():
            self._budget.incidents.note("requests without room")
            self.abort()
        self._note_idle()

    def _note_arrived(self) -> bool:
        """Count the bytes that have come and that no page has taken: of a head that is not whole,
        of requests behind the one that is answered, of a body. Return whether there is room for
        them."""
        size = in_head = 0
        if self in self.connections:  # else the connection is lost, and a page still asks
            rest, _ = self.conn.trailing_data
            size = len(rest)
            in_head = size if self.conn.their_state is h11.IDLE else 0
            if self.cycle is not None:
                size += len(self.cycle.body)
        has_room = _hold(self._budget.flight, self._network, size - self._arrived)
        has_room &= _hold(self._budget.heads, self._network, in_head - self._in_head)
        self._arrived, self._in_head = size, in_head
        return has_room

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        # it refers to us: without it we are gone before the garbage collector looks
        self.app_state = {}
        self._budget.crowd.leave(self)
        self._budget.idle.leave(self)
        self._note_unsent(0)
        if self._head_due is not None:
            self._head_due.cancel()
        super().connection_lost(exc)
        self._note_arrived()

    # --- answers that are not taken

    def pause_writing(self) -> None:
        """Hold what the client has not taken, for a while."""
        super().pause_writing()
        size = self.transport.get_write_buffer_size()
        has_room = self._budget.flight.has_room(self._network, size)
        self._note_unsent(size)
        if not has_room:
            self._budget.incidents.note("answers not taken")
            self.abort()

    def resume_writing(self) -> None:
        """Go on: the client has taken all."""
        self._note_unsent(0)
        super().resume_writing()

    def _note_unsent(self, size: int) -> None:
        self._budget.flight.add(self._network, size - self._unsent)
        self._unsent = size
        if self._taken_due is not None:
            self._taken_due.cancel()
        self._taken_due = self.loop.call_later(SEND_WITHIN, self._look_at_unsent) if size else None

    def _look_at_unsent(self) -> None:
        size = self.transport.get_write_buffer_size()
        if size >= self._unsent:
            self._budget.incidents.note("answers not taken")
            self.abort()
        else:
            self._note_unsent(size)

    def _watch_head(self) -> None:
        is_in_head = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if is_in_head and self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN, self.abort)
        elif not is_in_head and self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _is_gone(self) -> bool:
        return self.transport.is_closing()

    def _unsent_now(self) -> int:
        return self._unsent

    def abort(self) -> None:
        """Cut the connection at once; what is not sent is lost."""
        if self.cycle is not None:
            self.cycle.disconnected = (
                True  # else a page that ends without an answer is an error in the log of uvicorn
            )
        if self.transport is not None:
            self.transport.abort()


def _hold(ledger: Ledger, network: str, grown: int) -> bool:
    """Note bytes that are held already. Return whether there was room for them."""
    has_room = grown <= 0 or ledger.has_room(network, grown)
    ledger.add(network, grown)
    return has_room


class Server(uvicorn.Server):
    """uvicorn, whose owner decides about signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve_until(
    app: ASGIApp,
    listener: socket.socket,
    *,
    proxies: Sequence[str] = (),
    until: asyncio.Future[int],
    ending: Callable[[], None],
    budget: WebBudget,
) -> None:
    """Serve `app` until `until` is done. `proxies`: the addresses and networks whose
    `X-Forwarded-For` and `X-Forwarded-Proto` are believed. `ending` is called first at the end, and
    closes streams. `budget`: what all clients share."""
    # uvicorn says that it wants a class, and calls what it is given.
    connection_class = cast("type[asyncio.Protocol]", partial(BoundedConnection, budget=budget))
    config = uvicorn.Config(
        app,
        http=connection_class,
        backlog=budget.accepted_at_once,
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

    def stop(_: object) -> None:
        ending()
        server.should_exit = True

    until.add_done_callback(stop)
    await server.serve(sockets=[listener])


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    proxies: Sequence[str],
    ending: Callable[[], None],
    until: asyncio.Future[int],
    budget: WebBudget,
) -> int:
    """Do what `serve_until` does as a program of its own, which SIGTERM, SIGHUP or SIGINT ends, too.
    Returns the exit status: the result of `until`."""
    resume_gc()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)

    with signals_end(until):
        await serve_until(app, listener, proxies=proxies, until=until, ending=ending, budget=budget)
    return until.result()


@contextlib.contextmanager
def signals_end(until: asyncio.Future[int]) -> Iterator[None]:
    """Have SIGTERM, SIGHUP and SIGINT end the program: `until` gets its exit status."""

    def end(status: int) -> None:
        if not until.done():
            until.set_result(status)

    loop = asyncio.get_running_loop()
    for number, status in ENDING_SIGNALS:
        loop.add_signal_handler(number, end, status)
    try:
        yield
    finally:
        for number, _ in ENDING_SIGNALS:
            loop.remove_signal_handler(number)


def say(line: str) -> None:
    """Tell whoever runs the program."""
    print(line, flush=True)


def say_all(lines: Iterable[str]) -> None:
    """Tell them several lines."""
    for line in lines:
        say(line)


def refuse(lines: Sequence[str]) -> int:
    """Say why the program cannot run. Returns the exit status."""
    for line in lines:
        is_plain = not line.startswith(("[", "ChatApp: "))
        print(f"ChatApp: {line}" if is_plain else line, file=sys.stderr)
    return FAILED
