"""Lines in rooms: for the members present, never for strangers, under keys that change with the
members."""

from chatapp.registry.rules.effects import DropReason
from chatapp.wire.codec import Kind, encode
from chatapp.wire.messages.rooms import (
    EnterRooms,
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupRefusal,
    GroupRefused,
    LeaveRoom,
    RoomMember,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import AWAY, HERE, back, entered, page, texts


class TestSpeaking:
    def test_a_line_goes_to_all_who_are_here_as_it_came(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve, joe = rig.member("eve"), rig.member("joe")
        for peer in (ann, bob, eve):
            entered(peer, "tea")
        line = ann.say("hello")
        ((position, at_bob),) = bob.relayed()
        assert at_bob == line
        assert eve.relayed() == [(position, line)]
        assert joe.relayed() == []
        accepted = [notice for notice in ann.notices() if isinstance(notice, GroupAccepted)]
        assert [(one.group, one.position) for one in accepted] == [("#tea", position)]
        assert ann.relayed() == []

    def test_all_links_get_one_bytes_object(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        eve = rig.member("eve")
        for peer in (ann, bob, eve):
            entered(peer, "tea")
        rig.advance(2.0)
        ann.changes()
        assert ann.room_key is not None
        line = ann.room_key.seal(ann.sender_index, b"x")
        rig.core.receive_frames(ann.link or 0, [line], now=rig.now)
        rig.hand_over()
        rig.core.entries_stored(1, now=rig.now)
        (first,), (second,) = (
            pieces for link, pieces in rig.core.take_output().link_writes if link != ann.link
        )
        assert first is second

    def test_lines_of_one_turn_come_in_order(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """A reader needs its entry, the key, and lines of the room and of the channel in the order
        in which they were made."""
        entered(ann, "tea")
        core, now = rig.core, rig.now
        assert ann.room_key is not None
        assert ann.link is not None
        assert bob.link is not None
        lines = [ann.room_key.seal(ann.sender_index, bytes([number])) for number in range(3)]
        core.receive_frames(bob.link, [bob.session.seal(encode(EnterRooms(1, ["tea"])))], now=now)
        rig.hand_over()
        core.receive_frames(ann.link, lines[:1], now=now)
        core.entries_stored(len(rig.handed), now=now)
        rig.handed = []
        core.receive_frames(ann.link, [lines[1], ann.line("to all"), lines[2]], now=now)
        rig.turn()
        kinds = [frame[0] for frame in rig.frames[bob.link]]
        assert kinds[:2] == [Kind.SEALED, Kind.SEALED], "first: you are in, and the key"
        said = [frame for _, frame in bob.relayed()]
        assert [frame for frame in said if frame in lines] == lines
        assert len(said) == 4

    def test_a_newcomer_is_known_before_their_first_line(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.say("hello")
        assert ann.changes() == {bob.id: HERE}
        assert len(ann.relayed()) == 1

    def test_strangers_speak_and_read_nothing(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        assert ann.room_key is not None
        bob.room_keys["#tea"], bob.group = ann.room_key, "#tea"
        bob.say("let me in")
        assert ann.relayed() == []
        assert rig.core.dropped[DropReason.GROUP_FRAME_FROM_NON_MEMBER] == 1
        assert bob.ask(FetchGroup("#tea", 0)) == []
        assert rig.core.dropped[DropReason.PAGE_FOR_NON_MEMBER] == 1
        assert bob.ask(FetchGroup("#milk", 0)) == []
        assert rig.core.dropped[DropReason.UNKNOWN_GROUP] == 1

    def test_nothing_from_before_one_came_is_handed_out(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        ann.say("old")
        answer = entered(bob, "tea")
        ann.say("new")
        assert answer.missed == 0
        assert texts(page(bob, "#tea")) == ["new"]
        bob.ask(LeaveRoom(1, "tea"))
        ann.say("mid")
        entered(bob, "tea")
        assert page(bob, "#tea").lines == [], "once gone, one is a newcomer"

    def test_a_full_disk_refuses_a_line(self, rig: Rig, ann: LinkedPeer) -> None:
        entered(ann, "tea")
        ann.notices()
        rig.store.full = True
        ann.say("hello")
        (refused,) = [notice for notice in ann.notices() if isinstance(notice, GroupRefused)]
        assert (refused.group, refused.reason) == ("#tea", GroupRefusal.DISK_FULL)


class TestKeys:
    def test_a_newcomer_brings_a_new_key_not_oftener_than_every_second(
        self, rig: Rig, ann: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        first = ann.room_key
        assert first is not None
        for number in range(3):
            entered(rig.member(f"user{number}"), "tea")
        rig.advance(0.9)
        grants = [notice for notice in ann.notices() if isinstance(notice, GroupGranted)]
        assert grants == []
        rig.advance(0.2)
        (granted,) = [notice for notice in ann.notices() if isinstance(notice, GroupGranted)]
        assert (granted.group, granted.epoch) == ("#tea", first.epoch + 1)
        rig.advance(10.0)
        assert [notice for notice in ann.notices() if isinstance(notice, GroupGranted)] == []

    def test_the_key_before_serves_meanwhile(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.advance(2.0)
        ann.say("under the first key")
        assert len(bob.relayed()) == 1

    def test_a_key_on_its_way_to_a_slow_disk_has_no_successor(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.auto_commit = False
        rig.advance(2.0)
        rig.hand_over()
        bob.send(LeaveRoom(1, "tea"))
        rig.advance(5.0)
        rig.commit()
        granted = [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)]
        rig.advance(2.0)
        rig.commit()
        later = [notice.epoch for notice in ann.notices() if isinstance(notice, GroupGranted)]
        assert (len(granted), len(later)) == (1, 1)


class TestRestart:
    def test_members_lines_and_places_outlive_a_crash(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "Tea")
        first = entered(bob, "tea")
        ann.say("one")
        bob.drop_link()
        ann.say("two")
        rig.restart(crash=True)
        back(rig, ann, bob)
        answer = entered(ann, "tea")
        assert (answer.group, answer.missed) == ("#Tea", 0)
        assert answer.members == [RoomMember(bob.id, AWAY)]
        again = entered(bob, "tea")
        assert (again.since, again.missed) == (first.since, 1)
        assert texts(page(bob, "#Tea", 0)) == ["one", "two"]
        ann.say("new")
        assert len(bob.relayed()) == 1

    def test_who_did_not_come_back_in_the_life_between_missed_what_was_said_in_it(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        rig.restart()
        back(rig, ann)
        entered(ann, "tea")
        ann.say("bob?")
        rig.restart()
        back(rig, bob)
        assert entered(bob, "tea").missed == 1

    def test_who_left_is_out_after_a_restart_too(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        entered(ann, "tea")
        entered(bob, "tea")
        bob.ask(LeaveRoom(1, "tea"))
        rig.restart()
        back(rig, ann, bob)
        assert entered(ann, "tea").members == []
        assert entered(bob, "tea").missed == 0
