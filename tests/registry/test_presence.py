"""This file is about presence: what begins it, what keeps it, what ends it."""

from tests.registry.rig import Rig, row_of
from wire.address import Address
from wire.codec import encode, join_frames
from wire.messages.presence import Ping, Pong

ELSEWHERE = Address("10.99.0.1", 9_999)


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
