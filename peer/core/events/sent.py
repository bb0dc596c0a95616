"""This file is about what became of what we said.

`number` is the message's number in our stream to whom it goes.
"""

import msgspec


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


class Addressed(msgspec.Struct, frozen=True, kw_only=True):
    """The bearer of a name for which messages were kept is known now: `to`. `numbers`: the new numbers of those messages by
    the old."""

    name: str
    to: str
    numbers: dict[int, int]


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """Our letter was never fetched and is gone from the registry."""

    to: str
    number: int
    text: str


class TooLong(msgspec.Struct, frozen=True, kw_only=True):
    """The text is over the limit (bytes of UTF-8); nothing was sent."""

    to: str
    size: int
    limit: int


class ChannelAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line for the channel on its disk."""

    number: int


class ChannelUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer our line for the channel."""

    number: int


class RoomAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line on its disk: every member gets it."""

    room: str
    number: int


class RoomUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer: the line goes straight to the members in reach, and to the others when it is back."""

    room: str
    number: int


SentEvent = (
    Delivered
    | Unacknowledged
    | Saved
    | Refused
    | Kept
    | Addressed
    | Expired
    | TooLong
    | ChannelAccepted
    | ChannelUnanswered
    | RoomAccepted
    | RoomUnanswered
)
