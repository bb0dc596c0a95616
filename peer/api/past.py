"""What was said, as the history tells it."""

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Said
from chatapp.peer.api.trace import TraceStep


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the past. `more`: whether further ones of those that were asked for follow."""

    lines: tuple[Said, ...]
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


class DeliveryTrace(msgspec.Struct, frozen=True, kw_only=True):
    """How one line was delivered. A line said to us has no steps: only its author knows them."""

    line: Said
    steps: tuple[TraceStep, ...]


class DeskTalk(msgspec.Struct, frozen=True, kw_only=True):
    """The visitor whom we serve, and what was said so far, also to earlier operators."""

    client: events.ClientCame
    """The form and the note as they are now."""
    lines: tuple[Said, ...]
