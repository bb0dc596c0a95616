"""The bytes of messages: frames on a link, the binary headers of datagrams and frames, and what is in
them as msgpack, by msgspec."""

import contextlib
import enum
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Final, NamedTuple, TypeVar

import msgspec

from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import BODY_MAX, DATAGRAM_FRAMES_MAX, HELLO_SIZE, LINK_FIRST_FRAME_MAX
from chatapp.wire.messages.direct import (
    DeliveryFrame,
    DirectBody,
    DirectGroupLine,
    FileFrame,
    FileOffer,
    LastOpening,
    SeenUpTo,
    Typing,
    Unknown,
)
from chatapp.wire.messages.files import (
    FileNotice,
    FileRequest,
    KeeperNotice,
    KeeperRequest,
)
from chatapp.wire.messages.link import Attach, AttachFiles, PeerRequest, RegistryNotice
from chatapp.wire.messages.mail import LetterBody, SignedLetter
from chatapp.wire.messages.registration import (
    Cookie,
    Hello,
    Leave,
    Left,
    Ping,
    Pong,
    Probe,
    Refused,
    Register,
    Welcome,
)
from chatapp.wire.messages.rooms import GroupBody
from chatapp.wire.messages.table import Card, Page, Row

Decoded = TypeVar("Decoded")
SaidBody = DirectBody | DirectGroupLine | LetterBody | GroupBody
"""The bodies in which somebody says something."""
Body = TypeVar("Body", DirectBody, DirectGroupLine, LetterBody, GroupBody)

DatagramFrame = (
    DeliveryFrame | LastOpening | Typing | SeenUpTo | FileFrame | Ping | Pong | Probe | Leave | Left
)
"""The frames that a sealed datagram may contain (clause 5.3)."""

_encoder: Final = msgspec.msgpack.Encoder()
_BIN8_HEADER: Final = 2
"""Bytes before a msgpack byte string of up to 255 bytes."""
_ARRAY_HEADERS: Final = [bytes((0x90 | count,)) for count in range(16)]
"""The first byte of short msgpack arrays, by their count of elements."""
_hostile: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises on hostile bytes: its own errors, bad UTF-8, and too deep nesting."""


encode: Final[Callable[[object], bytes]] = _encoder.encode
"""Encodes any message of the protocol."""


def _decoder(shape: object, subject: str) -> Callable[[bytes | memoryview], object]:
    decode = msgspec.msgpack.Decoder(shape).decode

    def checked(data: bytes | memoryview) -> object:
        try:
            return decode(data)
        except _hostile as error:
            raise DecodeError(subject, str(error)) from None

    return checked


def _typed(shape: type[Decoded], subject: str) -> Callable[[bytes | memoryview], Decoded]:
    return _decoder(shape, subject)  # type: ignore[return-value]


def _said(shape: type[Body], subject: str) -> Callable[[bytes | memoryview], Body]:
    """Return a decoder of bodies. A relation that we cannot read is `Unknown` (clause 6.14)."""
    decode, known = msgspec.msgpack.Decoder(shape).decode, len(shape.__struct_fields__) - 1

    def checked(data: bytes | memoryview) -> Body:
        try:
            return decode(data)
        except _hostile as error:
            try:
                elements = _elements_of(data)
                body = decode(join_frames(elements[:known]))
                return msgspec.structs.replace(body, relation=Unknown(bytes(elements[known])))
            except (*_hostile, IndexError):
                raise DecodeError(subject, str(error)) from None

    return checked


_elements_of: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
decode_cookie: Final = _typed(Cookie, "COOKIE")
decode_register: Final = _typed(Register, "REGISTER")
decode_welcome: Final = _typed(Welcome, "WELCOME")
decode_refused: Final = _typed(Refused, "REFUSED")
decode_card: Final = _typed(Card, "card")
decode_row: Final = _typed(Row, "row")
decode_signed_letter: Final = _typed(SignedLetter, "letter")
decode_letter_body: Final = _said(LetterBody, "letter body")
decode_group_body: Final = _said(GroupBody, "group line")
decode_file_offer: Final = _typed(FileOffer, "offer of a file")
_decode_hello: Final = _typed(Hello, "HELLO")
_direct_body_of: Final = msgspec.msgpack.Decoder(DirectBody).decode
_decode_direct_body: Final = _said(DirectBody, "message body")
_decode_direct_group_line: Final = _said(DirectGroupLine, "group line")
_frame_count: Final = msgspec.Meta(max_length=DATAGRAM_FRAMES_MAX)
_frames_of: Final = msgspec.msgpack.Decoder(Annotated[list[DatagramFrame], _frame_count]).decode
_decode_raw_frames: Final = _decoder(Annotated[list[msgspec.Raw], _frame_count], "frames")
_decode_frame: Final = _decoder(DatagramFrame, "frame")
_decode_table_batch: Final = _decoder(Page, "table batch")
_decode_request: Final = _decoder(PeerRequest, "request")
_decode_notice: Final = _decoder(RegistryNotice, "notice")
_decode_file_request: Final = _decoder(FileRequest, "request for a file")
_decode_file_notice: Final = _decoder(FileNotice, "answer about a file")
_decode_keeper_request: Final = _decoder(KeeperRequest, "request for a kept file")
_decode_keeper_notice: Final = _decoder(KeeperNotice, "answer about a kept file")
_decode_attachment: Final = _decoder(Attach | AttachFiles, "first frame of a link")


def decode_frames(payload: bytes) -> list[DatagramFrame]:
    """Return the frames of a sealed datagram's plaintext (clause 5.3) without those that we cannot
    read: kinds of a later version, or values out of their bounds. Raises DecodeError when the
    payload is not an array, or has too many elements."""
    try:
        return _frames_of(payload)  # type: ignore[no-any-return]
    except _hostile:
        return _readable_frames(_decode_raw_frames(payload))  # type: ignore[arg-type]


def decode_payloads(
    payloads: Sequence[bytes],
) -> tuple[list[list[DatagramFrame]], list[DecodeError]]:
    """Return the frames of each payload, as `decode_frames` does, and the errors of those that
    cannot be decoded."""
    try:
        return list(map(_frames_of, payloads)), []
    except _hostile:
        pass
    decoded: list[list[DatagramFrame]] = []
    errors: list[DecodeError] = []
    for payload in payloads:
        try:
            decoded.append(decode_frames(payload))
        except DecodeError as error:
            errors.append(error)
    return decoded, errors


def _readable_frames(encoded: list[msgspec.Raw]) -> list[DatagramFrame]:
    frames: list[DatagramFrame] = []
    for frame in encoded:
        with contextlib.suppress(DecodeError):
            frames.append(_decode_frame(frame))  # type: ignore[arg-type]
    return frames


def decode_table_batch(data: bytes | memoryview) -> Page:
    """Decode a broadcast of the table (clause 3.3). Raises DecodeError."""
    return _decode_table_batch(data)  # type: ignore[return-value]


def decode_request(payload: bytes) -> PeerRequest:
    """Decode a request that a peer sent on its link (clause 9.3). Raises DecodeError."""
    return _decode_request(payload)  # type: ignore[return-value]


def decode_notice(payload: bytes) -> RegistryNotice:
    """Decode a notice that the registry sent on a link (clause 9.4). Raises DecodeError."""
    return _decode_notice(payload)  # type: ignore[return-value]


def decode_file_request(payload: bytes) -> FileRequest:
    """Decode a request on a link for a file (clause 6.18). Raises DecodeError."""
    return _decode_file_request(payload)  # type: ignore[return-value]


def decode_file_notice(payload: bytes) -> FileNotice:
    """Decode an answer on a link for a file (clause 6.18). Raises DecodeError."""
    return _decode_file_notice(payload)  # type: ignore[return-value]


def decode_keeper_request(payload: bytes) -> KeeperRequest:
    """Decode what a peer says on a link for kept files (clause 6.23). Raises DecodeError."""
    return _decode_keeper_request(payload)  # type: ignore[return-value]


def decode_keeper_notice(payload: bytes) -> KeeperNotice:
    """Decode what a registry says on a link for kept files (clause 6.23). Raises DecodeError."""
    return _decode_keeper_notice(payload)  # type: ignore[return-value]


def decode_attachment(payload: bytes) -> Attach | AttachFiles:
    """Decode the payload that opens a link to a registry (clauses 6.23 and 9.1). Raises
    DecodeError."""
    return _decode_attachment(payload)  # type: ignore[return-value]


def decode_message_body(body: bytes) -> DirectBody | DirectGroupLine:
    """Decode the body of anything that one peer sends another. Raises DecodeError.

    A group's line begins with a text, a direct message with a number (clause 6.9), which tells them
    apart.
    """
    if len(body) > BODY_MAX:
        raise DecodeError("message body", f"{len(body)} bytes, at most {BODY_MAX}")
    try:
        return _decode_direct_body(body)
    except DecodeError:
        return _decode_direct_group_line(body)


def decode_direct_bodies(bodies: Sequence[bytes]) -> list[DirectBody] | None:
    """Decode the bodies of direct messages, all at once; None if any of them is something else, or
    malformed."""
    if max(map(len, bodies), default=0) > BODY_MAX:
        return None
    try:
        return list(map(_direct_body_of, bodies))
    except _hostile:
        return None


def encode_said(body: SaidBody) -> bytes:
    """Encode what somebody says; without a relation nothing stands for it (clause 6.14)."""
    fields = msgspec.structs.astuple(body)
    return _encoder.encode(fields if body.relation is not None else fields[:-1])


def encode_hello(hello: Hello) -> bytes:
    """Encode a HELLO, padded to its full size (clause 4.1), without the byte for its kind.

    The padding is one more element of the array: zeros after the array could not be told from a
    nonce that ends in 0.
    """
    room = HELLO_SIZE - 1 - len(_encoder.encode(hello)) - _BIN8_HEADER
    return _encoder.encode([hello.version, hello.nonce, bytes(room)])


def decode_hello(data: bytes | memoryview) -> Hello:
    """Decode a HELLO without its kind byte. Raises DecodeError, also when it is shorter than it
    must be (clause 4.1)."""
    if len(data) != HELLO_SIZE - 1:
        raise DecodeError("HELLO", f"{len(data) + 1} bytes instead of {HELLO_SIZE}")
    return _decode_hello(data)


def join_frames(frames: Sequence[bytes]) -> bytes:
    """Join frames that are encoded already into one msgpack array (clause 5.3)."""
    count = len(frames)
    header = _ARRAY_HEADERS[count] if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return header + b"".join(frames)


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

    def is_one_frame(self, data: bytes) -> bool:
        """Whether these bytes, which were not fed, are one whole frame and nothing waits before
        them: then their `LENGTH_SIZE` first ones are the length, and all others the frame."""
        length = len(data) - LENGTH_SIZE
        return (
            not self._buffer
            and 0 < length <= self.largest
            and int.from_bytes(data[:LENGTH_SIZE], "big") == length
        )

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
        with memoryview(buffer) as view:
            whole = bytes(view[LENGTH_SIZE:end])
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
    CHUNK = 12


TAG_SIZE: Final = 8
AEAD_TAG_SIZE: Final = 16
_sealed: Final = struct.Struct(">B8sI")
_group: Final = struct.Struct(">B8sIIQ")
_relayed: Final = struct.Struct(">BQ")
_chunk: Final = struct.Struct(">BQ")
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


CHUNK_OVERHEAD: Final = _chunk.size + AEAD_TAG_SIZE


def chunk_header(index: int) -> bytes:
    """Return what stands before a sealed chunk of a file on a link (clause 6.18)."""
    return _chunk.pack(Kind.CHUNK, index)


def unpack_chunk(data: bytes) -> tuple[int, memoryview]:
    """Return (place, sealed chunk), without a copy. Raises DecodeError."""
    if len(data) <= CHUNK_OVERHEAD:
        raise DecodeError("CHUNK", f"{len(data)} bytes")
    return _chunk.unpack_from(data)[1], memoryview(data)[_chunk.size :]
