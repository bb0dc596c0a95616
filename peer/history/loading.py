"""Load what a core starts with: its registry, the table, and of each stream what is not settled.

The time that it takes depends on how much is under way, not on how long the history is.
"""

import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import (
    FINAL,
    KEY_SIZE,
    Key,
    Loaded,
    MuteChanged,
    RoomKept,
    StoredGroup,
    StoredIncoming,
    StoredOutgoing,
    StoredStream,
    parties_of,
)
from chatapp.peer.history import schema
from chatapp.peer.history.relations import Relations
from chatapp.peer.history.schema import damage_named
from chatapp.wire.address import Address, is_server
from chatapp.wire.codec import decode_row
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import GIVEN_AGAIN_MAX, GIVEN_AGAIN_TEXTS_MAX, SERVERS_MAX
from chatapp.wire.messages.direct import PROVISIONAL, Number
from chatapp.wire.messages.table import Row

_FINAL: Final = ",".join(str(number) for number in sorted(state.number for state in FINAL))

_LAST_ID: Final = f"SELECT max(({schema.NEWEST_LINE}), lines) FROM progress"
"""Ids of lines that are lost are not given again: `lines` counts them too."""

Found = TypeVar("Found")

_decode_room: Final = msgspec.msgpack.Decoder(RoomKept).decode


def load(db: sqlite3.Connection, registry: int) -> Loaded:
    """Return everything that the core starts with at this registry. Raises sqlite3.Error."""
    with damage_named():
        return _load(db, registry)


def _load(db: sqlite3.Connection, registry: int) -> Loaded:
    identity, is_verified, version, table_at = db.execute(
        "SELECT identity, is_verified, version, table_at FROM registries WHERE id = ?", (registry,)
    ).fetchone()
    rows, broken = _rows(db, "people", registry)
    blocked, _ = _rows(db, "blocked", registry)
    dropped, _ = _rows(db, "replaced_people", registry)
    streams, known = _streams(db, registry), {row.card.identity for row in rows}
    return Loaded(
        registry=msgspec.convert(identity, Key | None),
        is_registry_verified=bool(is_verified),
        servers=_named_servers(db, registry),
        rows=tuple(rows),
        version=0
        if broken
        else msgspec.convert(version, Number),  # then the registry sends the table again
        table_at=msgspec.convert(table_at, float),
        groups=_checked(_groups(db, registry), dict[str, StoredGroup]),
        rooms=_rooms(db, registry),
        streams=_checked(streams, dict[bytes, StoredStream]),
        blocked=tuple(blocked),
        verified=_keys(db, "SELECT identity FROM verified WHERE registry = ?", registry),
        ignored=_keys(db, "SELECT identity FROM ignored"),
        muted=_muted(db, registry),
        openings=_checked(
            dict(db.execute("SELECT identity, number FROM openings")), dict[bytes, Number]
        ),
        unknown_authors=_unknown_authors(db, streams, known),
        unresolved_names=_unknown(db, streams, known),
        former_names=dict(
            db.execute(
                "SELECT identity, name_key FROM former_names WHERE registry = ?", (registry,)
            )
        ),
        drafts=_drafts(db, registry),
        last_id=msgspec.convert(db.execute(_LAST_ID).fetchone()[0], Number),
        replaced=tuple(
            row
            for row in dropped
            if row.card.identity not in known
            and streams.get(row.card.identity, StoredStream()).outgoing
        ),
    )


def _drafts(db: sqlite3.Connection, registry: int) -> dict[Conversation, str]:
    found = db.execute(
        "SELECT kind, name, is_claimed, text FROM drafts WHERE registry = ?", (registry,)
    )
    return {
        msgspec.convert(
            {"kind": kind, "name": name, "is_claimed": bool(is_claimed)}, Conversation
        ): msgspec.convert(text, str)
        for kind, name, is_claimed, text in found
    }


def _named_servers(db: sqlite3.Connection, registry: int) -> tuple[Address, ...]:
    found = db.execute(
        "SELECT host, port FROM named_servers WHERE registry = ? ORDER BY place", (registry,)
    )
    return tuple(filter(is_server, msgspec.convert(found.fetchall(), list[Address])))[:SERVERS_MAX]


def _unknown_authors(
    db: sqlite3.Connection, streams: dict[bytes, StoredStream], known: set[bytes]
) -> dict[bytes, str]:
    """Return the authors of lines that are still to be shown who are not in the table, with the
    name in `names`; an empty one if there is none."""
    unknown_authors = {}
    for key, stream in streams.items():
        if stream.unshown and len(key) == KEY_SIZE and key not in known:
            found = db.execute("SELECT name FROM names WHERE identity = ?", (key,)).fetchone()
            unknown_authors[key] = "" if found is None else msgspec.convert(found[0], str)
    return unknown_authors


def _unknown(
    db: sqlite3.Connection, streams: dict[bytes, StoredStream], known: set[bytes]
) -> dict[bytes, str]:
    """Return the recipients of unsettled messages of ours who are not in the table, with their
    names."""
    unknown = {}
    for key, stream in streams.items():
        if stream.outgoing and len(key) == KEY_SIZE and key not in known:
            found = db.execute("SELECT name FROM names WHERE identity = ?", (key,)).fetchone()
            if found is not None:
                unknown[key] = msgspec.convert(found[0], str)
    return unknown


def _keys(db: sqlite3.Connection, query: str, *values: int) -> frozenset[bytes]:
    return _checked(frozenset(one for (one,) in db.execute(query, values)), frozenset[Key])


def _muted(db: sqlite3.Connection, registry: int) -> tuple[MuteChanged, ...]:
    found = db.execute(
        "SELECT key, registry != ?, until FROM muted WHERE registry IN (?, ?)",
        (schema.EVERYWHERE, schema.EVERYWHERE, registry),
    )
    return tuple(MuteChanged(key, bool(is_group), until) for key, is_group, until in found)


def _checked(found: Found, shape: type[Found]) -> Found:
    """Return the value if all in it has the types and bounds of its shape. Raises
    msgspec.ValidationError."""
    return msgspec.convert(msgspec.to_builtins(found, builtin_types=(bytes, frozenset)), shape)


def _rows(db: sqlite3.Connection, table: str, registry: int) -> tuple[list[Row], int]:
    """Return the rows of a table, and how many are invalid: an invalid row must not prevent the
    start."""
    rows, broken = [], 0
    for (blob,) in db.execute(f"SELECT row FROM {table} WHERE registry = ?", (registry,)):
        try:
            rows.append(decode_row(blob))
        except DecodeError:
            broken += 1
    return rows, broken


def _groups(db: sqlite3.Connection, registry: int) -> dict[str, StoredGroup]:
    rows = db.execute(
        "SELECT name, cursor, newest FROM log_positions WHERE registry = ?", (registry,)
    )
    return {name: StoredGroup(cursor, newest) for name, cursor, newest in rows}


def _rooms(db: sqlite3.Connection, registry: int) -> tuple[RoomKept, ...]:
    rows = db.execute("SELECT kept FROM rooms WHERE registry = ?", (registry,))
    return tuple(_decode_room(kept) for (kept,) in rows)


_IN_HOLES: Final = """
SELECT lines.stream, number FROM missing_numbers
    JOIN lines ON lines.stream = missing_numbers.stream AND number >= start AND number < "end" """

_HIGHEST: Final = """
SELECT (SELECT max(number) FROM lines WHERE stream = :stream AND number < :provisional),
    (SELECT max(number) FROM lines WHERE stream = :stream AND number >= :provisional)"""


UNSYNCED_MAX: Final = 65_536
"""Messages to one recipient that a start looks at: one that never says what is on its disk must not
make starts slow."""

_UNSYNCED: Final = (
    "SELECT min(number) FROM lines WHERE stream = ? AND number >= ? "
    f"AND number < {PROVISIONAL} AND state = {MessageState.DELIVERED.number}"
)
_NEWEST: Final = (
    f"SELECT number FROM lines WHERE stream = ? AND number < {PROVISIONAL} "
    "ORDER BY number DESC LIMIT 1 OFFSET ?"
)
_DELIVERED: Final = (
    "SELECT number, at_ms, text, id FROM lines WHERE stream = ? AND number >= ? AND number < ? "
    f"AND state = {MessageState.DELIVERED.number} ORDER BY number"
)


def _streams(db: sqlite3.Connection, registry: int) -> dict[bytes, StoredStream]:
    """Return the streams between two people, and those of this registry's groups."""
    streams: dict[bytes, StoredStream] = {}
    here = (schema.EVERYWHERE, registry)
    holes: dict[int, list[tuple[int, int]]] = {}
    for id_, start, end in db.execute('SELECT stream, start, "end" FROM missing_numbers'):
        holes.setdefault(id_, []).append((start, end))
    late: dict[int, list[int]] = {}
    for id_, number in db.execute(_IN_HOLES):
        late.setdefault(id_, []).append(number)
    for id_, key, floor, shown, mark in db.execute(
        "SELECT id, key, floor, shown, mark FROM streams WHERE NOT ours AND registry IN (?, ?)",
        here,
    ):
        seen = db.execute("SELECT number FROM lines WHERE stream = ? AND number >= ?", (id_, floor))
        streams[key] = StoredStream(
            floor=floor,
            shown=shown,
            seen=(*late.get(id_, ()), *(number for (number,) in seen)),
            holes=tuple(holes.get(id_, ())),
            gone=tuple(
                db.execute('SELECT start, "end" FROM dropped_numbers WHERE stream = ?', (id_,))
            ),
            unshown=_unshown(db, id_, shown),
            mark_given=mark,
        )
    for id_, key, settled, last, on_disk, mark in db.execute(
        "SELECT id, key, settled, last, on_disk, mark FROM streams WHERE ours AND registry IN (?, ?)",
        here,
    ):
        highest, provisional = db.execute(
            _HIGHEST, {"stream": id_, "provisional": PROVISIONAL}
        ).fetchone()
        found = db.execute(
            "SELECT number, at_ms, text, state, trace, id FROM lines WHERE stream = ? AND number >= ? "
            f"AND state NOT IN ({_FINAL}) ORDER BY number",
            (id_, settled),
        ).fetchall()
        related = Relations(db).of([row[-1] for row in found])
        outgoing = tuple(
            StoredOutgoing(
                number, at_ms, text, MessageState.numbered(state), trace, line, related.get(line)
            )
            for number, at_ms, text, state, trace, line in found
        )
        last_sent = max(last, highest or 0)
        unsynced_from = None
        if parties_of(msgspec.convert(key, bytes), is_ours=True).room is None:
            unsynced_from = _unsynced_from(db, id_, on_disk)
        waiting = [
            number
            for number in (unsynced_from, *(one.number for one in outgoing[:1]))
            if number is not None
        ]
        streams[key] = msgspec.structs.replace(
            streams.get(key, StoredStream()),
            last_sent=last_sent,
            last_provisional=provisional or 0,
            outgoing=outgoing,
            unsynced_from=unsynced_from,
            gaps=_gaps(db, id_, floor=min(waiting), last=last_sent) if waiting else (),
            mark_got=mark,
        )
    return streams


def _unsynced_from(db: sqlite3.Connection, stream: int, on_disk: int) -> int | None:
    """Return the first delivered message of ours of which its recipient has not said that it
    survives a power cut there, of the newest UNSYNCED_MAX; None if there is none."""
    (first,) = db.execute(_UNSYNCED, (stream, on_disk)).fetchone()
    if first is None:
        return None
    older = db.execute(_NEWEST, (stream, UNSYNCED_MAX - 1)).fetchone()
    if older is None or older[0] <= first:
        return int(first)
    (first,) = db.execute(_UNSYNCED, (stream, older[0])).fetchone()
    return None if first is None else int(first)


def delivered(
    db: sqlite3.Connection, stream: int, first: int, end: int
) -> tuple[list[StoredOutgoing], bool]:
    """Return as `History.delivered`."""
    found: list[StoredOutgoing] = []
    size = 0
    for number, at_ms, text, id_ in db.execute(_DELIVERED, (stream, first, end)):
        size += len(text)
        if found and (size > GIVEN_AGAIN_TEXTS_MAX or len(found) == GIVEN_AGAIN_MAX):
            return _with_relations(db, found), False
        found.append(StoredOutgoing(number, at_ms, text, MessageState.DELIVERED, None, id_))
    return _with_relations(db, found), True


def _with_relations(
    db: sqlite3.Connection, found: Sequence[StoredOutgoing]
) -> list[StoredOutgoing]:
    related = Relations(db).of([one.id for one in found])
    return [replace(one, related=related[one.id]) if one.id in related else one for one in found]


def _unshown(db: sqlite3.Connection, stream: int, shown: int) -> tuple[StoredIncoming, ...]:
    rows = db.execute(
        "SELECT number, at_ms, text, is_overtaken, id FROM lines WHERE stream = ? AND number > ? UNION "
        "SELECT number, at_ms, text, is_overtaken, id FROM lines WHERE stream = ? AND is_overtaken = 1 ORDER BY number",
        (stream, shown, stream),
    )
    found = rows.fetchall()
    related = Relations(db).of([row[-1] for row in found])
    return tuple(
        StoredIncoming(number, at_ms, text, bool(behind), id_, related.get(id_))
        for number, at_ms, text, behind, id_ in found
    )


def _gaps(
    db: sqlite3.Connection, stream: int, *, floor: int, last: int
) -> tuple[tuple[int, int], ...]:
    """Return the ranges of numbers, from our first unsettled message to the last number used, of
    messages that will never arrive."""
    found = db.execute(
        "SELECT number FROM lines WHERE stream = ? AND number >= ? AND number < ? "
        f"AND state NOT IN {schema.NUMBERS_OF_DEAD} ORDER BY number",
        (stream, floor, PROVISIONAL),
    )
    alive = [*(number for (number,) in found), last + 1]
    return tuple((low + 1, high) for low, high in pairwise(alive) if low + 1 < high)
