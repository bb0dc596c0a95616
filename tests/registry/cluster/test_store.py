"""What a node refuses when it takes a stream over, and what it does when there is no space, on an engine in memory."""

import itertools
from collections.abc import Callable

import pytest

from chatapp.registry.cluster.bundles import KEY_SIZE, ClusterFounded, ClusterKey
from chatapp.registry.cluster.ledger import Stream, Subject
from chatapp.registry.cluster.mark import Mark
from chatapp.registry.cluster.store import GIVEN_UP, StreamStore, StreamUnusable, TakeoverInterrupted
from tests.registry.store.playbook import stored
from tests.support.memory_ledger import MemoryLedger

_salts = (number.to_bytes(16, "big") for number in itertools.count())


class Home:
    """The nodes of one folder, one after the other. `mark`: what the folder knows of the cluster."""

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
            ClusterKey(bytes(KEY_SIZE)),
            "c",
            node="node",
            salts=(next(_salts), next(_salts)),
            founding=lambda: (ClusterFounded(next(_salts), 0), []),
            known=self.mark,
            note_mark=self.note,
            holds_lease=holds_lease,
            now=lambda: self.now,
            pause=pause,
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


def test_a_node_notices_that_the_stream_has_lost_its_end() -> None:
    home, ledger = Home(), MemoryLedger()
    used(ledger, home, 3)
    del ledger.streams[Stream.JOURNAL][4]
    ledger.last[Stream.JOURNAL] = ledger.places[Subject.JOURNAL] = 3
    with pytest.raises(StreamUnusable, match="ends with message 3, but this node has seen message 4"):
        home.node(ledger).load()
    used(ledger, Home(), 3)  # a node that knew nothing of the lost message
    with pytest.raises(StreamUnusable, match="message 4 of the stream is not the one that was stored"):
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
