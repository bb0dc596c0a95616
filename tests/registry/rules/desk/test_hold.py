"""Visitors who do not answer, visitors who let others go first, and visitors who are sent to
another queue."""

import pytest

from chatapp.registry.rules.desk.notices import MOVES_SPAN
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.limits import DESK_LINES_BURST
from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk

QUEUES = DeskSettings(queues=("edge", "exams"), operators=("Ann", "Bob"))
NO_SHOW_AFTER = 5.0


def test_an_operator_is_told_once_that_a_visitor_says_nothing() -> None:
    help_desk = HelpDesk(DeskSettings(operators=("Ann",), no_show_after=NO_SHOW_AFTER))
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(wire.TakeDuty(1, ""))
    ann.hear()
    help_desk.advance(NO_SHOW_AFTER - 1.0)
    assert not any(isinstance(one, wire.ClientChanged) for one in ann.hear())
    help_desk.advance(2 * NO_SHOW_AFTER)
    silent = wire.ClientChanged(asha.visit, wire.ClientChange.SILENT, "Asha Rao")
    assert [one for one in ann.hear() if isinstance(one, wire.ClientChanged)] == [silent]
    ann.ask(wire.ShowRoom(2, ""))
    assert ann.last(wire.RoomShown).served[0].is_silent
    asha.say("I am here")
    ann.ask(wire.ShowRoom(3, ""))
    assert not ann.last(wire.RoomShown).served[0].is_silent
    help_desk.advance(NO_SHOW_AFTER)
    assert silent in ann.hear()


def test_too_many_pauses_at_once_change_nothing_more() -> None:
    help_desk = HelpDesk(PEERS)
    asha = help_desk.joined()
    for number in range(int(DESK_LINES_BURST)):
        asha.ask(wire.PauseVisit(number, asha.visit, number % 2 == 0))
    assert asha.last(wire.PositionReported).cause is wire.PositionCause.RESUMED
    asha.ask(wire.PauseVisit(999, asha.visit, True))
    answer = asha.last(wire.PositionReported)
    assert (answer.reference, answer.cause, answer.is_paused) == (
        999,
        wire.PositionCause.ASKED,
        False,
    )
    help_desk.advance(1.0)
    asha.ask(wire.PauseVisit(1_000, asha.visit, True))
    assert asha.last(wire.PositionReported).cause is wire.PositionCause.PAUSED


def test_a_visitor_on_hold_is_first_as_soon_as_they_show_up() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela, cem = help_desk.line_of("Asha", "Bela", "Cem")
    ann.ask(wire.TakeDuty(1, ""))
    ann.hear()
    ann.ask(wire.HoldVisitor(2, asha.visit))
    heard = ann.hear()
    assert heard[0] == wire.ClientChanged(asha.visit, wire.ClientChange.HELD, "Asha")
    assert heard[-1] == wire.CommandDone(2, wire.CommandResult.DONE, "Asha")
    assert ann.client == bela.visit
    held = asha.last(wire.PositionReported)
    assert (held.cause, held.position, held.is_paused) == (wire.PositionCause.HELD, 1, True)
    ann.ask(wire.CallNext(3, "", bela.visit))
    assert ann.client == cem.visit
    asha.ask(wire.PauseVisit(7, asha.visit, is_paused=False))
    resumed = asha.last(wire.PositionReported)
    assert (resumed.reference, resumed.cause, resumed.position) == (
        7,
        wire.PositionCause.RESUMED,
        1,
    )
    ann.ask(wire.CallNext(4, "", cem.visit))
    assert (
        ann.last(wire.ClientAssigned).cause is wire.ClientCause.HANDED_OVER
    )  # served before: the lines are read again
    assert ann.client == asha.visit


def test_a_visitor_on_hold_who_writes_is_called_again_and_one_who_paused_is_not() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela = help_desk.line_of("Asha", "Bela")
    bela.ask(wire.PauseVisit(7, bela.visit, is_paused=True))
    paused = bela.last(wire.PositionReported)
    assert (paused.reference, paused.cause, paused.is_paused) == (
        7,
        wire.PositionCause.PAUSED,
        True,
    )
    ann.ask(wire.TakeDuty(1, ""))
    ann.ask(wire.HoldVisitor(2, asha.visit))
    assert ann.client == 0
    bela.ask(wire.DescribeVisit(8, bela.visit, "later, please"))
    assert ann.client == 0
    asha.ask(wire.DescribeVisit(8, asha.visit, "sorry, I was away"))
    assert ann.client == asha.visit
    ann.ask(wire.ShowRoom(3, ""))
    (waiting,) = ann.last(wire.RoomShown).waiting
    assert (waiting.name, waiting.is_paused) == ("Bela", True)


@pytest.mark.parametrize("restarts", [False, True])
def test_who_lets_others_go_first_keeps_the_place_through_a_restart(*, restarts: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela = help_desk.line_of("Asha", "Bela")
    asha.ask(wire.PauseVisit(7, asha.visit, is_paused=True))
    if restarts:
        help_desk.restart()
        for one in (ann, asha, bela):
            one.come_back()
        told = asha.last(wire.PositionReported)
        assert (told.cause, told.is_paused, told.position) == (wire.PositionCause.RETURNED, True, 1)
    ann.ask(wire.TakeDuty(1, ""))
    assert ann.client == bela.visit
    asha.hear()
    asha.ask(wire.PauseVisit(8, asha.visit, is_paused=False))
    assert asha.last(wire.PositionReported).position == 1
    ann.ask(wire.CallNext(2, "", bela.visit))
    assert ann.client == asha.visit


def test_to_pause_twice_or_while_served_only_says_where_one_is() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    for expected in (wire.PositionCause.PAUSED, wire.PositionCause.ASKED):
        asha.ask(wire.PauseVisit(7, asha.visit, is_paused=True))
        assert asha.last(wire.PositionReported).cause is expected
    asha.ask(wire.PauseVisit(7, asha.visit, is_paused=False))
    ann.ask(wire.TakeDuty(1, ""))
    asha.hear()
    asha.ask(wire.PauseVisit(8, asha.visit, is_paused=True))
    assert asha.last(wire.OperatorAssigned) == wire.OperatorAssigned(
        8, asha.visit, wire.OperatorCause.ASKED, "ann"
    )


@pytest.mark.parametrize("restarts", [False, True])
def test_a_visitor_put_on_hold_while_away_is_told_on_return_and_called_after_a_text(
    *, restarts: bool
) -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    ann.ask(wire.TakeDuty(1, ""))
    asha.hear()
    asha.drop()
    ann.ask(wire.HoldVisitor(2, asha.visit))
    if restarts:
        help_desk.restart()
        ann.come_back()
        ann.ask(wire.TakeDuty(3, ""))
    asha.come_back()
    told = asha.last(wire.PositionReported)
    assert (told.cause, told.is_paused) == (wire.PositionCause.HELD, True)
    assert ann.client == 0
    asha.ask(wire.DescribeVisit(8, asha.visit, "I am here"))
    assert ann.client == asha.visit
    (kept,) = help_desk.rig.store.load().desk.visits
    assert (kept.operator, kept.pause) == (ann.peer.identity.public, 0)


def test_a_visitor_transferred_while_away_is_told_on_return() -> None:
    help_desk = HelpDesk(QUEUES)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    ann.ask(wire.TakeDuty(1, ""))
    asha.hear()
    for expected in (wire.PositionCause.TRANSFERRED, wire.PositionCause.RETURNED):
        asha.drop()
        if ann.client:
            ann.ask(wire.TransferVisitor(2, asha.visit, "exams"))
        asha.come_back()
        assert asha.last(wire.PositionReported).cause is expected


# --- another queue


def test_a_transfer_keeps_the_time_of_arrival() -> None:
    help_desk = HelpDesk(QUEUES)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    early = help_desk.visitor("Early")
    early.join(queue="exams")
    asha = help_desk.joined("Asha")
    late = help_desk.visitor("Late")
    late.join(queue="exams")
    ann.ask(wire.TakeDuty(1, "edge"))
    asha.say("about the exam")
    ann.hear()
    ann.ask(wire.TransferVisitor(2, asha.visit, "EXAMS"))
    assert ann.hear() == [
        wire.ClientChanged(asha.visit, wire.ClientChange.TRANSFERRED, "Asha"),
        wire.CommandDone(2, wire.CommandResult.DONE, "Asha"),
    ]
    told = asha.last(wire.PositionReported)
    assert (told.cause, told.queue, told.position) == (wire.PositionCause.TRANSFERRED, "exams", 2)
    help_desk.advance(MOVES_SPAN)
    assert late.last(wire.PositionReported).position == 3
    bob.ask(wire.TakeDuty(1, "exams"))
    bob.ask(wire.CallNext(2, "", early.visit))
    came = bob.last(wire.ClientAssigned)
    assert (came.visit, came.operator, came.queue) == (asha.visit, "ann", "exams")
    assert [line.text for line in bob.lines] == ["about the exam"]


def test_a_transfer_to_a_free_operator_is_served_at_once() -> None:
    help_desk = HelpDesk(QUEUES)
    ann, bob, asha = help_desk.operator("ann"), help_desk.operator("bob"), help_desk.joined()
    ann.ask(wire.TakeDuty(1, "edge"))
    bob.ask(wire.TakeDuty(1, "exams"))
    ann.ask(wire.TransferVisitor(2, asha.visit, "exams"))
    assert bob.client == asha.visit
    assert asha.last(wire.OperatorAssigned) == wire.OperatorAssigned(
        0, asha.visit, wire.OperatorCause.HANDED_OVER, "bob"
    )


@pytest.mark.parametrize(
    ("queue", "result"),
    [
        ("nowhere", wire.CommandResult.NO_SUCH_QUEUE),
        ("", wire.CommandResult.NO_SUCH_QUEUE),
        ("edge", wire.CommandResult.SAME_QUEUE),
    ],
)
def test_a_transfer_to_no_other_queue_does_nothing(queue: str, result: wire.CommandResult) -> None:
    help_desk = HelpDesk(QUEUES)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(wire.TakeDuty(1, ""))
    ann.ask(wire.TransferVisitor(2, asha.visit, queue))
    assert ann.last(wire.CommandDone).result is result
    assert ann.client == asha.visit


# --- the console


def test_a_person_at_the_console_is_asked_before_a_silent_session_ends() -> None:
    help_desk = HelpDesk()
    help_desk.open(is_terminal=True)
    asha, _ = help_desk.line_of("Asha", "Bela")
    help_desk.shown()
    ask = "[Asha has said nothing yet: .next again ends the session, .hold keeps the place at the head of the line.]"
    assert help_desk.type(".next") == [ask]
    asha.say("here I am")
    assert help_desk.type(".next")[0] == "[Session with Asha ended.]"
    assert help_desk.type(".next") == [
        "[Bela has said nothing yet: .next again ends the session, .hold keeps the place at the head of the line.]"
    ]
    assert help_desk.type(".next")[0] == "[Session with Bela ended.]"


def test_a_script_at_the_console_is_not_asked() -> None:
    help_desk = HelpDesk()
    help_desk.open()
    help_desk.line_of("Asha", "Bela")
    help_desk.shown()
    assert help_desk.type(".next")[0] == "[Session with Asha ended.]"


def test_hold_and_transfer_at_the_console() -> None:
    help_desk = HelpDesk(DeskSettings(queues=("edge", "exams")))
    help_desk.open()
    assert help_desk.type(".hold") == ["[No active client.]"]
    help_desk.line_of("Asha", "Bela")
    help_desk.shown()
    assert help_desk.type(".hold")[:2] == [
        "[Asha is on hold, at the head of the line.]",
        "[Next client; waited 0 s.]",
    ]
    *_, asha, waiting = help_desk.type(".room")
    assert asha.endswith(", paused")
    assert waiting == "[Waiting: edge 1, exams 0.]"
    assert help_desk.type(".transfer") == ["[Usage: .transfer <queue>]"]
    assert help_desk.type(".transfer nowhere") == ["[There is no queue of that name.]"]
    assert help_desk.type(".transfer edge") == ["[Bela is in that queue already.]"]
    assert help_desk.type(".transfer exams") == ["[Bela was sent to another queue.]"]
