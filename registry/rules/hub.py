"""The rules of the registry put together: which rule answers a request, and what time brings.

Each rule decides and returns effects (`effects.py`); it sends and stores nothing and waits for
nothing. So datagrams, links and tests share every rule.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar, get_args

from chatapp.registry.rules.admin import AdminService, LiveAdmin, Parts
from chatapp.registry.rules.admin_requests import AddBan, CoreRequest, LiftBan
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.desk import Desk
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.directory.connections import Connections, Liveness, SenderIndices
from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    CheckAlive,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    Effects,
    LinkEndReason,
    Offer,
    Push,
    Reply,
    Rule,
    SendDatagram,
    Store,
)
from chatapp.registry.rules.file_relay import FileRelay
from chatapp.registry.rules.limits import first_epoch, first_number
from chatapp.registry.rules.mail import MailService
from chatapp.registry.rules.people.access import (
    AccessLists,
    AccessPolicy,
    AccessSettings,
)
from chatapp.registry.rules.people.presence import PresenceTracker
from chatapp.registry.rules.people.registration import Registration, excluded
from chatapp.registry.rules.people.releasing import Releasing
from chatapp.registry.rules.people.renaming import Renaming, restore_names
from chatapp.registry.rules.rooms.rooms import Rooms
from chatapp.registry.rules.rooms.rules import ChannelRules, GroupRules
from chatapp.registry.store.entries import BanLifted, Entry, SenderIndicesReserved
from chatapp.registry.store.protocol import Loaded
from chatapp.wire.address import Address
from chatapp.wire.admission import public_half
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import GroupHeader
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DATAGRAM_MAX,
    RELAYS_BURST,
    RELAYS_PER_NETWORK,
    RELAYS_PER_NETWORK_BURST,
    RELAYS_PER_SECOND,
    SILENCE_REPORTS_BURST,
    SILENCE_REPORTS_PER_SECOND,
)
from chatapp.wire.messages.desk import DeskRequest
from chatapp.wire.messages.direct import (
    DatagramRelayed,
    RelayDatagram,
    RelayFailed,
    RelayFile,
    ReportSilence,
)
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.mail import AskMail, DepositMail, TakeMail
from chatapp.wire.messages.registration import (
    AskLease,
    Leave,
    Ping,
    Probe,
    RefusalReason,
    Register,
    Release,
    Rename,
)
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EnterRooms,
    FetchGroup,
    LeaveRoom,
    ListRooms,
    SetTopic,
)
from chatapp.wire.messages.table import FetchCards, FetchTable, SetStatus, run_of

_PROBE: Final = Probe()


class LinkLifecycle:
    """Tells mail, rooms and the desk when members come and go."""

    def __init__(self, parts: Parts) -> None:
        self._connections = parts.connections
        self._directory = parts.directory
        self._presence = parts.presence
        self._liveness = parts.presence.liveness
        self._mail = parts.mail
        self._channel = parts.channel
        self._rooms = parts.rooms
        self._desk = parts.desk

    def attach(self, request: Attach, caller: Caller, *, now: float) -> list[Effect]:
        """Attach a member's link: keys and mail follow."""
        if caller.link is None:
            return [Drop(reason=DropReason.MISPLACED_ATTACH)]
        replaced = self._presence.attach(request, caller, caller.link, now=now)
        if replaced is None:
            return [Drop(reason=DropReason.MISPLACED_ATTACH)]
        effects: list[Effect] = []
        if self._connections.link_of(caller.identity) != caller.link:
            return [*replaced, *self._reserve_indices()]
        if replaced:
            self._mail.reader_left(caller.identity)
            effects = [*replaced, *self._rooms.go_away(caller.identity, now=now)]
        effects.append(self._channel.grant(self._connections.of(caller.identity)))
        effects += self._mail.hand_over(caller.identity)
        effects += self._reserve_indices()
        return effects + self._desk.member_attached(caller, now=now)

    def _reserve_indices(self) -> list[Effect]:
        """Reserve more sender indices if few are left."""
        reservation = self._connections.indices.reservation()
        return [] if reservation is None else [self._reserve(reservation)]

    def _reserve(self, reservation: SenderIndicesReserved) -> Rule:
        is_stored, _ = yield Store((reservation,))
        self._connections.indices.settled(reservation.upto, is_stored=is_stored)

    def leave(self, leave: Leave, caller: Caller, *, now: float) -> list[Effect]:
        """Take a member offline who says goodbye."""
        effects = self._presence.leave(leave, caller, now=now)
        if self._connections.link_of(caller.identity) is None:
            self._mail.reader_left(caller.identity)
            effects += self._rooms.go_away(caller.identity, now=now)
            effects += self._desk.member_left(caller.identity, now=now)
        return effects

    def forget(self, person: Person, *, now: float) -> list[Effect]:
        """Remove a person who has no name any more, and who may be online, from the table and from
        all that they were in."""
        identity = person.card.identity
        self._mail.reader_left(identity)
        effects = [
            *self._desk.member_left(identity, now=now),
            *self._mail.forget(identity),
        ]
        self._rooms.forget(identity, now=now)
        self._presence.forget(identity)
        self._directory.release(person)
        self._channel.members_changed(now=now)
        return effects

    def link_lost(self, identity: bytes, link: int, *, now: float) -> list[Effect]:
        """Note that a link is over: its member is away at once, until the next sign of life."""
        if self._presence.link_lost(identity, link, now=now):
            self._mail.reader_left(identity)
            return self._rooms.go_away(identity, now=now) + self._desk.link_lost(
                identity, link, now=now
            )
        return (
            self._desk.link_lost(identity, link, now=now) if identity in self._desk.guests else []
        )

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Probe those in doubt, and take those offline who stayed silent."""
        effects: list[Effect] = []
        silent, to_probe = self._liveness.handle_timer(now=now)
        for identity in silent:
            if identity in self._desk.guests:
                effects += self._desk.guests.silent(identity)
            else:
                effects += self._presence.silent(identity, now=now)
        for identity in to_probe:
            effects += self._probe(identity)
        return effects

    def _probe(self, identity: bytes) -> list[Effect]:
        """Ask for a sign of life on the link and by datagram: either way may be broken."""
        is_guest = identity in self._desk.guests
        link, address, node = (self._desk.guests if is_guest else self._presence).place_of(identity)
        effects: list[Effect] = []
        if link is not None:
            effects.append(Push(link=link, message=_PROBE))
        if address is not None:
            effects.append(
                SendDatagram(node=node, identity=identity, address=address, message=_PROBE)
            )
        return effects


class DatagramRelay:
    """Passes sealed datagrams from one peer's link to another's, where UDP does not get through
    (clause 6.8).

    A sender above the rate loses datagrams, as on a full network. Nobody else loses any for it, and
    no link is ended for what others send over it.
    """

    def __init__(self, directory: Directory, connections: Connections) -> None:
        self._directory = directory
        self._connections = connections
        # Counted by recipient too: answering a flooder must not use up what a sender has for
        # others.
        self._senders: Buckets[tuple[bytes, bytes]] = Buckets(
            rate=RELAYS_PER_SECOND, burst=RELAYS_BURST, most=BUCKETS_MAX
        )
        self._networks: Buckets[tuple[str, bytes]] = Buckets(
            rate=RELAYS_PER_NETWORK, burst=RELAYS_PER_NETWORK_BURST, most=BUCKETS_MAX
        )

    def relay(self, request: RelayDatagram, caller: Caller, *, now: float) -> list[Effect]:
        """Offer a datagram to the recipient's link, if there is one and its reader keeps up."""
        sender, recipient = caller.identity, request.recipient
        link = self._connections.link_of(recipient)
        if link is None or len(request.datagram) > DATAGRAM_MAX:
            return [Reply(to=caller, message=RelayFailed(recipient))]
        network = self._directory.network_of(sender)
        if not self._senders.take((sender, recipient), now=now):
            return [Drop(reason=DropReason.RELAY_RATE_OF_SENDER)]
        if not self._networks.take((network, recipient), now=now):
            return [Drop(reason=DropReason.RELAY_RATE_OF_NETWORK)]
        return [Offer(link=link, message=DatagramRelayed(sender, request.datagram))]


class BanEnforcer:
    """Applies bans to those who are here already."""

    def __init__(self, parts: Parts) -> None:
        self._access = parts.access
        self._directory = parts.directory
        self._presence = parts.presence
        self._desk = parts.desk

    def mark(self) -> None:
        """Make the row of everybody who is banned say so, and no other row."""
        for person in self._directory:
            is_banned = self._access.has_bans and self._is_banned(
                person.card.identity, person.address.host
            )
            self._directory.ban(person, is_banned=is_banned)

    def evict(self, *, now: float) -> tuple[int, list[Effect]]:
        """Mark rows and disconnect those who are banned. Return how many were here, and the
        effects."""
        self.mark()
        count, effects = 0, list[Effect]()
        if not self._access.has_bans:
            return count, effects
        for identity in self._directory.online():
            person = self._directory.person(identity)
            if person is not None and self._is_banned(identity, person.address.host):
                count += 1
                effects += self._presence.evict(person, LinkEndReason.BANNED, now=now)
        for identity in self._desk.guests.linked():
            if self._is_banned(identity, self._desk.guests.host_of(identity)):
                count += 1
                effects += self._desk.evict(identity, now=now)
        return count, effects

    def refuse(self, caller: Caller) -> list[Effect]:
        """Return what the request of a banned caller leads to; nothing for a caller who is not
        banned. A banned peer keeps its session: forgetting one would let a nonce be used twice."""
        if not self._is_banned(
            caller.identity, "" if caller.address is None else caller.address.host
        ):
            return []
        if caller.link is None:
            return [Drop(reason=DropReason.BANNED)]
        return [Disconnect(link=caller.link, reason=LinkEndReason.BANNED)]

    def _is_banned(self, identity: bytes, host: str) -> bool:
        guests, person = self._desk.guests, self._directory.person(identity)
        if identity in guests:
            gateway = guests.gateway_of(identity)
            is_barred = bool(gateway) and self._access.bans_key(gateway)
            return is_barred or self._access.bans(identity, host or guests.host_of(identity))
        if person is None:
            return False
        return self._access.bans_name(person.name_key) or self._access.bans(
            identity, host or person.address.host
        )


Request_contra = TypeVar("Request_contra", contravariant=True)


class RuleOf(Protocol[Request_contra]):
    """The rule for requests of one kind."""

    def __call__(self, request: Request_contra, caller: Caller, /, *, now: float) -> Effects:
        """Decide what a request leads to."""


class RuleTable(dict[type, Callable[..., Effects]]):
    """The rule for each kind of request."""

    def add(self, kind: type[Request_contra], rule: RuleOf[Request_contra]) -> None:
        """Add the rule for a kind of request."""
        self[kind] = rule


class Hub:
    """Sends each request to its rule."""

    def __init__(
        self,
        context: Context,
        loaded: Loaded,
        *,
        desk: DeskSettings,
        access: AccessSettings,
        now: float,
    ) -> None:
        parts = self._assemble(context, loaded, desk, access, now)
        self._renaming = Renaming(self.directory, context.clock, is_banned=self._access.bans_name)
        self._registration = Registration(
            self.directory,
            self._presence,
            self.channel,
            self._renaming,
            self._access,
            context.clock,
        )
        self._admin_files = AdminService(
            self.directory,
            self._access.invites,
            self._access.own_bans,
            self._renaming,
            context.clock,
            forget=self._forget,
        )
        self._admin = LiveAdmin(self._admin_files, parts)
        self._relay = DatagramRelay(self.directory, parts.connections)
        self.file_relay = FileRelay(
            self.directory, parts.connections, hourly=context.policy.file_relay_bytes
        )
        self._link_lifecycle = LinkLifecycle(parts)
        self._releasing = Releasing(
            self.directory, parts.connections, self._renaming, forget=self._forget
        )
        self._ban_enforcer = BanEnforcer(parts)
        self._silence_reports: Buckets[bytes] = Buckets(
            rate=SILENCE_REPORTS_PER_SECOND, burst=SILENCE_REPORTS_BURST, most=BUCKETS_MAX
        )
        self._sweep_span = context.policy.sweep_span
        self._sweep_at = now + self._sweep_span
        self.unreadable_names = restore_names(
            loaded, self.directory, context.clock, context.policy, now=now
        )
        """How many names on the disk have cards of an unknown shape."""
        # After a backup was restored the table may be of a run that the backup does not know.
        if loaded.table is not None and run_of(loaded.table.version) <= self._last_epoch:
            self._presence.recall(loaded.table, first=self._first_version, now=now)
        self.directory.tell_rest()
        self._rules = RuleTable()
        self._fill_table()
        self._first = self._load(loaded, wall=context.clock.seconds(now), now=now)

    def _assemble(
        self,
        context: Context,
        loaded: Loaded,
        desk: DeskSettings,
        access: AccessSettings,
        now: float,
    ) -> Parts:
        """Make the parts, of which each knows those before it."""
        stored_channel = loaded.groups.get(CHANNEL)
        self._last_epoch = max(stored_channel.keys if stored_channel is not None else (), default=0)
        """The channel's on the disk: no run before this one is named by a later one."""
        epoch = first_epoch(last=self._last_epoch, wall=context.clock.seconds(now))
        version, position = (
            first_number(epoch=epoch, chance=context.rng.randbytes(4)) for _ in range(2)
        )
        policy = context.policy
        self.directory = Directory(
            version=version, names_max=policy.names_max, rows_whole=policy.rows_whole
        )
        self._first_version = version
        self.disk = context.disk
        self.indices = SenderIndices(reserved=loaded.sender_indices)
        connections = Connections(self.indices)
        self.channel = ChannelRules(
            self.directory, connections, context, first_position=position, now=now
        )
        self.rooms = Rooms(self.directory, connections, context, first_position=position)
        self.liveness = Liveness(context.policy)
        self._presence = PresenceTracker(self.directory, connections, self.liveness, context.clock)
        self.mail = MailService(self.directory, connections, context)
        self._access = AccessPolicy(access)
        self.desk = Desk(desk, self.directory, connections, self.liveness, context.clock)
        return Parts(
            context=context,
            directory=self.directory,
            connections=connections,
            access=self._access,
            presence=self._presence,
            channel=self.channel,
            rooms=self.rooms,
            mail=self.mail,
            desk=self.desk,
        )

    def _load(self, loaded: Loaded, *, wall: int, now: float) -> Rule:
        """Restore what earlier runs stored. Return what has to be stored before the first request
        is served."""
        self._access.invites.load(loaded.invites, wall=wall, now=now)
        self._access.own_bans.load(loaded.bans, wall=wall, now=now)
        self._access.bans_changed()
        self.mail.load(loaded, now=now)
        self.desk.load(loaded.desk, now=now)
        first_key = self.channel.load(loaded.groups.get(CHANNEL), now=now)
        entries = (*self.indices.first_reservation, first_key, *self.rooms.load(loaded, now=now))
        return self._store_first(entries, [self.channel, *self.rooms.index])

    def _store_first(self, entries: tuple[Entry, ...], groups: list[GroupRules]) -> Rule:
        """Store the first keys of groups. While that fails, each is stored with the first line that
        needs it."""
        is_stored, _ = yield Store(entries)
        if is_stored:
            for group in groups:
                group.first_key_stored()

    def _forget(self, person: Person, now: float) -> list[Effect]:
        """Remove somebody whose name was released."""
        return self._link_lifecycle.forget(person, now=now)

    def start(self) -> Effects:
        """Return what has to be done before the first request is served."""
        self._ban_enforcer.mark()
        return self._first

    # --- requests

    def register(self, register: Register, caller: Caller, *, now: float) -> Effects:
        """Handle a REGISTER whose author is proved."""
        card = register.card
        host = "" if caller.address is None else caller.address.host
        if self._access.has_bans or self._access.kicked:  # mostly neither: no call
            exclusion = self._access.exclusion_of(card.identity, host, now=now)
            if exclusion is not None:
                return [excluded(register, caller, exclusion)]
        if card.identity in self._releasing.pending:
            return [Drop(reason=DropReason.NAME_BEING_GIVEN_UP)]  # the peer asks again
        if self.desk.is_for_guests(card):
            return self._register_guest(register, caller, now)
        return self._registration.register(register, caller, now=now)

    def _register_guest(self, register: Register, caller: Caller, now: float) -> list[Effect]:
        if (
            self._access.has_bans
            and register.voucher
            and self._access.bans_key(public_half(register.voucher))
        ):
            key, reason = public_half(register.voucher), RefusalReason.GATEWAY_BANNED
            return [excluded(register, caller, self._access.ban_of(key, reason=reason, now=now))]
        gateway = self._access.gateway_of(register)
        return self.desk.guests.register(register, caller, gateway=gateway, now=now)

    def _fill_table(self) -> None:
        serve = self._rules.add
        serve(DepositMail, self.mail.deposit)
        serve(TakeMail, self.mail.take)
        serve(AskMail, self.mail.ask)
        serve(RelayDatagram, self._relay.relay)
        serve(RelayFile, self.file_relay.relay)
        serve(ReportSilence, self._report_silence)
        serve(FetchTable, self._fetch_table)
        serve(FetchCards, self._fetch_cards)
        serve(FetchGroup, self._fetch_group)
        serve(Attach, self._attach)
        serve(Ping, self._ping)
        serve(AskLease, self._presence.ask_lease)
        serve(SetStatus, self._presence.set_status)
        serve(Leave, self._link_lifecycle.leave)
        serve(EnterRooms, self.rooms.enter)
        serve(LeaveRoom, self.rooms.leave)
        serve(ListRooms, self.rooms.list_rooms)
        serve(SetTopic, self.rooms.set_topic)
        serve(Rename, self._renaming.rename)
        serve(Release, self._releasing.release)
        for kind in get_args(DeskRequest):
            serve(kind, self.desk.serve)

    def handle(self, request: PeerRequest, caller: Caller, *, now: float) -> Effects:
        """Handle a request. The caller is authenticated; the request may still be nonsense."""
        if caller.identity in self.desk.guests:
            return self._handle_guest(request, caller, now)
        if self._releasing.pending and caller.identity in self._releasing.pending:
            return [Drop(reason=DropReason.NAME_BEING_GIVEN_UP)]
        return self._rules[type(request)](request, caller, now=now)

    def _handle_guest(self, request: PeerRequest, caller: Caller, now: float) -> list[Effect]:
        if self._access.has_bans and (banned := self._ban_enforcer.refuse(caller)):
            return banned
        effects = self.desk.serve_guest(request, caller, now=now)
        if isinstance(request, Attach) and self._admin.stop_at is not None:
            effects += self._tell_planned_stop(caller, now)
        return effects

    def _attach(self, request: Attach, caller: Caller, *, now: float) -> list[Effect]:
        if refused := self._kept_out(caller, now):
            return refused
        effects = self._link_lifecycle.attach(request, caller, now=now)
        if self._admin.stop_at is not None:
            effects += self._tell_planned_stop(caller, now)
        return effects

    def _ping(self, request: Ping, caller: Caller, *, now: float) -> list[Effect]:
        return self._kept_out(caller, now) or self._presence.ping(request, caller, now=now)

    def _kept_out(self, caller: Caller, now: float) -> list[Effect]:
        """Return what a sign of life of somebody who is banned or kicked leads to; nothing for
        others."""
        if self._access.has_bans and (banned := self._ban_enforcer.refuse(caller)):
            return banned
        if not self._access.kicked or not self._access.is_kicked(caller.identity, now=now):
            return []
        if caller.link is None:
            return [Drop(reason=DropReason.KICKED)]
        return [Disconnect(link=caller.link, reason=LinkEndReason.KICKED)]

    def _fetch_table(self, request: FetchTable, caller: Caller, *, now: float) -> list[Effect]:
        if request.since == self.directory.version:
            self.directory.announce_awaited(now=now)
        elif self.directory.table.is_missed(request.since):
            self.directory.tell_all()
        page = self.directory.table.page(request.since, is_whole=request.is_whole)
        return [Reply(to=caller, message=page)]

    def _fetch_cards(self, request: FetchCards, caller: Caller, *, now: float) -> list[Effect]:
        return [Reply(to=caller, message=self.directory.cards(request.identities))]

    def _fetch_group(self, request: FetchGroup, caller: Caller, *, now: float) -> list[Effect]:
        name = request.group
        group = self.channel if name == CHANNEL else self.rooms.index.by_group(name)
        if group is None:
            return [Drop(reason=DropReason.UNKNOWN_GROUP)]
        return group.fetch(request, caller)

    def _tell_planned_stop(self, caller: Caller, now: float) -> list[Effect]:
        """Tell a newcomer of a planned stop."""
        notice = self._admin.planned_stop(now=now)
        return (
            []
            if notice is None or caller.link is None
            else [Push(link=caller.link, message=notice)]
        )

    def _report_silence(self, report: ReportSilence, caller: Caller, *, now: float) -> list[Effect]:
        """Handle the report that a member cannot reach another one."""
        is_member = self.directory.person(caller.identity) is not None
        if not is_member or not self._silence_reports.take(caller.identity, now=now):
            return [Drop(reason=DropReason.SILENCE_REPORT_RATE)]
        return [CheckAlive(identity=report.recipient)]

    def _end_bans(self, now: float) -> list[Effect]:
        """Lift the bans that have ended."""
        over = self._access.own_bans.ended(now=now)
        if not over:
            return []
        self._access.bans_changed()
        self._ban_enforcer.mark()
        return [Append(tuple(BanLifted(ban.what) for ban in over))]

    # --- files that are kept (`registry.kept`)

    def has_name(self, identity: bytes) -> bool:
        """Whether somebody is in the table."""
        return self.directory.person(identity) is not None

    def network_for_files(self, identity: bytes, host: str, *, now: float) -> str | None:
        """Return with which network somebody counts who gives or fetches files from this host;
        None: they are kept out, or not in the table."""
        caller = Caller(identity=identity, address=Address(host, 0))
        if not self.has_name(identity) or self._kept_out(caller, now):
            return None
        return self.directory.network_of(identity)

    # --- the administrator

    def figures(self, *, now: float) -> dict[str, float]:
        """Return the figures of people, rooms and mail, by their names in
        `registry.telemetry.figures`."""
        return {
            "registered": len(self.directory),
            "online": self.directory.online_count,
            "guests": len(self.desk.guests.linked()),
            "table_changes": self.directory.version - self._first_version,
            "rooms": len(self.rooms.index),
            "memberships": len(self.rooms.memberships),
            "file_bytes_relayed": self.file_relay.bytes,
            "mail_waiting": len(self.mail),
            "mail_oldest_seconds": max(
                (age for _, _, _, age in self.mail.boxes(now=now)), default=0.0
            ),
        }

    def run_admin_request(self, request: CoreRequest, ticket: str, *, now: float) -> list[Effect]:
        """Carry out an admin request. A ban disconnects those who are here."""
        effects = self._admin.run(request, ticket, now=now)
        if isinstance(request, AddBan | LiftBan):
            self._access.bans_changed()
            effects += self._ban_enforcer.evict(now=now)[1]
        return effects

    def change_lists(self, lists: AccessLists, *, now: float) -> tuple[int, list[Effect]]:
        """Put new access lists in force. Return how many people who are here have to go, and the
        effects."""
        self._access.change(lists)
        return self._ban_enforcer.evict(now=now)

    def receive_frame(
        self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float
    ) -> list[Effect]:
        """Handle a group frame that came on a link."""
        if caller.identity in self.desk.guests:
            return [Drop(reason=DropReason.NOT_FOR_GUESTS)]
        rules = (
            self.channel if header.tag == self.channel.tag else self.rooms.index.by_tag(header.tag)
        )
        if rules is None:
            return [Drop(reason=DropReason.FOREIGN_GROUP_FRAME)]
        return rules.receive_frame(frame, header, caller, now=now)

    def link_lost(self, identity: bytes, link: int, *, now: float) -> list[Effect]:
        """A link is over, a member's or a guest's."""
        return self._link_lifecycle.link_lost(identity, link, now=now)

    def adopt_link(self, nonce: bytes, caller: Caller, *, now: float) -> list[Effect]:
        """A member's link has outlived another engine."""
        return self._kept_out(caller, now) or self._presence.adopt(nonce, caller, now=now)

    def node_lost(
        self, node: int, links: Sequence[tuple[int, bytes]], *, now: float
    ) -> list[Effect]:
        """A node has gone, with these links and their identities."""
        effects: list[Effect] = []
        for link, identity in links:
            effects += self._link_lifecycle.link_lost(identity, link, now=now)
        for link, identity in self._presence.node_lost(node, now=now):
            effects.append(Disconnect(link=link, reason=LinkEndReason.REPLACED))
            effects += self._link_lifecycle.link_lost(identity, link, now=now)
        return effects

    # --- time

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Do what is due: silent peers, group keys, table rows, the desk, and now and then a sweep
        of what has expired."""
        effects = self._link_lifecycle.handle_timer(now=now)
        self.directory.handle_timer(now=now)
        effects += self._end_bans(now)
        effects += self.channel.handle_timer(now=now) + self.rooms.index.handle_timer(now=now)
        effects += self.desk.handle_timer(now=now)
        if now >= self._sweep_at:
            self._sweep_at = now + self._sweep_span
            effects += (
                self._renaming.sweep(now=now)
                + self._admin_files.sweep(now=now)
                + self.mail.sweep(now=now)
                + self.channel.sweep(now=now)
                + self.rooms.sweep(now=now)
            )
        return effects

    def next_timer(self) -> float:
        """Return the earliest deadline."""
        others = (
            self.liveness.next_timer(),
            self.directory.next_timer(),
            self.channel.next_timer(),
            self.rooms.index.next_timer(),
            self.desk.next_timer(),
            self._access.own_bans.next_end,
        )
        return min([self._sweep_at, *(deadline for deadline in others if deadline is not None)])
