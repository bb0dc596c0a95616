"""What was said, as the history tells it."""

from typing import Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import LineEvent, Said
from chatapp.peer.api.files import FileTransfer
from chatapp.peer.api.trace import TraceStep


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the past. `more`: whether further ones of those that were asked for follow."""

    lines: tuple[Said, ...]
    more: bool = False


class Unshown(msgspec.Struct, frozen=True, kw_only=True):
    """Lines to us that were not shown, and changes of lines. `more`: as in `Lines`."""

    lines: tuple[LineEvent, ...]
    more: bool = False


class ConversationState(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and how far the user has read it."""

    conversation: Conversation
    unread: int
    """How many lines of others are newer than what was read; 1,000 for more as well. Lines of
    people who are ignored do not count."""
    read: int
    """The id of the line up to which it is read; 0 for nothing."""
    last: Said | None
    """Its newest line; None for the help desk, whose lines are not here, and for a conversation in
    which nothing was said."""
    draft: str = ""
    """What the user has begun to type there."""
    is_addressed: bool = False
    """Whether an unread line in a room, or to everybody, has `@` and our name in it."""


VERSIONS_SHOWN: Final = 32
"""Versions of a line that are told, the newest ones."""

VERSION_SHOWN: Final = 1_000
"""Characters of each."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a line that was edited."""

    number: int
    """The number of the message that brought it, in its author's stream."""
    at: float
    """When it was written, in Unix seconds by the author's clock."""
    text: str


class FoundLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it is now, and its versions, the oldest first: VERSIONS_SHOWN at most, each cut to
    VERSION_SHOWN; none for a line that was not edited, or was taken back."""

    line: Said
    versions: tuple[Version, ...] = ()


class FoundLines(msgspec.Struct, frozen=True, kw_only=True):
    """The lines that were asked for, in order; None for one that is not here. `more`: the last ones
    were left out."""

    lines: tuple[FoundLine | None, ...]
    more: bool = False


class DeliveryTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How one line was delivered. A line said to us has no steps: only its author knows them."""

    line: Said
    steps: tuple[TraceStep, ...]
    versions: tuple[Version, ...] = ()
    """As in `FoundLine`."""
    file: FileTransfer | None = None
    """The file that the line offers, as far as it is known here."""


class DeskTalk(msgspec.Struct, frozen=True, kw_only=True):
    """The visitor whom we serve, and what was said so far, also to earlier operators."""

    client: events.ClientCame
    """The form and the note as they are now."""
    lines: tuple[Said, ...]
