"""Connections over real sockets: a port that cannot be taken, heads that never end, readers that never read."""

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.forms import fields_of
from chatapp.peer.faces.web.guard import Guard
from chatapp.peer.faces.web.server import BoundedConnection, CannotListen, Server, listen
from chatapp.peer.faces.web.streams import EventStream
from chatapp.wire.address import Address
from tests.peer.faces.web.test_guard import echo
from tests.support.ports import free_port

LOOPBACK = "127.0.0.1"


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, *, proxies: tuple[str, ...] = (), budget: WebBudget | None = None
) -> AsyncIterator[int]:
    """Serve an application on a port of its own, without a program around it."""
    shared = budget or WebBudget(proxied=bool(proxies))
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
        lambda: BoundedConnection(config=config, server_state=state, app_state={}, budget=shared),
        LOOPBACK,
        port,
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
    monkeypatch.setattr("chatapp.peer.faces.web.server.HEAD_WITHIN", 0.05)
    whole = b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"
    async with serving(Guard(echo, hosts=["desk"])) as port:
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
    async with serving(Guard(echo, hosts=["desk"])) as port:
        answer = await answer_to(port, request_ + b"\r\n\r\n")
        assert not answer.startswith(b"HTTP/1.1 200")


async def test_a_body_that_says_too_much_in_pieces_is_refused() -> None:
    head = b"POST / HTTP/1.1\r\nHost: desk\r\nOrigin: http://desk\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(Guard(echo, hosts=["desk"])) as port:
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        answer = await answer_to(port, head + 4 * piece + b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413")


async def test_one_network_has_its_full_number_of_connections_and_no_more() -> None:
    whole = b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n"
    budget = WebBudget(connections=1)
    async with serving(Guard(echo, hosts=["desk"]), budget=budget) as port:
        with socket.create_connection((LOOPBACK, port)):
            await asyncio.sleep(0)
            assert await answer_to(port, whole) == b""
        assert (await answer_to(port, whole)).startswith(b"HTTP/1.1 200")


async def test_a_connection_is_gone_when_it_closes_and_not_when_the_collector_looks() -> None:
    gc.disable()
    try:
        async with asyncio.timeout(30.0), serving(Guard(echo, hosts=["desk"])) as port:
            for said in (b"", b"GET / HT"):
                before = _connections()
                with socket.create_connection((LOOPBACK, port)) as client:
                    client.send(said)
                    await _connections_are(before + 1)
                await _connections_are(before)
    finally:
        gc.enable()


async def _connections_are(count: int) -> None:
    while _connections() != count:  # noqa: ASYNC110 - the loop tells nobody that it let a connection go
        await asyncio.sleep(0)


def _connections() -> int:
    return sum(type(one) is BoundedConnection for one in gc.get_objects())


async def test_the_oldest_silent_connection_goes_when_all_are_held() -> None:
    whole = b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n"
    budget = WebBudget(connections=1, proxied=True)
    async with serving(Guard(echo, hosts=["desk"]), budget=budget) as port:
        silent, _writer = await asyncio.open_connection(LOOPBACK, port)
        assert (await answer_to(port, whole)).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(ConnectionError):
            assert await silent.read() == b""
        _writer.close()


@pytest.mark.parametrize(
    "cut",
    [
        b"POST / HTTP/1.1\r\nHost: desk\r\nOrigin: http://desk\r\nContent-Length: 100\r\n\r\nhalf",
        b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n\x00\x00\r\n\r\n",
    ],
)
async def test_no_traceback_comes_of_what_a_client_cuts_or_confuses(
    cut: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    form = Router([Route("/", _read_form, methods=["GET", "POST"])])
    budget = WebBudget()
    async with serving(Guard(form, hosts=["desk"], budget=budget), budget=budget) as port:
        for _ in range(20):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(cut)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        assert (
            await answer_to(port, b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n")
        ).startswith(b"HTTP/1.1 200")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def _read_form(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(await fields_of(request)))


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
    app = Guard(note, hosts=["desk"], forwarded=None if proxies else lambda: warned.append(True))
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
