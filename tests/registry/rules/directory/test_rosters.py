"""Rosters against those who read them: whoever fetches, however seldom, ends with the table as it
is, and is given no name twice (clause 3.3)."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.context import Outputs
from chatapp.peer.core.people.table import Table as Copy
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.directory.table import Delta, TableCopy
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_notice, decode_row, encode
from chatapp.wire.limits import TABLE_PAGE_MAX
from chatapp.wire.messages.table import (
    CardsShown,
    FetchCards,
    FetchTable,
    Presence,
    RosterPage,
    TablePage,
)
from chatapp.wire.roster import KEY_SIZE
from tests.peer.core.cast import WALL, Someone

PEOPLE = [Someone(f"p{number}") for number in range(6)]
AGAIN = [one.again() for one in PEOPLE]
NEW_NAMES = ["ann", "ben", "cem"]


class Reader:
    """A peer's copy of the table, which fetches when it is told to."""

    def __init__(self) -> None:
        ctx = Someone("alice").context()
        self.out: Outputs = ctx.out
        self.table = Copy(ctx, gone=lambda _: None, version=0, saved_at=0.0)
        self.table.cards.link_came()
        self.keys = 0
        """Whole keys that it was given."""

    def fetch(self, directory: Directory) -> None:
        self.table.fetch_anew(now=0.0)
        self.answer(directory)

    def answer(self, directory: Directory) -> None:
        while self.out.requests:
            asked = self.out.requests.pop(0)
            if isinstance(asked, FetchTable):
                page = directory.table.page(asked.since, is_whole=asked.is_whole)
                notice = decode_notice(page)
                assert isinstance(notice, TablePage | RosterPage)
                if isinstance(notice, RosterPage):
                    self.keys += len(notice.keys) // KEY_SIZE
                    assert not (asked.is_whole and notice.cuts)
                self.table.take_page(notice, now=0.0, wall=WALL)
            elif isinstance(asked, FetchCards):
                shown = decode_notice(encode(directory.cards(asked.identities)))
                assert isinstance(shown, CardsShown)
                self.table.cards.answered()
                self.table.take_cards(shown, wall=WALL)

    def view(self) -> set[tuple[object, ...]]:
        return {
            (one.identity, one.name, one.row.presence, one.row.sender_index, one.row.since)
            for one in self.table.contacts
            if not one.is_released
        }


def view_of(directory: Directory) -> set[tuple[object, ...]]:
    return {
        (one.card.identity, one.card.name, one.presence, one.sender_index, one.since)
        for one in directory
    }


DEEDS = st.tuples(
    st.sampled_from(("bind", "come", "go", "rename", "release", "restart", "fetch")),
    st.integers(0, len(PEOPLE) - 1),
    st.integers(1, 3),
)


def do(directory: Directory, deed: str, who: int, how: int, at: int) -> None:
    """Change the table, if that can be."""
    one, again = PEOPLE[who], AGAIN[who]
    person = directory.person(one.id)
    if deed == "bind" and person is None:
        if directory.refusal_of(one.card(), one.name) is None:
            directory.bind(one.card(), channel_since=0, at=at)
    elif person is None:
        return
    elif deed in ("come", "go"):
        presence = Presence.ONLINE if deed == "come" else Presence.LOST
        address = Address("192.0.2.1", 2_000 + at)
        directory.place(
            person, presence=presence, sender_index=how, address=address, wall_ms=1_000 * at
        )
    elif deed == "rename":
        name = NEW_NAMES[how - 1]
        card = again.card(name=name, counter=person.card.counter + 1)
        if directory.refusal_of(card, name) is None:
            directory.rename(person, card, name, reserved_until=float("-inf"))
    elif deed == "release":
        directory.release(person)
    elif deed == "restart":
        directory.renew_card(
            person, again.card(name=person.card.name, counter=person.card.counter + 1)
        )


@given(st.lists(DEEDS, max_size=40), st.sampled_from((1, 3)))
def test_a_reader_ends_with_the_table_as_it_is(
    deeds: list[tuple[str, int, int]], rows_whole: int
) -> None:
    directory, readers = Directory(version=1, rows_whole=rows_whole), [Reader(), Reader()]
    for at, (deed, who, how) in enumerate(deeds):
        if deed == "fetch":
            readers[who % 2].fetch(directory)
        else:
            do(directory, deed, who, how, at)
    for reader in readers:
        reader.fetch(directory)
        blocked = {row.card.identity for row in reader.table.contacts.blocked.values()}
        seen, true = reader.view(), view_of(directory)
        assert {row for row in true if row[0] not in blocked} <= seen
        reader.table.cards.ask(one.identity for one in reader.table.contacts if not one.is_current)
        reader.answer(directory)
        for contact in reader.table.contacts:
            person = directory.person(contact.identity)
            if person is not None and contact.identity not in blocked:
                assert contact.is_current and contact.row.card == person.card
                assert contact.address == person.address or not person.address.port


@given(st.lists(DEEDS, max_size=40))
def test_a_copy_at_another_node_hands_out_the_same_pages(
    deeds: list[tuple[str, int, int]],
) -> None:
    directory, copy = Directory(version=1, rows_whole=1), TableCopy(rows_whole=1)
    for at, (deed, who, how) in enumerate([("none", 0, 0), *deeds]):
        do(directory, deed, who, how, at)
        delta = directory.table.delta(copy.table.version, bytes_max=TABLE_PAGE_MAX, rows_max=64)
        copy.learn(Delta(*delta))
    for since in range(directory.version + 1):
        assert bytes(copy.table.page(since)) == bytes(directory.table.page(since))
    identities = [one.id for one in PEOPLE]
    assert copy.cards(identities) == directory.cards(identities)


def test_who_knows_the_names_is_given_no_key_again() -> None:
    directory, reader = Directory(version=1, rows_whole=1), Reader()
    for who in range(len(PEOPLE)):
        do(directory, "bind", who, 1, 1)
    reader.fetch(directory)
    assert reader.keys == len(PEOPLE)
    for deed in ("come", "restart", "go"):
        for who in range(len(PEOPLE)):
            do(directory, deed, who, 1, 9)
        reader.fetch(directory)
    assert reader.keys == len(PEOPLE)
    assert reader.view() == view_of(directory)
    do(directory, "rename", 0, 1, 9)
    do(directory, "go", 1, 2, 9)
    reader.fetch(directory)
    assert reader.keys == len(PEOPLE) + 1


def test_the_whole_rows_are_those_told_last() -> None:
    directory = Directory(version=1)
    do(directory, "bind", 0, 1, 1)
    do(directory, "come", 0, 1, 1)
    shown = directory.cards([PEOPLE[0].id, PEOPLE[1].id])
    assert [decode_row(raw).port for raw in shown.rows] == [2_001]
    assert shown.version == directory.version
