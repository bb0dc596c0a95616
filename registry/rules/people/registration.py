"""Registration: what an authentic REGISTER leads to (clauses 4.3 to 4.5 and 4.7).

A new name is claimed at once and confirmed when the disk has it, so nobody else ever gets it, not
even after a crash.
"""

from typing import Protocol

from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.directory.names import key_of
from chatapp.registry.rules.effects import (
    Admit,
    Append,
    Caller,
    Drop,
    DropReason,
    Effect,
    Effects,
    LinkEndReason,
    Refuse,
    Rule,
    Store,
)
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.rules.people.access import AccessPolicy, Exclusion
from chatapp.registry.rules.people.presence import PresenceTracker
from chatapp.registry.rules.people.renaming import Renaming
from chatapp.registry.store.entries import Entry, NameBound
from chatapp.wire.address import network_of
from chatapp.wire.admission import public_half
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import encode
from chatapp.wire.limits import BUCKETS_MAX, NAMES_PER_ADDRESS_BURST, NAMES_PER_ADDRESS_PER_HOUR
from chatapp.wire.messages.registration import RefusalReason, Register
from chatapp.wire.messages.table import Card


class Channel(Protocol):
    """The channel, of which everybody with a name is a member."""

    @property
    def position(self) -> int:
        """The position of its newest line."""

    def members_changed(self, *, now: float) -> None:
        """Note that somebody came or went."""


class Registration:
    """Handles registrations."""

    def __init__(
        self,
        directory: Directory,
        presence: PresenceTracker,
        channel: Channel,
        renaming: Renaming,
        access: AccessPolicy,
        clock: WallClock,
    ) -> None:
        self._directory = directory
        self._connections = presence.connections
        self._presence = presence
        self._channel = channel
        self._renaming = renaming
        self._access = access
        self._clock = clock
        self._newcomers: Buckets[str] = Buckets(
            rate=NAMES_PER_ADDRESS_PER_HOUR / 3_600, burst=NAMES_PER_ADDRESS_BURST, most=BUCKETS_MAX
        )

    def register(self, register: Register, caller: Caller, *, now: float) -> Effects:
        """Admit or refuse a peer, or wait for the disk."""
        card, nonce = register.card, register.nonce
        person = self._directory.person(card.identity)
        if person is not None and person.card.name == card.name:  # most who come: nothing to check
            key: str | None = person.name_key
        else:
            key = key_of(card.name)
        if key is None:
            return self._denial(card, nonce, caller, RefusalReason.BAD_NAME)
        if self._access.has_bans and self._access.bans_name(key):
            return [excluded(register, caller, self._access.ban_of(name=key, now=now))]
        # Checked before any answer about names: a peer that is not invited must learn nothing about
        # them.
        names, shown = self._directory.names, public_half(register.invitation)
        is_operator = names.is_operator_name(key) and names.is_open(key, card.identity, shown)
        is_newcomer = person is None and not is_operator
        refusal = self._access.refusal_of(register, now=now) if is_newcomer else None
        refusal = refusal or self._directory.refusal_of(card, key, code=shown)
        if refusal is not None:
            return self._denial(card, nonce, caller, refusal)
        if person is not None and key == person.name_key:
            return self._return(person, card, nonce, caller, now)
        if person is not None:
            return self._rename(person, register, key, caller, now)
        code = self._access.code_for(register) or b""
        if names.is_claimed(key) or (code and self._access.invites.is_claimed(code)):
            # on its way to the disk; the answer follows, to this REGISTER or to its repeat
            return []
        network = "" if caller.address is None else network_of(caller.address.host)
        if not self._newcomers.take(network, now=now):
            return self._denial(card, nonce, caller, RefusalReason.FULL)
        names.claim(card.name, card.identity)
        if code:
            self._access.invites.claim(code)
        since = self._channel.position
        entry = self._entry(card, key, since, network, now, code)
        return self._bind(register, caller, (entry,), entry)

    def _bind(
        self, register: Register, caller: Caller, entries: tuple[Entry, ...], bound: NameBound
    ) -> Rule:
        """Store a name, then let its owner in."""
        card, nonce, code = register.card, register.nonce, bound.code
        is_stored, now = yield Store(entries)
        if not is_stored:
            self._access.invites.give_back(code)
        elif code:
            self._access.invites.use_up(code)
        person, effects = self._directory.person(card.identity), list[Effect]()
        refusal: RefusalReason | None = None
        if is_stored and person is None:
            person = self._directory.bind(
                card,
                channel_since=bound.channel_since,
                at=self._clock.seconds(now),
                network=bound.network,
                now=now,
            )
            self._channel.members_changed(now=now)
        else:
            if person is not None and is_stored:
                self._directory.await_link(person, now=now)
            refusal, effects = self._renaming.settle(
                card, bound.name_key, is_stored=is_stored, now=now
            )
        if person is None or refusal is not None:
            yield from self._denial(card, nonce, caller, refusal or RefusalReason.NOT_SERVING)
        elif (self._access.has_bans or self._access.kicked) and (
            why := self._excluded_since(person, caller, now)
        ):
            if person.online:  # under the former name
                yield from self._presence.evict(person, LinkEndReason.BANNED, now=now)
            yield excluded(register, caller, why)
        else:
            yield from self._let_in(person, nonce, caller, now)
        yield from effects

    def _excluded_since(self, person: Person, caller: Caller, now: float) -> Exclusion | None:
        """Return why somebody is kept out who was not when they asked: their name was on its way to
        the disk."""
        identity, key, access = person.card.identity, person.name_key, self._access
        host = "" if caller.address is None else caller.address.host
        why = access.exclusion_of(identity, host, now=now)
        if why is None and access.has_bans and access.bans_name(key):
            why = access.ban_of(name=key, now=now)
        if why is not None and why.reason is RefusalReason.BANNED:
            self._directory.ban(person, is_banned=True)
        return why

    def _rename(
        self, person: Person, register: Register, key: str, caller: Caller, now: float
    ) -> Effects:
        """Rename a member who registers under another name, as if they had asked for it on a
        link."""
        card = register.card
        if self._renaming.is_pending(card.identity):
            return []
        refusal = self._renaming.refusal_of(card.identity, now=now)
        if refusal is not None:
            return self._denial(card, register.nonce, caller, refusal)
        entries = self._renaming.begin(person, card, key, now=now)
        return self._bind(register, caller, entries, entries[0])

    def _return(
        self, person: Person, card: Card, nonce: bytes, caller: Caller, now: float
    ) -> list[Effect]:
        """Admit a member under the name that they have. Only the card's counter is new, so they
        need not wait for the disk."""
        if self._connections.of(card.identity).nonce == nonce:
            is_here = person.online and caller.address == person.address
            repeated = Admit(to=caller, card=person.card, nonce=nonce, is_new=False)
            return (
                [repeated] if is_here else [Drop(reason=DropReason.REPEATED_REGISTER_AFTER_LEAVE)]
            )
        effects: list[Effect] = []
        self._directory.await_link(person, now=now)
        if card.counter > person.card.counter:
            self._directory.renew_card(person, card, now=now)
            entry = self._entry(card, person.name_key, person.channel_since, person.network, now)
            effects.append(Append((entry,)))
        return effects + self._let_in(person, nonce, caller, now)

    def _let_in(self, person: Person, nonce: bytes, caller: Caller, now: float) -> list[Effect]:
        if person.is_banned:  # by the address of an earlier registration
            self._directory.ban(person, is_banned=False)
        connection = self._connections.of(caller.identity)
        connection.nonce, connection.node = nonce, caller.node
        self._presence.arrive(person, caller, now=now)
        return [Admit(to=caller, card=person.card, nonce=nonce, is_new=True)]

    def _entry(
        self, card: Card, key: str, channel_since: int, network: str, now: float, code: bytes = b""
    ) -> NameBound:
        at = self._clock.millis(now)
        return NameBound(key, card.identity, encode(card), channel_since, at, code, network)

    def _denial(
        self, card: Card, nonce: bytes, caller: Caller, reason: RefusalReason
    ) -> list[Effect]:
        known = self._directory.person(card.identity) if reason is RefusalReason.OLD_CARD else None
        counter = 0 if known is None else known.card.counter
        return [Refuse(to=caller, nonce=nonce, name=card.name, reason=reason, counter=counter)]


def excluded(register: Register, caller: Caller, why: Exclusion) -> Refuse:
    """Return the answer to somebody who is kept out."""
    return Refuse(
        to=caller,
        nonce=register.nonce,
        name=register.card.name,
        reason=why.reason,
        seconds=why.seconds,
        text=why.text,
    )
