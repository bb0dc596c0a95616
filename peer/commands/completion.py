"""Completion: the commands, the names of people (the last ones talked with first) and the rooms
that Tab offers, and what Tab does with them: first what all share, then each of them in turn."""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from chatapp.peer.api.events import PeopleFound
from chatapp.peer.api.requests import FindPeople
from chatapp.peer.commands.arguments import (
    FILE_PATH,
    NAME_AND_PATH,
    NTH_AS_PATH,
    NTH_FILE,
    SIGNS,
    WORDS,
    Command,
    Cut,
)
from chatapp.peer.commands.commands import BY_SPELLING, DESK_SPELLINGS
from chatapp.peer.words.formatting import Candidate
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import ChatAppError
from chatapp.wire.limits import FINDS_BURST, FINDS_PER_SECOND, ROOM_SIGN

RECENT_MAX: Final = 256
_BEFORE_PATHS: Final = {
    NAME_AND_PATH.shown: re.compile(r"\S+ +(.*)"),
    FILE_PATH.shown: re.compile(r"(.*)"),
    NTH_FILE.shown: re.compile(r"\d+ +as +(.*)"),
    NTH_AS_PATH.shown: re.compile(r"(?:\d+ +)?as +(.*)"),
}
"""What stands before a path, in the arguments that have one; a path may have blanks."""
_LAST_WORD: Final = re.compile(r"[^\s,@]*\Z")
_ANYBODY: Final = "\0"
"""Stands for the rest of a name; no name has it."""
_FIRST: Final = ("send", "join", "who")
"""Commands that are offered before all others."""

SOUGHT_AFTER: Final = 0.15
"""Seconds without another wish after which names are asked for."""
BEGUN_LEAST: Final = 2
"""Characters that a name must begin with: many people share one."""
FOUND_MOST: Final = 20
KNOWN_FOR: Final = 60.0
"""Seconds for which an answer counts."""
AGAIN_AFTER: Final = 5.0
"""Seconds after which the same is asked again if no answer came."""
_ASKED_MOST: Final = 256
_SHARE: Final = 3
"""Which part of what the registry answers is for completion; the rest is left to messages."""


class CandidateSource(Protocol):
    """Something that completes lines: a peer's commands, or a visitor's."""

    def after(self, typed: str, *, is_in_room: bool) -> list[Candidate]:
        """Return the ways to complete `typed`, the likeliest first."""
        ...


class CompletionIndex:
    """The names that a user may want to type. The face adds them; the terminal offers them."""

    def __init__(self) -> None:
        self.list_paths: Callable[[str], Sequence[str]] = lambda _: ()
        """Returns the paths of files and folders that begin like this; a face on this machine sets
        it."""
        self.seek: Callable[[str], None] = lambda _: None
        """Is called with the beginning of a name that is to be completed; a view sets it, as others
        may bear such a name than those who are known."""
        self.came: Callable[[], None] = lambda: None
        """Is called when names have come after that; a face that completes once sets it."""
        self._people: tuple[str, ...] = ()
        self._rooms: dict[str, None] = {}
        self._recent: dict[str, None] = {}
        self._found: dict[str, None] = {}
        self._answers: tuple[str, ...] = ()
        self.entered: Sequence[str] = ()
        """The rooms where the user is, the current one first."""
        self.is_operator = False
        """Whether the user is an operator of the help desk: its commands are offered to operators
        only."""

    def set_people(self, names: Iterable[str]) -> None:
        """Take the names of everybody in the table."""
        self._people = tuple(names)

    def set_answers(self, words: Iterable[str]) -> None:
        """Take the short words of the help desk's ready answers."""
        self._answers = tuple(words)

    def answers(self) -> Sequence[str]:
        """Return the short words of the help desk's ready answers."""
        return self._answers

    def add_recent(self, name: str) -> None:
        """Note that the user and somebody just talked."""
        _put_last(self._recent, name)

    def add_found(self, names: Iterable[str]) -> None:
        """Note names of people who are not in the table."""
        for name in names:
            _put_last(self._found, name)
        self.came()

    def add_room(self, room: str) -> None:
        """Note a room."""
        _put_last(self._rooms, room)

    def people(self) -> list[str]:
        """Return the names of people: the last ones talked with first, then the others in the order
        of the table, then those who are not in it."""
        there = set(self._people)
        recent = [name for name in reversed(self._recent) if name in there]
        others = [name for name in self._people if name not in self._recent]
        return [*recent, *others, *(name for name in self._found if name not in there)]

    def places(self) -> list[str]:
        """Return the names of people and of rooms."""
        return [*self.people(), *self.rooms()]

    def rooms(self) -> list[str]:
        """Return the names of rooms, the last ones seen first."""
        return list(reversed(self._rooms))

    def after(self, typed: str, *, is_in_room: bool) -> list[Candidate]:
        """Complete a line with a peer's commands and these names."""
        if begun := name_begun(typed, is_in_room=is_in_room):
            self.seek(begun)
        return candidates(typed, self, is_in_room=is_in_room)


class NameSearch:
    """Asks for names that complete a line although the registry does not tell us of those who bear
    them (clause 3.9). Only what somebody wants to complete is asked for, so that no word of a message
    goes to the registry by itself."""

    def __init__(self, completions: CompletionIndex) -> None:
        """`completions`: where names that were found are noted."""
        self._completions: Final = completions
        self._asked: dict[str, tuple[float, bool]] = {}
        """Until when the answer about a beginning counts, and whether it had everybody."""
        self._is_asking = False
        self._allowed: Final[Buckets[None]] = Buckets(
            rate=FINDS_PER_SECOND / _SHARE, burst=FINDS_BURST / _SHARE
        )

    def wants(self, begun: str, *, now: float) -> bool:
        """Return whether to ask whose names begin so: it is not known, nothing is being asked, and
        little was asked lately."""
        return (
            len(begun) >= BEGUN_LEAST
            and not self._is_asking
            and not self._is_known(begun.casefold(), now)
            and self._allowed.has_token(None, now=now)
        )

    def seek(self, begun: str, *, now: float) -> Generator[FindPeople, Any, None]:
        """Ask whose names begin so, if that is wanted. Without an answer nothing more is offered."""
        if not self.wants(begun, now=now):
            return
        begun = begun.casefold()
        self._allowed.take(None, now=now)
        self._note(begun, until=now + AGAIN_AFTER, is_all=False)
        self._is_asking = True
        try:
            found: PeopleFound = yield FindPeople(first=begun, limit=FOUND_MOST)
        except ChatAppError:
            return
        finally:
            self._is_asking = False
        self._note(begun, until=now + KNOWN_FOR, is_all=not found.more)
        self._completions.add_found(somebody.name for somebody in found.people)

    def _note(self, begun: str, *, until: float, is_all: bool) -> None:
        self._asked.pop(begun, None)
        self._asked[begun] = until, is_all
        if len(self._asked) > _ASKED_MOST:
            del self._asked[next(iter(self._asked))]

    def _is_known(self, begun: str, now: float) -> bool:
        """Whether an answer about this beginning counts, or one with everybody about a shorter
        one."""
        for length in range(BEGUN_LEAST, len(begun) + 1):
            until, is_all = self._asked.get(begun[:length], (now, False))
            if now < until and (is_all or length == len(begun)):
                return True
        return False


def candidates(typed: str, index: CompletionIndex, *, is_in_room: bool) -> list[Candidate]:
    """Return the ways to complete `typed`, the likeliest first."""
    line = typed.lstrip()
    last = line.rpartition(" ")[2]
    if last.startswith("@"):
        return [Candidate(f"@{one.text}", len(last)) for one in _like(last[1:], index.people())]
    if is_in_room and not line.lower().startswith(SIGNS):
        return _like(last, index.people())
    word, blank, argument = line.partition(" ")
    if blank:
        return _arguments(word.lower(), argument.lstrip(), index)
    offered = _offered(index)
    return [
        *_commands(word, offered, is_in_room=is_in_room),
        *([] if is_in_room else _addressed(word, index)),
    ]


def name_begun(typed: str, *, is_in_room: bool) -> str:
    """Return the beginning of somebody's name that `typed` ends with, where a name can be completed;
    empty for none."""
    begun = _LAST_WORD.search(typed)[0]  # type: ignore[index]
    anybody = CompletionIndex()
    anybody.set_people([begun + _ANYBODY])
    found = candidates(typed, anybody, is_in_room=is_in_room) if begun else []
    return begun if any(_ANYBODY in one.text for one in found) else ""


def common_start(texts: Sequence[str]) -> str:
    """Return the longest start that all texts share, in the spelling of the first one."""
    first, *others = texts
    length = len(first)
    for other in others:
        alike = zip(first.casefold(), other.casefold(), strict=False)
        length = min(
            length, next((at for at, (one, two) in enumerate(alike) if one != two), len(other))
        )
    return first[:length]


def _offered(index: CompletionIndex) -> dict[str, Command]:
    """Return the commands that are offered, by their spellings, in order."""
    return {
        word: row
        for word, row in sorted(BY_SPELLING.items())
        if index.is_operator or word not in DESK_SPELLINGS
    }


def _commands(word: str, offered: Mapping[str, Command], *, is_in_room: bool) -> list[Candidate]:
    begun = word.lower()
    fitting = {
        spelling: row
        for spelling, row in offered.items()
        if spelling.startswith(begun) and not (is_in_room and not spelling.startswith(SIGNS))
    }
    if begun in ("", "/"):
        rows = [BY_SPELLING[spelling] for spelling in _FIRST]
        first = [next(filter(fitting.__contains__, row.spellings)) for row in rows]
        fitting = {spelling: fitting[spelling] for spelling in first} | fitting
    return [
        Candidate(spelling, len(word), f"{row.shape.shown}  {row.summary}".strip())
        for spelling, row in fitting.items()
    ]


def _addressed(word: str, index: CompletionIndex) -> list[Candidate]:
    """Complete names to `bob:`, which begins a message to bob."""
    return (
        [Candidate(f"{name.text}:", name.replaces) for name in _like(word, index.people())]
        if word
        else []
    )


def _arguments(spelling: str, argument: str, index: CompletionIndex) -> list[Candidate]:
    row = BY_SPELLING.get(spelling)
    if row is not None and row.shape is WORDS:
        before, within, argument = argument.rpartition(" in ")
        return _like(argument, index.places()) if within and before and " " not in argument else []
    before_path = None if row is None else _BEFORE_PATHS.get(row.shape.shown)
    if before_path is not None and (found := before_path.fullmatch(argument)) is not None:
        return [Candidate(path, len(found[1])) for path in index.list_paths(found[1])]
    if row is None or row.shape.cut is Cut.TEXT or " " in argument:
        return []
    match row.shape.shown.split():
        case ["[name]", "[n]"] | ["[name", *_]:
            return _like(argument, index.places())
        case ["<name", "or", "#room>", *_]:
            return _like(argument, [*index.people(), *(ROOM_SIGN + name for name in index.entered)])
        case ["<name>" | "[name]", *_]:
            return _like(argument.rpartition(",")[2], index.people())
        case ["<my", *_] | ["[room]"]:
            return _like(argument, index.entered)
        case ["<room>"]:
            return _like(argument, index.rooms())
        case ["[answer]"]:
            return _like(argument, index.answers())
        case ["[command]"]:
            return _like(argument, list(_offered(index)))
        case _:
            return []


def _like(begun: str, names: Sequence[str]) -> list[Candidate]:
    return [
        Candidate(name, len(begun))
        for name in names
        if name.casefold().startswith(begun.casefold())
    ]


def _put_last(names: dict[str, None], name: str) -> None:
    names.pop(name, None)
    names[name] = None
    if len(names) > RECENT_MAX:
        del names[next(iter(names))]


class Replacement(msgspec.Struct, frozen=True):
    """The last `replaces` characters before the cursor become `text`."""

    text: str
    replaces: int


class Completing:
    """One completion, from the first Tab on until another key is pressed."""

    def __init__(self, offered: Callable[[str], list[Candidate]]) -> None:
        """`offered`: returns the ways to complete a text, the likeliest first."""
        self._offered: Final = offered
        self.candidates: list[Candidate] = []
        self.chosen: int | None = None
        """Which candidate stands in the input; None: what they share."""
        self._length = 0
        """Characters before the cursor that the completion has put there."""

    @property
    def is_on(self) -> bool:
        """Whether candidates are offered."""
        return bool(self.candidates)

    def end(self) -> None:
        """Offer nothing any more."""
        self.candidates, self.chosen = [], None

    def step(self, typed: str, direction: int) -> Replacement | None:
        """Return what Tab (`direction` 1) or Shift-Tab (-1) puts before the cursor; None for
        nothing."""
        if self.candidates:
            count = len(self.candidates)
            first = 0 if direction > 0 else count - 1
            self.chosen = first if self.chosen is None else (self.chosen + direction) % count
            return self._put(self.candidates[self.chosen].text, self._length)
        found = self._offered(typed)
        if not found:
            return None
        if len(found) > 1:
            self.candidates = found
        return self._put(common_start([candidate.text for candidate in found]), found[0].replaces)

    def _put(self, text: str, replaces: int) -> Replacement:
        self._length = len(text)
        return Replacement(text, replaces)
