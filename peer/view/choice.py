"""Fuzzy choice: how well a candidate fits to what was typed."""

from typing import Final, NamedTuple

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
