"""The house as the front of another node sees it: whether there is one, and what is asked of it.

    SEARCHING --news--> ENTERING --let in--> OPEN <--house silent, heard again--> SILENT
        ^------------------+                  |                                     |
        +-----------------------session over: all links end-------------------------+

While OPEN the front serves its peers. While SILENT the links stay, since an election takes seconds, but nobody is served.
Whatever else happens ends the session, and the next one begins with a fresh front.
"""

import enum
from collections.abc import Sequence
from typing import Final, NamedTuple, assert_never

import msgspec

from chatapp.registry.cluster.bus.channel import Channel
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
    EndLink,
    EnterHouse,
    FrontDismissed,
    FrontLeft,
    GroupFrameCame,
    HouseEntered,
    HouseLeft,
    HouseNews,
    LifeSeen,
    LinkGone,
    LinkRequestCame,
    OfferOnLink,
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
    house_subject,
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
    BusSession,
    Order,
)
from chatapp.registry.cluster.bus.under_way import DATAGRAMS, UnderWay
from chatapp.registry.cluster.stream.bundles import Opener, Sealer
from chatapp.registry.edge.edge import Front
from chatapp.registry.rules.admin.messages import AdminAnswer, CoreRequest
from chatapp.registry.rules.effects import Admit, Caller, DropReason, LinkEndReason, Refuse
from chatapp.registry.rules.people.table import Delta, TableCopy
from chatapp.registry.telemetry.recorder import Recorder
from chatapp.wire.address import Address
from chatapp.wire.errors import DecodeError
from chatapp.wire.framing import GroupHeader
from chatapp.wire.identity import Identity
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.registration import Leave, Ping, Register
from chatapp.wire.messages.table import FetchTable


class HouseState(enum.Enum):
    """How a front stands with its house."""

    SEARCHING = "no house is known, or it has fallen silent"
    ENTERING = "a house is known and was asked for a session"
    OPEN = "there is a session"
    SILENT = "there is a session, and the house has been silent for a while"


class SessionOpened(NamedTuple):
    """A session has begun: a fresh front serves from now on."""

    identity: Identity
    """The registry's."""
    lease: int
    """Seconds without a sign of life after which the house counts a peer as away."""


class SessionClosed(NamedTuple):
    """The session is over, and with it the front: its links are to end."""

    reason: LinkEndReason


SessionChange = SessionOpened | SessionClosed


class RemoteHouse:
    """The house of another node. It is a `HousePort` for the front of this one.

    After each call of `receive`, `handle_timer` or `leave` the owner drains `take_changes`, and sets `front` when a session
    has opened.
    """

    def __init__(
        self,
        front_id: bytes,
        name: str,
        *,
        sealer: Sealer,
        opener: Opener,
        recorder: Recorder,
        cookies_last: float,
        now: float,
    ) -> None:
        """`front_id`: 8 random bytes of this run of the program. `name`: the node's, for people. `sealer`: with a salt of
        its own, which seals nothing else. `cookies_last`: seconds for which a REGISTER can be sent again."""
        self.front: Front | None = None
        """What the house's orders are carried out by. None without a session."""
        self.state = HouseState.SEARCHING
        self._front_id: Final = front_id
        self._subject: Final = house_subject(front_id)
        self._name: Final = name
        self._channel: Final = Channel(sealer, opener, recorder)
        self._recorder = recorder
        self._has_left = False
        self._house: HouseNews | None = None
        self._news_at = now
        self._has_house_left = False
        """Whether the house has said that it serves nobody any more: what comes of it after that was sent before."""
        self._runs = 0
        """How many sessions this front has asked for."""
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
        """Whether the copy of the table is whole: else the house hands out its pages."""
        self._cookies_last: Final = cookies_last
        self._admitted: dict[bytes, tuple[float, bytes]] = {}
        """The nonces of REGISTERs that were admitted, the oldest first: until when they could be sent again, and the session
        in which they were."""
        self._unserved: dict[int, None] = {}
        """Links on which something was dropped while the house was silent."""
        self._asked: dict[str, list[bytes]] = {}
        """The parts that have come of the answers to admin requests, by ticket."""
        self._answered: list[tuple[str, AdminAnswer]] = []
        self._changes: list[SessionChange] = []

    @property
    def is_open(self) -> bool:
        """Whether peers can be served."""
        return self.state is HouseState.OPEN

    @property
    def house_name(self) -> str:
        """The name of the node that has the house, empty while none is known."""
        return "" if self._house is None or self.state is HouseState.SEARCHING else self._house.name

    # --- from the bus

    def receive(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus."""
        if self._has_left:
            return
        match self._channel.open(data):
            case HouseNews() as news:
                self._receive_news(news, now)
            case HouseEntered() as entered:
                self._receive_entered(entered, now)
            case DownBundle() as bundle:
                self._receive_bundle(bundle, now)
            case FrontDismissed() as dismissed if self._is_ours(dismissed.house, dismissed.run):
                self._receive_dismissal(now)
            case HouseLeft() as left if self._house is not None and left.house == self._house.house:
                self._has_house_left = True
                self.state = HouseState.SEARCHING if self._session is None else HouseState.SILENT
            case None:
                pass
            case _:
                self._channel.drop(DropReason.BUS_OTHER_SESSION)

    def _receive_news(self, news: HouseNews, now: float) -> None:
        known = self._house
        is_known = known is not None and news.house == known.house
        if known is not None and (self._has_house_left if is_known else news.term <= known.term):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            return
        self._news_at = now
        if not is_known:
            self._has_house_left = False
            if self._session is not None:
                self._end_session(LinkEndReason.OTHER_HOUSE, tells=True)
            self.state = HouseState.SEARCHING
        self._house = news
        if self.state is HouseState.SEARCHING:
            self._begin_entering(now)

    def _begin_entering(self, now: float) -> None:
        """Ask for a session under a new name."""
        self._runs += 1
        self.state, self._run = HouseState.ENTERING, self._runs.to_bytes(ID_SIZE, "big")
        self._enter(now)

    def _enter(self, now: float) -> None:
        assert self._house is not None
        self._enter_at = now + ENTER_SPAN
        request = EnterHouse(self._house.house, self._front_id, self._run, self._name)
        self._channel.send(self._subject, request)

    def _receive_entered(self, entered: HouseEntered, now: float) -> None:
        if self.state is not HouseState.ENTERING or not self._is_ours(entered.house, entered.run):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            return
        self._session = BusSession(entered.run, now=now)
        self._session.beat()
        self.state, self._beat_at = HouseState.OPEN, now + BEAT
        self._changes.append(SessionOpened(Identity(entered.identity), entered.lease))

    def _is_ours(self, house: bytes, run: bytes) -> bool:
        return self._house is not None and house == self._house.house and run == self._run

    def _receive_dismissal(self, now: float) -> None:
        """Ask for another session: the house has ended this one, or lets nobody in under its name any more."""
        if self._session is not None:
            self._end_session(LinkEndReason.HOUSE_SESSION_LOST, tells=False)
            self._begin_entering(now)
        elif self.state is HouseState.ENTERING:
            self._begin_entering(now)

    def _receive_bundle(self, bundle: DownBundle, now: float) -> None:
        session = self._session
        if session is None or not self._is_ours(bundle.house, bundle.run):
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
            self._channel.send(self._subject, FrontLeft(bundle.house, self._front_id, bundle.run))
            return
        order = session.accept(bundle.number, now=now)
        if order is Order.REPEATED:
            self._channel.drop(DropReason.BUS_OTHER_SESSION)
        elif order is Order.GAP:
            self._channel.drop(DropReason.BUS_GAP)
            self._end_session(LinkEndReason.HOUSE_SESSION_LOST, tells=True)
            self._begin_entering(now)
        else:
            self._resume()
            for number in self._under_way.handled(bundle.handled):
                if self.front is not None:
                    self.front.release(number)
            self._carry_out(bundle.items, now)

    def _resume(self) -> None:
        """Serve again, as the house was heard. A link on which something was dropped meanwhile ends: what its peer says next
        would not follow what the house has heard."""
        if self.state is HouseState.SILENT and not self._has_house_left:
            self.state = HouseState.OPEN
            unserved, self._unserved = self._unserved, {}
            for number in unserved:
                if self.front is not None:
                    self.front.disconnect(number, LinkEndReason.NO_HOUSE)

    def lag(self, *, now: float) -> float | None:
        """Return the seconds since the house was heard; None without a session."""
        return None if self._session is None else now - self._session.heard_at

    def _end_session(self, reason: LinkEndReason, *, tells: bool) -> None:
        """End the session. What it has not sent yet is lost. `tells`: whether the house has to be told."""
        if tells and self._house is not None:
            self._channel.send(self._subject, FrontLeft(self._house.house, self._front_id, self._run))
        self._session, self.front, self.state = None, None, HouseState.SEARCHING
        self._audience, self._unserved, self._asked = {}, {}, {}
        self._under_way = UnderWay()
        self._table, self._has_table = TableCopy(), False
        self._changes.append(SessionClosed(reason))

    # --- what the house orders

    def _carry_out(self, items: Sequence[msgspec.Raw], now: float) -> None:
        """Carry out each order by itself: a fault of ours in one must not cost those behind it."""
        front = self.front
        if front is None:
            return
        answers: dict[int, tuple[int, int]] = {}
        for raw in items:
            try:
                item = decode_down(raw)
                if isinstance(item, AnswerOnLink):
                    size, count = answers.get(item.link, (0, 0))
                    answers[item.link] = size + len(item.payload), count + 1
                self._carry_out_one(item, front, now)
            except DecodeError:
                self._channel.drop(DropReason.BUS_MALFORMED)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._recorder.fault(error)
        for number, (size, count) in answers.items():
            front.charge_answers(number, size, count, now=now)
        front.settle(now=now)

    def _carry_out_one(self, item: DownItem, front: Front, now: float) -> None:
        match item:  # the most frequent first
            case AnswerOnLink() | SendOnLink():
                front.push(item.link, item.payload)
            case RelayToAll():
                front.relay(item.frame, item.sender)
            case RelayToSome():
                front.relay_to(item.frame, tuple(item.links), item.sender)
            case OfferOnLink():
                front.offer(item.link, item.payload)
            case AnswerDatagram():
                caller = Caller(identity=b"", address=unpack_address(item.address), session=item.session)
                front.reply(caller, item.payload)
            case SendSealed():
                front.send_datagram(item.identity, unpack_address(item.address), item.payload, now=now)
            case BroadcastTable():
                front.broadcast(item.frame, list(self._audience))
            case AudienceChanged():
                for packed in item.removed:
                    self._audience.pop(unpack_address(packed), None)
                self._audience.update(dict.fromkeys(map(unpack_address, item.added)))
            case _:
                self._carry_out_rare(item, front, now)

    def _carry_out_rare(
        self,
        item: AdmitPeer | RefusePeer | EndLink | SendToEverybody | TableChanged | AdminAnswerPart,
        front: Front,
        now: float,
    ) -> None:
        match item:
            case AdmitPeer():
                self._note_admitted(item.nonce, now)
                to = Caller(identity=item.card.identity, address=unpack_address(item.address))
                admitted = Admit(
                    to=to, card=item.card, nonce=item.nonce, is_new=item.is_new, is_guest=item.is_guest
                )
                front.admit(admitted, table_version=item.table_version, clock=item.clock, now=now)
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
                front.refuse(refused)
            case EndLink():
                front.disconnect(item.link, item.reason)
            case SendToEverybody():
                front.tell_everybody(item.payload)
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

    def _receive_admin_answer(self, item: AdminAnswerPart) -> None:
        parts = self._asked.get(item.ticket)
        if parts is None:
            return
        parts.append(item.part)
        if item.is_last:
            del self._asked[item.ticket]
            self._answered.append((item.ticket, decode_admin_answer(b"".join(parts))))

    # --- from the front

    def admits(self, now: float, /) -> bool:
        """Return whether people are let in: while there is a session, and the house was heard just now."""
        return self.is_open

    def name_of(self, identity: bytes) -> str:
        """Return the name of a person, as far as the copy of the table has it."""
        return "" if self._table is None else self._table.name_of(identity)

    def register(self, register: Register, caller: Caller, *, now: float) -> None:
        """Pass on a REGISTER whose signatures were checked, unless an earlier session has used it: then a peer's session
        under its nonce may have begun and ended, so whatever was recorded of it could be played back."""
        assert caller.address is not None
        _, run = self._admitted.get(register.nonce, (0.0, self._run))
        if run != self._run:
            self._channel.drop(DropReason.REGISTER_OF_EARLIER_SESSION)
            return
        self._ask_by_datagram(RegisterCame(register, pack_address(caller.address)))

    def request(self, request: PeerRequest, caller: Caller, *, now: float) -> None:
        """Pass on a request, or answer it with a page of the table's copy."""
        if isinstance(request, FetchTable) and self._has_copy_for(caller):
            assert self.front is not None and self._table is not None
            self.front.reply(caller, self._table.table.page(request.since))
        elif caller.link is not None:
            self._ask_on(caller.link, LinkRequestCame(caller.link, caller.identity, request))
        elif caller.address is not None and isinstance(request, Ping | Leave):
            address = pack_address(caller.address)
            self._ask_by_datagram(
                DatagramRequestCame(caller.identity, address, caller.session, caller.is_newest, request)
            )

    def _has_copy_for(self, caller: Caller) -> bool:
        """Return whether the copy answers for this caller. What visitors ask is for the house to judge."""
        front = self.front
        return self._has_table and front is not None and caller.identity not in front.sessions.guests

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
        elif self._under_way.add(link, size) and self.front is not None:
            self.front.hold(link)

    def _ask_by_datagram(self, item: RegisterCame | DatagramRequestCame) -> None:
        """Pass on what came in a datagram, or drop it when too much is under way."""
        if not self._under_way.takes_datagrams:
            self._channel.drop(DropReason.HOUSE_BEHIND)
        elif size := self._ask(item):
            self._under_way.add(DATAGRAMS, size)

    def _ask(self, item: UpItem) -> int:
        """Queue an item, unless there is no house or it is silent. Return its size, 0 if it was not queued."""
        if self._session is None or self.state is not HouseState.OPEN:
            self._channel.drop(DropReason.NO_HOUSE)
            return 0
        return self._session.add(item)

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        """Pass on that an attached link is over. A silent house is told too, as long as there is a session."""
        self._unserved.pop(link, None)
        if self._session is not None and identity:
            self._session.add(LinkGone(link, identity))

    def sign_of_life(self, identity: bytes, *, now: float) -> None:
        """Pass on that something came on an attached link, unless a request or a line has just said so."""
        if identity == self._speaker:
            self._speaker = b""
        elif self._session is not None and self.state is HouseState.OPEN:
            self._session.add(LifeSeen(identity))

    def settle(self, *, now: float) -> None:
        """Do nothing: a turn's items go out when the driver drains the messages."""

    # --- the administrator of this node

    def ask_admin(self, request: CoreRequest, ticket: str) -> bool:
        """Pass on an admin request, and return whether there is a house for it. `take_admin_answers` returns the answer to
        it, unless the session ends before."""
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
        """End the session for good: the house learns it at once, and no other session begins."""
        self._has_left = True
        if self._session is not None:
            self._send_bundles()
            self._end_session(reason, tells=True)
        self.state = HouseState.SEARCHING

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        if (
            now > self.next_timer() + LATE_AFTER
        ):  # we were stopped, and what came meanwhile is still to be read
            self._patient_until = now + PATIENCE
        if self._session is not None:
            self._handle_session_timer(self._session, now)
        elif self.state is HouseState.ENTERING:
            if now >= self._after(self._news_at, SILENT_AFTER):
                self.state = HouseState.SEARCHING
            elif now >= self._enter_at:
                self._enter(now)

    def _handle_session_timer(self, session: BusSession, now: float) -> None:
        if now >= self._after(session.heard_at, ALONE_AFTER):
            self._end_session(LinkEndReason.NO_HOUSE, tells=True)
            if now < self._after(self._news_at, SILENT_AFTER):
                self._begin_entering(now)
            return
        if now >= self._after(session.heard_at, SILENT_AFTER):
            self.state = HouseState.SILENT
        if now >= self._beat_at:
            self._beat_at = now + BEAT
            session.beat()

    def _after(self, heard_at: float, span: float) -> float:
        """Return when a silence since `heard_at` has lasted for a span, as far as this process was there to hear."""
        return max(heard_at + span, self._patient_until)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next; infinity for not at all."""
        session = self._session
        if session is not None:
            span = ALONE_AFTER if self.state is HouseState.SILENT else SILENT_AFTER
            return min(self._beat_at, self._after(session.heard_at, span))
        if self.state is HouseState.ENTERING:
            return min(self._enter_at, self._after(self._news_at, SILENT_AFTER))
        return float("inf")

    # --- out

    def take_changes(self) -> list[SessionChange]:
        """Drain what has happened to the session, in order."""
        changes, self._changes = self._changes, []
        return changes

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order within a subject."""
        self._send_bundles()
        return self._channel.take_messages()

    def _send_bundles(self) -> None:
        if self._session is None or self._house is None:
            return
        last = 0
        for number, items in self._session.take_bundles():
            self._channel.send(
                self._subject, UpBundle(self._house.house, self._front_id, self._run, number, items)
            )
            last = number
        self._under_way.sent(last)
