"""The connection of one client, over a transport in memory: how many of its requests are under way,
and when it ends."""

import asyncio
from typing import Any, cast

from chatapp.peer.rpc.hub import Hub
from chatapp.peer.rpc.protocol import CALLS_MAX, UNREAD_MAX, RpcError
from chatapp.peer.rpc.server import Client, RpcServer
from chatapp.peer.rpc.session import Call, RpcSession

HELLO = b'{"jsonrpc":"2.0","id":"hello","method":"Hello","params":{"protocol":1}}\n'
WITHIN = 30.0


class Server:
    """What a connection needs of the server."""

    def take(self, client: Client) -> bool:
        return True

    def drop(self, client: Client) -> None:
        pass


class AnswerHub:
    """A hub that answers each request with as many bytes as asked, once it may."""

    def __init__(self, *, size: int) -> None:
        self.may_answer = asyncio.Event()
        self.is_busy = asyncio.Event()
        """Whether as many requests as are allowed were under way."""
        self.begun: list[object] = []
        self.under_way = self.most_under_way = 0
        self._size = size

    def look(self) -> None:
        pass

    def tell(self, session: RpcSession, *, room: int) -> None:
        pass

    async def carry_out(self, session: RpcSession, call: Call) -> tuple[Any, RpcError | None]:
        self.begun.append(call.id)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.under_way == CALLS_MAX:
            self.is_busy.set()
        await self.may_answer.wait()
        self.under_way -= 1
        return "x" * self._size, None


class Wire(asyncio.Transport):
    """A transport whose other end reads when the test says so."""

    def __init__(self, hub: AnswerHub) -> None:
        super().__init__()
        self.client = Client(cast(RpcServer, Server()), cast(Hub, hub))
        self.told = b""
        self.reads = True
        self.closed = asyncio.Event()
        self.full = asyncio.Event()
        self._unread = b""
        self._high = 0
        self.client.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        self._high = high

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._unread += bytes(data)
        if len(self._unread) > self._high and not self.full.is_set():
            self.full.set()
            self.client.pause_writing()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def end_of_input(self) -> None:
        """Close the client's side, as a socket's transport does."""
        if not self.client.eof_received():
            self.close()

    def read(self) -> None:
        """Read all that was written."""
        self.told, self._unread = self.told + self._unread, b""
        if self.full.is_set():
            self.full.clear()
            self.client.resume_writing()


def requests(count: int) -> bytes:
    return b"".join(
        b'{"jsonrpc":"2.0","id":%d,"method":"people"}\n' % number for number in range(count)
    )


async def test_no_more_requests_are_under_way_than_are_allowed_and_all_are_answered_before_the_end() -> (
    None
):
    hub = AnswerHub(size=1)
    wire = Wire(hub)
    count = 3 * CALLS_MAX
    wire.client.data_received(HELLO + requests(count))
    assert not wire.reads
    wire.end_of_input()
    async with asyncio.timeout(WITHIN):
        await hub.is_busy.wait()
        hub.may_answer.set()
        await wire.closed.wait()
    wire.read()
    assert hub.begun == ["hello", *range(count)]
    assert hub.most_under_way == CALLS_MAX
    assert wire.told.count(b"\n") == count + 1


async def test_no_request_begins_while_the_client_does_not_read() -> None:
    hub = AnswerHub(size=UNREAD_MAX)
    hub.may_answer.set()
    wire = Wire(hub)
    wire.client.data_received(HELLO + requests(2 * CALLS_MAX))
    async with asyncio.timeout(WITHIN):
        await wire.full.wait()
        await asyncio.gather(*wire.client._calls)
    assert len(hub.begun) == CALLS_MAX
    assert not wire.reads
    wire.end_of_input()
    assert not wire.is_closing()
    async with asyncio.timeout(WITHIN):
        while not wire.is_closing():
            wire.read()
            await asyncio.sleep(0)
    wire.read()
    assert len(hub.begun) == 2 * CALLS_MAX + 1
    assert wire.told.count(b"\n") == 2 * CALLS_MAX + 1


async def test_lines_that_are_no_requests_are_answered_only_while_the_client_reads() -> None:
    wire = Wire(AnswerHub(size=1))
    count = 20_000
    wire.client.data_received(b"no\n" * count)
    assert wire.get_write_buffer_size() < UNREAD_MAX + CALLS_MAX * 1_000
    assert not wire.reads
    wire.end_of_input()
    while not wire.is_closing():
        wire.read()
    wire.read()
    assert wire.told.count(b"\n") == count
