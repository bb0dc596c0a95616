"""The user's decisions about keys of people, and about whom to ignore.

A name whose key has changed is blocked until the user trusts the new key, which then replaces the
old one. The user states the digits of the key, so that no other key is trusted if the registry
shows yet another one meanwhile.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.core.contacts import Contact, doubt_about
from chatapp.peer.core.context import Context
from chatapp.peer.core.people.table import Table
from chatapp.peer.core.records import (
    IgnoreChanged,
    NameCleared,
    PersonVerified,
    RowsSaved,
)
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.table import Row
from chatapp.wire.names import name_key

ROUNDS: Final = 5_200
"""Hashes for each half. An attacker who searches a key with the same half pays them for every key
tried."""

_PURPOSE: Final = b"chatapp safety 1\0"
_GROUPS: Final = 6
_GROUP_BYTES: Final = 5
_GROUP_DIGITS: Final = 5


def safety_number(one: bytes, other: bytes) -> str:
    """Return the 60 digits of two identity keys, the same in either order."""
    return "".join(sorted((_half(one), _half(other))))


def _half(identity: bytes) -> str:
    digest = hashlib.sha512(_PURPOSE + identity).digest()
    for _ in range(ROUNDS - 1):
        digest = hashlib.sha512(digest + identity).digest()
    starts = range(0, _GROUPS * _GROUP_BYTES, _GROUP_BYTES)
    groups = [int.from_bytes(digest[start : start + _GROUP_BYTES]) for start in starts]
    return "".join(f"{group % 10**_GROUP_DIGITS:0{_GROUP_DIGITS}}" for group in groups)


class TrustDecisions:
    """The user's decisions about people."""

    def __init__(
        self,
        ctx: Context,
        table: Table,
        *,
        replaced: Callable[[Contact, Contact, float], None],
    ) -> None:
        """`replaced` is told that a contact was replaced by another one."""
        self._ctx: Final = ctx
        self._out = ctx.out
        self._contacts: Final = table.contacts
        self._table: Final = table
        self._replaced: Final = replaced
        self._shown: dict[str, str] = {}
        """The digits that `/verify` showed last, by the key of the name."""

    def number(self, name: str) -> events.SafetyNumber | events.NobodyKnown:
        """Return the digits to compare. For a blocked name they are those of the key that the
        registry shows now."""
        row, is_changed = self._in_question(name)
        if row is None:
            return events.NobodyKnown(name=name)
        identity = row.card.identity
        digits = self._shown[name_key(name)] = self._digits_of(identity)
        return events.SafetyNumber(
            name=row.card.name,
            digits=digits,
            is_verified=identity in self._contacts.verified,
            is_changed=is_changed,
        )

    def accept(
        self, name: str, digits: str | None, *, now: float
    ) -> events.Trusted | events.NotTrusted | events.NobodyKnown:
        """Trust the key with these digits for a name, if the registry shows it now. Pending
        messages to the old key, except saved mail, go to the new one."""
        row, is_changed = self._in_question(name)
        contact = self._contacts.by_name(name)
        if row is None or contact is None:
            return events.NobodyKnown(name=name)
        typed = None if digits is None else re.sub(r"[\s-]", "", digits)
        doubt = doubt_about(
            typed, self._digits_of(row.card.identity), shown=self._shown.get(name_key(name))
        )
        if doubt is not None:
            return events.NotTrusted(name=row.card.name, why=doubt)
        if is_changed:
            self._replace(contact, row, now)
        self._contacts.verified.add(row.card.identity)
        self._contacts.changed()
        self._out.records.append(PersonVerified(row.card.identity))
        return events.Trusted(name=row.card.name, is_new=is_changed)

    # --- ignoring

    def ignore(self, name: str, *, is_ignored: bool) -> events.Ignored | events.NobodyKnown:
        """Ignore somebody, or stop. It goes by identity, so a new name changes nothing. Their
        messages are still acknowledged and stored."""
        contact = self._contacts.by_name(name)
        if contact is None or self._is_own(contact.row):
            return events.NobodyKnown(name=name)
        if is_ignored:
            self._contacts.ignored.add(contact.identity)
        else:
            self._contacts.ignored.discard(contact.identity)
        self._out.records.append(IgnoreChanged(contact.identity, is_ignored))
        return events.Ignored(name=contact.name, is_ignored=is_ignored)

    def _replace(self, old: Contact, row: Row, now: float) -> None:
        key = name_key(row.card.name)
        self._contacts.verified.discard(old.identity)
        self._contacts.let_go(old)
        del self._contacts.blocked[key]
        self._contacts.take_row(row)
        new = self._contacts.by_identity(row.card.identity)
        if new is None:
            return
        self._out.records += [
            NameCleared(key, replaced=old.identity),
            RowsSaved(rows=(row,), version=self._table.version, at=self._table.saved_at),
        ]
        self._replaced(old, new, now)

    def _digits_of(self, identity: bytes) -> str:
        return safety_number(self._ctx.me.identity.public, identity)

    def _in_question(self, name: str) -> tuple[Row | None, bool]:
        """Return the row whose key is to be compared for a name, and whether that key differs from
        the one that we hold. The row is None for an unknown name and for our own."""
        contact, blocked = self._contacts.by_name(name), self._blocked(name)
        row = blocked or (contact.row if contact is not None else None)
        return (None if row is None or self._is_own(row) else row), blocked is not None

    def _blocked(self, name: str) -> Row | None:
        try:
            return self._contacts.blocked.get(name_key(name))
        except NameRefused:
            return None

    def _is_own(self, row: Row) -> bool:
        return row.card.identity == self._ctx.me.identity.public
