"""Messages to names that are not in our table, kept while the registry cannot be asked whose names
they are.

Each name has a stream of its own until its owner is known; then the messages move to the stream of
that identity. The key of the stream covers the registry's identity, so the messages never go to a
namesake at another registry.
"""

from collections.abc import Mapping
from typing import Final

from chatapp.peer.api.events import Addressed, MessageReason
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.conversation import Conversation, Message
from chatapp.peer.core.direct.mail import Settlement
from chatapp.peer.core.direct.notes import NotesToSelf
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.people.table import LookUp, NameResolver
from chatapp.peer.core.records import Named, OutgoingAdded, StoredStream, name_stream
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.table import Card, Presence, Row
from chatapp.wire.names import name_key


class UnresolvedOutbox:
    """The messages to unresolved names, by the key of the name."""

    def __init__(
        self,
        ctx: Context,
        *,
        notes: NotesToSelf,
        contacts: Contacts,
        settlement: Settlement,
        ladder: Ladder,
        resolver: NameResolver,
        direct_receiver: DirectReceiver,
    ) -> None:
        self._ctx: Final = ctx
        self._notes = notes
        self._contacts = contacts
        self._out = ctx.out
        self._settlement = settlement
        self._ladder = ladder
        self._resolver = resolver
        self._direct_receiver = direct_receiver
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

    def keep(self, registry: bytes, name: str, text: str, *, wall: float, now: float) -> Message:
        """Keep a new message. Raises NameRefused."""
        key = name_key(name)
        contact = self.waiting.get(key)
        if contact is None:
            contact = self._add(name_stream(registry, key), key, name, StoredStream())
            self._out.records.append(Named(contact.identity, name))
        assert contact.conversation is not None
        ahead = self._ctx.status.clock_ahead
        id_ = self._out.new_id()
        message = contact.conversation.outgoing.add(text, wall=wall, ahead=ahead, id_=id_)
        self._out.records.append(
            OutgoingAdded(contact.identity, message.number, message.at_ms, text, id_)
        )
        self._settlement.kept(contact, message, now=now)
        return message

    def look(self, *, wall: float, now: float) -> None:
        """Send on the messages whose names are resolved now, and refuse those to names that nobody
        has."""
        for key, stand_in in list(self.waiting.items()):
            contact = self._contacts.by_name(key)
            if contact is not None:
                self._resolver.forget(key)
                if not self._contacts.is_blocked(key):
                    self._address(key, stand_in, contact, wall, now)
            elif self._is_nobodys(key, now):
                self._give_up(key, stand_in, now)

    def _is_nobodys(self, key: str, now: float) -> bool:
        """Return whether the registry says that nobody has this name. Asks it if it can be
        reached."""
        if self._ctx.status.reach is not RegistryReach.UP:
            return False
        return self._resolver.find(key, can_ask=True, now=now) is LookUp.UNKNOWN

    def _add(self, stream: bytes, key: str, name: str, stored: StoredStream) -> Contact:
        card = Card(name=name, identity=stream, mail=bytes(32), counter=0, signature=bytes(64))
        contact = self.waiting[key] = Contact(stream, Row(card, "", 0, Presence.AWAY, 0, 0, 0))
        contact.conversation = Conversation(stored, self._ctx.policy, self._ctx.rng)
        return contact

    def _address(
        self, key: str, stand_in: Contact, contact: Contact, wall: float, now: float
    ) -> None:
        del self.waiting[key]
        self._out.events.append(Addressed(name=stand_in.name, to=contact.name))
        if contact.identity == self._ctx.me.identity.public:
            assert stand_in.conversation is not None
            self._notes.take(stand_in.identity, stand_in.conversation.outgoing, wall=wall)
            return
        conversation = self._direct_receiver.conversation(contact)
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
