"""Presence: what begins, extends and ends it."""

import pytest

from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.wire.address import Address
from chatapp.wire.limits import DATAGRAM_FRAMES_MAX, ROW_CHANGES_BURST, SILENCE_REPORTS_BURST
from chatapp.wire.messages.direct import ReportSilence
from chatapp.wire.messages.registration import AskLease, LeaseNamed, Ping, Pong, Probe
from chatapp.wire.messages.table import FetchTable, Presence
from tests.registry.rig import Rig, row_of

ELSEWHERE = Address("10.99.0.1", 9_999)


def test_a_lease_without_signs_of_life_ends(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    rig.advance(29.0)
    assert row_of(rig, bob).online
    rig.advance(2.0)
    assert not row_of(rig, bob).online


def test_pings_keep_the_lease_and_tell_the_version(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    for _ in range(5):
        rig.advance(20.0)
        assert bob.ping(9) == [Pong(9, rig.core.engine.hub.directory.version)]
    assert row_of(rig, bob).online


class TestAnOpenLink:
    def test_a_frame_is_a_sign_of_life(self, rig: Rig) -> None:
        bob = rig.member("bob")
        for _ in range(4):
            rig.advance(29.0)
            bob.send(FetchTable(0))
        assert row_of(rig, bob).online
        assert bob.link not in rig.closed

    def test_a_slow_one_has_a_longer_lease_while_it_lasts(self, rig: Rig) -> None:
        """Clause 5.4."""
        bob = rig.member("bob")
        assert bob.ask(AskLease(is_slow=True)) == [LeaseNamed(seconds=300)]
        assert row_of(rig, bob).presence is Presence.SLOW
        bob.is_frozen = True
        rig.advance(299.0)
        assert row_of(rig, bob).online
        rig.advance(2.0)
        assert row_of(rig, bob).presence is Presence.LOST
        bob.is_frozen = False
        bob.register()
        bob.attach()
        assert row_of(rig, bob).presence is Presence.ONLINE
        bob.ask(AskLease(is_slow=True))
        assert bob.ask(AskLease(is_slow=False)) == [LeaseNamed(seconds=30)]
        assert row_of(rig, bob).presence is Presence.ONLINE

    def test_one_that_replaces_a_slow_one_has_the_usual_lease(self, rig: Rig) -> None:
        """Clause 5.4: the longer one holds until the link ends."""
        bob = rig.member("bob")
        bob.send(AskLease(is_slow=True))
        bob.attach()
        assert row_of(rig, bob).presence is Presence.ONLINE
        bob.is_frozen = True
        rig.advance(31.0)
        assert row_of(rig, bob).presence is Presence.LOST

    def test_a_slow_one_that_answers_no_probe_is_lost_as_any(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.send(AskLease(is_slow=True))
        bob.is_frozen = True
        ann.send(ReportSilence(bob.id))
        rig.advance(3.5)
        assert row_of(rig, bob).presence is Presence.LOST

    def test_asking_again_and_again_costs_others_few_rows(self, rig: Rig) -> None:
        bob = rig.member("bob")
        rig.advance(1.0)
        rows = rig.core.engine.hub.directory.version
        for turn in range(100):
            bob.send(AskLease(is_slow=turn % 2 == 0))
            rig.advance(0.15)
        assert rig.core.engine.hub.directory.version <= rows + ROW_CHANGES_BURST + 4

    def test_alone_it_is_none(self, rig: Rig) -> None:
        """The link of a program that hangs, or of a machine that is gone, stays open for
        minutes."""
        bob = rig.member("bob")
        bob.is_frozen = True
        rig.advance(29.9)
        assert row_of(rig, bob).online
        rig.advance(0.2)
        assert row_of(rig, bob).presence is Presence.LOST
        assert rig.closed[bob.link or 0] == LinkEndReason.SILENT

    def test_pings_by_udp_keep_it(self, rig: Rig) -> None:
        bob = rig.member("bob")
        bob.is_frozen = True
        for _ in range(4):
            rig.advance(29.0)
            assert bob.ping()
        assert row_of(rig, bob).online
        assert bob.link not in rig.closed

    def test_a_repeated_datagram_keeps_nothing(self, rig: Rig) -> None:
        bob = rig.member("bob")
        bob.is_frozen = True
        ping = bob.seal(Ping(1))
        rig.receive(ping, bob.address)
        rig.advance(20.0)
        rig.receive(ping, bob.address)
        rig.advance(11.0)
        assert not row_of(rig, bob).online

    def test_a_registry_that_was_stopped_reads_before_it_judges(self, rig: Rig) -> None:
        """The registry's timer comes late: signs of life of people who are online still wait in its
        sockets."""
        bob, ann = rig.member("bob"), rig.member("ann")
        rig.now += 60.0
        rig.core.handle_timer(now=rig.now)
        rig.turn()
        bob.send(Ping(1))
        ann.is_frozen = True
        rig.advance(3.0)
        assert (row_of(rig, bob).online, row_of(rig, ann).online) == (True, False)


class TestReports:
    """Clause 5.4: "A member that cannot reach a peer which is online reports it"."""

    def test_who_does_not_answer_is_away_within_three_and_a_half_seconds(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.is_frozen = True
        bob.take_all()
        ann.send(ReportSilence(bob.id))
        rig.advance(3.5)
        assert row_of(rig, bob).presence is Presence.LOST
        assert rig.closed[bob.link or 0] == LinkEndReason.SILENT
        assert bob.heard() == [Probe()] * 5
        assert bob.notices() == [Probe()] * 5

    @pytest.mark.parametrize("way", ["link", "udp"])
    def test_people_who_answer_by_either_way_stay_online(self, rig: Rig, way: str) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.is_frozen = True
        for _ in range(100):
            ann.send(ReportSilence(bob.id))
            rig.advance(0.4)
            if way == "link" and Probe() in bob.notices():
                bob.send(Ping(0))
            elif way == "udp" and Probe() in bob.heard():
                bob.ping()
        assert row_of(rig, bob).online

    def test_who_shows_a_sign_of_life_by_itself_is_not_asked(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.take_all()
        ann.send(ReportSilence(bob.id))
        rig.advance(0.4)
        bob.send(Ping(1))
        rig.advance(5.0)
        assert Probe() not in bob.notices()
        assert Probe() not in bob.heard()

    def test_however_many_report_one_is_asked_once_in_half_a_second(self, rig: Rig) -> None:
        bob, reporters = rig.member("bob"), [rig.member(f"user{number}") for number in range(5)]
        bob.is_frozen = True
        bob.take_all()
        asked = 0
        for _ in range(50):
            for one in reporters:
                one.send(ReportSilence(bob.id))
            rig.advance(0.1)
            probes = [notice for notice in bob.notices() if notice == Probe()]
            asked += len(probes)
            if probes:
                bob.send(Ping(0))
        assert 1 < asked <= 10

    def test_a_reporter_has_a_bucket(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        for _ in range(int(SILENCE_REPORTS_BURST) + 5):
            ann.send(ReportSilence(bob.id))
        assert rig.core.dropped[DropReason.SILENCE_REPORT_RATE] == 5

    def test_a_report_about_somebody_away_or_unknown_does_nothing(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.leave()
        ann.send(ReportSilence(bob.id), ReportSilence(b"?" * 32))
        rig.take(bob.address)
        rig.advance(5.0)
        assert row_of(rig, bob).presence is Presence.AWAY
        assert rig.take(bob.address) == []

    def test_who_comes_back_while_asked_is_here(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.is_frozen = True
        ann.send(ReportSilence(bob.id))
        rig.advance(2.0)
        bob.register()
        rig.advance(5.0)
        assert row_of(rig, bob).online


def test_a_closed_link_is_absence_at_once_and_a_ping_brings_back(rig: Rig) -> None:
    bob = rig.member("bob")
    assert row_of(rig, bob).sender_index == bob.sender_index > 0
    rig.advance(1.0)
    bob.drop_link()
    row = row_of(rig, bob)
    assert (row.online, row.sender_index) == (False, bob.sender_index)
    assert bob.ping()
    assert row_of(rig, bob).online


def test_since_is_the_time_of_the_last_change(rig: Rig) -> None:
    bob = rig.member("bob")
    rig.advance(50.0)
    bob.drop_link()
    assert row_of(rig, bob).since == int(rig.now + rig.wall_offset)


def test_an_opened_datagram_moves_its_sender(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    rig.receive(bob.seal(Ping(1)), ELSEWHERE)
    rig.advance(LINK_AWAITED_FOR)
    row = row_of(rig, bob)
    assert (row.host, row.port) == ELSEWHERE
    assert len(rig.take(ELSEWHERE)) == 1


def test_an_old_datagram_moves_nobody_and_is_not_answered_there(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    held_back = bob.seal(Ping(1))
    bob.ping()
    rig.receive(held_back, ELSEWHERE)
    rig.advance(LINK_AWAITED_FOR)
    assert (row_of(rig, bob).host, row_of(rig, bob).port) == bob.address
    assert not rig.take(ELSEWHERE)


def test_one_datagram_has_one_answer(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    rig.receive(bob.seal(*[Ping(1)] * DATAGRAM_FRAMES_MAX), bob.address)
    assert len(bob.heard()) == 1


def test_a_newer_link_replaces_the_older(rig: Rig) -> None:
    bob = rig.member("bob")
    old, sender_index = bob.link or 0, bob.sender_index
    bob.attach()
    assert rig.closed == {old: LinkEndReason.REPLACED}
    assert bob.sender_index > sender_index
    rig.close_link(old)
    row = row_of(rig, bob)
    assert (row.online, row.sender_index) == (True, bob.sender_index)


def test_of_who_has_not_come_back_to_a_new_life_no_place_is_said(rig: Rig) -> None:
    """Clause 3.2: "empty and 0 when it has seen none since it started"."""
    bob = rig.member("bob")
    assert row_of(rig, bob).is_placed
    rig.restart()
    row = row_of(rig, bob)
    assert (row.presence, row.host, row.port) == (Presence.AWAY, "", 0)
    bob.renew()
    bob.register()
    rig.advance(LINK_AWAITED_FOR)
    assert row_of(rig, bob).is_placed
    bob.leave()
    row = row_of(rig, bob)
    assert (row.presence, row.is_placed) == (Presence.AWAY, True)
