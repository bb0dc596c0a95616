"""This file is about getting into rooms and out of them, the registry played by hand; and about lines that go straight."""

import pytest

from peer.core import events as happened
from peer.core.asked import AWAY, SILENT
from peer.core.lines import LEFT
from peer.core.records import Standing, group_mark
from peer.core.trail import What, readable, unpacked
from tests.peer.core.cast import WALL, Someone, raw
from tests.peer.core.hall import STATION, Node
from wire.codec import decode_frames, decode_group_body, decode_message_body, encode, join_frames
from wire.errors import SealError
from wire.header import Kind, pack_relayed, unpack_group
from wire.messages.delivery import Ack, Floor, Part
from wire.messages.direct import StraightLine
from wire.messages.group import CHANNEL, FetchGroup, GroupAccepted, GroupBody, GroupGranted, GroupPage
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
    RoomPresence,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
)
from wire.messages.table import FetchTable, Presence, Row, TablePage
from wire.sealing import GroupKey

BOB, CAROL = Someone("bob"), Someone("carol")
GONE, MAYBE, HERE = RoomPresence
LAB_KEY = b"l" * 32
ROOM_NEWS = happened.RoomEntered | happened.MemberLeft | happened.MemberJoined


@pytest.fixture
def node() -> Node:
    """Alice, registered, with a link; bob and carol are in the table."""
    node = Node()
    node.come_in(BOB.row(1, station=7), CAROL.row(2, station=8))
    node.asked(), node.saw()
    return node


def enter(node: Node, room: str = "lab", *, who: tuple[Someone, ...] = (BOB,), position: int = 10) -> None:
    """Asked, let in, told of it."""
    node.core.rooms.enter(room, now=node.now)
    node.pump()
    let_in(node, room, who=who, position=position)


def let_in(node: Node, room: str, *, who: tuple[Someone, ...] = (BOB,), position: int = 10) -> None:
    asked = [request for request in node.asked() if isinstance(request, EnterRoom)][-1]
    members = [RoomMember(one.id, HERE) for one in who]
    node.told(
        RoomEntered(asked.reference, f"#{room}", members, position, 0),
        GroupGranted(f"#{room}", 1, LAB_KEY, STATION, position),
    )


def link_again(node: Node, *rows: Row, version: int = 300) -> EnterRoom | None:
    """Registered anew, with a link and the table; what is asked about the room where we are."""
    node.register()
    node.greet()
    node.asked()
    node.told(GroupGranted(CHANNEL, 1, b"k" * 32, STATION, 0), MailBatch([], more=False))
    asked = node.asked()
    since = [request.since for request in asked if isinstance(request, FetchTable)]
    node.told(TablePage(since[-1], version, more=False, rows=raw(*rows)))
    return next((request for request in asked if isinstance(request, EnterRoom)), None)


def lose_registry(node: Node) -> None:
    node.lose_link()
    node.pass_time(6.0)
    node.datagrams.clear()


def requests(node: Node, kind: type) -> list[object]:
    return [request for request in node.asked() if isinstance(request, kind)]


# --- in and out


def test_whoever_is_let_in_hears_who_is_there_and_nothing_else(node: Node) -> None:
    enter(node, who=(CAROL, BOB))
    assert node.saw() == [happened.RoomEntered(room="lab", members=("bob", "carol"), missed=0)]
    assert node.core.rooms.is_settled
    assert [one.name for one in node.core.rooms.people()] == ["alice", "bob", "carol"]
    assert node.core.rooms.in_reach == 2


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
    assert node.core.say("hi", now=node.now) is None
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


def test_after_a_quit_with_a_line_to_be_told_the_next_start_tells_it(node: Node) -> None:
    """It was promised to go "to others later"; only who is in the room can tell it there."""
    enter(node)
    lose_registry(node)
    begun = node.core.say("hi", now=node.now)
    assert begun is not None
    node.core.rooms.forget()
    node.pump()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.start()
    asked = link_again(again, BOB.row(3, station=7))
    assert asked is not None
    again.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 2, LAB_KEY, STATION, 10),
    )
    assert said(again, epoch=2) == ["hi"]


def test_a_life_that_ended_right_after_leaving_leaves_no_line_without_an_end(node: Node) -> None:
    enter(node)
    node.core.say("bye", now=node.now)
    node.core.rooms.leave(now=node.now)
    node.pump()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.pump()
    (line,) = again.disk.lines.latest(9)
    *_, last = readable(unpacked(line.trail, line.at_ms), line.at_ms)
    assert (line.standing, last.what, last.reason) == (Standing.REFUSED, What.REFUSED, LEFT)
    assert again.saw() == [happened.Trouble(text=f"A line to lab did not reach everybody: {LEFT}")]


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
    assert node.core.rooms.in_reach == 1
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


def straight(node: Node, to: Someone) -> list[tuple[int, StraightLine]]:
    """Drained: lines that went straight to somebody, with their numbers in the direct stream."""
    session = to.session_with(node.alice)
    sent = [data for data, home in node.datagrams if home == to.home and data[0] == Kind.SEALED]
    node.datagrams.clear()
    lines = []
    for data in sent:
        try:
            frames = decode_frames(session.open(data))
        except SealError:  # sealed for somebody else behind the same address
            continue
        for frame in frames:
            if isinstance(frame, Part):
                body = decode_message_body(frame.body)
                assert isinstance(body, StraightLine)
                lines.append((frame.number, body))
    return lines


def told(by: Someone, node: Node, line: StraightLine) -> bytes:
    """A datagram in which somebody says a line straight."""
    frames = [encode(Floor(9)), encode(Part(9, 0, 1, encode(line)))]
    return by.session_with(node.alice).seal(join_frames(frames))


def test_a_line_goes_straight_to_members_and_once_more_to_the_registry_when_it_is_back(node: Node) -> None:
    """Clause 6.9: the same number on both ways."""
    enter(node)
    lose_registry(node)
    node.saw()
    begun = node.core.say("hi", now=node.now)
    assert begun is not None
    node.pump()
    assert node.saw() == [happened.RoomUnanswered(room="lab", number=begun.number)]
    (_, line), *_ = straight(node, BOB)
    assert (line.group, line.number, line.floor, line.text) == ("#lab", begun.number, begun.number, "hi")
    asked = link_again(node)
    assert asked is not None
    assert node.lines() == []  # no key for the room yet
    node.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 1, LAB_KEY, STATION, 10),
    )
    (frame,) = node.lines()
    body = decode_group_body(GroupKey("#lab", epoch=1, key=LAB_KEY).open(frame))
    assert (body.number, body.text) == (begun.number, "hi")
    node.saw()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert node.saw() == [happened.RoomAccepted(room="lab", number=begun.number)]


def test_the_trail_of_a_line_says_that_it_was_kept_and_that_the_registry_has_it(node: Node) -> None:
    enter(node)
    lose_registry(node)
    begun = node.core.say("hi", now=node.now)
    assert begun is not None
    node.pump()
    mark = group_mark("#lab")
    (under_way,) = readable(node.core.steps_under_way(mark, begun.number), 0)
    assert under_way.what is What.KEPT
    assert under_way.when is not None
    assert under_way.when < node.now + WALL
    asked = link_again(node)
    assert asked is not None
    node.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 1, LAB_KEY, STATION, 10),
    )
    (frame,) = node.lines()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert node.core.steps_under_way(mark, begun.number) == ()
    (line,) = node.disk.lines.latest(9)
    assert (line.room, line.text, line.standing) == ("lab", "hi", Standing.DELIVERED)
    steps = readable(unpacked(line.trail, line.at_ms), line.at_ms)
    assert [step.what for step in steps] == [What.KEPT, What.ACCEPTED]


def test_a_line_that_was_left_behind_says_why(node: Node) -> None:
    enter(node)
    lose_registry(node)
    node.core.say("hi", now=node.now)
    node.core.rooms.leave(now=node.now)
    node.pump()
    (line,) = node.disk.lines.latest(9)
    *_, last = readable(unpacked(line.trail, line.at_ms), line.at_ms)
    assert (line.standing, last.what, last.reason) == (Standing.REFUSED, What.REFUSED, LEFT)


def test_a_line_of_somebody_ignored_is_stored_and_found_and_never_shown(node: Node) -> None:
    enter(node)
    node.saw()
    node.core.trust.ignore("bob", is_ignored=True)
    node.hears(told(BOB, node, StraightLine("#lab", 5, 5, 5, 0, int(WALL * 1_000), "hm")), BOB.home)
    assert node.saw() == []
    assert node.disk.lines.latest(9) == []
    node.core.trust.ignore("bob", is_ignored=False)
    node.pump()
    (line,) = node.disk.lines.search("hm", 9)
    assert (line.room, line.name) == ("lab", "bob")
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.pass_time(10.0)
    assert again.saw() == []


def test_a_member_who_does_not_answer_is_sent_the_newest_line_only(node: Node) -> None:
    enter(node)
    lose_registry(node)
    for text in ("one", "two"):
        node.core.say(text, now=node.now)
        node.pump()
        node.pass_time(3.0)
    assert node.core.rooms.in_reach == 0
    assert node.core.is_settled
    node.datagrams.clear()
    node.core.say("three", now=node.now)
    node.pump()
    lines = straight(node, BOB)
    assert [line.text for _, line in lines] == ["three"]
    session = BOB.session_with(node.alice)
    node.hears(session.seal(join_frames([encode(Ack(lines[0][0], [1]))])), BOB.home)
    assert [line.text for _, line in straight(node, BOB)] == ["one", "two"]
    assert node.core.rooms.in_reach == 1


def test_a_line_of_somebody_who_is_no_member_is_acknowledged_and_not_shown(node: Node) -> None:
    enter(node)
    node.saw()
    for one in (BOB, CAROL):
        said = StraightLine("#lab", 5, 5, 5, 0, int(WALL * 1_000), f"from {one.name}")
        node.hears(
            one.session_with(node.alice).seal(
                join_frames([encode(Floor(9)), encode(Part(9, 0, 1, encode(said)))])
            ),
            one.home,
        )
    assert [event.text for event in node.saw() if isinstance(event, happened.RoomReceived)] == ["from bob"]


def test_a_line_that_came_straight_is_not_shown_again_out_of_the_log(node: Node) -> None:
    enter(node)
    node.saw()
    said = StraightLine("#lab", 5, 5, 5, 0, int(WALL * 1_000), "hi")
    node.hears(told(BOB, node, said), BOB.home)
    body = encode(GroupBody(number=5, floor=5, at=said.at, text="hi"))
    node.frames(pack_relayed(11, GroupKey("#lab", epoch=1, key=LAB_KEY).seal(7, body)))
    assert len([event for event in node.saw() if isinstance(event, happened.RoomReceived)]) == 1
    assert node.disk.load().groups["#lab"].cursor == 11


def test_lines_of_a_room_are_answered_by_the_registry(node: Node) -> None:
    enter(node)
    node.saw()
    begun = node.core.say("hi", now=node.now)
    assert begun is not None
    node.pump()
    (frame,) = node.lines()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert node.saw() == [happened.RoomAccepted(room="lab", number=begun.number)]
    assert node.core.is_settled


def test_a_line_said_just_before_leaving_is_still_answered(node: Node) -> None:
    enter(node)
    node.core.say("bye", now=node.now)
    node.core.rooms.leave(now=node.now)
    node.pump()
    (frame,) = node.lines()
    node.saw()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert [type(event) for event in node.saw()] == [happened.RoomAccepted]


def test_the_channel_goes_straight_to_everybody_who_was_online(node: Node) -> None:
    lose_registry(node)
    node.saw()
    number = node.core.send_all("hi", now=node.now)
    node.pump()
    assert node.saw() == [happened.ChannelUnanswered(number=number)]
    kept = list(node.datagrams)
    for one in (BOB, CAROL):
        node.datagrams = list(kept)
        assert {line.number for _, line in straight(node, one)} == {number}


def test_lines_that_wait_survive_a_crash(node: Node) -> None:
    enter(node)
    lose_registry(node)
    begun = node.core.say("hi", now=node.now)
    assert begun is not None
    node.pump()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.start()
    asked = link_again(again, BOB.row(3, station=7))
    assert asked is not None
    again.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 2, LAB_KEY, STATION, 10),
    )
    (frame,) = again.lines()
    body = decode_group_body(GroupKey("#lab", epoch=2, key=LAB_KEY).open(frame))
    assert (body.number, body.text) == (begun.number, "hi")


def test_lines_of_two_lives_are_said_one_life_after_the_other(node: Node) -> None:
    """Between them are numbers that were never given. A line in the log tells of no gap: whoever heard one of the later
    life while one of the earlier is not settled would hold it back for what is in between."""
    enter(node)
    lose_registry(node)
    node.core.say("one", now=node.now)
    node.core.say("two", now=node.now)
    node.pump()
    again = Node(disk=node.disk, porter=node.porter, life=2)
    again.now += 60.0
    again.start()
    lose_registry(again)
    again.core.say("three", now=again.now)
    asked = link_again(again, BOB.row(3, station=7))
    assert asked is not None
    again.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 2, LAB_KEY, STATION, 10),
    )
    again.core.say("four", now=again.now)
    again.pump()
    first, second = again.lines()
    assert [text_of(first, epoch=2), text_of(second, epoch=2)] == ["one", "two"]
    again.told(accepted(second, 12))
    again.pass_time(1.0)
    assert again.lines() == []
    again.told(accepted(first, 11))
    assert said(again, epoch=2) == ["three", "four"]


def accepted(frame: bytes, position: int) -> GroupAccepted:
    header = unpack_group(frame)
    return GroupAccepted("#lab", header.epoch, header.counter, position)


def said(node: Node, *, epoch: int) -> list[str]:
    return [text_of(frame, epoch=epoch) for frame in node.lines()]


def text_of(frame: bytes, *, epoch: int) -> str:
    return decode_group_body(GroupKey("#lab", epoch=epoch, key=LAB_KEY).open(frame)).text
