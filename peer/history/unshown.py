"""The lines of a history of which nobody has said that they were shown, for programs that come to a
running peer."""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from chatapp.peer.api.events import LineEvent
from chatapp.peer.core.relations import told
from chatapp.peer.history import schema
from chatapp.peer.history.query import IS_HEARD, StoredLine, shown

# By stream, so that it takes no longer with a long history: few lines of a stream are above its
# mark.
_CHOSEN: Final = (
    f"NOT ours AND streams.registry IN (:everywhere, :here) AND lines.id > :after AND {IS_HEARD}"
)
_IDS: Final = f"""
SELECT lines.id FROM streams CROSS JOIN lines ON lines.stream = streams.id AND lines.number > streams.shown
    WHERE {_CHOSEN}
UNION SELECT lines.id FROM streams CROSS JOIN lines ON lines.stream = streams.id AND is_overtaken = 1
    WHERE {_CHOSEN}
ORDER BY 1 LIMIT :count"""


def unshown_ids(db: sqlite3.Connection, registry: int, *, after: int, count: int) -> list[int]:
    """Return the ids of the first `count` lines to us after the one with the id `after` that were
    not shown, of people who are not ignored. Raises sqlite3.Error."""
    bounds = {"everywhere": schema.EVERYWHERE, "here": registry, "after": after, "count": count}
    return [id_ for (id_,) in db.execute(_IDS, bounds)]


def received(line: StoredLine) -> LineEvent:
    """Return a line to us as the event that told of it, as one that came while nobody looked."""
    said = msgspec.structs.replace(shown(line, ""), is_late=True)
    return told(said, line.related) if line.related is not None and line.is_change else said


def in_senders_order(lines: Iterable[LineEvent]) -> list[LineEvent]:
    """Return lines in the order of their ids, except that those of one sender to one place are in
    the order in which they were said: one that arrived late has a higher id than a later one."""
    arrived = sorted(lines, key=lambda line: line.id)
    streams: dict[object, list[LineEvent]] = {}
    for line in arrived:
        streams.setdefault(line.stream, []).append(line)
    said = {
        key: iter(sorted(stream, key=lambda line: line.number)) for key, stream in streams.items()
    }
    return [next(said[line.stream]) for line in arrived]
