"""Places that survive a lost link or a restart of either program, and the lines said meanwhile."""

import pytest

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.wire.limits import DESK_LINES_BURST
from chatapp.wire.messages.desk import (
    CallNext,
    ClientAssigned,
    ClientCause,
    ClientChange,
    ClientChanged,
    DescribeVisit,
    DeskLine,
    DeskRefusal,
    DeskRefused,
    DutyStatus,
    EndDuty,
    EndSession,
    FetchDeskLines,
    HoldVisitor,
    LeaveDesk,
    LineRefusal,
    LineRefused,
    LinesSaved,
    MoveVisitor,
    OperatorAssigned,
    OperatorCause,
    OverCause,
    PositionCause,
    PositionReported,
    ReturnToDesk,
    RoomShown,
    ShowRoom,
    TakeDuty,
    VisitOver,
)
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.registration import Ping, Probe
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, Talker, Visitor, Worker, duty


def test_a_lost_link_keeps_the_position_and_what_was_said_meanwhile(help_desk: HelpDesk) -> None:
    asha, bela = help_desk.line_of("Asha", "Bela")
    asha.say("one")
    asha.drop()
    assert help_desk.shown()[-2:] == [
        "Asha: one",
        "[Asha lost the connection; the place is kept for a while.]",
    ]
    help_desk.type("are you there?")
    help_desk.type("é ✓ " + "x" * 3_000)
    help_desk.advance(9.0)
    asha.come_back()
    assert asha.last(OperatorAssigned).cause is OperatorCause.RETURNED
    assert asha.texts == ["are you there?", "é ✓ " + "x" * 3_000]
    assert help_desk.shown() == ["[Someone is waiting (desk).]", "[Asha is back.]"]
    asha.say("one", number=1)  # the confirmation was lost with the link
    assert asha.last(LinesSaved) == LinesSaved(1, 1)
    assert help_desk.shown() == []
    assert isinstance(bela, Visitor)


def test_an_end_of_which_nobody_is_told_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much waits for the disk."""
    help_desk = HelpDesk(PEERS)
    help_desk.joined().drop()
    monkeypatch.setattr("chatapp.registry.engine.engine.PROMISES_MAX", 0)
    help_desk.advance(help_desk.settings.keep_place + 1.0)
    assert not help_desk.rig.store.load().desk.visits


def test_an_operator_hears_in_order_however_much_waits_for_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told first that the session with the next one is over, an operator would serve nobody."""
    monkeypatch.setattr("chatapp.registry.engine.engine.PROMISES_MAX", 1)
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("Ann")
    asha, bela = help_desk.line_of("Asha", "Bela")
    ann.ask(TakeDuty(1, ""))
    ann.hear()
    help_desk.rig.auto_commit = False
    ann.ask(CallNext(2, "", asha.visit))
    ann.ask(EndSession(3, bela.visit))
    assert ann.hear() == []
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    told = [one for one in ann.hear() if isinstance(one, ClientAssigned | ClientChanged)]
    assert [(type(one), one.visit) for one in told] == [
        (ClientChanged, asha.visit),
        (ClientAssigned, bela.visit),
        (ClientChanged, bela.visit),
    ]


def test_who_is_lost_while_served_is_next_after_whoever_is_called_instead() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("Ann")
    asha, bela, cem = help_desk.line_of("Asha", "Bela", "Cem")
    ann.ask(TakeDuty(1, ""))
    asha.say("one")
    ann.hear()
    asha.drop()
    ann.say(asha.visit, "are you there?")
    help_desk.advance(10.0)
    moved, came = [one for one in ann.hear() if isinstance(one, ClientChanged | ClientAssigned)][
        -2:
    ]
    assert moved == ClientChanged(asha.visit, ClientChange.UNANSWERED, "Asha")
    assert isinstance(came, ClientAssigned)
    assert (came.visit, came.cause) == (bela.visit, ClientCause.CALLED)
    assert cem.last(PositionReported).position == 2
    asha.come_back()
    told = asha.last(PositionReported)
    assert (told.cause, told.position, told.is_paused) == (PositionCause.LINK_LOST, 1, False)
    assert asha.texts == ["are you there?"]
    ann.ask(CallNext(2, "", bela.visit))
    again = ann.last(ClientAssigned)
    assert (again.visit, again.cause) == (asha.visit, ClientCause.HANDED_OVER)


def test_the_next_is_called_after_a_while_and_later_the_position_is_gone(
    help_desk: HelpDesk,
) -> None:
    asha, bela = help_desk.line_of("Asha", "Bela")
    asha.drop()
    help_desk.shown()
    help_desk.advance(10.0)
    assert help_desk.shown()[:4] == [
        "[Someone is waiting (desk).]",
        "[Asha does not answer; the place is kept for a while.]",
        "[Next client; waited 10 s.]",
        "Name: Bela",
    ]
    help_desk.advance(50.0)
    asha.come_back()
    assert asha.last(DeskRefused) == DeskRefused(6, DeskRefusal.NO_SUCH_TICKET)
    assert bela.last(OperatorAssigned).cause is OperatorCause.CALLED


def test_if_nobody_else_waits_the_operator_keeps_the_visitor_until_the_place_is_gone(
    help_desk: HelpDesk,
) -> None:
    asha = help_desk.joined("Asha")
    asha.drop()
    help_desk.advance(59.0)
    help_desk.shown()
    help_desk.advance(1.0)
    assert help_desk.shown() == ["[Asha did not come back.]"]
    asha.come_back()
    assert asha.last(DeskRefused) == DeskRefused(6, DeskRefusal.NO_SUCH_TICKET)


def test_an_operator_s_new_program_gets_all_that_was_said_in_the_session() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(TakeDuty(1, ""))
    ann.hear()
    asha.say("one")
    ann.say(asha.visit, "two")
    asha.say("three")
    assert ann.texts == ["one", "three"]
    ann.start_anew()
    assert ann.last(ClientAssigned).cause is ClientCause.RETURNED
    assert [(line.operator, line.text) for line in ann.lines] == [
        ("", "one"),
        ("ann", "two"),
        ("", "three"),
    ]
    asha.say("four")
    ann.say(asha.visit, "five", number=99)
    assert ann.texts == ["one", "two", "three", "four"]
    ann.drop()
    ann.come_back()
    assert ann.texts == ["one", "two", "three", "four"], "the same program knows them"


@pytest.mark.parametrize(
    "is_restarted", [False, True], ids=["new program", "new program and registry"]
)
def test_a_visitor_s_new_program_gets_all_that_was_said_if_it_asks(*, is_restarted: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(TakeDuty(1, ""))
    ann.hear()
    asha.say("one", number=11)
    ann.say(asha.visit, "two")
    asha.say("three", number=13)
    assert asha.texts == ["two"]
    if is_restarted:
        help_desk.restart()
        ann.come_back()
    asha.start_anew()
    told = [(line.operator, line.text, line.number) for line in asha.lines]
    assert told == [("", "one", 11), ("ann", "two", 0), ("", "three", 13)]
    asha.say("four", number=14)
    ann.say(asha.visit, "five")
    assert asha.texts == ["one", "two", "three", "five"]
    assert ann.texts[0] == "one"
    assert {line.number for line in ann.lines if not line.operator} == {0}


def test_a_visitor_who_waits_again_gets_the_conversation_too() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(TakeDuty(1, ""))
    ann.hear()
    asha.say("one", number=11)
    ann.ask(HoldVisitor(2, asha.visit))
    assert asha.last(PositionReported).cause is PositionCause.HELD
    asha.start_anew()
    assert asha.texts == ["one"]


def test_the_registry_s_own_terminal_shows_all_that_was_said_after_a_restart(
    help_desk: HelpDesk,
) -> None:
    asha = help_desk.joined()
    asha.say("one")
    help_desk.type("two")
    help_desk.restart()
    shown = help_desk.open()
    assert [line for line in shown if line.startswith(("Asha Rao:", "desk"))] == [
        "Asha Rao: one",
        "desk (operator): two",
    ]


def test_only_an_operator_asks_for_lines_and_only_for_those_of_the_visitor_they_serve(
    help_desk: HelpDesk,
) -> None:
    asha = help_desk.joined()
    help_desk.type("two")
    asha.hear()
    asha.ask(FetchDeskLines(asha.visit, 0, with_own=True))
    asha.ask(FetchDeskLines(99, 0, with_own=True))
    assert asha.hear() == []


@pytest.mark.parametrize("crash", [True, False])
def test_a_restart_keeps_the_order_and_the_conversation(help_desk: HelpDesk, crash: bool) -> None:
    visitors = help_desk.line_of("Asha", "Bela", "Chand", "Dev")
    visitors[0].say("one")
    help_desk.type("two")
    assert visitors[0].texts == ["two"]
    help_desk.restart(crash=crash)
    assert "Name: Asha" in (shown := help_desk.open())
    assert "Asha: one" in shown
    for one in reversed(visitors):
        one.come_back()
        help_desk.advance(0.5)
    assert [one.last(PositionReported).position for one in visitors[1:]] == [1, 2, 3]
    assert visitors[0].texts == ["two"]
    visitors[0].say("one", number=1)
    assert visitors[0].last(LinesSaved).number == 1
    assert "Asha: one" not in help_desk.shown()
    help_desk.type(".end")
    assert visitors[1].last(OperatorAssigned).cause is OperatorCause.CALLED


def test_who_does_not_come_back_after_a_restart_is_passed_over_then_gone(
    help_desk: HelpDesk,
) -> None:
    _, bela, chand = help_desk.line_of("Asha", "Bela", "Chand")
    help_desk.type(".end")
    help_desk.type(".end")
    help_desk.line_of("Dev", "Esha")
    help_desk.restart()
    help_desk.open()
    chand.come_back()
    help_desk.type(".end")
    help_desk.advance(61.0)
    assert help_desk.type(".room")[-1] == "[Waiting room: empty.]"
    assert isinstance(bela, Visitor)


@pytest.mark.parametrize("crash", [None, True, False])
def test_who_was_away_when_the_session_was_ended_is_told_on_return(
    help_desk: HelpDesk, crash: bool | None
) -> None:
    asha, bela = help_desk.line_of("Asha", "Bela")
    for one in (asha, bela):
        one.drop()
    help_desk.type(".end")
    help_desk.type(".drop 1")
    help_desk.advance(120.0)
    if crash is not None:
        help_desk.restart(crash=crash)
    asha.come_back()
    assert asha.last(VisitOver) == VisitOver(1, OverCause.ENDED)
    bela.come_back()
    assert bela.last(VisitOver) == VisitOver(2, OverCause.DROPPED)
    bela.come_back()
    assert bela.last(VisitOver) == VisitOver(2, OverCause.DROPPED), "the answer may have been lost"


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize(
    ("shown", "with_own", "lines"),
    [
        (0, True, [(1, "one", 1), (2, "call 4711", 0), (3, "bye", 0)]),
        (2, True, [(3, "bye", 0)]),
        (0, False, [(2, "call 4711", 0), (3, "bye", 0)]),
    ],
)
def test_what_was_said_before_an_end_is_given_before_it(
    help_desk: HelpDesk,
    shown: int,
    lines: list[tuple[int, str, int]],
    *,
    with_own: bool,
    is_restarted: bool,
) -> None:
    asha = help_desk.joined()
    asha.say("one")
    asha.drop()
    for typed in ("call 4711", "bye", ".end"):
        help_desk.type(typed)
    if is_restarted:
        help_desk.restart(crash=True)
    Talker.come_back(asha)
    asha.ask(ReturnToDesk(6, asha.ticket, shown, with_own=with_own))
    *told, over = asha.hear()
    assert over == VisitOver(1, OverCause.ENDED)
    assert [
        (line.position, line.text, line.number) for line in told if isinstance(line, DeskLine)
    ] == lines


def test_an_operator_out_of_reach_reads_the_last_words_and_the_end_on_return() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(TakeDuty(1, ""))
    ann.hear()
    asha.say("one")
    assert ann.texts == ["one"]
    ann.drop()
    asha.say("my number is 4711")
    asha.ask(LeaveDesk(1))
    help_desk.advance(1.0)
    Talker.come_back(ann)
    of_desk = (DeskLine, ClientChanged, DutyStatus)
    assert [type(notice) for notice in ann.hear() if isinstance(notice, of_desk)] == [*of_desk]
    assert ann.texts == ["one", "my number is 4711"]
    assert ann.client == 0
    ann.drop()
    Talker.come_back(ann)
    assert not any(isinstance(notice, of_desk[:2]) for notice in ann.hear())


def test_who_shows_the_ticket_of_an_ended_session_again_and_again_is_sent_no_more_lines(
    help_desk: HelpDesk,
) -> None:
    asha = help_desk.joined()
    asha.drop()
    for typed in ("bye", ".end"):
        help_desk.type(typed)
    Talker.come_back(asha)
    for reference in range(300):
        asha.ask(ReturnToDesk(reference, asha.ticket, 0))
    told = asha.hear()
    assert sum(isinstance(notice, VisitOver) for notice in told) == 300
    assert sum(isinstance(notice, DeskLine) for notice in told) == DESK_LINES_BURST


def test_a_form_sent_again_after_the_end_makes_no_second_visit(help_desk: HelpDesk) -> None:
    asha = help_desk.joined("Asha")
    asha.drop()
    help_desk.type(".end")
    Talker.come_back(asha)
    asha.join()
    assert asha.last(VisitOver).cause is OverCause.ENDED
    assert help_desk.type(".room") == ["[No active client.]", "[Waiting room: empty.]"]


def test_tickets_are_not_on_the_disk(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    assert all(asha.ticket != record.ticket for record in help_desk.rig.store.load().desk.visits)


def test_another_guest_does_not_return_with_a_guess(help_desk: HelpDesk) -> None:
    help_desk.joined()
    other = help_desk.visitor()
    other.ask(ReturnToDesk(3, b"?" * 16, 0))
    assert other.last(DeskRefused).reason is DeskRefusal.NO_SUCH_TICKET


def test_a_ticket_that_is_shown_twice_is_the_newer_one_s_and_the_other_is_told(
    help_desk: HelpDesk,
) -> None:
    help_desk.joined("Active")
    asha, twin = help_desk.joined("Asha"), help_desk.visitor("Asha")
    asha.hear()
    twin.ask(ReturnToDesk(6, asha.ticket, 0))
    assert asha.hear() == [VisitOver(2, OverCause.ELSEWHERE)]
    assert twin.last(PositionReported).position == 1
    assert help_desk.type(".room")[1] == "[Waiting room: 1.]"
    twin.come_back()
    twin.ask(ReturnToDesk(7, asha.ticket, 0))
    assert not any(isinstance(one, VisitOver) for one in twin.hear())


@pytest.mark.parametrize("leaves", [True, False])
def test_the_window_that_a_visit_was_taken_from_does_nothing_to_it_any_more(
    help_desk: HelpDesk, *, leaves: bool
) -> None:
    help_desk.joined("Active")
    asha, twin = help_desk.joined("Asha"), help_desk.visitor("Asha")
    twin.ask(ReturnToDesk(6, asha.ticket, 0))
    twin.hear(), asha.hear(), help_desk.shown()
    if leaves:
        asha.ask(LeaveDesk(7))
        assert asha.hear() == [DeskRefused(7, DeskRefusal.NO_SUCH_TICKET)]
    else:
        asha.drop()
    assert help_desk.shown() == []
    help_desk.advance(61.0)
    help_desk.type(".end")
    assert twin.last(OperatorAssigned).cause is OperatorCause.CALLED


def test_last_words_arrive_although_the_disk_is_slower_than_the_end(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    help_desk.rig.auto_commit = False
    help_desk.type("goodbye, and take care")
    help_desk.type(".end")
    assert asha.texts == []
    help_desk.rig.commit()
    assert asha.texts == ["goodbye, and take care"]


def test_a_visitor_s_last_words_arrive_before_they_have_left(help_desk: HelpDesk) -> None:
    asha = help_desk.joined()
    help_desk.shown()
    help_desk.rig.auto_commit = False
    asha.say("thank you")
    asha.ask(LeaveDesk(1))
    help_desk.rig.commit()
    assert help_desk.shown() == ["Asha Rao: thank you", "[Asha Rao has left.]"]


def test_a_newcomer_who_is_moved_before_the_place_is_stored_is_still_there_after_a_restart() -> (
    None
):
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("Ann")
    asha, bela = help_desk.joined("Asha"), help_desk.visitor("Bela")
    help_desk.rig.auto_commit = False
    asha.ask(DescribeVisit(1, asha.visit, "on its way to the disk, too"))
    bela.join()
    ann.ask(MoveVisitor(2, 0, 2, 1))
    help_desk.rig.commit()
    first, second = sorted(help_desk.rig.store.load().desk.visits, key=lambda kept: kept.rank)
    assert (first.name, second.name) == ("Bela", "Asha")


class TestAProgramThatHangs:
    """The program hangs: its connection stays open, but it sends nothing."""

    def test_of_a_waiting_visitor_is_out_of_reach_within_the_lease(
        self, help_desk: HelpDesk
    ) -> None:
        asha, bela = help_desk.line_of("Asha", "Bela")
        bela.peer.is_frozen = True
        help_desk.advance(29.0)
        assert bela.peer.link not in help_desk.rig.closed
        help_desk.advance(1.5)
        assert help_desk.rig.closed[bela.peer.link or 0] == LinkEndReason.SILENT
        assert asha.peer.link not in help_desk.rig.closed
        bela.come_back()
        assert bela.last(PositionReported).cause is PositionCause.RETURNED

    def test_of_a_called_visitor_is_noticed_within_four_seconds(self, help_desk: HelpDesk) -> None:
        _, bela = help_desk.line_of("Asha", "Bela")
        bela.peer.is_frozen = True
        help_desk.type(".end")
        help_desk.shown()
        help_desk.advance(4.0)
        assert help_desk.rig.closed[bela.peer.link or 0] == LinkEndReason.SILENT

    def test_of_a_called_visitor_keeps_the_position_and_the_next_is_called(
        self, help_desk: HelpDesk
    ) -> None:
        _, bela, cem = help_desk.line_of("Asha", "Bela", "Cem")
        bela.peer.is_frozen = True
        help_desk.advance(10.0)
        help_desk.type(".end")
        help_desk.shown()
        help_desk.advance(5.0)
        assert help_desk.shown()[:3] == [
            "[Bela does not answer; the place is kept for a while.]",
            "[Next client; waited 14 s.]",
            "Name: Cem",
        ]
        assert help_desk.type("your result is 42") == [
            "[Bela does not answer; this was not said to Cem: your result is 42]"
        ]
        assert cem.last(OperatorAssigned).cause is OperatorCause.CALLED
        help_desk.advance(50.0)
        bela.peer.is_frozen = False
        bela.come_back()
        assert bela.last(PositionReported) == PositionReported(
            6, bela.visit, PositionCause.MISSED_CALL, 1, 1, 0, 0, "desk", False
        )
        help_desk.type(".end")
        assert bela.last(OperatorAssigned).cause is OperatorCause.CALLED
        help_desk.type(".stats")
        served = help_desk.rig.store.load().desk.served
        assert [over.visit for over in served] == [1, 3], "a call that was missed is no session"

    def test_of_a_served_visitor_is_noticed_within_four_seconds_of_a_line(
        self, help_desk: HelpDesk
    ) -> None:
        asha = help_desk.joined()
        help_desk.advance(5.0)
        asha.peer.is_frozen = True
        help_desk.type("are you there?")
        help_desk.advance(4.0)
        assert help_desk.rig.closed[asha.peer.link or 0] == LinkEndReason.SILENT

    def test_of_an_operator_is_noticed_within_four_seconds_of_a_line(self) -> None:
        help_desk = HelpDesk(PEERS)
        ann, asha = help_desk.operator("ann"), help_desk.joined()
        ann.ask(CallNext(1, "", 0))
        help_desk.advance(5.0)
        ann.hear()
        ann.peer.is_frozen = True
        asha.say("are you there?")
        help_desk.advance(4.0)
        assert help_desk.rig.closed[ann.peer.link or 0] == LinkEndReason.SILENT

    def test_is_not_seen_where_the_program_answers_questions(self, help_desk: HelpDesk) -> None:
        asha = help_desk.joined()
        asha.peer.is_frozen = True
        for _ in range(20):
            help_desk.type("are you there?")
            help_desk.advance(0.6)
            if Probe() in asha.hear():
                asha.peer.send(Ping(0))
        assert asha.peer.link not in help_desk.rig.closed


def test_the_visitors_of_a_queue_that_is_no_more_stand_in_order_of_arrival() -> None:
    help_desk = HelpDesk(DeskSettings(queues=("a", "b"), operators=("Ann",)))
    ann = help_desk.operator("ann")
    one, two, three, four = visitors = [
        help_desk.visitor(name) for name in ("One", "Two", "Three", "Four")
    ]
    for visitor, queue in zip(visitors, "abab", strict=True):
        visitor.join(queue=queue)
    help_desk.rig.desk = DeskSettings(queues=("a",), operators=("Ann",))
    orders = [["One", "Two", "Three", "Four"], ["One", "Three", "Two", "Four"]]
    for expected in orders:  # the second one was stored
        help_desk.restart()
        for talker in (ann, *visitors):
            talker.come_back()
        assert waiting(ann) == expected
        ann.ask(MoveVisitor(1, three.visit, 0, 2))
        assert waiting(ann) == orders[1]
    ann.ask(TakeDuty(2, "a"))
    for called in (one, three, two, four):
        assert ann.client == called.visit
        ann.ask(CallNext(3, "", called.visit))


@pytest.mark.parametrize("is_back_on", [False, True])
def test_a_restart_keeps_the_duty_of_an_operator_who_serves(*, is_back_on: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela = help_desk.line_of("Asha", "Bela")
    ann.ask(TakeDuty(1, ""))
    ann.ask(EndDuty(2))
    if is_back_on:
        ann.ask(TakeDuty(3, ""))
    help_desk.restart()
    for talker in (asha, bela, ann):
        talker.come_back()
    assert ann.last(DutyStatus) == duty(is_back_on, "desk", asha.visit)
    ann.ask(EndSession(4, asha.visit))
    assert ann.client == (bela.visit if is_back_on else 0)


def test_the_registry_s_own_terminal_stays_off_duty_after_a_restart(help_desk: HelpDesk) -> None:
    asha, bela = help_desk.line_of("Asha", "Bela")
    help_desk.type(".off")
    help_desk.restart()
    help_desk.open()
    for visitor in (asha, bela):
        visitor.come_back()
    assert help_desk.type(".end")[0] == "[Session with Asha ended.]"
    help_desk.advance(10.0)
    assert bela.last(PositionReported).operators == 0
    help_desk.type(".on")
    assert bela.last(OperatorAssigned).cause is OperatorCause.CALLED


def answers(talker: Talker) -> list[RegistryNotice]:
    """Return the new answers to lines."""
    return [one for one in talker.hear() if isinstance(one, LinesSaved | LineRefused)]


@pytest.mark.parametrize("is_on_the_way", [False, True])
def test_a_line_that_the_disk_refused_is_not_said_to_be_saved(
    help_desk: HelpDesk, *, is_on_the_way: bool
) -> None:
    asha, rig = help_desk.joined(), help_desk.rig
    asha.hear()
    refused = LineRefused(asha.visit, 1, LineRefusal.NOT_SERVING)
    rig.store.full = True
    if is_on_the_way:  # said again before the disk has answered
        rig.auto_commit = False
        asha.say("one", number=1)
        asha.say("one", number=1)
        rig.auto_commit = True
        rig.turn()
        assert answers(asha) == [refused, refused]
    asha.say("one", number=1)
    assert answers(asha) == [refused]
    rig.store.full = False
    asha.say("one", number=1)
    assert answers(asha) == [LinesSaved(asha.visit, 1)]
    assert help_desk.shown()[-1] == "Asha Rao: one"
    asha.say("one", number=1)
    assert answers(asha) == [LinesSaved(asha.visit, 1)]
    assert help_desk.shown() == []


def waiting(operator: Worker) -> list[str]:
    """Return the names in line, as an operator sees them."""
    operator.ask(ShowRoom(9, ""))
    return [one.name for one in operator.last(RoomShown).waiting]
