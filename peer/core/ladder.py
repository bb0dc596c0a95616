"""This file is about the ladder: by which way each of our direct messages goes next, until it is settled.

    straight -> relayed -> mail -> kept         (rungs 1 to 4 of docs/architecture.md)

A message goes up a rung when the present one failed or cannot work, and begins again at the first one when
something changed: the table, the link, a sign of life. Every copy carries the same number, so the recipient shows
it once whichever came first. It decides; the courier, the link and the disk do. It must not know sockets or keys.
"""

import enum
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from peer.core.contacts import RELAY_STICKS_FOR, Contact
from peer.core.conversation import Conversation, Message, Outgoing, Rung
from peer.core.events import Delivered, Expired, Kept, Refused, Saved, Unacknowledged
from peer.core.expiry import LOOK_SPAN, is_overdue, was_never_fetched
from peer.core.outputs import Outputs
from peer.core.records import OutgoingAdded, OutgoingChanged, OutgoingMoved, Standing
from peer.core.trail import SENT_AT_ONCE, Stored, Trails, What
from wire.delivery.events import Acknowledged
from wire.delivery.policy import Policy
from wire.errors import SealError
from wire.limits import MAIL_KEPT_FOR
from wire.messages.mail import DepositMail

LETTERS_IN_FLIGHT: Final = 16
BYTES_IN_FLIGHT: Final = 64 * 1024
"""Letters given to the link and not yet confirmed: enough to share one commit, too few to fill a queue."""


RETRY_SPAN: Final = 30.0
"""Seconds between tries of kept messages while the registry is away: the recipient may be back unannounced."""


FIRST_TOLD: Final = 3
"""The first try of which a courier tells when it makes it: a second one is too usual."""

KEY_IN_DOUBT: Final = "the key shown for this name has changed"
NEVER_FETCHED: Final = "it was never fetched and has expired"


class Reach(enum.Enum):
    """What we know of the registry."""

    UP = "the link stands: letters and relaying are possible"
    SEEKING = "not heard of yet, or just lost: wait and see"
    LOST = "it does not answer"
    NONE = "we are offline by our own wish"


WriteLetter = Callable[[Contact, Message], bytes]
"""Seals a message as a letter. Raises SealError."""


class Ladder:
    """All our unsettled messages to everybody."""

    def __init__(self, policy: Policy, outputs: Outputs, write_letter: WriteLetter, trails: Trails) -> None:
        self._policy = policy
        self._out = outputs
        self._write_letter = write_letter
        self._trails = trails
        self.silent_since: float | None = None
        """Since when the registry is not in reach."""
        self._expiry_at = 0.0
        self._waiting: dict[bytes, Contact] = {}
        """Contacts with a message that is not final."""
        self._letters: deque[tuple[Contact, Message]] = deque()
        self._posted: dict[int, tuple[Contact, Message, int]] = {}
        self._bytes_posted = 0
        self._reference = 0
        self._retry_at = 0.0
        self._begun: dict[bytes, Contact] = {}
        self.reach = Reach.SEEKING

    # --- what the engine tells

    def adopt(self, contact: Contact) -> None:
        """A contact with messages from an earlier life."""
        if contact.conversation is not None and contact.conversation.outgoing.messages:
            self._waiting[contact.identity] = contact

    def begin(self, contact: Contact, talk: Conversation, text: str, *, wall: float, now: float) -> Message:
        """A new message to somebody else; it is on its way (or kept) when this returns."""
        message = talk.add(text, wall=wall)
        self._out.records.append(OutgoingAdded(contact.identity, message.number, message.at_ms, text))
        self._waiting[contact.identity] = contact
        self.climb(contact, now=now)
        return message

    def redirect(
        self, old: Contact, new: Contact, talk: Conversation, *, wall: float, now: float
    ) -> dict[int, int]:
        """What has not been given away goes to another key: new numbers by the old ones. Saved letters stay as they are,
        sealed to the old key: the registry has them, and their reader may have had them long ago."""
        before, numbers = old.conversation, {}
        for message in before.outgoing if before is not None else ():
            assert before is not None
            if message.standing is Standing.SAVED or message.rung is Rung.LINE:
                continue
            before.courier.withdraw(message.number)
            before.outgoing.settle(message, Standing.REFUSED)
            moved = talk.add(message.text, wall=wall)
            moved.at_ms, moved.steps = message.at_ms, message.steps
            trail = self._trails.changed(moved, What.REDIRECTED, now)
            self._out.records += [
                OutgoingMoved(old.identity, message.number, new.identity, moved.number),
                OutgoingChanged(new.identity, moved.number, moved.standing, trail),
            ]
            numbers[message.number] = moved.number
        self._waiting.pop(old.identity, None)
        self.adopt(new)
        self.climb(new, now=now)
        return numbers

    def set_reach(self, reach: Reach, *, now: float) -> None:
        """The registry came, went, or is being looked for."""
        if reach is self.reach:
            return
        self.reach = reach
        self._retry_at = now + RETRY_SPAN
        if reach is Reach.UP:
            self.silent_since = None
        else:
            self.silent_since = now if self.silent_since is None else self.silent_since
            self._recall_letters()
        for contact in list(self._waiting.values()):
            if reach is Reach.LOST:
                self._keep_tried(contact, now)
            elif reach is Reach.NONE:
                self._stop(contact)
            else:
                self.climb(contact, now=now)
        if reach is Reach.UP:
            self._drop_expired(now)

    def climb(self, contact: Contact, *, now: float) -> None:
        """Something changed for this contact: let every waiting message go as far as it can now."""
        talk = contact.conversation
        if talk is None or self.reach is Reach.NONE or not talk.outgoing.messages:
            return
        if contact.is_blocked:
            self._keep_tried(contact, now)
        elif self.reach is Reach.UP and not contact.may_answer:
            self._go_by_mail(contact, talk, now)
        else:
            self._go_straight(contact, talk, now)

    def tried_again(self, contact: Contact, number: int, tries: int, *, now: float) -> None:
        """A message is sent for the how manieth time in a row."""
        talk = contact.conversation
        message = talk.outgoing.messages.get(number) if talk is not None else None
        if message is None or message.rung is Rung.LINE:
            return
        if tries == FIRST_TOLD:  # the one before was a whole timeout ago, and the courier made no word of it
            self._trails.note(message, What.SENT, now - self._policy.ack_timeout, tries - 1)
        self._trails.note(message, What.SENT, now, tries)

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

    def gave_up(self, contact: Contact, number: int, *, now: float) -> None:
        """All tries of a message went unanswered."""
        talk = contact.conversation
        message = talk.outgoing.messages.get(number) if talk is not None else None
        if talk is None or message is None or message.rung not in (Rung.STRAIGHT, Rung.RELAYED):
            return
        contact.is_expected = False
        can_relay = self.reach is Reach.UP and contact.row.online and message.standing is not Standing.SAVED
        if can_relay and message.rung is Rung.STRAIGHT:
            self._relay(contact, talk, message, now)
        else:
            self._fall_back(contact, message, now)
        self._post(now)

    def relay_failed(self, contact: Contact, *, now: float) -> None:
        """The registry has no link to the recipient: what was relayed becomes mail at once."""
        contact.relay_until = 0.0
        if contact.conversation is None:
            return
        for message in contact.conversation.outgoing:
            if message.rung is Rung.RELAYED:
                contact.conversation.courier.withdraw(message.number)
                self._fall_back(contact, message, now)
        self._post(now)

    def letter_saved(self, reference: int, *, now: float) -> None:
        """The registry has a letter on its disk."""
        posted = self._unpost(reference)
        if posted is not None:
            contact, message = posted
            until = self._trails.seconds(now + MAIL_KEPT_FOR)
            trail = self._trails.changed(message, What.SAVED, now, until)
            self._settle(contact, message, Standing.SAVED, trail)
            self._out.events.append(Saved(to=contact.name, number=message.number))
        self._post(now)

    def letter_refused(self, reference: int, reason: str, *, now: float) -> None:
        """The registry did not take a letter."""
        posted = self._unpost(reference)
        if posted is not None:
            contact, message = posted
            self._refuse(contact, message, reason, now)
        self._post(now)

    def letter_expired(self, contact: Contact, number: int, *, now: float) -> None:
        """A saved letter was never fetched."""
        talk = contact.conversation
        message = talk.outgoing.messages.get(number) if talk is not None else None
        if message is not None:
            trail = self._trails.changed(message, What.EXPIRED, now, NEVER_FETCHED)
            self._settle(contact, message, Standing.EXPIRED, trail)
            self._out.events.append(Expired(to=contact.name, number=number, text=message.text))

    def _drop_expired(self, now: float) -> None:
        """Letters whose expiry nobody was there to tell us of."""
        self._expiry_at = now + LOOK_SPAN
        wall = self._trails.seconds(now)
        for contact in list(self._waiting.values()):
            for message in self._outgoing(contact):
                if was_never_fetched(contact, message, wall=wall):
                    self.letter_expired(contact, message.number, now=now)

    # --- time

    def contacts_begun(self) -> dict[bytes, Contact]:
        """Drained: whose couriers have been given something to send, and the floor to go with it."""
        begun, self._begun = self._begun, {}
        for contact in begun.values():
            if contact.conversation is not None:
                contact.conversation.tell_floor()
        return begun

    def handle_timer(self, *, now: float) -> None:
        """Messages that were relayed long enough become mail; kept ones are tried again now and then."""
        if self.reach is Reach.UP and now >= self._expiry_at:
            self._drop_expired(now)
        if self.reach is Reach.LOST and now >= self._retry_at:
            self._retry_at = now + RETRY_SPAN
            for contact in list(self._waiting.values()):
                self.climb(contact, now=now)
        for contact in list(self._waiting.values()):
            for message in self._relayed(contact):
                if message.deadline is not None and now >= message.deadline:
                    assert contact.conversation is not None
                    contact.conversation.courier.withdraw(message.number)
                    self._fall_back(contact, message, now)
        self._post(now)

    def next_timer(self) -> float | None:
        """The earliest deadline of a relayed message, or the next try of kept ones."""
        dues = [
            message.deadline
            for contact in self._waiting.values()
            if contact.relay_until
            for message in self._relayed(contact)
            if message.deadline is not None
        ]
        if self._waiting and self.reach is Reach.LOST:
            dues.append(self._retry_at)
        if self._waiting and self.reach is Reach.UP:
            dues.append(self._expiry_at)
        return min(dues, default=None)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way: all is delivered, saved, kept or refused; or we are offline, and all waits."""
        return self.reach is Reach.NONE or all(
            message.standing in (Standing.KEPT, Standing.SAVED) and message.rung is Rung.WAITING
            for contact in self._waiting.values()
            if contact.conversation is not None
            for message in contact.conversation.outgoing.messages.values()
        )

    # --- the rungs

    def _go_straight(self, contact: Contact, talk: Conversation, now: float) -> None:
        """Rung 1 for all that waits. Saved letters go along when something newer does: the recipient then has the
        whole stream in order, and drops its second copy."""
        outgoing = talk.outgoing
        idle = outgoing.in_order()
        if not idle:
            return
        if idle[-1].standing is Standing.SAVED and all(one.standing is Standing.SAVED for one in idle):
            wall = self._trails.seconds(now)
            if not any(is_overdue(message, wall=wall) for message in idle):
                return
        is_relaying = self.reach is Reach.UP and now < contact.relay_until
        rung = Rung.RELAYED if is_relaying else Rung.STRAIGHT
        deadline = now + self._policy.give_up_after if is_relaying else None
        at = self._trails.milliseconds(now)
        for message in idle:
            outgoing.move(message, rung, deadline)
            self._trails.sent(message, now, at)
            if is_relaying:
                self._trails.note(message, What.RELAYED, now)
            talk.courier.send(message.number, message.body, now=now)
        self._begun[contact.identity] = contact

    def _relay(self, contact: Contact, talk: Conversation, message: Message, now: float) -> None:
        """Rung 2: the same datagrams over both links as well, for two more timeouts."""
        contact.relay_until = now + RELAY_STICKS_FOR
        talk.outgoing.move(message, Rung.RELAYED, now + 2 * self._policy.ack_timeout)
        self._trails.note(message, What.RELAYED, now)
        talk.courier.send(message.number, message.body, now=now)
        self._begun[contact.identity] = contact

    def _go_by_mail(self, contact: Contact, talk: Conversation, now: float) -> None:
        """Rung 3 for all that is not settled, when the recipient is away: nobody is there to answer lower rungs."""
        for message in talk.outgoing:
            if message.rung not in (Rung.MAIL, Rung.LINE):
                talk.courier.withdraw(message.number)
                self._fall_back(contact, message, now)
        self._post(now)

    def _keep_tried(self, contact: Contact, now: float) -> None:
        """The registry is lost, or the recipient's key is in doubt: what is not on a straight way stays with us."""
        for message in list(self._outgoing(contact).idle.values()):
            self._keep(contact, message, now)

    def _stop(self, contact: Contact) -> None:
        """We go offline: nothing is sent until we are back."""
        talk = contact.conversation
        for message in talk.outgoing if talk is not None else ():
            assert talk is not None
            if message.rung is not Rung.LINE:
                talk.courier.withdraw(message.number)
                talk.outgoing.move(message, Rung.WAITING)

    def _fall_back(self, contact: Contact, message: Message, now: float) -> None:
        """The straight ways failed: mail, or our own outbox, or wait until it is known which."""
        self._outgoing(contact).move(message, Rung.WAITING)
        if message.standing is Standing.SAVED:
            return
        if self.reach is Reach.UP and not contact.is_blocked:
            self._to_mail(contact, message, now)
        elif self.reach is not Reach.SEEKING:
            self._keep(contact, message, now)

    def _to_mail(self, contact: Contact, message: Message, now: float) -> None:
        self._outgoing(contact).move(message, Rung.MAIL)
        self._trails.note(message, What.MAILED, now)
        self._letters.append((contact, message))
        self._out.events.append(Unacknowledged(to=contact.name, number=message.number))

    def _keep(self, contact: Contact, message: Message, now: float) -> None:
        """Rung 4, said once a message."""
        if message.standing is Standing.UNSETTLED:
            since = self._trails.seconds(now if self.silent_since is None else self.silent_since)
            more = (0, KEY_IN_DOUBT) if contact.is_blocked else (since,)
            trail = self._trails.changed(message, What.KEPT, now, *more)
            self._change(contact, message, Standing.KEPT, trail)
            reason = KEY_IN_DOUBT if contact.is_blocked else ""
            self._out.events.append(Kept(to=contact.name, number=message.number, reason=reason))

    def _post(self, now: float) -> None:
        """Give letters to the link, as many as may be unconfirmed at once."""
        while self._letters and self.reach is Reach.UP and len(self._posted) < LETTERS_IN_FLIGHT:
            if self._bytes_posted >= BYTES_IN_FLIGHT:
                return
            contact, message = self._letters.popleft()
            if message.rung is Rung.MAIL:
                self._post_one(contact, message, now)

    def _post_one(self, contact: Contact, message: Message, now: float) -> None:
        try:
            letter = self._write_letter(contact, message)
        except SealError as error:
            self._refuse(contact, message, str(error), now)
            return
        self._reference = self._reference % (2**32 - 1) + 1
        message.reference = self._reference
        self._posted[self._reference] = (contact, message, len(letter))
        self._bytes_posted += len(letter)
        self._out.requests.append(
            DepositMail(
                reference=self._reference, recipient=contact.identity, number=message.number, letter=letter
            )
        )

    def _unpost(self, reference: int) -> tuple[Contact, Message] | None:
        posted = self._posted.pop(reference, None)
        if posted is None:
            return None
        contact, message, size = posted
        self._bytes_posted -= size
        message.reference = None
        if message.number not in self._outgoing(contact).messages:
            return (
                None  # acknowledged while the letter was on its way: delivered is not also saved, or refused
            )
        self._outgoing(contact).move(message, Rung.WAITING)
        return contact, message

    def _recall_letters(self) -> None:
        """The link is gone: letters without an answer wait again; the registry knows a repeat by its number."""
        posted = [(contact, message) for contact, message, _ in self._posted.values()]
        for contact, message in [*posted, *self._letters]:
            if message.rung is Rung.MAIL:
                message.reference = None
                self._outgoing(contact).move(message, Rung.WAITING)
        self._posted.clear()
        self._letters.clear()
        self._bytes_posted = 0

    def _refuse(self, contact: Contact, message: Message, reason: str, now: float) -> None:
        trail = self._trails.changed(message, What.REFUSED, now, reason)
        self._settle(contact, message, Standing.REFUSED, trail)
        self._out.events.append(Refused(to=contact.name, number=message.number, reason=reason))

    def _settle(self, contact: Contact, message: Message, standing: Standing, trail: Stored) -> None:
        talk = contact.conversation
        assert talk is not None
        talk.outgoing.move(message, Rung.WAITING)
        self._change(contact, message, standing, trail)
        talk.courier.withdraw(message.number)
        self._told_of(contact, talk)

    def _told_of(self, contact: Contact, talk: Conversation) -> None:
        """Something was settled: the other end may learn the floor, and where nothing is left, nothing waits."""
        talk.tell_floor()
        if not talk.outgoing.messages:
            self._waiting.pop(contact.identity, None)

    @staticmethod
    def _outgoing(contact: Contact) -> Outgoing:
        assert contact.conversation is not None
        return contact.conversation.outgoing

    def _change(self, contact: Contact, message: Message, standing: Standing, trail: Stored) -> None:
        self._outgoing(contact).settle(message, standing)
        self._out.records.append(OutgoingChanged(contact.identity, message.number, standing, trail))

    @staticmethod
    def _relayed(contact: Contact) -> list[Message]:
        talk = contact.conversation
        if talk is None:
            return []
        return [message for message in talk.outgoing.messages.values() if message.rung is Rung.RELAYED]
