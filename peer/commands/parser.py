"""The parser of typed lines: `parse` turns a line into what it means, by the table of commands.

A line that begins with a sign (`/`, `.`, `server:`) is always a command. In a room, any other line
is chat, except the word `leave`. Outside, its first word is a command, or the line is
`<name>:<text>`, or it is sent to the person of `/query`. While an operator serves a visitor of the
help desk, any line without a sign is said to that visitor, in a room and outside.
"""

import re
from typing import Final

from chatapp.peer.api.conversations import person, room
from chatapp.peer.api.requests import Send
from chatapp.peer.commands.arguments import SIGNS, Command, Cut, usage
from chatapp.peer.commands.commands import (
    BY_SPELLING,
    COMMANDS,
    command_near,
    is_not_here,
    unknown,
)
from chatapp.peer.commands.meanings import Context, Empty, Meaning, Mistake, SayToClient
from chatapp.peer.words import answers
from chatapp.wire.desk.texts import NO_CLIENT
from chatapp.wire.errors import NameRefused
from chatapp.wire.names import PeerName, peer_name

_BY_COLON: Final = next(row for row in COMMANDS if row.bare == "<name>:<text>")
_IN_ROOM: Final = frozenset(row.spellings[0] for row in COMMANDS if row.is_bare_in_room)

_BLANKS: Final = " \t"
_ESCAPE: Final = "//"
_QUOTES: Final = ('""', "''", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u201a\u2018")
"""Pairs of quotes: straight ones, and curly ones of English and German."""
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def parse(line: str, context: Context) -> Meaning:
    """Return what `line` means; never raises. The text of a message stays as typed, except for lone
    surrogates, which no encoding has."""
    line = whole(line)
    words = line.lstrip(_BLANKS)
    if not words:
        return Empty()
    if context.offline:
        return _command(words, context)
    if context.serves and (words.startswith(_ESCAPE) or not words.lower().startswith(SIGNS)):
        return SayToClient(words[1:] if words.startswith(_ESCAPE) else line)
    if words.startswith(_ESCAPE):
        if context.room is not None:
            return Send(conversation=room(context.room), text=words[1:])
        if context.query is None:
            return Mistake(answers.NOT_IN_ROOM)
        return Send(conversation=person(context.query), text=words[1:])
    is_bare = not words.lower().startswith(SIGNS) and words.strip(_BLANKS).lower() not in _IN_ROOM
    if context.room is not None and is_bare:
        return Send(conversation=room(context.room), text=line)
    return _command(words, context)


def command_meant(line: str) -> str | None:
    """Return the spelling, with a sign, of the command that a bare line would be outside of a room;
    None if it would be none, or if what follows its first word does not fit."""
    word, rest = _first_word(whole(line).lstrip(_BLANKS))
    row = BY_SPELLING.get(word.lower())
    if row is None or word.startswith(SIGNS) or _arguments(row, word.lower(), rest) is None:
        return None
    return next(spelling for spelling in row.spellings if spelling.startswith(SIGNS))


def whole(line: str) -> str:
    """Return `line` without its line end, and with lone surrogates replaced, so that it can be
    encoded."""
    return _SURROGATES.sub("\ufffd", line).rstrip("\r\n")


def _command(line: str, context: Context) -> Meaning:
    word, rest = _first_word(line)
    spelling = word.lower()
    row = BY_SPELLING.get(spelling)
    if row is not None:
        return _read(row, usage(spelling, row.shape), context, _arguments(row, spelling, rest))
    name, colon, _ = word.partition(":")
    if colon and not spelling.startswith(SIGNS) and _may_be_name(name):
        text = line.partition(":")[2]
        text = text[1:] if text[:1] in _BLANKS else text
        return _read(_BY_COLON, _BY_COLON.bare, context, _some(name, text))
    if context.on_duty and not spelling.startswith(SIGNS):
        return Mistake(
            NO_CLIENT
        )  # an operator who types on after the visitor left is not told of a typo
    if context.query is not None and not spelling.startswith(SIGNS):
        return Send(conversation=person(context.query), text=line)
    if spelling.startswith(SIGNS) or _is_garbled(word):
        return unknown(word, is_operator=context.is_operator)
    return _for_nobody(word, rest, context)


def _is_garbled(word: str) -> bool:
    """Whether this can be no word of a sentence: it has control characters, or was no text."""
    return not word.isprintable() or "\ufffd" in word


def _for_nobody(word: str, rest: str, context: Context) -> Mistake:
    """Answer a line without a sign that names nobody: a mistyped command, if what follows its first
    word fits that command, else something that was meant for a person."""
    if context.offline:
        return Mistake(answers.OFFLINE)
    if is_not_here(word):
        is_command = not _first_word(rest.lstrip(_BLANKS))[1]
        return Mistake(answers.not_here(word) if is_command else answers.NOBODY_NAMED)
    near = command_near(word, is_operator=context.is_operator, is_sentence=True)
    if near is not None and (
        near.endswith(word.lower()) or _arguments(BY_SPELLING[near], near, rest) is not None
    ):
        return Mistake(answers.unknown_command(word, near))
    return Mistake(answers.NOBODY_NAMED)


def _read(row: Command, how: str, context: Context, arguments: tuple[str, ...] | None) -> Meaning:
    if context.offline and not row.offline:
        return Mistake(answers.OFFLINE)
    if arguments is None:
        return Mistake(answers.usage_line(how))
    return row.read(context, *arguments)


def _arguments(row: Command, spelling: str, rest: str) -> tuple[str, ...] | None:
    """Cut `rest` into arguments as the shape of `row` says. None if it does not fit."""
    word, after = _first_word(rest.lstrip(_BLANKS))
    match row.shape.cut:
        case Cut.NOTHING:
            return None if word else ()
        case Cut.WORD:
            return None if after.strip(_BLANKS) else _some(word)
        case Cut.MAYBE_WORD:
            return None if after.strip(_BLANKS) else (word,) if word else ()
        case Cut.MAYBE_WORDS:
            second, more = _first_word(after.lstrip(_BLANKS))
            return None if more.strip(_BLANKS) else tuple(filter(None, (word, second)))
        case Cut.TWO_WORDS:
            second, more = _first_word(after.lstrip(_BLANKS))
            return None if more.strip(_BLANKS) else _some(word, second)
        case Cut.TEXT:
            return _some(_unquoted(rest) if spelling in row.unquoted else rest)
        case Cut.MAYBE_TEXT:
            return _some(rest) if rest.strip(_BLANKS) else ()
        case Cut.WORD_AND_MAYBE_TEXT:
            return _some(word, after) if after.strip(_BLANKS) else _some(word)
        case Cut.WORD_AND_TEXT:
            return _some(word, _unquoted(after) if spelling in row.unquoted else after)


def _first_word(text: str) -> tuple[str, str]:
    """Split at the first blank; only that one blank is dropped, since the rest may be the text of a
    message."""
    for at, character in enumerate(text):
        if character in _BLANKS:
            return text[:at], text[at + 1 :]
    return text, ""


def _some(*arguments: str) -> tuple[str, ...] | None:
    """Return the arguments, or None if one of them is blank."""
    return arguments if all(argument.strip(_BLANKS) for argument in arguments) else None


def _unquoted(text: str) -> str:
    """Return `text` without the pair of quotes around the whole of it; `"a" and "b"` has no such
    pair."""
    outer = text.strip(_BLANKS)
    inner, pair = outer[1:-1], outer[:1] + outer[-1:]
    if len(outer) > 1 and pair in _QUOTES and set(inner).isdisjoint(pair):
        return inner
    return text


def _may_be_name(text: str) -> bool:
    try:
        peer_name(text)
    except NameRefused:
        return False
    return True


_GIVES_UP: Final = ("", "/quit")


class Dialogue:
    """The questions of `message`: to whom, then what."""

    def __init__(self) -> None:
        self._to: PeerName | None = None
        self.is_over = False

    @property
    def question(self) -> str:
        """The question to be answered next."""
        return answers.ASK_TO if self._to is None else answers.ASK_TEXT

    def answer(self, line: str) -> Meaning:
        """Take the user's answer. Returns the message once it is complete, else a line to show, or
        nothing. Unless it `is_over` then, ask the `question` that follows."""
        line = whole(line)
        if line.strip().lower() in _GIVES_UP:
            self.is_over = True
            return Mistake(answers.NOTHING_SENT)
        if self._to is not None:
            self.is_over = True
            return Send(conversation=person(self._to), text=line)
        try:
            self._to = peer_name(line.strip())
        except NameRefused as refusal:
            return Mistake(answers.name_refused(refusal))
        return Empty()


class Confirmation:
    """A question that is answered with yes, or else with no, before something is done."""

    def __init__(self, meaning: Meaning, question: str, *, otherwise: str) -> None:
        """`meaning`: what is done after a yes. `otherwise`: the line to show after any other
        answer."""
        self._meaning = meaning
        self._otherwise = otherwise
        self.question: Final = question
        self.is_over = False

    def answer(self, line: str) -> Meaning:
        """Take the user's answer. Returns what is to be done, or a line to show."""
        self.is_over = True
        is_yes = line.strip().lower() in ("y", "yes")
        return self._meaning if is_yes else Mistake(self._otherwise)
