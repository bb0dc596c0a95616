"""The topic of a room: set by members who are here, told when it is on the disk, kept as long as
the room."""

import pytest

from chatapp.registry.rules.effects import DropReason
from chatapp.wire.limits import GROUP_KEPT_FOR, TOPIC_MAX, TOPICS_BURST, TOPICS_SPAN
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.rooms import (
    NO_TOPIC,
    EnterRooms,
    LeaveRoom,
    RoomEntered,
    SetTopic,
    TopicChanged,
    TopicRefusal,
    TopicRefused,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import back, entered


def topics(notices: list[RegistryNotice]) -> list[TopicChanged | TopicRefused]:
    return [notice for notice in notices if isinstance(notice, TopicChanged | TopicRefused)]


def set_topic(
    peer: LinkedPeer, text: str, group: str = "#tea", reference: int = 7
) -> TopicChanged | TopicRefused:
    notices = topics(peer.ask(SetTopic(reference, group, text)))
    (answer,) = [notice for notice in notices if notice.reference == reference]
    return answer


@pytest.fixture
def tea(ann: LinkedPeer, bob: LinkedPeer) -> None:
    """Ann and Bob are in a room."""
    entered(ann, "tea")
    entered(bob, "tea")


@pytest.mark.usefixtures("tea")
class TestSetting:
    def test_all_who_are_here_are_told_once(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        bob.take_all()
        told = set_topic(ann, "Exam")
        assert isinstance(told, TopicChanged)
        assert (told.reference, told.group, told.topic.text, told.topic.author) == (
            7,
            "#tea",
            "Exam",
            ann.id,
        )
        assert topics(bob.notices()) == [TopicChanged(0, "#tea", told.topic)]
        assert topics(eve.notices()) == []
        assert entered(eve, "tea").topic == told.topic

    def test_nobody_hears_of_it_before_it_is_on_the_disk(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.auto_commit = False
        assert topics(ann.ask(SetTopic(1, "#tea", "Exam"))) == []
        assert topics(bob.notices()) == []
        assert entered(bob, "tea").topic.text == ""
        rig.commit()
        assert len(topics(ann.notices())) == len(topics(bob.notices())) == 1

    def test_a_full_disk_leaves_the_former_one(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        set_topic(ann, "old")
        bob.take_all()
        rig.store.full = True
        assert set_topic(ann, "new") == TopicRefused(7, TopicRefusal.NOT_SERVING)
        assert topics(bob.notices()) == []
        assert entered(bob, "tea").topic.text == "old"

    def test_cleared(self, ann: LinkedPeer, bob: LinkedPeer) -> None:
        set_topic(ann, "Exam")
        assert isinstance(set_topic(bob, ""), TopicChanged)
        assert entered(ann, "tea").topic.text == ""

    def test_only_of_the_room_where_one_is(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        refused = TopicRefused(7, TopicRefusal.NOT_HERE)
        assert set_topic(eve, "mine") == refused
        entered(eve, "coffee")
        assert set_topic(eve, "mine") == refused
        bob.ask(LeaveRoom(1, "tea"))
        assert set_topic(bob, "mine") == refused
        assert entered(ann, "tea").topic.text == ""

    def test_a_link_that_has_not_entered_sets_none(self, ann: LinkedPeer) -> None:
        ann.attach()
        assert set_topic(ann, "mine") == TopicRefused(7, TopicRefusal.NOT_HERE)

    def test_the_longest_fits_in_any_letters(self, ann: LinkedPeer) -> None:
        assert isinstance(set_topic(ann, "\U0001f600" * TOPIC_MAX), TopicChanged)

    def test_how_often(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        for number in range(TOPICS_BURST):
            assert isinstance(set_topic(ann, str(number)), TopicChanged)
        assert set_topic(ann, "once more") == TopicRefused(7, TopicRefusal.TOO_OFTEN)
        assert isinstance(set_topic(bob, "mine"), TopicChanged)
        rig.advance(TOPICS_SPAN)
        assert isinstance(set_topic(ann, "later"), TopicChanged)

    def test_who_left_meanwhile_is_answered_and_the_room_is_told(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        bob.take_all()
        rig.auto_commit = False
        ann.send(SetTopic(3, "#tea", "farewell"), LeaveRoom(4, "tea"))
        rig.commit()
        assert [one.reference for one in topics(ann.notices())] == [3]
        assert len(topics(bob.notices())) == 1


def test_a_topic_behind_an_entry_waits_for_it(rig: Rig, ann: LinkedPeer) -> None:
    rig.auto_commit = False
    assert ann.ask(EnterRooms(1, ["tea"]), SetTopic(2, "#tea", "first")) == []
    rig.commit()
    rig.commit()
    (told,) = topics(ann.notices())
    assert isinstance(told, TopicChanged)


def test_a_former_link_sets_no_topic(rig: Rig, ann: LinkedPeer) -> None:
    rig.auto_commit = False
    ann.send(EnterRooms(1, ["tea"]), SetTopic(2, "#tea", "late"))
    ann.drop_link()
    rig.commit()
    rig.commit()
    assert rig.core.dropped[DropReason.ROOM_REQUEST_FROM_OLD_LINK] == 1


@pytest.mark.usefixtures("tea")
class TestLasting:
    def test_over_a_crash_of_the_registry(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        set_topic(ann, "first")
        told = set_topic(ann, "Exam")
        assert isinstance(told, TopicChanged)
        rig.restart()
        back(rig, bob)
        assert entered(bob, "tea").topic == told.topic

    def test_a_cleared_one_stays_cleared(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        set_topic(ann, "Exam")
        set_topic(ann, "")
        rig.restart()
        back(rig, bob)
        assert entered(bob, "tea").topic.text == ""

    def test_as_long_as_the_room(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        set_topic(ann, "Exam")
        ann.ask(LeaveRoom(1, "tea"))
        bob.ask(LeaveRoom(1, "tea"))
        rig.advance(GROUP_KEPT_FOR + 60.0)
        back(rig, ann)
        answer = ann.enter("Tea")
        assert isinstance(answer, RoomEntered)
        assert (answer.group, answer.topic) == ("#Tea", NO_TOPIC)
        rig.restart()
        back(rig, ann)
        assert entered(ann, "tea").topic.text == ""

    def test_a_room_without_members_keeps_it_with_its_lines(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        told = set_topic(ann, "Exam")
        assert isinstance(told, TopicChanged)
        ann.say("kept for a week")
        ann.ask(LeaveRoom(1, "tea"))
        bob.ask(LeaveRoom(1, "tea"))
        rig.restart()
        back(rig, bob)
        assert entered(bob, "tea").topic == told.topic
