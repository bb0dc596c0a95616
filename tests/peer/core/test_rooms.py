"""This file is about getting into rooms and out of them, who is there, and which rooms there are."""

import pytest

from peer.core import events as happened
from peer.core.asked import AWAY, SILENT
from tests.peer.core.cast import raw
from tests.peer.core.hall import STATION, Node
from tests.peer.core.lab import (
    BOB,
    CAROL,
    GONE,
    HERE,
    LAB_KEY,
    MAYBE,
    enter,
    link_again,
    lose_registry,
    node,
    requests,
)
from wire.messages.group import FetchGroup, GroupGranted, GroupPage
from wire.messages.mail import MailBatch
from wire.messages.room import (
    EnterRoom,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomInfo,
    RoomLeft,
    RoomMember,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
)
from wire.messages.table import Presence, Row, TablePage

__all__ = ["node"]

ROOM_NEWS = happened.RoomEntered | happened.MemberLeft | happened.MemberJoined


# --- in and out


def test_whoever_is_let_in_hears_who_is_there_and_nothing_else(node: Node) -> None:
    enter(node, who=(CAROL, BOB))
    assert node.saw() == [happened.RoomEntered(room="lab", members=("bob", "carol"), missed=0)]
    assert node.core.rooms.is_settled
    assert [one.name for one in node.core.rooms.audience.people()] == ["alice", "bob", "carol"]
    assert node.core.rooms.audience.in_reach == 2


def test_a_name_that_is_none_is_refused_here(node: Node) -> None:
    node.core.rooms.enter("no blanks", now=node.now)
    node.pump()
    (refused,) = node.saw()
    assert isinstance(refused, happened.RoomRefused)
    assert requests(node, EnterRoom) == []


@pytest.mark.parametrize("reason", RoomRefusal)
def test_who_is_refused_stays_where_they_were(node: Node, reason: RoomRefusal) -> None:
    enter(node)
    node.core.rooms.enter("yard", now=node.now)
    node.pump()
    (asked,) = requests(node, EnterRoom)
    assert isinstance(asked, EnterRoom)
    node.saw()
    node.told(RoomRefused(asked.reference, reason))
    assert [type(event) for event in node.saw()] == [happened.RoomRefused]
    assert node.core.rooms.room is not None
    assert node.core.rooms.room.room == "lab"


def test_a_registry_that_says_nothing_is_given_up_and_a_late_answer_undone(node: Node) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.pump()
    (asked,) = requests(node, EnterRoom)
    assert isinstance(asked, EnterRoom)
    node.pass_time(2.5)
    assert node.saw() == [happened.RoomRefused(room="lab", reason=SILENT)]
    node.told(RoomEntered(asked.reference, "#lab", [], 10, 0))
    assert len(requests(node, LeaveRoom)) == 1
    assert node.core.rooms.room is None


def test_leaving_takes_effect_at_once_and_is_said_until_the_registry_knows(node: Node) -> None:
    enter(node)
    node.saw()
    node.core.rooms.leave(now=node.now)
    node.pump()
    assert node.saw() == [happened.RoomLeft(room="lab")]
    assert len(requests(node, LeaveRoom)) == 1
    node.core.rooms.leave(now=node.now)
    node.pump()
    assert node.saw() == [happened.NotInRoom()]


def test_a_leave_that_the_registry_has_not_heard_of_is_said_on_the_next_link(node: Node) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.leave(now=node.now)
    node.pump()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.start()
    again.register()
    again.greet()
    again.told(MailBatch([], more=False))
    (asked,) = requests(again, LeaveRoom)
    assert isinstance(asked, LeaveRoom)
    again.told(RoomLeft(asked.reference))
    assert not again.disk.load().room.owes_leave


def test_leaving_no_room_is_told(node: Node) -> None:
    node.core.rooms.leave(now=node.now)
    node.pump()
    assert node.saw() == [happened.NotInRoom()]
    assert node.core.speech.say("hi", now=node.now) is None
    node.pump()
    assert node.saw() == [happened.NotInRoom()]


def test_after_a_crash_the_next_start_is_in_the_room_with_the_missed_lines(node: Node) -> None:
    enter(node)
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.start()
    entering = link_again(again)
    assert entering is not None
    assert entering.room == "lab"
    again.told(
        RoomEntered(entering.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 1),
        GroupGranted("#lab", 1, LAB_KEY, STATION, 11),
    )
    assert requests(again, FetchGroup) == [FetchGroup("#lab", since=10)]
    assert not again.core.rooms.is_settled
    again.told(GroupPage("#lab", [], [], 11, more=False))
    assert happened.RoomEntered(room="lab", members=("bob",), missed=0) in again.saw()


def test_after_a_quit_the_next_start_is_in_no_room(node: Node) -> None:
    enter(node)
    node.core.rooms.forget()
    node.pump()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    assert again.core.rooms.room is None
    assert again.disk.load().groups["#lab"].cursor == 10  # a later return brings what was missed


def test_a_lost_link_is_no_news_of_the_room(node: Node) -> None:
    enter(node)
    node.saw()
    node.lose_link()
    asked = link_again(node)
    assert asked is not None
    members = [RoomMember(BOB.id, MAYBE)]
    node.told(
        RoomEntered(asked.reference, "#lab", members, 10, 0),
        GroupGranted("#lab", 1, LAB_KEY, STATION, 10),
        RoomChanged("#lab", [RoomMember(BOB.id, HERE)]),
    )
    assert node.core.rooms.audience.in_reach == 1
    assert not any(isinstance(event, ROOM_NEWS) for event in node.saw())


def test_members_come_and_go(node: Node) -> None:
    enter(node)
    node.saw()
    node.told(RoomChanged("#lab", [RoomMember(CAROL.id, HERE)]))
    node.told(RoomChanged("#lab", [RoomMember(BOB.id, GONE)]))
    node.told(RoomChanged("#yard", [RoomMember(BOB.id, HERE)]))
    assert node.saw() == [
        happened.MemberJoined(room="lab", name="carol"),
        happened.MemberLeft(room="lab", name="bob"),
    ]


def test_who_is_gone_by_the_table_leaves_the_room_before_that_is_said(node: Node) -> None:
    enter(node)
    node.saw()
    row = BOB.row(101, station=7)
    gone = Row(row.card, row.host, row.port, Presence.AWAY, 0, 0, 101)
    node.told(TablePage(node.core.table_version, 101, more=False, rows=raw(gone)))
    node.told(RoomChanged("#lab", [RoomMember(BOB.id, MAYBE)]))
    goings = [event for event in node.saw() if isinstance(event, ROOM_NEWS | happened.PersonLeft)]
    assert goings == [happened.MemberLeft(room="lab", name="bob"), happened.PersonLeft(name="bob")]


def test_rooms_are_listed(node: Node) -> None:
    node.core.rooms.list.ask(now=node.now)
    node.pump()
    (asked,) = requests(node, ListRooms)
    assert isinstance(asked, ListRooms)
    node.told(RoomsListed(asked.reference, [RoomInfo("#yard", 2), RoomInfo("#lab", 1)]))
    rooms = (happened.Room(name="lab", here=1), happened.Room(name="yard", here=2))
    assert node.saw() == [happened.RoomsListed(rooms=rooms)]


# --- without the registry


def test_with_the_registry_away_nobody_gets_into_a_room_but_the_one_where_they_are(node: Node) -> None:
    enter(node)
    lose_registry(node)
    node.saw()
    node.core.rooms.enter("yard", now=node.now)
    node.core.rooms.enter("LAB", now=node.now)
    node.core.rooms.list.ask(now=node.now)
    node.pump()
    seen = node.saw()
    assert happened.RoomRefused(room="yard", reason=AWAY) in seen
    assert happened.RoomEntered(room="lab", members=("bob",), missed=0) in seen
    assert happened.RoomsListed(rooms=(happened.Room(name="lab", here=2),)) in seen
