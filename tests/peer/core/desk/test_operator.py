"""The operator's side of the help desk: requests, reports, the addressed visitor, and recovery on a
new link."""

import msgspec
import pytest

from chatapp.peer.api import events
from chatapp.peer.core.context import RegistryChange
from chatapp.peer.core.desk.operator import Operator, VisitTarget
from chatapp.wire.desk.focus import STILL_SERVED, HeldInput
from chatapp.wire.desk.values import ListedVisitor
from chatapp.wire.messages.desk import (
    AckDeskLines,
    AnnounceAtDesk,
    CallNext,
    ClientAssigned,
    ClientCause,
    ClientChange,
    ClientChanged,
    CloseQueue,
    CommandDone,
    CommandResult,
    ConversationNotice,
    DeskLine,
    DropVisitor,
    DutyStatus,
    EndDuty,
    EndSession,
    FetchDeskLines,
    FiguresShown,
    HandOver,
    LineRefusal,
    LineRefused,
    LinesSaved,
    MoveVisitor,
    NoteVisitor,
    OpenQueue,
    OperatorNotice,
    OperatorRequest,
    PastLine,
    PastSession,
    PastShown,
    ReadyAnswer,
    ReadyAnswersShown,
    RoomShown,
    RoomVisitor,
    SendDeskLine,
    ShowFigures,
    ShowPast,
    ShowRoom,
    TakeDuty,
    WaitingCounted,
)
from chatapp.wire.messages.link import PeerRequest
from tests.peer.core.cast import Someone
from tests.support.visits import line_of, settled

WALL = 1_800_000_000.0
NO_CLIENT = events.CommandFailed(reason=events.CommandFailure.NO_CLIENT)
SILENT = events.CommandFailed(reason=events.CommandFailure.UNREACHABLE)


class Scene:
    """An operator whose link is up."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reads: list[FetchDeskLines] = []
        ctx = Someone("olga").context()
        self.out = ctx.out
        self.operator = Operator(ctx)
        self.operator.registry_changed(RegistryChange.LINK_UP)

    def handle(self, notice: OperatorNotice | ConversationNotice) -> None:
        self.operator.handle(notice, now=self.now)

    @property
    def target(self) -> VisitTarget:
        """The visitor for whom a line typed now is meant."""
        return VisitTarget(None, self.now)

    def ask(self, request: OperatorRequest) -> None:
        self.operator.ask(request, self.target)

    def say(self, text: str, *, is_maybe: bool = False) -> None:
        self.operator.say(text, self.target._replace(is_maybe=is_maybe), now=100.0)

    def asked(self) -> list[PeerRequest]:
        asked, self.out.requests = self.out.requests, []
        self.reads += [one for one in asked if isinstance(one, FetchDeskLines)]
        return [one for one in asked if not isinstance(one, FetchDeskLines)]

    def told(self) -> list[object]:
        return list(self.out.drain_events())

    def answer(self, result: CommandResult, subject: str = "") -> None:
        """Deliver the registry's answer to the one pending command."""
        (command,) = self.asked()
        reference = reference_of(command)
        self.handle(CommandDone(reference, result, subject))

    def serve(
        self,
        cause: ClientCause = ClientCause.CALLED,
        visit: int = 7,
        name: str = "Asha Rao",
        *,
        is_asked: bool = True,
    ) -> None:
        self.handle(
            ClientAssigned(
                visit, cause, "desk", name, "+919876543210", "Other", 9, True, "", "", is_asked, ""
            )
        )

    def relink(self, *, is_on: bool, visit: int = 0) -> None:
        self.operator.registry_changed(RegistryChange.LINK_LOST)
        self.asked()
        self.operator.registry_changed(RegistryChange.LINK_UP)
        self.handle(DutyStatus(is_on, self.operator.queue, visit))

    def answered(self) -> bool:
        return self.operator.commands.is_answered

    def is_said(self) -> bool:
        return self.operator.is_said


def unsaid(move: events.ClientMove | None, text: str, *, client: str = "") -> events.HeldBack:
    """Return what is reported for a line to Asha Rao that nobody gets."""
    line = HeldInput.LINE
    return events.HeldBack(what=line, former="Asha Rao", move=move, client=client, text=text)


def reference_of(request: PeerRequest) -> int:
    """A command has a visit."""
    return int(getattr(request, "reference"))  # noqa: B009 - of a union of which not all have it


def test_the_next_visitor_comes_with_a_form_before_the_answer() -> None:
    scene = Scene()
    scene.ask(CallNext(0, "", 0))
    scene.serve()
    assert not scene.answered()
    scene.answer(CommandResult.DONE)
    assert scene.answered()
    (came,) = scene.told()
    assert isinstance(came, events.ClientCame)
    assert (came.name, came.number, came.issue) == ("Asha Rao", "+919876543210", "Other")
    assert scene.operator.client == "Asha Rao"


@pytest.mark.parametrize(
    "result",
    [one for one in CommandResult if one not in (CommandResult.DONE, CommandResult.OTHER_CLIENT)],
)
def test_each_failure_is_told(result: CommandResult) -> None:
    scene = Scene()
    scene.ask(CallNext(0, "", 0))
    scene.answer(result, "Ravi {x}")
    assert scene.told() == [
        events.CommandFailed(reason=events.CommandFailure[result.name], name="Ravi {x}")
    ]
    assert scene.answered()


@pytest.mark.parametrize(
    ("typed", "action", "position"),
    [
        (DropVisitor(0, 0, 2), events.DeskAction.DROPPED, 0),
        (MoveVisitor(0, 0, 2, 1), events.DeskAction.MOVED, 1),
        (NoteVisitor(0, 0, "hm"), events.DeskAction.NOTED, 0),
        (CloseQueue(0, "", "lunch"), events.DeskAction.CLOSED, 0),
        (OpenQueue(0, ""), events.DeskAction.OPENED, 0),
        (AnnounceAtDesk(0, "", "hello"), events.DeskAction.ANNOUNCED, 0),
    ],
)
def test_what_nothing_else_tells_of(
    typed: OperatorRequest, action: events.DeskAction, position: int
) -> None:
    scene = Scene()
    scene.ask(typed)
    scene.answer(CommandResult.DONE, "Ravi {x}")
    note = typed.text if isinstance(typed, NoteVisitor) else ""
    assert scene.told() == [
        events.CommandSucceeded(action=action, name="Ravi {x}", position=position, text=note)
    ]


def test_without_a_link_nothing_is_asked_and_what_was_asked_is_given_up() -> None:
    scene = Scene()
    scene.ask(EndSession(0, 0))
    scene.operator.registry_changed(RegistryChange.LINK_LOST)
    assert scene.told() == [SILENT]
    assert scene.answered()
    scene.asked()
    scene.ask(EndSession(0, 0))
    assert scene.told() == [SILENT]
    assert scene.asked() == []


def test_text_needs_a_visitor() -> None:
    scene = Scene()
    scene.say("hello?")
    assert scene.told() == [msgspec.structs.replace(NO_CLIENT, text="hello?")]
    assert scene.asked() == []


def test_lines_are_said_again_on_a_new_link_to_the_same_visitor() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.say("one")
    scene.say("two")
    first = scene.asked()
    scene.relink(is_on=True, visit=7)
    scene.serve(ClientCause.RETURNED)
    assert scene.asked() == first
    assert not any(isinstance(event, events.ClientCame) for event in scene.told())
    one, two = (line for line in first if isinstance(line, SendDeskLine))
    scene.handle(LinesSaved(7, one.number))
    scene.handle(LineRefused(7, two.number, LineRefusal.TOO_FAST))
    assert scene.operator.is_settled
    assert len(scene.told()) == 1
    assert scene.operator.client == "Asha Rao"


@pytest.mark.parametrize("is_on", [True, False])
def test_a_visitor_who_was_taken_back_while_we_were_away(is_on: bool) -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.relink(is_on=is_on, visit=7)  # still ours
    assert scene.operator.client == "Asha Rao"
    scene.say("one")
    scene.told()
    scene.relink(is_on=is_on)
    told = [event for event in scene.told() if not isinstance(event, events.DutyChanged)]
    taken = events.ClientMoved(name="Asha Rao", move=events.ClientMove.TAKEN_BACK)
    assert told == [taken, unsaid(events.ClientMove.TAKEN_BACK, "one")]
    assert scene.answered()
    assert scene.is_said()
    scene.relink(is_on=is_on)
    assert taken not in scene.told()


def test_last_words_and_the_end_that_we_missed_come_before_our_duty() -> None:
    scene = Scene()
    scene.serve()
    scene.operator.registry_changed(RegistryChange.LINK_LOST)
    scene.say("still there?")
    scene.operator.registry_changed(RegistryChange.LINK_UP)
    (line, *_) = (one for one in scene.asked() if isinstance(one, SendDeskLine))
    scene.told()
    scene.handle(DeskLine(7, 1, "", 1_000, "bye"))
    scene.handle(ClientChanged(7, ClientChange.LEFT, "Asha Rao"))
    scene.handle(DutyStatus(is_on=True, queue="desk"))
    scene.handle(LineRefused(7, line.number, LineRefusal.NO_CLIENT))
    said, moved, _, held = scene.told()
    assert isinstance(said, events.Said)
    assert moved == events.ClientMoved(name="Asha Rao", move=events.ClientMove.LEFT)
    assert held == unsaid(events.ClientMove.LEFT, "still there?")


def test_lines_are_said_again_though_we_may_not_serve_under_our_present_name() -> None:
    scene = Scene()
    scene.serve()
    scene.say("one")
    (line,) = scene.asked()
    assert isinstance(line, SendDeskLine)
    scene.told()
    scene.operator.registry_changed(RegistryChange.LINK_LOST)
    scene.operator.registry_changed(RegistryChange.LINK_UP)
    assert scene.asked() == [line]
    scene.handle(LineRefused(7, line.number, LineRefusal.NO_CLIENT))
    assert scene.told() == [unsaid(None, "one")]
    assert scene.operator.client is None


def test_a_request_about_a_former_visitor() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.say("one")
    (line,) = scene.asked()
    assert isinstance(line, SendDeskLine)
    scene.handle(LineRefused(7, line.number, LineRefusal.NO_CLIENT))
    assert scene.told() == [unsaid(None, "one")]
    assert scene.operator.client is None


def test_lines_of_the_visitor_are_shown_once_and_confirmed() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    for position, operator in ((1, "eve"), (2, ""), (2, "")):
        scene.handle(DeskLine(7, position, operator, 0, "é ✓"))
    assert [(one.sender, one.number) for one in scene.told() if isinstance(one, events.Said)] == [
        ("eve", 1),
        ("Asha Rao", 2),
    ]
    scene.operator.line_shown(line_of("", "", 2))
    assert scene.asked() == [AckDeskLines(7, 2)]
    scene.handle(DeskLine(7, 1, "eve", 0, "é ✓"))  # the confirmation was lost
    assert scene.asked() == [AckDeskLines(7, 2)]
    scene.handle(DeskLine(8, 3, "", 0, "another visit"))
    scene.operator.line_shown(line_of("", "", 3, visit=8))
    assert scene.told() == []
    assert scene.asked() == []


@pytest.mark.parametrize("change", ClientChange)
def test_what_becomes_of_a_visitor(change: ClientChange) -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.handle(ClientChanged(8, change, "somebody else's"))
    assert scene.told() == []
    if change is ClientChange.BACK:
        scene.handle(ClientChanged(7, change, "Asha Rao"))
        assert scene.told() == []  # nobody was told that they were away
        scene.handle(ClientChanged(7, ClientChange.AWAY, "Asha Rao"))
        scene.told()
    scene.handle(ClientChanged(7, change, "Asha Rao"))
    assert scene.told() == [
        events.ClientMoved(name="Asha Rao", move=events.ClientMove[change.name])
    ]
    assert (scene.operator.client is None) is (change not in STILL_SERVED)


def test_duty_is_told_when_it_changes_and_taken_again_from_a_registry_that_has_forgotten() -> None:
    scene = Scene()
    scene.handle(DutyStatus(False, ""))
    assert scene.told() == []
    scene.ask(TakeDuty(0, "exams"))
    assert isinstance(scene.asked()[0], TakeDuty)
    scene.handle(DutyStatus(True, "exams"))
    assert scene.told() == [events.DutyChanged(is_on=True, queue="exams")]
    scene.relink(is_on=True)
    assert scene.asked() == []
    scene.relink(is_on=False)
    (again,) = scene.asked()
    assert isinstance(again, TakeDuty)
    assert again.queue == "exams"


def test_who_went_off_duty_stays_so() -> None:
    scene = Scene()
    scene.handle(DutyStatus(True, "desk"))
    scene.ask(EndDuty(0))
    scene.answer(CommandResult.DONE)
    scene.handle(DutyStatus(False, "desk"))
    scene.relink(is_on=False)
    assert scene.asked() == []


def test_past_sessions_are_values_for_people() -> None:
    scene = Scene()
    scene.ask(ShowPast(0, "", 0))
    (asked,) = map(reference_of, scene.asked())
    lines = [PastLine("", 1_000, "hi"), PastLine("bob", 2_500, "yes")]
    session = PastSession(
        7, "desk", "Asha Rao", "+91", "Other", "calm", "the book", "bob", 99, 5, 60, lines, 3, True
    )
    scene.handle(PastShown(asked, [session], 9))
    scene.handle(PastShown(asked, [session], 9))  # asked once, told once
    (told,) = scene.told()
    assert isinstance(told, events.PastSessions)
    assert (told.total, [line.sender for line in told.sessions[0].lines]) == (
        9,
        ["Asha Rao", "bob"],
    )
    assert (told.sessions[0].waited, told.sessions[0].took, told.sessions[0].at) == (5, 60, 99.0)


def test_room_and_figures_are_values_for_people() -> None:
    scene = Scene()
    scene.ask(ShowRoom(0, ""))
    scene.ask(ShowFigures(0, ""))
    room, figures = map(reference_of, scene.asked())
    one = RoomVisitor(7, "Asha Rao", "Other", 99, True, "bob", False, False)
    scene.handle(RoomShown(room, "desk", 1, [one], [one], 1))
    scene.handle(FiguresShown(figures, "desk", 1, 2, 3, 4, 5, 6, 0, 0))
    scene.handle(FiguresShown(figures, "desk", 1, 2, 3, 4, 5, 6, 0, 0))  # asked once, told once
    shown = ListedVisitor(
        visit=7,
        name="Asha Rao",
        issue="Other",
        since=99.0,
        is_here=True,
        operator="bob",
        is_paused=False,
        is_silent=False,
    )
    assert scene.told() == [
        events.WaitingRoom(queue="desk", operators=1, served=(shown,), waiting=(shown,), total=1),
        events.Figures(
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
        scene.ask(CallNext(0, "", 0))
    references = {one.reference for one in scene.asked() if isinstance(one, CallNext)}
    assert len(references) == 100


def test_a_program_asks_for_what_it_does_not_know() -> None:
    scene = Scene()
    scene.serve()
    scene.handle(DeskLine(7, 1, "eve", 0, "x"))
    scene.operator.line_shown(line_of("", "", 1))
    scene.relink(is_on=True, visit=7)
    scene.serve(ClientCause.RETURNED)
    scene.asked()
    assert scene.reads == [
        FetchDeskLines(7, 0, with_own=True),
        FetchDeskLines(7, 1, with_own=False),
    ]
    scene.handle(ClientChanged(7, ClientChange.GIVEN, "Asha Rao"))
    scene.serve(ClientCause.HANDED_OVER)
    scene.asked()
    assert scene.reads[2:] == [FetchDeskLines(7, 0, with_own=True)]


# --- who is meant


def replaced(scene: Scene) -> None:
    """Asha Rao leaves, and Ravi is called in the same instant."""
    scene.serve()
    scene.handle(ClientChanged(7, ClientChange.LEFT, "Asha Rao"))
    scene.serve(visit=8, name="Ravi", is_asked=False)
    scene.asked(), scene.told()


def test_what_reached_nobody_is_named_by_the_id_of_its_line() -> None:
    scene = Scene()
    scene.serve()
    target = scene.target._replace(visit=7)
    for line, text in ((11, "one"), (12, "two"), (13, "three")):
        scene.operator.say(text, target, now=100.0, line=line)
    _, second, _ = (one for one in scene.asked() if isinstance(one, SendDeskLine))
    scene.told()
    scene.handle(LineRefused(7, second.number, LineRefusal.TOO_FAST))
    assert scene.told() == [
        events.CommandFailed(reason=events.CommandFailure.LINE_TOO_FAST, line=12, text="two")
    ]
    scene.relink(is_on=True)
    held = [one for one in scene.told() if isinstance(one, events.HeldBack)]
    assert [one.line for one in held] == [11, 13]
    scene.operator.say("four", target, now=100.0, line=14)
    (late,) = scene.told()
    assert isinstance(late, events.HeldBack)
    assert late.line == 14


def test_a_quiet_answer_says_so_and_changes_no_numbers() -> None:
    scene = Scene()
    for visits, is_quiet in (((3, 4), False), ((8, 9), True)):
        scene.operator.ask(ShowRoom(0, ""), scene.target._replace(is_quiet=is_quiet))
        (ask,) = scene.asked()
        scene.handle(RoomShown(reference_of(ask), "desk", 1, [], waiting(*visits), 2))
        (room,) = scene.told()
        assert isinstance(room, events.WaitingRoom)
        assert room.is_quiet is is_quiet
    scene.ask(DropVisitor(0, 0, 2))
    assert [one.visit for one in scene.asked() if isinstance(one, DropVisitor)] == [4]


@pytest.mark.parametrize(("is_quiet", "told"), [(True, []), (False, [SILENT])])
def test_a_quiet_question_without_an_answer_is_given_up_quietly(
    is_quiet: bool, told: list[object]
) -> None:
    scene = Scene()
    scene.operator.ask(ShowRoom(0, ""), scene.target._replace(is_quiet=is_quiet))
    scene.operator.registry_changed(RegistryChange.LINK_LOST)
    assert scene.told() == told
    assert scene.answered()


def test_a_note_that_was_stored_names_its_visit() -> None:
    scene = Scene()
    scene.serve()
    scene.operator.ask(NoteVisitor(0, 7, "hm"), scene.target._replace(visit=7))
    (ask,) = (one for one in scene.asked() if isinstance(one, NoteVisitor))
    scene.serve(visit=8, name="Ben")
    scene.told()
    scene.handle(CommandDone(ask.reference, CommandResult.DONE, "Asha Rao"))
    assert scene.told() == [
        events.CommandSucceeded(action=events.DeskAction.NOTED, name="Asha Rao", text="hm", visit=7)
    ]


def test_a_visit_that_a_request_names_is_dropped_whatever_its_number_in_the_line_has_become() -> (
    None
):
    scene = Scene()
    scene.ask(ShowRoom(0, ""))
    (ask,) = scene.asked()
    scene.handle(RoomShown(reference_of(ask), "desk", 1, [], waiting(3, 4, 5), 3))
    scene.ask(DropVisitor(0, 4, 1))
    scene.ask(MoveVisitor(0, 5, 1, 1))
    assert [
        (one.visit, one.position)
        for one in scene.asked()
        if isinstance(one, DropVisitor | MoveVisitor)
    ] == [
        (4, 1),
        (5, 1),
    ]
    scene.told()
    scene.ask(DropVisitor(0, 4, 1))
    scene.answer(CommandResult.NOT_IN_LINE)
    assert scene.told() == [
        events.CommandFailed(reason=events.CommandFailure.NOT_IN_LINE, name="V4")
    ]


def test_what_is_typed_right_after_a_change_is_held_back() -> None:
    scene = Scene()
    replaced(scene)
    scene.now += 1.9
    scene.say("your result is 42")
    scene.ask(EndSession(0, 0))
    scene.ask(CallNext(0, "", 0))
    scene.ask(HandOver(0, 0, "eve"))
    scene.ask(NoteVisitor(0, 0, "hm"))
    told = [event for event in scene.told() if isinstance(event, events.HeldBack)]
    what = HeldInput
    assert [one.what for one in told] == [what.LINE, what.END, what.END, what.HAND_OVER, what.NOTE]
    assert {(one.former, one.move, one.client) for one in told} == {
        ("Asha Rao", events.ClientMove.LEFT, "Ravi")
    }
    assert scene.asked() == []
    scene.now += 0.2
    scene.say("welcome")
    scene.ask(NoteVisitor(0, 0, "hm"))
    said, note = scene.asked()
    assert isinstance(said, SendDeskLine)
    assert isinstance(note, NoteVisitor)
    assert (said.visit, note.visit) == (8, 8)


def test_a_visit_that_is_named_is_meant_at_any_time() -> None:
    scene = Scene()
    replaced(scene)
    scene.operator.say("for ravi", VisitTarget(8, scene.now), now=100.0)
    scene.operator.ask(EndSession(0, 0), VisitTarget(8, scene.now))
    said, ended = scene.asked()
    assert isinstance(said, SendDeskLine)
    assert isinstance(ended, EndSession)
    assert (said.visit, ended.visit) == (8, 8)
    scene.operator.say("for asha", VisitTarget(7, scene.now), now=100.0)
    assert scene.asked() == []
    assert scene.told() == [unsaid(events.ClientMove.LEFT, "for asha", client="Ravi")]


def test_what_crosses_a_change_on_its_way_is_told() -> None:
    scene = Scene()
    scene.serve()
    scene.told()
    scene.say("for asha")
    scene.ask(HandOver(0, 0, "eve"))
    said, given = scene.asked()
    assert isinstance(said, SendDeskLine)
    assert isinstance(given, HandOver)
    scene.handle(ClientChanged(7, ClientChange.LEFT, "Asha Rao"))
    scene.serve(visit=8, name="Ravi", is_asked=False)
    scene.told()
    assert not scene.is_said()
    scene.handle(LineRefused(7, said.number, LineRefusal.NO_CLIENT))
    scene.handle(CommandDone(given.reference, CommandResult.OTHER_CLIENT, ""))
    line = unsaid(events.ClientMove.LEFT, "for asha", client="Ravi")
    given_back = msgspec.structs.replace(line, what=HeldInput.HAND_OVER, text="")
    assert scene.told() == [line, given_back]
    assert scene.is_said()
    assert scene.answered()
    assert scene.operator.client == "Ravi"


def test_a_line_that_was_taken_before_its_visitor_left_is_not_told() -> None:
    scene = Scene()
    scene.serve()
    scene.say("for asha")
    (said,) = scene.asked()
    assert isinstance(said, SendDeskLine)
    scene.handle(ClientChanged(7, ClientChange.LEFT, "Asha Rao"))
    scene.told()
    scene.handle(LinesSaved(7, said.number))
    assert scene.told() == []
    assert scene.is_said()


def test_a_line_that_could_be_for_a_room_is_held_back_from_a_visitor_who_has_just_come() -> None:
    scene = Scene()
    scene.serve(is_asked=False)
    scene.told()
    scene.say("that was a tiresome one", is_maybe=True)
    assert scene.told() == [
        events.HeldBack(
            what=HeldInput.LINE,
            former="",
            move=None,
            client="Asha Rao",
            text="that was a tiresome one",
        )
    ]
    scene.say("hello")
    scene.say("who are you?", is_maybe=True)  # whoever greets a visitor knows whom they serve
    assert [one.text for one in scene.asked() if isinstance(one, SendDeskLine)] == [
        "hello",
        "who are you?",
    ]


def test_a_line_for_a_visitor_who_has_just_left_is_for_nobody_else() -> None:
    scene = Scene()
    scene.serve()
    scene.handle(ClientChanged(7, ClientChange.LOST, "Asha Rao"))
    scene.told()
    assert scene.operator.takes_lines(entered_at=scene.now)
    scene.say("your result is 42", is_maybe=True)
    assert scene.told() == [unsaid(events.ClientMove.LOST, "your result is 42")]
    scene.now += 2.0
    assert not scene.operator.takes_lines(entered_at=scene.now)
    assert scene.operator.takes_lines(entered_at=scene.now - 3.0), (
        "typed before the change, and carried out now"
    )


# --- the waiting room


def waiting(*visits: int) -> list[RoomVisitor]:
    return [
        RoomVisitor(visit, f"V{visit}", "Other", 99, True, "", False, False) for visit in visits
    ]


def test_numbers_of_the_waiting_room_are_those_that_were_shown() -> None:
    scene = Scene()
    scene.ask(DropVisitor(0, 0, 2))  # nothing was shown yet: whoever is number 2
    assert [(one.visit, one.position) for one in scene.asked() if isinstance(one, DropVisitor)] == [
        (0, 2)
    ]
    scene.ask(ShowRoom(0, ""))
    (ask,) = scene.asked()
    scene.handle(RoomShown(reference_of(ask), "desk", 1, [], waiting(3, 4, 5), 3))
    scene.told()
    scene.ask(DropVisitor(0, 0, 2))
    scene.ask(MoveVisitor(0, 0, 3, 1))
    dropped, moved = scene.asked()
    assert isinstance(dropped, DropVisitor)
    assert isinstance(moved, MoveVisitor)
    assert (dropped.visit, moved.visit, moved.to) == (4, 5, 1)
    scene.handle(CommandDone(dropped.reference, CommandResult.NOT_IN_LINE, ""))
    assert scene.told() == [
        events.CommandFailed(reason=events.CommandFailure.NOT_IN_LINE, name="V4")
    ]
    scene.ask(DropVisitor(0, 0, 4))
    assert scene.told() == [events.CommandFailed(reason=events.CommandFailure.NO_SUCH_POSITION)]
    scene.handle(CommandDone(moved.reference, CommandResult.DONE, "V5"))
    scene.told()
    scene.ask(DropVisitor(0, 0, 1))
    assert scene.told() == [events.NumberMoved(position=1, was="V3", is_now="V5")]
    assert scene.asked() == []


def test_next_asks_once_before_it_ends_a_session_in_which_nothing_was_said() -> None:
    scene = Scene()
    scene.serve()
    asking = scene.target._replace(asks_first=True)
    scene.told(), scene.asked()
    scene.operator.ask(CallNext(0, "", 0), asking)
    assert scene.told() == [events.NothingSaid(name="Asha Rao")]
    assert scene.asked() == []
    scene.operator.ask(CallNext(0, "", 0), asking)
    assert scene.told() == []
    assert [type(one) for one in scene.asked()] == [CallNext]


def test_next_does_not_ask_once_the_visitor_has_spoken() -> None:
    scene = Scene()
    scene.serve()
    scene.handle(DeskLine(7, 1, "", 9, "hello"))
    scene.told(), scene.asked()
    scene.operator.ask(CallNext(0, "", 0), scene.target._replace(asks_first=True))
    assert scene.told() == []
    assert [type(one) for one in scene.asked()] == [CallNext]


def test_how_many_wait_is_told_when_it_changes() -> None:
    scene = Scene()
    scene.handle(DutyStatus(True, "desk"))
    scene.told()
    for waiting in (0, 1, 1, 2, 0, 1):
        scene.handle(WaitingCounted("desk", waiting))
        assert scene.operator.waiting == waiting
    told = [
        (one.waiting, one.is_first)
        for one in scene.told()
        if isinstance(one, events.VisitorsWaiting)
    ]
    assert told == [(1, True), (2, False), (0, False), (1, True)]
    scene.handle(DutyStatus(False, "desk"))
    assert scene.operator.waiting == 0


def test_the_ready_answers_are_known() -> None:
    scene = Scene()
    scene.handle(ReadyAnswersShown([ReadyAnswer("greet", "Hello")]))
    assert scene.told() == [events.AnswersKnown(answers={"greet": "Hello"})]
    assert scene.operator.answers == {"greet": "Hello"}


def test_what_was_said_to_the_visitor_is_kept_until_the_session_is_over() -> None:
    scene = Scene()
    assert scene.operator.talk("bob") is None
    scene.serve()
    scene.asked()
    scene.handle(DeskLine(7, 1, "carol", 1_000, "I hand you over"))
    scene.handle(DeskLine(7, 2, "", 2_000, "thanks"))
    scene.operator.say("hello", scene.target, now=100.0, line=5)
    scene.operator.say("too much", scene.target, now=100.0, line=6)
    scene.operator.say("there?", scene.target, now=100.0, line=7)
    numbers = [one.number for one in scene.asked() if isinstance(one, SendDeskLine)]
    scene.handle(LinesSaved(7, numbers[0]))
    scene.handle(LineRefused(7, numbers[1], LineRefusal.TOO_FAST))
    scene.ask(NoteVisitor(0, 0, "laptop"))
    scene.answer(CommandResult.DONE)
    scene.handle(ClientChanged(7, ClientChange.AWAY, "Asha Rao"))
    talk = scene.operator.talk("bob")
    assert talk is not None
    assert (talk.client.name, talk.client.note, talk.client.is_here) == (
        "Asha Rao",
        "laptop",
        False,
    )
    saved, waiting = events.MessageState.SAVED, events.MessageState.UNSETTLED
    assert [(line.sender, line.text, line.state) for line in talk.lines] == [
        ("carol", "I hand you over", None),
        ("Asha Rao", "thanks", None),
        ("bob", "hello", saved),
        ("bob", "there?", waiting),
    ]
    assert settled(5, is_saved=True) in scene.told()
    scene.handle(ClientChanged(7, ClientChange.LEFT, "Asha Rao"))
    assert scene.operator.talk("bob") is None
    scene.serve(visit=8, name="Ravi")
    talk = scene.operator.talk("bob")
    assert talk is not None
    assert talk.lines == ()
