"""What a row of the table of commands is: spellings, what must follow them, what they mean.

It knows no command.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.peer.ui.intents import (
    SERVER,
    Context,
    Intent,
    JoinRoom,
    Mistake,
    SayInRoom,
    SendDirect,
    ShowHistory,
    TrustKey,
    VerifyKey,
)
from chatapp.wire.errors import NameRefused, quoted
from chatapp.wire.names import PeerName, is_same_name, peer_name

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
    example: Intent
    to_intent: Callable[..., Intent | Mistake]
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


HISTORY_SHOWN: Final = 20
HISTORY_MAX: Final = 10_000

NOT_IN_ROOM: Final = "[You are not in any room.]"
IS_YOU: Final = "[That is you.]"


def named(to_intent: Callable[[PeerName], Intent]) -> Callable[[Context, str], Intent | Mistake]:
    """What takes one name, of a person or of a room: both are names, by the same rules."""

    def read(context: Context, name: str) -> Intent | Mistake:
        try:
            return to_intent(peer_name(name))
        except NameRefused as refusal:
            return Mistake(f"[{refusal}.]")

    return read


def send_direct(context: Context, name: str, text: str) -> Intent | Mistake:
    """A name, and all of the rest."""
    return named(lambda to: SendDirect(to, text))(context, name)


def enter(context: Context, room: str) -> Intent | Mistake:
    """A room; `#lab` is `lab`, as rooms are written elsewhere."""
    return named(JoinRoom)(context, room.removeprefix("#"))


def say(context: Context, text: str) -> Intent | Mistake:
    """A text, which needs a room."""
    return SayInRoom(text) if context.room is not None else Mistake(NOT_IN_ROOM)


def own(context: Context, name: str) -> Mistake | None:
    """One's own name, and no other: a mistake otherwise."""
    is_own = is_same_name(name, context.me)
    return None if is_own else Mistake(f"[You are {context.me}, not {quoted(name)}.]")


def somebody_else(to_intent: Callable[[PeerName], Intent]) -> Callable[[Context, str], Intent | Mistake]:
    """What takes the name of a person, but not one's own."""

    def read(context: Context, name: str) -> Intent | Mistake:
        return Mistake(IS_YOU) if is_same_name(name, context.me) else named(to_intent)(context, name)

    return read


def verify(context: Context, name: str) -> Intent | Mistake:
    """A person but oneself, or the server."""
    return VerifyKey(SERVER) if name.lower() == SERVER else somebody_else(VerifyKey)(context, name)


def trust(context: Context, name: str, digits: str = "") -> Intent | Mistake:
    """The same, and the digits that are shown for it, in groups or not."""
    typed = "".join(digits.split()) or None
    if name.lower() == SERVER:
        return TrustKey(SERVER, typed)
    return somebody_else(lambda who: TrustKey(who, typed))(context, name)


def show_history(context: Context, *words: str) -> Intent | Mistake:
    """How many, or as many as fit on a screen."""
    count = words[0] if words else str(HISTORY_SHOWN)
    if count.isascii() and count.isdigit() and len(count) < 9 and 0 < int(count) <= HISTORY_MAX:
        return ShowHistory(int(count))
    return Mistake(f'[Give a number from 1 to {HISTORY_MAX:,}, not "{quoted(count)}".]')
