"""How the past is read into a log: pages, jumps, and what is left out between them."""

from collections.abc import Generator
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import EVERYBODY
from chatapp.peer.api.events import Said
from chatapp.peer.api.past import Lines
from chatapp.peer.api.requests import ReadPage
from chatapp.peer.faces.full.logbook import LogBook
from chatapp.peer.faces.full.theme import UNICODE
from chatapp.peer.view.log import EntryKind, LogEntry
from chatapp.peer.view.panes import Pane
from chatapp.peer.view.pastreader import AROUND, PAGE, PastReader
from chatapp.peer.view.view import HistoryUnreadable, Step
from chatapp.peer.words.full import GAP

Result = TypeVar("Result")

LINES = 1_000


class FakePast:
    """Lines with every third number as their id."""

    def __init__(self, count: int = LINES) -> None:
        self.lines = [
            Said(
                conversation=EVERYBODY,
                id=3 * number,
                sender="bob",
                identity=b"",
                number=number,
                text=f"line {number}",
                at=1_800_000_000.0 + number,
            )
            for number in range(1, count + 1)
        ]
        self.read = 0
        """How many lines were read."""

    def answer(self, request: object) -> Lines:
        assert isinstance(request, ReadPage)
        assert request.conversation == EVERYBODY
        if request.after is not None:
            found = [line for line in self.lines if line.id > request.after][: request.limit]
        else:
            before = request.before
            found = [line for line in self.lines if before is None or line.id < before]
            found = found[-request.limit :]
        self.read += len(found)
        return Lines(lines=tuple(found))

    def perform(self, steps: Generator[Step, Any, Result]) -> Result:
        """Carry out steps to their end."""
        try:
            request = next(steps)
            while True:
                request = steps.send(self.answer(request))
        except StopIteration as end:
            result: Result = end.value
            return result


def reading(past: FakePast) -> tuple[PastReader, Pane]:
    def fail(_: Pane, error: HistoryUnreadable) -> None:
        raise error

    reader = PastReader(lambda: "alice", settle=lambda pane, entry: None, tell_unreadable=fail)
    return reader, Pane(EVERYBODY)


def ids_of(pane: Pane) -> list[int]:
    return [entry.id for entry in pane.log.entries if entry.id]


def is_whole_but_for_gaps(pane: Pane, past: FakePast) -> bool:
    """Whether lines are left out at the gaps of the log only, and above its first line."""
    ids = ids_of(pane)
    places = {line.id: place for place, line in enumerate(past.lines)}
    gaps = {pane.log.id_from(pane.log.place_of(gap) or 0) for gap in pane.log.gaps}
    breaks = {new for old, new in pairwise(ids) if places[new] != places[old] + 1}
    return (
        ids == sorted(set(ids))
        and breaks <= gaps
        and (pane.has_older or ids[0] == past.lines[0].id)
    )


def test_a_jump_reads_the_lines_around_and_no_others() -> None:
    past = FakePast()
    reader, pane = reading(past)
    pane.log.append([LogEntry(kind=EntryKind.NOTICE, at=1_900_000_000.0, text="a notice")])
    past.perform(reader.load(pane))
    past.read = 0
    entry = past.perform(reader.jump(pane, 300))
    assert entry is not None
    assert entry.text == "line 100"
    assert past.read == 2 * AROUND
    assert len(ids_of(pane)) == PAGE + 2 * AROUND
    assert is_whole_but_for_gaps(pane, past)
    (gap,) = pane.log.gaps
    book = LogBook(pane.log, UNICODE)
    row = book.row(book.rows_of(gap)[0])
    assert row is not None
    assert GAP in row[1][0][1]
    assert past.perform(reader.jump(pane, 301)) is None


def test_what_is_left_out_is_read_from_both_sides_until_nothing_is() -> None:
    past = FakePast(2 * AROUND + 3 * PAGE + 40)
    reader, pane = reading(past)
    past.perform(reader.load(pane))
    past.perform(reader.jump(pane, 3))
    assert not pane.has_older
    is_upwards = False
    while pane.log.gaps:
        (gap,) = pane.log.gaps
        past.perform(reader.fill(pane, gap, is_upwards=is_upwards))
        assert is_whole_but_for_gaps(pane, past)
        is_upwards = not is_upwards
    assert ids_of(pane) == [line.id for line in past.lines]


@given(
    st.lists(
        st.tuples(st.sampled_from(["jump", "up", "down", "older", "new"]), st.integers(1, LINES)),
        max_size=20,
    )
)
def test_wherever_the_user_goes_no_line_is_shown_twice_or_lost(
    steps: list[tuple[str, int]],
) -> None:
    past = FakePast()
    reader, pane = reading(past)
    past.perform(reader.load(pane))
    for step, number in steps:
        gaps = pane.log.gaps
        match step:
            case "jump":
                entry = past.perform(reader.jump(pane, 3 * number))
                assert entry is not None
                assert entry.text == f"line {number}"
            case "older":
                past.perform(reader.load_older(pane))
            case "new":
                notice = LogEntry(kind=EntryKind.NOTICE, at=1_900_000_000.0, text="a notice")
                pane.log.append([notice])
            case _ if gaps:
                past.perform(reader.fill(pane, gaps[number % len(gaps)], is_upwards=step == "up"))
            case _:
                pass
        assert is_whole_but_for_gaps(pane, past)
