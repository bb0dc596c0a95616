"""The contract of a store (protocol.py): the same tests for files, for memory, and for a cluster's
stream, which is one in memory and one of a real nats-server."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterFounded, ClusterKey
from chatapp.registry.cluster.stream.ledger import Ledger
from chatapp.registry.cluster.stream.store import Clocks, Seals, StreamStore
from chatapp.registry.store.entries import Entry
from chatapp.registry.store.protocol import LetterHead, LineHead, Loaded, RecordLost, Store
from chatapp.wire.errors import StoreFull, StoreReadOnly
from tests.registry.store.playbook import (
    ALICE,
    BOB,
    CAROL,
    Model,
    View,
    bound,
    cut,
    key,
    line,
    opened,
    stored,
    taken,
    view,
)
from tests.registry.store.strategies import Author
from tests.support.memory_ledger import MemoryLedger, RefusingLedger
from tests.support.memory_store import MemoryStore
from tests.support.nats_server import NatsServer
from tests.wire.storage.disks import FailingDisk, bad_sync, no_room


class World(Protocol):
    """One store, with its stops, starts and mishaps."""

    @property
    def store(self) -> Store: ...
    @property
    def loaded(self) -> Loaded: ...
    def crash(self) -> None: ...
    def make_room(self) -> None: ...
    def fail_syncs(self) -> None: ...
    def end(self) -> None: ...


class DiskWorld(World, Protocol):
    """A world in which the space for entries can run out while they are appended."""

    def fill(self) -> None: ...


class FileWorld:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start()

    def _start(self) -> None:
        self._disk = FailingDisk()
        self.store, self.loaded = opened(self._folder, self._disk)

    def crash(self) -> None:
        self._disk.kill()
        self._start()

    def fill(self) -> None:
        self._disk.wrong = no_room

    def make_room(self) -> None:
        self._disk.wrong = lambda what: None

    def fail_syncs(self) -> None:
        self._disk.wrong = bad_sync

    def end(self) -> None:
        self._disk.kill()


class MemoryWorld:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.loaded = self.store.load()

    def crash(self) -> None:
        self.store.crash()
        self.store.sync_fails = False
        self.loaded = self.store.load()

    def fill(self) -> None:
        self.store.full = True

    def make_room(self) -> None:
        self.store.full = self.store.sync_fails = False

    def fail_syncs(self) -> None:
        self.store.sync_fails = True

    def end(self) -> None:
        pass


class StreamWorld:
    """A registry in a cluster whose broker is `ledger`. Another node takes over after each stop."""

    def __init__(self, ledger: Ledger, *, cluster: str = "c") -> None:
        self._ledger = RefusingLedger(ledger)
        self._cluster = cluster
        self._salts = (bytes((number,)) * 16 for number in itertools.count(1))
        self._start()

    def _start(self) -> None:
        self._ledger.is_refusing = False
        self.store = StreamStore(
            self._ledger,
            Seals(
                ClusterKey(bytes(KEY_SIZE)), self._cluster, (next(self._salts), next(self._salts))
            ),
            node="node",
            founding=lambda: (ClusterFounded(b"identity", 0), []),
            clocks=Clocks(now=lambda: 0.0),
        )
        self.loaded = self.store.load()

    def crash(self) -> None:
        self._start()

    def make_room(self) -> None:
        self._ledger.is_refusing = False

    def fail_syncs(self) -> None:
        self._ledger.is_refusing = True

    def end(self) -> None:
        self.store.give_up()


_clusters = itertools.count(1)


@pytest.fixture
def stream(nats_server: NatsServer) -> Iterator[Callable[[], StreamWorld]]:
    """Return a function that makes worlds on a real server."""
    opened: list[JetStream] = []

    def make() -> StreamWorld:
        name = f"contract{next(_clusters)}"
        opened.append(JetStream(Access(servers=(nats_server.url,)), name))
        opened[-1].open(within=10)
        return StreamWorld(opened[-1], cluster=name)

    yield make
    for one in opened:
        one.close()


@pytest.fixture(params=["files", "memory", "ledger", "stream"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: World
    match request.param:
        case "files":
            made = FileWorld(tmp_path)
        case "memory":
            made = MemoryWorld()
        case "ledger":
            made = StreamWorld(MemoryLedger())
        case _:
            made = request.getfixturevalue("stream")()
    yield made
    made.end()


@pytest.fixture(params=["files", "memory"])
def disk_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DiskWorld]:
    made: DiskWorld = FileWorld(tmp_path) if request.param == "files" else MemoryWorld()
    yield made
    made.end()


def seen(world: World) -> View:
    """Return what the next process sees."""
    world.store.sync()
    world.crash()
    return view(world.store, world.loaded)


def test_a_new_store_holds_nothing(world: World) -> None:
    assert world.loaded == Loaded(
        names=[], letters={}, groups={}, highest_serial=0, skipped=0, damage=[]
    )


def test_heads_tell_everything_but_the_bytes(world: World) -> None:
    world.store.append([stored(7, size=3), key(2), line(4, epoch=2, size=5)])
    world.store.sync()
    world.crash()
    head = LetterHead(serial=7, sender=ALICE, sender_name="alice", number=1007, at=57, size=3)
    assert world.loaded.letters == {BOB: [head]}
    group = world.loaded.groups["tea"]
    assert group.lines == [LineHead(position=4, sender=ALICE, epoch=2, at=74, size=5)]
    assert (group.keys, group.cut, group.highest) == ({2: bytes([2]) * 32}, -1, 4)


def test_what_was_appended_can_be_read_at_once_and_in_the_order_asked(world: World) -> None:
    world.store.append([stored(1), stored(2), stored(3, CAROL), line(1), line(2)])
    assert world.store.read_letters(BOB, [2, 1, 2]) == [stored(n).letter for n in (2, 1, 2)]
    assert world.store.read_lines("tea", [2, 1]) == [line(2).frame, line(1).frame]
    world.store.checkpoint()
    assert world.store.read_letters(BOB, [2, 1]) == [stored(2).letter, stored(1).letter]
    assert world.store.read_lines("tea", [2, 1]) == [line(2).frame, line(1).frame]
    assert world.store.read_letters(BOB, []) == world.store.read_lines("none", []) == []


def test_missing_files_are_named(world: World) -> None:
    world.store.append([stored(1), stored(2), taken(2), line(1), cut(1), line(2)])
    with pytest.raises(RecordLost, match="cannot be read: 2, 9") as caught:
        world.store.read_letters(BOB, [2, 1, 9])
    assert caught.value.keys == [2, 9]
    with pytest.raises(RecordLost):
        world.store.read_letters(CAROL, [1])
    with pytest.raises(RecordLost) as caught:
        world.store.read_lines("tea", [1, 2])
    assert (caught.value.where, caught.value.keys) == ("tea", [1])


def test_taking_twice_and_taking_what_never_was(world: World) -> None:
    world.store.append([taken(5), stored(1), taken(1), taken(1), taken(1, recipient=CAROL)])
    assert seen(world)["mail"] == {}
    assert world.loaded.highest_serial == 1


def test_the_highest_serial_outlives_its_letter(world: World) -> None:
    world.store.append([stored(41), taken(41)])
    world.store.checkpoint()
    world.store.close()
    world.crash()
    assert world.loaded.highest_serial == 41


def test_names_of_groups_and_people_are_free(world: World) -> None:
    entries: list[Entry] = [
        line(1, name) for name in ("", "../../up", "a/b", "A", "a", "é" * 40, "\0")
    ]
    entries += [bound("../names"), bound("")]
    world.store.append(entries)
    world.store.checkpoint()
    assert seen(world) == Model().say(entries).view()


def test_an_impossible_entry_is_refused_with_its_whole_batch(world: World) -> None:
    for impossible in (stored(2, b"short"), stored(2**64), bound("\ud800"), line(1, size=1 << 20)):
        with pytest.raises(ValueError, match=r"32 bytes|64|surrogates|a record holds"):
            world.store.append([stored(1), impossible])
    world.store.append([])
    assert seen(world) == Model().view()


def test_a_full_disk(disk_world: DiskWorld) -> None:
    world = disk_world
    world.store.append([stored(1), line(1)])
    world.fill()
    for _ in range(3):
        with pytest.raises(StoreFull):
            world.store.append([stored(2), stored(3)])
    assert world.store.read_letters(BOB, [1]) == [stored(1).letter]
    with pytest.raises(RecordLost):
        world.store.read_letters(BOB, [2])
    world.make_room()
    world.store.append([stored(4)])
    assert seen(world) == Model().say([stored(1), line(1), stored(4)]).view()


def test_a_failed_sync_makes_the_store_read_only_until_it_has_recovered(world: World) -> None:
    world.store.append([stored(1)])
    world.fail_syncs()
    with pytest.raises(StoreReadOnly):
        world.store.sync()
    world.make_room()
    for refused in (
        world.store.sync,
        world.store.checkpoint,
        lambda: world.store.append([stored(2)]),
    ):
        with pytest.raises(StoreReadOnly):
            refused()
    assert not world.store.checkpoint_due(1e9)
    assert world.store.recovery_due(1e9)
    assert world.store.read_letters(BOB, [1]) == [stored(1).letter]
    world.store.recover()
    assert not world.store.recovery_due(1e9)
    world.store.append([stored(3)])
    assert seen(world) == Model().say([stored(3)]).view()


def test_a_sync_with_nothing_to_do_asks_nothing_of_the_disk(world: World) -> None:
    world.store.append([stored(1)])
    world.store.sync()
    world.fail_syncs()
    world.store.sync()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["files", "memory", "ledger"])
def test_any_play_against_the_model(
    new_folder: Callable[[], Path], kind: str, data: st.DataObject
) -> None:
    world: World
    match kind:
        case "files":
            world = FileWorld(new_folder())
        case "memory":
            world = MemoryWorld()
        case _:
            world = StreamWorld(MemoryLedger(message_max=8 * 1024))
    play(world, data)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_play_on_a_real_server(stream: Callable[[], StreamWorld], data: st.DataObject) -> None:
    play(stream(), data)


def play(world: World, data: st.DataObject) -> None:
    """Store, stop, crash and start in any order, and compare with the model after each start."""
    author, model = Author(), Model()
    for step in data.draw(
        st.lists(st.sampled_from(("say", "say", "say", "checkpoint", "crash", "stop")), max_size=12)
    ):
        if step == "say":
            batch = author.batch(data)
            world.store.append(batch)
            model.say(batch)
            world.store.sync()
        elif step == "checkpoint":
            world.store.checkpoint()
        else:
            if step == "stop":
                world.store.close()
            world.crash()
            assert world.loaded.damage == []
            assert view(world.store, world.loaded) == model.view()
    assert seen(world) == model.view()
    world.end()
