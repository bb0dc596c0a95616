"""What an operator types at the registry's own terminal: words become requests, whose visitor and reference are still 0.

A line that begins with `.` or `/` is a command, any other one is for the client; `..text` says `.text`, and `//text`
`/text`.
"""

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, NamedTuple, TypeAlias

from wire.errors import quoted
from wire.limits import TEXT_MAX
from wire.messages.desk.operating import (
    CallNext,
    DropVisitor,
    EndDuty,
    EndSession,
    HandOver,
    MoveVisitor,
    NoteVisitor,
    OperatorRequest,
    ShowFigures,
    ShowRoom,
    TakeDuty,
)

_PLACE_DIGITS: Final = 9


class ForClient(NamedTuple):
    """Text for whoever is served."""

    text: str


class Misspoken(NamedTuple):
    """A line that means nothing, or asks for help: what to answer."""

    lines: tuple[str, ...]


Typed: TypeAlias = OperatorRequest | ForClient | Misspoken


class _Command(NamedTuple):
    usage: str
    says: str
    parse: Callable[[str], OperatorRequest | None]


def _places(rest: str, count: int) -> list[int] | None:
    words = rest.split()
    are_places = all(word.isascii() and word.isdigit() and len(word) <= _PLACE_DIGITS for word in words)
    return [int(word) for word in words] if len(words) == count and are_places else None


def _drop(rest: str) -> OperatorRequest | None:
    places = _places(rest, 1)
    return None if places is None else DropVisitor(0, 0, places[0])


def _move(rest: str) -> OperatorRequest | None:
    places = _places(rest, 2)
    return None if places is None else MoveVisitor(0, 0, *places)


def _alone(request: OperatorRequest) -> Callable[[str], OperatorRequest | None]:
    return lambda rest: None if rest else request


_COMMANDS: Final = {
    "room": _Command(".room [queue]", "who is served, and who waits", lambda rest: ShowRoom(0, rest)),
    "next": _Command(
        ".next [queue]",
        "end the session and take the next; on duty from now on",
        lambda rest: CallNext(0, rest, 0),
    ),
    "end": _Command(".end", "end the session", _alone(EndSession(0, 0))),
    "drop": _Command(".drop <n>", "take number n out of the waiting room", _drop),
    "move": _Command(".move <n> <to>", "make number n number <to>", _move),
    "handover": _Command(
        ".handover <operator>",
        "give the client to another operator",
        lambda rest: HandOver(0, 0, rest) if 0 < len(rest) <= 32 and " " not in rest else None,
    ),
    "note": _Command(
        ".note <text>",
        "a note about the client, for operators only",
        lambda rest: NoteVisitor(0, 0, rest) if rest else None,
    ),
    "on": _Command(".on [queue]", "on duty: clients come by themselves", lambda rest: TakeDuty(0, rest)),
    "off": _Command(".off", "off duty: nobody new", _alone(EndDuty(0))),
    "stats": _Command(".stats [queue]", "served today, waits", lambda rest: ShowFigures(0, rest)),
}


def parse(line: str) -> Typed | None:
    """What a typed line means; None for an empty one."""
    line = line.rstrip("\r\n")
    if not line.strip():
        return None
    if line[0] in "./" and line[1:2] != line[0]:
        return _command(line[1:])
    text = line[1:] if line[0] in "./" else line
    size = len(text.encode("utf-8", "replace"))
    if size > TEXT_MAX:
        return Misspoken((f"[Not sent: {size:,} bytes are too long; a message has at most {TEXT_MAX:,}.]",))
    return ForClient(text)


def _command(typed: str) -> Typed:
    word, _, rest = typed.partition(" ")
    if word.lower() == "help":
        return Misspoken(tuple(f"{one.usage}  {one.says}" for one in _COMMANDS.values()))
    command = _COMMANDS.get(word.lower())
    if command is None:
        near = get_close_matches(word.lower(), _COMMANDS, n=1)
        hint = f" Did you mean .{near[0]}?" if near else " .help shows all commands."
        return Misspoken((f"[Unknown command .{quoted(word)}.{hint}]",))
    return command.parse(rest.strip()) or Misspoken((f"[Usage: {command.usage}]",))
