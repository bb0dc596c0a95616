"""The log of one conversation as rows of a screen: entries go in, rows come out. Nothing here
draws.

A row is cut between words, as wide as the log in cells. Only rows that are looked at are made; of
all others it is known how many there are. So a log of many thousand lines takes no longer to show
than one of twenty.
"""

import enum
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate
from typing import Final

import msgspec

from chatapp.peer.view.layout import breaks, cells_of
from chatapp.peer.view.signs import Signs
from chatapp.peer.words.formatting import Fragments, Mark, local_day, shown_clock, shown_day
from chatapp.peer.words.full import GAP

WIDE: Final = 50
"""From this width on, names stand in a column of their own."""
_CLOCK: Final = 7
"""Cells of the time and two blanks."""
_CLOCK_NARROW: Final = 6
_NAMES: Final = ((90, 14), (70, 10), (0, 8))
"""From which width on the column of names has so many cells."""
_TEXT_LEAST: Final = 8
"""Cells that a text gets at least."""
_CACHED: Final = 400
"""Entries whose rows are kept."""
CLAIMED: Final = "claimed"
"""The style of a name that its bearer only claims."""


class EntryKind(enum.Enum):
    """What an entry of a log is."""

    MESSAGE = enum.auto()
    NOTICE = enum.auto()
    """A line that is no message, or answers a command."""
    ALERT = enum.auto()
    """A notice that must not be overlooked."""
    RULE = enum.auto()
    """A notice across the whole width: what was before it differs from what is after it."""


class LogEntry(msgspec.Struct, kw_only=True, eq=False):
    """One entry. All its texts are sanitized."""

    kind: EntryKind
    at: float
    """When it was said or noted, in Unix seconds."""
    text: str
    id: int = 0
    """The id of the line in the history; 0 for a notice, and for a message that has not begun."""
    sender: str = ""
    is_mine: bool = False
    is_claimed: bool = False
    """Whether the author only claims to be `sender`; `note` says so."""
    calls: bool = False
    """Whether it is for the user alone, or has their name in it."""
    mark: Mark | None = None
    """What became of a message of ours; None: it is under way."""
    note: str = ""
    """Stands below the text: what there is to say about the author, or about what became of the
    message."""


Row = Fragments
"""One row: pieces of text, each behind the name of its style. It is as wide as the log, or
shorter."""


class LogBook:
    """The entries of one conversation, the oldest first."""

    def __init__(self, signs: Signs) -> None:
        self._signs: Final = signs
        self._entries: list[LogEntry] = []
        self._days: list[date] = []
        self._by_id: dict[int, LogEntry] = {}
        self._places: dict[int, int] | None = {}
        """By the id of the object: where each entry stands; None: it must be counted again."""
        self._heights: list[int] = []
        self._tops: list[int] = [0]
        """The first row of each entry, and the number of all rows."""
        self._width = 80
        self._unread: LogEntry | None = None
        self._rows: dict[int, list[Row]] = {}
        """By place: rows that were made."""
        self.selected: LogEntry | None = None
        self._gaps: list[LogEntry] = []
        """Entries before which lines of the past are left out."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> Sequence[LogEntry]:
        """All entries, the oldest first."""
        return self._entries

    @property
    def height(self) -> int:
        """The number of rows."""
        return self._tops[-1]

    @property
    def width(self) -> int:
        """The cells of a row."""
        return self._width

    @property
    def oldest_id(self) -> int | None:
        """The id of the oldest message; None without one."""
        return next((entry.id for entry in self._entries if entry.id), None)

    @property
    def end_id(self) -> int | None:
        """The id of the first message from which on no line is left out; None without one."""
        places = [place for gap in self._gaps if (place := self.place_of(gap)) is not None]
        return self.id_from(max(places, default=0))

    @property
    def newest_id(self) -> int:
        """The highest id of a message; 0 without one."""
        return max(self._by_id, default=0)

    def by_id(self, id_: int) -> LogEntry | None:
        """Return the message with this id."""
        return self._by_id.get(id_)

    # --- what changes

    def resize(self, width: int) -> None:
        """Cut all rows for a log of this width."""
        if width != self._width:
            self._width = width
            self._count_from(0)

    def append(self, entries: Iterable[LogEntry]) -> None:
        """Add the newest entries."""
        at = len(self._entries)
        for entry in entries:
            if self._places is not None:
                self._places[id(entry)] = len(self._entries)
            self._entries.append(entry)
            self._days.append(local_day(entry.at))
            if entry.id:
                self._by_id[entry.id] = entry
        self._count_from(at)

    def prepend(self, entries: Sequence[LogEntry]) -> int:
        """Add entries that are older than all others. Return how many rows the others moved
        down."""
        return self._insert(0, entries)

    def insert(self, entries: Sequence[LogEntry], *, before: LogEntry) -> int:
        """Add entries before one that is here. Return how many rows that one and all that follow
        moved down."""
        return self._insert(self.place_of(before) or 0, entries)

    def _insert(self, place: int, entries: Sequence[LogEntry]) -> int:
        if not entries:
            return 0
        before, count = self.height, len(entries)
        self._entries[place:place] = entries
        self._days[place:place] = [local_day(entry.at) for entry in entries]
        self._by_id |= {entry.id: entry for entry in entries if entry.id}
        self._places = None
        self._rows.clear()
        self._heights[place:place] = [0] * count
        # The one that stood there may lose its date.
        self._count(range(place, min(place + count + 1, len(self._entries))))
        return self.height - before

    def merge(self, entries: Iterable[LogEntry]) -> None:
        """Put messages of the past, the oldest first, between those that are here, in the order of
        their ids. Notices stay behind the message that they followed."""
        waiting = deque(entry for entry in entries if entry.id not in self._by_id)
        last = max((place for place, one in enumerate(self._entries) if one.id), default=-1)
        merged: list[LogEntry] = []
        for place, one in enumerate(self._entries):
            while waiting and (place > last or 0 < waiting[0].id < one.id):
                merged.append(waiting.popleft())
            merged.append(one)
        merged += waiting
        self._entries, self._days, self._by_id = [], [], {}
        self._places = {}
        self._heights, self._tops = [], [0]
        self._rows.clear()
        self.append(merged)

    def change(
        self, entry: LogEntry, *, id_: int | None = None, mark: Mark | None = None, note: str = ""
    ) -> None:
        """Give a message its id, another mark, or a note below it."""
        if id_:
            entry.id = id_
            self._by_id[id_] = entry
        entry.mark, entry.note = mark, note
        place = self.place_of(entry)
        if place is None:
            return
        self._rows.pop(place, None)
        self._count([place])

    def mark_unread(self, entry: LogEntry | None) -> None:
        """Draw a rule before this entry: it and all that follow are new to the user. None: draw no
        rule."""
        if entry is self._unread:
            return
        moved = [
            place
            for one in (self._unread, entry)
            if one and (place := self.place_of(one)) is not None
        ]
        self._unread = entry
        self._count(moved)

    @property
    def unread(self) -> LogEntry | None:
        """The first entry that is new to the user."""
        return self._unread

    def mark_gap(self, entry: LogEntry, *, is_gap: bool) -> None:
        """Note that lines of the past are left out before this entry, or that none are any more."""
        if is_gap == (entry in self._gaps):
            return
        if is_gap:
            self._gaps.append(entry)
        else:
            self._gaps.remove(entry)
        if (place := self.place_of(entry)) is not None:
            self._count([place])

    @property
    def gaps(self) -> Sequence[LogEntry]:
        """The entries before which lines of the past are left out, in no order."""
        return self._gaps

    def gap_in(self, first: int, after: int) -> LogEntry | None:
        """Return an entry before which lines are left out, if it begins in these rows: from `first`
        on, before `after`."""
        return next((gap for gap in self._gaps if first <= self.rows_of(gap)[0] < after), None)

    def select(self, entry: LogEntry | None) -> None:
        """Select an entry, or none."""
        for one in (self.selected, entry):
            if one is not None and (place := self.place_of(one)) is not None:
                self._rows.pop(place, None)
        self.selected = entry

    def neighbour(self, step: int, *, from_row: int) -> LogEntry | None:
        """Return the message before the selected one (`step` -1), or after it (1). Without a
        selection, the last one that begins at this row or above. None if there is no other."""
        place = self.place_of(self.selected) if self.selected is not None else None
        if place is None:
            place = bisect_right(self._tops, from_row, hi=len(self._entries))
            step = -1
        place += step
        while 0 <= place < len(self._entries):
            if self._entries[place].kind is EntryKind.MESSAGE:
                return self._entries[place]
            place += step
        return None

    # --- rows

    def place_of(self, entry: LogEntry) -> int | None:
        """Return the place of an entry, from 0 on; None if it is not in this log."""
        if self._places is None:
            self._places = {id(one): place for place, one in enumerate(self._entries)}
        return self._places.get(id(entry))

    def id_at(self, place: int) -> int:
        """Return the id of the message at this place, or of the last one before it that has an id;
        0 for none."""
        return next((one.id for one in reversed(self._entries[: place + 1]) if one.id), 0)

    def id_from(self, place: int) -> int | None:
        """Return the id of the message at this place, or of the first one after it that has an id;
        None for none."""
        return next((one.id for one in self._entries[place:] if one.id), None)

    def rows_of(self, entry: LogEntry) -> tuple[int, int]:
        """Return the first row of an entry, and the row after its last one."""
        place = self.place_of(entry)
        return (0, 0) if place is None else (self._tops[place], self._tops[place + 1])

    def messages_from(self, y: int) -> int:
        """Return how many messages begin at this row or below it."""
        if y >= self.height:
            return 0
        return sum(
            one.kind is EntryKind.MESSAGE for one in self._entries[bisect_left(self._tops, y) :]
        )

    def entry_at(self, y: int) -> LogEntry | None:
        """Return the entry that has this row."""
        if not 0 <= y < self.height:
            return None
        return self._entries[bisect_right(self._tops, y) - 1]

    def row(self, y: int) -> tuple[LogEntry, Row] | None:
        """Return one row and its entry; None above the first and below the last."""
        if not 0 <= y < self.height:
            return None
        place = bisect_right(self._tops, y) - 1
        rows = self._rows.get(place)
        if rows is None:
            if len(self._rows) >= _CACHED:
                self._rows.clear()
            rows = self._rows[place] = self._drawn(place)
        return self._entries[place], rows[y - self._tops[place]]

    def _count_from(self, place: int) -> None:
        """Count the rows of all entries from this one on."""
        del self._heights[place:]
        self._heights += map(self._height_of, range(place, len(self._entries)))
        self._stack_from(place)

    def _count(self, places: Iterable[int]) -> None:
        """Count the rows of these entries anew."""
        lowest = len(self._entries)
        for place in places:
            self._heights[place] = self._height_of(place)
            self._rows.pop(place, None)
            lowest = min(lowest, place)
        if lowest < len(self._entries):
            self._stack_from(lowest)

    def _stack_from(self, place: int) -> None:
        """Find the first row of each entry behind this one."""
        del self._tops[place + 1 :]
        self._tops += list(accumulate(self._heights[place:], initial=self._tops[place]))[1:]
        if place == 0:
            self._rows.clear()

    def _height_of(self, place: int) -> int:
        entry = self._entries[place]
        above = (entry in self._gaps) + self._has_date(place) + (entry is self._unread)
        if entry.kind is EntryKind.RULE:
            return above + 1
        hang, room = self._columns(entry)
        if len(entry.text) <= room and entry.text.isascii() and "\t" not in entry.text:
            rows = 1
        else:
            rows = len(_cut(entry.text, room))
        return above + rows + (len(_cut(entry.note, self._width - hang)) if entry.note else 0)

    def _has_date(self, place: int) -> bool:
        return place == 0 or self._days[place] != self._days[place - 1]

    @property
    def _is_wide(self) -> bool:
        return self._width >= WIDE

    @property
    def _name_cells(self) -> int:
        return next(cells for width, cells in _NAMES if self._width >= width)

    def _columns(self, entry: LogEntry) -> tuple[int, int]:
        """Return where the text of an entry begins, and its cells."""
        if self._is_wide:
            begins = _CLOCK + self._name_cells + 2
        elif entry.kind is EntryKind.MESSAGE:
            begins = _CLOCK_NARROW + _cells(entry.sender) + 2
            begins = begins if begins <= self._width // 2 else _CLOCK_NARROW
        else:
            begins = _CLOCK_NARROW + 2
        margin = self._signs.mark_width + 2 if entry.kind is EntryKind.MESSAGE else 1
        return begins, max(self._width - begins - margin, _TEXT_LEAST)

    def _drawn(self, place: int) -> list[Row]:
        """Return the rows of an entry."""
        entry = self._entries[place]
        rows: list[Row] = []
        if entry in self._gaps:
            rows.append(self._rule(GAP, "date"))
        if self._has_date(place):
            rows.append(self._rule(shown_day(self._days[place]), "date"))
        if entry is self._unread:
            rows.append(self._rule("new", "new"))
        if entry.kind is EntryKind.RULE:
            return [*rows, self._rule(f"{shown_clock(entry.at)[1]} {entry.text}", "rule")]
        begins, room = self._columns(entry)
        style = _TEXT_STYLES[entry.kind] if not entry.calls else "calls"
        head = self._head(entry, begins)
        cuts = _cut(entry.text, room)
        for number, (start, end) in enumerate(cuts):
            first = head if number == 0 else [("", " " * begins)]
            text = entry.text[start:end].replace("\t", " " * 8)
            row = [*first, (style, text)]
            if number == len(cuts) - 1 and entry.is_mine and entry.kind is EntryKind.MESSAGE:
                blanks = self._width - 1 - self._signs.mark_width - begins - _cells(text)
                sign = self._signs.mark(entry.mark)
                row += [("", " " * max(blanks, 1)), (mark_style(entry.mark), sign)]
            rows.append(row)
        if entry.note:
            for start, end in _cut(entry.note, self._width - begins):
                rows.append([("", " " * begins), (_note_style(entry), entry.note[start:end])])
        return rows

    def _head(self, entry: LogEntry, begins: int) -> Row:
        """Return what stands before the text of an entry."""
        clock = shown_clock(entry.at)[1]
        is_message = entry.kind is EntryKind.MESSAGE
        name_style = (
            "me" if entry.is_mine else CLAIMED if entry.is_claimed else f"name {entry.sender}"
        )
        sign = self._signs.alert if entry.kind is EntryKind.ALERT else self._signs.notice
        if not self._is_wide:
            if is_message:
                sender = clipped(entry.sender, max(begins - _CLOCK_NARROW - 2, 0), self._signs.cut)
                return [("time", f"{clock} "), (name_style, sender), ("", ": " if sender else "")]
            return [("time", f"{clock} "), (_TEXT_STYLES[entry.kind], f"{sign} ")]
        if not is_message:
            pad = " " * (self._name_cells - _cells(sign))
            return [("time", f"{clock}  "), (_TEXT_STYLES[entry.kind], f"{pad}{sign}  ")]
        sender = clipped(entry.sender, self._name_cells, self._signs.cut)
        pad = " " * (self._name_cells - _cells(sender))
        return [("time", f"{clock}  "), ("", pad), (name_style, sender), ("", "  ")]

    def _rule(self, text: str, style: str) -> Row:
        rule = self._signs.rule
        shown = clipped(text, max(self._width - 8, 1), self._signs.cut)
        left = f"{rule * 2} {shown} "
        return [(style, left + rule * max(self._width - _cells(left) - 1, 0))]


_TEXT_STYLES: Final = {
    EntryKind.MESSAGE: "text",
    EntryKind.NOTICE: "notice",
    EntryKind.ALERT: "alert",
    EntryKind.RULE: "rule",
}


def _note_style(entry: LogEntry) -> str:
    return CLAIMED if entry.is_claimed else mark_style(entry.mark)


def mark_style(mark: Mark | None) -> str:
    """Return the name of the style of a mark."""
    return "sending" if mark is None else mark.name.lower()


def clipped(text: str, cells: int, sign: str) -> str:
    """Return the beginning of a text that takes at most so many cells; `sign` ends it when it is
    cut."""
    if _cells(text) <= cells:
        return text
    shown, taken, room = "", 0, cells - len(sign)
    for character in text:
        taken += cells_of(character)
        if taken > room:
            break
        shown += character
    return (shown + sign)[: max(cells, 0)]


def _cells(text: str) -> int:
    return len(text) if text.isascii() else sum(map(cells_of, text))


def _cut(text: str, room: int) -> list[tuple[int, int]]:
    return breaks(text, first=room, later=room)
