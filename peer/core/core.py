"""One person's node: it assembles the parts of the core and is what a driver calls.

Datagrams, link frames and the time come in; datagrams, link bytes, records, events and one deadline go out.
"""

import random
from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.peer.core import events as happened
from chatapp.peer.core.catch_up import CatchUp, RoomArrival
from chatapp.peer.core.context import Outputs, RegistryReach, RegistryStatus
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.outbox import DeliveryPaths, Ladder
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.direct.unresolved import UnresolvedOutbox
from chatapp.peer.core.dispatch import Dispatcher, NoticeHandler, PendingBacklog
from chatapp.peer.core.identity import LocalIdentity, NotesToSelf
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.operator import Operator
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.conversation import Conversation
from chatapp.peer.core.people.roster import Contacts
from chatapp.peer.core.people.table import NameResolver, Table
from chatapp.peer.core.records import CHANNEL_MARK, Loaded, Record, StoredGroup, StoredStream
from chatapp.peer.core.registration import PeerRegistration, RegistryMonitor
from chatapp.peer.core.registry.connection import RegistryConnection
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.peer.core.renaming import Renaming
from chatapp.peer.core.rooms.direct_fanout import DirectFanout
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.incoming import GroupReceiver
from chatapp.peer.core.rooms.membership import Membership, RoomRecipients
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.peer.core.rooms.rooms import CurrentRoom, RoomList, Rooms
from chatapp.peer.core.sending import Sending
from chatapp.peer.core.trace import DeliveryTraces, WallClock
from chatapp.peer.core.trust import TrustDecisions
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.delivery.parts import PartBuffer
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Row


class PeerCore:
    """One node. Time is monotonic seconds."""

    def __init__(
        self,
        me: LocalIdentity,
        *,
        server: Address,
        loaded: Loaded,
        rng: random.Random,
        policy: Policy,
        now: float,
        wall_offset: float,
    ) -> None:
        self.me: Final = me
        self.clock: Final = WallClock(wall_offset)
        """The driver keeps its offset right."""
        clock, stored = self.clock, dict(loaded.streams)  # `stored`: of streams that were not needed yet

        # The order below is the order of need: a part is given only parts that exist. What every part shares:
        out = self._out = Outputs()
        status = self._registry_status = RegistryStatus()
        traces = DeliveryTraces(clock)
        contacts = self._contacts = Contacts()
        transport = self._transport = PeerTransport(
            me.identity, contacts, out, rng=rng, first_opening=me.first_opening
        )
        session = self._session = RegistrySession(
            identity=me.identity,
            address=server,
            pinned=loaded.registry,
            policy=policy,
            rng=rng,
            first_opening=me.first_opening,
        )
        link = self._link = RegistryLink(rng)

        # Our direct messages.
        self._settlement = settlement = Settlement(out, traces, status)
        mail_queue = MailQueue(out, settlement, me)
        paths = self._paths = DeliveryPaths(
            policy, out, status, traces, mail_queue=mail_queue, settlement=settlement
        )
        ladder = self._ladder = Ladder(
            policy, out, status, traces, paths=paths, mail_queue=mail_queue, settlement=settlement
        )
        self._notes = NotesToSelf(me, stored.pop(me.identity.public, StoredStream()), out)

        # The people, and the groups that they are in.
        channel_stored = stored.pop(CHANNEL_MARK, StoredStream())
        channel_position = loaded.groups.get(CHANNEL, StoredGroup())
        groups = Groups(Group(CHANNEL, channel_stored, channel_position, out))
        members = Membership(contacts, out, me=me.identity.public)
        table = self._table = Table(
            contacts,
            out,
            members=members,
            version=loaded.version,
            saved_at=loaded.table_at,
            me=me.identity.public,
        )
        resolver = self._resolver = NameResolver(table, policy)

        # What others say.
        arrival = RoomArrival(groups=groups, members=members, link=link, registry_status=status, outputs=out)
        catch_up = self._catch_up = CatchUp(out, arrival)
        streams = self._streams = Streams(catch_up, out, contacts.ignored)
        group_receiver = GroupReceiver(
            contacts=contacts,
            groups=groups,
            members=members,
            table=table,
            streams=streams,
            catch_up=catch_up,
            outputs=out,
            stored=stored,
            policy=policy,
        )
        self._buffer = PartBuffer(policy)
        direct_receiver = self._direct_receiver = DirectReceiver(
            contacts=contacts,
            streams=streams,
            group_receiver=group_receiver,
            catch_up=catch_up,
            outputs=out,
            stored=stored,
            unknown_authors=loaded.unknown_authors,
            reader=me.identity.public,
            mail_keys=me.mail_keys,
            buffer=self._buffer,
            policy=policy,
            rng=rng,
        )
        unresolved = self._unresolved = UnresolvedOutbox(
            contacts=contacts,
            outputs=out,
            registry_status=status,
            settlement=settlement,
            ladder=ladder,
            resolver=resolver,
            direct_receiver=direct_receiver,
            policy=policy,
            rng=rng,
        )

        # Rooms and the channel.
        fanout = DirectFanout(
            transport=transport,
            outputs=out,
            registry_status=status,
            conversation=direct_receiver.conversation,
        )
        recipients = RoomRecipients(
            me=me,
            groups=groups,
            contacts=contacts,
            members=members,
            fanout=fanout,
            registry_status=status,
        )
        outbox = self._outbox = GroupOutbox(
            groups=groups,
            recipients=recipients,
            group_receiver=group_receiver,
            fanout=fanout,
            catch_up=catch_up,
            session=session,
            link=link,
            registry_status=status,
            outputs=out,
            traces=traces,
            policy=policy,
            clock=clock,
            now=now,
        )
        current = CurrentRoom(
            loaded.room,
            groups=groups,
            members=members,
            outbox=outbox,
            group_receiver=group_receiver,
            catch_up=catch_up,
            table=table,
            outputs=out,
            stored=stored,
            positions=loaded.groups,
            now=now,
        )
        room_list = RoomList(
            groups=groups,
            members=members,
            session=session,
            link=link,
            registry_status=status,
            outputs=out,
            policy=policy,
            rng=rng,
        )
        rooms = self.rooms = Rooms(
            recipients=recipients,
            outbox=outbox,
            current=current,
            room_list=room_list,
            groups=groups,
            members=members,
            arrival=arrival,
            catch_up=catch_up,
            session=session,
            link=link,
            registry_status=status,
            outputs=out,
            policy=policy,
            rng=rng,
        )

        # What the user does.
        self.operator: Final = Operator(out, rng)
        self.sending: Final = Sending(
            me=me,
            contacts=contacts,
            resolver=resolver,
            unresolved=unresolved,
            direct_receiver=direct_receiver,
            ladder=ladder,
            notes=self._notes,
            groups=groups,
            outbox=outbox,
            operator=self.operator,
            session=session,
            registry_status=status,
            outputs=out,
            clock=clock,
        )
        renaming = self.renaming = Renaming(
            me=me, session=session, registry_status=status, outputs=out, policy=policy, rng=rng
        )
        self.trust: Final = TrustDecisions(
            me=me,
            contacts=contacts,
            table=table,
            transport=transport,
            fanout=fanout,
            direct_receiver=direct_receiver,
            ladder=ladder,
            session=session,
            outputs=out,
            clock=clock,
            verified=loaded.verified,
            is_registry_verified=loaded.is_registry_verified,
        )

        # What comes in.
        dispatcher = self._dispatcher = Dispatcher(
            transport=transport,
            direct_receiver=direct_receiver,
            ladder=ladder,
            settlement=settlement,
            groups=groups,
            members=members,
            group_receiver=group_receiver,
            outbox=outbox,
            fanout=fanout,
            session=session,
            link=link,
            table=table,
            registry_status=status,
            clock=clock,
        )
        self.dropped: Final = dispatcher.dropped
        monitor = self._monitor = RegistryMonitor(
            session=session,
            link=link,
            table=table,
            unresolved=unresolved,
            ladder=ladder,
            rooms=rooms,
            renaming=renaming,
            registry_status=status,
            clock=clock,
        )
        notices = NoticeHandler(
            dispatcher=dispatcher,
            monitor=monitor,
            backlog=PendingBacklog(
                table=table, contacts=contacts, direct_receiver=direct_receiver, outbox=outbox
            ),
            table=table,
            contacts=contacts,
            ladder=ladder,
            mail_queue=mail_queue,
            settlement=settlement,
            groups=groups,
            group_receiver=group_receiver,
            catch_up=catch_up,
            rooms=rooms,
            renaming=renaming,
            operator=self.operator,
            clock=clock,
        )
        self._registration = PeerRegistration(
            me=me,
            session=session,
            monitor=monitor,
            transport=transport,
            table=table,
            contacts=contacts,
            renaming=renaming,
            registry_status=status,
            outputs=out,
            clock=clock,
        )
        self._connection = RegistryConnection(
            session=session,
            link=link,
            owner=self._registration,
            reader=notices,
            requests=out.requests,
            dropped=self.dropped,
        )
        self._restore(loaded, stored, policy=policy, rng=rng, now=now)

    def _restore(
        self,
        loaded: Loaded,
        stored: dict[bytes, StoredStream],
        *,
        policy: Policy,
        rng: random.Random,
        now: float,
    ) -> None:
        """Restore the table of the last run, and the messages that were pending with the people in it."""
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
            # This key was replaced by another. Mail saved for it may still expire; nothing else happens to it.
            contact = Contact(row.card.identity, row)
            contact.is_blocked = True
            contact.conversation = Conversation(stored.get(contact.identity, StoredStream()), policy, rng)
            self._settlement.adopt(contact)
        for contact in list(contacts):
            self._direct_receiver.adopt(contact, now=now)
            self._settlement.adopt(contact)
        if loaded.registry is not None:
            self._unresolved.restore(loaded.registry, loaded.unresolved_names, stored)

    def take_messages(self, *, has_room: bool) -> None:
        """Accept messages of other people, or stop. A message not accepted is not acknowledged, so it is not lost."""
        self._dispatcher.takes_messages = has_room

    def read_link(self, *, is_read: bool, now: float) -> None:
        """Note whether the driver reads the link from now on."""
        self._link.read_from(is_read=is_read, now=now)

    # --- what the user wants

    def use_code(self, code: JoinCode) -> None:
        """Register with this join code until the registry has let us in once."""
        self._session.use_code(code)

    def demand_registry(self, digits: str) -> None:
        """Register only with the registry whose key has this fingerprint, whatever key is pinned."""
        self._session.demand(digits)

    @property
    def demanded_registry(self) -> str | None:
        """The digits of the fingerprint that the user demands of the registry."""
        return self._session.demanded

    def send_typing(self, to: str, *, now: float) -> None:
        """Tell a person that the user is writing to them, if that person is in reach."""
        if self._registry_status.reach is not RegistryReach.NONE:
            self._transport.send_typing(to, now=now)

    def start(self, *, now: float) -> None:
        """Register; also after `leave`."""
        if self._registry_status.reach is RegistryReach.NONE:
            self._ladder.set_reach(RegistryReach.SEEKING, now=now)
        self._registration.begin(now=now)
        self._connection.start(self.me, table_version=self._table.version, now=now)
        self._follow_up(now)

    def leave(self, *, now: float) -> None:
        """Go offline: tell the registry, and acknowledge nothing more."""
        self._outbox.stop(now=now)
        self._ladder.set_reach(RegistryReach.NONE, now=now)
        self.rooms.stop(now=now)
        self._transport.stop_hailing()
        self._session.leave(now=now)
        self._follow_up(now)

    def people(self) -> tuple[happened.Person, ...]:
        """The table, by name."""
        people = [
            happened.Person(
                name=contact.name,
                online=contact.row.online,
                since=float(contact.row.since),
                is_verified=self.trust.is_verified(contact.identity),
                is_banned=contact.is_banned,
            )
            for contact in self._contacts
        ]
        return tuple(sorted(people, key=lambda person: person.name))

    def line_shown(self, line: happened.Line) -> None:
        """Note that a line was shown, so that it is not shown again after a restart."""
        if line.identity != self.me.identity.public:
            self._streams.line_shown(line)

    @property
    def is_settled(self) -> bool:
        """Whether everything we said is delivered, saved, kept or refused."""
        return self._ladder.is_settled and self._outbox.is_settled and self.operator.is_settled

    @property
    def is_ready(self) -> bool:
        """Whether the table and our mail are up to date, or the registry is out of reach."""
        return self._registry_status.reach is not RegistryReach.SEEKING and self._catch_up.is_mail_drained

    @property
    def state(self) -> State:
        """The state of our registration."""
        return self._session.state

    @property
    def is_offline(self) -> bool:
        """Whether we are offline by our own wish, or the registry refused us."""
        return self.state in (State.OFFLINE, State.LEAVING, State.REFUSED)

    @property
    def not_let_in(self) -> happened.NotLetIn | None:
        """Why we are not registered although something answers at the registry's address; None otherwise."""
        return self._registration.not_let_in

    @property
    def reach(self) -> RegistryReach:
        """Whether the registry can be reached."""
        return self._registry_status.reach

    def registry_met(self) -> bytes | None:
        """Return, once, the identity key of a registry that let us in and is not the one we started with."""
        return self._registration.take_pinned()

    @property
    def table_version(self) -> int:
        """The version of our copy of the table."""
        return self._table.version

    # --- what comes in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Take a datagram, whatever it is. Never raises, and never answers with an error."""
        is_of_registry = True
        try:
            is_of_registry = self._dispatcher.route(data, sender, now=now)
        except WireError as error:
            self.dropped[type(error).__name__] += 1
        if is_of_registry:
            self._follow_up(now)

    def link_connected(self, *, now: float) -> None:
        """The driver's TCP connection to the registry is open."""
        self._link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Take frames from the link."""
        self._connection.receive_frames(frames, now=now)
        self._dispatcher.catch_up(now=now)
        self._follow_up(now)

    def link_closed(self, *, now: float) -> None:
        """The connection was closed, or could not be made."""
        self._connection.link_closed(now=now)
        self._follow_up(now)

    def records_stored(self, *, now: float) -> bool:
        """Note that all records drained so far are on disk. Return whether there may be datagrams to send now."""
        if self._notes.written:
            self._notes.stored()
        is_numbered = self._out.has_numbered  # mostly not: no call
        if is_numbered:
            self._out.has_numbered = False
            self._outbox.numbers_stored(now=now)
            self._ladder.numbers_stored(now=now)
        return self._direct_receiver.stored(now=now) or is_numbered

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._connection.handle_timer(now=now)  # first: "the server is lost" comes before its consequences
        self._monitor.look(now=now)
        # Before the delivery streams' own timers, which drop messages that are due without showing them.
        self._streams.handle_timer(now=now)
        self._dispatcher.handle_timer(now=now)
        self._ladder.handle_timer(now=now)
        if self._resolver.searches:
            self._resolver.handle_timer(now=now)
        self._buffer.handle_timer(now)
        self._transport.handle_timer(now=now)
        self.rooms.handle_timer(now=now)
        if self.renaming.deadline is not None:
            self.renaming.handle_timer(now=now)
        self._follow_up(now)

    def _follow_up(self, now: float) -> None:
        """Act on what the last input did to the registration and the link; measure whether the registry can be reached."""
        self._session.table_version = self._table.version
        self._connection.follow_up(now=now)
        self._monitor.look(now=now)

    # --- what goes out

    def next_timer(self) -> float | None:
        """Return when to call `handle_timer` next, in monotonic seconds; None for never."""
        dues = [
            self._connection.next_timer(),
            self._monitor.next_timer(),
            self.rooms.next_timer(),
            self.renaming.deadline,
            self._ladder.next_timer(),
            self._streams.next_timer(),
            self._transport.next_timer(),
            self._resolver.next_timer() if self._resolver.searches else None,
            self._buffer.next_timer(),
            self._dispatcher.next_timer(),
        ]
        return min((due for due in dues if due is not None), default=None)

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, once, in order."""
        self._transport.active.update(self._paths.contacts_begun())
        if self._registry_status.reach is not RegistryReach.NONE:
            self._transport.flush(now=now, can_relay=self._registry_status.reach is RegistryReach.UP)
        return self._connection.datagrams_to_send() + self._transport.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Return the bytes for the link, once, in order. Call it after `datagrams_to_send`, which may relay."""
        return self._connection.link_bytes_to_send(now=now)

    def wants_link(self) -> bool:
        """Return, once, whether the driver is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Return, once, whether the driver is to close its connection."""
        return self._connection.wants_link_closed()

    @property
    def link_port(self) -> int:
        """The registry's TCP port."""
        return self._connection.link_port

    def records_to_store(self) -> list[Record]:
        """Return the records to store, once; call `records_stored` when they are on disk."""
        return self._out.drain_records() + self._streams.marks()

    def events(self) -> list[happened.Event]:
        """Return the events, once, in order."""
        return self._out.drain_events()


def _capped(row: Row, version: int) -> Row:
    """Return the row with version 0 if it is newer than the table: the registry was restored from a backup since, and
    any row that it sends now is newer than this one."""
    return row if row.version <= version else msgspec.structs.replace(row, version=0)
