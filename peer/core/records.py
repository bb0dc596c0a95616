"""Records: what the core hands out to be stored.

The core says what is to be stored and waits to hear that it is; `peer.history.database` puts it on disk. `stream` is
the name of a stream (`peer.core.records`). What is left of the records at the next start stands in `peer.core.records`.
"""

import contextlib
import enum
import hashlib
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec

from chatapp.peer.core.trace import Stored
from chatapp.wire.messages.direct import Number
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Row


class MessageState(enum.IntEnum):
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


FINAL: Final = frozenset({MessageState.DELIVERED, MessageState.REFUSED, MessageState.EXPIRED})
"""From here a message goes nowhere."""

DEAD: Final = frozenset({MessageState.REFUSED, MessageState.EXPIRED})
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
    state: MessageState
    trace: Stored = None
    """How it got there."""


class OutgoingMoved(msgspec.Struct, frozen=True):
    """A message of ours has another number now, of its own stream or of another one."""

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
    """Our server leads to the registry with this identity key: trusted on first use, or accepted by the user after a
    change. `is_verified`: the user has named the key."""

    identity: bytes
    is_verified: bool = False


class RegistryVerified(msgspec.Struct, frozen=True):
    """The user has compared the key of our registry."""


class Named(msgspec.Struct, frozen=True):
    """What somebody calls themself, for lines of theirs that outlive their row.

    `is_claimed`: only the author of a letter says so; it does not replace what a table has shown."""

    identity: bytes
    name: str
    is_claimed: bool = False


class FormerName(msgspec.Struct, frozen=True):
    """By which somebody went before: they are found by it until somebody else bears it."""

    identity: bytes
    name_key: str


class NameBlocked(msgspec.Struct, frozen=True):
    """A row under a pinned name with another key than the pinned one; what is stored of the name stays as it is."""

    name_key: str
    row: Row


class NameCleared(msgspec.Struct, frozen=True):
    """The name is blocked no more. `replaced`: the identity that gave way to the new one, if it did."""

    name_key: str
    replaced: bytes | None = None


class PersonVerified(msgspec.Struct, frozen=True):
    """The user has compared this person's key."""

    identity: bytes


class OpeningTaken(msgspec.Struct, frozen=True):
    """This person has begun a session with us by the opening of this number: none of before counts, in no later life."""

    identity: bytes
    number: int


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
    | RegistryVerified
    | Named
    | FormerName
    | NameBlocked
    | NameCleared
    | PersonVerified
    | OpeningTaken
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
    state: MessageState
    trace: Stored = None


class StoredIncoming(msgspec.Struct, frozen=True):
    """A message that was stored and, as far as we know, not shown; `behind` as in `IncomingAdded`."""

    number: Number
    at_ms: int
    text: str
    behind: bool = False


class StoredStream(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream at start."""

    last_sent: Number = 0
    last_provisional: Number = 0
    """The highest provisional number that a message ever had (clause 6.10); 0 for none."""
    outgoing: tuple[StoredOutgoing, ...] = ()
    gaps: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of our numbers between unsettled ones that were never given, or never arrive."""
    floor: Number = 0
    shown: Number = 0
    seen: tuple[Number, ...] = ()
    """Numbers at or above the floor that are stored."""
    gone: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of numbers that were stored and shown, and whose texts are not kept any more."""
    unshown: tuple[StoredIncoming, ...] = ()


class StoredGroup(msgspec.Struct, frozen=True):
    """Where we stand in a group's log: all up to `cursor` is here; our own newest line in it is at `newest`."""

    cursor: Number | None = None
    newest: Number = 0


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    """The identity key of the registry to which the server led the last time; None before the first contact."""
    is_registry_verified: bool = False
    """Whether the user has compared that key."""
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    groups: dict[str, StoredGroup] = {}
    room: RoomKept = RoomKept(None)
    streams: dict[bytes, StoredStream] = {}
    blocked: tuple[Row, ...] = ()
    """Rows whose key is not the one that we hold for their name."""
    verified: frozenset[bytes] = frozenset()
    """People whose keys the user has compared."""
    ignored: frozenset[bytes] = frozenset()
    unresolved_names: dict[bytes, str] = {}
    """Names by streams of ours that are not at rest, and lead to no key in the table."""
    former_names: dict[bytes, str] = {}
    """The keys of names by which people went before."""
    openings: dict[bytes, Number] = {}
    """The number of the last opening that each person began a session with."""
    unknown_authors: dict[bytes, str] = {}
    """Authors of letters that were not shown, who are not in the table, and what they are called, or call themselves."""
    replaced: tuple[Row, ...] = ()
    """Last rows of keys that gave way to others, and to which letters are saved."""


CHANNEL_MARK: Final = b"#"

KEY_SIZE: Final = 32
"""Bytes of an identity key."""

Key: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=KEY_SIZE, max_length=KEY_SIZE)]


class StreamParties(NamedTuple):
    """Whose the lines of a stream are."""

    room: str | None
    """None for direct messages, empty for the channel."""
    person: bytes | None
    """The other one; None where we speak to a group."""


def parties_of(stream: bytes, *, is_ours: bool) -> StreamParties:
    """What a stream's key says. Of a room it is the mark, the name of its group (one sign, then the room's name) and a zero
    byte; of the channel the mark alone; and behind either, unless it is our own stream, the identity of who speaks."""
    group, person = (stream, None) if is_ours else (stream[:-KEY_SIZE], stream[-KEY_SIZE:])
    if group == CHANNEL_MARK:
        return StreamParties("", person)
    if group.startswith(CHANNEL_MARK) and group.endswith(b"\0"):
        with contextlib.suppress(UnicodeDecodeError):  # a person's key may begin and end so
            return StreamParties(group[1:-1].decode()[1:], person)
    return StreamParties(None, stream)


def name_stream(registry: bytes, key: str) -> bytes:
    """Our stream to a name (its key) whose bearer at this registry is not known yet: of the size of an identity key."""
    return hashlib.sha256(b"chatapp name 1\0" + registry + key.encode()).digest()


def group_mark(group: str) -> bytes:
    """What stands before the identity in the names of a group's streams."""
    return CHANNEL_MARK if group == CHANNEL else CHANNEL_MARK + group.encode() + b"\0"
