"""This file is about the safety number of two people: 60 digits that both read the same when they hold each other's keys.

It knows keys only, so the number stays whatever people call themselves. Its making is clause 3.7 of docs/protocol.md.
"""

import hashlib
from typing import Final

ROUNDS: Final = 5_200
"""Hashes for each half. Who wants a key of their own that shows the same half has to pay them for each key they try."""

_PURPOSE: Final = b"chatapp safety 1\0"
_GROUPS: Final = 6
_GROUP_BYTES: Final = 5
_GROUP_DIGITS: Final = 5


def safety_number(one: bytes, other: bytes) -> str:
    """60 digits of two identity keys, in whichever order they are given."""
    return "".join(sorted((_half(one), _half(other))))


def _half(identity: bytes) -> str:
    digest = hashlib.sha512(_PURPOSE + identity).digest()
    for _ in range(ROUNDS - 1):
        digest = hashlib.sha512(digest + identity).digest()
    starts = range(0, _GROUPS * _GROUP_BYTES, _GROUP_BYTES)
    groups = [int.from_bytes(digest[start : start + _GROUP_BYTES]) for start in starts]
    return "".join(f"{group % 10**_GROUP_DIGITS:0{_GROUP_DIGITS}}" for group in groups)
