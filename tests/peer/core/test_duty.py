"""This file is about an operator's side of the desk: what is asked, what is told, what a new link brings back."""

import random
from collections.abc import Callable

import pytest

from peer.core.duty import Duty
from peer.core.dutycommands import FAILURES
from peer.core.events import duty as happened
from peer.core.outputs import Outputs
from wire.messages.desk.operating import (
    CallNext,
    ClientCause,
    ClientChanged,
    ClientReach,
    ClientTold,
    CommandDone,
    CommandResult,
    DutyTold,
    FiguresShown,
    RoomShown,
    RoomVisitor,
    TakeDuty,
)
from wire.messages.desk.talking import DeskLine, HeardAtDesk, LineRefusal, LineRefused, LinesTaken, SayAtDesk
from wire.messages.link import PeerRequest

WALL = 1_800_000_000.0
NO_CLIENT = happened.CommandFailed(reason="No active client")
SILENT = happened.CommandFailed(reason="Server not responding")


class Scene:
    """An operator whose link is up."""

    def __init__(self) -> None:
        self.out = Outputs()
        self.duty = Duty(self.out, random.Random(1))
        self.duty.link_up()

    def asked(self) -> list[PeerRequest]:
        asked, self.out.requests = self.out.requests, []
        return asked

    def told(self) -> list[object]:
        return list(self.out.drain_events())

    def answer(self, result: CommandResult, subject: str = "") -> None:
        """The registry's answer to the one command asked."""
        (command,) = self.asked()
        reference = reference_of(command)
        self.duty.heed(CommandDone(reference, result, subject))

    def serve(self, cause: ClientCause = ClientCause.CALLED, visit: int = 7) -> None:
        self.duty.heed(
            ClientTold(visit, cause, "desk", "Asha Rao", "+919876543210", "Other", 9, True, "", "")
        )

    def relink(self, *, is_on: bool, visit: int = 0) -> None:
        self.duty.link_lost()
        self.out.requests.clear()
        self.duty.link_up()
        self.duty.heed(DutyTold(is_on, self.duty.queue, visit))

    def answered(self) -> bool:
        return self.duty.commands.is_answered


def reference_of(request: PeerRequest) -> int:
    """A command has one."""
    return int(getattr(request, "reference"))  # noqa: B009 - of a union of which not all have it


def test_the_next_visitor_comes_with_a_form_and_is_awaited() -> None:
    scene = Scene()
    scene.duty.commands.call_next("")
    assert not scene.answered()
    scene.answer(CommandResult.DONE)
    assert not scene.answered()
    scene.serve()
    assert scene.answered()
    (came,) = scene.told()
    assert isinstance(came, happened.ClientCame)
    assert (came.name, came.number, came.issue) == ("Asha Rao", "+919876543210", "Other")
    assert scene.duty.client == "Asha Rao"


@pytest.mark.parametrize("result", [one for one in CommandResult if one is not CommandResult.DONE])
def test_each_failure_is_told(result: CommandResult) -> None:
    scene = Scene()
    scene.duty.commands.call_next("")
    scene.answer(result)
    assert scene.told() == [happened.CommandFailed(reason=FAILURES[result])]
    assert scene.answered()


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda duty: duty.commands.drop(2), "Ravi {x} was taken out of the waiting room"),
        (lambda duty: duty.commands.move(2, 1), "Ravi {x} is number 1 now"),
        (lambda duty: duty.commands.note("hm"), "Note about Ravi {x} kept"),
    ],
)
def test_what_nothing_else_tells_of(ask: Callable[[Duty], None], text: str) -> None:
    scene = Scene()
    ask(scene.duty)
    scene.answer(CommandResult.DONE, "Ravi {x}")
    assert scene.told() == [happened.CommandDone(text=text)]


def test_without_a_link_nothing_is_asked_and_what_was_asked_is_given_up() -> None:
    scene = Scene()
    scene.duty.commands.end_session()
    scene.duty.link_lost()
    assert scene.told() == [SILENT]
    assert scene.answered()
    scene.asked()
    scene.duty.commands.end_session()
    assert scene.told() == [SILENT]
    assert scene.asked() == []


def test_text_needs_a_visitor() -> None:
    scene = Scene()
    scene.duty.say("hello?", wall=WALL)
    assert scene.told() == [NO_CLIENT]
    assert scene.asked() == []


def test_lines_are_said_again_on_a_new_link_to_the_same_visitor() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.duty.say("one", wall=WALL)
    scene.duty.say("two", wall=WALL)
    first = scene.asked()
    scene.relink(is_on=True, visit=7)
    scene.serve(ClientCause.RETURNED)
    assert scene.asked() == first
    assert not any(isinstance(event, happened.ClientCame) for event in scene.told())
    one, two = (line for line in first if isinstance(line, SayAtDesk))
    scene.duty.heed(LinesTaken(7, one.number))
    scene.duty.heed(LineRefused(7, two.number, LineRefusal.TOO_FAST))
    assert scene.duty.is_settled
    assert len(scene.told()) == 1
    assert scene.duty.client == "Asha Rao"


@pytest.mark.parametrize("is_on", [True, False])
def test_a_visitor_who_was_taken_back_while_we_were_away(is_on: bool) -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.relink(is_on=is_on, visit=7)  # still ours
    assert scene.duty.client == "Asha Rao"
    scene.duty.say("one", wall=WALL)
    scene.told()
    scene.relink(is_on=is_on)
    told = [event for event in scene.told() if not isinstance(event, happened.DutyChanged)]
    taken = happened.ClientChanged(name="Asha Rao", move=happened.ClientMove.TAKEN_BACK)
    assert told == [taken, NO_CLIENT]
    assert scene.answered()
    assert scene.duty.is_said
    scene.relink(is_on=is_on)
    assert taken not in scene.told()


def test_lines_are_said_again_though_we_may_not_serve_under_our_present_name() -> None:
    scene = Scene()
    scene.serve()
    scene.duty.say("one", wall=WALL)
    (line,) = scene.asked()
    assert isinstance(line, SayAtDesk)
    scene.told()
    scene.duty.link_lost()
    scene.duty.link_up()
    assert scene.asked() == [line]
    scene.duty.heed(LineRefused(7, line.number, LineRefusal.NO_CLIENT))
    assert scene.told() == [NO_CLIENT]
    assert scene.duty.client is None


def test_a_visitor_who_is_not_ours_any_more() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.duty.say("one", wall=WALL)
    (line,) = scene.asked()
    assert isinstance(line, SayAtDesk)
    scene.duty.heed(LineRefused(7, line.number, LineRefusal.NO_CLIENT))
    assert scene.told() == [NO_CLIENT]
    assert scene.duty.client is None


def test_lines_of_the_visitor_are_shown_once_and_confirmed() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    for position, operator in ((1, "eve"), (2, ""), (2, "")):
        scene.duty.heed(DeskLine(7, position, operator, 0, "é ✓"))
    assert [(one.sender, one.position) for one in scene.told() if isinstance(one, happened.ClientSaid)] == [
        ("eve", 1),
        ("Asha Rao", 2),
    ]
    scene.duty.lines_shown(7, 2)
    assert scene.asked() == [HeardAtDesk(7, 2)]
    scene.duty.heed(DeskLine(7, 1, "eve", 0, "é ✓"))  # the confirmation was lost
    assert scene.asked() == [HeardAtDesk(7, 2)]
    scene.duty.heed(DeskLine(8, 3, "", 0, "another visit"))
    scene.duty.lines_shown(8, 3)
    assert scene.told() == []
    assert scene.asked() == []


@pytest.mark.parametrize("change", ClientReach)
def test_what_becomes_of_a_visitor(change: ClientReach) -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.duty.heed(ClientChanged(8, change, "somebody else's"))
    assert scene.told() == []
    if change is ClientReach.BACK:
        scene.duty.heed(ClientChanged(7, change, "Asha Rao"))
        assert scene.told() == []  # nobody was told that they were away
        scene.duty.heed(ClientChanged(7, ClientReach.AWAY, "Asha Rao"))
        scene.told()
    scene.duty.heed(ClientChanged(7, change, "Asha Rao"))
    assert scene.told() == [happened.ClientChanged(name="Asha Rao", move=happened.ClientMove[change.name])]
    assert (scene.duty.client is None) is (change not in (ClientReach.AWAY, ClientReach.BACK))


def test_duty_is_told_when_it_changes_and_taken_again_from_a_registry_that_has_forgotten() -> None:
    scene = Scene()
    scene.duty.heed(DutyTold(False, ""))
    assert scene.told() == []
    scene.duty.commands.take_duty("exams")
    assert isinstance(scene.asked()[0], TakeDuty)
    scene.duty.heed(DutyTold(True, "exams"))
    assert scene.told() == [happened.DutyChanged(is_on=True, queue="exams")]
    scene.relink(is_on=True)
    assert scene.asked() == []
    scene.relink(is_on=False)
    (again,) = scene.asked()
    assert isinstance(again, TakeDuty)
    assert again.queue == "exams"


def test_who_went_off_duty_stays_so() -> None:
    scene = Scene()
    scene.duty.heed(DutyTold(True, "desk"))
    scene.duty.end()
    scene.answer(CommandResult.DONE)
    scene.duty.heed(DutyTold(False, "desk"))
    scene.relink(is_on=False)
    assert scene.asked() == []


def test_room_and_figures_are_values_for_people() -> None:
    scene = Scene()
    scene.duty.commands.show_room("")
    scene.duty.commands.show_figures("")
    room, figures = map(reference_of, scene.asked())
    one = RoomVisitor(7, "Asha Rao", "Other", 99, True, "bob")
    scene.duty.heed(RoomShown(room, "desk", 1, [one], [one], 1))
    scene.duty.heed(FiguresShown(figures, "desk", 1, 2, 3, 4, 5, 6))
    scene.duty.heed(FiguresShown(figures, "desk", 1, 2, 3, 4, 5, 6))  # asked once, told once
    shown = happened.RoomVisitor(name="Asha Rao", issue="Other", since=99.0, is_here=True, operator="bob")
    assert scene.told() == [
        happened.WaitingRoom(queue="desk", operators=1, served=(shown,), waiting=(shown,), total=1),
        happened.Figures(
            queue="desk",
            served_today=1,
            median_wait=2,
            ninetieth_wait=3,
            longest_waiting=4,
            waiting=5,
            operators=6,
        ),
    ]
    assert scene.answered()


def test_commands_have_a_reference_each() -> None:
    scene = Scene()
    for _ in range(100):
        scene.duty.commands.call_next("")
    references = {one.reference for one in scene.asked() if isinstance(one, CallNext)}
    assert len(references) == 100
