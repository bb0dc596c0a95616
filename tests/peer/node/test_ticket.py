"""Showing a ticket again: after a restart of the program, or on a new link."""

import random

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import StoredVisit
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.visitor import VisitorCore
from chatapp.wire.codec import Kind
from chatapp.wire.messages.desk import (
    DeskLine,
    DeskRefusal,
    DeskRefused,
    JoinDesk,
    OperatorCause,
    PositionCause,
    ReturnToDesk,
)
from tests.peer.core.cast import POLICY, SERVER, WALL, Porter, Someone
from tests.peer.core.desk.scene import DESK, Scene
from tests.support.visits import line_of

TICKET = b"t" * 16


def test_a_restarted_program_goes_on_with_its_ticket() -> None:
    scene = Scene(ticket=TICKET, shown=4)
    scene.visit.handle(DESK)
    (back,) = scene.said()
    assert isinstance(back, ReturnToDesk)
    assert (back.ticket, back.shown, back.with_own) == (TICKET, 0, True)
    scene.wait(2, PositionCause.RETURNED)
    scene.visit.handle(DeskLine(7, 4, "bob", 9_000, "shown before"))
    assert scene.visit.events() == [
        visit_events.Resumed(),
        visit_events.PositionKnown(position=2, operators=1),
        line_of("bob", "shown before", 4, at=9.0, is_late=True),
    ]


def test_back_at_the_same_position_nothing_is_told_again() -> None:
    scene = Scene()
    scene.join()
    scene.wait(2)
    scene.visit.events()
    scene.relink()
    scene.wait(2, PositionCause.RETURNED)
    assert scene.visit.events() == []
    scene.relink()
    scene.wait(1, PositionCause.RETURNED)
    assert scene.visit.events() == [visit_events.PositionKnown(position=1, operators=1)]
    scene.relink()
    scene.serve(OperatorCause.RETURNED)
    assert scene.visit.events() == [
        visit_events.Served(turn=visit_events.Turn.CALLED, operator="bob")
    ]


def test_an_answer_that_was_lost_is_asked_for_with_the_same_ticket() -> None:
    scene = Scene()
    first = scene.join()
    scene.relink()
    (again,) = scene.said()
    assert isinstance(again, JoinDesk)
    assert again.ticket == first.ticket
    scene.wait(1, PositionCause.RETURNED)
    assert scene.visit.events() == [visit_events.PositionKnown(position=1, operators=1)]


def test_a_lost_position_is_taken_again_with_the_same_form() -> None:
    scene = Scene()
    first = scene.join()
    scene.wait()
    scene.visit.events()
    scene.relink()
    scene.said()
    scene.visit.handle(DeskRefused(0, DeskRefusal.NO_SUCH_TICKET))
    scene.store()
    (again,) = scene.said()
    assert isinstance(again, JoinDesk)
    assert again.ticket != first.ticket
    assert again.name == "Ana"
    assert scene.visit.events() == [visit_events.PositionGone(is_joining=True)]


def test_a_session_that_ended_while_we_were_away_is_over() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.events()
    scene.relink()
    scene.said()
    scene.visit.handle(DeskRefused(0, DeskRefusal.NO_SUCH_TICKET))
    assert scene.visit.events() == [visit_events.VisitEnded(cause=None)]
    assert scene.said() == []


def test_a_lost_position_without_a_form_is_asked_for_again() -> None:
    scene = Scene(ticket=TICKET)
    scene.visit.handle(DESK)
    scene.visit.handle(DeskRefused(0, DeskRefusal.NO_SUCH_TICKET))
    assert [type(event) for event in scene.visit.events()] == [
        visit_events.PositionGone,
        visit_events.FormWanted,
    ]
    scene.store()
    assert scene.disk == StoredVisit()


def test_a_stranger_at_our_registrys_address_costs_no_ticket() -> None:
    guest = Someone("ana")
    me = LocalIdentity(name="", identity=guest.identity, mail_keys=[guest.mail_key], counter=1)
    core = VisitorCore(
        Context(me, policy=POLICY, rng=random.Random(1), wall_offset=WALL),
        servers=[SERVER],
        pinned=Someone("the registry").id,
        stored=StoredVisit(ticket=TICKET),
        queue="",
    )
    now = 1.0
    core.start(now=now)
    told: list[visit_events.VisitEvent] = []
    while not told:  # each HELLO is answered, by the wrong one
        for hello in (data for data, _ in core.datagrams_to_send() if data[0] == Kind.HELLO):
            cookie = bytes((Kind.COOKIE,)) + Porter().cookie(hello)
            core.receive_datagrams([(cookie, SERVER)], now=now)
        now = core.next_timer() or now
        core.handle_timer(now=now)
        told = core.events()
    assert [type(event) for event in told] == [visit_events.RegistryKeyChanged]
    core.leave(now=now)  # the program ends with that
    assert core.wants_stored() is None
