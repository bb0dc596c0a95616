"""The delivery ladder: how each of our direct messages climbs from one way to the next.

A message climbs when its rung failed or cannot work, and starts again at the first when something
changes: the table, the link, a sign of life. Every copy has the same number, so the recipient shows
the message once, whichever copy comes first. `Ladder` decides when to move, `DeliveryPaths` carries
it out.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageReason, MessageState, Unacknowledged
from chatapp.peer.api.trace import TraceEvent
from chatapp.peer.core.contacts import RELAY_STICKS_FOR, Contact
from chatapp.peer.core.context import Context, People, RegistryReach
from chatapp.peer.core.conversation import Conversation, DeliveryPath, Message, bodies_of
from chatapp.peer.core.direct.mail import LOOK_SPAN, MailQueue, is_overdue
from chatapp.peer.core.records import (
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Related,
    StoredOutgoing,
)
from chatapp.wire.messages.direct import ReportSilence

MAIL_FIRST_FOR: Final = 2.0
"""Seconds that the registry has to hand over a saved message to a recipient who is back, before its
sender gives it straight in case it was lost there."""


class DeliveryPaths:
    """Puts messages on the rungs of the ladder."""

    def __init__(self, ctx: Context, mail_queue: MailQueue) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self.mail_queue: Final = mail_queue
        self._settlement: Final = mail_queue.settlement
        self.begun: dict[bytes, Contact] = {}
        self.mail_first: Final[dict[bytes, float]] = {}
        """Until when the registry may hand over its copy, for each recipient who is back."""

    def contacts_begun(self) -> dict[bytes, Contact]:
        """Return, once, the contacts whose streams have been given something to send, with the
        floor to go with it."""
        begun, self.begun = self.begun, {}
        for contact in begun.values():
            if contact.conversation is not None:
                contact.conversation.tell_floor()
        return begun

    def go_straight(self, contact: Contact, conversation: Conversation, *, now: float) -> None:
        """Put all waiting messages on rung 1, the direct way.

        Saved messages go along when a newer one goes: the recipient then gets the stream in order,
        and drops the copy from the mailbox. Alone they stay where they are, unless they are overdue
        or the registry may have lost them and hands nothing over."""
        outgoing = conversation.outgoing
        idle = outgoing.in_order()
        if not idle:
            return
        if idle[-1].state is MessageState.SAVED and all(
            one.state is MessageState.SAVED for one in idle
        ):
            wall = self._ctx.traces.seconds(now)
            if not any(is_overdue(message, wall=wall) for message in idle):
                if not any(message.may_be_lost for message in idle):
                    return
                if now < self.mail_first.setdefault(contact.identity, now + MAIL_FIRST_FOR):
                    return
        self.mail_first.pop(contact.identity, None)
        is_relaying = self._ctx.status.reach is RegistryReach.UP and now < contact.relay_until
        path = DeliveryPath.RELAYED if is_relaying else DeliveryPath.STRAIGHT
        deadline = now + self._ctx.policy.give_up_after if is_relaying else None
        outgoing.move_idle(path, deadline)
        self._ctx.traces.sent(idle, now)
        if is_relaying:
            for message in idle:
                self._ctx.traces.note(message, TraceEvent.RELAYED, now)
        conversation.delivery.send_all(bodies_of(idle), now=now)
        self.begun[contact.identity] = contact

    def relay(
        self, contact: Contact, conversation: Conversation, message: Message, *, now: float
    ) -> None:
        """Put a message on rung 2: the same datagrams also go through the registry, for two more
        timeouts."""
        contact.relay_until = now + RELAY_STICKS_FOR
        conversation.outgoing.move(
            message, DeliveryPath.RELAYED, now + 2 * self._ctx.policy.ack_timeout
        )
        self._ctx.traces.note(message, TraceEvent.RELAYED, now)
        conversation.delivery.send(message.number, message.body, now=now)
        self.begun[contact.identity] = contact

    def go_by_mail(self, contact: Contact, conversation: Conversation, *, now: float) -> None:
        """Put all unsettled messages on rung 3, mail: the recipient is away, so nobody would answer
        on a lower rung."""
        for message in conversation.outgoing:
            if message.path not in (DeliveryPath.MAIL, DeliveryPath.LINE):
                self.withdraw(contact, conversation, message, now=now)
        self.mail_queue.deposit(now=now)

    def withdraw(
        self, contact: Contact, conversation: Conversation, message: Message, *, now: float
    ) -> None:
        """Take a message out of the delivery stream, and let it fall back."""
        conversation.delivery.withdraw(message.number)
        self.fall_back(contact, conversation, message, now=now)

    def fall_back(
        self, contact: Contact, conversation: Conversation, message: Message, *, now: float
    ) -> None:
        """Send the message by mail, keep it in our outbox, or wait until the registry's state is
        known: the direct ways failed."""
        conversation.outgoing.move(message, DeliveryPath.WAITING)
        if message.state is MessageState.SAVED or message.is_again:
            return
        if self._ctx.status.reach is RegistryReach.UP and not contact.is_blocked:
            self._to_mail(contact, conversation, message, now)
        elif self._ctx.status.reach is not RegistryReach.SEEKING:
            self._settlement.kept(contact, message, now=now)

    def keep_tried(self, contact: Contact, conversation: Conversation, *, now: float) -> None:
        """Put the waiting messages on rung 4, kept: the registry is lost, or the recipient's key is
        in doubt."""
        for message in list(conversation.outgoing.idle.values()):
            self._settlement.kept(contact, message, now=now)

    def refuse_tried(self, contact: Contact, conversation: Conversation, *, now: float) -> None:
        """Refuse the waiting messages: there is no card to which they could be sealed."""
        for message in list(conversation.outgoing.idle.values()):
            self._settlement.refused(contact, message, MessageReason.BAD_CARD, now=now)

    def stop(self, conversation: Conversation) -> None:
        """Stop sending: we go offline."""
        for message in conversation.outgoing:
            if message.path is not DeliveryPath.LINE:
                conversation.delivery.withdraw(message.number)
                conversation.outgoing.move(message, DeliveryPath.WAITING)

    def _to_mail(
        self, contact: Contact, conversation: Conversation, message: Message, now: float
    ) -> None:
        reason = self.mail_queue.refusal_of(contact)
        if reason is not None:
            self._settlement.kept(contact, message, reason, now=now)
            return
        conversation.outgoing.move(message, DeliveryPath.MAIL)
        self._ctx.traces.note(message, TraceEvent.MAILED, now)
        is_again = self.mail_queue.add(contact, message)
        if not is_again:
            self._out.events.append(
                Unacknowledged(conversation=person(contact.name), id=message.id)
            )


RETRY_SPAN: Final = 30.0
"""Seconds between retries of kept messages while the registry is away. Nobody else could tell us
that the recipient is back."""

FIRST_TOLD: Final = 3
"""The first retry that the stream reports at once; a second attempt is too common to be worth an
event."""


AGAIN_SPAN: Final = 1.0
"""Seconds between two times at which messages that one recipient may have lost are read from our
history."""


class LostMessages(NamedTuple):
    """Our delivered messages to a person with numbers in [first, end), who may have lost them."""

    contact: Contact
    first: int
    end: int


class Ladder:
    """Moves all our unsettled messages from rung to rung."""

    def __init__(self, ctx: Context, people: People, paths: DeliveryPaths) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._people: Final = people
        self._paths = paths
        self._mail_queue: Final = paths.mail_queue
        self.settlement: Final = paths.mail_queue.settlement
        self._waiting: Final = self.settlement.waiting
        self._expiry_at = 0.0
        self._retry_at = 0.0
        self.started: dict[bytes, Contact] = {}
        """Contacts to whom messages were begun in this turn."""
        self._renumbered: dict[bytes, Contact] = {}
        """Contacts whose messages have just got their numbers, which are not on disk yet."""
        self.may_have_lost: Final[dict[bytes, Contact]] = {}
        """Contacts whose delivered messages are to be read from our history, and given to them
        again."""
        self._given_at: dict[bytes, float] = {}
        """When that was done for each contact the last time."""
        self._rang_at = 0.0

    # --- what happens

    def begin(
        self,
        contact: Contact,
        conversation: Conversation,
        text: str,
        related: Related | None = None,
        *,
        wall: float,
    ) -> Message:
        """Begin a message to somebody else. `start_begun` puts it on its way, or keeps it."""
        id_ = self._out.new_id()
        message = conversation.outgoing.add(
            text, wall=wall, ahead=self._ctx.status.clock_ahead, id_=id_, related=related
        )
        self._out.records.append(
            OutgoingAdded(
                contact.identity, message.number, message.at_ms, text, id_, message.related
            )
        )
        self._waiting[contact.identity] = self.started[contact.identity] = contact
        return message

    def start_begun(self, *, now: float) -> None:
        """Put the messages that were begun in this turn on their way: all to one person at once."""
        while self.started:
            _, contact = self.started.popitem()
            self.climb(contact, now=now)

    def number(self, contact: Contact, *, now: float) -> None:
        """Give numbers to the messages that wait for them, if it is known where our numbers begin.
        They are sent when the numbers are on disk: after a crash we would otherwise send them again
        under other numbers."""
        conversation = contact.conversation
        assert conversation is not None
        numbers = conversation.outgoing.number(
            wall=self._ctx.traces.seconds(now), ahead=self._ctx.status.clock_ahead
        )
        for provisional, number in numbers.items():
            conversation.delivery.withdraw(provisional)
            self._out.records.append(
                OutgoingMoved(contact.identity, provisional, contact.identity, number)
            )
        if numbers:
            self._renumbered[contact.identity] = contact
            self._out.has_numbered = True

    def number_all(self, *, now: float) -> None:
        """Give numbers to all messages that wait for them, as the registry's clock is known."""
        for contact in list(self._waiting.values()):
            self.climb(contact, now=now)

    def numbers_stored(self, *, now: float) -> None:
        """Send the messages that waited for their numbers to be on disk."""
        renumbered, self._renumbered = self._renumbered, {}
        for contact in renumbered.values():
            self.climb(contact, now=now)

    def redirect(
        self, old: Contact, new: Contact, conversation: Conversation, *, wall: float, now: float
    ) -> None:
        """Send what is still ours to another key. Saved mail stays sealed to the old key: the
        registry has it, and its reader may have fetched it long ago."""
        before = old.conversation
        numbers: dict[int, int] = {}
        for message in before.outgoing if before is not None else ():
            assert before is not None
            if (
                message.state is MessageState.SAVED
                or message.is_again
                or message.path is DeliveryPath.LINE
            ):
                continue
            before.delivery.withdraw(message.number)
            before.outgoing.settle(message, MessageState.REFUSED)
            again = conversation.outgoing.add(
                message.text,
                wall=wall,
                ahead=self._ctx.status.clock_ahead,
                id_=message.id,
                related=None
                if message.related is None
                else message.related.moved(numbers, stream=new.identity),
            )
            numbers[message.number] = again.number
            again.at_ms, again.steps = message.at_ms, message.steps
            trace = self._ctx.traces.changed(again, TraceEvent.REDIRECTED, now)
            self._out.records += [
                OutgoingMoved(old.identity, message.number, new.identity, again.number),
                OutgoingChanged(new.identity, again.number, again.state, trace),
            ]
        self._waiting.pop(old.identity, None)
        self.settlement.adopt(old)  # saved mail may still expire
        self.settlement.adopt(new)
        self.climb(new, now=now)

    def reach_changed(self, *, now: float) -> None:
        """Act on whether the registry can be reached: keep, stop, or try again all that waits."""
        reach = self._ctx.status.reach
        self._retry_at = now + RETRY_SPAN
        if reach is not RegistryReach.UP:
            self._mail_queue.recall()
        for contact in list(self._waiting.values()):
            conversation = contact.conversation
            if conversation is None:
                continue
            if reach is RegistryReach.LOST:
                self._paths.keep_tried(contact, conversation, now=now)
            elif reach is RegistryReach.NONE:
                self._paths.stop(conversation)
            else:
                self.climb(contact, now=now)
        if reach is RegistryReach.UP:
            self._ask_for_expired(now)

    def climb(self, contact: Contact, *, now: float) -> None:
        """Move every waiting message of a contact as far as it can go now. Call this when something
        changed."""
        conversation, reach = contact.conversation, self._ctx.status.reach
        if conversation is None or reach is RegistryReach.NONE:
            return
        if conversation.outgoing.unsynced.lost is not None:
            self.may_have_lost[contact.identity] = contact
        if not conversation.outgoing.messages:
            return
        if conversation.outgoing.has_provisional:
            self.number(contact, now=now)
        if contact.identity in self._renumbered:
            return
        if contact.is_blocked:
            self._paths.keep_tried(contact, conversation, now=now)
        elif not contact.is_current and self._waits_for_card(contact, conversation, now):
            return
        elif (
            reach is RegistryReach.UP and not contact.is_online and not contact.may_answer
        ):  # mostly the recipient is online, and `may_answer` is not called
            self._paths.mail_first.pop(contact.identity, None)
            self._paths.go_by_mail(contact, conversation, now=now)
        else:
            if self._mail_queue.pauses:  # the recipient is here and empties the mailbox
                self._mail_queue.pauses.pop(contact.identity, None)
            self._paths.go_straight(contact, conversation, now=now)

    def _waits_for_card(self, contact: Contact, conversation: Conversation, now: float) -> bool:
        """Return whether nothing can be sent to somebody before their newest card is here. Without
        the registry, the one that we have has to do."""
        reach = self._ctx.status.reach
        if reach is RegistryReach.UP:
            if self._people.awaits_card(contact):
                return True
            if contact.is_bare:
                self._paths.refuse_tried(contact, conversation, now=now)
        elif contact.is_bare and reach is RegistryReach.LOST:
            self._paths.keep_tried(contact, conversation, now=now)
        return contact.is_bare

    # --- what the registry or a recipient may have lost

    def registry_restarted(self) -> None:
        """Note that the registry was started again: if that was from a backup, letters saved since
        are lost. Each goes straight to its recipient once they are there and the registry has had
        time to hand it over; they drop it if they have it."""
        for contact in self._waiting.values():
            for message in (
                contact.conversation.outgoing if contact.conversation is not None else ()
            ):
                message.may_be_lost = message.state is MessageState.SAVED

    def lost(self, *, now: float) -> list[LostMessages]:
        """Return, once, where to look for delivered messages that their recipients may have lost.
        Nobody makes us look more often than every AGAIN_SPAN, or before the last ones have
        arrived."""
        reach, wanted = self._ctx.status.reach, []
        for identity, contact in list(self.may_have_lost.items()):
            if now < self._given_at.get(identity, -AGAIN_SPAN) + AGAIN_SPAN:
                continue
            del self.may_have_lost[identity]  # the next climb asks for what is left
            is_there = (
                contact.is_online if reach is RegistryReach.UP else reach is RegistryReach.LOST
            )
            assert contact.conversation is not None
            outgoing = contact.conversation.outgoing
            if (
                outgoing.unsynced.lost is not None
                and not outgoing.again
                and is_there
                and not contact.is_blocked
            ):
                self._given_at[identity] = now
                wanted.append(LostMessages(contact, *outgoing.unsynced.lost))
        return wanted

    def give_again(
        self, contact: Contact, found: Sequence[StoredOutgoing], *, is_all: bool, now: float
    ) -> None:
        """Send delivered messages once more, as if they were kept; those that are not lost are
        dropped as repeats. `is_all`: there are no others."""
        assert contact.conversation is not None
        contact.conversation.outgoing.give_again(found, is_all=is_all)
        self.settlement.adopt(contact)
        self.climb(contact, now=now)

    def tried_again(self, contact: Contact, number: int, tries: int, *, now: float) -> None:
        """Record retry number `tries`."""
        conversation = contact.conversation
        message = conversation.outgoing.messages.get(number) if conversation is not None else None
        if message is None or message.path is DeliveryPath.LINE:
            return
        if (
            tries == FIRST_TOLD
        ):  # the stream did not report the attempt before this one, a timeout earlier
            self._ctx.traces.note(
                message, TraceEvent.SENT, now - self._ctx.policy.ack_timeout, tries - 1
            )
        self._ctx.traces.note(message, TraceEvent.SENT, now, tries)

    def gave_up(self, contact: Contact, number: int, *, now: float) -> None:
        """Handle a message whose attempts all went unanswered: relay it if it was not, else let it
        fall back."""
        conversation = contact.conversation
        message = conversation.outgoing.messages.get(number) if conversation is not None else None
        if (
            conversation is None
            or message is None
            or message.path not in (DeliveryPath.STRAIGHT, DeliveryPath.RELAYED)
        ):
            return
        contact.is_expected = False
        is_reader_here = self._ctx.status.reach is RegistryReach.UP and contact.is_online
        if is_reader_here:
            self._report(contact)
        can_relay = is_reader_here and message.state is not MessageState.SAVED
        if can_relay and message.path is DeliveryPath.STRAIGHT:
            self._paths.relay(contact, conversation, message, now=now)
        else:
            self._paths.fall_back(contact, conversation, message, now=now)
        self._mail_queue.deposit(now=now)

    def _report(self, contact: Contact) -> None:
        """Tell the registry that an online recipient does not answer, once a turn; it probes
        them."""
        report = ReportSilence(contact.identity)
        if report not in self._out.requests:
            self._out.requests.append(report)

    def relay_failed(self, contact: Contact, *, now: float) -> None:
        """Send by mail, at once, what was relayed: the registry has no link to the recipient."""
        contact.relay_until = 0.0
        conversation = contact.conversation
        if conversation is None:
            return
        for message in _relayed(conversation):
            self._paths.withdraw(contact, conversation, message, now=now)
        self._mail_queue.deposit(now=now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Send by mail what was relayed long enough, retry kept messages, and probe full
        mailboxes."""
        self._rang_at = now
        reach = self._ctx.status.reach
        if reach is RegistryReach.UP and now >= self._expiry_at:
            self._ask_for_expired(now)
        if reach is RegistryReach.LOST and now >= self._retry_at:
            self._retry_at = now + RETRY_SPAN
            for contact in list(self._waiting.values()):
                self.climb(contact, now=now)
        for contact in list(self._waiting.values()):
            conversation = contact.conversation
            if not contact.relay_until or conversation is None:
                continue  # mostly nothing of theirs was ever relayed
            for message in _relayed(conversation):
                if message.deadline is not None and now >= message.deadline:
                    self._paths.withdraw(contact, conversation, message, now=now)
        for identity, due in list(self._paths.mail_first.items()):
            if now >= due:
                if identity in self._waiting:
                    self.climb(self._waiting[identity], now=now)
                self._paths.mail_first.pop(identity, None)
        for contact in self._mail_queue.due(now=now) if self._mail_queue.pauses else ():
            if reach is RegistryReach.UP:
                self.climb(contact, now=now)
        self._mail_queue.deposit(now=now)

    def next_timer(self) -> float | None:
        """Return the earliest deadline: of a relayed message, a retry, a probe, or the search for
        expired mail."""
        dues = [
            message.deadline
            for contact in self._waiting.values()
            if contact.relay_until and contact.conversation is not None
            for message in _relayed(contact.conversation)
            if message.deadline is not None
        ]
        if self._waiting and self._ctx.status.reach is RegistryReach.LOST:
            dues.append(self._retry_at)
        if self._waiting and self._ctx.status.reach is RegistryReach.UP:
            dues.append(self._expiry_at)
        given = (
            self._given_at.get(identity, -AGAIN_SPAN) + AGAIN_SPAN
            for identity in self.may_have_lost
        )
        dues += self._paths.mail_first.values()
        dues += [due for due in given if due > self._rang_at]  # for the others, each turn asks
        if self._mail_queue.pauses and (mail_at := self._mail_queue.next_timer()) is not None:
            dues.append(mail_at)
        return min(dues, default=None)

    @property
    def is_settled(self) -> bool:
        """Return whether nothing is on its way: each message is delivered, saved, kept or refused,
        or we are offline."""
        return self._ctx.status.reach is RegistryReach.NONE or (
            not self._renumbered
            and all(
                message.state in (MessageState.KEPT, MessageState.SAVED)
                and message.path is DeliveryPath.WAITING
                for contact in self._waiting.values()
                if contact.conversation is not None
                for message in contact.conversation.outgoing.messages.values()
            )
        )

    def _ask_for_expired(self, now: float) -> None:
        self._expiry_at = now + LOOK_SPAN
        self.settlement.ask_for_expired(now=now)


def _relayed(conversation: Conversation) -> list[Message]:
    return [
        message
        for message in conversation.outgoing.messages.values()
        if message.path is DeliveryPath.RELAYED
    ]
