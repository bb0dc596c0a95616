"""The TCP connection of a node: what comes of an attempt that was given up concerns nobody."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from chatapp.peer.node.driver import Connection, DrivenNode
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink


class Core:
    """A core that wants what a test says, and notes what it is told."""

    link_address = Address("127.0.0.1", 5000)

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.told: list[str] = []
        self.wants: set[str] = set()

    def link_renewals(self) -> int:
        return 0

    def wants_link(self) -> bool:
        return self._taken("link")

    def wants_link_closed(self) -> bool:
        return self._taken("end")

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        return []

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        self.told.append("frames")

    def link_connected(self, *, now: float) -> None:
        self.told.append("connected")

    def link_closed(self, *, now: float) -> None:
        self.told.append("closed")

    def _taken(self, what: str) -> bool:
        is_wanted = what in self.wants
        self.wants.discard(what)
        return is_wanted


class Node:
    def __init__(self) -> None:
        self.core = Core()


class Transport(asyncio.Transport):
    """A connection that was made."""

    is_over = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True


class Network:
    """Takes attempts to connect; the test decides what comes of them."""

    def __init__(self) -> None:
        self.ends: list[TcpLink] = []
        self.given_up = 0

    async def connect(self, make_link: Callable[[], TcpLink], host: str, port: int) -> None:
        self.ends.append(make_link())
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.given_up += 1
            raise


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def connection(node: Node, network: Network) -> Connection:
    return Connection(
        cast(DrivenNode, node),
        connect=network.connect,
        read_clock=lambda: 0.0,
        take_turn=lambda: None,
    )


async def wanting(connection: Connection, node: Node, *what: str) -> None:
    """Let the core want this, and the connection do what it does at once."""
    node.core.wants = set(what)
    connection.tend(now=0.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_an_attempt_is_given_up_when_the_core_wants_no_link_any_more(
    connection: Connection, node: Node, network: Network
) -> None:
    await wanting(connection, node, "link")
    await wanting(connection, node, "end")
    assert network.given_up == 1
    late = Transport()
    network.ends[0].connection_made(late)  # it was made just before it was given up
    assert late.is_over
    assert node.core.told == []


async def test_the_end_of_an_earlier_connection_is_not_taken_for_that_of_the_next(
    connection: Connection, node: Node, network: Network
) -> None:
    await wanting(connection, node, "link")
    await wanting(connection, node, "end", "link")
    first, second = network.ends
    late = Transport()
    first.connection_made(late)
    first.connection_lost(None)
    assert node.core.told == []
    second.connection_made(Transport())
    second.connection_lost(None)
    assert node.core.told == ["connected", "closed"]
    connection.close()


async def test_who_waits_for_the_end_of_an_attempt_can_be_cancelled(
    connection: Connection, node: Node
) -> None:
    """The attempt was cancelled as well: the one cancellation must not pass for the other."""
    await wanting(connection, node, "link")
    connection.close()
    waiting = asyncio.create_task(connection.closed())
    asyncio.get_running_loop().call_soon(waiting.cancel)
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_the_end_of_an_attempt_that_was_given_up_is_waited_for(
    connection: Connection, node: Node, network: Network
) -> None:
    await wanting(connection, node, "link")
    connection.close()
    await connection.closed()
    assert network.given_up == 1
