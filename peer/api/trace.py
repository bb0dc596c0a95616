"""The delivery trace of a message of ours: which ways it took, when, and how it ended; and how a
trace is stored."""

from typing import Final

import msgspec

from chatapp.peer.api.enums import Numbered
from chatapp.peer.api.events import MessageReason

STEPS_MAX: Final = 64
"""Steps remembered of one message. A kept message is retried every 30 s while nobody answers; the
first steps say what happened, and a step that changes the state is always recorded."""


class TraceEvent(Numbered):
    """What happened to a message."""

    SENT = "sent", 1
    """Sent by UDP; `tries` counts from 1 and starts again when the message has waited."""
    RELAYED = "relayed", 2
    """Sent by UDP and through the registry from here on."""
    MAILED = "mailed", 3
    """Sealed as mail for the registry: the direct ways failed, or the recipient is away."""
    KEPT = "kept", 4
    """Waiting in our outbox. `when`: since when the registry is silent; or `reason`: why else no
    way is open."""
    SAVED = "saved", 5
    """On the registry's disk; `when`: until when it is kept there."""
    ACKNOWLEDGED = "acknowledged", 6
    """Stored by the recipient. `tries` and `span` belong to the attempt that got through; see also
    `through_server` and `is_late`."""
    ACCEPTED = "accepted", 7
    """A line of the channel or of a room is on the registry's disk. `span`: seconds since it was
    written."""
    REFUSED = "refused", 8
    """The message will not arrive: `reason`."""
    EXPIRED = "expired", 9
    """The mail was never fetched and is gone: `reason`."""
    REDIRECTED = "redirected", 10
    """The recipient's key changed, and the message goes to the key that the user trusts now."""


_EVENTS: Final = {event.number: event for event in TraceEvent}


class TraceStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step. `TraceEvent` says which fields `what` uses. Times are in Unix seconds, spans in
    seconds."""

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
"""A step in memory and on disk: the event, milliseconds since the message was written, and the
fields of that event."""

AT_ONCE: Final = 100
"""A message sent within so many milliseconds counts as sent at once."""

SENT_AT_ONCE: Final[tuple[Raw, ...]] = ((TraceEvent.SENT.number, 0, 1),)
"""How nearly every trace begins. One shared value, so that it takes no memory for each message."""

Stored = int | bytes | None
"""A trace on disk: packed steps. Of a message that was sent at once and acknowledged directly at
the first try, it is only the Unix time of the acknowledgement in milliseconds: messages of one
acknowledgement share it, and one statement stores them all."""


_decode: Final = msgspec.msgpack.Decoder(tuple[tuple[int | str, ...], ...]).decode


def unpacked(trace: Stored, at_ms: int) -> tuple[Raw, ...]:
    """Return the steps of a stored trace; none if it cannot be read, as a file may be damaged."""
    if isinstance(trace, int):
        span = max(trace - at_ms, 0)
        return (*SENT_AT_ONCE, (TraceEvent.ACKNOWLEDGED.number, span, 1, span, 0))
    try:
        return _decode(trace) if trace else ()
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: text that is not UTF-8
        return ()


def readable(steps: tuple[Raw, ...], at_ms: int) -> tuple[TraceStep, ...]:
    """Return the steps for people and programs. What is not a valid step is left out."""
    read: list[TraceStep] = []
    for raw in steps:
        step = _step(
            raw, at_ms, is_late=any(one.what in (TraceEvent.KEPT, TraceEvent.SAVED) for one in read)
        )
        if step is not None:
            read.append(step)
    return tuple(read)


def _step(raw: Raw, at_ms: int, *, is_late: bool) -> TraceStep | None:
    match raw:
        case (int(number), int(after), *fields) if number in _EVENTS:
            what = _EVENTS[number]
        case _:
            return None
    at = _unix(at_ms, after)
    match what, fields:
        case TraceEvent.SENT, [int(tries)]:
            return TraceStep(at=at, what=what, tries=tries)
        case (TraceEvent.KEPT, [int(), str(reason)]) | (
            (TraceEvent.REFUSED | TraceEvent.EXPIRED),
            [str(reason)],
        ) if reason in MessageReason.__members__:
            return TraceStep(at=at, what=what, reason=MessageReason[reason])
        case ((TraceEvent.RELAYED | TraceEvent.MAILED | TraceEvent.REDIRECTED), []):
            return TraceStep(at=at, what=what)
        case ((TraceEvent.KEPT | TraceEvent.SAVED), [int(when)]):
            return TraceStep(at=at, what=what, when=float(when))
        case TraceEvent.ACKNOWLEDGED, [int(tries), int(span), int(through)]:
            return TraceStep(
                at=at,
                what=what,
                tries=tries,
                span=span / 1_000,
                through_server=bool(through),
                is_late=is_late,
            )
        case TraceEvent.ACCEPTED, []:
            return TraceStep(at=at, what=what, span=after / 1_000)
    return None


def _unix(at_ms: int, after: int) -> float:
    return (at_ms + after) / 1_000
