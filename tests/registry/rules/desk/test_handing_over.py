"""Handing a visitor over to a free or a busy operator."""

import pytest

from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, Visitor, duty


def test_a_hand_over_passes_lines_and_note() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob, asha = help_desk.operator("ann"), help_desk.operator("bob"), help_desk.joined()
    ann.ask(wire.CallNext(1, "", ann.client))
    bob.ask(wire.TakeDuty(1, ""))
    asha.say("from asha")
    ann.say(1, "from ann")
    ann.ask(wire.NoteVisitor(2, ann.client, "be kind"))
    assert asha.texts == ["from ann"]
    ann.hear(), bob.hear()
    ann.ask(wire.HandOver(3, ann.client, "BOB"))
    assert ann.hear() == [
        wire.ClientChanged(1, wire.ClientChange.GIVEN, "Asha Rao"),
        wire.CommandDone(3, wire.CommandResult.DONE, "bob"),
    ]
    told = bob.last(wire.ClientAssigned)
    assert (told.cause, told.operator, told.note) == (
        wire.ClientCause.HANDED_OVER,
        "ann",
        "be kind",
    )
    assert [(line.operator, line.text) for line in bob.lines] == [
        ("", "from asha"),
        ("ann", "from ann"),
    ]
    assert asha.last(wire.OperatorAssigned) == wire.OperatorAssigned(
        0, 1, wire.OperatorCause.HANDED_OVER, "bob"
    )
    ann.say(1, "too late")
    assert ann.last(wire.LineRefused).reason is wire.LineRefusal.NO_CLIENT
    ann.ask(wire.HandOver(4, ann.client, "nobody here"))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.NO_CLIENT


@pytest.mark.parametrize("restarts", [False, True])
def test_a_busy_operator_reads_later_who_handed_over(*, restarts: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    asha, bela = help_desk.joined("Asha"), help_desk.joined("Bela")
    ann.ask(wire.CallNext(1, "", ann.client))
    bob.ask(wire.CallNext(1, "", bob.client))
    ann.ask(wire.HandOver(2, ann.client, "bob"))
    if restarts:
        help_desk.restart()
        for one in (ann, bob, asha, bela):
            one.come_back()
    bob.hear()
    bob.ask(wire.EndSession(3, bob.client))
    told = bob.last(wire.ClientAssigned)
    assert (told.cause, told.name, told.operator) == (wire.ClientCause.HANDED_OVER, "Asha", "ann")


def test_a_visitor_who_was_to_be_handed_over_and_comes_back_is_from_nobody() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    help_desk.joined("Asha"), help_desk.joined("Bela")
    ann.ask(wire.CallNext(1, "", ann.client))
    bob.ask(wire.CallNext(1, "", bob.client))
    ann.ask(wire.HandOver(2, ann.client, "bob"))
    ann.hear()
    bob.ask(wire.EndDuty(3))
    told = ann.last(wire.ClientAssigned)
    assert (told.cause, told.name, told.operator) == (wire.ClientCause.HANDED_OVER, "Asha", "")


def causes(visitor: Visitor) -> list[wire.PositionCause | wire.OperatorCause]:
    """Return the positions and assignments sent to a visitor since, with their causes."""
    return [
        one.cause
        for one in visitor.hear()
        if isinstance(one, wire.PositionReported | wire.OperatorAssigned)
    ]


@pytest.mark.parametrize("is_free", [True, False])
def test_nobody_waits_for_a_busy_operator_who_dies(*, is_free: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    asha, bela = help_desk.joined("Asha"), help_desk.joined("Bela")
    ann.ask(wire.CallNext(1, "", ann.client))
    bob.ask(wire.CallNext(1, "", bob.client))
    ann.ask(wire.HandOver(2, ann.client, "bob"))
    if not is_free:
        ann.ask(wire.EndDuty(3))
    ann.hear(), asha.hear(), bela.hear()
    bob.drop()
    if is_free:
        assert causes(asha) == [wire.OperatorCause.CALLED]
        assert ann.last(wire.ClientAssigned).name == "Asha"
    else:
        assert causes(asha) == [wire.PositionCause.OPERATOR_LOST]
    assert causes(bela) == []  # whom bob talks with has the time in which he may come back
    help_desk.advance(16.0)
    assert causes(bela) == [wire.PositionCause.OPERATOR_LOST]


@pytest.mark.parametrize("is_free", [True, False])
def test_who_was_just_handed_over_does_not_wait_for_a_dead_operator(*, is_free: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob, asha = help_desk.operator("ann"), help_desk.operator("bob"), help_desk.joined("Asha")
    ann.ask(wire.CallNext(1, "", ann.client))
    bob.ask(wire.TakeDuty(1, ""))
    ann.ask(wire.HandOver(2, ann.client, "bob"))
    assert bob.last(wire.ClientAssigned).name == "Asha"
    if not is_free:
        ann.ask(wire.EndDuty(3))
    asha.say("I can be heard")
    ann.hear(), asha.hear()
    bob.drop()
    assert causes(asha) == [
        wire.OperatorCause.HANDED_OVER if is_free else wire.PositionCause.OPERATOR_LOST
    ]
    bob.come_back()
    heard = bob.hear()
    assert duty(True, "desk", 0) in heard
    assert [one.name for one in heard if isinstance(one, wire.ClientAssigned)] == (
        [] if is_free else ["Asha"]
    )


def test_who_was_spoken_to_has_the_time_in_which_the_operator_may_come_back() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob, asha = help_desk.operator("ann"), help_desk.operator("bob"), help_desk.joined("Asha")
    ann.ask(wire.CallNext(1, "", ann.client))
    bob.ask(wire.TakeDuty(1, ""))
    ann.ask(wire.HandOver(2, ann.client, "bob"))
    ann.ask(wire.EndDuty(3))
    bob.hear()
    bob.say(1, "hello")
    assert asha.texts == ["hello"]
    bob.drop()
    help_desk.advance(10.0)
    assert causes(asha) == []
    bob.come_back()
    heard = bob.hear()
    assert duty(True, "desk", 1) in heard
    assert [one.cause for one in heard if isinstance(one, wire.ClientAssigned)] == [
        wire.ClientCause.RETURNED
    ]
    bob.drop()
    help_desk.advance(16.0)
    assert causes(asha) == [wire.PositionCause.OPERATOR_LOST]
