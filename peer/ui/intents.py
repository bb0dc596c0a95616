"""What a typed line can mean: values, and what the meaning depends on.

It knows no spelling. The fields of each stand in the order in which they are typed, so that a spelling can be made from
an intention (`spelling.as_typed`).
"""

from typing import Final

import msgspec

from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName


class SendDirect(msgspec.Struct, frozen=True):
    """Say `text` to one person."""

    to: PeerName
    text: str


class AskMessage(msgspec.Struct, frozen=True):
    """Be asked for a recipient and a text."""


class SendAll(msgspec.Struct, frozen=True):
    """Say `text` to everybody."""

    text: str


class SayInRoom(msgspec.Struct, frozen=True):
    """Say `text` in the room where one is."""

    text: str


class JoinRoom(msgspec.Struct, frozen=True):
    """Enter a room, which leaves the one before."""

    room: PeerName


class ExitRoom(msgspec.Struct, frozen=True):
    """Leave the room where one is."""


class ShowRooms(msgspec.Struct, frozen=True):
    """List the rooms."""


class ShowMembers(msgspec.Struct, frozen=True):
    """List who is in one's room."""


class GoOffline(msgspec.Struct, frozen=True):
    """Go offline under one's own name, and stay in the program."""

    name: PeerName


class GoOnline(msgspec.Struct, frozen=True):
    """Come back online under one's own name."""

    name: PeerName


class ChangeName(msgspec.Struct, frozen=True):
    """Be called `new` from now on."""

    new: PeerName


class ShowPeople(msgspec.Struct, frozen=True):
    """List who is online and since when the others are away."""


SERVER: Final = PeerName("server")
"""The registry, where a name is asked for: nobody can bear this name."""


class VerifyKey(msgspec.Struct, frozen=True):
    """Show the number that two people compare to know that nobody stands between them, or the key of the SERVER."""

    name: PeerName


class TrustKey(msgspec.Struct, frozen=True):
    """Accept the key of a name, or of the SERVER, that has these digits."""

    name: PeerName
    digits: str | None = None


class Ignore(msgspec.Struct, frozen=True):
    """See nothing more of what somebody says."""

    name: PeerName


class Unignore(msgspec.Struct, frozen=True):
    """See it again."""

    name: PeerName


class ShowTrace(msgspec.Struct, frozen=True):
    """Show how a message travelled: `which` is its id or `last`."""

    which: str


class ShowHistory(msgspec.Struct, frozen=True):
    """Show the last `count` messages."""

    count: int


class SearchHistory(msgspec.Struct, frozen=True):
    """Show the messages with these words."""

    words: str


class ShowHelp(msgspec.Struct, frozen=True):
    """Show every command, or one with its spellings; `command` is a spelling that exists."""

    command: str | None = None


class SayToClient(msgspec.Struct, frozen=True):
    """Say `text` to the visitor whom one serves at the help desk."""

    text: str


class Quit(msgspec.Struct, frozen=True):
    """Leave and end the program."""


class Empty(msgspec.Struct, frozen=True):
    """A line of blanks."""


class Mistake(msgspec.Struct, frozen=True):
    """A line that means nothing: `line` says why and is shown; nothing is sent."""

    line: str


Intent = (
    SendDirect
    | AskMessage
    | SendAll
    | SayInRoom
    | JoinRoom
    | ExitRoom
    | ShowRooms
    | ShowMembers
    | GoOffline
    | GoOnline
    | ChangeName
    | ShowPeople
    | VerifyKey
    | TrustKey
    | Ignore
    | Unignore
    | ShowTrace
    | ShowHistory
    | SearchHistory
    | SayToClient
    | OperatorRequest
    | ShowHelp
    | Quit
    | Empty
)


class Context(msgspec.Struct, frozen=True):
    """What the meaning of a line depends on: who types it, in which room, and whether they have left with `dereg`."""

    me: PeerName
    room: str | None = None
    offline: bool = False
    serves: bool = False
    """Whether a line that is no command is for a visitor of the help desk: the one served, or one who has just left."""
    on_duty: bool = False
