"""This file is about how far a visit is."""

import enum
from typing import Final


class Stage(enum.Enum):
    """How far a visit is."""

    CLOSED = "the desk has not shown itself yet"
    ASKING = "the form is being filled in"
    JOINING = "the form is with the registry, or on its way there"
    RETURNING = "we have a ticket from an earlier start; what it is worth is not known yet"
    WAITING = "in the line"
    ACTIVE = "being served"
    OVER = "it has ended"


PLACED: Final = frozenset({Stage.WAITING, Stage.ACTIVE})
PLACELESS: Final = frozenset({Stage.CLOSED, Stage.ASKING, Stage.OVER})
"""No ticket that is worth anything: what the registry says of a visit is none of ours (any more)."""
