"""Room lines that outlive the program that sent them: sent after a restart, in order, or reported
as given up."""

from chatapp.peer.api import events
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.trace import TraceEvent, readable, unpacked
from chatapp.wire.codec import decode_group_body, unpack_group
from chatapp.wire.messages.rooms import GroupAccepted
from chatapp.wire.sealing import GroupKey
from tests.peer.core.core_driver import CoreDriver
from tests.peer.core.lab import LAB_KEY, enter, lose_registry, node, return_to_lab

__all__ = ["node"]


def test_after_a_quit_with_a_line_to_be_told_the_next_start_tells_it(node: CoreDriver) -> None:
    """The user read that the line goes "to others later"; only a member in the room can send it
    there."""
    enter(node)
    lose_registry(node)
    begun = node.core.rooms.say("lab", "hi", now=node.now)
    assert begun is not None
    node.core.rooms.forget()
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.start()
    return_to_lab(again)
    assert said(again, epoch=2) == ["hi"]


def test_a_life_that_ended_right_after_leaving_leaves_no_line_without_an_end(
    node: CoreDriver,
) -> None:
    enter(node)
    node.core.rooms.say("lab", "bye", now=node.now)
    node.core.rooms.leave("lab", now=node.now)
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.turn()
    (line,) = again.disk.lines.latest(9)
    *_, last = readable(unpacked(line.trace, line.at_ms), line.at_ms)
    assert (line.state, last.what, last.reason) == (
        MessageState.REFUSED,
        TraceEvent.REFUSED,
        events.MessageReason.LEFT_ROOM,
    )
    assert again.saw() == [events.LinesAbandoned(room="lab", count=1)]


def test_lines_of_two_runs_are_sent_in_order(node: CoreDriver) -> None:
    """Between them are numbers that were never given. A line in the log tells of no gap: whoever
    heard one of the later life while one of the earlier is not settled would hold it back for what
    is in between."""
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "one", now=node.now)
    node.core.rooms.say("lab", "two", now=node.now)
    node.turn()
    again = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    again.now += 60.0
    again.start()
    lose_registry(again)
    again.core.rooms.say("lab", "three", now=again.now)
    return_to_lab(again)
    again.core.rooms.say("lab", "four", now=again.now)
    again.turn()
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


def said(node: CoreDriver, *, epoch: int) -> list[str]:
    return [text_of(frame, epoch=epoch) for frame in node.lines()]


def text_of(frame: bytes, *, epoch: int) -> str:
    return decode_group_body(GroupKey("#lab", epoch=epoch, key=LAB_KEY).open(frame)).text
