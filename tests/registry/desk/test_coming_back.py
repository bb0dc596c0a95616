"""This file is about places that outlive a link, a program or the registry, and about what was said meanwhile."""

import pytest

from tests.registry.desk.hall import Hall, Visitor
from wire.messages.desk.talking import LinesTaken
from wire.messages.desk.visiting import (
    DeskRefusal,
    DeskRefused,
    LeaveDesk,
    OverCause,
    PlaceTold,
    ReturnToDesk,
    TurnCause,
    TurnTold,
    VisitOver,
)


def test_a_lost_link_keeps_the_place_and_what_was_said_meanwhile(hall: Hall) -> None:
    asha, bela = hall.line_of("Asha", "Bela")
    asha.say("one")
    asha.drop()
    assert hall.shown()[-2:] == ["Asha: one", "[Asha lost the connection; the place is kept for a while.]"]
    hall.type("are you there?")
    hall.type("é ✓ " + "x" * 3_000)
    hall.advance(59.0)
    asha.come_back()
    assert asha.last(TurnTold).cause is TurnCause.RETURNED
    assert asha.texts == ["are you there?", "é ✓ " + "x" * 3_000]
    assert hall.shown() == ["[Asha is back.]"]
    asha.say("one", number=1)  # the confirmation was lost with the link
    assert asha.last(LinesTaken) == LinesTaken(1, 1)
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
    assert bela.last(TurnTold).cause is TurnCause.CALLED


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
    assert [one.last(PlaceTold).position for one in visitors[1:]] == [1, 2, 3]
    assert visitors[0].texts == ["two"]
    visitors[0].say("one", number=1)
    assert visitors[0].last(LinesTaken).number == 1
    assert "Asha: one" not in hall.shown()
    hall.type(".end")
    assert visitors[1].last(TurnTold).cause is TurnCause.CALLED


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
    assert twin.last(PlaceTold).position == 1
    assert hall.type(".room")[1] == "[Waiting room: 1.]"
    twin.come_back()
    twin.ask(ReturnToDesk(7, asha.ticket, 0))
    assert not any(isinstance(one, VisitOver) for one in twin.hear())


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
