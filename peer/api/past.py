"""What was said, as the history tells it."""

import enum

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person
from chatapp.peer.api.conversations import room as in_room
from chatapp.peer.api.events import AuthorDoubt, MessageState
from chatapp.peer.api.trace import TraceStep


class LineKind(enum.Enum):
    """To whom a line was said."""

    DIRECT = enum.auto()
    CHANNEL = enum.auto()
    ROOM = enum.auto()


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of our history, said by us (`outgoing`) or to us."""

    id: int
    """A running number of this history, never given twice: the id of the line's receipt, and of
    every event about it."""
    at: float
    """When the line was written, in Unix seconds by its author's clock."""
    kind: LineKind
    sender: str
    doubt: AuthorDoubt | None
    """Why the author may not be `sender`, if only the message says so: no table has ever shown the
    author's key."""
    to: str | None
    """The recipient of a direct line."""
    room: str | None
    text: str
    outgoing: bool
    state: MessageState | None
    """How far our own line got; None for others'. A line of the channel or a room that the registry
    has is DELIVERED."""

    @property
    def conversation(self) -> Conversation:
        """The conversation to which it belongs."""
        match self.kind:
            case LineKind.DIRECT:
                return person(
                    (self.to if self.outgoing else self.sender) or "",
                    is_claimed=self.doubt is not None,
                )
            case LineKind.CHANNEL:
                return EVERYBODY
            case LineKind.ROOM:
                return in_room(self.room or "")


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the past. `more`: whether further ones of those that were asked for follow."""

    lines: tuple[HistoryLine, ...]
    more: bool = False


class ConversationState(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and how far the user has read it."""

    conversation: Conversation
    unread: int
    """How many lines of others are newer than what was read; 1,000 for more as well. Lines of
    people who are ignored do not count."""
    read: int
    """The id of the line up to which it is read; 0 for nothing."""
    last: HistoryLine | None
    """Its newest line; None for the help desk, whose lines are not here."""


class DeliveryTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How one line was delivered. A line said to us has no steps: only its author knows them."""

    line: HistoryLine
    steps: tuple[TraceStep, ...]


class DeskTalkLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the conversation with a visitor."""

    sender: str
    """The visitor, or the operator who said it."""
    text: str
    at: float
    """Unix time."""
    is_ours: bool
    is_saved: bool = True
    """Whether the registry has stored it; False for a line of ours that was not answered yet."""
    position: int = 0
    """Its place in the visit; 0 for a line of ours that we said in this run."""
    line: int = 0
    """By what events name a line of ours; 0 if they do not."""


class DeskTalk(msgspec.Struct, frozen=True, kw_only=True):
    """The visitor whom we serve, and what was said so far, also to earlier operators."""

    client: events.ClientCame
    """The form and the note as they are now."""
    lines: tuple[DeskTalkLine, ...]
