"""This file is about what others said to us, as it is to be shown.

`number` is the message's number in its sender's stream; together with the sender it names the message for ever. Times
are Unix seconds.
"""

import msgspec


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


Line = DirectReceived | ChannelReceived | RoomReceived


class MailReturned(msgspec.Struct, frozen=True, kw_only=True):
    """What came while we were away, oldest first."""

    lines: tuple[Line, ...]


ReceivedEvent = DirectReceived | ChannelReceived | RoomReceived | MailReturned
