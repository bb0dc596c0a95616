"""This file is about a history that something else has written into: whatever does not read as one of ours is one error.

SQLite finds most damage by itself, but hands out what stands in the file: a column may hold any type, a text may be no
UTF-8. It knows types; it must not know tables.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec


class Damaged(sqlite3.DatabaseError):
    """The file holds what no ChatApp wrote."""


@contextmanager
def damage_named() -> Iterator[None]:
    """Raises sqlite3.Error for whatever cannot be read."""
    try:
        yield
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Damaged(f"it holds what no ChatApp wrote ({error})") from None
