"""Sealed mail on its way to the registry, and how each message of ours is settled.

When a mailbox has no room, the letter is kept, and so is everything after it to the same person.
After a pause one letter probes the mailbox; when it is saved, the others follow.
"""

import enum
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageReason, MessageState
from chatapp.peer.api.trace import SENT_AT_ONCE, Stored, TraceEvent
from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.conversation import (
    Conversation,
    DeliveryPath,
    Message,
    OutgoingStream,
)
from chatapp.peer.core.records import OutgoingChanged, OutgoingDelivered, OutgoingOnDisk
from chatapp.wire.delivery.parts import Acknowledged, SyncMark
from chatapp.wire.delivery.ranges import RangeSet
from chatapp.wire.errors import SealError
from chatapp.wire.limits import MAIL_KEPT_FOR
from chatapp.wire.messages.mail import AskMail, DepositMail, LetterBody, MailRefusal
from chatapp.wire.sealing import seal_letter

GRACE: Final = 86_400.0
"""Seconds after its expiry until a letter counts as gone: two clocks may differ, and the registry
expires mail only now and then."""

LOOK_SPAN: Final = 3_600.0
"""Seconds between searches for expired mail while we are online."""


def is_overdue(message: Message, *, wall: float) -> bool:
    """Return whether a saved message is past its time: the registry does not have it any more,
    fetched or expired."""
    return message.state is MessageState.SAVED and wall > _kept_until(message) + GRACE


def was_never_fetched(contact: Contact, message: Message, *, wall: float) -> bool:
    """Return whether the recipient cannot have fetched the message: they have been away since
    before it was saved.

    If they were online since, they may have fetched it: mail is acknowledged only with the next
    direct message."""
    row = contact.row
    is_absent = not row.online and row.since <= _kept_until(message) - MAIL_KEPT_FOR
    return is_absent and is_overdue(message, wall=wall)


def _kept_until(message: Message) -> float:
    untils = [
        step[2] for step in message.steps if step[0] == TraceEvent.SAVED.number and len(step) > 2
    ]
    if untils and isinstance(untils[-1], int):
        return float(untils[-1])
    return (
        message.at_ms / 1_000 + MAIL_KEPT_FOR
    )  # without a trace, counted from the time of writing


ASKED_AT_ONCE: Final = 256
"""How many letters to one person the registry is asked about at a time; the others follow at the
next search."""


class Settlement:
    """Settles our messages: changes their state, stores it, and reports it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self.waiting: Final[dict[bytes, Contact]] = {}
        """Contacts with at least one message that is not final."""

    def adopt(self, contact: Contact) -> None:
        """Take up a contact whose messages are from an earlier run, or were redirected from another
        key."""
        if contact.conversation is None:
            return
        outgoing = contact.conversation.outgoing
        if outgoing.messages or outgoing.unsynced.lost is not None:
            self.waiting[contact.identity] = contact

    def acknowledged(
        self, contact: Contact, answers: Iterable[Acknowledged], *, through_server: bool, now: float
    ) -> None:
        """Settle messages as delivered: the recipient has stored them."""
        conversation = contact.conversation
        if conversation is None:
            return
        out, stream, talk = self._out, contact.identity, person(contact.name)
        # Taken once: many messages come at a time, and most need no other trace. To look for a
        # member of an enum costs as much as a call.
        at_once = self._ctx.traces.milliseconds(now)
        delivered, saved = MessageState.DELIVERED, MessageState.SAVED
        usual: list[int] = []
        outgoing = conversation.outgoing
        settled = outgoing.deliver(answers)
        for answer, message in settled:
            if message.is_again:
                outgoing.again.discard(answer.number)
                continue
            if through_server or answer.sends != 1 or message.steps is not SENT_AT_ONCE:
                more = (answer.sends, int(answer.after * 1_000), int(through_server))
                trace = self._ctx.traces.changed(message, TraceEvent.ACKNOWLEDGED, now, *more)
                out.records.append(OutgoingChanged(stream, answer.number, delivered, trace))
            else:
                usual.append(answer.number)
            out.events.append(
                MessageChanged(
                    conversation=talk,
                    id=message.id,
                    state=delivered,
                    through_server=through_server,
                    was_saved=message.state is saved,
                )
            )
            message.state = delivered
        out.records += [
            OutgoingDelivered(stream, first, end - first, at_once)
            for first, end in RangeSet(usual).spans()
        ]
        if settled:
            self._note_syncs(outgoing, settled)
            if outgoing.unsynced.first is None:
                out.records.append(OutgoingOnDisk(stream, outgoing.floor))
        self._told_of(contact, conversation)

    def _note_syncs(
        self, outgoing: OutgoingStream, settled: Sequence[tuple[Acknowledged, Message]]
    ) -> None:
        """Note after which syncs these messages survive a power cut. Mostly one acknowledgement has
        named them all."""
        note, mark = outgoing.unsynced.note, settled[0][0].mark
        if mark is settled[-1][0].mark:
            numbers = [answer.number for answer, _ in settled]
            note(mark, min(numbers), max(numbers) + 1)
        else:
            for answer, _ in settled:
                note(answer.mark, answer.number, answer.number + 1)

    def synced(self, contact: Contact, mark: SyncMark) -> None:
        """Note that a recipient's disk has done this sync: what it covers is finally settled."""
        conversation = contact.conversation
        if conversation is None:
            return
        outgoing = conversation.outgoing
        before = outgoing.floor
        outgoing.unsynced.reported(mark)
        if outgoing.floor > before:
            self._out.records.append(OutgoingOnDisk(contact.identity, outgoing.floor))
            conversation.tell_floor()

    def saved(self, contact: Contact, message: Message, *, now: float) -> None:
        """Settle a message as saved: the registry has it on its disk."""
        until = self._ctx.traces.seconds(now + MAIL_KEPT_FOR)
        trace = self._ctx.traces.changed(message, TraceEvent.SAVED, now, until)
        self._settle(contact, message, MessageState.SAVED, trace)
        self._tell(contact, message, MessageState.SAVED)

    def refused(
        self, contact: Contact, message: Message, reason: MessageReason, *, now: float
    ) -> None:
        """Settle a message as refused: it will never arrive."""
        trace = self._ctx.traces.changed(message, TraceEvent.REFUSED, now, reason.name)
        self._settle(contact, message, MessageState.REFUSED, trace)
        self._tell(contact, message, MessageState.REFUSED, reason)

    def expired(self, contact: Contact, number: int, *, now: float) -> None:
        """Settle a message as expired: its letter was never fetched."""
        conversation = contact.conversation
        message = conversation.outgoing.messages.get(number) if conversation is not None else None
        if message is not None:
            trace = self._ctx.traces.changed(
                message, TraceEvent.EXPIRED, now, MessageReason.NEVER_FETCHED.name
            )
            self._settle(contact, message, MessageState.EXPIRED, trace)
            self._tell(
                contact, message, MessageState.EXPIRED, MessageReason.NEVER_FETCHED, message.text
            )

    def ask_for_expired(self, *, now: float) -> None:
        """Ask the registry whether it still has letters that should have expired. It told nobody if
        we were away, or if it was itself off at the time."""
        wall = self._ctx.traces.seconds(now)
        for contact in self.waiting.values():
            messages = contact.conversation.outgoing if contact.conversation is not None else ()
            numbers = [one.number for one in messages if was_never_fetched(contact, one, wall=wall)]
            if numbers:
                self._out.requests.append(AskMail(contact.identity, numbers[:ASKED_AT_ONCE]))

    def kept(
        self, contact: Contact, message: Message, reason: MessageReason | None = None, *, now: float
    ) -> None:
        """Keep a message in our outbox: no way is open. Each `reason` is reported once; None: the
        registry is silent."""
        if message.is_again:
            return
        reason = MessageReason.KEY_CHANGED if contact.is_blocked else reason
        is_first = message.state is MessageState.UNSETTLED
        is_other = reason is not None and not any(
            step[0] == TraceEvent.KEPT.number and step[3:] == (reason.name,)
            for step in message.steps
        )
        if message.state is MessageState.SAVED or not (is_first or is_other):
            return
        silent_since = self._ctx.status.silent_since
        since = self._ctx.traces.seconds(now if silent_since is None else silent_since)
        more = (since,) if reason is None else (0, reason.name)
        trace = self._ctx.traces.changed(message, TraceEvent.KEPT, now, *more)
        self._change(contact, message, MessageState.KEPT, trace)
        self._tell(contact, message, MessageState.KEPT, reason)

    def _tell(
        self,
        contact: Contact,
        message: Message,
        state: MessageState,
        reason: MessageReason | None = None,
        text: str = "",
    ) -> None:
        self._out.events.append(
            MessageChanged(
                conversation=person(contact.name),
                id=message.id,
                state=state,
                reason=reason,
                text=text,
            )
        )

    def _settle(
        self, contact: Contact, message: Message, state: MessageState, trace: Stored
    ) -> None:
        conversation = contact.conversation
        assert conversation is not None
        conversation.outgoing.move(message, DeliveryPath.WAITING)
        self._change(contact, message, state, trace)
        conversation.delivery.withdraw(message.number)
        self._told_of(contact, conversation)

    def _change(
        self, contact: Contact, message: Message, state: MessageState, trace: Stored
    ) -> None:
        assert contact.conversation is not None
        contact.conversation.outgoing.settle(message, state)
        self._out.records.append(OutgoingChanged(contact.identity, message.number, state, trace))

    def _told_of(self, contact: Contact, conversation: Conversation) -> None:
        """Tell the recipient the new floor, and forget the contact when nothing waits for it any
        more."""
        conversation.tell_floor()
        if not conversation.outgoing.messages and conversation.outgoing.unsynced.lost is None:
            self.waiting.pop(contact.identity, None)


LETTERS_IN_FLIGHT: Final = 16
BYTES_IN_FLIGHT: Final = 64 * 1024
"""Limits for letters given to the link and not yet confirmed: enough to share one commit, too few
to fill its queue."""

PAUSE_FIRST: Final = 60.0
PAUSE_LARGEST: Final = 900.0
"""Seconds until a mailbox that had no room is tried again; each pause is twice as long as the one
before."""

_OF_THE_DISK: Final = (MessageReason.DISK_FULL, MessageReason.DISK_FAILED)


class _Stage(enum.Enum):
    """Where we are with a mailbox that had no room."""

    CLOSED = "no letter goes there until the pause is over"
    OPEN = "the next letter may go, as a probe"
    PROBED = "one letter is on its way; the others wait for its answer"


@dataclass(slots=True)
class _Pause:
    """Why no mail goes into somebody's mailbox, and until when."""

    contact: Contact
    reason: MessageReason
    span: float
    until: float
    stage: _Stage = _Stage.CLOSED


class MailQueue:
    """The mail to all our contacts, in order."""

    def __init__(self, ctx: Context, settlement: Settlement) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self.settlement = settlement
        self._queue: deque[tuple[Contact, Message]] = deque()
        self._deposited: dict[int, tuple[Contact, Message, int]] = {}
        """By reference, with the letter's size."""
        self._bytes_deposited = 0
        self._reference = 0
        self.pauses: Final[dict[bytes, _Pause]] = {}
        """Mailboxes that had no room, by identity."""

    def add(self, contact: Contact, message: Message) -> bool:
        """Queue a message for `deposit`. Return whether it probes a mailbox that had no room.

        `deposit` skips the message if it is delivered some other way first."""
        self._queue.append((contact, message))
        pause = self.pauses.get(contact.identity)
        if pause is None:
            return False
        pause.stage = _Stage.PROBED
        return True

    def refusal_of(self, contact: Contact) -> MessageReason | None:
        """Return why no letter may be added for this person now; None when one may be."""
        pause = self.pauses.get(contact.identity)
        return None if pause is None or pause.stage is _Stage.OPEN else pause.reason

    def due(self, *, now: float) -> list[Contact]:
        """Return, once, the contacts whose mailbox is to be tried again."""
        due = [
            one for one in self.pauses.values() if one.stage is _Stage.CLOSED and now >= one.until
        ]
        for pause in due:
            pause.stage = _Stage.OPEN
        return [pause.contact for pause in due]

    def next_timer(self) -> float | None:
        """Return when the first mailbox is to be tried again."""
        closed = (one.until for one in self.pauses.values() if one.stage is _Stage.CLOSED)
        return min(closed, default=None)

    def deposit(self, *, now: float) -> None:
        """Give letters to the link, up to the limits for unconfirmed letters."""
        while self._queue and len(self._deposited) < LETTERS_IN_FLIGHT:
            if self._bytes_deposited >= BYTES_IN_FLIGHT:
                return
            contact, message = self._queue.popleft()
            if message.path is not DeliveryPath.MAIL or not self._deposit_one(
                contact, message, now
            ):
                self._try_another(contact, now)

    def saved(self, reference: int, *, now: float) -> Contact | None:
        """Note that the registry has a letter on its disk. Return the contact if its mailbox takes
        letters again: a refusal is told at once, so it may overtake that letters before it were
        saved."""
        contact, message = self._answered(reference)
        if contact is not None and message is not None:
            self.settlement.saved(contact, message, now=now)
        self.deposit(now=now)
        pause = None if contact is None else self.pauses.get(contact.identity)
        if contact is None or pause is None or pause.stage is not _Stage.PROBED:
            return None
        del self.pauses[contact.identity]
        return contact

    def refused(self, reference: int, reason: MailRefusal, *, now: float) -> None:
        """Note that the registry refused a letter, for now or for good."""
        contact, message = self._answered(reference)
        why = MessageReason[reason.name]
        if contact is not None and why is not MessageReason.NAME_UNKNOWN:
            self._pause(contact, why, now)
            if message is not None:
                self.settlement.kept(contact, message, why, now=now)
        elif contact is not None and message is not None:
            self.settlement.refused(contact, message, why, now=now)
        self.deposit(now=now)

    def _try_another(self, contact: Contact, now: float) -> None:
        """Let another letter probe a mailbox: the one that was to do it was not sent."""
        pause = self.pauses.get(contact.identity)
        if pause is not None and pause.stage is _Stage.PROBED:
            pause.stage, pause.until = _Stage.CLOSED, now

    def _pause(self, contact: Contact, reason: MessageReason, now: float) -> None:
        """Stop mail to this mailbox for a while, the queued letters too: a later message must not
        be saved before an earlier one."""
        pause = self.pauses.get(contact.identity)
        if pause is not None and pause.stage is _Stage.CLOSED:
            pause.reason = reason  # this letter was on its way when the pause began
            return
        span = PAUSE_FIRST if pause is None else min(2 * pause.span, PAUSE_LARGEST)
        self.pauses[contact.identity] = _Pause(contact, reason, span, now + span)
        queued, self._queue = self._queue, deque()
        for other, message in queued:
            if other is contact and message.path is DeliveryPath.MAIL:
                _outgoing(contact).move(message, DeliveryPath.WAITING)
                self.settlement.kept(contact, message, reason, now=now)
            else:
                self._queue.append((other, message))

    def recall(self) -> None:
        """Let letters without an answer wait again, because the link is gone: the registry
        recognises a repeat by its number. Try full or broken disks again as well: the next link may
        lead to one that works."""
        deposited = [(contact, message) for contact, message, _ in self._deposited.values()]
        for contact, message in [*deposited, *self._queue]:
            if message.path is DeliveryPath.MAIL:
                message.reference = None
                _outgoing(contact).move(message, DeliveryPath.WAITING)
        for pause in self.pauses.values():
            if pause.stage is _Stage.PROBED or pause.reason in _OF_THE_DISK:
                pause.stage = _Stage.OPEN
        self._deposited.clear()
        self._queue.clear()
        self._bytes_deposited = 0

    def _deposit_one(self, contact: Contact, message: Message, now: float) -> bool:
        try:
            letter = _seal(message, contact, self._ctx.me)
        except SealError:
            self.settlement.refused(contact, message, MessageReason.BAD_CARD, now=now)
            return False
        self._reference = self._reference % (2**32 - 1) + 1
        message.reference = self._reference
        self._deposited[self._reference] = (contact, message, len(letter))
        self._bytes_deposited += len(letter)
        self._out.requests.append(
            DepositMail(
                reference=self._reference,
                recipient=contact.identity,
                number=message.number,
                letter=letter,
            )
        )
        return True

    def _answered(self, reference: int) -> tuple[Contact | None, Message | None]:
        """Return the contact and the message of a letter. The message is None when it was delivered
        directly meanwhile: a delivered message is not saved or refused as well."""
        deposited = self._deposited.pop(reference, None)
        if deposited is None:
            return None, None
        contact, message, size = deposited
        self._bytes_deposited -= size
        message.reference = None
        outgoing = _outgoing(contact)
        if message.number not in outgoing.messages:
            return contact, None
        outgoing.move(message, DeliveryPath.WAITING)
        return contact, message


def _seal(message: Message, contact: Contact, me: LocalIdentity) -> bytes:
    """Return the message as sealed mail. Raise SealError when the recipient's mail key is
    invalid."""
    outgoing = _outgoing(contact)
    body = LetterBody(
        number=message.number,
        floor=outgoing.floor,
        since=outgoing.since(message),
        sender=me.identity.public,
        sender_name=me.name,
        recipient=contact.identity,
        recipient_name=contact.name,
        at=message.at_ms,
        text=message.text,
        relation=message.relation,
    )
    return seal_letter(body, author=me.identity, mail_key=contact.row.card.mail)


def _outgoing(contact: Contact) -> OutgoingStream:
    assert contact.conversation is not None
    return contact.conversation.outgoing
