"""Operators who are peers: on duty, serving, offline, gone."""

from chatapp.registry.rules.desk.notices import MOVES_SPAN
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.limits import DESK_LINES_BURST, DESK_NOTE_MAX, DESK_SHOWN_MAX
from chatapp.wire.messages import desk as wire
from chatapp.wire.messages.registration import Leave, Ping
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, duty


def test_a_peer_gets_nobody_before_it_asks() -> None:
    help_desk = HelpDesk(PEERS)
    help_desk.open()
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    assert ann.last(wire.DutyStatus) == duty(False, "")
    assert asha.last(wire.PositionReported).operators == 0
    ann.ask(wire.CallNext(3, "", ann.client))
    heard = ann.hear()
    assert heard[-1] == wire.CommandDone(3, wire.CommandResult.DONE, "")
    assert duty(True, "desk", asha.visit) in heard
    told = next(one for one in heard if isinstance(one, wire.ClientAssigned))
    assert (told.name, told.number, told.issue, told.cause) == (
        "Asha Rao",
        "+919876543210",
        "Depression",
        wire.ClientCause.CALLED,
    )
    assert asha.last(wire.OperatorAssigned) == wire.OperatorAssigned(
        0, 1, wire.OperatorCause.CALLED, "ann"
    )


def test_unnamed_people_are_not_operators(help_desk: HelpDesk) -> None:
    eve = help_desk.operator("eve")
    eve.ask(wire.CallNext(3, "", eve.client))
    assert eve.last(wire.CommandDone).result is wire.CommandResult.NOT_AN_OPERATOR


def test_a_hundred_who_ask_at_once_get_a_hundred_visitors() -> None:
    names = tuple(f"op{number}" for number in range(100))
    help_desk = HelpDesk(DeskSettings(operators=names, operators_max=100))
    workers = [help_desk.operator(name) for name in names]
    visitors = [
        help_desk.joined(f"Visitor {chr(65 + number // 26)}{chr(65 + number % 26)}")
        for number in range(110)
    ]
    help_desk.rig.auto_commit = False
    for worker in workers:
        worker.ask(wire.CallNext(1, "", worker.client))
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    told = [worker.last(wire.ClientAssigned).visit for worker in workers]
    assert sorted(told) == list(range(1, 101))
    help_desk.advance(1.0)
    assert [one.last(wire.PositionReported).position for one in visitors[100:]] == list(
        range(1, 11)
    )


def test_an_operator_who_comes_back_in_time_goes_on() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(wire.CallNext(1, "", ann.client))
    ann.hear()
    ann.drop()
    asha.say("are you there?")
    help_desk.advance(10.0)
    ann.come_back()
    assert ann.last(wire.ClientAssigned).cause is wire.ClientCause.RETURNED
    assert ann.texts == ["are you there?"]


def test_an_operator_who_does_not_puts_the_visitor_at_the_head() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela = help_desk.joined(), help_desk.joined("Bela")
    ann.ask(wire.CallNext(1, "", ann.client))
    asha.hear()
    ann.drop()
    help_desk.advance(15.0)
    assert asha.last(wire.PositionReported) == wire.PositionReported(
        0, 1, wire.PositionCause.OPERATOR_LOST, 1, 0, 0, 0, "desk", False
    )
    help_desk.advance(1.0)
    assert bela.last(wire.PositionReported).position == 2
    ann.come_back()
    assert ann.last(wire.DutyStatus) == duty(False, "")


def test_an_operator_whose_program_hangs_is_one_whose_link_is_lost() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(wire.CallNext(1, "", ann.client))
    for _ in range(6):
        help_desk.advance(10.0)
        assert ann.peer.ask(Ping(3)) is not None
    assert ann.peer.link is not None
    asha.hear()
    ann.peer.is_frozen = True
    help_desk.advance(29.0)
    assert asha.hear() == []
    help_desk.advance(1.0)
    help_desk.advance(15.0)
    assert asha.last(wire.PositionReported).cause is wire.PositionCause.OPERATOR_LOST
    ann.come_back()
    assert ann.last(wire.DutyStatus) == duty(False, "")


def test_an_operator_who_leaves_does_so_at_once() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    ann.ask(wire.CallNext(1, "", ann.client))
    ann.peer.send(Leave(1))
    assert asha.last(wire.PositionReported).cause is wire.PositionCause.OPERATOR_LOST


def test_of_a_long_line_the_first_are_shown_and_how_many_there_are() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    names = [f"Asha {'o' * number}" for number in range(1, DESK_SHOWN_MAX + 3)]
    help_desk.line_of(*names)
    ann.ask(wire.ShowRoom(1, ""))
    room = ann.last(wire.RoomShown)
    assert room.total == len(names)
    assert [one.name for one in room.waiting] == names[:DESK_SHOWN_MAX]


def test_room_and_figures() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    bob.drop()
    help_desk.line_of("Asha", "Bela")
    help_desk.advance(30.0)
    ann.ask(wire.CallNext(1, "", ann.client))
    ann.ask(wire.ShowRoom(2, ""))
    room = ann.last(wire.RoomShown)
    assert ([one.name for one in room.served], [one.name for one in room.waiting], room.total) == (
        ["Asha"],
        ["Bela"],
        1,
    )
    assert room.on_duty == [wire.RoomOperator("ann", "desk", is_free=False)]
    help_desk.advance(10.0)
    ann.ask(wire.CallNext(3, "", ann.client))
    ann.ask(wire.ShowFigures(4, ""))
    assert ann.last(wire.FiguresShown) == wire.FiguresShown(4, "desk", 1, 30, 40, 0, 0, 1, 0, 0)


def test_a_note_and_a_flood_of_lines_have_caps() -> None:
    help_desk = HelpDesk(PEERS)
    ann, _ = help_desk.operator("ann"), help_desk.joined()
    ann.ask(wire.CallNext(1, "", ann.client))
    ann.ask(wire.NoteVisitor(2, ann.client, "é" * (DESK_NOTE_MAX // 2)))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.DONE
    ann.ask(wire.NoteVisitor(2, ann.client, "é" * (DESK_NOTE_MAX // 2) + "x"))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.TOO_LONG
    ann.peer.send(
        *(wire.SendDeskLine(1, number, "x") for number in range(1, int(DESK_LINES_BURST) + 2))
    )
    assert ann.last(wire.LineRefused) == wire.LineRefused(
        1, int(DESK_LINES_BURST) + 1, wire.LineRefusal.TOO_FAST
    )


def test_a_call_is_answered_although_all_who_wait_are_out_of_reach() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined()
    asha.drop()
    ann.ask(wire.CallNext(1, "", ann.client))
    assert ann.last(wire.CommandDone) == wire.CommandDone(1, wire.CommandResult.NOBODY_IN_REACH, "")
    asha.come_back()
    assert ann.last(wire.ClientAssigned).name == "Asha Rao"


def test_an_operator_on_duty_is_told_how_many_wait() -> None:
    help_desk = HelpDesk(PEERS)
    ann, bob = help_desk.operator("ann"), help_desk.operator("bob")
    help_desk.line_of("Asha", "Bela", "Cem")
    assert not any(isinstance(one, wire.WaitingCounted) for one in ann.hear())
    ann.ask(wire.TakeDuty(1, ""))
    help_desk.advance(MOVES_SPAN)
    assert ann.last(wire.WaitingCounted) == wire.WaitingCounted("desk", 2)
    bob.ask(wire.CallNext(1, "", 0))
    help_desk.advance(MOVES_SPAN)
    assert (
        ann.last(wire.WaitingCounted)
        == bob.last(wire.WaitingCounted)
        == wire.WaitingCounted("desk", 1)
    )
    help_desk.restart()
    ann.come_back()
    help_desk.advance(MOVES_SPAN)
    assert ann.last(wire.WaitingCounted) == wire.WaitingCounted("desk", 1)
