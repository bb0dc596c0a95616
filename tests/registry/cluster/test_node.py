"""What a node refuses at its start, on real servers, in one line each; and what it takes along."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
import pytest

from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.lease import BEAT
from chatapp.registry.cluster.settings import ClusterSettings
from chatapp.registry.cluster.storage import ClusterStorage, read_key
from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    ClusterKey,
    Kind,
    Sealer,
    hash_of,
    parts_of,
)
from chatapp.registry.cluster.stream.ledger import Publication, Stream, Subject
from chatapp.registry.cluster.stream.store import StreamUnusable
from chatapp.registry.program import node as node_module
from chatapp.registry.program.admin.client import AdminRequestFailed, ask
from chatapp.registry.program.node import LEASE_WITHIN, ClusterNode
from chatapp.registry.rules.admin_requests import VerifyFiles
from chatapp.registry.store.keystore import KeyUnusable
from chatapp.registry.store.protocol import StoreInUse, StoreUnusable
from chatapp.registry.store.storage import FolderStorage
from chatapp.wire.aio.machine import THIS_MACHINE
from chatapp.wire.errors import ChatAppError
from chatapp.wire.storage import frame
from tests.registry.store.playbook import BOB, full_script, stored, view
from tests.support.cluster.versions import sealed_by_later_version
from tests.support.nats_server import NatsServer, remove, single
from tests.support.ports import free_port

Open = Callable[..., Awaitable[ClusterNode]]


class Nodes:
    """The nodes of a test, all closed at its end."""

    def __init__(self, folder: Path, server: NatsServer) -> None:
        self.folder = folder
        self.server = server
        self.name = f"n{free_port()}"
        self.said: list[str] = []
        self._nodes: list[ClusterNode] = []

    def make(self, home: str, **settings: object) -> ClusterNode:
        chosen = {"servers": (self.server.url,), "name": self.name, **settings}
        made = ClusterNode(
            ClusterSettings(**chosen),  # type: ignore[arg-type] # what a test names is of the right type
            folder=self.folder / home,
            name=home,
            say=self.said.append,
        )
        self._nodes.append(made)
        return made

    async def opened(self, home: str, **settings: object) -> ClusterNode:
        made = self.make(home, **settings)
        await made.open()
        return made

    async def serving(self, home: str, **settings: object) -> tuple[ClusterNode, ClusterStorage]:
        made = await self.opened(home, **settings)
        async with asyncio.timeout(20):
            return made, await made.win_lease()

    async def why_not(self, home: str, **settings: object) -> str:
        """Return the line of a node that cannot be opened."""
        with pytest.raises((ChatAppError, OSError)) as caught:
            await self.opened(home, **settings)
        return str(caught.value)

    async def close(self) -> None:
        for one in self._nodes:
            await one.close()


@pytest.fixture
async def nodes(tmp_path: Path, nats_server: NatsServer) -> AsyncIterator[Nodes]:
    made = Nodes(tmp_path, nats_server)
    yield made
    await made.close()


async def test_servers_that_are_away_are_tried_and_named(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "TRY_FOR", 0.6)
    monkeypatch.setattr(node_module, "SAY_AFTER", 0.1)
    line = await nodes.why_not("a", servers=(f"nats://127.0.0.1:{free_port()}",))
    assert line.startswith("no server of the cluster can be reached (")
    assert nodes.said == ["[The servers of the cluster do not answer; trying for 30 seconds.]"]


async def test_a_wrong_password_and_disabled_jetstream_are_named(
    tmp_path: Path, nodes: Nodes
) -> None:
    server = single(
        tmp_path / "locked", extra="authorization { user: u, password: p }", has_jetstream=False
    )
    try:
        url = f"nats://{{}}@127.0.0.1:{server.client_port}"
        line = await nodes.why_not("a", servers=(url.format("u:wrong"),))
        assert line.startswith(
            "the servers of the cluster refuse the password or the credentials ("
        )
        line = await nodes.why_not("b", servers=(url.format("u:p"),))
        assert line.startswith(
            "JetStream is disabled on the servers of the cluster, or for this account"
        )
    finally:
        remove(server)


async def test_servers_that_sync_late_are_refused_where_that_can_be_seen(
    tmp_path: Path, nodes: Nodes
) -> None:
    server = single(tmp_path / "late", sync="2m")
    try:
        line = await nodes.why_not("a", servers=(server.url,), monitors=(server.monitor,))
        assert line.startswith(
            f"the server {server.monitor} confirms messages before they are on its disk: "
        )
        assert nodes.said == []
        await nodes.opened("b", monitors=(nodes.server.monitor,))
        assert nodes.said == []
        await nodes.opened("c", monitors=(f"http://127.0.0.1:{free_port()}",))
        assert len(nodes.said) == 1
        assert "cannot be seen" in nodes.said[0]
    finally:
        remove(server)


async def test_servers_that_allow_small_messages_only_are_refused(
    tmp_path: Path, nodes: Nodes
) -> None:
    server = single(tmp_path / "small", extra="max_payload: 64KB")
    try:
        assert await nodes.why_not("a", servers=(server.url,)) == (
            "the servers of the cluster allow messages of 65,536 bytes only: set max_payload in their configuration to "
            "1MB, its default"
        )
    finally:
        remove(server)


async def test_a_stream_whose_messages_could_vanish_is_refused(nodes: Nodes) -> None:
    stream = f"chatapp-{nodes.name}-journal"
    client = await nats.connect(nodes.server.url)
    await client.jetstream().add_stream(
        name=stream, subjects=[f"chatapp.{nodes.name}.journal"], max_age=3600
    )
    await client.close()
    assert (await nodes.why_not("b")).startswith(f"the stream {stream} may drop messages: ")


async def test_a_folder_has_one_node_and_the_cluster_has_one_key(
    nodes: Nodes, tmp_path: Path
) -> None:
    _, storage = await nodes.serving("a")
    storage.open()
    storage.load()
    with pytest.raises(StoreInUse):
        await nodes.opened("a")
    with pytest.raises(
        AdminRequestFailed, match="belongs to a node of a cluster that does not serve now"
    ):
        ask(tmp_path / "a", VerifyFiles())
    line = await nodes.why_not("b")
    assert (
        line
        == f"{tmp_path}/b/cluster.key: missing: copy the key of the cluster {nodes.name} from another node"
    )
    (tmp_path / "b" / "cluster.key").write_text("ab" * KEY_SIZE)
    assert "others on this machine can read this key" in await nodes.why_not(
        "b2", key=str(tmp_path / "b/cluster.key")
    )
    (tmp_path / "b" / "cluster.key").chmod(0o600)
    other = await nodes.opened("b3", key=str(tmp_path / "b/cluster.key"))
    with pytest.raises(
        KeyUnusable, match=f"is not the key of the cluster {nodes.name} on these servers"
    ):
        await other.win_lease()
    (tmp_path / "b" / "cluster.key").write_text("short")
    assert "holds no cluster key, which is 64 hexadecimal digits" in await nodes.why_not(
        "b4", key=str(tmp_path / "b/cluster.key")
    )
    with pytest.raises(
        StoreUnusable,
        match=f"belongs to a node of the cluster {nodes.name}: start it with --cluster",
    ):
        FolderStorage(tmp_path / "a", rng=THIS_MACHINE.rng, now=THIS_MACHINE.now, disk=None).open()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("entry", "it has an entry that this version does not know; run the same version"),
        (
            "version",
            "it was written by another version; run the same version of ChatApp on all nodes",
        ),
        ("moved", "the message before it is missing, or another one; restore it from a backup"),
    ],
)
async def test_what_a_node_cannot_read_it_does_not_own(nodes: Nodes, change: str, why: str) -> None:
    node, storage = await nodes.serving("a")
    storage.open()
    storage.load()
    broker, key = (
        JetStream(Access(servers=(nodes.server.url,)), nodes.name),
        read_key(nodes.folder / "a" / "cluster.key"),
    )
    assert key is not None
    broker.open(within=10)
    (last,) = broker.read(Stream.JOURNAL, 1, 9)
    sealer = Sealer(key, nodes.name, bytes(16))
    content, before = next(parts_of([frame(b"\x92\x7f\x01")], 99)), hash_of(last.message)
    message = {
        "entry": sealer.seal(Kind.JOURNAL, 2, before, content),
        "version": sealed_by_later_version(key, nodes.name, Kind.JOURNAL, 2, before, content),
        "moved": sealer.seal(Kind.JOURNAL, 3, before, content),
    }[change]
    broker.publish(Publication(subject=Subject.JOURNAL, message=message, after=1))
    broker.close()
    await node.close()
    _, again = await nodes.serving("a")
    again.open()
    with pytest.raises(StreamUnusable, match=why):
        again.load()


async def test_a_cluster_begins_with_a_folder_and_its_backup_is_one(
    nodes: Nodes, tmp_path: Path
) -> None:
    alone = FolderStorage(tmp_path / "a", rng=THIS_MACHINE.rng, now=THIS_MACHINE.now, disk=None)
    store = alone.open()
    identity = alone.load().identity.public
    full_script().play(store)
    store.sync()
    store.close()
    again = FolderStorage(tmp_path / "a", rng=THIS_MACHINE.rng, now=THIS_MACHINE.now, disk=None)
    store = again.open()
    wanted = view(store, again.load().loaded)
    store.close()

    _, storage = await nodes.serving("a")
    store = storage.open()
    found = storage.load()
    assert found.identity.public == identity
    assert view(store, found.loaded) == wanted
    store.append([stored(77)])
    store.sync()
    verified = storage.verify()
    assert (verified.damage, verified.files > 0, verified.records > 10) == ([], True, True)
    store.checkpoint()
    assert storage.verify().damage == []
    manifest = storage.back_up(tmp_path / "copy", port=5000, made_at=7)
    assert manifest.key == identity.hex()

    restored = FolderStorage(
        tmp_path / "copy", rng=THIS_MACHINE.rng, now=THIS_MACHINE.now, disk=None
    )
    store = restored.open()
    from_backup = restored.load()
    assert from_backup.identity.public == identity
    assert from_backup.loaded.damage == []
    wanted["mail"][BOB] = [*wanted["mail"].get(BOB, []), stored(77)]
    wanted["highest_serial"] = 77
    assert view(store, from_backup.loaded) == wanted
    store.close()


async def test_a_folder_of_another_registry_is_refused_and_left_as_it_is(
    nodes: Nodes, tmp_path: Path
) -> None:
    alone = FolderStorage(tmp_path / "b", rng=THIS_MACHINE.rng, now=THIS_MACHINE.now, disk=None)
    store = alone.open()
    alone.load()
    store.close()
    first, storage = await nodes.serving("a")
    storage.open()
    storage.load()
    await first.close()
    second, storage = await nodes.serving("b", key=str(tmp_path / "a" / "cluster.key"))
    storage.open()
    with pytest.raises(StoreUnusable, match="this folder holds another registry than the cluster"):
        storage.load()
    await second.close()
    alone.open().close()


async def test_a_key_that_is_not_the_first_is_not_left_behind(nodes: Nodes, tmp_path: Path) -> None:
    """Two nodes that start at once on new servers both make a key; the lease decides which one
    counts."""
    first, second = await nodes.opened("a"), await nodes.opened("b")
    await first.win_lease()
    with pytest.raises(KeyUnusable):
        await second.win_lease()
    assert (tmp_path / "a" / "cluster.key").exists()
    assert not (tmp_path / "b" / "cluster.key").exists()
    assert isinstance(read_key(tmp_path / "a" / "cluster.key"), ClusterKey)


async def test_a_node_that_knows_its_cluster_begins_none_where_nothing_is(
    nodes: Nodes, tmp_path: Path
) -> None:
    """The first node and one that has only stood by, when the streams have been removed or are
    looked for elsewhere."""
    first, storage = await nodes.serving("a")
    (tmp_path / "a" / "backup.new").mkdir()
    store = storage.open()
    storage.load()
    key = str(tmp_path / "a" / "cluster.key")
    second = await nodes.opened("b", key=key)
    store.close()
    await first.close()
    await second.close()

    client = await nats.connect(nodes.server.url)
    for stream in Stream:
        await client.jetstream().delete_stream(f"chatapp-{nodes.name}-{stream.name.lower()}")
    await client.close()
    for home in ("a", "b"):
        node, storage = await nodes.serving(home, key=key)
        assert not (tmp_path / home / "backup.new").exists()
        storage.open()
        with pytest.raises(
            StreamUnusable, match="the streams hold no registry, but this node has seen"
        ):
            storage.load()
        await node.close()
    assert not (tmp_path / "b" / "identity.key").exists()
    assert "belongs to a node of the cluster" in await nodes.why_not("a", name=f"{nodes.name}typo")


async def test_a_busy_loop_does_not_delay_the_lease(nodes: Nodes) -> None:
    node, _ = await nodes.serving("n1")
    span, began = 2 * BEAT + LEASE_WITHIN, time.monotonic()
    while time.monotonic() - began < span:
        sum(range(1_000))  # nothing else runs on this loop
    assert node.figures()["cluster_lease_age_seconds"] < span


async def test_the_pieces_of_one_snapshot_are_removed_alone(nodes: Nodes) -> None:
    broker = JetStream(Access(servers=(nodes.server.url,)), nodes.name)
    broker.open(within=10)
    for run in ("a-0", "b-0", "a-0"):
        broker.publish(
            Publication(subject=Subject.SNAPSHOT, run=run, message=run.encode(), after=None)
        )
    broker.publish(Publication(subject=Subject.MANIFEST, message=b"manifest", after=0))
    broker.purge_run("a-0")
    assert [tuple(one) for one in broker.read(Stream.SNAPSHOTS, 1, 9)] == [
        (2, b"b-0"),
        (4, b"manifest"),
    ]
    broker.close()
