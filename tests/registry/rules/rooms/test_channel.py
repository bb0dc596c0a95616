"""Channel lines: relayed to all other members and stored, byte for byte."""

from chatapp.registry.rules.effects import DropReason
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.store.entries import GroupLineKept as StoredLine
from chatapp.wire.codec import GroupHeader, unpack_group
from chatapp.wire.limits import (
    DATAGRAM_MAX,
    LINK_QUEUE_MAX,
    RELAYS_BURST,
    RELAYS_PER_NETWORK_BURST,
    RELAYS_PER_SECOND,
)
from chatapp.wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed
from chatapp.wire.messages.registration import Leave, Ping, Pong
from chatapp.wire.messages.rooms import (
    CHANNEL,
    GroupAccepted,
    GroupGranted,
    GroupRefusal,
    GroupRefused,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import back, page


class TestSpeaking:
    def test_a_line_goes_to_all_others_as_it_came(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        line = ann.line("hello")
        ann.send_raw(line)
        ((position, at_bob),) = bob.relayed()
        assert at_bob == line
        assert eve.relayed() == [(position, line)]
        assert ann.relayed() == []
        assert ann.notices() == [GroupAccepted(CHANNEL, ann.epoch, 0, position)]

    def test_all_links_get_one_bytes_object(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.member("eve")
        rig.turn()
        ann.send()
        core = rig.core
        core.receive_frames(ann.link or 0, [ann.line("a"), ann.line("b")], now=rig.now)
        rig.hand_over()
        core.entries_stored(2, now=rig.now)
        first, second = (
            pieces for link, pieces in core.take_output().link_writes if link != ann.link
        )
        assert len(first) == 1, "all frames of the turn are one piece"
        assert first[0] is second[0]

    def test_no_line_is_shown_before_it_is_on_disk(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.auto_commit = False
        ann.send_raw(ann.line("hello"))
        assert bob.relayed() == []
        assert page(bob, CHANNEL).lines == []
        assert ann.notices() == []
        rig.commit()
        assert len(bob.relayed()) == 1
        assert isinstance(ann.notices()[0], GroupAccepted)

    def test_its_author_does_not_get_it_by_a_newer_link(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.auto_commit = False
        ann.send_raw(ann.line("hello"))
        ann.attach()
        rig.commit()
        assert ann.relayed() == []
        assert len(bob.relayed()) == 1

    def test_a_line_refused_by_a_full_disk_is_shown_to_nobody(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.store.full = True
        ann.send_raw(ann.line("hello"))
        assert ann.notices() == [GroupRefused(CHANNEL, ann.epoch, 0, GroupRefusal.DISK_FULL)]
        assert bob.relayed() == []
        rig.store.full = False
        ann.send_raw(ann.line("again"))
        assert len(page(bob, CHANNEL).lines) == 1

    def test_after_a_failed_sync_its_author_is_told_the_reason(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.store.sync_fails = True
        ann.send_raw(ann.line("hello"))
        assert ann.notices() == [GroupRefused(CHANNEL, ann.epoch, 0, GroupRefusal.DISK_FAILED)]
        assert bob.relayed() == []

    def test_nobody_speaks_under_another_ones_station(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        ann.sender_index = bob.sender_index
        ann.send_raw(ann.line("I am bob"))
        ann.sender_index = 0
        ann.send_raw(ann.line("I am the registry"))
        assert bob.relayed() == []
        assert rig.core.dropped[DropReason.FOREIGN_GROUP_FRAME] == 2

    def test_another_groups_tag_and_short_frames_are_dropped(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        line = bytearray(ann.line("x"))
        line[1] ^= 1
        ann.send_raw(bytes(line), b"\x08", b"\x08" + bytes(30))
        assert bob.relayed() == []
        assert ann.link not in rig.closed

    def test_a_group_frame_before_the_attach_ends_the_link(self, rig: Rig, ann: LinkedPeer) -> None:
        line = ann.line("x")
        ann.connect()
        ann.send_raw(line)
        assert ann.link in rig.closed


class TestManyOnline:
    """Clause 8.4: "the channel takes 5 lines at once and then one a second"."""

    @staticmethod
    def crowd(count: int, *, up_to: int, host: str | None = None) -> tuple[Rig, list[LinkedPeer]]:
        rig = Rig(policy=RegistryPolicy(channel_free_up_to=up_to))
        peers = [rig.peer(f"p{number}", host=host) for number in range(count)]
        for peer in peers:
            peer.register()
            peer.attach()
        rig.advance(1.0)
        return rig, peers

    @staticmethod
    def taken(*peers: LinkedPeer) -> list[bool]:
        """Have each say a line; return whether it was taken."""
        taken = []
        for peer in peers:
            peer.take_grants(peer.notices())
            peer.send_raw(peer.line("hi"))
            (answer,) = peer.notices()
            taken.append(isinstance(answer, GroupAccepted))
            if isinstance(answer, GroupRefused):
                assert answer.reason is GroupRefusal.TOO_MANY_ONLINE
        return taken

    def test_up_to_the_limit_every_line_is_taken(self) -> None:
        _, peers = self.crowd(3, up_to=3)
        assert all(self.taken(*peers * 20))

    def test_above_it_one_a_second_is(self) -> None:
        rig, peers = self.crowd(8, up_to=7)
        assert self.taken(*peers) == [True] * 5 + [False] * 3
        rig.advance(1.0)
        assert self.taken(*peers[6:]) == [True, False]
        assert len(peers[0].relayed()) == 5, "its own is not among the six"
        peers[7].ask(Leave(1))
        assert all(self.taken(*peers[:7] * 3)), "few are online again"

    def test_one_person_gets_a_fifth_and_one_network_half(self) -> None:
        rig, (eve, *others) = self.crowd(8, up_to=7)
        said = 0
        for _ in range(52):
            said += sum(self.taken(eve))
            rig.advance(0.2)
        assert said == 3, "one at once, and one every 5 s"
        assert all(self.taken(*others[:4])), "whoever floods takes nothing from others"
        rig, peers = self.crowd(8, up_to=7, host="10.0.0.9")
        assert self.taken(*peers) == [True] * 2 + [False] * 6

    def test_rooms_are_not_slowed_down(self) -> None:
        _, peers = self.crowd(3, up_to=2)
        peers[0].enter("tea")
        for _ in range(20):
            peers[0].say("hi")
        answers = peers[0].notices()
        assert [type(one) for one in answers if not isinstance(one, GroupGranted)][-20:] == [
            GroupAccepted
        ] * 20


class TestRelaying:
    """Rung 2: sealed datagrams over both links."""

    def test_a_datagram_is_passed_on(self, ann: LinkedPeer, bob: LinkedPeer) -> None:
        assert ann.ask(RelayDatagram(bob.id, b"sealed for bob")) == []
        assert bob.notices() == [DatagramRelayed(ann.id, b"sealed for bob")]

    def test_without_a_link_it_fails(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        bob.drop_link()
        assert ann.ask(RelayDatagram(bob.id, b"sealed")) == [RelayFailed(bob.id)]
        assert ann.ask(RelayDatagram(b"?" * 32, b"sealed")) == [RelayFailed(b"?" * 32)]

    def test_a_flooder_loses_what_is_too_much_and_the_others_nothing(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        eve.send(*[RelayDatagram(bob.id, b"flood")] * 2_000)
        rig.advance(0.5)
        eve.send(*[RelayDatagram(bob.id, b"flood")] * 2_000)
        came = [one.sender for one in bob.notices() if isinstance(one, DatagramRelayed)]
        assert came == [eve.id] * int(RELAYS_BURST + RELAYS_PER_SECOND / 2)
        ann.send(*[RelayDatagram(bob.id, b"talk")] * 60)
        assert len(bob.notices()) == 60
        eve.send(RelayDatagram(ann.id, b"another"))
        assert len(ann.notices()) == 1, "each recipient counts alone"
        bob.send(*[RelayDatagram(eve.id, b"ack")] * 400, *[RelayDatagram(ann.id, b"talk")] * 60)
        assert len(ann.notices()) == 60, (
            "what a victim answers uses up nothing of what they have for others"
        )

    def test_many_flooders_of_one_network_count_together(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(6)]
        back(rig, *pending)
        for peer in pending:
            peer.send(*[RelayDatagram(bob.id, b"flood")] * 400)
        assert len(bob.notices()) == RELAYS_PER_NETWORK_BURST
        ann.send(RelayDatagram(bob.id, b"talk"))
        assert len(bob.notices()) == 1

    def test_nothing_is_added_for_a_slow_reader(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        assert bob.link is not None
        rig.core.link_backlog(bob.link, LINK_QUEUE_MAX // 2 + 1)
        ann.send(RelayDatagram(bob.id, b"talk"))
        assert bob.notices() == []
        assert rig.core.dropped[DropReason.RECIPIENT_LINK_BUSY] == 1
        assert bob.ask(Ping(1))[0] == Pong(1, rig.core.engine.hub.directory.version)
        rig.core.link_backlog(bob.link, 0)
        ann.send(RelayDatagram(bob.id, b"talk"))
        assert len(bob.notices()) == 1

    def test_no_turn_brings_more_than_a_queue_holds(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        ann.send(*[RelayDatagram(bob.id, bytes(DATAGRAM_MAX))] * 400)
        size = sum(len(one.datagram) for one in bob.notices() if isinstance(one, DatagramRelayed))
        assert LINK_QUEUE_MAX - 4_000 <= size <= LINK_QUEUE_MAX
        assert bob.link not in rig.closed

    def test_an_invalid_datagram_is_not_relayed(self, ann: LinkedPeer, bob: LinkedPeer) -> None:
        assert ann.ask(RelayDatagram(bob.id, bytes(DATAGRAM_MAX + 1))) == [RelayFailed(bob.id)]
        assert bob.notices() == []


def test_lines_are_stored_as_they_came(rig: Rig, ann: LinkedPeer) -> None:
    line = ann.line("hello")
    ann.send_raw(line)
    stored = list(rig.store._state.groups[CHANNEL].lines.values())
    assert [entry.frame for entry in stored if isinstance(entry, StoredLine)] == [line]
    assert isinstance(unpack_group(line), GroupHeader)
