"""This file is about what a node starts with: its registry, its table, and of each stream what is not at rest.

It reads in time that depends on what is under way, not on how long the history is. It must not know why records are stored.
"""

import sqlite3
from itertools import pairwise
from typing import Final, TypeVar

import msgspec

from peer.core.records import RoomKept
from peer.core.standing import DEAD, FINAL, Standing
from peer.core.stored import Loaded, StoredGroup, StoredIncoming, StoredOutgoing, StoredStream
from peer.core.streamkeys import Key
from peer.store.misread import damage_named
from wire.codec import decode_row
from wire.errors import DecodeError
from wire.messages.delivery import Number
from wire.messages.table import Row

_FINAL: Final = ",".join(str(int(standing)) for standing in sorted(FINAL))
_DEAD: Final = ",".join(str(int(standing)) for standing in sorted(DEAD))

Found = TypeVar("Found")

_decode_room: Final = msgspec.msgpack.Decoder(RoomKept).decode


def load(db: sqlite3.Connection, server: str) -> Loaded:
    """Everything that the core starts with at this registry. Raises sqlite3.Error."""
    with damage_named():
        return _load(db, server)


def _load(db: sqlite3.Connection, server: str) -> Loaded:
    identity, version, table_at = db.execute(
        "SELECT identity, version, table_at FROM servers WHERE server = ?", (server,)
    ).fetchone()
    rows, broken = _rows(db, "people", server)
    blocked, _ = _rows(db, "blocked", server)
    dropped, _ = _rows(db, "dropped", server)
    streams, known = _streams(db), {row.card.identity for row in rows}
    return Loaded(
        registry=msgspec.convert(identity, Key | None),
        rows=tuple(rows),
        version=0 if broken else msgspec.convert(version, Number),  # then the registry sends the table again
        table_at=msgspec.convert(table_at, float),
        groups=_checked(_groups(db, server), dict[str, StoredGroup]),
        room=_room(db, server),
        streams=_checked(streams, dict[bytes, StoredStream]),
        blocked=tuple(blocked),
        ignored=_checked(
            frozenset(one for (one,) in db.execute("SELECT identity FROM ignored")), frozenset[Key]
        ),
        formers=dict(db.execute("SELECT identity, name_key FROM formers WHERE server = ?", (server,))),
        dropped=tuple(
            row
            for row in dropped
            if row.card.identity not in known and streams.get(row.card.identity, StoredStream()).outgoing
        ),
    )


def _checked(found: Found, shape: type[Found]) -> Found:
    """The same, if all in it is of the types and in the bounds of its shape. Raises msgspec.ValidationError."""
    return msgspec.convert(msgspec.to_builtins(found, builtin_types=(bytes, frozenset)), shape)


def _rows(db: sqlite3.Connection, table: str, server: str) -> tuple[list[Row], int]:
    """Those of a table, and how many are no good: a bad row must not stop the start."""
    rows, broken = [], 0
    for (blob,) in db.execute(f"SELECT row FROM {table} WHERE server = ?", (server,)):
        try:
            rows.append(decode_row(blob))
        except DecodeError:
            broken += 1
    return rows, broken


def _groups(db: sqlite3.Connection, server: str) -> dict[str, StoredGroup]:
    rows = db.execute("SELECT name, cursor, newest FROM places WHERE server = ?", (server,))
    return {name: StoredGroup(cursor, newest) for name, cursor, newest in rows}


def _room(db: sqlite3.Connection, server: str) -> RoomKept:
    row = db.execute("SELECT kept FROM room WHERE server = ?", (server,)).fetchone()
    return _decode_room(row[0]) if row is not None else RoomKept(None)


def _streams(db: sqlite3.Connection) -> dict[bytes, StoredStream]:
    streams: dict[bytes, StoredStream] = {}
    for id_, key, floor, shown in db.execute("SELECT id, key, floor, shown FROM streams WHERE NOT ours"):
        seen = db.execute("SELECT number FROM lines WHERE stream = ? AND number >= ?", (id_, floor))
        streams[key] = StoredStream(
            floor=floor,
            shown=shown,
            seen=tuple(number for (number,) in seen),
            unshown=_unshown(db, id_, shown),
        )
    for id_, key, settled, last in db.execute("SELECT id, key, settled, last FROM streams WHERE ours"):
        (highest,) = db.execute("SELECT max(number) FROM lines WHERE stream = ?", (id_,)).fetchone()
        outgoing = tuple(
            StoredOutgoing(number, at_ms, text, Standing(standing), trail)
            for number, at_ms, text, standing, trail in db.execute(
                "SELECT number, at_ms, text, standing, trail FROM lines WHERE stream = ? AND number >= ? "
                f"AND standing NOT IN ({_FINAL}) ORDER BY number",
                (id_, settled),
            )
        )
        last_sent = max(last, highest or 0)
        streams[key] = msgspec.structs.replace(
            streams.get(key, StoredStream()),
            last_sent=last_sent,
            outgoing=outgoing,
            voids=_voids(db, id_, floor=outgoing[0].number, last=last_sent) if outgoing else (),
        )
    return streams


def _unshown(db: sqlite3.Connection, stream: int, shown: int) -> tuple[StoredIncoming, ...]:
    rows = db.execute(
        "SELECT number, at_ms, text, behind FROM lines WHERE stream = ?1 AND number > ?2 UNION "
        "SELECT number, at_ms, text, behind FROM lines WHERE stream = ?1 AND behind = 1 ORDER BY number",
        (stream, shown),
    )
    return tuple(StoredIncoming(number, at_ms, text, bool(behind)) for number, at_ms, text, behind in rows)


def _voids(db: sqlite3.Connection, stream: int, *, floor: int, last: int) -> tuple[tuple[int, int], ...]:
    """From our first unsettled message to the last number used: what is no number of one that arrived or may arrive."""
    found = db.execute(
        f"SELECT number FROM lines WHERE stream = ? AND number >= ? AND standing NOT IN ({_DEAD}) ORDER BY number",
        (stream, floor),
    )
    alive = [*(number for (number,) in found), last + 1]
    return tuple((low + 1, high) for low, high in pairwise(alive) if low + 1 < high)
