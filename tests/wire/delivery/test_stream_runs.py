"""Frames taken together, and messages confirmed together, have the effect that they have one by
one."""

import random
from itertools import chain
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.wire.delivery.parts import Arrived
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import ReliableStream
from chatapp.wire.messages.direct import PROVISIONAL, Ack, DeliveryFrame, Floor, Gap, Part, PartAck

POLICY: Final = Policy(window=4, window_limit=4, hold_numbers=6, message_limit=40, assemblies=2)
NEAR: Final = st.integers(0, 14)
NUMBERS: Final = NEAR | st.sampled_from([2**60, 2**61])
"""A hostile sender chooses numbers far apart, between which nobody may count."""
WHOLE: Final = st.builds(Part, NUMBERS, st.just(0), st.just(1), st.binary(max_size=8))
PIECES: Final = st.builds(
    lambda number, count, size, indexes: [
        Part(number, index, count, bytes((index,)) * size) for index in indexes
    ],
    NUMBERS,
    st.integers(2, 4),
    st.integers(1, 30),
    st.lists(st.integers(0, 4), max_size=6),
)
RUN: Final = st.builds(
    lambda first, count: [Part(first + at, 0, 1, b"text") for at in range(count)], NEAR, NEAR
)
FRAME: Final = st.one_of(
    WHOLE,
    st.builds(Part, NUMBERS, st.integers(0, 3), st.integers(1, 3), st.binary(max_size=8)),
    st.builds(Part, st.just(3), st.just(0), st.just(1), st.binary(min_size=39, max_size=42)),
    st.just(Part(PROVISIONAL, 0, 1, b"")),
    st.builds(Floor, NUMBERS),
    st.builds(Gap, NUMBERS, st.integers(1, 5)),
    st.builds(Ack, NUMBERS, st.lists(st.integers(1, 4), min_size=1, max_size=3)),
    st.builds(
        PartAck, NUMBERS, st.integers(0, 2), st.lists(st.integers(1, 2), min_size=1, max_size=1)
    ),
)
DATAGRAM: Final = st.one_of(RUN, PIECES, st.lists(FRAME, max_size=8))


class Reader:
    """A stream, what it told, and what it sent."""

    def __init__(self, *, together: bool) -> None:
        self.stream = ReliableStream(POLICY, rng=random.Random(1))
        for number in range(3):
            self.stream.send(number, bytes(number), now=0.0)
        self.seen: list[object] = [self.stream.payloads_to_send(now=0.0)]
        self._together = together
        self._to_store: list[int] = []

    def take(self, datagrams: list[list[DeliveryFrame]], now: float) -> None:
        if self._together:
            self.seen.append(self.stream.receive_all(datagrams, now=now))
        else:
            for frame in chain.from_iterable(datagrams):
                self.stream.receive(frame, now=now)
            self.seen.append([])
        events = self.stream.events()
        self._to_store += [event.number for event in events if isinstance(event, Arrived)]
        self.seen += [events, self.stream.ignored]

    def store(self, now: float) -> None:
        stored, self._to_store = self._to_store, []
        if self._together:
            if stored:
                self.stream.confirm(stored, now=now)
        else:
            for number in stored:
                self.stream.confirm([number], now=now)
        inbox = self.stream.inbox
        self.seen += [
            self.stream.payloads_to_send(now=now),
            inbox.ready(now),
            inbox.floor,
            inbox.next_timer(),
            self.stream.is_at_rest,
        ]


@example(
    [([[Part(1, 0, 1, b"one"), Floor(1)], [Floor(1), Floor(2)], [Part(1, 0, 1, b"one")]], True)]
)
@example([([[Part(0, 0, 1, b"one"), Part(2**60, 0, 1, b"two")]], True)])
@given(st.lists(st.tuples(st.lists(DATAGRAM, max_size=4), st.booleans()), max_size=12))
def test_a_run_has_the_effect_of_its_messages_one_by_one(
    turns: list[tuple[list[list[DeliveryFrame]], bool]],
) -> None:
    together, singly = Reader(together=True), Reader(together=False)
    for turn, (datagrams, stores) in enumerate(turns):
        for reader in (together, singly):
            reader.take(datagrams, float(turn))
            if stores:
                reader.store(float(turn))
        assert together.seen == singly.seen


def test_a_run_that_fits_the_order_is_ready_at_once() -> None:
    reader = Reader(together=True)
    reader.take([[Part(number, 0, 1, b"text")] for number in range(5)], 1.0)
    reader.store(1.0)
    assert reader.seen[-4] == [0, 1, 2, 3, 4]
