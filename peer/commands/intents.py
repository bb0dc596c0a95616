"""Intents: what a typed line means, and what the meaning depends on.

The fields of an intent stand in the order in which they are typed, so that `help.as_typed` can
spell a line from it. An operator's command is the request to the registry itself
(`OperatorRequest`).
"""

from typing import Final

import msgspec

from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName


class SendDirect(msgspec.Struct, frozen=True):
    """Send `text` to one person."""

    to: PeerName
    text: str


class OpenQuery(msgspec.Struct, frozen=True):
    """Send bare lines to one person from now on, or enter the room of that name; without a name, to
    nobody any more."""

    to: PeerName | None = None


class AskMessage(msgspec.Struct, frozen=True):
    """Ask the user for a recipient and a text, then send the message."""


class SendAll(msgspec.Struct, frozen=True):
    """Send `text` to everybody."""

    text: str


class SayInRoom(msgspec.Struct, frozen=True):
    """Say `text` in the current room."""

    text: str


class JoinRoom(msgspec.Struct, frozen=True):
    """Enter a room and leave the current one."""

    room: PeerName


class ExitRoom(msgspec.Struct, frozen=True):
    """Leave the current room."""


class ShowRooms(msgspec.Struct, frozen=True):
    """List the rooms."""


class ShowMembers(msgspec.Struct, frozen=True):
    """List the people in the current room."""


class ShowTopic(msgspec.Struct, frozen=True):
    """Show the topic of the current room."""


class ChangeTopic(msgspec.Struct, frozen=True):
    """Set the topic of the current room. An empty text clears it."""

    text: str


class GoOffline(msgspec.Struct, frozen=True):
    """Go offline and keep the program running. `name` is the user's own."""

    name: PeerName


class GoOnline(msgspec.Struct, frozen=True):
    """Come back online. `name` is the user's own."""

    name: PeerName


class ChangeName(msgspec.Struct, frozen=True):
    """Take the name `new`."""

    new: PeerName


class GiveUpName(msgspec.Struct, frozen=True):
    """Give up the user's own name, so that anybody may take it. The user is asked first."""


class ShowPeople(msgspec.Struct, frozen=True):
    """List who is online, and when the others were last seen: those seen last, or `is_whole` all of
    them."""

    is_whole: bool = False


class ShowTable(msgspec.Struct, frozen=True):
    """Show the table: everybody's name, address and presence."""


SERVER: Final = PeerName("server")
"""Means the registry where a command takes a name. Nobody can register this name."""


class VerifyKey(msgspec.Struct, frozen=True):
    """Show the digits that two people compare to rule out a third one between them, or the key of
    the SERVER."""

    name: PeerName


class TrustKey(msgspec.Struct, frozen=True):
    """Accept the key of a person, or of the SERVER, that has these digits."""

    name: PeerName
    digits: str | None = None


class Ignore(msgspec.Struct, frozen=True):
    """Hide someone's messages."""

    name: PeerName


class Unignore(msgspec.Struct, frozen=True):
    """Show someone's messages again."""

    name: PeerName


class ShowTrace(msgspec.Struct, frozen=True):
    """Show how a message was delivered. `which` is its id, or `last`."""

    which: str


class ShowHistory(msgspec.Struct, frozen=True):
    """Show the last `count` messages."""

    count: int


class SearchHistory(msgspec.Struct, frozen=True):
    """Show the messages that contain these words."""

    words: str


class Examine(msgspec.Struct, frozen=True):
    """Find out what keeps the user from the server, or from the person called `name`."""

    name: PeerName | None = None


class ShowHelp(msgspec.Struct, frozen=True):
    """List every command, or explain the one that has the spelling `command`."""

    command: str | None = None


class SayToClient(msgspec.Struct, frozen=True):
    """Say `text` to the help desk's visitor whom the user serves."""

    text: str


class SayAnswer(msgspec.Struct, frozen=True):
    """Say the ready answer with this short word to the help desk's visitor; empty: list the ready
    answers."""

    word: str


class Quit(msgspec.Struct, frozen=True):
    """Leave and end the program."""


class Empty(msgspec.Struct, frozen=True):
    """Do nothing: the line is blank."""


class Mistake(msgspec.Struct, frozen=True):
    """A line that cannot be carried out. `line` tells the user why; nothing is sent."""

    line: str


Intent = (
    SendDirect
    | OpenQuery
    | AskMessage
    | SendAll
    | SayInRoom
    | JoinRoom
    | ExitRoom
    | ShowRooms
    | ShowMembers
    | ShowTopic
    | ChangeTopic
    | GoOffline
    | GoOnline
    | ChangeName
    | GiveUpName
    | ShowPeople
    | ShowTable
    | VerifyKey
    | TrustKey
    | Ignore
    | Unignore
    | ShowTrace
    | ShowHistory
    | SearchHistory
    | Examine
    | SayToClient
    | SayAnswer
    | OperatorRequest
    | ShowHelp
    | Quit
    | Empty
)


class Context(msgspec.Struct, frozen=True):
    """What the meaning of a line depends on."""

    me: PeerName
    room: str | None = None
    offline: bool = False
    """Whether the user has gone offline with `dereg`."""
    query: PeerName | None = None
    """The person for whom a bare line outside of a room is, if it is no command."""
    serves: bool = False
    """Whether a line that is no command is for a visitor of the help desk: the one served, or one
    who has just left."""
    is_operator: bool = False
    """Whether the user is an operator of the help desk: its commands are suggested to operators
    only."""
    on_duty: bool = False
