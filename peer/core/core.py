"""One person's node: the hub of five subjects, and what a driver calls.

Datagrams, link frames and the time come in; datagrams, link bytes, records, events and one deadline
go out. The subjects do not know each other: the hub gives each notice of the registry to the subject
that it is for, by a table, and tells all of them what changed about the registry and the table.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatapp.peer.api import conversations, events
from chatapp.peer.api.trace import Raw
from chatapp.peer.core.contacts import Change, Contact
from chatapp.peer.core.context import Context, RegistryChange, RegistryReach, Routes, drop_invalid
from chatapp.peer.core.conversation import check_length
from chatapp.peer.core.desk.operator import Operator
from chatapp.peer.core.direct.direct import DirectMessages
from chatapp.peer.core.direct.outbox import LostMessages
from chatapp.peer.core.direct.transport import runs_of
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.muting import Muting
from chatapp.peer.core.people.people import Authored, Roster
from chatapp.peer.core.records import (
    KEY_SIZE,
    DraftChanged,
    LineKeyed,
    Loaded,
    ReadUpTo,
    Record,
    StoredOutgoing,
)
from chatapp.peer.core.registry.connection import NodeCore
from chatapp.peer.core.registry.registration import Registration
from chatapp.peer.core.registry.session import SEALED_KINDS, State
from chatapp.peer.core.rooms.rooms import Rooms
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, decode_table_batch, unpack_group
from chatapp.wire.errors import SealError
from chatapp.wire.identity import is_table_signed, table_in
from chatapp.wire.messages.link import NodeNotice
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.rooms import CHANNEL, RoomChanged, RoomEntered
from chatapp.wire.messages.table import CardsShown, RosterPage, TablePage, TableScope

_OF_MEMBERS: Final = frozenset({RoomEntered, RoomChanged})


class PeerCore(NodeCore):
    """One node. Time is monotonic seconds."""

    def __init__(
        self, ctx: Context, *, servers: Sequence[Address], loaded: Loaded, now: float
    ) -> None:
        # What is due at one moment is done in the order in which the subjects are made here: the loss
        # of the registry comes before its consequences, and a line that is due is shown before its
        # delivery stream drops it.
        self._out: Final = ctx.out
        self._out.last_id = loaded.last_id
        self.events: Final = self._out.drain_events
        self.file_frames: Final = self._out.file_frames
        self.roster: Final = Roster(ctx, self, loaded)
        self.people: Final = self.roster.contacts.people
        self.registry: Final = Registration(ctx, self, self.roster, servers=servers, loaded=loaded)
        self._streams: Final = Streams(
            ctx, stored=loaded.streams, ignored=self.roster.contacts.ignored
        )
        self.direct: Final = DirectMessages(
            ctx, self, self.roster, self.registry, streams=self._streams, loaded=loaded
        )
        self.rooms: Final = Rooms(
            ctx, self.roster, self.registry, self.direct, streams=self._streams, loaded=loaded
        )
        self.direct.carry(self.rooms)
        self.muting: Final = Muting(ctx, self.roster.contacts, loaded.muted)
        self.line_arrived: Final = self.rooms.line_relayed
        self.desk: Final = Operator(ctx)
        self._routes: Final[Routes] = {
            TablePage: self._page_came,
            RosterPage: self._page_came,
            CardsShown: self._cards_came,
            **self.roster.routes,
            **self.registry.routes,
            **self.direct.routes,
            **self.rooms.routes,
            **self.desk.routes,
        }
        self.roster.interest.wanted = self._wanted
        super().__init__(ctx, self.registry.connection)
        self.rooms.restore(loaded, now=now)
        for contact in list(self.roster.contacts):
            self._adopt(contact, now)

    # --- what the subjects tell each other

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Tell every subject, in this order, what changed about the registry."""
        if change is RegistryChange.LINK_UP:
            self._streams.catch_up.begin()
            self._streams.catch_up.await_group(CHANNEL)
        self.desk.registry_changed(change)
        self.roster.registry_changed(change, now=now)
        self.rooms.registry_changed(change, now=now)
        self.direct.registry_changed(change, now=now)
        self.registry.registry_changed(change)
        if change is RegistryChange.LINK_LOST:
            self._streams.catch_up.give_up()
            self._streams.catch_up.release()

    def rows_changed(
        self, changes: Sequence[tuple[Contact, Change]], *, is_heard: bool = False, now: float
    ) -> None:
        """Apply changed rows to pending messages, lines and rooms. `is_heard`: the contacts have
        said so themselves, and it is noted what they may have lost."""
        for contact, change in changes:
            if contact.identity == self.me.identity.public:
                self.roster.standing.row_came(contact.row)
            self.direct.row_changed(contact, change, is_heard=is_heard, now=now)
            self.rooms.row_changed(contact, change, now=now)
            self._adopt(contact, now)
        if changes and not is_heard:
            self.rooms.rows_arrived(now=now)

    def _wanted(self) -> Iterator[bytes]:
        """Yield of whom we want to be told, the most important first: names in doubt, with whom we
        talk, who is in our rooms."""
        contacts = self.roster.contacts
        for key, row in contacts.blocked.items():
            yield row.card.identity
            if (holder := contacts.by_key(key)) is not None:
                yield holder.identity
        yield from reversed(contacts.touched)
        for stream in (*self._streams, *self._streams.unused):
            if len(stream) == KEY_SIZE:  # not of a group
                yield stream
        yield from self.rooms.members()

    def _adopt(self, contact: Contact, now: float) -> None:
        """Show what is stored of a contact and was not shown."""
        is_awaited = self.direct.adopt(contact, now=now)
        if is_awaited:
            self.direct.take_up(contact)
        if self.rooms.adopt(contact, now=now) or is_awaited:
            self._streams.catch_up.release()

    def person_gone(self, identity: bytes) -> None:
        """Note that somebody goes offline; the user is told right after that."""
        self.rooms.person_gone(identity)

    def key_replaced(self, old: Contact, new: Contact, now: float) -> None:
        """Note that the user trusts another key for a name."""
        self.rooms.replace(old)
        self._adopt(new, now)
        self.direct.replace(old, new, now=now)

    def authors_known(self, notices: Sequence[Authored], *, now: float) -> None:
        """Take notices whose authors' rows are here, as far as they will come."""
        self.direct.table_known(now=now)
        for notice in notices:
            if isinstance(notice, MailBatch):
                self.direct.mail_came(notice)
            else:
                self.rooms.page_came(notice, now=now)

    # --- what the user wants

    def start(self, *, now: float) -> None:
        """Register; also after `leave`."""
        self.registry.start(now=now)
        self._follow_up(now)

    def leave(self, *, now: float) -> None:
        """Go offline: tell the registry, and acknowledge nothing more."""
        self.registry.leave(now=now)
        self._follow_up(now)

    def take_messages(self, *, has_room: bool) -> None:
        """Accept messages of other people, or stop. A message not accepted is not acknowledged, so
        it is not lost."""
        self.direct.accept_messages(has_room=has_room)

    def read_link(self, *, is_read: bool, now: float) -> None:
        """Note whether the driver reads the link from now on."""
        self.registry.link.read_from(is_read=is_read, now=now)

    def is_key_in_doubt(self, name: str) -> bool:
        """Return whether the registry shows another key for this name than the one that we hold."""
        return self.roster.contacts.is_blocked(name)

    def lines_shown(self, lines: Iterable[events.LineEvent]) -> None:
        """Note that lines were shown, so that they are not shown again after a restart."""
        ours, of_history = self.me.identity.public, []
        for line in lines:
            if line.visit:
                self.desk.line_shown(line)
            elif line.identity != ours:
                of_history.append(line)
        self._streams.lines_shown(of_history)

    def wall(self, now: float) -> float:
        """Return the Unix time."""
        return self._ctx.wall(now)

    @property
    def newest_line(self) -> int:
        """The highest id of a line in the history."""
        return self._out.last_id

    def mark_read(
        self, conversation: conversations.Conversation, keys: Iterable[tuple[bytes, bool]], id_: int
    ) -> None:
        """Note that the user has read a conversation up to the line with this id. `keys`: as in
        `conversation_of`."""
        self._out.records += [ReadUpTo(key, is_group, id_) for key, is_group in keys]
        self._out.events.append(events.ConversationRead(conversation=conversation, id=id_))

    def note_draft(
        self, conversation: conversations.Conversation, text: str, *, window: int = 0
    ) -> None:
        """Note what the user has begun to type in a conversation. `window`: as in `KeepDraft`."""
        self._out.records.append(DraftChanged(conversation, text))
        self._out.events.append(
            events.DraftKept(conversation=conversation, text=text, window=window)
        )

    def note_key(self, line: int, key: int) -> None:
        """Note by which key another program of the user asked for a line of ours."""
        self._out.records.append(LineKeyed(line, key))

    def cancel(self, stream: bytes, number: int, *, now: float) -> bool:
        """Give up a message or line of ours, unless somebody else may have it. Return whether it is
        given up."""
        return self.direct.cancel(stream, number, now=now) or self.rooms.cancel(
            stream, number, now=now
        )

    def reword(self, stream: bytes, number: int, text: str) -> bool:
        """Have a message or line of ours say something else, unless somebody else may have it.
        Return whether it does. Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        return self.direct.reword(stream, number, text) or self.rooms.reword(stream, number, text)

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """Return the steps of a pending message or line of ours so far; none when it is not
        pending."""
        return self.direct.steps_under_way(stream, number) or self.rooms.steps_under_way(
            stream, number
        )

    # --- how we stand

    @property
    def is_settled(self) -> bool:
        """Whether everything we said is delivered, saved, kept or refused."""
        return self.direct.is_settled and self.rooms.are_lines_settled and self.desk.is_settled

    @property
    def is_sending(self) -> bool:
        """Whether a message of ours is under way, and an event will tell what becomes of it. Of a
        line for a visitor of the help desk, and of the copies of a room line, no event tells that
        they have arrived."""
        return not (self.direct.is_settled and self.rooms.are_lines_answered)

    @property
    def is_ready(self) -> bool:
        """Whether the table and our mail are up to date, or the registry is out of reach."""
        return self.reach is not RegistryReach.SEEKING and self._streams.catch_up.is_mail_drained

    @property
    def state(self) -> State:
        """The state of our registration."""
        return self.registry.session.state

    @property
    def is_offline(self) -> bool:
        """Whether we are offline by our own wish, or the registry refused us."""
        return self.state in (State.OFFLINE, State.LEAVING, State.REFUSED)

    @property
    def not_let_in(self) -> events.NotLetIn | None:
        """Why we are not registered although something answers at the registry's address; None
        otherwise."""
        return self.registry.not_let_in

    @property
    def reach(self) -> RegistryReach:
        """Whether the registry can be reached."""
        return self._ctx.status.reach

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which the registry's clock was ahead of ours (negative: behind) when it last
        let us in; None before."""
        return self._ctx.status.clock_offset

    @property
    def table_version(self) -> int:
        """The version of our copy of the table."""
        return self.roster.version

    # --- what comes in

    def receive_datagrams(self, batch: Sequence[tuple[bytes, Address]], *, now: float) -> None:
        """Take datagrams with their senders, whatever they are, each as if it came alone. What was
        in them is handled together, after the last one. Never answers with an error. Raises an
        ExceptionGroup of our own faults, once everything else is handled."""
        problems: list[Exception] = []
        for datagrams, sender in runs_of(batch):
            first = datagrams[0]
            # sealed by somebody else than the registry, as far as its header says
            if first and first[0] in SEALED_KINDS and not self.registry.session.is_ours(first):
                problems += self.direct.run_arrived(datagrams, sender, now=now)
            else:
                problems += self._receive_from_registry(datagrams, sender, now)
        problems += self.direct.read_all(now=now)
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
                is_of_registry = self._registry_datagram_came(data, sender, now)
            except Exception as problem:  # noqa: BLE001 - any fault at all
                problems.append(problem)
            try:
                if is_of_registry:
                    self._follow_up(now)
            except Exception as fault:  # noqa: BLE001 - any fault at all
                problems.append(fault)
        return problems

    def _registry_datagram_came(self, data: bytes, sender: Address, now: float) -> bool:
        """Take a datagram that is not of a peer. Return whether the registry may have sent it.
        Raises WireError for an invalid one."""
        kind, session = data[0] if data else 0, self.registry.session
        is_registry = kind in SEALED_KINDS or sender in session.servers
        if kind == Kind.GROUP and is_registry:
            if not self.roster.interest.is_on:
                self._table_came(data, now)
        elif is_registry and session.receive_datagram(data, sender, now=now):
            self._fetch_missing(now)
        else:
            self.dropped["unknown kind"] += 1
        return is_registry

    def _table_came(self, data: bytes, now: float) -> None:
        """Take a broadcast of rows."""
        key, session = self.rooms.channel_key(unpack_group(data).epoch), self.registry.session
        if key is None or session.pinned is None:
            return  # the link is not up yet; the first page will bring these rows
        # No replay window here: every member has the key and could move the window. The version
        # shows what is a repeat.
        payload = key.open_stored(data)
        batch = decode_table_batch(table_in(payload))
        if batch.version > self.roster.table.version:
            # Each change is sent twice. Skip the costly signature check for batches with nothing
            # new.
            if not is_table_signed(payload, registry=session.pinned):
                raise SealError("a table that the registry has not signed")
            session.known_version = max(session.known_version, batch.version)
            self.rows_changed(self.roster.batch_came(batch, now=now), now=now)
        self._fetch_missing(now)

    def _fetch_missing(self, now: float) -> None:
        """Ask for rows if the registry has newer ones. Those of a new link are asked for once it
        has granted us something."""
        registry = self.registry
        if registry.link.is_granted and registry.session.known_version > self.roster.table.version:
            self.roster.fetch(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Take frames from the link."""
        self._connection.receive_frames(frames, now=now)
        self._fetch_missing(now)
        self._follow_up(now)

    def link_progressed(self, begun: int, *, now: float) -> None:
        """Note that so many bytes of a frame have come, which may be rows that we asked for."""
        super().link_progressed(begun, now=now)
        self.roster.progressed(now=now)

    def notice_arrived(self, notice: NodeNotice, *, now: float) -> None:
        """Give a notice to the subject that it is for. Raises WireError for an invalid one. An
        honest registry sends no notice to somebody with a name that is for visitors alone."""
        route = self._routes.get(type(notice))
        if route is not None:
            route(notice, now=now)
        if type(notice) in _OF_MEMBERS:
            self.roster.interest.has_changed = True
        elif isinstance(notice, TableScope) and self.roster.interest.is_on:
            self.registry.session.show_address(now=now)  # no lost datagram makes us notice anything

    def _cards_came(self, notice: CardsShown, *, now: float) -> None:
        changes, answered = self.roster.cards_came(notice, now=now)
        self.rows_changed(changes, now=now)
        self.rooms.rows_arrived(now=now)  # of some there may be no row
        self.direct.cards_known(answered, now=now)

    def _page_came(self, page: TablePage | RosterPage, *, now: float) -> None:
        changes = self.roster.page_came(page, now=now)
        self._look(now)
        self.rows_changed(changes, now=now)
        if self.roster.table.is_fresh:
            self.rooms.rows_arrived(now=now)
        self.roster.release(now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._ctx.alarms.ring(now=now)
        self._streams.catch_up.release()
        self._follow_up(now)

    def _follow_up(self, now: float) -> None:
        """Act on what the last input did to the registration and the link; measure whether the
        registry can be reached."""
        if self.roster.interest.is_on:
            self.roster.interest.look()
        self.registry.session.table_version = self.roster.version
        self._connection.follow_up(now=now)
        self._look(now)

    def _look(self, now: float) -> None:
        self.direct.look(now=now)
        self.registry.look(now=now)

    # --- the disk

    def records_to_store(self) -> list[Record]:
        """Return the records to store, once; call `records_stored` when they are on disk."""
        out = self._out
        records, out.records = out.records, []
        return records + self._streams.marks() if self._streams.has_marks else records

    def records_stored(self, *, now: float) -> bool:
        """Note that all records drained so far are on disk. Return whether there may be datagrams
        to send now."""
        if self.direct.notes.written:
            self.direct.notes.stored()
        is_numbered = self._out.has_numbered  # mostly not: no call
        if is_numbered:
            self._out.has_numbered = False
            self.rooms.numbers_stored(now=now)
            self.direct.numbers_stored(now=now)
        streams, catch_up = self._streams, self._streams.catch_up
        touched = streams.stored(now=now) if streams.written else {}
        has_stored = bool(touched)
        if self.rooms.floors:
            touched.update(self.rooms.raise_floors())
        catch_up.stored()
        for stream in touched.values():
            streams.release(stream, now)
        catch_up.release()
        return has_stored or is_numbered

    def sync_begins(self) -> int:
        """Return the number of a sync that begins now. It covers all records that `records_stored`
        was told of."""
        return self._out.syncs.begin()

    def synced(self, number: int, *, now: float) -> None:
        """Note that this sync is done: tell those who wait for it."""
        self._out.syncs.end(number)
        self.direct.synced(now=now)
        self._streams.catch_up.synced()

    @property
    def needs_disk(self) -> bool:
        """Whether `wants_sync` or `lost_messages` may return anything, now or later."""
        return self._out.wants_sync or bool(self.direct.may_have_lost)

    def wants_sync(self) -> bool:
        """Return, once, whether somebody waits for the disk: what is stored is to be synced at
        once."""
        wants, self._out.wants_sync = self._out.wants_sync, False
        return wants

    def lost_messages(self, *, now: float) -> list[LostMessages]:
        """Return, once, which delivered messages of ours to read from the history, for
        `give_again`."""
        return self.direct.lost_messages(now=now)

    def give_again(
        self, lost: LostMessages, found: Sequence[StoredOutgoing], *, is_all: bool, now: float
    ) -> None:
        """Give messages to their recipient again who may have lost them. `is_all`: there are no
        others."""
        self.direct.give_again(lost.contact, found, is_all=is_all, now=now)

    # --- what goes out

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, once, in order."""
        datagrams = self.direct.datagrams_to_send(now=now)
        if self.registry.session.outgoing:
            return self._connection.datagrams_to_send() + datagrams
        return datagrams
