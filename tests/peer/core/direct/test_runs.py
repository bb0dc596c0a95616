"""Messages that come together, and numbers given in a row, have the effect that they have one by
one: the usual ones take a shorter way through the same parts.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import LineEvent
from chatapp.peer.core.conversation import OutgoingStream, bodies_of
from chatapp.peer.core.inbox import Stream, Streams
from chatapp.peer.core.records import StoredStream
from chatapp.wire.delivery.dedup import Admission
from chatapp.wire.delivery.parts import Arrived
from chatapp.wire.messages.direct import DeliveryFrame, DirectBody, Floor, Gap, Part
from tests.peer.core.receiver_driver import BOB, ReceiverDriver, letter, part

NUMBERS: Final = st.integers(0, 9)
TEXTS: Final = st.sampled_from(["", "hi", "gr\u00fc\u00df dich"])
TEXT: Final = st.builds(part, NUMBERS, TEXTS)
RUN: Final = st.builds(
    lambda first, count: [part(first + at) for at in range(count)], NUMBERS, NUMBERS
)
FRAME: Final = st.one_of(
    TEXT,
    TEXT,
    st.builds(Part, NUMBERS, st.just(0), st.just(1), st.just(b"\xc1")),
    st.builds(Floor, NUMBERS),
    st.builds(Gap, NUMBERS, st.integers(1, 4)),
)
DATAGRAM: Final = st.one_of(RUN, st.lists(FRAME, max_size=6))
STEP: Final = st.one_of(
    DATAGRAM,
    DATAGRAM,
    st.just("store"),
    st.just("store"),
    st.sampled_from(["show", "ignore", "heed", "drained"]),
    st.builds(letter, NUMBERS),
)


class PlainStreams(Streams):
    """Takes messages one by one, as the rules say it and without a shorter way."""

    def take_direct(self, stream: Stream, messages: Sequence[tuple[int, DirectBody]]) -> None:
        for number, said in messages:
            if stream.inbox.admit(number) is Admission.NEW:
                self._keep(stream, number, said, late=False)
                self.written.append((stream, [number], True))
            else:
                assert stream.conversation is not None
                stream.conversation.delivery.reject(number)

    def lines_shown(self, lines: Iterable[LineEvent]) -> None:
        for line in lines:
            super().lines_shown([line])


class Reader:
    """Alice, and all that came of what she heard."""

    def __init__(self, *, together: bool) -> None:
        self._driver = ReceiverDriver()
        if not together:
            self._driver.streams.__class__ = PlainStreams
        self._together = together
        self.seen: list[object] = []

    def take(self, step: object) -> None:
        driver = self._driver
        if step == "store":
            self.seen.append([*driver.out.records, *driver.streams.marks()])
            driver.store()
            self.seen.append(driver.acked())
        elif step == "show":
            self.seen.append(driver.shown())
        elif step == "ignore":
            driver.contacts.ignored.add(BOB.id)
        elif step == "heed":
            driver.contacts.ignored.clear()
        elif step == "drained":
            driver.catch_up.is_mail_drained = not driver.catch_up.is_mail_drained
        elif isinstance(step, list):
            self._hear(step)
        else:
            driver.gets(step)  # type: ignore[arg-type]

    def _hear(self, frames: list[DeliveryFrame]) -> None:
        driver = self._driver
        contact = driver.contacts.by_identity(BOB.id)
        assert contact is not None
        delivery = driver.direct_receiver.conversation(contact).delivery
        delivery.receive_all([frames], now=driver.now)
        arrived = [event for event in delivery.events() if isinstance(event, Arrived)]
        runs = [arrived] if self._together else [[event] for event in arrived]
        self.seen.append(
            sum(driver.direct_receiver.messages_arrived(contact, run) for run in runs if run)
        )
        driver.direct_receiver.frames_read(contact, now=driver.now)
        stream = driver.streams[BOB.id]
        self.seen.append(
            (stream.size, stream.held, stream.highest, stream.shown, sorted(stream.behind))
        )


@given(st.lists(STEP, max_size=16))
def test_messages_that_arrive_together_are_taken_as_one_by_one(steps: list[object]) -> None:
    together, singly = Reader(together=True), Reader(together=False)
    for step in [*steps, "store", "show", "store"]:
        for reader in (together, singly):
            reader.take(step)
        assert together.seen == singly.seen


AHEAD: Final = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.5, 4.0]))


@given(st.lists(st.tuples(st.integers(0, 5), AHEAD, st.booleans()), max_size=12))
def test_a_message_gets_the_number_that_a_line_would_get(
    moments: list[tuple[int, float | None, bool]],
) -> None:
    """The numbers of messages are taken by a shorter way, mostly."""
    said, carried = OutgoingStream(StoredStream()), OutgoingStream(StoredStream())
    for wall, ahead, is_told in moments:
        if is_told:
            said.learn(7_000_000)
            carried.learn(7_000_000)
        message, line = (
            said.add("hi", wall=wall, ahead=ahead),
            carried.carry(b"hi", wall=wall, ahead=ahead),
        )
        assert (message.number, message.since) == (line.number, line.since)
        assert (said.gaps, said.has_provisional) == (carried.gaps, carried.has_provisional)
        assert bodies_of([message, line]) == [
            (message.number, message.body),
            (line.number, line.body),
        ]
