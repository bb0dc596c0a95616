"""This file is about presence: leases, links, leaving, and news of it to everybody."""

import pytest

from registry.policy import Policy
from tests.registry.hand import Hand, Rig, rows_of
from wire.address import Address
from wire.codec import decode_notice, encode, join_frames
from wire.messages.presence import Leave, Left, Ping, Pong
from wire.messages.table import FetchTable, Presence, Row, TablePage

ELSEWHERE = Address("10.99.0.1", 9_999)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def row_of(rig: Rig, hand: Hand) -> Row:
    page = decode_notice(bytes(rig.core._service.directory.page(0)))
    assert isinstance(page, TablePage)
    return next(row for row in rows_of(page.rows) if row.card.identity == hand.id)  # type: ignore[arg-type]


def test_a_lease_without_signs_of_life_ends(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    rig.advance(29.0)
    assert row_of(rig, bob).online
    rig.advance(2.0)
    assert not row_of(rig, bob).online


def test_pings_keep_the_lease_and_tell_the_version(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    for _ in range(5):
        rig.advance(20.0)
        assert bob.ping(9) == [Pong(9, rig.core._service.directory.version)]
    assert row_of(rig, bob).online


def test_a_link_is_presence_enough(rig: Rig) -> None:
    bob = rig.member("bob")
    rig.advance(100.0)
    assert row_of(rig, bob).online


def test_a_closed_link_is_absence_at_once_and_a_ping_brings_back(rig: Rig) -> None:
    bob = rig.member("bob")
    assert row_of(rig, bob).station == bob.station > 0
    rig.advance(1.0)
    bob.drop_link()
    row = row_of(rig, bob)
    assert (row.online, row.station) == (False, 0)
    assert bob.ping()
    assert row_of(rig, bob).online


def test_since_is_the_time_of_the_last_change(rig: Rig) -> None:
    bob = rig.member("bob")
    rig.advance(50.0)
    bob.drop_link()
    assert row_of(rig, bob).since == int(rig.now + rig.wall_offset)


def test_leaving_is_answered_as_often_as_it_is_said(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    assert bob.leave(1) == [Left(1)]
    assert not row_of(rig, bob).online
    assert bob.leave(1) == [Left(1)]


def test_leaving_ends_the_link_too(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.leave()
    assert rig.closed[bob.link or 0] == "left"
    assert not row_of(rig, bob).online
    rig.close_link(bob.link or 0)
    assert not row_of(rig, bob).online


def test_leaving_over_the_link_is_answered_before_it_ends(rig: Rig) -> None:
    bob = rig.member("bob")
    assert bob.ask(Leave(3)) == [Left(3)]
    assert rig.closed[bob.link or 0] == "left"
    assert not row_of(rig, bob).online


def test_a_forged_leave_is_ignored(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    leave = bob.seal(Leave(1))
    for position in range(len(leave)):
        forged = bytearray(leave)
        forged[position] ^= 1
        rig.receive(bytes(forged), ELSEWHERE)
    assert row_of(rig, bob).online
    assert not rig.take(ELSEWHERE)


def test_a_replayed_leave_is_ignored(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    leave = bob.seal(Leave(1))
    rig.receive(leave, bob.address)
    bob.register()
    bob.heard()
    rig.receive(leave, bob.address)
    assert row_of(rig, bob).online
    assert not bob.heard()


def test_a_late_leave_does_not_undo_what_came_after(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    late = bob.seal(Leave(1))
    bob.ping()
    rig.receive(late, bob.address)
    assert bob.heard() == [Left(1)]
    assert row_of(rig, bob).online


def test_a_late_ping_does_not_bring_back_who_has_left(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    late = bob.seal(Ping(1))
    bob.leave()
    rig.receive(late, bob.address)
    assert not row_of(rig, bob).online


def test_a_leave_of_the_program_before_does_not_undo_the_new_one(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    late = bob.seal(Leave(1))
    bob.renew()
    bob.register()
    rig.receive(late, bob.address)
    assert row_of(rig, bob).online


def test_an_opened_datagram_moves_its_sender(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    rig.receive(bob.seal(Ping(1)), ELSEWHERE)
    row = row_of(rig, bob)
    assert (row.host, row.port) == ELSEWHERE
    assert len(rig.take(ELSEWHERE)) == 1


def test_an_old_datagram_moves_nobody_and_is_not_answered_there(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    held_back = bob.seal(Ping(1))
    bob.ping()
    rig.receive(held_back, ELSEWHERE)
    assert (row_of(rig, bob).host, row_of(rig, bob).port) == bob.address
    assert not rig.take(ELSEWHERE)


def test_one_datagram_has_one_answer(rig: Rig) -> None:
    bob = rig.hand("bob")
    bob.register()
    assert bob.session is not None
    rig.receive(bob.session.seal(join_frames([encode(Ping(1))] * 300)), bob.address)
    assert len(bob.heard()) == 1


def test_a_newer_link_replaces_the_older(rig: Rig) -> None:
    bob = rig.member("bob")
    old, station = bob.link or 0, bob.station
    bob.attach()
    assert rig.closed == {old: "replaced by a newer link"}
    assert bob.station > station
    rig.close_link(old)
    row = row_of(rig, bob)
    assert (row.online, row.station) == (True, bob.station)


class TestNews:
    def test_a_change_is_told_to_everybody_online_once_and_signed(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.batches()
        version = rig.core._service.directory.version
        bob.drop_link()
        rig.advance(0.004)
        assert ann.batches() == []
        rig.advance(0.02)
        (batch,) = ann.batches()
        assert batch.since == version
        (row,) = rows_of(batch.rows)  # type: ignore[arg-type]
        assert (row.card.name, row.online, row.version) == ("bob", False, batch.version)

    def test_the_last_version_is_told_once_more(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.batches()
        bob.drop_link()
        rig.advance(0.1)
        (batch,) = ann.batches()
        rig.advance(1.0)
        (again,) = ann.batches()
        assert (again.since, again.version, again.rows) == (batch.version, batch.version, [])
        rig.advance(10.0)
        assert ann.batches() == []

    def test_batches_are_a_chain_without_gaps(self, rig: Rig) -> None:
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        reached = rig.core._service.directory.version
        seen: dict[str, Row] = {}
        for number in range(12):
            rig.member(f"user{number}")
            if number % 3 == 0:
                rig.advance(0.07)
        rig.advance(1.0)
        for batch in ann.batches():
            assert batch.since == reached
            reached = batch.version
            seen |= {row.card.name: row for row in rows_of(batch.rows)}  # type: ignore[arg-type]
        assert reached == rig.core._service.directory.version
        assert len(seen) == 12
        assert all(row.online and row.station for row in seen.values())

    def test_a_storm_is_told_by_its_version_alone_and_fetched(self, rig: Rig) -> None:
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        before = rig.core._service.directory.version
        for number in range(60):
            rig.hand(f"user{number}").register()
        rig.advance(1.0)
        batches = ann.batches()
        assert {(batch.since == batch.version, len(batch.rows)) for batch in batches} == {(True, 0)}
        assert len(batches) <= 3
        names: set[str] = set()
        more = True
        while more:
            (page,) = ann.ask(FetchTable(before))
            assert isinstance(page, TablePage)
            names |= {row.card.name for row in rows_of(page.rows)}  # type: ignore[arg-type]
            before, more = page.version, page.more
        assert len(names) == 60

    def test_a_long_storm_is_told_now_and_then(self) -> None:
        rig = Rig(policy=Policy(broadcast_datagrams=1))
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        told = 0
        for turn in range(20):
            for number in range(8):
                rig.hand(f"user{turn}x{number}").register()
            rig.advance(0.1)
            told += len(ann.batches())
        assert 2 <= told <= 4

    def test_those_away_are_not_told(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.drop_link()
        ann.batches()
        bob.drop_link()
        rig.advance(1.0)
        assert ann.batches() == []


class TestLeftOrLost:
    """Clause 3.2: whoever said so before they went is AWAY, all others are LOST."""

    def presence(self, rig: Rig, who: Hand) -> Presence:
        return row_of(rig, who).presence

    def test_a_leave_is_away_also_when_its_link_ends_after_it(self, rig: Rig) -> None:
        bob = rig.member("bob")
        bob.leave()
        assert self.presence(rig, bob) is Presence.AWAY
        rig.core.link_closed(bob.link or 0, now=rig.now)
        rig.advance(60.0)
        assert self.presence(rig, bob) is Presence.AWAY

    def test_a_broken_link_and_an_ended_lease_are_lost(self, rig: Rig) -> None:
        bob, eve = rig.member("bob"), rig.hand("eve")
        eve.register()
        bob.drop_link()
        assert self.presence(rig, bob) is Presence.LOST
        assert self.presence(rig, eve) is Presence.ONLINE
        rig.advance(31.0)
        assert self.presence(rig, eve) is Presence.LOST

    def test_who_was_lost_and_says_goodbye_is_away_since_they_were_lost(self, rig: Rig) -> None:
        bob = rig.member("bob")
        bob.drop_link()
        since = row_of(rig, bob).since
        rig.advance(20.0)
        bob.leave()
        row = row_of(rig, bob)
        assert (row.presence, row.since) == (Presence.AWAY, since)

    def test_a_newer_link_is_neither(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(2.0)
        ann.batches()
        bob.attach()
        rig.advance(2.0)
        seen = [row for batch in ann.batches() for row in rows_of(list(batch.rows))]
        assert seen
        assert {row.presence for row in seen} == {Presence.ONLINE}

    def test_nobody_was_lost_in_an_earlier_life(self, rig: Rig) -> None:
        bob = rig.member("bob")
        bob.drop_link()
        rig.restart()
        assert self.presence(rig, bob) is Presence.AWAY


def test_of_who_has_not_come_back_to_a_new_life_no_place_is_said(rig: Rig) -> None:
    """Clause 3.2: "empty and 0 when it has seen none in this life of its own"."""
    bob = rig.member("bob")
    assert row_of(rig, bob).is_placed
    rig.restart()
    row = row_of(rig, bob)
    assert (row.presence, row.host, row.port) == (Presence.AWAY, "", 0)
    bob.renew()
    bob.register()
    assert row_of(rig, bob).is_placed
    bob.leave()
    row = row_of(rig, bob)
    assert (row.presence, row.is_placed) == (Presence.AWAY, True)
