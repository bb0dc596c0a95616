"""What a folder has to hold at rest, and what is wrong with what it holds. A start and a check of
the files judge by it.

The file of names ends with the list of files that its checkpoint left, so both change at one
moment. A checkpoint that was interrupted may have done part of its work: each file that it finished
ends with a mark above that of the names, each file that it was appending to begins as listed, and a
file that it was making is not listed. The journals have what such files lack. Every other
difference was made by somebody else.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chatapp.registry.store.entries import (
    CheckpointMark,
    Entry,
    FileAtRest,
    FilesListed,
    JournalBegan,
    decode,
    decode_sign,
)
from chatapp.registry.store.segments import AT_REST, NAMES, Place
from chatapp.wire.errors import quoted
from chatapp.wire.storage import HEADER_SIZE, scan

LISTED_AT_ONCE: Final = 4_096
"""Files in one record of the list: its size is less than half of the largest record's."""

_PUT_BACK: Final = (
    "what it lacks is lost, unless you stop the registry and put the file back from a backup"
)
_RESTORE: Final = "stop the registry and restore a backup"


def foreign(path: str) -> str:
    """Return a line about a file in the folder of mailboxes or of groups that is neither."""
    return f"{quoted(path)}: stray: it is no file of a registry, and is passed over; remove it"


def unreadable(path: str, why: str) -> str:
    """Return a line about something that is no file, or that the disk does not read."""
    return f"{path}: cannot be read ({why}); {_PUT_BACK}"


def torn(path: str, count: int, rest: int) -> str:
    """Return a line about a journal or a file of names with `rest` bytes behind its `count` whole
    records."""
    return (
        f"{path}: {count:,} records are whole, the last {rest:,} bytes are torn or damaged; a torn journal is usual after a "
        f"power cut and lacks nothing that was confirmed; else {_RESTORE}"
    )


def not_understood(path: str, count: int) -> str:
    """Return a line about records that this version does not know."""
    return f"{path}: {count:,} records mean nothing to this version and are passed over; run the version that wrote them"


def journal_lack(payloads: Sequence[bytes], *, is_whole: bool) -> str | None:
    """Return what is wrong with a listed journal that does not begin as journals do."""
    if payloads and isinstance(decode_sign(payloads[0]), JournalBegan):
        return None
    return "damaged in its first record" if payloads or not is_whole else "empty"


def names_lack(*, is_there: bool) -> str:
    """Return what is wrong with a file of names that has no mark."""
    return "damaged in its first record" if is_there else "missing"


def lacking(name: str, what: str) -> str:
    """Return a line about a file without which no registry starts."""
    return f"{name}: {what}; no registry starts without it: {_RESTORE}"


def list_of(files: Sequence[FileAtRest]) -> Iterator[FilesListed]:
    """Yield the records with which a file of names ends."""
    for first in range(0, max(len(files), 1), LISTED_AT_ONCE):
        part = list(files[first : first + LISTED_AT_ONCE])
        yield FilesListed(part, is_last=first + LISTED_AT_ONCE >= len(files))


@dataclass(frozen=True, slots=True)
class FileFound:
    """A file at rest as it was found."""

    path: str
    size: int
    whole: int
    """Bytes of whole records."""
    count: int
    """How many entries these are."""
    odd: int
    """Records that mean nothing to this version."""
    mark: int
    """The generation in its last mark; AT_REST if it has none."""
    is_ended: bool
    """Whether it ends with that mark."""
    has_listed: bool
    """Whether it begins with all that is listed."""

    @property
    def torn(self) -> int:
        """Bytes behind the last whole record."""
        return self.size - self.whole


class Inventory:
    """What the last checkpoint left."""

    def __init__(self) -> None:
        self.at_rest = AT_REST
        """The generation up to which everything has come to rest."""
        self.newest = AT_REST
        """The highest generation of a journal: no file can be complete beyond it."""
        self.is_marked = False
        """Whether the file of names has its mark."""
        self._listed: dict[str, FileAtRest] = {}
        self._is_known = False
        """Whether the list of files was read whole."""
        self._seen: set[str] = set()

    def take_names(
        self, payloads: Iterable[bytes]
    ) -> list[tuple[Place, Entry | CheckpointMark | None]]:
        """Take in the file of names. Return its records but the list, None for one that means
        nothing."""
        records: list[tuple[Place, Entry | CheckpointMark | None]] = []
        for place, payload in placed(payloads, AT_REST):
            record = decode(payload)
            sign = decode_sign(payload) if record is None else None
            if isinstance(sign, FilesListed):
                self._listed.update((file.name, file) for file in sign.files)
                self._is_known = self._is_known or sign.is_last
                continue
            if isinstance(record, CheckpointMark):
                self.at_rest, self.is_marked = record.generation, True
            records.append((place, record))
        return records

    def names_end(self) -> str | None:
        """Return a line about a file of names that has its mark but not the list of files."""
        if self._is_known or not self.is_marked:
            return None
        return f"{NAMES}: its end is missing, and with it names and the list of files; {_RESTORE}"

    def take_journals(self, generations: Iterable[int]) -> None:
        """Note journals that exist or are listed."""
        self.newest = max(self.newest, *generations, AT_REST)

    def is_listed(self, path: str) -> bool:
        return path in self._listed

    def read(
        self, path: str, data: bytes
    ) -> tuple[FileFound, list[tuple[Place, Entry | CheckpointMark | None]]]:
        """Read a file at rest. Return what it is like, and its whole records, None for one that
        means nothing."""
        payloads, whole = scan(data)
        records = [(place, decode(payload)) for place, payload in placed(payloads, AT_REST)]
        listed = self._listed.get(path)
        last = records[-1][1] if records else None
        marks = [(place, record) for place, record in records if isinstance(record, CheckpointMark)]
        found = FileFound(
            path=path,
            size=len(data),
            whole=whole,
            count=len(records) - len(marks),
            odd=sum(record is None for _, record in records),
            mark=marks[-1][1].generation if marks else AT_REST,
            is_ended=isinstance(last, CheckpointMark) and whole == len(data),
            has_listed=listed is not None
            and any(
                place.offset + place.length == listed.size and mark.generation == listed.generation
                for place, mark in marks
            ),
        )
        self._seen.add(path)
        return found, records

    def note_unreadable(self, path: str) -> None:
        """Note a file that exists but cannot be read: it is not missing."""
        self._seen.add(path)

    def is_as_left(self, found: FileFound) -> bool:
        """Whether the last complete checkpoint left a file like this."""
        return found.has_listed and found.size == self._listed[found.path].size

    def flaw(self, found: FileFound, *, is_pending: bool) -> str | None:
        """Return a line about a file that is not as it should be. `is_pending`: whether a journal
        has entries that have still to come to rest."""
        is_leftover = not found.count and found.is_ended and not self.is_listed(found.path)
        if self.is_as_left(found) or is_leftover or (found.is_ended and self._is_ahead(found)):
            return None
        if is_pending and self._may_be_under_way(found):
            return None
        what = self._difference(found)
        return None if what is None else f"{quoted(found.path)}: {what}"

    def missing(self) -> list[str]:
        """Return a line about each file that is listed and was not found. All that are there were
        read before."""
        return [
            f"{path}: missing ({file.size:,} bytes); {_PUT_BACK}"
            for path, file in sorted(self._listed.items())
            if path not in self._seen
        ]

    def _is_ahead(self, found: FileFound) -> bool:
        """Whether an interrupted checkpoint had finished this file once."""
        return self.at_rest < found.mark <= self.newest

    def _may_be_under_way(self, found: FileFound) -> bool:
        """Whether an interrupted checkpoint may have left the file like this."""
        if not self._is_known:
            return not found.torn
        is_new = not (self.is_listed(found.path) or found.mark)
        return found.has_listed or is_new or self._is_ahead(found)

    def _difference(self, found: FileFound) -> str | None:
        if found.torn:
            return f"{found.count:,} records are whole, the last {found.torn:,} bytes are torn or damaged; {_PUT_BACK}"
        if not self._is_known:
            return (
                None
                if found.is_ended
                else f"{found.count:,} records are whole, its end is missing; {_PUT_BACK}"
            )
        listed = self._listed.get(found.path)
        if listed is None:
            return (
                f"stray: no checkpoint left this file; if its {found.count:,} records do not belong here, stop the "
                "registry and remove it"
            )
        if found.size != listed.size:
            return f"changed: it has {found.size:,} bytes instead of {listed.size:,}; {_PUT_BACK}"
        return f"changed: it is not the file that the last checkpoint left; {_PUT_BACK}"


def placed(payloads: Iterable[bytes], generation: int) -> Iterator[tuple[Place, bytes]]:
    """Yield each record with its place in the file."""
    offset = 0
    for payload in payloads:
        length = HEADER_SIZE + len(payload)
        yield Place(generation, offset, length), payload
        offset += length
