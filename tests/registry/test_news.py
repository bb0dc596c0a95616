"""This file is about news of presence: a chain of signed batches to everybody online."""

from registry.policy import Policy
from tests.registry.hand import rows_of
from tests.registry.rig import Rig
from wire.messages.table import FetchTable, Row, TablePage


class TestNews:
    def test_a_change_is_told_to_everybody_online_once_and_signed(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.batches()
        version = rig.core._service.directory.version
        bob.drop_link()
        rig.advance(0.004)
        assert ann.batches() == []
        rig.advance(0.02)
        (batch,) = ann.batches()
        assert batch.since == version
        (row,) = rows_of(batch.rows)  # type: ignore[arg-type]
        assert (row.card.name, row.online, row.version) == ("bob", False, batch.version)

    def test_the_last_version_is_told_once_more(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.batches()
        bob.drop_link()
        rig.advance(0.1)
        (batch,) = ann.batches()
        rig.advance(1.0)
        (again,) = ann.batches()
        assert (again.since, again.version, again.rows) == (batch.version, batch.version, [])
        rig.advance(10.0)
        assert ann.batches() == []

    def test_batches_are_a_chain_without_gaps(self, rig: Rig) -> None:
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        reached = rig.core._service.directory.version
        seen: dict[str, Row] = {}
        for number in range(12):
            rig.member(f"user{number}")
            if number % 3 == 0:
                rig.advance(0.07)
        rig.advance(1.0)
        for batch in ann.batches():
            assert batch.since == reached
            reached = batch.version
            seen |= {row.card.name: row for row in rows_of(batch.rows)}  # type: ignore[arg-type]
        assert reached == rig.core._service.directory.version
        assert len(seen) == 12
        assert all(row.online and row.station for row in seen.values())

    def test_a_storm_is_told_by_its_version_alone_and_fetched(self, rig: Rig) -> None:
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        before = rig.core._service.directory.version
        for number in range(60):
            rig.hand(f"user{number}").register()
        rig.advance(1.0)
        batches = ann.batches()
        assert {(batch.since == batch.version, len(batch.rows)) for batch in batches} == {(True, 0)}
        assert len(batches) <= 3
        names: set[str] = set()
        more = True
        while more:
            (page,) = ann.ask(FetchTable(before))
            assert isinstance(page, TablePage)
            names |= {row.card.name for row in rows_of(page.rows)}  # type: ignore[arg-type]
            before, more = page.version, page.more
        assert len(names) == 60

    def test_a_long_storm_is_told_now_and_then(self) -> None:
        rig = Rig(policy=Policy(broadcast_datagrams=1))
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        told = 0
        for turn in range(20):
            for number in range(8):
                rig.hand(f"user{turn}x{number}").register()
            rig.advance(0.1)
            told += len(ann.batches())
        assert 2 <= told <= 4

    def test_those_away_are_not_told(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.drop_link()
        ann.batches()
        bob.drop_link()
        rig.advance(1.0)
        assert ann.batches() == []
