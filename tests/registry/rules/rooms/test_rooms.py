"""Rooms at the registry: created by entering, left for good or for a while, kept over restarts."""

import pytest

from chatapp.registry.rules.effects import DropReason
from chatapp.registry.store.entries import GroupGone
from chatapp.wire.limits import GROUP_KEPT_FOR
from chatapp.wire.messages.rooms import (
    EnterRooms,
    FetchGroup,
    GroupGranted,
    LeaveRoom,
    RoomChanged,
    RoomEntered,
    RoomLeft,
    RoomMember,
    RoomRefusal,
    RoomRefused,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import AWAY, GONE, HERE, NEWS, back, entered, page, texts


class TestEntering:
    def test_a_room_is_made_by_entering_it(self, rig: Rig, ann: LinkedPeer) -> None:
        notices = ann.ask(EnterRooms(5, ["Lobby"]))
        answer, granted = notices
        assert isinstance(answer, RoomEntered)
        assert (answer.reference, answer.group, answer.members, answer.missed) == (
            5,
            "#Lobby",
            [],
            0,
        )
        assert isinstance(granted, GroupGranted)
        assert (granted.group, granted.sender_index, granted.position) == (
            "#Lobby",
            ann.sender_index,
            answer.since,
        )

    def test_its_name_is_compared_by_its_key_and_shown_as_its_maker_wrote_it(
        self, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "Lobby")
        answer = entered(bob, "lOBBY")
        assert answer.group == "#Lobby"
        assert answer.members == [RoomMember(ann.id, HERE)]

    @pytest.mark.parametrize("name", ["", "two words", "#lobby", "a/b", "server", "x\n"])
    def test_an_invalid_name_is_not_a_room(self, ann: LinkedPeer, name: str) -> None:
        assert ann.ask(EnterRooms(1, [name])) == [RoomRefused(1, name, RoomRefusal.BAD_NAME)]

    def test_others_hear_of_it_and_the_newcomer_does_not(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(NEWS)
        assert ann.changes() == {bob.id: HERE}
        assert bob.changes() == {}

    def test_once_more_is_answered_again_and_announced_to_nobody(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        first = entered(bob, "tea")
        rig.advance(2.0)
        ann.notices()
        again = entered(bob, "Tea")
        assert again == first
        rig.advance(2.0)
        assert ann.notices() == []

    def test_another_room_leaves_the_first_as_it_is(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """Members, keys and lines are those of each room."""
        entered(ann, "tea")
        entered(bob, "tea")
        entered(bob, "coffee")
        rig.advance(2.0)
        assert ann.changes() == {bob.id: HERE}
        said = bob.say("to both?", "#tea")
        assert [frame for _, frame in ann.relayed()] == [said]
        bob.say("to nobody", "#coffee")
        assert ann.relayed() == []
        assert ann.ask(FetchGroup("#coffee", 0)) == []
        assert rig.core.dropped[DropReason.PAGE_FOR_NON_MEMBER] == 1
        bob.ask(LeaveRoom(1, "coffee"))
        rig.advance(2.0)
        assert ann.changes() == {}
        assert bob.id in {member.identity for member in entered(ann, "tea").members}

    def test_one_request_returns_to_all_rooms(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """Each is answered by itself, a name that is none among them, and a room that is new waits
        for the disk behind them."""
        for room in ("tea", "coffee"):
            entered(ann, room)
            entered(bob, room)
        bob.drop_link()
        ann.say("one", "#tea")
        ann.say("two", "#coffee")
        ann.say("six", "#coffee")
        back(rig, bob)
        answers = [
            one
            for one in bob.ask(EnterRooms(7, ["tea", "a b", "COFFEE", "new"], is_return=True))
            if isinstance(one, RoomEntered | RoomRefused)
        ]
        assert RoomRefused(7, "a b", RoomRefusal.BAD_NAME) in answers
        told = [(one.group, one.missed) for one in answers if isinstance(one, RoomEntered)]
        assert told == [("#tea", 1), ("#coffee", 2), ("#new", 0)]
        assert {one.reference for one in answers} == {7}

    def test_who_came_together_is_told_together(self, rig: Rig, ann: LinkedPeer) -> None:
        entered(ann, "tea")
        pending = [rig.member(f"user{number}") for number in range(5)]
        rig.advance(2.0)
        ann.notices()
        for peer in pending:
            entered(peer, "tea")
        rig.advance(NEWS)
        (changed,) = [notice for notice in ann.notices() if isinstance(notice, RoomChanged)]
        assert [member.identity for member in changed.members] == [peer.id for peer in pending]
        assert set(pending[2].changes()) == {peer.id for peer in pending[3:]}, (
            "those who came later"
        )

    def test_it_is_said_when_it_is_on_the_disk(self, rig: Rig, ann: LinkedPeer) -> None:
        rig.auto_commit = False
        assert ann.ask(EnterRooms(1, ["tea"])) == []
        rig.commit()
        assert isinstance(ann.notices()[0], RoomEntered)

    def test_what_is_asked_meanwhile_waits_its_turn(self, rig: Rig, ann: LinkedPeer) -> None:
        rig.auto_commit = False
        assert (
            ann.ask(
                EnterRooms(1, ["tea"]),
                EnterRooms(2, ["coffee"]),
                LeaveRoom(3, "coffee"),
                EnterRooms(4, ["milk"]),
            )
            == []
        )
        rig.commit()
        answers = [
            notice for notice in ann.notices() if not isinstance(notice, GroupGranted | RoomChanged)
        ]
        assert [answer.reference for answer in answers] == [1, 2, 3, 4]  # type: ignore[union-attr]
        assert isinstance(answers[2], RoomLeft)
        rig.restart()
        members = rig.store.load().members
        assert {(kept.identity, kept.group) for kept in members} == {
            (ann.id, "#tea"),
            (ann.id, "#milk"),
        }

    def test_a_full_disk_lets_nobody_in_and_those_back_who_were(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        rig.store.full = True
        assert bob.enter("tea") == RoomRefused(0, "tea", RoomRefusal.NOT_SERVING)
        assert bob.enter("coffee") == RoomRefused(0, "coffee", RoomRefusal.NOT_SERVING)
        assert len(rig.core.engine.hub.rooms.index) == 1
        ann.drop_link()
        ann.attach()
        entered(ann, "tea")
        rig.store.full = False
        assert entered(bob, "tea").members == [RoomMember(ann.id, HERE)]


class TestLeaving:
    def test_out_for_good(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        assert bob.ask(LeaveRoom(9, "tea"))[-1] == RoomLeft(9)
        rig.advance(2.0)
        assert ann.changes() == {bob.id: GONE}
        line = ann.say("alone")
        assert bob.relayed() == []
        assert line not in rig.frames[bob.link or 0]

    def test_out_of_no_room(self, ann: LinkedPeer) -> None:
        assert ann.ask(LeaveRoom(4, "tea")) == [RoomLeft(4)]

    def test_who_left_gets_no_later_key(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.changes()
        bob.ask(LeaveRoom(1, "tea"))
        rig.advance(2.0)
        before = ann.room_key
        ann.changes()
        assert before is not None
        assert ann.room_key is not None
        assert ann.room_key.epoch > before.epoch
        assert bob.notices() == []

    def test_a_full_disk_keeps_nobody_in_and_confirms_nothing(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.store.full = True
        assert RoomLeft(1) not in ann.ask(LeaveRoom(1, "tea"))
        bob.say("one")
        assert ann.relayed() == []


class TestAway:
    @pytest.mark.parametrize("way", ["link", "leave"])
    def test_who_loses_the_link_or_goes_offline_is_away_and_stays_a_member(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, way: str
    ) -> None:
        entered(ann, "tea")
        first = entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        if way == "link":
            bob.drop_link()
        else:
            bob.leave()
        rig.advance(NEWS)
        assert ann.changes() == {bob.id: AWAY}
        ann.say("one")
        ann.say("two")
        back(rig, bob)
        assert bob.relayed() == []
        answer = entered(bob, "tea")
        assert (answer.since, answer.missed) == (first.since, 2)
        assert answer.members == [RoomMember(ann.id, HERE)]
        rig.advance(NEWS)
        assert ann.changes() == {bob.id: HERE}
        assert texts(page(bob, "#tea", first.since)) == ["one", "two"]

    def test_a_newer_link_is_not_in_the_room_before_it_says_so(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.attach()
        ann.say("where are you")
        assert bob.relayed() == []
        assert ann.changes() == {bob.id: AWAY}
        assert entered(bob, "tea").missed == 1

    def test_a_newer_link_that_announces_itself_changes_nothing(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.attach()
        entered(bob, "tea")
        rig.advance(2.0)
        assert ann.changes() == {}

    def test_who_came_in_between_hears_of_a_return_that_the_others_need_not(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.attach()
        assert RoomMember(bob.id, AWAY) in entered(eve, "tea").members
        entered(bob, "tea")
        rig.advance(2.0)
        assert eve.changes() == {bob.id: HERE}

    def test_a_member_who_asks_again_in_between_hears_of_a_return(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """The list sent to a member who is in the room already counts like that of an arrival."""
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(1.0)
        ann.changes()
        bob.register()
        bob.attach()
        assert [member.presence for member in entered(ann, "tea").members] == [AWAY]
        entered(bob, "tea")
        rig.advance(1.0)
        assert ann.changes() == {bob.id: HERE}

    def test_after_seven_days_away_is_gone(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.drop_link()
        rig.advance(GROUP_KEPT_FOR - 120.0)
        back(rig, ann)  # its link went silent
        entered(ann, "tea")
        ann.notices()
        rig.advance(180.0)
        assert ann.changes()[bob.id] is GONE
        rig.restart()
        assert [member.identity for member in rig.store.load().members] == [ann.id]

    def test_a_line_of_an_absent_member_is_refused(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.attach()
        bob.say("I am on another link")
        assert ann.relayed() == []
        assert rig.core.dropped[DropReason.GROUP_FRAME_FROM_NON_MEMBER] == 1


def test_room_requests_of_a_former_link_are_dropped(rig: Rig, ann: LinkedPeer) -> None:
    rig.auto_commit = False
    ann.send(EnterRooms(1, ["tea"]))
    ann.drop_link()
    rig.commit()
    rig.auto_commit = True
    ann.attach()
    assert entered(ann, "tea").members == []
    assert [entry.identity for entry in rig.store.load().members] == [ann.id]
    assert GroupGone("#tea") not in rig.handed
