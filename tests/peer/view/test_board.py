"""What an operator knows of the desk, as events tell it."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove
from chatapp.peer.view.board import DeskBoard, minutes
from chatapp.wire.desk.values import ListedVisitor

NOW = 1_700_000_000.0


def came(
    name: str = "Asha Rao", *, visit: int = 7, note: str = "", is_here: bool = True
) -> events.ClientCame:
    """Return the event of a visitor who is ours from now on."""
    return events.ClientCame(
        visit=visit,
        name=name,
        number="+919876543210",
        issue="Physics",
        queue="front desk",
        waited=200,
        is_here=is_here,
        note=note,
        handed_over_by="",
        is_back=False,
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
    )


def test_the_line_is_asked_for_when_it_may_have_changed_and_only_on_duty() -> None:
    board = DeskBoard("alice")
    on, off = (events.DutyChanged(is_on=is_on, queue="front desk") for is_on in (True, False))
    waits = events.VisitorsWaiting(queue="front desk", waiting=3, is_first=True)
    left = events.ClientMoved(name="Asha Rao", move=ClientMove.LEFT)
    for event, is_stale in ((came(), False), (on, True), (waits, True), (left, True), (off, False)):
        board.is_stale = False
        board.take([event, events.TableChanged()], now=NOW)
        assert board.is_stale == is_stale
    board.take([shown(listed("Ben"))], now=NOW)
    assert (board.waiting, board.is_stale) == (1, False)
    board.take([off], now=NOW)
    assert (board.waiting, board.line) == (0, ())


@pytest.mark.parametrize("move", list(ClientMove))
def test_a_visitor_stays_only_while_they_are_ours(move: ClientMove) -> None:
    board = DeskBoard("alice")
    board.take([came(), events.ClientMoved(name="Asha Rao", move=move)], now=NOW)
    stays = move in (ClientMove.AWAY, ClientMove.BACK, ClientMove.SILENT)
    assert (board.client is not None) == stays
    assert board.move == (move if move in (ClientMove.AWAY, ClientMove.SILENT) else None)


def test_what_a_silent_visitor_says_ends_the_silence() -> None:
    board = DeskBoard("alice")
    board.take([came(), events.ClientMoved(name="Asha Rao", move=ClientMove.SILENT)], now=NOW)
    board.take([events.ClientSaid(sender="Asha Rao", text="hi", visit=6, position=1)], now=NOW)
    assert board.move is ClientMove.SILENT
    board.take([events.ClientSaid(sender="Asha Rao", text="hi", visit=7, position=1)], now=NOW)
    assert board.move is None


def test_a_note_is_that_of_the_visitor_and_the_newest() -> None:
    board = DeskBoard("alice")
    noted = events.CommandSucceeded(
        action=events.DeskAction.NOTED, name="Asha Rao", text="call back"
    )
    board.take([came(note="was here"), noted], now=NOW)
    assert board.note == "call back"
    board.take(
        [events.CommandSucceeded(action=events.DeskAction.NOTED, name="Ben", text="no")], now=NOW
    )
    assert board.note == "call back"
    board.take([came("Ben", visit=8)], now=NOW)
    assert board.note == ""


def test_a_program_that_comes_later_learns_from_the_line_whom_we_serve() -> None:
    board = DeskBoard("alice", is_on=True, client="Asha Rao", visit=7)
    assert board.next_change(now=NOW) is None
    mine = listed("Asha Rao", since=NOW - 90, operator="alice", issue="Physics")
    other = listed("Ben", operator="bob")
    board.take([shown(served=(mine, other))], now=NOW)
    assert board.client is not None
    assert board.client.issue == "Physics"
    assert board.since == NOW - 90
    assert board.served == (other,)


def test_the_next_minute_that_changes_something_is_known() -> None:
    board = DeskBoard("alice")
    assert board.next_change(now=NOW) is None
    board.take([shown(listed("Ben", since=NOW - 50), listed("Cleo", since=NOW - 130))], now=NOW)
    assert board.next_change(now=NOW) == NOW + 10
    assert minutes(NOW - 130, NOW) == 2
    assert minutes(NOW + 5, NOW) == 0  # the clocks of two machines differ
