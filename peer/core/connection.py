"""The connection to the registry: registration, and the link once the registry has let us in."""

from collections.abc import Sequence
from typing import Final

from chatapp.peer.core import events as happened
from chatapp.peer.core.catch_up import CatchUp
from chatapp.peer.core.context import Outputs, RegistryStatus
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.dispatch import NoticeHandler, RegistryMonitor
from chatapp.peer.core.events import AdmissionRefusal
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.operator import Operator
from chatapp.peer.core.people.roster import Contacts
from chatapp.peer.core.people.table import Table
from chatapp.peer.core.records import RegistryPinned
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import Notice, RegistrySession
from chatapp.peer.core.renaming import Renaming
from chatapp.peer.core.rooms.group import Groups
from chatapp.peer.core.rooms.incoming import GroupReceiver
from chatapp.peer.core.rooms.rooms import Rooms
from chatapp.peer.core.trace import WallClock
from chatapp.wire.codec import decode_notice
from chatapp.wire.errors import WireError
from chatapp.wire.framing import unpack_relayed
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.registration import Ping, RefusalReason
from chatapp.wire.messages.rooms import CHANNEL


class RegistryConnection:
    """Our end of the link: frames in, requests out, and what its loss means for the other parts."""

    def __init__(
        self,
        *,
        session: RegistrySession,
        link: RegistryLink,
        monitor: RegistryMonitor,
        notices: NoticeHandler,
        table: Table,
        groups: Groups,
        group_receiver: GroupReceiver,
        catch_up: CatchUp,
        rooms: Rooms,
        renaming: Renaming,
        operator: Operator,
        outputs: Outputs,
    ) -> None:
        self._session = session
        self._link = link
        self._monitor = monitor
        self._notices = notices
        self._table = table
        self._groups = groups
        self._group_receiver = group_receiver
        self._catch_up = catch_up
        self._rooms = rooms
        self._renaming = renaming
        self._operator = operator
        self._out = outputs

    # --- the link

    def frames_arrived(self, frames: Sequence[bytes], *, now: float, wall: float) -> int:
        """Handle frames of the link, in order. Return how many were dropped. Raises SealError: then close the link."""
        dropped = 0
        for data in frames:
            was_up = self._link.is_up
            payload = self._link.opened(data, now=now)
            if not was_up and self._link.is_up:
                self._link_up(now)
            try:
                if payload is None:
                    self._line_arrived(data, now)
                elif payload:
                    self._notices.handle(decode_notice(payload), now=now, wall=wall)
            except WireError:
                dropped += 1
        return dropped

    def link_closed(self, *, now: float) -> None:
        """The connection is closed: find out at once whether the registry is gone as well."""
        self.drop_link()
        self._session.note_silence(now=now)
        self._monitor.look(now=now)

    def drop_link(self) -> None:
        """Forget the link: pending requests stay unanswered, and group keys granted on it are void."""
        self._link.drop()
        self._operator.link_lost()
        self._table.link_lost()
        self._group_receiver.link_lost()
        self._groups.revoke()
        self._rooms.link_lost()
        self._renaming.link_lost()
        self._notices.link_lost()
        self._catch_up.give_up()
        self._catch_up.release()

    def flush(self, *, now: float) -> None:
        """Put all requests of this turn on the link. Without a link they are dropped, and made again when it is back."""
        requests, self._out.requests = self._out.requests, []
        if self._link.is_up:
            for request in requests:
                self._link.send(request, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> bool:
        """Do what is due. Return whether the driver is to close a connection that came to nothing."""
        if self._link.is_keepalive_due(now):
            self._link.send(Ping(reference=0), now=now)
            self._session.ping(now=now)  # by UDP: is it the link or the registry that says nothing?
        self._rooms.handle_timer(now=now)
        if self._renaming.deadline is not None:
            self._renaming.handle_timer(now=now)
        self._monitor.look(now=now)
        return self._link.handle_timer(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        dues = (
            self._monitor.next_timer(),
            self._link.next_timer(),
            self._rooms.next_timer(),
            self._renaming.deadline,
        )
        return min((due for due in dues if due is not None), default=None)

    # --- inside

    def _link_up(self, now: float) -> None:
        self._catch_up.begin()
        self._catch_up.await_group(CHANNEL)
        self._operator.link_up()
        self._table.fetch_anew(now=now)
        self._rooms.link_up(now=now)

    def _line_arrived(self, data: bytes, now: float) -> None:
        position, frame = unpack_relayed(data)
        if not self._group_receiver.line_relayed(position, frame, now=now):
            self._table.fetch(now=now)


_WANT_CODE: Final = frozenset({RefusalReason.NOT_INVITED, RefusalReason.KEPT_FOR_OPERATOR})

OUTDONE_MAX: Final = 3
"""How often we make a newer card than the one the registry knows, until it lets us in. The limit ends a race of two
programs that start together with the same key."""


class Registration:
    """Turns the session's notices into events, and starts and ends the link accordingly."""

    def __init__(
        self,
        *,
        me: LocalIdentity,
        session: RegistrySession,
        link: RegistryLink,
        connection: RegistryConnection,
        monitor: RegistryMonitor,
        transport: PeerTransport,
        table: Table,
        contacts: Contacts,
        renaming: Renaming,
        registry_status: RegistryStatus,
        outputs: Outputs,
        clock: WallClock,
    ) -> None:
        self._me = me
        self._session = session
        self._link = link
        self._connection = connection
        self._monitor = monitor
        self._transport = transport
        self._table = table
        self._contacts = contacts
        self._renaming = renaming
        self._registry_status = registry_status
        self._out = outputs
        self._clock = clock
        self._pinned = session.pinned
        self.newly_pinned: bytes | None = None
        """The key of a registry that let us in for the first time, or in place of another one."""
        self._key_news: happened.RegistryMet | happened.RegistryKeyAccepted | None = None
        """The event about the registry's key that follows `Registered`."""
        self._was_lost = False
        self.outdone = 0
        """How many newer cards were made since the registry last let us in, or we last wanted in; see OUTDONE_MAX."""
        self._last_life = 0
        self.has_begun = False
        """Whether we have been registered since `start`."""
        self.wants_close = False
        """Whether the driver is to close its connection."""
        self.not_let_in: happened.NotLetIn | None = None
        """Why the registry has not let us in since `start`."""

    def handle_session(self, *, now: float) -> None:
        """Handle the session's notices, then measure whether the registry can be reached."""
        self._session.table_version = self._table.version
        for notice in self._session.notices():
            match notice:
                case Notice.WELCOMED:
                    self._welcomed(now)
                case Notice.SILENT:
                    self._drop_link()
                case Notice.LOST:
                    self._lost(now)
                case Notice.DENIED:
                    self._denied(now)
                case Notice.LEFT:
                    self._gone(happened.SignedOff(), now)
                case Notice.LEAVE_UNANSWERED:
                    self._gone(happened.LeaveUnanswered(), now)
                case Notice.WRONG_KEY:
                    self._wrong_key(now)
                case Notice.WRONG_CODE:
                    self._wrong_code(now)
        for question in self._session.sealed_questions():
            self._out.requests.append(question)  # the link carries it too: there it cannot get lost
        self._monitor.look(now=now)

    def _welcomed(self, now: float) -> None:
        if self._session.pinned is not None and self._session.pinned != self._pinned:
            self._pin(self._session.pinned)
        assert self._session.welcome is not None
        ahead = self._session.welcome.clock / 1_000 - (now + self._clock.offset)
        self._registry_status.clock_ahead = max(0.0, ahead)
        self._monitor.clock_known(now=now)
        if self._session.is_registry_behind:
            self._table.begin_anew()
        if self._renaming.welcomed():
            self._session.start(table_version=self._table.version, now=now)
            return
        if not self.has_begun:
            self._out.events.append(happened.Registered())
        if self._key_news is not None:
            self._out.events.append(self._key_news)
            self._key_news = None
        if self._was_lost:
            self._monitor.seek(now=now)
            self._out.events.append(happened.ServerBack())
        self.has_begun, self._was_lost, self.not_let_in = True, False, None
        self.outdone = 0
        self._transport.stop_hailing()
        if self._session.life != self._last_life:
            self._link.forgive()  # the registry was restarted: earlier failures of links say nothing about it
            self._last_life = self._session.life
        self._link.open(self._session.open_link, now=now)

    def _pin(self, identity: bytes) -> None:
        is_first, is_named = self._pinned is None, self._session.is_key_named
        self._pinned = self.newly_pinned = identity
        self._out.records.append(RegistryPinned(identity, is_verified=is_named))
        key = fingerprint(identity)
        self._key_news = (
            happened.RegistryMet(key=key, is_verified=is_named)
            if is_first
            else happened.RegistryKeyAccepted(key=key)
        )

    def _lost(self, now: float) -> None:
        if self.has_begun:
            self._out.events.append(happened.ServerLost())
        else:
            saved_at = self._table.saved_at if len(self._contacts) else None
            self._out.events.append(happened.NoServerAtStart(table_time=saved_at))
        self._go_on_alone(now)

    def _drop_link(self) -> None:
        self._connection.drop_link()
        self.wants_close = True

    def _go_on_alone(self, now: float) -> None:
        self._was_lost = True
        self._drop_link()
        self._transport.hail_all(now=now)

    def _denied(self, now: float) -> None:
        assert self._session.denied is not None
        if self._renaming.denied(self._session.denied) or (
            self._session.denied is RefusalReason.OLD_CARD and self._outdo()
        ):
            self._session.start(table_version=self._table.version, now=now)
        elif self._session.denied is RefusalReason.OLD_CARD and self.has_begun:
            self._not_let_in(happened.AdmissionRefused(reason=AdmissionRefusal.OTHER_PROGRAM))
        elif self._session.denied is RefusalReason.NAME_TAKEN:
            self._not_let_in(happened.NameUnavailable(name=self._me.name))
        else:
            reason, key = AdmissionRefusal[self._session.denied.name], ""
            if self._session.denied in _WANT_CODE and self._session.is_code_foreign:
                reason = AdmissionRefusal.CODE_OF_ANOTHER
            elif reason is AdmissionRefusal.NOT_INVITED:
                key = fingerprint(self._me.identity.public)
            self._not_let_in(happened.AdmissionRefused(reason=reason, key=key))

    def _outdo(self) -> bool:
        """Make a card newer than the one the registry knows. Return whether we did.

        While we are registering, the registry's card is from an earlier run of ours: our folder or clock was set back.
        Once we were registered, it is another program's, and two programs must not throw each other out in turn."""
        if self.has_begun or self.outdone >= OUTDONE_MAX or not self._me.outdo(self._session.newer_counter):
            return False
        self.outdone += 1
        self._use_card()
        return True

    def _not_let_in(self, why: happened.NotLetIn) -> None:
        self.not_let_in = why
        self._out.events.append(why)

    def _gone(self, event: happened.Event, now: float) -> None:
        self._drop_link()
        self._link.forgive()
        self._out.events.append(event)

    def _wrong_key(self, now: float) -> None:
        assert self._session.stranger is not None
        expected, got = self._session.expected, fingerprint(self._session.stranger)
        self._not_let_in(happened.RegistryKeyChanged(expected=expected, got=got))
        self._go_on_alone(now)

    def _wrong_code(self, now: float) -> None:
        assert self._session.stranger is not None
        key = fingerprint(self._session.stranger)
        self._not_let_in(happened.AdmissionRefused(reason=AdmissionRefusal.CODE_OF_ANOTHER, key=key))
        self._go_on_alone(now)

    def _use_card(self) -> None:
        self._transport.sessions.number_from(self._me.first_opening)
        self._session.use_card(self._me.card, first_opening=self._me.first_opening)
