"""Links before and after authentication: deadlines, throttling, garbage."""

import random

import pytest

from chatapp.registry.edge.links import QUEUED_MAX
from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.effects import DropReason, LinkEndReason, LinkRenewed
from chatapp.wire.codec import Kind, encode
from chatapp.wire.limits import (
    LINK_FIRST_FRAME_TIMEOUT,
    RENEWAL_COST,
    REQUESTS_BURST,
    REQUESTS_PER_SECOND,
    TABLE_PAGE_MAX,
)
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.messages.table import FetchTable
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import back


def newcomer(rig: Rig, name: str = "ann") -> LinkedPeer:
    peer = rig.peer(name)
    peer.register()
    return peer


class TestProving:
    def test_an_attach_opens_a_link(self, rig: Rig) -> None:
        ann = newcomer(rig)
        assert len(ann.attach()) == 2
        assert ann.link in rig.widened
        assert ann.link not in rig.closed

    def test_a_first_frame_that_opens_nothing_ends_it_without_a_word(self, rig: Rig) -> None:
        ann = newcomer(rig)
        for first in (
            b"\x07" + bytes(40),
            b"\x06" + bytes(136),
            b"\x06",
            b"\x08" + bytes(60),
            ann.seal(Ping(1)),
        ):
            link = ann.connect()
            ann.send_raw(first)
            assert rig.closed[link] == LinkEndReason.NO_SESSION
            assert rig.frames[link] == []
        assert not rig.widened

    def test_a_first_frame_other_than_attach_ends_it(self, rig: Rig) -> None:
        ann = newcomer(rig)
        for said in (encode(Ping(1)), b"\xc1", encode([127]), b""):
            ann.connect()
            ann.send_raw(ann.first_frame(said))
            assert ann.link in rig.closed
            assert rig.frames[ann.link or 0] == []

    def test_every_flipped_bit_of_the_first_frame_ends_it(self, rig: Rig) -> None:
        ann = newcomer(rig)
        first = ann.first_frame()
        for bit in range(0, 8 * len(first), 3):
            link = ann.connect()
            flipped = bytearray(first)
            flipped[bit // 8] ^= 1 << bit % 8
            ann.send_raw(bytes(flipped))
            assert link in rig.closed

    def test_a_replayed_link_is_of_no_use(self, rig: Rig) -> None:
        """Clause 5.2: each opening has a higher number."""
        ann = newcomer(rig)
        ann.connect()
        first = ann.first_frame()
        ann.send_raw(first)
        assert ann.link not in rig.closed
        ann.connect()
        ann.send_raw(first)
        assert ann.link in rig.closed

    def test_a_second_attach_is_dropped(self, rig: Rig, bob: LinkedPeer) -> None:
        assert bob.ask(Attach()) == []
        assert rig.core.dropped[DropReason.MISPLACED_ATTACH] == 1


class TestDeadlines:
    def test_a_silent_connection_ends(self, rig: Rig) -> None:
        link = rig.open_link("10.0.0.9")
        rig.advance(LINK_FIRST_FRAME_TIMEOUT - 0.1)
        assert link not in rig.closed
        rig.advance(0.2)
        assert rig.closed[link] == LinkEndReason.FIRST_FRAME_LATE

    def test_early_timers_are_harmless(self, rig: Rig, bob: LinkedPeer) -> None:
        for _ in range(5):
            rig.core.handle_timer(now=rig.now)
        assert bob.link not in rig.closed

    def test_a_late_timer_ends_what_had_to_be_proved(self, rig: Rig) -> None:
        link = rig.open_link("10.0.0.9")
        rig.now += 10_000.0
        for _ in range(3):
            rig.core.handle_timer(now=rig.now)
            rig.turn()
        assert rig.closed[link] == LinkEndReason.FIRST_FRAME_LATE
        assert rig.core.next_timer() > rig.now


class TestPace:
    def test_who_asks_too_much_is_read_more_slowly_and_nothing_is_dropped(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        count = int(REQUESTS_BURST) - 1  # the Attach was one
        bob.send_raw(*(bob.session.seal(encode(Ping(1))) for _ in range(count)))
        assert bob.link not in rig.paused
        bob.send_raw(*(bob.session.seal(encode(Ping(1))) for _ in range(int(REQUESTS_PER_SECOND))))
        assert bob.link in rig.paused
        assert len(bob.notices()) == count + REQUESTS_PER_SECOND
        rig.advance(0.99)
        assert bob.link in rig.paused
        rig.advance(0.02)
        assert bob.link not in rig.paused

    @pytest.mark.parametrize(("text", "lines"), [("hi", 500), ("x" * 60_000, 39)])
    def test_a_line_counts_as_many_requests(
        self, rig: Rig, bob: LinkedPeer, text: str, lines: int
    ) -> None:
        rig.advance(5.0)
        for number in range(lines - 5):
            bob.send_raw(bob.line(text, number))
        assert bob.link not in rig.paused
        for number in range(lines - 5, lines + 5):
            bob.send_raw(bob.line(text, number))
        assert bob.link in rig.paused
        assert rig.core.engine.hub.channel.group.position, "nothing is dropped"

    def test_long_answers_count_as_many_requests(self, rig: Rig, bob: LinkedPeer) -> None:
        for number in range(200):
            rig.peer(f"user{number}", host=f"10.1.1.{number}").register()
        rig.advance(5.0)
        answered = 0
        while bob.link not in rig.paused:
            answered += sum(len(encode(page)) for page in bob.ask(FetchTable(0)))
        assert 5_000_000 < answered < 15_000_000

    def test_all_links_of_one_network_count_together(self, rig: Rig, ann: LinkedPeer) -> None:
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(6)]
        back(rig, *pending)
        for peer in pending[:5]:
            peer.send(*[Ping(1)] * int(REQUESTS_BURST - 10))
        assert rig.paused == {pending[4].link}
        ann.send(Ping(1))
        assert ann.link not in rig.paused

    def test_a_link_that_is_released_and_charged_in_one_turn_is_paused(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        edge, link = rig.core.edge, bob.link or 0
        edge.hold(link)
        rig.turn()
        edge.release(link)
        edge.links.throttle.note(link, "10.0.0.2", 2 * int(REQUESTS_BURST), now=rig.now)
        rig.turn()
        assert rig.paused == {link}
        rig.advance(600.0)
        assert not rig.paused

    def test_a_link_that_is_held_and_released_in_one_turn_is_read(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        edge, link = rig.core.edge, bob.link or 0
        edge.hold(link)
        edge.release(link)
        rig.turn()
        assert not rig.paused

    def test_a_link_whose_pause_ends_in_the_turn_in_which_it_is_held_is_paused(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        throttle, link = rig.core.edge.links.throttle, bob.link or 0
        throttle.note(link, "10.0.0.2", 2 * int(REQUESTS_BURST), now=rig.now)
        rig.turn()
        throttle.handle_timer(now=rig.now + 600.0)
        throttle.hold(link)
        rig.turn()
        assert rig.paused == {link}
        throttle.release(link)
        rig.turn()
        assert not rig.paused

    def test_a_paused_link_that_ends_is_not_resumed(self, rig: Rig, bob: LinkedPeer) -> None:
        bob.send_raw(*(bob.session.seal(encode(Ping(1))) for _ in range(int(REQUESTS_BURST) + 100)))
        bob.drop_link()
        rig.turn()
        rig.core.handle_timer(now=rig.now + 5.0)
        assert rig.core.take_output().links_to_resume == []

    def test_who_asks_for_more_than_it_can_read_is_cut(self, rig: Rig, bob: LinkedPeer) -> None:
        for number in range(300):
            rig.peer(f"user{number}").register()
        rig.advance(LINK_AWAITED_FOR)
        bob.send_raw(*(bob.session.seal(encode(FetchTable(0))) for _ in range(500)))
        assert rig.closed[bob.link or 0] == LinkEndReason.OUTPUT_UNREAD
        assert QUEUED_MAX >= 4 * TABLE_PAGE_MAX
        assert bob.id not in rig.core.engine.hub.directory.online()

    def test_the_network_of_one_that_was_cut_pays_for_it(self, rig: Rig, bob: LinkedPeer) -> None:
        for number in range(300):
            rig.peer(f"user{number}").register()
        rig.advance(LINK_AWAITED_FOR)
        for _ in range(100):
            bob.send_raw(*(bob.session.seal(encode(FetchTable(0))) for _ in range(100)))
            bob.register()
            bob.attach()
        assert bob.link in rig.paused


class TestRenewal:
    def test_a_peer_renews_the_keys_of_its_link(self, rig: Rig, bob: LinkedPeer) -> None:
        rig.events.clear()
        for _ in range(3):
            bob.renew_link()
            assert [type(notice) for notice in bob.ask(Ping(1))] == [Pong]
        assert not rig.core.dropped
        assert [type(event) for event in rig.events] == [LinkRenewed] * 3

    def test_frames_sent_meanwhile_open(self, rig: Rig, bob: LinkedPeer) -> None:
        bob.send_raw(bob.session.renew(), bob.session.seal(encode(Ping(1))))
        assert bob.link is not None
        answer = rig.frames[bob.link].pop(0)
        bob.send_raw(bob.session.renewal_came(answer), bob.session.seal(encode(Ping(2))))
        heard = bob.notices()
        assert [notice.reference for notice in heard if isinstance(notice, Pong)] == [1, 2]

    def test_one_that_does_not_begin_one_goes_on(self, rig: Rig, bob: LinkedPeer) -> None:
        rig.advance(1_000.0)
        assert bob.ask(Ping(1))

    @pytest.mark.parametrize("message", [b"", b"x", bytes(48)])
    def test_a_frame_of_no_renewal_ends_the_link(
        self, rig: Rig, bob: LinkedPeer, message: bytes
    ) -> None:
        bob.send_raw(bob.session.seal(message, bytes((Kind.RENEWAL,))))
        assert rig.closed[bob.link or 0] == LinkEndReason.SEAL_BROKEN
        assert len(rig.core.edge.sessions.table.ciphers) == 0

    def test_it_counts_as_many_requests(self, rig: Rig, bob: LinkedPeer) -> None:
        rig.advance(5.0)
        renewals = 0
        while bob.link not in rig.paused:
            bob.renew_link()
            renewals += 1
        assert renewals == REQUESTS_BURST // (2 * RENEWAL_COST) + 1

    def test_the_keys_of_a_link_that_is_over_are_erased_in_the_middle_of_one(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        ciphers = rig.core.edge.sessions.table.ciphers
        bob.send_raw(bob.session.renew(), bob.session.seal(encode(Ping(1))))
        assert len(ciphers) == 2
        bob.drop_link()
        assert len(ciphers) == 0


class TestGarbage:
    def test_garbage_on_an_open_link_ends_it(self, rig: Rig, bob: LinkedPeer) -> None:
        bob.send_raw(b"\x07garbage")
        assert rig.closed[bob.link or 0] == LinkEndReason.SEAL_BROKEN
        assert bob.id not in rig.core.engine.hub.directory.online()

    def test_an_unknown_request_is_dropped_and_the_link_goes_on(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        bob.send_raw(
            *(bob.session.seal(body) for body in (b"", b"\xc1", encode([127, 1]), b"\x91" * 900))
        )
        assert rig.core.dropped[DropReason.MALFORMED_FRAME] == 4
        assert bob.ask(Ping(1))

    def test_frames_behind_the_one_that_ended_it_are_not_served(
        self, rig: Rig, bob: LinkedPeer
    ) -> None:
        good = bob.session.seal(encode(Ping(1)))
        bob.send_raw(b"\x07garbage", good)
        assert bob.notices() == []

    def test_no_garbage_raises_or_is_answered(self, rig: Rig, bob: LinkedPeer) -> None:
        chance = random.Random(3)
        for _ in range(400):
            link = rig.open_link("10.0.0.9")
            sizes = [chance.choice((0, 1, 2, 17, 30, 400)) for _ in range(3)]
            frames = [
                bytes((chance.randrange(12),))[:size] + chance.randbytes(size) for size in sizes
            ]
            if chance.random() < 0.5:
                frames[0] = b"\x06" + bob.id + chance.randbytes(110)
            rig.core.receive_frames(link, frames, now=rig.now)
            rig.turn()
            assert link in rig.closed
            assert not rig.frames[link]
        rig.core.receive_frames(99_999, [b"x"], now=rig.now)
        rig.core.link_closed(99_999, now=rig.now)
        assert bob.ask(Ping(1)), "nobody else noticed"
