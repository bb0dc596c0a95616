"""This file is about what the registry decides: what each request leads to.

Each decision is a list of effects (effects.py); nothing is sent, stored or waited for here, so datagrams, links and
tests share every rule. Coming in, presence, mail and channel have a file each; this one brings them together. It must
not know bytes on the wire, seals or sockets.
"""

from typing import assert_never

from registry.channel import ChannelRules
from registry.clock import WallClock
from registry.desk.desk import Desk
from registry.desk.settings import DeskSettings
from registry.directory import Directory, first_version
from registry.doors import Doors, DoorSettings
from registry.effects import (
    Afterthought,
    Caller,
    Denied,
    DeskLineStored,
    Drop,
    Effect,
    EpochKept,
    LetterKept,
    LineLost,
    NameKept,
    Push,
    RenameKept,
    Reply,
    Request,
    RoomEntryKept,
    Store,
    VisitKept,
)
from registry.grouprules import GroupRules, Means, ReadLines
from registry.groups import first_position
from registry.mailroom import Mailroom, ReadLetters
from registry.office import Office
from registry.policy import Policy
from registry.presence import Presence
from registry.recalling import recall
from registry.reception import Reception
from registry.renaming import Renaming
from registry.rooms import Rooms
from registry.roster import Roster
from registry.sessions import Randomness
from registry.store.protocol import Loaded
from wire.header import GroupHeader
from wire.limits import DATAGRAM_MAX
from wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed
from wire.messages.group import CHANNEL, FetchGroup
from wire.messages.link import Attach
from wire.messages.mail import DepositMail, TakeMail
from wire.messages.presence import Leave, Ping
from wire.messages.registration import RefusalReason, Register
from wire.messages.renaming import Rename
from wire.messages.room import EnterRoom, LeaveRoom, ListRooms
from wire.messages.table import FetchTable


class Service:
    """All rules."""

    def __init__(
        self,
        *,
        loaded: Loaded,
        clock: WallClock,
        policy: Policy,
        rng: Randomness,
        read_letters: ReadLetters,
        read_lines: ReadLines,
        now: float,
        desk: DeskSettings | None = None,
        doors: DoorSettings | None = None,
    ) -> None:
        channel = loaded.groups.get(CHANNEL)
        life = 1 + max(channel.keys if channel is not None else (), default=0)
        self.directory = Directory(version=first_version(life=life, wall_ms=clock.millis(now)))
        # Stations begin where the clock is, so that a row of an earlier life does not show a station of this one: links come
        # faster than seconds pass, but not than milliseconds.
        self._roster = Roster(first_station=clock.millis(now))
        self._presence = Presence(self.directory, self._roster, clock, policy)
        self._mail = Mailroom(self.directory, self._roster, clock, read_letters, policy)
        means = Means(self._roster, clock, rng, read_lines, policy, first_position(life=life))
        self.channel = ChannelRules(self.directory, means, now=now)
        self.rooms = Rooms(self.directory, means)
        self._doors = Doors(doors or DoorSettings())
        self._renaming = Renaming(self.directory, clock, is_banned=self._doors.bans_name)
        self._reception = Reception(
            self.directory,
            self._roster,
            self._presence,
            self.channel,
            self._renaming,
            self._doors,
            clock,
            policy,
        )
        self.office = Office(self.directory, self._doors.invites, self._renaming, clock, forget=self._forget)
        self.desk = Desk(desk or DeskSettings(), self.directory, self._roster, clock, policy.lease_span)
        self._sweep_span = policy.sweep_span
        self._sweep_at = now + policy.sweep_span
        self.unreadable_names = recall(loaded, self.directory, clock, policy, now=now)
        self._doors.invites.load(loaded.invites, wall=clock.seconds(now), now=now)
        self._mail.load(loaded, now=now)
        self.desk.load(loaded.desk, now=now)
        first_key = self.channel.load(loaded.groups.get(CHANNEL), now=now)
        self._start = Store(entries=(first_key, *self.rooms.load(loaded, now=now)))

    def start(self) -> list[Effect]:
        """What has to be stored before the first request is served."""
        return [self._start]

    # --- requests

    def handle(self, request: Request, caller: Caller, *, now: float) -> list[Effect]:
        """What this request leads to. The caller is who they say; what they ask may still be nonsense."""
        if caller.identity in self.desk.guests and not isinstance(request, Register | Afterthought):
            return self.desk.serve_guest(request, caller, now=now)
        match request:
            case DepositMail():
                return self._mail.deposit(request, caller, now=now)
            case LetterKept():
                return self._mail.kept(request, caller)
            case TakeMail():
                return self._mail.take(request, caller)
            case RelayDatagram():
                return self._relay(request, caller)
            case FetchTable():
                return [Reply(to=caller, message=self.directory.page(request.since))]
            case FetchGroup():
                return self._fetch_group(request, caller)
            case Ping():
                self.desk.sign_of_life(caller.identity, now=now)
                return self._presence.ping(request, caller, now=now)
            case Leave():
                return self._leave(request, caller, now)
            case Attach():
                return self._attach(caller, now)
            case Register():
                return self._come_in(request, caller, now)
            case EnterRoom() | LeaveRoom() | ListRooms():
                return self._in_rooms(request, caller, now)
            case Rename():
                return self._renaming.rename(request, caller, now=now)
        if isinstance(request, Afterthought):
            return self._go_on(request, caller, now)
        return self.desk.serve(request, caller, now=now)

    def _come_in(self, register: Register, caller: Caller, now: float) -> list[Effect]:
        card = register.card
        if caller.address is not None and self._doors.bans(card, caller.address.host):
            return [
                Denied(to=caller, nonce=register.nonce, name=card.name, reason=RefusalReason.BANNED),
            ]
        if self.desk.is_for_guests(register):
            return self.desk.guests.register(register, caller, now=now)
        return self._reception.register(register, caller, now=now)

    def _forget(self, identity: bytes, now: float) -> None:
        """Their name is anybody's again."""
        self.rooms.forget(identity, now=now)
        self.channel.members_changed(now=now)

    def _in_rooms(
        self, request: EnterRoom | LeaveRoom | ListRooms, caller: Caller, now: float
    ) -> list[Effect]:
        match request:
            case EnterRoom():
                return self.rooms.enter(request, caller, now=now)
            case LeaveRoom():
                return self.rooms.leave(request, caller, now=now)
            case ListRooms():
                return self.rooms.list_rooms(request, caller)

    def _go_on(self, note: Afterthought, caller: Caller, now: float) -> list[Effect]:
        """The disk has answered."""
        match note:
            case NameKept():
                return self._reception.name_kept(note, caller, now=now)
            case RenameKept():
                return self._renaming.rename_kept(note, caller, now=now)
            case RoomEntryKept():
                return self.rooms.entry_kept(note, caller, now=now)
            case LineLost():
                rules = self._group(note.group)
                return [] if rules is None else rules.line_lost(note)
            case EpochKept():
                keys = self.channel if note.group == CHANNEL else self.rooms
                return keys.epoch_kept(note, now=now)
            case LetterKept():
                return self._mail.kept(note, caller)
            case VisitKept() | DeskLineStored():
                return self.desk.go_on(note, now=now)
        assert_never(note)

    def _group(self, name: str) -> GroupRules | None:
        return self.channel if name == CHANNEL else self.rooms.index.by_group(name)

    def speak(self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float) -> list[Effect]:
        """A group frame from a link."""
        if caller.identity in self.desk.guests:
            return [Drop(reason="not served to guests")]
        rules = self.channel if header.tag == self.channel.tag else self.rooms.index.by_tag(header.tag)
        if rules is None:
            return [Drop(reason="foreign group frame")]
        return rules.speak(frame, header, caller, now=now)

    def _attach(self, caller: Caller, now: float) -> list[Effect]:
        if caller.link is None:
            return [Drop(reason="misplaced attach")]
        effects = self._presence.sit(caller, caller.link, now=now)
        if effects is None:
            return [Drop(reason="misplaced attach")]
        seat = self._roster.seat(caller.identity)
        self._mail.reader_left(caller.identity)
        effects += self.rooms.go_away(caller.identity, now=now)  # where they were on a former link
        desk = self.desk.member_attached(caller, now=now)
        return [*effects, self.channel.grant(seat), *self._mail.welcome(caller.identity), *desk]

    def _leave(self, leave: Leave, caller: Caller, now: float) -> list[Effect]:
        effects = self._presence.leave(leave, caller, now=now)
        if self._roster.link_of(caller.identity) is None:
            self._mail.reader_left(caller.identity)
            effects += self.rooms.go_away(caller.identity, now=now)
            effects += self.desk.member_left(caller.identity, now=now)
        return effects

    def link_lost(self, identity: bytes, link: int, *, now: float) -> list[Effect]:
        """A link is over. Whoever had it is away at once, until they show themselves again."""
        if self._presence.link_lost(identity, link, now=now):
            self._mail.reader_left(identity)
            return self.rooms.go_away(identity, now=now) + self.desk.link_lost(identity, link, now=now)
        return self.desk.link_lost(identity, link, now=now) if identity in self.desk.guests else []

    def _relay(self, request: RelayDatagram, caller: Caller) -> list[Effect]:
        link = self._roster.link_of(request.recipient)
        if link is None or len(request.datagram) > DATAGRAM_MAX:
            return [Reply(to=caller, message=RelayFailed(request.recipient))]
        return [Push(link=link, message=DatagramRelayed(caller.identity, request.datagram))]

    def _fetch_group(self, request: FetchGroup, caller: Caller) -> list[Effect]:
        rules = self._group(request.group)
        return [Drop(reason="unknown group")] if rules is None else rules.fetch(request, caller)

    def sealed(self) -> list[bytes]:
        """Everybody whose session goes on when our live key is replaced."""
        return [*self.directory.online(), *self.desk.guests.linked()]

    # --- time

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Leases that are over, keys that are due, mail and lines that are too old."""
        self._presence.expire(now=now)
        self._reception.handle_timer(now=now)
        effects = self.channel.handle_timer(now=now) + self.rooms.index.handle_timer(now=now)
        effects += self.desk.handle_timer(now=now)
        if now >= self._sweep_at:
            self._sweep_at = now + self._sweep_span
            effects += (
                self._renaming.sweep(now=now)
                + self.office.sweep(now=now)
                + self._mail.sweep(now=now)
                + self.channel.sweep(now=now)
                + self.rooms.sweep(now=now)
            )
        return effects

    def next_timer(self) -> float:
        """The earliest deadline."""
        others = (
            self._presence.next_timer(),
            self._reception.next_timer(),
            self.channel.next_timer(),
            self.rooms.index.next_timer(),
            self.desk.next_timer(),
        )
        return min([self._sweep_at, *(deadline for deadline in others if deadline is not None)])
