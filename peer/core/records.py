"""This file is about what a node keeps: the records that the core hands out to be stored, and gets back at start.

The core says what is to be stored and waits to hear that it is; `peer.history` puts it on disk. Streams are told
apart by `stream`: a person's identity key for direct messages, and the same behind `CHANNEL_MARK` for the channel.
"""

import enum

import msgspec

from wire.messages.table import Row

CHANNEL_MARK = b"#"


class Standing(enum.IntEnum):
    """How far one of our own messages got."""

    UNSETTLED = 1
    """On its way, or not begun."""
    KEPT = 2
    """No way was open; it waits here."""
    SAVED = 3
    """A letter at the registry; sent again straight before a newer message, so that order holds."""
    DELIVERED = 4
    REFUSED = 5
    EXPIRED = 6


FINAL = frozenset({Standing.DELIVERED, Standing.REFUSED, Standing.EXPIRED})
"""From here a message goes nowhere."""


DEAD = frozenset({Standing.REFUSED, Standing.EXPIRED})
"""These never arrive: whoever waits for a later one need not wait for them."""


class OutgoingAdded(msgspec.Struct, frozen=True):
    """We have begun a message."""

    stream: bytes
    number: int
    at_ms: int
    text: str


class OutgoingChanged(msgspec.Struct, frozen=True):
    """It got further."""

    stream: bytes
    number: int
    standing: Standing


class IncomingAdded(msgspec.Struct, frozen=True):
    """A message for us, to be acknowledged once this is stored. `late`: it did not come straight."""

    stream: bytes
    number: int
    at_ms: int
    text: str
    late: bool


class Shown(msgspec.Struct, frozen=True):
    """Every message of the stream up to `number` that is stored has been shown."""

    stream: bytes
    number: int


class FloorRaised(msgspec.Struct, frozen=True):
    """The sender said: nothing below `floor` is to come any more."""

    stream: bytes
    floor: int


class CursorMoved(msgspec.Struct, frozen=True):
    """All lines of the channel's log up to `position` have been taken."""

    position: int


class RowsSaved(msgspec.Struct, frozen=True):
    """Rows of the table, and the version up to which the table is whole (Unix time `at`)."""

    rows: tuple[Row, ...]
    version: int
    at: float


class RegistryPinned(msgspec.Struct, frozen=True):
    """The identity key of the registry at our address, trusted on first use."""

    identity: bytes


Record = (
    OutgoingAdded
    | OutgoingChanged
    | IncomingAdded
    | Shown
    | FloorRaised
    | CursorMoved
    | RowsSaved
    | RegistryPinned
)
"""All that a node keeps."""


def can_wait(record: Record) -> bool:
    """Whether nothing that is promised or told rests on this record: lost in a crash, it costs a repeat that is
    recognised, such as a line of the log that is fetched again. What was shown or told to be delivered cannot wait:
    lost, it would be shown or told twice."""
    return isinstance(record, FloorRaised | CursorMoved)


class StoredOutgoing(msgspec.Struct, frozen=True):
    """One of our messages that is not final yet."""

    number: int
    at_ms: int
    text: str
    standing: Standing


class StoredIncoming(msgspec.Struct, frozen=True):
    """A message that was stored and, as far as we know, not shown."""

    number: int
    at_ms: int
    text: str


class StoredStream(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream at start."""

    last_sent: int = 0
    outgoing: tuple[StoredOutgoing, ...] = ()
    voids: tuple[tuple[int, int], ...] = ()
    """Spans [start, end) of our numbers between unsettled ones that were never given, or never arrive."""
    floor: int = 0
    shown: int = 0
    seen: tuple[int, ...] = ()
    """Numbers at or above the floor that are stored."""
    unshown: tuple[StoredIncoming, ...] = ()


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    cursor: int | None = None
    streams: dict[bytes, StoredStream] = {}
