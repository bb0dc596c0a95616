"""Our end of the link: how it begins, what ends it, and when it is tried again."""

import random

import pytest

from chatapp.peer.core.registry.link import STABLE_AFTER, LinkState, RegistryLink
from chatapp.wire.codec import decode_request, encode
from chatapp.wire.errors import SealError
from chatapp.wire.framing import FrameReader, GroupHeader, pack_group, pack_relayed
from chatapp.wire.limits import LINK_FIRST_FRAME_TIMEOUT, LINK_KEEPALIVE_SPAN, LINK_STALL_TIMEOUT
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.sealing import LinkCipher
from chatapp.wire.session import LinkBegun
from tests.peer.core.cast import Someone

ALICE, BOB = Someone("alice"), Someone("bob")
RELAYED = pack_relayed(1, pack_group(GroupHeader(b"t" * 8, 1, 2, 3)) + bytes(16))


class Wire:
    """Alice's end, the time, and a registry that answers when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.end = RegistryLink(random.Random(1))
        self.alice = ALICE.session_with(BOB).sessions
        self.bob = BOB.session_with(ALICE).sessions
        self.answer = b""
        self.cipher: LinkCipher

    def open(self) -> None:
        self.end.open(self._open_link, now=self.now)

    def _open_link(self, payload: bytes, *, now: float) -> tuple[bytes, LinkBegun]:
        return self.alice.open_link(BOB.id, payload, now=now)

    def connect(self) -> None:
        """TCP stands, and what we asked for is granted, though the answer has not come."""
        self.end.connected(now=self.now)
        reader = FrameReader()
        reader.feed(b"".join(self.end.bytes_to_send()))
        first = reader.next_frame()
        assert first is not None
        _, payload, self.cipher, self.answer = self.bob.take_link(first, now=self.now)
        assert decode_request(payload) == Attach()

    def bring_up(self) -> None:
        self.open()
        assert self.end.wants_connection()
        self.connect()
        assert self.end.opened(self.answer, now=self.now) == b""

    def hears(self, notice: object) -> bytes | None:
        return self.end.opened(self.cipher.seal(encode(notice)), now=self.now)

    def said(self) -> list[object]:
        reader = FrameReader()
        reader.feed(b"".join(self.end.bytes_to_send()))
        frames = []
        while (frame := reader.next_frame()) is not None:
            frames.append(frame)
        return [decode_request(self.cipher.open(frame)) for frame in frames]

    def waits(self) -> float:
        """Seconds until the next attempt is wanted."""
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
    good = wire.cipher.seal(encode(Pong(1, 1)))
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
    """Where TCP is swallowed, each takes its whole time before it fails."""
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


class TestALinkThatStandsStill:
    @pytest.fixture
    def wire(self) -> Wire:
        """A link that has carried frames for long; we have just asked for something."""
        wire = Wire()
        wire.bring_up()
        wire.now += 100.0
        wire.hears(Pong(1, 1))
        wire.end.send(Attach(), now=wire.now)
        return wire

    def test_it_is_asked_for_an_answer_and_closed_ten_seconds_after_the_first_word(self, wire: Wire) -> None:
        began = wire.now
        assert wire.end.next_timer() == began + 2.5
        assert not wire.end.is_keepalive_due(began + 2.4)
        assert wire.end.is_keepalive_due(began + 2.5)
        wire.end.send(Ping(0), now=began + 2.5)
        assert not wire.end.is_keepalive_due(began + 3.0)
        assert wire.end.next_timer() == began + LINK_STALL_TIMEOUT
        assert not wire.end.handle_timer(now=began + LINK_STALL_TIMEOUT - 0.1)
        assert wire.end.handle_timer(now=began + LINK_STALL_TIMEOUT)
        assert wire.end.stalled_since == began

    @pytest.mark.parametrize("frame", ["ours", "relayed"])
    def test_any_frame_shows_that_it_does_not(self, wire: Wire, frame: str) -> None:
        wire.now += 5.0
        if frame == "relayed":
            wire.end.opened(RELAYED, now=wire.now)
        else:
            wire.hears(Pong(0, 1))
        assert not wire.end.handle_timer(now=wire.now + 6.0)
        assert not wire.end.is_keepalive_due(wire.now + 6.0)

    def test_it_is_kept_while_nobody_reads_it(self, wire: Wire) -> None:
        wire.end.read_from(is_read=False, now=wire.now)
        assert not wire.end.handle_timer(now=wire.now + 20.0)
        assert wire.end.next_timer() == wire.now + LINK_KEEPALIVE_SPAN
        wire.end.read_from(is_read=True, now=wire.now + 20.0)
        assert not wire.end.handle_timer(now=wire.now + 20.0)
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


def test_each_connection_has_a_cipher_of_its_own() -> None:
    wire = Wire()
    wire.bring_up()
    before = wire.cipher
    wire.now += STABLE_AFTER
    wire.end.drop()
    wire.bring_up()
    with pytest.raises(SealError):
        wire.end.opened(before.seal(encode(Pong(1, 1))), now=wire.now)
