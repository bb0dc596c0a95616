"""What Tab offers: commands, then names of people (the last that one talked to first), and rooms.

It knows spellings, what must follow them, and which names there are.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from chatapp.peer.ui.arguments import SIGNS, Cut
from chatapp.peer.ui.commands import BY_SPELLING

RECENT_MAX: Final = 256


class Candidate(msgspec.Struct, frozen=True):
    """One way to go on: what to put in the place of the last `replaces` characters, and what it is."""

    text: str
    replaces: int
    about: str = ""


class CandidateSource(Protocol):
    """Whoever has something to offer."""

    def after(self, typed: str, *, is_in_room: bool) -> list[Candidate]:
        """How to go on after `typed`, the likeliest first."""
        ...


class CompletionIndex:
    """The names that somebody may want to type. A face tells what it sees; a terminal offers them."""

    def __init__(self) -> None:
        self._people: tuple[str, ...] = ()
        self._rooms: dict[str, None] = {}
        self._recent: dict[str, None] = {}

    def set_people(self, names: Iterable[str]) -> None:
        """Everybody in the table."""
        self._people = tuple(names)

    def add_recent(self, name: str) -> None:
        """One said something to them, or they to us."""
        _put_last(self._recent, name)

    def add_room(self, room: str) -> None:
        """There is, or was, such a room."""
        _put_last(self._rooms, room)

    def people(self) -> list[str]:
        """The last talked with first, then the others as the table has them."""
        there = set(self._people)
        recent = [name for name in reversed(self._recent) if name in there]
        return [*recent, *(name for name in self._people if name not in self._recent)]

    def rooms(self) -> list[str]:
        """The last seen first."""
        return list(reversed(self._rooms))

    def after(self, typed: str, *, is_in_room: bool) -> list[Candidate]:
        """How to go on after `typed`: a peer's commands, and these names."""
        return candidates(typed, self, is_in_room=is_in_room)


def candidates(typed: str, known: CompletionIndex, *, is_in_room: bool) -> list[Candidate]:
    """How to go on after `typed`, the likeliest first."""
    line = typed.lstrip()
    if is_in_room and not line.lower().startswith(SIGNS):
        return _like(line.rpartition(" ")[2], known.people())
    word, blank, argument = line.partition(" ")
    if blank:
        return _arguments(word.lower(), argument.lstrip(), known)
    return [*_commands(word, is_in_room=is_in_room), *([] if is_in_room else _addressed(word, known))]


def common_start(texts: Sequence[str]) -> str:
    """What all of these begin with, as the first writes it."""
    first, *others = texts
    length = len(first)
    for other in others:
        alike = zip(first.casefold(), other.casefold(), strict=False)
        length = min(length, next((at for at, (one, two) in enumerate(alike) if one != two), len(other)))
    return first[:length]


def _commands(word: str, *, is_in_room: bool) -> list[Candidate]:
    begun = word.lower()
    return [
        Candidate(spelling, len(word), f"{row.shape.shown}  {row.summary}".strip())
        for spelling, row in sorted(BY_SPELLING.items())
        if spelling.startswith(begun) and not (is_in_room and not spelling.startswith(SIGNS))
    ]


def _addressed(word: str, known: CompletionIndex) -> list[Candidate]:
    """`bob:` begins a message to bob."""
    return [Candidate(f"{one.text}:", one.replaces) for one in _like(word, known.people())] if word else []


def _arguments(spelling: str, argument: str, known: CompletionIndex) -> list[Candidate]:
    row = BY_SPELLING.get(spelling)
    if row is None or row.shape.cut is Cut.TEXT or " " in argument:
        return []
    match row.shape.shown.split()[:1]:
        case ["<name>"]:
            return _like(argument, known.people())
        case ["<room>"]:
            return _like(argument, known.rooms())
        case ["[command]"]:
            return _like(argument, sorted(BY_SPELLING))
        case _:
            return []


def _like(begun: str, names: Sequence[str]) -> list[Candidate]:
    return [Candidate(name, len(begun)) for name in names if name.casefold().startswith(begun.casefold())]


def _put_last(names: dict[str, None], name: str) -> None:
    names.pop(name, None)
    names[name] = None
    if len(names) > RECENT_MAX:
        del names[next(iter(names))]
