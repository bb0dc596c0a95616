"""This file is about a ticket that is shown again: by another start of the program, or on a new link."""

from peer.desk import events as happened
from peer.desk.ticket import StoredVisit
from tests.peer.desk.scene import DESK, Scene
from wire.messages.desk.talking import DeskLine
from wire.messages.desk.visiting import (
    DeskRefusal,
    DeskRefused,
    JoinDesk,
    PlaceCause,
    ReturnToDesk,
    TurnCause,
)

TICKET = b"t" * 16


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
