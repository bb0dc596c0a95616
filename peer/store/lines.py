"""This file is about reading the lines of a history back: the newest, those with some words in them, one by its id, all.

It knows tables; how a line is shown is others' business (`peer.past`, `peer.export`).
"""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from peer.core.standing import Standing
from peer.core.streamkeys import KEY_SIZE, parties_of
from peer.core.trail import Stored
from peer.store.misread import damage_named
from peer.store.words import Words, query

_LINE: Final = (
    "SELECT lines.id, key, ours, number, at_ms, standing, text, trail "
    "FROM lines JOIN streams ON streams.id = stream"
)
_NAME: Final = "SELECT name, is_claimed FROM names WHERE identity = ?"
_IS_HEARD: Final = f"(ours OR NOT EXISTS (SELECT 1 FROM ignored WHERE identity = substr(key, -{KEY_SIZE})))"
_ID: Final = re.compile(r"#?([0-9]{1,18})")


class _Row(msgspec.Struct, array_like=True, gc=False):
    """What `_LINE` gives."""

    id: int
    key: bytes
    ours: int
    number: int
    at_ms: int
    standing: Standing | None
    text: str
    trail: Stored


class _Name(msgspec.Struct, array_like=True, gc=False):
    """What `_NAME` gives."""

    name: str
    is_claimed: int


class StoredLine(NamedTuple):
    """One line as the disk has it."""

    id: int
    stream: bytes
    outgoing: bool
    number: int
    at_ms: int
    standing: Standing | None
    """None for others' lines."""
    text: str
    trail: Stored
    room: str | None
    """As in `Parties`: None for direct messages, empty for the channel."""
    person: bytes | None
    name: str | None
    """What `person` calls themself, as far as it was ever known."""
    is_claimed: bool
    """Whether nobody but `person` has ever said so."""


class Lines:
    """All lines of one history."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.words: Final = Words(db)

    def latest(self, count: int) -> list[StoredLine]:
        """The newest `count` that are not ignored, oldest first."""
        return self._newest(f"{_LINE} WHERE {_IS_HEARD} ORDER BY lines.id DESC LIMIT ?", (max(count, 0),))

    def search(self, words: str, limit: int) -> list[StoredLine]:
        """The newest `limit` that match, oldest first."""
        wanted = query(words)
        if wanted is None:
            return []
        self.words.catch_up()
        return self._newest(
            f"{_LINE} WHERE lines.id IN (SELECT rowid FROM words WHERE words MATCH ?) AND {_IS_HEARD} "
            "ORDER BY lines.id DESC LIMIT ?",
            (wanted, max(limit, 0)),
        )

    def by_id(self, which: str) -> StoredLine | None:
        """The line whose id a person typed, with or without a # before it."""
        typed = _ID.fullmatch(which.strip())
        return None if typed is None else self._one(f"{_LINE} WHERE lines.id = ?", (int(typed[1]),))

    def last_own(self) -> StoredLine | None:
        """The newest line of our own."""
        return self._one(f"{_LINE} WHERE ours ORDER BY lines.id DESC LIMIT 1", ())

    def all(self) -> Iterator[StoredLine]:
        """Every line, oldest first, read as it is asked for."""
        with damage_named():
            rows = self._db.execute("SELECT identity, name, is_claimed FROM names")
            names = {identity: msgspec.convert(found, _Name) for identity, *found in rows}
            for row in self._db.execute(f"{_LINE} ORDER BY lines.id"):
                yield self._line(row, names)

    def _newest(self, statement: str, values: tuple[object, ...]) -> list[StoredLine]:
        names: dict[bytes, _Name] = {}
        with damage_named():
            rows = self._db.execute(statement, values).fetchall()
            return [self._line(row, names) for row in reversed(rows)]

    def _one(self, statement: str, values: tuple[object, ...]) -> StoredLine | None:
        with damage_named():
            row = self._db.execute(statement, values).fetchone()
            return None if row is None else self._line(row, {})

    def _line(self, found: tuple[Any, ...], names: dict[bytes, _Name]) -> StoredLine:
        """Raises msgspec.ValidationError, ValueError."""
        row = msgspec.convert(found, _Row)
        is_ours, standing = bool(row.ours), row.standing
        if is_ours and standing is None:
            raise ValueError(f"line {row.id} has no standing")
        room, person = parties_of(row.key, is_ours=is_ours)
        if person is not None and person not in names:
            found = self._db.execute(_NAME, (person,)).fetchone()
            if found is not None:
                names[person] = msgspec.convert(found, _Name)
        known = names.get(person) if person is not None else None
        return StoredLine(
            row.id,
            row.key,
            is_ours,
            row.number,
            row.at_ms,
            standing,
            row.text,
            row.trail,
            room,
            person,
            None if known is None else known.name,
            known is not None and bool(known.is_claimed),
        )
