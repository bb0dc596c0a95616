"""One person's node as a whole: the seam between the core's parts and whatever shell drives it.

It routes: datagrams and link frames to the part that understands them, time to the parts that wait, and what they have
to say out again. What a message, a table or a letter means stands in the parts.
"""

import random
from collections.abc import Sequence
from typing import Final

from chatapp.peer.core import events as happened
from chatapp.peer.core.connection import Registration, RegistryConnection
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.dispatch import Dispatcher, NoticeHandler, RegistryMonitor
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.parts import Parts
from chatapp.peer.core.records import Loaded, Record
from chatapp.peer.core.registry.session import State
from chatapp.peer.core.renaming import Renaming
from chatapp.peer.core.rooms.rooms import Rooms
from chatapp.peer.core.sending import Sending
from chatapp.peer.core.trust import TrustDecisions
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError


class PeerCore:
    """One node. Time is monotonic seconds; `wall_offset` added to it gives Unix time."""

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
        parts = self._parts = Parts(
            me, server=server, loaded=loaded, rng=rng, policy=policy, wall_offset=wall_offset
        )
        self.me: Final = me
        self.dropped: Final = parts.dropped
        self._out = parts.out
        self._contacts = parts.contacts
        self._transport = parts.transport
        self._registry_status = parts.registry_status
        self._ladder = parts.ladder
        self._paths = parts.paths
        self._session = parts.session
        self._link = parts.link
        self._table = parts.table
        self._resolver = parts.resolver
        self._catch_up = parts.catch_up
        self._notes = parts.notes
        self._buffer = parts.buffer
        self._direct_receiver = parts.direct_receiver
        self._streams = parts.streams
        self.rooms: Final = Rooms(parts, loaded.room, now=now)
        self._outbox = self.rooms.outbox
        self.sending: Final = Sending(parts, self.rooms)
        self.renaming: Final = Renaming(parts)
        self.operator: Final = parts.operator
        self._dispatcher = Dispatcher(parts, self.rooms)
        together = parts, self.rooms, self.renaming
        monitor = self._monitor = RegistryMonitor(*together)
        notices = NoticeHandler(*together, dispatcher=self._dispatcher, monitor=monitor)
        self._connection = RegistryConnection(*together, monitor=monitor, notices=notices)
        self._registration = Registration(parts, self.renaming, monitor=monitor, connection=self._connection)
        self.trust: Final = TrustDecisions(
            parts, verified=loaded.verified, is_registry_verified=loaded.is_registry_verified
        )
        parts.restore(loaded, now=now)

    @property
    def wall_offset(self) -> float:
        """Added to `now` it gives Unix time."""
        return self._parts.wall_offset

    @wall_offset.setter
    def wall_offset(self, seconds: float) -> None:
        self._parts.wall_offset = seconds

    def take_messages(self, *, has_room: bool) -> None:
        """Whether to take other people's messages from now on. What is not taken is not acknowledged, and not lost."""
        self._parts.takes_messages = has_room

    def read_link(self, *, is_read: bool, now: float) -> None:
        """Whether the shell reads the link from now on."""
        self._link.read_from(is_read=is_read, now=now)

    # --- what the user wants

    def use_code(self, code: JoinCode) -> None:
        """Come in with this join code, until we have once been let in."""
        self._session.use_code(code)

    def demand_registry(self, digits: str) -> None:
        """Register with no other registry than the one whose key has this fingerprint, whatever is pinned."""
        self._session.demand(digits)

    @property
    def demanded_registry(self) -> str | None:
        """The digits of the fingerprint that the registry must have, by the user's wish."""
        return self._session.demanded

    def start(self, *, now: float) -> None:
        """Register; also after `leave`."""
        if self._registry_status.reach is RegistryReach.NONE:
            self._ladder.set_reach(RegistryReach.SEEKING, now=now)
        self._registration.has_begun = False
        self._registration.not_let_in = None
        self._registration.outdone = 0
        self._monitor.seek(now=now)
        self._session.use_card(self.me.card, first_opening=self.me.first_opening)
        self._session.start(table_version=self._table.version, now=now)
        self._registration.handle_session(now=now)

    def leave(self, *, now: float) -> None:
        """Go offline: tell the registry, acknowledge nothing more."""
        self._outbox.stop(now=now)
        self._ladder.set_reach(RegistryReach.NONE, now=now)
        self.rooms.stop(now=now)
        self._transport.stop_hailing()
        self._session.leave(now=now)
        self._registration.handle_session(now=now)

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
        """Somebody has seen this line; after a restart it is not shown again."""
        if line.identity != self.me.identity.public:
            self._streams.line_shown(line)

    @property
    def is_settled(self) -> bool:
        """Whether all that we said is delivered, saved, kept or refused."""
        return self._ladder.is_settled and self._outbox.is_settled and self.operator.is_settled

    @property
    def is_ready(self) -> bool:
        """Whether the registry and we know of each other all that there is to know, or it is not to be had."""
        return self._registry_status.reach is not RegistryReach.SEEKING and self._catch_up.is_mail_drained

    @property
    def state(self) -> State:
        """Where our registration stands."""
        return self._session.state

    @property
    def is_offline(self) -> bool:
        """Whether we are not registered by our own wish, or not let in."""
        return self.state in (State.OFFLINE, State.LEAVING, State.REFUSED)

    @property
    def not_let_in(self) -> happened.NotLetIn | None:
        """Why we are not with the registry, though something answers at its address."""
        return self._registration.not_let_in

    @property
    def reach(self) -> RegistryReach:
        """How far the registry is in reach."""
        return self._registry_status.reach

    def registry_met(self) -> bytes | None:
        """Drained: the identity key of a registry that has let us in and is not the one that we began with."""
        met, self._registration.newly_pinned = self._registration.newly_pinned, None
        return met

    @property
    def table_version(self) -> int:
        """How far our copy of the table goes."""
        return self._table.version

    # --- what comes in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Any bytes from anybody: never raises, never answers an error."""
        is_of_registry = True
        try:
            is_of_registry = self._dispatcher.route(data, sender, now=now)
        except WireError as error:
            self.dropped[type(error).__name__] += 1
        if is_of_registry:
            self._registration.handle_session(now=now)

    def link_connected(self, *, now: float) -> None:
        """The shell's TCP connection to the registry stands."""
        self._link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Frames from the link."""
        try:
            dropped = self._connection.frames_arrived(frames, now=now, wall=now + self.wall_offset)
            self.dropped["frame"] += dropped
        except WireError:
            self.dropped["link"] += 1
            self._cut_link(now)
        self._dispatcher.catch_up(now=now)
        self._registration.handle_session(now=now)

    def link_closed(self, *, now: float) -> None:
        """The connection is over or could not be made."""
        self._connection.link_closed(now=now)
        self._registration.handle_session(now=now)

    def records_stored(self, *, now: float) -> bool:
        """All records drained so far are on disk; True when that may have brought forth datagrams."""
        self._notes.stored()
        return self._direct_receiver.stored(now=now)

    def handle_timer(self, *, now: float) -> None:
        """Whatever is due; early and late calls are harmless."""
        self._session.handle_timer(now=now)
        self._registration.handle_session(now=now)  # that it is lost is said before what follows from that
        # Before the streams, which let go of what is due without showing it.
        self._streams.handle_timer(now=now)
        self._dispatcher.handle_timer(now=now)
        self._ladder.handle_timer(now=now)
        self._resolver.handle_timer(now=now)
        self._buffer.handle_timer(now)
        self._transport.handle_timer(now=now)
        if self._connection.handle_timer(now=now):
            self._cut_link(now)
        self._registration.handle_session(now=now)

    # --- what goes out

    def next_timer(self) -> float | None:
        """One absolute deadline."""
        dues = [
            self._session.next_timer(),
            self._ladder.next_timer(),
            self._streams.next_timer(),
            self._transport.next_timer(),
            self._connection.next_timer(),
            self._resolver.next_timer(),
            self._buffer.next_timer(),
            self._dispatcher.next_timer(),
        ]
        return min((due for due in dues if due is not None), default=None)

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address]]:
        """Drained, in order."""
        self._transport.active.update(self._paths.contacts_begun())
        if self._registry_status.reach is not RegistryReach.NONE:
            self._transport.flush(now=now, can_relay=self._registry_status.reach is RegistryReach.UP)
        ours = [(datagram, self._session.address) for datagram in self._session.datagrams_to_send()]
        return ours + self._transport.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Drained, in order; ask after `datagrams_to_send`, which may relay."""
        self._connection.flush(now=now)
        return self._link.bytes_to_send()

    def wants_link(self) -> bool:
        """Drained: whether the shell is to connect to the registry's TCP port now."""
        return self._link.wants_connection()

    def wants_link_closed(self) -> bool:
        """Drained: whether the shell is to close its connection."""
        wants, self._registration.wants_close = self._registration.wants_close, False
        return wants

    @property
    def link_port(self) -> int:
        """The registry's TCP port."""
        return self._session.welcome.link_port if self._session.welcome is not None else 0

    def records_to_store(self) -> list[Record]:
        """Drained: store them, then call `records_stored`."""
        return self._out.drain_records() + self._streams.marks()

    def events(self) -> list[happened.Event]:
        """Drained, in order."""
        return self._out.drain_events()

    def _cut_link(self, now: float) -> None:
        """The connection is unusable: the shell drops it, we go on as if it had been lost."""
        self._registration.wants_close = True
        self._connection.link_closed(now=now)
