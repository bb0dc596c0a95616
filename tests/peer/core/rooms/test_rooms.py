"""Entering and leaving rooms, members, and the list of rooms."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import NoAnswer, RoomEntryRefusal
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.registry.session import State
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.messages.rooms import (
    EnterRooms,
    FetchGroup,
    GroupGranted,
    GroupPage,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomEvicted,
    RoomInfo,
    RoomLeft,
    RoomMember,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
)
from chatapp.wire.messages.table import Presence, Row, TablePage
from tests.peer.core.cast import POLICY, raw
from tests.peer.core.core_driver import SENDER_INDEX, CoreDriver
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
    rooms_of,
)
from tests.support.screen import is_now

__all__ = ["node"]

ROOM_NEWS = events.EnteredRoom | events.MemberLeft | events.MemberJoined


# --- in and out


def test_an_admitted_member_reads_who_is_there_and_nothing_else(node: CoreDriver) -> None:
    enter(node, who=(CAROL, BOB))
    assert node.saw() == [events.EnteredRoom(room="lab", members=("bob", "carol"), missed=0)]
    assert node.core.rooms.is_settled
    (lab,) = node.core.rooms.recipients.rooms()
    before = lab.members
    assert [one.name for one in before] == ["alice", "bob", "carol"]
    assert lab.in_reach == 2
    assert all(node.core.rooms.recipients.rooms()[0].members is before for _ in range(1_000))
    node.told(RoomChanged("#lab", [RoomMember(BOB.id, MAYBE)]))
    (lab,) = node.core.rooms.recipients.rooms()
    assert [one.online for one in lab.members] == [True, False, True]
    node.core.rooms.leave("lab", now=node.now)
    enter(node, who=())
    assert [one.name for one in node.core.rooms.recipients.rooms()[0].members] == ["alice"]


def test_a_name_that_is_none_is_refused_here(node: CoreDriver) -> None:
    node.core.rooms.enter("no blanks", now=node.now)
    node.turn()
    (refused,) = node.saw()
    assert isinstance(refused, events.RoomEntryDenied)
    assert requests(node, EnterRooms) == []


@pytest.mark.parametrize("reason", RoomRefusal)
def test_a_refused_person_stays_where_they_are(node: CoreDriver, reason: RoomRefusal) -> None:
    enter(node)
    node.core.rooms.enter("yard", now=node.now)
    node.turn()
    (asked,) = requests(node, EnterRooms)
    assert isinstance(asked, EnterRooms)
    node.saw()
    node.told(RoomRefused(asked.reference, "yard", reason))
    assert [type(event) for event in node.saw()] == [events.RoomEntryDenied]
    assert rooms_of(node) == ["lab"]


def test_several_rooms_have_members_topics_and_keys_of_their_own(node: CoreDriver) -> None:
    enter(node)
    enter(node, "yard", who=(CAROL,))
    assert node.saw() == [
        events.EnteredRoom(room="lab", members=("bob",), missed=0),
        events.EnteredRoom(room="yard", members=("carol",), missed=0),
    ]
    node.told(RoomChanged("#lab", [RoomMember(BOB.id, GONE)]))
    assert node.saw() == [events.MemberLeft(room="lab", name="bob")]
    assert rooms_of(node) == ["lab", "yard"]
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    assert node.saw() == [events.LeftRoom(room="lab")]
    assert [one.room for one in requests(node, LeaveRoom) if isinstance(one, LeaveRoom)] == ["lab"]
    assert node.core.rooms.say("lab", "hi", now=node.now) is None
    assert node.core.rooms.say("YARD", "hi", now=node.now) is not None


def test_one_request_names_all_rooms_on_a_new_link(node: CoreDriver) -> None:
    """What one of them is answered changes nothing about the others."""
    for room in ("lab", "yard", "park"):
        enter(node, room)
    node.saw()
    node.lose_link()
    asked = link_again(node, BOB.row(1, sender_index=7))
    assert asked is not None and asked.is_return
    assert asked.rooms == ["lab", "yard", "park"]
    node.told(
        RoomRefused(asked.reference, "yard", RoomRefusal.ROOM_FULL),
        RoomEntered(asked.reference, "#park", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#park", 1, LAB_KEY, SENDER_INDEX, 10),
        RoomEvicted("#lab", is_closed=True),
    )
    assert rooms_of(node) == ["park"]
    assert [event for event in node.saw() if isinstance(event, events.LeftRoom)] == [
        events.LeftRoom(room="yard"),
        events.LeftRoom(room="lab", how=events.RoomExit.CLOSED),
    ]


def test_a_registry_that_says_nothing_is_given_up_and_a_late_answer_undone(
    node: CoreDriver,
) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.turn()
    (asked,) = requests(node, EnterRooms)
    assert isinstance(asked, EnterRooms)
    node.pass_time(2.5)
    assert node.saw() == [events.RoomEntryDenied(room="lab", reason=RoomEntryRefusal.UNANSWERED)]
    assert len(requests(node, LeaveRoom)) == 1
    node.told(RoomEntered(asked.reference, "#lab", [], 10, 0))
    assert rooms_of(node) == []


def test_a_room_that_is_asked_for_twice_is_asked_for_once(node: CoreDriver) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.core.rooms.enter("LAB", now=node.now)
    node.turn()
    assert len(requests(node, EnterRooms)) == 1


def test_who_asks_again_for_a_room_is_not_taken_out_by_the_answer_that_came_late(
    node: CoreDriver,
) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.turn()
    (first,) = requests(node, EnterRooms)
    assert isinstance(first, EnterRooms)
    node.pass_time(2.5)
    (leave,) = requests(node, LeaveRoom)
    assert isinstance(leave, LeaveRoom)
    node.core.rooms.enter("LAB", now=node.now)
    node.turn()
    (second,) = requests(node, EnterRooms)
    assert isinstance(second, EnterRooms)
    node.told(RoomEntered(first.reference, "#Lab", [], 10, 0), RoomLeft(leave.reference))
    assert (rooms_of(node), requests(node, LeaveRoom)) == ([], [])
    node.told(RoomEntered(second.reference, "#Lab", [], 10, 0))
    assert (rooms_of(node), requests(node, LeaveRoom)) == (["Lab"], [])
    node.lose_link()
    again = link_again(node)
    assert again is not None and again.rooms == ["Lab"]
    assert requests(node, LeaveRoom) == []


def test_a_room_that_is_left_while_it_is_asked_for_is_not_entered(node: CoreDriver) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.turn()
    (asked,) = requests(node, EnterRooms)
    assert isinstance(asked, EnterRooms)
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    (leave,) = requests(node, LeaveRoom)
    assert isinstance(leave, LeaveRoom)
    node.told(RoomEntered(asked.reference, "#lab", [], 10, 0), RoomLeft(leave.reference))
    assert rooms_of(node) == []
    assert node.saw() == [events.NotInRoom(room="lab")]
    node.lose_link()
    assert link_again(node) is None


def test_a_room_that_has_ended_and_begun_anew_is_another_one(node: CoreDriver) -> None:
    enter(node)
    node.lose_link()
    asked = link_again(node, BOB.row(1, sender_index=7))
    assert asked is not None
    node.saw()
    node.told(
        RoomEntered(asked.reference, "#LAB", [], 90, 0),
        GroupGranted("#LAB", 1, LAB_KEY, SENDER_INDEX, 90),
    )
    assert rooms_of(node) == ["LAB"]
    assert events.EnteredRoom(room="LAB", members=(), missed=0) in node.saw()


def test_who_was_in_no_room_and_lost_the_registry_while_asking_is_in_none_on_return(
    node: CoreDriver,
) -> None:
    node.core.rooms.enter("lab", now=node.now)
    node.turn()
    lose_registry(node)
    assert events.RoomEntryDenied(room="lab", reason=RoomEntryRefusal.UNREACHABLE) in node.saw()
    node.register()
    node.greet()
    node.told(MailBatch([], more=False))
    assert len(requests(node, LeaveRoom)) == 1


@pytest.mark.parametrize(
    ("is_closed", "how"), [(False, events.RoomExit.EVICTED), (True, events.RoomExit.CLOSED)]
)
def test_who_is_taken_out_of_the_room_is_in_none_also_on_the_next_link(
    node: CoreDriver, *, is_closed: bool, how: events.RoomExit
) -> None:
    """Clause 10.3."""
    enter(node)
    node.saw()
    node.told(RoomEvicted("#other", is_closed))
    assert node.saw() == []
    node.told(RoomEvicted("#lab", is_closed))
    assert node.saw() == [events.LeftRoom(room="lab", how=how)]
    lose_registry(node)
    node.register()
    node.greet()
    assert requests(node, EnterRooms) == []


@pytest.mark.parametrize(
    ("is_closed", "how"), [(False, events.RoomExit.EVICTED), (True, events.RoomExit.CLOSED)]
)
def test_who_was_taken_out_of_the_room_while_away_is_told_on_return_and_stays_outside(
    node: CoreDriver, *, is_closed: bool, how: events.RoomExit
) -> None:
    """Clause 10.3."""
    node.core.rooms.enter("lab", now=node.now)
    node.turn()
    (asked,) = requests(node, EnterRooms)
    assert isinstance(asked, EnterRooms) and not asked.is_return
    node.told(
        RoomEntered(asked.reference, "#lab", [], 10, 0), GroupGranted("#lab", 1, LAB_KEY, 3, 10)
    )
    lose_registry(node)
    node.saw()
    again = link_again(node)
    assert again is not None and again.is_return
    node.told(RoomEvicted("#lab", is_closed))
    shown = node.saw()
    assert events.LeftRoom(room="lab", how=how) in shown
    assert not any(isinstance(event, events.EnteredRoom) for event in shown)
    node.pass_time(POLICY.give_up_after + 1.0)
    assert not any(isinstance(event, events.RoomEntryDenied) for event in node.saw())
    lose_registry(node)
    assert link_again(node) is None


def test_leaving_takes_effect_at_once_and_is_said_until_the_registry_knows(
    node: CoreDriver,
) -> None:
    enter(node)
    node.saw()
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    assert node.saw() == [events.LeftRoom(room="lab")]
    assert len(requests(node, LeaveRoom)) == 1
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    assert node.saw() == [events.NotInRoom(room="lab")]


def test_a_leave_that_the_registry_has_not_heard_of_is_said_on_the_next_link(
    node: CoreDriver,
) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.start()
    again.register()
    again.greet()
    again.told(MailBatch([], more=False))
    (asked,) = requests(again, LeaveRoom)
    assert isinstance(asked, LeaveRoom)
    again.told(RoomLeft(asked.reference))
    assert again.disk.load().rooms == ()


def test_leaving_no_room_is_told(node: CoreDriver) -> None:
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    assert node.saw() == [events.NotInRoom(room="lab")]
    assert node.core.rooms.say("lab", "hi", now=node.now) is None


def test_after_a_crash_the_next_start_is_in_the_room_with_the_missed_lines(
    node: CoreDriver,
) -> None:
    enter(node)
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.start()
    entering = link_again(again)
    assert entering is not None
    assert entering.rooms == ["lab"]
    again.told(
        RoomEntered(entering.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 1),
        GroupGranted("#lab", 1, LAB_KEY, SENDER_INDEX, 11),
    )
    assert requests(again, FetchGroup) == [FetchGroup("#lab", since=10)]
    assert not again.core.rooms.is_settled
    again.told(GroupPage("#lab", [], [], 11, more=False))
    assert events.EnteredRoom(room="lab", members=("bob",), missed=0) in again.saw()


def test_without_a_registry_that_is_said_before_the_room_where_we_are(node: CoreDriver) -> None:
    enter(node)
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.start()
    again.pass_time(6.0)
    told = [type(event) for event in again.saw()]
    assert told == [events.NoServerAtStart, events.EnteredRoom]


def test_that_the_registry_is_lost_is_said_before_what_becomes_of_a_line(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.lose_link()
    node.core.rooms.say("lab", "hi", now=node.now)
    node.pass_time(6.0)
    lost, kept = node.saw()
    assert lost == events.ServerLost()
    assert is_now(kept, events.MessageState.KEPT)


def test_after_a_quit_the_next_start_is_in_no_room(node: CoreDriver) -> None:
    enter(node)
    node.core.rooms.forget()
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    assert rooms_of(again) == []
    assert again.disk.load().groups["#lab"].cursor == 10  # a later return brings what was missed


def test_a_lost_link_changes_nothing_about_the_room(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.lose_link()
    asked = link_again(node)
    assert asked is not None
    members = [RoomMember(BOB.id, MAYBE)]
    node.told(
        RoomEntered(asked.reference, "#lab", members, 10, 0),
        GroupGranted("#lab", 1, LAB_KEY, SENDER_INDEX, 10),
        RoomChanged("#lab", [RoomMember(BOB.id, HERE)]),
    )
    assert node.core.rooms.recipients.rooms()[0].in_reach == 1
    assert not any(isinstance(event, ROOM_NEWS) for event in node.saw())


def test_members_come_and_go(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.told(RoomChanged("#lab", [RoomMember(CAROL.id, HERE)]))
    node.told(RoomChanged("#lab", [RoomMember(BOB.id, GONE)]))
    node.told(RoomChanged("#yard", [RoomMember(BOB.id, HERE)]))
    assert node.saw() == [
        events.MemberJoined(room="lab", name="carol"),
        events.MemberLeft(room="lab", name="bob"),
    ]


def test_a_member_who_left_by_the_table_leaves_the_room_first(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    row = BOB.row(101, sender_index=7)
    gone = Row(row.card, row.host, row.port, Presence.AWAY, 0, 0, 101)
    node.told(TablePage(node.core.table_version, 101, more=False, rows=raw(gone)))
    node.told(RoomChanged("#lab", [RoomMember(BOB.id, MAYBE)]))
    goings = [event for event in node.saw() if isinstance(event, ROOM_NEWS | events.PersonAway)]
    assert goings == [
        events.MemberLeft(room="lab", name="bob"),
        events.PersonAway(name="bob", how=events.Absence.LEFT),
    ]


def test_rooms_are_listed(node: CoreDriver) -> None:
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    (asked,) = requests(node, ListRooms)
    assert isinstance(asked, ListRooms)
    node.told(RoomsListed(asked.reference, [RoomInfo("#yard", 2), RoomInfo("#lab", 1)]))
    rooms = (events.Room(name="lab", here=1), events.Room(name="yard", here=2))
    assert node.saw() == [events.RoomsKnown(rooms=rooms)]


def trouble(why: NoAnswer) -> list[events.Event]:
    """Return what is reported when no list is available and we are in no room."""
    return [events.RoomsUnknown(reason=why)]


def test_a_list_asked_for_before_there_is_a_link_comes_when_there_is(node: CoreDriver) -> None:
    newcomer = CoreDriver(life=2)
    newcomer.start()
    newcomer.core.rooms.room_list.ask(now=newcomer.now)
    newcomer.register()
    newcomer.saw()
    newcomer.greet()
    newcomer.told(MailBatch([], more=False))
    (asked,) = requests(newcomer, ListRooms)
    assert isinstance(asked, ListRooms)
    newcomer.told(RoomsListed(asked.reference, [RoomInfo("#lab", 1)]))
    assert newcomer.saw() == [events.RoomsKnown(rooms=(events.Room(name="lab", here=1),))]


def test_a_list_asked_for_before_there_is_a_link_is_not_waited_for_without_end(
    node: CoreDriver,
) -> None:
    newcomer = CoreDriver(life=2)
    newcomer.start()
    newcomer.core.rooms.room_list.ask(now=newcomer.now)
    newcomer.pass_time(10.0)
    assert [event for event in newcomer.saw() if isinstance(event, events.RoomsUnknown)] == trouble(
        NoAnswer.UNREACHABLE
    )


def test_a_list_is_asked_for_again_on_the_next_link(node: CoreDriver) -> None:
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    (first,) = requests(node, ListRooms)
    node.saw()
    node.lose_link()
    node.register()
    node.greet()
    node.told(MailBatch([], more=False))
    (again,) = requests(node, ListRooms)
    assert again == first
    assert node.saw() == []


def test_a_list_that_the_registry_does_not_send_is_given_up_in_time(node: CoreDriver) -> None:
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    asked_at = node.now
    node.saw()
    node.pass_time(POLICY.give_up_after - 0.01)
    assert node.saw() == []
    node.pass_time(0.02)
    assert node.saw() == trouble(NoAnswer.UNANSWERED)
    assert node.now < asked_at + POLICY.give_up_after + 0.1


def test_a_list_is_shown_once_and_only_the_one_that_was_asked_for(node: CoreDriver) -> None:
    node.told(RoomsListed(7, [RoomInfo("#old", 1)]))
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    (asked,) = requests(node, ListRooms)
    assert isinstance(asked, ListRooms)
    node.told(RoomsListed(asked.reference ^ 1, [RoomInfo("#old", 1)]))
    assert node.saw() == []
    for _ in range(2):
        node.told(RoomsListed(asked.reference, [RoomInfo("#lab", 1)]))
    node.pass_time(POLICY.give_up_after + 0.1)
    assert node.saw() == [events.RoomsKnown(rooms=(events.Room(name="lab", here=1),))]


def test_a_list_that_waits_for_the_next_link_is_waited_for_until_the_registry_is_lost(
    node: CoreDriver,
) -> None:
    node.core.rooms.room_list.ask(now=node.now)
    node.pass_time(1.0)
    node.lose_link()
    node.pass_time(10.0)
    assert [event for event in node.saw() if isinstance(event, events.RoomsUnknown)] == trouble(
        NoAnswer.UNREACHABLE
    )


def test_a_list_asked_for_while_the_registry_is_lost_comes_when_it_answers(
    node: CoreDriver,
) -> None:
    lose_registry(node)
    node.saw()
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    assert node.saw() == []
    node.register()
    node.saw()
    node.greet()
    node.told(MailBatch([], more=False))
    (asked,) = requests(node, ListRooms)
    assert isinstance(asked, ListRooms)
    node.told(RoomsListed(asked.reference, [RoomInfo("#lab", 1)]))
    assert events.RoomsKnown(rooms=(events.Room(name="lab", here=1),)) in node.saw()


def test_a_list_is_not_waited_for_while_the_registry_answers_and_no_link_comes(
    node: CoreDriver,
) -> None:
    node.lose_link()
    node.register()
    node.pass_time(6.0)
    assert node.core.reach is RegistryReach.LOST
    node.saw()
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    assert node.saw() == trouble(NoAnswer.UNREACHABLE)


def test_references_of_questions_fit_the_wire(node: CoreDriver) -> None:
    for _ in range(20):
        node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    assert len(requests(node, ListRooms)) == 20  # each decodes


def test_an_offline_user_reads_that_instead_of_a_list(node: CoreDriver) -> None:
    node.core.rooms.room_list.ask(now=node.now)
    node.core.leave(now=node.now)
    node.turn()
    assert node.saw() == trouble(NoAnswer.OFFLINE)
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    assert node.saw() == trouble(NoAnswer.OFFLINE)


# --- without the registry


def test_with_the_registry_away_nobody_gets_into_a_room_but_the_one_where_they_are(
    node: CoreDriver,
) -> None:
    enter(node)
    lose_registry(node)
    node.saw()
    node.core.rooms.enter("LAB", now=node.now)
    node.turn()
    assert events.EnteredRoom(room="lab", members=("bob",), missed=0) in node.saw()
    node.core.rooms.enter("yard", now=node.now)
    node.core.rooms.room_list.ask(now=node.now)
    node.pass_time(POLICY.give_up_after)
    seen = node.saw()
    assert events.RoomEntryDenied(room="yard", reason=RoomEntryRefusal.UNREACHABLE) in seen
    assert events.RoomsKnown(rooms=(events.Room(name="lab", here=2, is_ours=True),)) in seen


def test_a_registry_that_is_believed_away_is_looked_for_before_it_is_told_that_it_is(
    node: CoreDriver,
) -> None:
    lose_registry(node)
    while node.core.state is not State.PAUSING:
        node.pass_time(0.1)
    node.saw()
    node.core.rooms.enter("yard", now=node.now)
    node.core.rooms.room_list.ask(now=node.now)
    node.turn()
    asked = link_again(node)
    assert asked is not None and asked.rooms == ["yard"]
    assert not any(isinstance(event, events.RoomEntryDenied) for event in node.saw())
    assert node.core.reach is RegistryReach.UP


def asked_within(node: CoreDriver, seconds: int) -> list[EnterRooms]:
    """Return what was asked of a registry that answers pings, and nothing else."""
    asked: list[object] = []
    for _ in range(seconds):
        node.pass_time(1.0)
        asked += (heard := node.asked())
        node.told(*(Pong(one.reference, 0) for one in heard if isinstance(one, Ping)))
    return [one for one in asked if isinstance(one, EnterRooms)]


@pytest.mark.parametrize("reason", [RoomRefusal.NOT_SERVING, RoomRefusal.TOO_OFTEN])
def test_a_return_that_is_not_possible_just_then_is_asked_for_until_it_is(
    node: CoreDriver, reason: RoomRefusal
) -> None:
    """Else the peer took itself for a member, and the registry did not, as long as the link was
    up."""
    for room in ("lab", "yard"):
        enter(node, room)
    back = link_again(node, BOB.row(1, sender_index=7))
    assert back is not None
    node.saw()
    node.told(RoomEntered(back.reference, "#yard", [RoomMember(BOB.id, HERE)], 10, 0))
    for is_first in (True, False):
        node.told(RoomRefused(back.reference, "lab", reason))
        told = events.RoomEntryDenied(room="lab", reason=RoomEntryRefusal[reason.name])
        assert [one for one in node.saw() if one == told] == [told] * is_first
        assert asked_within(node, 9) == []
        (back,) = asked_within(node, 2)
        assert (back.rooms, back.is_return) == (["lab"], True)
    node.told(RoomEntered(back.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0))
    assert asked_within(node, 30) == []
    assert rooms_of(node) == ["lab", "yard"]


def test_a_request_that_is_refused_as_a_whole_is_asked_again_as_far_as_it_was_not_answered(
    node: CoreDriver,
) -> None:
    for room in ("lab", "yard", "den"):
        enter(node, room)
    back = link_again(node, BOB.row(1, sender_index=7))
    assert back is not None
    node.told(
        RoomEntered(back.reference, "#yard", [], 10, 0),
        RoomRefused(back.reference, "", RoomRefusal.TOO_OFTEN),
    )
    again = [room for one in asked_within(node, 11) for room in one.rooms]
    assert sorted(again) == ["den", "lab"]
    assert rooms_of(node) == ["lab", "yard", "den"]


@pytest.mark.parametrize("goes", ["out", "offline"])
def test_a_room_that_was_left_meanwhile_is_not_asked_for(node: CoreDriver, goes: str) -> None:
    enter(node)
    back = link_again(node, BOB.row(1, sender_index=7))
    assert back is not None
    node.told(RoomRefused(back.reference, "lab", RoomRefusal.NOT_SERVING))
    if goes == "out":
        node.core.rooms.leave("lab", now=node.now)
    else:
        node.core.leave(now=node.now)
    assert asked_within(node, 30) == []
