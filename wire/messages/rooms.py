"""Groups: the channel (everybody) and rooms, which follow the same rules (clause 8).

The sender seals a line once with the group's key, and the registry relays the same bytes.
"""

import enum
from typing import Annotated, Final

import msgspec

from chatapp.wire.limits import (
    ROOMS_EACH_MAX,
    TEXT_MAX,
    TOPIC_MAX,
    Count,
    GroupName,
    Key,
    Name,
    Reference,
)
from chatapp.wire.messages.direct import Relation

CHANNEL = "channel"
"""The group of everybody. A room's name begins with `#`, so no room can have this name."""

Epoch = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
SenderIndex = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class GroupBody(msgspec.Struct, frozen=True, array_like=True):
    """The body of a group line. `number` and `floor` are the sender's, as for direct messages."""

    number: Count
    floor: Count
    at: Count
    """The sender's Unix time in milliseconds."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
    relation: Relation = None


class EpochKey(msgspec.Struct, frozen=True, array_like=True):
    """One key of a group and the epoch in which it is in force."""

    epoch: Epoch
    key: Key


class GroupGranted(msgspec.Struct, frozen=True, array_like=True, tag=50):
    """Registry to peer: you are a member; seal with this key under `sender_index`. `position` is
    that of the newest line."""

    group: GroupName
    epoch: Epoch
    key: Key
    sender_index: SenderIndex
    position: Count


class GroupAccepted(msgspec.Struct, frozen=True, array_like=True, tag=51):
    """Registry to peer: your line with this counter is stored for absent members, at `position`."""

    group: GroupName
    epoch: Epoch
    counter: Count
    position: Count


class GroupRefusal(enum.IntEnum):
    """Why a line was not accepted (clause 8.4)."""

    EPOCH_OVER = 1
    DISK_FULL = 2
    DISK_FAILED = 3
    TOO_MANY_ONLINE = 4


class GroupRefused(msgspec.Struct, frozen=True, array_like=True, tag=52):
    """Registry to peer: your line was not accepted, and nobody was shown it."""

    group: GroupName
    epoch: Epoch
    counter: Count
    reason: GroupRefusal


class FetchGroup(msgspec.Struct, frozen=True, array_like=True, tag=53):
    """Peer to registry: the lines after position `since`."""

    group: GroupName
    since: Count


class GroupLine(msgspec.Struct, frozen=True, array_like=True):
    """One stored line: its position, its sender, and the frame as the sender sealed it."""

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


class RoomPresence(enum.IntEnum):
    """A member's state in a room."""

    GONE = 0
    """Left on purpose: not a member any more."""
    AWAY = 1
    """Still a member, but offline: receives the missed lines on return."""
    HERE = 2


class RoomMember(msgspec.Struct, frozen=True, array_like=True):
    """One member."""

    identity: Key
    presence: RoomPresence


class RoomRefusal(enum.IntEnum):
    """Why a request to enter a room is refused."""

    BAD_NAME = 1
    ROOM_FULL = 2
    TOO_MANY_ROOMS = 3
    NOT_SERVING = 4
    """The registry's disk is full or read-only."""
    TOO_OFTEN = 5
    SHARE_USED_UP = 6
    """Its network has its share of the rooms, or of the memberships."""
    IN_TOO_MANY = 7
    """This person is in as many rooms as one may be in."""


class EnterRooms(msgspec.Struct, frozen=True, array_like=True, tag=70):
    """Peer to registry: enter these rooms beside those where I am; on each new link, all rooms where
    I was."""

    reference: Reference
    rooms: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=ROOMS_EACH_MAX)]
    is_return: bool = False
    """Whether the peer was in these rooms, and its user does not ask anew to enter them."""


class LeaveRoom(msgspec.Struct, frozen=True, array_like=True, tag=71):
    """Peer to registry: leave this room for good."""

    reference: Reference
    room: Name


class ListRooms(msgspec.Struct, frozen=True, array_like=True, tag=72):
    """Peer to registry: list the rooms."""

    reference: Reference


TopicText = Annotated[str, msgspec.Meta(max_length=TOPIC_MAX)]


class SetTopic(msgspec.Struct, frozen=True, array_like=True, tag=78):
    """Peer to registry: set the topic of a room where I am. An empty text clears it."""

    reference: Reference
    group: GroupName
    text: TopicText


class Topic(msgspec.Struct, frozen=True, array_like=True):
    """The topic of a room, who set it, and when (Unix milliseconds). An empty text: it has none."""

    text: TopicText
    author: Key
    at: Count


NO_TOPIC: Final = Topic("", bytes(32), 0)
"""The topic of a room for which none was set."""


class RoomEntered(msgspec.Struct, frozen=True, array_like=True, tag=73):
    """Registry to peer: you are in the room. A `GroupGranted` for `group` follows before any of its
    lines."""

    reference: Reference
    group: GroupName
    members: Annotated[list[RoomMember], msgspec.Meta(max_length=MEMBERS_MAX)]
    since: Count
    """Lines up to this position are not for you."""
    missed: Count
    """How many lines of others were sent while you were away; 0 for a newcomer."""
    topic: Topic = NO_TOPIC


class RoomRefused(msgspec.Struct, frozen=True, array_like=True, tag=74):
    """Registry to peer: you are not let into this room, named as you named it; an empty name: into
    none of those of the request that were not answered before."""

    reference: Reference
    room: Name
    reason: RoomRefusal


class RoomEvicted(msgspec.Struct, frozen=True, array_like=True, tag=68):
    """Registry to member: its owner has taken you out of the room, or closed it. A member who was
    away then reads it in answer to the EnterRooms of their return."""

    group: GroupName
    is_closed: bool


class RoomLeft(msgspec.Struct, frozen=True, array_like=True, tag=75):
    """Registry to peer: you are not in that room."""

    reference: Reference


class RoomChanged(msgspec.Struct, frozen=True, array_like=True, tag=76):
    """Registry to the members in the room: these members have changed state."""

    group: GroupName
    members: Annotated[list[RoomMember], msgspec.Meta(max_length=MEMBERS_MAX)]


class RoomInfo(msgspec.Struct, frozen=True, array_like=True):
    """One room in a list of rooms."""

    group: GroupName
    here: Count
    """Members who are in the room now."""


class RoomsListed(msgspec.Struct, frozen=True, array_like=True, tag=77):
    """Registry to peer: the rooms with somebody in them."""

    reference: Reference
    rooms: Annotated[list[RoomInfo], msgspec.Meta(max_length=ROOMS_LISTED_MAX)]


class TopicChanged(msgspec.Struct, frozen=True, array_like=True, tag=79):
    """Registry to the members in the room: the topic was set or cleared. `reference` is that of the
    request to its author, and 0 to the others."""

    reference: Reference
    group: GroupName
    topic: Topic


class TopicRefusal(enum.IntEnum):
    """Why a topic is not set."""

    NOT_HERE = 1
    """The author is not in that room."""
    NOT_SERVING = 2
    """The registry's disk is full or read-only."""
    TOO_OFTEN = 3


class TopicRefused(msgspec.Struct, frozen=True, array_like=True, tag=83):
    """Registry to peer: your topic is not set; the former one stays."""

    reference: Reference
    reason: TopicRefusal
