"""Our peer and an independent peer: how ours sends a message (clause 6)."""

import pytest

from chatapp.peer.api import events
from tests.conformance import by_hand
from tests.conformance.ours import NOW, WALL, Ours, frames_for
from tests.conformance.stranger import Fields, Stranger, unpacked
from tests.support.screen import is_now


def test_a_message_is_tried_five_times(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "A message that is not acknowledged is tried 5 times, 500 ms apart, and given up
    as unanswered 500 ms after the last"."""
    ours.wait(3.0)
    ours.take()
    number = ours.core.direct.send("bob", "are you there?", now=ours.now).number
    begun = ours.now
    tries = []
    ours.settle()
    while ours.now < begun + 4.0:
        parts = [frame for frame in frames_for(bob, ours.take()) if frame[0] == 1]
        tries += [round(ours.now - begun, 1)] * len(parts)
        assert all(frame[1:4] == [number, 0, 1] for frame in parts)
        ours.wait(0.1)
    assert tries == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_a_floor_stands_with_every_part(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "A sender puts Floor into every datagram with a Part"."""
    number = ours.core.direct.send("bob", "hello", now=ours.now).number
    ours.settle()
    ours.wait(2.0)
    datagrams = [bob.open(data) for data, _ in ours.take() if data[0] in (6, 7, 10)]
    assert datagrams
    for frames in datagrams:
        assert [frame[0] for frame in frames].count(4) == 1
        assert [frame[1] for frame in frames if frame[0] == 4] == [number]


def test_numbers_begin_with_the_clock(ours: Ours, bob: Stranger) -> None:
    """Clause 6.2: "the larger of the last one stored + 1 and the clock in microseconds; each later
    number is one higher"."""
    first = ours.core.direct.send("bob", "one", now=ours.now).number
    second = ours.core.direct.send("bob", "two", now=ours.now + 5.0).number
    assert first == int((WALL + ours.now - NOW) * 1_000_000)
    assert second == first + 1


def numbers_of(bob: Stranger, ours: Ours) -> list[int]:
    """The numbers of the parts that ours has sent."""
    return [frame[1] for frame in frames_for(bob, ours.take()) if frame[0] == 1]


def test_a_delivered_message_is_sent_again_to_another_life_of_its_recipient(
    ours: Ours, bob: Stranger
) -> None:
    """Clause 6.13: "the sender sends them again, under their numbers"."""
    ours.receive(bob.seal([8]))
    first = ours.core.direct.send("bob", "on the disk", now=ours.now).number
    ours.settle()
    ours.receive(bob.seal([2, first, [1], 7, 1]))
    ours.receive(bob.seal([9, 7, 1]))
    second = ours.core.direct.send("bob", "not yet", now=ours.now).number
    ours.settle()
    ours.receive(bob.seal([2, second, [1], 7, 2]))
    ours.take()
    ours.wait(3.0)
    assert numbers_of(bob, ours) == []
    ours.receive(bob.seal([9, 8, 0]))
    ours.wait(0.005)
    assert numbers_of(bob, ours) == [second]
    ours.receive(bob.seal([2, second, [1], 8, 0]))
    ours.wait(3.0)
    ours.receive(bob.seal([9, 9, 0]))
    ours.wait(3.0)
    assert numbers_of(bob, ours) == []
    assert len([event for event in ours.seen if is_now(event, events.MessageState.DELIVERED)]) == 2


def test_an_acknowledgement_that_comes_after_its_sync_was_done(ours: Ours, bob: Stranger) -> None:
    """Clause 6.13: "the number of the sync after which all that it names survives a power cut, or 0
    if it does already"."""
    for ack_sync in (0, 1):
        number = ours.core.direct.send("bob", "hello", now=ours.now).number
        ours.settle()
        ours.receive(bob.seal([9, 7, 1], [2, number, [1], 7, ack_sync]))
    ours.take()
    ours.receive(bob.seal([9, 8, 0]))
    ours.wait(3.0)
    assert numbers_of(bob, ours) == []


def test_the_floor_waits_for_the_disk_of_the_recipient(ours: Ours, bob: Stranger) -> None:
    """Clause 6.3: "delivered ones once they survive a power cut at the recipient"."""
    floors = []
    numbers = []
    for step in range(3):
        numbers.append(ours.core.direct.send("bob", "hello", now=ours.now).number)
        ours.settle()
        floors += [frame[1] for frame in frames_for(bob, ours.take()) if frame[0] == 4]
        ours.receive(bob.seal([2, numbers[-1], [1], 7, 1 + step // 2]))
        if step == 1:
            ours.receive(bob.seal([9, 7, 1]))
    assert [floor for floor in floors if floor < numbers[2]] == [numbers[0], numbers[0]]
    assert floors[-1] == numbers[2]


def test_an_acknowledgement_ends_the_tries(ours: Ours, bob: Stranger) -> None:
    """Clause 6.4: "Ack names numbers that the receiver has stored"."""
    begun = ours.core.direct.send("bob", "hello", now=ours.now)
    ours.settle()
    ours.receive(bob.seal([2, begun.number, [1]]))
    assert [event.id for event in ours.seen if is_now(event, events.MessageState.DELIVERED)] == [
        begun.id
    ]
    ours.take()
    ours.wait(3.0)
    assert [data for data, _ in ours.take() if data[0] in (6, 7, 10)] == []


@pytest.mark.parametrize("size", [1, 1_032, 1_033, 5_000, 65_536])
def test_no_datagram_is_longer_than_it_may_be(ours: Ours, bob: Stranger, size: int) -> None:
    """Clause 6.6: "A body is cut into **parts** of at most 1,033 bytes, all of one size but the
    last"."""
    ours.core.direct.send("bob", "x" * size, now=ours.now)
    ours.settle()
    sent = ours.take()
    assert all(len(data) <= 1_232 for data, _ in sent)
    parts = {frame[2]: frame for frame in frames_for(bob, sent) if frame[0] == 1}
    count = next(iter(parts.values()))[3]
    assert sorted(parts) == list(range(count))
    assert {len(parts[index][4]) for index in range(count - 1)} <= {1_033}
    body = b"".join(parts[index][4] for index in range(count))
    assert body == by_hand.packed([int((WALL + ours.now - NOW) * 1_000), "x" * size])


def parts_of(bob: Stranger, ours: Ours) -> list[Fields]:
    return [frame for frame in frames_for(bob, ours.take()) if frame[0] == 1]


def test_numbers_begin_above_what_the_recipient_knows(bob: Stranger) -> None:
    """Clause 6.10: "at the largest of `number`, its own clock and the last one stored + 1"."""
    ours = Ours(bob, has_been_in=False)
    provisional = [
        ours.core.direct.send("bob", text, now=ours.now).number for text in ("one", "two")
    ]
    ours.settle()
    assert [frame[1:] for frame in parts_of(bob, ours)] == [
        [number, 0, 1, b""] for number in provisional
    ]
    assert min(provisional) >= 2**62
    known = int((WALL + 3_600.0) * 1_000_000)
    ours.receive(bob.seal([6, known]))
    told = sorted(parts_of(bob, ours))
    first = told[0][1]
    assert known <= first < known + 2**32, "above that by a random number below 2^32"
    assert [frame[1] for frame in told] == [first, first + 1]
    assert [unpacked(frame[4])[1] for frame in told] == ["one", "two"]
    ours.receive(bob.seal([6, first + 1_000]))
    assert ours.core.direct.send("bob", "three", now=ours.now).number == first + 2, (
        "they begin once"
    )


def test_nothing_is_sent_under_a_number_that_is_not_stored(bob: Stranger) -> None:
    """Clause 6.10: "otherwise a sender that crashes would send them again under other numbers"."""
    ours = Ours(bob, has_been_in=False)
    ours.core.direct.send("bob", "hello", now=ours.now)
    ours.settle()
    ours.take()
    ours.is_disk_slow = True
    ours.receive(bob.seal([6, 7]))
    ours.wait(3.0)
    assert parts_of(bob, ours) == []
    ours.is_disk_slow = False
    ours.settle()
    ours.settle()
    assert [frame[1] >= int(WALL * 1_000_000) for frame in parts_of(bob, ours)] == [True]


def test_an_acknowledgement_of_an_unsent_message_is_ignored(bob: Stranger) -> None:
    """Clause 6.10: "a **provisional number**, 2^62 or above, which the sender chooses freely"."""
    ours = Ours(bob, has_been_in=False)
    number = ours.core.direct.send("bob", "hello", now=ours.now).number
    ours.settle()
    ours.receive(bob.seal([2, number, [1]]))
    assert not any(is_now(event, events.MessageState.DELIVERED) for event in ours.seen)
    ours.receive(bob.seal([6, 2**61 + 1]))
    assert {frame[1] for frame in parts_of(bob, ours)} <= {number}, "more than anybody may know"


def test_typing_is_said_now_and_then_and_only_in_a_session(ours: Ours, bob: Stranger) -> None:
    """Clause 6.11: "sent at most every 3 seconds, and only in a session that exists already"."""
    ours.core.direct.send_typing("bob", now=ours.now)
    ours.core.direct.send_typing("nobody", now=ours.now)
    ours.settle()
    ours.wait(0.5)
    assert [8] not in frames_for(bob, ours.take())
    ours.receive(bob.seal([4, 0]))
    ours.take()
    stored, said = len(ours.disk), []
    for _ in range(8):
        ours.core.direct.send_typing("bob", now=ours.now)
        ours.settle()
        said.append(frames_for(bob, ours.take()).count([8]))
        ours.wait(1.0)
    assert said == [1, 0, 0, 1, 0, 0, 1, 0]
    assert len(ours.disk) == stored
    ours.core.leave(now=ours.now)
    ours.settle()
    ours.take()
    ours.wait(3.0)
    ours.core.direct.send_typing("bob", now=ours.now)
    ours.settle()
    assert ours.take() == [], "we are offline"
