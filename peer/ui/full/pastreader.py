"""Reads the past of conversations into their logs, page by page."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from chatapp.peer.core.conversations import DESK, Conversation
from chatapp.peer.history.query import HistoryLine
from chatapp.peer.past import PAGE_MAX
from chatapp.peer.ui.full.logbook import LogEntry
from chatapp.peer.ui.full.panes import Pane, past_entry
from chatapp.wire.errors import ChatAppError

if TYPE_CHECKING:
    from chatapp.peer.rpc.attached.anypeer import AnyPeer

PAGE: Final = 100
"""Lines of the past that are read at a time."""


class PastReader:
    """Reads what was said before, and what other programs of the user say. A log is read by one method at a time."""

    def __init__(
        self,
        peer: "AnyPeer",
        *,
        settle: Callable[[Pane, LogEntry], None],
        tell_unreadable: Callable[[Pane, sqlite3.Error], None],
    ) -> None:
        """`settle`: give an entry that was read the outcome that came before it. `tell_unreadable`: say that the history
        cannot be read."""
        self._peer: Final = peer
        self._settle: Final = settle
        self._tell_unreadable: Final = tell_unreadable

    async def load(self, pane: Pane) -> bool:
        """Read the newest part of a conversation, the first time. Return whether it was read now."""
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
        """Return the entry with this id, and read what is needed to have it; None if there is no such line."""
        async with pane.reading:
            while pane.book.by_id(id_) is None and pane.has_older:
                pane.book.prepend(await self._page(pane, before=pane.book.oldest_id, limit=PAGE_MAX))
        return pane.book.by_id(id_)

    async def load_missing(self, pane: Pane, *, is_busy: Callable[[], bool]) -> bool:
        """Read the lines of ours that other programs have sent. Return whether the log got any. None is added while
        `is_busy`: it may be a message of this program that has no id yet."""
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

    async def _own_from(self, conversation: Conversation, lowest: int) -> list[HistoryLine]:
        """Return all lines of ours from the one with this id on."""
        own: list[HistoryLine] = []
        after, has_more = lowest - 1, True
        while has_more:
            lines = await self._peer.past.page(conversation, after=after, limit=PAGE_MAX)
            own += (line for line in lines if line.outgoing)
            has_more = len(lines) >= PAGE_MAX
            after = lines[-1].id if lines else after
        return own

    async def _page(self, pane: Pane, *, before: int | None, limit: int = PAGE) -> list[LogEntry]:
        """Read a page of a conversation's past; none of the help desk, which has no past here."""
        if pane.conversation == DESK:
            pane.has_older = False
            return []
        try:
            lines = await self._peer.past.page(pane.conversation, before=before, limit=limit)
        except ChatAppError:  # the program that runs the peer has ended, as an event tells
            pane.has_older = False
            return []
        except sqlite3.Error as error:
            pane.has_older = False
            self._tell_unreadable(pane, error)
            return []
        pane.has_older = len(lines) >= limit
        return self._entries(pane, lines)

    def _entries(self, pane: Pane, lines: Iterable[HistoryLine]) -> list[LogEntry]:
        """Return the entries of those lines that the log does not have."""
        entries = [past_entry(line, self._peer.name) for line in lines if pane.book.by_id(line.id) is None]
        for entry in entries:
            self._settle(pane, entry)
        return entries
