"""Broadcasts of table changes: a chain of signed batches to everybody online."""

import pytest

from chatapp.registry.rules.admin_requests import ReleaseName
from chatapp.registry.rules.directory.directory import (
    LINK_AWAITED_FOR,
    Directory,
    TableBroadcaster,
)
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.codec import decode_table_batch
from chatapp.wire.identity import Identity, make_card, table_in
from chatapp.wire.limits import (
    CUT_SIZE,
    ROW_CHANGES_BURST,
    ROW_CHANGES_PER_NETWORK_BURST,
    ROW_CHANGES_SPAN,
)
from chatapp.wire.messages.table import (
    Card,
    FetchTable,
    Presence,
    RosterPage,
    Row,
    SetStatus,
    TablePage,
)
from chatapp.wire.roster import entries_of
from tests.registry.linked_peer import rows_of, table_of
from tests.registry.rig import Rig, row_of


def card_of(number: int) -> Card:
    """The card of one of many people."""
    identity = Identity(number.to_bytes(32))
    return make_card(identity, name=f"user{number}", mail=bytes(32), counter=1)


class TestBatches:
    def test_a_change_is_sent_to_everybody_online_once_and_signed(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.batches()
        version = rig.core.engine.hub.directory.version
        bob.drop_link()
        rig.advance(0.004)
        assert ann.batches() == []
        rig.advance(0.02)
        (batch,) = ann.batches()
        assert batch.since == version
        (row,) = rows_of(batch.rows)  # type: ignore[arg-type]
        assert (row.card.name, row.online, row.version) == ("bob", False, batch.version)

    def test_the_last_version_is_sent_once_more(self, rig: Rig) -> None:
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
        reached = rig.core.engine.hub.directory.version
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
        assert reached == rig.core.engine.hub.directory.version
        assert len(seen) == 12
        assert all(row.online and row.sender_index for row in seen.values())

    def test_of_a_storm_only_the_version_is_sent_and_the_rows_are_fetched(self) -> None:
        rig = Rig(policy=RegistryPolicy(broadcast_datagrams=1))
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        before = rig.core.engine.hub.directory.version
        for number in range(60):
            rig.peer(f"user{number}").register()
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

    def test_a_long_storm_is_sent_from_time_to_time(self) -> None:
        rig = Rig(policy=RegistryPolicy(broadcast_datagrams=1))
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        told = 0
        for turn in range(20):
            for number in range(30):
                rig.peer(f"user{turn}x{number}").register()
            rig.advance(0.1)
            told += len(ann.batches())
        assert 2 <= told <= 4

    def test_many_changes_a_second_are_announced_once_a_second(self) -> None:
        """Rows of a crowd that comes in, each of them once, would be several datagrams every 0.1 s
        for everybody."""
        rig = Rig(policy=RegistryPolicy(broadcast_datagrams=1))
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        told = []
        for turn in range(30):
            for number in range(30):
                rig.peer(f"user{turn}x{number}").register()
            rig.advance(0.1)
            told.append(len(ann.told()))
        assert sum(told[10:]) <= 3

    def test_what_would_fill_many_datagrams_with_rows_is_sent_in_columns(self, rig: Rig) -> None:
        """Clause 3.3: "a change that would need more is sent in columns"."""
        ann = rig.member("ann")
        crowd = [rig.member(f"user{number}") for number in range(60)]
        rig.advance(2.0)
        (start,) = ann.ask(FetchTable(rig.core.engine.hub.directory.version))
        assert isinstance(start, TablePage)
        ann.told()
        for one in crowd:
            one.drop_link()
        rig.advance(0.2)
        for number in range(60):
            rig.peer(f"late{number}").register()
        rig.advance(3.0)
        reached, gone, came = start.version, set[bytes](), set[str]()
        for batch in ann.told():
            assert batch.since == reached
            reached = batch.version
            if isinstance(batch, RosterPage):
                whole, known = entries_of(batch)
                came |= {one.name for one in whole if one.name}
                gone |= {one.key for one in known if one.presence is Presence.LOST}
            else:
                came |= {row.card.name for row in rows_of(batch.rows)}  # type: ignore[arg-type]
        assert reached == rig.core.engine.hub.directory.version
        assert gone == {one.identity.public[:CUT_SIZE] for one in crowd}
        assert came == {f"late{number}" for number in range(60)}

    def test_a_name_that_is_first_told_in_a_chain_is_whole_in_it(self) -> None:
        """Also if its row has changed again, so that it moved behind the end of its batch."""
        directory, identity = Directory(version=100), Identity(bytes(32))
        broadcaster = TableBroadcaster(directory.table, identity, RegistryPolicy(whole_rows_told=0))
        people = [directory.bind(card_of(number), channel_since=0, at=0) for number in range(60)]
        directory.set_status(people[0], "busy", None)
        broadcaster.check(now=0.0)
        pages = [
            decode_table_batch(table_in(one))
            for one in broadcaster.handle_timer(audience=1, now=1.0)
        ]
        rosters = [one for one in pages if isinstance(one, RosterPage)]
        assert len(rosters) == len(pages) > 1
        names = [entry.name for one in rosters for entry in entries_of(one)[0]]
        assert sorted(names) == sorted(person.card.name for person in people)
        assert not any(one.cuts for one in rosters)

    def test_changes_wait_until_the_last_broadcast_has_been_sent(self, rig: Rig) -> None:
        ann, bob, cas = rig.member("ann"), rig.member("bob"), rig.member("cas")
        rig.advance(1.0)
        ann.batches()
        rig.core.broadcast_backlog(waits=True)
        bob.drop_link()
        rig.advance(1.0)
        cas.drop_link()
        rig.advance(1.0)
        rig.core.handle_timer(now=rig.now)  # as when another deadline is met
        rig.turn()
        assert ann.batches() == []
        rig.core.broadcast_backlog(waits=False)
        rig.advance(0.3)
        first, last = ann.batches()
        assert {row.card.name for row in rows_of(first.rows)} == {"bob", "cas"}  # type: ignore[arg-type]
        assert (last.version, last.rows) == (first.version, [])

    @pytest.mark.parametrize("crowd", [38, 60])
    def test_a_lone_change_behind_a_large_one_is_sent_as_a_row_and_once_more(
        self, rig: Rig, crowd: int
    ) -> None:
        """The pause behind the large one is longer than that before an announcement."""
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(5.0)
        ann.batches()
        for number in range(crowd):
            rig.peer(f"user{number}").register()
        rig.advance(LINK_AWAITED_FOR + 0.02)
        assert ann.told()
        bob.drop_link()
        rig.advance(2.0)
        told, again = ann.batches()
        assert [row.card.name for row in rows_of(told.rows)] == ["bob"]  # type: ignore[arg-type]
        assert (again.version, again.rows) == (told.version, [])

    def test_people_who_are_away_are_sent_nothing(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        rig.advance(1.0)
        ann.drop_link()
        ann.batches()
        bob.drop_link()
        rig.advance(1.0)
        assert ann.batches() == []


def names_told(rig: Rig) -> set[str]:
    """Return whose rows a reader of the whole table gets."""
    delta = rig.core.engine.hub.directory.table.delta(0, bytes_max=1 << 30, rows_max=1 << 30)
    return {row.card.name for row in rows_of(delta.rows)}  # type: ignore[arg-type]


class TestRates:
    """A person who comes and goes all the time costs others one row from time to time."""

    def test_a_row_that_flaps_is_sent_twelve_times_and_then_once_in_five_seconds(
        self, rig: Rig
    ) -> None:
        bob = rig.peer("bob")
        bob.register()
        rig.advance(2.0)
        before = rig.core.engine.hub.directory.version
        for _ in range(500):
            bob.leave()
            rig.advance(0.2)
            bob.ping()
            rig.advance(0.2)
        changes = (
            rig.core.engine.hub.directory.version - before
        )  # not a sum: floats have no room for versions
        assert changes <= ROW_CHANGES_BURST + 1.1 * 200 / ROW_CHANGES_SPAN
        bob.leave()
        rig.advance(ROW_CHANGES_SPAN)
        assert not row_of(rig, bob).online, "as they stand by then"
        told = rig.core.engine.hub.directory.version
        for _ in range(20):
            rig.advance(1.0)
            bob.ping()
            bob.leave()
            bob.ping()
        assert rig.core.engine.hub.directory.version <= told + int(20 / ROW_CHANGES_SPAN) + 1

    def test_so_is_one_that_says_something_else_all_the_time(self, rig: Rig) -> None:
        bob = rig.member("bob")
        rig.advance(2.0)
        before = rig.core.engine.hub.directory.version
        for number in range(500):
            bob.send(SetStatus(str(number), None))
            rig.advance(0.2)
        changes = rig.core.engine.hub.directory.version - before
        assert changes <= ROW_CHANGES_BURST + 2 * 100 / ROW_CHANGES_SPAN, (
            "some share an announcement"
        )
        rig.advance(ROW_CHANGES_SPAN)
        assert row_of(rig, bob).status == "499", "as it stands by then"

    def test_an_unchanged_row_is_not_sent_again_when_due(self, rig: Rig) -> None:
        bob = rig.peer("bob")
        bob.register()
        for _ in range(50):
            bob.leave()
            rig.advance(0.11)
            bob.ping()
            rig.advance(0.11)
        before = rig.core.engine.hub.directory.version
        is_sent_online = row_of(rig, bob).online
        bob.ping() if is_sent_online else bob.leave()
        rig.advance(ROW_CHANGES_SPAN + 1.0)
        assert rig.core.engine.hub.directory.version == before

    def test_a_table_that_is_read_meanwhile_shows_rows_as_they_were_sent(self, rig: Rig) -> None:
        """Otherwise a reader would keep a state that no later version corrects."""
        ann, bob = rig.member("ann"), rig.peer("bob")
        bob.register()
        for _ in range(50):
            bob.leave()
            rig.advance(0.11)
            bob.ping()
            rig.advance(0.11)
        first = table_of(ann)["bob"]
        bob.leave()
        bob.renew()
        assert table_of(ann)["bob"] == first

    def test_the_people_of_one_network_share_a_rate_and_others_are_sent_at_once(
        self, rig: Rig
    ) -> None:
        rig.member("ann")
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(600)]
        for peer in pending:
            peer.register()
        assert len(rig.core.engine.hub.directory) == 601, "all are served"
        rig.advance(LINK_AWAITED_FOR)
        told = len(names_told(rig))
        assert told == 1 + int(ROW_CHANGES_PER_NETWORK_BURST)
        rig.member("carol")
        assert "carol" in names_told(rig)
        rig.advance(2.0)
        assert told + 45 <= len(names_told(rig)) <= told + 55, "25 a second"
        versions = set[int]()
        for _ in range(100):
            rig.advance(0.01)
            versions.add(rig.core.engine.hub.directory.version)
        assert len(versions) <= 1 + 5, "five at once, in one datagram"
        rig.advance(30.0)
        assert len(names_told(rig)) == 602

    def test_a_name_that_is_released_before_it_was_sent_is_forgotten(self, rig: Rig) -> None:
        pending = [rig.peer(f"user{number}", host="10.9.9.9") for number in range(600)]
        for peer in pending:
            peer.register()
        pending[-1].leave()
        rig.core.run_admin_request(ReleaseName("user599"), "a", now=rig.now)
        rig.turn()
        rig.advance(60.0)
        assert len(rig.core.engine.hub.directory) == 599

    def test_changes_of_earlier_runs_are_sent_at_once(self, rig: Rig) -> None:
        for number in range(600):
            rig.peer(f"user{number}", host="10.9.9.9").register()
        rig.restart()
        assert len(names_told(rig)) == 600


class TestJoins:
    def test_each_join_is_one_version_and_one_batch(self, rig: Rig) -> None:
        ann = rig.member("ann")
        rig.advance(1.0)
        ann.batches()
        directory = rig.core.engine.hub.directory
        for number in range(5):
            version = directory.version
            peer = rig.peer(f"user{number}")
            peer.register()
            assert directory.version == version, "nobody is told before the link is there"
            rig.now += 0.09
            peer.attach()
            rig.advance(0.2)
            assert directory.version == version + 1
            assert {batch.version for batch in ann.batches() if batch.rows} == {version + 1}
            row = table_of(ann)[peer.name]
            assert (row.online, row.sender_index) == (True, peer.sender_index)

    def test_one_without_a_link_is_told_after_a_tenth_of_a_second(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.peer("bob")
        directory = rig.core.engine.hub.directory
        version = directory.version
        bob.register()
        rig.advance(LINK_AWAITED_FOR - 0.001)
        assert directory.version == version
        rig.advance(0.002)
        assert (directory.version, table_of(ann)["bob"].online) == (version + 1, True)
        bob.attach()
        assert directory.version == version + 2

    def test_one_who_returns_with_a_newer_card_is_told_once(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.drop_link()
        rig.advance(1.0)
        directory = rig.core.engine.hub.directory
        version = directory.version
        bob.renew()
        bob.register()
        bob.attach()
        rig.advance(1.0)
        assert directory.version == version + 1
        row = table_of(ann)["bob"]
        assert (row.card, row.online, row.sender_index) == (bob.card, True, bob.sender_index)

    def test_one_who_registers_and_leaves_at_once_is_told_as_away(self, rig: Rig) -> None:
        ann, bob = rig.member("ann"), rig.peer("bob")
        version = rig.core.engine.hub.directory.version
        bob.register()
        bob.leave()
        rig.advance(1.0)
        assert rig.core.engine.hub.directory.version == version + 1
        assert not table_of(ann)["bob"].online
