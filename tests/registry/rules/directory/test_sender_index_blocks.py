"""Blocks of sender indices in a whole registry: reserved before they are used, each life with its
own."""

from collections.abc import Sequence

from chatapp.registry.rules.directory.connections import BLOCK
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.registry.store.entries import Entry, GroupKeyMade, SenderIndicesReserved
from chatapp.wire.codec import Kind, unpack_group
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore


def batch_index(rig: Rig, peer: LinkedPeer) -> int:
    """Return the sender index under which the registry seals table batches."""
    rig.member(f"user{rig.now:.0f}")
    rig.advance(1.0)
    (index,) = {
        unpack_group(data).sender_index for data in rig.take(peer.address) if data[0] == Kind.GROUP
    }
    return index


def use_up(rig: Rig, left: int) -> None:
    """Take indices until so many are left."""
    indices = rig.core.engine.hub.indices
    while indices._end - indices._next > left:
        indices.take()


class RecordingStore(MemoryStore):
    """A store that remembers the order of its entries."""

    def __init__(self) -> None:
        super().__init__()
        self.appended: list[Entry] = []

    def append(self, entries: Sequence[Entry]) -> None:
        super().append(entries)
        self.appended += entries


def test_a_block_is_stored_before_the_keys_under_which_it_is_used() -> None:
    store = RecordingStore()
    store.full = True
    rig = Rig(store)
    assert store.appended == []
    store.full = False
    rig.member("ann")
    rig.advance(120.0)  # the newcomer's epoch begins
    kinds = [type(entry) for entry in store.appended]
    assert kinds.index(SenderIndicesReserved) < kinds.index(GroupKeyMade)
    assert rig.store.load().sender_indices == BLOCK


def test_each_life_seals_its_table_batches_under_an_index_of_its_own(rig: Rig) -> None:
    """Clause 3.3: another node may have the same key."""
    ann = rig.member("ann")
    first = batch_index(rig, ann)
    rig.restart()
    ann.register()
    ann.attach()
    second = batch_index(rig, ann)
    assert (first, second) == (0, BLOCK)
    assert ann.sender_index > BLOCK


def test_a_next_block_is_reserved_while_half_of_one_is_left(rig: Rig) -> None:
    use_up(rig, left=BLOCK // 2)
    rig.member("ann")
    assert rig.store.load().sender_indices == 2 * BLOCK
    use_up(rig, left=BLOCK)
    bob = rig.member("bob")
    assert bob.sender_index == BLOCK


def test_a_link_for_which_no_index_is_stored_is_ended_and_made_again(rig: Rig) -> None:
    ann, bob = rig.member("ann"), rig.member("bob")
    use_up(rig, left=0)
    rig.store.full = True
    bob.drop_link()
    bob.attach()
    assert bob.link is not None
    assert rig.closed[bob.link] is LinkEndReason.NO_SENDER_INDEX
    assert ann.link not in rig.closed
    rig.store.full = False
    bob.attach()  # it is still refused, but now the store takes a block
    bob.attach()
    assert bob.link not in rig.closed
    assert bob.sender_index >= BLOCK
