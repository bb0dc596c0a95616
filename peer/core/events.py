"""This file is about what happens at a node that somebody should see: events, past tense, one closed union.

Faces turn them into lines (`peer.ui.wording`), programs into whatever they like. `number` is the message's number in
its sender's stream; together with the sender it names the message for ever. Times are Unix seconds.
"""

import msgspec

from peer.core.dutyevents import DutyEvent


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has let us in, for the first time or after `dereg`."""


class TableChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of rows was taken into the table."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """The recipient's program has decrypted and stored the message."""

    to: str
    number: int
    through_server: bool


class Unacknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """The recipient did not answer or is away: the message goes to the registry as mail."""

    to: str
    number: int


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The letter is on the registry's disk."""

    to: str
    number: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The message will never arrive. `number` is 0 when it was never begun."""

    to: str
    number: int
    reason: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """No way is open now: the message waits in our own outbox, on disk. `reason`: why, if not that the registry is away."""

    to: str
    number: int
    reason: str = ""


class DirectReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A message to us. `late` is the time at which it was written, when it did not come straight."""

    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None


class ChannelReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the channel; `late` as above."""

    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None


class RoomReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the room where we are; `late` as above."""

    room: str
    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None


class MailReturned(msgspec.Struct, frozen=True, kw_only=True):
    """What came while we were away, oldest first."""

    lines: tuple[DirectReceived | ChannelReceived | RoomReceived, ...]


class ChannelAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line for the channel on its disk."""

    number: int


class ChannelUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer our line for the channel."""

    number: int


# --- rooms


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


class RoomAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line on its disk: every member gets it."""

    room: str
    number: int


class RoomUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer: the line goes straight to the members in reach, and to the others when it is back."""

    room: str
    number: int


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
    members: tuple["Person", ...]


# --- people


class PersonLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was online has left on purpose."""

    name: str


class PersonLost(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was online has vanished."""

    name: str


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name now; `is_me`: we ourselves."""

    old: str
    new: str
    is_me: bool


class RenameRefused(msgspec.Struct, frozen=True, kw_only=True):
    """We keep our name. A name that is taken is told by `NameTaken`."""

    name: str
    reason: str


class SafetyNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/verify`: 60 digits that both sides read the same when nobody stands between them."""

    name: str
    digits: str


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """The key that is shown for a name now is the one that we hold from now on."""

    name: str


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """What they say is not shown from now on (`is_ignored`), or is again."""

    name: str
    is_ignored: bool


class NobodyKnown(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for needs somebody whom we know; this is no such name."""

    name: str


# --- our messages


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """Our letter was never fetched and is gone from the registry."""

    to: str
    number: int
    text: str


class NameTaken(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else holds this name."""

    name: str


class NotAdmitted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry lets us not in, for another reason than the name."""

    reason: str


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """We are offline, and the registry knows."""


class LeaveUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """We are offline; the registry did not answer."""


class ServerLost(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not answer any more."""


class ServerBack(msgspec.Struct, frozen=True, kw_only=True):
    """It does again."""


class NoServerAtStart(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer at start. `table_time`: when the table in hand was saved; None without one."""

    table_time: float | None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table for people to read."""

    name: str
    online: bool
    since: float


class PeopleListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `who`."""

    people: tuple[Person, ...]


class KeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The registry shows another key for somebody whose key we hold: nothing is sent to that name."""

    name: str


class RegistryKeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another registry answers at this address than the one that we know (fingerprints)."""

    expected: str
    got: str


class TooLong(msgspec.Struct, frozen=True, kw_only=True):
    """The text is over the limit (bytes of UTF-8); nothing was sent."""

    to: str
    size: int
    limit: int


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the user should know, in one line."""

    text: str


Line = DirectReceived | ChannelReceived | RoomReceived
Event = (
    Registered
    | TableChanged
    | Delivered
    | Unacknowledged
    | Saved
    | Refused
    | Kept
    | DirectReceived
    | ChannelReceived
    | RoomReceived
    | MailReturned
    | ChannelAccepted
    | ChannelUnanswered
    | NameTaken
    | NotAdmitted
    | Left
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | NoServerAtStart
    | RoomEntered
    | RoomLeft
    | RoomRefused
    | NotInRoom
    | MemberJoined
    | MemberLeft
    | RoomAccepted
    | RoomUnanswered
    | RoomsListed
    | MembersListed
    | PersonLeft
    | PersonLost
    | Renamed
    | RenameRefused
    | SafetyNumber
    | Trusted
    | Ignored
    | NobodyKnown
    | Expired
    | PeopleListed
    | KeyChanged
    | RegistryKeyChanged
    | TooLong
    | Trouble
    | DutyEvent
)
"""All that can happen."""
