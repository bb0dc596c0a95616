"""This file is about who may come in: everybody, or who is invited or listed; and who may not in any case (clause 4.8).

Whoever has a name here needs no invitation. It knows settings, keys and join codes; it must not know how somebody comes in,
or bytes.
"""

from typing import Final

import msgspec

from registry.doorlists import Bans, digits_of, key_from
from registry.invites import Invites
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


class Doors:
    """Stands between a REGISTER whose author is proved and a name."""

    def __init__(self, settings: DoorSettings) -> None:
        self.invites: Final = Invites()
        self._listed = {key_from(text) for text in settings.allow}
        self._is_closed = settings.invite_only or bool(self._listed)
        self._bans = Bans(settings.ban)

    def bans(self, card: Card, host: str) -> bool:
        """Whether this key, or anybody from there, is kept out. A visitor of the help desk, too."""
        return self._bans.has_key(card.identity) or self._bans.has_host(host)

    def bans_name(self, key: str) -> bool:
        """Whether nobody may bear this name."""
        return self._bans.has_name(key)

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
        if not self._is_closed or digits_of(register.card.identity) in self._listed:
            return None
        return public_half(register.invitation)
