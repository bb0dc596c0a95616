"""This file is about what follows when a member's link comes or goes: for mail, rooms, the channel and the desk.

It must not know what a link is made of, nor why it ended.
"""

from registry.effects import Caller, Drop, Effect
from registry.rules import Rules
from wire.messages.presence import Leave


class Attendance:
    """Tells all rules who is here."""

    def __init__(self, rules: Rules) -> None:
        self._roster = rules.roster
        self._presence = rules.presence
        self._mail = rules.mail
        self._channel = rules.channel
        self._rooms = rules.rooms
        self._desk = rules.desk

    def attach(self, caller: Caller, *, now: float) -> list[Effect]:
        """They have a link: keys and mail follow."""
        if caller.link is None:
            return [Drop(reason="misplaced attach")]
        effects = self._presence.sit(caller, caller.link, now=now)
        if effects is None:
            return [Drop(reason="misplaced attach")]
        seat = self._roster.seat(caller.identity)
        self._mail.reader_left(caller.identity)
        effects += self._rooms.go_away(caller.identity, now=now)  # where they were on a former link
        desk = self._desk.member_attached(caller, now=now)
        return [*effects, self._channel.grant(seat), *self._mail.welcome(caller.identity), *desk]

    def leave(self, leave: Leave, caller: Caller, *, now: float) -> list[Effect]:
        """They go offline on purpose."""
        effects = self._presence.leave(leave, caller, now=now)
        if self._roster.link_of(caller.identity) is None:
            self._mail.reader_left(caller.identity)
            effects += self._rooms.go_away(caller.identity, now=now)
            effects += self._desk.member_left(caller.identity, now=now)
        return effects

    def link_lost(self, identity: bytes, link: int, *, now: float) -> list[Effect]:
        """A link is over. Whoever had it is away at once, until they show themselves again."""
        if self._presence.link_lost(identity, link, now=now):
            self._mail.reader_left(identity)
            return self._rooms.go_away(identity, now=now) + self._desk.link_lost(identity, link, now=now)
        return self._desk.link_lost(identity, link, now=now) if identity in self._desk.guests else []
