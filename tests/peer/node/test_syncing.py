"""When an open peer puts its journal on the disk: before a welcome, soon after what it
acknowledged, never for nothing."""

import os
import threading
from pathlib import Path

import pytest

from chatapp import Peer
from chatapp.peer.api import events
from chatapp.peer.node.local import PeerNode
from chatapp.peer.node.storage import SYNC_SPAN
from chatapp.testing import Town
from tests.peer.village import Village, sees, village
from tests.support.nodes import node_of

__all__ = ["village"]

A_WHILE = 600.0


class Syncs:
    """The journals' syncs that a program of the test asks for, none of which reaches the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[Path] = []
        self.threads: dict[Path, str] = {}
        """The thread of the last sync in each folder."""
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, file: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        self.paths.append(path)
        self.threads[path.parent] = threading.current_thread().name

    def of(self, peer: Peer) -> int:
        """Return how often the journal of a peer was synced."""
        return sum(path.parent == peer.folder for path in self.paths)


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    return Syncs(monkeypatch)


async def test_a_peer_syncs_what_it_acknowledged_within_a_second_and_then_rests(
    syncs: Syncs,
) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await town.wait(A_WHILE)
        before = syncs.of(bob)
        await town.wait(A_WHILE)
        assert syncs.of(bob) == before, "nothing is new"
        began = town.now
        while town.now < began + 5.0:
            await (await alice.send("bob", "hi")).settled()
            await town.wait(0.1)
        assert 5.0 <= syncs.of(bob) - before <= 5.0 / SYNC_SPAN + 1
        await town.wait(1.0)
        during = syncs.of(bob)
        await town.wait(A_WHILE)
        assert syncs.of(bob) == during, "nothing is new"


async def test_the_key_of_a_registry_is_on_the_disk_before_the_welcome(
    syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    tell = PeerNode.tell

    def told(node: PeerNode, batch: list[events.Event]) -> None:
        if any(isinstance(event, events.Registered) for event in batch):
            synced.append(sum(path.parent == node.keys.folder for path in syncs.paths))
        tell(node, batch)

    monkeypatch.setattr(PeerNode, "tell", told)
    async with Town() as town:
        await town.peer("alice")
        assert synced == [1]


async def test_the_event_loop_does_not_wait_for_the_disk(village: Village, syncs: Syncs) -> None:
    async with village.peer("alice") as alice, village.peer("bob") as bob:
        await sees(alice, "bob", online=True)
        node, before = node_of(bob), syncs.of(bob)
        await (await alice.send("bob", "hi")).settled()
        await node.until(lambda core: syncs.of(bob) > before)
        assert syncs.threads[bob.folder].startswith("chatapp-disk")


async def test_what_a_reader_may_have_lost_is_given_again_at_once(syncs: Syncs) -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        await town.peer("bob")
        await (await alice.send("bob", "hi")).settled()
        node = node_of(alice)
        (contact,) = [one for one in node.core.roster.contacts if one.name == "bob"]
        assert contact.conversation is not None
        outgoing = contact.conversation.outgoing
        outgoing.unsynced.lose()
        node.core.direct._ladder.climb(contact, now=node.driver.now())
        node.driver.schedule()
        await node.turn()
        assert len(outgoing.again) == 1
        await town.wait(0.2)
        assert not outgoing.again
