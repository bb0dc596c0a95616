"""Lines of a visit: ours until they are answered, the operator's until they are shown."""

import pytest

from chatapp.peer.api import visit_events
from chatapp.wire.messages.desk import (
    AckDeskLines,
    DeskLine,
    LineRefusal,
    LineRefused,
    LinesSaved,
    OperatorCause,
    OverCause,
    PositionCause,
    ReturnToDesk,
    SendDeskLine,
    VisitOver,
)
from tests.peer.core.desk.scene import WALL, Scene
from tests.support.visits import line_of, settled


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
    assert visit_events.NotYourTurn() in scene.visit.events()


def test_a_line_is_shown_once_and_confirmed_when_that_is_on_disk() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    for position in (1, 2, 1, 2):
        scene.visit.handle(DeskLine(7, position, "bob", 0, f"line {position}"))
    lines = scene.visit.events()
    assert lines == [
        line_of("bob", "line 1", 1),
        line_of("bob", "line 2", 2),
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


@pytest.mark.parametrize(
    "reason", [one for one in LineRefusal if one is not LineRefusal.NOT_YOUR_TURN]
)
def test_a_line_that_is_refused(reason: LineRefusal) -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    line = scene.visit.say("hi", wall=WALL)
    assert line is not None
    (said,) = scene.said()
    assert isinstance(said, SendDeskLine)
    for _ in range(2):
        scene.visit.handle(LineRefused(7, said.number, reason))
    assert scene.visit.events() == [
        settled(line, is_saved=False),
        visit_events.VisitorLineRefused(reason=reason, text="hi"),
    ]


def test_every_line_is_settled_once_by_its_own_name() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    lines = [scene.visit.say(text, wall=WALL) for text in ("one", "two", "three", "four")]
    numbers = [said.number for said in scene.said() if isinstance(said, SendDeskLine)]
    scene.visit.handle(LinesSaved(7, numbers[0]))
    scene.visit.handle(LineRefused(7, numbers[2], LineRefusal.TOO_FAST))
    scene.visit.handle(LinesSaved(7, numbers[1]))
    scene.visit.handle(LinesSaved(7, numbers[1]))
    scene.visit.handle(VisitOver(7, OverCause.ENDED))
    changes = (visit_events.MessageChanged,)
    assert [event for event in scene.visit.events() if isinstance(event, changes)] == [
        settled(lines[0] or 0, is_saved=True),
        settled(lines[2] or 0, is_saved=False),
        settled(lines[1] or 0, is_saved=True),
        settled(lines[3] or 0, is_saved=False),
    ]


def test_lines_that_get_new_numbers_keep_their_names() -> None:
    """The clock was set back: the registry takes our lines for repeats, and they are said again
    under higher numbers."""
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    lines = [scene.visit.say(text, wall=WALL) for text in ("one", "two")]
    (first, _) = scene.said()
    assert isinstance(first, SendDeskLine)
    scene.visit.handle(LinesSaved(7, first.number + 5_000_000))
    assert scene.said() == []
    scene.visit.handle(DeskLine(7, 1, "", 0, "of an earlier run", first.number + 5_000_000))
    again = scene.said()
    scene.visit.events()
    assert isinstance(again[0], SendDeskLine)
    scene.visit.handle(LinesSaved(7, again[0].number))
    assert scene.visit.events() == [settled(lines[0] or 0, is_saved=True)]


@pytest.mark.parametrize("is_linked", [True, False])
def test_what_was_typed_in_a_talk_stays_talk_and_is_said_in_the_next_turn(
    *, is_linked: bool
) -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    lines = [scene.visit.say(text, wall=WALL) for text in ("one", "two")]
    numbers = [said.number for said in scene.said() if isinstance(said, SendDeskLine)]
    if not is_linked:
        scene.relink()
        scene.said()
    scene.visit.events()
    scene.wait(cause=PositionCause.HELD)
    assert visit_events.NotYourTurn() in scene.visit.events()
    if is_linked:
        for number in numbers:
            scene.visit.handle(LineRefused(7, number, LineRefusal.NOT_YOUR_TURN))
    assert scene.said() == []  # a line that the registry has already would be refused, too
    assert (scene.visit.description, scene.settled(), scene.visit.events()) == ("", True, [])
    scene.serve()
    again = [said for said in scene.said() if isinstance(said, SendDeskLine)]
    assert [said.text for said in again] == ["one", "two"]
    assert all((said.number > numbers[1]) == is_linked for said in again)
    scene.visit.handle(LinesSaved(7, again[1].number))
    assert scene.visit.events()[-2:] == [settled(line or 0, is_saved=True) for line in lines]


def test_what_was_not_said_before_the_end_is_told_with_its_words() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    line = scene.visit.say("wait", wall=WALL)
    scene.visit.events()
    scene.visit.handle(VisitOver(7, OverCause.ENDED))
    assert scene.visit.events() == [
        settled(line or 0, is_saved=False),
        visit_events.VisitorLineRefused(reason=None, text="wait"),
        visit_events.VisitEnded(cause=OverCause.ENDED, may_rate=True),
    ]
