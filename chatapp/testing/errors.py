"""The one exception of a town."""

from chatapp.wire.errors import ChatAppError


class TownMisused(ChatAppError):
    """A town was asked for something that it cannot do; the text says what, and what it can do."""
