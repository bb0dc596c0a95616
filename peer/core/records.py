"""This file is about records: what the core hands out to be stored.

The core says what is to be stored and waits to hear that it is; `peer.history` puts it on disk. `stream` is the name of
a stream (`peer.core.streamkeys`). What is left of the records at the next start stands in `peer.core.stored`.
"""

import msgspec

from peer.core.standing import Standing
from peer.core.trail import Stored
from wire.messages.group import CHANNEL
from wire.messages.table import Row


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
    """The name is blocked no more. `dropped`: the identity that gave way to the new one, if it did."""

    name_key: str
    dropped: bytes | None = None


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
