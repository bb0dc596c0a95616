"""This file is about the commands: one table. A new command is a row; help, completion and suggestions follow.

It knows spellings, what must follow them, and what they mean. It must not know how a line is cut into them, nor how an
intention is carried out.
"""

import difflib
import enum
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from peer.ui.intentions import (
    Context,
    Intention,
    Leave,
    Mistake,
    Quit,
    Return,
    SendAll,
    SendDirect,
    ShowHelp,
    ShowPeople,
)
from wire.errors import NameRefused, quoted
from wire.names import name_key, peer_name

_NEAR: Final = 0.5
"""How alike (difflib) a suggestion must be: "hello" still finds "help", noise finds nothing."""


class Shape(enum.Enum):
    """What follows a spelling, as a usage line shows it."""

    NOTHING = ""
    NAME = "<name>"
    TEXT = "<text>"
    NAME_AND_TEXT = "<name> <text>"
    MAYBE_COMMAND = "[command]"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what may be typed, what must follow, what it means."""

    spellings: tuple[str, ...]
    shape: Shape
    summary: str
    example: str
    intend: Callable[..., Intention | Mistake]
    """Takes the context, then one string a word of the shape."""
    unquoted: frozenset[str] = frozenset()
    """Spellings whose text loses one pair of quotes around the whole of it."""
    colon: bool = False
    """Whether `<name>:<text>` means this too."""
    offline: bool = False
    """Whether it works after `dereg`."""

    @property
    def usages(self) -> tuple[str, ...]:
        """Each way to type it, with what must follow."""
        typed = tuple(usage(spelling, self.shape) for spelling in self.spellings)
        return (*typed, COLON_USAGE) if self.colon else typed


COLON_USAGE: Final = "<name>:<text>"


def usage(spelling: str, shape: Shape) -> str:
    """A spelling with what must follow it."""
    return f"{spelling} {shape.value}".rstrip()


def _send_direct(context: Context, name: str, text: str) -> Intention | Mistake:
    try:
        return SendDirect(peer_name(name), text)
    except NameRefused as refusal:
        return Mistake(f"[{refusal}.]")


def _own(context: Context, name: str) -> Mistake | None:
    try:
        mine = name_key(name) == name_key(context.me)
    except NameRefused:
        mine = False
    return None if mine else Mistake(f"[You are {context.me}, not {quoted(name)}.]")


def _show_help(context: Context, *words: str) -> Intention | Mistake:
    if not words:
        return ShowHelp()
    found = _known(words[0])
    return ShowHelp(found) if found else unknown(words[0])


COMMANDS: Final = (
    Command(
        spellings=("send", "/dm", "/msg"),
        shape=Shape.NAME_AND_TEXT,
        summary="say something to one person",
        example="send bob See you at noon",
        intend=_send_direct,
        unquoted=frozenset({"/dm"}),
        colon=True,
    ),
    Command(
        spellings=("send_all", "/bm", "/all"),
        shape=Shape.TEXT,
        summary="say something to everybody",
        example="send_all The bus leaves at five",
        intend=lambda context, text: SendAll(text),
        unquoted=frozenset({"/bm"}),
    ),
    Command(
        spellings=("who", "/who", "/users", "server:who"),
        shape=Shape.NOTHING,
        summary="who is online, and since when the others are away",
        example="who",
        intend=lambda context: ShowPeople(),
    ),
    Command(
        spellings=("dereg",),
        shape=Shape.NAME,
        summary="go offline under your own name; messages wait for you",
        example="dereg alice",
        intend=lambda context, name: _own(context, name) or Leave(context.me),
    ),
    Command(
        spellings=("reg",),
        shape=Shape.NAME,
        summary="come back under your own name",
        example="reg alice",
        intend=lambda context, name: _own(context, name) or Return(context.me),
        offline=True,
    ),
    Command(
        spellings=("help", "/help"),
        shape=Shape.MAYBE_COMMAND,
        summary="every command, or one with its spellings and an example",
        example="help send",
        intend=_show_help,
        offline=True,
    ),
    Command(
        spellings=("quit", "/quit", "exit", "server:exit"),
        shape=Shape.NOTHING,
        summary="leave and end the program",
        example="quit",
        intend=lambda context: Quit(),
        offline=True,
    ),
)

BY_SPELLING: Final[Mapping[str, Command]] = {word: row for row in COMMANDS for word in row.spellings}
"""Every spelling with its row, for completion and for `parse`."""


def _known(word: str) -> str | None:
    """The spelling that somebody who asks for help means: `dm` will do for `/dm`."""
    word = word.lower()
    return next((one for one in (word, f"/{word}", word[1:]) if one in BY_SPELLING), None)


def unknown(word: str) -> Mistake:
    """What somebody reads who typed a command that there is not: the nearest one, when one is near."""
    near = difflib.get_close_matches(word.lower(), BY_SPELLING, n=1, cutoff=_NEAR)
    advice = f'Did you mean "{near[0]}"?' if near else "Type help for the commands."
    return Mistake(f'[Unknown command "{quoted(word)}": nothing was sent. {advice}]')


def help_lines(command: str | None = None) -> list[str]:
    """Every command, one line each; or for one spelling its summary, all its spellings and an example."""
    if command is not None:
        row = BY_SPELLING[command]
        return [
            f"{usage(command, row.shape)} - {row.summary}",
            f"Spellings: {' · '.join(row.usages)}",
            f"Example: {row.example}",
        ]
    width = max(len(usage(row.spellings[0], row.shape)) for row in COMMANDS)
    return [f"{usage(row.spellings[0], row.shape):<{width}}  {row.summary}" for row in COMMANDS]
