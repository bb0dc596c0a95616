"""This file is about the registry's lives: each goes on where the one before ended, whatever the clock says."""

from tests.registry.hand import table_of
from tests.registry.rig import Rig
from wire.messages.registration import Welcome


def test_restart_without_amnesia(rig: Rig) -> None:
    bob, ann = rig.member("bob"), rig.member("ann")
    version = rig.core._service.directory.version
    rig.restart(downtime=60.0)
    welcome = ann.register()
    assert isinstance(welcome, Welcome)
    assert welcome.table_version > version
    ann.attach()
    rows = table_of(ann)
    assert rows["bob"].card == bob.card
    assert not rows["bob"].online
    assert rows["ann"].online
    assert all(row.version > version for row in rows.values())


def test_versions_go_on_when_the_clock_was_set_back_during_a_restart(rig: Rig) -> None:
    ann = rig.member("ann")
    rig.member("bob")
    version = rig.core._service.directory.version
    rig.wall_offset -= 86_400.0
    rig.restart()
    ann.register(table_version=version)
    ann.attach()
    assert set(table_of(ann, since=version)) == {"ann", "bob"}


def test_claims_of_later_versions_make_work_once_a_minute_only(rig: Rig) -> None:
    ann = rig.member("ann")
    version = rig.core._service.directory.version
    ann.register(table_version=version + 1_000)
    ann.register(table_version=version + 10**12)
    assert rig.core._service.directory.version < version + 10**12
    rig.advance(61.0)
    ann.register(table_version=version + 10**12)
    assert rig.core._service.directory.version > version + 10**12


def test_a_second_table_of_an_earlier_life_is_caught_up_with_when_its_time_comes(rig: Rig) -> None:
    """Clause 3.2. Else its peer took our rows for old ones for as long as our clock had been set back."""
    bob, carol = rig.hand("bob"), rig.hand("carol")
    assert isinstance(bob.register(table_version=rig.core._service.directory.version + 1_000_000), Welcome)
    claimed = rig.core._service.directory.version + 1_000_000
    assert isinstance(carol.register(table_version=claimed), Welcome)
    assert rig.core._service.directory.version < claimed
    rig.advance(rig.policy.catch_up_span)
    assert rig.core._service.directory.version >= claimed
    bob.attach()
    assert {row.version > claimed for row in table_of(bob).values()} == {True}


def test_no_life_uses_a_version_of_another_whatever_the_clock_says(rig: Rig) -> None:
    """Clause 3.2. Else a row that was stamped anew below what a peer has would never reach it."""
    seen: set[int] = set()
    for _ in range(4):
        bob = rig.member(f"bob{len(seen)}")
        versions = {row.version for row in table_of(bob).values()}
        assert not versions & seen and min(versions) > max(seen, default=0)
        seen |= versions
        rig.wall_offset -= 3_600
        rig.restart()
