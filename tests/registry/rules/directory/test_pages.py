"""Cached pages of the table: reused while they are valid, and never longer."""

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.directory.table import PAGES_KEPT, Pages
from chatapp.wire.address import Address
from chatapp.wire.codec import encode
from chatapp.wire.messages.table import Card, Presence


def raw(number: int) -> msgspec.Raw:
    return msgspec.Raw(b"%d" % number)


def test_a_page_is_good_until_one_of_its_rows_changes() -> None:
    pages = Pages()
    pages.keep(10, 20, raw(1), is_last=False)
    for version in (5, 10, 21):
        pages.row_changes(version)
        assert pages.find(10) is not None
    pages.row_changes(20)
    assert pages.find(10) is None


def test_the_last_page_is_good_until_anything_changes() -> None:
    pages = Pages()
    pages.keep(10, 20, raw(1), is_last=True)
    assert pages.find(11) is None
    pages.row_changes(0)
    assert pages.find(10) is None


def test_those_asked_for_most_recently_are_kept() -> None:
    pages = Pages()
    for since in range(PAGES_KEPT + 3):
        pages.keep(since, since + 1, raw(since), is_last=False)
        pages.find(0)
    assert [since for since in range(PAGES_KEPT + 3) if pages.find(since) is None] == [1, 2, 3]


def card(number: int) -> Card:
    key = number.to_bytes(32, "big")
    return Card(f"user{number:03}", key, key, 1, bytes(64))


@given(st.lists(st.tuples(st.integers(0, 499), st.integers(0, 9)), max_size=25))
def test_a_kept_page_is_what_would_be_made_now(changes: list[tuple[int, int]]) -> None:
    directory = Directory(version=1)
    for number in range(500):
        directory.bind(card(number), channel_since=0, at=0)
    sinces = [0, 100, 400, directory.version]
    for number, claimed in [(0, 1), *changes]:
        for since, is_whole in itertools.product(sinces, (False, True)):
            made = encode(directory.table.make_page(since, is_whole=is_whole))
            for _ in range(2):
                assert bytes(directory.table.page(since, is_whole=is_whole)) == made
        person = directory.person(card(number).identity)
        assert person is not None
        directory.place(
            person,
            presence=Presence.ONLINE,
            sender_index=claimed + 1,
            address=Address("h", number),
            wall_ms=0,
        )
