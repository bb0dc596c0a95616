"""Which known word was probably meant by an unknown one."""

from collections.abc import Collection
from typing import Final

NEAR: Final = 0.6
"""How alike (difflib) a suggestion must be: "hello" still finds "help", noise finds nothing."""
TYPO: Final = 0.75
"""How alike it must be to a word of a sentence: "sned" finds "send", "hello" finds nothing."""


def nearest(
    word: str, known: Collection[str], *, drastic: Collection[str] = (), alike: float = NEAR
) -> str | None:
    """Return the known word that was probably meant; None if none is so much `alike`. Of the
    `drastic` ones, which end or delete something, only one that is one letter away is returned: who
    takes the advice unread must not lose anything by it."""
    import difflib  # deferred: only a mistake needs it

    likely = [
        candidate
        for candidate in known
        if candidate not in drastic or is_one_letter_away(word, candidate)
    ]
    return next(iter(difflib.get_close_matches(word, likely, n=1, cutoff=alike)), None)


def is_one_letter_away(word: str, other: str) -> bool:
    """Whether one letter less, more or changed, or two neighbours swapped, make one word of the
    other; or nothing does."""
    begin = 0
    while begin < min(len(word), len(other)) and word[begin] == other[begin]:
        begin += 1
    left, right = word[begin:], other[begin:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])
