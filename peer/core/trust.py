"""This file is about whom we believe to be whom, and whom we would rather not hear: what the user decides about people.

A name whose key has changed is blocked until its new key is trusted; from then on the old one is nobody's. It knows
contacts and what is under way with them; it must not know how keys are used.
"""

from peer.core import events as happened
from peer.core.contact import Contact
from peer.core.parts import Parts
from peer.core.records import IgnoreChanged, NameCleared, RowsSaved
from peer.core.safety import safety_number
from wire.errors import NameRefused
from wire.messages.table import Row
from wire.names import name_key


class Trust:
    """Our decisions about people at this registry."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._contacts = parts.contacts
        self._out = parts.out

    def number(self, name: str) -> happened.SafetyNumber | happened.NobodyKnown:
        """To compare with theirs. Of a blocked name it is that of the key shown now: the one to decide about."""
        contact, row = self._contacts.by_name(name), self._blocked(name)
        row = row or (contact.row if contact is not None else None)
        if row is None or self._is_own(row):
            return happened.NobodyKnown(name=name)
        digits = safety_number(self._parts.me.identity.public, row.card.identity)
        return happened.SafetyNumber(name=row.card.name, digits=digits)

    def accept(
        self, name: str, *, now: float
    ) -> tuple[happened.Trusted | happened.NobodyKnown, dict[int, int]]:
        """The key shown for a name now is theirs. What was under way to the old one and not given away as mail goes to
        the new one: also returned are the new numbers of those messages by the old."""
        contact, row = self._contacts.by_name(name), self._blocked(name)
        if contact is None or self._is_own(contact.row):
            return happened.NobodyKnown(name=name), {}
        if row is None:
            return happened.Trusted(name=contact.name), {}
        return happened.Trusted(name=row.card.name), self._replace(contact, row, now)

    def ignore(self, name: str, *, is_ignored: bool) -> happened.Ignored | happened.NobodyKnown:
        """By key: another name changes nothing, nor does a restart. What they say is acknowledged and stored."""
        contact = self._contacts.by_name(name)
        if contact is None or self._is_own(contact.row):
            return happened.NobodyKnown(name=name)
        if is_ignored:
            self._contacts.ignored.add(contact.identity)
        else:
            self._contacts.ignored.discard(contact.identity)
        self._out.records.append(IgnoreChanged(contact.identity, is_ignored))
        return happened.Ignored(name=contact.name, is_ignored=is_ignored)

    def _replace(self, old: Contact, row: Row, now: float) -> dict[int, int]:
        key, parts = name_key(row.card.name), self._parts
        self._contacts.let_go(old)
        del self._contacts.blocked[key]
        self._contacts.take_row(row)
        new = self._contacts.by_identity(row.card.identity)
        if new is None:
            return {}
        table = parts.table
        self._out.records += [
            NameCleared(key, dropped=old.identity),
            RowsSaved(rows=(row,), version=table.version, at=table.saved_at),
        ]
        parts.straight.let_go(old)
        parts.post.active.pop(old.identity, None)
        parts.inbound.adopt(new, now=now)
        talk = parts.inbound.conversation(new)
        return parts.ladder.redirect(old, new, talk, wall=now + parts.wall_offset, now=now)

    def _blocked(self, name: str) -> Row | None:
        try:
            return self._contacts.blocked.get(name_key(name))
        except NameRefused:
            return None

    def _is_own(self, row: Row) -> bool:
        return row.card.identity == self._parts.me.identity.public
