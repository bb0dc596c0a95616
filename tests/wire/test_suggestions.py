"""Suggestions for unknown words: near ones, and nothing that does harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.text import is_one_letter_away, nearest

KNOWN = ("exit", "who", "help", "release")
WORDS = st.text("abc", max_size=6)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("whoo", "who"),
        ("hello", "help"),
        ("exot", "exit"),
        ("exti", "exit"),
        ("relase", "release"),
        ("edits", None),
        ("delete", None),
        ("relaese now", None),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_what_ends_something_is_suggested_for_one_wrong_letter_only(
    word: str, near: str | None
) -> None:
    assert nearest(word, KNOWN, drastic={"exit", "release"}) == near


def test_without_the_rule_the_nearest_would_do_harm() -> None:
    assert nearest("delete", KNOWN) == "release"


def _one_edit(word: str) -> set[str]:
    """Every word of the letters a, b and c that one edit makes of this one, and itself."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    return {
        word,
        *(left + right[1:] for left, right in cuts if right),
        *(left + letter + right for left, right in cuts for letter in "abc"),
        *(left + letter + right[1:] for left, right in cuts if right for letter in "abc"),
        *(left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1),
    }


@given(WORDS, WORDS)
def test_one_letter_is_one_edit(word: str, other: str) -> None:
    assert is_one_letter_away(word, other) == (other in _one_edit(word))
    assert all(is_one_letter_away(word, one) for one in _one_edit(word))
