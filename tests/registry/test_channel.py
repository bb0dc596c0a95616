"""This file is about lines of the channel: relayed to all others as they came, and stored as they came."""

from registry.store.entries import GroupLine as StoredLine
from tests.registry.hand import Hand
from tests.registry.rig import Rig
from tests.registry.roomtalk import page
from wire.header import GroupHeader, unpack_group
from wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed
from wire.messages.group import CHANNEL, GroupAccepted, GroupRefused


class TestSpeaking:
    def test_a_line_goes_to_all_others_as_it_came(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        eve = rig.member("eve")
        line = ann.line("hello")
        ann.send_raw(line)
        ((position, at_bob),) = bob.relayed()
        assert at_bob == line
        assert eve.relayed() == [(position, line)]
        assert ann.relayed() == []
        assert ann.notices() == [GroupAccepted(CHANNEL, 1, 0, position)]

    def test_all_links_get_one_bytes_object(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.member("eve")
        rig.turn()
        ann.send()
        core = rig.core
        core.receive_frames(ann.link or 0, [ann.line("a"), ann.line("b")], now=rig.now)
        writes = core.link_writes()
        assert len(writes) == 2
        (_, first), (_, second) = writes
        assert len(first) == 1, "all frames of the turn are one piece"
        assert first[0] is second[0]

    def test_accepted_is_said_when_it_is_on_the_disk(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.auto_commit = False
        ann.send_raw(ann.line("hello"))
        assert len(bob.relayed()) == 1, "relaying does not wait"
        assert ann.notices() == []
        rig.commit()
        assert isinstance(ann.notices()[0], GroupAccepted)

    def test_a_full_disk_refuses_what_was_relayed(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.store.full = True
        ann.send_raw(ann.line("hello"))
        assert ann.notices() == [GroupRefused(CHANNEL, 1, 0, disk_full=True)]
        rig.store.full = False
        ann.send_raw(ann.line("again"))
        assert len(page(bob, CHANNEL).lines) == 1

    def test_nobody_speaks_under_another_ones_station(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        ann.station = bob.station
        ann.send_raw(ann.line("I am bob"))
        ann.station = 0
        ann.send_raw(ann.line("I am the registry"))
        assert bob.relayed() == []
        assert rig.core.dropped["foreign group frame"] == 2

    def test_another_groups_tag_and_short_frames_are_dropped(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        line = bytearray(ann.line("x"))
        line[1] ^= 1
        ann.send_raw(bytes(line), b"\x08", b"\x08" + bytes(30))
        assert bob.relayed() == []
        assert ann.link not in rig.closed

    def test_a_group_frame_before_the_attach_ends_the_link(self, rig: Rig, ann: Hand) -> None:
        line = ann.line("x")
        ann.greet()
        ann.send_raw(line)
        assert ann.link in rig.closed


class TestRelaying:
    """Rung 2: sealed datagrams over both links."""

    def test_a_datagram_is_passed_on(self, ann: Hand, bob: Hand) -> None:
        assert ann.ask(RelayDatagram(bob.id, b"sealed for bob")) == []
        assert bob.notices() == [DatagramRelayed(ann.id, b"sealed for bob")]

    def test_without_a_link_it_fails(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        bob.drop_link()
        assert ann.ask(RelayDatagram(bob.id, b"sealed")) == [RelayFailed(bob.id)]
        assert ann.ask(RelayDatagram(b"?" * 32, b"sealed")) == [RelayFailed(b"?" * 32)]

    def test_what_is_no_datagram_is_not_passed_on(self, ann: Hand, bob: Hand) -> None:
        assert ann.ask(RelayDatagram(bob.id, bytes(1_201))) == [RelayFailed(bob.id)]
        assert bob.notices() == []


def test_lines_are_stored_as_they_came(rig: Rig, ann: Hand) -> None:
    line = ann.line("hello")
    ann.send_raw(line)
    stored = list(rig.store._image.groups[CHANNEL].lines.values())
    assert [entry.frame for entry in stored if isinstance(entry, StoredLine)] == [line]
    assert isinstance(unpack_group(line), GroupHeader)
