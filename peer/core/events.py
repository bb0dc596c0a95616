"""This file is about what happens at a node that somebody should see: events, past tense, one closed union.

Faces turn them into lines (`peer.ui.wording`), programs into whatever they like. `number` is the message's number in
its sender's stream; together with the sender it names the message for ever. Times are Unix seconds.
"""

import msgspec


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
    """No way is open now: the message waits in our own outbox, on disk."""

    to: str
    number: int


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


class MailReturned(msgspec.Struct, frozen=True, kw_only=True):
    """What came while we were away, oldest first."""

    lines: tuple[DirectReceived | ChannelReceived, ...]


class ChannelAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line for the channel on its disk."""

    number: int


class ChannelUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer our line for the channel."""

    number: int


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


Line = DirectReceived | ChannelReceived
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
    | PeopleListed
    | KeyChanged
    | RegistryKeyChanged
    | TooLong
    | Trouble
)
"""All that can happen."""
