"""Lines of a visit: ours until they are answered, the operator's until they are shown."""

import pytest

from chatapp.peer.visitor import events as happened
from chatapp.wire.messages.desk import (
    AckDeskLines,
    DescribeVisit,
    DeskLine,
    LineRefusal,
    LineRefused,
    LinesSaved,
    OperatorCause,
    PositionCause,
    ReturnToDesk,
    SendDeskLine,
)
from tests.peer.visitor.scene import WALL, Scene


def test_lines_are_said_again_on_a_new_link_until_they_are_taken() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.say("one", wall=WALL)
    scene.is_up = False
    scene.visit.say("two", wall=WALL)  # within one microsecond
    scene.is_up = True
    first = scene.said()
    scene.relink()
    (back,) = scene.said()
    assert isinstance(back, ReturnToDesk)
    assert back.ticket == scene.disk.ticket
    scene.serve(OperatorCause.RETURNED)
    again = scene.said()
    assert [one.text for one in again if isinstance(one, SendDeskLine)] == ["one", "two"]
    assert again[0] == first[0]
    numbers = [one.number for one in again if isinstance(one, SendDeskLine)]
    assert numbers == sorted(set(numbers))
    scene.visit.handle(LinesSaved(7, numbers[0]))
    assert not scene.settled()
    scene.visit.handle(LineRefused(7, numbers[1], LineRefusal.NOT_YOUR_TURN))
    assert scene.settled()
    assert happened.NotYourTurn() in scene.visit.events()


def test_a_line_is_shown_once_and_confirmed_when_that_is_on_disk() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    for position in (1, 2, 1, 2):
        scene.visit.handle(DeskLine(7, position, "bob", 0, f"line {position}"))
    lines = scene.visit.events()
    assert lines == [
        happened.LineReceived(operator="bob", text="line 1", position=1),
        happened.LineReceived(operator="bob", text="line 2", position=2),
    ]
    assert scene.said() == []
    scene.visit.lines_shown(2)
    assert scene.said() == []
    scene.store()
    assert scene.said() == [AckDeskLines(7, 2)]
    assert scene.disk.shown == 2
    scene.visit.handle(DeskLine(7, 1, "bob", 0, "line 1"))  # the confirmation was lost
    assert scene.said() == [AckDeskLines(7, 2)]
    scene.visit.handle(DeskLine(8, 3, "eve", 0, "of another visit"))
    assert scene.visit.events() == []


@pytest.mark.parametrize("reason", [one for one in LineRefusal if one is not LineRefusal.NOT_YOUR_TURN])
def test_a_line_that_is_refused(reason: LineRefusal) -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    scene.visit.say("hi", wall=WALL)
    (said,) = scene.said()
    assert isinstance(said, SendDeskLine)
    for _ in range(2):
        scene.visit.handle(LineRefused(7, said.number, reason))
    assert [type(event) for event in scene.visit.events()] == [happened.VisitorLineRefused]


def test_lines_that_come_too_late_are_added_to_the_description() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.say("one", wall=WALL)
    scene.said()
    scene.relink()
    scene.said()
    scene.wait(cause=PositionCause.HELD)
    (again,) = scene.said()
    assert isinstance(again, SendDeskLine)
    scene.visit.handle(LineRefused(7, again.number, LineRefusal.NOT_YOUR_TURN))
    (described,) = scene.said()
    assert isinstance(described, DescribeVisit)
    assert (described.visit, described.text) == (7, "one")
