"""The copy of the table: updates in any order, requests for missing rows, and versions that never
go back."""

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import KeyChanged, TableChanged
from chatapp.peer.core.people.table import FETCH_TIMEOUT, Table
from chatapp.peer.core.records import RowsSaved
from chatapp.wire.errors import DecodeError
from chatapp.wire.messages.table import FetchTable, Row, TablePage
from tests.peer.core.cast import WALL, Someone, raw

PEOPLE = [Someone(f"p{number}") for number in range(4)]
BOB, CAROL = PEOPLE[:2]


class Copy:
    """A table with the parts that it uses."""

    def __init__(self, *, version: int = 0) -> None:
        ctx = Someone("alice").context()
        self.out = ctx.out
        self.gone: list[bytes] = []
        self.table = Table(ctx, gone=self.gone.append, version=version, saved_at=0.0)
        self.contacts = self.table.contacts

    def batch(self, since: int, version: int, *rows: Row) -> bool:
        """Apply a batch; return False if rows are missing."""
        return (
            self.table.take_batch(TablePage(since, version, False, raw(*rows)), wall=WALL)
            is not None
        )

    def page(
        self, since: int, version: int, *rows: Row, more: bool = False, now: float = 0.0
    ) -> None:
        self.table.take_page(TablePage(since, version, more, raw(*rows)), now=now, wall=WALL)

    def asked(self) -> list[int]:
        """Drain the versions since which rows were requested."""
        requests, self.out.requests = self.out.requests, []
        return [request.since for request in requests if isinstance(request, FetchTable)]

    def is_fresh(self) -> bool:
        return self.table.is_fresh

    def names(self) -> set[str]:
        return {contact.name for contact in self.contacts}


def test_a_batch_that_follows_is_taken_saved_and_said_once() -> None:
    """Clause 3.3."""
    copy = Copy()
    assert copy.batch(0, 5, BOB.row(3), CAROL.row(5))
    assert copy.table.version == 5
    assert copy.names() == {"p0", "p1"}
    assert copy.out.drain_events() == [TableChanged()]
    assert copy.out.drain_records() == [
        RowsSaved(rows=(BOB.row(3), CAROL.row(5)), version=5, at=WALL)
    ]


def test_a_sender_index_is_taken_and_no_news_to_a_user() -> None:
    """It comes with the link, which a slow program may open after its row was announced."""
    copy = Copy()
    copy.batch(0, 5, BOB.row(5))
    copy.out.drain_events()
    assert copy.batch(5, 6, BOB.row(6, sender_index=7))
    assert copy.out.drain_events() == []
    assert [contact.row.sender_index for contact in copy.contacts] == [7]
    assert copy.batch(6, 7, BOB.row(7, sender_index=7, online=False))
    assert TableChanged() in copy.out.drain_events()


def test_a_batch_behind_a_gap_is_not_taken_and_the_version_stays() -> None:
    copy = Copy()
    assert not copy.batch(4, 5, BOB.row(5))
    assert (copy.table.version, copy.names()) == (0, set())


def test_an_announcement_alone_is_a_gap() -> None:
    copy = Copy(version=4)
    assert not copy.batch(9, 9)
    assert copy.table.version == 4
    assert copy.batch(4, 4)  # what we have already


def test_an_old_batch_changes_nothing() -> None:
    copy = Copy()
    copy.batch(0, 9, BOB.row(9))
    assert copy.batch(0, 8, CAROL.row(8))
    assert (copy.table.version, copy.names()) == (9, {"p0"})


def test_a_batch_that_reaches_back_takes_only_what_is_newer() -> None:
    copy = Copy()
    copy.batch(0, 9, BOB.row(9, online=False))
    assert copy.batch(5, 12, BOB.row(6), CAROL.row(12))
    bob = copy.contacts.by_identity(BOB.id)
    assert bob is not None and not bob.row.online
    assert copy.names() == {"p0", "p1"}


def test_pages_are_asked_for_until_there_are_no_more() -> None:
    copy = Copy()
    copy.table.fetch_anew(now=0.0)
    assert copy.asked() == [0]
    copy.page(0, 3, BOB.row(3), more=True)
    assert copy.asked() == [3]
    assert not copy.is_fresh()
    copy.page(3, 4, CAROL.row(4))
    assert copy.asked() == []
    assert copy.is_fresh()
    assert copy.names() == {"p0", "p1"}


def test_a_question_is_answered_by_its_last_page() -> None:
    """A caller who looks up a name must not be told that nobody has it while half of the answer is
    still to come."""
    copy = Copy()
    copy.table.fetch_anew(now=0.0)
    question = copy.table.asked
    copy.page(0, 3, BOB.row(3), more=True)
    assert copy.table.answered < question
    copy.page(3, 4, CAROL.row(4))
    assert copy.table.answered == question


def test_a_page_that_a_batch_has_overtaken_is_not_needed() -> None:
    copy = Copy()
    copy.table.fetch_anew(now=0.0)
    copy.batch(0, 9, BOB.row(9, online=False))
    copy.page(0, 5, BOB.row(5))
    assert copy.table.version == 9
    bob = copy.contacts.by_identity(BOB.id)
    assert bob is not None and not bob.row.online
    assert copy.is_fresh()


def test_a_question_is_not_repeated_while_its_answer_is_awaited() -> None:
    copy = Copy()
    copy.table.fetch(now=0.0)
    copy.table.fetch(now=FETCH_TIMEOUT - 0.01)
    assert copy.asked() == [0]
    copy.table.progressed(now=FETCH_TIMEOUT)
    copy.table.fetch(now=2 * FETCH_TIMEOUT - 0.01)
    assert copy.asked() == []
    copy.table.fetch(now=2 * FETCH_TIMEOUT)
    assert copy.asked() == [0]


def test_a_lost_link_answers_nothing_any_more() -> None:
    copy = Copy()
    copy.table.fetch(now=0.0)
    copy.table.link_lost()
    copy.table.fetch(now=0.1)
    assert copy.asked() == [0, 0]
    assert (copy.table.asked, copy.table.answered) == (1, 0)


def test_a_restored_registry_is_asked_from_the_start_while_all_rows_are_fetched() -> None:
    copy = Copy(version=100)
    copy.table.fetch_whole(now=0.0)
    copy.page(0, 40, BOB.row(40), more=True)
    copy.table.link_lost()
    copy.table.begin_anew()
    copy.table.fetch(now=1.0)
    assert copy.asked() == [0, 40, 0]


def test_a_page_with_a_broken_row_is_refused() -> None:
    copy = Copy()
    copy.table.fetch(now=0.0)
    page = TablePage(0, 5, more=False, rows=[*raw(BOB.row(4)), msgspec.Raw(b"\xc0")])
    with pytest.raises(DecodeError):
        copy.table.take_page(page, now=0.0, wall=WALL)
    assert (copy.table.version, copy.names()) == (0, set())
    copy.table.fetch(now=FETCH_TIMEOUT - 0.01)
    assert copy.asked() == [0]  # and not again at once, for the same answer


def test_an_impostor_is_told_of_once_and_not_saved() -> None:
    copy = Copy()
    copy.batch(0, 1, BOB.row(1))
    copy.out.drain_records(), copy.out.drain_events()
    impostor = Someone("impostor")
    impostor.name = "p0"
    copy.batch(1, 2, impostor.row(2))
    copy.batch(2, 3, impostor.row(3, online=False))
    told = [event for event in copy.out.drain_events() if isinstance(event, KeyChanged)]
    assert told == [KeyChanged(name="p0")]
    assert [
        record.rows for record in copy.out.drain_records() if isinstance(record, RowsSaved)
    ] == [(), ()]


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_in_whatever_order_news_come_versions_never_go_back_and_pages_make_it_whole(
    chance: random.Random, changed: list[int]
) -> None:
    """I5. Each change is broadcast; some batches are lost, doubled or late; then the registry is
    asked."""
    rows = [PEOPLE[who].row(at, online=bool(at % 2)) for at, who in enumerate(changed, start=1)]
    batches = [(at - 1, at, row) for at, row in enumerate(rows, start=1)]
    came = [chance.choice(batches) for _ in range(2 * len(batches))]
    copy = Copy()
    versions = [0]
    for since, version, row in came:
        copy.batch(since, version, row)
        versions.append(copy.table.version)
    assert all(before <= after for before, after in itertools.pairwise(versions))
    newest = {row.card.identity: row for row in rows}
    missing = [row for row in newest.values() if row.version > copy.table.version]
    copy.page(copy.table.version, len(rows), *sorted(missing, key=lambda row: row.version))
    assert {contact.identity: contact.row for contact in copy.contacts} == newest
