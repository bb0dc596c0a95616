"""Connections over real sockets: a port that cannot be taken, heads that never end, readers that
never read."""

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from chatapp.peer.faces.web.budget import WebBudget
from chatapp.peer.faces.web.forms import fields_of
from chatapp.peer.faces.web.guard import TOO_LARGE, Guard, RequestRefused
from chatapp.peer.faces.web.server import BoundedConnection, CannotListen, Server, listen
from chatapp.peer.faces.web.streams import EventStream
from chatapp.wire.address import Address
from tests.peer.faces.web.test_guard import echo
from tests.support.ports import free_port

LOOPBACK = "127.0.0.1"
WHOLE = b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n"


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
    async with serving(Guard(echo, hosts=["desk"])) as port:
        assert await answer_to(port, b"") == b""
        assert await answer_to(port, WHOLE[:20]) == b""


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


@contextlib.asynccontextmanager
async def held(
    port: int, *said: bytes
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Open a connection for each, one after the other, send that, and close all at last."""
    connections = []
    try:
        for data in said:
            connections.append(await asyncio.open_connection(LOOPBACK, port))
            connections[-1][1].write(data)
        yield connections
    finally:
        for _, writer in connections:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def the_end_of(reader: asyncio.StreamReader) -> None:
    """Wait until the other side closes or cuts a connection."""
    async with asyncio.timeout(60.0):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""


async def until(holds: Callable[[], bool]) -> None:
    """Wait until the server has read what was sent."""
    async with asyncio.timeout(60.0):
        while not holds():  # noqa: ASYNC110 - nothing tells that it did
            await asyncio.sleep(0)


@pytest.mark.parametrize("limit", ["FLIGHT_PER_NETWORK", "HEADS_PER_NETWORK"])
async def test_the_bytes_of_heads_that_are_not_whole_are_counted(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"chatapp.peer.faces.web.budget.{limit}", 50_000)
    budget = WebBudget()
    part = WHOLE[:-2] + b"X: ".ljust(14_000, b"x")
    three = 3 * len(part)
    async with serving(Guard(echo, hosts=["desk"], budget=budget), budget=budget) as port:
        async with held(port, part, part, part) as ((first, writer), *_):
            await until(lambda: budget.flight.total == three)
            async with held(port, part) as ((fourth, _),):
                await the_end_of(fourth)
            assert budget.incidents.counts == {"requests without room": 1}
            await until(lambda: budget.flight.total == three)
            writer.write(b"\r\n\r\n")
            assert (await first.readline()).startswith(b"HTTP/1.1 200")
            await until(lambda: budget.flight.total == three - len(part))
            assert budget.heads.total == budget.flight.total
        await until(lambda: budget.flight.total == budget.heads.total == 0)


@pytest.mark.parametrize(
    "begun",
    [b"GET / HTTP/1.1\r\nHost: desk\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n", WHOLE],
    ids=["a body that is not read", "requests behind the one that is answered"],
)
async def test_what_comes_while_a_page_is_made_is_counted(begun: bytes) -> None:
    is_made = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await is_made.wait()
        await PlainTextResponse("")(scope, receive, send)

    budget = WebBudget()
    async with serving(Guard(slow, hosts=["desk"], budget=budget), budget=budget) as port:
        async with held(port, begun + b"x" * 50_000) as ((reader, _),):
            await until(lambda: budget.flight.total == 50_000)
            is_made.set()
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await until(lambda: budget.flight.total == 0)


async def test_a_body_is_counted_once_and_not_after_the_end() -> None:
    seen: list[int] = []
    is_seen, is_gone = asyncio.Event(), asyncio.Event()

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        seen.append(budget.flight.total)
        is_seen.set()
        await is_gone.wait()
        await receive()
        seen.append(budget.flight.total)

    budget = WebBudget()
    head = b"POST / HTTP/1.1\r\nHost: desk\r\nOrigin: http://desk\r\nContent-Length: 9000\r\n\r\n"
    async with serving(Guard(read, hosts=["desk"], budget=budget), budget=budget) as port:
        async with held(port, head + b"x" * 5_000) as ((_, writer),):
            await is_seen.wait()
            writer.write(b"x" * 1_000)
            await until(lambda: budget.flight.total == 6_000)
        await until(lambda: budget.flight.total == 5_000)
        is_gone.set()
        await until(lambda: budget.flight.total == 0)
    assert seen == [5_000, 5_000]


def upload(size: int) -> bytes:
    """Return the head of a file that a browser gives."""
    head = "POST /upload HTTP/1.1\r\nHost: desk\r\nOrigin: http://desk\r\nConnection: close\r\n"
    return f"{head}Content-Length: {size}\r\n\r\n".encode()


async def sent_to(port: int, head: bytes, pieces: int) -> tuple[int, bytes]:
    """Send so many MiB behind a head; return how many were taken, and the answer."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(head)
    taken, answer = 0, b""
    with contextlib.suppress(ConnectionError):
        for taken in range(pieces):  # noqa: B007 - counted until the connection ends
            writer.write(bytes(1 << 20))
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return taken, answer


async def test_of_a_large_file_little_is_held() -> None:
    budget, held_most, size = WebBudget(), 0, 0

    async def store(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal held_most, size
        async for piece in Request(scope, receive).stream():
            held_most = max(held_most, budget.flight.total + len(piece))
            size += len(piece)
            await asyncio.sleep(0)
        await PlainTextResponse("")(scope, receive, send)

    guard = Guard(store, hosts=["desk"], budget=budget, uploads="/upload")
    async with serving(guard, budget=budget) as port:
        _, answer = await sent_to(port, upload(64 << 20), 64)
        assert answer.startswith(b"HTTP/1.1 200")
        await until(lambda: budget.flight.total == 0)
    assert size == 64 << 20
    assert held_most < 1 << 20


async def test_a_file_that_is_refused_is_not_read() -> None:
    async def refuse(*_: object) -> None:
        raise RequestRefused(TOO_LARGE)

    async with serving(Guard(refuse, hosts=["desk"], uploads="/upload")) as port:
        taken, _ = await sent_to(port, upload(1 << 40), 200)
        assert taken < 32  # what the system has buffered
        assert (await answer_to(port, upload(1 << 40))).startswith(b"HTTP/1.1 413")


async def test_a_network_with_its_full_number_of_connections_loses_the_oldest_silent_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.faces.web.budget.CONNECTIONS_PER_NETWORK", 2)
    monkeypatch.setattr("chatapp.peer.faces.web.server.HEAD_WITHIN", 600.0)
    budget = WebBudget()
    async with (
        serving(Guard(echo, hosts=["desk"]), budget=budget) as port,
        held(port, b"", WHOLE[:20]) as ((silent, _), _),
    ):
        await until(lambda: budget.flight.total > 0)
        assert (await answer_to(port, LAST)).startswith(b"HTTP/1.1 200")
        await the_end_of(silent)


async def test_a_network_holds_few_connections_on_which_no_request_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatapp.peer.faces.web.budget.IDLE_PER_NETWORK", 2)
    is_made = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await is_made.wait()
        await PlainTextResponse("")(scope, receive, send)

    budget = WebBudget()
    async with (
        serving(Guard(slow, hosts=["desk"], budget=budget), budget=budget) as port,
        held(port, WHOLE.replace(b"/", b"/slow", 1)) as ((under_way, _),),
        held(port, WHOLE) as ((answered, writer),),
        held(port, b"GET") as ((begun, _),),
    ):
        await answered.readuntil(b"\r\n\r\n")
        await until(lambda: budget.heads.total == 3)
        writer.write(WHOLE)  # it is not the oldest any more
        await answered.readuntil(b"\r\n\r\n")
        async with held(port, b""):
            await the_end_of(begun)
            assert budget.incidents.counts == {"connections cut for others": 1}
        writer.write(LAST)
        assert (await answered.readline()).startswith(b"HTTP/1.1 200")
        is_made.set()
        assert (await under_way.readline()).startswith(b"HTTP/1.1 200")


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
    budget = WebBudget(connections=1, proxied=True)
    async with (
        serving(Guard(echo, hosts=["desk"]), budget=budget) as port,
        held(port, b"") as ((silent, _),),
    ):
        assert (await answer_to(port, LAST)).startswith(b"HTTP/1.1 200")
        await the_end_of(silent)


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
        assert (await answer_to(port, LAST)).startswith(b"HTTP/1.1 200")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_reader_that_asks_for_more_and_takes_nothing_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    budget = WebBudget()
    async with serving(
        Guard(PlainTextResponse("x" * 300_000), hosts=["desk"], budget=budget), budget=budget
    ) as port:
        for number in range(1, 6):
            with socket.create_connection((LOOPBACK, port)) as client:
                client.setblocking(False)
                await asyncio.get_running_loop().sock_sendall(client, 60 * WHOLE)
                await until(
                    lambda many=number: budget.incidents.counts["answers not taken"] == many  # type: ignore[misc]
                )
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_request_that_came_before_its_connection_is_cut_fills_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("chatapp.peer.faces.web.budget.FLIGHT_PER_NETWORK", 1_000)
    budget = WebBudget()
    async with serving(Guard(echo, hosts=["desk"], budget=budget), budget=budget) as port:
        for number in range(1, 6):
            assert await answer_to(port, 2 * WHOLE + b"x" * 2_000) == b""
            assert budget.incidents.counts["requests without room"] == number
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
            client.send(WHOLE)
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
    [
        ((), LOOPBACK, "http"),
        ((LOOPBACK,), "203.0.113.9", "https"),
        (("192.0.2.0/24",), LOOPBACK, "http"),
    ],
)
async def test_only_a_named_proxy_says_who_asks(
    proxies: tuple[str, ...], counted: str, scheme: str
) -> None:
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
