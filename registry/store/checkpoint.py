"""Bringing to rest what the journals say: the middle part of a checkpoint (`files.py` has its
beginning and end).

The process may die, or the power may fail, between any two steps, because

- the journals are on the disk before the first step, and stay until after the last;
- a file at rest is only appended to, or replaced whole by a rename. Either way it ends with a
  CheckpointMark, which says
  up to which generation it is complete, so that replaying skips what it holds already;
- the new file of names, whose first record says the same for all files and whose last ones list
  them, is put in place
  last. That is the moment at which the checkpoint counts, and everything before it is synced by
  then.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from threading import Lock

from chatapp.registry.store.entries import CheckpointMark, FileAtRest, Owner, encode
from chatapp.registry.store.inventory import list_of
from chatapp.registry.store.journals import Reader
from chatapp.registry.store.segments import (
    AT_REST,
    FileIndex,
    FileLayout,
    Item,
    Plan,
    Snapshot,
    path_of,
)
from chatapp.wire.storage.disk import Disk, set_aside
from chatapp.wire.storage.journal import Journal, frame, journal_name

_log = logging.getLogger(__name__)

# Records that get their new places at once: a fraction of a millisecond in which the event loop's
# thread may wait.
_MOVED_AT_ONCE = 1000


class Checkpoint:
    """Carries out a checkpoint in the worker thread. `lock` is held while places are updated, never
    over a call to the disk."""

    def __init__(
        self,
        disk: Disk,
        layout: FileLayout,
        index: FileIndex,
        journals: Mapping[int, Journal],
        lock: Lock,
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._index = index
        self._journals = journals
        self._lock = lock

    def bring_to_rest(self, snapshot: Snapshot) -> None:
        """Bring a snapshot to rest, durably. After an OSError the next checkpoint plans what is
        left."""
        marker = frame(
            encode(
                CheckpointMark(
                    generation=snapshot.generation, highest_serial=snapshot.highest_serial
                )
            )
        )
        waiting = list(reversed(snapshot.plans))
        hollow: list[Plan] = []
        try:
            while waiting:
                self._file(waiting[-1], marker, snapshot.generation)
                plan = waiting.pop()
                if not any(copy for _, copy in plan.held):
                    hollow.append(plan)
            self._layout.sync_folders()
            _, file = self._layout.prepare(None, self._names(snapshot, marker, hollow))
            self._close(file)
            self._layout.put_in_place(None)
            self._disk.sync_folder(self._layout.root)
        except OSError:
            with self._lock:
                self._index.give_back(waiting + hollow)
            raise
        for plan in hollow:
            self._remove(plan)

    def _file(self, plan: Plan, marker: bytes, generation: int) -> None:
        """Append to one owner's file, or rewrite it. `generation`: the one in the marker."""
        items = [
            Item(place, holder, key)
            for holder, copy in plan.held
            for key, place in copy.items()
            if plan.rewrite or place.generation != AT_REST
        ]
        items.sort(key=lambda item: item.place)
        if not items and not (plan.rewrite and plan.status.size):
            return
        if plan.rewrite:
            self._write_anew(plan, items, marker, generation)
        elif self._append(plan, items, marker):
            plan.status.generation = generation
        else:
            self._file(replace(plan, rewrite=True), marker, generation)

    def _append(self, plan: Plan, items: list[Item], marker: bytes) -> bool:
        """Append to a file. Return False if it is not as it was left: an earlier try failed
        half-way, or somebody else changed it."""
        copies = _Copies(items)
        offset = plan.status.size
        with closing(self._reader(plan)) as reader:
            size = self._layout.append(
                plan.owner, chain(copies.taken_by(reader), [marker]), size=offset
            )
        if size is None:
            return False
        self._report(plan.owner, copies.lost)
        plan.status.size = size
        for first in range(0, len(copies.sound), _MOVED_AT_ONCE):
            with self._lock:
                offset = self._index.moved(
                    plan, copies.sound[first : first + _MOVED_AT_ONCE], offset
                )
        with self._lock:
            self._index.lose(copies.lost)
        return True

    def _write_anew(self, plan: Plan, items: list[Item], marker: bytes, generation: int) -> None:
        """Rewrite a file. All places change at one moment. From then on the new file is read
        whatever its name is: renaming may have to wait for the disk, and the loop's thread must
        not."""
        copies = _Copies(items)
        with closing(self._reader(plan)) as reader:
            size, file = self._layout.prepare(plan.owner, chain(copies.taken_by(reader), [marker]))
        self._report(plan.owner, copies.lost)
        with self._lock:
            before = self._index.read_from(plan, file, size, generation)
            self._index.moved(plan, copies.sound, 0)
            self._index.lose(copies.lost)
        self._close(before)
        self._layout.put_in_place(plan.owner)
        with self._lock:
            before = self._index.read_by_name(plan)
        self._close(before)

    def _reader(self, plan: Plan) -> Reader:
        return Reader(self._disk, self._layout, self._journals, plan.owner, plan.status.file)

    def _close(self, file: int | None) -> None:
        if file is not None:
            self._disk.close(file)

    def _report(self, owner: Owner, lost: list[Item]) -> None:
        """Report records that have rotted since they were written. Their files are kept for
        repair."""
        for generation in sorted({item.place.generation for item in lost}):
            folder, name = self._layout.locate(owner)
            if generation != AT_REST:
                folder, name = self._layout.root, journal_name(generation)
            with suppress(OSError):
                name = set_aside(self._disk, folder, name, keep=True)
            _log.warning(
                "%d records cannot be read any more; the file is kept as %s", len(lost), name
            )

    def _remove(self, plan: Plan) -> None:
        """Remove the file of an owner who has nothing left. One that stays by mishap holds a
        CheckpointMark and no more."""
        if plan.status.size:
            with suppress(OSError):
                self._layout.remove(plan.owner)
        with self._lock:
            self._index.forget_file(plan)

    def _names(self, snapshot: Snapshot, marker: bytes, hollow: Sequence[Plan]) -> Iterator[bytes]:
        """Yield what the file of names holds: the mark, the people, and the list of all files but
        those that go."""
        yield marker
        for entry in snapshot.people:
            yield frame(encode(entry))
        with self._lock:
            statuses = self._index.statuses()
        going = {plan.owner for plan in hollow}
        files = [
            FileAtRest(path_of(owner), status.size, status.generation)
            for owner, status in statuses
            if status.size and owner not in going
        ]
        for part in list_of(files):
            yield frame(encode(part))


class _Copies:
    """Records on their way to a file, told apart into readable and lost ones."""

    def __init__(self, items: list[Item]) -> None:
        self._items = items
        self.sound: list[Item] = []
        self.lost: list[Item] = []

    def taken_by(self, reader: Reader) -> Iterator[bytes]:
        for item in self._items:
            record = reader.record(item.place)
            if record is None:
                self.lost.append(item)
            else:
                self.sound.append(item)
                yield record
