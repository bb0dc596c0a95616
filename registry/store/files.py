"""The store on a disk: its folder, its locks and threads, and when a checkpoint begins and ends.

    <folder>/lock                        held as long as a registry runs
    <folder>/journal-<generation>        everything since the last checkpoint; two during one
    <folder>/journals                    the list of journals that must exist
    <folder>/names, mail/, groups/, desk what earlier journals said, at rest (segments.py)

`_lock` guards memory and is held only for moments, since the event loop's thread takes it.
`_syncing` keeps threads from syncing at the same time: a lost write is reported to one of two syncs
only, and the other would wrongly succeed.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TypeVar

from chatapp.registry.store.entries import (
    CheckpointMark,
    Entry,
    FileAtRest,
    GroupLineKept,
    MailStored,
    Owner,
    encode,
)
from chatapp.registry.store.inventory import list_of
from chatapp.registry.store.protocol import Loaded, RecordLost, StoreInUse, StoreUnusable
from chatapp.registry.store.recovery import Loading
from chatapp.registry.store.segments import (
    AT_REST,
    FileIndex,
    FileLayout,
    Item,
    Journals,
    Place,
    Plan,
    Reader,
    Snapshot,
    path_of,
)
from chatapp.wire.errors import StoreError, StoreFull, StoreReadOnly, store_error
from chatapp.wire.storage import Disk, Journal, SyncFailed, frame, journal_name, set_aside

_log = logging.getLogger(__name__)

# A checkpoint is due at this length of the journal, after this time, or with this many journals of
# interrupted runs.
CHECKPOINT_BYTES = 16 * 1024 * 1024
CHECKPOINT_SPAN = 60.0
CHECKPOINT_JOURNALS = 8
# A checkpoint soon after a visit, or after a line was taken back, erases it from the disk, but a
# busy desk must not write all files all the time. So two such checkpoints are at least this far
# apart, and this many times as long as the last one took.
ERASE_SPAN = 5.0
ERASE_SHARE = 20
# Pause after a failed checkpoint: a full disk does not empty by itself.
RETRY_SPAN = 5.0

T = TypeVar("T")

_UNCONFIRMED = (
    "the disk did not confirm a write; nothing is promised until it can be written to again"
)


class FileStore:
    """A `Store` in a folder. `now` is the clock by which `checkpoint_due` is asked."""

    def __init__(
        self,
        folder: Path,
        *,
        has_past: bool = False,
        now: Callable[[], float] = time.monotonic,
        disk: Disk | None = None,
    ) -> None:
        """Lock the folder for this process. `has_past`: a registry has run here before, so its
        files must exist. Raises StoreInUse if another process has the folder, StoreUnusable if it
        cannot be used."""
        self._where = str(folder)
        self._has_past = has_past
        self._now = now
        self._disk = disk or Disk()
        self._lock = Lock()
        self._syncing = Lock()
        self._checkpointing = Lock()
        self._read_only = ""  # why the store is read-only; empty while it is not
        self._index = FileIndex()
        self._checkpoint_at = self._not_before = now()
        self._is_urgent = False
        self._took = 0.0  # seconds that the last checkpoint took
        try:
            self._root, self._held = self._take(folder)
            self._layout = FileLayout(self._disk, self._root)
        except OSError as error:
            raise StoreUnusable(self._where, error.strerror or str(error)) from error
        self._journals = Journals(self._disk, self._root)
        self._checkpointer = Checkpoint(
            self._disk, self._layout, self._index, self._journals.by_generation, self._lock
        )

    def load(self) -> Loaded:
        loading = Loading(
            self._disk, self._layout, self._index, folder=self._where, has_past=self._has_past
        )
        try:
            loaded = loading.run()
            self._journals.adopt(loading.journals, loading.highest_generation)
            self._journals.turn(self._journals.prepare())
            # The core will confirm what it is told here, and the process before may have died
            # before it synced that.
            for journal in loading.journals:
                journal.sync(journal.length)
            for name in loading.unused:
                self._disk.remove(self._root, name)
            if not loading.has_names and not loading.given_up:
                # From now on a start without this file is one that lost the names.
                self._checkpointer.bring_to_rest(
                    self._index.snapshot(self._journals.current.generation - 1)
                )
        except SyncFailed as error:
            loaded.damage.append(str(self._give_up(error)))
        except OSError as error:
            raise store_error(self._where, error) from error
        self._is_urgent = bool(loaded.damage)
        if loading.given_up:
            self._go_on_without(loading.given_up, loaded)
        return loaded

    def _go_on_without(self, given_up: Sequence[str], loaded: Loaded) -> None:
        """Write what is left anew, so that the next start lacks nothing."""
        try:
            self.checkpoint()
            for name in given_up:
                self._disk.remove(self._root, name)
        except (OSError, StoreError) as error:
            loaded.damage.append(f"{error}; the registry is to be told again at the next start")

    def append(self, entries: Sequence[Entry]) -> None:
        records = [frame(encode(entry)) for entry in entries]
        if not records:
            return
        with self._lock:
            self._check_writable()
            journal = self._journals.current
            try:
                offset = journal.append(b"".join(records))
            except StoreReadOnly as error:
                self._read_only = error.reason
                raise
            except StoreFull:
                self._is_urgent = (
                    True  # a checkpoint drops what was taken meanwhile, and makes room
                )
                raise
            for entry, record in zip(entries, records, strict=True):
                length = len(record)
                self._index.take_in(entry, Place(journal.generation, offset, length))
                offset += length

    def sync(self) -> None:
        with self._syncing:
            with self._lock:
                self._check_writable()
                journal = self._journals.current
                upto = journal.length
            try:
                journal.sync(upto)
            except SyncFailed as error:
                raise self._give_up(error) from error

    def read_letters(self, recipient: bytes, serials: Sequence[int]) -> list[bytes]:
        with self._lock:
            box = self._index.state.mail.get(recipient, {})
            found = self._read(recipient, box, serials)
        return [entry.letter for entry in found if isinstance(entry, MailStored)]

    def read_lines(self, group: str, positions: Sequence[int]) -> list[bytes]:
        with self._lock:
            known = self._index.state.groups.get(group)
            found = self._read(group, known.lines if known else {}, positions)
        return [entry.frame for entry in found if isinstance(entry, GroupLineKept)]

    def checkpoint_due(self, now: float) -> bool:
        with self._lock:
            if self._read_only or now < self._not_before or not self._has_work():
                return False
            since = now - self._checkpoint_at
            # whether a journal may hold lines of the help desk that nobody is to read any more
            has_spent = min(self._journals.by_generation) <= self._index.spent_through
            return (
                self._is_urgent
                or since >= CHECKPOINT_SPAN
                or (has_spent and since >= max(ERASE_SPAN, ERASE_SHARE * self._took))
                or self._journals.length >= CHECKPOINT_BYTES
                or self._journals.count > CHECKPOINT_JOURNALS
            )

    def checkpoint(self) -> None:
        with self._checkpointing:
            with self._lock:
                self._check_writable()
                if not self._has_work():
                    return
            begun_at = self._now()
            try:
                snapshot = self._turn()
                self._checkpointer.bring_to_rest(snapshot)
            except SyncFailed as error:
                raise self._give_up(error) from error
            except OSError as error:
                self._not_before = self._now() + RETRY_SPAN
                raise store_error(self._where, error) from error
            with self._lock:
                done = self._journals.take_out(snapshot.generation)
                self._checkpoint_at = self._now()
                self._took = self._checkpoint_at - begun_at
                self._is_urgent = False
            for journal in done:
                journal.retire()

    def hold_still(self, work: Callable[[Mapping[str, int]], T]) -> T:
        """Call `work` while no checkpoint changes the files, in a worker thread. It gets the
        lengths of the journals as far as they are on the disk; beyond, they may grow meanwhile.
        Raises StoreError, and what `work` raises."""
        with self._checkpointing:
            self.sync()
            with self._lock:
                lengths = {
                    journal.name: max(journal.synced, journal.start)
                    if journal is self._journals.current
                    else journal.length
                    for journal in self._journals.by_generation.values()
                }
            return work(lengths)

    def recovery_due(self, now: float) -> bool:
        with self._lock:
            return bool(self._read_only) and now >= self._not_before

    def recover(self) -> None:
        """Read the folder as at a start, and begin a new journal: that shows that the disk can be
        written to."""
        with self._checkpointing, self._syncing:
            with self._lock:
                if not self._read_only:
                    return
                self._not_before = self._now() + RETRY_SPAN
            try:
                self._begin_anew()
            except OSError as error:
                raise store_error(self._where, error) from error
        self.checkpoint()

    def _begin_anew(self) -> None:
        self._journals.discard_unsynced()
        index, journals = FileIndex(), Journals(self._disk, self._root)
        loading = Loading(self._disk, self._layout, index, folder=self._where, has_past=True)
        try:
            for line in loading.run().damage:
                _log.warning("%s", line)
            journals.adopt(
                loading.journals, max(loading.highest_generation, self._journals.highest)
            )
            for journal in loading.journals:
                journal.sync(journal.length)
            journals.turn(journals.prepare())
        except BaseException:
            for journal in loading.journals:
                journal.close()
            raise
        # Some of what was written before may be in the kernel's memory only, with the error already
        # forgotten.
        index.mark_all_stale()
        with self._lock:
            old_journals, self._journals = self._journals, journals
            old_files, self._index = self._index.open_files(), index
            self._checkpointer = Checkpoint(
                self._disk, self._layout, index, journals.by_generation, self._lock
            )
            self._read_only, self._is_urgent = "", True
            self._not_before = self._now()
        old_journals.close()
        for file in old_files:
            self._disk.close(file)
        for name in loading.unused:
            self._disk.remove(self._root, name)

    def close(self) -> None:
        try:
            if self._journals.count and not self._read_only:
                self.sync()
                while self._has_work():
                    self.checkpoint()
        except StoreError as error:
            _log.warning("the journal stays as it is: %s", error)
        finally:
            self._journals.close()
            self._layout.close()
            for file in (*self._index.open_files(), self._root, self._held):
                self._disk.close(file)

    def _take(self, folder: Path) -> tuple[int, int]:
        root = self._disk.open_root(folder)
        held = self._disk.lock(root, "lock")
        if held is None:
            self._disk.close(root)
            raise StoreInUse(self._where)
        return root, held

    def _turn(self) -> Snapshot:
        """Take a snapshot of what this checkpoint brings to rest, and sync it.

        Usually a new journal begins here. When an earlier checkpoint failed, its journal is brought
        to rest first and the current one goes on, so that journals and open files do not pile up on
        a disk that stays full. Entries of the current journal come to rest too in that case, and
        replaying them later changes nothing.
        """
        with self._syncing:
            fresh = None if self._journals.is_behind else self._journals.prepare()
            with self._lock:
                present = self._journals.current
                upto = present.length
                snapshot = self._index.snapshot(
                    present.generation if fresh else present.generation - 1
                )
                if fresh:
                    self._journals.turn(fresh)
            present.sync(upto)
        return snapshot

    def _read(
        self, owner: Owner, holder: Mapping[int, Place], keys: Sequence[int]
    ) -> list[Entry | CheckpointMark]:
        found: list[Entry | CheckpointMark] = []
        lost: list[int] = []
        at_rest = self._index.file(owner)
        with closing(
            Reader(self._disk, self._layout, self._journals.by_generation, owner, at_rest)
        ) as reader:
            for key in keys:
                entry = reader.entry(holder[key]) if key in holder else None
                if entry is None:
                    lost.append(key)
                else:
                    found.append(entry)
        if lost:
            raise RecordLost(owner.hex() if isinstance(owner, bytes) else str(owner), lost)
        return found

    def _has_work(self) -> bool:
        return self._journals.length > 0 or bool(self._index.behind) or self._is_urgent

    def _check_writable(self) -> None:
        if self._read_only:
            raise StoreReadOnly(self._where, self._read_only)

    def _give_up(self, error: SyncFailed) -> StoreReadOnly:
        self._read_only = f"{_UNCONFIRMED} ({error.strerror})"
        return StoreReadOnly(self._where, self._read_only)


# --- a checkpoint: the records of the journals go to their owners' files


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
