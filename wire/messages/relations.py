"""What a message is to an earlier one of its conversation (clause 6.14)."""

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
