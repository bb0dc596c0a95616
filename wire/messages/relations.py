"""What a message is to an earlier one of its conversation (clause 6.14), and which text is one emoji, by
the grammar of UTS 51 over blocks, not over the list of a year: a new emoji is one at once."""

import re
from typing import Annotated, Final, TypeAlias

import msgspec

from chatapp.wire.limits import Count

Author = Annotated[bytes, msgspec.Meta(max_length=32)]
"""The identity key of the author of the earlier message; empty for the sender's own."""


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """The text answers that message."""

    author: Author
    number: Count


class Edit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The text is that of the sender's own message from now on."""

    author: Author
    number: Count


class Retract(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """The sender takes that message back."""

    author: Author
    number: Count


class React(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """The text is an emoji that the sender puts to that message, or takes away again."""

    author: Author
    number: Count
    is_on: bool


class Unknown(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=0):
    """A relation of a later version, as it came; such a message cannot be shown."""

    raw: bytes


Relation: TypeAlias = Reply | Edit | Retract | React | Unknown | None
"""None: a text of its own."""

RELATION_SIZE: Final = 64
"""Bytes that a relation takes at most, as this version writes it."""

EMOJI_MAX: Final = 8
"""Code points of one emoji; a family of four has seven."""

_PICTURE: Final = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004-\U0001f1e5\U0001f201-\U0001faff]"
)
_ELEMENT: Final = f"{_PICTURE}(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
_EMOJI: Final = re.compile(
    f"(?:[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}"
    f"|{_ELEMENT}(?:[\U000e0020-\U000e007e]+\U000e007f|(?:\u200d{_ELEMENT})*))"
)


def is_emoji(text: str) -> bool:
    """Whether the text is one emoji, of at most EMOJI_MAX code points."""
    return len(text) <= EMOJI_MAX and _EMOJI.fullmatch(text) is not None
