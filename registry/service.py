"""What the registry decides: which rule answers each request, and what time brings.

Each decision is a list of effects (effects.py); nothing is sent, stored or waited for here, so datagrams, links and
tests share every rule. The rules have a file each (rules.py).
"""

from typing import Final, assert_never

from chatapp.registry.access import AccessLists, AccessPolicy, AccessSettings, Operators
from chatapp.registry.admin import AdminService
from chatapp.registry.desk.desk import Desk
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.directory.directory import Directory
from chatapp.registry.directory.presence import PresenceTracker
from chatapp.registry.directory.renaming import Renaming, recall
from chatapp.registry.effects import (
    Caller,
    CheckAlive,
    ConsoleNotice,
    DeskLineOutcome,
    Disconnect,
    Drop,
    Effect,
    GroupKeyOutcome,
    LetterOutcome,
    LineLost,
    LineStored,
    NameOutcome,
    Persist,
    Push,
    Refuse,
    RenameOutcome,
    Reply,
    Request,
    Resume,
    RoomEntryOutcome,
    SendDatagram,
    StoreOutcome,
    VisitOutcome,
)
from chatapp.registry.groups.rooms import Rooms
from chatapp.registry.groups.rules import ChannelRules, GroupContext, GroupRules, ReadLines
from chatapp.registry.limits import Buckets, RegistryPolicy, WallClock, first_epoch, first_number
from chatapp.registry.mail import MailService, ReadLetters
from chatapp.registry.outputs import DiskState
from chatapp.registry.registering import Registration
from chatapp.registry.store.entries import GroupKeyMade
from chatapp.registry.store.protocol import Loaded
from chatapp.registry.transport.liveness import Liveness
from chatapp.registry.transport.relays import Relays
from chatapp.registry.transport.sessions import Connections, Randomness
from chatapp.wire.framing import GroupHeader
from chatapp.wire.limits import BUCKETS_MAX, SILENCE_REPORTS_BURST, SILENCE_REPORTS_PER_SECOND
from chatapp.wire.messages.direct import RelayDatagram, ReportSilence
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.mail import AskMail, DepositMail, TakeMail
from chatapp.wire.messages.registration import Leave, Ping, Probe, RefusalReason, Register, Rename
from chatapp.wire.messages.rooms import CHANNEL, EnterRoom, FetchGroup, LeaveRoom, ListRooms
from chatapp.wire.messages.table import FetchTable


class Rules:
    """All of them, over one directory and one roster."""

    def __init__(
        self,
        *,
        loaded: Loaded,
        clock: WallClock,
        policy: RegistryPolicy,
        rng: Randomness,
        read_letters: ReadLetters,
        read_lines: ReadLines,
        now: float,
        desk: DeskSettings | None = None,
        access: AccessSettings | None = None,
    ) -> None:
        channel = loaded.groups.get(CHANNEL)
        last_epoch = max(channel.keys if channel is not None else (), default=0)
        epoch = first_epoch(last=last_epoch, wall=clock.seconds(now))
        self.directory = Directory(version=first_number(epoch=epoch, chance=rng.randbytes(4)))
        # Sender indexes start at the clock's milliseconds, so that a row of an earlier life never shows an index of this
        # life: links may come faster than one a second, but not faster than one a millisecond.
        self.connections = Connections(first_sender_index=clock.millis(now))
        self.liveness = Liveness(policy)
        self.presence = PresenceTracker(self.directory, self.connections, self.liveness, clock)
        self.clock = clock
        self.disk = DiskState()
        self.mail = MailService(self.directory, self.connections, clock, read_letters, self.disk, policy)
        position = first_number(epoch=epoch, chance=rng.randbytes(4))
        context = GroupContext(
            self.connections, clock, rng, read_lines, self.disk, policy, position, self.directory.network_of
        )
        self.channel = ChannelRules(self.directory, context, now=now)
        self.rooms = Rooms(self.directory, context)
        self.access = AccessPolicy(access or AccessSettings())
        self.renaming = Renaming(self.directory, clock, is_banned=self.access.bans_name)
        self.registration = Registration(
            self.directory,
            self.connections,
            self.presence,
            self.channel,
            self.renaming,
            self.access,
            clock,
        )
        self.admin = AdminService(
            self.directory, self.access.invites, self.renaming, clock, forget=self._forget
        )
        settings = desk or DeskSettings()
        self.operators = Operators(settings.operators, self.directory)
        self.desk = Desk(settings, self.operators, self.directory, self.connections, self.liveness, clock)
        self.unreadable_names = recall(loaded, self.directory, clock, policy, now=now)
        """Cards on the disk that are of no shape that we know."""
        self.first = self._load(loaded, wall=clock.seconds(now), now=now)
        """What has to be stored before the first request is served."""

    def _load(self, loaded: Loaded, *, wall: int, now: float) -> Persist:
        self.access.invites.load(loaded.invites, wall=wall, now=now)
        self.mail.load(loaded, now=now)
        self.desk.load(loaded.desk, now=now)
        first_key = self.channel.load(loaded.groups.get(CHANNEL), now=now)
        entries = (first_key, *self.rooms.load(loaded, now=now))
        return Persist(
            entries=entries, then=tuple(_kept(one) for one in entries if isinstance(one, GroupKeyMade))
        )

    def _forget(self, identity: bytes, now: float) -> None:
        """Their name is anybody's again."""
        self.rooms.forget(identity, now=now)
        self.channel.members_changed(now=now)


def _kept(key: GroupKeyMade) -> Resume:
    note = GroupKeyOutcome(group=key.group, epoch=key.epoch, key=key.key, is_stored=True)
    return Resume(request=note, to=Caller(identity=b""))


_PROBE: Final = Probe()


class LinkLifecycle:
    """Tells all rules who is here."""

    def __init__(self, rules: Rules) -> None:
        self._directory = rules.directory
        self._connections = rules.connections
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
        effects = self._presence.attach(caller, caller.link, now=now)
        if effects is None:
            return [Drop(reason="misplaced attach")]
        connection = self._connections.connection(caller.identity)
        self._mail.reader_left(caller.identity)
        effects += self._rooms.go_away(caller.identity, now=now)  # where they were on a former link
        desk = self._desk.member_attached(caller, now=now)
        return [*effects, self._channel.grant(connection), *self._mail.welcome(caller.identity), *desk]

    def leave(self, leave: Leave, caller: Caller, *, now: float) -> list[Effect]:
        """They go offline on purpose."""
        effects = self._presence.leave(leave, caller, now=now)
        if self._connections.link_of(caller.identity) is None:
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
        return [CheckAlive(identity=report.recipient)]

    def check_alive(self, identity: bytes, *, now: float) -> None:
        """Somebody waits for them."""
        self._liveness.check_alive(identity, now=now)

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
            effects.append(SendDatagram(identity=identity, address=address, message=_PROBE))
        return effects


_REASON = "kept out"


class BanEnforcer:
    """Puts out whoever is kept out."""

    def __init__(
        self, access: AccessPolicy, directory: Directory, presence: PresenceTracker, desk: Desk
    ) -> None:
        self._access = access
        self._directory = directory
        self._presence = presence
        self._desk = desk

    def mark(self) -> None:
        """Make the rows of all people who are kept out say so, and no others."""
        for person in self._directory:
            is_banned = self._access.has_bans and self._is_out(person.card.identity, person.address.host)
            self._directory.ban(person, is_banned=is_banned)

    def evict(self, *, now: float) -> tuple[int, list[Effect]]:
        """How many of those who are here have to go, and what follows."""
        self.mark()
        count, effects = 0, list[Effect]()
        if not self._access.has_bans:
            return count, effects
        for identity in self._directory.online():
            person = self._directory.person(identity)
            if person is not None and self._is_out(identity, person.address.host):
                count += 1
                effects += self._presence.evict(person, now=now)
        for identity in self._desk.guests.linked():
            if self._is_out(identity, self._desk.guests.host_of(identity)):
                count += 1
                effects += self._desk.evict(identity, now=now)
        return count, effects

    def turned_away(self, caller: Caller) -> list[Effect]:
        """What becomes of somebody who goes on as if they were in; nothing when they may. They have a session still, since
        no nonce of it may be used twice."""
        if not self._access.has_bans:
            return []
        if not self._is_out(caller.identity, "" if caller.address is None else caller.address.host):
            return []
        if caller.link is None:
            return [Drop(reason=_REASON)]
        return [Disconnect(link=caller.link, reason=_REASON)]

    def _is_out(self, identity: bytes, host: str) -> bool:
        guests, person = self._desk.guests, self._directory.person(identity)
        if identity in guests:
            return self._access.bans(guests.card_of(identity), host or guests.host_of(identity))
        if person is None:
            return False
        return self._access.bans_name(person.name_key) or self._access.bans(
            person.card, host or person.address.host
        )


class Service:
    """Sends each request to its rule."""

    def __init__(self, rules: Rules, policy: RegistryPolicy, *, now: float) -> None:
        self.directory = rules.directory
        self.channel = rules.channel
        self.rooms = rules.rooms
        self.admin = rules.admin
        self.desk = rules.desk
        self.disk = rules.disk
        self.clock = rules.clock
        self._first = rules.first
        self._relays = Relays(rules.directory, rules.connections)
        self._presence = rules.presence
        self._link_lifecycle = LinkLifecycle(rules)
        self._mail = rules.mail
        self._access = rules.access
        self._renaming = rules.renaming
        self._registration = rules.registration
        self._ban_enforcer = BanEnforcer(rules.access, rules.directory, rules.presence, rules.desk)
        self._sweep_span = policy.sweep_span
        self._sweep_at = now + policy.sweep_span

    def start(self) -> list[Effect]:
        """What has to be stored before the first request is served."""
        self._ban_enforcer.mark()
        return [self._first]

    # --- requests

    def handle(self, request: Request, caller: Caller, *, now: float) -> list[Effect]:
        """What this request leads to. The caller is who they say; what they ask may still be nonsense."""
        if caller.identity in self.desk.guests and not isinstance(request, Register | StoreOutcome):
            turned_away = self._ban_enforcer.turned_away(caller)
            return turned_away or self.desk.serve_guest(request, caller, now=now)
        match request:
            case DepositMail():
                return self._mail.deposit(request, caller, now=now)
            case TakeMail() | AskMail():
                return self._mail.take_or_ask(request, caller)
            case RelayDatagram():
                return self._relays.relay(request, caller, now=now)
            case ReportSilence():
                return self._link_lifecycle.report(request, caller, now=now)
            case FetchTable():
                return [Reply(to=caller, message=self.directory.page(request.since))]
            case FetchGroup():
                return self._fetch_group(request, caller)
            case Ping():
                if turned_away := self._ban_enforcer.turned_away(caller):
                    return turned_away
                return self._presence.ping(request, caller, now=now)
            case Leave():
                return self._link_lifecycle.leave(request, caller, now=now)
            case Attach():
                return self._ban_enforcer.turned_away(caller) or self._link_lifecycle.attach(caller, now=now)
            case Register():
                return self._come_in(request, caller, now)
            case EnterRoom() | LeaveRoom() | ListRooms():
                return self._in_rooms(request, caller, now)
            case Rename():
                return self._renaming.rename(request, caller, now=now)
        if isinstance(request, StoreOutcome):
            return self._go_on(request, caller, now)
        return self.desk.serve(request, caller, now=now)

    def _come_in(self, register: Register, caller: Caller, now: float) -> list[Effect]:
        card = register.card
        if caller.address is not None and self._access.bans(card, caller.address.host):
            reason = RefusalReason.BANNED
            return [Refuse(to=caller, nonce=register.nonce, name=card.name, reason=reason)]
        if self.desk.is_for_guests(register):
            return self.desk.guests.register(register, caller, now=now)
        return self._registration.register(register, caller, now=now)

    def change_lists(self, lists: AccessLists, *, now: float) -> tuple[int, list[Effect]]:
        """Others may come in, and others may not, from now on; how many of those who are here have to go."""
        self._access.change(lists)
        return self._ban_enforcer.evict(now=now)

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

    def _go_on(self, note: StoreOutcome, caller: Caller, now: float) -> list[Effect]:
        """The disk has answered."""
        match note:
            case NameOutcome():
                return self._registration.name_settled(note, caller, now=now)
            case RenameOutcome():
                return self._renaming.rename_settled(note, caller, now=now)
            case RoomEntryOutcome():
                return self.rooms.entry_settled(note, caller, now=now)
            case LineStored():
                rules = self._group(note.group)
                return [] if rules is None else rules.line_stored(note, caller)
            case LineLost():
                rules = self._group(note.group)
                return [] if rules is None else rules.line_lost(note, caller)
            case GroupKeyOutcome():
                keys = self.channel if note.group == CHANNEL else self.rooms
                return keys.key_settled(note, now=now)
            case LetterOutcome():
                return self._mail.kept(note, caller)
            case VisitOutcome() | DeskLineOutcome() | ConsoleNotice():
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
        return self._link_lifecycle.link_lost(identity, link, now=now)

    def heard_on_link(self, identity: bytes, *, now: float) -> None:
        """A frame came on somebody's link: a sign of life."""
        self._link_lifecycle.heard(identity, now=now)

    def check_alive(self, identity: bytes, *, now: float) -> None:
        """Somebody waits for a sign of life of theirs."""
        self._link_lifecycle.check_alive(identity, now=now)

    def _fetch_group(self, request: FetchGroup, caller: Caller) -> list[Effect]:
        rules = self._group(request.group)
        return [Drop(reason="unknown group")] if rules is None else rules.fetch(request, caller)

    # --- time

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Whoever is silent, keys that are due, mail and lines that are too old."""
        effects = self._link_lifecycle.handle_timer(now=now)
        self.directory.handle_timer(now=now)
        effects += self.channel.handle_timer(now=now) + self.rooms.index.handle_timer(now=now)
        effects += self.desk.handle_timer(now=now)
        if now >= self._sweep_at:
            self._sweep_at = now + self._sweep_span
            effects += (
                self._renaming.sweep(now=now)
                + self.admin.sweep(now=now)
                + self._mail.sweep(now=now)
                + self.channel.sweep(now=now)
                + self.rooms.sweep(now=now)
            )
        return effects

    def next_timer(self) -> float:
        """The earliest deadline."""
        others = (
            self._link_lifecycle.next_timer(),
            self.directory.next_timer(),
            self.channel.next_timer(),
            self.rooms.index.next_timer(),
            self.desk.next_timer(),
        )
        return min([self._sweep_at, *(deadline for deadline in others if deadline is not None)])
