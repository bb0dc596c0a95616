"""The journal's entries: one closed union, and its encoding.

The same bytes stand in the journal and in the files at rest, so a checkpoint copies records without
encoding them. Tags and the order of fields are the format on disk: add at the end, and never reuse
a number.
"""

import enum
from typing import Annotated, TypeAlias

import msgspec

from chatapp.wire.messages.desk import LineMark

IDENTITY_SIZE = 32

Identity: TypeAlias = Annotated[
    bytes, msgspec.Meta(min_length=IDENTITY_SIZE, max_length=IDENTITY_SIZE)
]


class NameBound(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """`name_key` belongs to `identity`, whose newest card is `card`. The latest entry of a name
    counts."""

    name_key: str
    identity: bytes
    card: bytes
    channel_since: int
    at: int
    code: bytes = b""
    """The public half of the join code that it used up. They are one record, so a crash keeps both
    or neither."""
    network: str = ""
    """The network from which the identity's first name was bound. Quotas count by it."""


class MailStored(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A sealed letter waits for `recipient`. `serial` rises over the whole store; `number` is the
    sender's own."""

    recipient: Identity
    serial: int
    sender: bytes
    sender_name: str
    number: int
    at: int
    letter: bytes


class MailTaken(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """These letters were taken by their reader, or have expired."""

    recipient: Identity
    serials: list[int]


class GroupKeyMade(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A group's key from `epoch` on. Epochs rise within a group."""

    group: str
    epoch: int
    key: bytes


class GroupLineKept(msgspec.Struct, frozen=True, array_like=True, tag=5, gc=False):
    """A sealed line. Positions rise within a group, from 0."""

    group: str
    position: int
    sender: bytes
    epoch: int
    at: int
    frame: bytes


class GroupCut(msgspec.Struct, frozen=True, array_like=True, tag=6, gc=False):
    """The lines up to and including `position` are dropped, and with them the keys that only they
    needed."""

    group: str
    position: int


class GroupLinesDropped(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """These lines are dropped from among others that stay, and the group's file is written anew.
    The newest line of a group stays, unless its author is erased.

    `last_uses`: for each of their epochs, the position of its last line that stays, or -1.
    """

    group: str
    positions: list[int]
    last_uses: list[tuple[int, int]]


class DeskVisitKept(msgspec.Struct, frozen=True, array_like=True, tag=40, gc=False):
    """A visit of the help desk. The latest entry of a visit counts. Numbers rise over the whole
    store."""

    visit: int
    queue: str
    ticket: bytes  # its digest
    source: str  # the address or the gateway with which it is counted
    name: str
    number: str
    issue: str
    joined_at: int
    rank: int
    operator: bytes  # who serves it; empty: it is in line
    wanted: bytes  # the only operator who may call it; empty: anybody
    called_at: int  # 0: never
    since: int
    served_for: int
    note: str
    given_by: bytes = b""  # who handed it over, while it waits for that; empty: nobody
    is_put_back: bool = False  # whether it was put back at the head of the line after a call
    pause: int = 0  # whether others are called first, and why
    description: str = ""
    is_off_duty: bool = False  # whether who serves it is off duty, and only ends this session


class DeskLineKept(msgspec.Struct, frozen=True, array_like=True, tag=41, gc=False):
    """A line of a visit, or a change of one. Positions rise within the visit, but for a line that
    was changed: it is kept again, and the latest entry counts. Lines below `first` are dropped."""

    visit: int
    position: int
    author: bytes  # empty: the visitor
    author_name: str
    number: int
    at: int
    text: str  # empty for a change: the line itself has it
    first: int
    mark: LineMark = LineMark.SAID  # what it is now, or what the change makes of its target
    target: int = 0  # the position of the line that this one changes; 0: none
    file_size: int = 0  # bytes of the file that it brings, whose name is the text; 0: none


class DeskVisitOver(msgspec.Struct, frozen=True, array_like=True, tag=42, gc=False):
    """The visit is over, and its lines are dropped.

    The newest visits that were served are kept for figures, and the newest ones whose visitor is
    still to be told.
    """

    visit: int
    queue: str
    joined_at: int
    called_at: int  # 0: never served
    ended_at: int
    served_for: int
    of_day: int  # how many of its queue were served that day, with this one
    ticket: bytes = b""  # its digest, if the visitor is still to be told of the end
    cause: int = 0  # why it is over, for the same notice
    left: int = 0  # how many left its queue unserved since the session before
    left_after: int = 0  # how many milliseconds these had waited, together


class DeskOpeningKept(msgspec.Struct, frozen=True, array_like=True, tag=43, gc=False):
    """An operator has opened or closed a queue. The latest entry of a queue counts."""

    queue: str
    is_open: bool
    text: str
    at: int  # when the operator said so; the hours of each life say how long it holds


class DeskSessionKept(msgspec.Struct, frozen=True, array_like=True, tag=44, gc=False):
    """A session that is over, for operators to look up: who, what about, how long."""

    visit: int
    queue: str
    name: str
    number: str
    issue: str
    note: str
    operator: str  # the name of the last one
    joined_at: int
    called_at: int
    ended_at: int
    served_for: int
    cause: int
    description: str


class PastLineKept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line of a session that is over, or a change of one."""

    position: int
    operator: str  # empty: the visitor said it
    at: int
    text: str  # empty for a change
    number: int  # if the visitor said it, else 0
    mark: LineMark = LineMark.SAID  # this and the next two as in DeskLineKept
    target: int = 0
    file_size: int = 0


class DeskTranscriptKept(msgspec.Struct, frozen=True, array_like=True, tag=45):
    """What was said in a session that is over."""

    visit: int
    lines: list[PastLineKept]  # by position
    dropped: int  # how many lines before these are not there any more


class DeskPastDropped(msgspec.Struct, frozen=True, array_like=True, tag=46):
    """These sessions and transcripts were kept long enough."""

    sessions: list[int]
    transcripts: list[int]


class DeskVisitRated(msgspec.Struct, frozen=True, array_like=True, tag=47, gc=False):
    """A visitor has rated the session. The latest entry of a visit counts; the newest visits are
    kept."""

    visit: int
    queue: str
    rated_at: int
    rating: int


class DeskPieceKept(msgspec.Struct, frozen=True, array_like=True, tag=48, gc=False):
    """A piece of the file of a line of a visit. Pieces count from 0."""

    visit: int
    position: int
    index: int
    data: bytes


class DeskFilesDropped(msgspec.Struct, frozen=True, array_like=True, tag=49):
    """The files of these lines of a visit are dropped."""

    visit: int
    positions: list[int]


class CheckpointMark(msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False):
    """In files at rest only: this file holds everything about its subject from the journals up to
    `generation`."""

    generation: int
    highest_serial: int


class RoomMemberKept(msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False):
    """`identity` is a member of the room `group`. The latest entry of both counts. Lines up to `since`
    are not theirs to read.

    They are here, or away since `at`, having been sent all lines up to `seen`. If `is_closed` is
    set, they are a member no more: while they were away the registry's owner has closed the room,
    or only taken them out of it.
    """

    identity: Identity
    group: str
    since: int
    seen: int
    is_here: bool
    at: int
    is_closed: bool | None = None


class RoomMemberGone(msgspec.Struct, frozen=True, array_like=True, tag=9, gc=False):
    """`identity` is no member of the room `group`; None: of no room at all."""

    identity: Identity
    group: str | None = None


class GroupGone(msgspec.Struct, frozen=True, array_like=True, tag=10, gc=False):
    """Nothing of this group is kept, as if it had never existed. It may begin anew."""

    group: str


class RoomTopicKept(msgspec.Struct, frozen=True, array_like=True, tag=18, gc=False):
    """The topic of the room `group`, which ends with it. The latest entry counts; an empty text: it
    has none."""

    group: str
    text: str
    author: bytes
    at: int


class SenderIndicesReserved(msgspec.Struct, frozen=True, array_like=True, tag=19, gc=False):
    """`upto` sender indices were reserved by all lives together. The highest counts."""

    upto: int


class NameReserved(msgspec.Struct, frozen=True, array_like=True, tag=11, gc=False):
    """`identity` has had another name since `at`; nobody else gets this one yet."""

    name_key: str
    identity: bytes
    at: int


class NameFreed(msgspec.Struct, frozen=True, array_like=True, tag=12, gc=False):
    """A reserved name is free."""

    name_key: str


class InviteMade(msgspec.Struct, frozen=True, array_like=True, tag=13, gc=False):
    """Whoever holds the secret half of this join code may register once."""

    code: Identity
    at: int


class InviteGone(msgspec.Struct, frozen=True, array_like=True, tag=14, gc=False):
    """This join code has expired."""

    code: Identity


class BanKept(msgspec.Struct, frozen=True, array_like=True, tag=21, gc=False):
    """The administrator has banned a key, a name, an address or a network since `at`, up to `until`
    (0: for good)."""

    what: str
    at: int
    reason: str = ""
    author: str = ""
    until: int = 0


class BanLifted(msgspec.Struct, frozen=True, array_like=True, tag=22, gc=False):
    """The administrator has lifted this ban."""

    what: str


class JournalBegan(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """The first record of each journal, on the disk before the journal is listed. A journal without
    it was emptied by somebody else."""

    generation: int


class JournalsListed(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """The one record of the list of journals: each of these must exist, unless a checkpoint has
    brought it to rest."""

    generations: list[int]


class FileAtRest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file as a checkpoint left it: its last record is a CheckpointMark of `generation`."""

    name: str
    """Its path in the folder."""
    size: int
    generation: int


class FilesListed(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """In the file of names only: some of the files at rest that its checkpoint left. The last one
    ends the file."""

    files: list[FileAtRest]
    is_last: bool


DeskEntry: TypeAlias = (
    DeskVisitKept
    | DeskVisitRated
    | DeskLineKept
    | DeskVisitOver
    | DeskOpeningKept
    | DeskSessionKept
    | DeskTranscriptKept
    | DeskPastDropped
    | DeskPieceKept
    | DeskFilesDropped
)
Entry: TypeAlias = (
    NameBound
    | MailStored
    | MailTaken
    | GroupKeyMade
    | GroupLineKept
    | GroupCut
    | GroupLinesDropped
    | RoomMemberKept
    | RoomMemberGone
    | GroupGone
    | RoomTopicKept
    | NameReserved
    | NameFreed
    | InviteMade
    | InviteGone
    | BanKept
    | BanLifted
    | SenderIndicesReserved
    | DeskEntry
)


class DeskOwner(enum.Enum):
    """The subject of everything that is kept of the help desk."""

    DESK = "desk"


# The file an entry belongs to: an identity's mailbox, a group's log, the desk's file, or (None) the
# file of names, which also holds room members, join codes, bans and how many sender indices are
# reserved.
Owner: TypeAlias = bytes | str | DeskOwner

Sign: TypeAlias = JournalBegan | JournalsListed | FilesListed
"""A record about files: it is no entry."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry | CheckpointMark)
_sign_decoder = msgspec.msgpack.Decoder(Sign)


def erases(entry: Entry) -> bool:
    """Return whether earlier records hold words of a visitor or an operator that nobody is to read
    any more, now that there is this entry."""
    if isinstance(entry, DeskLineKept):
        return entry.mark == LineMark.RETRACTED
    return isinstance(entry, DeskVisitOver | DeskPastDropped | DeskFilesDropped)


def owner_of(entry: Entry) -> Owner | None:
    """Return the subject of an entry, whose file it comes to rest in."""
    if isinstance(entry, (MailStored, MailTaken)):
        return entry.recipient
    if isinstance(entry, DeskEntry):
        return DeskOwner.DESK
    if isinstance(
        entry, (GroupKeyMade, GroupLineKept, GroupCut, GroupLinesDropped, GroupGone, RoomTopicKept)
    ):
        return entry.group
    return None


def encode(entry: Entry | CheckpointMark | Sign) -> bytes:
    """Encode an entry. Raises ValueError for one that could not be read back: it must never reach
    the disk."""
    identity = _identity_in(entry)
    if identity is not None and len(identity) != IDENTITY_SIZE:
        raise ValueError(f"an identity has {IDENTITY_SIZE} bytes, not {len(identity)}")
    try:
        return _encoder.encode(entry)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _identity_in(entry: Entry | CheckpointMark | Sign) -> bytes | None:
    """Return the identity in an entry, whose length a reader checks."""
    if isinstance(entry, (MailStored, MailTaken)):
        return entry.recipient
    if isinstance(entry, (InviteMade, InviteGone)):
        return entry.code
    return entry.identity if isinstance(entry, (RoomMemberKept, RoomMemberGone)) else None


def decode(payload: bytes) -> Entry | CheckpointMark | None:
    """Decode a whole record. Return None if it is of another version, or no entry at all."""
    try:
        entry: Entry | CheckpointMark = _decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return entry


def decode_sign(payload: bytes) -> Sign | None:
    """Decode a record about files, None for any other."""
    try:
        sign: Sign = _sign_decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return sign
