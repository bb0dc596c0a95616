"""Reads the past of conversations into their logs, page by page."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from chatapp.peer.api.conversations import DESK, Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.sdk.past import PAGE_MAX
from chatapp.peer.view.logbook import LogBook, LogEntry
from chatapp.peer.view.panes import Pane, past_entry
from chatapp.wire.errors import ChatAppError

if TYPE_CHECKING:
    from chatapp.peer.sdk.anypeer import AnyPeer

PAGE: Final = 100
"""Lines of the past that are read at a time."""
AROUND: Final = PAGE // 2
"""Lines before and after one that are read with it."""


class PastReader:
    """Reads what was said before, and what other programs of the user say. A log is read by one
    method at a time."""

    def __init__(
        self,
        peer: "AnyPeer",
        *,
        settle: Callable[[Pane, LogEntry], None],
        tell_unreadable: Callable[[Pane, sqlite3.Error], None],
    ) -> None:
        """`settle`: give an entry that was read the outcome that came before it. `tell_unreadable`:
        say that the history cannot be read."""
        self._peer: Final = peer
        self._settle: Final = settle
        self._tell_unreadable: Final = tell_unreadable

    async def load(self, pane: Pane) -> bool:
        """Read the newest part of a conversation, the first time. Return whether it was read
        now."""
        async with pane.reading:
            if pane.is_loaded:
                return False
            pane.book.merge(await self._page(pane, before=None))
            pane.is_loaded = True
            return True

    async def load_older(self, pane: Pane) -> int:
        """Read one more page of what is older than the log. Return how many rows the log got."""
        if pane.is_loading or not pane.has_older:
            return 0
        async with pane.reading:
            return pane.book.prepend(await self._page(pane, before=pane.book.oldest_id))

    async def jump(self, pane: Pane, id_: int) -> LogEntry | None:
        """Return the entry with this id; None if there is no such line. The lines around it are
        read if it is not there; of those between them and the others, the log notes that they are
        left out."""
        async with pane.reading:
            if pane.book.by_id(id_) is None:
                older = await self._lines(pane, before=id_ + 1, limit=AROUND)
                if older and older[-1].id == id_:
                    newer = await self._lines(pane, after=id_, limit=AROUND)
                    self._place(pane, older, newer)
        return pane.book.by_id(id_)

    def _place(self, pane: Pane, older: Sequence[Said], newer: Sequence[Said]) -> None:
        """Put the lines around one into the log, as far as they are not there. `older` ends with
        the one."""
        book = pane.book
        above = _unknown(book, reversed(older))
        below = _unknown(book, newer)
        entries = self._entries(pane, [*reversed(above), *below])
        joins_older = len(above) < len(older) or len(older) < AROUND
        joins_newer = len(below) < len(newer) or len(newer) < AROUND
        target = _gap_around(book, entries[0].id)
        if target is None:
            book.merge(entries)  # newer than all others
            return
        is_top = target is book.entries[0]
        book.insert(entries, before=target)
        book.mark_gap(target, is_gap=not joins_newer)
        if is_top:
            pane.has_older = not joins_older
        else:
            book.mark_gap(entries[0], is_gap=not joins_older)

    async def fill(self, pane: Pane, gap: LogEntry, *, is_upwards: bool) -> int:
        """Read a page of the lines that are left out before this entry: those next to it if
        `is_upwards`, else those that follow the lines above. Return how many rows the entry moved
        down."""
        book = pane.book
        async with pane.reading:
            place = book.place_of(gap)
            if gap not in book.gaps or place is None:
                return 0
            older, newer = book.id_at(place - 1), book.id_from(place)
            if is_upwards:
                lines = await self._lines(pane, before=newer)
            else:
                lines = await self._lines(pane, after=older)
            left_out = [
                one for one in lines if older < one.id and (newer is None or one.id < newer)
            ]
            entries = self._entries(pane, left_out)
            is_closed = len(left_out) < PAGE
            grown = book.insert(entries, before=gap)
            book.mark_gap(gap, is_gap=not is_closed and not is_upwards)
            if is_upwards and not is_closed:
                book.mark_gap(entries[0], is_gap=True)
            return grown

    async def load_missing(self, pane: Pane, *, is_busy: Callable[[], bool]) -> bool:
        """Read the lines of ours that other programs have sent. Return whether the log got any.
        None is added while `is_busy`: it may be a message of this program that has no id yet."""
        async with pane.reading:
            lowest, pane.missing = pane.missing, 0
            if not lowest:
                return False
            try:
                found = await self._own_from(pane.conversation, lowest)
            except (ChatAppError, sqlite3.Error):
                return False
            if is_busy():
                pane.note_missing(lowest)
                return False
            newest = pane.book.newest_id
            entries = self._entries(pane, found)
            pane.book.merge(one for one in entries if one.id < newest)
            pane.book.append(one for one in entries if one.id > newest)
            pane.talked_at = max([pane.talked_at, *(one.at for one in entries)])
            return bool(entries)

    async def _own_from(self, conversation: Conversation, lowest: int) -> list[Said]:
        """Return all lines of ours from the one with this id on."""
        own: list[Said] = []
        after, has_more = lowest - 1, True
        while has_more:
            lines = await self._peer.past.page(conversation, after=after, limit=PAGE_MAX)
            own += (line for line in lines if line.is_ours)
            has_more = len(lines) >= PAGE_MAX
            after = lines[-1].id if lines else after
        return own

    async def _page(self, pane: Pane, *, before: int | None) -> list[LogEntry]:
        """Read a page of a conversation's past."""
        lines = await self._lines(pane, before=before)
        pane.has_older = len(lines) >= PAGE
        return self._entries(pane, lines)

    async def _lines(
        self, pane: Pane, *, before: int | None = None, after: int | None = None, limit: int = PAGE
    ) -> list[Said]:
        """Return lines of a conversation's past; none of the help desk, which has no past here."""
        if pane.conversation == DESK:
            return []
        past = self._peer.past
        try:
            return await past.page(pane.conversation, before=before, after=after, limit=limit)
        except ChatAppError:  # the program that runs the peer has ended, as an event tells
            return []
        except sqlite3.Error as error:
            self._tell_unreadable(pane, error)
            return []

    def _entries(self, pane: Pane, lines: Iterable[Said]) -> list[LogEntry]:
        """Return the entries of those lines that the log does not have."""
        entries = [
            past_entry(line, self._peer.name) for line in lines if pane.book.by_id(line.id) is None
        ]
        for entry in entries:
            self._settle(pane, entry)
        return entries


def _unknown(book: LogBook, lines: Iterable[Said]) -> list[Said]:
    """Return those of these lines that come before the first one that the log has."""
    return list(takewhile(lambda line: book.by_id(line.id) is None, lines))


def _gap_around(book: LogBook, id_: int) -> LogEntry | None:
    """Return the entry before which the line with this id is left out: one behind a gap, or the
    first of the log; None if the line is newer than all."""
    places = sorted(place for gap in book.gaps if (place := book.place_of(gap)) is not None)
    for place in [0, *places]:
        newer = book.id_from(place)
        if newer is not None and newer > id_:
            return book.entries[place]
    return None
