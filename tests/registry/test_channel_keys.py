"""This file is about the channel's keys: who has them, and when another one comes."""

from tests.registry.hand import Hand
from tests.registry.rig import Rig
from wire.messages.group import CHANNEL, GroupGranted, GroupRefused


class TestKeys:
    def test_everybody_gets_the_key_with_a_station_of_their_own(self, rig: Rig) -> None:
        ann = rig.hand("ann")
        ann.register()
        granted = ann.attach()[0]
        assert isinstance(granted, GroupGranted)
        bob = rig.member("bob")
        assert bob.key is not None
        assert bob.key.key == granted.key
        assert bob.station > granted.station > 0

    def test_a_new_name_brings_a_new_key_once_a_minute(self, rig: Rig, ann: Hand) -> None:
        rig.member("eve")
        assert ann.notices() == []
        rig.advance(61.0)
        (granted,) = ann.notices()
        assert isinstance(granted, GroupGranted)
        assert (granted.epoch, granted.station) == (2, ann.station)
        rig.member("bob")
        rig.advance(30.0)
        assert ann.notices() == []
        rig.advance(31.0)
        assert [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)] == [3]
        rig.advance(20.0)
        assert ann.notices() == [], "nobody new, no new key"

    def test_the_key_before_serves_for_a_minute(self, rig: Rig, ann: Hand, bob: Hand) -> None:
        rig.advance(61.0)
        ann.send_raw(ann.line("under the key before"))
        assert len(bob.relayed()) == 1
        ann.notices()
        rig.advance(60.0)
        ann.send_raw(ann.line("too late"))
        assert bob.relayed() == []
        assert ann.notices() == [GroupRefused(CHANNEL, 1, 1, disk_full=False)]

    def test_a_key_serves_when_it_is_on_the_disk(self, rig: Rig, ann: Hand) -> None:
        rig.auto_commit = False
        rig.advance(61.0)
        assert ann.notices() == []
        rig.commit()
        assert isinstance(ann.notices()[0], GroupGranted)

    def test_epochs_rise_over_restarts_and_keys_differ(self, rig: Rig, ann: Hand) -> None:
        seen = {}
        for epoch in (1, 2, 3):
            assert ann.key is not None
            assert ann.key.epoch == epoch
            seen[ann.key.key] = epoch
            rig.restart()
            ann.register()
            ann.attach()
        assert len(seen) == 3

    def test_stations_of_two_lives_differ(self, rig: Rig, ann: Hand) -> None:
        before = ann.station
        rig.restart()
        ann.register()
        ann.attach()
        assert ann.station > before
