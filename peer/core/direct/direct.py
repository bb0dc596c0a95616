"""Direct messages: ours climb the ladder to their recipients, and those of others are received."""

from typing import Final, assert_never

from chatapp.peer.api import conversations
from chatapp.peer.api.conversations import ConversationKind, person
from chatapp.peer.api.trace import Raw
from chatapp.peer.core.contacts import Change, Contact
from chatapp.peer.core.context import (
    Context,
    LookUp,
    Passenger,
    People,
    RegistryChange,
    RegistryPort,
    RegistryReach,
    Routes,
)
from chatapp.peer.core.conversation import Conversation, SentMessage, check_length
from chatapp.peer.core.direct.arrivals import Arrivals, DirectHub
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.outbox import DeliveryPaths, Ladder
from chatapp.peer.core.direct.path_test import PathResult
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.direct.unresolved import NotesToSelf, UnresolvedOutbox
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.records import Loaded, Related, StoredStream
from chatapp.wire.address import Address
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.direct import DatagramRelayed, RelayFailed
from chatapp.wire.messages.mail import MailExpired, MailRefused, MailSaved
from chatapp.wire.names import is_same_name, peer_name

_SHORT: Final = TEXT_MAX // 4
"""Characters that are never too many bytes."""


class DirectMessages:
    """The subject `direct` of a peer (a `Carrier`)."""

    def __init__(
        self,
        ctx: Context,
        hub: DirectHub,
        people: People,
        registry: RegistryPort,
        *,
        streams: Streams,
        loaded: Loaded,
    ) -> None:
        self._ctx: Final = ctx
        self._people: Final = people
        self._contacts: Final = people.contacts
        self._registry: Final = registry
        self._unused: Final = streams.unused
        own = self._unused.pop(ctx.me.identity.public, StoredStream())
        self.notes: Final = NotesToSelf(ctx, own)
        self._settlement: Final = Settlement(ctx)
        self._mail_queue: Final = MailQueue(ctx, self._settlement)
        self._receiver: Final = DirectReceiver(
            ctx, people.contacts, streams, unknown_authors=loaded.unknown_authors
        )
        self._transport: Final = PeerTransport(ctx, people.contacts)
        self._paths: Final = DeliveryPaths(ctx, self._mail_queue)
        self._ladder: Final = Ladder(ctx, self._paths)
        self._arrivals: Final = Arrivals(
            ctx,
            hub,
            people,
            transport=self._transport,
            receiver=self._receiver,
            ladder=self._ladder,
        )
        self._unresolved: Final = UnresolvedOutbox(
            ctx, people, notes=self.notes, ladder=self._ladder, receiver=self._receiver
        )
        # in this order: what a delivery stream gives up climbs the ladder
        sessions = self._transport.sessions
        for part in (self._arrivals, self._ladder, self._receiver.buffer, sessions):
            ctx.alarms.follow(part.next_timer, part.handle_timer)
        self._restore(loaded)
        self.routes: Final[Routes] = {
            DatagramRelayed: self._arrivals.datagram_relayed,
            RelayFailed: self._relay_failed,
            MailSaved: self._mail_answered,
            MailRefused: self._mail_answered,
            MailExpired: self._mail_answered,
        }
        self.conversation: Final = self._receiver.conversation
        self.run_arrived: Final = self._arrivals.run_arrived
        self.read_all: Final = self._arrivals.read_all
        self.adopt: Final = self._receiver.adopt
        self.take_up: Final = self._settlement.adopt
        self.mail_came: Final = self._receiver.batch_arrived
        self.table_known: Final = self._receiver.table_known
        self.give_again: Final = self._ladder.give_again
        self.lost_messages: Final = self._ladder.lost
        self.may_have_lost: Final = self._ladder.may_have_lost
        self.report_syncs: Final = self._transport.report_syncs

    def carry(self, passenger: Passenger) -> None:
        """Take along what is no direct message."""
        self._receiver.passenger = self._arrivals.passenger = passenger

    def _restore(self, loaded: Loaded) -> None:
        """Take up the messages that an earlier run left pending, with people who are not in the
        table."""
        for row in loaded.replaced:
            # This key was replaced by another. Mail saved for it may still expire; nothing else
            # happens to it.
            contact = Contact(row.card.identity, row)
            contact.is_blocked = True
            contact.conversation = Conversation(
                self._unused.get(contact.identity, StoredStream()), self._ctx.policy, self._ctx.rng
            )
            self._settlement.adopt(contact)
        if loaded.registry is not None:
            self._unresolved.restore(loaded.registry, loaded.unresolved_names, self._unused)

    # --- what the user sends

    def look_up(self, name: str, *, now: float) -> LookUp:
        """Return whether a message to `name` can be begun. ASKING: call again after the next
        turn."""
        if self._contacts.is_blocked(name):
            return LookUp.BLOCKED
        if self._contacts.by_name(name) is not None or is_same_name(name, self._ctx.me.name):
            return LookUp.KNOWN
        reach = self._ctx.status.reach
        if reach is RegistryReach.NONE or not self._can_be(name):
            self._people.forget(name)
            return LookUp.UNKNOWN
        if reach is RegistryReach.LOST:
            self._people.forget(name)
            return LookUp.UNANSWERED
        return self._people.find(name, can_ask=reach is RegistryReach.UP, now=now)

    def _can_be(self, name: str) -> bool:
        """Return whether the registry could have somebody of this name."""
        try:
            peer_name(name)
        except NameRefused:
            return False
        return self._registry.pinned is not None

    def send(
        self, to: str, text: str, related: Related | None = None, *, now: float
    ) -> SentMessage:
        """Begin a message to somebody who is KNOWN. Raises TextTooLong, UnicodeEncodeError,
        KeyError."""
        begun = self.send_to_known(to, text, related, now=now)
        if begun is None:
            raise KeyError(to)
        return begun

    def send_to_known(
        self, to: str, text: str, related: Related | None = None, *, now: float
    ) -> SentMessage | None:
        """Begin a message to this name if it is KNOWN; else None, and `look_up` says why. Raises
        TextTooLong, UnicodeEncodeError."""
        contacts = self._contacts
        contact, is_to_me = contacts.by_name(to), is_same_name(to, self._ctx.me.name)
        if (contact is None and not is_to_me) or (contacts.blocked and contacts.is_blocked(to)):
            return None
        if (
            len(text) > _SHORT or not text.isascii()
        ):  # else nothing has to be encoded to know its length
            check_length(text)
        if self._people.searches:  # mostly not: no call
            self._people.forget(to)
        wall = now + self._ctx.clock.offset
        if is_to_me or contact is None or contact.identity == self._ctx.me.identity.public:
            # The table shows us under our former name until our new row comes.
            note = self.notes.write(text, related, wall=wall)
            return SentMessage(person(self._ctx.me.name), note.id, note.number)
        if self._ctx.status.is_lost:
            self._registry.search(now=now)
        conversation = contact.conversation or self._receiver.conversation(contact)
        message = self._ladder.begin(contact, conversation, text, related, wall=wall)
        talk = conversations.Conversation(ConversationKind.PERSON, contact.row.card.name)
        return SentMessage(talk, message.id, message.number)

    def keep(
        self, to: str, text: str, related: Related | None = None, *, now: float
    ) -> SentMessage:
        """Begin a message to a name that is UNANSWERED: it waits until the registry resolves the
        name. Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        if self._ctx.status.is_lost:
            self._registry.search(now=now)
        assert self._registry.pinned is not None
        wall = self._ctx.wall(now)
        message = self._unresolved.keep(
            self._registry.pinned, peer_name(to), text, related, wall=wall, now=now
        )
        return SentMessage(person(peer_name(to)), message.id, message.number)

    def send_typing(self, to: str, *, now: float) -> None:
        """Tell a person that the user is writing to them, if that person is in reach."""
        if self._ctx.status.reach is not RegistryReach.NONE:
            self._transport.send_typing(to, now=now)

    def test_paths(self, name: str, *, now: float) -> None:
        """Find out whether a person answers directly, and through the registry; `path_result` has
        the result."""
        contact, reach = self._contacts.by_name(name), self._ctx.status.reach
        if contact is not None and reach is not RegistryReach.NONE:
            can_relay = reach is RegistryReach.UP
            self._arrivals.path_tests.begin(contact, can_relay=can_relay, now=now)

    def path_result(self, name: str) -> PathResult | None:
        """Return the result of the last path test with a person; None while it is under way or if
        there was none."""
        contact = self._contacts.by_name(name)
        return None if contact is None else self._arrivals.path_tests.result(contact.identity)

    # --- what is under way

    @property
    def is_settled(self) -> bool:
        """Whether each message of ours is delivered, saved, kept or refused."""
        return self._ladder.is_settled

    @property
    def sending_try(self) -> int:
        """How often the message that is under way longest was sent; 0 if none is."""
        conversations = (contact.conversation for contact in self._transport.active.values())
        return max(
            (one.delivery.tries_of_oldest for one in conversations if one is not None), default=0
        )

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """Return the steps of a pending message of ours so far; none when it is not pending."""
        contact = self._contacts.by_identity(stream)
        if contact is None or contact.conversation is None:
            return ()
        message = contact.conversation.outgoing.messages.get(number)
        return message.steps if message is not None else ()

    def accept_messages(self, *, has_room: bool) -> None:
        """Accept messages of other people, or stop. A message not accepted is not acknowledged, so
        it is not lost."""
        self._arrivals.takes_messages = has_room

    # --- people

    def row_changed(
        self, contact: Contact, change: Change, *, is_heard: bool = False, now: float
    ) -> None:
        """Act on a changed row. `is_heard`: the contact has said so, and it is noted what they may
        have lost."""
        conversation = contact.conversation
        if change is Change.RESTARTED and conversation is not None:
            if not is_heard:
                conversation.outgoing.unsynced.lose()
            conversation.delivery.restart_tries(now=now)
            self._transport.active[contact.identity] = contact
        if change is not Change.TAKEN:
            self._ladder.climb(contact, now=now)

    def replace(self, old: Contact, new: Contact, *, now: float) -> None:
        """Send what is still ours to another key, which the user trusts for the same name."""
        self._transport.let_go(old)
        self._ladder.redirect(old, new, self.conversation(new), wall=self._ctx.wall(now), now=now)

    def flush_later(self, contact: Contact) -> None:
        """Note that the delivery stream to somebody may have something to send."""
        self._transport.active[contact.identity] = contact

    # --- what the registry says

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Let all that waits move as far as it can go now; hail people while nobody else tells them
        that we are here."""
        transport = self._transport
        match change:
            case RegistryChange.REACH:
                self._ladder.reach_changed(now=now)
                if self._ctx.status.reach is RegistryReach.NONE:
                    transport.stop_hailing()
            case RegistryChange.CLOCK_KNOWN:
                self._ladder.number_all(now=now)
            case RegistryChange.RESTARTED:
                self._ladder.registry_restarted()
            case RegistryChange.CARD_RENEWED:
                transport.sessions.number_from(self._ctx.me.first_opening)
            case RegistryChange.NOT_FOUND | RegistryChange.MISSED:
                was_registered = change is RegistryChange.MISSED
                transport.hail_all(was_registered=was_registered, now=now)
            case RegistryChange.LET_IN:
                transport.stop_hailing()

    def look(self, *, now: float) -> None:
        """Send on messages whose names are resolved now."""
        if self._unresolved.waiting:
            self._unresolved.look(wall=self._ctx.wall(now), now=now)

    def _mail_answered(self, notice: MailSaved | MailRefused | MailExpired, *, now: float) -> None:
        """Take what became of a letter of ours."""
        match notice:
            case MailSaved(reference):
                reopened = self._mail_queue.saved(reference, now=now)
                if reopened is not None:
                    self._ladder.climb(reopened, now=now)
            case MailRefused(reference, reason):
                self._mail_queue.refused(reference, reason, now=now)
            case MailExpired(recipient, number):
                # A replaced key is not in the contacts any more, but mail sealed to it can still
                # expire.
                contact = self._contacts.by_identity(recipient) or self._settlement.waiting.get(
                    recipient
                )
                if contact is not None:
                    self._settlement.expired(contact, number, now=now)
            case _:
                assert_never(notice)

    def _relay_failed(self, notice: RelayFailed, *, now: float) -> None:
        """Send by mail what was relayed to somebody without a link."""
        contact = self._contacts.by_identity(notice.recipient)
        if contact is not None:
            self._ladder.relay_failed(contact, now=now)

    # --- each turn

    def numbers_stored(self, *, now: float) -> None:
        """Send what waited for its numbers to be on disk."""
        self._ladder.numbers_stored(now=now)

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, once, in order."""
        if self._ladder.started:
            self._ladder.start_begun(now=now)
        transport, reach = self._transport, self._ctx.status.reach
        if self._paths.begun:
            transport.active.update(self._paths.contacts_begun())
        if transport.active and reach is not RegistryReach.NONE:
            transport.flush(now=now, can_relay=reach is RegistryReach.UP)
        datagrams, transport.datagrams = transport.datagrams, []
        return datagrams
