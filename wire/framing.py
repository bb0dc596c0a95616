"""Cutting a TCP stream into frames: `u32 length` (big endian), then that many bytes (clause 9.2).

It refuses a length before it allocates anything for it. It knows no keys.
"""

import enum
import struct
from typing import Final, NamedTuple

from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import LINK_FIRST_FRAME_MAX

_LENGTH_SIZE: Final = 4


def frame(body: bytes) -> bytes:
    """`body` with its length before it."""
    return len(body).to_bytes(_LENGTH_SIZE, "big") + body


class FrameReader:
    """Takes a stream in any pieces and gives whole frames. `largest` may be raised once the other side is known."""

    __slots__ = ("_buffer", "largest")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.largest = LINK_FIRST_FRAME_MAX

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Add what arrived."""
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """The next whole frame, or None. Raises DecodeError for a length of 0 or over `largest`."""
        buffer = self._buffer
        if len(buffer) < _LENGTH_SIZE:
            return None
        length = int.from_bytes(buffer[:_LENGTH_SIZE], "big")
        if not 0 < length <= self.largest:
            raise DecodeError("frame", f"{length} bytes, at most {self.largest}")
        end = _LENGTH_SIZE + length
        if len(buffer) < end:
            return None
        whole = bytes(buffer[_LENGTH_SIZE:end])
        del buffer[:end]
        return whole

    @property
    def waiting(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._buffer)


class Kind(enum.IntEnum):
    """The first byte of every datagram and of every frame on a link (clause 2.1)."""

    HELLO = 1
    COOKIE = 2
    REGISTER = 3
    WELCOME = 4
    REFUSED = 5
    OPENING = 6
    SEALED = 7
    GROUP = 8
    GROUP_RELAYED = 9
    ANSWER = 10
    RENEWAL = 11


TAG_SIZE: Final = 8
AEAD_TAG_SIZE: Final = 16
_sealed: Final = struct.Struct(">B8sQ")
_group: Final = struct.Struct(">B8sIIQ")
_relayed: Final = struct.Struct(">BQ")
_opening: Final = struct.Struct(">B32sQ8s32s16s16sQ")
_answer: Final = struct.Struct(">B8s8s32s16sQ")
_COUNTER_SIZE: Final = 8
_NUMBER_MAX: Final = 2**63 - 1

SEALED_OVERHEAD: Final = _sealed.size + AEAD_TAG_SIZE
SEALED_HEADER_SIZE: Final = _sealed.size
OPENING_HEADER_SIZE: Final = _opening.size
OPENING_HEAD_SIZE: Final = _opening.size - _COUNTER_SIZE
"""What is the same in all datagrams of one opening: all but the counter."""
OPENING_OVERHEAD: Final = _opening.size + AEAD_TAG_SIZE
ANSWER_HEADER_SIZE: Final = _answer.size
ANSWER_OVERHEAD: Final = _answer.size + AEAD_TAG_SIZE
GROUP_HEADER_SIZE: Final = _group.size
GROUP_OVERHEAD: Final = _group.size + AEAD_TAG_SIZE


class SealedHeader(NamedTuple):
    """`session` is the number by which its reader finds the session (clause 5.1), `counter` is the nonce."""

    session: bytes
    counter: int


class OpeningHeader(NamedTuple):
    """What begins a session (clause 5.2): `ephemeral` and `tag` are the first message of the handshake."""

    identity: bytes
    number: int
    session: bytes
    ephemeral: bytes
    tag: bytes
    proof: bytes
    counter: int


class AnswerHeader(NamedTuple):
    """What answers an opening (clause 5.3): `ephemeral` and `tag` are the second message of the handshake."""

    session: bytes
    theirs: bytes
    ephemeral: bytes
    tag: bytes
    counter: int


class GroupHeader(NamedTuple):
    """`tag` names the group, `epoch` its key; `sender_index` and `counter` together are the nonce (clause 8.2)."""

    tag: bytes
    epoch: int
    sender_index: int
    counter: int


def pack_sealed(session: bytes, counter: int) -> bytes:
    """The 17-byte header of a sealed datagram."""
    return _sealed.pack(Kind.SEALED, session, counter)


def unpack_sealed(data: bytes) -> SealedHeader:
    """Raises DecodeError when the datagram is too short to hold a header and an AEAD tag."""
    if len(data) < SEALED_OVERHEAD:
        raise DecodeError("SEALED", f"{len(data)} bytes")
    _, session, counter = _sealed.unpack_from(data)
    return SealedHeader(session, counter)


def pack_opening(header: OpeningHeader) -> bytes:
    """The 121-byte header of a datagram or first frame that opens a session."""
    return _opening.pack(Kind.OPENING, *header)


def unpack_opening(data: bytes) -> OpeningHeader:
    """Raises DecodeError when it is too short to hold a header and an AEAD tag, or its number fits no store."""
    if len(data) < OPENING_OVERHEAD:
        raise DecodeError("OPENING", f"{len(data)} bytes")
    header = OpeningHeader._make(_opening.unpack_from(data)[1:])
    if header.number > _NUMBER_MAX:
        raise DecodeError("OPENING", f"number {header.number}")
    return header


def pack_answer(header: AnswerHeader) -> bytes:
    """The 73-byte header of what answers an opening."""
    return _answer.pack(Kind.ANSWER, *header)


def unpack_answer(data: bytes) -> AnswerHeader:
    """Raises DecodeError when it is too short to hold a header and an AEAD tag."""
    if len(data) < ANSWER_OVERHEAD:
        raise DecodeError("ANSWER", f"{len(data)} bytes")
    return AnswerHeader._make(_answer.unpack_from(data)[1:])


def pack_group(header: GroupHeader) -> bytes:
    """The 25-byte header of a group frame."""
    return _group.pack(Kind.GROUP, *header)


def unpack_group(data: bytes | memoryview) -> GroupHeader:
    """Raises DecodeError when the frame is too short to hold a header and an AEAD tag."""
    if len(data) < GROUP_OVERHEAD:
        raise DecodeError("GROUP", f"{len(data)} bytes")
    _, tag, epoch, sender_index, counter = _group.unpack_from(data)
    return GroupHeader(tag, epoch, sender_index, counter)


def pack_relayed(position: int, frame: bytes) -> bytes:
    """A group frame as the registry relays it: its place in the group's log goes before it (clause 8.4)."""
    return _relayed.pack(Kind.GROUP_RELAYED, position) + frame


def unpack_relayed(data: bytes) -> tuple[int, bytes]:
    """(position, group frame). Raises DecodeError."""
    if len(data) < _relayed.size + GROUP_OVERHEAD:
        raise DecodeError("GROUP_RELAYED", f"{len(data)} bytes")
    return _relayed.unpack_from(data)[1], data[_relayed.size :]
