"""This file is about a question on the link: which one, what about, and until when its answer is waited for.

It must not know what is asked. Questions by UDP, which are asked again, are `retry`'s.
"""

from dataclasses import dataclass
from typing import Final

AWAY: Final = "the server is away"
SILENT: Final = "the server is not responding"
OFFLINE: Final = "you are offline"
"""Why there is no answer."""


@dataclass(slots=True)
class Asked:
    """A question that the registry has not answered."""

    reference: int
    room: str
    deadline: float | None
    """None until there is a link to ask on, and when it was waited for in vain."""

    def is_due(self, now: float) -> bool:
        """Whether its answer is not waited for any longer."""
        return self.deadline is not None and now >= self.deadline
