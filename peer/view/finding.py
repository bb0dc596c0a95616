"""What a person looks for: how well a name fits to what was typed, and the part of a found message
around the first word.

The words of a message are compared as the search in the history does: case and diacritics do not
matter, and the last word may be the beginning of one.
"""

import functools
import re
import unicodedata
from typing import Final, NamedTuple

from chatapp.peer.history.search import WORDS_MAX, spread
from chatapp.wire.text import sanitize

_AT_START: Final = 8
_AT_WORD: Final = 4
_NEXT: Final = 6
_GAPS_MAX: Final = 8


class Fit(NamedTuple):
    """How well a candidate fits: the higher the score, the better."""

    score: int
    places: tuple[int, ...]
    """Where the typed characters are in the candidate."""


def fit(typed: str, candidate: str) -> Fit | None:
    """Judge a candidate: it has all typed characters in their order, in any case; None if it has
    not. Characters at the start, at the start of a word and next to each other count more, and of
    two that fit alike, the shorter one wins."""
    wanted = [character.lower() for character in typed if not character.isspace()]
    text = [character.lower() for character in candidate]
    if not wanted:
        return Fit(0, ())
    best: Fit | None = None
    for start, character in enumerate(text):
        if character != wanted[0]:
            continue
        places = _places(wanted, text, start)
        if places is None:
            break  # a later start has even less behind it
        found = Fit(_score(places, candidate), places)
        if best is None or found.score > best.score:
            best = found
    return best


def _places(wanted: list[str], text: list[str], start: int) -> tuple[int, ...] | None:
    places = []
    at = start
    for character in wanted:
        try:
            at = text.index(character, at)
        except ValueError:
            return None
        places.append(at)
        at += 1
    return tuple(places)


def _score(places: tuple[int, ...], candidate: str) -> int:
    score = _AT_START if places[0] == 0 else 0
    for place, before in zip(places, (None, *places[:-1]), strict=True):
        if place == 0 or not candidate[place - 1].isalnum():
            score += _AT_WORD
        if before is not None:
            score += _NEXT if place == before + 1 else -min(place - before, _GAPS_MAX)
    return 100 * score - len(candidate)


LEAD: Final = 16
"""Characters before the first word that was found, so that it can be seen on a narrow screen."""
LENGTH: Final = 300
"""Characters of a snippet at most."""
_MARK: Final = "\x01"
"""Stands for a combining mark in a folded text. A sanitized text has no such character."""
_LETTER: Final = r"[^\W_]"


class Snippet(NamedTuple):
    """A part of a message that is safe to show."""

    text: str
    marks: tuple[tuple[int, int], ...]
    """Where the words are in the text: the first character, and the one after the last."""


def snippet(text: str, wanted: re.Pattern[str] | None, *, cut: str) -> Snippet:
    """Return the part of a message around the first match. `wanted`: from `pattern_of`. `cut`:
    stands where something is left out."""
    safe = sanitize(text)
    found = [] if wanted is None else [match.span() for match in wanted.finditer(_folded(safe))]
    start = _start(safe, found[0][0]) if found else 0
    end = min(len(safe), start + LENGTH)
    before = cut if start else ""
    shift = len(before) - start
    marks = tuple((one + shift, min(two, end) + shift) for one, two in found if one < end)
    return Snippet(f"{before}{safe[start:end]}{cut if end < len(safe) else ''}", marks)


def pattern_of(typed: str) -> re.Pattern[str] | None:
    """Return what finds the words that a person typed in a folded text; None if there is no
    word."""
    runs = re.findall(f"{_LETTER}+", _folded(sanitize(typed)).replace(_MARK, ""))[: 2 * WORDS_MAX]
    if not runs:
        return None
    return re.compile(
        "|".join(_one(run, is_last=place == len(runs)) for place, run in enumerate(runs, 1))
    )


def _one(run: str, *, is_last: bool) -> str:
    """Return the pattern of one word. In a script without blanks, any part of a sentence is a
    word."""
    letters = "".join(f"{re.escape(letter)}{_MARK}*" for letter in run)
    if spread(run) != run:
        return letters
    behind = "" if is_last else f"(?!{_LETTER})"
    return f"(?<!{_LETTER})(?<!{_MARK}){letters}{behind}"


def _start(text: str, first: int) -> int:
    """Return where the snippet begins: at a word, if one begins shortly before the first match."""
    if first <= LEAD:
        return 0
    blank = text.find(" ", first - LEAD, first)
    return first - LEAD if blank < 0 else blank + 1


def _folded(text: str) -> str:
    """Return the text in small letters without diacritics: each character stands where it was."""
    return text.lower() if text.isascii() else "".join(map(_folded_character, text))


@functools.lru_cache(4_096)
def _folded_character(character: str) -> str:
    if unicodedata.combining(character):
        return _MARK
    return (unicodedata.normalize("NFD", character)[0].lower() or character)[0]
