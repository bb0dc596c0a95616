"""The channel's log: kept for absent members, with the keys that open it."""

from chatapp.wire.codec import unpack_group
from chatapp.wire.limits import GROUP_KEPT_FOR
from chatapp.wire.messages.rooms import CHANNEL, FetchGroup, GroupAccepted, GroupPage
from chatapp.wire.sealing import GroupKey
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import page


def texts(answer: GroupPage) -> list[bytes]:
    """Return the lines, opened with the keys that came with them."""
    keys = {one.epoch: GroupKey(CHANNEL, epoch=one.epoch, key=one.key) for one in answer.keys}
    return [keys[unpack_group(line.frame).epoch].open_stored(line.frame) for line in answer.lines]


class TestPast:
    def test_who_was_away_gets_what_others_said(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        start = rig.core.engine.hub.channel.group.position
        bob.drop_link()
        for number in range(3):
            ann.send_raw(ann.line(f"line {number}"))
        bob.attach()
        answer = page(bob, CHANNEL, start)
        assert [line.position for line in answer.lines] == [start + 1, start + 2, start + 3]
        assert {line.sender for line in answer.lines} == {ann.id}
        assert b"line 2" in texts(answer)[2]
        assert page(ann, CHANNEL, start).lines == [], "one's own lines are not among them"

    def test_lines_of_earlier_epochs_and_runs_come_with_their_keys(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        epochs = [ann.epoch]
        ann.send_raw(ann.line("first"))
        rig.advance(61.0)
        ann.take_grants(ann.notices())
        epochs.append(ann.epoch)
        ann.send_raw(ann.line("second"))
        rig.restart(crash=True)
        ann.register()
        ann.attach()
        epochs.append(ann.epoch)
        ann.send_raw(ann.line("third"))
        bob.register()
        bob.attach()
        answer = page(bob, CHANNEL)
        assert [key.epoch for key in answer.keys] == epochs
        for text, opened in zip((b"first", b"second", b"third"), texts(answer), strict=True):
            assert text in opened

    def test_a_position_is_never_given_twice(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """A line was shown and lost with the disk: no other line may get its position."""
        ann.send_raw(ann.line("lost"))
        ((lost, _),) = bob.relayed()
        del rig.store._durable.groups[CHANNEL].lines[lost]
        rig.restart(crash=True)
        ann.register()
        ann.attach()
        ann.send_raw(ann.line("kept"))
        accepted = ann.notices()[-1]
        assert isinstance(accepted, GroupAccepted)
        assert accepted.position > lost
        bob.register()
        bob.attach()
        assert len(page(bob, CHANNEL, lost).lines) == 1

    def test_newcomers_do_not_get_what_was_said_before_they_came(
        self, rig: Rig, ann: LinkedPeer
    ) -> None:
        ann.send_raw(ann.line("before"))
        eve = rig.member("eve")
        ann.send_raw(ann.line("after"))
        assert [b"after" in text for text in texts(page(eve, CHANNEL))] == [True]
        rig.restart()
        eve.register()
        eve.attach()
        assert len(page(eve, CHANNEL).lines) == 1

    def test_a_page_ends_and_the_next_goes_on(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        for _ in range(5):
            ann.send_raw(ann.line("x" * 20_000))
        bob.relayed()
        first = page(bob, CHANNEL)
        assert (len(first.lines), first.more) == (2, True)
        second = page(bob, CHANNEL, first.position)
        third = page(bob, CHANNEL, second.position)
        assert (len(second.lines), len(third.lines), third.more) == (2, 1, False)

    def test_lines_that_the_disk_lost_are_left_out(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        for text in ("one", "two"):
            ann.send_raw(ann.line(text))
        lines = rig.store._state.groups[CHANNEL].lines
        lines.pop(next(iter(lines)))
        answer = page(bob, CHANNEL)
        assert len(answer.lines) == 1
        assert answer.position == rig.core.engine.hub.channel.group.position

    def test_old_lines_go(self, rig: Rig, ann: LinkedPeer) -> None:
        bob = rig.peer("bob")
        bob.register()
        ann.send_raw(ann.line("old"))
        rig.now += GROUP_KEPT_FOR
        rig.advance(61.0)
        bob.register()
        bob.attach()
        assert page(bob, CHANNEL).lines == []
        rig.restart()
        stored = rig.store.load().groups[CHANNEL]
        assert not stored.lines

    def test_another_group_is_not_there(self, rig: Rig, ann: LinkedPeer) -> None:
        assert ann.ask(FetchGroup("#room", 0)) == []


def test_positions_rise_over_restarts_with_the_clock_set_back_and_no_lines(rig: Rig) -> None:
    """Clause 8.4. Members keep the place that they heard of; a line below it would never be shown
    to them."""
    before = rig.core.engine.hub.channel.group.position
    rig.wall_offset -= 3_600
    rig.restart()
    assert rig.core.engine.hub.channel.group.position > before


def test_stations_of_one_life_are_none_of_the_next_however_soon_it_begins() -> None:
    """In a table from before the restart, each index would name somebody else."""
    rig = Rig()
    before = {rig.member(f"bot{number}").sender_index for number in range(50)}
    rig.restart(downtime=0.1)
    after = {rig.member(f"new{number}").sender_index for number in range(50)}
    assert len(before) == len(after) == 50
    assert not before & after
