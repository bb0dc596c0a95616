"""The desk over whole links, in virtual time: what visitors, operators and the registry's terminal are told."""

import pytest

from registry.desk.settings import DeskSettings
from registry.policy import Policy
from tests.registry.desk.hall import Hall, Visitor
from wire.limits import (
    DESK_LINES_BURST,
    DESK_NOTE_MAX,
    DESK_SHOWN_MAX,
    DESK_VISITS_PER_ADDRESS,
    DESK_WAITING_MAX,
    GUESTS_PER_ADDRESS,
)
from wire.messages.desk import (
    AskPlace,
    CallNext,
    ClientCause,
    ClientChanged,
    ClientReach,
    ClientTold,
    CommandDone,
    CommandResult,
    DeskRefusal,
    DeskRefused,
    DutyTold,
    EndDuty,
    EndSession,
    FiguresShown,
    HandOver,
    JoinDesk,
    LeaveDesk,
    LineRefusal,
    LineRefused,
    LinesTaken,
    NoteVisitor,
    OverCause,
    PlaceCause,
    PlaceTold,
    ReturnToDesk,
    RoomShown,
    SayAtDesk,
    ShowFigures,
    ShowRoom,
    TakeDuty,
    TurnCause,
    TurnTold,
    VisitOver,
)
from wire.messages.group import FetchGroup
from wire.messages.presence import Leave, Ping, Pong
from wire.messages.registration import RefusalReason, Refused
from wire.messages.table import FetchTable

PEERS = DeskSettings(operators=("Ann", "Bob"))


@pytest.fixture
def hall() -> Hall:
    hall = Hall()
    hall.open()
    return hall


# --- guests


def test_a_guest_is_no_row_and_is_served_nothing_else(hall: Hall) -> None:
    alice = hall.rig.member("alice")
    asha = hall.visitor()
    alice.notices()
    assert [row.name_key for row in hall.rig.core._service.directory] == ["alice"]
    asha.hear()
    for request in (FetchTable(0), FetchGroup("channel", 0), TakeDuty(1, "")):
        asha.hand.send(request)
    assert asha.hear() == []
    assert asha.hand.ask(Ping(3)) == [Pong(3, 0)]
    alice.send_raw(alice.line("for members"))
    assert asha.hand.relayed() == []


def test_guests_of_one_address_have_a_cap_and_are_forgotten(hall: Hall) -> None:
    for _ in range(GUESTS_PER_ADDRESS):
        hall.rig.hand("", host="10.9.9.9").register()
    answer = hall.rig.hand("", host="10.9.9.9").register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.FULL
    hall.advance(61.0)
    assert not isinstance(hall.rig.hand("", host="10.9.9.9").register(), Refused)


def test_the_first_notice_says_what_to_ask_for(hall: Hall) -> None:
    shown = hall.visitor().shown
    assert (shown.queues, shown.region, shown.keep_place, len(shown.menu)) == (["desk"], "IN", 60, 6)


# --- joining


def test_the_free_operator_gets_the_first_and_the_others_wait(hall: Hall) -> None:
    asha, bela = hall.joined("Asha Rao"), hall.joined("Bela")
    assert asha.last(TurnTold) == TurnTold(5, 1, TurnCause.CONNECTED, "desk")
    assert hall.shown()[1:4] == ["Name: Asha Rao", "Number: +919876543210", "Issue: Depression"]
    assert bela.last(PlaceTold) == PlaceTold(5, 2, PlaceCause.JOINED, 1, 1, 0, 0)


def test_nobody_is_told_a_place_before_the_disk_has_it(hall: Hall) -> None:
    hall.rig.auto_commit = False
    asha = hall.joined()
    assert not any(isinstance(one, PlaceTold | TurnTold) for one in asha.hear())
    hall.rig.commit()
    hall.rig.commit()
    assert asha.last(TurnTold).cause is TurnCause.CONNECTED


def test_on_a_full_disk_nobody_is_let_in(hall: Hall) -> None:
    hall.rig.store.full = True
    asha = hall.joined()
    assert asha.last(DeskRefused) == DeskRefused(5, DeskRefusal.NOT_SERVING)
    hall.rig.store.full = False
    asha.join()
    assert asha.last(TurnTold).cause is TurnCause.CONNECTED


def test_joining_again_with_the_ticket_is_the_same_place(hall: Hall) -> None:
    hall.line_of("A", "B", "C")
    bela = hall.joined("Bela")
    again = hall.visitor("Somebody else")
    again.ticket = bela.ticket
    again.join()
    assert again.last(PlaceTold).position == 3
    assert "3. Bela, Depression" in hall.type(".room")[-1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": "12345"}, DeskRefusal.BAD_FORM),
        ({"issue": 7}, DeskRefusal.BAD_FORM),
        ({"queue": "other"}, DeskRefusal.NO_SUCH_QUEUE),
    ],
)
def test_a_bad_form_is_refused(hall: Hall, change: dict[str, object], reason: DeskRefusal) -> None:
    asha = hall.visitor()
    asha.join(**change)  # type: ignore[arg-type]
    assert asha.last(DeskRefused).reason is reason


def test_a_bad_name_is_refused(hall: Hall) -> None:
    assert hall.joined("R2D2").last(DeskRefused).reason is DeskRefusal.BAD_FORM


def test_one_link_has_one_visit(hall: Hall) -> None:
    asha = hall.joined()
    asha.ask(JoinDesk(9, b"t" * 16, "", "Asha", "9876543210", 1))
    assert asha.last(DeskRefused) == DeskRefused(9, DeskRefusal.ONE_VISIT)


def test_the_visits_of_one_address_have_a_cap(hall: Hall) -> None:
    for _ in range(DESK_VISITS_PER_ADDRESS):
        hall.joined(host="10.9.9.9")
    assert hall.joined(host="10.9.9.9").last(DeskRefused).reason is DeskRefusal.ADDRESS_FULL
    assert hall.joined(host="10.9.9.8").last(PlaceTold).position == DESK_VISITS_PER_ADDRESS


def test_a_line_has_a_cap(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.desk.visitors.DESK_WAITING_MAX", 3)
    assert DESK_WAITING_MAX > 1_000
    hall.line_of("Active", "A", "B", "C")
    assert hall.joined("D").last(DeskRefused).reason is DeskRefusal.LINE_FULL


# --- waiting


def test_positions_are_pushed_and_the_next_is_called(hall: Hall) -> None:
    asha, bela, chand = hall.line_of("Asha", "Bela", "Chand")
    for one in (asha, bela, chand):
        one.hear()
    hall.advance(1.0)
    assert hall.type(".next")[0] == "[Session with Asha ended.]"
    assert asha.hear() == [VisitOver(1, OverCause.ENDED)]
    assert bela.hear() == [TurnTold(0, 2, TurnCause.CALLED, "desk")]
    assert [(one.position, one.cause) for one in chand.hear() if isinstance(one, PlaceTold)] == [
        (1, PlaceCause.CHANGED)
    ]


def test_an_estimate_comes_after_three_sessions(hall: Hall) -> None:
    visitors = hall.line_of("A", "B", "C", "D", "E", "F")
    for _ in range(3):
        hall.advance(40.0)
        hall.type(".end")
    hall.advance(1.0)
    visitors[-1].ask(AskPlace(4))
    told = visitors[-1].last(PlaceTold)
    assert (told.reference, told.cause, told.position, told.operators) == (4, PlaceCause.ASKED, 2, 1)
    assert (told.least, told.most) == (40, 80)


def test_who_waits_has_to_wait(hall: Hall) -> None:
    _, bela = hall.line_of("Asha", "Bela")
    bela.say("hello?")
    assert bela.last(LineRefused).reason is LineRefusal.NOT_YOUR_TURN


def test_who_leaves_the_line_does_not_disturb_the_active_one(hall: Hall) -> None:
    asha, bela, chand = hall.line_of("Asha", "Bela", "Chand")
    asha.hear()
    bela.ask(LeaveDesk(1))
    assert bela.last(VisitOver).cause is OverCause.LEFT
    chand.hand.send(Leave(1))
    assert asha.hear() == []
    assert hall.type(".room")[-1] == "[Waiting room: empty.]"


def test_operators_drop_and_move(hall: Hall) -> None:
    visitors = hall.line_of("Active", "A", "B", "C")
    assert hall.type(".move 3 1") == ["[C is number 1 now.]"]
    assert hall.type(".drop 2") == ["[A was taken out of the waiting room.]"]
    assert visitors[1].last(VisitOver).cause is OverCause.DROPPED
    for there_is_not in (".drop 3", ".move 1 3", ".move 3 1", ".move 1 0"):
        assert hall.type(there_is_not) == ["[Nobody has that number in the waiting room.]"]
    assert [line[:4] for line in hall.type(".room")[2:]] == ["1. C", "2. B"]


# --- lost and found


def test_a_lost_link_keeps_the_place_and_what_was_said_meanwhile(hall: Hall) -> None:
    asha, bela = hall.line_of("Asha", "Bela")
    asha.say("one")
    asha.drop()
    assert hall.shown()[-2:] == ["Asha: one", "[Asha lost the connection; the place is kept for a while.]"]
    hall.type("are you there?")
    hall.type("é ✓ " + "x" * 3_000)
    hall.advance(59.0)
    asha.come_back()
    assert asha.last(TurnTold).cause is TurnCause.RETURNED
    assert asha.texts == ["are you there?", "é ✓ " + "x" * 3_000]
    assert hall.shown() == ["[Asha is back.]"]
    asha.say("one", number=1)  # the confirmation was lost with the link
    assert asha.last(LinesTaken) == LinesTaken(1, 1)
    assert hall.shown() == []
    assert isinstance(bela, Visitor)


def test_after_that_time_the_place_is_gone_and_the_next_is_called(hall: Hall) -> None:
    asha, bela = hall.line_of("Asha", "Bela")
    asha.drop()
    hall.shown()
    hall.advance(60.0)
    assert hall.shown()[:3] == ["[Asha did not come back.]", "[Next client; waited 1 min 0 s.]", "Name: Bela"]
    asha.come_back()
    assert asha.last(DeskRefused) == DeskRefused(6, DeskRefusal.NO_SUCH_TICKET)
    assert bela.last(TurnTold).cause is TurnCause.CALLED


@pytest.mark.parametrize("crash", [True, False])
def test_a_restart_keeps_the_order_and_the_conversation(hall: Hall, crash: bool) -> None:
    visitors = hall.line_of("Asha", "Bela", "Chand", "Dev")
    visitors[0].say("one")
    hall.type("two")
    assert visitors[0].texts == ["two"]
    hall.restart(crash=crash)
    assert "Name: Asha" in (shown := hall.open())
    assert "Asha: one" in shown
    for one in reversed(visitors):
        one.come_back()
        hall.advance(0.5)
    assert [one.last(PlaceTold).position for one in visitors[1:]] == [1, 2, 3]
    assert visitors[0].texts == ["two"]
    visitors[0].say("one", number=1)
    assert visitors[0].last(LinesTaken).number == 1
    assert "Asha: one" not in hall.shown()
    hall.type(".end")
    assert visitors[1].last(TurnTold).cause is TurnCause.CALLED


def test_who_does_not_come_back_after_a_restart_is_passed_over_then_gone(hall: Hall) -> None:
    _, bela, chand = hall.line_of("Asha", "Bela", "Chand")
    hall.type(".end")
    hall.type(".end")
    hall.line_of("Dev", "Esha")
    hall.restart()
    hall.open()
    chand.come_back()
    hall.type(".end")
    hall.advance(61.0)
    assert hall.type(".room")[-1] == "[Waiting room: empty.]"
    assert isinstance(bela, Visitor)


def test_tickets_are_not_on_the_disk(hall: Hall) -> None:
    asha = hall.joined()
    assert all(asha.ticket != record.ticket for record in hall.rig.store.load().desk.visits)


def test_another_guest_does_not_return_with_a_guess(hall: Hall) -> None:
    hall.joined()
    other = hall.visitor()
    other.ask(ReturnToDesk(3, b"?" * 16, 0))
    assert other.last(DeskRefused).reason is DeskRefusal.NO_SUCH_TICKET


def test_a_ticket_that_is_shown_twice_is_the_newer_one_s_and_the_other_is_told(hall: Hall) -> None:
    hall.joined("Active")
    asha, twin = hall.joined("Asha"), hall.visitor("Asha")
    asha.hear()
    twin.ask(ReturnToDesk(6, asha.ticket, 0))
    assert asha.hear() == [VisitOver(2, OverCause.ELSEWHERE)]
    assert twin.last(PlaceTold).position == 1
    assert hall.type(".room")[1] == "[Waiting room: 1.]"
    twin.come_back()
    twin.ask(ReturnToDesk(7, asha.ticket, 0))
    assert not any(isinstance(one, VisitOver) for one in twin.hear())


def test_last_words_arrive_although_the_disk_is_slower_than_the_end(hall: Hall) -> None:
    asha = hall.joined()
    hall.rig.auto_commit = False
    hall.type("goodbye, and take care")
    hall.type(".end")
    assert asha.texts == []
    hall.rig.commit()
    assert asha.texts == ["goodbye, and take care"]


def test_a_visitor_s_last_words_arrive_before_they_have_left(hall: Hall) -> None:
    asha = hall.joined()
    hall.shown()
    hall.rig.auto_commit = False
    asha.say("thank you")
    asha.ask(LeaveDesk(1))
    hall.rig.commit()
    assert hall.shown() == ["Asha Rao: thank you", "[Asha Rao has left.]"]


# --- operators who are peers


def test_a_peer_gets_nobody_before_it_asks() -> None:
    hall = Hall(PEERS)
    hall.open()
    ann, asha = hall.operator("ann"), hall.joined()
    assert ann.last(DutyTold) == DutyTold(False, "")
    assert asha.last(PlaceTold).operators == 0
    ann.ask(CallNext(3, ""))
    heard = ann.hear()
    assert heard[0] == CommandDone(3, CommandResult.DONE, "")
    assert DutyTold(True, "desk") in heard
    told = next(one for one in heard if isinstance(one, ClientTold))
    assert (told.name, told.number, told.issue, told.cause) == (
        "Asha Rao",
        "+919876543210",
        "Depression",
        ClientCause.CALLED,
    )
    assert asha.last(TurnTold) == TurnTold(0, 1, TurnCause.CALLED, "ann")


def test_who_was_not_named_is_no_operator(hall: Hall) -> None:
    eve = hall.operator("eve")
    eve.ask(CallNext(3, ""))
    assert eve.last(CommandDone).result is CommandResult.NOT_AN_OPERATOR


def test_a_hundred_who_ask_at_once_get_a_hundred_visitors() -> None:
    names = tuple(f"op{number}" for number in range(100))
    hall = Hall(DeskSettings(operators=names, operators_max=100))
    workers = [hall.operator(name) for name in names]
    visitors = [
        hall.joined(f"Visitor {chr(65 + number // 26)}{chr(65 + number % 26)}") for number in range(110)
    ]
    hall.rig.auto_commit = False
    for worker in workers:
        worker.ask(CallNext(1, ""))
    hall.rig.auto_commit = True
    hall.rig.commit()
    told = [worker.last(ClientTold).visit for worker in workers]
    assert sorted(told) == list(range(1, 101))
    hall.advance(1.0)
    assert [one.last(PlaceTold).position for one in visitors[100:]] == list(range(1, 11))


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


def test_an_operator_who_comes_back_in_time_goes_on() -> None:
    hall = Hall(PEERS)
    ann, asha = hall.operator("ann"), hall.joined()
    ann.ask(CallNext(1, ""))
    ann.hear()
    ann.drop()
    asha.say("are you there?")
    hall.advance(10.0)
    ann.come_back()
    assert ann.last(ClientTold).cause is ClientCause.RETURNED
    assert ann.texts == ["are you there?"]


def test_an_operator_who_does_not_puts_the_visitor_at_the_head() -> None:
    hall = Hall(PEERS)
    ann = hall.operator("ann")
    asha, bela = hall.joined(), hall.joined("Bela")
    ann.ask(CallNext(1, ""))
    asha.hear()
    ann.drop()
    hall.advance(15.0)
    assert asha.last(PlaceTold) == PlaceTold(0, 1, PlaceCause.OPERATOR_LOST, 1, 0, 0, 0)
    hall.advance(1.0)
    assert bela.last(PlaceTold).position == 2
    ann.come_back()
    assert ann.last(DutyTold) == DutyTold(False, "")


def test_an_operator_whose_program_hangs_is_one_whose_link_is_lost() -> None:
    hall = Hall(PEERS)
    ann, asha = hall.operator("ann"), hall.joined()
    ann.ask(CallNext(1, ""))
    for _ in range(6):
        hall.advance(10.0)
        assert ann.hand.ask(Ping(3)) is not None
    assert ann.hand.link is not None
    asha.hear()
    hall.advance(29.0)
    assert asha.hear() == []
    hall.advance(1.0)
    hall.advance(15.0)
    assert asha.last(PlaceTold).cause is PlaceCause.OPERATOR_LOST
    ann.come_back()
    assert ann.last(DutyTold) == DutyTold(False, "")


def test_an_operator_who_leaves_does_so_at_once() -> None:
    hall = Hall(PEERS)
    ann, asha = hall.operator("ann"), hall.joined()
    ann.ask(CallNext(1, ""))
    ann.hand.send(Leave(1))
    assert asha.last(PlaceTold).cause is PlaceCause.OPERATOR_LOST


def test_room_and_figures() -> None:
    hall = Hall(PEERS)
    ann = hall.operator("ann")
    hall.line_of("Asha", "Bela")
    hall.advance(30.0)
    ann.ask(CallNext(1, ""))
    ann.ask(ShowRoom(2, ""))
    room = ann.last(RoomShown)
    assert ([one.name for one in room.served], [one.name for one in room.waiting], room.total) == (
        ["Asha"],
        ["Bela"],
        1,
    )
    hall.advance(10.0)
    ann.ask(CallNext(3, ""))
    ann.ask(ShowFigures(4, ""))
    assert ann.last(FiguresShown) == FiguresShown(4, "desk", 1, 30, 40, 0, 0, 1)


def test_of_a_long_line_the_first_are_shown_and_how_many_there_are() -> None:
    hall = Hall(PEERS)
    ann = hall.operator("ann")
    names = [f"Asha {'o' * number}" for number in range(1, DESK_SHOWN_MAX + 3)]
    hall.line_of(*names)
    ann.ask(ShowRoom(1, ""))
    room = ann.last(RoomShown)
    assert room.total == len(names)
    assert [one.name for one in room.waiting] == names[:DESK_SHOWN_MAX]


def test_a_note_and_a_flood_of_lines_have_caps() -> None:
    hall = Hall(PEERS)
    ann, _ = hall.operator("ann"), hall.joined()
    ann.ask(CallNext(1, ""))
    ann.ask(NoteVisitor(2, "é" * (DESK_NOTE_MAX // 2)))
    assert ann.last(CommandDone).result is CommandResult.DONE
    ann.ask(NoteVisitor(2, "é" * (DESK_NOTE_MAX // 2) + "x"))
    assert ann.last(CommandDone).result is CommandResult.TOO_LONG
    ann.hand.send(*(SayAtDesk(1, number, "x") for number in range(1, int(DESK_LINES_BURST) + 2)))
    assert ann.last(LineRefused) == LineRefused(1, int(DESK_LINES_BURST) + 1, LineRefusal.TOO_FAST)


# --- the terminal


def test_with_nobody_there(hall: Hall) -> None:
    assert hall.type("hello") == ["[No active client.]"]
    assert hall.type(".end") == ["[No active client.]"]
    assert hall.type(".next") == ["[Waiting room: empty.]"]
    assert hall.type(".room") == ["[No active client.]", "[Waiting room: empty.]"]
    assert hall.type(".nxt") == ["[Unknown command .nxt. Did you mean .next?]"]
    assert hall.type(".drop x") == ["[Usage: .drop <n>]"]
    assert hall.type("") == []


def test_a_call_is_answered_although_all_who_wait_are_out_of_reach() -> None:
    hall = Hall(PEERS)
    ann, asha = hall.operator("ann"), hall.joined()
    asha.drop()
    ann.ask(CallNext(1, ""))
    assert ann.last(CommandDone) == CommandDone(1, CommandResult.NOBODY_IN_REACH, "")
    asha.come_back()
    assert ann.last(ClientTold).name == "Asha Rao"


def test_the_end_of_the_input_puts_the_visitor_back(hall: Hall) -> None:
    asha = hall.joined()
    hall.close()
    assert asha.last(PlaceTold).cause is PlaceCause.OPERATOR_LOST


def test_strangers_text_is_cleaned(hall: Hall) -> None:
    asha = hall.joined()
    hall.shown()
    asha.say("a\x1b[2Jb\nc")
    assert hall.shown() == ["Asha Rao: a\\x1b[2Jb⏎c"]


def test_a_guest_s_link_survives_a_new_live_key() -> None:
    hall = Hall(policy=Policy(live_key_span=30.0, grace_span=5.0))
    hall.open()
    asha = hall.joined()
    hall.advance(31.0)
    asha.say("still here")
    assert asha.last(LinesTaken).number == 1
