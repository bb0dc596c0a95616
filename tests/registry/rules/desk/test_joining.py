"""Joining the line: what is accepted, and what is refused."""

import pytest

from chatapp.wire.limits import (
    DESK_JOINS_BURST,
    DESK_JOINS_PER_SECOND,
    DESK_VISITS_PER_ADDRESS,
    DESK_WAITING_MAX,
)
from chatapp.wire.messages.desk import (
    DeskRefusal,
    DeskRefused,
    JoinDesk,
    LeaveDesk,
    OperatorAssigned,
    OperatorCause,
    PositionCause,
    PositionReported,
)
from tests.registry.rules.desk.help_desk import HelpDesk


def test_the_free_operator_gets_the_first_and_the_others_wait(help_desk: HelpDesk) -> None:
    asha, bela = help_desk.joined("Asha Rao"), help_desk.joined("Bela")
    assert asha.last(OperatorAssigned) == OperatorAssigned(5, 1, OperatorCause.CONNECTED, "desk")
    assert help_desk.shown()[1:4] == [
        "Name: Asha Rao",
        "Number: +919876543210",
        "Issue: Depression",
    ]
    assert bela.last(PositionReported) == PositionReported(
        5, 2, PositionCause.JOINED, 1, 1, 0, 0, "desk", False
    )


def test_no_position_is_told_before_it_is_on_disk(help_desk: HelpDesk) -> None:
    help_desk.rig.auto_commit = False
    asha = help_desk.joined()
    assert not any(isinstance(one, PositionReported | OperatorAssigned) for one in asha.hear())
    help_desk.rig.commit()
    help_desk.rig.commit()
    assert asha.last(OperatorAssigned).cause is OperatorCause.CONNECTED


def test_no_position_is_told_before_it_is_on_disk_to_a_visitor_who_comes_back(
    help_desk: HelpDesk,
) -> None:
    help_desk.joined()
    help_desk.rig.auto_commit = False
    help_desk.joined("Carl")  # whose record is on its way: the next one waits for it
    help_desk.rig.hand_over()
    bela = help_desk.joined("Bela")
    bela.drop()
    bela.come_back()
    help_desk.rig.sync_ends()
    assert not any(isinstance(one, PositionReported) for one in bela.hear())
    help_desk.rig.commit()
    assert bela.last(PositionReported).cause is PositionCause.JOINED


def test_a_full_disk_admits_nobody(help_desk: HelpDesk) -> None:
    help_desk.rig.store.full = True
    asha = help_desk.joined()
    assert asha.last(DeskRefused) == DeskRefused(5, DeskRefusal.NOT_SERVING)
    help_desk.rig.store.full = False
    asha.join()
    assert asha.last(OperatorAssigned).cause is OperatorCause.CONNECTED


def test_joining_again_with_the_ticket_is_the_same_position(help_desk: HelpDesk) -> None:
    help_desk.line_of("A", "B", "C")
    bela = help_desk.joined("Bela")
    again = help_desk.visitor("Somebody else")
    again.ticket = bela.ticket
    again.join()
    assert again.last(PositionReported).position == 3
    assert "3. Bela, Depression" in help_desk.type(".room")[-1]


def test_joining_again_in_mid_session_brings_all_that_was_said_and_not_shown(
    help_desk: HelpDesk,
) -> None:
    asha = help_desk.joined()
    help_desk.type("hello")
    again = help_desk.visitor("Asha Rao")
    again.ticket = asha.ticket
    again.join()
    assert again.texts == ["hello"]


def test_the_last_issue_of_the_menu_is_one(help_desk: HelpDesk) -> None:
    asha = help_desk.visitor()
    asha.join(issue=len(help_desk.settings.menu))
    assert asha.last(OperatorAssigned).cause is OperatorCause.CONNECTED


def test_numbers_of_visits_go_on_after_a_restart(help_desk: HelpDesk) -> None:
    help_desk.line_of("Asha", "Bela")
    help_desk.restart()
    assert help_desk.joined("Cem").visit == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": "12345"}, DeskRefusal.BAD_FORM),
        ({"issue": 7}, DeskRefusal.BAD_FORM),
        ({"queue": "other"}, DeskRefusal.NO_SUCH_QUEUE),
    ],
)
def test_a_bad_form_is_refused(
    help_desk: HelpDesk, change: dict[str, object], reason: DeskRefusal
) -> None:
    asha = help_desk.visitor()
    asha.join(**change)  # type: ignore[arg-type]
    assert asha.last(DeskRefused).reason is reason


def test_a_bad_name_is_refused(help_desk: HelpDesk) -> None:
    assert help_desk.joined("R2D2").last(DeskRefused).reason is DeskRefusal.BAD_FORM


def test_one_link_has_one_visit(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    asha.ask(JoinDesk(9, b"t" * 16, "", "Asha", "9876543210", 1))
    assert asha.last(DeskRefused) == DeskRefused(9, DeskRefusal.ONE_VISIT)


def test_the_visits_of_one_address_have_a_cap(help_desk: HelpDesk) -> None:
    for _ in range(DESK_VISITS_PER_ADDRESS):
        help_desk.joined(host="10.9.9.9")
    assert help_desk.joined(host="10.9.9.9").last(DeskRefused).reason is DeskRefusal.ADDRESS_FULL
    assert (
        help_desk.joined(host="10.9.9.8").last(PositionReported).position == DESK_VISITS_PER_ADDRESS
    )


def test_who_joins_and_leaves_again_and_again_is_stopped_for_a_while(help_desk: HelpDesk) -> None:
    asha = help_desk.visitor(host="10.9.9.9")
    for number in range(int(DESK_JOINS_BURST)):
        asha.ticket = number.to_bytes(16, "big")
        asha.join()
        asha.ask(LeaveDesk(9))
    assert not any(isinstance(one, DeskRefused) for one in asha.hear())
    bela = help_desk.visitor("Bela", host="10.9.9.9")
    bela.join()
    assert bela.last(DeskRefused) == DeskRefused(5, DeskRefusal.TOO_FAST)
    assert help_desk.joined(host="10.9.9.8").last(OperatorAssigned).cause is OperatorCause.CONNECTED
    help_desk.advance(2 / DESK_JOINS_PER_SECOND)
    bela.join()
    assert bela.last(PositionReported).position == 1


def test_a_line_has_a_cap(help_desk: HelpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.rules.desk.visitors.DESK_WAITING_MAX", 3)
    assert DESK_WAITING_MAX > 1_000
    help_desk.line_of("Active", "A", "B", "C")
    assert help_desk.joined("D").last(DeskRefused).reason is DeskRefusal.LINE_FULL
