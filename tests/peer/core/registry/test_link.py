"""The peer's end of the link: how it begins, what ends it, and when it is retried."""

import pytest

from chatapp.peer.core.registry.link import STABLE_AFTER, LinkState, RegistryLink
from chatapp.wire.codec import (
    FrameReader,
    GroupHeader,
    Kind,
    decode_request,
    encode,
    pack_group,
    pack_relayed,
)
from chatapp.wire.errors import SealError
from chatapp.wire.limits import LINK_FIRST_FRAME_TIMEOUT, LINK_KEEPALIVE_SPAN, LINK_STALL_TIMEOUT
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.mail import MailSaved
from chatapp.wire.messages.registration import AskLease, LeaseNamed, Ping, Pong
from chatapp.wire.messages.table import FetchTable
from chatapp.wire.sessions.link import LinkOpening, LinkSession
from chatapp.wire.sessions.session import RENEW_AFTER
from tests.peer.core.cast import Someone, Talk

ALICE, BOB = Someone("alice"), Someone("bob")
RELAYED = pack_relayed(1, pack_group(GroupHeader(b"t" * 8, 1, 2, 3)) + bytes(16))


class Wire:
    """Alice's end of the link, the time, and a registry that answers when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.end = RegistryLink(ALICE.context())
        self.alice = Talk(ALICE, BOB).sessions
        self.bob = Talk(BOB, ALICE).sessions
        self.answer = b""
        self.session: LinkSession

    def open(self) -> None:
        self.end.open(self._open_link, now=self.now)

    def _open_link(self, sender_index: int, *, now: float) -> tuple[bytes, LinkOpening]:
        return self.alice.open_link(BOB.id, encode(Attach(sender_index)), now=now)

    def connect(self) -> None:
        """TCP is connected and our request is granted, but the answer has not come."""
        self.end.connected(now=self.now)
        reader = FrameReader()
        reader.feed(b"".join(self.end.bytes_to_send()))
        first = reader.next_frame()
        assert first is not None
        _, payload, self.session, self.answer = self.bob.take_link(first, now=self.now)
        assert decode_request(payload) == Attach()

    def bring_up(self) -> None:
        self.open()
        assert self.end.wants_connection()
        self.connect()
        assert self.end.opened(self.answer, now=self.now) == b""

    def hears(self, notice: object) -> bytes | None:
        return self.end.opened(self.session.seal(encode(notice)), now=self.now)

    def said(self) -> list[object]:
        reader = FrameReader()
        reader.feed(b"".join(self.end.bytes_to_send()))
        frames = []
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
        return [self._taken(frame) for frame in frames]

    def _taken(self, frame: bytes) -> object:
        """Return the request in a frame; of a renewal, its state after the registry has
        answered."""
        if frame[0] != Kind.RENEWAL:
            return decode_request(self.session.open(frame))
        self.answer = self.session.renewal_came(frame)
        return "renew" if self.answer else "renewed"

    def renews(self) -> bool:
        """Return whether a renewal begins when the timer fires; if so, complete it."""
        assert not self.end.handle_timer(now=self.now)
        if self.said() != ["renew"]:
            return False
        assert self.end.opened(self.answer, now=self.now) == b""
        assert self.said() == ["renewed"]
        return True

    def waits(self) -> float:
        """Return the seconds until the next attempt."""
        began = self.now
        while not self.end.wants_connection():
            due = self.end.next_timer()
            assert due is not None
            self.now = due
            self.end.handle_timer(now=due)
        return self.now - began


def test_the_first_link_is_wanted_at_once_and_asked_for_once() -> None:
    wire = Wire()
    wire.open()
    assert wire.end.wants_connection()
    assert not wire.end.wants_connection()


def test_it_is_up_when_the_answer_has_come() -> None:
    """Clause 9.1."""
    wire = Wire()
    wire.bring_up()
    assert wire.end.is_up
    wire.end.send(Ping(3), now=wire.now)
    assert wire.said() == [Ping(3)]


def test_bytes_of_a_connection_that_nobody_wants_change_nothing() -> None:
    wire = Wire()
    wire.end.connected(now=wire.now)
    assert wire.end.bytes_to_send() == []
    assert wire.end.state is LinkState.DOWN


@pytest.mark.parametrize("stage", ["connecting", "attached"])
def test_a_connection_that_comes_to_nothing_is_closed_in_time(stage: str) -> None:
    wire = Wire()
    wire.open()
    if stage == "attached":
        wire.end.connected(now=wire.now)
    assert not wire.end.handle_timer(now=wire.now + LINK_FIRST_FRAME_TIMEOUT - 0.01)
    assert wire.end.next_timer() == wire.now + LINK_FIRST_FRAME_TIMEOUT
    assert wire.end.handle_timer(now=wire.now + LINK_FIRST_FRAME_TIMEOUT)


def test_frames_that_do_not_open_are_an_error() -> None:
    wire = Wire()
    with pytest.raises(SealError):
        wire.end.opened(b"\x07frame", now=wire.now)  # before our own
    wire.open()
    assert wire.end.wants_connection()
    wire.connect()
    good = wire.session.seal(encode(Pong(1, 1)))
    for frame in (RELAYED, good, wire.answer[:-1] + bytes((wire.answer[-1] ^ 1,))):
        with pytest.raises(SealError):
            wire.end.opened(frame, now=wire.now)  # before the registry has proved itself
    wire.end.opened(wire.answer, now=wire.now)
    with pytest.raises(SealError):
        wire.end.opened(good[:-1] + bytes((good[-1] ^ 1,)), now=wire.now)
    wire.end.opened(good, now=wire.now)
    with pytest.raises(SealError):
        wire.end.opened(good, now=wire.now)  # a replay


def test_group_frames_carry_their_own_seal() -> None:
    wire = Wire()
    wire.bring_up()
    assert wire.end.opened(RELAYED, now=wire.now) is None
    wire.end.send_group_frame(b"\x08frame", now=wire.now)
    assert wire.end.bytes_to_send() == [b"\0\0\0\x06\x08frame"]


def test_attempts_that_fail_are_made_more_and_more_rarely() -> None:
    """Backoff from 1 s, doubled up to 20 s, each with jitter of half to one and a half."""
    wire = Wire()
    wire.open()
    assert wire.end.wants_connection()
    waits = []
    for _ in range(8):
        wire.end.drop()
        wire.open()
        waits.append(wire.waits())
    spans = [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]
    for waited, span in zip(waits, spans, strict=True):
        assert 0.5 * span <= waited < 1.5 * span


def test_attempts_that_hang_are_made_more_and_more_rarely_too() -> None:
    """If TCP packets are silently dropped, each attempt takes its whole time before it fails."""
    wire = Wire()
    wire.open()
    began = wire.now
    for _ in range(8):
        wire.waits()
        wire.now += LINK_FIRST_FRAME_TIMEOUT
        assert wire.end.handle_timer(now=wire.now)
        wire.end.drop()
        wire.open()
    assert wire.now - began > 8 * LINK_FIRST_FRAME_TIMEOUT + 20.0


def test_after_a_long_time_without_a_registry_the_link_is_wanted_at_once() -> None:
    wire = Wire()
    wire.open()
    wire.waits()
    wire.end.drop()
    wire.now += 60.0
    wire.open()
    assert wire.waits() == 0.0


def test_after_a_wish_of_ours_the_next_link_need_not_wait() -> None:
    wire = Wire()
    wire.bring_up()
    wire.end.drop()
    wire.end.forgive()
    wire.open()
    assert wire.waits() == 0.0


def test_a_link_that_was_good_is_taken_up_again_at_once() -> None:
    wire = Wire()
    wire.bring_up()
    wire.now += STABLE_AFTER
    wire.hears(Pong(1, 1))
    wire.end.drop()
    wire.open()
    assert wire.waits() == 0.0


def test_a_silent_link_is_kept_alive() -> None:
    wire = Wire()
    wire.bring_up()
    assert wire.end.next_timer() == wire.now + LINK_KEEPALIVE_SPAN
    assert not wire.end.is_keepalive_due(wire.now + LINK_KEEPALIVE_SPAN - 0.01)
    assert wire.end.is_keepalive_due(wire.now + LINK_KEEPALIVE_SPAN)
    wire.now += 5.0
    wire.end.send(Ping(0), now=wire.now)
    wire.hears(Pong(0, 1))
    assert wire.end.next_timer() == wire.now + LINK_KEEPALIVE_SPAN


def test_a_link_that_is_never_silent_asks_for_the_newest_table_all_the_same() -> None:
    """Else a batch of the table that got lost is missed for as long as its reader says something."""
    wire = Wire()
    wire.bring_up()
    began = wire.now
    while not wire.end.is_keepalive_due(wire.now):
        wire.end.send(FetchTable(1), now=wire.now)
        wire.hears(Pong(0, 1))
        wire.now += 10.0
    assert 2 * LINK_KEEPALIVE_SPAN <= wire.now - began < 2 * LINK_KEEPALIVE_SPAN + 10.0
    wire.end.send(Ping(0), now=wire.now)
    assert wire.end.next_timer() == wire.now + 2.5


@pytest.mark.parametrize(
    ("answers", "is_slow"),
    [
        ((0.6, 0.6), False),
        ((0.6, 0.6, 0.6), True),
        ((0.6, 0.6, 0.1, 0.6, 0.6), False),
        ((0.6, 0.6, 0.6, 0.1, 0.1), True),
        ((0.6, 0.6, 0.6, 0.1, 0.1, 0.1), False),
    ],
)
def test_a_link_is_slow_after_three_late_answers(answers: tuple[float, ...], is_slow: bool) -> None:
    """Clause 5.4."""
    wire = Wire()
    wire.bring_up()
    wire.hears(Pong(1, 1))
    wire.end.is_slow, wire.end._slow_in_row, wire.end._fast_in_row = False, 0, 0
    for late in answers:
        wire.now += 20.0
        wire.end.send(Ping(0), now=wire.now)
        wire.now += late
        wire.hears(Pong(0, 1))
    assert wire.end.is_slow is is_slow


class TestALinkThatStandsStill:
    @pytest.fixture
    def wire(self) -> Wire:
        """A link that has carried frames for long; we have just sent a request."""
        wire = Wire()
        wire.bring_up()
        wire.now += 50.0
        wire.hears(Pong(1, 1))
        wire.end.send(Attach(), now=wire.now)
        return wire

    def test_it_is_asked_for_an_answer_and_closed_ten_seconds_after_the_first_word(
        self, wire: Wire
    ) -> None:
        began = wire.now
        assert wire.end.next_timer() == began + 2.5
        assert not wire.end.is_in_doubt(began + 2.4)
        assert wire.end.is_in_doubt(began + 2.5)
        wire.end.ask(now=began + 2.5)
        assert not wire.end.is_in_doubt(began + 3.0)
        assert wire.end.next_timer() == began + LINK_STALL_TIMEOUT
        assert not wire.end.handle_timer(now=began + LINK_STALL_TIMEOUT - 0.1)
        assert wire.end.handle_timer(now=began + LINK_STALL_TIMEOUT)
        assert wire.end.stalled_since == began

    def test_it_has_as_much_longer_as_a_slow_link_takes(self, wire: Wire) -> None:
        """A line of 64 KiB takes 55 s at 9.6 kbit/s."""
        began = wire.now
        wire.end.send_group_frame(bytes(64 * 1_024), now=began)
        wire.end.ask(now=began + 2.5)
        assert not wire.end.handle_timer(now=began + 70.0)
        wire.hears(Pong(0, 1))
        wire.end.send(FetchTable(0), now=began + 70.0)
        wire.end.ask(now=began + 72.5)
        assert wire.end.handle_timer(now=began + 70.0 + LINK_STALL_TIMEOUT)

    def test_a_page_that_takes_a_minute_shows_that_it_does_not(self, wire: Wire) -> None:
        """A page of the table takes 41 s at 9.6 kbit/s."""
        wire.end.ask(now=wire.now + 2.5)
        for second in range(60):
            wire.now += 1.0
            assert not wire.end.handle_timer(now=wire.now)
            wire.end.progressed(800 * second, now=wire.now)
        assert wire.end.heard_at == wire.now
        assert not wire.end.handle_timer(now=wire.now + LINK_STALL_TIMEOUT - 0.1)
        assert wire.end.handle_timer(now=wire.now + LINK_STALL_TIMEOUT)

    def test_it_is_asked_again_and_again_while_the_rest_of_a_page_does_not_come(
        self, wire: Wire
    ) -> None:
        wire.now += 2.0
        wire.end.progressed(800, now=wire.now)
        began, asked = wire.now, []
        while not wire.end.handle_timer(now=wire.now):
            due = wire.end.next_timer()
            assert due is not None
            wire.now = due
            if wire.end.is_in_doubt(wire.now):
                wire.end.ask(now=wire.now)
                asked.append(wire.now - began)
        assert asked == [2.5, 5.0, 7.5, 10.0]
        assert wire.now == began + LINK_STALL_TIMEOUT

    def test_a_frame_that_nobody_ends_does_not_keep_it(self, wire: Wire) -> None:
        """Somebody on the way, who can send any bytes and has no keys."""
        began = wire.now
        while not wire.end.handle_timer(now=wire.now):
            wire.now += 1.0
            wire.end.progressed(int(100 * (wire.now - began)), now=wire.now)
            assert wire.now < began + 3 * LINK_STALL_TIMEOUT

    def test_an_answer_that_comes_in_parts_is_over_when_it_is_whole(self) -> None:
        """Else only the link would say whether the registry is there, which says nothing more."""
        wire = Wire()
        wire.open()
        assert wire.end.wants_connection()
        wire.connect()
        wire.end.progressed(10, now=wire.now)
        assert wire.end.opened(wire.answer, now=wire.now) == b""
        assert (wire.end.is_within_frame, wire.end.heard_at) == (False, wire.now)

    @pytest.mark.parametrize("frame", ["ours", "relayed"])
    def test_any_frame_shows_that_it_does_not(self, wire: Wire, frame: str) -> None:
        wire.now += 5.0
        if frame == "relayed":
            wire.end.opened(RELAYED, now=wire.now)
        else:
            wire.hears(Pong(0, 1))
        assert not wire.end.handle_timer(now=wire.now + 6.0)
        assert not wire.end.is_in_doubt(wire.now + 6.0)

    def test_it_is_kept_while_nobody_reads_it(self, wire: Wire) -> None:
        wire.end.read_from(is_read=False, now=wire.now)
        assert not wire.end.handle_timer(now=wire.now + 20.0)
        assert wire.end.next_timer() == wire.now + LINK_KEEPALIVE_SPAN
        wire.end.read_from(is_read=True, now=wire.now + 20.0)
        assert not wire.end.handle_timer(now=wire.now + 15.0)
        assert wire.end.next_timer() == wire.now + 22.5

    def test_a_program_that_was_stopped_reads_first(self, wire: Wire) -> None:
        late = wire.now + LINK_STALL_TIMEOUT + 60.0
        assert not wire.end.handle_timer(now=late)
        assert wire.end.handle_timer(now=late + LINK_STALL_TIMEOUT)


def test_a_dropped_link_forgets_what_it_had_to_say() -> None:
    wire = Wire()
    wire.bring_up()
    wire.end.send(Ping(3), now=wire.now)
    wire.end.drop()
    assert wire.end.bytes_to_send() == []
    assert wire.end.next_timer() is None
    assert not wire.end.is_up


def test_a_dropped_link_erases_its_keys_and_opens_nothing_more() -> None:
    wire = Wire()
    wire.bring_up()
    late = wire.session.seal(encode(Pong(1, 1)))
    wire.end.drop()
    assert len(wire.alice.ciphers) == 0
    with pytest.raises(SealError):
        wire.end.opened(late, now=wire.now)


def test_each_connection_has_a_session_of_its_own() -> None:
    wire = Wire()
    wire.bring_up()
    before = wire.session
    wire.now += STABLE_AFTER
    wire.end.drop()
    wire.bring_up()
    with pytest.raises(SealError):
        wire.end.opened(before.seal(encode(Pong(1, 1))), now=wire.now)


class TestRenewal:
    @pytest.fixture
    def wire(self) -> Wire:
        wire = Wire()
        wire.bring_up()
        return wire

    def idle_until(self, wire: Wire, until: float) -> None:
        """Signs of life alone go both ways."""
        while wire.now + 40.0 < until:
            wire.now += 40.0
            wire.end.send(Ping(0), now=wire.now)
            assert wire.said() == [Ping(0)]
            wire.hears(Pong(0, 1))
        wire.now = until

    @pytest.mark.parametrize("is_by_us", [True, False])
    def test_a_link_of_use_is_renewed_two_minutes_after_its_keys_were_made(
        self, wire: Wire, is_by_us: bool
    ) -> None:
        began = wire.now
        for turn in range(1, 4):
            self.idle_until(wire, wire.now + 30.0)
            if is_by_us:
                wire.end.send(FetchTable(0), now=wire.now)
                assert wire.said() == [FetchTable(0)]
            wire.hears(MailSaved(1))
            self.idle_until(wire, began + turn * RENEW_AFTER - 0.01)
            assert not wire.renews()
            wire.now = began + turn * RENEW_AFTER
            assert wire.end.next_timer() == wire.now
            assert wire.renews()
            assert wire.end.renewals == turn

    def test_an_idle_link_is_not_until_it_is_of_use_again(self, wire: Wire) -> None:
        self.idle_until(wire, wire.now + 10 * RENEW_AFTER)
        assert not wire.renews()
        wire.end.send(AskLease(is_slow=True), now=wire.now)
        wire.hears(LeaseNamed(300))
        assert wire.said() == [AskLease(is_slow=True)]
        self.idle_until(wire, wire.now + 10 * RENEW_AFTER)
        assert not wire.renews()
        wire.hears(MailSaved(1))
        due = wire.end.next_timer()
        assert due is not None and due <= wire.now
        assert wire.renews()
        self.idle_until(wire, wire.now + 10 * RENEW_AFTER)
        assert not wire.renews()

    def test_messages_sent_before_the_answer_go_on(self, wire: Wire) -> None:
        wire.end.send(FetchTable(1), now=wire.now)
        wire.now += RENEW_AFTER
        wire.end.handle_timer(now=wire.now)
        wire.end.send(FetchTable(2), now=wire.now)
        wire.end.send(Ping(0), now=wire.now)
        before = wire.session.seal(encode(Pong(1, 1)))
        assert wire.said() == [FetchTable(1), "renew", FetchTable(2), Ping(0)]
        due = wire.end.next_timer()
        assert due is not None and due > wire.now  # not asked for a second time
        assert wire.end.opened(before, now=wire.now)
        wire.end.opened(wire.answer, now=wire.now)
        wire.end.send(FetchTable(3), now=wire.now)
        assert wire.said() == ["renewed", FetchTable(3)]
        assert wire.hears(Pong(2, 1))

    def test_so_is_one_that_has_carried_many_frames(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chatapp.wire.sessions.link.RENEW_AFTER_FRAMES", 10)
        wire.end.drop()
        wire.now += STABLE_AFTER
        wire.bring_up()
        for _ in range(9):
            assert not wire.renews()
            wire.hears(Pong(1, 1))
        due = wire.end.next_timer()
        assert due is not None and due <= wire.now
        assert wire.renews()
        assert not wire.renews()

    def test_one_that_is_not_answered_is_lost_as_any_that_stands_still(self, wire: Wire) -> None:
        wire.hears(MailSaved(1))
        wire.now += RENEW_AFTER
        wire.end.handle_timer(now=wire.now)
        assert wire.end.is_in_doubt(wire.now + 2.5)
        assert wire.end.handle_timer(now=wire.now + LINK_STALL_TIMEOUT)

    def test_an_answer_that_nobody_asked_for_is_an_error(self, wire: Wire) -> None:
        with pytest.raises(SealError):
            wire.end.opened(wire.session.seal(bytes(48), bytes((Kind.RENEWAL,))), now=wire.now)

    def test_a_new_link_has_a_time_of_its_own(self, wire: Wire) -> None:
        wire.end.send(FetchTable(0), now=wire.now)
        wire.now += RENEW_AFTER - 1.0
        wire.end.drop()
        wire.bring_up()
        wire.now += 2.0
        assert not wire.renews()
