"""This file is about what a node keeps: the records that the core hands out to be stored, and gets back at start.

The core says what is to be stored and waits to hear that it is; `peer.history` puts it on disk. Streams are told
apart by `stream`: a person's identity key for direct messages, and the same behind a group's mark for its lines;
the mark alone is our own stream to the group.
"""

import contextlib
import enum
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from peer.core.trail import Stored
from wire.messages.delivery import Number
from wire.messages.group import CHANNEL
from wire.messages.table import Row

CHANNEL_MARK = b"#"

KEY_SIZE = 32
"""Bytes of an identity key."""

Key: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=KEY_SIZE, max_length=KEY_SIZE)]


class Parties(NamedTuple):
    """Whose the lines of a stream are."""

    room: str | None
    """None for direct messages, empty for the channel."""
    person: bytes | None
    """The other one; None where we speak to a group."""


def parties_of(stream: bytes, *, is_ours: bool) -> Parties:
    """What a stream's key says. Of a room it is the mark, the name of its group (one sign, then the room's name) and a zero
    byte; of the channel the mark alone; and behind either, unless it is our own stream, the identity of who speaks."""
    group, person = (stream, None) if is_ours else (stream[:-KEY_SIZE], stream[-KEY_SIZE:])
    if group == CHANNEL_MARK:
        return Parties("", person)
    if group.startswith(CHANNEL_MARK) and group.endswith(b"\0"):
        with contextlib.suppress(UnicodeDecodeError):  # a person's key may begin and end so
            return Parties(group[1:-1].decode()[1:], person)
    return Parties(None, stream)


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
    trail: Stored = None
    """How it got there."""


class OutgoingMoved(msgspec.Struct, frozen=True):
    """A message of ours goes to another key now, under a number of that stream."""

    stream: bytes
    number: int
    to_stream: bytes
    to_number: int


class IncomingAdded(msgspec.Struct, frozen=True):
    """A message for us, to be acknowledged once this is stored. `late`: it did not come straight. `behind`: it came
    after a later one of its stream was to be shown, so a `Shown` of that one says nothing of it."""

    stream: bytes
    number: int
    at_ms: int
    text: str
    late: bool
    behind: bool = False


class Overtaken(msgspec.Struct, frozen=True):
    """A stored message that turned out to be `behind`."""

    stream: bytes
    number: int


class Shown(msgspec.Struct, frozen=True):
    """Every message of the stream up to `number` that is stored has been shown, but for those `behind`."""

    stream: bytes
    number: int


class ShownBehind(msgspec.Struct, frozen=True):
    """A message that was `behind` has been shown."""

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


class Named(msgspec.Struct, frozen=True):
    """What somebody calls themself, for lines of theirs that outlive their row."""

    identity: bytes
    name: str


class NameBlocked(msgspec.Struct, frozen=True):
    """A row under a pinned name with another key than the pinned one; what is stored of the name stays as it is."""

    name_key: str
    row: Row


class NameCleared(msgspec.Struct, frozen=True):
    """The name is blocked no more. `dropped`: the identity that gave way to the new one, if it did."""

    name_key: str
    dropped: bytes | None = None


class IgnoreChanged(msgspec.Struct, frozen=True):
    """What this person says is not to be shown, or is again."""

    identity: bytes
    is_ignored: bool


Record = (
    OutgoingAdded
    | OutgoingChanged
    | OutgoingMoved
    | IncomingAdded
    | Overtaken
    | Shown
    | ShownBehind
    | FloorRaised
    | CursorMoved
    | LineAccepted
    | NumberUsed
    | RoomKept
    | RowsSaved
    | RegistryPinned
    | Named
    | NameBlocked
    | NameCleared
    | IgnoreChanged
)
"""All that a node keeps."""


def can_wait(record: Record) -> bool:
    """Whether nothing that is promised or told rests on this record: lost in a crash, it costs a repeat that is
    recognised, such as a line of the log that is fetched again. What was shown or told to be delivered cannot wait:
    lost, it would be shown or told twice."""
    return isinstance(record, FloorRaised | CursorMoved)


class StoredOutgoing(msgspec.Struct, frozen=True):
    """One of our messages that is not final yet."""

    number: Number
    at_ms: int
    text: str
    standing: Standing
    trail: Stored = None


class StoredIncoming(msgspec.Struct, frozen=True):
    """A message that was stored and, as far as we know, not shown; `behind` as in `IncomingAdded`."""

    number: Number
    at_ms: int
    text: str
    behind: bool = False


class StoredStream(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream at start."""

    last_sent: Number = 0
    outgoing: tuple[StoredOutgoing, ...] = ()
    voids: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of our numbers between unsettled ones that were never given, or never arrive."""
    floor: Number = 0
    shown: Number = 0
    seen: tuple[Number, ...] = ()
    """Numbers at or above the floor that are stored."""
    unshown: tuple[StoredIncoming, ...] = ()


class StoredGroup(msgspec.Struct, frozen=True):
    """Where we stand in a group's log: all up to `cursor` is here; our own newest line in it is at `newest`."""

    cursor: Number | None = None
    newest: Number = 0


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    groups: dict[str, StoredGroup] = {}
    room: RoomKept = RoomKept(None)
    streams: dict[bytes, StoredStream] = {}
    blocked: tuple[Row, ...] = ()
    """Rows whose key is not the one that we hold for their name."""
    ignored: frozenset[bytes] = frozenset()
