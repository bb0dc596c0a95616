"""Checks for decoders: invalid bytes give one error and no other effect, and what is accepted can
be sent on."""

from typing import Any

from chatapp.wire.codec import decode_frames, encode, join_frames
from chatapp.wire.errors import DecodeError
from tests.support.strategies import Decode, bytes_of


def is_taken_or_refused(decode: Decode, data: bytes) -> bool:
    """Return whether a decoder gives a message (True) or its one error (False); anything else is
    raised. A message that it gives is encoded again: those bytes are accepted too, and mean the
    same."""
    try:
        found = decode(data)
    except DecodeError as error:
        assert str(error)
        return False
    again = _encoded(decode, found)
    assert _encoded(decode, decode(again)) == again
    return True


def _encoded(decode: Decode, found: Any) -> bytes:
    return (
        join_frames([encode(frame) for frame in found])
        if decode is decode_frames
        else bytes_of(found)
    )
