"""Rows of the command table: their type, and how the words behind a spelling are cut and
checked."""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.peer.api.conversations import EVERYBODY, person, room
from chatapp.peer.api.requests import (
    PAGE_MAX,
    SECONDS_MAX,
    AcceptKey,
    AcceptRegistryKey,
    EnterRoom,
    Examine,
    ExplainDelivery,
    FetchDeskFile,
    OfferFile,
    ReadPage,
    SearchPast,
    Send,
    SendDeskFile,
    SetTopic,
    ShowRegistryKey,
    ShowSafetyNumber,
    ShowTopic,
)
from chatapp.peer.commands.meanings import (
    LAST,
    SERVER,
    AcceptOffer,
    CancelFile,
    CancelLine,
    ChangeLine,
    Context,
    ExplainFile,
    FindPast,
    GoAway,
    Meaning,
    Mistake,
    OpenConversation,
    SayHere,
    SayOfMe,
    SendToEach,
    SetMute,
    ShowPast,
    ShowPeople,
    WhichLine,
)
from chatapp.peer.words import answers
from chatapp.peer.words.changes import ACTION
from chatapp.wire.desk.texts import NO_CLIENT
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import RECIPIENTS_MAX, ROOM_SIGN, STATUS_MAX
from chatapp.wire.names import PeerName, is_same_name, name_key, peer_name, person_name

SIGNS: Final = ("/", ".", "server:")
"""A line that begins with one of these is always a command, in a room and outside."""


class Cut(enum.Enum):
    """How the rest of a line is cut into arguments."""

    NOTHING = "nothing may follow"
    WORD = "one word"
    MAYBE_WORD = "one word or nothing"
    TWO_WORDS = "two words"
    MAYBE_WORDS = "one word, two, or nothing"
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
MY_ROOM: Final = Shape("<my room>", Cut.WORD)
MAYBE_ROOM: Final = Shape("[room]", Cut.MAYBE_WORD)
TEXT: Final = Shape("<text>", Cut.TEXT)
MAYBE_TEXT: Final = Shape("[text]", Cut.MAYBE_TEXT)
WORDS: Final = Shape("<words> [in <name>]", Cut.TEXT)
NAME_AND_TEXT: Final = Shape("<name> <text>", Cut.WORD_AND_TEXT)
NAME_AND_PATH: Final = Shape("<name or #room> <path>", Cut.WORD_AND_TEXT)
NTH_AS_PATH: Final = Shape("[n] [as <path>]", Cut.MAYBE_TEXT)
NAME_AND_KEY: Final = Shape("<name> <key>", Cut.WORD_AND_MAYBE_TEXT)
MAYBE_COMMAND: Final = Shape("[command]", Cut.MAYBE_WORD)
MAYBE_ALL_OR_FIRST: Final = Shape("[all or letters]", Cut.MAYBE_WORD)
MAYBE_NAME_AND_NUMBER: Final = Shape("[name] [n]", Cut.MAYBE_WORDS)
MAYBE_CONVERSATION_AND_SPAN: Final = Shape("[name or room] [for]", Cut.MAYBE_WORDS)
MAYBE_WHICH: Final = Shape("[id or file n]", Cut.MAYBE_TEXT)
MAYBE_NTH_OR_FILE: Final = Shape("[n or file n]", Cut.MAYBE_TEXT)
MAYBE_NTH: Final = Shape("[n]", Cut.MAYBE_WORD)
NTH_AND_TEXT: Final = Shape("[n] <text>", Cut.TEXT)
NTH_AND_EMOJI: Final = Shape("[n] <emoji>", Cut.TEXT)


MAYBE_QUEUE: Final = Shape("[queue]", Cut.MAYBE_WORD)
ANSWER: Final = Shape("[answer]", Cut.MAYBE_WORD)
FILE_PATH: Final = Shape("<path>", Cut.TEXT)
NTH_FILE: Final = Shape("<n> [as <path>]", Cut.TEXT)
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
    read: Callable[..., Meaning]
    """Takes the context, then one string for each argument of the shape."""
    example: str = ""
    """Arguments, as they may be typed."""
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
HISTORY_MAX: Final = PAGE_MAX
_NUMBER_DIGITS: Final = 9
"""More digits than any number needs; a longer word is refused before it is converted."""
_ID_DIGITS: Final = 18
"""Digits of the longest id."""


def number(word: str) -> int | None:
    """Return the number above zero that a word is; None for any other word."""
    is_number = word.isascii() and word.isdigit() and len(word) <= _NUMBER_DIGITS
    return int(word) or None if is_number else None


# --- readers: functions from the context and the arguments to a meaning


def always(meaning: Meaning) -> Callable[[Context], Meaning]:
    """Return a reader of a command without arguments."""
    return lambda _: meaning


def named(
    meaning: Callable[[PeerName], Meaning], *, check: Callable[[str], PeerName] = peer_name
) -> Callable[[Context, str], Meaning]:
    """Return a reader of one name, of a person or of a room: the same rules hold for both.
    `check`: raises NameRefused for what is no such name."""

    def read(_: Context, name: str) -> Meaning:
        try:
            return meaning(check(name))
        except NameRefused as refusal:
            return Mistake(answers.name_refused(refusal))

    return read


def new_name(meaning: Callable[[PeerName], Meaning]) -> Callable[[Context, str], Meaning]:
    """Return a reader of a name that the user wants to have."""
    return named(meaning, check=person_name)


def other_person(meaning: Callable[[PeerName], Meaning]) -> Callable[[Context, str], Meaning]:
    """Return a reader of the name of a person who is not the user."""

    def read(context: Context, name: str) -> Meaning:
        is_me = is_same_name(name, context.me)
        return Mistake(answers.IS_YOU) if is_me else named(meaning)(context, name)

    return read


def own_name(meaning: Meaning) -> Callable[[Context, str], Meaning]:
    """Return a reader of the user's own name, which is typed as a confirmation."""

    def read(context: Context, name: str) -> Meaning:
        is_me = is_same_name(name, context.me)
        return meaning if is_me else Mistake(answers.not_you(context.me, name))

    return read


def send_direct(_: Context, names: str, text: str) -> Meaning:
    """Read a recipient, or several with commas between them, and a text."""
    listed = names.split(",")
    if not all(listed):
        return Mistake(answers.NAMES_APART)
    to: dict[str, PeerName] = {}
    try:
        for name in listed:
            to.setdefault(name_key(name), peer_name(name))
    except NameRefused as refusal:
        return Mistake(answers.name_refused(refusal))
    if len(to) > RECIPIENTS_MAX:
        return Mistake(answers.too_many(len(to), RECIPIENTS_MAX))
    first, *others = to.values()
    return (
        SendToEach((first, *others), text)
        if others
        else Send(conversation=person(first), text=text)
    )


def act(_: Context, text: str) -> Meaning:
    """Read what the user does, in the words that others see behind the user's name."""
    return SayHere(f"{ACTION}{text}")


def offer_file(context: Context, name: str, path: str) -> Meaning:
    """Read a recipient, or a room with its sign, and a path, as typed or as a terminal pastes it."""
    if name.startswith(ROOM_SIGN):
        to_room = named(lambda to: OfferFile(conversation=room(to), path=path_typed(path)))
        return to_room(context, name.removeprefix(ROOM_SIGN))
    to_one = other_person(lambda to: OfferFile(conversation=person(to), path=path_typed(path)))
    return to_one(context, name)


def accept_offer(_: Context, words: str = "") -> Meaning:
    """Read which file is meant, and what to call it."""
    first, _as, path = f" {words.strip()} ".partition(" as ")
    digits = first.strip()
    nth = number(digits) if digits else None
    if (digits and nth is None) or (_as and not path.strip()):
        return Mistake(answers.usage_line("/accept [n] [as <path>]"))
    return AcceptOffer(nth, path_typed(path))


def _file_number(words: str) -> int | None:
    """Return the number in `file 3`, 0 if it is left out; None for other words."""
    first, *rest = words.split() or [""]
    if first != "file" or len(rest) > 1:
        return None
    return number(rest[0]) if rest else 0


def of_file(spelling: str, meaning: Callable[[int | None], Meaning]) -> Callable[..., Meaning]:
    """Return a reader of which file is meant."""

    def read(_: Context, word: str = "") -> Meaning:
        nth = number(word) if word else None
        is_other = bool(word) and nth is None
        return Mistake(answers.usage_line(f"{spelling} [n]")) if is_other else meaning(nth)

    return read


def send_at_desk(context: Context, path: str) -> Meaning:
    """Read the path of a file for the visitor."""
    return SendDeskFile(path=path_typed(path), line=0) if context.serves else Mistake(NO_CLIENT)


def get_at_desk(_: Context, words: str) -> Meaning:
    """Read the number of a file of the visit, and what to call it."""
    first, _as, path = f" {words.strip()} ".partition(" as ")
    nth = number(first.strip())
    if nth is None or (_as and not path.strip()):
        return Mistake(answers.usage_line(".get <n> [as <path>]"))
    return FetchDeskFile(position=nth, path=path_typed(path))


def path_typed(typed: str) -> str:
    """Return the path that is meant: a terminal on which a file is dropped quotes it, or puts a
    backslash before each blank."""
    path = typed.strip()
    if len(path) > 1 and path[0] in "\"'" and path[-1] == path[0]:
        return path[1:-1]
    return path.replace("\\ ", " ")


def send_all(_: Context, text: str) -> Meaning:
    """Read a text for everybody."""
    return Send(conversation=EVERYBODY, text=text)


def join(context: Context, name: str) -> Meaning:
    """Read a room. `#lab` means `lab`: other chat programs write rooms that way."""
    return named(lambda wanted: EnterRoom(room=wanted))(context, name.removeprefix("#"))


def of_room(meaning: Callable[[str], Meaning]) -> Callable[..., Meaning]:
    """Return a reader of a room; without one, the current room is meant."""

    def read(context: Context, *words: str) -> Meaning:
        if words:
            return named(meaning)(context, words[0].removeprefix("#"))
        return Mistake(answers.NOT_IN_ROOM) if context.room is None else meaning(context.room)

    return read


def say(context: Context, text: str) -> Meaning:
    """Read a text to say in the current room."""
    if context.room is None:
        return Mistake(answers.NOT_IN_ROOM)
    return Send(conversation=room(context.room), text=text)


def topic(context: Context, text: str = "") -> Meaning:
    """Read the topic of the current room: none shows it, `-` clears it."""
    if context.room is None:
        return Mistake(answers.NOT_IN_ROOM)
    if not text:
        return ShowTopic(room=context.room)
    return SetTopic(room=context.room, text="" if text.strip() == "-" else text)


def verify(context: Context, name: str) -> Meaning:
    """Read the name of another person, or `server`."""
    if name.lower() == SERVER:
        return ShowRegistryKey()
    return other_person(lambda who: ShowSafetyNumber(name=who))(context, name)


def trust(context: Context, name: str, digits: str = "") -> Meaning:
    """Read the name of another person, or `server`, and the digits of a key, with or without
    blanks."""
    typed = "".join(digits.split()) or None
    if name.lower() == SERVER:
        return AcceptRegistryKey(digits=typed)
    return other_person(lambda who: AcceptKey(name=who, digits=typed))(context, name)


def query(context: Context, *words: str) -> Meaning:
    """Read the person, or the room, for whom bare lines are from now on; without a name, they are
    for nobody any more."""
    if not words:
        return OpenConversation()
    is_room = words[0].startswith("#")
    return join(context, words[0]) if is_room else named(OpenConversation)(context, words[0])


def go_away(_: Context, why: str = "") -> Meaning:
    """Read why the user is away."""
    long = len(why.strip()) > STATUS_MAX
    return Mistake(answers.STATUS_TOO_LONG) if long else GoAway(why.strip())


def set_status(_: Context, text: str) -> Meaning:
    """Read what the user says of themselves; `-` ends it."""
    said = text.strip()
    if len(said) > STATUS_MAX:
        return Mistake(answers.STATUS_TOO_LONG)
    return SayOfMe("" if said == "-" else said)


_SPANS: Final = {"m": 60, "h": 3_600, "d": 86_400}
"""Seconds of the units in which a span is typed."""


def _seconds(word: str) -> int | None:
    """Return the seconds of a span such as 30m, 2h or 1d; None for another word."""
    count = number(word[:-1])
    return count * _SPANS[word[-1]] if count and word[-1] in _SPANS else None


def mute(_: Context, *words: str) -> Meaning:
    """Read the name of a conversation, the one where the user is if it is left out, and for how
    long."""
    seconds = _seconds(words[-1]) if words else None
    if len(words) > 1 and seconds is None:
        return Mistake(answers.NO_SPAN)
    if seconds is not None and seconds > SECONDS_MAX:
        return Mistake(answers.NO_SPAN)
    named = words[: len(words) - (seconds is not None)]
    return SetMute(named[0] if named else None, seconds)


def examine(context: Context, *words: str) -> Meaning:
    """Read the name of another person; without one, the way to the server is meant."""
    if not words:
        return Examine()
    return other_person(lambda who: Examine(name=who))(context, words[0])


def show_people(_: Context, word: str = "") -> Meaning:
    """Read whether everybody is to be shown, or those whose names begin so. Who is called `all`, or
    so that the name begins with it, is found by `al`."""
    is_whole = word.lower() == "all"
    return ShowPeople(is_whole=is_whole, first="" if is_whole else word)


def explain(_: Context, which: str = "last") -> Meaning:
    """Read the id of a line, with or without a # before it, or `last`. What is no id means a line
    that there is not."""
    if which.strip() == "last":
        return ExplainDelivery()
    if (nth := _file_number(which)) is not None:
        return ExplainFile(nth or None)
    if len(which.split()) > 1:
        return Mistake(answers.usage_line(f"/why {MAYBE_WHICH.shown}"))
    digits = which.strip().removeprefix("#")
    is_id = digits.isascii() and digits.isdigit() and len(digits) <= _ID_DIGITS
    return ExplainDelivery(id=int(digits) if is_id else 0)


def which_and_text(
    meaning: Callable[[str, WhichLine], Meaning],
) -> Callable[[Context, str], Meaning]:
    """Return a reader of which line is meant, the last one if it is left out, and a text."""

    def read(_: Context, words: str) -> Meaning:
        first, _blank, rest = words.lstrip().partition(" ")
        which = _which(first) if rest.strip() else None
        return meaning(words, LAST) if which is None else meaning(rest, which)

    return read


def retract(_: Context, *words: str) -> Meaning:
    """Read which line of ours is meant."""
    which = _which(words[0]) if words else LAST
    return Mistake(answers.usage_line("/retract [n]")) if which is None else ChangeLine(None, which)


def cancel(_: Context, words: str = "") -> Meaning:
    """Read which of our lines that are not settled is meant, or which file."""
    if (nth := _file_number(words)) is not None:
        return CancelFile(nth or None)
    which = _which(words.strip()) if words else LAST
    wrong = Mistake(answers.usage_line("/cancel [n or file n]"))
    return wrong if which is None else CancelLine(which)


def _which(word: str) -> WhichLine | None:
    """Return the line that a word means: the nth from the end, or the one with an id, with a #
    before it; None for another word."""
    nth = number(word)
    if nth is not None:
        return WhichLine(nth)
    digits = word.removeprefix("#")
    is_id = digits != word and digits.isascii() and digits.isdigit() and len(digits) <= _ID_DIGITS
    return WhichLine(id=int(digits)) if is_id else None


def show_history(_: Context, *words: str) -> Meaning:
    """Read the name of a conversation, and how many messages to show; by default as many as fit on
    a screen, of all conversations."""
    name, count = words[0] if words else "", HISTORY_SHOWN
    has_count = len(words) > 1 or name.isdigit()
    if has_count:
        shown = number(words[-1])
        if shown is None or shown > HISTORY_MAX:
            return Mistake(answers.not_in_range(words[-1], HISTORY_MAX))
        count = shown
    is_of_all = len(words) == has_count
    return ReadPage(limit=count) if is_of_all else ShowPast(name, count)


_WITHIN: Final = " in "


def search(_: Context, typed: str) -> Meaning:
    """Read the words to find, and the name of the conversation where they are looked for."""
    words, within, name = typed.rstrip().rpartition(_WITHIN)
    if within and words.strip() and name.strip() and " " not in name:
        return FindPast(words, name, typed)
    return SearchPast(words=typed)
