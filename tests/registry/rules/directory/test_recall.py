"""A run that goes on with the table that an earlier one has told of: who comes back unchanged changes
no row, and nobody keeps a row that this run does not know (clause 3.2)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.directory.connections import BLOCK
from chatapp.registry.rules.directory.table import GAPS_MAX, CopiedRow, Table
from chatapp.registry.store.protocol import KeptTable
from chatapp.wire.codec import decode_row, encode
from chatapp.wire.messages.table import ONLINE, FetchTable, Presence, Row, TablePage
from tests.registry.linked_peer import LinkedPeer, rows_of, table_of
from tests.registry.rig import Rig

PEOPLE = ("ann", "bob", "carol")


def come_back(*peers: LinkedPeer) -> None:
    """Register again in the same run of each program, with a link."""
    for peer in peers:
        peer.claims = peer.sender_index
        peer.register()
        peer.attach()


def news_for(peer: LinkedPeer, since: int) -> list[Row]:
    (page,) = [one for one in peer.ask(FetchTable(since)) if isinstance(one, TablePage)]
    return rows_of(list(page.rows))


def test_who_comes_back_unchanged_changes_no_row(rig: Rig) -> None:
    people = [rig.member(name) for name in PEOPLE]
    rig.advance(1.0)
    before = table_of(people[0])
    version = rig.core.engine.hub.directory.version
    rig.restart(table=rig.kept_table())
    come_back(*people)
    rig.advance(1.0)
    assert news_for(people[0], version) == []
    assert table_of(people[0]) == before
    assert rig.core.engine.hub.directory.version > version
    for peer in people:
        line = peer.line("hello")
        peer.send_raw(line)
    assert len(people[0].relayed()) == 2


def test_who_does_not_come_back_is_away_after_one_lease(rig: Rig) -> None:
    ann, bob, carol = [rig.member(name) for name in PEOPLE]
    bob.drop_link()
    carol.link = None  # her program dies with the registry
    rig.advance(1.0)
    since = rig.core.engine.hub.directory.version
    rig.restart(table=rig.kept_table())
    come_back(ann)
    rig.advance(rig.policy.lease_span - 1.0)
    assert news_for(ann, since) == []
    rig.advance(2.0)
    (row,) = news_for(ann, since)
    assert (row.card.name, row.presence) == ("carol", Presence.LOST)
    assert table_of(ann)["bob"].presence is Presence.LOST
    come_back(carol)
    assert table_of(ann)["carol"].sender_index == carol.sender_index == carol.claims


def test_another_run_of_a_program_has_another_index(rig: Rig) -> None:
    """Clause 8.1: also one that says that it had another one, or that of somebody else."""
    ann, bob = rig.member("ann"), rig.member("bob")
    first = ann.sender_index
    for claimed in (0, first + 1, bob.sender_index, 2**32 - 1):
        ann.claims = claimed
        ann.drop_link()
        ann.attach()
        assert ann.sender_index not in (first, bob.sender_index, claimed)
    last = ann.claims = ann.sender_index
    ann.drop_link()
    ann.attach()
    assert ann.sender_index == last
    assert news_for(bob, 0)[-1].sender_index == last


def test_a_run_that_knows_nothing_gives_nobody_their_old_index(rig: Rig) -> None:
    """A peer would take that for a sign that its table goes on."""
    ann = rig.member("ann")
    used = ann.sender_index
    rig.store.crash()
    rig.core.engine.hub.indices._next = used  # as after a backup was restored
    rig.core.engine.hub.indices._end = used + 2
    ann.drop_link()
    rig.core.engine.hub.liveness.end(ann.id)
    rig.core.engine.hub._presence.connections.of(ann.id).sender_index = 0
    ann.claims = used
    ann.attach()
    assert ann.sender_index == used + 1


@pytest.mark.parametrize(
    "change",
    ["banned", "index of the next block", "released", "damaged", "a version of a later run"],
)
def test_rows_that_do_not_hold_any_more_are_not_recalled(rig: Rig, change: str) -> None:
    ann, _ = rig.member("ann"), rig.member("bob")
    since, kept = rig.core.engine.hub.directory.version, rig.kept_table()
    rows = [decode_row(raw) for raw in kept.rows]
    at = next(at for at, row in enumerate(rows) if row.card.name == "bob")
    row = rows[at]
    if change == "banned":
        row = msgspec.structs.replace(row, presence=Presence.BANNED)
    elif change == "index of the next block":
        row = msgspec.structs.replace(row, sender_index=2 * BLOCK)
    elif change == "released":
        row = msgspec.structs.replace(row, presence=Presence.RELEASED)
    else:
        row = msgspec.structs.replace(row, version=kept.version + 1)
    kept.rows[at] = msgspec.Raw(b"\xc1" if change == "damaged" else encode(row))
    rig.restart(table=kept)
    come_back(ann)
    assert {row.card.name for row in news_for(ann, since)} >= {"bob"}


def test_the_table_of_a_run_that_the_disk_does_not_know_is_not_recalled(rig: Rig) -> None:
    """A backup was restored."""
    ann = rig.member("ann")
    since, kept = rig.core.engine.hub.directory.version, rig.kept_table()
    later = KeptTable(kept.version + (1 << 60), kept.rows, [])
    rig.restart(table=later)
    ann.register()
    ann.attach()
    (row,) = news_for(ann, since)
    assert row.version > since


def test_who_knows_more_than_this_run_gets_all_rows_anew(rig: Rig) -> None:
    """The run before told somebody of changes, and died before those who keep the table knew."""
    ann, bob, carol = [rig.member(name) for name in PEOPLE]
    rig.advance(1.0)
    kept, known = rig.kept_table(), rig.core.engine.hub.directory.version
    bob.drop_link()  # ann alone was told
    rig.advance(1.0)
    ahead = rig.core.engine.hub.directory.version
    assert ahead > known
    rig.restart(table=kept)
    ann.knows = ahead
    had = ann.sender_index
    come_back(ann, bob, carol)
    assert ann.sender_index != had, "so its program forgets what it knows, and fetches all rows"
    rig.advance(1.0)
    (row,) = news_for(carol, known)
    assert (row.card.name, row.sender_index) == ("ann", ann.sender_index)
    told = {row.card.name: row for row in news_for(ann, ahead)}
    assert set(told) == set(PEOPLE)
    assert all(row.presence in ONLINE and row.version > ahead for row in told.values())
    rig.advance(2.0)
    assert {row.card.name for row in news_for(carol, known)} == set(PEOPLE)
    latest = rig.core.engine.hub.directory.version
    assert news_for(ann, latest) == []
    assert news_for(bob, ahead), "asked again, and told without another change"
    assert rig.core.engine.hub.directory.version == latest


def test_gaps_outlive_the_next_run(rig: Rig) -> None:
    """Somebody who was away for the whole of the run between may know of the one before it."""
    ann, bob = rig.member("ann"), rig.member("bob")
    rig.advance(1.0)
    kept = rig.kept_table()
    bob.drop_link()
    rig.advance(1.0)
    ahead = rig.core.engine.hub.directory.version
    rig.restart(table=kept)
    come_back(bob)
    rig.restart(table=rig.kept_table())
    come_back(bob)
    come_back(ann)
    assert {row.card.name for row in news_for(ann, ahead)} == {"ann", "bob"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=3 * GAPS_MAX))
def test_no_gap_is_forgotten(runs: list[tuple[int, int]]) -> None:
    """`runs`: how many versions of each the next one knew, and how many it did not."""
    version, missed, gaps = 0, set[int](), list[tuple[int, int]]()
    for known, unknown in runs:
        table = Table[CopiedRow](version=version + known + unknown)
        table.gaps = gaps
        missed |= set(range(version + known + 1, version + known + unknown + 1))
        table.recall([], upto=version + known, first=version + known + unknown)
        version, gaps = version + known + unknown, table.gaps
        assert all(table.is_missed(one) for one in missed)
        assert len(gaps) <= GAPS_MAX
        assert len(runs) > GAPS_MAX or not any(
            table.is_missed(one) for one in range(version + 1) if one not in missed
        )
