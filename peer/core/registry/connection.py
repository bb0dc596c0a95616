"""The connection of a node to its registry: the session and the link together, for a peer and for a
visitor.

`RegistryConnection` decides when there is a link, and what is the same for every node. The node
decides the rest: it is asked by `LinkReader` and `RegistrationOwner`. `NodeCore` is what a driver
calls to serve either.
"""

from collections.abc import Sequence
from typing import Final, Protocol, assert_never

from chatapp.peer.api.events import (
    LinkTroubled,
    RegistryKeyAccepted,
    RegistryMet,
    SearchingServers,
    ServerAnnounced,
    ServerBack,
    ServerOfAnotherRegistry,
    ServerStopCancelled,
    ServerStopping,
    ServerStopPlanned,
)
from chatapp.peer.core.context import Context, LocalIdentity, RegistryChange
from chatapp.peer.core.registry.link import (
    SPOKEN_WITHIN,
    SPOKEN_WITHIN_OF_SEVERAL,
    LinkWatch,
    RegistryLink,
)
from chatapp.peer.core.registry.session import LOOKS_FOR, Notice, RegistrySession
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_notice
from chatapp.wire.errors import WireError
from chatapp.wire.identity import fingerprint
from chatapp.wire.limits import LINK_KEEPALIVE_SPAN
from chatapp.wire.messages.direct import DatagramRelayed
from chatapp.wire.messages.link import (
    Announcement,
    AnnouncementKind,
    AttachAgain,
    NodeNotice,
    RegistryNotice,
)
from chatapp.wire.messages.registration import (
    AskLease,
    LeaseNamed,
    Left,
    Ping,
    Pong,
    Probe,
    RefusalReason,
)
from chatapp.wire.messages.rooms import GroupGranted

ConnectionEvent = (
    ServerBack
    | ServerAnnounced
    | ServerStopPlanned
    | ServerStopCancelled
    | ServerStopping
    | ServerOfAnotherRegistry
    | SearchingServers
    | RegistryMet
    | RegistryKeyAccepted
    | LinkTroubled
)
"""What every node tells its user of the registry."""


class LinkReader(Protocol):
    """What a node does with its link."""

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Note that the link is up or lost."""

    def notice_arrived(self, notice: NodeNotice, *, now: float) -> None:
        """Handle a notice of the registry. Raises WireError for an invalid one."""

    def line_arrived(self, data: bytes, *, now: float) -> None:
        """Handle a relayed frame of a group. Raises WireError for an invalid one."""


class RegistrationOwner(Protocol):
    """What a node does about its registration."""

    def tell(self, event: ConnectionEvent) -> None:
        """Tell the user."""

    def welcomed(self, *, is_first: bool, is_back: bool, new_key: bytes | None, now: float) -> bool:
        """Note that the registry let us in. Return whether to go on: False if the node registers
        again at once.

        `is_first`: the first time since `start`. `is_back`: the registry was lost. `new_key`: its
        key, if it is another one than we held or the first one."""

    @property
    def awaits_welcome(self) -> bool:
        """Whether only another registration shows what became of something that we asked."""

    def denied(self, reason: RefusalReason, *, has_begun: bool, now: float) -> None:
        """Note that the registry refused to let us in. `has_begun`: whether it has let us in since
        `start`."""

    def lost(self, *, has_begun: bool, now: float) -> None:
        """Note that the registry does not answer. `has_begun`: as in `denied`."""

    def replaced(
        self, stranger: bytes, *, is_code_foreign: bool, has_begun: bool, now: float
    ) -> None:
        """Note that a registry with this key answers in place of ours. `is_code_foreign`: whether
        we expected the registry that made our join code."""

    def left(self, *, is_confirmed: bool) -> None:
        """Note that we are not registered any more. `is_confirmed`: whether the registry said
        so."""


class RegistryConnection:
    """The connection of one node."""

    def __init__(
        self,
        ctx: Context,
        *,
        session: RegistrySession,
        owner: RegistrationOwner,
        reader: LinkReader,
    ) -> None:
        self._session: Final = session
        self.link: Final = RegistryLink(ctx)
        self._owner: Final = owner
        self._reader: Final = reader
        self._requests: Final = ctx.out.requests
        self._dropped: Final = ctx.dropped
        self._watch: Final = LinkWatch(session, self.link)
        self._pinned = session.pinned
        self._key_news: RegistryMet | RegistryKeyAccepted | None = None
        """The event about the registry's key, until the registration is complete."""
        self._has_begun = False
        """Whether the registry has let us in since `start`."""
        self._was_lost = False
        self._is_stopping = False
        """Whether the registry said that it stops, so that its return is told even if it was never
        missed."""
        self._was_denied = False
        """Whether the registry has refused us since it let us in."""
        self.slow_link: bool | None = False
        """Whether we ask for the lease of a slow link; None: if ours is measured to be one."""
        self._has_slow_lease = False
        """Whether we have asked for it on this link."""
        self._last_life = 0
        self._wants_close = False
        self._attaches_owed = 0
        """How often the registry has asked us to attach again on this link."""

    # --- what we want

    def start(self, me: LocalIdentity, *, table_version: int, now: float) -> None:
        """Register; also after `leave`."""
        self._has_begun = self._was_denied = False
        self._session.use_card(me.card, first_opening=me.first_opening)
        self._session.start(table_version=table_version, now=now)

    # --- the link

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Handle frames of the link, in order. A frame that cannot be opened ends the link; an
        invalid one is counted."""
        link = self.link
        for data in frames:
            was_up = link.is_up
            try:
                payload = link.opened(data, now=now)
            except WireError:
                self._dropped["link"] += 1
                self._cut(now)
                return
            if not was_up and link.is_up:
                self._session.is_linked = True
                self._ask_for_lease()
                self._reader.registry_changed(RegistryChange.LINK_UP, now=now)
            try:
                if payload is None:
                    self._reader.line_arrived(data, now=now)
                elif payload:
                    self._notice_arrived(decode_notice(payload), now)
            except WireError:
                self._dropped["frame"] += 1

    def _ask_for_lease(self) -> None:
        """Ask for the lease that suits our link, if we have another one."""
        is_slow = self.link.is_slow if self.slow_link is None else self.slow_link
        if is_slow is not self._has_slow_lease and self.link.is_up:
            self._has_slow_lease = is_slow
            self._requests.append(AskLease(is_slow=is_slow))

    def _notice_arrived(self, notice: RegistryNotice, now: float) -> None:
        if isinstance(notice, Pong):
            self._session.receive_pong(notice, now=now)
            self._ask_for_lease()
            if notice.table_version > self._session.table_version:
                self._session.show_address(now=now)  # we have missed a batch
        elif isinstance(notice, LeaseNamed):
            self.link.keepalive_span = self._spoken_within() * notice.seconds
        elif isinstance(notice, Probe):
            self._requests.append(Ping(reference=0))
        elif isinstance(notice, Left):
            self._session.receive_left(notice, now=now)
        elif isinstance(notice, AttachAgain):
            self._attaches_owed += 1
        elif isinstance(notice, Announcement):
            self._is_stopping = self._is_stopping or notice.kind is AnnouncementKind.STOPPING
            self._owner.tell(_announced(notice))
        else:
            if isinstance(notice, DatagramRelayed):
                self._session.show_address(now=now)  # it did not come directly
            elif isinstance(notice, GroupGranted) and not self.link.is_granted:
                is_same = self.link.grant(notice.sender_index)
                change = RegistryChange.GRANTED if is_same else RegistryChange.GRANTED_ANEW
                self._reader.registry_changed(change, now=now)
            self._reader.notice_arrived(notice, now=now)

    def _attach_again(self, now: float) -> None:
        """Begin anew on the same link, as the registry has lost what we asked on it."""
        if self._owner.awaits_welcome:
            self._cut(now)
            return
        count = self._attaches_owed
        self._end_claims(now)
        self._reader.registry_changed(RegistryChange.RESTARTED, now=now)
        self._requests.clear()
        self.link.attach_again(self._session.attachment(self.link.sender_index), count, now=now)
        self._ask_for_lease()
        self._reader.registry_changed(RegistryChange.LINK_UP, now=now)

    def link_closed(self, *, now: float) -> None:
        """Note that the connection is over or could not be made. Find out at once whether the
        registry is gone, too."""
        was_made = self.link.is_up
        self._link_lost(now)
        self._session.note_silence(is_unusable=not was_made, now=now)

    def _cut(self, now: float) -> None:
        """Have the driver close an unusable connection, and go on as if it had been lost."""
        self._wants_close = True
        self.link_closed(now=now)

    def _end_link(self, now: float) -> None:
        self._link_lost(now)
        self._wants_close = True

    def _link_lost(self, now: float) -> None:
        self.link.drop()
        self._session.is_linked = False
        self._end_claims(now)

    def _end_claims(self, now: float) -> None:
        """Count on nothing that was asked or granted on the link."""
        self._has_slow_lease, self._attaches_owed = False, 0
        self._reader.registry_changed(RegistryChange.LINK_LOST, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Repeat what the registry did not answer, show a sign of life, close a connection that
        came to nothing."""
        self._session.link_heard_at = now if self.link.is_within_frame else self.link.heard_at
        self._session.handle_timer(now=now)
        if self.link.is_keepalive_due(now):
            self.link.send(Ping(reference=0), now=now)
        if self.link.is_in_doubt(now):
            self.link.ask(now=now)
            if not self.link.is_within_frame:  # only the link tells then
                self._session.ping(
                    now=now
                )  # by UDP: is it the link or the registry that is silent?
        if self.link.handle_timer(now=now):
            self._cut(now)
        self.follow_up(now=now)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        due = self._watch.next_timer() if self.link.tried_since is not None else None
        dues = (self._session.next_timer(), self.link.next_timer(), due)
        return min((due for due in dues if due is not None), default=None)

    # --- registration

    def follow_up(self, *, now: float) -> None:
        """Act on what the last input did to the session and the link."""
        if self._attaches_owed:
            self._attach_again(now)
        for notice in self._session.notices():
            match notice:
                case Notice.WELCOMED:
                    self._welcomed(now)
                case Notice.SILENT:
                    self._end_link(now)
                case Notice.SEARCHING:
                    asked = tuple(self._session.servers.in_order())
                    self._owner.tell(SearchingServers(servers=asked, seconds=int(LOOKS_FOR)))
                case Notice.LOST:
                    self._owner.lost(has_begun=self._has_begun, now=now)
                    self._lost(now)
                case Notice.DENIED:
                    assert self._session.denied is not None
                    self._was_denied = True
                    self._owner.denied(self._session.denied, has_begun=self._has_begun, now=now)
                case Notice.LEFT | Notice.LEAVE_UNANSWERED:
                    self._end_link(now)
                    self.link.forgive()
                    self._owner.left(is_confirmed=notice is Notice.LEFT)
                case Notice.RELEASED:
                    self._end_link(now)
                    self.link.forgive()
                case Notice.FOREIGN_SERVERS:
                    foreign, self._session.foreign_servers = self._session.foreign_servers, []
                    for server, key in foreign:
                        self._owner.tell(
                            ServerOfAnotherRegistry(server=server, key=fingerprint(key))
                        )
                case Notice.WRONG_KEY | Notice.WRONG_CODE:
                    self._replaced(is_code_foreign=notice is Notice.WRONG_CODE, now=now)
        self._requests.extend(
            self._session.sealed_questions()
        )  # the link carries them too: there they cannot get lost
        link, watch = self.link, self._watch
        if link.tried_since is not None or link.stalled_since is not None or watch.is_blocked:
            trouble = watch.look(now=now)  # mostly there is none: no call
            if trouble is not None:
                self._owner.tell(trouble)

    def _welcomed(self, now: float) -> None:
        new_key = self._new_key()
        has_returned = self._is_stopping and self._session.life != self._last_life
        is_first, is_back = not self._has_begun or self._was_denied, self._was_lost or has_returned
        if not self._owner.welcomed(is_first=is_first, is_back=is_back, new_key=new_key, now=now):
            return
        if self._key_news is not None:
            self._owner.tell(self._key_news)
            self._key_news = None
        if is_back:
            self._owner.tell(ServerBack())
        self._has_begun, self._was_lost, self._was_denied = True, False, False
        self._is_stopping = self._is_stopping and not is_back
        if self._session.life != self._last_life:
            # of another server, or another start: earlier failures of links say nothing
            self.link.forgive()
            self._last_life = self._session.life
        lease = self._session.lease
        self.link.keepalive_span = min(self._spoken_within() * lease, LINK_KEEPALIVE_SPAN)
        self.link.open(self._session.open_link, now=now)

    def _spoken_within(self) -> float:
        return SPOKEN_WITHIN_OF_SEVERAL if self._session.servers.named else SPOKEN_WITHIN

    def _new_key(self) -> bytes | None:
        """Return the key of the registry that let us in, if it is new to us, and remember what to
        tell of it."""
        key = self._session.pinned
        if key is None or key == self._pinned:
            return None
        is_first, self._pinned = self._pinned is None, key
        self.link.sender_index = 0  # another registry has granted it
        self._key_news = (
            RegistryMet(key=fingerprint(key), is_verified=self._session.is_key_named)
            if is_first
            else RegistryKeyAccepted(key=fingerprint(key))
        )
        return key

    def _replaced(self, *, is_code_foreign: bool, now: float) -> None:
        assert self._session.stranger is not None
        self._owner.replaced(
            self._session.stranger,
            is_code_foreign=is_code_foreign,
            has_begun=self._has_begun,
            now=now,
        )
        self._lost(now)

    def _lost(self, now: float) -> None:
        self._was_lost = True
        self._end_link(now)

    # --- what goes out

    def has_link_work(self) -> bool:
        """Return whether the driver has anything to do about the link: to close, write or connect."""
        link = self.link
        return bool(self._requests or link.outgoing or link.asks_to_connect or self._wants_close)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams for the registry, once, in order."""
        return self._session.datagrams_to_send()

    def link_bytes_to_send(self, *, now: float) -> list[bytes]:
        """Return the bytes for the link, once, in order. Without a link the requests of this turn
        are dropped: they are made again when it is back."""
        if self.link.is_up:
            for request in self._requests:
                self.link.send(request, now=now)
        self._requests.clear()
        return self.link.bytes_to_send()

    def wants_link_closed(self) -> bool:
        """Return, once, whether the driver is to close its connection."""
        wants, self._wants_close = self._wants_close, False
        return wants

    @property
    def link_address(self) -> Address:
        """Where the registry takes links: its address in use, and its TCP port; 0 while that is not
        known."""
        port = self._session.welcome.link_port if self._session.welcome is not None else 0
        return Address(self._session.address.host, port)

    def link_renewals(self) -> int:
        """Return how often the keys of our links were renewed."""
        return self.link.renewals


def _announced(
    notice: Announcement,
) -> ServerAnnounced | ServerStopPlanned | ServerStopCancelled | ServerStopping:
    """Return the event of what the registry's owner tells everybody."""
    match notice.kind:
        case AnnouncementKind.TEXT:
            return ServerAnnounced(text=notice.text)
        case AnnouncementKind.STOP_PLANNED:
            return ServerStopPlanned(seconds=notice.seconds, reason=notice.text)
        case AnnouncementKind.STOP_CANCELLED:
            return ServerStopCancelled()
        case AnnouncementKind.STOPPING:
            return ServerStopping()
    assert_never(notice.kind)


class NodeCore:
    """One node of the network. Time is monotonic seconds."""

    def __init__(self, ctx: Context, connection: RegistryConnection) -> None:
        self._ctx: Final = ctx
        self._connection: Final = connection
        self.me: Final = ctx.me
        self.clock: Final = ctx.clock
        self.dropped: Final = ctx.dropped
        self.link_bytes_to_send: Final = connection.link_bytes_to_send
        """To be called after `datagrams_to_send`, which may relay."""
        self.wants_link: Final = connection.link.wants_connection
        self.wants_link_closed: Final = connection.wants_link_closed
        self.has_link_work: Final = connection.has_link_work
        self.link_renewals: Final = connection.link_renewals
        self.next_timer: Final = ctx.alarms.next_timer
        """Returns when to call `handle_timer` next, in monotonic seconds; None for never."""

    # --- the link

    def link_connected(self, *, now: float) -> None:
        """Note that the driver's TCP connection to the registry is open."""
        self._connection.link.connected(now=now)

    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None:
        """Take frames from the link."""
        self._connection.receive_frames(frames, now=now)
        self._follow_up(now)

    def link_progressed(self, begun: int, *, now: float) -> None:
        """Note that so many bytes of a frame have come, which is not whole yet."""
        self._connection.link.progressed(begun, now=now)

    def link_closed(self, *, now: float) -> None:
        """Note that the connection was closed, or could not be made."""
        self._connection.link_closed(now=now)
        self._follow_up(now)

    @property
    def link_address(self) -> Address:
        """Where the registry takes links."""
        return self._connection.link_address

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._ctx.alarms.ring(now=now)
        self._follow_up(now)

    def _follow_up(self, now: float) -> None:
        """Act on what the last input did to the session and the link."""
        self._connection.follow_up(now=now)
