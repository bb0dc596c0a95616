"""The registry's own terminal as an operator of the desk."""

from chatapp.wire.messages.desk import PositionCause, PositionReported
from tests.registry.desk.hall import Hall


def test_with_nobody_there(hall: Hall) -> None:
    assert hall.type("hello") == ["[No active client.]"]
    assert hall.type(".end") == ["[No active client.]"]
    assert hall.type(".next") == ["[Waiting room: empty.]"]
    assert hall.type(".room") == ["[No active client.]", "[Waiting room: empty.]"]
    assert hall.type(".nxt") == ["[Unknown command .nxt. Did you mean .next?]"]
    assert hall.type(".drop x") == ["[Usage: .drop <n>]"]
    assert hall.type("") == []


def test_the_end_of_the_input_puts_the_visitor_back(hall: Hall) -> None:
    asha = hall.joined()
    hall.close()
    assert asha.last(PositionReported).cause is PositionCause.OPERATOR_LOST


def test_strangers_text_is_cleaned(hall: Hall) -> None:
    asha = hall.joined()
    hall.shown()
    asha.say("a\x1b[2Jb\nc")
    assert hall.shown() == ["Asha Rao: a\\x1b[2Jb⏎c"]
