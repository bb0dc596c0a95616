"""Three nodes of a cluster serve at once. When one dies, freezes or stops, the others go on with
the same people."""

import asyncio
import json
import re
import signal

import pytest

from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.stream.ledger import Publication, Stream, Subject
from tests.cast.cluster import KEEPS_STATE, Cluster, keeper_among, links_to
from tests.cast.lines import SAVED, mail, received
from tests.cast.stage import Stage
from tests.faults.size import IS_WHOLE
from tests.support.nats_server import NatsServer

LOST = "[The cluster's lease is lost: this node no longer keeps the state.]"


@pytest.fixture
def cluster(stage: Stage, nats_server: NatsServer) -> Cluster:
    return Cluster(stage, nats_server.url, name=f"e2e{stage.port}")


async def test_people_at_different_nodes_talk(stage: Stage, cluster: Cluster) -> None:
    nodes = await cluster.all()
    key = await nodes[0].sees(lambda line: line.startswith("[Registry key"))
    for node in nodes[1:]:
        await node.sees(key)
    alice, bob, carol = [
        await cluster.peer(name, at) for at, name in enumerate(("alice", "bob", "carol"))
    ]
    await alice.knows("bob", "carol")
    await alice.type("send bob hello")
    await asyncio.gather(bob.sees("alice: hello"), alice.sees(received("bob")))
    await bob.quits()
    await alice.knows("carol", away=["bob"])
    await alice.type("/dm bob saved")
    await alice.sees(SAVED)
    bob = await cluster.peer("bob", 2)
    await bob.sees(mail("alice", "saved"))
    for peer in (alice, bob, carol):
        await peer.type("/join lab")
        await peer.sees(lambda line: line.startswith("[You are in lab"))
    await carol.type("room line")
    for peer in (alice, bob):
        await peer.sees(lambda line: line.endswith("room line"))


async def test_the_administrator_of_a_node_is_answered_by_the_engine(
    stage: Stage, cluster: Cluster
) -> None:
    nodes = await cluster.all()
    await cluster.peer("alice", 2)

    who = await stage.output_of("admin", "who", "--json", home="r1")
    (alice,) = json.loads("".join(who))["people"]
    assert alice["name"] == "alice"
    stats = await stage.output_of("stats", "--json", home="r1")
    figures = json.loads("".join(stats))["figures"]
    assert (figures["links"], "online" in figures) == (0, False)
    backup = await stage.output_of("backup", str(stage.folder / "copy"), home="r1", status=1)
    assert "only the node that keeps the state can do that: " in "".join(backup)
    await nodes[1].type("queue")
    await nodes[1].sees(
        re.compile(rf"\[The console is open at .*:{cluster.ports[0]}, which keeps the state\.\]")
    )
    await stage.output_of("admin", "stop", home="r1")
    assert await nodes[1].ends() == 0


async def test_a_node_whose_folder_holds_another_registry_ends(
    stage: Stage, cluster: Cluster
) -> None:
    alone = await stage.begin_registry(home="r1", port=cluster.ports[1])
    await alone.sees(lambda line: line.startswith("[Registry key"))
    await alone.stops()
    first = await cluster.begin(0)
    await first.sees(KEEPS_STATE)
    second = await cluster.begin(1)
    await second.sees(lambda line: "this folder holds another registry than the cluster" in line)
    assert await second.ends() == 1


async def test_a_node_dies_freezes_or_stops_and_the_others_go_on(
    stage: Stage, cluster: Cluster
) -> None:
    nodes = await cluster.all()
    alice, bob = await cluster.peer("alice", 0), await cluster.peer("bob", 1)
    await alice.knows("bob")

    link_of_bob = links_to(cluster.ports[1])
    await nodes[0].kill()  # it keeps the state, and alice is there
    keeper = await keeper_among(nodes[1:], within=10)
    await keeper.sees("[Taking over.]")
    await alice.type("send bob here again")
    await asyncio.gather(bob.sees("alice: here again"), alice.sees(received("bob")))
    assert len(link_of_bob) == 1
    assert link_of_bob <= links_to(cluster.ports[1])

    nodes[0] = await cluster.begin(0)
    await nodes[0].sees(cluster.beside(nodes.index(keeper)))
    other = next(node for node in nodes[1:] if node is not keeper)
    await other.kill()  # it is an edge only
    await bob.type("send alice and again")
    await alice.sees("bob: and again")

    keeper.signal(signal.SIGSTOP)
    await nodes[0].sees(KEEPS_STATE, within=10)
    keeper.signal(signal.SIGCONT)
    await keeper.sees(LOST)
    await keeper.sees(cluster.beside(0))

    nodes[0].signal(signal.SIGTERM)
    assert await nodes[0].ends() == 0
    await keeper.sees(KEEPS_STATE)
    await bob.type("send alice once more")
    await alice.sees("bob: once more")
    await keeper.stops()


STRAYS = (1, 100, 10_000) if IS_WHOLE else (100,)
"""How many strays are published at once."""


class Stranger:
    """Somebody who may publish at the servers and has not the cluster's key."""

    def __init__(self, server: NatsServer, name: str) -> None:
        self._broker = JetStream(Access(servers=(server.url,)), name)

    async def publish(self, subject: Subject, *messages: bytes) -> None:
        """Publish messages, and wait until the servers have the last one."""
        broker = self._broker

        async def send() -> None:
            for message in messages[:-1]:
                await broker.send_soon(broker.subject(subject), message)
            await broker.publish_soon(
                Publication(subject=subject, message=messages[-1], after=None), within=30
            )

        await asyncio.to_thread(broker.run, send())

    async def __aenter__(self) -> "Stranger":
        await asyncio.to_thread(self._broker.open, within=10)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._broker.close)

    async def heard(self, stream: Stream) -> list[bytes]:
        """Return what is in a stream."""
        extent = await asyncio.to_thread(self._broker.extent, stream)
        found = await asyncio.to_thread(
            lambda: list(self._broker.read(stream, extent.first, extent.last))
        )
        return [placed.message for placed in found]


async def test_strays_in_the_streams_end_no_node_and_nothing_saved_is_lost(
    stage: Stage, cluster: Cluster, nats_server: NatsServer
) -> None:
    """Somebody publishes again what is in the streams: while a node writes, before another one
    takes over, before a start of all nodes."""
    nodes = [await cluster.begin(0)]
    await nodes[0].sees(KEEPS_STATE)
    nodes.append(await cluster.begin(1))
    await nodes[1].sees(cluster.beside(0))
    bob = await cluster.peer("bob", 0)
    await bob.quits()
    alice = await cluster.peer("alice", 0)
    said = 0

    async def save() -> None:
        nonlocal said
        said += 1
        await alice.type(f"send bob number {said}")
        await alice.sees(SAVED)

    keeper = 0
    async with Stranger(nats_server, cluster.name) as stranger:
        for count in STRAYS:
            await save()
            copies = (await stranger.heard(Stream.JOURNAL))[:1] * count
            await stranger.publish(Subject.JOURNAL, *copies)  # at the writer
            await stranger.publish(Subject.LEASE, *(await stranger.heard(Stream.LEASE)))
            await save()
            await stranger.publish(Subject.JOURNAL, *copies)  # before another node takes over
            await nodes[keeper].kill()
            await nodes[1 - keeper].sees(KEEPS_STATE, within=20)
            nodes[keeper] = await cluster.begin(keeper)
            await nodes[keeper].sees(cluster.beside(1 - keeper))
            keeper = 1 - keeper
        await save()
        stats = await stage.output_of("stats", "--json", home=f"r{keeper}")
        assert json.loads("".join(stats))["figures"]["cluster_strays"] >= STRAYS[-1]
        for node in nodes:
            await node.stops()
        await stranger.publish(Subject.JOURNAL, *copies)
    nodes[0] = await cluster.begin(0)
    await nodes[0].sees(KEEPS_STATE)
    await save()
    bob = await cluster.peer("bob", 0)
    for number in range(1, said + 1):
        await bob.sees(mail("alice", f"number {number}"))
    for program in stage.programs:
        program.complaints[:] = [
            line for line in program.complaints if "were passed over" not in line
        ]
