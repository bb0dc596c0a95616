"""This file is about what becomes of each of our direct messages: stored, told, and forgotten when it is final.

It knows who has messages that are not final. It must not know by which way a message went, nor when it is tried again.
"""

from collections.abc import Iterable
from typing import Final

from peer.core.contact import Contact
from peer.core.conversation import Conversation, Message, Rung
from peer.core.events import Delivered, Expired, Kept, Refused, Saved
from peer.core.expiry import was_never_fetched
from peer.core.outputs import Outputs
from peer.core.reach import Outlook
from peer.core.records import OutgoingChanged
from peer.core.standing import Standing
from peer.core.trail import SENT_AT_ONCE, Stored, Trails, What
from wire.delivery.events import Acknowledged
from wire.limits import MAIL_KEPT_FOR
from wire.messages.mail import AskMail

ASKED_AT_ONCE: Final = 256
"""Letters to one person of which the registry is asked at once; of others, at the next look."""

KEY_IN_DOUBT: Final = "the key shown for this name has changed"
NEVER_FETCHED: Final = "it was never fetched and has expired"


class Settling:
    """All our unsettled messages to everybody, and how each ends."""

    def __init__(self, outputs: Outputs, trails: Trails, outlook: Outlook) -> None:
        self._out = outputs
        self._trails = trails
        self._outlook = outlook
        self.waiting: Final[dict[bytes, Contact]] = {}
        """Contacts with a message that is not final."""

    def adopt(self, contact: Contact) -> None:
        """A contact with messages from an earlier life, or from another key."""
        if contact.conversation is not None and contact.conversation.outgoing.messages:
            self.waiting[contact.identity] = contact

    def acknowledged(
        self, contact: Contact, answers: Iterable[Acknowledged], *, through_server: bool, now: float
    ) -> None:
        """The recipient has stored these, and the courier tries them no more."""
        talk = contact.conversation
        if talk is None:
            return
        outgoing, out, name = talk.outgoing, self._out, contact.name
        at_once = self._trails.milliseconds(now)  # once for all: most are acknowledged so, and many at a time
        for answer in answers:
            number = answer.number
            message = outgoing.messages.get(number)
            if message is None:
                continue
            was_saved = message.standing is Standing.SAVED
            trail: Stored = at_once
            if through_server or answer.sends != 1 or message.steps is not SENT_AT_ONCE:
                more = (answer.sends, int(answer.after * 1_000), int(through_server))
                trail = self._trails.changed(message, What.ACKNOWLEDGED, now, *more)
            outgoing.settle(message, Standing.DELIVERED)
            out.records.append(OutgoingChanged(contact.identity, number, Standing.DELIVERED, trail))
            if not was_saved:  # whoever read "saved" need not hear of it again
                out.events.append(Delivered(to=name, number=number, through_server=through_server))
        self._told_of(contact, talk)

    def saved(self, contact: Contact, message: Message, *, now: float) -> None:
        """The registry has it on its disk, as a letter."""
        until = self._trails.seconds(now + MAIL_KEPT_FOR)
        trail = self._trails.changed(message, What.SAVED, now, until)
        self._settle(contact, message, Standing.SAVED, trail)
        self._out.events.append(Saved(to=contact.name, number=message.number))

    def refused(self, contact: Contact, message: Message, reason: str, *, now: float) -> None:
        """It will never arrive."""
        trail = self._trails.changed(message, What.REFUSED, now, reason)
        self._settle(contact, message, Standing.REFUSED, trail)
        self._out.events.append(Refused(to=contact.name, number=message.number, reason=reason))

    def expired(self, contact: Contact, number: int, *, now: float) -> None:
        """A saved letter was never fetched."""
        talk = contact.conversation
        message = talk.outgoing.messages.get(number) if talk is not None else None
        if message is not None:
            trail = self._trails.changed(message, What.EXPIRED, now, NEVER_FETCHED)
            self._settle(contact, message, Standing.EXPIRED, trail)
            self._out.events.append(Expired(to=contact.name, number=number, text=message.text))

    def ask_for_expired(self, *, now: float) -> None:
        """Letters whose expiry nobody was there to tell us of: the registry knows whether it has them. It may have been off
        for as long as we were."""
        wall = self._trails.seconds(now)
        for contact in self.waiting.values():
            messages = contact.conversation.outgoing if contact.conversation is not None else ()
            numbers = [one.number for one in messages if was_never_fetched(contact, one, wall=wall)]
            if numbers:
                self._out.requests.append(AskMail(contact.identity, numbers[:ASKED_AT_ONCE]))

    def kept(self, contact: Contact, message: Message, reason: str = "", *, now: float) -> None:
        """No way is open: it waits in our outbox, which is said once for each `reason`; none: the registry is silent."""
        reason = KEY_IN_DOUBT if contact.is_blocked else reason
        is_first = message.standing is Standing.UNSETTLED
        is_other = bool(reason) and not any(
            step[0] == What.KEPT and step[3:] == (reason,) for step in message.steps
        )
        if message.standing is Standing.SAVED or not (is_first or is_other):
            return
        silent_since = self._outlook.silent_since
        since = self._trails.seconds(now if silent_since is None else silent_since)
        more = (0, reason) if reason else (since,)
        trail = self._trails.changed(message, What.KEPT, now, *more)
        self._change(contact, message, Standing.KEPT, trail)
        self._out.events.append(Kept(to=contact.name, number=message.number, reason=reason))

    def _settle(self, contact: Contact, message: Message, standing: Standing, trail: Stored) -> None:
        talk = contact.conversation
        assert talk is not None
        talk.outgoing.move(message, Rung.WAITING)
        self._change(contact, message, standing, trail)
        talk.courier.withdraw(message.number)
        self._told_of(contact, talk)

    def _change(self, contact: Contact, message: Message, standing: Standing, trail: Stored) -> None:
        assert contact.conversation is not None
        contact.conversation.outgoing.settle(message, standing)
        self._out.records.append(OutgoingChanged(contact.identity, message.number, standing, trail))

    def _told_of(self, contact: Contact, talk: Conversation) -> None:
        """Something was settled: the other end may learn the floor, and where nothing is left, nothing waits."""
        talk.tell_floor()
        if not talk.outgoing.messages:
            self.waiting.pop(contact.identity, None)
