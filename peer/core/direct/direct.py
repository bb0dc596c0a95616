"""Direct messages: ours climb the ladder to their recipients, and those of others are received.

On no ladder are notes to ourselves, and messages to names that are not in our table, kept while the
registry cannot be asked whose names they are. Each such name has a stream of its own until its owner
is known; then the messages move to the stream of that identity. The key of the stream covers the
identity of the registry, so the messages never go to a namesake at another registry.
"""

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

from chatapp.peer.api import conversations
from chatapp.peer.api.conversations import ConversationKind, person
from chatapp.peer.api.events import (
    Addressed,
    MessageChanged,
    MessageReason,
    MessageState,
    Said,
)
from chatapp.peer.api.trace import Raw
from chatapp.peer.core.contacts import Change, Contact
from chatapp.peer.core.context import (
    Context,
    FileFrameCame,
    LookUp,
    Passenger,
    People,
    RegistryChange,
    RegistryPort,
    RegistryReach,
    Routes,
)
from chatapp.peer.core.conversation import (
    Conversation,
    Message,
    OutgoingStream,
    SentMessage,
    check_length,
)
from chatapp.peer.core.direct.arrivals import Arrivals, DirectHub, DirectReceiver
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.outbox import DeliveryPaths, Ladder
from chatapp.peer.core.direct.path_test import PathResult
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.records import (
    Loaded,
    Named,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    OutgoingReworded,
    Record,
    Related,
    StoredStream,
    name_stream,
)
from chatapp.peer.core.relations import told
from chatapp.wire.address import Address
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.direct import DatagramRelayed, FileRelayRefused, RelayFailed
from chatapp.wire.messages.mail import MailExpired, MailRefused, MailSaved
from chatapp.wire.messages.table import Card, Presence, Row
from chatapp.wire.names import is_same_name, name_key, peer_name


class NotesToSelf:
    """Messages to ourselves: nothing is sent, but they are stored, delivered and shown like any
    message."""

    def __init__(self, ctx: Context, stored: StoredStream) -> None:
        self._ctx: Final = ctx
        self._outgoing = OutgoingStream(stored)
        self._outgoing.messages.clear()
        self._out = ctx.out
        self._numbered = False
        self.written: list[Message] = []

    def write(self, text: str, related: Related | None = None, *, wall: float) -> Message:
        """Write a note. It is delivered when it is stored."""
        message = self._outgoing.add(text, wall=wall, id_=self._out.new_id(), related=related)
        key = self._ctx.me.identity.public
        self._write(
            message, OutgoingAdded(key, message.number, message.at_ms, text, message.id, related)
        )
        return message

    def take(self, stream: bytes, kept: Iterable[Message], *, wall: float) -> None:
        """Take messages of another stream: they were kept for a name that has become ours."""
        key, numbers = self._ctx.me.identity.public, dict[int, int]()
        for one in kept:
            related = None if one.related is None else one.related.moved(numbers, stream=key)
            message = self._outgoing.add(one.text, wall=wall, id_=one.id, related=related)
            message.at_ms, numbers[one.number] = one.at_ms, message.number
            self._write(
                message,
                OutgoingMoved(stream, one.number, key, message.number),
            )

    def _write(self, message: Message, record: Record) -> None:
        key = self._ctx.me.identity.public
        if not self._numbered:
            self._out.records.append(Named(key, self._ctx.me.name))
        self._numbered = True
        self._out.records += [
            record,
            OutgoingChanged(key, message.number, MessageState.DELIVERED, message.at_ms),
        ]
        self.written.append(message)

    def stored(self) -> None:
        """Deliver the notes that are on disk now."""
        written, self.written = self.written, []
        for message in written:
            name, key, at = self._ctx.me.name, self._ctx.me.identity.public, message.at_ms / 1_000
            self._outgoing.settle(message, MessageState.DELIVERED)
            said = Said(
                conversation=person(name),
                id=message.id,
                sender=name,
                identity=key,
                number=message.number,
                text=message.text,
                at=at,
            )
            self._out.events += [
                said if message.related is None else told(said, message.related),
                MessageChanged(
                    conversation=person(name), id=message.id, state=MessageState.DELIVERED
                ),
            ]


class UnresolvedOutbox:
    """The messages to unresolved names, by the key of the name."""

    def __init__(
        self,
        ctx: Context,
        people: People,
        *,
        notes: NotesToSelf,
        ladder: Ladder,
        receiver: DirectReceiver,
    ) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._people: Final = people
        self._contacts: Final = people.contacts
        self._notes: Final = notes
        self._ladder: Final = ladder
        self._settlement: Final = ladder.settlement
        self._receiver: Final = receiver
        self.waiting: dict[str, Contact] = {}
        """Stand-ins for the people whose identities are not known yet."""

    def restore(
        self, registry: bytes, unknown: Mapping[bytes, str], stored: dict[bytes, StoredStream]
    ) -> None:
        """Restore what an earlier run kept for names at this registry. `unknown`: names by streams
        that lead to no row."""
        for stream, name in unknown.items():
            key = _key_of(name)
            if key is not None and name_stream(registry, key) == stream:
                self._add(stream, key, name, stored.pop(stream, StoredStream()))

    def keep(
        self,
        registry: bytes,
        name: str,
        text: str,
        related: Related | None = None,
        *,
        wall: float,
        now: float,
    ) -> Message:
        """Keep a new message. Raises NameRefused."""
        key = name_key(name)
        contact = self.waiting.get(key)
        if contact is None:
            contact = self._add(name_stream(registry, key), key, name, StoredStream())
            self._out.records.append(Named(contact.identity, name))
        assert contact.conversation is not None
        ahead = self._ctx.status.clock_ahead
        id_ = self._out.new_id()
        message = contact.conversation.outgoing.add(
            text, wall=wall, ahead=ahead, id_=id_, related=related
        )
        self._out.records.append(
            OutgoingAdded(
                contact.identity, message.number, message.at_ms, text, id_, message.related
            )
        )
        self._settlement.kept(contact, message, now=now)
        return message

    def look(self, *, wall: float, now: float) -> None:
        """Send on the messages whose names are resolved now, and refuse those to names that nobody
        has."""
        for key, stand_in in list(self.waiting.items()):
            contact = self._contacts.by_name(key)
            if contact is not None:
                self._people.forget(key)
                if not self._contacts.is_blocked(key):
                    self._address(key, stand_in, contact, wall, now)
            elif self._is_nobodys(key, now):
                self._give_up(key, stand_in, now)

    def _is_nobodys(self, key: str, now: float) -> bool:
        """Return whether the registry says that nobody has this name. Asks it if it can be
        reached."""
        if self._ctx.status.reach is not RegistryReach.UP:
            return False
        return self._people.find(key, can_ask=True, now=now) is LookUp.UNKNOWN

    def _add(self, stream: bytes, key: str, name: str, stored: StoredStream) -> Contact:
        card = Card(name=name, identity=stream, mail=bytes(32), counter=0, signature=bytes(64))
        contact = self.waiting[key] = Contact(stream, Row(card, "", 0, Presence.AWAY, 0, 0, 0))
        contact.conversation = Conversation(stored, self._ctx.policy, self._ctx.rng)
        return contact

    def _address(
        self, key: str, stand_in: Contact, contact: Contact, wall: float, now: float
    ) -> None:
        del self.waiting[key]
        self._out.events.append(Addressed(name=stand_in.name, conversation=person(contact.name)))
        if contact.identity == self._ctx.me.identity.public:
            assert stand_in.conversation is not None
            self._notes.take(stand_in.identity, stand_in.conversation.outgoing, wall=wall)
            return
        self._contacts.touch(contact)
        conversation = self._receiver.conversation(contact)
        self._ladder.redirect(stand_in, contact, conversation, wall=wall, now=now)

    def _give_up(self, key: str, stand_in: Contact, now: float) -> None:
        del self.waiting[key]
        assert stand_in.conversation is not None
        for message in stand_in.conversation.outgoing:
            self._settlement.refused(stand_in, message, MessageReason.NOBODY, now=now)


def _key_of(name: str) -> str | None:
    try:
        return name_key(name)
    except NameRefused:
        return None


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
        self._ladder: Final = Ladder(ctx, people, self._paths)
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
            FileRelayRefused: self._file_relay_refused,
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
        self.synced: Final = self._transport.synced
        self.open_link: Final = self._transport.open_link
        self.take_link: Final = self._transport.take_link
        self.send_encoded: Final = self._transport.send_encoded
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
        reach, contact = self._ctx.status.reach, self._contacts.by_name(name)
        if is_same_name(name, self._ctx.me.name):
            return LookUp.KNOWN
        if contact is not None:
            if self._is_doubtful(name):
                found = self._people.find(name, can_ask=True, now=now)
                return LookUp.ASKING if found is LookUp.ASKING else LookUp.KNOWN
            self._people.forget(name)
            return LookUp.KNOWN
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
        begun = self._begin(to, text, related, now)
        if begun is None:
            raise KeyError(to)
        return begun

    def send_to_known(
        self, to: str, text: str, related: Related | None = None, *, now: float
    ) -> SentMessage | None:
        """Begin a message to this name if it is KNOWN; else None, and `look_up` says why. Raises
        TextTooLong, UnicodeEncodeError."""
        if self._contacts.followed is not None and self._is_doubtful(to):
            return None
        return self._begin(to, text, related, now)

    def _is_doubtful(self, name: str) -> bool:
        """Whether the registry has to be asked first who has this name by now."""
        contact = self._contacts.by_name(name)
        return (
            contact is not None
            and self._ctx.status.reach is RegistryReach.UP
            and not self._people.is_vouched(contact, name_key(name))
        )

    def _begin(self, to: str, text: str, related: Related | None, now: float) -> SentMessage | None:
        try:
            key = name_key(to)
        except NameRefused:
            return None
        contacts, me = self._contacts, self._ctx.me
        contact, is_to_me = contacts.by_key(key), key == name_key(me.name)
        if (contact is None and not is_to_me) or key in contacts.blocked:
            return None
        if (
            len(text) > _SHORT or not text.isascii()
        ):  # else nothing has to be encoded to know its length
            check_length(text)
        if self._people.searches:  # mostly not: no call
            self._people.forget(to)
        wall = now + self._ctx.clock.offset
        if is_to_me or contact is None or contact.identity == me.identity.public:
            # The table shows us under our former name until our new row comes.
            note = self.notes.write(text, related, wall=wall)
            return SentMessage(person(me.name), note.id, note.number)
        if self._ctx.status.is_lost:
            self._registry.search(now=now)
        conversation = contact.conversation or self._receiver.conversation(contact)
        contacts.touch(contact)
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

    def user_saw(self, numbers: Mapping[bytes, int], *, now: float) -> None:
        """Note that the user has seen what these people said up to these numbers."""
        marks = self._arrivals.marks
        for identity, number in numbers.items() if marks.is_on else ():
            if (contact := self._contacts.by_identity(identity)) is not None:
                self.conversation(contact)
                marks.user_saw(contact, number, now=now)

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

    def cancel(self, stream: bytes, number: int, *, now: float) -> bool:
        """Give up a message of ours, unless somebody else may have it. Return whether it is given
        up."""
        contact, message = self._unknown(stream, number)
        if contact is None or message is None or contact.conversation is None:
            return False
        contact.conversation.delivery.withdraw(number)
        self._settlement.refused(contact, message, MessageReason.CANCELLED, now=now)
        return True

    def reword(self, stream: bytes, number: int, text: str) -> bool:
        """Have a message of ours say something else, unless somebody else may have it. Return
        whether it does."""
        _, message = self._unknown(stream, number)
        if message is not None:
            message.text = text
            self._ctx.out.records.append(OutgoingReworded(stream, number, text))
        return message is not None

    def _unknown(self, stream: bytes, number: int) -> tuple[Contact | None, Message | None]:
        """Return a message of ours that nobody else can have yet, and its recipient."""
        waiting = (one for one in self._unresolved.waiting.values() if one.identity == stream)
        contact = self._contacts.by_identity(stream) or next(waiting, None)
        if contact is None or contact.conversation is None:
            return contact, None
        message = contact.conversation.outgoing.messages.get(number)
        return contact, None if message is None or message.may_be_known else message

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

    def cards_known(self, contacts: Iterable[Contact], *, now: float) -> None:
        """Send on what has waited for the cards of these people, as far as they are known now."""
        for contact in contacts:
            self._ladder.climb(contact, now=now)

    def replace(self, old: Contact, new: Contact, *, now: float) -> None:
        """Send what is still ours to another key, which the user trusts for the same name."""
        self._transport.let_go(old)
        self._arrivals.marks.let_go(old)
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

    def _file_relay_refused(self, notice: FileRelayRefused, *, now: float) -> None:
        self._ctx.out.file_frames.append(FileFrameCame(notice.other, notice, through_server=True))

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
