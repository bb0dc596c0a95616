"""What a node refuses when it takes a stream over, and what it does when there is no space, on a
broker in memory."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from chatapp.registry.cluster.stream import store
from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterFounded, ClusterKey
from chatapp.registry.cluster.stream.ledger import (
    Answer,
    Placed,
    Publication,
    Refused,
    Stream,
    Subject,
    Unanswered,
)
from chatapp.registry.cluster.stream.mark import Mark
from chatapp.registry.cluster.stream.store import (
    GIVEN_UP,
    Clocks,
    Hold,
    Marks,
    Seals,
    StreamStore,
    StreamUnusable,
    TakeoverInterrupted,
)
from chatapp.registry.store.entries import MailTaken
from chatapp.wire.errors import StoreBroken, StoreFull, StoreLost
from tests.registry.store.playbook import BOB, stored
from tests.support.memory_ledger import MemoryLedger

_salts = (number.to_bytes(16, "big") for number in itertools.count())


class Home:
    """The nodes of one folder, one after the other. `mark`: what the folder knows of the
    cluster."""

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self.now = 0.0

    def node(
        self,
        ledger: MemoryLedger,
        *,
        holds_lease: Callable[[], bool] = lambda: True,
        pause: Callable[[float], object] = lambda seconds: None,
    ) -> StreamStore:
        return StreamStore(
            ledger,
            Seals(ClusterKey(bytes(KEY_SIZE)), "c", (next(_salts), next(_salts))),
            node="node",
            founding=lambda: (ClusterFounded(next(_salts), 0), []),
            marks=Marks(self.mark, self.note),
            hold=Hold(holds_lease),
            clocks=Clocks(now=lambda: self.now, pause=pause),
        )

    def note(self, mark: Mark) -> None:
        self.mark = mark

    def serving(self, ledger: MemoryLedger) -> StreamStore:
        node = self.node(ledger)
        node.load()
        return node


def used(ledger: MemoryLedger, home: Home, letters: int) -> None:
    """Let a node serve for a while and stop in order."""
    node = home.serving(ledger)
    for serial in range(letters):
        node.append([stored(serial + 1)])
        node.sync()
    node.close()


def test_a_node_does_not_begin_its_cluster_anew() -> None:
    home = Home()
    used(MemoryLedger(), home, 3)
    assert home.mark is not None
    assert home.mark.number == 4
    for mark in (home.mark, Mark(1)):
        home.mark, empty = mark, MemoryLedger()
        with pytest.raises(
            StreamUnusable, match=r"hold no registry.* seen message \d: check --cluster, --cl"
        ):
            home.node(empty).load()
        assert empty.last[Stream.JOURNAL] == 0


def test_a_snapshot_is_due_when_the_journal_since_the_last_one_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_BYTES", 1_000)
    home = Home()
    node = home.serving(MemoryLedger())
    for first in (1, 101):
        serials = itertools.count(first)
        written = 0
        while not node.checkpoint_due(home.now):
            node.append([stored(next(serials))])
            node.sync()
            written += 1
            assert written < 100, "no snapshot is ever due"
        assert written > 3
        node.checkpoint()
        assert not node.checkpoint_due(home.now)
    node.close()


def test_a_node_notices_that_the_stream_has_lost_its_end() -> None:
    home, ledger = Home(), MemoryLedger()
    used(ledger, home, 3)
    del ledger.streams[Stream.JOURNAL][4]
    ledger.last[Stream.JOURNAL] = ledger.places[Subject.JOURNAL] = 3
    with pytest.raises(
        StreamUnusable, match="ends with message 3, but this node has seen message 4"
    ):
        home.node(ledger).load()
    used(ledger, Home(), 3)  # a node that knew nothing of the lost message
    with pytest.raises(
        StreamUnusable, match="message 4 of the stream is not the one that was stored"
    ):
        home.node(ledger).load()


def test_a_snapshot_may_cover_what_a_node_knows() -> None:
    home, other, ledger = Home(), Home(), MemoryLedger()
    used(ledger, home, 3)
    node = other.serving(ledger)
    node.append([stored(9)])
    node.checkpoint()
    node.close()
    home.serving(ledger)


def test_a_cluster_that_was_restored_is_left_to_the_comparison_of_identities() -> None:
    home, restored = Home(), MemoryLedger()
    used(MemoryLedger(), home, 9)
    used(restored, Home(), 1)
    home.serving(restored)


def test_nothing_is_written_before_the_lease_is_confirmed() -> None:
    ledger = MemoryLedger()
    waits: list[float] = []
    node = Home().node(ledger, holds_lease=lambda: len(waits) == 3, pause=waits.append)
    node.load()
    assert len(waits) == 3
    before = ledger.last[Stream.JOURNAL]
    lost = Home().node(ledger, holds_lease=lambda: False, pause=lambda seconds: lost.give_up())
    with pytest.raises(TakeoverInterrupted, match=GIVEN_UP):
        lost.load()
    assert ledger.last[Stream.JOURNAL] == before


def test_a_stream_that_loses_messages_during_a_takeover_is_read_again_later() -> None:
    ledger = MemoryLedger()
    used(ledger, Home(), 2)

    def lose() -> bool:
        ledger.last[Stream.JOURNAL] = ledger.places[Subject.JOURNAL] = 1
        return True

    with pytest.raises(TakeoverInterrupted, match="lost messages that it had confirmed"):
        Home().node(ledger, holds_lease=lose).load()


def grown(ledger: MemoryLedger, *, letters: int) -> StreamStore:
    """Return a node that serves, with a snapshot and some letters behind it."""
    node = Home().serving(ledger)
    node.append([stored(serial + 1) for serial in range(letters)])
    node.checkpoint()
    node.append([stored(1000)])
    node.sync()
    return node


def test_a_snapshot_for_which_there_is_no_space_leaves_nothing_behind() -> None:
    ledger = MemoryLedger(message_max=8 * 1024)
    node = grown(ledger, letters=400)
    before = dict(ledger.streams[Stream.SNAPSHOTS])
    ledger.bytes_max = ledger.bytes + 10_000
    with pytest.raises(StoreFull):
        node.checkpoint()
    assert ledger.last[Stream.SNAPSHOTS] > max(before)
    assert ledger.streams[Stream.SNAPSHOTS] == before
    node.append([stored(1001)])
    node.sync()
    ledger.bytes_max = 1 << 30
    node.checkpoint()
    assert Home().serving(ledger).snapshot().highest_serial == 1001


def test_a_full_store_says_so_and_frees_the_journal_before_it_goes_on() -> None:
    ledger = MemoryLedger()
    home = Home()
    node = home.serving(ledger)
    for serial in range(1, 300):
        node.append(
            [stored(1), MailTaken(BOB, [1]), stored(serial + 1), MailTaken(BOB, [serial + 1])]
        )
        node.sync()
    ledger.bytes_max = ledger.bytes + 2_000
    node.append([stored(1000 + number) for number in range(50)])
    for refused in (node.sync, node.sync, lambda: node.append([stored(2)])):
        with pytest.raises(StoreFull):
            refused()
    before = ledger.bytes
    home.now += 60
    assert node.recovery_due(home.now)
    node.recover()
    assert ledger.bytes < before / 10
    node.append([stored(5000)])
    node.sync()
    assert Home().serving(ledger).snapshot().highest_serial == 5000


def at_manifest(ledger: MemoryLedger, do: Callable[[Publication], Answer | None]) -> None:
    """Call `do` before the next manifest is stored."""

    def meddle(publication: Publication) -> Answer | None:
        if publication.subject is not Subject.MANIFEST:
            return None
        ledger.meddle = lambda publication: None
        return do(publication)

    ledger.meddle = meddle


def test_a_manifest_whose_answer_was_lost_does_not_stop_later_snapshots() -> None:
    ledger = MemoryLedger()
    node = grown(ledger, letters=3)

    def lose_answer(publication: Publication) -> Answer:
        ledger.store(publication)
        ledger.forget_ids()
        return Unanswered()

    at_manifest(ledger, lose_answer)
    node.checkpoint()
    node.append([stored(1001)])
    node.checkpoint()
    assert len(ledger.streams[Stream.SNAPSHOTS]) == 2
    assert Home().serving(ledger).snapshot().highest_serial == 1001


def test_a_manifest_that_may_arrive_later_keeps_its_pieces() -> None:
    ledger = MemoryLedger()
    node = grown(ledger, letters=3)
    late: list[Publication] = []

    def hold_back(publication: Publication) -> Answer:
        late.append(publication)
        ledger.refuses = Refused("maximum bytes exceeded", is_full=True)
        return Unanswered()

    at_manifest(ledger, hold_back)
    with pytest.raises(StoreFull):
        node.checkpoint()
    ledger.refuses = None
    ledger.store(late[0])
    assert Home().serving(ledger).snapshot().highest_serial == 1000


@pytest.mark.parametrize("has_next_snapshot", [False, True])
def test_an_owner_that_thaws_before_its_manifest_neither_stops_nor_undoes_later_snapshots(
    has_next_snapshot: bool,
) -> None:
    ledger = MemoryLedger()
    old = grown(ledger, letters=3)
    owners: list[StreamStore] = []

    def take_over(publication: Publication) -> None:
        owners.append(Home().serving(ledger))
        owners[0].append([stored(1001)])
        owners[0].sync()
        if has_next_snapshot:
            owners[0].checkpoint()

    at_manifest(ledger, take_over)
    if has_next_snapshot:
        with pytest.raises(StoreBroken, match="newer snapshot"):
            old.checkpoint()
    else:
        old.checkpoint()
    owners[0].append([stored(1002)])
    owners[0].checkpoint()
    assert len(ledger.streams[Stream.SNAPSHOTS]) == 2
    assert Home().serving(ledger).snapshot().highest_serial == 1002


class CountingLedger(MemoryLedger):
    """A broker that counts the messages of the journal that it sends."""

    sent = 0

    def read(self, stream: Stream, first: int, last: int) -> Iterator[Placed]:
        for placed in super().read(stream, first, last):
            self.sent += stream is Stream.JOURNAL
            yield placed


@pytest.mark.parametrize("snapshot", [None, "before", "between", "after"])
def test_a_standby_that_follows_takes_over_with_little_to_read(snapshot: str | None) -> None:
    """A snapshot that was made since it last looked costs it all that it has read."""
    ledger, serials = CountingLedger(), itertools.count(1)
    node = Home().serving(ledger)

    def store(count: int) -> None:
        for _ in range(count):
            node.append([stored(next(serials))])
            node.sync()

    store(10)
    if snapshot == "before":
        node.checkpoint()
    standby = Home().node(ledger)
    standby.follow()
    store(10)
    if snapshot == "between":
        node.checkpoint()
    standby.follow()
    store(2)
    if snapshot == "after":
        node.checkpoint()
    node.append([MailTaken(BOB, [3])])
    node.sync()
    ledger.sent = 0
    loaded = standby.load()
    assert [head.serial for head in loaded.letters[BOB]] == [1, 2, *range(4, 23)]
    assert ledger.sent <= 3 if snapshot != "after" else ledger.sent == 1
    standby.append([stored(99)])
    standby.checkpoint()
    other = Home().serving(ledger).snapshot()
    assert other.highest_serial == 99
    node.append([stored(100)])
    with pytest.raises(StoreLost):
        node.sync()


def test_a_standby_that_follows_what_it_cannot_read_says_so_when_it_takes_over() -> None:
    ledger = MemoryLedger()
    used(ledger, Home(), 3)
    standby = Home().node(ledger)
    standby.follow()
    used(ledger, Home(), 3)
    subject, message = ledger.streams[Stream.JOURNAL][6]
    ledger.streams[Stream.JOURNAL][6] = subject, message[:-1] + bytes((message[-1] ^ 1,))
    standby.follow()
    with pytest.raises(StreamUnusable):
        standby.load()
