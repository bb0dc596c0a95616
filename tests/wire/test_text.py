"""`sanitize`: nothing that a terminal would obey passes, all honest text does."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.text import SHOWN_MAX, sanitize

BIDI_CONTROLS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI", "B"}
HOSTILE = st.text(
    alphabet=st.characters() | st.sampled_from("\x1b\x07\n\r\x9b\u202e\u2028\ufeff\ud800")
)


def every_character() -> str:
    return "".join(map(chr, range(0x110000)))


def test_nothing_in_unicode_that_controls_reorders_or_breaks_a_line_comes_through() -> None:
    shown = set(sanitize(every_character(), limit=8 * 0x110000)) - {"\t"}
    obeyed = {one for one in shown if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")}
    reordering = {one for one in shown if unicodedata.bidirectional(one) in BIDI_CONTROLS}
    assert obeyed == reordering == set()
    assert len(sanitize(every_character(), limit=8 * 0x110000).splitlines()) == 1


def test_the_only_format_characters_left_have_a_shape_or_shape_their_neighbours() -> None:
    left = {
        one
        for one in sanitize(every_character(), limit=8 * 0x110000)
        if unicodedata.category(one) == "Cf"
    }
    blocks = {unicodedata.name(one).split()[0] for one in left}
    assert blocks == {"ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN", "ZERO"}
    assert {one for one in left if unicodedata.name(one).startswith("ZERO")} == {"\u200c", "\u200d"}


def test_every_character_that_can_be_shown_stays_itself() -> None:
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character)[0] in "LMNPS" or unicodedata.category(character) == "Zs":
            assert sanitize(character) == character


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  text", "plain  text"),
        ("a\tb", "a\tb"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("one\ntwo", "one⏎two"),
        ("one\r\ntwo", "one⏎two"),
        ("one\rtwo", "one\\x0dtwo"),
        ("a\u2028b\u2029c\u0085d", "a⏎b⏎c⏎d"),
        ("\u202eevil\u2066\u061c\u200e", "\ufffdevil\ufffd\ufffd\ufffd"),
        ("\ufeffx\u200by", "\ufffdx\ufffdy"),
        ("\ud83d", "\ufffd"),
        ("\U000e0041", "\ufffd"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f é ✓ שלום", "👩\u200d👩\u200d👧 ❤\ufe0f é ✓ שלום"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(HOSTILE, st.integers(min_value=0, max_value=60))
def test_cleaning_twice_changes_nothing_and_the_limit_holds(text: str, limit: int) -> None:
    once = sanitize(text, limit=limit)
    assert len(once) <= limit
    assert sanitize(once, limit=limit) == once


@given(HOSTILE, HOSTILE)
def test_what_is_shown_of_a_text_does_not_depend_on_its_end(text: str, more: str) -> None:
    whole = sanitize(text + more)
    assert whole.startswith(sanitize(text).rstrip("⏎").removesuffix("\\x0d"))


def test_the_longest_legal_message_passes_whole_even_if_each_character_grows() -> None:
    assert sanitize("\x1b" * TEXT_MAX) == "\\x1b" * TEXT_MAX
    assert sanitize("x" * TEXT_MAX) == "x" * TEXT_MAX


def test_beyond_the_limit_the_end_is_cut_and_says_so() -> None:
    assert sanitize("x" * (SHOWN_MAX + 1)) == "x" * (SHOWN_MAX - 1) + "…"
    assert sanitize("abcdef", limit=4) == "abc…"
    assert sanitize("abcd", limit=4) == "abcd"
    assert sanitize("abc", limit=0) == ""
