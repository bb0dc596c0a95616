"""The topic of our room: setting it, and what the user reads of it."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import TopicFailure
from chatapp.wire.limits import TOPIC_MAX
from chatapp.wire.messages.rooms import (
    NO_TOPIC,
    EnterRooms,
    GroupGranted,
    RoomEntered,
    RoomMember,
    SetTopic,
    Topic,
    TopicChanged,
    TopicRefusal,
    TopicRefused,
)
from tests.peer.core.cast import POLICY
from tests.peer.core.core_driver import SENDER_INDEX, CoreDriver
from tests.peer.core.lab import (
    BOB,
    CAROL,
    HERE,
    LAB_KEY,
    enter,
    link_again,
    lose_registry,
    node,
    requests,
)

__all__ = ["node"]

EXAM = Topic("Exam", BOB.id, 5_000)
TopicEvent = events.TopicKnown | events.TopicUnknown | events.TopicNotSet | events.NotInRoom


def known(
    text: str, author: str = "bob", at: float = 5.0, *, is_change: bool = False
) -> events.TopicKnown:
    return events.TopicKnown(room="lab", text=text, author=author, at=at, is_change=is_change)


def let_in(node: CoreDriver, asked: object, topic: Topic) -> None:
    assert isinstance(asked, EnterRooms)
    node.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0, topic),
        GroupGranted("#lab", 1, LAB_KEY, SENDER_INDEX, 10),
    )


def ask(node: CoreDriver, text: str) -> SetTopic:
    node.core.rooms.topic.ask("lab", text, now=node.now)
    node.turn()
    (asked,) = requests(node, SetTopic)
    assert isinstance(asked, SetTopic)
    return asked


def shown(node: CoreDriver) -> list[events.Event]:
    return [event for event in node.saw() if isinstance(event, TopicEvent)]


def shown_on_request(node: CoreDriver) -> list[events.Event]:
    node.core.rooms.topic.show("lab")
    node.turn()
    return shown(node)


def test_a_newcomer_reads_it(node: CoreDriver) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.turn()
    let_in(node, requests(node, EnterRooms)[0], EXAM)
    assert node.saw() == [events.EnteredRoom(room="lab", members=("bob",), missed=0, topic="Exam")]
    assert shown_on_request(node) == [known("Exam")]


def test_set_and_told_once(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    asked = ask(node, "  No\x1b food ")
    assert (asked.group, asked.text) == ("#lab", "No\\x1b food")
    assert shown(node) == []
    topic = Topic(asked.text, BOB.id, 9_000)
    node.told(TopicChanged(asked.reference, "#lab", topic))
    assert shown(node) == [known(asked.text, at=9.0, is_change=True)]
    node.pass_time(POLICY.give_up_after + 0.1)
    assert shown(node) == []


def test_news_of_others_and_of_another_room(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.told(TopicChanged(0, "#yard", EXAM), TopicChanged(0, "#lab", EXAM))
    node.told(TopicChanged(0, "#lab", Topic("", CAROL.id, 9_000)))
    assert shown(node) == [known("Exam", is_change=True), known("", "carol", 9.0, is_change=True)]
    assert shown_on_request(node) == [known("", "carol", 9.0)]


def test_an_ignored_persons_topic_is_not_told(node: CoreDriver) -> None:
    enter(node)
    node.core.roster.trust.ignore("bob", is_ignored=True)
    node.saw()
    node.told(TopicChanged(0, "#lab", EXAM))
    assert shown(node) == []


def test_somebody_whose_row_has_not_come(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.told(TopicChanged(0, "#lab", Topic("Exam", b"x" * 32, 5_000)))
    assert shown(node) == [known("Exam", "", is_change=True)]


def test_the_servers_administrator(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.told(TopicChanged(0, "#lab", Topic("Exam", node.porter.id, 5_000)))
    (told,) = shown(node)
    assert isinstance(told, events.TopicKnown)
    assert (told.author, told.is_administrators) == ("", True)


@pytest.mark.parametrize("reason", TopicRefusal)
def test_refused(node: CoreDriver, reason: TopicRefusal) -> None:
    enter(node)
    node.saw()
    asked = ask(node, "Exam")
    node.told(TopicRefused(asked.reference ^ 1, reason))
    assert shown(node) == []
    node.told(TopicRefused(asked.reference, reason))
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure[reason.name])]


def test_too_long(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.core.rooms.topic.ask("lab", "x" * (TOPIC_MAX + 1), now=node.now)
    node.turn()
    assert requests(node, SetTopic) == []
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure.TOO_LONG)]
    assert len(ask(node, "\U0001f600" * TOPIC_MAX).text) == TOPIC_MAX


def test_outside_of_rooms(node: CoreDriver) -> None:
    node.core.rooms.topic.ask("lab", "Exam", now=node.now)
    node.turn()
    assert requests(node, SetTopic) == []
    assert shown(node) == [events.NotInRoom(room="lab")]
    assert shown_on_request(node) == [events.NotInRoom(room="lab")]


def test_a_registry_that_does_not_answer(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    ask(node, "Exam")
    node.pass_time(POLICY.give_up_after + 0.1)
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure.UNANSWERED)]


def test_a_registry_that_is_away(node: CoreDriver) -> None:
    enter(node)
    node.told(TopicChanged(0, "#lab", EXAM))
    lose_registry(node)
    node.saw()
    node.core.rooms.topic.ask("lab", "Later", now=node.now)
    node.pass_time(10.0)
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure.UNREACHABLE)]
    assert shown_on_request(node) == [known("Exam")]


@pytest.mark.parametrize("reach", ["new", "same", "none"])
def test_on_a_new_link_only_a_change_is_told(node: CoreDriver, reach: str) -> None:
    enter(node)
    node.told(TopicChanged(0, "#lab", EXAM))
    node.lose_link()
    node.saw()
    again = link_again(node, BOB.row(1, sender_index=7), CAROL.row(2, sender_index=8))
    topic = {"new": Topic("New", CAROL.id, 9_000), "same": EXAM, "none": NO_TOPIC}[reach]
    let_in(node, again, topic)
    told = {
        "new": [known("New", "carol", 9.0, is_change=True)],
        "same": [],
        "none": [known("", "", 0.0, is_change=True)],
    }
    assert shown(node) == told[reach]


def test_it_is_asked_again_behind_the_entry_on_the_next_link(node: CoreDriver) -> None:
    enter(node)
    first = ask(node, "Exam")
    node.lose_link()
    node.register()
    node.greet()
    asked = [one for one in node.asked() if isinstance(one, EnterRooms | SetTopic)]
    assert [type(one) for one in asked] == [EnterRooms, SetTopic]
    assert asked[1] == first


def test_only_the_newest_request_counts(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    first, second = ask(node, "First"), ask(node, "Second")
    node.told(TopicRefused(first.reference, TopicRefusal.NOT_SERVING))
    assert shown(node) == []
    node.told(TopicRefused(second.reference, TopicRefusal.NOT_SERVING))
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure.NOT_SERVING)]


def test_a_topic_that_is_too_long_takes_the_place_of_the_request_before_it(
    node: CoreDriver,
) -> None:
    enter(node)
    node.saw()
    ask(node, "First")
    node.core.rooms.topic.ask("lab", "x" * (TOPIC_MAX + 1), now=node.now)
    node.pass_time(POLICY.give_up_after + 0.1)
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure.TOO_LONG)]


def test_a_request_is_not_made_for_another_room(node: CoreDriver) -> None:
    enter(node)
    node.lose_link()
    node.saw()
    node.core.rooms.topic.ask("lab", "Exam", now=node.now)
    node.core.rooms.leave("lab", now=node.now)
    link_again(node, BOB.row(1, sender_index=7))
    assert requests(node, SetTopic) == []
    assert shown(node) == [events.TopicNotSet(room="lab", reason=TopicFailure.NOT_HERE)]
    node.lose_link()
    link_again(node, BOB.row(1, sender_index=7))
    assert shown(node) == []


def test_a_topic_told_after_we_left_is_not_shown(node: CoreDriver) -> None:
    enter(node)
    node.core.rooms.leave("lab", now=node.now)
    node.saw()
    node.told(TopicChanged(0, "#lab", EXAM))
    assert shown(node) == []


def test_unknown_until_the_registry_has_told_it(node: CoreDriver) -> None:
    enter(node)
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    assert shown_on_request(again) == [events.TopicUnknown(room="lab")]
