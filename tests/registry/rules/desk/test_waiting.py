"""Waiting visitors: positions, estimates, and being called, dropped and moved."""

from chatapp.wire.messages import desk as wire
from chatapp.wire.messages.registration import Leave
from tests.registry.rules.desk.help_desk import HelpDesk


def test_positions_are_pushed_and_the_next_is_called(help_desk: HelpDesk) -> None:
    asha, bela, chand = help_desk.line_of("Asha", "Bela", "Chand")
    for one in (asha, bela, chand):
        one.hear()
    help_desk.advance(1.0)
    assert help_desk.type(".next")[0] == "[Session with Asha ended.]"
    assert asha.hear() == [wire.VisitOver(1, wire.OverCause.ENDED)]
    assert bela.hear() == [wire.OperatorAssigned(0, 2, wire.OperatorCause.CALLED, "desk")]
    assert [
        (one.position, one.cause) for one in chand.hear() if isinstance(one, wire.PositionReported)
    ] == [(1, wire.PositionCause.CHANGED)]


def test_an_estimate_comes_after_three_sessions(help_desk: HelpDesk) -> None:
    visitors = help_desk.line_of("A", "B", "C", "D", "E", "F")
    for _ in range(3):
        help_desk.advance(40.0)
        help_desk.type(".end")
    help_desk.advance(1.0)
    visitors[-1].ask(wire.AskPosition(4))
    told = visitors[-1].last(wire.PositionReported)
    assert (told.reference, told.cause, told.position, told.operators) == (
        4,
        wire.PositionCause.ASKED,
        2,
        1,
    )
    assert 0 < told.least < 80 < told.most


def test_who_waits_has_to_wait(help_desk: HelpDesk) -> None:
    _, bela = help_desk.line_of("Asha", "Bela")
    bela.say("hello?")
    assert bela.last(wire.LineRefused).reason is wire.LineRefusal.NOT_YOUR_TURN


def test_who_leaves_the_line_does_not_disturb_the_active_one(help_desk: HelpDesk) -> None:
    asha, bela, chand = help_desk.line_of("Asha", "Bela", "Chand")
    asha.hear()
    bela.ask(wire.LeaveDesk(1))
    assert bela.last(wire.VisitOver).cause is wire.OverCause.LEFT
    chand.peer.send(Leave(1))
    assert asha.hear() == []
    assert help_desk.type(".room")[-1] == "[Waiting room: empty.]"


def test_operators_drop_and_move(help_desk: HelpDesk) -> None:
    visitors = help_desk.line_of("Active", "A", "B", "C")
    assert help_desk.type(".move 3 1") == ["[C is number 1 now.]"]
    assert help_desk.type(".drop 2") == ["[A was taken out of the waiting room.]"]
    assert visitors[1].last(wire.VisitOver).cause is wire.OverCause.DROPPED
    for there_is_not in (".drop 3", ".move 1 3", ".move 3 1", ".move 1 0"):
        assert help_desk.type(there_is_not) == ["[Nobody has that number in the waiting room.]"]
    assert [line[:4] for line in help_desk.type(".room")[2:]] == ["1. C", "2. B"]
