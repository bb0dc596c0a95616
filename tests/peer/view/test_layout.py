"""Layout on a terminal: times, dates, and rows that end between words."""

from datetime import date
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.view.layout import (
    LINE_END,
    LINK,
    LINK_MAX,
    Pages,
    breaks,
    cells_of,
    linked,
    shows_links,
    wrapped,
)
from chatapp.peer.words.formatting import Fragments, MessageLine
from chatapp.wire.text import sanitize

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)


def text_of(rows: list[Fragments]) -> list[str]:
    return ["".join(text for _, text in row) for row in rows]


def laid_out(text: str, *, day: date = FRIDAY, hang: int = 4, width: int = 30) -> list[str]:
    pages = Pages(today=FRIDAY, is_utf8=True)
    return text_of(pages.rows([("", text)], day=day, clock="09:41", hang=hang, width=width))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("bob: hi", ["09:41 bob: hi"]),
        ("bob: hi there, how are you?", ["09:41 bob: hi there, how are", "          you?"]),
        (
            "bob: " + "x" * 45,
            ["09:41 bob: " + "x" * 19, "          " + "x" * 20, "          xxxxxx"],
        ),
        (
            f"bob: one{LINE_END}  two{LINE_END}{LINE_END}three",
            ["09:41 bob: one", "            two", "          ", "          three"],
        ),
        ("bob: " + "你" * 12, ["09:41 bob: " + "你" * 9, "          " + "你" * 3]),
        ("bob: a word " + "你" * 10, ["09:41 bob: a word", "          " + "你" * 10]),
        ("", ["09:41 "]),
    ],
)
def test_rows_end_between_words(text: str, rows: list[str]) -> None:
    assert laid_out(text) == rows


def test_a_date_stands_between_two_days() -> None:
    pages = Pages(today=SATURDAY, is_utf8=True)
    shown = [
        row
        for day in (FRIDAY, FRIDAY, SATURDAY)
        for row in text_of(pages.rows([("", "hi")], day=day, clock="09:41", hang=0, width=60))
    ]
    assert shown == [
        "── Friday 20 November 2026 ──",
        "09:41 hi",
        "09:41 hi",
        "── Saturday 21 November 2026 ──",
        "09:41 hi",
    ]


def test_a_date_in_ascii() -> None:
    pages = Pages(today=SATURDAY, is_utf8=False)
    rows = pages.rows([("", "hi")], day=FRIDAY, clock="09:41", hang=0, width=60)
    assert text_of(rows)[0] == "-- Friday 20 November 2026 --"


def test_a_line_has_the_time_at_which_it_was_said() -> None:
    pages = Pages(today=FRIDAY, is_utf8=True)
    (rule, line) = text_of(pages.said([("", "hi")], at=0.0, hang=0, width=60))
    assert "1970" in rule or "1969" in rule
    assert line[2] == ":"
    assert line.endswith(" hi")


def test_a_very_narrow_window_shows_the_line_alone() -> None:
    assert laid_out("bob: hello, how are you?", width=17) == ["bob: hello, how are you?"]


@given(
    st.lists(st.text(alphabet=st.sampled_from("ab 你é\t" + LINE_END), max_size=20), max_size=8),
    st.integers(0, 40),
    st.integers(18, 40),
)
def test_rows_fit_and_lose_nothing_but_blanks(pieces: list[str], indent: int, width: int) -> None:
    line = [(str(number), piece) for number, piece in enumerate(pieces)]
    rows = wrapped(line, indent=indent, width=width)
    for row in text_of(rows):
        assert sum(map(cells_of, row)) <= width or LINE_END in row
    whole = "".join(pieces).replace(LINE_END, "").replace(" ", "")
    assert "".join(text_of(rows)).replace(" ", "").replace(LINE_END, "") == whole
    styles = [style for row in rows for style, text in row if text.strip()]
    assert styles == sorted(styles, key=int)


def test_the_line_end_is_the_one_that_sanitizing_makes() -> None:
    assert sanitize("\n") == LINE_END


def test_a_message_of_the_past_knows_when_it_was_said() -> None:
    assert MessageLine("bob", ": ", "hi").at is None
    assert MessageLine("bob", ": ", "hi", at=5.0).at == 5.0


GREEK: Final = str.maketrans("abc", "αβγ")


@given(st.text(alphabet="abc  ⏎", max_size=80), st.integers(1, 24), st.integers(1, 24))
def test_text_in_ascii_is_cut_where_text_of_the_same_width_is(
    text: str, first: int, later: int
) -> None:
    assert breaks(text, first=first, later=later) == breaks(
        text.translate(GREEK), first=first, later=later
    )


def links_of(line: Fragments) -> list[str]:
    """Return the addresses of all links, each of which is what it shows."""
    links = [(style.partition(LINK)[2], text) for style, text in line if LINK in style]
    assert all(address == text for address, text in links)
    return [address for address, _ in links]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://a.example/x?y=1#z.", ["https://a.example/x?y=1#z"]),
        ("(http://a.example/x_(y)), HTTP://B", ["http://a.example/x_(y)", "HTTP://B"]),
        ("<https://a.example/>, 'https://b.example'", ["https://a.example/", "https://b.example"]),
        (
            f"https://a.example{LINE_END}https://b.example",
            ["https://a.example", "https://b.example"],
        ),
        ("ftp://a.example mailto:a@b.example javascript://x", []),
        ("https://a.example/\u00fc is text: a terminal would open another place", []),
        ("https://" + "a" * LINK_MAX, []),
        (
            sanitize("https://a.example/\x1b]8;;https://b.example\x07"),
            [sanitize("https://a.example/\x1b]8;;https://b.example\x07")],
        ),
    ],
)
def test_an_address_is_a_link_to_what_is_shown(text: str, links: list[str]) -> None:
    assert links_of(linked([("a", text)])) == links


@given(st.lists(st.tuples(st.sampled_from(["", "class:x"]), st.text() | st.just("http://x/y "))))
def test_links_change_no_text_and_send_nothing_to_the_terminal(line: Fragments) -> None:
    safe = [(style, sanitize(text)) for style, text in line]
    made = linked(safe)
    assert "".join(text for _, text in made) == "".join(text for _, text in safe)
    assert all(address.isprintable() and address.isascii() for address in links_of(made))


def test_a_terminal_that_may_print_a_link_as_text_gets_none() -> None:
    assert shows_links({"TERM": "xterm-256color"}) and shows_links({"TERM": "tmux-256color"})
    assert not any(shows_links({"TERM": term}) for term in ("", "linux", "vt220", "screen"))
