"""The commit thread with a misbehaving store: nothing is confirmed that is not on disk."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from chatapp.registry.program.driver import Committer
from chatapp.registry.store.entries import Entry
from chatapp.wire.errors import StoreLost
from chatapp.wire.messages.mail import DepositMail, MailRefusal, MailRefused, MailSaved
from chatapp.wire.messages.rooms import CHANNEL, GroupAccepted, GroupRefusal, GroupRefused
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore


def committing(store: MemoryStore) -> tuple[Rig, LinkedPeer, LinkedPeer, Committer]:
    """Return a registry on this store with Alice and Bob, and what commits for it from now on."""
    rig = Rig(store)
    bob, alice = rig.member("bob"), rig.member("alice")
    rig.auto_commit = False

    def tell(hear: Callable[..., None], *what: object) -> None:
        hear(*what, now=rig.now)

    return rig, alice, bob, Committer(asyncio.get_running_loop(), rig.core, store, tell)


class Moody(MemoryStore):
    """A store that raises an unexpected error when a test asks for it."""

    fault: Exception | None = None

    def append(self, entries: object) -> None:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        super().append(entries)  # type: ignore[arg-type]


async def test_entries_that_vanish_in_a_fault_are_not_confirmed_with_the_next(
    caplog: object,
) -> None:
    store = Moody()
    rig, alice, bob, committer = committing(store)
    store.fault = RuntimeError("a fault of ours")
    alice.send(DepositMail(1, bob.id, 1, b"lost"))
    committer.commit()
    alice.send(DepositMail(2, bob.id, 2, b"kept"))
    committer.commit()
    await committer.settle()
    rig.turn()
    said = alice.notices()
    assert MailRefused(1, MailRefusal.DISK_FAILED) in said
    assert [one.reference for one in said if isinstance(one, MailSaved)] == [2]
    await committer.finish()


class Lost(MemoryStore):
    """A store that another process takes over when a test says so."""

    at_append = at_sync = False

    def append(self, entries: Sequence[Entry]) -> None:
        if self.at_append:
            raise StoreLost("here", "another registry of the cluster has taken over")
        super().append(entries)

    def sync(self) -> None:
        if self.at_sync:
            raise StoreLost("here", "another registry of the cluster has taken over")
        super().sync()


@pytest.mark.parametrize("at_append", [False, True])
async def test_a_registry_that_was_followed_by_another_one_answers_nobody(at_append: bool) -> None:
    """What it was storing may be stored, and its disk is well. The peers ask the registry that
    serves."""
    store = Lost()
    rig, alice, bob, committer = committing(store)
    store.at_append, store.at_sync = at_append, True
    for number in (1, 2):
        alice.send(DepositMail(number, bob.id, number, b"on its way"))
        await committer.settle()
        rig.turn()
    assert not committer.is_storing
    assert alice.notices() == []
    store.at_append = store.at_sync = False  # it closes without another word
    await committer.finish()


class Spent(MemoryStore):
    """A store that wants a checkpoint as soon as something is synced."""

    def __init__(self) -> None:
        super().__init__()
        self.checkpoints = 0
        self.is_synced = False

    def sync(self) -> None:
        super().sync()
        self.is_synced = True

    def checkpoint_due(self, now: float) -> bool:
        return self.is_synced and not self.checkpoints

    def checkpoint(self) -> None:
        self.checkpoints += 1


async def test_a_checkpoint_that_is_due_with_a_sync_does_not_wait_for_the_next_look() -> None:
    """The lines of a help-desk session leave the disk when the session is over."""
    store = Spent()
    _, alice, bob, committer = committing(store)
    alice.send(DepositMail(1, bob.id, 1, b"kept"))
    await committer.settle()
    await committer.finish()
    assert store.checkpoints == 1


class Slow(Spent):
    """A store whose checkpoint goes on until a test lets it end."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def checkpoint(self) -> None:
        self.may_end.wait()
        super().checkpoint()


async def test_work_beside_checkpoints_that_is_given_up_leaves_them_alone() -> None:
    store = Slow()
    _, alice, bob, committer = committing(store)
    alice.send(DepositMail(1, bob.id, 1, b"kept"))
    await committer.settle()  # a checkpoint begins
    beside = asyncio.ensure_future(committer.run_beside(lambda: None))
    await asyncio.sleep(0)
    beside.cancel()
    await asyncio.wait([beside])
    store.may_end.set()
    await committer.finish()
    assert beside.cancelled()
    assert store.checkpoints == 1


async def settled(committer: Committer, rig: Rig) -> None:
    await committer.settle()
    rig.turn()


async def test_a_disk_that_fails_is_told_in_one_line_and_the_registry_goes_on_when_it_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    rig, alice, bob, committer = committing(store)
    store.sync_fails = True
    for number in range(3):
        alice.send_raw(alice.line("lost"))
        await settled(committer, rig)
        committer.maintain()
        assert alice.notices() == [
            GroupRefused(CHANNEL, alice.epoch, number, GroupRefusal.DISK_FAILED),
        ]
    assert bob.relayed() == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].message.startswith("not stored: ")
    store.sync_fails = False
    while store.recovery_due(0.0):
        committer.maintain()
        await asyncio.sleep(0)
    alice.send_raw(alice.line("kept"))
    await settled(committer, rig)
    assert isinstance(alice.notices()[0], GroupAccepted)
    assert len(bob.relayed()) == 1
    await committer.finish()
    assert [record.message for record in caplog.records[1:]] == [
        "the disk takes what is to be stored again"
    ]


async def test_a_disk_that_is_full_now_and_then_is_told_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    rig, alice, _, committer = committing(store)
    for is_full in (True, False, True, False):
        store.full = is_full
        alice.send_raw(alice.line("a line"))
        await settled(committer, rig)
    assert len(caplog.records) == 1
    monkeypatch.setattr("chatapp.registry.program.driver.QUIET_AFTER", 0.0)
    alice.send_raw(alice.line("a line"))
    await settled(committer, rig)
    assert len(caplog.records) == 2
    await committer.finish()
