"""Whom an operator serves and who waits, as events tell it."""

import msgspec
import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove
from chatapp.peer.api.state import DeskState
from chatapp.peer.view.desk import DeskView, minutes
from chatapp.wire.desk.values import ListedOperator, ListedVisitor
from tests.support.visits import CAME, line_of, own_line

NOW = 1_700_000_000.0


def came(
    name: str = "Asha Rao", *, visit: int = 7, note: str = "", is_here: bool = True
) -> events.ClientCame:
    """Return the event of a visitor who is ours from now on."""
    return msgspec.structs.replace(
        CAME,
        visit=visit,
        name=name,
        issue="Physics",
        queue="front desk",
        waited=200,
        is_here=is_here,
        note=note,
        description="Marks\nsince June",
    )


def listed(
    name: str, *, since: float = NOW, operator: str = "", issue: str = "Maths"
) -> ListedVisitor:
    """Return a visitor in the line, or served."""
    return ListedVisitor(
        visit=1, name=name, issue=issue, since=since, is_here=True, operator=operator
    )


def shown(
    *waiting: ListedVisitor,
    served: tuple[ListedVisitor, ...] = (),
    total: int | None = None,
) -> events.WaitingRoom:
    """Return the answer to `.room`."""
    return events.WaitingRoom(
        queue="front desk",
        operators=2,
        served=served,
        waiting=waiting,
        total=len(waiting) if total is None else total,
        is_quiet=True,
    )


ON, OFF = (events.DutyChanged(is_on=is_on, queue="front desk") for is_on in (True, False))


def desk_of(*batch: events.Event) -> DeskView:
    """Return what Alice sees of the desk after these events."""
    desk = DeskView("alice")
    for event in batch:
        desk.handle(event, at=NOW)
    return desk


def test_the_line_is_known_while_on_duty() -> None:
    desk = desk_of(ON, shown(listed("Ben"), total=3))
    assert (desk.waiting, desk.line, desk.wants_room) == (3, (listed("Ben"),), False)
    desk.handle(events.VisitorsWaiting(queue="front desk", waiting=4, is_first=False), at=NOW)
    assert (desk.waiting, desk.wants_room) == (4, True)
    desk.handle(OFF, at=NOW)
    assert (desk.waiting, desk.line) == (0, ())


def test_another_queue_that_was_asked_for_by_its_name_is_not_ours() -> None:
    other = msgspec.structs.replace(shown(listed("Ben")), queue="exams", is_quiet=False)
    assert desk_of(ON, other).room is None
    ours = msgspec.structs.replace(other, queue="front desk")
    assert desk_of(ON, ours).room is ours


@pytest.mark.parametrize("move", list(ClientMove))
def test_a_visitor_stays_only_while_they_are_ours(move: ClientMove) -> None:
    desk = desk_of(came(), events.ClientMoved(name="Asha Rao", move=move))
    stays = move in (ClientMove.AWAY, ClientMove.BACK, ClientMove.SILENT)
    assert (desk.client is not None) == stays
    assert desk.is_client_here == (move is not ClientMove.AWAY)
    assert desk.is_client_silent == (move is ClientMove.SILENT)


def test_what_a_silent_visitor_says_ends_the_silence() -> None:
    desk = desk_of(came(), events.ClientMoved(name="Asha Rao", move=ClientMove.SILENT))
    for visit, is_silent in ((6, True), (7, False)):
        said = line_of("Asha Rao", "hi", 1, visit=visit)
        desk.handle(said, at=NOW)
        assert desk.is_client_silent == is_silent


def test_a_program_that_comes_later_learns_from_the_line_whom_we_serve() -> None:
    desk = DeskView("alice")
    desk.found(DeskState(is_operator=True, is_on_duty=True))
    desk.found_client("Asha Rao", 7)
    assert desk.wants_room
    assert desk.next_change(now=NOW) is None
    mine = listed("Asha Rao", since=NOW - 90, operator="alice", issue="Physics")
    other = listed("Ben", operator="bob")
    eva = ListedOperator(operator="eva", queue="desk", is_free=True)
    room = shown(listed("Cleo", operator="eva"), served=(mine, other))
    alice = msgspec.structs.replace(eva, operator="Alice")
    desk.handle(msgspec.structs.replace(room, on_duty=(alice, eva)), at=NOW)
    assert desk.client is not None
    assert (desk.client.issue, desk.client_since) == ("Physics", NOW - 90)
    assert desk.served_by_others == (other,)
    assert desk.colleagues == (eva,)


def test_the_next_minute_that_changes_something_is_known() -> None:
    assert desk_of(ON).next_change(now=NOW) is None
    desk = desk_of(ON, shown(listed("Ben", since=NOW - 50), listed("Cleo", since=NOW - 130)))
    assert desk.next_change(now=NOW) == NOW + 10
    assert minutes(NOW - 130, NOW) == 2
    assert minutes(NOW + 5, NOW) == 0  # the clocks of two machines differ


def test_a_name_that_was_changed_is_ours() -> None:
    desk = desk_of(came(), events.Renamed(is_me=True, old="alice", new="alicia"))
    desk.handle(own_line("alicia", "hi", 1), at=NOW)
    assert [line.is_ours for line in desk.lines] == [True]
