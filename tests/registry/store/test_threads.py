"""Appending and reading during a checkpoint: at each of its steps, in a known order, and with real
threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from chatapp.registry.store.entries import Entry
from chatapp.registry.store.files import FileStore
from tests.registry.store.playbook import (
    ALICE,
    BOB,
    CAROL,
    Model,
    cut,
    line,
    opened,
    stored,
    taken,
    view,
)
from tests.wire.storage.disks import HookedDisk, WatchedDisk

PEOPLE = (ALICE, BOB, CAROL)


class Guest:
    """Calls the store as the loop's thread would, and checks at once what it reads."""

    def __init__(self, store: FileStore, seed: int) -> None:
        self._store = store
        self._chance = Random(seed)
        self._serial = 0
        self.said: list[Entry] = []
        self.model = Model()

    def visit(self) -> None:
        self._serial += 1
        person = self._chance.choice(PEOPLE)
        batch: list[Entry] = [stored(self._serial, person), line(self._serial)]
        waiting = list(self.model.mail.get(person, {}))
        if waiting and self._chance.random() < 0.6:
            batch.append(
                taken(
                    *self._chance.sample(waiting, self._chance.randint(1, len(waiting))),
                    recipient=person,
                )
            )
        if self._chance.random() < 0.1:
            batch.append(cut(max(0, self._serial - 3)))
        self._store.append(batch)
        self.said += batch
        self.model.say(batch)
        self.check()

    def check(self) -> None:
        for person, box in self.model.mail.items():
            assert self._store.read_letters(person, list(box)) == [
                entry.letter for entry in box.values()
            ]
        lines = self.model.lines["tea"]
        assert self._store.read_lines("tea", [said.position for said in lines]) == [
            said.frame for said in lines
        ]


def test_a_guest_at_every_step(tmp_path: Path) -> None:
    disk = HookedDisk()
    store, _ = opened(tmp_path, disk)
    guest = Guest(store, seed=1)

    def hook(what: str) -> None:
        if not store._lock.locked():  # the steps at which the loop's thread would not have to wait
            disk.hook = lambda what: None
            guest.visit()
            disk.hook = hook

    for _ in range(12):
        guest.visit()
        disk.hook = hook
        store.checkpoint()
        disk.hook = lambda what: None
        guest.check()
    visits = len(guest.said)
    disk.kill()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert visits > 300
    assert view(store, loaded) == guest.model.view()
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert view(store, loaded) == guest.model.view()
    store.close()


def repeat(call: Callable[[], None], times: int) -> None:
    for _ in range(times):
        call()


def test_real_threads(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    guest = Guest(store, seed=2)
    with ThreadPoolExecutor(2) as pool:
        checkpoints = pool.submit(repeat, store.checkpoint, 100)
        syncs = pool.submit(repeat, store.sync, 300)
        while not (checkpoints.done() and syncs.done()):
            guest.visit()
        checkpoints.result()
        syncs.result()
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert view(store, loaded) == guest.model.view()
    store.close()
