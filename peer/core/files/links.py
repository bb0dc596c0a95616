"""The two ends of a connection on which a file is fetched, as bytes of frames (clauses 6.17 and 6.18). Chunks
are sealed under the key of the file, all else under that of the connection."""

from typing import Final, NamedTuple

from chatapp.wire.codec import (
    LENGTH_SIZE,
    Kind,
    chunk_header,
    decode_file_notice,
    decode_file_request,
    decode_keeper_notice,
    encode,
    frame,
    unpack_chunk,
)
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import FILE_ASKED_MAX
from chatapp.wire.messages.files import FileNotice, FileRequest, KeeperNotice, KeeperRequest
from chatapp.wire.sessions.link import LinkOpening, LinkSession

_CHUNK: Final = bytes((Kind.CHUNK,))


class Chunk(NamedTuple):
    """A sealed chunk of the file, and its place."""

    place: int
    sealed: bytes | memoryview


class _OpeningEnd:
    """The end of the one who has opened the link."""

    def __init__(self, opening: LinkOpening) -> None:
        self._opening: Final = opening
        self._session: LinkSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether the other side has shown who they are."""
        return self._session is not None

    def request(self, request: KeeperRequest) -> bytes:
        """Return the frame that says this."""
        assert self._session is not None
        return frame(self._session.seal(encode(request)))

    def _opened(self, received: bytes) -> bytes | None:
        """Return what a sealed frame says; None for the frame that answers our first. Raises
        SealError."""
        if self._session is None:
            self._session = self._opening.answered(received)
            return None
        return self._session.open(received)


class FetchingEnd(_OpeningEnd):
    """The end of the one who fetches."""

    def receive(self, received: bytes) -> FileNotice | Chunk | None:
        """Take a frame; None for the one that opens the link. Raises SealError, DecodeError."""
        if self.is_open and received.startswith(_CHUNK):
            return Chunk(*unpack_chunk(received))
        opened = self._opened(received)
        return None if opened is None else decode_file_notice(opened)


class GivingEnd(_OpeningEnd):
    """The end of one who gives a file to the registry (clause 6.23)."""

    def receive(self, received: bytes) -> KeeperNotice | None:
        """Take a frame; None for the one that opens the link. Raises SealError, DecodeError."""
        opened = self._opened(received)
        return None if opened is None else decode_keeper_notice(opened)


def framed(chunk: Chunk) -> tuple[bytes, ...]:
    """Return the frame with a chunk, in pieces: it is not copied more often than it must."""
    header = chunk_header(chunk.place)
    length = len(header) + len(chunk.sealed)
    return length.to_bytes(LENGTH_SIZE, "big"), header, bytes(chunk.sealed)


class ServingEnd:
    """The end of the one who has the file."""

    def __init__(self, session: LinkSession) -> None:
        self._session: Final = session
        self._asked = 0

    def receive(self, received: bytes) -> FileRequest:
        """Take a frame. Raises SealError, DecodeError, also for more requests at a time than are
        allowed."""
        request = decode_file_request(self._session.open(received))
        self._asked += 1
        if self._asked > FILE_ASKED_MAX:
            raise DecodeError("request for a file", "too many at a time")
        return request

    def notice(self, notice: FileNotice) -> bytes:
        """Return the frame that answers a request by this."""
        self._asked -= 1
        return frame(self._session.seal(encode(notice)))

    def chunk(self, chunk: Chunk) -> tuple[bytes, ...]:
        """Return the frame that answers a request by a chunk, in pieces."""
        self._asked -= 1
        return framed(chunk)
