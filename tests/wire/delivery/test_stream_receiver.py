"""The receiving half: what it accepts, and its acknowledgements."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.codec import join_frames
from chatapp.wire.delivery import dedup
from chatapp.wire.delivery.dedup import Inbox
from chatapp.wire.delivery.parts import Arrived, Assemblies, DeliveryEvent, PartBuffer, Syncs
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.ranges import spans
from chatapp.wire.delivery.stream import StreamReceiver
from chatapp.wire.messages.direct import Ack, DeliveryFrame, Part, PartAck
from tests.wire.delivery.network import frames_of


class ReceivingEnd:
    """A receiving half with its inbox and its notices."""

    def __init__(self, policy: Policy | None = None, *, floor: int = 0) -> None:
        self.policy = policy or Policy()
        self.events: list[DeliveryEvent] = []
        self.inbox = Inbox(self.policy, floor=floor)
        assemblies = Assemblies(self.policy, PartBuffer(self.policy))
        self.stream_receiver = StreamReceiver(
            self.policy, self.inbox, self.events, assemblies, Syncs()
        )

    def say(self) -> list[DeliveryFrame]:
        return frames_of(join_frames(self.stream_receiver.frames()))


def numbers_in(frames: list[DeliveryFrame]) -> set[int]:
    acks = [frame for frame in frames if isinstance(frame, Ack)]
    return {
        number
        for ack in acks
        for start, end in spans(ack.first, ack.ranges)
        for number in range(start, end)
    }


def test_a_message_is_new_until_confirmed_and_a_repeat_for_ever() -> None:
    receiver = ReceivingEnd()
    stream_receiver = receiver.stream_receiver
    for _ in range(3):
        assert stream_receiver.receive_part(Part(5, 0, 1, b"hello"), 0.0)
    assert receiver.events == [Arrived(5, b"hello")]
    assert not stream_receiver.owes
    stream_receiver.confirm([5], 1.0)
    assert receiver.say() == [Ack(5, [1])]
    assert not stream_receiver.owes
    assert stream_receiver.receive_part(Part(5, 0, 1, b"hello"), 0.0)
    assert receiver.say() == [Ack(5, [1])]
    assert receiver.events == [Arrived(5, b"hello")]


def test_a_message_that_could_not_be_stored_arrives_again() -> None:
    receiver = ReceivingEnd()
    for _ in range(2):
        receiver.stream_receiver.receive_part(Part(5, 0, 1, b"hello"), 0.0)
        receiver.stream_receiver.reject(5)
    assert receiver.events == [Arrived(5, b"hello")] * 2
    assert receiver.stream_receiver.unconfirmed == {}


def test_parts_are_acknowledged_as_held_and_the_message_when_stored() -> None:
    receiver = ReceivingEnd()
    stream_receiver = receiver.stream_receiver
    stream_receiver.receive_part(Part(5, 3, 4, b"d"), 0.0)
    stream_receiver.receive_part(Part(5, 0, 4, b"a"), 0.0)
    assert receiver.say() == [PartAck(5, 0, [1, 2, 1])]
    assert receiver.say() == []
    stream_receiver.receive_part(Part(5, 1, 4, b"b"), 0.0)
    stream_receiver.receive_part(Part(5, 2, 4, b"c"), 0.0)
    assert receiver.events == [Arrived(5, b"abcd")]
    assert receiver.say() == [PartAck(5, 0, [4])]
    stream_receiver.receive_part(Part(5, 2, 4, b"c"), 0.0)
    assert receiver.say() == [PartAck(5, 0, [4])]
    stream_receiver.receive_part(Part(5, 2, 4, b"c"), 0.0)
    stream_receiver.confirm([5], 1.0)
    assert receiver.say() == [Ack(5, [1])]


def test_a_repeat_below_the_floor_is_acknowledged() -> None:
    receiver = ReceivingEnd(floor=10)
    receiver.stream_receiver.receive_part(Part(3, 0, 1, b"old"), 0.0)
    receiver.stream_receiver.receive_part(Part(12, 0, 1, b"new"), 0.0)
    receiver.stream_receiver.confirm([12], 1.0)
    assert numbers_in(receiver.say()) == {3, 12}
    assert receiver.events == [Arrived(12, b"new")]


@given(
    st.sets(st.integers(0, 300), max_size=60),
    st.sets(st.integers(0, 300), max_size=60),
    st.integers(0, 300),
)
def test_every_acknowledgement_that_is_owed_is_said_and_none_else(
    stored: set[int], repeated: set[int], floor: int
) -> None:
    receiver = ReceivingEnd()
    for number in stored:
        receiver.stream_receiver.confirm([number], 1.0)
    receiver.say()
    receiver.stream_receiver.raise_floor(floor)
    for number in repeated:
        receiver.stream_receiver.receive_part(Part(number, 0, 1, b"again"), 0.0)
    said = numbers_in(receiver.say())
    assert repeated & stored <= said <= stored
    assert {
        event.number for event in receiver.events if isinstance(event, Arrived)
    } == repeated - stored


def test_an_acknowledgement_holds_the_newest_ranges() -> None:
    receiver = ReceivingEnd()
    for number in range(0, 200, 2):
        receiver.stream_receiver.confirm([number], 1.0)
    receiver.say()
    receiver.stream_receiver.confirm([200], 1.0)
    (ack,) = receiver.say()
    assert ack == Ack(138, [1] * 63)


def test_the_floor_drops_incomplete_messages() -> None:
    receiver = ReceivingEnd()
    receiver.stream_receiver.receive_part(Part(5, 0, 2, b"a"), 0.0)
    receiver.stream_receiver.raise_floor(6)
    assert receiver.stream_receiver.bytes_held == 0
    assert receiver.say() == []


def test_what_the_floor_passes_on_its_way_to_the_disk_is_shown_once() -> None:
    """The sender let 5 and 6 expire while we were writing them; 6 had come by mail as well, and was
    shown."""
    receiver = ReceivingEnd(floor=5)
    for number in (5, 6, 7):
        receiver.stream_receiver.receive_part(Part(number, 0, 1, b"x"), 0.0)
    receiver.inbox.store(6, 1.0)
    receiver.stream_receiver.raise_floor(7)
    receiver.stream_receiver.raise_floor(7)
    assert receiver.inbox.ready(1.0) == [6]
    for number in (5, 6, 7):
        receiver.stream_receiver.confirm([number], 2.0)
    assert receiver.inbox.ready(2.0) == [5, 7]
    receiver.stream_receiver.confirm([5], 3.0)
    assert receiver.inbox.ready(3.0) == []


def test_messages_stored_together_are_shown_although_one_of_them_closes_old_holes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dedup, "RANGES_MAX", 8)
    monkeypatch.setattr(dedup, "HOLES_MAX", 2)
    receiver = ReceivingEnd()
    numbers = [*range(21_000, 40_000, 1_000), *range(1_000, 21_000, 1_000)]
    for number in numbers:
        assert receiver.stream_receiver.receive_part(Part(number, 0, 1, b"hello"), 0.0)
    receiver.stream_receiver.confirm(numbers, 0.0)
    assert sorted(receiver.inbox.ready(Policy().hold_span)) == sorted(numbers)


def test_what_could_not_be_stored_and_was_passed_by_the_floor_is_new_again() -> None:
    receiver = ReceivingEnd(floor=5)
    receiver.stream_receiver.receive_part(Part(5, 0, 1, b"x"), 0.0)
    receiver.stream_receiver.raise_floor(6)
    receiver.stream_receiver.reject(5)
    assert receiver.inbox.ready(1.0) == []
    receiver.stream_receiver.receive_part(Part(5, 0, 1, b"x"), 1.0)
    receiver.stream_receiver.confirm([5], 1.0)
    assert receiver.inbox.ready(1.0) == [5]


def test_a_message_that_came_by_mail_needs_its_parts_no_more() -> None:
    receiver = ReceivingEnd()
    receiver.stream_receiver.receive_part(Part(5, 0, 2, b"a"), 0.0)
    receiver.inbox.store(5, 1.0)
    receiver.stream_receiver.receive_part(Part(5, 1, 2, b"b"), 0.0)
    assert receiver.stream_receiver.bytes_held == 0
    assert Ack(5, [1]) in receiver.say()
    assert receiver.events == []


@pytest.mark.parametrize(
    "part",
    [
        Part(5, 1, 1, b"x"),
        Part(5, 0, 1, bytes(101)),
        Part(5, 2, 2, b"x"),
        Part(5, 0, 0, b"x"),
        Part(5, 0, 2, b""),
    ],
)
def test_nonsense_is_dropped_and_said_to_be(part: Part) -> None:
    receiver = ReceivingEnd(Policy(message_limit=100))
    assert not receiver.stream_receiver.receive_part(part, 0.0)
    assert receiver.events == []
    assert not receiver.stream_receiver.owes


def test_a_message_of_one_part_is_taken_up_to_the_longest() -> None:
    receiver = ReceivingEnd(Policy(message_limit=100))
    assert receiver.stream_receiver.receive_part(Part(5, 0, 1, bytes(100)), 0.0)
    assert receiver.events == [Arrived(5, bytes(100))]


def fill_hold(receiver: ReceivingEnd) -> None:
    for number in range(1, 1 + receiver.policy.hold_numbers):
        receiver.stream_receiver.confirm([number], 1.0)


def fill_disk_queue(receiver: ReceivingEnd) -> None:
    for number in range(100, 100 + receiver.policy.unconfirmed_parts):
        receiver.stream_receiver.receive_part(Part(number, 0, 1, b"x"), 0.0)


@pytest.mark.parametrize("fill", [fill_hold, fill_disk_queue])
def test_without_room_nothing_new_is_taken(fill: Callable[[ReceivingEnd], None]) -> None:
    receiver = ReceivingEnd(Policy(hold_numbers=6, window_limit=2))
    fill(receiver)
    receiver.say()
    before = len(receiver.events)
    assert not receiver.stream_receiver.receive_part(Part(50, 0, 1, b"new"), 0.0)
    assert len(receiver.events) == before
    assert not receiver.stream_receiver.owes


@pytest.mark.parametrize("settle", ["confirm", "reject"])
def test_as_many_parts_as_there_is_room_for_wait_for_the_disk(settle: str) -> None:
    """This holds whatever came by mail meanwhile."""
    receiver = ReceivingEnd(Policy(window_limit=2))
    if settle == "confirm":
        receiver.stream_receiver.confirm([5], 1.0)
    else:
        receiver.stream_receiver.reject(5)
    taken = [
        receiver.stream_receiver.receive_part(Part(number, 0, 1, b"x"), 0.0)
        for number in range(100, 106)
    ]
    assert taken == [True] * receiver.policy.unconfirmed_parts + [False] * 2


def test_a_part_that_comes_again_while_the_disk_is_busy_is_acknowledged_as_held() -> None:
    receiver = ReceivingEnd()
    for index in range(2):
        assert receiver.stream_receiver.receive_part(Part(5, index, 2, b"x"), 0.0)
    receiver.say()
    assert receiver.stream_receiver.receive_part(Part(5, 0, 2, b"x"), 0.0)
    assert receiver.say() == [PartAck(5, 0, [2])]


def test_of_a_message_that_is_stored_or_refused_no_parts_are_held() -> None:
    receiver = ReceivingEnd()
    for number in (5, 6):
        for index in range(2):
            receiver.stream_receiver.receive_part(Part(number, index, 2, b"x"), 0.0)
    receiver.stream_receiver.confirm([5], 1.0)
    receiver.stream_receiver.reject(6)
    assert receiver.say() == [Ack(5, [1])]


def test_acknowledgements_that_nobody_fetches_are_bounded() -> None:
    receiver = ReceivingEnd(Policy(hold_numbers=6), floor=100)
    for number in range(50):
        receiver.stream_receiver.receive_part(Part(number, 0, 1, b"old"), 0.0)
    assert len(numbers_in(receiver.say())) == 6
