"""What a visitor writes while waiting: kept with the form, and shown to the operator."""

import pytest

from chatapp.wire.limits import DESK_DESCRIPTION_MAX, DESK_LINES_BURST
from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk


@pytest.mark.parametrize("restarts", [False, True])
def test_the_operator_reads_the_last_description_with_the_form(*, restarts: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    for text in ("first", "it is about\nthe exam"):
        asha.ask(wire.DescribeVisit(7, asha.visit, text))
        answer = asha.last(wire.DescriptionAnswered)
        assert answer == wire.DescriptionAnswered(7, asha.visit, wire.DescriptionResult.KEPT, text)
    if restarts:
        help_desk.restart()
        ann.come_back()
        asha.come_back()
        kept = wire.DescriptionAnswered(
            0, asha.visit, wire.DescriptionResult.KEPT, "it is about\nthe exam"
        )
        assert asha.last(wire.DescriptionAnswered) == kept
    ann.ask(wire.TakeDuty(1, ""))
    assert ann.last(wire.ClientAssigned).description == "it is about\nthe exam"


def test_a_description_is_on_the_disk_before_it_is_confirmed() -> None:
    help_desk = HelpDesk(PEERS)
    asha = help_desk.joined()
    asha.ask(wire.DescribeVisit(7, asha.visit, "kept"))
    asha.hear()
    help_desk.restart(crash=True)
    asha.come_back()
    assert asha.last(wire.DescriptionAnswered).text == "kept"


def test_a_description_that_comes_too_late_is_long_or_is_of_nobody() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    asha.ask(wire.DescribeVisit(7, asha.visit, "x" * (DESK_DESCRIPTION_MAX + 1)))
    assert asha.last(wire.DescriptionAnswered) == wire.DescriptionAnswered(
        7, 1, wire.DescriptionResult.TOO_LONG, ""
    )
    asha.ask(wire.DescribeVisit(8, asha.visit, "é" * (DESK_DESCRIPTION_MAX // 2)))
    assert asha.last(wire.DescriptionAnswered).result is wire.DescriptionResult.KEPT
    asha.ask(wire.DescribeVisit(9, asha.visit + 1, "of another visit"))
    assert asha.last(wire.DeskRefused) == wire.DeskRefused(9, wire.DeskRefusal.NO_SUCH_TICKET)
    ann.ask(wire.TakeDuty(1, ""))
    asha.ask(wire.DescribeVisit(10, asha.visit, "late"))
    assert asha.last(wire.DescriptionAnswered).result is wire.DescriptionResult.SERVED


def test_too_many_descriptions_at_once_are_refused() -> None:
    help_desk = HelpDesk(PEERS)
    asha = help_desk.joined()
    for number in range(int(DESK_LINES_BURST)):
        asha.ask(wire.DescribeVisit(number, asha.visit, f"text {number}"))
    assert asha.last(wire.DescriptionAnswered).result is wire.DescriptionResult.KEPT
    asha.ask(wire.DescribeVisit(999, asha.visit, "one more"))
    answer = asha.last(wire.DescriptionAnswered)
    assert (answer.result, answer.text) == (
        wire.DescriptionResult.TOO_FAST,
        f"text {int(DESK_LINES_BURST) - 1}",
    )


def test_the_console_shows_each_line_of_it(help_desk: HelpDesk) -> None:
    help_desk.joined("Bela")
    asha = help_desk.joined()
    asha.ask(wire.DescribeVisit(7, asha.visit, "one\nt\x1b[2Jwo"))
    help_desk.shown()
    assert help_desk.type(".next")[4:] == ["Issue: Depression", "Says: one", "Says: t\\x1b[2Jwo"]
