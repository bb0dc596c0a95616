"""Connections over real sockets: a port that cannot be taken, heads that never end, readers that never read."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from chatapp.peer.web.guard import Guard
from chatapp.peer.web.server import BoundedConnection, CannotListen, Server, listen
from chatapp.peer.web.streams import EventStream
from chatapp.wire.address import Address
from tests.peer.web.test_guard import echo
from tests.support.ports import free_port

LOOPBACK = "127.0.0.1"


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, *, proxies: tuple[str, ...] = ()) -> AsyncIterator[int]:
    """Serve an application on a port of its own, without a program around it."""
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
    )
    config.load()
    state, port = ServerState(), free_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: BoundedConnection(config=config, server_state=state, app_state={}), LOOPBACK, port
    )
    try:
        yield port
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        await server.wait_closed()


async def answer_to(port: int, request: bytes) -> bytes:
    """Send bytes, and return all that comes until the end of the connection, however it ends."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    answer = b""
    try:
        writer.write(request)
        async with asyncio.timeout(60.0):
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65_536):
                    answer += piece
        return answer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def test_a_port_that_cannot_be_taken_is_named() -> None:
    port = free_port()
    taken = pytest.raises(CannotListen, match=rf"--listen: 127\.0\.0\.1:{port} is in use already")
    with listen(Address(LOOPBACK, port)), taken:
        listen(Address(LOOPBACK, port))
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:8080 is no address of this machine"):
        listen(Address("192.0.2.1", 8_080))


async def test_a_head_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.web.server.HEAD_WITHIN", 0.05)
    whole = b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"
    async with serving(Guard(echo)) as port:
        assert await answer_to(port, b"") == b""
        assert await answer_to(port, whole[:20]) == b""


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_request_is_refused(request_: bytes) -> None:
    async with serving(Guard(echo)) as port:
        answer = await answer_to(port, request_ + b"\r\n\r\n")
        assert not answer.startswith(b"HTTP/1.1 200")


async def test_a_body_that_says_too_much_in_pieces_is_refused() -> None:
    head = b"POST / HTTP/1.1\r\nHost: desk\r\nOrigin: http://desk\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(Guard(echo)) as port:
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        answer = await answer_to(port, head + 4 * piece + b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413")


async def test_connections_are_limited_in_all_and_for_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n"
    async with serving(Guard(echo)) as port, serving(Guard(echo), proxies=("192.0.2.1",)) as behind_proxy:
        for limit, refused in (("PER_NETWORK", [port]), ("MAX", [port, behind_proxy])):
            with monkeypatch.context() as small:
                small.setattr(f"chatapp.peer.web.server.CONNECTIONS_{limit}", 1)
                for one in (port, behind_proxy):
                    with socket.create_connection((LOOPBACK, one)):
                        await asyncio.sleep(0)
                        answer = await answer_to(one, whole)
                    assert answer == b"" if one in refused else answer.startswith(b"HTTP/1.1 200")
                    assert (await answer_to(one, whole)).startswith(b"HTTP/1.1 200")


async def test_a_reader_that_never_reads_is_cut_and_holds_nothing() -> None:
    made: list[int] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        for number in range(1_000):
            made.append(number)
            yield b"x" * 1_000_000

    is_cut = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        abort = scope["state"]["abort"]

        def cut() -> None:
            abort()
            is_cut.set()

        scope["state"]["abort"] = cut
        await EventStream(pieces(), within=0.05)(scope, receive, send)

    async with serving(stream) as port:
        with socket.create_connection((LOOPBACK, port)) as client:
            client.setblocking(False)
            client.send(b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n")
            loop = asyncio.get_running_loop()
            size = 0
            async with asyncio.timeout(60.0):
                await is_cut.wait()
                with contextlib.suppress(ConnectionError):
                    while data := await loop.sock_recv(client, 1 << 20):
                        size += len(data)
        assert len(made) < 50
        assert size < 50_000_000


@pytest.mark.parametrize(
    ("proxies", "counted", "scheme"),
    [((), LOOPBACK, "http"), ((LOOPBACK,), "203.0.113.9", "https"), (("192.0.2.0/24",), LOOPBACK, "http")],
)
async def test_only_a_named_proxy_says_who_asks(proxies: tuple[str, ...], counted: str, scheme: str) -> None:
    seen: list[tuple[str, str]] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["client"][0], scope["scheme"]))
        await echo(scope, receive, send)

    warned: list[bool] = []
    app = Guard(note, forwarded=None if proxies else lambda: warned.append(True))
    async with serving(app, proxies=proxies) as port:
        head = b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n"
        for _ in range(2):
            await answer_to(port, head + b"X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n\r\n")
    assert seen == 2 * [(counted, scheme)]
    assert warned == ([] if proxies else [True])


def test_signals_are_left_to_the_owner() -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM)
    with Server(uvicorn.Config(echo)).capture_signals():
        assert signal.getsignal(signal.SIGTERM) is before
