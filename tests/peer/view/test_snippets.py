"""Snippets: the words that were looked for are in sight and marked, and foreign text does no
harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.full.theme import UNICODE
from chatapp.peer.view.finding import LEAD, LENGTH, pattern_of, snippet
from chatapp.wire.text import sanitize


def marked(text: str, typed: str) -> list[str]:
    """Return the marked pieces of the snippet."""
    found = snippet(text, pattern_of(typed), cut=UNICODE.cut)
    return [found.text[start:end] for start, end in found.marks]


@pytest.mark.parametrize(
    ("typed", "text", "pieces"),
    [
        ("noon", "Noon, at NOON.", ["Noon", "NOON"]),
        ("lunch no", "no lunches, lunch at noon", ["no", "lunch", "no"]),  # the last word may go on
        ("cafe", "Le café, le cafe\u0301", ["café", "cafe\u0301"]),
        ("CAFÉ ", "le cafe", ["cafe"]),
        ("a-b", "a b ab-b", ["a", "b", "b"]),
        ("数据", "我们的数据库", ["数据"]),
        ("_", "a_b", []),
        ("", "anything", []),
    ],
)
def test_what_the_search_finds_is_marked(typed: str, text: str, pieces: list[str]) -> None:
    assert marked(text, typed) == pieces


def test_a_word_far_behind_is_in_sight() -> None:
    found = snippet(
        "so it went on " * 500 + "until noon, and then " + "on " * 500,
        pattern_of("noon"),
        cut=UNICODE.cut,
    )
    (start, end) = found.marks[0]
    assert found.text[start:end] == "noon"
    assert start <= LEAD + 1
    assert found.text.startswith("…")
    assert found.text.endswith("…")
    assert len(found.text) == LENGTH + 2


@given(st.text(max_size=600), st.text(max_size=20))
def test_a_snippet_is_a_part_of_what_may_be_shown(text: str, typed: str) -> None:
    found = snippet(text, pattern_of(typed), cut=UNICODE.cut)
    safe = sanitize(text)
    assert found.text.removeprefix("…").removesuffix("…") in safe or found.text in safe
    assert len(found.text) <= LENGTH + 2
    assert all(0 <= start < end <= len(found.text) for start, end in found.marks)
    assert list(found.marks) == sorted(found.marks)


@given(
    st.text(
        alphabet=st.characters(categories=["L", "N", "Zs"], codec="utf-8"), min_size=1, max_size=40
    )
)
def test_a_text_has_its_own_words(text: str) -> None:
    wanted = pattern_of(text)
    assert wanted is None or snippet(text, wanted, cut=UNICODE.cut).marks
