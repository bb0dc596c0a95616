"""Everybody whom we know: by key, name and sender index, and whose name is in doubt.

It finds people and takes what the registry or they themselves say of them; what one of them is stands in `contact`.
"""

import enum
from collections.abc import Iterator

import msgspec

from chatapp.peer.core.people.contact import Contact
from chatapp.wire.errors import NameRefused
from chatapp.wire.identity import is_authentic
from chatapp.wire.limits import CONTACTS_MAX
from chatapp.wire.messages.table import Row
from chatapp.wire.names import name_key


class Change(enum.Enum):
    """What a row did to the table."""

    REFUSED = "nothing: an older row, a forged card, no name, or a full table"
    TAKEN = "nothing that matters to a conversation"
    MOVED = "another address, or another state"
    RESTARTED = "a newer card: their program was started anew"
    KEY_CHANGED = "another identity under a name that we have pinned"


class Contacts:
    """Everybody in the table, by key, name and sender index."""

    def __init__(self) -> None:
        self._by_identity: dict[bytes, Contact] = {}
        self._by_name: dict[str, Contact] = {}
        self._by_sender_index: dict[int, Contact] = {}
        self.blocked: dict[str, Row] = {}
        """By name key: the newest row with another identity than the one that we hold. Nothing is sent to the name."""
        self.ignored: set[bytes] = set()
        """Identities whose lines are not shown."""

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._by_identity.values())

    def __len__(self) -> int:
        return len(self._by_identity)

    def by_identity(self, identity: bytes) -> Contact | None:
        """Whoever holds this key."""
        return self._by_identity.get(identity)

    def by_name(self, name: str) -> Contact | None:
        """Whoever goes by this name, in whatever case it is typed."""
        try:
            return self._by_name.get(name_key(name))
        except NameRefused:
            return None

    def by_sender_index(self, sender_index: int) -> Contact | None:
        """Whoever seals group frames under this number."""
        return self._by_sender_index.get(sender_index)

    def is_blocked(self, name: str) -> bool:
        """Whether the key shown for this name is not the one that we hold."""
        try:
            return name_key(name) in self.blocked
        except NameRefused:
            return False

    def shown_instead(self, name: str) -> bytes | None:
        """The identity that is shown for a name whose key we hold is another one; None when the name is not blocked."""
        try:
            row = self.blocked.get(name_key(name))
        except NameRefused:
            return None
        return None if row is None else row.card.identity

    def take_row(self, row: Row, *, is_checked: bool = False) -> Change:
        """Take a row of the table. Its card counts only with its owner's signature, whoever shows it; `is_checked`: this
        row was taken in an earlier life, from which our own disk has kept it."""
        card = row.card
        contact = self._by_identity.get(card.identity)
        if contact is not None:
            if row.version < contact.row.version:
                return Change.REFUSED
            if card.counter < contact.row.card.counter:
                # Of a registry that was put back. The card is old news, whether they are there is not.
                return self._update_in_place(contact, msgspec.structs.replace(row, card=contact.row.card))
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
            del self._by_name[key]  # the name by which somebody went before: it is somebody else's now
        return self._add(key, row) if contact is None else self._update(contact, row)

    def clears(self, row: Row) -> bool:
        """Whether a row that was taken ends a block: the name is shown with the key that we hold again."""
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
        """Whether somebody gave up a name that was blocked, going by another one now: the row to which it is free."""
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
        """Any row of the registry is newer than those that we hold."""
        for contact in self:
            contact.row = msgspec.structs.replace(contact.row, version=0)
        self.blocked = {key: msgspec.structs.replace(row, version=0) for key, row in self.blocked.items()}

    def block(self, row: Row) -> None:
        """As in an earlier life: a row under a name that somebody else holds."""
        key = name_key(row.card.name)
        holder = self._by_name.get(key)
        if holder is not None and holder.identity != row.card.identity and name_key(holder.name) == key:
            self._block(holder, key, row)

    def also_called(self, identity: bytes, key: str) -> None:
        """As in an earlier life: somebody goes by another name now, and is found by the former as long as it is nobody's."""
        contact = self._by_identity.get(identity)
        if contact is not None:
            self._by_name.setdefault(key, contact)

    def let_go(self, contact: Contact) -> None:
        """Nobody knows this person any more: another holds their name."""
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
        """What a row says, but for the address."""
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
        return Change.MOVED

    def _update(self, contact: Contact, row: Row) -> Change:
        before = contact.row
        if before.card.name != row.card.name:
            self._rename(contact, name_key(before.card.name), name_key(row.card.name))
        if contact.take_row(row):
            change = Change.RESTARTED
        else:
            moved = (before.host, before.port, before.online) != (row.host, row.port, row.online)
            change = Change.MOVED if moved else Change.TAKEN
        if before.sender_index != row.sender_index:
            if self._by_sender_index.get(before.sender_index) is contact:
                del self._by_sender_index[before.sender_index]
            if row.sender_index:
                self._by_sender_index[row.sender_index] = contact
        return change

    def _rename(self, contact: Contact, old: str, new: str) -> None:
        """They go by another name. By the old one they are still found, until somebody else holds it."""
        for key, holder in list(self._by_name.items()):
            if holder is contact and key not in (old, new):
                del self._by_name[key]  # one former name each: a registry shall not grow this further
        self._by_name[new] = contact
