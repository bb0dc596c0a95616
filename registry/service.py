"""This file is about what the registry decides: which rule answers each request, and what time brings.

Each decision is a list of effects (effects.py); nothing is sent, stored or waited for here, so datagrams, links and
tests share every rule. The rules have a file each (rules.py). It must not know bytes on the wire, seals or sockets.
"""

from typing import assert_never

from registry.attendance import Attendance
from registry.doors import DoorLists
from registry.effects import (
    Afterthought,
    Caller,
    ConsoleTold,
    Denied,
    DeskLineStored,
    Drop,
    Effect,
    EpochKept,
    LetterKept,
    LineLost,
    LineStored,
    NameKept,
    RenameKept,
    Reply,
    Request,
    RoomEntryKept,
    VisitKept,
)
from registry.eviction import Eviction
from registry.grouprules import GroupRules
from registry.policy import Policy
from registry.relays import Relays
from registry.rules import Rules
from wire.header import GroupHeader
from wire.messages.direct import RelayDatagram, ReportSilence
from wire.messages.group import CHANNEL, FetchGroup
from wire.messages.link import Attach
from wire.messages.mail import AskMail, DepositMail, TakeMail
from wire.messages.presence import Leave, Ping
from wire.messages.registration import RefusalReason, Register
from wire.messages.renaming import Rename
from wire.messages.room import EnterRoom, LeaveRoom, ListRooms
from wire.messages.table import FetchTable


class Service:
    """Sends each request to its rule."""

    def __init__(self, rules: Rules, policy: Policy, *, now: float) -> None:
        self.directory = rules.directory
        self.channel = rules.channel
        self.rooms = rules.rooms
        self.office = rules.office
        self.desk = rules.desk
        self.disk = rules.disk
        self.clock = rules.clock
        self._first = rules.first
        self._relays = Relays(rules.directory, rules.roster)
        self._presence = rules.presence
        self._attendance = Attendance(rules)
        self._mail = rules.mail
        self._doors = rules.doors
        self._renaming = rules.renaming
        self._reception = rules.reception
        self._eviction = Eviction(rules.doors, rules.directory, rules.presence, rules.desk)
        self._sweep_span = policy.sweep_span
        self._sweep_at = now + policy.sweep_span

    def start(self) -> list[Effect]:
        """What has to be stored before the first request is served."""
        self._eviction.mark()
        return [self._first]

    # --- requests

    def handle(self, request: Request, caller: Caller, *, now: float) -> list[Effect]:
        """What this request leads to. The caller is who they say; what they ask may still be nonsense."""
        if caller.identity in self.desk.guests and not isinstance(request, Register | Afterthought):
            turned_away = self._eviction.turned_away(caller)
            return turned_away or self.desk.serve_guest(request, caller, now=now)
        match request:
            case DepositMail():
                return self._mail.deposit(request, caller, now=now)
            case TakeMail() | AskMail():
                return self._mail.take_or_ask(request, caller)
            case RelayDatagram():
                return self._relays.relay(request, caller, now=now)
            case ReportSilence():
                return self._attendance.report(request, caller, now=now)
            case FetchTable():
                return [Reply(to=caller, message=self.directory.page(request.since))]
            case FetchGroup():
                return self._fetch_group(request, caller)
            case Ping():
                if turned_away := self._eviction.turned_away(caller):
                    return turned_away
                return self._presence.ping(request, caller, now=now)
            case Leave():
                return self._attendance.leave(request, caller, now=now)
            case Attach():
                return self._eviction.turned_away(caller) or self._attendance.attach(caller, now=now)
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
            reason = RefusalReason.BANNED
            return [Denied(to=caller, nonce=register.nonce, name=card.name, reason=reason)]
        if self.desk.is_for_guests(register):
            return self.desk.guests.register(register, caller, now=now)
        return self._reception.register(register, caller, now=now)

    def change_lists(self, lists: DoorLists, *, now: float) -> tuple[int, list[Effect]]:
        """Others may come in, and others may not, from now on; how many of those who are here have to go."""
        self._doors.change(lists)
        return self._eviction.put_out(now=now)

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
            case LineStored():
                rules = self._group(note.group)
                return [] if rules is None else rules.line_stored(note, caller)
            case LineLost():
                rules = self._group(note.group)
                return [] if rules is None else rules.line_lost(note, caller)
            case EpochKept():
                keys = self.channel if note.group == CHANNEL else self.rooms
                return keys.epoch_kept(note, now=now)
            case LetterKept():
                return self._mail.kept(note, caller)
            case VisitKept() | DeskLineStored() | ConsoleTold():
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

    def link_lost(self, identity: bytes, link: int, *, now: float) -> list[Effect]:
        """A link is over, a member's or a guest's."""
        return self._attendance.link_lost(identity, link, now=now)

    def heard_on_link(self, identity: bytes, *, now: float) -> None:
        """A frame came on somebody's link: a sign of life."""
        self._attendance.heard(identity, now=now)

    def doubt(self, identity: bytes, *, now: float) -> None:
        """Somebody waits for a sign of life of theirs."""
        self._attendance.doubt(identity, now=now)

    def _fetch_group(self, request: FetchGroup, caller: Caller) -> list[Effect]:
        rules = self._group(request.group)
        return [Drop(reason="unknown group")] if rules is None else rules.fetch(request, caller)

    # --- time

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Whoever is silent, keys that are due, mail and lines that are too old."""
        effects = self._attendance.handle_timer(now=now)
        self.directory.handle_timer(now=now)
        effects += self.channel.handle_timer(now=now) + self.rooms.index.handle_timer(now=now)
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
            self._attendance.next_timer(),
            self.directory.next_timer(),
            self.channel.next_timer(),
            self.rooms.index.next_timer(),
            self.desk.next_timer(),
        )
        return min([self._sweep_at, *(deadline for deadline in others if deadline is not None)])
