"""Typed lines above the prompt: which rows they have, and what they look like once they are
settled."""

import time

import pytest

from chatapp.peer.faces.line.tty import HELD_SHOWN, Held, HeldLines, breaks_rows, rows_more
from chatapp.peer.words.formatting import Fragments, Mark, TypedLine


def text_of(row: Fragments) -> str:
    return "".join(text for _, text in row)


def held(text: str) -> Held:
    shown = f">>> {text}"
    return Held(typed=TypedLine(text, 0.0), shown=shown, hang=4, at=time.time())


def test_held_lines_stand_with_their_time_until_they_are_taken() -> None:
    lines = HeldLines(is_utf8=True)
    first, second = held("send bob hi"), held("send bob hi")
    lines.add(first)
    lines.add(second)
    assert [text_of(row)[6:] for row in lines.rows(80)] == [">>> send bob hi  …"] * 2
    assert lines.take(second.typed) is second
    assert lines.take(second.typed) is None
    assert lines.take(first.typed) is first
    assert lines.rows(80) == []


def test_long_lines_are_wrapped_and_many_are_counted() -> None:
    lines = HeldLines(is_utf8=False)
    lines.add(held("send bob " + "word " * 10))
    rows = [text_of(row) for row in lines.rows(40)]
    assert len(rows) > 1
    assert all(len(row) <= 40 for row in rows)
    assert rows[-1].endswith("...")
    for number in range(HELD_SHOWN + 2):
        lines.add(held(str(number)))
    assert text_of(lines.rows(80)[0]) == "... 3"
    assert len(lines.rows(80)) == 1 + HELD_SHOWN


@pytest.mark.parametrize(
    ("mark", "sign", "word"),
    [
        (Mark.RECEIVED, "✓", "ok"),
        (Mark.SAVED, "▣", "saved"),
        (Mark.KEPT, "⧖", "kept"),
        (Mark.REFUSED, "✗", "refused"),
    ],
)
def test_a_mark_is_a_sign_or_where_utf_8_is_not_a_word(mark: Mark, sign: str, word: str) -> None:
    one: Fragments = [("", ">>> hi")]
    assert text_of(HeldLines(is_utf8=True).marked(one, mark)) == f">>> hi  {sign}"
    assert text_of(HeldLines(is_utf8=False).marked(one, mark)) == f">>> hi  {word}"
    assert text_of(HeldLines(is_utf8=True).marked(one, None)) == ">>> hi"


@pytest.mark.parametrize(
    ("above", "column", "width", "more"),
    [
        ([], 10, 80, 0),
        ([80], 40, 50, 1),
        ([80, 80], 79, 30, 2 + 2 + 2),
        ([50], 0, 50, 0),
        ([51], 50, 50, 2),
    ],
)
def test_rows_that_are_too_long_are_broken_in_several(
    above: list[int], column: int, width: int, more: int
) -> None:
    assert rows_more(above, column, width=width) == more


@pytest.mark.parametrize(
    ("environment", "breaks"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(379)"}, False),
        (
            {
                "TERM": "screen-256color",
                "XTERM_VERSION": "XTerm(379)",
                "TMUX": "/tmp/tmux-0/default,1,0",
            },
            True,
        ),
        ({"TERM": "linux"}, False),
    ],
)
def test_which_terminals_break_rows(environment: dict[str, str], breaks: bool) -> None:
    assert breaks_rows(environment) is breaks
