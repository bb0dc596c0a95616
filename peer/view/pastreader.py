"""Reads the past of conversations into their logs, page by page: each method is a generator of
requests.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import takewhile
from typing import Any, Final

from chatapp.peer.api.conversations import DESK, Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.requests import PAGE_MAX, ReadPage
from chatapp.peer.view.log import Log, LogEntry
from chatapp.peer.view.panes import Pane, past_entry
from chatapp.peer.view.view import HistoryUnreadable, Step, Steps
from chatapp.wire.errors import ChatAppError

PAGE: Final = 100
"""Lines of the past that are read at a time."""
AROUND: Final = PAGE // 2
"""Lines before and after one that are read with it."""


class PastReader:
    """Reads what was said before, and what other programs of the user say. A log is read by one
    method at a time."""

    def __init__(
        self,
        me: Callable[[], str],
        *,
        settle: Callable[[Pane, LogEntry], None],
        tell_unreadable: Callable[[Pane, HistoryUnreadable], None],
    ) -> None:
        """`me`: returns our name. `settle`: give an entry that was read the outcome that came
        before it. `tell_unreadable`: say that the history cannot be read."""
        self._me: Final = me
        self._settle: Final = settle
        self._tell_unreadable: Final = tell_unreadable

    def load(self, pane: Pane) -> Generator[Step, Any, bool]:
        """Read the newest part of a conversation, the first time. Return whether it was read
        now."""
        if pane.is_loaded:
            return False
        pane.log.merge((yield from self._page(pane, before=None)))
        pane.is_loaded = True
        return True

    def load_older(self, pane: Pane) -> Steps:
        """Read one more page of what is older than the log."""
        if pane.has_older:
            pane.log.prepend((yield from self._page(pane, before=pane.log.oldest_id)))

    def jump(self, pane: Pane, id_: int) -> Generator[Step, Any, LogEntry | None]:
        """Return the entry with this id; None if there is no such line. The lines around it are
        read if it is not there; of those between them and the others, the log notes that they are
        left out."""
        if pane.log.by_id(id_) is None:
            older = yield from self._lines(pane, before=id_ + 1, limit=AROUND)
            if older and older[-1].id == id_:
                newer = yield from self._lines(pane, after=id_, limit=AROUND)
                self._place(pane, older, newer)
        return pane.log.by_id(id_)

    def find_after(self, pane: Pane, id_: int) -> Steps:
        """Have the log hold the first line of somebody else after the one with this id."""
        lines = yield from self._lines(pane, after=id_, limit=AROUND)
        first = next((line.id for line in lines if not line.is_ours), None)
        if first is not None and pane.log.by_id(first) is None:
            yield from self.jump(pane, first)

    def _place(self, pane: Pane, older: Sequence[Said], newer: Sequence[Said]) -> None:
        """Put the lines around one into the log, as far as they are not there. `older` ends with
        the one."""
        log = pane.log
        above = _unknown(log, reversed(older))
        below = _unknown(log, newer)
        entries = self._entries(pane, [*reversed(above), *below])
        joins_older = len(above) < len(older) or len(older) < AROUND
        joins_newer = len(below) < len(newer) or len(newer) < AROUND
        target = _gap_around(log, entries[0].id)
        if target is None:
            log.merge(entries)  # newer than all others
            return
        is_top = target is log.entries[0]
        log.insert(entries, before=target)
        log.mark_gap(target, is_gap=not joins_newer)
        if is_top:
            pane.has_older = not joins_older
        else:
            log.mark_gap(entries[0], is_gap=not joins_older)

    def fill(self, pane: Pane, gap: LogEntry, *, is_upwards: bool) -> Steps:
        """Read a page of the lines that are left out before this entry: those next to it if
        `is_upwards`, else those that follow the lines above."""
        log = pane.log
        place = log.place_of(gap)
        if gap not in log.gaps or place is None:
            return
        older, newer = log.id_at(place - 1), log.id_from(place)
        lines = yield from (
            self._lines(pane, before=newer) if is_upwards else self._lines(pane, after=older)
        )
        left_out = [
            line for line in lines if older < line.id and (newer is None or line.id < newer)
        ]
        entries = self._entries(pane, left_out)
        is_closed = len(left_out) < PAGE
        log.insert(entries, before=gap)
        log.mark_gap(gap, is_gap=not is_closed and not is_upwards)
        if is_upwards and not is_closed:
            log.mark_gap(entries[0], is_gap=True)

    def load_missing(
        self, pane: Pane, *, is_busy: Callable[[], bool]
    ) -> Generator[Step, Any, bool]:
        """Read the lines of ours that other programs have sent. Return whether the log got any.
        None is added while `is_busy`: it may be a message of this program that has no id yet."""
        lowest, pane.missing = pane.missing, 0
        if not lowest:
            return False
        try:
            own = yield from self._own_from(pane.conversation, lowest)
        except ChatAppError:
            return False
        if is_busy():
            pane.note_missing(lowest)
            return False
        newest = pane.log.newest_id
        entries = self._entries(pane, own)
        pane.log.merge(entry for entry in entries if entry.id < newest)
        pane.log.append(entry for entry in entries if entry.id > newest)
        pane.talked_at = max([pane.talked_at, *(entry.at for entry in entries)])
        return bool(entries)

    @staticmethod
    def _own_from(conversation: Conversation, lowest: int) -> Generator[Step, Any, list[Said]]:
        """Return all lines of ours from the one with this id on."""
        own: list[Said] = []
        after, has_more = lowest - 1, True
        while has_more:
            page = yield ReadPage(conversation=conversation, after=after, limit=PAGE_MAX)
            own += (line for line in page.lines if line.is_ours)
            has_more = len(page.lines) >= PAGE_MAX
            after = page.lines[-1].id if page.lines else after
        return own

    def _page(self, pane: Pane, *, before: int | None) -> Generator[Step, Any, list[LogEntry]]:
        """Read a page of a conversation's past."""
        lines = yield from self._lines(pane, before=before)
        pane.has_older = len(lines) >= PAGE
        return self._entries(pane, lines)

    def _lines(
        self, pane: Pane, *, before: int | None = None, after: int | None = None, limit: int = PAGE
    ) -> Generator[Step, Any, Sequence[Said]]:
        """Return lines of a conversation's past; none of the help desk, which has no past here."""
        where = pane.conversation
        if where == DESK:
            return ()
        try:
            page = yield ReadPage(conversation=where, before=before, after=after, limit=limit)
        except HistoryUnreadable as error:
            self._tell_unreadable(pane, error)
        except ChatAppError:
            pass  # the program that runs the peer has ended, as an event tells
        else:
            return page.lines  # type: ignore[no-any-return]
        return ()

    def _entries(self, pane: Pane, lines: Iterable[Said]) -> list[LogEntry]:
        """Return the entries of those lines that the log does not have."""
        entries = [
            past_entry(line, self._me()) for line in lines if pane.log.by_id(line.id) is None
        ]
        for entry in entries:
            self._settle(pane, entry)
        return entries


def _unknown(log: Log, lines: Iterable[Said]) -> list[Said]:
    """Return those of these lines that come before the first one that the log has."""
    return list(takewhile(lambda line: log.by_id(line.id) is None, lines))


def _gap_around(log: Log, id_: int) -> LogEntry | None:
    """Return the entry before which the line with this id is left out: one behind a gap, or the
    first of the log; None if the line is newer than all."""
    places = sorted(place for gap in log.gaps if (place := log.place_of(gap)) is not None)
    for place in [0, *places]:
        newer = log.id_from(place)
        if newer is not None and newer > id_:
            return log.entries[place]
    return None
