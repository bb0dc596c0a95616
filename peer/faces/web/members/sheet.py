"""The log of one conversation as a page shows it: which of its entries, and each as HTML that is
written again only when it has changed."""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from markupsafe import Markup

from chatapp.peer.faces.web.limits import LINES_SHOWN, LINES_SHOWN_MAX
from chatapp.peer.faces.web.operators.pages import talk_line
from chatapp.peer.faces.web.page import macro
from chatapp.peer.view.log import EntryKind, LogEntry
from chatapp.peer.view.panes import Pane
from chatapp.peer.view.talk import TalkLine
from chatapp.peer.view.transfers import ShownFile, Transfers
from chatapp.peer.words.changes import STAR
from chatapp.peer.words.formatting import MARKS, Mark, shown_clock, shown_day

_TEMPLATE: Final = "members/parts.html"
_MARKS: Final = {
    None: ("sending", "\u2026", "on its way"),
    Mark.SEEN: ("saved", MARKS[Mark.SEEN][1], "seen"),
    Mark.RECEIVED: ("saved", MARKS[Mark.RECEIVED][1], "received"),
    Mark.SAVED: ("kept", MARKS[Mark.SAVED][1], "saved at the server"),
    Mark.KEPT: ("kept", MARKS[Mark.KEPT][1], "kept here"),
    Mark.REFUSED: ("lost", MARKS[Mark.REFUSED][1], "not sent"),
}
_CLASSES: Final = {
    EntryKind.NOTICE: "notice",
    EntryKind.ALERT: "notice alarm",
    EntryKind.RULE: "notice rule",
}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All that the HTML of an entry says."""

    key: int
    """Names it on the page."""
    asked: int
    """The key by which the page has asked for it; 0 for none."""
    kind: str
    """Its classes."""
    at: float
    clock: str
    day: str
    """The date to show above it; empty for none."""
    author: str
    sender: str
    """The author, if they have not said what stands above it, too."""
    text: str
    note: str
    file: ShownFile | None
    """The file that it offers."""
    mark: tuple[str, str, str] | None
    """Class, sign and word."""
    can_choose: bool
    is_first_new: bool
    has_gap: bool
    """Whether lines are left out above it."""


class Line(NamedTuple):
    """An entry as the page has it."""

    key: int
    html: Markup
    version: int
    """In which it has changed, or came into view."""


class TalkSheet:
    """What a page shows of the conversation with a visitor of the help desk."""

    def __init__(self, draw_key: Callable[[], int]) -> None:
        """`draw_key`: as in `Sheet`."""
        self._draw_key: Final = draw_key
        self._drawn: dict[str, tuple[int, Line]] = {}
        """By the ids of the lines in the view: the version of the view, and the line."""

    def draw(self, lines: Iterable[TalkLine], version: int, *, has: Container[int]) -> list[Line]:
        """Return these lines. `version`, `has`: as in `Sheet.draw`."""
        drawn: dict[str, tuple[int, Line]] = {}
        for line in lines:
            changed, one = self._drawn.get(line.id, (-1, None))
            if one is None or changed != line.changed:
                key = self._draw_key() if one is None else one.key
                one = Line(key, macro(_TEMPLATE, "at_desk", key, talk_line(line)), version)
            elif one.key not in has:
                one = one._replace(version=version)
            drawn[line.id] = line.changed, one
        self._drawn = drawn
        return [one for _, one in drawn.values()]


class _Drawn(msgspec.Struct, kw_only=True):
    entry: LogEntry
    before: LogEntry | None
    """What stood above it."""
    shown: Shown
    line: Line


class Sheet:
    """What a page shows of one conversation."""

    def __init__(self, pane: Pane, draw_key: Callable[[], int], transfers: Transfers) -> None:
        """`draw_key`: returns a new key, which no other entry of the window has. `transfers`: the
        files that entries offer."""
        self.pane: Final = pane
        self._transfers: Final = transfers
        self.around: LogEntry | None = None
        """The entry that is shown with its neighbours; None for the newest entries."""
        self._draw_key: Final = draw_key
        self._most = LINES_SHOWN
        self._drawn: Final[dict[int, _Drawn]] = {}
        """By the id of the entry as an object."""
        self._by_key: Final[dict[int, LogEntry]] = {}
        self._selected: LogEntry | None = None
        self._lines: list[Line] = []
        """What was drawn last."""
        self._drawn_span: tuple[int, int, int] | None = None

    def entry(self, key: int) -> LogEntry | None:
        """Return the entry with this key."""
        return self._by_key.get(key)

    def key(self, entry: LogEntry) -> int:
        """Return the key of an entry that was drawn; 0 for another one."""
        drawn = self._drawn.get(id(entry))
        return 0 if drawn is None else drawn.shown.key

    def show_more(self) -> None:
        """Show more of what is above, up to a number of lines; then the newest go."""
        if self._most < LINES_SHOWN_MAX:
            self._most = min(self._most + LINES_SHOWN, LINES_SHOWN_MAX)
        else:
            self.around = self._span()[0]

    def show_newest(self) -> None:
        """Show the newest lines again."""
        self.around, self._most = None, LINES_SHOWN

    @property
    def has_more_above(self) -> bool:
        """Whether the log has entries above those that are shown."""
        return self._first() > 0

    @property
    def has_more_below(self) -> bool:
        """Whether the log has entries below those that are shown."""
        return self._first() + self._most < len(self.pane.log)

    def _first(self) -> int:
        log = self.pane.log
        end = max(len(log) - self._most, 0)
        place = None if self.around is None else log.place_of(self.around)
        return end if place is None else min(max(place - self._most // 2, 0), end)

    def _span(self) -> Sequence[LogEntry]:
        first = self._first()
        return self.pane.log.entries[first : first + self._most]

    def draw(self, version: int, *, has: Container[int] = ()) -> list[Line]:
        """Return the entries that are shown; the same object if nothing has changed. `version`: that
        of entries that have changed since the last call, or whose keys are not among those that the
        page `has`."""
        before: LogEntry | None = None
        changed, span = self._changed(), (self._first(), self._most, len(self.pane.log))
        if (
            changed == set()
            and span == self._drawn_span
            and all(one.key in has for one in self._lines)
        ):
            return self._lines
        self._drawn_span = span
        self._lines = lines = []
        for entry in self._span():
            known = self._drawn.get(id(entry))
            is_same = known is not None and known.before is before and changed is not None
            if known is not None and is_same and id(entry) not in (changed or ()):
                one = known
            else:
                one = self._draw(entry, before, version)
            if one.line.version != version and one.line.key not in has:
                one.line = one.line._replace(version=version)
            lines.append(one.line)
            before = entry
        return lines

    def _changed(self) -> set[int] | None:
        """Return the entries that say something else than when they were drawn last, by their ids as
        objects; None: maybe all. An entry with another one above it is drawn anew all the same."""
        log = self.pane.log
        splices, entries = log.take_splices(), log.entries
        both, self._selected = {id(self._selected), id(log.selected)}, log.selected
        chosen = both if len(both) > 1 else set()
        if splices is None:
            return None
        end = len(entries) - sum(splice.added for splice in splices)
        for splice in splices:
            if splice.added and splice.place != end:
                return None  # a place is that of its moment: what is below has moved
            end += splice.added
        return chosen | {id(entries[splice.place]) for splice in splices if not splice.added}

    def _draw(self, entry: LogEntry, before: LogEntry | None, version: int) -> _Drawn:
        known = self._drawn.get(id(entry))
        key = self._draw_key() if known is None else known.shown.key
        shown = self._shown(entry, before, key)
        if known is None or known.shown != shown:
            html = macro(_TEMPLATE, "entry", shown)
            line = Line(key, html, version)
            known = _Drawn(entry=entry, before=before, shown=shown, line=line)
            self._drawn[id(entry)] = known
            self._by_key[key] = entry
        known.before = before
        return known

    def _shown(self, entry: LogEntry, before: LogEntry | None, key: int) -> Shown:
        log = self.pane.log
        day, clock = shown_clock(entry.at)
        is_new_day = before is None or shown_clock(before.at)[0] != day
        is_message = entry.kind is EntryKind.MESSAGE
        classes = _CLASSES.get(entry.kind, "mine" if entry.is_mine else "theirs")
        if is_message and entry.sender.startswith(STAR):
            classes = "action"
        is_next = (
            before is not None
            and not is_new_day
            and (before.kind, before.sender) == (entry.kind, entry.sender)
            and classes != "action"
        )
        if entry.calls:
            classes += " calls"
        if entry is log.selected:
            classes += " chosen"
        return Shown(
            key=key,
            asked=entry.key,
            kind=classes,
            at=entry.at,
            clock=clock,
            day=shown_day(day) if is_new_day else "",
            author=entry.sender,
            sender="" if is_next else entry.sender,
            text=entry.text,
            note=entry.note,
            file=self._transfers.shown(entry.id) if is_message and entry.id else None,
            mark=_MARKS[entry.mark] if is_message and entry.is_mine else None,
            can_choose=is_message and entry.id > 0,
            is_first_new=entry is log.unread,
            has_gap=entry in log.gaps,
        )
