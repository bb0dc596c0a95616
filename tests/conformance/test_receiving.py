"""Our peer and an independent peer: how ours handles incoming messages (clause 6)."""

from collections.abc import Callable
from typing import Any

import pytest

from chatapp.peer.api.events import PersonTyping, Seen
from chatapp.peer.core.records import IncomingAdded, MarkMoved
from chatapp.wire.messages.direct import TunnelEnd, TunnelPiece
from tests.conformance import by_hand
from tests.conformance.ours import WALL, Ours, acked, frames_for, part
from tests.conformance.stranger import Stranger

NUMBER = 1_700_000_000_000_007


def test_an_acknowledgement_means_that_it_is_stored(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "Ack names numbers that the receiver has stored, so that they survive the death
    of its program; it is never sent before"."""
    ours.is_disk_slow = True
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    assert acked(bob, ours.take()) == set()
    assert ours.texts() == []
    ours.is_disk_slow = False
    ours.settle()
    assert acked(bob, ours.take()) == {7}
    assert ours.texts() == ["hello"]
    assert any(isinstance(record, IncomingAdded) and record.number == 7 for record in ours.disk)


def test_everybody_learns_when_what_was_acknowledged_survives_a_power_cut(
    ours: Ours, bob: Stranger
) -> None:
    """Clause 6.13: "everybody who was sent an Ack with its number or a lower one is sent
    **OnDisk**"."""
    ours.is_sync_slow = True
    ours.receive(bob.seal([4, 7], part(7, "hello")))
    (ack,) = [frame for frame in frames_for(bob, ours.take()) if frame[0] == 2]
    assert ack[:3] == [2, 7, [1]]
    assert ack[3] != 0
    assert ack[4] != 0
    ours.synced()
    assert frames_for(bob, ours.take()) == []  # nothing else is sent
    ours.wait(10.0)
    assert [frame for frame in frames_for(bob, ours.take()) if frame[0] == 9] == [[9, *ack[3:]]]
    ours.synced()
    ours.wait(10.0)
    assert frames_for(bob, ours.take()) == []
    ours.receive(bob.seal(part(7, "hello")))
    (again,) = [frame for frame in frames_for(bob, ours.take()) if frame[0] == 2]
    assert again[3:] == [ack[3], 0]


def test_a_repeat_is_acknowledged_and_not_shown(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "A repeat is acknowledged again, and not shown"."""
    for _ in range(3):
        ours.receive(bob.seal([4, 7], part(7, "hello")))
        assert acked(bob, ours.take()) == {7}
    assert ours.texts() == ["hello"]


@pytest.mark.parametrize("settling", [[4, 7], [5, 6, 1]], ids=["floor", "gap"])
def test_what_is_settled_and_never_came_is_shown_when_it_comes(
    ours: Ours, bob: Stranger, settling: list[int]
) -> None:
    """Clause 6.3: "A number that never came is new when it comes, also below the floor or in a
    gap"."""
    ours.receive(bob.seal([4, 6], settling, part(7, "seven")))
    assert ours.texts() == ["seven"]
    for _ in range(2):
        ours.receive(bob.seal(part(6, "six")))
        assert 6 in acked(bob, ours.take())
    assert ours.texts() == ["seven", "six"]


def test_what_has_come_is_a_repeat_below_the_floor_too(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "A receiver knows what has come"."""
    ours.receive(bob.seal([4, 6], part(6, "six")))
    ours.receive(bob.seal([4, 8], part(8, "eight")))
    ours.receive(bob.seal(part(6, "six")))
    assert 6 in acked(bob, ours.take())
    assert ours.texts() == ["six", "eight"]


def test_messages_are_shown_in_order(ours: Ours, bob: Stranger) -> None:
    """Clause 6.7: "A receiver shows each message of a sender once, in the order of their
    numbers"."""
    ours.receive(bob.seal([4, 7], part(9, "nine")))
    ours.receive(bob.seal(part(8, "eight")))
    assert ours.texts() == []
    assert acked(bob, ours.take()) == {8, 9}
    ours.receive(bob.seal(part(7, "seven")))
    assert ours.texts() == ["seven", "eight", "nine"]


def test_a_hole_is_waited_for_15_seconds(ours: Ours, bob: Stranger) -> None:
    """Clause 6.7: "A message that comes after its place was skipped is shown when it comes"."""
    ours.receive(bob.seal([4, 7], part(8, "eight")))
    ours.wait(14.9)
    assert ours.texts() == []
    ours.wait(0.2)
    assert ours.texts() == ["eight"]
    ours.receive(bob.seal(part(7, "seven")))
    assert ours.texts() == ["eight", "seven"]


def test_nobody_waits_for_what_never_comes(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "**Gap** names `count` numbers from `first` on that are not sent although the
    floor is below them"."""
    ours.receive(bob.seal([4, 5], part(5, "five"), [5, 6, 2], part(8, "eight")))
    assert ours.texts() == ["five", "eight"]


def test_parts_in_any_order(ours: Ours, bob: Stranger) -> None:
    """Clause 6.6: "PartAck names the parts of an incomplete message that are held in memory, where
    a restart loses them; it does not say that the message is stored"."""
    body = by_hand.packed([0, "x" * 3_000])
    pieces = [body[at : at + 1_000] for at in range(0, len(body), 1_000)]
    order = [3, 1, 0]
    for index in order:
        ours.receive(bob.seal([4, 7], [1, 7, index, 4, pieces[index]]))
    frames = frames_for(bob, ours.take())
    assert [frame for frame in frames if frame[0] == 3][-1] == [3, 7, 0, [2, 1, 1]]
    assert not [frame for frame in frames if frame[0] == 2]
    ours.receive(bob.seal([1, 7, 2, 4, pieces[2]]))
    assert acked(bob, ours.take()) == {7}
    assert ours.texts() == ["x" * 3_000]


def test_other_frames_are_ignored_between_peers(ours: Ours, bob: Stranger) -> None:
    """Clause 5.3: "Between peers, tags 1 to 11 and 15 to 20 count and the
    others are ignored"."""
    ours.receive(bob.seal([12, 1], [11, 1, 2**40], [13, 1], [4, 7], part(7, "hello")))
    assert {frame[0] for frame in frames_for(bob, ours.take())} <= set(range(1, 9))
    assert ours.texts() == ["hello"]


def test_frames_of_tunnels_cost_no_message(ours: Ours, bob: Stranger) -> None:
    """Clause 5.3: "A frame with an unknown tag, or with a value out of bounds, is skipped; the other
    frames of the datagram count"."""
    wrong: list[Any] = [
        [16, 5, True, 0, b""],
        [16, 5, True, 0, bytes(1_001)],
        [17, 5, True, 0, 0, [0]],
        [18, 1 << 32, True],
        [19, 1 << 32],
        [20, 5, 2],
    ]
    ours.receive(bob.seal(*wrong, [16, 5, True, 0, b"x"], [18, 5, True], [4, 7], part(7, "hello")))
    assert ours.texts() == ["hello"]
    assert ours.core.file_frames == [
        (bob.identity, TunnelPiece(5, True, 0, b"x"), False),
        (bob.identity, TunnelEnd(5, True), False),
    ]


def test_the_last_ping_of_a_peer_is_answered_on_its_path(ours: Ours, bob: Stranger) -> None:
    """Clause 6.12: "answers each with a **Pong** by the path on which the Ping came, with the table
    version 0; of several Pings in one datagram it answers the last"."""
    ours.receive(bob.seal([10, 3], [10, 5]))
    assert frames_for(bob, ours.take()) == [[11, 5, 0]]


def test_a_peer_that_asks_is_told_which_numbers_are_known(ours: Ours, bob: Stranger) -> None:
    """Clause 6.10: "A receiver neither stores nor acknowledges such a part. It answers the datagram
    with one **Known**"."""
    clock = int(WALL * 1_000_000)
    ours.receive(bob.seal([1, 2**62, 0, 1, b""], [1, 2**62 + 1, 0, 1, b""]))
    frames = frames_for(bob, ours.take())
    assert [frame for frame in frames if frame[0] != 4] == [[6, clock]]
    ours.receive(bob.seal([4, clock + 7], part(clock + 9, "nine"), [1, 2**62, 0, 1, b""]))
    assert [6, clock + 10] in frames_for(bob, ours.take())
    assert ours.texts() == []


def test_who_is_typing_is_told_once_a_second_and_answered_nothing(
    ours: Ours, bob: Stranger
) -> None:
    """Clause 6.11: "It is neither stored, nor acknowledged, nor sent again"."""
    ours.receive(bob.seal([4, 0]))
    ours.take()
    stored = len(ours.disk)
    for _ in range(4):
        ours.receive(bob.seal([8], [8]))
        ours.wait(0.5)
    assert [event for event in ours.seen if isinstance(event, PersonTyping)] == [
        PersonTyping(name="bob")
    ] * 2
    assert (frames_for(bob, ours.take()), len(ours.disk)) == ([], stored)
    ours.core.roster.trust.ignore("bob", is_ignored=True)
    ours.wait(2.0)
    ours.receive(bob.seal([8]))
    assert sum(isinstance(event, PersonTyping) for event in ours.seen) == 2, "ignored"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:1] + bytes(8) + data[9:],
        lambda data: b"\x08" + data[1:],
        lambda data: b"\x63" + data[1:],
        lambda data: b"",
    ],
)
def test_what_is_wrong_is_dropped(
    ours: Ours, bob: Stranger, spoil: Callable[[bytes], bytes]
) -> None:
    """Clause 1.5: "A datagram or frame is dropped if it does not decode or open, or has an unknown
    session, an unknown kind or a bad signature"."""
    ours.take()
    good = bob.seal([4, 7], part(7, "hello"))
    ours.receive(spoil(good))
    assert ours.take() == []
    assert ours.texts() == []
    ours.receive(good)
    assert ours.texts() == ["hello"]
    ours.receive(good)
    assert ours.texts() == ["hello"]


def test_seen_marks_go_both_ways_or_not_at_all(bob: Stranger) -> None:
    """Clause 6.15: "A sender names no number to a peer that has not sent a SeenUpTo since it last
    began a session ... and repeats it after 2 and after 10 seconds"."""
    ours = Ours(bob, gives_marks=True)
    ours.receive(bob.seal(part(NUMBER, "hi")))
    ours.core.direct.user_saw({bob.identity: NUMBER}, now=ours.now)
    ours.wait(20.0)
    assert marks_for(bob, ours) == [0, 0, 0]
    ours.receive(bob.seal([15, 0]))
    ours.wait(20.0)
    assert marks_for(bob, ours) == [NUMBER] * 3
    ours.core.direct.user_saw({bob.identity: NUMBER - 1}, now=ours.now)
    ours.wait(20.0)
    assert marks_for(bob, ours) == [], "it never falls"
    bob.forget()
    ours.receive(bob.seal([4, 0]))
    ours.wait(20.0)
    assert marks_for(bob, ours) == [0, 0, 0], "this program may give none any more"


def test_marks_are_taken_once_a_second_and_of_what_was_said(bob: Stranger) -> None:
    """Clause 6.15: "A receiver ignores it unless its own user has asked for marks, of people whom
    its user ignores, and a number above all that it has used"."""
    ours = Ours(bob, gives_marks=True)
    first = ours.core.direct.send("bob", "one", now=ours.now).number
    second = ours.core.direct.send("bob", "two", now=ours.now).number
    ours.receive(bob.seal([15, second + 1], [15, 2**63 - 1]))
    ours.wait(2.0)
    assert seen_by(ours) == []
    ours.receive(bob.seal([15, first]))
    ours.wait(0.0)
    for _ in range(5):
        ours.receive(bob.seal(*([15, number] for number in range(first - 50, first + 1))))
        ours.receive(bob.seal([15, second], [15, first]))
        ours.wait(0.1)
    ours.wait(5.0)
    assert seen_by(ours) == [first, second]
    assert sum(isinstance(one, MarkMoved) for one in ours.disk) == 2
    ours.core.roster.trust.ignore("bob", is_ignored=True)
    third = ours.core.direct.send("bob", "three", now=ours.now).number
    ours.take()
    ours.receive(bob.seal(part(NUMBER, "are you there?"), [15, third]))
    ours.core.direct.user_saw({bob.identity: NUMBER}, now=ours.now)
    ours.wait(5.0)
    assert (seen_by(ours), marks_for(bob, ours)) == ([first, second], [])


def test_without_the_users_wish_marks_are_neither_taken_nor_given(
    ours: Ours, bob: Stranger
) -> None:
    """Clause 6.15: "A user may ask for seen marks"."""
    number = ours.core.direct.send("bob", "hi", now=ours.now).number
    ours.receive(bob.seal(part(NUMBER, "hi"), [15, number]))
    ours.core.direct.user_saw({bob.identity: NUMBER}, now=ours.now)
    ours.wait(20.0)
    assert (seen_by(ours), marks_for(bob, ours)) == ([], [])


def marks_for(who: Stranger, ours: Ours) -> list[int]:
    return [frame[1] for frame in frames_for(who, ours.take()) if frame[0] == 15]


def seen_by(ours: Ours) -> list[int]:
    return [event.target.number for event in ours.seen if isinstance(event, Seen)]
