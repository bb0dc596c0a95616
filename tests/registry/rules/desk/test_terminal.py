"""The registry's own terminal as an operator of the desk."""

from chatapp.registry.rules.desk.texts import CallingLine
from chatapp.wire.messages.desk import PositionCause, PositionReported
from tests.registry.rules.desk.help_desk import HelpDesk


def test_with_nobody_there(help_desk: HelpDesk) -> None:
    assert help_desk.type("hello") == ["[No active client.]"]
    assert help_desk.type(".end") == ["[No active client.]"]
    assert help_desk.type(".next") == ["[Waiting room: empty.]"]
    assert help_desk.type(".room") == ["[No active client.]", "[Waiting room: empty.]"]
    assert help_desk.type(".nxt") == ["[Unknown command .nxt. Did you mean .next?]"]
    assert help_desk.type(".drop x") == ["[Usage: .drop <n>]"]
    assert help_desk.type("") == []


def test_help_without_a_sign_is_help_until_a_client_could_read_it(help_desk: HelpDesk) -> None:
    assert help_desk.type("Help ") == help_desk.type(".help")
    assert help_desk.type("help me") == ["[No active client.]"]
    asha = help_desk.joined()
    help_desk.shown()
    help_desk.advance(2.0)
    assert help_desk.type("help") == []
    assert asha.texts[-1] == "help"


def test_the_end_of_the_input_puts_the_visitor_back(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    help_desk.close()
    assert asha.last(PositionReported).cause is PositionCause.OPERATOR_LOST


def test_strangers_text_is_cleaned(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    help_desk.shown()
    asha.say("a\x1b[2Jb\nc")
    assert help_desk.shown() == ["Asha Rao: a\\x1b[2Jb⏎c"]


def test_the_terminal_rings_for_the_first_who_waits(help_desk: HelpDesk) -> None:
    help_desk.joined()
    help_desk.shown()
    help_desk.joined("Ravi Iyer")
    help_desk.advance(1.0)
    (line,) = help_desk.shown()
    assert line == "[Someone is waiting (desk).]"
    assert isinstance(line, CallingLine)
    help_desk.joined("Meera Das")
    help_desk.advance(1.0)
    assert help_desk.shown() == []
    help_desk.type(".next")
    help_desk.type(".next")
    help_desk.advance(1.0)
    help_desk.shown()
    help_desk.joined("Tom Lee")
    help_desk.advance(1.0)
    assert help_desk.shown() == ["[Someone is waiting (desk).]"]
