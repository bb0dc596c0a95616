"""This file is about the names of streams: whose the lines of each are.

A stream of direct messages bears the other person's identity key; of a group's lines, the same behind the group's mark;
the mark alone is our own stream to the group. It must not know what stands in a stream.
"""

import contextlib
import hashlib
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec

from wire.messages.group import CHANNEL

CHANNEL_MARK: Final = b"#"

KEY_SIZE: Final = 32
"""Bytes of an identity key."""

Key: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=KEY_SIZE, max_length=KEY_SIZE)]


class Parties(NamedTuple):
    """Whose the lines of a stream are."""

    room: str | None
    """None for direct messages, empty for the channel."""
    person: bytes | None
    """The other one; None where we speak to a group."""


def parties_of(stream: bytes, *, is_ours: bool) -> Parties:
    """What a stream's key says. Of a room it is the mark, the name of its group (one sign, then the room's name) and a zero
    byte; of the channel the mark alone; and behind either, unless it is our own stream, the identity of who speaks."""
    group, person = (stream, None) if is_ours else (stream[:-KEY_SIZE], stream[-KEY_SIZE:])
    if group == CHANNEL_MARK:
        return Parties("", person)
    if group.startswith(CHANNEL_MARK) and group.endswith(b"\0"):
        with contextlib.suppress(UnicodeDecodeError):  # a person's key may begin and end so
            return Parties(group[1:-1].decode()[1:], person)
    return Parties(None, stream)


def name_stream(registry: bytes, key: str) -> bytes:
    """Our stream to a name (its key) whose bearer at this registry is not known yet: of the size of an identity key."""
    return hashlib.sha256(b"chatapp name 1\0" + registry + key.encode()).digest()


def group_mark(group: str) -> bytes:
    """What stands before the identity in the names of a group's streams."""
    return CHANNEL_MARK if group == CHANNEL else CHANNEL_MARK + group.encode() + b"\0"
