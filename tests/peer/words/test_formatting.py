"""Colours: distinct for names, legible, and without losing any part of a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import person, room
from chatapp.peer.words.formatting import (
    OF_16,
    OF_256,
    AnswerLine,
    Audience,
    MessageLine,
    calls,
    colour_of,
    fragments,
    mentions,
    rgb,
)


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance (WCAG 2)."""
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (one / 255 for one in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", OF_256)
def test_each_colour_can_be_read_on_black_and_on_white(colour: int) -> None:
    bright = luminance(rgb(colour))
    assert 1.05 / (bright + 0.05) >= 3.6
    assert (bright + 0.05) / 0.05 >= 3.6


def test_a_name_has_one_colour_however_it_is_written() -> None:
    assert colour_of("Bob", is_16=False) == colour_of("bob", is_16=False) == "#5f8700"
    assert colour_of("bob", is_16=True) in OF_16
    several = {colour_of(f"name{number}", is_16=False) for number in range(200)}
    assert len(several) == len(OF_256)


def pieces(line: str, me: str = "alice") -> list[tuple[str, str]]:
    return [piece for piece in fragments(line, me, is_16=True) if piece[1]]


def test_what_somebody_said_has_a_coloured_name_and_a_plain_text() -> None:
    mine = f"bold {colour_of('bob', is_16=True)}"
    assert pieces(MessageLine("bob", ": ", "hi")) == [
        (mine, "bob"),
        ("class:private", ": "),
        ("class:private", "hi"),
    ]
    assert pieces(MessageLine("bob", " (in lab): ", "hi", audience=Audience.ROOM)) == [
        (mine, "bob"),
        ("class:room", " (in lab): "),
        ("", "hi"),
    ]
    assert pieces(
        MessageLine("bob", ": ", "hi]", before="[Channel_Message ", audience=Audience.EVERYBODY)
    ) == [
        ("class:notice", "[Channel_Message "),
        (mine, "bob"),
        ("class:notice", ": "),
        ("", "hi]"),
    ]


def test_notices_are_dim_and_answers_plain() -> None:
    assert pieces("[Server is back.]") == [("class:notice", "[Server is back.]")]
    assert pieces(AnswerLine("who  who is online")) == [("", "who  who is online")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("hi Alice!", ["Alice"]),
        ("alice, ALICE", ["alice", "ALICE"]),
        ("malice and alices", []),
        ("alice-2 is another", []),
        ("@alice", ["alice"]),
    ],
)
def test_ones_own_name_stands_out(text: str, named: list[str]) -> None:
    line = MessageLine("bob", " (in lab): ", text, audience=Audience.ROOM)
    assert [piece for style, piece in pieces(line)[2:] if style == "bold"] == named
    assert calls(line, "alice") == bool(named)
    assert mentions(line, "alice") == bool(named)


def test_a_message_to_the_user_alone_calls_them() -> None:
    assert calls(MessageLine("bob", ": ", "hi"), "alice")
    assert not calls(MessageLine("Alice", ": ", "hi"), "alice")
    assert not calls(MessageLine("bob", ": ", "hi", at=1.0), "alice")
    assert not calls("bob has left.", "alice")


@pytest.mark.parametrize(
    ("text", "is_heard"),
    [
        ("@alice look", True),
        ("look, @ALICE!", True),
        ("(@alice)", True),
        ("alice look", False),
        ("mail@alice", False),
        ("@alice-2", False),
        ("@@alice", False),
    ],
)
def test_in_a_muted_room_only_a_name_behind_an_at_calls(text: str, is_heard: bool) -> None:
    line = MessageLine("bob", " (in lab): ", text, audience=Audience.ROOM).said_in(room("lab"))
    assert calls(line, "alice", (room("lab"),)) == is_heard
    assert calls(line, "alice", (room("den"),)) == bool(mentions(line, "alice"))
    direct = MessageLine("bob", ": ", text).said_in(person("bob"))
    assert not calls(direct, "alice", (person("bob"),))


def test_one_does_not_call_oneself() -> None:
    assert not mentions(MessageLine("Alice", ": ", "alice here"), "alice")
    assert not mentions("[You are alice now.]", "alice")


@given(st.text(), st.text(), st.text(min_size=1), st.booleans())
def test_pieces_make_the_line_again(sender: str, text: str, me: str, is_16: bool) -> None:
    line = MessageLine(sender, ": ", text)
    assert "".join(piece for _, piece in fragments(line, me, is_16=is_16)) == line
