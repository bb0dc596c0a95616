"""This file is about rooms at the registry: made by entering, left for good or only for a while, never read by strangers."""

import pytest

from registry.policy import Policy
from registry.store.entries import GroupGone
from tests.registry.hand import Hand, Rig
from wire import limits
from wire.header import unpack_group
from wire.limits import GROUP_KEPT_FOR
from wire.messages.group import FetchGroup, GroupAccepted, GroupGranted, GroupPage, GroupRefused
from wire.messages.room import (
    EnterRoom,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomInfo,
    RoomLeft,
    RoomMember,
    RoomPresence,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
)
from wire.sealing import GroupKey

HERE, AWAY, GONE = RoomPresence.HERE, RoomPresence.AWAY, RoomPresence.GONE
NEWS = Policy().room_news_span


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def ann(rig: Rig) -> Hand:
    return rig.member("ann")


@pytest.fixture
def bob(rig: Rig) -> Hand:
    return rig.member("bob")


def entered(hand: Hand, room: str) -> RoomEntered:
    answer = hand.enter(room)
    assert isinstance(answer, RoomEntered)
    return answer


def page(reader: Hand, group: str, since: int = 0) -> GroupPage:
    answer = reader.ask(FetchGroup(group, since))[-1]
    assert isinstance(answer, GroupPage)
    return answer


def texts(answer: GroupPage) -> list[bytes]:
    """The lines, opened with the keys that came along."""
    keys = {one.epoch: GroupKey(answer.group, epoch=one.epoch, key=one.key) for one in answer.keys}
    return [keys[unpack_group(line.frame).epoch].open_stored(line.frame)[-4:] for line in answer.lines]


def back(rig: Rig, *hands: Hand) -> None:
    """Everybody on a new link, as after a restart."""
    for hand in hands:
        hand.register()
        hand.attach()


class TestEntering:
    def test_a_room_is_made_by_entering_it(self, rig: Rig, ann: Hand) -> None:
        notices = ann.ask(EnterRoom(5, "Lobby"))
        answer, granted = notices
        assert isinstance(answer, RoomEntered)
        assert (answer.reference, answer.group, answer.members, answer.missed) == (5, "#Lobby", [], 0)
        assert isinstance(granted, GroupGranted)
        assert (granted.group, granted.station, granted.position) == ("#Lobby", ann.station, answer.since)

    def test_its_name_is_compared_by_its_key_and_shown_as_its_maker_wrote_it(
        self, ann: Hand, bob: Hand
    ) -> None:
        entered(ann, "Lobby")
        answer = entered(bob, "lOBBY")
        assert answer.group == "#Lobby"
        assert answer.members == [RoomMember(ann.id, HERE)]

    @pytest.mark.parametrize("name", ["", "two words", "#lobby", "a/b", "server", "x\n"])
    def test_what_is_no_name_is_no_room(self, ann: Hand, name: str) -> None:
        assert ann.ask(EnterRoom(1, name)) == [RoomRefused(1, RoomRefusal.BAD_NAME)]

    def test_others_hear_of_it_and_the_newcomer_does_not(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(NEWS)
        assert ann.changes() == {bob.id: HERE}
        assert bob.changes() == {}

    def test_once_more_is_answered_again_and_announced_to_nobody(
        self, rig: Rig, ann: Hand, bob: Hand
    ) -> None:
        entered(ann, "tea")
        first = entered(bob, "tea")
        rig.advance(2.0)
        ann.notices()
        again = entered(bob, "Tea")
        assert again == first
        rig.advance(2.0)
        assert ann.notices() == []

    def test_another_room_ends_the_first(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        entered(bob, "coffee")
        rig.advance(2.0)
        assert ann.changes() == {bob.id: GONE}
        assert bob.ask(FetchGroup("#tea", 0)) == []
        assert rig.core.dropped["page for a stranger"] == 1

    def test_who_came_together_is_told_together(self, rig: Rig, ann: Hand) -> None:
        entered(ann, "tea")
        crowd = [rig.member(f"user{number}") for number in range(5)]
        rig.advance(2.0)
        ann.notices()
        for hand in crowd:
            entered(hand, "tea")
        rig.advance(NEWS)
        (changed,) = [notice for notice in ann.notices() if isinstance(notice, RoomChanged)]
        assert [member.identity for member in changed.members] == [hand.id for hand in crowd]
        assert set(crowd[2].changes()) == {hand.id for hand in crowd[3:]}, "those who came later"

    def test_it_is_said_when_it_is_on_the_disk(self, rig: Rig, ann: Hand) -> None:
        rig.auto_commit = False
        assert ann.ask(EnterRoom(1, "tea")) == []
        rig.commit()
        assert isinstance(ann.notices()[0], RoomEntered)

    def test_what_is_asked_meanwhile_waits_its_turn(self, rig: Rig, ann: Hand) -> None:
        rig.auto_commit = False
        assert ann.ask(EnterRoom(1, "tea"), EnterRoom(2, "coffee"), LeaveRoom(3), EnterRoom(4, "milk")) == []
        rig.commit()
        answers = [notice for notice in ann.notices() if not isinstance(notice, GroupGranted | RoomChanged)]
        assert [answer.reference for answer in answers] == [1, 2, 3, 4]  # type: ignore[union-attr]
        assert isinstance(answers[2], RoomLeft)
        rig.restart()
        (kept,) = rig.store.load().members
        assert (kept.identity, kept.group) == (ann.id, "#milk")

    def test_a_full_disk_lets_nobody_in_and_those_back_who_were(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        rig.store.full = True
        assert bob.enter("tea") == RoomRefused(0, RoomRefusal.NOT_SERVING)
        assert bob.enter("coffee") == RoomRefused(0, RoomRefusal.NOT_SERVING)
        assert len(rig.core._service.rooms.index) == 1
        ann.drop_link()
        ann.attach()
        entered(ann, "tea")
        rig.store.full = False
        assert entered(bob, "tea").members == [RoomMember(ann.id, HERE)]


class TestLeaving:
    def test_out_for_good(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        assert bob.ask(LeaveRoom(9))[-1] == RoomLeft(9)
        rig.advance(2.0)
        assert ann.changes() == {bob.id: GONE}
        line = ann.say("alone")
        assert bob.relayed() == []
        assert line not in rig.frames[bob.link or 0]

    def test_out_of_no_room(self, ann: Hand) -> None:
        assert ann.ask(LeaveRoom(4)) == [RoomLeft(4)]

    def test_who_left_gets_no_later_key(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.changes()
        bob.ask(LeaveRoom(1))
        rig.advance(2.0)
        before = ann.room_key
        ann.changes()
        assert before is not None
        assert ann.room_key is not None
        assert ann.room_key.epoch > before.epoch
        assert bob.notices() == []

    def test_a_full_disk_keeps_nobody_in(self, rig: Rig, ann: Hand) -> None:
        entered(ann, "tea")
        rig.store.full = True
        assert ann.ask(LeaveRoom(1))[-1] == RoomLeft(1)


class TestAway:
    @pytest.mark.parametrize("way", ["link", "leave"])
    def test_who_loses_the_link_or_goes_offline_is_away_and_stays_a_member(
        self, rig: Rig, ann: Hand, bob: Hand, way: str
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
        assert texts(page(bob, "#tea", first.since)) == [b"\xa3one", b"\xa3two"]

    def test_a_newer_link_is_not_in_the_room_before_it_says_so(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.attach()
        ann.say("where are you")
        assert bob.relayed() == []
        assert ann.changes() == {bob.id: AWAY}
        assert entered(bob, "tea").missed == 1

    def test_a_newer_link_that_says_so_at_once_is_no_news(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.changes()
        bob.attach()
        entered(bob, "tea")
        rig.advance(2.0)
        assert ann.changes() == {}

    def test_who_came_in_between_hears_of_a_return_that_the_others_need_not(
        self, rig: Rig, ann: Hand, bob: Hand
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

    def test_after_seven_days_away_is_gone(self, rig: Rig, ann: Hand, bob: Hand) -> None:
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

    def test_a_line_is_refused_to_who_is_away_from_the_room(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.attach()
        bob.say("I am on another link")
        assert ann.relayed() == []
        assert rig.core.dropped["group frame of a stranger"] == 1


class TestSpeaking:
    def test_a_line_goes_to_all_who_are_here_as_it_came(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        eve, joe = rig.member("eve"), rig.member("joe")
        for hand in (ann, bob, eve):
            entered(hand, "tea")
        line = ann.say("hello")
        ((position, at_bob),) = bob.relayed()
        assert at_bob == line
        assert eve.relayed() == [(position, line)]
        assert joe.relayed() == []
        accepted = [notice for notice in ann.notices() if isinstance(notice, GroupAccepted)]
        assert [(one.group, one.position) for one in accepted] == [("#tea", position)]
        assert ann.relayed() == []

    def test_all_links_get_one_bytes_object(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        eve = rig.member("eve")
        for hand in (ann, bob, eve):
            entered(hand, "tea")
        rig.advance(2.0)
        ann.changes()
        assert ann.room_key is not None
        line = ann.room_key.seal(ann.station, b"x")
        rig.core.receive_frames(ann.link or 0, [line], now=rig.now)
        (_, (first,)), (_, (second,)) = rig.core.link_writes()
        assert first is second

    def test_who_is_new_is_known_before_their_first_line(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.say("hello")
        assert ann.changes() == {bob.id: HERE}
        assert len(ann.relayed()) == 1

    def test_strangers_speak_and_read_nothing(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        bob.room_key = ann.room_key
        bob.say("let me in")
        assert ann.relayed() == []
        assert rig.core.dropped["group frame of a stranger"] == 1
        assert bob.ask(FetchGroup("#tea", 0)) == []
        assert rig.core.dropped["page for a stranger"] == 1
        assert bob.ask(FetchGroup("#milk", 0)) == []
        assert rig.core.dropped["unknown group"] == 1

    def test_nothing_from_before_one_came_is_handed_out(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        ann.say("old")
        answer = entered(bob, "tea")
        ann.say("new")
        assert answer.missed == 0
        assert texts(page(bob, "#tea")) == [b"\xa3new"]
        bob.ask(LeaveRoom(1))
        ann.say("mid")
        entered(bob, "tea")
        assert page(bob, "#tea").lines == [], "once gone, one is a newcomer"

    def test_a_full_disk_refuses_a_line(self, rig: Rig, ann: Hand) -> None:
        entered(ann, "tea")
        ann.notices()
        rig.store.full = True
        ann.say("hello")
        (refused,) = [notice for notice in ann.notices() if isinstance(notice, GroupRefused)]
        assert (refused.group, refused.disk_full) == ("#tea", True)


class TestKeys:
    def test_a_newcomer_brings_a_new_key_not_oftener_than_every_second(self, rig: Rig, ann: Hand) -> None:
        entered(ann, "tea")
        first = ann.room_key
        assert first is not None
        for number in range(3):
            entered(rig.member(f"user{number}"), "tea")
        rig.advance(0.9)
        grants = [notice for notice in ann.notices() if isinstance(notice, GroupGranted)]
        assert grants == []
        rig.advance(0.2)
        (granted,) = [notice for notice in ann.notices() if isinstance(notice, GroupGranted)]
        assert (granted.group, granted.epoch) == ("#tea", first.epoch + 1)
        rig.advance(10.0)
        assert [notice for notice in ann.notices() if isinstance(notice, GroupGranted)] == []

    def test_the_key_before_serves_meanwhile(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.say("under the first key")
        assert len(bob.relayed()) == 1

    def test_a_key_on_its_way_to_a_slow_disk_has_no_successor(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.auto_commit = False
        rig.advance(2.0)
        rig.hand_over()
        bob.send(LeaveRoom(1))
        rig.advance(5.0)
        rig.commit()
        granted = [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)]
        rig.advance(2.0)
        rig.commit()
        later = [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)]
        assert (len(granted), len(later)) == (1, 1)


class TestRestart:
    def test_members_lines_and_places_outlive_a_crash(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "Tea")
        first = entered(bob, "tea")
        ann.say("one")
        bob.drop_link()
        ann.say("two")
        rig.restart(crash=True)
        back(rig, ann, bob)
        answer = entered(ann, "tea")
        assert (answer.group, answer.missed) == ("#Tea", 0)
        assert answer.members == [RoomMember(bob.id, AWAY)]
        again = entered(bob, "tea")
        assert (again.since, again.missed) == (first.since, 1)
        assert texts(page(bob, "#Tea", 0)) == [b"\xa3one", b"\xa3two"]
        ann.say("new")
        assert len(bob.relayed()) == 1

    def test_who_did_not_come_back_in_the_life_between_missed_what_was_said_in_it(
        self, rig: Rig, ann: Hand, bob: Hand
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.restart()
        back(rig, ann)
        entered(ann, "tea")
        ann.say("bob?")
        rig.restart()
        back(rig, bob)
        assert entered(bob, "tea").missed == 1

    def test_who_left_is_out_after_a_restart_too(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.ask(LeaveRoom(1))
        rig.restart()
        back(rig, ann, bob)
        assert entered(ann, "tea").members == []
        assert entered(bob, "tea").missed == 0


class TestListing:
    def test_rooms_with_somebody_in_them_by_name(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        eve = rig.member("eve")
        for hand, room in ((ann, "tea"), (bob, "Coffee"), (eve, "tea")):
            entered(hand, room)
        joe = rig.member("joe")
        assert joe.ask(ListRooms(3)) == [RoomsListed(3, [RoomInfo("#Coffee", 1), RoomInfo("#tea", 2)])]
        bob.drop_link()
        assert joe.ask(ListRooms(4)) == [RoomsListed(4, [RoomInfo("#tea", 2)])]

    def test_where_there_are_too_many_the_fullest_are_listed(
        self, rig: Rig, ann: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.roomindex.ROOM_LIST_MAX", 60)
        eve, joe = rig.member("eve"), rig.member("joe")
        for hand, room in ((ann, "a"), (bob, "b"), (eve, "z"), (joe, "z")):
            entered(hand, room)
        (listed,) = [one for one in joe.ask(ListRooms(1)) if isinstance(one, RoomsListed)]
        assert listed.rooms == [RoomInfo("#a", 1), RoomInfo("#b", 1), RoomInfo("#z", 2)]
        monkeypatch.setattr("registry.roomindex.ROOM_LIST_MAX", 40)
        bob.ask(LeaveRoom(1))
        (listed,) = [one for one in joe.ask(ListRooms(1)) if isinstance(one, RoomsListed)]
        assert listed.rooms == [RoomInfo("#a", 1), RoomInfo("#z", 2)]


class TestCaps:
    def test_a_room_that_is_full(
        self, rig: Rig, ann: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.rooms.ROOM_MEMBERS_MAX", 2)
        eve = rig.member("eve")
        entered(ann, "tea")
        rig.auto_commit = False
        bob.send(EnterRoom(1, "tea"))
        assert eve.ask(EnterRoom(2, "tea")) == [RoomRefused(2, RoomRefusal.ROOM_FULL)], "bob is on his way"
        rig.commit()
        rig.auto_commit = True
        entered(ann, "tea")
        bob.ask(LeaveRoom(1))
        entered(eve, "tea")

    def test_all_members_of_a_full_room_fit_one_frame(self) -> None:
        from wire.codec import encode

        members = [RoomMember(bytes(32), HERE)] * limits.ROOM_MEMBERS_MAX
        assert len(encode(RoomEntered(2**32 - 1, "#" + "x" * 32, members, 2**63 - 1, 2**63 - 1))) < 40_000

    def test_rooms_in_all_and_the_deserted_make_way(
        self, rig: Rig, ann: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.roomcaps.ROOMS_MAX", 2)
        eve = rig.member("eve")
        entered(ann, "one")
        entered(bob, "two")
        assert eve.enter("three") == RoomRefused(0, RoomRefusal.TOO_MANY_ROOMS)
        entered(bob, "one")
        entered(eve, "three")
        assert set(rig.store.load().groups) == {"channel", "#one", "#three"}

    def test_rooms_that_one_identity_may_make(
        self, rig: Rig, ann: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(limits.ROOMS_MADE_BURST):
            entered(ann, f"room{number}")
        assert ann.enter("more") == RoomRefused(0, RoomRefusal.TOO_MANY_ROOMS)
        entered(bob, "more")
        entered(ann, "more")
        rig.advance(limits.ROOMS_MADE_SPAN)
        ann.attach()
        entered(ann, "another")

    def test_rooms_that_may_be_made_from_one_address(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        made = 0
        for number in range(limits.ROOMS_MADE_PER_ADDRESS_BURST + 1):
            hand = rig.hand(f"user{number}", host="10.9.9.9")
            hand.register()
            hand.attach()
            made += isinstance(hand.enter(f"room{number}"), RoomEntered)
        assert made == limits.ROOMS_MADE_PER_ADDRESS_BURST

    def test_entering_over_and_over(self, rig: Rig, ann: Hand) -> None:
        answers = [ann.enter("tea") for _ in range(limits.ROOM_ENTRIES_BURST + 1)]
        assert answers[-1] == RoomRefused(0, RoomRefusal.TOO_MANY_ROOMS)
        assert all(isinstance(answer, RoomEntered) for answer in answers[:-1])
        rig.advance(limits.ROOM_ENTRIES_SPAN)
        entered(ann, "tea")

    def test_lines_of_a_room(self, rig: Rig, ann: Hand, bob: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("registry.room.ROOM_LINES_MAX", 10)
        entered(ann, "tea")
        entered(bob, "tea")
        for number in range(30):
            ann.say(f"{number:03}")
        kept = texts(page(bob, "#tea"))
        assert 10 <= len(kept) <= 11
        assert kept[-1] == b"\xa3029"


class TestErasing:
    def test_a_room_goes_with_its_last_member_and_line(self, rig: Rig, ann: Hand) -> None:
        entered(ann, "tea")
        ann.ask(LeaveRoom(1))
        rig.advance(61.0)
        assert list(rig.store.load().groups) == ["channel"]
        assert len(rig.core._service.rooms.index) == 0

    def test_lines_keep_it_for_seven_days(self, rig: Rig, ann: Hand) -> None:
        entered(ann, "Tea")
        ann.say("hello")
        ann.ask(LeaveRoom(1))
        rig.advance(GROUP_KEPT_FOR - 120.0)
        assert "#Tea" in rig.store.load().groups
        rig.advance(200.0)
        assert list(rig.store.load().groups) == ["channel"]

    def test_made_anew_it_is_another(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        before = entered(ann, "tea")
        key = ann.room_key
        ann.ask(LeaveRoom(1))
        rig.advance(61.0)
        answer = entered(bob, "TEA")
        assert (answer.group, answer.since > before.since) == ("#TEA", True)
        assert key is not None
        assert bob.room_key is not None
        assert bob.room_key.epoch > key.epoch

    def test_two_of_one_name_on_the_disk_become_one(self, rig: Rig, ann: Hand) -> None:
        """The disk was full when the first was erased."""
        entered(ann, "tea")
        ann.ask(LeaveRoom(1))
        rig.store.full = True
        rig.advance(61.0)
        rig.store.full = False
        entered(ann, "TEA")
        assert {"#tea", "#TEA"} <= set(rig.store.load().groups)
        rig.restart()
        assert "#tea" not in rig.store.load().groups
        back(rig, ann)
        assert entered(ann, "tea").group == "#TEA"


def test_room_requests_of_a_former_link_are_dropped(rig: Rig, ann: Hand) -> None:
    rig.auto_commit = False
    ann.send(EnterRoom(1, "tea"))
    ann.drop_link()
    rig.commit()
    rig.auto_commit = True
    ann.attach()
    assert entered(ann, "tea").members == []
    assert [entry.identity for entry in rig.store.load().members] == [ann.id]
    assert GroupGone("#tea") not in rig.handed
