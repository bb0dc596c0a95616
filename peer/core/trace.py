"""The trail of one of our messages: which ways it took, when, and what came of it.

It knows what a step is and how steps are packed for the disk.
"""

import enum
from typing import Final, Protocol

import msgspec

from chatapp.peer.core.events import MessageReason

STEPS_MAX: Final = 64
"""Steps remembered of one message. A kept one is tried again every 30 s for as long as nobody answers: its beginning
says what happened, its last step is always noted."""


class TraceEvent(enum.IntEnum):
    """What happened to a message."""

    SENT = 1
    """By UDP; `tries`: for the how manieth time in a row."""
    RELAYED = 2
    """By UDP and through the registry, from here on."""
    MAILED = 3
    """Given up by the straight ways: sealed as a letter for the registry."""
    KEPT = 4
    """It waits in our outbox; `when`: since when the registry is silent; or `reason`: why else no way is open."""
    SAVED = 5
    """On the registry's disk; `when`: until when it is kept there."""
    ACKNOWLEDGED = 6
    """Stored by the recipient; `tries` and `span` of the sending that got through, `through_server`, `is_late`."""
    ACCEPTED = 7
    """A line of the channel or of a room is on the registry's disk; `span` since it was said."""
    REFUSED = 8
    """It will not arrive: `reason`."""
    EXPIRED = 9
    """Saved, never fetched, and gone: `reason`."""
    REDIRECTED = 10
    """The key of its recipient changed; it goes to the one that we have come to trust."""


class TraceStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step; which of the fields behind `what` say something stands there. Times are Unix seconds, spans seconds."""

    at: float
    what: TraceEvent
    tries: int = 0
    span: float = 0.0
    when: float | None = None
    reason: MessageReason | None = None
    through_server: bool = False
    is_late: bool = False
    """After it had been saved or kept."""


Raw = tuple[int | str, ...]
"""A step in memory and on disk: what, milliseconds since the message was written, and what that kind of step has more."""

AT_ONCE: Final = 100
"""Milliseconds within which a message that was written has been sent at once."""

SENT_AT_ONCE: Final[tuple[Raw, ...]] = ((TraceEvent.SENT, 0, 1),)
"""How nearly every message begins; one value for all of them, so that it costs none of them anything."""

Stored = int | bytes | None
"""A trail on disk: packed steps; or, of a message that was sent at once and acknowledged straight at the first try, only the
Unix time of that in milliseconds. The same acknowledgement gives all its messages the same, so they are stored at once."""


class Trailed(Protocol):
    """One of our messages, as far as its trail goes."""

    steps: tuple[Raw, ...]

    @property
    def at_ms(self) -> int:
        """When it was written, Unix milliseconds."""


class WallClock:
    """Unix time for the core, which itself counts monotonic seconds: `now + offset`."""

    __slots__ = ("offset",)

    def __init__(self, offset: float) -> None:
        self.offset = offset


class DeliveryTraces:
    """Records the steps of our messages."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock

    def sent(self, message: Trailed, now: float, at: int) -> None:
        """It goes straight, for the first time since it last waited. `at`: `milliseconds` of now, asked once for many."""
        if not message.steps and at - message.at_ms < AT_ONCE:
            message.steps = SENT_AT_ONCE
        else:
            self.note(message, TraceEvent.SENT, now, 1)

    def note(self, message: Trailed, what: TraceEvent, now: float, *more: int | str) -> None:
        """Another step; too many are left out."""
        if len(message.steps) < STEPS_MAX:
            message.steps = (*message.steps, (what, self._since(message, now), *more))

    def changed(self, message: Trailed, what: TraceEvent, now: float, *more: int | str) -> bytes:
        """A step that changes how far the message got, noted however long the trail is: what to store of it."""
        message.steps = message.steps[: STEPS_MAX - 1]
        self.note(message, what, now, *more)
        return packed(message.steps)

    def milliseconds(self, now: float) -> int:
        """Unix milliseconds: alone, the trail to store of messages that were sent at once and acknowledged straight."""
        return int((now + self._clock.offset) * 1_000)

    def _since(self, message: Trailed, now: float) -> int:
        return self.milliseconds(now) - message.at_ms

    def seconds(self, now: float) -> int:
        """Unix seconds, as a step holds a time that is not its own."""
        return int(now + self._clock.offset)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[tuple[int | str, ...], ...]).decode


def packed(steps: tuple[Raw, ...]) -> bytes:
    """For the disk."""
    return _encode(steps)


def unpacked(trace: Stored, at_ms: int) -> tuple[Raw, ...]:
    """The steps of a stored trail; none of anything else, as a file may be older or broken."""
    if isinstance(trace, int):
        span = max(trace - at_ms, 0)
        return (*SENT_AT_ONCE, (TraceEvent.ACKNOWLEDGED, span, 1, span, 0))
    try:
        return _decode(trace) if trace else ()
    except (msgspec.MsgspecError, ValueError, RecursionError):  # also for text that is no UTF-8
        return ()


def readable(steps: tuple[Raw, ...], at_ms: int) -> tuple[TraceStep, ...]:
    """Steps for people and programs. What is no step is left out."""
    read: list[TraceStep] = []
    for raw in steps:
        step = _step(raw, at_ms, is_late=any(one.what in (TraceEvent.KEPT, TraceEvent.SAVED) for one in read))
        if step is not None:
            read.append(step)
    return tuple(read)


def _step(raw: Raw, at_ms: int, *, is_late: bool) -> TraceStep | None:
    match raw:
        case (TraceEvent.SENT, int(after), int(tries)):
            return TraceStep(at=_unix(at_ms, after), what=TraceEvent.SENT, tries=tries)
        case (TraceEvent.KEPT, int(after), int(), str(reason)) if reason in MessageReason.__members__:
            return TraceStep(at=_unix(at_ms, after), what=TraceEvent.KEPT, reason=MessageReason[reason])
        case ((TraceEvent.RELAYED | TraceEvent.MAILED | TraceEvent.REDIRECTED) as what, int(after)):
            return TraceStep(at=_unix(at_ms, after), what=TraceEvent(what))
        case ((TraceEvent.KEPT | TraceEvent.SAVED) as what, int(after), int(when)):
            return TraceStep(at=_unix(at_ms, after), what=TraceEvent(what), when=float(when))
        case (TraceEvent.ACKNOWLEDGED, int(after), int(tries), int(span), int(through)):
            return TraceStep(
                at=_unix(at_ms, after),
                what=TraceEvent.ACKNOWLEDGED,
                tries=tries,
                span=span / 1_000,
                through_server=bool(through),
                is_late=is_late,
            )
        case (TraceEvent.ACCEPTED, int(after)):
            return TraceStep(at=_unix(at_ms, after), what=TraceEvent.ACCEPTED, span=after / 1_000)
        case (TraceEvent.REFUSED | TraceEvent.EXPIRED) as what, int(after), str(reason) if (
            reason in MessageReason.__members__
        ):
            return TraceStep(at=_unix(at_ms, after), what=TraceEvent(what), reason=MessageReason[reason])
    return None


def _unix(at_ms: int, after: int) -> float:
    return (at_ms + after) / 1_000
