"""What a decoder may do with bytes that are no good: one error, and nothing else."""

from chatapp.wire.errors import DecodeError
from tests.support.strategies import Decode


def is_taken_or_refused(decode: Decode, data: bytes) -> bool:
    """Whether a decoder gives a message (True) or its one error (False); anything else is raised."""
    try:
        decode(data)
    except DecodeError as error:
        assert str(error)
        return False
    return True
