"""This file is about what Tab offers a visitor: the few commands that there are, and nothing of what peers can type.

It knows spellings. It must not know how a terminal shows an offer, nor what a command does.
"""

from peer.desk.wording import COMMANDS
from peer.ui.completion import Offer


class VisitorOffers:
    """Ways to go on at the help desk."""

    def after(self, typed: str, *, is_in_room: bool) -> list[Offer]:
        """How to go on after `typed`; a visitor is never in a room."""
        begun = typed.lstrip().lower()
        return [
            Offer(spelling, len(begun), about)
            for spelling, about in COMMANDS.items()
            if spelling.startswith(begun)
        ]
