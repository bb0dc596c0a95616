"""This file is about colours: one for each name, notices dim, one's own name in others' text bold.

It makes fragments (style, text) of shown lines. It knows styles by their names; it must not know how a terminal draws.
"""

import re
import zlib
from typing import Final

from peer.ui.words import Answer, Spoken
from wire.errors import NameRefused
from wire.names import is_same_name, name_key

Fragments = list[tuple[str, str]]

OF_256: Final = (160, 166, 130, 100, 64, 28, 29, 30, 31, 32, 27, 62, 99, 97, 129, 164, 163, 162, 132, 131)
"""Colours of the 256 that can be read on black and on white alike: each has a contrast of 3.6 and more to both."""

OF_16: Final = ("ansired", "ansigreen", "ansiyellow", "ansimagenta", "ansicyan", "ansibrightblue")
"""What a terminal of 16 colours shows is its owner's choice; black, white and dark blue are the ones hard to read."""

_CUBE: Final = (0, 95, 135, 175, 215, 255)


def rgb(colour: int) -> tuple[int, int, int]:
    """Red, green and blue of one of the 216 in the middle of the 256."""
    place = colour - 16
    return _CUBE[place // 36], _CUBE[place // 6 % 6], _CUBE[place % 6]


def colour_of(name: str, *, is_16: bool) -> str:
    """The style of a name: the same at every start and at everybody's."""
    try:
        key = name_key(name)
    except NameRefused:
        key = name
    drawn = zlib.crc32(key.encode("utf-8", "replace"))
    if is_16:
        return OF_16[drawn % len(OF_16)]
    return "#{:02x}{:02x}{:02x}".format(*rgb(OF_256[drawn % len(OF_256)]))


def mentions(line: str, me: str) -> bool:
    """Whether somebody else says one's name in it."""
    return (
        isinstance(line, Spoken)
        and not is_same_name(line.sender, me)
        and bool(_naming(me).search(line[line.text_at :]))
    )


def fragments(line: str, me: str, *, is_16: bool) -> Fragments:
    """The line in pieces, each with its style."""
    if isinstance(line, Answer):
        return [("", line)]
    if not isinstance(line, Spoken):
        return [("class:notice", line)]
    after_name = line.sender_at + len(line.sender)
    text = line[line.text_at :]
    return [
        ("class:notice", line[: line.sender_at]),
        (f"bold {colour_of(line.sender, is_16=is_16)}", line[line.sender_at : after_name]),
        ("class:notice", line[after_name : line.text_at]),
        *([("", text)] if is_same_name(line.sender, me) else _with_mentions(text, me)),
    ]


def _with_mentions(text: str, me: str) -> Fragments:
    made: Fragments = []
    at = 0
    for found in _naming(me).finditer(text):
        made += [("", text[at : found.start()]), ("bold", found[0])]
        at = found.end()
    return [*made, ("", text[at:])]


def _naming(me: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(me)}(?![\w-])", re.IGNORECASE)
