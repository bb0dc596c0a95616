"""Restarts of the registry: versions and positions go on above the earlier ones, whatever the clock
and the disk say."""

from chatapp.wire.messages.registration import Welcome
from chatapp.wire.messages.rooms import CHANNEL, GroupAccepted
from tests.registry.linked_peer import LinkedPeer, table_of
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import page
from tests.support.memory_store import MemoryStore


def backup_of(rig: Rig) -> MemoryStore:
    """Return a copy of the registry's disk as it is now."""
    copied = MemoryStore()
    copied._durable = rig.store._durable.copy()
    return copied


def places_said(ann: LinkedPeer, count: int) -> list[int]:
    """Return the positions in the channel's log of so many lines of a member."""
    for number in range(count):
        ann.send_raw(ann.line("x", number))
    return [notice.position for notice in ann.notices() if isinstance(notice, GroupAccepted)]


def come_back(peer: LinkedPeer) -> None:
    """Register and attach again, at the restarted registry."""
    assert isinstance(peer.register(), Welcome)
    peer.attach()


def test_a_restart_forgets_nothing(rig: Rig) -> None:
    bob, ann = rig.member("bob"), rig.member("ann")
    version = rig.core.engine.hub.directory.version
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
    version = rig.core.engine.hub.directory.version
    rig.wall_offset -= 86_400.0
    rig.restart()
    ann.register()
    ann.attach()
    assert set(table_of(ann, since=version)) == {"ann", "bob"}


def test_no_run_uses_a_version_of_another_whatever_the_clock_says(rig: Rig) -> None:
    """Clause 3.2. Else a row that was stamped anew below what a peer has would never reach it."""
    seen: set[int] = set()
    for _ in range(4):
        bob = rig.member(f"bob{len(seen)}")
        versions = {row.version for row in table_of(bob).values()}
        assert not versions & seen and min(versions) > max(seen, default=0)
        seen |= versions
        rig.wall_offset -= 3_600
        rig.restart()


def test_no_position_of_the_log_is_used_again_when_the_disk_is_restored(rig: Rig) -> None:
    """Otherwise a member with a cursor from the lost runs never fetches new lines."""
    ann = rig.member("ann")
    rig.restart()
    come_back(ann)
    backup = backup_of(rig)
    lost = places_said(ann, 5)
    rig.restart()  # of this life, too, the backup knows nothing
    come_back(ann)
    lost += places_said(ann, 5)
    rig.store = backup
    rig.restart(downtime=3.0)
    come_back(ann)
    said = places_said(ann, 5)
    assert min(said) > max(lost)
    bob = rig.member("bob")
    assert page(bob, CHANNEL, max(lost)).position == max(said)


def test_no_version_is_used_again_when_the_disk_is_restored(rig: Rig) -> None:
    ann = rig.member("ann")
    backup = backup_of(rig)
    rig.restart()
    come_back(ann)
    rig.member("lost")
    version = rig.core.engine.hub.directory.version
    rig.store = backup
    rig.restart(downtime=3.0)
    come_back(ann)
    assert min(row.version for row in table_of(ann).values()) > version


def test_two_runs_under_one_epoch_do_not_share_positions(rig: Rig) -> None:
    """The disk was restored and the clock set back, both at once."""
    ann = rig.member("ann")
    backup = backup_of(rig)
    rig.restart()
    come_back(ann)
    lost = places_said(ann, 50)
    rig.store = backup
    rig.wall_offset -= 86_400.0
    rig.restart()
    come_back(ann)
    assert not set(places_said(ann, 50)) & set(lost)
