"""Dispatch of what comes in: datagrams, the registry's notices on the link, and changed rows of the
table."""

from collections.abc import Sequence
from typing import Final

from chatapp.peer.core.catch_up import CatchUp
from chatapp.peer.core.contacts import Change, Contact, Contacts
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.conversation import SKIPPED_MAX, Conversation
from chatapp.peer.core.desk.operator import Operator
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.path_test import PathTests
from chatapp.peer.core.direct.receiving import DirectReceiver
from chatapp.peer.core.direct.transport import OpenedDatagrams, PeerTransport
from chatapp.peer.core.people.table import Table
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.registration import RegistryMonitor
from chatapp.peer.core.registry.releasing import Releasing
from chatapp.peer.core.registry.renaming import Renaming
from chatapp.peer.core.registry.session import SEALED_KINDS, RegistrySession
from chatapp.peer.core.rooms.group import Groups
from chatapp.peer.core.rooms.incoming import GroupReceiver
from chatapp.peer.core.rooms.membership import DirectFanout, Membership
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.peer.core.rooms.rooms import Rooms
from chatapp.wire.address import Address
from chatapp.wire.admission import is_table_signed, table_in
from chatapp.wire.codec import DatagramFrame, decode_payloads, decode_table_batch
from chatapp.wire.delivery.parts import (
    Acknowledged,
    Arrived,
    GaveUp,
    NumbersReported,
    NumbersRequested,
    SyncReported,
    Unanswered,
)
from chatapp.wire.errors import SealError
from chatapp.wire.framing import Kind, unpack_group, unpack_relayed
from chatapp.wire.messages.desk import DeskNotice, VisitorNotice
from chatapp.wire.messages.direct import (
    KNOWN_MAX,
    DatagramRelayed,
    Known,
    LastOpening,
    Part,
    RelayFailed,
    Typing,
    encode_frame,
)
from chatapp.wire.messages.link import NodeNotice
from chatapp.wire.messages.mail import MailBatch, MailExpired, MailRefused, MailSaved
from chatapp.wire.messages.registration import (
    Ping,
    Pong,
    Released,
    ReleaseRefused,
    RenameAccepted,
    RenameRefused,
)
from chatapp.wire.messages.rooms import (
    CHANNEL,
    GroupAccepted,
    GroupGranted,
    GroupPage,
    GroupRefused,
    RoomChanged,
    RoomEntered,
    RoomEvicted,
    RoomLeft,
    RoomRefused,
    RoomsListed,
    TopicChanged,
    TopicRefused,
)
from chatapp.wire.messages.table import TableBatch, TablePage

_FREQUENT: Final = frozenset({Arrived, Acknowledged})
"""The events that nearly all are, and that are handled many at a time."""


class Dispatcher:
    """Gives each datagram, and what was in it, to the part that handles it."""

    def __init__(
        self,
        ctx: Context,
        *,
        transport: PeerTransport,
        path_tests: PathTests,
        direct_receiver: DirectReceiver,
        ladder: Ladder,
        settlement: Settlement,
        groups: Groups,
        members: Membership,
        group_receiver: GroupReceiver,
        outbox: GroupOutbox,
        fanout: DirectFanout,
        session: RegistrySession,
        link: RegistryLink,
        table: Table,
    ) -> None:
        self._ctx: Final = ctx
        self._transport = transport
        self._path_tests = path_tests
        self._direct_receiver = direct_receiver
        self._ladder = ladder
        self._settlement = settlement
        self._channel = groups.channel
        self._members = members
        self._group_receiver = group_receiver
        self._outbox = outbox
        self._fanout = fanout
        self._session = session
        self._link = link
        self._table = table
        self._unread: dict[bytes, Contact] = {}
        """Contacts of whom the present batch of datagrams has frames that are not fully handled
        yet."""
        self.takes_messages = True
        """Whether messages of other people are accepted now; those that are not are not
        acknowledged either."""

    def is_of_peer(self, data: bytes) -> bool:
        """Whether a datagram is sealed by somebody else than the registry, as far as its header
        says."""
        return bool(data) and data[0] in SEALED_KINDS and not self._session.is_ours(data)

    def registry_datagram_arrived(self, data: bytes, sender: Address, *, now: float) -> bool:
        """Handle a datagram that is not `is_of_peer`. Return whether the registry may have sent it.
        Raises WireError for an invalid one."""
        kind = data[0] if data else 0
        is_registry = kind in SEALED_KINDS or sender in self._session.servers
        if kind == Kind.GROUP and is_registry:
            self._table_arrived(data, now)
        elif is_registry and self._session.receive_datagram(data, sender, now=now):
            self.catch_up(now=now)
        else:
            self._ctx.dropped["unknown kind"] += 1
        return is_registry

    def run_arrived(
        self, datagrams: Sequence[bytes], sender: Address, *, now: float
    ) -> list[Exception]:
        """Handle a run of datagrams that are `is_of_peer` (see `runs_of`), each as if it came
        alone. Return what is wrong with single ones: a WireError if they are invalid, any other
        exception for a fault of ours."""
        if self._ctx.status.reach is RegistryReach.NONE:
            return []
        try:
            came = self._transport.open_run(datagrams, source=sender, now=now)
        except Exception as problem:  # noqa: BLE001 - any fault at all
            return [problem] * len(datagrams)
        try:
            self._opened(came, through_server=False, now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            came.problems.append(fault)
        return came.problems

    def datagram_relayed(self, notice: DatagramRelayed, now: float) -> None:
        """Handle a datagram that came through the registry. Raises WireError."""
        came = self._transport.open_run(
            [notice.datagram], source=None, now=now, relayed_by=notice.sender
        )
        self._opened(came, through_server=True, now=now)
        if came.problems:
            raise came.problems[0]

    def _opened(self, came: OpenedDatagrams, *, through_server: bool, now: float) -> None:
        """Handle opened datagrams. What is wrong with single ones is added to `came.problems`."""
        if came.is_return and came.contact.conversation is not None:
            # not what the new life acknowledges right now
            came.contact.conversation.outgoing.unsynced.lose()
        try:
            if payloads := [*filter(None, came.payloads)]:
                self._payloads_arrived(came, payloads, through_server=through_server, now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            came.problems.append(fault)
        if came.is_return or through_server:
            came.problems.extend(self.read_all(through_server=through_server, now=now))
        if came.is_return:
            self.rows_changed([(came.contact, Change.RESTARTED)], now, is_heard=True)

    def _payloads_arrived(
        self, came: OpenedDatagrams, payloads: Sequence[bytes], *, through_server: bool, now: float
    ) -> None:
        contact, problems = came.contact, came.problems
        datagrams, errors = decode_payloads(payloads)
        problems += errors
        if not datagrams:
            return
        if not self.takes_messages:  # not acknowledged: as if we were away
            before = sum(map(len, datagrams))
            datagrams = [
                [frame for frame in frames if type(frame) is not Part] for frames in datagrams
            ]
            self._ctx.dropped["no room"] += before - sum(map(len, datagrams))
        conversation = contact.conversation or self._direct_receiver.conversation(contact)
        self._unread[contact.identity] = contact
        for frames in self._delivered(conversation, datagrams, problems, now):
            try:
                self._others_arrived(contact, frames, through_server=through_server, now=now)
            except Exception as problem:  # noqa: BLE001 - any fault at all
                problems.append(problem)

    def _delivered(
        self,
        conversation: Conversation,
        datagrams: Sequence[list[DatagramFrame]],
        problems: list[Exception],
        now: float,
    ) -> list[list[DatagramFrame]]:
        """Give the frames of datagrams to the delivery stream. Return those of other kinds, for
        each datagram with any."""
        try:
            return conversation.delivery.receive_all(datagrams, now=now)
        except Exception as fault:  # noqa: BLE001 - any fault at all
            if len(datagrams) == 1:
                problems.append(fault)
                return []
        # A repeated frame does no harm. So all go there again, one by one, and only what has the
        # fault is lost.
        return [
            frames
            for one in datagrams
            for frames in self._delivered(conversation, [one], problems, now)
        ]

    def _others_arrived(
        self, contact: Contact, frames: Sequence[DatagramFrame], *, through_server: bool, now: float
    ) -> None:
        """Handle the frames of a datagram that are not of its delivery stream."""
        ping: Ping | None = None
        for frame in frames:
            if isinstance(frame, LastOpening):
                self._transport.sessions.open_above(contact.identity, frame.number)
            elif isinstance(frame, Typing):
                self._transport.typing_arrived(contact, now=now)
            elif isinstance(frame, Ping):
                ping = frame
            elif isinstance(frame, Pong):
                self._path_tests.ponged(contact, frame, through_server=through_server, now=now)
        if ping is not None:  # the last one: nobody can make us send more than they send
            pong = Pong(reference=ping.reference, table_version=0)
            self._transport.send_frame(contact, pong, through_registry=through_server, now=now)

    def read_all(self, *, through_server: bool = False, now: float) -> list[Exception]:
        """Handle what the datagrams of a batch contained: all messages and acknowledgements of a
        contact at once. Return our own faults: the one in a contact costs no other."""
        faults: list[Exception] = []
        while self._unread:
            _, contact = self._unread.popitem()
            self._transport.active[contact.identity] = contact
            try:
                self.take_delivered(contact, through_server=through_server, now=now)
                self._direct_receiver.frames_read(contact, now=now)
                self._ladder.climb(contact, now=now)
            except Exception as fault:  # noqa: BLE001 - any fault at all
                faults.append(fault)
        return faults

    def take_delivered(self, contact: Contact, *, through_server: bool, now: float) -> None:
        """Handle the events of a contact's delivery stream."""
        assert contact.conversation is not None
        events = contact.conversation.delivery.events()
        if not events:
            return
        kinds = set(map(type, events))
        arrived = [event for event in events if type(event) is Arrived] if Arrived in kinds else []
        acknowledged = (
            [event for event in events if type(event) is Acknowledged]
            if Acknowledged in kinds
            else []
        )
        if self._fanout.carried:
            acknowledged = [
                event
                for event in acknowledged
                if not self._outbox.line_acknowledged(contact, event.number, now=now)
            ]
        is_asked = False
        for event in () if kinds <= _FREQUENT else events:
            match event:
                case GaveUp(number):
                    if not self._outbox.line_given_up(contact, number):
                        self._ladder.gave_up(contact, number, now=now)
                case Unanswered(number, tries):
                    self._ladder.tried_again(contact, number, tries + 1, now=now)
                    self._look_for(contact, now)
                case NumbersRequested():
                    is_asked = True
                case SyncReported(mark):
                    self._settlement.synced(contact, mark)
                case NumbersReported(number):
                    self._numbers_reported(contact, number, now)
        if arrived:
            malformed = self._direct_receiver.messages_arrived(contact, arrived)
            if malformed:
                self._ctx.dropped["DecodeError"] += malformed
        if is_asked:
            self._tell_numbers(contact, now)
        if acknowledged:
            self._settlement.acknowledged(
                contact, acknowledged, through_server=through_server, now=now
            )

    def handle_timer(self, *, now: float) -> None:
        """Let each delivery stream retry what is due, or give up. Raises an ExceptionGroup of
        faults of ours in what had come."""
        faults = self.read_all(now=now)
        for contact in list(self._transport.active.values()):
            if contact.conversation is not None:
                contact.conversation.delivery.handle_timer(now=now)
                self.take_delivered(contact, through_server=False, now=now)
        if faults:
            raise ExceptionGroup("faults while reading", faults)

    def next_timer(self) -> float | None:
        """Return the earliest deadline of a delivery stream."""
        dues = [
            contact.conversation.delivery.next_timer()
            for contact in self._transport.active.values()
            if contact.conversation is not None
        ]
        return min((due for due in dues if due is not None), default=None)

    def _tell_numbers(self, contact: Contact, now: float) -> None:
        """Tell somebody which of their numbers we know, and our time: they may have lost the
        numbers that they used, and their clock may be behind."""
        clock = int((self._ctx.wall(now)) * 1_000_000)
        known = min(max(clock, self._direct_receiver.beyond(contact)), KNOWN_MAX)
        assert contact.conversation is not None
        contact.conversation.delivery.queue_frame(encode_frame(Known(known)))

    def _numbers_reported(self, contact: Contact, number: int, now: float) -> None:
        """Let our numbers begin above those that this reader knows."""
        assert contact.conversation is not None
        skip = self._ctx.rng.randrange(SKIPPED_MAX)
        contact.conversation.outgoing.learn(number, skip=skip)
        self._outbox.numbers_reported(contact, number, skip=skip, now=now)

    def _look_for(self, contact: Contact, now: float) -> None:
        """Find out why somebody does not answer: they may have another address, or a new session
        after a restart."""
        if self._ctx.status.reach is RegistryReach.UP:
            self._table.fetch(now=now)
        self._transport.sessions.doubt(contact.identity, now=now)

    def _table_arrived(self, data: bytes, now: float) -> None:
        key = self._channel.key(unpack_group(data).epoch)
        if key is None or self._session.pinned is None:
            return  # the link is not up yet; the first page will bring these rows
        # No replay window here: every member has the key and could move the window. The version
        # shows what is a repeat.
        payload = key.open_stored(data)
        batch = decode_table_batch(table_in(payload))
        if batch.version > self._table.version:
            # Each change is sent twice. Skip the costly signature check for batches with nothing
            # new.
            if not is_table_signed(payload, registry=self._session.pinned):
                raise SealError("a table that the registry has not signed")
            self._table_changed(batch, now)
        self.catch_up(now=now)

    def _table_changed(self, batch: TableBatch, now: float) -> None:
        self._session.known_version = max(self._session.known_version, batch.version)
        changes = self._table.take_batch(batch, wall=self._ctx.wall(now))
        if changes:
            self.rows_changed(changes, now)

    def catch_up(self, *, now: float) -> None:
        """Ask for rows if the registry has newer ones."""
        if self._link.is_up and self._session.known_version > self._table.version:
            self._table.fetch(now=now)

    def rows_changed(
        self, changes: list[tuple[Contact, Change]], now: float, *, is_heard: bool = False
    ) -> None:
        """Apply changed rows to pending messages, lines and rooms. `is_heard`: the contacts have
        said so themselves, and it is noted what they may have lost."""
        for contact, change in changes:
            conversation = contact.conversation
            if change is Change.RESTARTED and conversation is not None:
                if not is_heard:
                    conversation.outgoing.unsynced.lose()
                conversation.delivery.restart_tries(now=now)
                self._transport.active[contact.identity] = contact
            if change is not Change.TAKEN:
                self._ladder.climb(contact, now=now)
            if change is Change.RESTARTED and self._ctx.status.reach is RegistryReach.LOST:
                self._outbox.catch_up(contact, now=now)
            if self._direct_receiver.adopt(contact, now=now):
                self._settlement.adopt(contact)
        if changes:
            self._group_receiver.rows_arrived(now=now)
            self._members.rows_arrived()


class PendingBacklog:
    """Mail and pages of group logs that wait for the rows of their senders, in order."""

    def __init__(
        self,
        *,
        table: Table,
        contacts: Contacts,
        direct_receiver: DirectReceiver,
        outbox: GroupOutbox,
    ) -> None:
        self._table = table
        self._contacts = contacts
        self._direct_receiver = direct_receiver
        self._outbox = outbox
        self._waiting: list[MailBatch | GroupPage] = []
        self._known_by = 0
        """The number of the table request whose answer has the rows of all senders that wait."""

    def came(self, notice: MailBatch | GroupPage, *, now: float) -> None:
        """Take a notice, or hold it back while a sender is unknown: the broadcast of a new sender's
        row may be lost."""
        self._waiting.append(notice)
        of = notice.letters if isinstance(notice, MailBatch) else notice.lines
        if self._table.is_fresh and any(
            self._contacts.by_identity(one.sender) is None for one in of
        ):
            self._table.fetch_anew(now=now)
            self._known_by = self._table.asked
        self.take(now=now)

    def take(self, *, now: float) -> None:
        """Release what waits if the rows of all senders have arrived."""
        if not self._table.is_fresh or self._table.answered < self._known_by:
            return
        self._direct_receiver.table_known(now=now)
        waiting, self._waiting = self._waiting, []
        for notice in waiting:
            if isinstance(notice, MailBatch):
                self._direct_receiver.batch_arrived(notice)
            else:
                self._outbox.page_arrived(notice, now=now)

    def link_lost(self) -> None:
        """Drop what waits. The registry sends it again on the next link."""
        self._waiting.clear()
        self._known_by = 0


class NoticeHandler:
    """Gives what comes on the link to the part that handles it (a `LinkReader`)."""

    def __init__(
        self,
        ctx: Context,
        *,
        dispatcher: Dispatcher,
        monitor: RegistryMonitor,
        backlog: PendingBacklog,
        table: Table,
        contacts: Contacts,
        ladder: Ladder,
        mail_queue: MailQueue,
        settlement: Settlement,
        groups: Groups,
        group_receiver: GroupReceiver,
        catch_up: CatchUp,
        rooms: Rooms,
        renaming: Renaming,
        releasing: Releasing,
        operator: Operator,
    ) -> None:
        self._ctx: Final = ctx
        self._dispatcher = dispatcher
        self._monitor = monitor
        self._backlog = backlog
        self._table = table
        self._contacts = contacts
        self._ladder = ladder
        self._mail_queue = mail_queue
        self._settlement = settlement
        self._groups = groups
        self._group_receiver = group_receiver
        self._catch_up = catch_up
        self._rooms = rooms
        self._outbox = rooms.outbox
        self._renaming = renaming
        self._releasing = releasing
        self._operator = operator

    def link_up(self, *, now: float) -> None:
        """Ask for everything that we missed."""
        self._catch_up.begin()
        self._catch_up.await_group(CHANNEL)
        self._operator.link_up()
        self._table.fetch_anew(now=now)
        self._rooms.link_up(now=now)

    def link_lost(self) -> None:
        """Leave pending requests unanswered; group keys granted on the link are void."""
        self._operator.link_lost()
        self._table.link_lost()
        self._group_receiver.link_lost()
        self._groups.revoke()
        self._rooms.link_lost()
        self._renaming.link_lost()
        self._releasing.link_lost()
        self._backlog.link_lost()
        self._catch_up.give_up()
        self._catch_up.release()

    def line_arrived(self, data: bytes, *, now: float) -> None:
        """Handle a relayed line of a group. Raises WireError for an invalid one."""
        position, frame = unpack_relayed(data)
        if not self._group_receiver.line_relayed(position, frame, now=now):
            self._table.fetch(now=now)

    def notice_arrived(self, notice: NodeNotice, *, now: float) -> None:
        """Handle a notice. Raises WireError for an invalid one."""
        match notice:
            case TablePage():
                self._page_arrived(notice, now)
            case MailBatch() | GroupPage():
                self._backlog.came(notice, now=now)
            case MailSaved() | MailRefused() | MailExpired():
                self._mail_notice_arrived(notice, now)
            case DatagramRelayed():
                self._dispatcher.datagram_relayed(notice, now)
            case RelayFailed(recipient):
                contact = self._contacts.by_identity(recipient)
                if contact is not None:
                    self._ladder.relay_failed(contact, now=now)
            case GroupGranted():
                self._rooms.granted(notice, now=now)
            case GroupAccepted() | GroupRefused():
                self._outbox.answered(notice, now=now)
            case (
                RoomEntered()
                | RoomRefused()
                | RoomLeft()
                | RoomEvicted()
                | RoomChanged()
                | RoomsListed()
            ):
                self._room_notice_arrived(notice, now)
            case TopicChanged() | TopicRefused():
                self._rooms.topic.answered(notice)
            case RenameAccepted() | RenameRefused():
                self._renaming.answered(notice)
            case Released() | ReleaseRefused():
                self._releasing.answered(notice, now=now)
            case _:
                self._desk_notice_arrived(notice, now)

    def _page_arrived(self, page: TablePage, now: float) -> None:
        changes = self._table.take_page(page, now=now, wall=self._ctx.wall(now))
        self._monitor.look(now=now)
        self._dispatcher.rows_changed(changes, now)
        if self._table.is_fresh:
            self._group_receiver.rows_arrived(now=now)
        self._backlog.take(now=now)

    def _mail_notice_arrived(
        self, notice: MailSaved | MailRefused | MailExpired, now: float
    ) -> None:
        match notice:
            case MailSaved(reference):
                reopened = self._mail_queue.saved(reference, now=now)
                if reopened is not None:
                    self._ladder.climb(reopened, now=now)
            case MailRefused(reference, reason):
                self._mail_queue.refused(reference, reason, now=now)
            case MailExpired(recipient, number):
                # A replaced key is not in the contacts any more, but mail sealed to it can still
                # expire.
                contact = self._contacts.by_identity(recipient) or self._settlement.waiting.get(
                    recipient
                )
                if contact is not None:
                    self._settlement.expired(contact, number, now=now)

    def _room_notice_arrived(
        self,
        notice: RoomEntered | RoomRefused | RoomLeft | RoomEvicted | RoomChanged | RoomsListed,
        now: float,
    ) -> None:
        match notice:
            case RoomEntered():
                self._rooms.entered(notice, now=now)
            case RoomRefused():
                self._rooms.refused(notice, now=now)
            case RoomLeft():
                self._rooms.left(notice)
            case RoomEvicted():
                self._rooms.evicted(notice, now=now)
            case RoomChanged():
                self._rooms.current.changed(notice, now=now)
            case RoomsListed():
                self._rooms.room_list.listed(notice)

    def _desk_notice_arrived(self, notice: DeskNotice, now: float) -> None:
        """Handle a notice of the help desk. An honest registry sends no visitor's notice to
        somebody with a name."""
        if not isinstance(notice, VisitorNotice):
            self._operator.handle(notice, now=now)
