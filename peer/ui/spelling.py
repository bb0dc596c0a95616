"""This file is about the way back: what somebody would type for an intention. It knows the table, and no line."""

from collections.abc import Mapping
from typing import Final

import msgspec

from peer.ui.commands import COMMANDS
from peer.ui.intentions import Intention
from peer.ui.rows import SIGNS, Command

_BY_MEANING: Final[Mapping[type[Intention], Command]] = {type(row.example): row for row in COMMANDS}


def as_typed(intention: Intention, *, in_room: bool = False) -> str:
    """A line that means `intention`: what somebody would type outside a room, or inside one. Empty for `Empty`."""
    row = _BY_MEANING.get(type(intention))
    if row is None:
        return ""
    faithful = (one for one in row.spellings if one not in row.unquoted)
    spelling = next(one for one in faithful if not in_room or one.startswith(SIGNS))
    arguments = [str(value) for value in msgspec.structs.astuple(intention) if value is not None]
    return " ".join((spelling, *arguments))
