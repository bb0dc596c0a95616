"""Leaving: an announced departure makes a person away rather than lost."""

from chatapp.registry.rules.effects import LinkEndReason
from chatapp.wire.address import Address
from chatapp.wire.messages.registration import Leave, Left, Ping
from chatapp.wire.messages.table import Presence
from tests.registry.linked_peer import LinkedPeer, rows_of
from tests.registry.rig import Rig, row_of

ELSEWHERE = Address("10.99.0.1", 9_999)


def test_leaving_is_answered_as_often_as_it_is_said(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    assert bob.leave(1) == [Left(1)]
    assert not row_of(rig, bob).online
    assert bob.leave(1) == [Left(1)]


def test_leaving_ends_the_link_too(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.leave()
    assert rig.closed[bob.link or 0] == LinkEndReason.LEFT
    assert not row_of(rig, bob).online
    rig.close_link(bob.link or 0)
    assert not row_of(rig, bob).online


def test_leaving_over_the_link_is_answered_before_it_ends(rig: Rig) -> None:
    bob = rig.member("bob")
    assert bob.ask(Leave(3)) == [Left(3)]
    assert rig.closed[bob.link or 0] == LinkEndReason.LEFT
    assert not row_of(rig, bob).online


def test_a_forged_leave_is_ignored(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    leave = bob.seal(Leave(1))
    for position in range(len(leave)):
        forged = bytearray(leave)
        forged[position] ^= 1
        rig.receive(bytes(forged), ELSEWHERE)
    assert row_of(rig, bob).online
    assert not rig.take(ELSEWHERE)


def test_a_replayed_leave_is_ignored(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    leave = bob.seal(Leave(1))
    rig.receive(leave, bob.address)
    bob.register()
    bob.heard()
    rig.receive(leave, bob.address)
    assert row_of(rig, bob).online
    assert not bob.heard()


def test_a_late_leave_does_not_undo_what_came_after(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    late = bob.seal(Leave(1))
    bob.ping()
    rig.receive(late, bob.address)
    assert bob.heard() == [Left(1)]
    assert row_of(rig, bob).online


def test_a_late_ping_does_not_bring_back_who_has_left(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    late = bob.seal(Ping(1))
    bob.leave()
    rig.receive(late, bob.address)
    assert not row_of(rig, bob).online


def test_a_leave_of_the_program_before_does_not_undo_the_new_one(rig: Rig) -> None:
    bob = rig.peer("bob")
    bob.register()
    late = bob.seal(Leave(1))
    bob.renew()
    bob.register()
    rig.receive(late, bob.address)
    assert row_of(rig, bob).online


class TestLeftOrLost:
    """Clause 3.2: whoever said so before they went is AWAY, all others are LOST."""

    def presence(self, rig: Rig, who: LinkedPeer) -> Presence:
        return row_of(rig, who).presence

    def test_a_leave_is_away_also_when_its_link_ends_after_it(self, rig: Rig) -> None:
        bob = rig.member("bob")
        bob.leave()
        assert self.presence(rig, bob) is Presence.AWAY
        rig.core.link_closed(bob.link or 0, now=rig.now)
        rig.advance(60.0)
        assert self.presence(rig, bob) is Presence.AWAY

    def test_a_broken_link_and_an_ended_lease_are_lost(self, rig: Rig) -> None:
        bob, eve = rig.member("bob"), rig.peer("eve")
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
