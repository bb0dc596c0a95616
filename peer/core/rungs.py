"""This file is about the rungs of the ladder: what it takes to put a message on each.

    straight -> relayed -> mail -> kept         (rungs 1 to 4 of docs/architecture.md)

When a message changes its rung is `ladder`'s to say; the courier, the link and the disk do the rest.
"""

from peer.core.contact import RELAY_STICKS_FOR, Contact
from peer.core.conversation import Conversation, Message, Rung
from peer.core.events import Unacknowledged
from peer.core.expiry import is_overdue
from peer.core.letters import Letters
from peer.core.outputs import Outputs
from peer.core.reach import Outlook, Reach
from peer.core.settling import Settling
from peer.core.standing import Standing
from peer.core.trail import Trails, What
from wire.delivery.policy import Policy


class Rungs:
    """The ways that are open to a message of ours."""

    def __init__(
        self,
        policy: Policy,
        outputs: Outputs,
        outlook: Outlook,
        trails: Trails,
        *,
        letters: Letters,
        settling: Settling,
    ) -> None:
        self._policy = policy
        self._out = outputs
        self._outlook = outlook
        self._trails = trails
        self._letters = letters
        self._settling = settling
        self._begun: dict[bytes, Contact] = {}

    def contacts_begun(self) -> dict[bytes, Contact]:
        """Drained: whose couriers have been given something to send, and the floor to go with it."""
        begun, self._begun = self._begun, {}
        for contact in begun.values():
            if contact.conversation is not None:
                contact.conversation.tell_floor()
        return begun

    def go_straight(self, contact: Contact, talk: Conversation, *, now: float) -> None:
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
        is_relaying = self._outlook.reach is Reach.UP and now < contact.relay_until
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

    def relay(self, contact: Contact, talk: Conversation, message: Message, *, now: float) -> None:
        """Rung 2: the same datagrams over both links as well, for two more timeouts."""
        contact.relay_until = now + RELAY_STICKS_FOR
        talk.outgoing.move(message, Rung.RELAYED, now + 2 * self._policy.ack_timeout)
        self._trails.note(message, What.RELAYED, now)
        talk.courier.send(message.number, message.body, now=now)
        self._begun[contact.identity] = contact

    def go_by_mail(self, contact: Contact, talk: Conversation, *, now: float) -> None:
        """Rung 3 for all that is not settled, when the recipient is away: nobody is there to answer lower rungs."""
        for message in talk.outgoing:
            if message.rung not in (Rung.MAIL, Rung.LINE):
                self.withdraw(contact, talk, message, now=now)
        self._letters.post(now=now)

    def withdraw(self, contact: Contact, talk: Conversation, message: Message, *, now: float) -> None:
        """The courier lets go of it, and it falls back."""
        talk.courier.withdraw(message.number)
        self.fall_back(contact, talk, message, now=now)

    def fall_back(self, contact: Contact, talk: Conversation, message: Message, *, now: float) -> None:
        """The straight ways failed: mail, or our own outbox, or wait until it is known which."""
        talk.outgoing.move(message, Rung.WAITING)
        if message.standing is Standing.SAVED:
            return
        if self._outlook.reach is Reach.UP and not contact.is_blocked:
            self._to_mail(contact, talk, message, now)
        elif self._outlook.reach is not Reach.SEEKING:
            self._settling.kept(contact, message, now=now)

    def keep_tried(self, contact: Contact, talk: Conversation, *, now: float) -> None:
        """Rung 4 when the registry is lost, or the recipient's key is in doubt: what is not on a straight way stays."""
        for message in list(talk.outgoing.idle.values()):
            self._settling.kept(contact, message, now=now)

    def stop(self, talk: Conversation) -> None:
        """We go offline: nothing is sent until we are back."""
        for message in talk.outgoing:
            if message.rung is not Rung.LINE:
                talk.courier.withdraw(message.number)
                talk.outgoing.move(message, Rung.WAITING)

    def _to_mail(self, contact: Contact, talk: Conversation, message: Message, now: float) -> None:
        reason = self._letters.refusal_of(contact)
        if reason:
            self._settling.kept(contact, message, reason, now=now)
            return
        talk.outgoing.move(message, Rung.MAIL)
        self._trails.note(message, What.MAILED, now)
        is_again = self._letters.add(contact, message)
        if not is_again:
            self._out.events.append(Unacknowledged(to=contact.name, number=message.number))
