"""Searching lines: word matches, special characters in the query, and lines not indexed yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.records import (
    IgnoreChanged,
    IncomingAdded,
    OutgoingAdded,
    OutgoingReworded,
)
from chatapp.peer.history.database import History
from chatapp.peer.history.search import INDEXED_AT_ONCE
from tests.peer.core.cast import Someone
from tests.support.histories import in_memory

BOB, CAROL = Someone("bob"), Someone("carol")


def history_of(*texts: str) -> History:
    history = in_memory()
    history.apply(
        [OutgoingAdded(BOB.id, number, number, text) for number, text in enumerate(texts, 1)]
    )
    return history


def found(history: History, words: str, limit: int = 50) -> list[str]:
    history.lines.index.catch_up()
    return [line.text for line in history.lines.search(words, limit)]


TEXTS = (
    "Shall we meet at the Café tomorrow?",
    "the cafe is closed",
    "ÜBERMORGEN then; it's O'Neill's party",
    "明日の会議は三時からです",
    "我们明天在北京见面",
    "พรุ่งนี้เจอกันที่ร้านกาแฟ",
    "привет, как дела",
    'AND OR NOT NEAR(x) "quoted" col:umn a*b',
    "\x1b[31m red\0zero 👍",
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cafe", [0, 1]),
        ("CAFÉ", [0, 1]),
        ("cafe\u0301 tomorrow", [0]),
        ("tomorrow cafe", [0]),
        ("tomorrow clos", []),
        ("caf", [0, 1]),  # the last word, as it is being typed
        ("caf tomorrow", []),  # and only the last
        ("ubermorgen", [2]),
        ("o'neill", [2]),
        ("its", []),
        ("it's", [2]),
        ("会議", [3]),
        ("三時", [3]),
        ("議会", []),
        ("北京", [4]),
        ("明", [3, 4]),
        ("กาแฟ", [5]),
        ("พรุ่งนี้", [5]),
        ("ПРИВЕТ", [6]),
        ('"quoted"', [7]),
        ("NOT", [7]),
        ("near(x)", [7]),
        ("col:umn", [7]),
        ("red", [8]),
        ("zero", [8]),
        ("", []),
        ("  \t ", []),
        ('"', []),
        ("* ^ - ( )", []),
        ("cafe !!! ?", [0, 1]),
    ],
)
def test_all_words_the_last_as_a_beginning(words: str, expected: list[int]) -> None:
    assert found(history_of(*TEXTS), words) == [TEXTS[index] for index in expected]


@given(st.text(max_size=40))
def test_nothing_that_one_can_type_is_a_mistake(words: str) -> None:
    found(HISTORY, words)
    found(HISTORY, f"{words} cafe {words}")


HISTORY = history_of(*TEXTS)


@given(
    st.text(
        st.characters(categories=["Ll", "Lu", "Lo", "Nd"], max_codepoint=0x5FF),
        min_size=1,
        max_size=12,
    )
)
def test_a_word_finds_the_line_that_it_is_in(word: str) -> None:
    history = history_of(f"before {word} after", "something else")
    assert f"before {word} after" in found(history, word)


def test_the_newest_are_given_the_oldest_of_them_first() -> None:
    assert found(history_of("one a", "two a", "three a"), "a", 2) == ["two a", "three a"]


def test_lines_that_came_since_the_last_search_are_found() -> None:
    history = history_of("one a")
    assert found(history, "a") == ["one a"]
    history.apply([IncomingAdded(CAROL.id, 1, 0, "two a", False)])
    assert found(history, "a") == ["one a", "two a"]


def test_the_index_grows_a_little_at_a_time() -> None:
    history = history_of(*(f"line {number}" for number in range(INDEXED_AT_ONCE + 1)))
    assert history.lines.index.catch_up(INDEXED_AT_ONCE)
    assert not history.lines.index.catch_up(INDEXED_AT_ONCE)
    assert found(history, f"line {INDEXED_AT_ONCE}") == [f"line {INDEXED_AT_ONCE}"]


def test_lines_of_ignored_people_are_hidden_until_they_are_unignored() -> None:
    history = history_of("ours to bob")
    history.apply(
        [
            IncomingAdded(BOB.id, 1, 0, "from bob", False),
            IncomingAdded(b"#" + BOB.id, 1, 0, "bob to all", False),
        ]
    )
    history.apply([IgnoreChanged(BOB.id, True)])
    assert found(history, "bob") == ["ours to bob"]
    assert [line.text for line in history.lines.latest(9)] == ["ours to bob"]
    assert len(list(history.lines.all())) == 3
    history.apply([IgnoreChanged(BOB.id, False)])
    assert len(found(history, "bob")) == 3


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_line_that_says_something_else_before_anybody_has_it_never_said_the_first(
    is_indexed: bool,
) -> None:
    history = history_of("helo bob")
    if is_indexed:
        history.lines.index.catch_up()
    history.apply([OutgoingReworded(BOB.id, 1, "hello"), OutgoingReworded(BOB.id, 2, "nothing")])
    assert (found(history, "helo"), found(history, "hello")) == ([], ["hello"])
    (line,) = history.lines.latest(9)
    assert (line.text, history.lines.versions(line)) == ("hello", [])
