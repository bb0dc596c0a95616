"""This file is about who may come in: everybody, or who is invited or listed; and who may not in any case (clause 4.8).

Whoever has a name here needs no invitation. It knows settings, keys and join codes; it must not know how somebody comes in,
or bytes.
"""

from typing import Final

import msgspec

from registry.doorlists import Bans
from registry.invites import Invites
from wire.identity import fingerprint_digits, fingerprint_from
from wire.invitations import public_half
from wire.messages.registration import RefusalReason, Register
from wire.messages.table import Card


class DoorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever runs the registry has decided."""

    invite_only: bool = False
    """Newcomers need a join code."""
    allow: tuple[str, ...] = ()
    """Keys of newcomers who need none; once there are any, all others do."""
    ban: tuple[str, ...] = ()
    """Keys, names, addresses and networks that do not come in."""


class DoorLists:
    """Who is listed by name, ready to be looked up: made beside the loop, since lists may be long."""

    def __init__(self, settings: DoorSettings) -> None:
        self.allowed: Final = frozenset(fingerprint_from(text) for text in settings.allow)
        self.bans: Final = Bans(settings.ban)


class Doors:
    """Stands between a REGISTER whose author is proved and a name."""

    def __init__(self, settings: DoorSettings) -> None:
        self.invites: Final = Invites()
        self._lists = DoorLists(settings)
        self._is_closed = settings.invite_only or bool(self._lists.allowed)

    def change(self, lists: DoorLists) -> None:
        """Other lists from now on. Whoever empties the list of those who need no code has not asked for a registry that is
        open to everybody: what was closed stays closed."""
        self._lists = lists
        self._is_closed = self._is_closed or bool(lists.allowed)

    @property
    def has_bans(self) -> bool:
        """Whether anybody is kept out."""
        return bool(self._lists.bans)

    def bans(self, card: Card, host: str) -> bool:
        """Whether this key, or anybody from there, is kept out. A visitor of the help desk, too."""
        bans = self._lists.bans
        return bans.has_key(card.identity) or bans.has_host(host)

    def bans_name(self, key: str) -> bool:
        """Whether nobody may bear this name."""
        return self._lists.bans.has_name(key)

    def refusal_of(self, register: Register, *, now: float) -> RefusalReason | None:
        """Why this newcomer may not come in; None when they may."""
        code = self.code_for(register)
        if code is None:
            return None
        if not code:
            return RefusalReason.NOT_INVITED
        return None if self.invites.is_good(code, now=now) else RefusalReason.BAD_CODE

    def code_for(self, register: Register) -> bytes | None:
        """The code that this newcomer comes in with: empty for none, None when they need none (theirs stays good)."""
        if not self._is_closed or fingerprint_digits(register.card.identity) in self._lists.allowed:
            return None
        return public_half(register.invitation)
