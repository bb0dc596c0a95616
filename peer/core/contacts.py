"""The contacts: everybody in the table, found by key, name or sender index; and the names whose
keys are in doubt."""

import enum
from collections.abc import Container, Iterable, Iterator
from typing import Final

import msgspec

from chatapp.peer.api.events import Doubt, Person
from chatapp.peer.core.conversation import Conversation
from chatapp.wire.address import Address
from chatapp.wire.errors import NameRefused
from chatapp.wire.identity import is_authentic
from chatapp.wire.limits import CONTACTS_MAX
from chatapp.wire.messages.table import ONLINE, Presence, Row, Sight
from chatapp.wire.names import name_key

RELAY_STICKS_FOR: Final = 60.0
"""Seconds for which messages to a peer that could not be reached directly go both ways at once."""


class Contact:
    """One person: identity, address, and the conversation with them."""

    __slots__ = (
        "address",
        "conversation",
        "identity",
        "is_blocked",
        "is_current",
        "is_expected",
        "is_heard",
        "relay_until",
        "row",
        "spare_address",
    )

    def __init__(self, identity: bytes, row: Row) -> None:
        self.identity: Final = identity
        self.row = row
        self.is_current = row.card.is_signed
        """Whether card and address are the newest that the registry has; else only the rest of the
        row is (clause 3.3)."""
        self.address = Address(row.host, row.port)
        """The last known address. Rows of people whom a restarted registry has not seen yet do not
        change it."""
        self.spare_address: Address | None = None
        """Another one, from which they were heard."""
        self.conversation: Conversation | None = None
        self.is_blocked = False
        """Whether the registry shows another key for their name. Messages to them wait until the
        user decides."""
        self.is_heard = False
        """Whether a datagram of theirs has opened since our start; then they know that we are
        here."""
        self.relay_until = 0.0
        self.is_expected = row.presence in ONLINE
        """Whether they may answer although the registry does not show them online."""

    @property
    def name(self) -> str:
        """The name as its owner writes it."""
        return self.row.card.name

    @property
    def is_bare(self) -> bool:
        """Whether nothing but key, name and presence was ever known: nothing may be sealed to them
        yet."""
        return not self.is_current and self.row.card.counter == 0

    @property
    def is_online(self) -> bool:
        """Whether the registry calls them online."""
        return self.row.presence in ONLINE

    @property
    def is_banned(self) -> bool:
        """Whether the registry has banned them; then everything from them is dropped."""
        return self.row.presence is Presence.BANNED

    @property
    def is_released(self) -> bool:
        """Whether they gave up their name. Their key stays pinned to it, so that whoever takes it
        is not taken for them."""
        return self.row.presence is Presence.RELEASED

    @property
    def may_answer(self) -> bool:
        """Whether to try the direct way first."""
        # mostly the first says it
        return (self.is_expected or self.is_online) and self.address.port != 0

    def try_elsewhere(self) -> None:
        """Change to the address in the table, or back to the one from which they were heard: they
        do not answer, and the first to bring us a datagram of theirs may have been a stranger."""
        listed = Address(self.row.host, self.row.port)
        if self.row.is_placed and self.address != listed:
            self.address, self.spare_address = listed, self.address
        elif self.spare_address is not None:
            self.address = self.spare_address

    def was_heard(self) -> None:
        """Note that a datagram of theirs has opened: expect answers, unless they have signed off on
        purpose since."""
        self.is_expected = not (self.row.presence is Presence.AWAY and self.row.is_placed)

    def take_row(self, row: Row) -> bool:
        """Take a newer row. Return whether it has a newer card under the same name: their program
        was restarted.

        A restarted registry knows nobody's address until they register again; until then the old
        address holds."""
        is_restarted = (
            row.card.counter > self.row.card.counter > 0 and row.card.name == self.row.card.name
        )
        self.row, self.is_current = row, row.card.is_signed
        if row.is_placed and (row.port != self.address.port or row.host != self.address.host):
            self.address = Address(row.host, row.port)
        if row.is_placed or self.is_banned or self.is_released:
            self.is_expected = row.presence in ONLINE
        return is_restarted


class Change(enum.Enum):
    """What a row changed in the table."""

    REFUSED = "nothing: an older row, a forged card, an invalid name, or a full table"
    TAKEN = "nothing that matters to a conversation"
    MOVED = "the address or the presence"
    RESTARTED = "the card is newer: their program was restarted"
    KEY_CHANGED = "nothing: it shows another identity under a name that we have pinned"


def doubt_about(typed: str | None, digits: str, *, shown: str | None) -> Doubt | None:
    """Return why the digits that the user typed are not those of the key shown now; None when they
    are. `shown`: the digits that the user was shown last."""
    if typed is None:
        return Doubt.NO_DIGITS
    if typed == digits:
        return None
    return Doubt.CHANGED if typed == shown else Doubt.OTHER_DIGITS


class Contacts:
    """Everybody in the table, by key, name and sender index."""

    def __init__(self) -> None:
        self._by_identity: dict[bytes, Contact] = {}
        self._by_name: dict[str, Contact] = {}
        self._by_sender_index: dict[int, Contact] = {}
        self.blocked: dict[str, Row] = {}
        """By name key: the newest row with another identity than the pinned one. Nothing is sent to
        these names."""
        self.ignored: set[bytes] = set()
        """Identities whose lines are not shown."""
        self.verified: set[bytes] = set()
        """Identities whose keys the user has compared."""
        self.followed: Container[bytes] | None = None
        """Of whom the registry tells us; None: of everybody."""
        self.touched: dict[bytes, None] = {}
        """With whom we have had to do since it does not tell us of everybody, the last one last."""
        self.changes = 0
        """How often something may have changed that a user sees of somebody."""
        self._people: tuple[Person, ...] = ()
        self._people_after = 0
        """After how many changes `_people` was built."""

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._by_identity.values())

    def __len__(self) -> int:
        return len(self._by_identity)

    def follow(self, followed: Container[bytes] | None) -> None:
        """Note of whom the registry tells us from now on."""
        if followed is not None or self.followed is not None:
            self.followed = followed
            self.changed()

    def is_followed(self, contact: Contact) -> bool:
        """Whether the registry tells us of somebody."""
        return self.followed is None or contact.identity in self.followed

    def touch(self, contact: Contact) -> None:
        """Note that we have to do with somebody: we want to be told of them."""
        if self.followed is not None:
            self.touched.pop(contact.identity, None)
            self.touched[contact.identity] = None

    def people(self) -> tuple[Person, ...]:
        """Return everybody who has a name and of whom the registry tells us, by name: the same
        tuple until somebody changes."""
        if self._people_after != self.changes:
            self._people, self._people_after = self._build_people(), self.changes
        return self._people

    def _build_people(self) -> tuple[Person, ...]:
        people = [
            Person(
                name=contact.name,
                online=contact.is_online,
                since=float(contact.row.since),
                is_verified=contact.identity in self.verified,
                is_banned=contact.is_banned,
                host=contact.address.host,
                port=contact.address.port,
                is_slow=contact.row.presence is Presence.SLOW,
                status=contact.row.status,
                away=contact.row.away if contact.is_online else None,
            )
            for contact in self
            if not contact.is_released and self.is_followed(contact)
        ]
        return tuple(sorted(people, key=lambda person: person.name))

    def listed(self, sights: Iterable[Sight]) -> tuple[Person, ...]:
        """Return people as they are listed, whether we are told of them or not."""
        return tuple(
            Person(
                name=sight.name,
                online=sight.presence in ONLINE,
                since=float(sight.since),
                is_verified=sight.key in self.verified,
                is_banned=sight.presence is Presence.BANNED,
                is_slow=sight.presence is Presence.SLOW,
                status=sight.status,
                away=sight.away if sight.presence in ONLINE else None,
            )
            for sight in sights
        )

    def by_identity(self, identity: bytes) -> Contact | None:
        """Return the contact with this identity key."""
        return self._by_identity.get(identity)

    def by_name(self, name: str) -> Contact | None:
        """Return the contact with this name, in whatever case it is typed."""
        try:
            return self._by_name.get(name_key(name))
        except NameRefused:
            return None

    def by_key(self, key: str) -> Contact | None:
        """Return the contact whose name has this key (`name_key`)."""
        return self._by_name.get(key)

    def by_sender_index(self, sender_index: int) -> Contact | None:
        """Return the contact who seals group frames under this index."""
        return self._by_sender_index.get(sender_index)

    def is_blocked(self, name: str) -> bool:
        """Return whether the registry shows another key for this name than the one that we hold."""
        try:
            return name_key(name) in self.blocked
        except NameRefused:
            return False

    def shown_instead(self, name: str) -> bytes | None:
        """Return the identity that the registry shows for a blocked name; None when the name is not
        blocked."""
        try:
            row = self.blocked.get(name_key(name))
        except NameRefused:
            return None
        return None if row is None else row.card.identity

    def take_row(self, row: Row, *, is_checked: bool = False) -> Change:
        """Take a row of the table. Its card must have its owner's signature, unless `is_checked`:
        then the row is from our own disk, where an earlier run has checked it, or from a roster,
        and its card is not used."""
        card = row.card
        contact = self._by_identity.get(card.identity)
        if contact is None and row.presence is Presence.RELEASED:
            return Change.REFUSED  # to pin this key would doubt the next bearer of the name
        if contact is not None:
            if row.version < contact.row.version:
                return Change.REFUSED
            if card.counter < contact.row.card.counter:
                # The registry was restored from a backup: the card is outdated, the presence is
                # not.
                return self._update_in_place(
                    contact, msgspec.structs.replace(row, card=contact.row.card)
                )
            is_checked = is_checked or card == contact.row.card
        try:
            key = name_key(card.name)
        except NameRefused:
            return Change.REFUSED
        if not is_checked and not is_authentic(card):
            return Change.REFUSED
        holder = self._by_name.get(key)
        if holder is not None and holder.identity != card.identity:
            if name_key(holder.name) == key:
                self._block(holder, key, row)
                return Change.KEY_CHANGED
            del self._by_name[key]  # a former name of its holder, which somebody else has now
        return self._add(key, row) if contact is None else self._update(contact, row)

    def clears(self, row: Row) -> bool:
        """Unblock the name of a row that was taken, if it shows the key that we hold again. Return
        whether it did."""
        if not self.blocked:
            return False
        key = name_key(row.card.name)
        blocked = self.blocked.get(key)
        if blocked is None or row.version <= blocked.version:
            return False
        del self.blocked[key]
        self._by_name[key].is_blocked = False
        return True

    def given_up(self, before: Row, contact: Contact) -> Row | None:
        """Unblock a name that its holder gave up for another one. Return the row that may have the
        name now."""
        if not self.blocked or before.card.name == contact.name:
            return None
        key = name_key(before.card.name)
        if key == name_key(contact.name):
            return None
        row = self.blocked.pop(key, None)
        if row is not None:
            contact.is_blocked = False
        return row

    def forget_versions(self) -> None:
        """Count every row from now on as newer than those that we hold, and forget the sender
        indices in these: those that our registry gives from now on may be others'."""
        for contact in self:
            contact.row = msgspec.structs.replace(contact.row, version=0, sender_index=0)
        self._by_sender_index.clear()
        self.blocked = {
            key: msgspec.structs.replace(row, version=0) for key, row in self.blocked.items()
        }

    def block(self, row: Row) -> None:
        """Restore a block: a row under a name that somebody else holds."""
        key = name_key(row.card.name)
        holder = self._by_name.get(key)
        if (
            holder is not None
            and holder.identity != row.card.identity
            and name_key(holder.name) == key
        ):
            self._block(holder, key, row)

    def also_called(self, identity: bytes, key: str) -> None:
        """Restore a former name: its bearer is found by it while nobody else has it."""
        contact = self._by_identity.get(identity)
        if contact is not None:
            self._by_name.setdefault(key, contact)

    def changed(self) -> None:
        """Note that a user may see something else of somebody."""
        self.changes += 1

    def let_go(self, contact: Contact) -> None:
        """Forget a contact whose key was replaced by another."""
        self.changed()
        del self._by_identity[contact.identity]
        for key in [key for key, holder in self._by_name.items() if holder is contact]:
            del self._by_name[key]
        if self._by_sender_index.get(contact.row.sender_index) is contact:
            del self._by_sender_index[contact.row.sender_index]

    def _block(self, holder: Contact, key: str, row: Row) -> None:
        before = self.blocked.get(key)
        if before is None or row.version >= before.version:
            self.blocked[key] = row
        holder.is_blocked = True

    def _update_in_place(self, contact: Contact, row: Row) -> Change:
        """Take a row, but keep the address."""
        where = contact.address
        change = self._update(contact, row)
        contact.address = where
        return change

    def _add(self, key: str, row: Row) -> Change:
        if len(self._by_identity) >= CONTACTS_MAX:
            return Change.REFUSED
        contact = Contact(row.card.identity, row)
        self._by_identity[contact.identity] = self._by_name[key] = contact
        if row.sender_index:
            self._by_sender_index[row.sender_index] = contact
        self.changed()
        return Change.MOVED

    def _update(self, contact: Contact, row: Row) -> Change:
        before, was_current = contact.row, contact.is_current
        if before.card.name != row.card.name:
            self._rename(contact, name_key(before.card.name), name_key(row.card.name))
        if contact.take_row(row):
            change = Change.RESTARTED
        else:
            moved = (before.host, before.port, before.online) != (row.host, row.port, row.online)
            is_other = moved or was_current is not contact.is_current
            change = Change.MOVED if is_other else Change.TAKEN
        if before.sender_index != row.sender_index:
            if self._by_sender_index.get(before.sender_index) is contact:
                del self._by_sender_index[before.sender_index]
            if row.sender_index:
                self._by_sender_index[row.sender_index] = contact
        self.changed()
        return change

    def _rename(self, contact: Contact, old: str, new: str) -> None:
        """Note a new name. The old one still finds them until somebody else has it."""
        for key, holder in list(self._by_name.items()):
            if holder is contact and key not in (old, new):
                del self._by_name[
                    key
                ]  # one former name each, so that a registry cannot grow this without bound
        self._by_name[new] = contact
