"""This file is about people who are here when a list changes, and may not be any more (clause 4.8).

Their links end and their signs of life count for nothing; what they are told, they are told when they ask to come in again.
It knows doors and who is here; it must not know how a list came to change.
"""

from registry.desk.desk import Desk
from registry.directory import Directory
from registry.doors import Doors
from registry.effects import Caller, Disconnect, Drop, Effect
from registry.presence import Presence

_REASON = "kept out"


class Eviction:
    """Puts out whoever is kept out."""

    def __init__(self, doors: Doors, directory: Directory, presence: Presence, desk: Desk) -> None:
        self._doors = doors
        self._directory = directory
        self._presence = presence
        self._desk = desk

    def mark(self) -> None:
        """Make the rows of all people who are kept out say so, and no others."""
        for person in self._directory:
            is_banned = self._doors.has_bans and self._is_out(person.card.identity, person.address.host)
            self._directory.ban(person, is_banned=is_banned)

    def put_out(self, *, now: float) -> tuple[int, list[Effect]]:
        """How many of those who are here have to go, and what follows."""
        self.mark()
        count, effects = 0, list[Effect]()
        if not self._doors.has_bans:
            return count, effects
        for identity in self._directory.online():
            person = self._directory.person(identity)
            if person is not None and self._is_out(identity, person.address.host):
                count += 1
                effects += self._presence.put_out(person, now=now)
        for identity in self._desk.guests.linked():
            if self._is_out(identity, self._desk.guests.host_of(identity)):
                count += 1
                effects += self._desk.put_out(identity, now=now)
        return count, effects

    def turned_away(self, caller: Caller) -> list[Effect]:
        """What becomes of somebody who goes on as if they were in; nothing when they may. They have a session still, since
        no nonce of it may be used twice."""
        if not self._doors.has_bans:
            return []
        if not self._is_out(caller.identity, "" if caller.address is None else caller.address.host):
            return []
        if caller.link is None:
            return [Drop(reason=_REASON)]
        return [Disconnect(link=caller.link, reason=_REASON)]

    def _is_out(self, identity: bytes, host: str) -> bool:
        guests, person = self._desk.guests, self._directory.person(identity)
        if identity in guests:
            return self._doors.bans(guests.card_of(identity), host or guests.host_of(identity))
        if person is None:
            return False
        return self._doors.bans_name(person.name_key) or self._doors.bans(
            person.card, host or person.address.host
        )
