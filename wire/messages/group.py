"""This file is about groups: the channel (everybody) and, by the same rules, rooms (clause 8).

A line is sealed once by its sender with the group's key and relayed as it came.
"""

import enum
from typing import Annotated

import msgspec

from wire.limits import TEXT_MAX
from wire.messages.table import Count, Key

CHANNEL = "channel"
"""The group that everybody is in. A room's name begins with `#`, so no room can be it."""

GroupName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Epoch = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Station = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class GroupBody(msgspec.Struct, frozen=True, array_like=True):
    """The inside of a group line. `number` and `floor` are the sender's, as for direct messages."""

    number: Count
    floor: Count
    at: Count
    """The sender's Unix time in milliseconds."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]


class EpochKey(msgspec.Struct, frozen=True, array_like=True):
    """One key of a group and the epoch in which it is in force."""

    epoch: Epoch
    key: Key


class GroupGranted(msgspec.Struct, frozen=True, array_like=True, tag=50):
    """Registry to peer: you are in; seal with this key as number `station`. `position` is the newest line's."""

    group: GroupName
    epoch: Epoch
    key: Key
    station: Station
    position: Count


class GroupAccepted(msgspec.Struct, frozen=True, array_like=True, tag=51):
    """Registry to peer: your line with this counter is kept for those who are away, as `position`."""

    group: GroupName
    epoch: Epoch
    counter: Count
    position: Count


class GroupRefusal(enum.IntEnum):
    """Why a line was not taken (clause 8.4)."""

    EPOCH_OVER = 1
    DISK_FULL = 2
    DISK_FAILED = 3


class GroupRefused(msgspec.Struct, frozen=True, array_like=True, tag=52):
    """Registry to peer: your line was not taken, and nobody was shown it."""

    group: GroupName
    epoch: Epoch
    counter: Count
    reason: GroupRefusal


class FetchGroup(msgspec.Struct, frozen=True, array_like=True, tag=53):
    """Peer to registry: the lines after position `since`."""

    group: GroupName
    since: Count


class GroupLine(msgspec.Struct, frozen=True, array_like=True):
    """One stored line: where it stands, whose it is, and the frame as its sender sealed it."""

    position: Count
    sender: Key
    frame: bytes


class GroupPage(msgspec.Struct, frozen=True, array_like=True, tag=54):
    """Registry to peer: stored lines up to `position`, and the keys that open them."""

    group: GroupName
    keys: Annotated[list[EpochKey], msgspec.Meta(max_length=4_096)]
    lines: Annotated[list[GroupLine], msgspec.Meta(max_length=4_096)]
    position: Count
    more: bool
