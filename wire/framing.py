"""Frames on a link, and the binary headers of datagrams and frames.

A TCP stream is cut into frames of `u32 length` (big endian) and that many bytes (clause 9.2). A
length is checked before anything is allocated for it.
"""

import enum
import struct
from typing import Final, NamedTuple

from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import LINK_FIRST_FRAME_MAX

LENGTH_SIZE: Final = 4
"""Bytes of the length before each frame of a link."""


def frame(body: bytes) -> bytes:
    """Return `body` with its length in front."""
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


class FrameReader:
    """Cuts a stream, fed in any pieces, into whole frames. `largest` may be raised once the other
    side is known."""

    __slots__ = ("_buffer", "largest")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.largest = LINK_FIRST_FRAME_MAX

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes that arrived."""
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """Return the next whole frame, or None. Raises DecodeError for a length of 0 or over
        `largest`."""
        buffer = self._buffer
        if len(buffer) < LENGTH_SIZE:
            return None
        length = int.from_bytes(buffer[:LENGTH_SIZE], "big")
        if not 0 < length <= self.largest:
            raise DecodeError("frame", f"{length} bytes, at most {self.largest}")
        end = LENGTH_SIZE + length
        if len(buffer) < end:
            return None
        whole = bytes(buffer[LENGTH_SIZE:end])
        del buffer[:end]
        return whole

    @property
    def waiting(self) -> int:
        """The bytes of the frame that is not complete yet."""
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
_sealed: Final = struct.Struct(">B8sI")
_group: Final = struct.Struct(">B8sIIQ")
_relayed: Final = struct.Struct(">BQ")
_opening: Final = struct.Struct(">B32sQ8s32s16s16sI")
_answer: Final = struct.Struct(">B8s8s32s16sI")
COUNTER_SIZE: Final = 4
NONCE_PREFIX: Final = bytes(8)
"""A nonce of AES-256-GCM is these bytes and the counter."""
_NUMBER_MAX: Final = 2**63 - 1

SEALED_OVERHEAD: Final = _sealed.size + AEAD_TAG_SIZE
SEALED_HEADER_SIZE: Final = _sealed.size
SEALED_HEAD_SIZE: Final = _sealed.size - COUNTER_SIZE
"""The bytes that are the same in all sealed datagrams of one session: the header without its
counter."""
OPENING_HEADER_SIZE: Final = _opening.size
OPENING_HEAD_SIZE: Final = _opening.size - COUNTER_SIZE
"""The bytes that are the same in all datagrams of one opening: the header without its counter."""
OPENING_OVERHEAD: Final = _opening.size + AEAD_TAG_SIZE
ANSWER_HEADER_SIZE: Final = _answer.size
ANSWER_OVERHEAD: Final = _answer.size + AEAD_TAG_SIZE
GROUP_HEADER_SIZE: Final = _group.size
GROUP_OVERHEAD: Final = _group.size + AEAD_TAG_SIZE


class OpeningHeader(NamedTuple):
    """The header that begins a session (clause 5.2): `ephemeral` and `tag` are the first message of
    the handshake."""

    identity: bytes
    number: int
    session: bytes
    ephemeral: bytes
    tag: bytes
    proof: bytes
    counter: int


class AnswerHeader(NamedTuple):
    """The header that answers an opening (clause 5.3): `ephemeral` and `tag` are the second message
    of the handshake."""

    session: bytes
    theirs: bytes
    ephemeral: bytes
    tag: bytes
    counter: int


class GroupHeader(NamedTuple):
    """The header of a group frame: `tag` names the group, `epoch` its key; `sender_index` and
    `counter` form the nonce (clause 8.2)."""

    tag: bytes
    epoch: int
    sender_index: int
    counter: int


def pack_opening(header: OpeningHeader) -> bytes:
    """Pack the 117-byte header of a datagram or first frame that opens a session."""
    return _opening.pack(Kind.OPENING, *header)


def unpack_opening(data: bytes) -> OpeningHeader:
    """Unpack the header of an opening. Raises DecodeError if it is too short, or its number exceeds
    a signed 64-bit integer."""
    if len(data) < OPENING_OVERHEAD:
        raise DecodeError("OPENING", f"{len(data)} bytes")
    header = OpeningHeader._make(_opening.unpack_from(data)[1:])
    if header.number > _NUMBER_MAX:
        raise DecodeError("OPENING", f"number {header.number}")
    return header


def pack_answer(header: AnswerHeader) -> bytes:
    """Pack the 69-byte header of the answer to an opening."""
    return _answer.pack(Kind.ANSWER, *header)


def unpack_answer(data: bytes) -> AnswerHeader:
    """Unpack the header of an answer. Raises DecodeError if it is too short for a header and an
    AEAD tag."""
    if len(data) < ANSWER_OVERHEAD:
        raise DecodeError("ANSWER", f"{len(data)} bytes")
    return AnswerHeader._make(_answer.unpack_from(data)[1:])


def pack_group(header: GroupHeader) -> bytes:
    """Pack the 25-byte header of a group frame."""
    return _group.pack(Kind.GROUP, *header)


def unpack_group(data: bytes | memoryview) -> GroupHeader:
    """Unpack the header of a group frame. Raises DecodeError if it is too short for a header and an
    AEAD tag."""
    if len(data) < GROUP_OVERHEAD:
        raise DecodeError("GROUP", f"{len(data)} bytes")
    _, tag, epoch, sender_index, counter = _group.unpack_from(data)
    return GroupHeader(tag, epoch, sender_index, counter)


def pack_relayed(position: int, frame: bytes) -> bytes:
    """Return a group frame as the registry relays it, with its position in the group's log in front
    (clause 8.4)."""
    return _relayed.pack(Kind.GROUP_RELAYED, position) + frame


def unpack_relayed(data: bytes) -> tuple[int, bytes]:
    """Return (position, group frame). Raises DecodeError."""
    if len(data) < _relayed.size + GROUP_OVERHEAD:
        raise DecodeError("GROUP_RELAYED", f"{len(data)} bytes")
    return _relayed.unpack_from(data)[1], data[_relayed.size :]
