"""The store of a registry that another one has followed: it says so, apart from what a disk
does."""

import itertools

import pytest

from chatapp.registry.cluster.stream.bundles import KEY_SIZE, ClusterFounded, ClusterKey
from chatapp.registry.cluster.stream.ledger import Refused
from chatapp.registry.cluster.stream.store import Clocks, Seals, StreamStore
from chatapp.wire.errors import StoreFull, StoreLost
from tests.registry.store.playbook import stored
from tests.support.memory_ledger import MemoryLedger

_salts = (number.to_bytes(16, "big") for number in itertools.count(1))


def opened(ledger: MemoryLedger) -> StreamStore:
    """Return the store of a node that has taken the stream over."""
    store = StreamStore(
        ledger,
        Seals(ClusterKey(bytes(KEY_SIZE)), "c", (next(_salts), next(_salts))),
        node="node",
        founding=lambda: (ClusterFounded(b"identity", 0), []),
        clocks=Clocks(now=lambda: 0.0),
    )
    store.load()
    return store


def test_an_owner_that_was_followed_has_lost_its_store() -> None:
    ledger = MemoryLedger()
    first = opened(ledger)
    second = opened(ledger)
    first.append([stored(1)])
    for refused in (first.sync, lambda: first.append([stored(2)])):
        with pytest.raises(StoreLost, match="another registry of the cluster has taken over"):
            refused()
    second.append([stored(3)])
    second.sync()


def test_an_owner_without_the_lease_has_lost_its_store() -> None:
    store = opened(MemoryLedger())
    store.append([stored(1)])
    store.give_up()
    for refused in (store.sync, lambda: store.append([stored(2)])):
        with pytest.raises(StoreLost, match="the cluster's lease is lost"):
            refused()


def test_a_broker_that_is_full_has_not_taken_the_store_away() -> None:
    ledger = MemoryLedger()
    store = opened(ledger)
    store.append([stored(1)])
    ledger.refuses = Refused("no room", is_full=True)
    with pytest.raises(StoreFull):
        store.sync()
    ledger.refuses = None
    store.recover()
    store.append([stored(2)])
    store.sync()
