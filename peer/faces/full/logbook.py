"""The log of one conversation as rows of a screen. Nothing here draws.

A row is cut between words, as wide as the log in cells. Only rows that are looked at are made; of
all others it is known how many there are. So a log of many thousand lines takes no longer to show
than one of twenty.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import date
from itertools import accumulate
from typing import Final

from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.layout import between, breaks, cells_of, linked
from chatapp.peer.view.log import EntryKind, Log, LogEntry
from chatapp.peer.view.transfers import FileAction, ShownFile
from chatapp.peer.words.changes import STAR
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
TEXT_MOST: Final = 110
"""Cells that a text gets at most: longer rows are hard to read."""
_CACHED: Final = 400
"""Entries whose rows are kept."""
CLAIMED: Final = "claimed"
"""The style of a name that its bearer only claims."""


Row = Fragments
"""One row: pieces of text, each behind the name of its style. It is as wide as the log, or
shorter."""


def _no_file(_: int) -> None:
    return None


class LogBook:
    """The rows of one log."""

    def __init__(
        self, log: Log, signs: Signs, *, file_of: Callable[[int], ShownFile | None] = _no_file
    ) -> None:
        """`file_of`: returns the file that the line with an id offers."""
        self.log: Final = log
        self._signs: Final = signs
        self._file_of: Final = file_of
        self._days: list[date | None] = []
        self._heights: list[int] = []
        """The rows of each entry; below zero: they must be counted."""
        self._tops: list[int] = [0]
        """The first row of each entry, and the number of all rows."""
        self._width = 80
        self._rows: dict[int, list[Row]] = {}
        """By place: rows that were made."""

    @property
    def height(self) -> int:
        """The number of rows."""
        return self._rows_begin[-1]

    @property
    def width(self) -> int:
        """The cells of a row."""
        return self._width

    # --- what changes

    def fit(self, width: int) -> int:
        """Take what has changed in the log, and cut all rows for this width, or the widest that one
        can read. Return how many rows there are more than before."""
        most = _CLOCK + _NAMES[0][1] + 2 + TEXT_MOST + self._signs.mark_width + 2
        width = min(width, most)
        splices, count, before = self.log.take_splices(), len(self.log), self._tops[-1]
        first = count
        if splices is None:
            self._days, self._heights, first = [None] * count, [-1] * count, 0
            self._rows.clear()
        else:
            for splice in splices:
                self._splice(*splice)
                first = min(first, splice.place)
        if width != self._width:
            self._width, self._heights, first = width, [-1] * count, 0
            self._rows.clear()
        if first < count or not count:
            self._count_from(first)
        return self._tops[-1] - before

    def _splice(self, place: int, added: int) -> None:
        """Make place for entries that were added, or note that one must be counted again."""
        if added and place < len(self._heights):
            self._rows.clear()
        self._heights[place:place] = [-1] * added
        self._days[place:place] = [None] * added
        after = place + added  # what stood there may lose its date
        if after < len(self._heights):
            self._heights[after] = -1
            self._rows.pop(after, None)

    def _count_from(self, place: int) -> None:
        """Count the rows of entries from this place on, as far as they must be."""
        heights = self._heights
        for at in range(place, len(heights)):
            if heights[at] < 0:
                heights[at] = self._height_of(at)
        del self._tops[place + 1 :]
        self._tops += list(accumulate(heights[place:], initial=self._tops[place]))[1:]

    @property
    def _rows_begin(self) -> list[int]:
        """The first row of each entry, and the number of all rows, with what has just changed."""
        self.fit(self._width)
        return self._tops

    # --- rows

    def gap_in(self, first: int, after: int) -> LogEntry | None:
        """Return an entry before which lines are left out, if it begins in these rows: from `first`
        on, before `after`."""
        return next((gap for gap in self.log.gaps if first <= self.rows_of(gap)[0] < after), None)

    def neighbour(self, step: int, *, from_row: int) -> LogEntry | None:
        """Return the message before the selected one (`step` -1), or after it (1). Without a
        selection, the last one that begins at this row or above. None if there is no other."""
        selected, entries = self.log.selected, self.log.entries
        place = self.log.place_of(selected) if selected is not None else None
        if place is None:
            place = bisect_right(self._rows_begin, from_row, hi=len(entries))
            step = -1
        place += step
        while 0 <= place < len(entries):
            if entries[place].kind is EntryKind.MESSAGE:
                return entries[place]
            place += step
        return None

    def rows_of(self, entry: LogEntry) -> tuple[int, int]:
        """Return the first row of an entry, and the row after its last one."""
        place = self.log.place_of(entry)
        return (0, 0) if place is None else (self._rows_begin[place], self._rows_begin[place + 1])

    def messages_from(self, y: int) -> int:
        """Return how many messages begin at this row or below it."""
        if y >= self.height:
            return 0
        return sum(
            one.kind is EntryKind.MESSAGE
            for one in self.log.entries[bisect_left(self._rows_begin, y) :]
        )

    def entry_at(self, y: int) -> LogEntry | None:
        """Return the entry that has this row."""
        if not 0 <= y < self.height:
            return None
        return self.log.entries[bisect_right(self._rows_begin, y) - 1]

    def row(self, y: int) -> tuple[LogEntry, Row] | None:
        """Return one row and its entry; None above the first and below the last."""
        if not 0 <= y < self.height:
            return None
        place = bisect_right(self._rows_begin, y) - 1
        rows = self._rows.get(place)
        if rows is None:
            if len(self._rows) >= _CACHED:
                self._rows.clear()
            rows = self._rows[place] = self._drawn(place)
        return self.log.entries[place], rows[y - self._rows_begin[place]]

    def _height_of(self, place: int) -> int:
        entry = self.log.entries[place]
        above = (entry in self.log.gaps) + self._has_date(place) + (entry is self.log.unread)
        if entry.kind is EntryKind.RULE:
            return above + 1
        hang, room = self._columns(entry)
        if len(entry.text) <= room and entry.text.isascii() and "\t" not in entry.text:
            rows = 1
        else:
            rows = len(_cut(entry.text, room))
        below = self._below(entry)
        return above + rows + sum(len(_cut(text, self._width - hang)) for _, text in below)

    def _below(self, entry: LogEntry) -> list[tuple[str, str]]:
        """Return what stands below the text of an entry: how its file stands, and the note."""
        file = self._file_of(entry.id) if entry.id else None
        texts = [] if file is None else [("file", self._standing(file))]
        return [*texts, *([(_note_style(entry), entry.note)] if entry.note else [])]

    def _standing(self, file: ShownFile) -> str:
        what = [f"{self._signs.bar(file.percent)}{file.standing}"]
        commands = [one.command for one in file.offers if one.action is not FileAction.CANCEL]
        return self._signs.between.join(what + commands)

    def _has_date(self, place: int) -> bool:
        return place == 0 or self._day_of(place) != self._day_of(place - 1)

    def _day_of(self, place: int) -> date:
        day = self._days[place]
        if day is None:
            day = self._days[place] = local_day(self.log.entries[place].at)
        return day

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
        may_be_marked = entry.kind is EntryKind.MESSAGE or entry.mark is not None
        margin = self._signs.mark_width + 2 if may_be_marked else 1
        return begins, max(self._width - begins - margin, _TEXT_LEAST)

    def _drawn(self, place: int) -> list[Row]:
        """Return the rows of an entry."""
        entry = self.log.entries[place]
        rows: list[Row] = []
        if entry in self.log.gaps:
            rows.append(self._rule(GAP, "date"))
        if self._has_date(place):
            rows.append(self._rule(shown_day(self._day_of(place)), "date"))
        if entry is self.log.unread:
            rows.append(self._rule("new", "new"))
        if entry.kind is EntryKind.RULE:
            return [*rows, self._rule(f"{shown_clock(entry.at)[1]} {entry.text}", "rule")]
        begins, room = self._columns(entry)
        style = _TEXT_STYLES[entry.kind] if not entry.calls else "calls"
        head = self._head(entry, begins)
        cuts, pieces = _cut(entry.text, room), linked([(style, entry.text)])
        for number, (start, end) in enumerate(cuts):
            first = head if number == 0 else [("", " " * begins)]
            text = entry.text[start:end].replace("\t", " " * 8)
            shown = between(pieces, start, end)
            row = [*first, *((named, piece.replace("\t", " " * 8)) for named, piece in shown)]
            if number == len(cuts) - 1 and (entry.is_mine or entry.mark is not None):
                blanks = self._width - 1 - self._signs.mark_width - begins - _cells(text)
                sign = self._signs.mark(entry.mark)
                row += [("", " " * max(blanks, 1)), (mark_style(entry.mark), sign)]
            rows.append(row)
        for style, text in self._below(entry):
            for start, end in _cut(text, self._width - begins):
                rows.append([("", " " * begins), (style, text[start:end])])
        return rows

    def _head(self, entry: LogEntry, begins: int) -> Row:
        """Return what stands before the text of an entry."""
        clock = shown_clock(entry.at)[1]
        is_message = entry.kind is EntryKind.MESSAGE
        name_style = (
            "me"
            if entry.is_mine
            else CLAIMED
            if entry.is_claimed
            else f"name {entry.sender.removeprefix(STAR)}"
        )
        sign = self._signs.alert if entry.kind is EntryKind.ALERT else self._signs.notice
        if not self._is_wide:
            if is_message:
                sender = clipped(entry.sender, max(begins - _CLOCK_NARROW - 2, 0), self._signs.cut)
                colon = " " if sender.startswith(STAR) else ": " if sender else ""
                return [("time", f"{clock} "), (name_style, sender), ("", colon)]
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
