"""This file is about rooms: which there are, who is in, and whether we are."""

import msgspec

from peer.core.events.people import Person


class RoomEntered(msgspec.Struct, frozen=True, kw_only=True):
    """We are in a room. `members`: the others, by name. `missed`: lines said while we were away, which follow."""

    room: str
    members: tuple[str, ...]
    missed: int


class RoomLeft(msgspec.Struct, frozen=True, kw_only=True):
    """We have left it."""

    room: str


class RoomRefused(msgspec.Struct, frozen=True, kw_only=True):
    """We are not let in; where we were before, we still are."""

    room: str
    reason: str


class NotInRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for needs a room, and we are in none."""


class MemberJoined(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody entered the room where we are, or came back into reach."""

    room: str
    name: str


class MemberLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody left the room where we are, quit, or vanished."""

    room: str
    name: str


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A room that one could enter, and how many are in it now."""

    name: str
    here: int


class RoomsListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/rooms`."""

    rooms: tuple[Room, ...]


class MembersListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/names`: everybody in the room where we are, ourselves among them."""

    room: str
    members: tuple[Person, ...]


RoomsEvent = (
    RoomEntered | RoomLeft | RoomRefused | NotInRoom | MemberJoined | MemberLeft | RoomsListed | MembersListed
)
