"""One person's node: it assembles the parts of the core and is what a driver calls.

Datagrams, link frames and the time come in; datagrams, link bytes, records, events and one deadline
go out.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from chatapp.peer.api import conversations, events
from chatapp.peer.core.catch_up import CatchUp, RoomArrival
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.context import Context, RegistryReach, drop_invalid
from chatapp.peer.core.conversation import Conversation
from chatapp.peer.core.desk.operator import Operator
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.notes import NotesToSelf
from chatapp.peer.core.direct.outbox import DeliveryPaths, Ladder, LostMessages
from chatapp.peer.core.direct.path_test import PathResult, PathTests
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.transport import PeerTransport, runs_of
from chatapp.peer.core.direct.unresolved import UnresolvedOutbox
from chatapp.peer.core.dispatch import Dispatcher, NoticeHandler, PendingBacklog
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.people.table import NameResolver, Table
from chatapp.peer.core.people.trust import TrustDecisions
from chatapp.peer.core.records import (
    CHANNEL_MARK,
    Loaded,
    ReadUpTo,
    Record,
    StoredGroup,
    StoredOutgoing,
    StoredStream,
)
from chatapp.peer.core.registry.connection import RegistryConnection
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.registration import Departure, PeerRegistration, RegistryMonitor
from chatapp.peer.core.registry.releasing import Releasing
from chatapp.peer.core.registry.renaming import Renaming
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.peer.core.rooms.current import CurrentRoom
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.incoming import GroupReceiver
from chatapp.peer.core.rooms.membership import DirectFanout, Membership, RoomRecipients
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.peer.core.rooms.rooms import RoomList, RoomRequest, Rooms, TopicRequest
from chatapp.peer.core.sending import Sending
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.delivery.parts import PartBuffer
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Row

AnyRoomRequest = TypeVar("AnyRoomRequest", bound=RoomRequest)


class PeerCore:
    """One node. Time is monotonic seconds."""

    def __init__(
        self,
        me: LocalIdentity,
        *,
        servers: Sequence[Address],
        loaded: Loaded,
        rng: random.Random,
        policy: Policy,
        now: float,
        wall_offset: float,
    ) -> None:
        self.me: Final = me
        self._ctx: Final = Context(
            me, policy=policy, rng=rng, wall_offset=wall_offset, last_id=loaded.last_id
        )
        self.clock: Final = self._ctx.clock
        self.dropped: Final = self._ctx.dropped
        self._out: Final = self._ctx.out
        self._registry_status: Final = self._ctx.status
        stored = dict(
            loaded.streams
        )  # each part takes out its own streams; the rest is for people who are met later
        # Each part is given only parts that exist, so the order below is the order of need.
        self._assemble_transport(servers, loaded)
        self._assemble_direct_outbox(stored)
        self._assemble_people(loaded, stored)
        self._assemble_receivers(loaded, stored)
        self._assemble_group_outbox(now)
        self._assemble_rooms(loaded, stored, now)
        self._assemble_user(loaded)
        self._assemble_dispatch()
        self._assemble_connection()
        self._assemble_alarms()
        self._restore(loaded, stored, now=now)

    # --- assembly

    def _assemble_transport(self, servers: Sequence[Address], loaded: Loaded) -> None:
        """Make the ways to the registry and to other peers."""
        self._contacts = Contacts()
        self._transport = PeerTransport(self._ctx, self._contacts)
        self._path_tests = PathTests(self._ctx, self._transport)
        self._session = RegistrySession(
            self._ctx,
            addresses=servers,
            named_servers=loaded.servers,
            pinned=loaded.registry,
        )
        self._link = RegistryLink(self._ctx)

    def _assemble_direct_outbox(self, stored: dict[bytes, StoredStream]) -> None:
        """Make the parts that send direct messages: the ladder, sealed mail, notes to ourselves."""
        self._settlement = Settlement(self._ctx)
        self._mail_queue = MailQueue(self._ctx, self._settlement)
        self._paths = DeliveryPaths(
            self._ctx,
            mail_queue=self._mail_queue,
            settlement=self._settlement,
        )
        self._ladder = Ladder(
            self._ctx,
            paths=self._paths,
            mail_queue=self._mail_queue,
            settlement=self._settlement,
        )
        self._notes = NotesToSelf(self._ctx, stored.pop(self.me.identity.public, StoredStream()))

    def _assemble_people(self, loaded: Loaded, stored: dict[bytes, StoredStream]) -> None:
        """Make the table, its people, and the groups that they are in."""
        channel_stored = stored.pop(CHANNEL_MARK, StoredStream())
        channel_position = loaded.groups.get(CHANNEL, StoredGroup())
        self._groups = Groups(Group(CHANNEL, channel_stored, channel_position, self._out))
        self._members = Membership(
            self._ctx, self._contacts, registry_key=lambda: self._session.pinned
        )
        self._table = Table(
            self._ctx,
            self._contacts,
            members=self._members,
            version=loaded.version,
            saved_at=loaded.table_at,
        )
        self._resolver = NameResolver(self._ctx, self._table)

    def _assemble_receivers(self, loaded: Loaded, stored: dict[bytes, StoredStream]) -> None:
        """Make the parts that receive, and the outbox for names that are not in the table."""
        self._arrival = RoomArrival(
            self._ctx,
            groups=self._groups,
            members=self._members,
            link=self._link,
        )
        self._catch_up = CatchUp(self._ctx, self._arrival)
        self._streams = Streams(self._ctx, self._catch_up, self._contacts.ignored)
        self._group_receiver = GroupReceiver(
            self._ctx,
            contacts=self._contacts,
            groups=self._groups,
            members=self._members,
            table=self._table,
            streams=self._streams,
            catch_up=self._catch_up,
            stored=stored,
        )
        self._buffer = PartBuffer(self._ctx.policy)
        self._direct_receiver = DirectReceiver(
            self._ctx,
            contacts=self._contacts,
            streams=self._streams,
            group_receiver=self._group_receiver,
            catch_up=self._catch_up,
            stored=stored,
            unknown_authors=loaded.unknown_authors,
            buffer=self._buffer,
        )
        self._unresolved = UnresolvedOutbox(
            self._ctx,
            notes=self._notes,
            contacts=self._contacts,
            settlement=self._settlement,
            ladder=self._ladder,
            resolver=self._resolver,
            direct_receiver=self._direct_receiver,
        )

    def _assemble_group_outbox(self, now: float) -> None:
        """Make the parts that send our lines to the channel and to rooms."""
        self._fanout = DirectFanout(
            self._ctx,
            transport=self._transport,
            conversation=self._direct_receiver.conversation,
        )
        self._recipients = RoomRecipients(
            self._ctx,
            groups=self._groups,
            contacts=self._contacts,
            members=self._members,
            fanout=self._fanout,
        )
        self._outbox = GroupOutbox(
            self._ctx,
            groups=self._groups,
            recipients=self._recipients,
            group_receiver=self._group_receiver,
            fanout=self._fanout,
            catch_up=self._catch_up,
            session=self._session,
            link=self._link,
            now=now,
        )

    def _assemble_rooms(
        self, loaded: Loaded, stored: dict[bytes, StoredStream], now: float
    ) -> None:
        """Make the part for the room that we are in, and those for requests about rooms."""
        current = CurrentRoom(
            self._ctx,
            loaded.room,
            groups=self._groups,
            members=self._members,
            outbox=self._outbox,
            group_receiver=self._group_receiver,
            catch_up=self._catch_up,
            table=self._table,
            stored=stored,
            positions=loaded.groups,
            now=now,
        )
        self.rooms = Rooms(
            self._ctx,
            recipients=self._recipients,
            outbox=self._outbox,
            current=current,
            room_list=self._room_request(RoomList, current),
            topic=self._room_request(TopicRequest, current),
            groups=self._groups,
            members=self._members,
            arrival=self._arrival,
            catch_up=self._catch_up,
            session=self._session,
            link=self._link,
        )

    def _room_request(self, kind: type[AnyRoomRequest], current: CurrentRoom) -> AnyRoomRequest:
        return kind(
            self._ctx,
            current=current,
            members=self._members,
            session=self._session,
            link=self._link,
        )

    def _assemble_user(self, loaded: Loaded) -> None:
        """Make the parts that the user commands: messages, the desk, another name, trust in
        keys."""
        self.operator = Operator(self._ctx)
        self.sending = Sending(
            self._ctx,
            contacts=self._contacts,
            resolver=self._resolver,
            unresolved=self._unresolved,
            direct_receiver=self._direct_receiver,
            ladder=self._ladder,
            notes=self._notes,
            groups=self._groups,
            outbox=self._outbox,
            operator=self.operator,
            session=self._session,
        )
        self.renaming = Renaming(
            self._ctx,
            session=self._session,
        )
        self._departure = Departure(
            outbox=self._outbox, ladder=self._ladder, rooms=self.rooms, transport=self._transport
        )
        self.releasing = Releasing(
            self._ctx,
            session=self._session,
            departure=self._departure,
        )
        self.trust = TrustDecisions(
            self._ctx,
            contacts=self._contacts,
            table=self._table,
            transport=self._transport,
            fanout=self._fanout,
            direct_receiver=self._direct_receiver,
            ladder=self._ladder,
            session=self._session,
            verified=loaded.verified,
            is_registry_verified=loaded.is_registry_verified,
        )

    def _assemble_dispatch(self) -> None:
        """Make the parts that handle what comes in by datagrams and on the link."""
        self._dispatcher = Dispatcher(
            self._ctx,
            transport=self._transport,
            path_tests=self._path_tests,
            direct_receiver=self._direct_receiver,
            ladder=self._ladder,
            settlement=self._settlement,
            groups=self._groups,
            members=self._members,
            group_receiver=self._group_receiver,
            outbox=self._outbox,
            fanout=self._fanout,
            session=self._session,
            link=self._link,
            table=self._table,
        )
        self._monitor = RegistryMonitor(
            self._ctx,
            session=self._session,
            link=self._link,
            table=self._table,
            unresolved=self._unresolved,
            ladder=self._ladder,
            rooms=self.rooms,
            renaming=self.renaming,
        )
        self._notices = NoticeHandler(
            self._ctx,
            dispatcher=self._dispatcher,
            monitor=self._monitor,
            backlog=PendingBacklog(
                table=self._table,
                contacts=self._contacts,
                direct_receiver=self._direct_receiver,
                outbox=self._outbox,
            ),
            table=self._table,
            contacts=self._contacts,
            ladder=self._ladder,
            mail_queue=self._mail_queue,
            settlement=self._settlement,
            groups=self._groups,
            group_receiver=self._group_receiver,
            catch_up=self._catch_up,
            rooms=self.rooms,
            renaming=self.renaming,
            releasing=self.releasing,
            operator=self.operator,
        )

    def _assemble_connection(self) -> None:
        """Make the connection to the registry, and the part that decides what follows from its
        changes."""
        self._registration = PeerRegistration(
            self._ctx,
            session=self._session,
            monitor=self._monitor,
            transport=self._transport,
            table=self._table,
            contacts=self._contacts,
            renaming=self.renaming,
        )
        self._connection = RegistryConnection(
            self._ctx,
            session=self._session,
            link=self._link,
            owner=self._registration,
            reader=self._notices,
        )

    def _assemble_alarms(self) -> None:
        """Follow the deadlines that move with nearly every datagram."""
        follow = self._ctx.alarms.follow
        follow(self._connection.next_timer, self._tend_connection)
        follow(self._monitor.next_timer, self._monitor.look)
        # Before the delivery streams' own timers, which drop messages that are due without showing
        # them.
        follow(self._streams.next_timer, self._streams.handle_timer)
        follow(self._dispatcher.next_timer, self._dispatcher.handle_timer)
        follow(self._ladder.next_timer, self._ladder.handle_timer)
        follow(self._buffer.next_timer, self._buffer.handle_timer)
        follow(self._transport.next_timer, self._transport.handle_timer)
        follow(self._outbox.next_timer, self._outbox.handle_timer)

    def _tend_connection(self, *, now: float) -> None:
        self._connection.handle_timer(now=now)
        self._monitor.look(now=now)

    def _restore(self, loaded: Loaded, stored: dict[bytes, StoredStream], *, now: float) -> None:
        """Restore the table of the last run, and the messages that were pending with the people in
        it."""
        contacts = self._contacts
        for identity, number in loaded.openings.items():
            self._transport.sessions.restore(identity, number)
        for row in loaded.rows:
            contacts.take_row(_capped(row, loaded.version), is_checked=True)
        for row in loaded.blocked:
            contacts.block(_capped(row, loaded.version))
        for identity, key in loaded.former_names.items():
            contacts.also_called(identity, key)
        contacts.ignored.update(loaded.ignored)
        for row in loaded.replaced:
            # This key was replaced by another. Mail saved for it may still expire; nothing else
            # happens to it.
            contact = Contact(row.card.identity, row)
            contact.is_blocked = True
            contact.conversation = Conversation(
                stored.get(contact.identity, StoredStream()), self._ctx.policy, self._ctx.rng
            )
            self._settlement.adopt(contact)
        for contact in list(contacts):
            self._direct_receiver.adopt(contact, now=now)
            self._settlement.adopt(contact)
        if loaded.registry is not None:
            self._unresolved.restore(loaded.registry, loaded.unresolved_names, stored)

    def take_messages(self, *, has_room: bool) -> None:
        """Accept messages of other people, or stop. A message not accepted is not acknowledged, so
        it is not lost."""
        self._dispatcher.takes_messages = has_room

    def read_link(self, *, is_read: bool, now: float) -> None:
        """Note whether the driver reads the link from now on."""
        self._link.read_from(is_read=is_read, now=now)

    # --- what the user wants

    def use_code(self, code: JoinCode) -> None:
        """Register with this join code until the registry has let us in once."""
        self._session.use_code(code)

    def demand_registry(self, digits: str) -> None:
        """Register only with the registry whose key has this fingerprint, whatever key is
        pinned."""
        self._session.demand(digits)

    def expect_announced_registry(self, digits: str) -> None:
        """Register, at a first contact, only with the registry whose key has this fingerprint,
        which was announced."""
        self._session.expect_announced(digits)

    @property
    def server_address(self) -> Address:
        """The IP address and port of the registry that are in use."""
        return self._session.address

    @property
    def server_addresses(self) -> list[Address]:
        """All addresses at which the registry may answer, the one in use first."""
        return self._session.servers.in_order()

    @property
    def servers_to_look_up(self) -> list[Address]:
        """Servers that the registry has named by host names whose addresses `add_servers` was not
        given yet."""
        return self._session.servers.to_look_up

    def add_servers(self, looked_up: Sequence[Address], addresses: Iterable[Address]) -> None:
        """Look for the registry at these addresses, too. `looked_up`: the servers to which they
        belong."""
        servers = self._session.servers
        servers.add(addresses)
        servers.to_look_up = [server for server in servers.to_look_up if server not in looked_up]

    @property
    def demanded_registry(self) -> str | None:
        """The digits of the fingerprint that the user demands of the registry."""
        return self._session.demanded

    def send_typing(self, to: str, *, now: float) -> None:
        """Tell a person that the user is writing to them, if that person is in reach."""
        if self._registry_status.reach is not RegistryReach.NONE:
            self._transport.send_typing(to, now=now)

    def test_paths(self, name: str, *, now: float) -> None:
        """Find out whether a person answers directly, and through the registry; `path_result` has
        the result."""
        contact = self._contacts.by_name(name)
        if contact is not None and self._registry_status.reach is not RegistryReach.NONE:
            can_relay = self._registry_status.reach is RegistryReach.UP
            self._path_tests.begin(contact, can_relay=can_relay, now=now)

    def path_result(self, name: str) -> PathResult | None:
        """Return the result of the last path test with a person; None while it is under way or if
        there was none."""
        contact = self._contacts.by_name(name)
        return None if contact is None else self._path_tests.result(contact.identity)

    def is_key_in_doubt(self, name: str) -> bool:
        """Return whether the registry shows another key for this name than the one that we hold."""
        return self._contacts.is_blocked(name)

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which the registry's clock was ahead of ours (negative: behind) when it last
        let us in; None before."""
        return self._registry_status.clock_offset

    def start(self, *, now: float) -> None:
        """Register; also after `leave`."""
        if self._registry_status.reach is RegistryReach.NONE:
            self._ladder.set_reach(RegistryReach.SEEKING, now=now)
        self._registration.begin(now=now)
        self._connection.start(self.me, table_version=self._table.version, now=now)
        self._follow_up(now)

    def leave(self, *, now: float) -> None:
        """Go offline: tell the registry, and acknowledge nothing more."""
        self._departure.stop(now=now)
        self._session.leave(now=now)
        self._follow_up(now)

    def people(self) -> tuple[events.Person, ...]:
        """Return everybody in the table who has a name, by name."""
        people = [
            events.Person(
                name=contact.name,
                online=contact.row.online,
                since=float(contact.row.since),
                is_verified=self.trust.is_verified(contact.identity),
                is_banned=contact.is_banned,
                host=contact.address.host,
                port=contact.address.port,
            )
            for contact in self._contacts
            if not contact.is_released
        ]
        return tuple(sorted(people, key=lambda person: person.name))

    def lines_shown(self, lines: Iterable[events.Said]) -> None:
        """Note that lines were shown, so that they are not shown again after a restart."""
        ours = self.me.identity.public
        self._streams.lines_shown([line for line in lines if line.identity != ours])

    def mark_read(
        self, conversation: conversations.Conversation, keys: Iterable[tuple[bytes, bool]], id_: int
    ) -> None:
        """Note that the user has read a conversation up to the line with this id. `keys`: as in
        `conversation_of`."""
        self._out.records += [ReadUpTo(key, is_group, id_) for key, is_group in keys]
        self._out.events.append(events.ConversationRead(conversation=conversation, id=id_))

    @property
    def is_settled(self) -> bool:
        """Whether everything we said is delivered, saved, kept or refused."""
        return self._ladder.is_settled and self._outbox.is_settled and self.operator.is_settled

    @property
    def is_sending(self) -> bool:
        """Whether a message of ours is under way, and an event will tell what becomes of it. Of a
        line for a visitor of the help desk, and of the copies of a room line, no event tells that
        they have arrived."""
        return not (self._ladder.is_settled and self._outbox.is_answered)

    @property
    def sending_try(self) -> int:
        """How often the direct message that is under way longest was sent; 0 if none is."""
        streams = (
            one.conversation
            for one in self._transport.active.values()
            if one.conversation is not None
        )
        return max((conversation.delivery.tries_of_oldest for conversation in streams), default=0)

    @property
    def is_ready(self) -> bool:
        """Whether the table and our mail are up to date, or the registry is out of reach."""
        return (
            self._registry_status.reach is not RegistryReach.SEEKING
            and self._catch_up.is_mail_drained
        )

    @property
    def state(self) -> State:
        """The state of our registration."""
        return self._session.state

    @property
    def is_offline(self) -> bool:
        """Whether we are offline by our own wish, or the registry refused us."""
        return self.state in (State.OFFLINE, State.LEAVING, State.REFUSED)

    @property
    def not_let_in(self) -> events.NotLetIn | None:
        """Why we are not registered although something answers at the registry's address; None
        otherwise."""
        return self._registration.not_let_in

    @property
    def reach(self) -> RegistryReach:
        """Whether the registry can be reached."""
        return self._registry_status.reach

    @property
    def has_met_registry(self) -> bool:
        """Whether `registry_met` has anything to return."""
        return self._registration.newly_pinned is not None

    def registry_met(self) -> bytes | None:
        """Return, once, the identity key of a registry that let us in and is not the one we started
        with."""
        return self._registration.take_pinned()

    @property
    def table_version(self) -> int:
        """The version of our copy of the table."""
        return self._table.version

    # --- what comes in

    def receive_datagrams(self, batch: Sequence[tuple[bytes, Address]], *, now: float) -> None:
        """Take datagrams with their senders, whatever they are, each as if it came alone. What was
        in them is handled together, after the last one. Never answers with an error. Raises an
        ExceptionGroup of our own faults, once everything else is handled."""
        problems: list[Exception] = []
        for datagrams, sender in runs_of(batch):
            if self._dispatcher.is_of_peer(datagrams[0]):
                problems += self._dispatcher.run_arrived(datagrams, sender, now=now)
            else:
                problems += self._receive_from_registry(datagrams, sender, now)
        problems += self._dispatcher.read_all(now=now)
        if problems:
            drop_invalid(problems, self.dropped)

    def _receive_from_registry(
        self, datagrams: Sequence[bytes], sender: Address, now: float
    ) -> list[Exception]:
        """Take datagrams that are not of another peer. Return what is wrong with single ones."""
        problems: list[Exception] = []
        for data in datagrams:
            is_of_registry = True
            try:
                is_of_registry = self._dispatcher.registry_datagram_arrived(data, sender, now=now)
            except Exception as problem:  # noqa: BLE001 - any fault at all
                problems.append(problem)
            try:
                if is_of_registry:
                    self._follow_up(now)
            except Exception as fault:  # noqa: BLE001 - any fault at all
                problems.append(fault)
        return problems

    def link_connected(self, *, now: float) -> None:
        """Note that the driver's TCP connection to the registry is open."""
        self._link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Take frames from the link."""
        self._connection.receive_frames(frames, now=now)
        self._dispatcher.catch_up(now=now)
        self._follow_up(now)

    def link_closed(self, *, now: float) -> None:
        """Note that the connection was closed, or could not be made."""
        self._connection.link_closed(now=now)
        self._follow_up(now)

    def records_stored(self, *, now: float) -> bool:
        """Note that all records drained so far are on disk. Return whether there may be datagrams
        to send now."""
        if self._notes.written:
            self._notes.stored()
        is_numbered = self._out.has_numbered  # mostly not: no call
        if is_numbered:
            self._out.has_numbered = False
            self._outbox.numbers_stored(now=now)
            self._ladder.numbers_stored(now=now)
        return self._direct_receiver.stored(now=now) or is_numbered

    def sync_begins(self) -> int:
        """Return the number of a sync that begins now. It covers all records that `records_stored`
        was told of."""
        return self._out.syncs.begin()

    def synced(self, number: int) -> None:
        """Note that this sync is done: tell those who wait for it."""
        self._out.syncs.end(number)
        self._transport.report_syncs()
        self._catch_up.synced()

    @property
    def needs_disk(self) -> bool:
        """Whether `wants_sync` or `lost_messages` may return anything, now or later."""
        return self._out.wants_sync or bool(self._ladder.may_have_lost)

    def wants_sync(self) -> bool:
        """Return, once, whether somebody waits for the disk: what is stored is to be synced at
        once."""
        wants, self._out.wants_sync = self._out.wants_sync, False
        return wants

    def lost_messages(self, *, now: float) -> list[LostMessages]:
        """Return, once, which delivered messages of ours to read from the history, for
        `give_again`."""
        return self._ladder.lost(now=now)

    def give_again(
        self, lost: LostMessages, found: Sequence[StoredOutgoing], *, is_all: bool, now: float
    ) -> None:
        """Give messages to their recipient again who may have lost them. `is_all`: there are no
        others."""
        self._ladder.give_again(lost.contact, found, is_all=is_all, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._ctx.alarms.ring(now=now)
        self._catch_up.release()
        self._follow_up(now)

    def _follow_up(self, now: float) -> None:
        """Act on what the last input did to the registration and the link; measure whether the
        registry can be reached."""
        self._session.table_version = self._table.version
        self._connection.follow_up(now=now)
        self._monitor.look(now=now)

    # --- what goes out

    def next_timer(self) -> float | None:
        """Return when to call `handle_timer` next, in monotonic seconds; None for never."""
        return self._ctx.alarms.next_timer()

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, once, in order."""
        if self._ladder.started:
            self._ladder.start_begun(now=now)
        if self._paths.begun:
            self._transport.active.update(self._paths.contacts_begun())
        reach = self._registry_status.reach
        if self._transport.active and reach is not RegistryReach.NONE:
            self._transport.flush(now=now, can_relay=reach is RegistryReach.UP)
        datagrams = self._transport.datagrams_to_send()
        return (
            self._connection.datagrams_to_send() + datagrams
            if self._session.outgoing
            else datagrams
        )

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Return the bytes for the link, once, in order. Call it after `datagrams_to_send`, which
        may relay."""
        return self._connection.link_bytes_to_send(now=now)

    @property
    def has_link_work(self) -> bool:
        """Whether the driver has anything to do about the link."""
        return self._connection.has_link_work

    def wants_link(self) -> bool:
        """Return, once, whether the driver is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Return, once, whether the driver is to close its connection."""
        return self._connection.wants_link_closed()

    @property
    def link_address(self) -> Address:
        """Where the registry takes links."""
        return self._connection.link_address

    @property
    def link_renewals(self) -> int:
        """How often the keys of the links were renewed."""
        return self._connection.link_renewals

    def records_to_store(self) -> list[Record]:
        """Return the records to store, once; call `records_stored` when they are on disk."""
        out = self._out
        records, out.records = out.records, []
        return records + self._streams.marks() if self._streams.has_marks else records

    def events(self) -> list[events.Event]:
        """Return the events, once, in order."""
        events, self._out.events = self._out.events, []
        return events


def _capped(row: Row, version: int) -> Row:
    """Return the row with version 0 if it is newer than the table: the registry was restored from a
    backup since, and any row that it sends now is newer than this one."""
    return row if row.version <= version else msgspec.structs.replace(row, version=0)
