"""This file is about rooms: groups that people enter and leave (clause 12).

A room's lines travel as any group's (`wire.messages.group`); here stands who is in. The group of a room is `#` and the
room's name as whoever made it wrote it; names of rooms are compared by key, as names of people are.
"""

import enum
from typing import Annotated

import msgspec

from wire.messages.group import GroupName
from wire.messages.presence import Reference
from wire.messages.table import Count, Key, Name

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
    """The registry's disk takes nothing more."""
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
