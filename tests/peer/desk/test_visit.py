"""This file is about one visit: what it asks of a registry played by hand, what it tells, what it wants stored."""

import random

import pytest

from peer.desk import events as happened
from peer.desk.form import Form
from peer.desk.visit import Stage, StoredVisit, Visit
from wire.messages.desk.talking import (
    ConversationRequest,
    DeskLine,
    HeardAtDesk,
    LineRefusal,
    LineRefused,
    LinesTaken,
    SayAtDesk,
)
from wire.messages.desk.visiting import (
    AskPlace,
    DeskRefusal,
    DeskRefused,
    DeskShown,
    JoinDesk,
    LeaveDesk,
    OverCause,
    PlaceCause,
    PlaceTold,
    ReturnToDesk,
    TurnCause,
    TurnTold,
    VisitorRequest,
    VisitOver,
)

FORM = Form(name="Ana", number="+919876543210", issue=1)
DESK = DeskShown(queues=["desk", "exams"], menu=["Depression", "Other"], region="IN", keep_place=60)
WALL = 1_800_000_000.0
TICKET = b"t" * 16


class Scene:
    """A visitor's program, whose link is up unless a test says otherwise."""

    def __init__(self, *, ticket: bytes = b"", heard: int = 0, queue: str = "") -> None:
        self.is_up = True
        self.asked: list[VisitorRequest | ConversationRequest] = []
        self.disk = StoredVisit(ticket=ticket, heard=heard)
        self.visit = Visit(self.disk, queue=queue, rng=random.Random(1), send=self._send)

    def _send(self, request: VisitorRequest | ConversationRequest) -> None:
        if self.is_up:
            self.asked.append(request)

    def store(self) -> None:
        """The disk does its work."""
        if (wanted := self.visit.wants_stored()) is not None:
            self.disk = wanted
            self.visit.stored()

    def said(self) -> list[VisitorRequest | ConversationRequest]:
        asked, self.asked = self.asked, []
        return asked

    def settled(self) -> bool:
        return self.visit.is_settled

    def join(self) -> JoinDesk:
        self.visit.heed(DESK)
        self.visit.join(FORM)
        self.store()
        (join,) = self.said()
        assert isinstance(join, JoinDesk)
        self.visit.events()
        return join

    def wait(self, position: int = 2, cause: PlaceCause = PlaceCause.JOINED, most: int = 0) -> None:
        self.visit.heed(PlaceTold(0, 7, cause, position, 1, 0, most))

    def serve(self, cause: TurnCause = TurnCause.CALLED, visit: int = 7) -> None:
        self.visit.heed(TurnTold(0, visit, cause, "bob"))

    def relink(self) -> None:
        """The link was lost, and a new one stands."""
        self.visit.heed(DESK)


def test_the_desk_asks_for_a_form_and_the_ticket_is_on_disk_before_it_is_sent() -> None:
    scene = Scene()
    scene.visit.heed(DESK)
    assert scene.visit.events() == [happened.FormWanted(region="IN", menu=("Depression", "Other"))]
    scene.visit.join(FORM)
    assert scene.said() == []
    scene.store()
    (join,) = scene.said()
    assert isinstance(join, JoinDesk)
    assert join.ticket == scene.disk.ticket
    assert (join.queue, join.name, join.number, join.issue) == ("", "Ana", "+919876543210", 1)
    assert not scene.settled()


def test_a_question_is_settled_when_it_is_answered_or_its_link_is_gone() -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    assert scene.settled()
    scene.visit.ask_place()
    (asked,) = scene.said()
    assert isinstance(asked, AskPlace)
    assert not scene.settled()
    scene.wait(1, PlaceCause.CHANGED)
    assert not scene.settled()
    scene.visit.heed(PlaceTold(asked.reference, 7, PlaceCause.ASKED, 1, 1, 0, 0))
    assert scene.settled()
    for end in (scene.relink, lambda: scene.visit.heed(VisitOver(7, OverCause.ENDED))):
        scene.visit.ask_place()
        assert not scene.settled()
        end()
        assert scene.settled()


def test_a_place_each_change_of_it_and_the_turn() -> None:
    scene = Scene()
    scene.join()
    scene.wait(2)
    scene.wait(1, PlaceCause.CHANGED)
    scene.serve()
    assert scene.visit.events() == [
        happened.Placed(position=2, operators=1),
        happened.Placed(position=1, operators=1),
        happened.Served(turn=happened.Turn.CALLED, operator="bob"),
    ]
    assert scene.visit.stage is Stage.ACTIVE


def test_an_operator_who_is_free() -> None:
    scene = Scene()
    scene.join()
    scene.serve(TurnCause.CONNECTED)
    assert scene.visit.events() == [happened.Served(turn=happened.Turn.AT_ONCE, operator="bob")]


def test_where_one_is() -> None:
    scene = Scene()
    scene.join()
    scene.wait(3)
    scene.visit.events()
    scene.visit.ask_place()
    assert isinstance(scene.said()[0], AskPlace)
    scene.wait(3, PlaceCause.ASKED)
    scene.wait(3, PlaceCause.ASKED, most=300)
    scene.serve(TurnCause.ASKED)
    assert scene.visit.events() == [
        happened.PlaceAnswered(position=3, estimate=None),
        happened.PlaceAnswered(position=3, estimate=happened.Estimate(least=0, most=300)),
        happened.ServedAnswered(),
    ]


def test_one_who_waits_is_told_to_and_nothing_is_sent() -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.events()
    scene.visit.say("hello?", wall=WALL)
    assert scene.visit.events() == [happened.NotYourTurn()]
    assert scene.said() == []


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
    scene.serve(TurnCause.RETURNED)
    again = scene.said()
    assert [one.text for one in again if isinstance(one, SayAtDesk)] == ["one", "two"]
    assert again[0] == first[0]
    numbers = [one.number for one in again if isinstance(one, SayAtDesk)]
    assert numbers == sorted(set(numbers))
    scene.visit.heed(LinesTaken(7, numbers[0]))
    assert not scene.settled()
    scene.visit.heed(LineRefused(7, numbers[1], LineRefusal.NOT_YOUR_TURN))
    assert scene.settled()
    assert happened.NotYourTurn() in scene.visit.events()


def test_a_line_is_shown_once_and_confirmed_when_that_is_on_disk() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    for position in (1, 2, 1, 2):
        scene.visit.heed(DeskLine(7, position, "bob", 0, f"line {position}"))
    lines = scene.visit.events()
    assert lines == [
        happened.LineCame(operator="bob", text="line 1", position=1),
        happened.LineCame(operator="bob", text="line 2", position=2),
    ]
    assert scene.said() == []
    scene.visit.lines_shown(2)
    assert scene.said() == []
    scene.store()
    assert scene.said() == [HeardAtDesk(7, 2)]
    assert scene.disk.heard == 2
    scene.visit.heed(DeskLine(7, 1, "bob", 0, "line 1"))  # the confirmation was lost
    assert scene.said() == [HeardAtDesk(7, 2)]
    scene.visit.heed(DeskLine(8, 3, "eve", 0, "of another visit"))
    assert scene.visit.events() == []


def test_a_program_that_starts_anew_goes_on_with_its_ticket() -> None:
    scene = Scene(ticket=TICKET, heard=4)
    scene.visit.heed(DESK)
    (back,) = scene.said()
    assert isinstance(back, ReturnToDesk)
    assert (back.ticket, back.heard) == (TICKET, 4)
    scene.wait(2, PlaceCause.RETURNED)
    scene.visit.heed(DeskLine(7, 4, "bob", 0, "shown before"))
    assert scene.visit.events() == [happened.Resumed(), happened.Placed(position=2, operators=1)]


def test_back_at_the_same_place_nothing_is_told_again() -> None:
    scene = Scene()
    scene.join()
    scene.wait(2)
    scene.visit.events()
    scene.relink()
    scene.wait(2, PlaceCause.RETURNED)
    assert scene.visit.events() == []
    scene.relink()
    scene.wait(1, PlaceCause.RETURNED)
    assert scene.visit.events() == [happened.Placed(position=1, operators=1)]
    scene.relink()
    scene.serve(TurnCause.RETURNED)
    assert scene.visit.events() == [happened.Served(turn=happened.Turn.CALLED, operator="bob")]


def test_an_answer_that_was_lost_is_asked_for_with_the_same_ticket() -> None:
    scene = Scene()
    first = scene.join()
    scene.relink()
    (again,) = scene.said()
    assert isinstance(again, JoinDesk)
    assert again.ticket == first.ticket
    scene.wait(1, PlaceCause.RETURNED)
    assert scene.visit.events() == [happened.Placed(position=1, operators=1)]


def test_a_place_that_is_gone_is_taken_anew_with_the_form_in_hand() -> None:
    scene = Scene()
    first = scene.join()
    scene.wait()
    scene.visit.events()
    scene.relink()
    scene.said()
    scene.visit.heed(DeskRefused(0, DeskRefusal.NO_SUCH_TICKET))
    scene.store()
    (again,) = scene.said()
    assert isinstance(again, JoinDesk)
    assert again.ticket != first.ticket
    assert again.name == "Ana"
    assert scene.visit.events() == [happened.PlaceGone(is_joining=True)]


def test_a_session_that_ended_while_we_were_away_is_over() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    scene.relink()
    scene.said()
    scene.visit.heed(DeskRefused(0, DeskRefusal.NO_SUCH_TICKET))
    assert scene.visit.events() == [
        happened.Over(reason="The session has ended while you were away", by_us=False)
    ]
    assert scene.said() == []


def test_a_place_that_is_gone_is_asked_for_anew_without_one() -> None:
    scene = Scene(ticket=TICKET)
    scene.visit.heed(DESK)
    scene.visit.heed(DeskRefused(0, DeskRefusal.NO_SUCH_TICKET))
    assert [type(event) for event in scene.visit.events()] == [happened.PlaceGone, happened.FormWanted]
    scene.store()
    assert scene.disk == StoredVisit()


@pytest.mark.parametrize("cause", OverCause)
def test_the_end_of_a_visit_forgets_the_ticket(cause: OverCause) -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.events()
    scene.visit.heed(VisitOver(7, cause))
    (over,) = scene.visit.events()
    assert isinstance(over, happened.Over)
    assert over.by_us is (cause is OverCause.LEFT)
    scene.store()
    assert scene.disk == StoredVisit()
    assert scene.settled()


@pytest.mark.parametrize("reason", [one for one in DeskRefusal if one is not DeskRefusal.NO_SUCH_TICKET])
def test_a_desk_that_will_not_have_us(reason: DeskRefusal) -> None:
    scene = Scene()
    scene.join()
    scene.visit.heed(DeskRefused(0, reason))
    (refused,) = scene.visit.events()
    assert isinstance(refused, happened.Refused)
    scene.store()
    assert scene.disk == StoredVisit()


@pytest.mark.parametrize("reason", [one for one in LineRefusal if one is not LineRefusal.NOT_YOUR_TURN])
def test_a_line_that_is_refused(reason: LineRefusal) -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    scene.visit.say("hi", wall=WALL)
    (said,) = scene.said()
    assert isinstance(said, SayAtDesk)
    for _ in range(2):
        scene.visit.heed(LineRefused(7, said.number, reason))
    assert [type(event) for event in scene.visit.events()] == [happened.LineRefused]


def test_giving_a_place_up_for_a_new_request() -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.leave()
    assert isinstance(scene.said()[0], LeaveDesk)
    scene.visit.heed(VisitOver(7, OverCause.LEFT))
    scene.visit.events()
    scene.visit.begin_anew()
    assert [type(event) for event in scene.visit.events()] == [happened.FormWanted]


def test_a_queue_that_there_is_not() -> None:
    scene = Scene(queue="maths")
    scene.visit.heed(DESK)
    assert scene.visit.events() == [happened.QueueUnknown(name="maths", queues=("desk", "exams"))]
    assert scene.said() == []


def test_a_queue_in_whatever_case() -> None:
    scene = Scene(queue="EXAMS")
    scene.visit.heed(DESK)
    assert [type(event) for event in scene.visit.events()] == [happened.FormWanted]


def test_notices_out_of_place_are_passed_over() -> None:
    scene = Scene()
    for notice in (
        PlaceTold(0, 7, PlaceCause.JOINED, 1, 1, 0, 0),
        TurnTold(0, 7, TurnCause.CALLED, "bob"),
        VisitOver(7, OverCause.ENDED),
        DeskRefused(0, DeskRefusal.NO_SUCH_TICKET),
        DeskLine(7, 1, "bob", 0, "hi"),
        LinesTaken(7, 1),
        LineRefused(7, 1, LineRefusal.FULL),
    ):
        scene.visit.heed(notice)
    assert scene.visit.events() == []
    assert scene.said() == []
    assert scene.visit.wants_stored() is None


def test_sent_back_to_the_line() -> None:
    scene = Scene()
    scene.join()
    scene.serve(TurnCause.CONNECTED)
    scene.visit.events()
    scene.wait(1, PlaceCause.OPERATOR_LOST)
    scene.serve()
    scene.wait(1, PlaceCause.HANDED_OVER)
    scene.serve(TurnCause.HANDED_OVER)
    assert scene.visit.events() == [
        happened.SentBack(is_handed_over=False),
        happened.Placed(position=1, operators=1),
        happened.Served(turn=happened.Turn.CALLED, operator="bob"),
        happened.SentBack(is_handed_over=True),
        happened.Placed(position=1, operators=1),
        happened.Served(turn=happened.Turn.HANDED_OVER, operator="bob"),
    ]
