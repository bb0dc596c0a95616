"""Messages between nodes, over core NATS: in order, and again after the connection was made
anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.messenger import Messenger
from chatapp.registry.cluster.settings import ClusterUnavailable
from tests.support.nats_server import NatsServer, remove, single
from tests.support.ports import free_port


class Node:
    """One end of the bus. `broker`: the connection, if another end has it already."""

    def __init__(
        self, url: str, name: str, *subjects: str, broker: JetStream | None = None
    ) -> None:
        self.broker = broker or JetStream(Access(servers=(url,)), name)
        self.came: list[bytes] = []
        self._news = asyncio.Event()
        self.messenger = Messenger(self.broker, subjects, self._receive)

    def _receive(self, data: bytes) -> None:
        self.came.append(data)
        self._news.set()

    async def open(self) -> None:
        await asyncio.to_thread(self.broker.open, within=10)
        await self.messenger.open()

    async def until(self, what: Callable[[list[bytes]], bool]) -> None:
        async with asyncio.timeout(20):
            while not what(self.came):
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        await self.messenger.close()
        await asyncio.to_thread(self.broker.close)


@pytest.fixture
async def nodes(nats_server: NatsServer) -> AsyncIterator[tuple[Node, Node]]:
    name = f"n{free_port()}"
    both = Node(nats_server.url, name, "engine"), Node(nats_server.url, name, "news", "edge.2")
    for node in both:
        await node.open()
    yield both
    for node in both:
        await node.close()


async def test_messages_come_in_order_and_to_the_subjects_followed(
    nodes: tuple[Node, Node],
) -> None:
    engine, edge = nodes
    many = [number.to_bytes(2) for number in range(2_000)]
    edge.messenger.send([("engine", one) for one in many])
    engine.messenger.send(
        [("news", b"here"), ("edge.3", b"not for this one"), ("edge.2", b"hello")]
    )
    await engine.until(lambda came: len(came) == len(many))
    await edge.until(lambda came: len(came) == 2)
    assert engine.came == many
    assert edge.came == [b"here", b"hello"]


async def test_a_message_that_is_too_large_for_the_servers_is_logged_once(
    nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture
) -> None:
    engine, edge = nodes
    large = bytes(edge.broker.message_max + 1)
    edge.messenger.send([("engine", large), ("engine", large), ("engine", b"small")])
    await engine.until(lambda came: len(came) == 1)
    assert engine.came == [b"small"]
    assert caplog.messages == [
        "messages between nodes are lost: one has 1,048,577 bytes, and the servers allow 1,048,576 (max_payload)"
    ]


async def test_a_connection_made_anew_follows_the_same_subjects(nodes: tuple[Node, Node]) -> None:
    engine, edge = nodes
    first = engine.broker._client
    assert first is not None
    again = subscribing(engine.broker)
    await engine.broker.start(first._process_err("'Maximum Connections Exceeded'"))
    async with asyncio.timeout(20):
        await again.wait()  # what is sent before is lost
    edge.messenger.send([("engine", b"again")])
    await engine.until(lambda came: came == [b"again"])
    assert engine.broker._client is not first


async def test_a_messenger_opened_while_the_server_is_down_hears_all_once_it_is_back(
    tmp_path: Path,
) -> None:
    """A node may change its role while the client library reconnects."""
    server = single(tmp_path)
    node = Node(server.url, "n", "engine")
    late = Node(server.url, "n", "engine", "news", broker=node.broker)
    try:
        await node.open()
        client = await away(node.broker, server)
        await late.messenger.open()
        again = subscribing(node.broker)
        server.start()
        async with asyncio.timeout(20):
            await again.wait()
        node.messenger.send([("engine", b"engine"), ("news", b"news")])
        await late.until(lambda came: sorted(came) == [b"engine", b"news"])
        assert node.broker._client is client
        await late.messenger.close()
        await node.close()
    finally:
        remove(server)


def subscribing(broker: JetStream) -> asyncio.Event:
    """Return what is set once the broker has subscribed to everything anew, and the server knows."""
    done, loop, subscribe_all = asyncio.Event(), asyncio.get_running_loop(), broker._subscribe_all

    async def subscribed() -> None:
        await subscribe_all()
        assert broker._client is not None
        await broker._client.flush()
        loop.call_soon_threadsafe(done.set)

    broker._subscribe_all = subscribed  # type: ignore[method-assign]
    return done


async def away(broker: JetStream, server: NatsServer) -> object:
    """Kill the server, and wait until the client library has noticed. Return the client, which
    reconnects from now on."""
    noticed, loop = asyncio.Event(), asyncio.get_running_loop()

    async def disconnected() -> None:
        loop.call_soon_threadsafe(noticed.set)

    client = broker._client
    assert client is not None
    client._disconnected_cb = disconnected
    server.kill()
    async with asyncio.timeout(20):
        await noticed.wait()
    return client


async def test_a_messenger_that_closes_leaves_the_subjects_of_another_one(
    nodes: tuple[Node, Node],
) -> None:
    """A node that gets the engine opens the bus of the engine before it closes that of its edge,
    and both follow the news."""
    engine, edge = nodes
    later = Node("", "", "engine", "news", broker=edge.broker)
    await later.messenger.open()
    await edge.messenger.close()
    engine.messenger.send([("news", b"a"), ("engine", b"b")])
    await later.until(lambda came: len(came) == 2)
    assert sorted(later.came) == [b"a", b"b"]
    assert edge.came == []
    await later.messenger.close()


async def test_a_node_that_may_not_follow_says_so(tmp_path: Path) -> None:
    allowed = 'publish: ["chatapp.>", "$JS.API.>"], subscribe: ["_INBOX.>"]'
    user = f"{{ user: u, password: p, permissions {{ {allowed} }} }}"
    account = f"accounts {{ A {{ jetstream: enabled, users: [ {user} ] }} }}"
    server = single(tmp_path, extra=account)
    try:
        node = Node(f"nats://u:p@127.0.0.1:{server.client_port}", "n", "news")
        with pytest.raises(ClusterUnavailable, match="the servers do not let this registry use"):
            await node.open()
        await node.close()
    finally:
        remove(server)
