"""This file is about cutting a TCP stream into frames: `u32 length` (big endian), then that many bytes (clause 9.2).

It refuses a length before it allocates anything for it. It knows no keys.
"""

from typing import Final

from wire.errors import DecodeError
from wire.limits import LINK_FIRST_FRAME_MAX

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
