"""The directory: one holder for each name, versions that never go back, and deltas that add up to
the same table."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_row
from chatapp.wire.identity import Identity, make_card
from chatapp.wire.limits import TABLE_PAGE_MAX
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.table import Card, Presence, Row
from chatapp.wire.names import name_key

PEOPLE = [Identity(random.Random(seed).randbytes(32)) for seed in range(6)]


def card_of(who: int, name: str | None = None, *, counter: int = 1) -> Card:
    return make_card(PEOPLE[who], name=name or f"user{who}", mail=b"m" * 32, counter=counter)


def refusal(directory: Directory, card: Card) -> RefusalReason | None:
    return directory.refusal_of(card, name_key(card.name))


def bind(directory: Directory, card: Card, now: float | None = None) -> Person:
    assert refusal(directory, card) is None
    return directory.bind(card, channel_since=0, at=0, now=now)


def read(directory: Directory, since: int, *, size: int = TABLE_PAGE_MAX) -> tuple[list[Row], int]:
    """All pages after `since`, as a peer reads them."""
    rows: list[Row] = []
    while True:
        delta = directory.table.delta(since, bytes_max=size, rows_max=4_096)
        rows += [decode_row(raw) for raw in delta.rows]
        assert delta.version >= since
        assert delta.version > since or not delta.more
        since = delta.version
        if not delta.more:
            return rows, since


class TestNames:
    def test_a_taken_name_is_refused_to_another_key(self) -> None:
        directory = Directory(version=0)
        bind(directory, card_of(0, "bob"))
        assert refusal(directory, card_of(1, "bob")) is RefusalReason.NAME_TAKEN
        assert refusal(directory, card_of(1, "BOB")) is RefusalReason.NAME_TAKEN
        assert refusal(directory, card_of(0, "Bob")) is RefusalReason.OLD_CARD, (
            "same counter, other card"
        )
        assert refusal(directory, card_of(0, "Bob", counter=2)) is None

    def test_a_look_alike_is_refused_to_another_key(self) -> None:
        directory = Directory(version=0)
        bind(directory, card_of(0, "paypal"))
        assert refusal(directory, card_of(1, "p\u0430ypal")) is RefusalReason.NAME_TAKEN

    def test_another_name_of_the_same_identity_needs_a_newer_card(self) -> None:
        directory = Directory(version=0)
        bob = bind(directory, card_of(0, "bob"))
        assert refusal(directory, card_of(0, "rob")) is RefusalReason.OLD_CARD
        card = card_of(0, "rob", counter=2)
        assert refusal(directory, card) is None
        directory.rename(bob, card, "rob", reserved_until=9.0)
        assert directory.names.holder("rob") == directory.names.holder("bob") == PEOPLE[0].public
        assert len(read(directory, 0)[0]) == 1

    def test_a_look_alike_of_a_name_that_is_free_again_is_free_too(self) -> None:
        directory = Directory(version=0)
        bob = bind(directory, card_of(0, "paypal"))
        directory.rename(bob, card_of(0, "bob", counter=2), "bob", reserved_until=9.0)
        assert refusal(directory, card_of(1, "p\u0430ypal")) is RefusalReason.NAME_TAKEN
        assert directory.names.expired(now=9.0) == ["paypal"]
        assert refusal(directory, card_of(1, "p\u0430ypal")) is None
        assert refusal(directory, card_of(1, "bob")) is RefusalReason.NAME_TAKEN

    def test_a_look_alike_of_ones_own_outlives_the_reserved_one(self) -> None:
        directory = Directory(version=0)
        bob = bind(directory, card_of(0, "paypal"))
        other = "p\u0430ypal"
        directory.rename(bob, card_of(0, other, counter=2), other, reserved_until=9.0)
        assert directory.names.expired(now=9.0) == ["paypal"]
        assert refusal(directory, card_of(1, "paypal")) is RefusalReason.NAME_TAKEN

    def test_a_lower_counter_is_refused_and_the_same_card_is_not(self) -> None:
        directory = Directory(version=0)
        bind(directory, card_of(0, counter=5))
        assert refusal(directory, card_of(0, counter=4)) is RefusalReason.OLD_CARD
        assert refusal(directory, card_of(0, "User0", counter=5)) is RefusalReason.OLD_CARD
        assert refusal(directory, card_of(0, counter=5)) is None

    def test_a_promised_name_is_taken_until_it_is_taken_back(self) -> None:
        directory = Directory(version=0)
        directory.names.claim("bob", PEOPLE[0].public)
        assert refusal(directory, card_of(1, "bob")) is RefusalReason.NAME_TAKEN
        directory.names.release_claim("bob", PEOPLE[0].public)
        assert refusal(directory, card_of(1, "bob")) is None

    def test_a_bound_name_is_never_taken_back(self) -> None:
        directory = Directory(version=0)
        bind(directory, card_of(0, "bob"))
        directory.names.release_claim("bob", PEOPLE[0].public)
        assert directory.names.holder("bob") == PEOPLE[0].public

    def test_a_full_directory_says_so(self) -> None:
        directory = Directory(version=0, names_max=2)
        bind(directory, card_of(0))
        bind(directory, card_of(1))
        assert refusal(directory, card_of(2)) is RefusalReason.FULL
        assert refusal(directory, card_of(1, counter=9)) is None


class TestVersions:
    def test_each_change_makes_the_next_version(self) -> None:
        directory = Directory(version=500)
        assert bind(directory, card_of(0)).version == 501
        assert bind(directory, card_of(1)).version == 502
        assert directory.version == 502

    def test_what_changes_nothing_makes_no_version(self) -> None:
        directory = Directory(version=0)
        bob = bind(directory, card_of(0))
        directory.place(
            bob,
            presence=Presence.ONLINE,
            sender_index=1,
            address=Address("10.0.0.1", 6_000),
            wall_ms=5_000,
        )
        version = directory.version
        directory.place(
            bob,
            presence=Presence.ONLINE,
            sender_index=1,
            address=Address("10.0.0.1", 6_000),
            wall_ms=9_000,
        )
        directory.renew_card(bob, card_of(0))
        assert directory.version == version
        assert bob.since == 5

    def test_a_page_is_cut_at_its_size(self) -> None:
        directory = Directory(version=0)
        for who in range(5):
            bind(directory, card_of(who))
        delta = directory.table.delta(0, bytes_max=400, rows_max=100)
        assert (len(delta.rows), delta.more) == (2, True)
        assert directory.table.delta(0, bytes_max=10, rows_max=100).rows, (
            "one row goes whatever its size"
        )
        assert len(directory.table.delta(0, bytes_max=9_999, rows_max=3).rows) == 3


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["bind", "card", "move", "presence", "sender_index", "status"]),
        st.integers(0, 5),
        st.integers(0, 3),
        st.integers(-50, 50),
    ),
    max_size=120,
)


@settings(max_examples=150)
@given(CHANGES, st.integers(0, 10_000), st.booleans())
def test_a_delta_from_any_version_and_the_table_then_make_the_table_now(
    changes: list[tuple[str, int, int, int]], seed: int, is_paced: bool
) -> None:
    """This holds also if rows change more often than they are sent, once all are sent."""
    directory = Directory(version=1_000)
    people: dict[int, Person] = {}
    snapshots: list[tuple[int, dict[str, Row]]] = [(0, {})]
    wall = 1_000
    chance = random.Random(seed)
    for what, who, value, pause in changes:
        before = directory.version
        wall += pause  # a wall clock may run backwards
        now = 100.0 + len(snapshots) if is_paced else None
        _change(directory, people, what, who, value, wall, now)
        assert directory.version >= before
        if chance.random() < 0.3:
            rows, version = read(directory, 0)
            snapshots.append((version, {row.card.name: row for row in rows}))
            if now is not None:
                directory.handle_timer(now=now)
    while (due := directory.next_timer()) is not None:
        directory.handle_timer(now=due)
    rows, version = read(directory, 0)
    table = {row.card.name: row for row in rows}
    assert len(rows) == len(table) == len(people)
    for person in people.values():
        row = table[person.card.name]
        assert (row.card, row.presence, row.sender_index) == (
            person.card,
            person.presence,
            person.sender_index,
        )
        assert (row.host, row.port) == person.address
        assert (row.status, row.away) == (person.status, person.away)
    for since, snapshot in snapshots:
        newer, reached = read(directory, since, size=chance.choice((300, 800, TABLE_PAGE_MAX)))
        assert snapshot | {row.card.name: row for row in newer} == table
        assert reached == version
        assert all(row.version > since for row in newer)


def _change(
    directory: Directory,
    people: dict[int, Person],
    what: str,
    who: int,
    value: int,
    wall: int,
    now: float | None,
) -> None:
    person = people.get(who)
    if person is None:
        if what == "bind":
            people[who] = bind(directory, card_of(who), now)
    elif what == "status":
        directory.set_status(person, str(value), None if value else "", now=now)
    elif what == "card":
        directory.renew_card(person, card_of(who, counter=person.card.counter + value), now=now)
    else:
        directory.place(
            person,
            presence=Presence(value % 3) if what == "presence" else person.presence,
            sender_index=value if what == "sender_index" else person.sender_index,
            address=Address("10.0.0.9", 6_000 + value) if what == "move" else None,
            wall_ms=wall,
            now=now,
        )


def test_those_online_are_listed_where_they_are() -> None:
    directory = Directory(version=0)
    bob, eve = bind(directory, card_of(0)), bind(directory, card_of(1))
    directory.place(
        bob, presence=Presence.ONLINE, sender_index=0, address=Address("10.0.0.1", 1), wall_ms=0
    )
    directory.place(
        eve, presence=Presence.ONLINE, sender_index=0, address=Address("10.0.0.2", 2), wall_ms=0
    )
    directory.place(
        bob, presence=Presence.ONLINE, sender_index=0, address=Address("10.0.0.3", 3), wall_ms=0
    )
    directory.place(eve, presence=Presence.LOST, sender_index=0, wall_ms=0)
    assert directory.online_addresses(0) == [Address("10.0.0.3", 3)]
    assert directory.online() == [bob.card.identity]
    assert len(directory) == 2


def test_a_change_costs_its_own_size_however_often_there_were_others() -> None:
    directory = Directory(version=0)
    people = [bind(directory, card_of(who)) for who in range(6)]
    for turn in range(2_000):
        person = people[turn % 5]
        presence = Presence.LOST if person.online else Presence.ONLINE
        directory.place(person, presence=presence, sender_index=0, wall_ms=0)
    assert len(directory.table._changes._things) < 200
    rows, _ = read(directory, directory.version - 3)
    assert len(rows) == 3
