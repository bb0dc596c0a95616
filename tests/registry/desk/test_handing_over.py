"""This file is about handing a visitor over: to an operator who is free, or to one who is busy."""

import pytest

from tests.registry.desk.hall import PEERS, Hall
from wire.messages.desk.operating import (
    CallNext,
    ClientCause,
    ClientChanged,
    ClientReach,
    ClientTold,
    CommandDone,
    CommandResult,
    EndDuty,
    EndSession,
    HandOver,
    NoteVisitor,
    TakeDuty,
)
from wire.messages.desk.talking import LineRefusal, LineRefused
from wire.messages.desk.visiting import TurnCause, TurnTold


def test_a_hand_over_passes_lines_and_note() -> None:
    hall = Hall(PEERS)
    ann, bob, asha = hall.operator("ann"), hall.operator("bob"), hall.joined()
    ann.ask(CallNext(1, ""))
    bob.ask(TakeDuty(1, ""))
    asha.say("from asha")
    ann.say(1, "from ann")
    ann.ask(NoteVisitor(2, "be kind"))
    assert asha.texts == ["from ann"]
    ann.hear(), bob.hear()
    ann.ask(HandOver(3, "BOB"))
    assert ann.hear()[:2] == [
        CommandDone(3, CommandResult.DONE, "bob"),
        ClientChanged(1, ClientReach.GIVEN, "Asha Rao"),
    ]
    told = bob.last(ClientTold)
    assert (told.cause, told.operator, told.note) == (ClientCause.HANDED_OVER, "ann", "be kind")
    assert [(line.operator, line.text) for line in bob.lines] == [("", "from asha"), ("ann", "from ann")]
    assert asha.last(TurnTold) == TurnTold(0, 1, TurnCause.HANDED_OVER, "bob")
    ann.say(1, "too late")
    assert ann.last(LineRefused).reason is LineRefusal.NO_CLIENT
    ann.ask(HandOver(4, "nobody here"))
    assert ann.last(CommandDone).result is CommandResult.NO_CLIENT


@pytest.mark.parametrize("restarts", [False, True])
def test_a_busy_operator_reads_later_who_handed_over(*, restarts: bool) -> None:
    hall = Hall(PEERS)
    ann, bob = hall.operator("ann"), hall.operator("bob")
    asha, bela = hall.joined("Asha"), hall.joined("Bela")
    ann.ask(CallNext(1, ""))
    bob.ask(CallNext(1, ""))
    ann.ask(HandOver(2, "bob"))
    if restarts:
        hall.restart()
        for one in (ann, bob, asha, bela):
            one.come_back()
    bob.hear()
    bob.ask(EndSession(3))
    told = bob.last(ClientTold)
    assert (told.cause, told.name, told.operator) == (ClientCause.HANDED_OVER, "Asha", "ann")


def test_a_visitor_who_was_to_be_handed_over_and_comes_back_is_from_nobody() -> None:
    hall = Hall(PEERS)
    ann, bob = hall.operator("ann"), hall.operator("bob")
    hall.joined("Asha"), hall.joined("Bela")
    ann.ask(CallNext(1, ""))
    bob.ask(CallNext(1, ""))
    ann.ask(HandOver(2, "bob"))
    ann.hear()
    bob.ask(EndDuty(3))
    told = ann.last(ClientTold)
    assert (told.cause, told.name, told.operator) == (ClientCause.HANDED_OVER, "Asha", "")
