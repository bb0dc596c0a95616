"""Histories in memory."""

import weakref

from chatapp.peer.history.database import History


def in_memory(*, server: str = "registry") -> History:
    """Return an empty history in memory. It is closed when nothing refers to it any more."""
    history = History(":memory:", server=server)
    weakref.finalize(history, history._db.close)
    return history
