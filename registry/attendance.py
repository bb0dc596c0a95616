"""Attendance: what follows for mail, rooms, the channel and the desk when a link comes or goes, or somebody falls silent."""

from typing import Final

from registry.buckets import Buckets
from registry.effects import Caller, Doubt, Drop, Effect, Push, Tell
from registry.rules import Rules
from wire.limits import BUCKETS_MAX, SILENCE_REPORTS_BURST, SILENCE_REPORTS_PER_SECOND
from wire.messages.direct import ReportSilence
from wire.messages.presence import Leave, Probe

_PROBE: Final = Probe()


class Attendance:
    """Tells all rules who is here."""

    def __init__(self, rules: Rules) -> None:
        self._directory = rules.directory
        self._roster = rules.roster
        self._presence = rules.presence
        self._liveness = rules.liveness
        self._mail = rules.mail
        self._channel = rules.channel
        self._rooms = rules.rooms
        self._desk = rules.desk
        self._reports: Buckets[bytes] = Buckets(
            rate=SILENCE_REPORTS_PER_SECOND, burst=SILENCE_REPORTS_BURST, most=BUCKETS_MAX
        )

    # --- links

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

    # --- signs of life

    def heard(self, identity: bytes, *, now: float) -> None:
        """A frame came on their link."""
        if identity in self._liveness:
            self._liveness.note(identity, now=now)

    def report(self, report: ReportSilence, caller: Caller, *, now: float) -> list[Effect]:
        """A member cannot reach another one."""
        if self._directory.person(caller.identity) is None or not self._reports.take(
            caller.identity, now=now
        ):
            return [Drop(reason="too many reports of silence")]
        return [Doubt(identity=report.recipient)]

    def doubt(self, identity: bytes, *, now: float) -> None:
        """Somebody waits for them."""
        self._liveness.doubt(identity, now=now)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Ask those in doubt; whoever is silent is here no longer."""
        effects: list[Effect] = []
        silent, to_ask = self._liveness.handle_timer(now=now)
        for identity in silent:
            is_guest = identity in self._desk.guests
            effects += (
                self._desk.guests.silent(identity) if is_guest else self._presence.silent(identity, now=now)
            )
        for identity in to_ask:
            effects += self._probe(identity)
        return effects

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        return self._liveness.next_timer()

    def _probe(self, identity: bytes) -> list[Effect]:
        """Ask by both ways: either may be broken."""
        is_guest = identity in self._desk.guests
        link, address = (self._desk.guests if is_guest else self._presence).place_of(identity)
        effects: list[Effect] = []
        if link is not None:
            effects.append(Push(link=link, message=_PROBE))
        if address is not None:
            effects.append(Tell(identity=identity, address=address, message=_PROBE))
        return effects
