"""A hostile member of some rooms gets nothing of others, and costs the others next to nothing."""

from chatapp.registry.rules.effects import DropReason
from chatapp.wire.limits import ROOM_ENTRIES_BURST, ROOMS_EACH_MAX
from chatapp.wire.messages.rooms import (
    EnterRooms,
    FetchGroup,
    LeaveRoom,
    RoomChanged,
    RoomEntered,
    RoomLeft,
    RoomRefusal,
    RoomRefused,
    SetTopic,
    TopicRefusal,
    TopicRefused,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import back, entered


def test_a_thousand_entries_and_leaves_a_second(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    """Only as many are served as one may enter at once, and the others hear of a few."""
    entered(ann, "tea")
    entered(ann, "milk")
    rig.advance(2.0)
    ann.notices()
    answers = []
    for number in range(1_000):
        answers += bob.ask(EnterRooms(number, ["tea", "milk"]), LeaveRoom(number, "tea"))
        rig.advance(0.001)
    let_in = [one for one in answers if isinstance(one, RoomEntered)]
    refused = [one for one in answers if isinstance(one, RoomRefused)]
    assert len(let_in) <= ROOM_ENTRIES_BURST + 3
    assert {one.reason for one in refused} == {RoomRefusal.TOO_OFTEN}
    assert sum(isinstance(one, RoomLeft) for one in answers) == 1_000
    news = [one for one in ann.notices() if isinstance(one, RoomChanged)]
    assert len(news) <= 60


def test_a_long_list_of_rooms_costs_no_more_than_its_first_one(rig: Rig, ann: LinkedPeer) -> None:
    """Once all entries are used up, no name is looked at, and one answer refuses all."""
    names = [f"\u0660{number}\u0627\u0301" for number in range(ROOMS_EACH_MAX)]
    answers = [ann.ask(EnterRooms(number, names)) for number in range(100)]
    used_up = ROOM_ENTRIES_BURST // ROOMS_EACH_MAX
    assert all(len(told) == ROOMS_EACH_MAX for told in answers[:used_up])
    refused = [[RoomRefused(number, "", RoomRefusal.TOO_OFTEN)] for number in range(used_up, 100)]
    assert answers[used_up:] == refused


def test_who_is_not_in_a_room_has_no_part_in_it(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    """Neither before entering it, nor after leaving it, nor on a link that has not returned to it;
    being in another room does not help."""
    entered(ann, "tea")
    key = ann.room_key
    assert key is not None
    bob.room_keys["#tea"] = key  # somebody gave it away
    entered(bob, "milk")

    def has_no_part(*, may_read: bool = False) -> None:
        ann.notices()
        before = rig.core.dropped[DropReason.GROUP_FRAME_FROM_NON_MEMBER]
        bob.say("listen!", "#tea")
        assert rig.core.dropped[DropReason.GROUP_FRAME_FROM_NON_MEMBER] == before + 1
        answers = bob.ask(SetTopic(3, "#tea", "mine"), FetchGroup("#tea", 0))
        assert answers[0] == TopicRefused(3, TopicRefusal.NOT_HERE)
        assert len(answers) == 1 + may_read
        assert ann.relayed() == []

    has_no_part()
    entered(bob, "tea")
    bob.ask(LeaveRoom(1, "tea"))
    has_no_part()
    entered(bob, "tea")
    back(rig, bob)
    entered(bob, "milk")
    has_no_part(may_read=True)
    ann.say("private")
    assert bob.relayed() == []


def test_a_room_of_another_life_is_another_room(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    """Whoever kept the group's name and key of a room that has ended gets nothing of the one that
    was made again, in whatever spelling."""
    entered(bob, "tea")
    old = bob.room_key
    assert old is not None
    bob.ask(LeaveRoom(1, "tea"))
    rig.advance(61.0)
    back(rig, ann, bob)
    entered(ann, "Tea")
    for group in ("#tea", "#Tea"):
        bob.room_keys[group] = old
        bob.say("still here?", group)
        assert bob.ask(FetchGroup(group, 0)) == []
        assert bob.ask(SetTopic(3, group, "mine")) == [TopicRefused(3, TopicRefusal.NOT_HERE)]
    assert ann.relayed() == []
    entered(bob, "tea")
    bob.room_keys["#Tea"] = old
    bob.say("with the old key", "#Tea")
    assert ann.relayed() == []
