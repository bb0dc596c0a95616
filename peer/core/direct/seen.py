"""Seen marks (clause 6.15): how far the user has seen what a person said, told to them, and the same
of what we said, told by them; only to those who do it, too."""

from typing import Final

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import Seen, Target
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.context import Context
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.records import MarkMoved
from chatapp.wire.messages.direct import SeenUpTo, encode_frame

TOLD_SPAN: Final = 1.0
"""Seconds in which a person is told at most one mark, and the user at most one of each person."""
TOLD_AGAIN_AFTER: Final = (2.0, 8.0)
"""Seconds until a mark is told once more, and until it is told for the last time: nobody
acknowledges it."""
TIMES_TOLD: Final = 1 + len(TOLD_AGAIN_AFTER)


class SeenMarks:
    """The seen marks between the user and everybody else. Nothing happens unless the user has asked
    for them."""

    def __init__(self, ctx: Context, contacts: Contacts, transport: PeerTransport) -> None:
        self.is_on: Final = ctx.gives_marks
        self._ctx: Final = ctx
        self._contacts: Final = contacts
        self._transport: Final = transport
        self._to_tell: dict[bytes, Contact] = {}
        """Those who are to be told a mark, now or once more."""
        self._to_report: dict[bytes, Contact] = {}
        """Those whose newest mark the user was not told."""
        self._alarm: Final = ctx.alarms.add(self._ring)

    def user_saw(self, contact: Contact, number: int, *, now: float) -> None:
        """Note that the user has seen what a person said up to this number, while marks are on."""
        assert contact.conversation is not None
        marks = contact.conversation.marks
        if number > marks.given and not self._is_shunned(contact):
            marks.given = number
            self._ctx.out.records.append(MarkMoved(contact.identity, number, is_ours=False))
            if marks.is_mutual:
                self._tell_soon(contact, now)
            elif contact.identity not in self._to_tell:
                # they may not have heard yet that we give marks
                self._tell_soon(contact, now, times=1)

    def heard(self, contact: Contact, *, is_return: bool, now: float) -> None:
        """Note that something of a person was opened, while marks are on. `is_return`: they began a
        new session, so they may have stopped to give marks, and are told anew that we do."""
        assert contact.conversation is not None
        marks = contact.conversation.marks
        if is_return:
            marks.is_offered = marks.is_mutual = False
        if not marks.is_offered:
            marks.is_offered = True
            self._tell_soon(contact, now)

    def arrived(self, contact: Contact, number: int, *, now: float) -> None:
        """Take a mark of a person: it counts if we have said so much, and is newer than the last
        one."""
        if not self.is_on or contact.conversation is None or self._is_shunned(contact):
            return
        marks = contact.conversation.marks
        if not marks.is_mutual:
            marks.is_mutual = True
            self._tell_soon(contact, now)
        if number > contact.conversation.outgoing.last:
            self._ctx.dropped["mark of nothing"] += 1
        elif number > marks.got:
            marks.got = number
            self._to_report[contact.identity] = contact
            self._alarm.no_later_than(max(now, marks.reported_at + TOLD_SPAN))

    def let_go(self, contact: Contact) -> None:
        """Forget a contact whose key was replaced."""
        self._to_tell.pop(contact.identity, None)
        self._to_report.pop(contact.identity, None)

    # --- inside

    def _is_shunned(self, contact: Contact) -> bool:
        return contact.is_blocked or contact.identity in self._contacts.ignored

    def _tell_soon(self, contact: Contact, now: float, *, times: int = TIMES_TOLD) -> None:
        assert contact.conversation is not None
        marks = contact.conversation.marks
        marks.times_told = TIMES_TOLD - times
        marks.tell_at = max(now, marks.told_at + TOLD_SPAN)
        self._to_tell[contact.identity] = contact
        self._alarm.no_later_than(marks.tell_at)

    def _ring(self, *, now: float) -> None:
        for contact in list(self._to_tell.values()):
            self._tell(contact, now)
        for contact in list(self._to_report.values()):
            self._report(contact, now)

    def _tell(self, contact: Contact, now: float) -> None:
        """Send the newest mark if it is due. To somebody who gives none, it only says that we
        do."""
        assert contact.conversation is not None
        marks, identity = contact.conversation.marks, contact.identity
        if marks.tell_at > now:
            self._alarm.no_later_than(marks.tell_at)
            return
        if not self._is_shunned(contact) and self._transport.sessions.is_in_use(identity):
            frame = SeenUpTo(marks.given if marks.is_mutual else 0)
            contact.conversation.delivery.queue_frame(encode_frame(frame))
            self._transport.active[identity] = contact
        marks.told_at = now
        marks.times_told += 1
        if marks.times_told == TIMES_TOLD:
            del self._to_tell[identity]
            return
        marks.tell_at = now + TOLD_AGAIN_AFTER[marks.times_told - 1]
        self._alarm.no_later_than(marks.tell_at)

    def _report(self, contact: Contact, now: float) -> None:
        assert contact.conversation is not None
        marks = contact.conversation.marks
        due = marks.reported_at + TOLD_SPAN
        if due > now:
            self._alarm.no_later_than(due)
            return
        del self._to_report[contact.identity]
        marks.reported_at = now
        self._ctx.out.records.append(MarkMoved(contact.identity, marks.got, is_ours=True))
        target = Target(b"", marks.got)
        self._ctx.out.events.append(Seen(conversation=person(contact.name), target=target))
