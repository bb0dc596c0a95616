"""The journals of the registry: which there are, the list of those that must exist, and the records of
one owner; where each record lies, which files at rest are behind the journal, and how files are laid
out.

Nothing here is thread-safe by itself: the file store holds its lock around every call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from chatapp.registry.store.entries import (
    IDENTITY_SIZE,
    CheckpointMark,
    DeskOwner,
    Entry,
    GroupGone,
    GroupLinesDropped,
    JournalBegan,
    JournalsListed,
    Owner,
    decode,
    encode,
    erases,
    owner_of,
)
from chatapp.registry.store.state import StoreState
from chatapp.wire.storage import DAMAGED, HEADER_SIZE, Disk, Journal, frame, unframe, write_whole

AT_REST = 0

# A group's file is rewritten when more of it is dead than alive, and at least this much.
_WORTH_WRITING_ANEW = 64 * 1024


class Place(NamedTuple):
    """Where a whole record lies: in the journal of a generation, or (AT_REST) in its owner's file.

    Places sort into the order in which the records were written.
    """

    generation: int
    offset: int
    length: int


Holder: TypeAlias = dict[int, Place]


@dataclass(slots=True)
class FileStatus:
    """A file at rest: its length (0: it does not exist), the generation in the mark at its end, how
    much of it is dead, and whether it must be rewritten.

    `file` is open while the file that is read has not got its name yet.
    """

    size: int = 0
    generation: int = AT_REST
    dead: int = 0
    stale: bool = False
    file: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a checkpoint has to do for one owner: the live tables, each with a copy made when
    planning."""

    owner: Owner
    status: FileStatus
    rewrite: bool
    held: list[tuple[Holder, Holder]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the journals up to `generation` said and the files at rest do not say yet."""

    generation: int
    plans: list[Plan]
    people: list[
        Entry
    ]  # names, room members, join codes, bans, and how many sender indices are reserved
    highest_serial: int


@dataclass(frozen=True, slots=True)
class Item:
    """A record on its way to a file: the table that holds its place, its key there, and its present
    place."""

    place: Place
    holder: Holder
    key: int


class FileIndex:
    """The state of a file store, and of its files at rest."""

    def __init__(self) -> None:
        self.state: StoreState[Place] = StoreState()
        self.behind: dict[Owner, None] = {}  # owners whose file a checkpoint has to write, in order
        self._index: dict[Owner, FileStatus] = {}
        self._to_rewrite: set[Owner] = (
            set()
        )  # owners whose file holds something that no longer counts
        # Journals up to this one may hold lines that are taken back, or of visits that are over.
        self.spent_through = AT_REST

    def status(self, owner: Owner) -> FileStatus:
        found = self._index.get(owner)
        if found is None:
            found = self._index[owner] = FileStatus()
        return found

    def take_in(self, entry: Entry, place: Place) -> None:
        """Take in an entry whose bytes lie at `place`."""
        freed = self.state.apply(entry, place)
        owner = owner_of(entry)
        if owner is None:
            return
        if place.generation != AT_REST:
            self.behind[owner] = None
        if isinstance(entry, (GroupGone, GroupLinesDropped)):
            self._to_rewrite.add(owner)
        if erases(entry):
            self.spent_through = max(self.spent_through, place.generation)
        for old in freed:
            if old.generation == AT_REST:
                self.status(owner).dead += old.length

    def statuses(self) -> list[tuple[Owner, FileStatus]]:
        """Return the state of every file."""
        return list(self._index.items())

    def mark_stale(self, owner: Owner) -> None:
        """Have a file rewritten: nothing may be appended to it."""
        self.status(owner).stale = True
        self.behind[owner] = None

    def mark_all_stale(self) -> None:
        """Have every file rewritten."""
        for owner in list(self._index):
            self.mark_stale(owner)

    def snapshot(self, generation: int) -> Snapshot:
        """Plan a checkpoint of everything that is behind. It copies tables only, since the store is
        locked meanwhile."""
        plans = [self._plan(owner) for owner in self.behind]
        self.behind = {}
        return Snapshot(generation, plans, self.state.people(), self.state.highest_serial)

    def give_back(self, plans: Iterable[Plan]) -> None:
        """Take back plans that were not carried out."""
        plans = list(plans)
        self._to_rewrite.update(plan.owner for plan in plans if plan.rewrite)
        self.behind.update(dict.fromkeys(plan.owner for plan in plans))

    def moved(self, plan: Plan, items: list[Item], offset: int) -> int:
        """Note that the records of `items` lie one after the other in the owner's file from
        `offset` on. Return their end."""
        for item in items:
            length = item.place.length
            if item.holder.get(item.key) == item.place:
                item.holder[item.key] = Place(AT_REST, offset, length)
            else:  # dropped while it was being written
                plan.status.dead += length
            offset += length
        return offset

    def read_from(self, plan: Plan, file: int, size: int, generation: int) -> int | None:
        """Read an owner's records from another file. Return the one that was open in its place, to
        be closed."""
        status = plan.status
        before, status.file = status.file, file
        status.size, status.generation, status.dead, status.stale = size, generation, 0, True
        return before

    def read_by_name(self, plan: Plan) -> int | None:
        """Note that the new file has its name and may be appended to. Return the file to be
        closed."""
        plan.status.stale = False
        before, plan.status.file = plan.status.file, None
        return before

    def file(self, owner: Owner) -> int | None:
        """Return the owner's open file, if it has no name yet."""
        status = self._index.get(owner)
        return status.file if status else None

    def open_files(self) -> list[int]:
        """Return the open files that never got their names."""
        return [status.file for status in self._index.values() if status.file is not None]

    def lose(self, items: Iterable[Item]) -> None:
        """Drop records that cannot be read any more."""
        for item in items:
            if item.holder.get(item.key) == item.place:
                del item.holder[item.key]

    def forget_file(self, plan: Plan) -> None:
        """Forget an owner's file that is gone."""
        if self._index.get(plan.owner) is plan.status:
            del self._index[plan.owner]

    def _plan(self, owner: Owner) -> Plan:
        status = self.status(owner)
        held = [(holder, holder.copy()) for holder in self.state.holders(owner)]
        # Taken letters and lines of the desk leave the disk with the next checkpoint, a group's
        # lines when they are many.
        bearable = (
            0
            if isinstance(owner, bytes | DeskOwner)
            else max(_WORTH_WRITING_ANEW, status.size // 2)
        )
        rewrite = status.stale or status.dead > bearable or owner in self._to_rewrite
        self._to_rewrite.discard(owner)
        return Plan(owner, status, rewrite, held)


NAMES = "names"
DESK = "desk"
JOURNALS = "journals"
MAIL = "mail"
GROUPS = "groups"
_MAIL_SUFFIX = ".mail"
_GROUP_SUFFIX = ".log"
NEW_SUFFIX = ".new"

# Records are gathered into writes of about this many bytes.
_WRITE_SIZE = 1 << 18


class FileLayout:
    """The names of files, and how they are written. Every method may raise OSError, SyncFailed
    among them."""

    def __init__(self, disk: Disk, root: int) -> None:
        self._disk = disk
        self.root = root
        self.mail = disk.open_folder(root, MAIL)
        self.groups = disk.open_folder(root, GROUPS)

    def locate(self, owner: Owner | None) -> tuple[int, str]:
        """Return the folder and the name of an owner's file."""
        within, _, name = path_of(owner).rpartition("/")
        return {"": self.root, MAIL: self.mail, GROUPS: self.groups}[within], name

    def listing(self) -> list[tuple[int, str, str]]:
        """Return every file at rest but `names`, and whatever else is in its folders: folder, name,
        and path."""
        folders = ((self.mail, MAIL), (self.groups, GROUPS))
        found = [
            (folder, name, f"{within}/{name}")
            for folder, within in folders
            for name in self._disk.names(folder)
        ]
        return [
            *(item for item in found if not is_put_aside(item[1])),
            *((self.root, name, name) for name in self._disk.names(self.root) if name == DESK),
        ]

    def tidy(self) -> None:
        """Remove new files that never got their names."""
        for folder, is_ours in (
            (self.root, _is_of_root),
            (self.mail, _is_mail),
            (self.groups, _is_group),
        ):
            for name in self._disk.names(folder):
                if name.endswith(NEW_SUFFIX) and is_ours(name.removesuffix(NEW_SUFFIX)):
                    self._disk.remove(folder, name)

    def open(self, owner: Owner) -> int:
        """Open the owner's file for reading."""
        return self._disk.open_to_read(*self.locate(owner))

    def append(self, owner: Owner, records: Iterable[bytes], *, size: int) -> int | None:
        """Append records to the `size` bytes of the owner's file and sync it. Return the new size.

        Return None if the file is not as expected: it has to be rewritten.
        """
        folder, name = self.locate(owner)
        try:
            file = (
                self._disk.open_to_append(folder, name) if size else self._disk.create(folder, name)
            )
        except (FileExistsError, FileNotFoundError):
            return None
        try:
            if self._disk.size(file) != size:
                return None
            return size + self._write(file, records)
        finally:
            self._disk.close(file)

    def prepare(self, owner: Owner | None, records: Iterable[bytes]) -> tuple[int, int]:
        """Write and sync a new file, which `put_in_place` makes the owner's. Return its size, and
        the open file."""
        folder, name = self.locate(owner)
        new = name + NEW_SUFFIX
        try:
            file = self._disk.create(folder, new)
        except FileExistsError:
            self._disk.remove(folder, new)
            file = self._disk.create(folder, new)
        try:
            return self._write(file, records), file
        except OSError:
            self._disk.close(file)
            raise

    def put_in_place(self, owner: Owner | None) -> None:
        folder, name = self.locate(owner)
        self._disk.rename(folder, name + NEW_SUFFIX, name)

    def remove(self, owner: Owner) -> None:
        self._disk.remove(*self.locate(owner))

    def sync_folders(self) -> None:
        for folder in (self.mail, self.groups, self.root):
            self._disk.sync_folder(folder)

    def close(self) -> None:
        self._disk.close(self.mail)
        self._disk.close(self.groups)

    def _write(self, file: int, records: Iterable[bytes]) -> int:
        total = 0
        gathered = bytearray()
        for record in records:
            gathered += record
            if len(gathered) >= _WRITE_SIZE:
                write_whole(self._disk, file, bytes(gathered))
                total += len(gathered)
                gathered.clear()
        write_whole(self._disk, file, bytes(gathered))
        self._disk.sync(file)
        return total + len(gathered)


def path_of(owner: Owner | None) -> str:
    """Return the path of an owner's file in the folder."""
    if owner is None:
        return NAMES
    if isinstance(owner, DeskOwner):
        return DESK
    if isinstance(owner, bytes):
        return f"{MAIL}/{owner.hex()}{_MAIL_SUFFIX}"
    return f"{GROUPS}/{sha256(owner.encode()).hexdigest()}{_GROUP_SUFFIX}"


def is_at_rest(path: str) -> bool:
    """Return whether a file of this path may be one that a checkpoint writes for an owner."""
    within, _, name = path.rpartition("/")
    return (
        path == DESK
        or (within == MAIL and _is_mail(name))
        or (within == GROUPS and _is_group(name))
    )


def is_put_aside(name: str) -> bool:
    """Return whether a file holds nothing that counts: it never got its name, or was damaged."""
    return name.endswith(NEW_SUFFIX) or DAMAGED in name


def mailbox_owner(name: str) -> bytes | None:
    """Return whose mailbox a file is, None for another file."""
    stem = name.removesuffix(_MAIL_SUFFIX)
    if stem == name or not _is_hex(stem):
        return None
    return bytes.fromhex(stem)


def _is_of_root(name: str) -> bool:
    return name in (NAMES, DESK, JOURNALS)


def _is_mail(name: str) -> bool:
    return mailbox_owner(name) is not None


def _is_group(name: str) -> bool:
    stem = name.removesuffix(_GROUP_SUFFIX)
    return stem != name and _is_hex(stem)


def _is_hex(stem: str) -> bool:
    # Lower case only: this store names no file otherwise.
    return len(stem) == 2 * IDENTITY_SIZE and all(letter in "0123456789abcdef" for letter in stem)


_DRAFT = JOURNALS + NEW_SUFFIX


class Journals:
    """All journals by generation, rising. There is a current one after the first `turn`."""

    def __init__(self, disk: Disk, root: int) -> None:
        self._disk = disk
        self._root = root
        self._next_generation = 1
        self._current: Journal | None = None
        self.by_generation: dict[int, Journal] = {}

    @property
    def current(self) -> Journal:
        if self._current is None:
            raise RuntimeError("load comes before everything else")
        return self._current

    @property
    def length(self) -> int:
        """Bytes of entries that have not come to rest."""
        return sum(journal.length - journal.start for journal in self.by_generation.values())

    @property
    def count(self) -> int:
        return len(self.by_generation)

    @property
    def highest(self) -> int:
        """The highest generation that was ever begun."""
        return self._next_generation - 1

    def discard_unsynced(self) -> None:
        """Cut off what this process wrote and no sync has covered."""
        for journal in self.by_generation.values():
            journal.discard_unsynced()

    @property
    def is_behind(self) -> bool:
        """Whether an earlier checkpoint or process has left journals that have not come to rest."""
        return self.count > 1

    def adopt(self, earlier: Sequence[Journal], highest_generation: int) -> None:
        """Take over the journals of earlier processes. New ones are numbered above every generation
        that any file mentions."""
        self.by_generation.update((journal.generation, journal) for journal in earlier)
        self._next_generation = highest_generation + 1

    def prepare(self) -> Journal:
        """Return a new journal without entries, on the disk and listed. One thread may call it
        without the lock."""
        generation = self._next_generation
        self._next_generation += 1
        first = frame(encode(JournalBegan(generation)))
        journal = Journal.begin(self._disk, self._root, generation, first)
        try:
            self._disk.sync_folder(self._root)  # before the list names it
            self._draft_list([*self.by_generation, generation])
            self._disk.rename(self._root, _DRAFT, JOURNALS)
        except OSError:
            journal.retire()
            raise
        try:
            self._disk.sync_folder(self._root)
        except OSError:
            journal.close()  # the list may name it by now, so the file stays
            raise
        return journal

    def turn(self, fresh: Journal) -> None:
        """Append to `fresh` from now on. Call it under the lock."""
        self._current = fresh
        self.by_generation[fresh.generation] = fresh

    def take_out(self, generation: int) -> list[Journal]:
        """Remove and return the journals up to `generation`, which have come to rest. Call it under
        the lock."""
        done = [journal for number, journal in self.by_generation.items() if number <= generation]
        for journal in done:
            del self.by_generation[journal.generation]
        return sorted(done, key=lambda journal: journal.generation)

    def close(self) -> None:
        for journal in self.by_generation.values():
            journal.close()

    def _draft_list(self, generations: list[int]) -> None:
        disk = self._disk
        try:
            file = disk.create(self._root, _DRAFT)
        except FileExistsError:  # left by a try that failed
            disk.remove(self._root, _DRAFT)
            file = disk.create(self._root, _DRAFT)
        try:
            write_whole(disk, file, frame(encode(JournalsListed(generations))))
            disk.sync(file)
        finally:
            disk.close(file)


class Reader:
    """Reads one owner's records. The owner's file at rest is `at_rest`, or is opened by name when
    first needed.

    Close it after use; `at_rest` stays open.
    """

    def __init__(
        self,
        disk: Disk,
        layout: FileLayout,
        journals: Mapping[int, Journal],
        owner: Owner,
        at_rest: int | None,
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._journals = journals
        self._owner = owner
        self._file = at_rest
        self._opened: int | None = None

    def record(self, place: Place) -> bytes | None:
        """Return the whole record with its header, None if it is damaged or gone. It never
        raises."""
        try:
            record = self._bytes(place)
        except (OSError, KeyError):
            return None
        return record if unframe(record) is not None else None

    def entry(self, place: Place) -> Entry | CheckpointMark | None:
        """Return the entry in a record."""
        record = self.record(place)
        return decode(record[HEADER_SIZE:]) if record else None

    def close(self) -> None:
        if self._opened is not None:
            self._disk.close(self._opened)

    def _bytes(self, place: Place) -> bytes:
        if place.generation != AT_REST:
            return self._journals[place.generation].read(place.length, place.offset)
        if self._file is None:
            self._file = self._opened = self._layout.open(self._owner)
        return self._disk.read(self._file, place.length, place.offset)
