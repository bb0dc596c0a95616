"""A check for decoders: invalid bytes give one error and no other effect."""

from chatapp.wire.errors import DecodeError
from tests.support.strategies import Decode


def is_taken_or_refused(decode: Decode, data: bytes) -> bool:
    """Return whether a decoder gives a message (True) or its one error (False); anything else is raised."""
    try:
        decode(data)
    except DecodeError as error:
        assert str(error)
        return False
    return True
