"""This file is about what a node keeps: the records that the core hands out to be stored, and gets back at start.

The core says what is to be stored and waits to hear that it is; `peer.history` puts it on disk. Streams are told
apart by `stream`: a person's identity key for direct messages, and the same behind a group's mark for its lines;
the mark alone is our own stream to the group.
"""

import enum

import msgspec

from wire.messages.group import CHANNEL
from wire.messages.table import Row

CHANNEL_MARK = b"#"


def group_mark(group: str) -> bytes:
    """What stands before the identity in the names of a group's streams."""
    return CHANNEL_MARK if group == CHANNEL else CHANNEL_MARK + group.encode() + b"\0"


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
    """All lines of a group's log up to `position` have been taken."""

    position: int
    group: str = CHANNEL


class LineAccepted(msgspec.Struct, frozen=True):
    """The newest of our own lines that a group's log has stands at `position`."""

    position: int
    group: str = CHANNEL


class NumberUsed(msgspec.Struct, frozen=True):
    """A number of our stream to somebody went to what is no message: no message ever bears it."""

    stream: bytes
    number: int


class RoomKept(msgspec.Struct, frozen=True):
    """The room where we are (None: in none) and who was in it when we last heard: identity and presence.

    `owes_leave`: we have left one, and the registry has not heard of it."""

    group: str | None
    members: tuple[tuple[bytes, int], ...] = ()
    owes_leave: bool = False


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
    | LineAccepted
    | NumberUsed
    | RoomKept
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


class StoredGroup(msgspec.Struct, frozen=True):
    """Where we stand in a group's log: all up to `cursor` is here; our own newest line in it is at `newest`."""

    cursor: int | None = None
    newest: int = 0


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    groups: dict[str, StoredGroup] = {}
    room: RoomKept = RoomKept(None)
    streams: dict[bytes, StoredStream] = {}
