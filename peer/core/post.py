"""This file is about datagrams between us and other peers: what couriers have to say, sealed, by the ways that are open;
and whose a datagram is that came.

It knows contacts, seals and paths; what the frames mean is the couriers'.
"""

from typing import Final

from peer.core.allowance import Allowance
from peer.core.contact import RELAY_STICKS_FOR, Contact
from peer.core.contacts import Contacts
from peer.core.outputs import Outputs
from wire.address import Address
from wire.codec import decode_card, encode
from wire.errors import SealError
from wire.header import Kind, unpack_sealed
from wire.identity import AgreementKey, Identity
from wire.limits import CARDS_PER_SECOND
from wire.messages.direct import RelayDatagram
from wire.messages.table import Card

ANNOUNCED_AT_ONCE: Final = 64
"""Cards sent in one go when we start without a registry; the rest follows, so that no burst is lost."""

ANNOUNCE_SPAN: Final = 0.1
ANNOUNCE_AGAIN_AFTER: Final = (1.0, 3.0, 10.0, 30.0)
"""Seconds between the rounds of cards while the registry is away; the last one goes on."""


class Post:
    """Datagrams to and from people."""

    def __init__(self, identity: Identity, contacts: Contacts, outputs: Outputs) -> None:
        self._identity = identity
        self._contacts = contacts
        self._out = outputs
        self._datagrams: list[tuple[bytes, Address]] = []
        self._introduced: set[bytes] = set()
        self._cards: Final = Allowance(CARDS_PER_SECOND)
        self._to_announce: list[Contact] = []
        self._announce_at: float | None = None
        self._round = 0
        self.lives: list[AgreementKey] = []
        self.card: Card | None = None
        self.active: dict[bytes, Contact] = {}
        """Contacts whose courier may have something to say or to wait for."""

    def use_lives(self, lives: list[AgreementKey], card: Card) -> None:
        """Our keys from now on, the present one first, and the card that says so."""
        if card != self.card:
            self._introduced.clear()
        self.lives, self.card = lives, card
        self._contacts.use_lives(lives)

    def contact(self, identity: bytes) -> Contact | None:
        """Whoever holds this key."""
        return self._contacts.by_identity(identity)

    # --- out

    def flush(self, *, now: float, can_relay: bool) -> None:
        """Seal what every active courier has to say."""
        for contact in list(self.active.values()):
            talk = contact.conversation
            if talk is None:
                continue
            payloads = talk.courier.payloads_to_send(now=now)
            if payloads:
                self._send(contact, payloads, through_registry=can_relay and now < contact.relay_until)
            if talk.courier.is_idle and talk.courier.next_timer() is None:
                del self.active[contact.identity]

    def introduce(self, contact: Contact) -> None:
        """Send our bare card: they may not know our live key yet (clause 6.5)."""
        if self.card is not None:
            self._introduced.add(contact.identity)
            self._datagrams.append((bytes((Kind.CARD,)) + encode(self.card), contact.address))

    def announce_to_all(self, *, now: float) -> None:
        """Begin rounds of cards to everybody who has not been heard: nobody else can tell them our new key."""
        self._round = 0
        self._announce_at = now

    def stop_announcing(self) -> None:
        """The registry's table does it from here on."""
        self._announce_at = None
        self._to_announce.clear()

    def handle_timer(self, *, now: float) -> None:
        """The next few cards of a round, or the next round."""
        if self._announce_at is None or now < self._announce_at:
            return
        if not self._to_announce:
            self._to_announce = [
                contact
                for contact in self._contacts
                if not contact.is_heard and contact.identity != self._identity.public
            ]
        for contact in self._to_announce[:ANNOUNCED_AT_ONCE]:
            self.introduce(contact)
        del self._to_announce[:ANNOUNCED_AT_ONCE]
        if self._to_announce:
            self._announce_at = now + ANNOUNCE_SPAN
        else:
            self._announce_at = now + ANNOUNCE_AGAIN_AFTER[min(self._round, len(ANNOUNCE_AGAIN_AFTER) - 1)]
            self._round += 1

    def next_timer(self) -> float | None:
        """When the next cards are due."""
        return self._announce_at

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    # --- in

    def open(
        self, datagram: bytes, *, source: Address | None, now: float, relayed_by: bytes | None = None
    ) -> tuple[Contact, bytes]:
        """Who sealed it, and the payload. `source` None: it came through the registry, from `relayed_by`.

        An opened datagram, and only the newest, tells where somebody is now. Raises DecodeError, SealError."""
        header = unpack_sealed(datagram)
        found = self._contacts.by_tag(header.tag)
        if found is None:
            raise SealError("of nobody we know")
        contact, live = found
        if contact.is_banned:
            raise SealError("of somebody whom the registry keeps out")
        if relayed_by is not None and contact.identity != relayed_by:
            raise SealError("relayed for somebody else than its author")
        session = contact.session(live, self._identity.public)
        is_newest = session.is_newest(header.counter)
        payload = session.open_parts(header, datagram)
        contact.is_heard = contact.is_heard or live is self.lives[0]
        contact.was_heard()
        if source is None:
            contact.relay_until = now + RELAY_STICKS_FOR
        elif is_newest:  # one that was held back on its way says where they were, not where they are
            contact.address = source
        return contact, payload

    def take_card(self, data: bytes, *, now: float) -> Contact | None:
        """A bare card that came; the contact, when it is news. Never answered. Raises DecodeError."""
        return self._contacts.take_card(decode_card(data), may_check=lambda: self._cards.take(now=now))

    # --- inside

    def _send(self, contact: Contact, payloads: list[bytes], *, through_registry: bool) -> None:
        if not contact.is_heard and contact.identity not in self._introduced:
            self.introduce(contact)
        try:
            session = contact.session(self.lives[0], self._identity.public)
        except SealError:
            return  # a card that its owner has not signed: nothing is sent to it, and the message is kept
        for payload in payloads:
            self._datagrams.append((session.seal(payload), contact.address))
            if through_registry:
                self._out.requests.append(
                    RelayDatagram(recipient=contact.identity, datagram=session.seal(payload))
                )
