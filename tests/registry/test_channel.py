"""This file is about the channel at the registry: relayed as it came, kept for those away, keys renewed."""

import pytest

from registry.store.entries import GroupLine as StoredLine
from tests.registry.hand import Hand, Rig
from wire.header import GroupHeader, unpack_group
from wire.limits import GROUP_KEPT_FOR
from wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed
from wire.messages.group import (
    CHANNEL,
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupPage,
    GroupRefused,
)
from wire.sealing import GroupKey


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def ann(rig: Rig) -> Hand:
    return rig.member("ann")


@pytest.fixture
def bob(rig: Rig) -> Hand:
    return rig.member("bob")


def page(reader: Hand, since: int = 0) -> GroupPage:
    answer = reader.ask(FetchGroup(CHANNEL, since))[-1]
    assert isinstance(answer, GroupPage)
    return answer


def texts(answer: GroupPage) -> list[bytes]:
    """The lines, opened with the keys that came along."""
    keys = {one.epoch: GroupKey(CHANNEL, epoch=one.epoch, key=one.key) for one in answer.keys}
    return [keys[unpack_group(line.frame).epoch].open_stored(line.frame) for line in answer.lines]


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
        assert len(page(bob).lines) == 1

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


class TestKeys:
    def test_everybody_gets_the_key_with_a_station_of_their_own(self, rig: Rig) -> None:
        ann = rig.hand("ann")
        ann.register()
        granted = ann.attach()[0]
        assert isinstance(granted, GroupGranted)
        bob = rig.member("bob")
        assert bob.key is not None
        assert bob.key.key == granted.key
        assert bob.station > granted.station > 0

    def test_a_new_name_brings_a_new_key_once_a_minute(self, rig: Rig, ann: Hand) -> None:
        rig.member("eve")
        assert ann.notices() == []
        rig.advance(61.0)
        (granted,) = ann.notices()
        assert isinstance(granted, GroupGranted)
        assert (granted.epoch, granted.station) == (2, ann.station)
        rig.member("bob")
        rig.advance(30.0)
        assert ann.notices() == []
        rig.advance(31.0)
        assert [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)] == [3]
        rig.advance(20.0)
        assert ann.notices() == [], "nobody new, no new key"

    def test_the_key_before_serves_for_a_minute(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.advance(61.0)
        ann.send_raw(ann.line("under the key before"))
        assert len(bob.relayed()) == 1
        ann.notices()
        rig.advance(60.0)
        ann.send_raw(ann.line("too late"))
        assert bob.relayed() == []
        assert ann.notices() == [GroupRefused(CHANNEL, 1, 1, disk_full=False)]

    def test_a_key_serves_when_it_is_on_the_disk(self, rig: Rig, ann: Hand) -> None:
        rig.auto_commit = False
        rig.advance(61.0)
        assert ann.notices() == []
        rig.commit()
        assert isinstance(ann.notices()[0], GroupGranted)

    def test_epochs_rise_over_restarts_and_keys_differ(self, rig: Rig, ann: Hand) -> None:
        seen = {}
        for epoch in (1, 2, 3):
            assert ann.key is not None
            assert ann.key.epoch == epoch
            seen[ann.key.key] = epoch
            rig.restart()
            ann.register()
            ann.attach()
        assert len(seen) == 3

    def test_stations_of_two_lives_differ(self, rig: Rig, ann: Hand) -> None:
        before = ann.station
        rig.restart()
        ann.register()
        ann.attach()
        assert ann.station > before

    def test_stations_of_two_short_lives_differ(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        """Who still has a row of the first must not take a line of the second for its owner's."""
        before = max(ann.station, bob.station)
        rig.restart(downtime=0.1)
        ann.register()
        ann.attach()
        assert ann.station > before


class TestPast:
    def test_who_was_away_gets_what_others_said(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        start = rig.core._service.channel.group.position
        bob.drop_link()
        for number in range(3):
            ann.send_raw(ann.line(f"line {number}"))
        bob.attach()
        answer = page(bob, start)
        assert [line.position for line in answer.lines] == [start + 1, start + 2, start + 3]
        assert {line.sender for line in answer.lines} == {ann.id}
        assert b"line 2" in texts(answer)[2]
        assert page(ann, start).lines == [], "one's own lines are not among them"

    def test_lines_under_keys_of_earlier_epochs_and_lives_come_with_their_keys(
        self, rig: Rig, ann: Hand, bob: Hand
    ) -> None:
        ann.send_raw(ann.line("first"))
        rig.advance(61.0)
        ann.take_grants(ann.notices())
        ann.send_raw(ann.line("second"))
        rig.restart(crash=True)
        ann.register()
        ann.attach()
        ann.send_raw(ann.line("third"))
        bob.register()
        bob.attach()
        answer = page(bob)
        assert [key.epoch for key in answer.keys] == [1, 2, 3]
        for text, opened in zip((b"first", b"second", b"third"), texts(answer), strict=True):
            assert text in opened

    def test_a_position_is_never_given_twice(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        """A line that was relayed and lost in a crash: its place must not become another line's."""
        rig.auto_commit = False
        ann.send_raw(ann.line("lost"))
        ((lost, _),) = bob.relayed()
        rig.auto_commit = True
        rig.restart(crash=True)
        ann.register()
        ann.attach()
        ann.send_raw(ann.line("kept"))
        accepted = ann.notices()[-1]
        assert isinstance(accepted, GroupAccepted)
        assert accepted.position > lost
        bob.register()
        bob.attach()
        assert len(page(bob, lost).lines) == 1

    def test_newcomers_do_not_get_what_was_said_before_they_came(self, rig: Rig, ann: Hand) -> None:
        ann.send_raw(ann.line("before"))
        eve = rig.member("eve")
        ann.send_raw(ann.line("after"))
        assert [b"after" in text for text in texts(page(eve))] == [True]
        rig.restart()
        eve.register()
        eve.attach()
        assert len(page(eve).lines) == 1

    def test_a_page_ends_and_the_next_goes_on(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        for _ in range(5):
            ann.send_raw(ann.line("x" * 20_000))
        bob.relayed()
        first = page(bob)
        assert (len(first.lines), first.more) == (2, True)
        second = page(bob, first.position)
        third = page(bob, second.position)
        assert (len(second.lines), len(third.lines), third.more) == (2, 1, False)

    def test_lines_that_the_disk_lost_are_left_out(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        for text in ("one", "two"):
            ann.send_raw(ann.line(text))
        lines = rig.store._image.groups[CHANNEL].lines
        lines.pop(next(iter(lines)))
        answer = page(bob)
        assert len(answer.lines) == 1
        assert answer.position == rig.core._service.channel.group.position

    def test_old_lines_go(self, rig: Rig, ann: Hand) -> None:
        bob = rig.hand("bob")
        bob.register()
        ann.send_raw(ann.line("old"))
        rig.now += GROUP_KEPT_FOR
        rig.advance(61.0)
        bob.register()
        bob.attach()
        assert page(bob).lines == []
        rig.restart()
        stored = rig.store.load().groups[CHANNEL]
        assert not stored.lines

    def test_another_group_is_not_there(self, rig: Rig, ann: Hand) -> None:
        assert ann.ask(FetchGroup("#room", 0)) == []


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


def test_positions_rise_over_lives_though_the_clock_is_set_back_and_nothing_was_said(rig: Rig) -> None:
    """Clause 8.4. Members keep the place that they heard of; a line below it would never be shown to them."""
    before = rig.core._service.channel.group.position
    rig.wall_offset -= 3_600
    rig.restart()
    assert rig.core._service.channel.group.position > before
