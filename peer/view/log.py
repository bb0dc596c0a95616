"""The log of one conversation: what was said, notices among it, and where lines of the past are left
out. Whoever draws it takes what has changed (`take_splices`), so that a log of many thousand lines
takes no longer to draw than one of twenty.
"""

import enum
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from chatapp.peer.words.formatting import Mark

SPLICES_MAX: Final = 1_000
"""Changes that wait to be drawn; of more, everything is drawn anew."""


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
    said: str = ""
    """What was said, as its author typed it."""
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
    key: int = 0
    """By which a page has asked for it; 0 for none."""
    note: str = ""
    """Stands below the text: what there is to say about the author, or about what became of the
    message."""


class Splice(NamedTuple):
    """A change of a log: so many entries were added at this place; none: the entry there has
    changed."""

    place: int
    added: int = 0


class Log:
    """The entries of one conversation, the oldest first."""

    def __init__(self) -> None:
        self._entries: list[LogEntry] = []
        self._by_id: dict[int, LogEntry] = {}
        self._places: dict[int, int] | None = {}
        """By the id of the object: where each entry stands; None: it must be counted again."""
        self._splices: list[Splice] | None = []
        """What has changed since it was asked; None: everything."""
        self._gaps: list[LogEntry] = []
        """Entries before which lines of the past are left out."""
        self.unread: LogEntry | None = None
        """The first entry that is new to the user."""
        self.selected: LogEntry | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> Sequence[LogEntry]:
        """All entries, the oldest first."""
        return self._entries

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

    def take_splices(self) -> Sequence[Splice] | None:
        """Return what has changed since this was called last; None: everything."""
        splices, self._splices = self._splices, []
        return splices

    # --- what changes

    def _note(self, splice: Splice) -> None:
        if self._splices is None:
            return
        self._splices.append(splice)
        if len(self._splices) > SPLICES_MAX:
            self._splices = None

    def _note_changed(self, *entries: LogEntry | None) -> None:
        for entry in entries:
            if entry is not None and (place := self.place_of(entry)) is not None:
                self._note(Splice(place))

    def append(self, entries: Iterable[LogEntry]) -> None:
        """Add the newest entries."""
        at = len(self._entries)
        for entry in entries:
            if self._places is not None:
                self._places[id(entry)] = len(self._entries)
            self._entries.append(entry)
            if entry.id:
                self._by_id[entry.id] = entry
        if len(self._entries) > at:
            self._note(Splice(at, len(self._entries) - at))

    def prepend(self, entries: Sequence[LogEntry]) -> None:
        """Add entries that are older than all others."""
        self._insert(0, entries)

    def insert(self, entries: Sequence[LogEntry], *, before: LogEntry) -> None:
        """Add entries before one that is here."""
        self._insert(self.place_of(before) or 0, entries)

    def _insert(self, place: int, entries: Sequence[LogEntry]) -> None:
        if not entries:
            return
        self._entries[place:place] = entries
        self._by_id |= {entry.id: entry for entry in entries if entry.id}
        self._places = None
        self._note(Splice(place, len(entries)))

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
        self._entries, self._by_id, self._places = [], {}, {}
        self.append(merged)
        self._splices = None

    def change(
        self, entry: LogEntry, *, id_: int | None = None, mark: Mark | None = None, note: str = ""
    ) -> None:
        """Give a message its id, another mark, or a note below it."""
        if id_:
            entry.id = id_
            self._by_id[id_] = entry
        entry.mark, entry.note = mark, note
        self._note_changed(entry)

    def rewrite(self, entry: LogEntry, now: LogEntry) -> None:
        """Have a message read as this entry does."""
        entry.said = now.said
        if (entry.sender, entry.text) != (now.sender, now.text):
            entry.sender, entry.text = now.sender, now.text
            self._note_changed(entry)

    def draw_again(self, id_: int) -> bool:
        """Have the message with this id drawn again: its file stands otherwise. Return whether there
        is one."""
        self._note_changed(self.by_id(id_))
        return id_ in self._by_id

    def mark_unread(self, entry: LogEntry | None) -> None:
        """Draw a rule before this entry: it and all that follow are new to the user. None: draw no
        rule."""
        if entry is not self.unread:
            before, self.unread = self.unread, entry
            self._note_changed(before, entry)

    def mark_gap(self, entry: LogEntry, *, is_gap: bool) -> None:
        """Note that lines of the past are left out before this entry, or that none are any more."""
        if is_gap == (entry in self._gaps):
            return
        if is_gap:
            self._gaps.append(entry)
        else:
            self._gaps.remove(entry)
        self._note_changed(entry)

    @property
    def gaps(self) -> Sequence[LogEntry]:
        """The entries before which lines of the past are left out, in no order."""
        return self._gaps

    # --- where entries stand

    def place_of(self, entry: LogEntry) -> int | None:
        """Return the place of an entry, from 0 on; None if it is not in this log."""
        if self._places is None:
            self._places = {id(one): place for place, one in enumerate(self._entries)}
        return self._places.get(id(entry))

    def id_at(self, place: int) -> int:
        """Return the id of the message at this place, or of the last one before it that has an id;
        0 for none."""
        return next((entry.id for entry in reversed(self._entries[: place + 1]) if entry.id), 0)

    def id_from(self, place: int) -> int | None:
        """Return the id of the message at this place, or of the first one after it that has an id;
        None for none."""
        return next((entry.id for entry in self._entries[place:] if entry.id), None)
