"""The engine as the edge of another node sees it: whether there is one, what is asked of it, and how
much of that may be under way.

    SEARCHING --news--> ENTERING --let in--> OPEN <--engine silent, heard again--> SILENT
        ^------------------+                  |                                     |
        +------------------------------session over---------------------------------+

While OPEN the edge serves its peers. While SILENT the links stay, since an election takes seconds,
but nobody is served. Whatever else happens ends the session. If another engine has come, the links
of members are orphaned (`registry.edge.orphans`) until the next session, with that one. Else all
links end, and the next session begins with a fresh edge.

An engine that is slower than the peers of its edges ask would be behind without end. So a link that
has too much under way is not read until the engine has followed, and the others go on.
"""

import enum
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

import msgspec

from chatapp.registry.cluster.bus.messages import (
    ID_SIZE,
    AdminAnswerPart,
    AdminAsked,
    AdmitPeer,
    AnswerDatagram,
    AnswerOnLink,
    AudienceChanged,
    BroadcastTable,
    DatagramRequestCame,
    DownBundle,
    DownItem,
    EdgeDismissed,
    EdgeLeft,
    EndLink,
    EngineEntered,
    EngineLeft,
    EngineNews,
    EnterEngine,
    GroupFrameCame,
    LifeSeen,
    LinkGone,
    LinkRequestCame,
    OfferOnLink,
    OrphanedLinks,
    RefusePeer,
    RegisterCame,
    RelayToAll,
    RelayToSome,
    SendOnLink,
    SendSealed,
    SendToEverybody,
    TableChanged,
    UpBundle,
    UpItem,
    decode_admin_answer,
    decode_down,
    engine_subject,
    pack_address,
    unpack_address,
)
from chatapp.registry.cluster.bus.session import (
    ALONE_AFTER,
    BEAT,
    ENTER_SPAN,
    LATE_AFTER,
    PATIENCE,
    SILENT_AFTER,
    BusSeals,
    BusSession,
    Channel,
    Order,
)
from chatapp.registry.edge.edge import Edge
from chatapp.registry.edge.orphans import OrphanedLink
from chatapp.registry.rules.admin_requests import AdminAnswer, CoreRequest
from chatapp.registry.rules.directory.table import Delta, TableCopy
from chatapp.registry.rules.effects import Admit, Caller, DropReason, LinkEndReason, Refuse
from chatapp.registry.store.protocol import KeptTable
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.address import Address
from chatapp.wire.codec import GroupHeader, encode
from chatapp.wire.errors import DecodeError
from chatapp.wire.identity import Identity
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.registration import Leave, Ping, Register
from chatapp.wire.messages.table import FetchCards, FetchTable

LINK_BYTES_MAX: Final = 256 * 1024
"""Bytes under way of one link past which it is held. More than the engine handles before it says so
(`HANDLED_TOLD`)."""
ALL_LINKS_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes under way of all links past which those are held that have more than an equal share of
it."""
DATAGRAMS_MAX: Final = 1024 * 1024
"""Bytes under way of requests in datagrams past which others are dropped: their senders send them
again."""
ORPHANS_AT_ONCE: Final = 1_024
"""Links that the engine is told of in one item, of some 100 KB."""
DATAGRAMS: Final = 0
"""Stands for all datagrams, as links have numbers from 1."""


class UnderWay:
    """The bytes under way in one session, by link."""

    def __init__(self) -> None:
        self._new: list[tuple[int, int]] = []
        """The link and size of each item that is not in a bundle yet."""
        self._bundles: deque[tuple[int, list[tuple[int, int]]]] = deque()
        """The items under way, by the number of the bundle that ended their turn."""
        self._sizes: dict[int, int] = {}
        self._of_links = 0
        self._held: dict[int, None] = {}

    def add(self, link: int, size: int) -> bool:
        """Note an item of a link, or a datagram. Return whether its link is to be held from now
        on."""
        self._new.append((link, size))
        self._sizes[link] = self._sizes.get(link, 0) + size
        if link == DATAGRAMS:
            return False
        self._of_links += size
        if not self._is_too_much(link) or link in self._held:
            return False
        self._held[link] = None
        return True

    def sent(self, number: int) -> None:
        """Note that all items were sent, with this bundle as the last one."""
        if self._new:
            self._bundles.append((number, self._new))
            self._new = []

    def handled(self, number: int) -> list[int]:
        """Note the newest bundle that the engine has handled. Return the links to release."""
        while self._bundles and self._bundles[0][0] <= number:
            for link, size in self._bundles.popleft()[1]:
                self._settle(link, size)
        if not self._held:
            return []
        released = [link for link in self._held if not self._is_too_much(link)]
        for link in released:
            del self._held[link]
        return released

    def _settle(self, link: int, size: int) -> None:
        left = self._sizes.pop(link) - size
        if left:
            self._sizes[link] = left
        if link != DATAGRAMS:
            self._of_links -= size

    @property
    def takes_datagrams(self) -> bool:
        """Whether another datagram may be under way."""
        return self._sizes.get(DATAGRAMS, 0) < DATAGRAMS_MAX

    def _is_too_much(self, link: int) -> bool:
        size = self._sizes.get(link, 0)
        if self._of_links <= ALL_LINKS_BYTES_MAX:
            return size > LINK_BYTES_MAX
        return size > min(LINK_BYTES_MAX, ALL_LINKS_BYTES_MAX // len(self._sizes))


class EngineState(enum.Enum):
    """How an edge stands with its engine."""

    SEARCHING = "no engine is known, or it has fallen silent"
    ENTERING = "an engine is known and was asked for a session"
    OPEN = "there is a session"
    SILENT = "there is a session, and the engine has been silent for a while"


class SessionOpened(NamedTuple):
    """A session has begun: a fresh edge serves from now on."""

    identity: Identity
    """The registry's."""
    lease: int
    """Seconds without a sign of life after which the engine counts a peer as away."""


class SessionClosed(NamedTuple):
    """The session is over."""

    reason: LinkEndReason
    """Why links end."""
    orphans_until: float
    """Until when links of members may wait for another engine; in the past: they end, too."""


SessionChange = SessionOpened | SessionClosed


class RemoteEngine:
    """The engine of another node. It is a `EnginePort` for the edge of this one.

    After each call of `receive`, `handle_timer` or `leave` the owner drains `take_changes`, and
    sets `edge` when a session has opened.
    """

    def __init__(
        self,
        edge_id: bytes,
        name: str,
        *,
        seals: BusSeals,
        recorder: Recorder,
        cookies_last: float,
        now: float,
    ) -> None:
        """`edge_id`: 8 random bytes of this run of the program. `name`: the node's, for people.
        `cookies_last`: seconds for which a REGISTER can be sent again."""
        self.edge: Edge | None = None
        """What the engine's orders are carried out by. None without a session."""
        self.state = EngineState.SEARCHING
        self._edge_id: Final = edge_id
        self._subject: Final = engine_subject(edge_id)
        self._name: Final = name
        self._channel: Final = Channel(seals, recorder)
        self._recorder = recorder
        self._has_left = False
        self._engine: EngineNews | None = None
        self._news_at = now
        self._has_engine_left = False
        """Whether the engine has said that it serves nobody any more: what comes of it after that
        was sent before."""
        self._runs = 0
        """How many sessions this edge has asked for."""
        self._run = b""
        self._session: BusSession | None = None
        self._under_way = UnderWay()
        self._enter_at = self._beat_at = now
        self._patient_until = float("-inf")
        self._speaker = b""
        """Who has just said something on a link, which counts as a sign of life."""
        self._audience: dict[Address, None] = {}
        self._table: TableCopy | None = TableCopy()
        """None once something in it could not be read, until the next session."""
        self._has_table = False
        """Whether the copy of the table is whole: else the engine hands out its pages."""
        self._kept_table: KeptTable | None = None
        """What the copy had when the last session ended, if it was whole."""
        self._cookies_last: Final = cookies_last
        self._admitted: dict[bytes, tuple[float, bytes]] = {}
        """The nonces of REGISTERs that were admitted, the oldest first: until when they could be
        sent again, and the session in which they were."""
        self._unserved: dict[int, None] = {}
        """Links on which something was dropped while the engine was silent."""
        self._asked: dict[str, list[bytes]] = {}
        """The parts that have come of the answers to admin requests, by ticket."""
        self._answered: list[tuple[str, AdminAnswer]] = []
        self._changes: list[SessionChange] = []

    @property
    def is_open(self) -> bool:
        """Whether peers can be served."""
        return self.state is EngineState.OPEN

    @property
    def engine_name(self) -> str:
        """The name of the node that has the engine, empty while none is known."""
        return (
            "" if self._engine is None or self.state is EngineState.SEARCHING else self._engine.name
        )

    # --- from the bus

    def receive(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus."""
        if self._has_left:
            return
        match self._channel.open(data):
            case EngineNews() as news:
                self._receive_news(news, now)
            case EngineEntered() as entered:
                self._receive_entered(entered, now)
            case DownBundle() as bundle:
                self._receive_bundle(bundle, now)
            case EdgeDismissed() as dismissed if self._is_ours(dismissed.engine, dismissed.run):
                self._receive_dismissal(now)
            case EngineLeft() as left if (
                self._engine is not None and left.engine == self._engine.engine
            ):
                self._has_engine_left = True
                self.state = EngineState.SEARCHING if self._session is None else EngineState.SILENT
            case None:
                pass
            case _:
                self._channel.drop(DropReason.BUS_OTHER_SESSION)

    def _receive_news(self, news: EngineNews, now: float) -> None:
        known = self._engine
        is_known = known is not None and news.engine == known.engine
        if known is not None and (self._has_engine_left if is_known else news.term <= known.term):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            return
        self._news_at = now
        if not is_known:
            self._has_engine_left = False
            if self._session is not None:
                until = self._session.heard_at + ALONE_AFTER
                self._end_session(LinkEndReason.OTHER_ENGINE, tells=True, orphans_until=until)
            self.state = EngineState.SEARCHING
        self._engine = news
        if self.state is EngineState.SEARCHING:
            self._begin_entering(now)

    def _begin_entering(self, now: float) -> None:
        """Ask for a session under a new name."""
        self._runs += 1
        self.state, self._run = EngineState.ENTERING, self._runs.to_bytes(ID_SIZE, "big")
        self._enter(now)

    def _enter(self, now: float) -> None:
        assert self._engine is not None
        self._enter_at = now + ENTER_SPAN
        request = EnterEngine(self._engine.engine, self._edge_id, self._run, self._name)
        self._channel.send(self._subject, request)

    def _receive_entered(self, entered: EngineEntered, now: float) -> None:
        if self.state is not EngineState.ENTERING or not self._is_ours(entered.engine, entered.run):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            return
        self._session = BusSession(entered.run, now=now)
        self._session.beat()
        self.state, self._beat_at = EngineState.OPEN, now + BEAT
        self._kept_table = None
        assert self._table is not None
        self._table.table.gaps = entered.gaps
        self._changes.append(SessionOpened(Identity(entered.identity), entered.lease))

    def _is_ours(self, engine: bytes, run: bytes) -> bool:
        return self._engine is not None and engine == self._engine.engine and run == self._run

    def _receive_dismissal(self, now: float) -> None:
        """Ask for another session: the engine has ended this one, or lets nobody in under its name
        any more."""
        if self._session is not None:
            self._end_session(LinkEndReason.ENGINE_SESSION_LOST, tells=False)
            self._begin_entering(now)
        elif self.state is EngineState.ENTERING:
            self._begin_entering(now)

    def _receive_bundle(self, bundle: DownBundle, now: float) -> None:
        session = self._session
        if session is None or not self._is_ours(bundle.engine, bundle.run):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            self._channel.send(self._subject, EdgeLeft(bundle.engine, self._edge_id, bundle.run))
            return
        order = session.accept(bundle.number, now=now)
        if order is Order.REPEATED:
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
        elif order is Order.GAP:
            self._channel.drop(DropReason.BUS_GAP)
            self._end_session(LinkEndReason.ENGINE_SESSION_LOST, tells=True)
            self._begin_entering(now)
        else:
            self._resume()
            for number in self._under_way.handled(bundle.handled):
                if self.edge is not None:
                    self.edge.release(number)
            self._carry_out(bundle.items, now)

    def _resume(self) -> None:
        """Serve again, as the engine was heard. A link on which something was dropped meanwhile
        ends: what its peer says next would not follow what the engine has heard."""
        if self.state is EngineState.SILENT and not self._has_engine_left:
            self.state = EngineState.OPEN
            unserved, self._unserved = self._unserved, {}
            for number in unserved:
                if self.edge is not None:
                    self.edge.disconnect(number, LinkEndReason.NO_ENGINE)

    def lag(self, *, now: float) -> float | None:
        """Return the seconds since the engine was heard; None without a session."""
        return None if self._session is None else now - self._session.heard_at

    def _end_session(
        self, reason: LinkEndReason, *, tells: bool, orphans_until: float = float("-inf")
    ) -> None:
        """End the session. What it has not sent yet is lost. `tells`: whether the engine has to be
        told. `orphans_until`: see `SessionClosed`."""
        if tells and self._engine is not None:
            self._channel.send(
                self._subject, EdgeLeft(self._engine.engine, self._edge_id, self._run)
            )
        self._kept_table = self.kept_table()
        self._session, self.edge, self.state = None, None, EngineState.SEARCHING
        self._audience, self._unserved, self._asked = {}, {}, {}
        self._under_way = UnderWay()
        self._table, self._has_table = TableCopy(), False
        self._speaker = b""
        self._changes.append(SessionClosed(reason, orphans_until))

    # --- what the engine orders

    def _carry_out(self, items: Sequence[msgspec.Raw], now: float) -> None:
        """Carry out each order by itself: a fault of ours in one must not cost those behind it."""
        edge = self.edge
        if edge is None:
            return
        answers: dict[int, tuple[int, int]] = {}
        for raw in items:
            try:
                item = decode_down(raw)
                if isinstance(item, AnswerOnLink):
                    size, count = answers.get(item.link, (0, 0))
                    answers[item.link] = size + len(item.payload), count + 1
                self._carry_out_one(item, edge, now)
            except DecodeError:
                self._channel.drop(DropReason.BUS_MALFORMED)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._recorder.fault(error)
        for number, (size, count) in answers.items():
            edge.charge_answers(number, size, count, now=now)
        edge.settle(now=now)

    def _carry_out_one(self, item: DownItem, edge: Edge, now: float) -> None:
        match item:  # the most frequent first
            case AnswerOnLink() | SendOnLink():
                edge.push(item.link, item.payload)
            case RelayToAll():
                edge.relay(item.frame, item.sender)
            case RelayToSome():
                edge.relay_to(item.frame, tuple(item.links), item.sender)
            case OfferOnLink():
                edge.offer(item.link, item.payload, is_idle=item.is_idle)
            case AnswerDatagram():
                caller = Caller(
                    identity=b"", address=unpack_address(item.address), session=item.session
                )
                edge.reply(caller, item.payload)
            case SendSealed():
                edge.send_datagram(
                    item.identity, unpack_address(item.address), item.payload, now=now
                )
            case BroadcastTable():
                edge.broadcast(item.frame, list(self._audience))
            case AudienceChanged():
                for packed in item.removed:
                    self._audience.pop(unpack_address(packed), None)
                self._audience.update(dict.fromkeys(map(unpack_address, item.added)))
            case _:
                self._carry_out_rare(item, edge, now)

    def _carry_out_rare(
        self,
        item: AdmitPeer | RefusePeer | EndLink | SendToEverybody | TableChanged | AdminAnswerPart,
        edge: Edge,
        now: float,
    ) -> None:
        match item:
            case AdmitPeer():
                self._note_admitted(item.nonce, now)
                to = Caller(identity=item.card.identity, address=unpack_address(item.address))
                admitted = Admit(
                    to=to,
                    card=item.card,
                    nonce=item.nonce,
                    is_new=item.is_new,
                    is_guest=item.is_guest,
                )
                edge.admit(admitted, table_version=item.table_version, clock=item.clock, now=now)
            case RefusePeer():
                to = Caller(identity=b"", address=unpack_address(item.address))
                refused = Refuse(
                    to=to,
                    nonce=item.nonce,
                    name=item.name,
                    reason=item.reason,
                    counter=item.counter,
                    seconds=item.seconds,
                    text=item.text,
                )
                edge.refuse(refused)
            case EndLink():
                edge.disconnect(item.link, item.reason)
            case SendToEverybody():
                edge.tell_everybody(item.payload)
            case TableChanged():
                self._learn(item)
            case AdminAnswerPart():
                self._receive_admin_answer(item)
            case _:
                assert_never(item)

    def _note_admitted(self, nonce: bytes, now: float) -> None:
        self._admitted.pop(nonce, None)
        self._admitted[nonce] = now + self._cookies_last, self._run
        while (oldest := next(iter(self._admitted))) and self._admitted[oldest][0] <= now:
            del self._admitted[oldest]

    def _learn(self, change: TableChanged) -> None:
        """Follow the table. A copy that cannot is used no more: it would hand out old rows."""
        table, self._table, self._has_table = self._table, None, False
        if table is not None:
            table.learn(Delta(change.rows, change.version, change.more))
            self._table, self._has_table = table, not change.more
            if self.edge is not None and self._has_table:
                self.edge.interest.look_at(table.table, lambda: table.online_count)

    def _receive_admin_answer(self, item: AdminAnswerPart) -> None:
        parts = self._asked.get(item.ticket)
        if parts is None:
            return
        parts.append(item.part)
        if item.is_last:
            del self._asked[item.ticket]
            self._answered.append((item.ticket, decode_admin_answer(b"".join(parts))))

    # --- from the edge

    def admits(self, now: float, /) -> bool:
        """Return whether people are let in: while there is a session, and the engine was heard just
        now."""
        return self.is_open

    def name_of(self, identity: bytes) -> str:
        """Return the name of a person, as far as the copy of the table has it."""
        return "" if self._table is None else self._table.name_of(identity)

    def register(self, register: Register, caller: Caller, *, now: float) -> None:
        """Pass on a REGISTER whose signatures were checked, unless an earlier session has used it:
        then a peer's session under its nonce may have begun and ended, so whatever was recorded of
        it could be played back."""
        assert caller.address is not None
        _, run = self._admitted.get(register.nonce, (0.0, self._run))
        if run != self._run:
            self._channel.drop(DropReason.REGISTER_OF_EARLIER_SESSION)
            return
        self._ask_by_datagram(RegisterCame(register, pack_address(caller.address)))

    def request(self, request: PeerRequest, caller: Caller, *, now: float) -> None:
        """Pass on a request, or answer it from the table's copy."""
        if isinstance(request, FetchTable | FetchCards) and self._has_copy_for(request, caller):
            assert self.edge is not None
            self.edge.reply(caller, self._read_copy(request))
        elif caller.link is not None:
            self._ask_on(caller.link, LinkRequestCame(caller.link, caller.identity, request))
        elif caller.address is not None and isinstance(request, Ping | Leave):
            address = pack_address(caller.address)
            self._ask_by_datagram(
                DatagramRequestCame(
                    caller.identity, address, caller.session, caller.is_newest, request
                )
            )

    def _read_copy(self, request: FetchTable | FetchCards) -> bytes:
        assert self._table is not None
        match request:
            case FetchTable(since, is_whole):
                return self._table.table.page(since, is_whole=is_whole)
            case FetchCards(identities):
                return encode(self._table.cards(identities))

    def _has_copy_for(self, request: FetchTable | FetchCards, caller: Caller) -> bool:
        """Return whether the copy answers for this caller. What visitors ask is for the engine to
        judge, and so is what follows a version that nobody here has seen."""
        if self.edge is None or self._table is None or not self._has_table:
            return False
        is_missed = isinstance(request, FetchTable) and self._table.table.is_missed(request.since)
        return not is_missed and caller.identity not in self.edge.sessions.guests

    def kept_table(self) -> KeptTable | None:
        """Return the table of the engine, or of the last one, for an engine that goes on with it;
        None if this edge never had all of it."""
        if self._table is not None and self._has_table:
            return self._table.kept()
        return self._kept_table

    def group_frame(self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float) -> None:
        """Pass on a line for a group."""
        assert caller.link is not None
        self._ask_on(caller.link, GroupFrameCame(caller.link, caller.identity, frame))

    def _ask_on(self, link: int, item: LinkRequestCame | GroupFrameCame) -> None:
        """Pass on what came on a link, which is held when too much of it is under way."""
        self._speaker = item.identity
        size = self._ask(item)
        if not size:
            self._unserved[link] = None
        elif self._under_way.add(link, size) and self.edge is not None:
            self.edge.hold(link)

    def _ask_by_datagram(self, item: RegisterCame | DatagramRequestCame) -> None:
        """Pass on what came in a datagram, or drop it when too much is under way."""
        if not self._under_way.takes_datagrams:
            self._channel.drop(DropReason.ENGINE_BEHIND)
        elif size := self._ask(item):
            self._under_way.add(DATAGRAMS, size)

    def _ask(self, item: UpItem) -> int:
        """Queue an item, unless there is no engine or it is silent. Return its size, 0 if it was
        not queued."""
        if self._session is None or self.state is not EngineState.OPEN:
            self._channel.drop(DropReason.NO_ENGINE)
            return 0
        return self._session.add(item)

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        """Pass on that an attached link is over. A silent engine is told too, as long as there is a
        session."""
        self._unserved.pop(link, None)
        if self._session is not None and identity:
            self._session.add(LinkGone(link, identity))

    def adopt(self, links: Sequence[OrphanedLink]) -> None:
        """Tell the engine of links that have outlived another one, before anything is asked on
        them."""
        for start in range(0, len(links), ORPHANS_AT_ONCE):
            told = [
                (link.number, link.identity, link.nonce, pack_address(link.address))
                for link in links[start : start + ORPHANS_AT_ONCE]
            ]
            self._ask(OrphanedLinks(told))

    def sign_of_life(self, identity: bytes, *, now: float) -> None:
        """Pass on that something came on an attached link, unless a request or a line has just said
        so."""
        if identity == self._speaker:
            self._speaker = b""
        elif self._session is not None and self.state is EngineState.OPEN:
            self._session.add(LifeSeen(identity))

    def settle(self, *, now: float) -> None:
        """Do nothing: a turn's items go out when the driver drains the messages."""

    # --- the administrator of this node

    def ask_admin(self, request: CoreRequest, ticket: str) -> bool:
        """Pass on an admin request, and return whether there is an engine for it.
        `take_admin_answers` returns the answer to it, unless the session ends before."""
        if not self._ask(AdminAsked(ticket, request)):
            return False
        self._asked[ticket] = []
        return True

    def take_admin_answers(self) -> list[tuple[str, AdminAnswer]]:
        """Drain the answers to admin requests, by ticket."""
        answered, self._answered = self._answered, []
        return answered

    # --- time

    def leave(self, reason: LinkEndReason) -> None:
        """End the session for good: the engine learns it at once, and no other session begins."""
        self._has_left = True
        if self._session is not None:
            self._send_bundles()
            self._end_session(reason, tells=True)
        self.state = EngineState.SEARCHING

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        if (
            now > self.next_timer() + LATE_AFTER
        ):  # we were stopped, and what came meanwhile is still to be read
            self._patient_until = now + PATIENCE
        if self._session is not None:
            self._handle_session_timer(self._session, now)
        elif self.state is EngineState.ENTERING:
            if now >= self._after(self._news_at, SILENT_AFTER):
                self.state = EngineState.SEARCHING
            elif now >= self._enter_at:
                self._enter(now)

    def _handle_session_timer(self, session: BusSession, now: float) -> None:
        if now >= self._after(session.heard_at, ALONE_AFTER):
            self._end_session(LinkEndReason.NO_ENGINE, tells=True)
            if now < self._after(self._news_at, SILENT_AFTER):
                self._begin_entering(now)
            return
        if now >= self._after(session.heard_at, SILENT_AFTER):
            self.state = EngineState.SILENT
        if now >= self._beat_at:
            self._beat_at = now + BEAT
            session.beat()

    def _after(self, heard_at: float, span: float) -> float:
        """Return when a silence since `heard_at` has lasted for a span, as far as this process was
        there to hear."""
        return max(heard_at + span, self._patient_until)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next; infinity for not at all."""
        session = self._session
        if session is not None:
            span = ALONE_AFTER if self.state is EngineState.SILENT else SILENT_AFTER
            return min(self._beat_at, self._after(session.heard_at, span))
        if self.state is EngineState.ENTERING:
            return min(self._enter_at, self._after(self._news_at, SILENT_AFTER))
        return float("inf")

    # --- out

    def take_changes(self) -> list[SessionChange]:
        """Drain what has happened to the session, in order."""
        changes, self._changes = self._changes, []
        return changes

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order
        within a subject."""
        self._send_bundles()
        return self._channel.take_messages()

    def _send_bundles(self) -> None:
        if self._session is None or self._engine is None:
            return
        last = 0
        for number, items in self._session.take_bundles():
            self._channel.send(
                self._subject,
                UpBundle(self._engine.engine, self._edge_id, self._run, number, items),
            )
            last = number
        self._under_way.sent(last)
