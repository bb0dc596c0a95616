"""Delivery traces: accurate however they are packed, and empty where nothing happened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.api.trace import (
    SENT_AT_ONCE,
    STEPS_MAX,
    TraceEvent,
    TraceStep,
    readable,
    unpacked,
)
from chatapp.peer.core.context import DeliveryTraces, RegistryReach, WallClock, packed
from chatapp.peer.core.conversation import Message
from chatapp.peer.core.records import (
    OutgoingChanged,
    OutgoingDelivered,
    OutgoingOnDisk,
    StoredOutgoing,
    StoredStream,
)
from chatapp.wire.limits import MAIL_KEPT_FOR
from chatapp.wire.messages.mail import MailRefusal
from tests.peer.core.cast import WALL
from tests.peer.core.ladder_driver import BOB, LadderDriver

traces = DeliveryTraces(WallClock(WALL))


def written(at: float = 0.0) -> Message:
    return Message(1, int((WALL + at) * 1_000), "hi", since=1)


def stored(driver: LadderDriver) -> list[TraceStep]:
    """Return the trace in the last stored change."""
    changes = [one for one in driver.out.drain_records() if isinstance(one, OutgoingChanged)]
    at_ms = int(WALL * 1_000)
    return list(readable(unpacked(changes[-1].trace, at_ms), at_ms))


# --- on the ladder


def test_the_usual_way_is_one_number_on_disk() -> None:
    driver = LadderDriver()
    one, two, three = driver.say(), driver.say(), driver.say()
    other = driver.say()
    driver.sent()
    driver.out.drain_records()
    driver.now += 0.02
    driver.acks(one, three, other)
    at_ms = int((WALL + 0.02) * 1_000)
    assert driver.out.drain_records() == [
        OutgoingDelivered(BOB.id, one.number, 1, at_ms),
        OutgoingDelivered(BOB.id, three.number, 2, at_ms),
        OutgoingOnDisk(BOB.id, two.number),
    ]
    driver.acks(two)
    assert driver.out.drain_records() == [
        OutgoingDelivered(BOB.id, two.number, 1, at_ms),
        OutgoingOnDisk(BOB.id, other.number + 1),
    ]
    assert readable(unpacked(at_ms, one.at_ms), one.at_ms) == (
        TraceStep(at=WALL, what=TraceEvent.SENT, tries=1),
        TraceStep(at=WALL + 0.02, what=TraceEvent.ACKNOWLEDGED, tries=1, span=0.02),
    )


def test_every_try_has_its_time() -> None:
    driver = LadderDriver()
    message = driver.say()
    for tries in (3, 4):
        driver.now = 100.0 + 0.5 * (tries - 1)
        driver.ladder.tried_again(driver.bob, message.number, tries, now=driver.now)
    driver.ladder.tried_again(
        driver.bob, message.number + 1, 3, now=driver.now
    )  # settled meanwhile
    steps = readable(message.steps, message.at_ms)
    assert [(step.at - WALL, step.tries) for step in steps] == [
        (0.0, 1),
        (0.5, 2),
        (1.0, 3),
        (1.5, 4),
    ]


def test_tries_relaying_and_the_server_s_way_back() -> None:
    driver = LadderDriver()
    message = driver.say()
    driver.pass_time(2.6)
    driver.acks(message, through_server=True)
    steps = stored(driver)
    assert [(step.what, step.at - WALL, step.tries) for step in steps[:-1]] == [
        (TraceEvent.SENT, 0.0, 1),
        (TraceEvent.RELAYED, 2.5, 0),
    ]
    assert steps[-1].what is TraceEvent.ACKNOWLEDGED
    assert steps[-1].through_server
    assert not steps[-1].is_late
    assert steps[-1].tries >= 1


def test_mail_says_until_when_and_an_acknowledgement_after_it_is_late() -> None:
    driver = LadderDriver(online=False)
    message = driver.say()
    driver.saves()
    steps = stored(driver)
    assert [step.what for step in steps] == [TraceEvent.MAILED, TraceEvent.SAVED]
    assert steps[-1].when == WALL + MAIL_KEPT_FOR
    driver.row(online=True)
    newer = driver.say()
    driver.now += 0.1
    driver.sent()
    driver.acks(message)
    steps = stored(driver)
    assert [step.what for step in steps] == [
        TraceEvent.MAILED,
        TraceEvent.SAVED,
        TraceEvent.SENT,
        TraceEvent.ACKNOWLEDGED,
    ]
    assert steps[-1].is_late
    assert newer.steps is SENT_AT_ONCE


def test_kept_says_since_when_the_registry_is_silent_and_refusals_say_why() -> None:
    driver = LadderDriver()
    driver.now += 5.0
    driver.reach(RegistryReach.SEEKING)
    driver.now += 5.0
    driver.reach(RegistryReach.LOST)
    driver.say()
    driver.pass_time(2.6)
    changes = [one for one in driver.out.drain_records() if isinstance(one, OutgoingChanged)]
    at_ms = int((WALL + 10.0) * 1_000)
    kept = readable(unpacked(changes[-1].trace, at_ms), at_ms)[-1]
    assert (kept.what, kept.when) == (TraceEvent.KEPT, WALL + 5.0)
    driver.row(online=False)
    driver.reach(RegistryReach.UP)
    driver.mail_queue.refused(
        driver.deposited()[0].reference, MailRefusal.NAME_UNKNOWN, now=driver.now
    )
    changes = [one for one in driver.out.drain_records() if isinstance(one, OutgoingChanged)]
    assert (
        readable(unpacked(changes[-1].trace, at_ms), at_ms)[-1].reason is MessageReason.NAME_UNKNOWN
    )


def test_what_expired_says_so() -> None:
    driver = LadderDriver(online=False)
    message = driver.say()
    driver.saves()
    driver.settlement.expired(driver.bob, message.number, now=driver.now)
    assert [(step.what, step.reason) for step in stored(driver)[2:]] == [
        (TraceEvent.EXPIRED, MessageReason.NEVER_FETCHED)
    ]


def test_a_trail_goes_on_after_a_restart() -> None:
    before = packed(((TraceEvent.SENT.number, 0, 1), (TraceEvent.KEPT.number, 2_500, int(WALL))))
    kept = StoredOutgoing(5, int(WALL * 1_000), "hi", MessageState.KEPT, before)
    driver = LadderDriver(online=False, stored=StoredStream(last_sent=5, outgoing=(kept,)))
    driver.saves()
    assert [step.what for step in stored(driver)] == [
        TraceEvent.SENT,
        TraceEvent.KEPT,
        TraceEvent.MAILED,
        TraceEvent.SAVED,
    ]
    assert BOB.name == "bob"


# --- how it is packed


raws = st.lists(
    st.lists(st.integers(-(2**40), 2**40) | st.text(max_size=5), max_size=6).map(tuple), max_size=5
).map(tuple)


@given(raws, st.integers(0, 2**45))
def test_what_was_packed_is_unpacked_and_whatever_it_is_can_be_read(
    steps: tuple[tuple[int | str, ...], ...], at_ms: int
) -> None:
    assert unpacked(packed(steps), at_ms) == steps
    assert len(readable(steps, at_ms)) <= len(steps)


@given(st.binary(max_size=20), st.integers(0, 2**45))
def test_a_broken_trail_has_some_steps_or_none(trace: bytes, at_ms: int) -> None:
    readable(unpacked(trace, at_ms), at_ms)


@pytest.mark.parametrize("count", [STEPS_MAX - 1, STEPS_MAX, STEPS_MAX + 40])
def test_a_long_trail_keeps_its_beginning_and_its_end(count: int) -> None:
    message = written()
    for now in range(count):
        traces.note(message, TraceEvent.SENT, float(now), 1)
    steps = readable(
        unpacked(traces.changed(message, TraceEvent.REFUSED, 99.0, "NAME_UNKNOWN"), message.at_ms),
        message.at_ms,
    )
    assert len(steps) == STEPS_MAX
    assert steps[0].at == WALL
    assert (steps[-1].what, steps[-1].reason) == (TraceEvent.REFUSED, MessageReason.NAME_UNKNOWN)


def test_what_is_sent_later_than_it_was_written_says_when() -> None:
    message = written()
    traces.sent([message], 3.0)
    assert readable(message.steps, message.at_ms) == (
        TraceStep(at=WALL + 3.0, what=TraceEvent.SENT, tries=1),
    )
