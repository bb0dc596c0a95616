"""Open and closed: newcomers read when the desk opens, those who wait keep their places, and all
are told things."""

import pytest

from chatapp.registry.rules.desk.opening import Hours, Openings
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.store.entries import DeskOpeningKept
from chatapp.wire.limits import DESK_NOTE_MAX
from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk
from tests.support.memory_store import MemoryStore

TWO_QUEUES = DeskSettings(queues=("edge", "exams"), operators=("Ann",))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_closed_queue_takes_no_newcomers_and_keeps_those_who_wait(*, restarts: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    ann.ask(wire.CloseQueue(1, "", "Back at two"))
    assert ann.last(wire.CommandDone) == wire.CommandDone(1, wire.CommandResult.DONE, "desk")
    assert asha.last(wire.QueueClosed) == wire.QueueClosed("desk", "Back at two", 0)
    if restarts:
        help_desk.restart(crash=True)
        ann.come_back()
        asha.come_back()
    bela = help_desk.visitor("Bela")
    assert [(one.queue, one.text, one.opens_at) for one in bela.shown.closed] == [
        ("desk", "Back at two", 0)
    ]
    bela.join()
    heard = bela.hear()
    assert heard[-2:] == [
        wire.QueueClosed("desk", "Back at two", 0),
        wire.DeskRefused(5, wire.DeskRefusal.CLOSED),
    ]
    ann.ask(wire.CallNext(2, "", 0))
    assert ann.client == asha.visit
    ann.ask(wire.OpenQueue(3, ""))
    assert ann.last(wire.CommandDone) == wire.CommandDone(3, wire.CommandResult.DONE, "desk")
    bela.join()
    assert bela.last(wire.PositionReported).position == 1
    assert help_desk.visitor("Cem").shown.closed == []


def test_only_the_operator_s_queue_is_closed() -> None:
    help_desk = HelpDesk(TWO_QUEUES)
    ann = help_desk.operator("ann")
    ann.ask(wire.CallNext(1, "exams", 0))
    ann.ask(wire.CloseQueue(2, "", ""))
    asha = help_desk.visitor("Asha")
    assert [one.queue for one in asha.shown.closed] == ["exams"]
    asha.join(queue="edge")
    assert asha.last(wire.PositionReported).position == 1
    ann.ask(wire.CloseQueue(3, "nowhere", ""))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.NO_SUCH_QUEUE


def closed_by_hours(help_desk: HelpDesk) -> list[int]:
    return [one.opens_at for one in help_desk.visitor("Somebody").shown.closed]


def test_hours_open_and_close_and_what_was_said_holds_until_they_say_the_same() -> None:
    minute = 60
    rig = HelpDesk().rig
    wall = int(rig.now + rig.wall_offset)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[(wall // 86_400 + 3) % 7]
    minutes = wall % 86_400 // minute
    assert 2 <= minutes <= 24 * 60 - 20, "the hours of this test lie within one day"

    def clock(ahead: int) -> str:
        return f"{(minutes + ahead) // 60:02}:{(minutes + ahead) % 60:02}"

    midnight = wall // 86_400 * 86_400
    hours = (f"{day} {clock(3)}-{clock(6)}", f"{day} {clock(9)}-{clock(12)}")
    help_desk = HelpDesk(DeskSettings(operators=("Ann",), hours=hours))
    assert closed_by_hours(help_desk) == [midnight + minute * (minutes + 3)]
    help_desk.advance(4 * minute)  # open by the hours
    assert closed_by_hours(help_desk) == []
    ann = help_desk.operator("ann")
    ann.ask(wire.CloseQueue(1, "", "lunch"))
    assert closed_by_hours(help_desk) == [midnight + minute * (minutes + 9)]
    help_desk.advance(6 * minute)  # the hours open it again
    assert closed_by_hours(help_desk) == []
    help_desk.advance(3 * minute)  # closed by the hours
    assert closed_by_hours(help_desk) != []
    ann.come_back()
    ann.ask(wire.OpenQueue(2, ""))
    assert closed_by_hours(help_desk) == []


@pytest.mark.parametrize("is_open", [False, True])
def test_what_was_said_without_hours_ends_by_the_hours_that_are_set_later(*, is_open: bool) -> None:
    hours = Hours(("Mon-Sun 09:00-17:00",))
    said_at = 1_800_000_000_000
    kept = DeskOpeningKept(
        queue="desk", is_open=is_open, text="" if is_open else "lunch", at=said_at
    )
    after = Openings(DeskSettings(operators=("Ann",), hours=("Mon-Sun 09:00-17:00",)))
    after.load([kept])
    until = hours.next_closing(said_at) if is_open else hours.next_opening(said_at)
    assert until is not None
    assert after.of("desk", until - 1).is_open is is_open
    assert after.of("desk", until).is_open is not is_open
    without = Openings(DeskSettings(operators=("Ann",)))
    without.load([kept])
    assert without.of("desk", until).is_open is is_open


def test_a_newcomer_who_was_not_in_line_yet_is_told_of_the_position_before_the_closing() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    asha.hear()
    help_desk.rig.auto_commit = False
    bela = help_desk.joined("Bela")
    ann.ask(wire.CloseQueue(1, "", "lunch"))
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    help_desk.rig.commit()
    assert asha.last(wire.QueueClosed).text == "lunch"
    heard = bela.hear()
    position, closed = (
        one for one in heard if isinstance(one, wire.PositionReported | wire.QueueClosed)
    )
    assert isinstance(position, wire.PositionReported)
    assert position.position == 2
    assert closed == wire.QueueClosed("desk", "lunch", 0)


@pytest.mark.parametrize("request_", [wire.CloseQueue(1, "", "lunch"), wire.OpenQueue(1, "")])
def test_a_full_disk_neither_closes_nor_opens_a_queue(
    request_: wire.CloseQueue | wire.OpenQueue,
) -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    is_open = isinstance(request_, wire.CloseQueue)
    if not is_open:
        ann.ask(wire.CloseQueue(0, "", "before"))
    asha.hear()
    asha.heard.clear()
    help_desk.rig.store.full = True
    ann.ask(request_)
    assert ann.last(wire.CommandDone) == wire.CommandDone(1, wire.CommandResult.NOT_STORED, "desk")
    assert not any(isinstance(one, wire.QueueClosed) for one in asha.hear())
    help_desk.rig.store.full = False
    assert (help_desk.visitor("Bela").shown.closed == []) is is_open


def test_a_newcomer_reads_an_announcement_when_in_line() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    help_desk.joined("Asha")
    help_desk.rig.auto_commit = False
    bela = help_desk.joined("Bela")
    ann.ask(wire.AnnounceAtDesk(1, "", "be patient"))
    help_desk.rig.auto_commit = True
    help_desk.rig.commit()
    help_desk.rig.commit()
    heard = [
        one for one in bela.hear() if isinstance(one, wire.PositionReported | wire.DeskAnnounced)
    ]
    assert [type(one) for one in heard][:2] == [wire.PositionReported, wire.DeskAnnounced]


def test_all_who_wait_are_told_also_those_who_come_back() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela, cem = help_desk.line_of("Asha", "Bela", "Cem")
    ann.ask(wire.CallNext(1, "", 0))
    cem.drop()
    ann.ask(wire.AnnounceAtDesk(2, "", "It takes longer today"))
    said = wire.DeskAnnounced("ann", "It takes longer today")
    assert bela.last(wire.DeskAnnounced) == said
    assert not any(isinstance(one, wire.DeskAnnounced) for one in asha.hear())
    cem.come_back()
    assert cem.last(wire.DeskAnnounced) == said
    assert ann.last(wire.CommandDone) == wire.CommandDone(2, wire.CommandResult.DONE, "desk")


def test_announcing_to_nobody_or_too_much_is_answered() -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    ann.ask(wire.AnnounceAtDesk(1, "", "hello?"))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.ROOM_EMPTY
    help_desk.joined()
    ann.ask(wire.AnnounceAtDesk(2, "", "x" * (DESK_NOTE_MAX + 1)))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.TOO_LONG


def test_the_console_closes_opens_and_announces() -> None:
    help_desk = HelpDesk(store=MemoryStore())
    help_desk.open()
    help_desk.joined("Asha")
    bela = help_desk.joined("Bela")
    help_desk.shown()
    assert help_desk.type(".announce") == ["[Usage: .announce <text>]"]
    assert help_desk.type(".announce be patient") == ["[Sent to everyone waiting for desk.]"]
    assert bela.last(wire.DeskAnnounced) == wire.DeskAnnounced("desk", "be patient")
    assert help_desk.type(".close " + "x" * 201) == ["[Usage: .close [text]]"]
    assert help_desk.type(".close") == ["[desk is closed to newcomers.]"]
    assert help_desk.joined("Cem").last(wire.DeskRefused).reason is wire.DeskRefusal.CLOSED
    assert help_desk.type(".open") == ["[desk is open.]"]
    assert not any(isinstance(one, wire.OperatorAssigned) for one in bela.hear())
