"""One visit: joining, each position and turn, the end."""

import msgspec
import pytest

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import StoredVisit
from chatapp.peer.core.desk.visit import Stage
from chatapp.wire.messages import desk as wire
from tests.peer.core.desk.scene import DESK, FORM, Scene

FORM_WANTED = visit_events.FormWanted(
    region="IN", menu=("Depression", "Other"), keep_form=86_400, keep_talk=86_400
)


def test_a_desk_that_comes_back_with_another_form_asks_for_that_one() -> None:
    scene = Scene()
    for desk in (DESK, DESK, msgspec.structs.replace(DESK, keep_talk=0)):
        scene.visit.handle(desk)
    assert scene.visit.events() == [FORM_WANTED, msgspec.structs.replace(FORM_WANTED, keep_talk=0)]


def test_the_desk_asks_for_a_form_and_the_ticket_is_on_disk_before_it_is_sent() -> None:
    scene = Scene()
    scene.visit.handle(DESK)
    assert scene.visit.events() == [FORM_WANTED]
    scene.visit.join(FORM)
    assert scene.said() == []
    scene.store()
    (join,) = scene.said()
    assert isinstance(join, wire.JoinDesk)
    assert join.ticket == scene.disk.ticket
    assert (join.queue, join.name, join.number, join.issue) == ("", "Ana", "+919876543210", 1)
    assert not scene.settled()


def test_a_question_is_settled_when_it_is_answered_or_the_visit_is_over() -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    assert scene.settled()
    scene.visit.ask_position()
    (asked,) = scene.said()
    assert isinstance(asked, wire.AskPosition)
    assert not scene.settled()
    scene.wait(1, wire.PositionCause.CHANGED)
    assert not scene.settled()
    scene.visit.handle(
        wire.PositionReported(
            asked.reference, 7, wire.PositionCause.ASKED, 1, 1, 0, 0, "desk", False
        )
    )
    assert scene.settled()
    scene.visit.ask_position()
    scene.relink()
    assert not scene.settled()
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.ENDED))
    assert scene.settled()


def test_a_position_each_change_of_it_and_the_turn() -> None:
    scene = Scene()
    scene.join()
    scene.wait(2)
    scene.wait(1, wire.PositionCause.CHANGED)
    scene.serve()
    assert scene.visit.events() == [
        visit_events.PositionKnown(position=2, operators=1),
        visit_events.PositionKnown(position=1, operators=1),
        visit_events.Served(turn=visit_events.Turn.CALLED, operator="bob"),
    ]
    assert scene.visit.stage is Stage.ACTIVE


def test_an_operator_who_is_free() -> None:
    scene = Scene()
    scene.join()
    scene.serve(wire.OperatorCause.CONNECTED)
    assert scene.visit.events() == [
        visit_events.Served(turn=visit_events.Turn.AT_ONCE, operator="bob")
    ]


def test_where_one_is() -> None:
    scene = Scene()
    scene.join()
    scene.wait(3)
    scene.visit.events()
    scene.visit.ask_position()
    assert isinstance(scene.said()[0], wire.AskPosition)
    scene.wait(3, wire.PositionCause.ASKED)
    scene.wait(3, wire.PositionCause.ASKED, most=300)
    scene.serve(wire.OperatorCause.ASKED)
    assert scene.visit.events() == [
        visit_events.PositionAnswered(position=3, estimate=None),
        visit_events.PositionAnswered(
            position=3, estimate=visit_events.Estimate(least=0, most=300)
        ),
        visit_events.ServedAnswered(),
    ]


@pytest.mark.parametrize("cause", wire.OverCause)
def test_the_end_of_a_visit_forgets_the_ticket(cause: wire.OverCause) -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.events()
    scene.visit.handle(wire.VisitOver(7, cause))
    (over,) = scene.visit.events()
    assert isinstance(over, visit_events.VisitEnded)
    assert over.cause is cause
    scene.store()
    assert scene.disk == StoredVisit()
    assert scene.settled()


@pytest.mark.parametrize(
    "reason", [one for one in wire.DeskRefusal if one is not wire.DeskRefusal.NO_SUCH_TICKET]
)
def test_a_desk_that_will_not_have_us(reason: wire.DeskRefusal) -> None:
    scene = Scene()
    scene.join()
    scene.visit.handle(wire.DeskRefused(0, reason))
    (refused,) = scene.visit.events()
    assert isinstance(refused, visit_events.VisitRefused)
    scene.store()
    assert scene.disk == StoredVisit()


def test_giving_a_position_up_for_a_new_request() -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.leave()
    assert isinstance(scene.said()[0], wire.LeaveDesk)
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.LEFT))
    scene.visit.events()
    scene.visit.begin_anew()
    assert [type(event) for event in scene.visit.events()] == [visit_events.FormWanted]


def test_a_program_that_comes_back_to_a_session_that_was_ended_says_so_and_asks_for_the_form() -> (
    None
):
    scene = Scene(ticket=bytes(16))
    scene.visit.handle(DESK)
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.ENDED))
    told, wanted = scene.visit.events()
    assert told == visit_events.EndedUnseen(cause=wire.OverCause.ENDED)
    assert isinstance(wanted, visit_events.FormWanted)
    scene.store()
    assert scene.disk == StoredVisit()


def test_one_that_was_away_in_between_ends_with_it() -> None:
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.events()
    scene.relink()
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.DROPPED))
    (over,) = scene.visit.events()
    assert over == visit_events.VisitEnded(cause=wire.OverCause.DROPPED)


def test_a_turn_is_answered_at_once() -> None:
    scene = Scene(ticket=bytes(16), shown=4)
    scene.visit.handle(DESK)
    scene.serve(wire.OperatorCause.RETURNED)
    assert scene.answers == [
        wire.AckDeskLines(7, 0)
    ]  # what an earlier run has shown comes once more


def test_a_call_that_was_missed_is_told() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    scene.wait(2, wire.PositionCause.MISSED_CALL)
    assert scene.visit.events() == [
        visit_events.SentBack(why=visit_events.SentBackReason.CALL_MISSED, queue="desk"),
        visit_events.PositionKnown(position=2, operators=1),
    ]


def test_a_queue_that_there_is_not() -> None:
    scene = Scene(queue="maths")
    scene.visit.handle(DESK)
    assert scene.visit.events() == [
        visit_events.QueueUnknown(name="maths", queues=("desk", "exams"))
    ]
    assert scene.said() == []


def test_who_waits_for_an_operator_who_dies_is_told() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.wait(1, wire.PositionCause.HANDED_OVER)
    scene.visit.events()
    scene.wait(1, wire.PositionCause.OPERATOR_LOST)
    assert scene.visit.events() == [
        visit_events.SentBack(why=visit_events.SentBackReason.OPERATOR_LOST, queue="desk")
    ]


def test_a_queue_in_whatever_case() -> None:
    scene = Scene(queue="EXAMS")
    scene.visit.handle(DESK)
    assert [type(event) for event in scene.visit.events()] == [visit_events.FormWanted]


def test_notices_out_of_place_are_passed_over() -> None:
    scene = Scene()
    for notice in (
        wire.PositionReported(0, 7, wire.PositionCause.JOINED, 1, 1, 0, 0, "desk", False),
        wire.OperatorAssigned(0, 7, wire.OperatorCause.CALLED, "bob"),
        wire.VisitOver(7, wire.OverCause.ENDED),
        wire.DeskRefused(0, wire.DeskRefusal.NO_SUCH_TICKET),
        wire.DeskLine(7, 1, "bob", 0, "hi"),
        wire.LinesSaved(7, 1),
        wire.LineRefused(7, 1, wire.LineRefusal.FULL),
    ):
        scene.visit.handle(notice)
    assert scene.visit.events() == []
    assert scene.said() == []
    assert scene.visit.wants_stored() is None


def test_sent_back_to_the_line() -> None:
    scene = Scene()
    scene.join()
    scene.serve(wire.OperatorCause.CONNECTED)
    scene.visit.events()
    scene.wait(1, wire.PositionCause.OPERATOR_LOST)
    scene.serve()
    scene.wait(1, wire.PositionCause.HANDED_OVER)
    scene.serve(wire.OperatorCause.HANDED_OVER)
    assert scene.visit.events() == [
        visit_events.SentBack(why=visit_events.SentBackReason.OPERATOR_LOST, queue="desk"),
        visit_events.PositionKnown(position=1, operators=1),
        visit_events.Served(turn=visit_events.Turn.CALLED, operator="bob"),
        visit_events.SentBack(why=visit_events.SentBackReason.HANDED_OVER, queue="desk"),
        visit_events.PositionKnown(position=1, operators=1),
        visit_events.Served(turn=visit_events.Turn.HANDED_OVER, operator="bob"),
    ]


def test_a_question_that_a_link_did_not_answer_is_asked_again_on_the_next_one() -> None:
    scene = Scene()
    scene.join()
    scene.wait(position=1)
    scene.is_up = False
    scene.visit.ask_position()
    assert scene.said() == []
    scene.is_up = True
    scene.relink()
    returned, asked = scene.said()
    assert isinstance(returned, wire.ReturnToDesk)
    assert isinstance(asked, wire.AskPosition)
    scene.visit.handle(
        wire.PositionReported(
            asked.reference, 7, wire.PositionCause.ASKED, 1, 1, 0, 0, "desk", False
        )
    )
    scene.relink()
    assert [type(request) for request in scene.said()] == [wire.ReturnToDesk], "answered"


def test_a_question_ends_unanswered_when_the_registry_is_lost() -> None:
    scene = Scene()
    scene.join()
    scene.wait(position=1)
    scene.visit.ask_position()
    assert not scene.settled()
    assert scene.visit.give_up_questions() == 1
    assert scene.settled()
    assert scene.visit.give_up_questions() == 0


def test_an_answer_about_the_visit_before_does_not_rate_this_one() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.ENDED))
    scene.said()
    scene.visit.rate(4)
    (rate,) = scene.said()
    assert isinstance(rate, wire.RateVisit)
    scene.visit.begin_anew()
    scene.visit.join(FORM)
    scene.store()
    scene.serve(visit=8)
    scene.visit.handle(wire.VisitRated(rate.reference, is_kept=True))
    scene.visit.handle(wire.VisitOver(8, wire.OverCause.ENDED))
    ended = [one for one in scene.visit.events() if isinstance(one, visit_events.VisitEnded)]
    assert [one.may_rate for one in ended] == [True, True]
