"""What our row says of us: told when the user says it, and again when the row says something else."""

from msgspec.structs import replace

from chatapp.peer.api.events import StatusSet
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.people.people import Standing
from chatapp.wire.limits import STATUS_MAX
from chatapp.wire.messages.table import SetStatus
from tests.peer.core.cast import Someone

ROW = Someone("alice").row()


class Told:
    """Our standing, and what the registry is told of it."""

    def __init__(self, known: str | None = None) -> None:
        ctx = Someone("alice").context()
        ctx.status.reach = RegistryReach.UP
        self.status, self._out = ctx.status, ctx.out
        self.standing = Standing(ctx, None if known is None else replace(ROW, status=known))

    def requests(self) -> list[object]:
        requests: list[object] = [*self._out.requests]
        self._out.requests.clear()
        return requests


def test_the_row_is_told_what_the_user_says_and_cut_where_it_ends() -> None:
    told = Told()
    assert told.standing.change(" exam\x1b ", None) == StatusSet(status="exam\\x1b", away=None)
    assert told.standing.change(None, "") == StatusSet(status="exam\\x1b", away="")
    told.standing.change("ä" * 1_000, "x" * 1_000)
    assert told.requests() == [
        SetStatus("exam\\x1b", None),
        SetStatus("exam\\x1b", ""),
        SetStatus("ä" * STATUS_MAX, "x" * STATUS_MAX),
    ]


def test_a_registry_that_has_forgotten_it_is_told_again_once_a_row() -> None:
    told = Told()
    told.status.reach = RegistryReach.LOST
    assert told.standing.change("exam", "at lunch").is_later
    assert told.requests() == []
    told.status.reach = RegistryReach.UP
    told.standing.row_came(ROW)
    assert told.requests() == [SetStatus("exam", "at lunch")]
    told.standing.row_came(replace(ROW, status="exam", away="at lunch"))
    assert told.requests() == []


def test_a_new_run_is_not_away_and_keeps_the_status_of_the_last_one() -> None:
    for known, in_row, kept in (("old", "new", "new"), ("old", "", "old"), (None, "new", "new")):
        told = Told(known)
        told.standing.row_came(replace(ROW, status=in_row, away="at lunch"))
        assert (told.standing.text, told.standing.away) == (kept, None)
        assert told.requests() == [SetStatus(kept, None)]


def test_a_status_that_was_ended_is_not_taken_from_the_row_again() -> None:
    told = Told("old")
    told.standing.change("", None)
    told.standing.row_came(replace(ROW, status="old"))
    assert told.standing.text == ""
    assert told.requests() == [SetStatus("", None)] * 2
