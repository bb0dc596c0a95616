"""This file is about what others said to us, as it is to be shown.

`number` is the message's number in its sender's stream; together with the sender it names the message for ever. Times
are Unix seconds.
"""

import enum
from typing import Final

import msgspec

SOMEBODY: Final = "somebody unknown"
"""Where a name would stand: of somebody whose name no table has shown, and who gives none. No name has a blank."""


class AuthorDoubt(enum.Enum):
    """Why the author of a line, who has signed it, may not be the person whom the user knows by the name."""

    NOT_IN_TABLE = "the name is what the author says; the registry has told no row with that name and key"
    OTHER_KEY = "the name is somebody's whom we know by another key"


class DirectReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A message to us. `late` is the time at which it was written, when it did not come straight.

    `doubt`: why `sender` is only what the author of a letter says of themself; None for somebody whom we know."""

    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None
    doubt: AuthorDoubt | None = None


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


Line = DirectReceived | ChannelReceived | RoomReceived


class MailReturned(msgspec.Struct, frozen=True, kw_only=True):
    """What came while we were away, oldest first."""

    lines: tuple[Line, ...]


ReceivedEvent = DirectReceived | ChannelReceived | RoomReceived | MailReturned
