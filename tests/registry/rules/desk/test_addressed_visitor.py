"""An operator's lines for one visitor never affect another: at the registry's own terminal, and
from peers."""

import pytest

from chatapp.registry.rules.desk.console import ANSWERED_WITHIN
from chatapp.wire.desk.focus import HOLD_BACK_FOR
from chatapp.wire.limits import DESK_TYPED_AHEAD_MAX
from chatapp.wire.messages.desk import (
    CallNext,
    ClientAssigned,
    CommandDone,
    CommandResult,
    DropVisitor,
    EndSession,
    HandOver,
    LeaveDesk,
    LineRefusal,
    LineRefused,
    MoveVisitor,
    NoteVisitor,
    OperatorAssigned,
    OverCause,
    PositionCause,
    PositionReported,
    TakeDuty,
    VisitOver,
)
from chatapp.wire.messages.registration import Leave
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, Visitor
from tests.support.memory_store import MemoryStore


def pair(help_desk: HelpDesk) -> list[Visitor]:
    """Asha Qa is served, Asha Qb is next."""
    visitors = help_desk.line_of("Asha Qa", "Asha Qb")
    help_desk.advance(60.0)
    for one in visitors:
        one.hear()
    help_desk.shown()
    return visitors


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            "your result is 42",
            "[Asha Qa has left; this was not said to Asha Qb: your result is 42]",
        ),
        (".end", "[Asha Qa has left; the session with Asha Qb goes on.]"),
        (".next", "[Asha Qa has left; the session with Asha Qb goes on.]"),
        (".handover bob", "[Asha Qa has left; Asha Qb was not handed over.]"),
        (".note wants money", "[Asha Qa has left; this was not noted about Asha Qb: wants money]"),
    ],
)
def test_what_is_typed_at_the_terminal_as_the_next_is_called_is_held_back(
    help_desk: HelpDesk, typed: str, told: str
) -> None:
    asha, bela = pair(help_desk)
    asha.ask(LeaveDesk(1))
    assert help_desk.shown()[0] == "[Asha Qa has left.]"
    bela.hear()
    help_desk.advance(HOLD_BACK_FOR - 0.01)
    assert help_desk.type(typed) == [told]
    assert bela.hear() == []
    help_desk.advance(0.01)
    help_desk.type("welcome")
    assert bela.texts == ["welcome"]
    help_desk.type(".end")
    assert bela.last(VisitOver).cause is OverCause.ENDED


def test_what_is_typed_as_the_last_one_leaves_is_said_to_nobody(help_desk: HelpDesk) -> None:
    (asha,) = help_desk.line_of("Asha Qa")
    help_desk.advance(60.0)
    asha.ask(LeaveDesk(1))
    help_desk.shown()
    assert help_desk.type("your result is 42") == [
        "[Asha Qa has left; this was not said: your result is 42]"
    ]
    assert help_desk.type(".end") == ["[No active client.]"]
    help_desk.advance(HOLD_BACK_FOR)
    assert help_desk.type("hello?") == ["[No active client.]"]


def test_a_visitor_of_a_free_operator_may_be_greeted_at_once(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    help_desk.type("how can I help?")
    assert asha.texts == ["how can I help?"]


def test_after_an_end_that_was_asked_for_the_next_one_may_be_spoken_to_at_once(
    help_desk: HelpDesk,
) -> None:
    _, bela = pair(help_desk)
    help_desk.type(".end")
    help_desk.type("welcome")
    assert bela.texts == ["welcome"]


def test_what_is_typed_before_a_change_is_shown_is_for_the_visitor_who_is(
    help_desk: HelpDesk,
) -> None:
    asha, bela = pair(help_desk)
    help_desk.rig.auto_commit = False
    asha.ask(LeaveDesk(1))
    help_desk.advance(30.0)
    help_desk.rig.core.console_typed("your result is 42", now=help_desk.rig.now)
    help_desk.rig.core.console_typed(".end", now=help_desk.rig.now)
    assert help_desk.shown() == []
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    assert help_desk.shown() == [
        "[Asha Qa has left.]",
        "[Next client; waited 1 min 0 s.]",
        "Name: Asha Qb",
        "Number: +919876543210",
        "Issue: Depression",
        "[Asha Qa has left; this was not said to Asha Qb: your result is 42]",
        "[Asha Qa has left; the session with Asha Qb goes on.]",
    ]
    assert [type(one) for one in bela.hear()] == [OperatorAssigned]


def test_lines_typed_ahead_wait_for_what_they_rest_on(help_desk: HelpDesk) -> None:
    _, bela = pair(help_desk)
    help_desk.rig.auto_commit = False
    for line in (".next", "welcome", ".note hm", ".room"):
        help_desk.rig.core.console_typed(line, now=help_desk.rig.now)
    assert help_desk.shown() == []
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    shown = help_desk.shown()
    assert shown[0] == "[Session with Asha Qa ended.]"
    assert "[Note about Asha Qb kept.]" in shown
    assert shown[-1] == "[Waiting room: empty.]"
    assert bela.texts == ["welcome"]


def test_lines_typed_ahead_have_a_cap(help_desk: HelpDesk) -> None:
    pair(help_desk)
    help_desk.rig.auto_commit = False
    for _ in range(DESK_TYPED_AHEAD_MAX + 1):
        help_desk.rig.core.console_typed(".end", now=help_desk.rig.now)
    assert help_desk.shown() == []
    assert help_desk.type(".end") == [
        "[Not done: too many lines wait for the answer to an earlier one.]"
    ]


def test_an_answer_that_is_lost_holds_up_later_lines_for_a_while_only(
    help_desk: HelpDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far too much waits for the disk: answers that depend on no entry are dropped."""
    pair(help_desk)
    monkeypatch.setattr("chatapp.registry.engine.engine.PROMISES_MAX", 0)
    help_desk.rig.auto_commit = False
    help_desk.rig.core.console_typed(".room", now=help_desk.rig.now)
    monkeypatch.undo()
    help_desk.rig.auto_commit = True
    assert help_desk.type(".stats") == []
    help_desk.advance(ANSWERED_WITHIN)
    assert help_desk.shown()[0].startswith("[Served today ")


def test_coming_on_duty_is_told_before_the_visitor_who_comes_by_it() -> None:
    help_desk = HelpDesk(PEERS)
    help_desk.open()
    help_desk.joined()
    assert [line.split(";")[0] for line in help_desk.type(".on")[:2]] == [
        "[You are on duty.]",
        "[Next client",
    ]
    assert help_desk.type(".on") == ["[You are on duty.]"]
    assert help_desk.type(".off") == ["[You are off duty.]"]


def test_the_end_of_the_input_is_behind_all_that_was_typed(help_desk: HelpDesk) -> None:
    asha, bela = pair(help_desk)
    help_desk.rig.auto_commit = False
    for line in (".next", "welcome"):
        help_desk.rig.core.console_typed(line, now=help_desk.rig.now)
    help_desk.rig.core.console_closed(now=help_desk.rig.now)
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    assert asha.last(VisitOver).cause is OverCause.ENDED
    heard = bela.hear()
    assert bela.texts == ["welcome"]
    assert [one.cause for one in heard if isinstance(one, PositionReported)] == [
        PositionCause.OPERATOR_LOST
    ]


# --- peers


def test_a_request_names_its_visit_and_does_nothing_to_another_one() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    asha, bela = help_desk.line_of("Asha", "Bela")
    bob.ask(TakeDuty(1, ""))
    bob.ask(EndSession(2, bob.client))  # so that bob is free, and Bela is his
    ann.ask(CallNext(1, "", 0))
    bela.hear(), bob.hear()
    for request in (
        EndSession(3, asha.visit),
        CallNext(3, "", asha.visit),
        CallNext(3, "", 0),
        HandOver(3, asha.visit, "ann"),
        NoteVisitor(3, asha.visit, "hm"),
    ):
        bob.ask(request)
        assert bob.hear() == [CommandDone(3, CommandResult.OTHER_CLIENT, "")]
    bob.say(asha.visit, "your result is 42")
    assert bob.last(LineRefused).reason is LineRefusal.NO_CLIENT
    assert bela.hear() == []
    bob.ask(EndSession(4, bela.visit))
    assert bela.last(VisitOver).cause is OverCause.ENDED


def test_an_end_that_is_repeated_does_not_end_the_session_with_the_next() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela = help_desk.line_of("Asha", "Bela")
    ann.ask(CallNext(1, "", 0))
    ann.peer.send(EndSession(2, asha.visit), EndSession(3, asha.visit))
    assert ann.last(CommandDone).result is CommandResult.OTHER_CLIENT
    assert not any(isinstance(one, VisitOver) for one in bela.hear())


def test_an_operator_is_told_whether_a_visitor_comes_by_a_command() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    visitors = help_desk.line_of("Asha", "Bela", "Cem")
    ann.ask(TakeDuty(1, ""))
    assert ann.last(ClientAssigned).is_asked
    ann.ask(EndSession(2, ann.client))
    assert ann.last(ClientAssigned).is_asked
    visitors[1].ask(LeaveDesk(1))
    assert not ann.last(ClientAssigned).is_asked
    bob.ask(TakeDuty(1, ""))
    ann.ask(HandOver(3, ann.client, "bob"))
    assert not bob.last(ClientAssigned).is_asked


def test_the_next_is_called_though_the_one_who_was_to_be_ended_has_left() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    ann.ask(CallNext(1, "", 0))
    asha.peer.send(Leave(1))
    ann.hear()
    ann.ask(CallNext(2, "", asha.visit))
    assert ann.last(CommandDone).result is CommandResult.ROOM_EMPTY


# --- numbers of the waiting room


def test_numbers_of_the_waiting_room_are_those_that_were_shown(help_desk: HelpDesk) -> None:
    _, first, second, third = help_desk.line_of("Active", "A", "B", "C")
    help_desk.type(".room")
    first.ask(LeaveDesk(1))
    assert help_desk.type(".drop 2") == ["[B was taken out of the waiting room.]"]
    assert second.last(VisitOver).cause is OverCause.DROPPED
    assert help_desk.type(".drop 1") == ["[A is not in the waiting room any more.]"]
    assert help_desk.type(".drop 4") == ["[Nobody has that number in the waiting room.]"]
    assert help_desk.type(".room")[2:] != []
    assert help_desk.type(".drop 1") == ["[C was taken out of the waiting room.]"]
    assert third.last(VisitOver).cause is OverCause.DROPPED


def test_a_number_that_a_command_has_given_to_somebody_else_is_not_guessed(
    help_desk: HelpDesk,
) -> None:
    help_desk.line_of("Active", "A", "B", "C")
    help_desk.type(".room")
    assert help_desk.type(".move 3 1") == ["[C is number 1 now.]"]
    assert help_desk.type(".drop 2") == [
        "[Number 2 was B when you looked, and is A now: type .room first.]"
    ]
    help_desk.type(".room")
    assert help_desk.type(".drop 2") == ["[A was taken out of the waiting room.]"]


def test_a_visitor_who_was_called_since_is_not_in_line() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    ann.ask(CallNext(1, "", 0))
    ann.hear()
    for request in (
        DropVisitor(2, asha.visit, 1),
        MoveVisitor(2, asha.visit, 1, 1),
        DropVisitor(2, 99, 1),
    ):
        ann.ask(request)
        assert ann.last(CommandDone).result is CommandResult.NOT_IN_LINE
    assert isinstance(help_desk.rig.store, MemoryStore)
