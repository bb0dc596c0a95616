"""Outgoing group lines: answered, left behind, kept over a crash; and lines of ignored people."""

from chatapp.peer.api import events
from chatapp.peer.api.conversations import room
from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.api.trace import TraceEvent, readable, unpacked
from chatapp.peer.core.records import group_mark
from chatapp.wire.codec import decode_group_body, unpack_group
from chatapp.wire.messages.direct import DirectGroupLine
from chatapp.wire.messages.rooms import GroupAccepted, GroupGranted, RoomEntered, RoomMember
from chatapp.wire.sealing import GroupKey
from tests.peer.core.cast import WALL
from tests.peer.core.core_driver import SENDER_INDEX, CoreDriver
from tests.peer.core.lab import (
    BOB,
    HERE,
    LAB_KEY,
    enter,
    link_again,
    lose_registry,
    node,
    return_to_lab,
    told,
)
from tests.support.screen import is_now

__all__ = ["node"]


def test_the_trail_of_a_line_says_that_it_was_kept_and_that_the_registry_has_it(
    node: CoreDriver,
) -> None:
    enter(node)
    lose_registry(node)
    begun = node.core.rooms.say("lab", "hi", now=node.now)
    assert begun is not None
    node.turn()
    mark = group_mark("#lab")
    (under_way,) = readable(node.core.steps_under_way(mark, begun.number), 0)
    assert under_way.what is TraceEvent.KEPT
    assert under_way.when is not None
    assert under_way.when < node.now + WALL
    asked = link_again(node)
    assert asked is not None
    node.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 1, LAB_KEY, SENDER_INDEX, 10),
    )
    (frame,) = node.lines()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert node.core.steps_under_way(mark, begun.number) == ()
    (line,) = node.disk.lines.latest(9)
    assert (line.room, line.text, line.state) == ("lab", "hi", MessageState.DELIVERED)
    steps = readable(unpacked(line.trace, line.at_ms), line.at_ms)
    assert [step.what for step in steps] == [TraceEvent.KEPT, TraceEvent.ACCEPTED]


def test_a_line_that_was_left_behind_says_why(node: CoreDriver) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "hi", now=node.now)
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    (line,) = node.disk.lines.latest(9)
    *_, last = readable(unpacked(line.trace, line.at_ms), line.at_ms)
    assert (line.state, last.what, last.reason) == (
        MessageState.REFUSED,
        TraceEvent.REFUSED,
        MessageReason.LEFT_ROOM,
    )


def test_a_line_of_somebody_ignored_is_stored_and_found_and_never_shown(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    node.core.roster.trust.ignore("bob", is_ignored=True)
    node.hears(
        told(BOB, node, DirectGroupLine("#lab", 5, 5, 5, 0, int(WALL * 1_000), "hm")), BOB.home
    )
    assert node.saw() == []
    assert node.disk.lines.latest(9) == []
    node.core.roster.trust.ignore("bob", is_ignored=False)
    node.turn()
    node.disk.lines.index.catch_up()
    (line,) = node.disk.lines.search("hm", 9)
    assert (line.room, line.name) == ("lab", "bob")
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.pass_time(10.0)
    assert again.saw() == []


def test_lines_of_a_room_are_answered_by_the_registry(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    begun = node.core.rooms.say("lab", "hi", now=node.now)
    assert begun is not None
    node.turn()
    (frame,) = node.lines()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert node.saw() == [
        events.MessageChanged(
            conversation=room("lab"), id=begun.id, state=events.MessageState.SAVED
        )
    ]
    assert node.core.is_settled


def test_a_line_said_just_before_leaving_is_still_answered(node: CoreDriver) -> None:
    enter(node)
    node.core.rooms.say("lab", "bye", now=node.now)
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    (frame,) = node.lines()
    node.saw()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    (told,) = node.saw()
    assert is_now(told, events.MessageState.SAVED)


def test_lines_that_wait_survive_a_crash(node: CoreDriver) -> None:
    enter(node)
    lose_registry(node)
    begun = node.core.rooms.say("lab", "hi", now=node.now)
    assert begun is not None
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.start()
    return_to_lab(again)
    (frame,) = again.lines()
    body = decode_group_body(GroupKey("#lab", epoch=2, key=LAB_KEY).open(frame))
    assert (body.number, body.text) == (begun.number, "hi")
