"""The channel's keys: who has them, and when a new one is made."""

from chatapp.registry.rules.rooms.rules import KEY_TRIED_AGAIN_AFTER
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted, GroupRefusal, GroupRefused
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import page


class TestKeys:
    def test_everybody_gets_the_key_with_a_station_of_their_own(self, rig: Rig) -> None:
        ann = rig.peer("ann")
        ann.register()
        granted = ann.attach()[0]
        assert isinstance(granted, GroupGranted)
        bob = rig.member("bob")
        assert bob.key is not None
        assert bob.key.key == granted.key
        assert bob.sender_index > granted.sender_index > 0

    def test_a_new_name_brings_a_new_key_once_a_minute(self, rig: Rig, ann: LinkedPeer) -> None:
        first = ann.epoch
        rig.member("eve")
        assert ann.notices() == []
        rig.advance(61.0)
        (granted,) = ann.notices()
        assert isinstance(granted, GroupGranted)
        assert (granted.epoch, granted.sender_index) == (first + 1, ann.sender_index)
        rig.member("bob")
        rig.advance(30.0)
        assert ann.notices() == []
        rig.advance(31.0)
        assert [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)] == [
            first + 2
        ]
        rig.advance(20.0)
        assert ann.notices() == [], "nobody new, no new key"

    def test_the_key_before_serves_for_a_minute(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.advance(61.0)
        ann.send_raw(ann.line("under the key before"))
        assert len(bob.relayed()) == 1
        ann.notices()
        rig.advance(60.0)
        ann.send_raw(ann.line("too late"))
        assert bob.relayed() == []
        assert ann.notices() == [GroupRefused(CHANNEL, ann.epoch, 1, GroupRefusal.EPOCH_OVER)]

    def test_a_key_serves_when_it_is_on_the_disk(self, rig: Rig, ann: LinkedPeer) -> None:
        rig.auto_commit = False
        rig.advance(61.0)
        assert ann.notices() == []
        rig.commit()
        assert isinstance(ann.notices()[0], GroupGranted)

    def test_a_key_that_the_disk_does_not_take_never_serves(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """Otherwise lines under this key would be on the disk once it has room, and nobody could
        read them later."""
        before = ann.epoch
        rig.store.full = True
        rig.advance(63.0)
        assert ann.notices() == []
        rig.store.full = False
        ann.send_raw(ann.line("in between"))
        rig.advance(KEY_TRIED_AGAIN_AFTER)
        (granted,) = [notice for notice in ann.notices() if isinstance(notice, GroupGranted)]
        ann.attach()
        ann.send_raw(ann.line("afterwards"))
        rig.restart()
        bob.register()
        bob.attach()
        told = page(bob, CHANNEL)
        assert len(told.lines) == 2
        assert {key.epoch for key in told.keys} == {before, granted.epoch}

    def test_a_first_key_that_the_disk_does_not_take_goes_with_the_first_line(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        rig.store.full = True
        rig.restart()
        rig.store.full = False
        for peer in (ann, bob):
            peer.register()
            peer.attach()
        ann.send_raw(ann.line("kept"))
        rig.restart()
        bob.register()
        bob.attach()
        told = page(bob, CHANNEL)
        assert len(told.lines) == 1
        assert ann.epoch in {key.epoch for key in told.keys}

    def test_epochs_rise_over_restarts_and_keys_differ(self, rig: Rig, ann: LinkedPeer) -> None:
        keys, epochs = set(), []
        for _ in range(3):
            assert ann.key is not None
            keys.add(ann.key.key)
            epochs.append(ann.epoch)
            rig.wall_offset -= 3_600
            rig.restart()
            ann.register()
            ann.attach()
        assert len(keys) == 3
        assert epochs == [epochs[0], epochs[0] + 1, epochs[0] + 2]

    def test_sender_indexes_of_two_starts_differ(self, rig: Rig, ann: LinkedPeer) -> None:
        before = ann.sender_index
        rig.restart()
        ann.register()
        ann.attach()
        assert ann.sender_index > before

    def test_sender_indexes_of_two_short_runs_differ(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """Somebody who still has the row of the first must not attribute a line of the second to
        it."""
        before = max(ann.sender_index, bob.sender_index)
        rig.restart(downtime=0.1)
        ann.register()
        ann.attach()
        assert ann.sender_index > before
