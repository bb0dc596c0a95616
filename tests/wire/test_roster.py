"""Rosters: many rows in columns, and nothing that hostile bytes could make of them."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import decode_notice, encode
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import CUT_SIZE, TABLE_PAGE_MAX
from chatapp.wire.messages.table import Card, Presence, RosterPage, Row
from chatapp.wire.roster import KEY_SIZE, cells_of, check_of, entries_of, roster_page

KEYS = st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE)
TEXTS = st.text(max_size=80)
ROWS = st.builds(
    Row,
    st.builds(
        Card, st.text(max_size=32), KEYS, KEYS, st.just(1), st.binary(min_size=64, max_size=64)
    ),
    st.just("192.0.2.1"),
    st.sampled_from((0, 7_000)),
    st.sampled_from(Presence),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**32 - 1),
    st.just(5),
    TEXTS,
    st.none() | TEXTS,
)


def page(whole: list[Row], known: list[Row]) -> RosterPage:
    """Return a page as its reader gets it."""
    cells = list(map(cells_of, whole)), list(map(cells_of, known))
    made = decode_notice(encode(roster_page(1, 9, more=True, whole=cells[0], known=cells[1])))
    assert isinstance(made, RosterPage)
    return made


@given(st.lists(ROWS, max_size=8), st.lists(ROWS, max_size=8))
def test_a_reader_gets_what_was_given(whole: list[Row], known: list[Row]) -> None:
    made = page(whole, known)
    found = entries_of(made)
    assert [(one.key, one.name) for one in found[0]] == [
        (row.card.identity, row.card.name) for row in whole
    ]
    assert [(one.key, one.name) for one in found[1]] == [
        (row.card.identity[:CUT_SIZE], "") for row in known
    ]
    assert [one[2:] for one in [*found[0], *found[1]]] == [
        (row.presence, row.is_placed, row.since, row.sender_index, row.status, row.away)
        for row in [*whole, *known]
    ]
    assert made.check == check_of((row.card.identity, row.card.name) for row in known)


@given(st.lists(ROWS, max_size=8), st.booleans())
def test_no_row_takes_more_than_is_counted(rows: list[Row], is_whole: bool) -> None:
    made = page(rows, []) if is_whole else page([], rows)
    inflated = zlib.decompress(made.columns)
    size = len(inflated) + len(made.keys) + len(made.cuts)
    cells = map(cells_of, rows)
    assert size <= sum(one.size_whole if is_whole else one.size for one in cells) + 64


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_a_roster_or_an_error(keys: bytes, cuts: bytes, columns: bytes) -> None:
    for data in (columns, zlib.compress(columns)):
        made = RosterPage(1, 9, False, keys, cuts, bytes(16), data)
        try:
            whole, known = entries_of(made)
        except DecodeError:
            continue
        assert len(whole) * KEY_SIZE == len(keys) and len(known) * CUT_SIZE == len(cuts)


def test_columns_that_inflate_without_end_are_refused_early() -> None:
    """A few bytes must not make a reader hold megabytes."""
    bomb = zlib.compress(bytes(64 * TABLE_PAGE_MAX), 9)
    with pytest.raises(DecodeError, match="bytes of columns"):
        entries_of(RosterPage(1, 9, False, b"", b"", bytes(16), bomb))


def test_a_part_of_the_columns_and_more_than_them_are_refused() -> None:
    whole = page([], [])
    for columns in (whole.columns[:-1], whole.columns + b"\0"):
        with pytest.raises(DecodeError):
            entries_of(msgspec.structs.replace(whole, columns=columns))


@pytest.mark.parametrize(
    "columns",
    [
        [["ann"], [1], [1], [], []],
        [[], [1], [1], [1], []],
        [["ann"], [6], [1], [1], []],
        [["ann"], [1], [-1], [1], []],
        [["ann"], [1], [2**32], [1], []],
        [["ann"], [1], [1], [2**63 - 1, 1], []],
        [["ann"], [1], [1], [-1], []],
    ],
    ids=["no since", "no name", "presence", "index below", "index above", "two sinces", "since"],
)
def test_columns_that_say_what_no_row_can_are_refused(columns: list[object]) -> None:
    made = RosterPage(1, 9, False, bytes(32), b"", bytes(16), zlib.compress(encode(columns)))
    with pytest.raises(DecodeError):
        entries_of(made)
