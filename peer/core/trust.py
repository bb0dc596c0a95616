"""What the user decides about people and the registry: whose keys are theirs, and who is not to be heard.

A name whose key has changed is blocked until its new key is trusted; from then on the old one is nobody's. The user names
the key that they mean by its digits, so that no other key is trusted, whatever is shown meanwhile.
"""

import hashlib
import re
from collections.abc import Set
from typing import Final

from chatapp.peer.core import events as happened
from chatapp.peer.core.context import Outputs
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.roster import Contacts
from chatapp.peer.core.people.table import Table
from chatapp.peer.core.records import IgnoreChanged, NameCleared, PersonVerified, RegistryVerified, RowsSaved
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.peer.core.rooms.direct_fanout import DirectFanout
from chatapp.peer.core.trace import WallClock
from chatapp.wire.errors import NameRefused
from chatapp.wire.identity import fingerprint, fingerprint_digits, fingerprint_from
from chatapp.wire.messages.table import Row
from chatapp.wire.names import name_key

ROUNDS: Final = 5_200
"""Hashes for each half. Who wants a key of their own that shows the same half has to pay them for each key they try."""

_PURPOSE: Final = b"chatapp safety 1\0"
_GROUPS: Final = 6
_GROUP_BYTES: Final = 5
_GROUP_DIGITS: Final = 5


def safety_number(one: bytes, other: bytes) -> str:
    """60 digits of two identity keys, in whichever order they are given."""
    return "".join(sorted((_half(one), _half(other))))


def _half(identity: bytes) -> str:
    digest = hashlib.sha512(_PURPOSE + identity).digest()
    for _ in range(ROUNDS - 1):
        digest = hashlib.sha512(digest + identity).digest()
    starts = range(0, _GROUPS * _GROUP_BYTES, _GROUP_BYTES)
    groups = [int.from_bytes(digest[start : start + _GROUP_BYTES]) for start in starts]
    return "".join(f"{group % 10**_GROUP_DIGITS:0{_GROUP_DIGITS}}" for group in groups)


SERVER: Final = "server"
"""The registry, where a name is asked for: nobody can bear this name."""


class TrustDecisions:
    """Our decisions at this registry."""

    def __init__(
        self,
        *,
        me: LocalIdentity,
        contacts: Contacts,
        table: Table,
        transport: PeerTransport,
        fanout: DirectFanout,
        direct_receiver: DirectReceiver,
        ladder: Ladder,
        session: RegistrySession,
        outputs: Outputs,
        clock: WallClock,
        verified: Set[bytes],
        is_registry_verified: bool,
    ) -> None:
        """`verified`: the identities whose keys the user has compared in an earlier life."""
        self._me = me
        self._contacts = contacts
        self._table = table
        self._transport = transport
        self._fanout = fanout
        self._direct_receiver = direct_receiver
        self._ladder = ladder
        self._session = session
        self._out = outputs
        self._clock = clock
        self._verified = set(verified)
        self._is_registry_verified = is_registry_verified
        self._shown: dict[str, str] = {}
        """The digits that `/verify` showed last, by the key of the name."""

    # --- people

    def is_verified(self, identity: bytes) -> bool:
        """Return whether the user has compared this key."""
        return identity in self._verified

    def number(self, name: str) -> happened.SafetyNumber | happened.NobodyKnown:
        """Return the digits to compare with theirs. Of a blocked name they are those of the key shown now."""
        row, is_changed = self._in_question(name)
        if row is None:
            return happened.NobodyKnown(name=name)
        identity = row.card.identity
        digits = self._shown[name_key(name)] = self._digits_of(identity)
        return happened.SafetyNumber(
            name=row.card.name,
            digits=digits,
            is_verified=self.is_verified(identity),
            is_changed=is_changed,
        )

    def accept(
        self, name: str, digits: str | None, *, now: float
    ) -> tuple[happened.Trusted | happened.NotTrusted | happened.NobodyKnown, dict[int, int]]:
        """Hold the key with these digits for a name, if it is the one that is shown now. What was under way to the old one
        and not given away as mail goes to the new one: also returned are the new numbers of those messages by the old."""
        row, is_changed = self._in_question(name)
        contact = self._contacts.by_name(name)
        if row is None or contact is None:
            return happened.NobodyKnown(name=name), {}
        typed = None if digits is None else re.sub(r"[\s-]", "", digits)
        doubt = self._doubt(name_key(name), typed, self._digits_of(row.card.identity))
        if doubt is not None:
            return happened.NotTrusted(name=row.card.name, why=doubt), {}
        numbers = self._replace(contact, row, now) if is_changed else {}
        self._verified.add(row.card.identity)
        self._out.records.append(PersonVerified(row.card.identity))
        return happened.Trusted(name=row.card.name, is_new=is_changed), numbers

    # --- the registry

    def registry_key(self) -> happened.RegistryKey:
        """Return the fingerprints of the registry's key and of the one that answers in its place."""
        held, other = self._session.pinned, self._session.stranger
        self._shown[SERVER] = self._registry_digits()
        return happened.RegistryKey(
            held="" if held is None else fingerprint(held),
            other="" if other is None else fingerprint(other),
            is_verified=self._is_registry_verified or self._session.is_key_named,
        )

    def accept_registry(self, digits: str | None, *, now: float) -> happened.Trusted | happened.NotTrusted:
        """Take the key with this fingerprint for our registry's: the one that we hold, which counts as compared from now
        on, or the one that answers in its place, which is held once its registry lets us in."""
        typed = None if digits is None else fingerprint_from(digits) or digits
        held = self._session.pinned
        if held is not None and typed == fingerprint_digits(held):
            self._is_registry_verified = True
            self._out.records.append(RegistryVerified())
            return happened.Trusted(name=SERVER, is_new=False)
        doubt = self._doubt(SERVER, typed, self._registry_digits())
        if doubt is not None:
            return happened.NotTrusted(name=SERVER, why=doubt)
        assert typed is not None
        self._session.demand(typed)
        if self._session.state is State.PAUSING:
            self._session.start(table_version=self._table.version, now=now)
        return happened.Trusted(name=SERVER, is_new=True)

    def _registry_digits(self) -> str:
        """Those of the key to be compared: of one that answers in the place of ours, else of ours; empty for none."""
        key = self._session.stranger or self._session.pinned
        return "" if key is None else fingerprint_digits(key)

    # --- not to be heard

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
        key = name_key(row.card.name)
        self._verified.discard(old.identity)
        self._contacts.let_go(old)
        del self._contacts.blocked[key]
        self._contacts.take_row(row)
        new = self._contacts.by_identity(row.card.identity)
        if new is None:
            return {}
        self._out.records += [
            NameCleared(key, replaced=old.identity),
            RowsSaved(rows=(row,), version=self._table.version, at=self._table.saved_at),
        ]
        self._fanout.let_go(old)
        self._transport.let_go(old)
        self._direct_receiver.adopt(new, now=now)
        conversation = self._direct_receiver.conversation(new)
        return self._ladder.redirect(old, new, conversation, wall=now + self._clock.offset, now=now)

    def _doubt(self, key: str, typed: str | None, digits: str) -> happened.Doubt | None:
        """Why these digits are not those of the key that is shown now; None when they are."""
        if typed is None:
            return happened.Doubt.NO_DIGITS
        if typed == digits:
            return None
        return happened.Doubt.CHANGED if typed == self._shown.get(key) else happened.Doubt.OTHER_DIGITS

    def _digits_of(self, identity: bytes) -> str:
        return safety_number(self._me.identity.public, identity)

    def _in_question(self, name: str) -> tuple[Row | None, bool]:
        """The row whose key is to be compared for a name, and whether it is not the key that we hold. None for nobody
        known, and for ourselves."""
        contact, blocked = self._contacts.by_name(name), self._blocked(name)
        row = blocked or (contact.row if contact is not None else None)
        return (None if row is None or self._is_own(row) else row), blocked is not None

    def _blocked(self, name: str) -> Row | None:
        try:
            return self._contacts.blocked.get(name_key(name))
        except NameRefused:
            return None

    def _is_own(self, row: Row) -> bool:
        return row.card.identity == self._me.identity.public
