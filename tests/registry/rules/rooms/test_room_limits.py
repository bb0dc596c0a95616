"""Rooms: their list, their limits, and their end."""

import pytest

from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire import limits
from chatapp.wire.codec import decode_request, encode
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import GROUP_KEPT_FOR
from chatapp.wire.messages.rooms import (
    EnterRooms,
    LeaveRoom,
    ListRooms,
    RoomEntered,
    RoomInfo,
    RoomMember,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import HERE, back, entered, page, texts


class TestListing:
    def test_rooms_with_somebody_in_them_by_name(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        for peer, room in ((ann, "tea"), (bob, "Coffee"), (eve, "tea")):
            entered(peer, room)
        joe = rig.member("joe")
        assert joe.ask(ListRooms(3)) == [
            RoomsListed(3, [RoomInfo("#Coffee", 1), RoomInfo("#tea", 2)])
        ]
        bob.drop_link()
        assert joe.ask(ListRooms(4)) == [RoomsListed(4, [RoomInfo("#tea", 2)])]

    def test_where_there_are_too_many_the_fullest_are_listed(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chatapp.registry.rules.rooms.rooms.ROOM_LIST_MAX", 60)
        eve, joe = rig.member("eve"), rig.member("joe")
        for peer, room in ((ann, "a"), (bob, "b"), (eve, "z"), (joe, "z")):
            entered(peer, room)
        (listed,) = [one for one in joe.ask(ListRooms(1)) if isinstance(one, RoomsListed)]
        assert listed.rooms == [RoomInfo("#a", 1), RoomInfo("#b", 1), RoomInfo("#z", 2)]
        monkeypatch.setattr("chatapp.registry.rules.rooms.rooms.ROOM_LIST_MAX", 40)
        bob.ask(LeaveRoom(1, "b"))
        (listed,) = [one for one in joe.ask(ListRooms(1)) if isinstance(one, RoomsListed)]
        assert listed.rooms == [RoomInfo("#a", 1), RoomInfo("#z", 2)]


class TestCaps:
    def test_a_room_that_is_full(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chatapp.registry.rules.rooms.rooms.ROOM_MEMBERS_MAX", 2)
        eve = rig.member("eve")
        entered(ann, "tea")
        rig.auto_commit = False
        bob.send(EnterRooms(1, ["tea"]))
        assert eve.ask(EnterRooms(2, ["tea"])) == [RoomRefused(2, "tea", RoomRefusal.ROOM_FULL)], (
            "bob is on his way"
        )
        rig.commit()
        rig.auto_commit = True
        entered(ann, "tea")
        bob.ask(LeaveRoom(1, "tea"))
        entered(eve, "tea")

    def test_all_members_of_a_full_room_fit_one_frame(self) -> None:
        members = [RoomMember(bytes(32), HERE)] * limits.ROOM_MEMBERS_MAX
        assert (
            len(encode(RoomEntered(2**32 - 1, "#" + "x" * 32, members, 2**63 - 1, 2**63 - 1)))
            < 40_000
        )

    def test_rooms_in_all_and_the_deserted_make_way(self) -> None:
        rig = Rig(policy=RegistryPolicy(rooms_max=2))
        ann, bob, eve = rig.member("ann"), rig.member("bob"), rig.member("eve")
        entered(ann, "one")
        entered(bob, "two")
        assert eve.enter("three") == RoomRefused(0, "three", RoomRefusal.TOO_MANY_ROOMS)
        bob.ask(LeaveRoom(1, "two"))
        entered(eve, "three")
        assert set(rig.store.load().groups) == {"channel", "#one", "#three"}

    def test_rooms_that_one_identity_may_make(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(limits.ROOMS_MADE_BURST):
            entered(ann, f"room{number}")
        assert ann.enter("more") == RoomRefused(0, "more", RoomRefusal.TOO_OFTEN)
        entered(bob, "more")
        entered(ann, "more")
        rig.advance(limits.ROOMS_MADE_SPAN)
        ann.attach()
        entered(ann, "another")

    def test_rooms_that_may_be_made_from_one_address(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = []
        for number in range(limits.ROOMS_MADE_PER_ADDRESS_BURST + 1):
            peer = rig.peer(f"user{number}", host="10.9.9.9")
            peer.register()
            peer.attach()
            answers.append(peer.enter(f"room{number}"))
        assert answers.pop() == RoomRefused(
            0, f"room{limits.ROOMS_MADE_PER_ADDRESS_BURST}", RoomRefusal.TOO_OFTEN
        )
        assert all(isinstance(answer, RoomEntered) for answer in answers)

    def test_a_school_behind_one_address_makes_its_rooms_at_once(self, rig: Rig) -> None:
        for number in range(3_000 // 20):
            peer = rig.peer(f"user{number}", host="10.9.9.9")
            peer.register()
            peer.attach()
            assert isinstance(peer.enter(f"room{number}"), RoomEntered)

    def test_entering_over_and_over(self, rig: Rig, ann: LinkedPeer) -> None:
        answers = [ann.enter("tea") for _ in range(limits.ROOM_ENTRIES_BURST + 1)]
        assert answers[-1] == RoomRefused(0, "", RoomRefusal.TOO_OFTEN)
        assert all(isinstance(answer, RoomEntered) for answer in answers[:-1])
        rig.advance(limits.ROOM_ENTRIES_SPAN)
        entered(ann, "tea")

    def test_lines_of_a_room(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chatapp.registry.rules.rooms.room.ROOM_LINES_MAX", 10)
        entered(ann, "tea")
        entered(bob, "tea")
        for number in range(30):
            ann.say(f"{number:03}")
        kept = texts(page(bob, "#tea"))
        assert 10 <= len(kept) <= 11
        assert kept[-1] == "029"

    def test_flooding_a_room_takes_nothing_from_absent_members(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chatapp.registry.rules.rooms.room.ROOM_LINES_MAX", 10)
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(3)]
        back(rig, *pending)
        for peer in (ann, bob, *pending):
            entered(peer, "tea")
        bob.drop_link()
        ann.say("abc")
        for number in range(30):
            pending[number % 3].say(f"{number:03}")
        ann.say("xyz")
        for _ in range(2):
            back(rig, bob)
            entered(bob, "tea")
            kept = texts(page(bob, "#tea"))
            assert [text for text in kept if not text.isdigit()] == ["abc", "xyz"]
            assert len(kept) <= 11
            rig.restart()


class TestShares:
    """People who hold rooms while they are away have a share of the rooms; others can still make
    some."""

    @pytest.fixture
    def rig(self) -> Rig:
        return Rig(policy=RegistryPolicy(rooms_max=8))

    @pytest.fixture
    def pending(self, rig: Rig) -> list[LinkedPeer]:
        """Let people of one address make as many rooms as they may, and leave."""
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(5)]
        back(rig, *pending)
        for peer in pending[:4]:
            entered(peer, f"room-of-{peer.name}")
        assert pending[4].enter("more") == RoomRefused(0, "more", RoomRefusal.SHARE_USED_UP)
        for peer in pending:
            peer.drop_link()
        return pending

    def test_a_network_holds_half_of_them(
        self, rig: Rig, pending: list[LinkedPeer], ann: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        back(rig, pending[4])
        assert pending[4].enter("more") == RoomRefused(0, "more", RoomRefusal.SHARE_USED_UP)
        entered(pending[4], "tea")

    def test_also_after_a_restart(
        self, rig: Rig, pending: list[LinkedPeer], ann: LinkedPeer
    ) -> None:
        rig.restart()
        back(rig, pending[4], ann)
        assert pending[4].enter("more") == RoomRefused(0, "more", RoomRefusal.SHARE_USED_UP)
        entered(ann, "tea")

    def test_who_leaves_gives_a_place_back(self, rig: Rig, pending: list[LinkedPeer]) -> None:
        back(rig, pending[0], pending[4])
        pending[0].ask(LeaveRoom(1, f"room-of-{pending[0].name}"))
        entered(pending[4], "more")

    def test_a_room_is_counted_with_its_oldest_member(
        self, rig: Rig, pending: list[LinkedPeer], ann: LinkedPeer
    ) -> None:
        back(rig, pending[0], pending[4])
        room = pending[0].name
        entered(ann, f"room-of-{room}")
        pending[0].ask(LeaveRoom(1, f"room-of-{room}"))
        entered(pending[4], "more")
        assert pending[0].enter("another") == RoomRefused(0, "another", RoomRefusal.SHARE_USED_UP)

    def test_an_entry_that_the_disk_refuses_holds_no_place(self, rig: Rig, ann: LinkedPeer) -> None:
        rig.store.full = True
        for _ in range(3):
            assert ann.enter("tea") == RoomRefused(0, "tea", RoomRefusal.NOT_SERVING)
        assert rig.core.engine.hub.rooms._caps._shares.held == 0

    def test_a_crowd_that_is_away_keeps_nobody_out_of_a_full_room(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chatapp.registry.rules.rooms.rooms.ROOM_MEMBERS_MAX", 5)
        entered(ann, "tea")
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(4)]
        back(rig, *pending)
        for peer in pending:
            entered(peer, "tea")
        assert bob.enter("tea") == RoomRefused(0, "tea", RoomRefusal.ROOM_FULL), (
            "all of them are here"
        )
        pending[2].drop_link()
        rig.advance(5.0)
        ann.drop_link()
        pending[1].drop_link()
        late = rig.peer("late", host="10.9.9.9")
        back(rig, late)
        assert late.enter("tea") == RoomRefused(0, "tea", RoomRefusal.ROOM_FULL), (
            "nobody makes way for their own network"
        )
        members = {member.identity for member in entered(bob, "tea").members}
        assert members == {ann.id, pending[0].id, pending[1].id, pending[3].id}
        rig.restart()
        assert {kept.identity for kept in rig.store.load().members} == members | {bob.id}


class TestRoomsOfOnePerson:
    @pytest.fixture
    def rig(self) -> Rig:
        return Rig(policy=RegistryPolicy(rooms_each=3))

    def test_no_more_than_the_setting_says(self, rig: Rig, ann: LinkedPeer) -> None:
        for room in ("one", "two", "three"):
            entered(ann, room)
        assert ann.enter("four") == RoomRefused(0, "four", RoomRefusal.IN_TOO_MANY)
        entered(ann, "two")
        ann.ask(LeaveRoom(1, "two"))
        entered(ann, "four")

    def test_a_room_to_which_the_program_has_not_returned_makes_way(
        self, rig: Rig, ann: LinkedPeer
    ) -> None:
        """The one that was left first, and only for a room that is entered."""
        for room in ("one", "two", "three"):
            entered(ann, room)
            rig.advance(1.0)
        back(rig, ann)
        entered(ann, "one")
        assert isinstance(ann.enter("a b"), RoomRefused)
        entered(ann, "four")
        entered(ann, "five")
        rig.restart()
        assert {kept.group for kept in rig.store.load().members} == {"#one", "#four", "#five"}

    def test_memberships_are_shared_between_networks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chatapp.registry.rules.limits.NAMES_MAX", 4)
        rig = Rig(policy=RegistryPolicy(names_max=4))
        host, guest = rig.member("host"), rig.member("guest")
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(2)]
        back(rig, *pending)
        entered(host, "tea")
        answers = [pending[number % 2].enter(f"room{number}") for number in range(6)]
        refused = [one.reason for one in answers if isinstance(one, RoomRefused)]
        assert set(refused) == {RoomRefusal.SHARE_USED_UP}
        entered(guest, "tea")
        pending[0].ask(LeaveRoom(1, "room0"))
        entered(pending[1], "tea")

    def test_a_list_of_rooms_is_short(self) -> None:
        for rooms in ([], ["tea"] * (limits.ROOMS_EACH_MAX + 1)):
            with pytest.raises(DecodeError):
                decode_request(encode(EnterRooms(1, rooms)))


class TestErasing:
    def test_a_room_goes_with_its_last_member_and_line(self, rig: Rig, ann: LinkedPeer) -> None:
        entered(ann, "tea")
        ann.ask(LeaveRoom(1, "tea"))
        rig.advance(61.0)
        assert list(rig.store.load().groups) == ["channel"]
        assert len(rig.core.engine.hub.rooms.index) == 0

    def test_lines_keep_it_for_seven_days(self, rig: Rig, ann: LinkedPeer) -> None:
        entered(ann, "Tea")
        ann.say("hello")
        ann.ask(LeaveRoom(1, "tea"))
        rig.advance(GROUP_KEPT_FOR - 120.0)
        assert "#Tea" in rig.store.load().groups
        rig.advance(200.0)
        assert list(rig.store.load().groups) == ["channel"]

    def test_a_room_created_again_is_another_room(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        before = entered(ann, "tea")
        key = ann.room_key
        ann.ask(LeaveRoom(1, "tea"))
        rig.advance(61.0)
        answer = entered(bob, "TEA")
        assert (answer.group, answer.since > before.since) == ("#TEA", True)
        assert key is not None
        assert bob.room_key is not None
        assert bob.room_key.epoch > key.epoch

    def test_the_key_of_a_room_goes_with_its_first_member_whom_the_disk_takes(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """The disk could not store the room's creator, and a second person asked to enter
        meanwhile."""
        rig.auto_commit = False
        ann.send(EnterRooms(1, ["tea"]))
        rig.core.entries_to_store()
        bob.send(EnterRooms(2, ["tea"]))
        rig.core.store_failed("no room", newest=2, is_full=True, now=rig.now)
        rig.auto_commit = True
        rig.turn()
        assert [kept.group for kept in rig.store.load().members] == ["#tea"]
        assert rig.store.load().groups["#tea"].keys

    def test_two_of_one_name_on_the_disk_become_one(self, rig: Rig, ann: LinkedPeer) -> None:
        """The disk was full when the first room was erased."""
        entered(ann, "tea")
        ann.ask(LeaveRoom(1, "tea"))
        rig.store.full = True
        rig.advance(61.0)
        rig.store.full = False
        entered(ann, "TEA")
        assert {"#tea", "#TEA"} <= set(rig.store.load().groups)
        rig.restart()
        assert "#tea" not in rig.store.load().groups
        back(rig, ann)
        assert entered(ann, "tea").group == "#TEA"
