"""This file is about how far one of our own messages got, and from where it goes no further."""

import enum
from typing import Final


class Standing(enum.IntEnum):
    """How far one of our own messages got."""

    UNSETTLED = 1
    """On its way, or not begun."""
    KEPT = 2
    """No way was open; it waits here."""
    SAVED = 3
    """A letter at the registry; sent again straight before a newer message, so that order holds."""
    DELIVERED = 4
    REFUSED = 5
    EXPIRED = 6


FINAL: Final = frozenset({Standing.DELIVERED, Standing.REFUSED, Standing.EXPIRED})
"""From here a message goes nowhere."""

DEAD: Final = frozenset({Standing.REFUSED, Standing.EXPIRED})
"""These never arrive: whoever waits for a later one need not wait for them."""
