"""Conversations as values: with a person, in a room, with everybody, at the help desk."""

import re
from typing import Final

import msgspec

from chatapp.peer.api.enums import Explained
from chatapp.wire.limits import ROOM_SIGN


class ConversationKind(Explained):
    """With whom one talks."""

    PERSON = "person", "one person"
    ROOM = "room", "those who are in a room"
    EVERYBODY = "everybody", "everybody, in the channel"
    DESK = "desk", "a visitor of the help desk"


_PERSON: Final = ConversationKind.PERSON
"""Looked up once: each message asks whether it is for a person."""


class Conversation(msgspec.Struct, frozen=True):
    """One conversation. Two values that are equal mean the same one. `person`, `room`, EVERYBODY
    and DESK make them."""

    kind: ConversationKind
    name: str = ""
    """The person's name, or the room's; empty for everybody and for the desk."""
    is_claimed: bool = False
    """Whether only the author of the messages says that `name` is their name: no table has ever
    shown it with their key."""

    @property
    def is_person(self) -> bool:
        """Whether it is with one person."""
        return self.kind is _PERSON

    @property
    def is_room(self) -> bool:
        """Whether it is in a room."""
        return self.kind is ConversationKind.ROOM

    def __str__(self) -> str:
        match self.kind:
            case ConversationKind.PERSON:
                return f"{self.name}?" if self.is_claimed else self.name
            case ConversationKind.ROOM:
                return f"{ROOM_SIGN}{self.name}"
            case ConversationKind.EVERYBODY:
                return "everybody"
            case ConversationKind.DESK:
                return "the help desk"


EVERYBODY: Final = Conversation(ConversationKind.EVERYBODY)
"""The conversation with everybody: the channel."""

DESK: Final = Conversation(ConversationKind.DESK)
"""The conversation with the visitor whom we serve. The registry keeps its lines, so it has no past
here."""

NOBODY: Final = Conversation(ConversationKind.PERSON)
"""No conversation: a screen that has none open yet. Nothing is said in it."""


def addresses(text: str, name: str) -> bool:
    """Whether a text has `@` and this name in it."""
    found = re.search(rf"(?<![\w@-])@{re.escape(name)}(?![\w-])", text, re.IGNORECASE)
    return bool(name) and found is not None


def person(name: str, *, is_claimed: bool = False) -> Conversation:
    """Return the conversation with the person of this name, in whatever case it is typed."""
    return Conversation(_PERSON, name, is_claimed)


def room(name: str) -> Conversation:
    """Return the conversation in the room of this name."""
    return Conversation(ConversationKind.ROOM, name)
