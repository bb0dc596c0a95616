"""This file is about how far the registry is in reach, as far as we know, and since when it is silent.

It must not know how that is found out (`peer.core.lookout`), nor what follows from it.
"""

import enum


class Reach(enum.Enum):
    """What we know of the registry."""

    UP = "the link stands: letters and relaying are possible"
    SEEKING = "not heard of yet, or just lost: wait and see"
    LOST = "it does not answer"
    NONE = "we are offline by our own wish"


class Outlook:
    """What every part of a node may look at before it counts on the registry."""

    __slots__ = ("clock_ahead", "reach", "silent_since")

    def __init__(self) -> None:
        self.reach = Reach.SEEKING
        self.silent_since: float | None = None
        """Since when the registry is not in reach."""
        self.clock_ahead = 0.0
        """Seconds by which the registry's clock was ahead of ours when it last let us in; 0 when it was not."""

    def change(self, reach: Reach, *, now: float) -> None:
        """It came, went, or is being looked for."""
        self.reach = reach
        if reach is Reach.UP:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now
