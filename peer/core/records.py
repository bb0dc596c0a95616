"""Records: what the core hands out to be stored, and what it gets back at the next start
(`Loaded`).

`peer.history` stores the records; the core acknowledges and shows nothing before they are in its
journal. Tags and the order of fields are the journal's format: add at the end. `stream` is the key
of a stream: see `parties_of`.
"""

import contextlib
import enum
import functools
import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import AuthorDoubt, MessageState
from chatapp.peer.api.trace import Stored
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_file_offer
from chatapp.wire.messages.direct import (
    Edit,
    FileAnswer,
    FileOutcome,
    Number,
    React,
    Relation,
    Reply,
    Retract,
    Unknown,
)
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Row

FINAL: Final = frozenset({MessageState.DELIVERED, MessageState.REFUSED, MessageState.EXPIRED})
"""States that never change again."""

DEAD: Final = frozenset({MessageState.REFUSED, MessageState.EXPIRED})
"""States of messages that never arrive; the recipient need not wait for them."""


class RelationKind(enum.IntEnum):
    """What a message is to an earlier one (clause 6.14)."""

    REPLY = 1
    EDIT = 2
    RETRACT = 3
    REACT = 4
    UNREACT = 5
    UNKNOWN = 6
    """One that we cannot read."""
    OFFER = 7
    """It is about no other message: it offers a file."""
    HAS_FILE = 8
    WANTS_NO_FILE = 9
    STOPPED_FILE = 10


CHANGES: Final = frozenset(RelationKind) - {
    RelationKind.REPLY,
    RelationKind.UNKNOWN,
    RelationKind.OFFER,
}
"""Messages of these kinds are no lines of their own: they change the line that they name."""


OUTCOMES: Final = {
    RelationKind.HAS_FILE: FileOutcome.HAS,
    RelationKind.WANTS_NO_FILE: FileOutcome.REFUSED,
    RelationKind.STOPPED_FILE: FileOutcome.STOPPED,
}
"""What each answer to an offer of a file says."""


class Related(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a message is to another one: the one with this number in this stream."""

    kind: RelationKind
    stream: bytes = b""
    is_ours: bool = False
    number: int = 0
    raw: bytes = b""
    """UNKNOWN and OFFER: the relation as it came."""

    @property
    def sent(self) -> Relation:
        """What a message of ours says of it."""
        author = b"" if self.is_ours else self.stream[-KEY_SIZE:]
        match self.kind:
            case RelationKind.REPLY:
                return Reply(author, self.number)
            case RelationKind.EDIT:
                return Edit(author, self.number)
            case RelationKind.RETRACT:
                return Retract(author, self.number)
            case RelationKind.REACT | RelationKind.UNREACT:
                return React(author, self.number, self.kind is RelationKind.REACT)
            case RelationKind.HAS_FILE | RelationKind.WANTS_NO_FILE | RelationKind.STOPPED_FILE:
                return FileAnswer(author, self.number, OUTCOMES[self.kind])
            case RelationKind.OFFER:
                return decode_file_offer(self.raw)
            case RelationKind.UNKNOWN:
                return Unknown(self.raw)

    def moved(self, numbers: Mapping[int, int], *, stream: bytes | None = None) -> "Related":
        """Return it after our messages to the same recipient got these numbers. `stream`: the key
        of our stream to them now; None: as before."""
        if not self.is_ours:
            return self
        return msgspec.structs.replace(
            self,
            stream=self.stream if stream is None else stream,
            number=numbers.get(self.number, self.number),
        )


class OutgoingAdded(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A message of ours was begun. `id`: of the line in our history; None for the one after the
    highest."""

    stream: bytes
    number: int
    at_ms: int
    text: str
    id: int | None = None
    related: Related | None = None


class OutgoingChanged(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A message of ours changed its state."""

    stream: bytes
    number: int
    state: MessageState
    trace: Stored = None
    """Its delivery trace."""


class OutgoingDelivered(msgspec.Struct, frozen=True, array_like=True, tag=25, gc=False):
    """Consecutive messages of ours were sent at once, and acknowledged directly at the first try.
    `at_ms`: when; that is their delivery trace, too (see `Stored`)."""

    stream: bytes
    first: int
    count: int
    at_ms: int


class OutgoingMoved(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """A message of ours has another number now, of its own stream or of another one."""

    stream: bytes
    number: int
    to_stream: bytes
    to_number: int


class IncomingAdded(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A message to us, which is acknowledged when this is stored. `late`: it came as mail or from a
    log. `behind`: a later one of its stream is shown before it, so the `Shown` of that one does not
    cover it. `id`: as in `OutgoingAdded`."""

    stream: bytes
    number: int
    at_ms: int
    text: str
    late: bool
    behind: bool = False
    id: int | None = None
    related: Related | None = None


class Overtaken(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """A stored message turned out to be `behind`."""

    stream: bytes
    number: int


class Shown(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """All stored messages of the stream up to `number` were shown, except those `behind`."""

    stream: bytes
    number: int


class ShownBehind(msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False):
    """A message that was `behind` was shown."""

    stream: bytes
    number: int


class FloorRaised(msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False):
    """The sender told not to wait for anything below `floor`. `holes`: the spans [start, end) below
    it that never came."""

    stream: bytes
    floor: int
    holes: tuple[tuple[int, int], ...] = ()


class CursorMoved(msgspec.Struct, frozen=True, array_like=True, tag=9, gc=False):
    """We have all lines of a group's log up to `position`."""

    position: int
    group: str = CHANNEL


class LineAccepted(msgspec.Struct, frozen=True, array_like=True, tag=10, gc=False):
    """Our newest line in a group's log is at `position`."""

    position: int
    group: str = CHANNEL


class NumberUsed(msgspec.Struct, frozen=True, array_like=True, tag=11, gc=False):
    """A number of our stream to somebody was used for a group's line, so no message may have it."""

    stream: bytes
    number: int


class RoomKept(msgspec.Struct, frozen=True, array_like=True, tag=12, gc=False):
    """We are in the room `group`, which has these members, with their presence as last heard; None:
    we are not in it. The latest record of a room counts.

    `owes_leave`: we left it, and the registry does not know it yet."""

    group: str
    members: tuple[tuple[bytes, int], ...] | None = None
    owes_leave: bool = False


class RowsSaved(msgspec.Struct, frozen=True, array_like=True, tag=13, gc=False):
    """Rows of the table, and the version up to which our copy is complete since Unix time `at`."""

    rows: tuple[Row, ...]
    version: int
    at: float


class RegistryPinned(msgspec.Struct, frozen=True, array_like=True, tag=14, gc=False):
    """Our server is the registry with this identity key: trusted on first use, or accepted by the
    user after a change. `is_verified`: the user has named the key."""

    identity: bytes
    is_verified: bool = False


class RegistryVerified(msgspec.Struct, frozen=True, array_like=True, tag=15, gc=False):
    """The user has compared the key of our registry."""


class ServersNamed(msgspec.Struct, frozen=True, array_like=True, tag=24, gc=False):
    """Our registry has other servers at these hosts and ports, in the order in which they are to be
    asked."""

    servers: tuple[Address, ...]


class Named(msgspec.Struct, frozen=True, array_like=True, tag=16, gc=False):
    """Somebody's name, for lines that outlive the row of their author.

    `doubt`: only the author of a letter says so; why it may not be so. A name from the table is not
    replaced by it."""

    identity: bytes
    name: str
    doubt: AuthorDoubt | None = None


class FormerName(msgspec.Struct, frozen=True, array_like=True, tag=17, gc=False):
    """A name that somebody had before. It finds them until somebody else has it."""

    identity: bytes
    name_key: str


class NameBlocked(msgspec.Struct, frozen=True, array_like=True, tag=18, gc=False):
    """The registry showed this row under a pinned name with another key. What is stored of the name
    stays as it is."""

    name_key: str
    row: Row


class NameCleared(msgspec.Struct, frozen=True, array_like=True, tag=19, gc=False):
    """A name is not blocked any more. `replaced`: the old identity, if the user trusted the new
    one."""

    name_key: str
    replaced: bytes | None = None


class PersonVerified(msgspec.Struct, frozen=True, array_like=True, tag=20, gc=False):
    """The user has compared this person's key."""

    identity: bytes


class OpeningTaken(msgspec.Struct, frozen=True, array_like=True, tag=21, gc=False):
    """This person began a session with us by the opening of this number. Earlier openings are void,
    after a restart too."""

    identity: bytes
    number: int


class IgnoreChanged(msgspec.Struct, frozen=True, array_like=True, tag=22, gc=False):
    """The user ignores this person, or does not any more."""

    identity: bytes
    is_ignored: bool


class ReadUpTo(msgspec.Struct, frozen=True, array_like=True, tag=23, gc=False):
    """The user has read a conversation up to the line with this id. `key`: see
    `conversation_of`."""

    key: bytes
    is_group: bool
    id: int


class OutgoingOnDisk(msgspec.Struct, frozen=True, array_like=True, tag=26, gc=False):
    """Our messages to somebody below `number` that are delivered survive a power cut there."""

    stream: bytes
    number: int


class LineKeyed(msgspec.Struct, frozen=True, array_like=True, tag=40, gc=False):
    """Another program of the user asked for the line of ours with this id by this key."""

    id: int
    key: int


class MarkMoved(msgspec.Struct, frozen=True, array_like=True, tag=41, gc=False):
    """The messages of this stream up to `number` were seen: ours by their recipient, as they say
    (`is_ours`), or others' by the user, who lets them know."""

    stream: bytes
    number: int
    is_ours: bool


class DraftChanged(msgspec.Struct, frozen=True, array_like=True, tag=42, gc=False):
    """The user has begun to type this in a conversation; empty: nothing any more."""

    conversation: Conversation
    text: str


class MuteChanged(msgspec.Struct, frozen=True, array_like=True, tag=43, gc=False):
    """The user has muted a conversation until this Unix time; 0: for good; None: not any more.
    `key`: see `conversation_of`."""

    key: bytes
    is_group: bool
    until: int | None


class OutgoingReworded(msgspec.Struct, frozen=True, array_like=True, tag=44, gc=False):
    """A message of ours that nobody has yet says something else."""

    stream: bytes
    number: int
    text: str


Record = (
    OutgoingAdded
    | OutgoingChanged
    | OutgoingDelivered
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
    | ServersNamed
    | Named
    | FormerName
    | NameBlocked
    | NameCleared
    | PersonVerified
    | OpeningTaken
    | IgnoreChanged
    | ReadUpTo
    | OutgoingOnDisk
    | LineKeyed
    | MarkMoved
    | DraftChanged
    | MuteChanged
    | OutgoingReworded
)
"""All that a node keeps."""


CAN_WAIT: Final = frozenset({FloorRaised, CursorMoved, ReadUpTo, OutgoingOnDisk, MarkMoved})
"""The kinds of records that may wait for the next write, because no promise and no event depends on
them.

Lost in a crash, such a record costs a repeat that is recognised, as when a line of a log is fetched
again, or a line that counts as unread once more. A record of what was shown, or reported as
delivered, cannot wait: lost, the same would be shown or reported twice."""


MAY_LAG: Final = CAN_WAIT | {RowsSaved, Named, FormerName, OpeningTaken, DraftChanged}
"""The kinds of records that need not reach the disk soon: nothing that anybody said or was shown is
lost with them."""


class StoredOutgoing(msgspec.Struct, frozen=True):
    """A message of ours that is not final yet."""

    number: Number
    at_ms: int
    text: str
    state: MessageState
    trace: Stored = None
    id: int = 0
    related: Related | None = None


class StoredIncoming(msgspec.Struct, frozen=True):
    """A message to us that is stored and, as far as we know, was not shown. `behind`: as in
    `IncomingAdded`."""

    number: Number
    at_ms: int
    text: str
    behind: bool = False
    id: int = 0
    related: Related | None = None


class StoredStream(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream at start."""

    last_sent: Number = 0
    last_provisional: Number = 0
    """The highest provisional number that a message ever had (clause 6.10); 0 for none."""
    outgoing: tuple[StoredOutgoing, ...] = ()
    unsynced_from: Number | None = None
    """The first of our delivered messages that may not survive a power cut at their recipient; None
    if all do."""
    gaps: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of our numbers between unsettled ones that were never used, or will never
    arrive."""
    floor: Number = 0
    shown: Number = 0
    seen: tuple[Number, ...] = ()
    """Numbers that are stored: all at or above the floor, and those in the holes."""
    holes: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) below the floor of which nothing had come when the floor was stored."""
    gone: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of numbers that were stored and shown, and whose texts were deleted
    since."""
    unshown: tuple[StoredIncoming, ...] = ()
    mark_given: Number = 0
    """The newest number of theirs that the user has seen, as they may be told."""
    mark_got: Number = 0
    """The newest number of ours that they have seen, as they said."""


class StoredGroup(msgspec.Struct, frozen=True):
    """Our position in a group's log: we have all lines up to `cursor`, and our own newest line is
    at `newest`."""

    cursor: Number | None = None
    newest: Number = 0


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    """The identity key of the registry that the server was the last time; None before the first
    contact."""
    is_registry_verified: bool = False
    """Whether the user has compared that key."""
    servers: tuple[Address, ...] = ()
    """The other servers that the registry named the last time."""
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    groups: dict[str, StoredGroup] = {}
    rooms: tuple[RoomKept, ...] = ()
    """What is stored of the rooms that we are in, or have yet to leave at the registry."""
    streams: dict[bytes, StoredStream] = {}
    blocked: tuple[Row, ...] = ()
    """Rows with another key for their name than the one that we hold."""
    verified: frozenset[bytes] = frozenset()
    """People whose keys the user has compared."""
    ignored: frozenset[bytes] = frozenset()
    muted: tuple[MuteChanged, ...] = ()
    unresolved_names: dict[bytes, str] = {}
    """Names by streams of ours with pending messages that lead to no row of the table."""
    former_names: dict[bytes, str] = {}
    """Former names (their name keys) by identity."""
    openings: dict[bytes, Number] = {}
    """The number of the last opening that each person began a session with."""
    unknown_authors: dict[bytes, str] = {}
    """Authors outside the table of letters that were not shown, with the names that they have or
    claim."""
    replaced: tuple[Row, ...] = ()
    """Last rows of keys that were replaced by others while mail was saved for them."""
    drafts: dict[Conversation, str] = {}
    """What the user has begun to type."""
    last_id: int = 0
    """The highest id that a line of the history ever had, as far as is known."""


CHANNEL_MARK: Final = b"#"

KEY_SIZE: Final = 32
"""Bytes of an identity key."""

Key: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=KEY_SIZE, max_length=KEY_SIZE)]


class StreamParties(NamedTuple):
    """Whose stream it is."""

    room: str | None
    """None for direct messages, empty for the channel."""
    person: bytes | None
    """The other person; None for our own stream to a group."""


def parties_of(stream: bytes, *, is_ours: bool) -> StreamParties:
    """Return whose stream has this key.

    The key of a direct stream is the other's identity. The key of our stream to the channel is the
    mark alone; to a room it is the mark, the group's name and a zero byte. Behind either, a
    member's stream has the member's identity."""
    group, person = (stream, None) if is_ours else (stream[:-KEY_SIZE], stream[-KEY_SIZE:])
    if group == CHANNEL_MARK:
        return StreamParties("", person)
    if group.startswith(CHANNEL_MARK) and group.endswith(b"\0"):
        with contextlib.suppress(
            UnicodeDecodeError
        ):  # an identity key may happen to look like this
            return StreamParties(group[1:-1].decode()[1:], person)
    return StreamParties(None, stream)


def conversation_of(stream: bytes, *, is_ours: bool) -> tuple[bytes, bool]:
    """Return the key of the stream's conversation, and whether it is a group's: the other person's
    identity, or the mark of the group."""
    if parties_of(stream, is_ours=is_ours).room is None:
        return stream, False
    return stream if is_ours else stream[:-KEY_SIZE], True


def name_stream(registry: bytes, key: str) -> bytes:
    """Return the key of our stream to an unresolved name at this registry; it has the size of an
    identity key."""
    return hashlib.sha256(b"chatapp name 1\0" + registry + key.encode()).digest()


@functools.lru_cache(256)
def group_mark(group: str) -> bytes:
    """Return the beginning of the keys of a group's streams; alone it is the key of ours."""
    return CHANNEL_MARK if group == CHANNEL else CHANNEL_MARK + group.encode() + b"\0"
