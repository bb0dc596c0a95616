"""Messages between nodes, over core NATS: in order, and again after the connection was made anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chatapp.registry.cluster.errors import ClusterUnavailable
from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.messenger import Messenger
from tests.support.nats_server import NatsServer, remove, single
from tests.support.ports import free_port


class Node:
    """One end of the bus. `engine`: the connection, if another end has it already."""

    def __init__(self, url: str, name: str, *subjects: str, engine: JetStream | None = None) -> None:
        self.engine = engine or JetStream(Access(servers=(url,)), name)
        self.came: list[bytes] = []
        self._news = asyncio.Event()
        self.messenger = Messenger(self.engine, subjects, self._receive)

    def _receive(self, data: bytes) -> None:
        self.came.append(data)
        self._news.set()

    async def open(self) -> None:
        await asyncio.to_thread(self.engine.open, within=10)
        await self.messenger.open()

    async def until(self, what: Callable[[list[bytes]], bool]) -> None:
        async with asyncio.timeout(20):
            while not what(self.came):
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        await self.messenger.close()
        await asyncio.to_thread(self.engine.close)


@pytest.fixture
async def nodes(nats_server: NatsServer) -> AsyncIterator[tuple[Node, Node]]:
    name = f"n{free_port()}"
    both = Node(nats_server.url, name, "house"), Node(nats_server.url, name, "news", "front.2")
    for node in both:
        await node.open()
    yield both
    for node in both:
        await node.close()


async def test_messages_come_in_order_and_to_the_subjects_followed(nodes: tuple[Node, Node]) -> None:
    house, front = nodes
    many = [number.to_bytes(2) for number in range(2_000)]
    front.messenger.send([("house", one) for one in many])
    house.messenger.send([("news", b"here"), ("front.3", b"not for this one"), ("front.2", b"hello")])
    await house.until(lambda came: len(came) == len(many))
    await front.until(lambda came: len(came) == 2)
    assert house.came == many
    assert front.came == [b"here", b"hello"]


async def test_a_message_that_is_too_large_for_the_servers_is_logged_once(
    nodes: tuple[Node, Node], caplog: pytest.LogCaptureFixture
) -> None:
    house, front = nodes
    large = bytes(front.engine.message_max + 1)
    front.messenger.send([("house", large), ("house", large), ("house", b"small")])
    await house.until(lambda came: len(came) == 1)
    assert house.came == [b"small"]
    assert caplog.messages == [
        "messages between nodes are lost: one has 1,048,577 bytes, and the servers allow 1,048,576 (max_payload)"
    ]


async def test_a_connection_made_anew_follows_the_same_subjects(nodes: tuple[Node, Node]) -> None:
    house, front = nodes
    first = house.engine._client
    assert first is not None
    await house.engine.start(first._process_err("'Maximum Connections Exceeded'"))
    async with asyncio.timeout(20):
        while not house.came:  # what is sent before the connection stands is lost
            front.messenger.send([("house", b"again")])
            await asyncio.sleep(0.05)
    assert house.engine._client is not first


async def test_a_messenger_opened_while_the_server_is_down_hears_all_once_it_is_back(tmp_path: Path) -> None:
    """A node may change its role while the client library reconnects."""
    server = single(tmp_path)
    node = Node(server.url, "n", "house")
    late = Node(server.url, "n", "house", "news", engine=node.engine)
    try:
        await node.open()
        client = await away(node.engine, server)
        await late.messenger.open()
        server.start()
        async with asyncio.timeout(20):
            while not {b"news", b"house"} <= set(
                late.came
            ):  # what is sent before the connection stands is lost
                node.messenger.send([("house", b"house"), ("news", b"news")])
                await asyncio.sleep(0.05)
        assert node.engine._client is client
        await late.messenger.close()
        await node.close()
    finally:
        remove(server)


async def away(engine: JetStream, server: NatsServer) -> object:
    """Kill the server, and wait until the client library has noticed. Return the client, which reconnects from now on."""
    noticed, loop = asyncio.Event(), asyncio.get_running_loop()

    async def disconnected() -> None:
        loop.call_soon_threadsafe(noticed.set)

    client = engine._client
    assert client is not None
    client._disconnected_cb = disconnected
    server.kill()
    async with asyncio.timeout(20):
        await noticed.wait()
    return client


async def test_a_messenger_that_closes_leaves_the_subjects_of_another_one(nodes: tuple[Node, Node]) -> None:
    """A node that gets the house opens the bus of the house before it closes that of its front, and both follow the news."""
    house, front = nodes
    later = Node("", "", "house", "news", engine=front.engine)
    await later.messenger.open()
    await front.messenger.close()
    house.messenger.send([("news", b"a"), ("house", b"b")])
    await later.until(lambda came: len(came) == 2)
    assert sorted(later.came) == [b"a", b"b"]
    assert front.came == []
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
