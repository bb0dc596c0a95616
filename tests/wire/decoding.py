"""This file is about what a decoder may do with bytes that are no good: one error, and nothing else."""

from tests.support.strategies import Decode
from wire.errors import DecodeError


def is_taken_or_refused(decode: Decode, data: bytes) -> bool:
    """Whether a decoder gives a message (True) or its one error (False); anything else is raised."""
    try:
        decode(data)
    except DecodeError as error:
        assert str(error)
        return False
    return True
