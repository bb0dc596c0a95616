"""This file is about bringing to rest what the journals say: the middle part of a checkpoint.

It knows the order of the steps and nothing of journals' beginning and end (files.py). Between any two steps the process
may die, or the power may fail, because

- the journals are on the disk before the first step, and stay until after the last;
- a file at rest is only appended to, or replaced whole by a rename; either way it ends with AtRest, which says up to
  which generation it is complete, so that replaying passes over what it holds already;
- the new file of names, whose first record says the same for all files, is put in place last: it is the moment at which
  the checkpoint counts, and all before it is synced by then.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from threading import Lock

from registry.store.disk import Disk, set_aside
from registry.store.drawers import AT_REST, Drawers, Item, Plan, Snapshot
from registry.store.entries import AtRest, Owner, encode
from registry.store.journal import Journal, journal_name
from registry.store.reading import Reader
from registry.store.records import frame
from registry.store.shelf import Shelf

_log = logging.getLogger(__name__)


class Filing:
    """Runs in the worker thread. `lock` is held for single renames and the updates of places that belong to them."""

    def __init__(
        self, disk: Disk, shelf: Shelf, drawers: Drawers, journals: Mapping[int, Journal], lock: Lock
    ) -> None:
        self._disk = disk
        self._shelf = shelf
        self._drawers = drawers
        self._journals = journals
        self._lock = lock

    def bring_to_rest(self, snapshot: Snapshot) -> None:
        """All of `snapshot`, durably. After an OSError what is left is planned again with the next checkpoint."""
        marker = frame(encode(AtRest(generation=snapshot.generation, highest_serial=snapshot.highest_serial)))
        waiting = list(reversed(snapshot.plans))
        hollow: list[Plan] = []
        try:
            while waiting:
                self._file(waiting[-1], marker)
                plan = waiting.pop()
                if not any(copy for _, copy in plan.held):
                    hollow.append(plan)
            self._shelf.sync_folders()
            self._shelf.prepare(None, self._names(snapshot, marker))
            self._shelf.put_in_place(None)
            self._disk.sync_folder(self._shelf.root)
        except OSError:
            with self._lock:
                self._drawers.give_back(waiting + hollow)
            raise
        for plan in hollow:
            self._remove(plan)

    def _file(self, plan: Plan, marker: bytes) -> None:
        """One owner's file: appended to, or written anew."""
        items = [
            Item(place, holder, key)
            for holder, copy in plan.held
            for key, place in copy.items()
            if plan.rewrite or place.generation != AT_REST
        ]
        items.sort(key=lambda item: item.place)
        if not items and not (plan.rewrite and plan.drawer.size):
            return
        if not self._write(plan, items, marker):
            self._file(replace(plan, rewrite=True), marker)

    def _write(self, plan: Plan, items: list[Item], marker: bytes) -> bool:
        """False when the file is not as it was left: an earlier try failed half-way, or it was another's hand."""
        sound: list[Item] = []
        lost: list[Item] = []
        size: int | None
        with closing(Reader(self._disk, self._shelf, self._journals, plan.owner)) as reader:
            records = chain(_copies(reader, items, sound, lost), [marker])
            start = 0 if plan.rewrite else plan.drawer.size
            if plan.rewrite:
                size = self._shelf.prepare(plan.owner, records)
            else:
                size = self._shelf.append(plan.owner, records, size=start)
        if size is None:
            return False
        self._report(plan.owner, lost)
        with self._lock:
            if plan.rewrite:
                self._shelf.put_in_place(plan.owner)
            self._drawers.came_to_rest(plan, sound, start=start, size=size)
            self._drawers.lose(lost)
        return True

    def _report(self, owner: Owner, lost: list[Item]) -> None:
        """Records rotted since they were written. The files that held them are kept for whoever can repair them."""
        for generation in sorted({item.place.generation for item in lost}):
            folder, name = self._shelf.locate(owner)
            if generation != AT_REST:
                folder, name = self._shelf.root, journal_name(generation)
            with suppress(OSError):
                name = set_aside(self._disk, folder, name, keep=True)
            _log.warning("%d records cannot be read any more; the file is kept as %s", len(lost), name)

    def _remove(self, plan: Plan) -> None:
        """A mailbox that holds nothing needs no file. One that stays by mishap says AtRest and no more."""
        if plan.drawer.size:
            with suppress(OSError):
                self._shelf.remove(plan.owner)
        with self._lock:
            self._drawers.forget_file(plan)

    def _names(self, snapshot: Snapshot, marker: bytes) -> Iterator[bytes]:
        yield marker
        for name in snapshot.names:
            yield frame(encode(name))


def _copies(reader: Reader, items: list[Item], sound: list[Item], lost: list[Item]) -> Iterator[bytes]:
    for item in items:
        record = reader.record(item.place)
        if record is None:
            lost.append(item)
        else:
            sound.append(item)
            yield record
