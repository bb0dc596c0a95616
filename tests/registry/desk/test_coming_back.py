"""Places that survive a lost link or a restart of either program, and the lines said meanwhile."""

import pytest

from chatapp.registry.effects import LinkEndReason
from chatapp.wire.messages.desk import (
    CallNext,
    ClientAssigned,
    ClientCause,
    DeskRefusal,
    DeskRefused,
    FetchDeskLines,
    LeaveDesk,
    LinesSaved,
    OperatorAssigned,
    OperatorCause,
    OverCause,
    PositionCause,
    PositionReported,
    ReturnToDesk,
    TakeDuty,
    VisitOver,
)
from chatapp.wire.messages.registration import Ping, Probe
from tests.registry.desk.hall import PEERS, Hall, Talker, Visitor


def test_a_lost_link_keeps_the_place_and_what_was_said_meanwhile(hall: Hall) -> None:
    asha, bela = hall.line_of("Asha", "Bela")
    asha.say("one")
    asha.drop()
    assert hall.shown()[-2:] == ["Asha: one", "[Asha lost the connection; the place is kept for a while.]"]
    hall.type("are you there?")
    hall.type("é ✓ " + "x" * 3_000)
    hall.advance(59.0)
    asha.come_back()
    assert asha.last(OperatorAssigned).cause is OperatorCause.RETURNED
    assert asha.texts == ["are you there?", "é ✓ " + "x" * 3_000]
    assert hall.shown() == ["[Asha is back.]"]
    asha.say("one", number=1)  # the confirmation was lost with the link
    assert asha.last(LinesSaved) == LinesSaved(1, 1)
    assert hall.shown() == []
    assert isinstance(bela, Visitor)


def test_after_that_time_the_place_is_gone_and_the_next_is_called(hall: Hall) -> None:
    asha, bela = hall.line_of("Asha", "Bela")
    asha.drop()
    hall.shown()
    hall.advance(60.0)
    assert hall.shown()[:3] == ["[Asha did not come back.]", "[Next client; waited 1 min 0 s.]", "Name: Bela"]
    asha.come_back()
    assert asha.last(DeskRefused) == DeskRefused(6, DeskRefusal.NO_SUCH_TICKET)
    assert bela.last(OperatorAssigned).cause is OperatorCause.CALLED


def test_an_operator_s_new_program_gets_all_that_was_said_in_the_session() -> None:
    hall = Hall(PEERS)
    ann, asha = hall.operator("ann"), hall.joined()
    ann.ask(TakeDuty(1, ""))
    ann.hear()
    asha.say("one")
    ann.say(asha.visit, "two")
    asha.say("three")
    assert ann.texts == ["one", "three"]
    ann.start_anew()
    assert ann.last(ClientAssigned).cause is ClientCause.RETURNED
    assert [(line.operator, line.text) for line in ann.lines] == [("", "one"), ("ann", "two"), ("", "three")]
    asha.say("four")
    ann.say(asha.visit, "five", number=99)
    assert ann.texts == ["one", "two", "three", "four"]
    ann.drop()
    ann.come_back()
    assert ann.texts == ["one", "two", "three", "four"], "the same program knows them"


def test_the_registry_s_own_terminal_shows_all_that_was_said_after_a_restart(hall: Hall) -> None:
    asha = hall.joined()
    asha.say("one")
    hall.type("two")
    hall.restart()
    shown = hall.open()
    assert [line for line in shown if line.startswith(("Asha Rao:", "desk"))] == [
        "Asha Rao: one",
        "desk (operator): two",
    ]


def test_only_an_operator_asks_for_lines_and_only_for_those_of_the_visitor_they_serve(hall: Hall) -> None:
    asha = hall.joined()
    hall.type("two")
    asha.hear()
    asha.ask(FetchDeskLines(asha.visit, 0, with_own=True))
    asha.ask(FetchDeskLines(99, 0, with_own=True))
    assert asha.hear() == []


@pytest.mark.parametrize("crash", [True, False])
def test_a_restart_keeps_the_order_and_the_conversation(hall: Hall, crash: bool) -> None:
    visitors = hall.line_of("Asha", "Bela", "Chand", "Dev")
    visitors[0].say("one")
    hall.type("two")
    assert visitors[0].texts == ["two"]
    hall.restart(crash=crash)
    assert "Name: Asha" in (shown := hall.open())
    assert "Asha: one" in shown
    for one in reversed(visitors):
        one.come_back()
        hall.advance(0.5)
    assert [one.last(PositionReported).position for one in visitors[1:]] == [1, 2, 3]
    assert visitors[0].texts == ["two"]
    visitors[0].say("one", number=1)
    assert visitors[0].last(LinesSaved).number == 1
    assert "Asha: one" not in hall.shown()
    hall.type(".end")
    assert visitors[1].last(OperatorAssigned).cause is OperatorCause.CALLED


def test_who_does_not_come_back_after_a_restart_is_passed_over_then_gone(hall: Hall) -> None:
    _, bela, chand = hall.line_of("Asha", "Bela", "Chand")
    hall.type(".end")
    hall.type(".end")
    hall.line_of("Dev", "Esha")
    hall.restart()
    hall.open()
    chand.come_back()
    hall.type(".end")
    hall.advance(61.0)
    assert hall.type(".room")[-1] == "[Waiting room: empty.]"
    assert isinstance(bela, Visitor)


@pytest.mark.parametrize("crash", [None, True, False])
def test_who_was_away_when_the_session_was_ended_is_told_on_return(hall: Hall, crash: bool | None) -> None:
    asha, bela = hall.line_of("Asha", "Bela")
    for one in (asha, bela):
        one.drop()
    hall.type(".end")
    hall.type(".drop 1")
    hall.advance(120.0)
    if crash is not None:
        hall.restart(crash=crash)
    asha.come_back()
    assert asha.last(VisitOver) == VisitOver(1, OverCause.ENDED)
    bela.come_back()
    assert bela.last(VisitOver) == VisitOver(2, OverCause.DROPPED)
    bela.come_back()
    assert bela.last(VisitOver) == VisitOver(2, OverCause.DROPPED), "the answer may have been lost"


def test_a_form_sent_again_after_the_end_makes_no_second_visit(hall: Hall) -> None:
    asha = hall.joined("Asha")
    asha.drop()
    hall.type(".end")
    Talker.come_back(asha)
    asha.join()
    assert asha.last(VisitOver).cause is OverCause.ENDED
    assert hall.type(".room") == ["[No active client.]", "[Waiting room: empty.]"]


def test_tickets_are_not_on_the_disk(hall: Hall) -> None:
    asha = hall.joined()
    assert all(asha.ticket != record.ticket for record in hall.rig.store.load().desk.visits)


def test_another_guest_does_not_return_with_a_guess(hall: Hall) -> None:
    hall.joined()
    other = hall.visitor()
    other.ask(ReturnToDesk(3, b"?" * 16, 0))
    assert other.last(DeskRefused).reason is DeskRefusal.NO_SUCH_TICKET


def test_a_ticket_that_is_shown_twice_is_the_newer_one_s_and_the_other_is_told(hall: Hall) -> None:
    hall.joined("Active")
    asha, twin = hall.joined("Asha"), hall.visitor("Asha")
    asha.hear()
    twin.ask(ReturnToDesk(6, asha.ticket, 0))
    assert asha.hear() == [VisitOver(2, OverCause.ELSEWHERE)]
    assert twin.last(PositionReported).position == 1
    assert hall.type(".room")[1] == "[Waiting room: 1.]"
    twin.come_back()
    twin.ask(ReturnToDesk(7, asha.ticket, 0))
    assert not any(isinstance(one, VisitOver) for one in twin.hear())


@pytest.mark.parametrize("leaves", [True, False])
def test_the_window_that_a_visit_was_taken_from_does_nothing_to_it_any_more(
    hall: Hall, *, leaves: bool
) -> None:
    hall.joined("Active")
    asha, twin = hall.joined("Asha"), hall.visitor("Asha")
    twin.ask(ReturnToDesk(6, asha.ticket, 0))
    twin.hear(), asha.hear(), hall.shown()
    if leaves:
        asha.ask(LeaveDesk(7))
        assert asha.hear() == [DeskRefused(7, DeskRefusal.NO_SUCH_TICKET)]
    else:
        asha.drop()
    assert hall.shown() == []
    hall.advance(61.0)
    hall.type(".end")
    assert twin.last(OperatorAssigned).cause is OperatorCause.CALLED


def test_last_words_arrive_although_the_disk_is_slower_than_the_end(hall: Hall) -> None:
    asha = hall.joined()
    hall.rig.auto_commit = False
    hall.type("goodbye, and take care")
    hall.type(".end")
    assert asha.texts == []
    hall.rig.commit()
    assert asha.texts == ["goodbye, and take care"]


def test_a_visitor_s_last_words_arrive_before_they_have_left(hall: Hall) -> None:
    asha = hall.joined()
    hall.shown()
    hall.rig.auto_commit = False
    asha.say("thank you")
    asha.ask(LeaveDesk(1))
    hall.rig.commit()
    assert hall.shown() == ["Asha Rao: thank you", "[Asha Rao has left.]"]


class TestAProgramThatHangs:
    """The program hangs: its connection stays open, but it sends nothing."""

    def test_of_a_waiting_visitor_is_out_of_reach_within_the_lease(self, hall: Hall) -> None:
        asha, bela = hall.line_of("Asha", "Bela")
        bela.hand.is_frozen = True
        hall.advance(29.0)
        assert bela.hand.link not in hall.rig.closed
        hall.advance(1.5)
        assert hall.rig.closed[bela.hand.link or 0] == LinkEndReason.SILENT
        assert asha.hand.link not in hall.rig.closed
        bela.come_back()
        assert bela.last(PositionReported).cause is PositionCause.RETURNED

    def test_of_a_called_visitor_is_noticed_within_four_seconds(self, hall: Hall) -> None:
        _, bela = hall.line_of("Asha", "Bela")
        bela.hand.is_frozen = True
        hall.type(".end")
        hall.shown()
        hall.advance(4.0)
        assert hall.rig.closed[bela.hand.link or 0] == LinkEndReason.SILENT

    def test_of_a_called_visitor_keeps_the_place_and_the_next_is_called(self, hall: Hall) -> None:
        _, bela, cem = hall.line_of("Asha", "Bela", "Cem")
        bela.hand.is_frozen = True
        hall.advance(10.0)
        hall.type(".end")
        hall.shown()
        hall.advance(5.0)
        assert hall.shown()[:3] == [
            "[Bela does not answer; the place is kept for a while.]",
            "[Next client; waited 14 s.]",
            "Name: Cem",
        ]
        assert hall.type("your result is 42") == ["[Bela does not answer; this was not said to Cem.]"]
        assert cem.last(OperatorAssigned).cause is OperatorCause.CALLED
        hall.advance(50.0)
        bela.hand.is_frozen = False
        bela.come_back()
        assert bela.last(PositionReported) == PositionReported(
            6, bela.visit, PositionCause.MISSED_CALL, 1, 1, 0, 0
        )
        hall.type(".end")
        assert bela.last(OperatorAssigned).cause is OperatorCause.CALLED
        hall.type(".stats")
        served = hall.rig.store.load().desk.served
        assert [over.visit for over in served] == [1, 3], "a call that was missed is no session"

    def test_of_a_served_visitor_is_noticed_within_four_seconds_of_a_line(self, hall: Hall) -> None:
        asha = hall.joined()
        hall.advance(5.0)
        asha.hand.is_frozen = True
        hall.type("are you there?")
        hall.advance(4.0)
        assert hall.rig.closed[asha.hand.link or 0] == LinkEndReason.SILENT

    def test_of_an_operator_is_noticed_within_four_seconds_of_a_line(self) -> None:
        hall = Hall(PEERS)
        ann, asha = hall.operator("ann"), hall.joined()
        ann.ask(CallNext(1, "", 0))
        hall.advance(5.0)
        ann.hear()
        ann.hand.is_frozen = True
        asha.say("are you there?")
        hall.advance(4.0)
        assert hall.rig.closed[ann.hand.link or 0] == LinkEndReason.SILENT

    def test_is_not_seen_where_the_program_answers_questions(self, hall: Hall) -> None:
        asha = hall.joined()
        asha.hand.is_frozen = True
        for _ in range(20):
            hall.type("are you there?")
            hall.advance(0.6)
            if Probe() in asha.hear():
                asha.hand.send(Ping(0))
        assert asha.hand.link not in hall.rig.closed
