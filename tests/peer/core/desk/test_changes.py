"""Lines of a visit that are changed or taken back, as both ends of it know them."""

import pytest

from chatapp.peer.api import events, visit_events
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused
from chatapp.peer.api.events import MessageState, Target
from chatapp.wire.errors import TextTooLong
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.desk import (
    ClientCause,
    DeskLine,
    LineMark,
    LineRefusal,
    LineRefused,
    LinesSaved,
    OperatorCause,
    PositionCause,
    SendDeskLine,
)
from tests.peer.core.desk import scene as visits
from tests.peer.core.desk.test_operator import Scene

WALL = visits.WALL
SAID, EDITED, RETRACTED = LineMark
HIM = DeskLine(7, 1, "", 1_000, "helo")


def sent(requests: list[object]) -> list[SendDeskLine]:
    return [one for one in requests if isinstance(one, SendDeskLine)]


# --- the operator


def serving() -> Scene:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.asked()
    return scene


def said(scene: Scene, text: str, line: int) -> SendDeskLine:
    scene.operator.say(text, scene.target, now=scene.now, line=line)
    (request,) = sent([*scene.asked()])
    return request


def changed(scene: Scene, id_: int, text: str | None, line: int) -> SendDeskLine:
    scene.operator.change(id_, text, now=scene.now, line=line)
    (request,) = sent([*scene.asked()])
    return request


def texts(scene: Scene) -> list[tuple[str, bool, bool]]:
    talk = scene.operator.talk("olga")
    assert talk is not None
    return [(line.text, line.is_edited, line.is_retracted) for line in talk.lines]


def test_a_change_of_ours_counts_when_the_registry_has_it() -> None:
    scene = serving()
    line = said(scene, "wat?", 50)
    edit = changed(scene, 50, "what?", 51)
    assert (edit.mark, edit.target, edit.text) == (EDITED, line.number, "what?")
    assert texts(scene) == [("wat?", False, False)]
    scene.handle(LinesSaved(7, edit.number))
    assert texts(scene) == [("what?", True, False)]
    saved = [one for one in scene.told() if isinstance(one, events.MessageChanged)]
    assert [(one.id, one.state) for one in saved] == [
        (50, MessageState.SAVED),
        (51, MessageState.SAVED),
    ]
    taken_back = changed(scene, 50, None, 52)
    assert (taken_back.mark, taken_back.text) == (RETRACTED, "")
    for _ in range(2):
        with pytest.raises(ChangeRefused) as refused:
            scene.operator.change(50, "again", now=scene.now, line=53)
        assert refused.value.reason is ChangeRefusal.TAKEN_BACK
        scene.handle(LinesSaved(7, taken_back.number))
        assert texts(scene) == [("", False, True)]


def test_what_a_visitor_changes_is_told_once_and_by_the_line() -> None:
    scene = serving()
    scene.handle(HIM)
    (line,) = scene.told()
    assert isinstance(line, events.Said)
    change = DeskLine(7, 2, "", 2_000, "hello", 0, EDITED, 1)
    for _ in range(2):
        scene.handle(change)
    (edited,) = scene.told()
    assert isinstance(edited, events.Edited)
    assert (edited.text, edited.target, edited.sender) == (
        "hello",
        Target(b"", line.id),
        "Asha Rao",
    )
    assert texts(scene) == [("hello", True, False)]
    found = scene.operator.find(edited.target, "olga")
    assert found is not None
    assert [(one.number, one.text) for one in found.versions] == [
        (1, "helo"),
        (edited.id, "hello"),
    ]
    scene.handle(DeskLine(7, 3, "", 3_000, "", 0, RETRACTED, 1))
    (taken_back,) = scene.told()
    assert isinstance(taken_back, events.Retracted)
    found = scene.operator.find(taken_back.target, "olga")
    assert found is not None
    assert (found.line.text, found.versions) == ("", ())


def test_a_change_of_a_line_that_was_not_told_is_nothing() -> None:
    scene = serving()
    scene.handle(DeskLine(7, 5, "", 2_000, "hello", 0, EDITED, 1))
    assert scene.told() == []


def test_only_our_own_lines_to_this_visitor_are_changed() -> None:
    scene = serving()
    scene.handle(HIM)
    (line,) = scene.told()
    assert isinstance(line, events.Said)
    for id_, reason in ((line.id, ChangeRefusal.NOT_OURS), (77, ChangeRefusal.NO_SUCH_LINE)):
        with pytest.raises(ChangeRefused) as refused:
            scene.operator.change(id_, "mine", now=scene.now, line=9)
        assert refused.value.reason is reason
    said(scene, "mine", 50)
    with pytest.raises(TextTooLong):
        scene.operator.change(50, "x" * (TEXT_MAX + 1), now=scene.now, line=9)
    scene.serve(visit=8, name="Bela")
    with pytest.raises(ChangeRefused):
        scene.operator.change(50, "mine", now=scene.now, line=9)
    assert sent([*scene.asked()]) == []


def test_a_change_that_is_refused_leaves_the_line_as_it_was() -> None:
    scene = serving()
    line = said(scene, "helo", 50)
    edit = changed(scene, 50, "hello", 51)
    scene.handle(LinesSaved(7, line.number))
    scene.told()
    scene.handle(LineRefused(7, edit.number, LineRefusal.TOO_FAST))
    (failed,) = scene.told()
    assert isinstance(failed, events.CommandFailed)
    assert (failed.reason, failed.line) == (events.CommandFailure.LINE_TOO_FAST, 51)
    assert texts(scene) == [("helo", False, False)]
    gone = changed(scene, 50, None, 52)
    scene.handle(LineRefused(7, gone.number, LineRefusal.NO_SUCH_LINE))
    (failed,) = scene.told()
    assert isinstance(failed, events.CommandFailed)
    assert failed.reason is events.CommandFailure.LINE_GONE


def test_a_program_that_starts_again_changes_what_it_has_said_before() -> None:
    scene = serving()
    scene.serve(ClientCause.RETURNED)
    scene.told()
    scene.handle(DeskLine(7, 1, "olga", 1_000, "hello", 90, EDITED))
    scene.handle(DeskLine(7, 2, "olga", 2_000, "hello", 91, EDITED, 1))
    line, edited = scene.told()
    assert isinstance(line, events.Said)
    assert isinstance(edited, events.Edited)
    assert (line.is_ours, line.is_edited, edited.target.number) == (True, True, line.id)
    assert changed(scene, line.id, "bye", 60).target == 90


# --- the visitor


def visiting() -> visits.Scene:
    scene = visits.Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    scene.said()
    return scene


def states(scene: visits.Scene) -> list[tuple[int, MessageState]]:
    told = scene.visit.events()
    return [(one.id, one.state) for one in told if isinstance(one, visit_events.MessageChanged)]


def test_a_visitor_changes_a_line_and_the_change_is_said_again_on_a_new_link() -> None:
    scene = visiting()
    line = scene.visit.say("helo", wall=WALL)
    assert line is not None
    change = scene.visit.change(line, "hello", wall=WALL)
    first = sent([*scene.said()])
    assert [(one.mark, one.target) for one in first] == [(SAID, 0), (EDITED, line)]
    scene.relink()
    scene.serve(OperatorCause.RETURNED)
    assert sent([*scene.said()]) == first
    scene.visit.handle(LinesSaved(7, first[-1].number))
    assert states(scene) == [(line, MessageState.SAVED), (change, MessageState.SAVED)]
    assert scene.visit.change(4, "not mine", wall=WALL) is None


def test_what_is_changed_while_nobody_serves_is_changed_in_the_next_turn() -> None:
    scene = visiting()
    line = scene.visit.say("helo", wall=WALL)
    assert line is not None
    scene.visit.handle(LinesSaved(7, line))
    scene.wait(cause=PositionCause.OPERATOR_LOST)
    held = scene.visit.talk("wait", wall=WALL + 1)
    gone = scene.visit.talk("oh", wall=WALL + 2)
    assert held is not None
    assert gone is not None
    scene.visit.events()
    scene.said()
    edit = scene.visit.change(line, "hello", wall=WALL + 3)
    scene.visit.change(held, "wait!", wall=WALL + 4)
    scene.visit.change(gone, None, wall=WALL + 5)
    assert (gone, MessageState.REFUSED) in states(scene)
    assert sent([*scene.said()]) == []
    scene.serve()
    again = sent([*scene.said()])
    assert [(one.text, one.mark, one.target) for one in again] == [
        ("wait!", SAID, 0),
        ("hello", EDITED, line),
    ]
    scene.visit.handle(LinesSaved(7, again[-1].number))
    assert (edit, MessageState.SAVED) in states(scene)


def test_a_visitor_is_told_what_the_operator_changes_and_confirms_it() -> None:
    scene = visiting()
    scene.visit.handle(DeskLine(7, 1, "bob", 1_000, "helo"))
    scene.visit.handle(DeskLine(7, 2, "bob", 2_000, "hello", 0, EDITED, 1))
    scene.visit.handle(DeskLine(7, 3, "bob", 3_000, "", 0, RETRACTED, 1))
    line, edited, taken_back = scene.visit.events()
    assert isinstance(line, visit_events.Said)
    assert isinstance(edited, visit_events.Edited)
    assert isinstance(taken_back, visit_events.Retracted)
    assert edited.target.number == taken_back.target.number == line.id
    scene.visit.lines_shown(3)
    scene.store()
    assert scene.disk.shown == 3


def test_a_program_that_starts_again_is_told_its_own_changes() -> None:
    scene = visits.Scene(ticket=b"t" * 16)
    scene.visit.handle(visits.DESK)
    scene.serve(OperatorCause.RETURNED)
    scene.visit.events()
    scene.visit.handle(DeskLine(7, 1, "", 1_000, "hello", 90, EDITED))
    scene.visit.handle(DeskLine(7, 2, "", 2_000, "hello", 91, EDITED, 1))
    line, edited = scene.visit.events()
    assert isinstance(line, visit_events.Said)
    assert isinstance(edited, visit_events.Edited)
    assert (line.is_edited, edited.target.number) == (True, line.id)
    scene.said()
    assert scene.visit.change(line.id, "bye", wall=WALL) is not None
    (change,) = sent([*scene.said()])
    assert change.target == 90
