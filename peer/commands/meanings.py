"""What a typed line means: a request to the peer or to the help desk, or what only a face does; and
what the meaning depends on.
"""

from typing import Final

import msgspec

from chatapp.peer.api.requests import AnyRequest
from chatapp.wire.messages.desk import OperatorRequest
from chatapp.wire.names import PeerName

SERVER: Final = PeerName("server")
"""Means the registry where a command takes a name. Nobody can register this name."""


class OpenConversation(msgspec.Struct, frozen=True):
    """Send bare lines to one person from now on, or enter the room of that name; without a name, to
    nobody any more."""

    to: PeerName | None = None


class SayHere(msgspec.Struct, frozen=True):
    """Say `text` in the conversation where the user is."""

    text: str


class SendToEach(msgspec.Struct, frozen=True):
    """Send one message with this text to each of several people."""

    to: tuple[PeerName, ...]
    text: str


class WhichLine(msgspec.Struct, frozen=True):
    """Which line of a conversation is meant."""

    nth: int = 1
    """Counted from its end."""
    id: int | None = None
    """Its id in the history, wherever it was said; None: it is counted out."""


LAST: Final = WhichLine()


class ReplyTo(msgspec.Struct, frozen=True):
    """Answer a line, counted among those of others."""

    text: str
    which: WhichLine = LAST


class ChangeLine(msgspec.Struct, frozen=True):
    """Change a line of ours, or take it back."""

    text: str | None
    """The new text; None: take it back."""
    which: WhichLine = LAST


class CancelLine(msgspec.Struct, frozen=True):
    """Take a line of ours back that is not settled yet, counted among those."""

    which: WhichLine = LAST


class ReactTo(msgspec.Struct, frozen=True):
    """Put an emoji to a line, counted as in `ReplyTo`, or take it away if we have put it there."""

    emoji: str
    which: WhichLine = LAST


class AcceptOffer(msgspec.Struct, frozen=True):
    """Fetch a file that is offered, or go on with one."""

    number: int | None = None
    """None: the only one."""
    path: str = ""
    """What to call it; empty: its own name."""


class ExplainFile(msgspec.Struct, frozen=True):
    """Show which way a file goes or went."""

    number: int | None = None
    """None: the last one."""


class ResumeFile(msgspec.Struct, frozen=True):
    """Go on with a file that was paused, or stopped by itself."""

    number: int | None = None
    """None: the only one."""


class PauseFile(msgspec.Struct, frozen=True):
    """Fetch a file no further for now."""

    number: int | None = None
    """None: the only one."""


class RefuseOffer(msgspec.Struct, frozen=True):
    """Say that the user does not want a file."""

    number: int | None = None
    """None: the only one."""


class CancelFile(msgspec.Struct, frozen=True):
    """Give up a file that is on its way, or offer one of ours no more."""

    number: int | None = None
    """None: the only one."""


class AskMessage(msgspec.Struct, frozen=True):
    """Ask the user for a recipient and a text, then send the message."""


class OpenRoom(msgspec.Struct, frozen=True):
    """Make a room where the user is the current one."""

    room: PeerName


class ShowMembers(msgspec.Struct, frozen=True):
    """List the people in a room."""

    room: str


class ShowPeople(msgspec.Struct, frozen=True):
    """List who is online, and when the others were last seen: those seen last, or `is_whole` all of
    them. `first`: only people whose names begin so."""

    is_whole: bool = False
    first: str = ""


class ShowTable(msgspec.Struct, frozen=True):
    """Show the table: everybody's name, address and presence."""


class ShowPast(msgspec.Struct, frozen=True):
    """Show the newest lines of the conversation that has this name."""

    of: str
    limit: int


class FindPast(msgspec.Struct, frozen=True):
    """Show the newest lines with these words in the conversation that has this name; if there is no
    such conversation, those with all words of `typed`."""

    words: str
    within: str
    typed: str


class SayOfMe(msgspec.Struct, frozen=True):
    """Have the user's row say this; empty: nothing any more."""

    text: str


class GoAway(msgspec.Struct, frozen=True):
    """Be away, and say why; without a reason, be back if the user is away."""

    why: str = ""


class SetMute(msgspec.Struct, frozen=True):
    """Have the conversation that has this name, or the one where the user is, ring no more for so
    many seconds, or for good (None); 0: have it ring again."""

    of: str | None
    seconds: int | None


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


Meaning = (
    AnyRequest
    | OperatorRequest
    | OpenConversation
    | SayHere
    | SendToEach
    | ReplyTo
    | ChangeLine
    | CancelLine
    | ReactTo
    | AcceptOffer
    | CancelFile
    | ExplainFile
    | RefuseOffer
    | ResumeFile
    | PauseFile
    | AskMessage
    | OpenRoom
    | ShowMembers
    | ShowPeople
    | ShowTable
    | ShowPast
    | FindPast
    | SayOfMe
    | GoAway
    | SetMute
    | ShowHelp
    | SayToClient
    | SayAnswer
    | Quit
    | Empty
    | Mistake
)


class Context(msgspec.Struct, frozen=True):
    """What the meaning of a line depends on."""

    me: PeerName
    room: str | None = None
    """The current room."""
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
