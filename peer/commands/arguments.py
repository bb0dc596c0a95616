"""Rows of the command table: their type, and how the words behind a spelling are cut and
checked."""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.peer.commands.intents import (
    SERVER,
    ChangeTopic,
    Context,
    Examine,
    Intent,
    JoinRoom,
    Mistake,
    OpenQuery,
    SayInRoom,
    SendDirect,
    ShowHistory,
    ShowPeople,
    ShowTopic,
    TrustKey,
    VerifyKey,
)
from chatapp.peer.words import answers
from chatapp.wire.errors import NameRefused
from chatapp.wire.names import PeerName, is_same_name, peer_name, person_name

SIGNS: Final = ("/", ".", "server:")
"""A line that begins with one of these is always a command, in a room and outside."""


class Cut(enum.Enum):
    """How the rest of a line is cut into arguments."""

    NOTHING = "nothing may follow"
    WORD = "one word"
    MAYBE_WORD = "one word or nothing"
    MAYBE_SHOWN = "the word that the usage line shows, or nothing"
    TWO_WORDS = "two words"
    TEXT = "the whole rest, as typed"
    MAYBE_TEXT = "the whole rest or nothing"
    WORD_AND_TEXT = "one word, then the whole rest, as typed"
    WORD_AND_MAYBE_TEXT = "one word, then the whole rest or nothing"


class Shape(msgspec.Struct, frozen=True):
    """The arguments of a command: as a usage line shows them, and how they are cut."""

    shown: str
    cut: Cut


NOTHING: Final = Shape("", Cut.NOTHING)
NAME: Final = Shape("<name>", Cut.WORD)
MAYBE_CONVERSATION: Final = Shape("[name or room]", Cut.MAYBE_WORD)
MAYBE_NAME: Final = Shape("[name]", Cut.MAYBE_WORD)
NEW_NAME: Final = Shape("<new name>", Cut.WORD)
ROOM: Final = Shape("<room>", Cut.WORD)
TEXT: Final = Shape("<text>", Cut.TEXT)
MAYBE_TEXT: Final = Shape("[text]", Cut.MAYBE_TEXT)
WORDS: Final = Shape("<words>", Cut.TEXT)
NAME_AND_TEXT: Final = Shape("<name> <text>", Cut.WORD_AND_TEXT)
NAME_AND_KEY: Final = Shape("<name> <key>", Cut.WORD_AND_MAYBE_TEXT)
MAYBE_COMMAND: Final = Shape("[command]", Cut.MAYBE_WORD)
MAYBE_ALL: Final = Shape("[all]", Cut.MAYBE_SHOWN)
MAYBE_NUMBER: Final = Shape("[n]", Cut.MAYBE_WORD)
MAYBE_WHICH: Final = Shape("[id or last]", Cut.MAYBE_WORD)


MAYBE_QUEUE: Final = Shape("[queue]", Cut.MAYBE_WORD)
ANSWER: Final = Shape("[answer]", Cut.MAYBE_WORD)
QUEUE: Final = Shape("<queue>", Cut.WORD)
MAYBE_PAST: Final = Shape("[n or name]", Cut.MAYBE_TEXT)
POSITION: Final = Shape("<n>", Cut.WORD)
POSITIONS: Final = Shape("<n> <to>", Cut.TWO_WORDS)
OPERATOR: Final = Shape("<operator>", Cut.WORD)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the command table."""

    spellings: tuple[str, ...]
    """In lower case. At least one begins with a sign, so that the command works in a room."""
    shape: Shape
    summary: str
    example: Intent
    to_intent: Callable[..., Intent | Mistake]
    """Takes the context, then one string for each argument of the shape."""
    unquoted: frozenset[str] = frozenset()
    """Spellings that drop a pair of quotes around the whole text."""
    bare: str = ""
    """Another way to type the command, without a spelling."""
    is_bare_in_room: bool = False
    """Whether the first spelling alone, without a sign, works in a room."""
    offline: bool = False
    """Whether the command works after `dereg`."""
    is_drastic: bool = False
    """Whether it ends or gives up something. Such a command is suggested only for a word that is
    one letter away."""

    @property
    def usages(self) -> tuple[str, ...]:
        """Each way to type the command, with its arguments."""
        typed = tuple(usage(spelling, self.shape) for spelling in self.spellings)
        return (*typed, self.bare) if self.bare else typed


def usage(spelling: str, shape: Shape) -> str:
    """Return a spelling with its arguments."""
    return f"{spelling} {shape.shown}".rstrip()


HISTORY_SHOWN: Final = 20
HISTORY_MAX: Final = 10_000
_NUMBER_DIGITS: Final = 9
"""More digits than any number needs; a longer word is refused before it is converted."""


def number(word: str) -> int | None:
    """Return the number above zero that a word is; None for any other word."""
    is_number = word.isascii() and word.isdigit() and len(word) <= _NUMBER_DIGITS
    return int(word) or None if is_number else None


# --- readers: functions from the context and the arguments to an intent


def named(to_intent: Callable[[PeerName], Intent]) -> Callable[[Context, str], Intent | Mistake]:
    """Return a reader of one name, of a person or of a room: the same rules hold for both."""

    def read(context: Context, name: str) -> Intent | Mistake:
        try:
            return to_intent(peer_name(name))
        except NameRefused as refusal:
            return Mistake(answers.name_refused(refusal))

    return read


def new_name(to_intent: Callable[[PeerName], Intent]) -> Callable[[Context, str], Intent | Mistake]:
    """Return a reader of a name that the user wants to have."""

    def read(context: Context, name: str) -> Intent | Mistake:
        try:
            return to_intent(person_name(name))
        except NameRefused as refusal:
            return Mistake(answers.name_refused(refusal))

    return read


def other_person(
    to_intent: Callable[[PeerName], Intent],
) -> Callable[[Context, str], Intent | Mistake]:
    """Return a reader of the name of a person who is not the user."""

    def read(context: Context, name: str) -> Intent | Mistake:
        return (
            Mistake(answers.IS_YOU)
            if is_same_name(name, context.me)
            else named(to_intent)(context, name)
        )

    return read


def own_name(to_intent: Callable[[PeerName], Intent]) -> Callable[[Context, str], Intent | Mistake]:
    """Return a reader of the user's own name, which is typed as a confirmation."""

    def read(context: Context, name: str) -> Intent | Mistake:
        is_own = is_same_name(name, context.me)
        return to_intent(context.me) if is_own else Mistake(answers.not_you(context.me, name))

    return read


def send_direct(context: Context, name: str, text: str) -> Intent | Mistake:
    """Read a recipient and a text."""
    return named(lambda to: SendDirect(to, text))(context, name)


def join(context: Context, room: str) -> Intent | Mistake:
    """Read a room. `#lab` means `lab`: other chat programs write rooms that way."""
    return named(JoinRoom)(context, room.removeprefix("#"))


def say(context: Context, text: str) -> Intent | Mistake:
    """Read a text to say in the current room."""
    return SayInRoom(text) if context.room is not None else Mistake(answers.NOT_IN_ROOM)


def topic(context: Context, text: str = "") -> Intent | Mistake:
    """Read the topic of the current room: none shows it, `-` clears it."""
    if context.room is None:
        return Mistake(answers.NOT_IN_ROOM)
    if not text:
        return ShowTopic()
    return ChangeTopic("" if text.strip() == "-" else text)


def verify(context: Context, name: str) -> Intent | Mistake:
    """Read the name of another person, or `server`."""
    return VerifyKey(SERVER) if name.lower() == SERVER else other_person(VerifyKey)(context, name)


def trust(context: Context, name: str, digits: str = "") -> Intent | Mistake:
    """Read the name of another person, or `server`, and the digits of a key, with or without
    blanks."""
    typed = "".join(digits.split()) or None
    if name.lower() == SERVER:
        return TrustKey(SERVER, typed)
    return other_person(lambda who: TrustKey(who, typed))(context, name)


def query(context: Context, *words: str) -> Intent | Mistake:
    """Read the person, or the room, for whom bare lines are from now on; without a name, they are
    for nobody any more."""
    if not words:
        return OpenQuery()
    return (
        join(context, words[0]) if words[0].startswith("#") else named(OpenQuery)(context, words[0])
    )


def examine(context: Context, *words: str) -> Intent | Mistake:
    """Read the name of another person; without one, the way to the server is meant."""
    return other_person(Examine)(context, words[0]) if words else Examine()


def show_people(context: Context, word: str = "") -> Intent | Mistake:
    """Read whether everybody is to be shown."""
    return ShowPeople(is_whole=bool(word))


def show_history(context: Context, *words: str) -> Intent | Mistake:
    """Read how many messages to show; by default as many as fit on a screen."""
    if not words:
        return ShowHistory(HISTORY_SHOWN)
    count = number(words[0])
    if count is None or count > HISTORY_MAX:
        return Mistake(answers.not_in_range(words[0], HISTORY_MAX))
    return ShowHistory(count)
