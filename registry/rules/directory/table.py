"""The table as it is handed out: rows in the order of their last change, and pages of them (clause
3).

The directory has one of its own people. In a cluster each node keeps a copy, so that its peers
fetch the table from it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from chatapp.registry.store.protocol import KeptTable
from chatapp.wire.codec import encode
from chatapp.wire.limits import RELEASED_TOLD_MAX, ROWS_TOLD_WHOLE, TABLE_PAGE_MAX
from chatapp.wire.messages.table import CardsShown, Presence, RosterPage, Row, TablePage
from chatapp.wire.roster import Cells, cells_of, roster_page

Thing = TypeVar("Thing")

_BLANKS_ALLOWED = 64


class ChangeLog(Generic[Thing]):
    """Things in the order of their last change. The caller remembers the place that `append`
    returns."""

    __slots__ = ("_blanks", "_things", "_versions")

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._things: list[Thing | None] = []
        self._blanks = 0

    def __len__(self) -> int:
        return len(self._things) - self._blanks

    def append(self, version: int, thing: Thing) -> int:
        """Add a thing at the end and return its place, valid until `rewrite`. `version` must be
        above all earlier ones."""
        self._versions.append(version)
        self._things.append(thing)
        return len(self._things) - 1

    def blank(self, place: int) -> None:
        """Remove the thing at this place: it is about to be appended again."""
        self._things[place] = None
        self._blanks += 1

    def after(self, version: int) -> Iterator[tuple[int, Thing]]:
        """Yield what changed after `version`, oldest change first."""
        versions, things, begin = self.walk(version)
        for place in range(begin, len(things)):
            thing = things[place]
            if thing is not None:
                yield versions[place], thing

    def walk(self, version: int) -> tuple[Sequence[int], Sequence[Thing | None], int]:
        """Return the versions, the things (None for removed ones), and the index of the first
        change after `version`.

        For callers that walk a million of them. Read both at once and do not change them.
        """
        return self._versions, self._things, bisect_right(self._versions, version)

    @property
    def wants_rewriting(self) -> bool:
        """Whether removed places outnumber the things."""
        return 2 * self._blanks > len(self._things) + _BLANKS_ALLOWED

    def rewrite(self) -> Iterator[tuple[int, Thing]]:
        """Drop the removed places. Yield each thing with its new place."""
        kept = list(self.after(-1))
        self._versions = [version for version, _ in kept]
        self._things = [thing for _, thing in kept]
        self._blanks = 0
        return enumerate(thing for _, thing in kept)


PAGES_KEPT: Final = 32


class _Page(NamedTuple):
    upto: int
    is_last: bool
    encoded: msgspec.Raw


class Pages:
    """The pages that were asked for most recently, by the version after which they begin and
    whether they have whole keys only."""

    __slots__ = ("_pages",)

    def __init__(self) -> None:
        self._pages: dict[tuple[int, bool], _Page] = {}

    def find(self, since: int, *, is_whole: bool = False) -> msgspec.Raw | None:
        """Return the page, if it is still valid."""
        page = self._pages.pop((since, is_whole), None)
        if page is None:
            return None
        self._pages[since, is_whole] = page
        return page.encoded

    def keep(
        self,
        since: int,
        upto: int,
        encoded: msgspec.Raw,
        *,
        is_whole: bool = False,
        is_last: bool,
    ) -> None:
        """Keep a page that was just encoded."""
        if len(self._pages) >= PAGES_KEPT:
            del self._pages[next(iter(self._pages))]
        self._pages[since, is_whole] = _Page(upto, is_last, encoded)

    def row_changes(self, version: int) -> None:
        """Drop the pages that hold the row with this version (0 for a new row) or that would have
        to end with it."""
        if self._pages:
            self._pages = {
                asked: page
                for asked, page in self._pages.items()
                if not page.is_last and not asked[0] < version <= page.upto
            }


GAPS_MAX: Final = 16
"""Takeovers that are told apart. The two oldest count as one: who was away for all that is between
them gets the whole table."""


class Delta(NamedTuple):
    """The rows that changed in (since, version]; `more` says that others changed later."""

    rows: list[msgspec.Raw]
    version: int
    more: bool


class TableRow(Protocol):
    """What the table needs of a row."""

    version: int
    """The version of the table in which it changed last."""
    place: int
    """Where it stands in the order of changes; -1 before it was ever told."""
    encoded: msgspec.Raw | None
    """The encoded row, if it was made since the last change."""
    cells: Cells | None
    """What a roster says of the encoded row, if one was made of it."""
    size: int
    """Bytes of it."""
    told_as: str
    """The name under which it was told last; empty for somebody who has none any more."""
    named_at: int
    """The version in which it was first told under that name."""
    bears: str
    """The name that it is to be told under."""

    def row(self) -> msgspec.Raw:
        """Return the encoded row."""


Entry = TypeVar("Entry", bound=TableRow)


class Table(Generic[Entry]):
    """Rows in the order of their last change."""

    def __init__(self, *, version: int, rows_whole: int = ROWS_TOLD_WHOLE) -> None:
        """`rows_whole`: how many rows a page gives whole; of more it is a roster."""
        self.version = version
        self._rows_whole: Final = rows_whole
        self.gaps: list[tuple[int, int]] = []
        """Versions that an earlier run may have told of, but not to those who keep the table now:
        those above the first number of each pair, below the second."""
        self._changes: ChangeLog[Entry] = ChangeLog()
        self._pages: Final = Pages()

    def change(self, entry: Entry, version: int) -> None:
        """Put a row that has changed at the end. `version`: above that of the table, which it
        becomes."""
        self._pages.row_changes(entry.version)
        self.version = entry.version = version
        if entry.place >= 0:
            self._changes.blank(entry.place)
        entry.place = self._changes.append(version, entry)
        if entry.told_as != entry.bears:
            entry.told_as, entry.named_at = entry.bears, version
        if self._changes.wants_rewriting:
            for place, kept in self._changes.rewrite():
                kept.place = place

    def reach(self, version: int) -> None:
        """Note that no row has changed up to this version."""
        if version > self.version:
            self._pages.row_changes(0)
            self.version = version

    def recall(self, entries: Sequence[Entry], *, upto: int, first: int) -> None:
        """Let rows count as unchanged since an earlier run told of them: in this order, before all
        others. Each has its version. `upto`: what is known of that run's table ends here; `first`:
        where the versions of this run begin."""
        changes, self._changes = self._changes, ChangeLog()
        for entry in entries:
            if entry.place >= 0:
                changes.blank(entry.place)
            entry.place = self._changes.append(entry.version, entry)
            entry.told_as, entry.named_at = entry.bears, entry.version
        for changed_at, entry in changes.after(-1):
            entry.place = self._changes.append(changed_at, entry)
        self.gaps.append((upto, first + 1))
        while len(self.gaps) > GAPS_MAX:
            (oldest, _), (_, newer), *rest = self.gaps
            self.gaps = [(oldest, newer), *rest]

    def is_missed(self, version: int) -> bool:
        """Whether somebody with this version may have rows that those who keep the table do not
        know."""
        return any(before < version < after for before, after in self.gaps)

    def forget(self, entry: Entry) -> None:
        """Hand out a row no more."""
        self._pages.row_changes(entry.version)
        self._changes.blank(entry.place)

    def changed(self, since: int) -> Iterator[Entry]:
        """Yield whose rows have changed after this version, the oldest change first."""
        return (entry for _, entry in self._changes.after(since))

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Yield each row with the version of its last change, the oldest change first."""
        return self._changes.after(-1)

    def page(self, since: int, *, is_whole: bool = False) -> msgspec.Raw:
        """Return an encoded `TablePage` or, if it would have many rows, a `RosterPage`, made once
        for all who ask for the same. `is_whole`: no keys are cut in it."""
        page = self._pages.find(since, is_whole=is_whole)
        if page is None:
            made = self.make_page(since, is_whole=is_whole)
            page, is_last = msgspec.Raw(encode(made)), not made.more
            self._pages.keep(since, made.version, page, is_whole=is_whole, is_last=is_last)
        return page

    def make_page(self, since: int, *, is_whole: bool = False) -> TablePage | RosterPage:
        """Return a page that nobody has asked for yet."""
        delta = self.delta(since, bytes_max=TABLE_PAGE_MAX, rows_max=self._rows_whole)
        if delta.more and len(delta.rows) == self._rows_whole:
            return self.roster(since, known_upto=-1 if is_whole else since)
        return TablePage(since, delta.version, delta.more, delta.rows)

    def roster(self, since: int, *, known_upto: int, bytes_max: int = TABLE_PAGE_MAX) -> RosterPage:
        """Return the oldest changes after `since` in columns, as many as fit before these are
        deflated. `known_upto`: the version up to which the reader knows everybody's name. Between
        that and `since` a name may have been told first of somebody who has changed again."""
        _, entries, begin = self._changes.walk(since)
        whole: list[Cells] = []
        known: list[Cells] = []
        size, upto, more = 0, since, False
        for entry in entries[begin:]:
            if entry is None:
                continue
            if entry.encoded is None or (cells := entry.cells) is None:
                cells = entry.cells = cells_of(_rows.decode(entry.row()))
            is_new = entry.named_at > known_upto
            size += cells.size_whole if is_new else cells.size
            if size > bytes_max:
                more = True
                break
            (whole if is_new else known).append(cells)
            upto = entry.version
        if not more:
            upto = max(self.version, since)
        return roster_page(since, upto, more=more, whole=whole, known=known)

    def cards(self, entries: Iterable[Entry]) -> CardsShown:
        """Return the whole rows of these people, as they were told last."""
        rows = [entry.encoded or entry.row() for entry in entries if entry.place >= 0]
        return CardsShown(self.version, rows)

    def delta(self, since: int, *, bytes_max: int, rows_max: int) -> Delta:
        """Return the oldest changes after `since`, as many as fit, at least one."""
        rows: list[msgspec.Raw] = []
        versions, entries, begin = self._changes.walk(since)
        size, version = 0, since
        for place in range(begin, len(entries)):
            entry = entries[place]
            if entry is None:
                continue
            row = entry.encoded or entry.row()
            size += entry.size
            if rows and (size > bytes_max or len(rows) == rows_max):
                return Delta(rows, version, more=True)
            rows.append(row)
            version = versions[place]
        return Delta(rows, max(self.version, since), more=False)


class CopiedRow:
    """A row of another table."""

    __slots__ = ("bears", "cells", "encoded", "named_at", "place", "size", "told_as", "version")

    def __init__(self) -> None:
        self.encoded: msgspec.Raw | None = None
        self.cells: Cells | None = None
        self.size = 0
        self.version = 0
        self.place = -1
        self.bears = self.told_as = ""
        self.named_at = 0

    def row(self) -> msgspec.Raw:
        """Return the encoded row, as it came."""
        assert self.encoded is not None, "a row is copied before it is handed out"
        return self.encoded


class TableCopy:
    """A copy of a table, which learns what changes there. It hands out the same pages."""

    def __init__(self, *, rows_whole: int = ROWS_TOLD_WHOLE) -> None:
        self.table: Final[Table[CopiedRow]] = Table(version=0, rows_whole=rows_whole)
        self._rows: dict[bytes, CopiedRow] = {}
        self._released: dict[bytes, None] = {}
        """People who have no name any more, the oldest first. The original forgets as many."""
        self._online: set[bytes] = set()

    @property
    def online_count(self) -> int:
        """How many people are online."""
        return len(self._online)

    def learn(self, delta: Delta) -> None:
        """Take the changes after this copy's version, which the original told of. Raises
        msgspec.ValidationError."""
        for raw in delta.rows:
            row = _rows.decode(raw)
            identity = row.card.identity
            copied = self._rows.setdefault(identity, CopiedRow())
            is_released = row.presence is Presence.RELEASED
            (self._online.add if row.online else self._online.discard)(identity)
            copied.bears = "" if is_released else row.card.name
            self.table.change(copied, row.version)
            copied.encoded, copied.cells, copied.size = msgspec.Raw(raw), None, len(raw)
            self._released.pop(identity, None)
            if is_released:
                self._released[identity] = None
                if len(self._released) > RELEASED_TOLD_MAX:
                    self._forget(next(iter(self._released)))
        self.table.reach(delta.version)

    def kept(self) -> KeptTable:
        """Return the table for one who goes on with it."""
        rows = [copied.row() for _, copied in self.table.entries()]
        return KeptTable(self.table.version, rows, self.table.gaps)

    def cards(self, identities: Iterable[bytes]) -> CardsShown:
        """Return the whole rows of these people."""
        return self.table.cards(
            row for identity in identities if (row := self._rows.get(identity)) is not None
        )

    def name_of(self, identity: bytes) -> str:
        """Return the name in a person's row; empty if there is none."""
        copied = self._rows.get(identity)
        return "" if copied is None else _rows.decode(copied.row()).card.name

    def _forget(self, identity: bytes) -> None:
        del self._released[identity]
        self.table.forget(self._rows.pop(identity))


_rows: Final = msgspec.msgpack.Decoder(Row)
