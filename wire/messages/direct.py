"""What peers exchange directly: message bodies, relayed datagrams, and the frames of reliable delivery;
what a message is besides a text, mostly to an earlier one of its conversation (clause 6.14), and which
text is one emoji, by the grammar of UTS 51 over blocks, not over the list of a year: a new emoji is one
at once."""

import enum
import re
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from chatapp.wire.limits import (
    FILE_MAX,
    FILE_PAGES_MAX,
    PIECE_SIZE,
    TEXT_MAX,
    Count,
    Digest,
    GroupName,
    Key,
)

Author = Annotated[bytes, msgspec.Meta(max_length=32)]
"""The identity key of the author of the earlier message; empty for the sender's own."""


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The text answers that message."""

    author: Author
    number: Count


class Edit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The text is that of the sender's own message from now on."""

    author: Author
    number: Count


class Retract(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """The sender takes that message back."""

    author: Author
    number: Count


class React(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """The text is an emoji that the sender puts to that message, or takes away again."""

    author: Author
    number: Count
    is_on: bool


class FileOffer(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """The text is the name of a file that the sender offers (clause 6.16)."""

    size: Annotated[int, msgspec.Meta(ge=0, le=FILE_MAX)]
    key: Key
    """Seals its chunks, and is used for nothing else."""
    pages: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=FILE_PAGES_MAX)]
    """The SHA-256 of each page of the hashes of its sealed chunks."""


class FileOutcome(enum.IntEnum):
    """What a reader has done with a file."""

    HAS = 1
    """They have it, whole."""
    REFUSED = 2
    """They do not want it."""
    STOPPED = 3
    """They have begun to fetch it, and do so no more. They may begin again."""


class FileAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """What the sender has done with the file that this message offers."""

    author: Author
    number: Count
    outcome: FileOutcome


class Unknown(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=0):
    """One of a later version, as it came; such a message cannot be shown."""

    raw: bytes


Relation: TypeAlias = Reply | Edit | Retract | React | FileOffer | FileAnswer | Unknown | None
"""None: a text of its own."""

EMOJI_MAX: Final = 8
"""Code points of one emoji; a family of four has seven."""

_PICTURE: Final = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004-\U0001f1e5\U0001f201-\U0001faff]"
)
_ELEMENT: Final = f"{_PICTURE}(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
_EMOJI: Final = re.compile(
    f"(?:[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}"
    f"|{_ELEMENT}(?:[\U000e0020-\U000e007e]+\U000e007f|(?:\u200d{_ELEMENT})*))"
)


def is_emoji(text: str) -> bool:
    """Whether the text is one emoji, of at most EMOJI_MAX code points."""
    return len(text) <= EMOJI_MAX and _EMOJI.fullmatch(text) is not None


class DirectBody(msgspec.Struct, frozen=True, array_like=True):
    """The body of a direct message (clause 6.1). `at` is the sender's Unix time in milliseconds."""

    at: Count
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    relation: Relation = None


class DirectGroupLine(msgspec.Struct, frozen=True, array_like=True):
    """The other body of a direct message (clause 6.9): a group's line, sent directly to one member
    while the registry is away. Its first field is a text, that of a `DirectBody` a number, which
    tells the two apart."""

    group: GroupName
    number: Count
    """The number in the sender's stream to the group, the same as in the group's log later."""
    since: Count
    """Every number from this one up to `number` is a gap: it was never used."""
    floor: Count
    """Every number below it is settled: it has its place in the group's log, or never comes."""
    position: Count
    """The position in the log of the newest settled number; 0 for none. A reader who has the log up
    to there need not wait."""
    at: Count
    """The sender's Unix time in milliseconds."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    relation: Relation = None


class RelayDatagram(msgspec.Struct, frozen=True, array_like=True, tag=30):
    """Peer to registry: pass this sealed datagram to `recipient` over its link (rung 2)."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    datagram: bytes


class DatagramRelayed(msgspec.Struct, frozen=True, array_like=True, tag=31):
    """Registry to peer: `sender` asked me to pass this on."""

    sender: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    datagram: bytes


class RelayFile(msgspec.Struct, frozen=True, array_like=True, tag=34):
    """Peer to registry: as RelayDatagram, for one that carries a tunnel (clause 6.22)."""

    recipient: Key
    datagram: bytes


class FileRelayRefused(msgspec.Struct, frozen=True, array_like=True, tag=35):
    """Registry to peer: nothing of files is passed on between you and `other` for so many seconds;
    0: never."""

    other: Key
    seconds: Count


class ReportSilence(msgspec.Struct, frozen=True, array_like=True, tag=33):
    """Peer to registry: `recipient` answered none of my tries, although the table says that they
    are online."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class RelayFailed(msgspec.Struct, frozen=True, array_like=True, tag=32):
    """Registry to peer: `recipient` has no link; do not wait for an answer."""

    recipient: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


LAST_NUMBER: Final = 2**62 - 1
"""The highest message number."""

PROVISIONAL: Final = LAST_NUMBER + 1
"""No message bears a number from here on: a part of such a number asks for a `Known` (clause
6.10)."""

KNOWN_MAX: Final = 2**61
"""A recipient that claims to know higher numbers is not believed: numbers must be able to rise for
ever."""

RANGES_LIMIT: Final = 32
"""Ranges in one acknowledgement. With the widest gaps they still take less than 600 bytes, so they
always fit a datagram."""

PARTS_LIMIT: Final = 1024
"""Parts of one message: a stranger must not make us keep a table for a million of them."""

Number: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Life: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""A number that differs from those of a program's earlier lives."""
Length: TypeAlias = Annotated[int, Meta(ge=1, le=LAST_NUMBER)]
Lengths: TypeAlias = Annotated[list[Length], Meta(min_length=1, max_length=2 * RANGES_LIMIT - 1)]
PartIndex: TypeAlias = Annotated[int, Meta(ge=0, le=PARTS_LIMIT - 1)]
PartCount: TypeAlias = Annotated[int, Meta(ge=1, le=PARTS_LIMIT)]


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Part `index` of the `count` parts of message `number`; `count == 1` is a whole message."""

    number: Number
    index: PartIndex
    count: PartCount
    body: bytes


class Ack(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Acknowledges messages that the receiver has stored: `ranges` are alternating lengths from
    `first` on. They survive a power cut once sync number `sync` of the receiver's life `life` is
    done; 0: they do now."""

    first: Number
    ranges: Lengths
    life: Life = 0
    sync: Number = 0


class PartAck(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Acknowledges parts of message `number` that are held in memory, which a restart forgets."""

    number: Number
    first: PartIndex
    ranges: Lengths


class Floor(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """The lowest number of the sender's stream that is not settled: nothing below it is sent
    again."""

    number: Number


class Gap(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A gap: the `count` numbers from `first` on, all at or above the floor, never come. They were
    skipped or refused."""

    first: Number
    count: Length


class Known(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """All numbers of the asker's that we know, and our clock in microseconds, are below this
    one."""

    number: Annotated[int, Meta(ge=0, le=KNOWN_MAX)]


class LastOpening(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """An opening of yours was dropped: its number is not above this one, of the last that was taken
    (clause 5.2)."""

    number: Number


class OnDisk(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """The syncs of the receiver's life `life` up to number `sync` are done (clause 6.13)."""

    life: Life
    sync: Number


class Typing(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """The sender's user is writing a message to the recipient (clause 6.11)."""


class SeenUpTo(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=15):
    """The sender's user has seen the recipient's messages up to this number; 0: seen marks are
    given to whoever gives theirs (clause 6.15)."""

    number: Number


TunnelNumber: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
PieceIndex: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class TunnelPiece(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """Bytes of a link that goes through a tunnel, behind those of the piece before (clause 6.20)."""

    tunnel: TunnelNumber
    by_opener: bool
    """Whether the sender has opened the tunnel."""
    index: PieceIndex
    data: Annotated[bytes, Meta(min_length=1, max_length=PIECE_SIZE)]


class TunnelAck(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    """Acknowledges the pieces below `upto`, and the ranges of alternating lengths from `first` on."""

    tunnel: TunnelNumber
    by_opener: bool
    upto: PieceIndex
    first: PieceIndex
    ranges: Annotated[list[Length], Meta(max_length=2 * RANGES_LIMIT - 1)]


class TunnelEnd(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=18):
    """The sender's end of this tunnel is closed, or never was open."""

    tunnel: TunnelNumber
    by_opener: bool


class TryPort(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=19):
    """Can you connect to my TCP port? (clause 6.21)."""

    reference: Annotated[int, Meta(ge=0, le=2**32 - 1)]


class PortTried(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """Whether the sender could, and found the asker there."""

    reference: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    has_reached: bool


TunnelFrame: TypeAlias = TunnelPiece | TunnelAck | TunnelEnd
FileFrame: TypeAlias = TunnelFrame | TryPort | PortTried
FILE_FRAMES: Final = (TunnelPiece, TunnelAck, TunnelEnd, TryPort, PortTried)
"""What is for the files of the recipient."""

DeliveryFrame: TypeAlias = Part | Ack | PartAck | Floor | Gap | Known | OnDisk

encode_frame: Final = msgspec.msgpack.Encoder().encode
"""Encodes one frame; a datagram's plaintext is one msgpack array of such frames."""
