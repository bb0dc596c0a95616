"""The journal of one history: what the core wants stored, a turn at a time, before it is filed in
the database.

A turn's records are one frame, appended by one call to the system. What was appended survives the
death of the process, as a commit of SQLite does, at a tenth of the cost; it survives a power cut
once it is synced, which a thread does soon after. The frames are filed later, in the order of their
positions: see `History.file` and `docs/decisions/journal-and-index.md`.

    journal-<generation>   begins with a Beginning; usually one, several after a crash or under load
    journal.lines          how many lines are on the disk for certain
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.core.records import IncomingAdded, OutgoingAdded, Record
from chatapp.wire.codec import encode
from chatapp.wire.errors import StoreReadOnly, store_error
from chatapp.wire.storage import (
    HEADER_SIZE,
    LARGEST_CLAIM,
    Disk,
    Journal,
    frame,
    generation_in,
    journal_name,
    read_file,
    scan,
    set_aside,
)

GENERATION_MAX: Final = 16 * 1024 * 1024
"""Bytes after which another generation begins, so that the one before can be removed."""

READ_AT_ONCE: Final = 64 * 1024
"""Bytes of frames that are filed in one transaction: some 500 records, which takes one or two
milliseconds."""

LINES: Final = "journal.lines"
_LINES_SIZE: Final = 20
"""Digits of the number in it."""

_ADDS_LINES: Final = frozenset({OutgoingAdded, IncomingAdded})


def _lines_in(records: Iterable[Record]) -> int:
    """Return how many of these records add a line."""
    return sum(map(_ADDS_LINES.__contains__, map(type, records)))


_decode_records: Final = msgspec.msgpack.Decoder(list[Record]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


class Beginning(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The first record of a generation. `lines`: how many lines earlier ones had. `server`: from
    which the history was seen."""

    lines: int
    server: str


_decode_beginning: Final = msgspec.msgpack.Decoder(Beginning).decode


class Position(NamedTuple):
    """The end of a frame: how far the database has come. `lines`: how many lines there are before
    it."""

    generation: int = 0
    offset: int = 0
    lines: int = 0


class Batch(NamedTuple):
    """Records that follow a position, and the position after them."""

    records: list[Record]
    until: Position
    server: str
    missing: int
    """Lines that should be between the two positions besides these, and cannot be read."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One generation. `start` is where its turns begin; `lines` is None if its beginning is
    damaged."""

    journal: Journal
    start: int
    lines: int | None
    server: str


class PendingSync:
    """What is to be synced so that all records appended by now are on the disk."""

    def __init__(
        self,
        disk: Disk,
        parts: Sequence[Journal],
        *,
        folder: int | None,
        generation: int,
        lines: int,
    ) -> None:
        """`folder`: whose names are to be synced, too; None if they are. `generation`: the newest
        one. `lines`: how many were appended by now."""
        self._disk: Final = disk
        self._upto: Final = [(journal, journal.length) for journal in parts]
        self._folder: Final = folder
        self.generation: Final = generation
        self.lines: Final = lines

    def run(self) -> None:
        """Wait for the disk; in any thread. Raises SyncFailed. Until the end, no file of the
        journal is to be closed."""
        if self._folder is not None:
            self._disk.sync_folder(self._folder)
        for journal, length in self._upto:
            journal.sync(length)


class RecordJournal:
    """All generations of one history, rising. One process has them open at a time."""

    def __init__(self, folder: Path, *, server: str, disk: Disk | None = None) -> None:
        """`server`: as for `History`. Raises OSError."""
        self._disk: Final = disk or Disk()
        self._server: Final = server
        self._folder: Final = self._disk.open_root(folder)
        self._parts: list[_Part] = []
        self._current: Journal | None = None
        self._lines_file: int | None = None
        self._damaged: str | None = None
        self._named = 0
        """The newest generation whose name is on the disk for certain."""
        self.size = 0
        """Bytes that were appended since this was opened."""
        try:
            names = self._disk.names(self._folder)
            generations = sorted(filter(None, map(generation_in, names)))
            self._parts += map(self._reopened, generations)
            self._next_generation = max(generations, default=0) + 1
            self._noted = self._noted_lines() if LINES in names else 0
            self.lines = max(self._noted, *(part.lines or 0 for part in self._parts), 0)
            """How many lines were ever appended, as far as is known: after a kill it may be less,
            for a moment's."""
        except BaseException:
            self.close()
            raise

    @property
    def is_whole(self) -> bool:
        """Whether all records that were ever appended are here: the first generation is."""
        return (
            bool(self._parts)
            and self._parts[0].journal.generation == 1
            and self._parts[0].lines == 0
        )

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the disk did not confirm what a generation holds."""
        return any(part.journal.is_unconfirmed for part in self._parts)

    @property
    def first_server(self) -> str:
        """The server from which the first records were seen."""
        return self._parts[0].server if self._parts else self._server

    def append(self, records: Sequence[Record]) -> int:
        """Append records by one write. Return how many of them are stored: all, unless they are too
        many for one frame. Raises StoreError; then none of them is."""
        while len(payload := encode(records)) > LARGEST_CLAIM and len(records) > 1:
            records = records[: len(records) // 2]
        current = self._current
        if current is None or current.length >= GENERATION_MAX:
            self._end_on_disk()
            current = self._begin()
        whole = frame(payload, largest=LARGEST_CLAIM)
        try:
            current.append(whole)
        except StoreReadOnly:
            # half a frame is left at its end, so the next attempt begins another generation
            self._current = None
            raise
        self.size += len(whole)
        self.lines += _lines_in(records)
        return len(records)

    def begin_sync(self) -> PendingSync | None:
        """Return what is to be synced; None if everything is."""
        parts = [part.journal for part in self._parts if part.journal.synced < part.journal.length]
        if not parts:
            return None
        newest = parts[-1].generation
        folder = self._folder if newest > self._named else None
        return PendingSync(self._disk, parts, folder=folder, generation=newest, lines=self.lines)

    def end_sync(self, done: PendingSync) -> None:
        """Note that this is on the disk."""
        self._named = max(self._named, done.generation)
        self.note_synced(done.lines)

    def note_synced(self, lines: int) -> None:
        """Note that so many lines are on the disk: in one call, so that a crash leaves this number
        or the earlier one. If it fails, less damage is noticed."""
        if lines <= self._noted:
            return
        with contextlib.suppress(OSError):
            if self._lines_file is None:
                self._lines_file = self._disk.open_to_overwrite(self._folder, LINES)
            self._disk.overwrite(self._lines_file, b"%0*d" % (_LINES_SIZE, lines))
            self._noted = lines

    def unread(self, position: Position) -> int:
        """Return how many bytes of turns follow this position."""
        count = 0
        for part in self._parts:
            if part.journal.generation >= position.generation:
                is_begun = part.journal.generation == position.generation
                count += max(0, part.journal.length - (position.offset if is_begun else part.start))
        return count

    def read(self, position: Position) -> Batch | None:
        """Return what follows a position, some of it; None at the end. What is not a whole frame
        ends its generation: it is what a crash left of a turn that nobody was promised, or damage,
        which the numbers of lines show."""
        missing = 0
        for part in self._parts:
            generation = part.journal.generation
            if generation < position.generation:
                continue
            if generation > position.generation:
                lines = position.lines if part.lines is None else part.lines
                missing += max(0, lines - position.lines)
                position = Position(generation, part.start, lines)
            if position.offset >= part.journal.length:
                continue
            records, end = self._records(part.journal, position.offset)
            if end == position.offset:
                self._cut_short(part.journal, end)
            lines = position.lines + _lines_in(records)
            return Batch(records, Position(generation, end, lines), part.server, missing)
        return None

    def go_on_after(self, position: Position) -> None:
        """Count generations and lines on from this position, too: the files before it may be
        gone."""
        self._next_generation = max(self._next_generation, position.generation + 1)
        self.lines = max(self.lines, position.lines)

    def keep_damaged(self) -> str | None:
        """Give a damaged generation a name under which it stays. Return the name; None if none is
        damaged."""
        if self._damaged is None:
            return None
        try:
            return set_aside(self._disk, self._folder, self._damaged, keep=True)
        except OSError:
            return None

    def has_filed(self, position: Position) -> bool:
        """Return whether there is a generation that `remove_filed` would remove."""
        return bool(self._parts) and self._is_filed(self._parts[0], position)

    def remove_filed(self, position: Position) -> None:
        """Remove the generations before this position. Up to there the database must be on the
        disk."""
        filed = [part for part in self._parts if self._is_filed(part, position)]
        for part in filed:
            self._parts.remove(part)
            part.journal.retire()

    def _is_filed(self, part: _Part, position: Position) -> bool:
        journal = part.journal
        if journal is self._current:
            return False
        is_begun = journal.generation == position.generation
        return journal.generation < position.generation or journal.length <= (
            position.offset if is_begun else part.start
        )

    def end(self) -> None:
        """Append nothing more to the current generation."""
        self._current = None

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.journal.close()
        if self._lines_file is not None:
            self._disk.close(self._lines_file)
            self._lines_file = None
        self._disk.close(self._folder)

    def _end_on_disk(self) -> None:
        """Sync the current generation, mostly a second's records. Else a power cut might leave
        later records without these: that we have a group's log up to some line, without the
        line."""
        current, self._current = self._current, None
        if current is not None:
            try:
                current.sync(current.length)
                if current.generation > self._named:
                    self._disk.sync_folder(self._folder)
                    self._named = current.generation
            except OSError as error:
                raise store_error(current.name, error) from error

    def _begin(self) -> Journal:
        generation = self._next_generation
        self._next_generation += 1
        name = journal_name(generation)
        try:
            file = self._disk.create(self._folder, name)
        except OSError as error:
            raise store_error(name, error) from error
        journal = Journal(self._disk, self._folder, file, generation=generation)
        try:
            journal.append(frame(encode(Beginning(self.lines, self._server))))
        except BaseException:
            journal.retire()
            raise
        self._parts.append(_Part(journal, journal.length, self.lines, self._server))
        self._current = journal
        return journal

    def _reopened(self, generation: int) -> _Part:
        file = self._disk.open_to_read(self._folder, journal_name(generation))
        size = self._disk.size(file)
        journal = Journal(self._disk, self._folder, file, generation=generation, length=size)
        payloads, _ = scan(journal.read(min(size, READ_AT_ONCE), 0))
        if payloads:
            with contextlib.suppress(*_UNREADABLE):
                beginning = _decode_beginning(payloads[0])
                return _Part(
                    journal, HEADER_SIZE + len(payloads[0]), beginning.lines, beginning.server
                )
        return _Part(journal, 0, None, self._server)

    def _records(self, journal: Journal, offset: int) -> tuple[list[Record], int]:
        """Return the records of some whole frames from `offset` on, and where the last of them
        ends."""
        records: list[Record] = []
        for payload in self._payloads(journal, offset):
            try:
                records += _decode_records(payload)
            except _UNREADABLE:
                break
            offset += HEADER_SIZE + len(payload)
        return records, offset

    def _payloads(self, journal: Journal, offset: int) -> Iterator[bytes]:
        """Yield those of the frames in `READ_AT_ONCE` bytes, but of at least one frame if there is
        one."""
        left, size = journal.length - offset, READ_AT_ONCE
        while True:
            payloads, _ = scan(journal.read(min(size, left), offset))
            if payloads or size >= left:
                return iter(payloads)
            size *= 4

    def _cut_short(self, journal: Journal, end: int) -> None:
        journal.length = end
        self._damaged = journal.name

    def _noted_lines(self) -> int:
        with contextlib.suppress(OSError):
            digits = read_file(self._disk, self._folder, LINES)
            if len(digits) == _LINES_SIZE and digits.isdigit():
                return int(digits)
        return 0
