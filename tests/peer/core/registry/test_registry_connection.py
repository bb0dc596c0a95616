"""The connection to a registry, whatever node it belongs to: when there is a link, and what the
node is asked."""

import pytest

from chatapp.peer.api.events import RegistryMet, ServerBack
from chatapp.peer.core.context import RegistryChange
from chatapp.peer.core.registry.connection import ConnectionEvent, RegistryConnection
from chatapp.peer.core.registry.session import RegistrySession
from chatapp.wire.codec import FrameReader, Kind, decode_request, encode
from chatapp.wire.messages.link import Attach, AttachAgain, NodeNotice
from chatapp.wire.messages.registration import Left, Ping, Pong, Probe, RefusalReason
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted, ListRooms, RoomsListed
from chatapp.wire.messages.table import FetchTable
from chatapp.wire.sessions.link import LinkSession
from tests.peer.core.cast import SERVER, Porter, Someone

CHANGES = {
    RegistryChange.LINK_UP: "up",
    RegistryChange.LINK_LOST: "down",
    RegistryChange.RESTARTED: "restarted",
    RegistryChange.GRANTED: "granted",
}


class Owner:
    """A node that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.goes_on = True
        self.awaits_welcome = False

    def tell(self, event: ConnectionEvent) -> None:
        self.asked.append(type(event))

    def welcomed(self, *, is_first: bool, is_back: bool, new_key: bytes | None, now: float) -> bool:
        self.asked.append(("welcomed", is_first, is_back, new_key is not None))
        return self.goes_on

    def denied(self, reason: RefusalReason, *, has_begun: bool, now: float) -> None:
        self.asked.append((reason, has_begun))

    def lost(self, *, has_begun: bool, now: float) -> None:
        self.asked.append(("lost", has_begun))

    def replaced(
        self, stranger: bytes, *, is_code_foreign: bool, has_begun: bool, now: float
    ) -> None:
        self.asked.append(("replaced", stranger, is_code_foreign))

    def left(self, *, is_confirmed: bool) -> None:
        self.asked.append(("left", is_confirmed))

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        self.asked.append(CHANGES[change])

    def notice_arrived(self, notice: NodeNotice, *, now: float) -> None:
        self.asked.append(notice)

    def line_arrived(self, data: bytes, *, now: float) -> None:
        self.asked.append(data)


class Wire:
    """A connection, and the registry at its other end."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.porter, self.owner = Porter(), Owner()
        ctx = Someone("alice").context()
        self.me, self.requests, self.dropped = ctx.me, ctx.out.requests, ctx.dropped
        self.session = RegistrySession(ctx, addresses=[SERVER], pinned=None)
        self.connection = RegistryConnection(
            ctx, session=self.session, owner=self.owner, reader=self.owner
        )
        self.link = self.connection.link
        self._reader = FrameReader()
        self._link_session: LinkSession

    def asked(self) -> list[object]:
        """Drained."""
        asked, self.owner.asked = self.owner.asked, []
        return asked

    def hello(self) -> bytes:
        return [data for data, _ in self.connection.datagrams_to_send() if data[0] == Kind.HELLO][
            -1
        ]

    def hears(self, kind: Kind, body: bytes) -> None:
        assert self.session.receive_datagram(bytes((kind,)) + body, SERVER, now=self.now)
        self.connection.follow_up(now=self.now)

    def start(self) -> None:
        self.connection.start(self.me, table_version=0, now=self.now)

    def register(self) -> None:
        self.hears(Kind.COOKIE, self.porter.cookie(self.hello()))
        (register,) = [data for data, _ in self.connection.datagrams_to_send()]
        self.hears(Kind.WELCOME, self.porter.welcome(register))

    def attach(self) -> None:
        assert self.link.wants_connection()
        self.link.connected(now=self.now)
        self._reader = FrameReader()
        self._reader.feed(b"".join(self.connection.link_bytes_to_send(now=self.now)))
        first = self._reader.next_frame()
        assert first is not None
        _, self._link_session, answer = self.porter.link(first)
        self.connection.receive_frames([answer], now=self.now)

    def frame(self, *notices: object) -> list[bytes]:
        return [self._link_session.seal(encode(notice)) for notice in notices]

    def sent(self) -> list[object]:
        self._reader.feed(b"".join(self.connection.link_bytes_to_send(now=self.now)))
        sent = []
        while (data := self._reader.next_frame()) is not None:
            sent.append(self.porter_reads(data))
        return sent

    def porter_reads(self, data: bytes) -> object:
        return decode_request(self._link_session.open(data))

    def pass_time(self, span: float) -> None:
        end = self.now + span
        while (due := self.connection.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.connection.handle_timer(now=self.now)
        self.now = end


@pytest.fixture
def wire() -> Wire:
    """With a link."""
    wire = Wire()
    wire.start()
    wire.register()
    wire.attach()
    return wire


def test_the_node_is_asked_first_and_the_key_is_told_after_it(wire: Wire) -> None:
    assert wire.asked() == [("welcomed", True, False, True), RegistryMet, "up"]


def test_a_node_that_registers_again_at_once_gets_no_link_and_the_news_of_the_key_later() -> None:
    wire = Wire()
    wire.owner.goes_on = False
    wire.start()
    wire.register()
    assert wire.asked() == [("welcomed", True, False, True)]
    assert not wire.link.wants_connection()
    wire.owner.goes_on = True
    wire.start()
    wire.register()
    assert wire.asked() == [("welcomed", True, False, False), RegistryMet]
    assert wire.link.wants_connection()


def test_notices_reach_the_node_and_signs_of_life_do_not(wire: Wire) -> None:
    wire.asked()
    listed = RoomsListed(1, [])
    wire.connection.receive_frames(wire.frame(Pong(1, 1), listed, Left(99), Probe()), now=wire.now)
    assert wire.asked() == [listed]
    assert wire.sent() == [Ping(reference=0)]


def test_a_frame_that_cannot_be_opened_ends_the_link_and_what_comes_after_it_is_not_read(
    wire: Wire,
) -> None:
    wire.asked()
    good = wire.frame(RoomsListed(1, []))
    wire.connection.receive_frames([b"\x00" * 40, *good], now=wire.now)
    assert wire.asked() == ["down"]
    assert wire.dropped == {"link": 1}
    assert wire.connection.wants_link_closed()
    assert not wire.connection.wants_link_closed()


def test_what_was_asked_is_asked_again_after_an_attach_on_the_same_link(wire: Wire) -> None:
    granted = GroupGranted(CHANNEL, 1, bytes(32), 5, 0)
    wire.connection.receive_frames(wire.frame(granted), now=wire.now)
    wire.session.table_version = 9
    wire.requests.append(ListRooms(reference=1))
    wire.asked()
    wire.connection.receive_frames(wire.frame(AttachAgain()), now=wire.now)
    wire.connection.follow_up(now=wire.now)
    assert wire.asked() == ["down", "restarted", "up"]
    assert wire.sent() == [Attach(sender_index=5, version=9)]
    wire.connection.receive_frames(wire.frame(granted), now=wire.now)
    assert wire.asked() == ["granted", granted]
    assert wire.link.is_up
    assert not wire.connection.wants_link_closed()


def test_each_question_to_attach_again_is_answered(wire: Wire) -> None:
    wire.asked()
    wire.connection.receive_frames(wire.frame(AttachAgain(), AttachAgain()), now=wire.now)
    wire.connection.follow_up(now=wire.now)
    assert wire.asked() == ["down", "restarted", "up"]
    assert wire.sent() == [Attach(), Attach()]


def test_a_node_that_needs_another_welcome_registers_anew_instead(wire: Wire) -> None:
    wire.asked()
    wire.owner.awaits_welcome = True
    wire.connection.receive_frames(wire.frame(AttachAgain()), now=wire.now)
    wire.connection.follow_up(now=wire.now)
    assert wire.asked() == ["down"]
    assert wire.connection.wants_link_closed()
    wire.register()
    assert wire.asked()[0] == ("welcomed", False, False, False)


def test_a_question_of_a_link_that_is_over_is_not_answered_on_the_next_one(wire: Wire) -> None:
    wire.connection.receive_frames(wire.frame(AttachAgain()), now=wire.now)
    wire.connection.link_closed(now=wire.now)
    wire.asked()
    wire.connection.follow_up(now=wire.now)
    assert wire.asked() == []


def test_an_invalid_frame_is_counted_and_the_next_one_is_read(wire: Wire) -> None:
    wire.asked()
    listed = RoomsListed(1, [])
    invalid = wire._link_session.seal(b"\xff\xff")
    wire.connection.receive_frames([invalid, *wire.frame(listed)], now=wire.now)
    assert wire.asked() == [listed]
    assert wire.dropped == {"frame": 1}


def test_requests_go_out_in_order_and_are_dropped_without_a_link(wire: Wire) -> None:
    wire.requests += [ListRooms(reference=1), FetchTable(since=0)]
    assert wire.sent() == [ListRooms(reference=1), FetchTable(since=0)]
    wire.connection.link_closed(now=wire.now)
    wire.requests.append(ListRooms(reference=2))
    assert wire.connection.link_bytes_to_send(now=wire.now) == []
    assert wire.requests == []


def test_a_lost_registry_is_told_after_its_link_and_its_return_is_told(wire: Wire) -> None:
    wire.asked()
    wire.connection.link_closed(now=wire.now)
    wire.pass_time(3.0)
    assert wire.asked() == ["down", ("lost", True), "down"]
    wire.register()
    assert wire.asked() == [("welcomed", False, True, False), ServerBack]


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_ping_without_an_answer_ends_the_link_unless_something_comes_on_it(
    wire: Wire, is_slow: bool
) -> None:
    """On a slow link an answer waits behind a page of the table, for longer than five tries take."""
    wire.session.ping(now=wire.now)
    for second in range(10):
        wire.pass_time(1.0)
        if is_slow:
            wire.link.progressed(1_000 * second, now=wire.now)
    assert wire.link.is_up is is_slow


def test_leaving_ends_the_link(wire: Wire) -> None:
    wire.asked()
    wire.session.leave(now=wire.now)
    wire.connection.follow_up(now=wire.now)
    wire.pass_time(3.0)
    assert wire.asked() == ["down", ("left", False)]
    assert wire.connection.wants_link_closed()
