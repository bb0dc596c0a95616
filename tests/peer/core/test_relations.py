"""What a line has become follows from the set of the messages about it."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.records import RelationKind
from chatapp.peer.core.relations import Change, Folded, fold
from chatapp.wire.limits import CHANGED_WITHIN_MS
from chatapp.wire.messages.direct import EMOJI_MAX, is_emoji

AUTHOR, OTHER = 1, 2
EDIT, RETRACT = RelationKind.EDIT, RelationKind.RETRACT
ON, OFF = RelationKind.REACT, RelationKind.UNREACT

CHANGES: Final = st.lists(
    st.builds(
        Change,
        by=st.sampled_from((AUTHOR, OTHER)),
        number=st.integers(2, 9),
        at_ms=st.sampled_from((0, CHANGED_WITHIN_MS, CHANGED_WITHIN_MS + 1)),
        kind=st.sampled_from((EDIT, RETRACT, ON, OFF)),
        text=st.sampled_from("ab"),
    ),
    unique_by=lambda change: (change.by, change.number),
)


def folded(*changes: Change) -> Folded:
    return fold("first", 0, by=AUTHOR, changes=changes)


@given(CHANGES.flatmap(lambda changes: st.tuples(st.just(changes), st.permutations(changes))))
def test_their_order_changes_nothing(several: tuple[list[Change], list[Change]]) -> None:
    """Clause 6.14: "What a message has become follows from the set of the messages about it,
    whatever their order"."""
    changes, others = several
    assert folded(*changes) == folded(*others)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ([], "first"),
        ([Change(AUTHOR, 3, 1, EDIT, "later"), Change(AUTHOR, 2, 1, EDIT, "sooner")], "later"),
        ([Change(OTHER, 2, 1, EDIT, "not yours"), Change(OTHER, 3, 1, RETRACT, "")], "first"),
        ([Change(AUTHOR, 2, CHANGED_WITHIN_MS, EDIT, "just")], "just"),
        ([Change(AUTHOR, 2, CHANGED_WITHIN_MS + 1, EDIT, "too late")], "first"),
        ([Change(AUTHOR, 2, 1, RETRACT, ""), Change(AUTHOR, 3, 1, EDIT, "back?")], ""),
    ],
)
def test_the_text_is_that_of_the_last_edit_that_counts(changes: list[Change], text: str) -> None:
    assert folded(*changes).text == text


def test_the_newest_word_of_each_author_on_each_emoji_counts() -> None:
    reactions = folded(
        Change(AUTHOR, 2, 1, ON, "a"),
        Change(OTHER, 2, 2, ON, "a"),
        Change(OTHER, 4, 3, OFF, "b"),
        Change(OTHER, 3, 4, ON, "b"),
    ).reactions
    assert reactions == (("a", (AUTHOR, OTHER)),)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *(
            (one, True)
            for one in [
                "👍",
                "❤️",
                "❤",
                "👨\u200d👩\u200d👧\u200d👦",
                "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
                "🇩🇪",
                "1️⃣",
                "👍🏽",
                "🫠",
                "©",
            ]
        ),
        *((one, False) for one in ["a", ":)", "👍👍", "7", "🇩", "\u200d", "👍\u200d", "\x1b[m"]),
        ("", False),
        ("👍 ", False),
        ("\u200d".join(["👨"] * (EMOJI_MAX // 2 + 1)), False),
    ],
)
def test_one_emoji_is_told_from_what_is_none(text: str, is_one: bool) -> None:
    assert is_emoji(text) is is_one
