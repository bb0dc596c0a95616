"""This file is about letters and stored lines that the registry hands over: they wait until we know who wrote them.

They name their senders by key, so the rows come first. What is done with them then stands in `inbound` and `lines`.
"""

from peer.core.parts import Parts
from peer.core.rooms import Rooms
from wire.messages.group import GroupPage
from wire.messages.mail import MailBatch


class Returned:
    """What has come and is not taken yet, in order."""

    def __init__(self, parts: Parts, rooms: Rooms) -> None:
        self._table = parts.table
        self._contacts = parts.contacts
        self._inbound = parts.inbound
        self._lines = rooms.lines
        self._waiting: list[MailBatch | GroupPage] = []
        self._known_by = 0
        """The question for rows whose answer brings those of all senders of what waits."""

    def came(self, notice: MailBatch | GroupPage, *, now: float) -> None:
        """A sender may be newer than the table that came with the link: the broadcast of their row may be lost."""
        self._waiting.append(notice)
        of = notice.letters if isinstance(notice, MailBatch) else notice.lines
        if self._table.is_fresh and any(self._contacts.by_identity(one.sender) is None for one in of):
            self._table.fetch_anew(now=now)
            self._known_by = self._table.asked
        self.take(now=now)

    def take(self, *, now: float) -> None:
        """Rows have come, perhaps those of all senders."""
        if not self._table.is_fresh or self._table.answered < self._known_by:
            return
        self._inbound.table_known(now=now)
        waiting, self._waiting = self._waiting, []
        for notice in waiting:
            if isinstance(notice, MailBatch):
                self._inbound.batch_arrived(notice)
            else:
                self._lines.page_came(notice, now=now)

    def link_lost(self) -> None:
        """The registry hands them over again on the next link."""
        self._waiting.clear()
        self._known_by = 0
