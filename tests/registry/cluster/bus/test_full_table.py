"""The whole table goes to an edge in parts, so that those behind it need not wait for all of it."""

from typing import cast

import msgspec
import pytest

from chatapp.registry.cluster.bus.edges import TABLE_SPAN
from chatapp.registry.cluster.bus.remote_edge import TABLE_AT_ONCE
from chatapp.registry.cluster.bus.session import PART_MAX
from chatapp.registry.rules.directory.directory import Person
from chatapp.registry.rules.directory.table import CopiedRow
from chatapp.wire.codec import encode
from chatapp.wire.messages.table import FetchTable, Presence, RosterPage, Row, TablePage
from chatapp.wire.roster import entries_of
from tests.registry.cluster.bus.nodes import STEP, Cluster
from tests.registry.linked_peer import LinkedPeer, rows_of

PEOPLE = 12_000


@pytest.fixture
def cluster() -> Cluster:
    """An engine with a long table, and two edges that have just come in."""
    cluster = Cluster(edges=0)
    card = cluster.engine.member("hal").card
    table = cluster.engine.core.engine.hub.directory.table
    for number in range(PEOPLE):
        own = msgspec.structs.replace(
            card, identity=number.to_bytes(32, "big"), name=f"user {number}"
        )
        version = table.version + 1
        entry = CopiedRow()
        entry.encoded = msgspec.Raw(encode(Row(own, "", 0, Presence.AWAY, 1, 0, version)))
        entry.size = len(entry.encoded)
        table.change(cast("Person", entry), version)
    cluster.add_edges(2)
    return cluster


def fetched(reader: LinkedPeer) -> int:
    """Return how many rows a newcomer gets."""
    count, since, more = 0, 0, True
    while more:
        (page,) = reader.ask(FetchTable(since))
        assert isinstance(page, TablePage | RosterPage)
        if isinstance(page, TablePage):
            count += len(rows_of(list(page.rows)))
        else:
            count += sum(map(len, entries_of(page)))
        since, more = page.version, page.more
    return count


def test_the_whole_table_goes_in_parts(cluster: Cluster) -> None:
    sent: list[int] = []
    take = cluster.engine.node.take_messages

    def taken() -> list[tuple[str, bytes]]:
        messages = take()
        if messages:
            sent.append(sum(len(data) for _, data in messages))
        return messages

    cluster.engine.node.take_messages = taken  # type: ignore[method-assign]
    cluster.advance(2.0)
    assert all(edge.has_table for edge in cluster.engine.node.edges.present)
    assert max(sent) < 2 * (TABLE_AT_ONCE + PART_MAX) * 1.1
    assert sum(sent) > 3 * TABLE_AT_ONCE
    assert sum(size > TABLE_AT_ONCE for size in sent) >= 2
    assert cluster.engine.node.next_timer() > cluster.now


def test_until_then_the_engine_hands_out_its_pages_and_then_the_edge(cluster: Cluster) -> None:
    assert TABLE_SPAN <= STEP
    edge = cluster.edges[0]
    while not cluster.engine.node.edges.present:
        cluster.advance(STEP)
    ann = edge.member("ann")
    assert not cluster.engine.node.edges.present[0].has_table
    assert fetched(ann) == PEOPLE + 2
    cluster.engine.member("max")
    cluster.advance(2.0)
    cluster.engine.member("eve")
    cluster.cut_off.add(edge.id)
    assert fetched(ann) == PEOPLE + 4
