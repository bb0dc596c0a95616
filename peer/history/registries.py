"""The registries that a history knows, by their identity keys, and to which of them each server
leads."""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.peer.core.records import conversation_of
from chatapp.peer.history import schema
from chatapp.wire.address import Address
from chatapp.wire.codec import decode_row, encode
from chatapp.wire.errors import DecodeError

_KEPT_FOR: Final = (
    "people",
    "log_positions",
    "former_names",
    "blocked",
    "verified",
    "replaced_people",
    "rooms",
    "named_servers",
)
"""The tables whose rows belong to a registry, besides `streams`."""


_MOVE_TALK: Final = """
UPDATE OR IGNORE conversation_lines SET conversation = (SELECT id FROM conversations WHERE key = :talk AND registry = :after)
    WHERE conversation = (SELECT id FROM conversations WHERE key = :talk AND registry = :before)"""


def first_known(db: sqlite3.Connection, servers: Sequence[str]) -> str:
    """Return the first of these servers that leads to a registry which has let us in; without one,
    the first. Raises sqlite3.Error."""
    known = "SELECT 1 FROM servers JOIN registries ON registries.id = registry WHERE server = ? AND identity IS NOT NULL"
    return next(
        (server for server in servers if db.execute(known, (server,)).fetchone()), servers[0]
    )


class Registries:
    """All registries that a history knows, as seen from one server. Every method raises
    sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection, server: str) -> None:
        """`server`: as the user types it, normalised (`wire.address.server_name`)."""
        self._db = db
        self.server = server
        """The server, from which the history is seen."""
        self.current = self._look_up() or self._begin()
        """The row of the registry to which our server leads. Before the first contact, it is one
        without an identity."""

    def see_from(self, server: str) -> None:
        """See the history from this server from now on."""
        self.server = server
        self.look_again()

    def look_again(self) -> None:
        """Read again to which registry our server leads: a transaction that changed it may have
        been rolled back."""
        self.current = self._look_up() or self._begin()

    def is_change(self, identity: bytes) -> bool:
        """Return whether something else is known of this registry than of the one to which our
        server leads now: another server leads to it, or it takes the place of one with another
        key."""
        known = self._row_of(identity)
        return (
            known != self.current
            if known is not None
            else self._identity_of(self.current) is not None
        )

    @property
    def is_met(self) -> bool:
        """Whether our registry has let us in."""
        return self._identity_of(self.current) is not None

    @property
    def has_met_any(self) -> bool:
        """Whether any registry has ever let us in."""
        found = self._db.execute(
            "SELECT 1 FROM registries WHERE identity IS NOT NULL LIMIT 1"
        ).fetchone()
        return found is not None

    def other_servers(self) -> list[str]:
        """Return the other servers that lead to our registry."""
        found = self._db.execute(
            "SELECT server FROM servers WHERE registry = ? AND server != ? ORDER BY server",
            (self.current, self.server),
        )
        return [server for (server,) in found]

    def pin(self, identity: bytes, *, is_verified: bool) -> None:
        """Note that our server leads to this registry from now on. If the registry is unknown and
        takes the place of another one, with the user's consent, it inherits what is known of the
        other one."""
        known = self._row_of(identity)
        if known is None:
            self._replace(identity)
        elif known != self.current:
            self._move_to(known)
        if is_verified:
            self.verify()

    def take_servers(self, servers: Sequence[Address]) -> None:
        """Note which other servers our registry has named."""
        self._db.execute("DELETE FROM named_servers WHERE registry = ?", (self.current,))
        self._db.executemany(
            "INSERT INTO named_servers VALUES (?, ?, ?, ?)",
            [(self.current, place, *server) for place, server in enumerate(servers)],
        )

    def lead_here(self, servers: Sequence[str]) -> None:
        """Note that these servers lead to our registry, too, as the user says, unless they are
        known to lead elsewhere."""
        self._db.executemany(
            "INSERT OR IGNORE INTO servers VALUES (?, ?)",
            [(server, self.current) for server in servers],
        )

    def verify(self) -> None:
        """Note that the user has verified our registry's key."""
        self._db.execute("UPDATE registries SET is_verified = 1 WHERE id = ?", (self.current,))

    def _look_up(self) -> int | None:
        """Find the row of our server's registry. Raises ValueError if the registry has no row."""
        found = self._db.execute(
            "SELECT registries.id FROM servers LEFT JOIN registries ON registries.id = registry WHERE server = ?",
            (self.server,),
        ).fetchone()
        if found is None:
            return None
        if found[0] is None:
            raise ValueError(f"{self.server} leads to no registry")
        return int(found[0])

    def _begin(self) -> int:
        row = self._db.execute("INSERT INTO registries DEFAULT VALUES").lastrowid
        assert row is not None
        self._db.execute("INSERT INTO servers VALUES (?, ?)", (self.server, row))
        return row

    def _row_of(self, identity: bytes) -> int | None:
        found = self._db.execute(
            "SELECT id FROM registries WHERE identity = ?", (identity,)
        ).fetchone()
        return None if found is None else int(found[0])

    def _identity_of(self, registry: int) -> bytes | None:
        found = self._db.execute(
            "SELECT identity FROM registries WHERE id = ?", (registry,)
        ).fetchone()
        return None if found is None else found[0]

    def _replace(self, identity: bytes) -> None:
        """Give our registry another identity. People's keys stay pinned. Versions and positions
        were those of the earlier registry, so the table and the logs are fetched again."""
        execute, registry = self._db.execute, self.current
        before = self._identity_of(registry)
        execute(
            "UPDATE registries SET identity = ?, is_verified = 0 WHERE id = ?", (identity, registry)
        )
        if before is None:
            return
        execute("UPDATE registries SET version = 0 WHERE id = ?", (registry,))
        execute("DELETE FROM log_positions WHERE registry = ?", (registry,))
        for table in ("people", "blocked"):
            key = "identity" if table == "people" else "name_key"
            rows = execute(
                f"SELECT {key}, row FROM {table} WHERE registry = ?", (registry,)
            ).fetchall()
            for whose, row in rows:
                execute(
                    f"UPDATE {table} SET row = ? WHERE registry = ? AND {key} = ?",
                    (_of_no_version(row), registry, whose),
                )

    def _move_to(self, registry: int) -> None:
        execute, before = self._db.execute, self.current
        execute("UPDATE servers SET registry = ? WHERE server = ?", (registry, self.server))
        self.current = registry
        if self._identity_of(before) is not None:
            return
        # A registry without an identity has nothing but lines of ours that were said before the
        # first contact.
        streams = execute(
            "SELECT id, key, ours FROM streams WHERE registry = ?", (before,)
        ).fetchall()
        for stream, key, ours in streams:
            talk, _ = conversation_of(key, is_ours=bool(ours))
            schema.add_stream(self._db, key, ours, registry, conversation=talk)
            execute(_MOVE_TALK, {"talk": talk, "before": before, "after": registry})
            execute(
                "UPDATE OR IGNORE lines SET stream = "
                "(SELECT id FROM streams WHERE key = ? AND ours = ? AND registry = ?) WHERE stream = ?",
                (key, ours, registry, stream),
            )
            for column in ("by", "stream"):
                execute(
                    f"UPDATE relations SET {column} = "
                    f"(SELECT id FROM streams WHERE key = ? AND ours = ? AND registry = ?) WHERE {column} = ?",
                    (key, ours, registry, stream),
                )
            execute("DELETE FROM streams WHERE id = ?", (stream,))
        for table in (*_KEPT_FOR, "conversations"):
            execute(f"DELETE FROM {table} WHERE registry = ?", (before,))
        execute("DELETE FROM registries WHERE id = ?", (before,))


def _of_no_version(row: bytes) -> bytes:
    """Return a stored row with version 0, so that any row of the registry replaces it. A row that
    cannot be read stays as it is; the next start reports it."""
    try:
        return encode(msgspec.structs.replace(decode_row(row), version=0))
    except DecodeError:
        return row
