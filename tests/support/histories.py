"""Histories in memory."""

import sqlite3
import weakref
from contextlib import suppress

from chatapp.peer.history.database import History


def in_memory(*, server: str = "registry") -> History:
    """Return an empty history in memory. It is closed when nothing refers to it any more."""
    history = History(":memory:", server=server)
    close_when_forgotten(history)
    return history


def close_when_forgotten(history: History) -> None:
    """Close a history in memory when nothing refers to it any more. The garbage collector may find
    that out in a thread in which it cannot be closed; then its memory is freed all the same."""
    weakref.finalize(history, _close, history._db)


def _close(db: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):
        db.close()
