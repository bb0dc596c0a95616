"""Groups: the channel (everybody) and, by the same rules, rooms (clause 8).

A line is sealed once by its sender with the group's key and relayed as it came.
"""

import enum
from typing import Annotated

import msgspec

from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.registration import Reference
from chatapp.wire.messages.table import Count, Key, Name

CHANNEL = "channel"
"""The group that everybody is in. A room's name begins with `#`, so no room can be it."""

GroupName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Epoch = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
SenderIndex = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


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
    """Registry to peer: you are in; seal with this key as number `sender_index`. `position` is the newest line's."""

    group: GroupName
    epoch: Epoch
    key: Key
    sender_index: SenderIndex
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


MEMBERS_MAX = 4_096
ROOMS_LISTED_MAX = 1_024

ROOM_SIGN = "#"
"""Before a room's name in the name of its group."""


class RoomPresence(enum.IntEnum):
    """How a member stands to a room."""

    GONE = 0
    """Left on purpose: no member any more."""
    AWAY = 1
    """Still a member, out of reach: gets on return what was missed."""
    HERE = 2


class RoomMember(msgspec.Struct, frozen=True, array_like=True):
    """One member."""

    identity: Key
    presence: RoomPresence


class RoomRefusal(enum.IntEnum):
    """Why somebody is not let into a room."""

    BAD_NAME = 1
    ROOM_FULL = 2
    TOO_MANY_ROOMS = 3
    NOT_SERVING = 4
    """The registry's disk is full or read-only."""
    TOO_OFTEN = 5
    SHARE_USED_UP = 6
    """They, or others at their address, make or enter too many in a short time."""


class EnterRoom(msgspec.Struct, frozen=True, array_like=True, tag=70):
    """Peer to registry: let me in, and out of the room where I am; said again on each new link."""

    reference: Reference
    room: Name


class LeaveRoom(msgspec.Struct, frozen=True, array_like=True, tag=71):
    """Peer to registry: I leave the room where I am for good."""

    reference: Reference


class ListRooms(msgspec.Struct, frozen=True, array_like=True, tag=72):
    """Peer to registry: which rooms are there?"""

    reference: Reference


class RoomEntered(msgspec.Struct, frozen=True, array_like=True, tag=73):
    """Registry to peer: you are in. A `GroupGranted` for `group` follows before any line of it."""

    reference: Reference
    group: GroupName
    members: Annotated[list[RoomMember], msgspec.Meta(max_length=MEMBERS_MAX)]
    since: Count
    """Lines up to this position are not yours to read."""
    missed: Count
    """How many lines of others were said while they were away; 0 for a newcomer."""


class RoomRefused(msgspec.Struct, frozen=True, array_like=True, tag=74):
    """Registry to peer: you are not in; where you were before, you still are."""

    reference: Reference
    reason: RoomRefusal


class RoomLeft(msgspec.Struct, frozen=True, array_like=True, tag=75):
    """Registry to peer: you are in no room."""

    reference: Reference


class RoomChanged(msgspec.Struct, frozen=True, array_like=True, tag=76):
    """Registry to members that are here: these stand otherwise now."""

    group: GroupName
    members: Annotated[list[RoomMember], msgspec.Meta(max_length=MEMBERS_MAX)]


class RoomInfo(msgspec.Struct, frozen=True, array_like=True):
    """One room, as somebody sees it who looks for one."""

    group: GroupName
    here: Count
    """Members that are here now."""


class RoomsListed(msgspec.Struct, frozen=True, array_like=True, tag=77):
    """Registry to peer: the rooms with somebody in them."""

    reference: Reference
    rooms: Annotated[list[RoomInfo], msgspec.Meta(max_length=ROOMS_LISTED_MAX)]
