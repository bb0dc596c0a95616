"""A copy of the table, as a node of a cluster has it: it hands out the same pages as the
original."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.directory.table import CopiedRow, Table, TableCopy
from chatapp.wire.address import Address
from chatapp.wire.messages.table import Card, Presence

PEOPLE = 8
RELEASED_MAX = 3


def card(number: int, counter: int) -> Card:
    key = number.to_bytes(32, "big")
    return Card(f"user{number:03}", key, key, counter, bytes(64))


def bring_up_to_date(copy: TableCopy, original: Directory, *, rows_max: int) -> None:
    while True:
        delta = original.table.delta(copy.table.version, bytes_max=100_000, rows_max=rows_max)
        copy.learn(delta)
        if not delta.more:
            return


def pages(table: Table[CopiedRow] | Table[Person]) -> list[bytes]:
    return [bytes(table.page(since)) for since in range(table.version + 1)]


deeds = st.lists(
    st.tuples(
        st.sampled_from(("come", "go", "say", "release", "learn")), st.integers(0, PEOPLE - 1)
    ),
    max_size=60,
)


@given(deeds, st.integers(1, 5))
def test_a_copy_hands_out_the_same_pages(deeds: list[tuple[str, int]], rows_max: int) -> None:
    original, copy, counter = Directory(version=0), TableCopy(), 0
    for deed, number in deeds:
        person = original.person(card(number, 0).identity)
        if deed == "learn":
            bring_up_to_date(copy, original, rows_max=rows_max)
            assert pages(copy.table) == pages(original.table)
        elif deed == "come" or person is None:
            counter += 1
            person = person or original.bind(card(number, counter), channel_since=0, at=0)
            address = Address("10.0.0.1", 1_000 + counter)
            original.place(
                person, presence=Presence.ONLINE, sender_index=1, address=address, wall_ms=counter
            )
        elif deed == "go":
            original.place(person, presence=Presence.AWAY, sender_index=0, wall_ms=counter)
        elif deed == "say":
            original.set_status(person, f"status {counter}", None if counter % 2 else "")
        else:
            original.release(person)
    bring_up_to_date(copy, original, rows_max=rows_max)
    assert pages(copy.table) == pages(original.table)


def test_a_copy_forgets_as_many_released_names_as_the_original(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("directory", "table"):
        monkeypatch.setattr(
            f"chatapp.registry.rules.directory.{module}.RELEASED_TOLD_MAX", RELEASED_MAX
        )
    original, copy = Directory(version=0), TableCopy()
    for number in range(RELEASED_MAX + 5):
        original.release(original.bind(card(number, 1), channel_since=0, at=0))
        if number % 3 == 0:
            bring_up_to_date(copy, original, rows_max=100)
    bring_up_to_date(copy, original, rows_max=100)
    assert bytes(copy.table.page(0)) == bytes(original.table.page(0))
