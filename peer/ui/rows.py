"""This file is about what a row of the table of commands is: spellings, what must follow them, what they mean.

It knows no command. It must not know how a line is cut into words, nor how an intention is carried out.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from peer.ui.intentions import Intention, Mistake

SIGNS: Final = ("/", ".", "server:")
"""What begins with one of these is always a command, inside a room and outside."""


class Cut(enum.Enum):
    """How what follows a spelling is cut into arguments."""

    NOTHING = "nothing follows"
    WORD = "one word"
    MAYBE_WORD = "one word or nothing"
    TWO_WORDS = "two words"
    TEXT = "all of it, as typed"
    WORD_AND_TEXT = "one word, then all of the rest, as typed"
    WORD_AND_MAYBE_TEXT = "one word, then all of the rest or nothing"


class Shape(msgspec.Struct, frozen=True):
    """What follows a spelling: as a usage line shows it, and how it is cut."""

    shown: str
    cut: Cut


NOTHING: Final = Shape("", Cut.NOTHING)
NAME: Final = Shape("<name>", Cut.WORD)
NEW_NAME: Final = Shape("<new name>", Cut.WORD)
ROOM: Final = Shape("<room>", Cut.WORD)
TEXT: Final = Shape("<text>", Cut.TEXT)
WORDS: Final = Shape("<words>", Cut.TEXT)
NAME_AND_TEXT: Final = Shape("<name> <text>", Cut.WORD_AND_TEXT)
NAME_AND_KEY: Final = Shape("<name> <key>", Cut.WORD_AND_MAYBE_TEXT)
MAYBE_COMMAND: Final = Shape("[command]", Cut.MAYBE_WORD)
MAYBE_NUMBER: Final = Shape("[n]", Cut.MAYBE_WORD)
MAYBE_WHICH: Final = Shape("[id or last]", Cut.MAYBE_WORD)


MAYBE_QUEUE: Final = Shape("[queue]", Cut.MAYBE_WORD)
PLACE: Final = Shape("<n>", Cut.WORD)
PLACES: Final = Shape("<n> <to>", Cut.TWO_WORDS)
OPERATOR: Final = Shape("<operator>", Cut.WORD)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    spellings: tuple[str, ...]
    """In lower case. One of them at least begins with a sign, so that the row works inside a room."""
    shape: Shape
    summary: str
    example: Intention
    intend: Callable[..., Intention | Mistake]
    """Takes the context, then one string an argument of the shape."""
    unquoted: frozenset[str] = frozenset()
    """Spellings whose text loses one pair of quotes around the whole of it."""
    bare: str = ""
    """Another way to type it, without a spelling."""
    is_bare_in_room: bool = False
    """Whether the first spelling works inside a room without a sign, when nothing follows it."""
    offline: bool = False
    """Whether it works after `dereg`."""

    @property
    def usages(self) -> tuple[str, ...]:
        """Each way to type it, with what must follow."""
        typed = tuple(usage(spelling, self.shape) for spelling in self.spellings)
        return (*typed, self.bare) if self.bare else typed


def usage(spelling: str, shape: Shape) -> str:
    """A spelling with what must follow it."""
    return f"{spelling} {shape.shown}".rstrip()
