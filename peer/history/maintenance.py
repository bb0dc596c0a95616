"""Maintain a history while the peer is idle: fill the search index, drop the oldest lines beyond
the limits.

All of it is done in steps of a few milliseconds, so that no acknowledgement waits for it.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Hashable, Iterator
from typing import Final, NamedTuple

from chatapp.peer.core.records import FINAL, parties_of
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.schema import NEWEST_LINE
from chatapp.peer.history.search import INDEXED_AT_ONCE
from chatapp.wire.messages.direct import PROVISIONAL

LINES_KEPT: Final = 1_000_000
"""Lines that are kept. With 100 bytes of text each, they and their index take some 300 MiB."""

BYTES_KEPT: Final = 1024 * 1024 * 1024
"""Bytes of pages in use beyond which the oldest lines go even if there are fewer: a line may have
64 KiB."""

DROPPED_AT_ONCE: Final = 50
"""Lines that one step drops: a few milliseconds, even if they are scattered all over the file."""

COUNTED_AT_ONCE: Final = 1_000
"""Lines that one step counts: a few milliseconds, even if each has 64 KiB."""

LINE_COST: Final = 200
"""Bytes that a line takes in the tables and the index besides its text."""

INDEXED_AT_THE_END: Final = 20_000
"""Lines that are indexed before the program ends: a tenth of a second. The rest is indexed next
time."""

LOOK_SPAN: Final = 5.0
"""Seconds between looks; nothing is done unless no line was added since the last look."""

BUSY_LOOKS: Final = 12
"""Looks in a row that find new lines, after which maintenance is done nevertheless."""

STEP_SPAN: Final = 0.05
"""Seconds between two steps, each of which takes a few milliseconds."""

_log = logging.getLogger("chatapp.peer")

_FINAL: Final = ",".join(str(number) for number in sorted(state.number for state in FINAL))
_SETTLE: Final = f"""
UPDATE streams SET settled = coalesce(
    (SELECT min(number) FROM lines
        WHERE stream = streams.id AND number >= settled AND number < {PROVISIONAL} AND state NOT IN ({_FINAL})),
    (SELECT max(number) + 1 FROM lines
        WHERE stream = streams.id AND number >= settled AND number < {PROVISIONAL}), settled) WHERE ours"""
_UNNEEDED: Final = """
DELETE FROM dropped_numbers WHERE "end" <= (SELECT floor FROM streams WHERE id = stream) AND NOT EXISTS
    (SELECT 1 FROM missing_numbers AS missing WHERE missing.stream = dropped_numbers.stream
        AND missing.start < dropped_numbers."end" AND dropped_numbers.start < missing."end")"""
_DROPPABLE: Final = f"""
SELECT lines.id, stream, number, NOT ours AND (number >= floor OR EXISTS
        (SELECT 1 FROM missing_numbers WHERE missing_numbers.stream = lines.stream AND start <= number AND number < "end")),
    length(text) FROM lines JOIN streams ON streams.id = stream
    WHERE stream = ? AND number > ? AND lines.id < (SELECT max(id) FROM lines) AND CASE WHEN ours THEN state IN ({_FINAL})
        ELSE number <= shown AND coalesce(is_overtaken, 0) = 0 END
    ORDER BY number LIMIT ?"""
"""A line that is not settled or not shown stays, however old it is. Where a line may come a second
time (its number is not below its sender's floor, or in a hole), its number is kept. The newest line
always stays, because the next id follows from it."""

_STRANGERS: Final = "everybody to whom the user has never written"
"""They share one conversation when space is counted: a flood from many new keys costs none of the
user's friends a line."""


class _OldLine(NamedTuple):
    """A line that may be dropped."""

    id: int
    stream: int
    number: int
    may_come_again: int
    size: int


class _SpaceUsed:
    """How much space the lines of each stream take. They are counted a few at a time, and only once
    a limit is passed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._costs: dict[int, int] = {}
        """Bytes of each stream."""
        self._parties: dict[int, tuple[bytes, bool, Hashable]] = {}
        """Of each stream: its key, whether it is ours, and its group, if it belongs to one."""
        self._until = 0
        self.lines = 0
        """How many lines were counted and not dropped since."""

    def count(self, newest: int) -> bool:
        """Count some of the lines that were added since; False once all are counted."""
        if self._until >= newest:
            return False
        until = min(self._until + COUNTED_AT_ONCE, newest)
        for stream, lines, size in self._db.execute(
            "SELECT stream, count(*), sum(length(text)) FROM lines WHERE id > ? AND id <= ? GROUP BY stream",
            (self._until, until),
        ):
            self.lines += lines
            self._costs[stream] = self._costs.get(stream, 0) + lines * LINE_COST + size
        self._until = until
        return True

    def dropped(self, line: _OldLine) -> None:
        """Subtract a line that was dropped."""
        self.lines -= 1
        self._costs[line.stream] = self._costs.get(line.stream, 0) - LINE_COST - line.size

    def speakers(self) -> Iterator[list[int]]:
        """Yield whose lines to drop, the largest first: both streams of a direct conversation
        together, and each stream of a group on its own, the groups by their total size."""
        for stream in self._costs.keys() - self._parties.keys():
            key, ours, registry = self._db.execute(
                "SELECT key, ours, registry FROM streams WHERE id = ?", (stream,)
            ).fetchone()
            room = parties_of(key, is_ours=bool(ours)).room
            self._parties[stream] = key, bool(ours), None if room is None else (registry, room)
        answered = {
            key for key, is_ours, group in self._parties.values() if is_ours and group is None
        }
        costs: dict[Hashable, int] = {}
        streams: dict[Hashable, list[int]] = {}
        for stream, cost in self._costs.items():
            key, _, group = self._parties[stream]
            conversation = (key if key in answered else _STRANGERS) if group is None else group
            costs[conversation] = costs.get(conversation, 0) + cost
            streams.setdefault(conversation, []).append(stream)
        for conversation in sorted(costs, key=costs.__getitem__, reverse=True):
            if conversation in answered:
                yield streams[conversation]
                continue
            for stream in sorted(streams[conversation], key=self._costs.__getitem__, reverse=True):
                yield [stream]


class Maintenance:
    """What there is to do in one history, in steps. Every method raises sqlite3.Error; earlier
    steps stay done."""

    def __init__(self, db: sqlite3.Connection, lines: MessageQueries) -> None:
        self._db = db
        self._lines = lines
        self._space = _SpaceUsed(db)
        self._looked_at: dict[int, int] = {}
        """Up to which number each stream was searched for droppable lines: those that stayed are
        not looked at again."""
        self._emptied: dict[int, int] = {}
        """Streams without a droppable line, with the newest line of the history at that time."""
        self._settled_at = -1
        self.bytes_kept = BYTES_KEPT
        """Bytes of pages in use beyond which lines go."""

    def step(self) -> bool:
        """Do a little of what there is to do; True when there is more."""
        if self._lines.index.catch_up(INDEXED_AT_ONCE):
            return True
        self._note_settled()
        return self.drop_oldest()

    def finish(self) -> None:
        """Do the most useful part of what is left, before the file is closed."""
        self._lines.index.catch_up(INDEXED_AT_THE_END)
        self._note_settled()

    def _note_settled(self) -> None:
        """Note up to where our messages are settled: the next start reads only what follows."""
        newest = self.newest()
        if newest != self._settled_at:
            self._db.execute(_SETTLE)
            self._db.execute(_UNNEEDED)
            self._settled_at = newest

    def newest(self) -> int:
        """Return the id of the newest line; 0 if there is none."""
        return int(self._db.execute(NEWEST_LINE).fetchone()[0])

    def drop_oldest(
        self,
        *,
        lines_kept: int = LINES_KEPT,
        bytes_kept: int | None = None,
        most: int = DROPPED_AT_ONCE,
    ) -> bool:
        """Drop some lines beyond the limits; True when there may be more. The number of a dropped
        line is never used for another one of ours, and never accepted again from others.
        `bytes_kept`: by default as the attribute."""
        newest = self.newest()
        is_full = self._bytes_in_use() > (bytes_kept or self.bytes_kept)
        if newest <= lines_kept and not is_full:
            return False
        if self._space.count(newest):
            return True
        if self._space.lines <= lines_kept and not is_full:
            return False
        excess = most if is_full else min(self._space.lines - lines_kept, most)
        for streams in self._space.speakers():
            if any(self._emptied.get(stream) != newest for stream in streams):
                self._drop_of(streams, excess, newest)
                return True
        return False

    def _drop_of(self, streams: list[int], most: int, newest: int) -> None:
        """Drop the oldest droppable lines of these streams."""
        found: list[_OldLine] = []
        for stream in streams:
            looked_at = self._looked_at.get(stream, -1)
            found += map(_OldLine._make, self._db.execute(_DROPPABLE, (stream, looked_at, most)))
        old = sorted(found)[:most]
        self._drop(old)
        for line in old:
            self._space.dropped(line)
            self._looked_at[line.stream] = line.number
        if not old:
            self._emptied.update(dict.fromkeys(streams, newest))

    def _bytes_in_use(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _drop(self, old: list[_OldLine]) -> None:
        if not old:
            return
        execute, ids = self._db.execute, [line.id for line in old]
        each = [(id_,) for id_ in ids]
        execute("BEGIN IMMEDIATE")
        try:
            self._lines.index.forget(ids)
            self._lines.relations.forget(ids)
            self._db.executemany(
                "UPDATE streams SET last = max(last, lines.number) FROM lines "
                f"WHERE lines.id = ? AND streams.id = lines.stream AND ours AND lines.number < {PROVISIONAL}",
                each,
            )
            for line in old:
                if line.may_come_again:
                    self._keep_number(line.stream, line.number)
            self._db.executemany("DELETE FROM lines WHERE id = ?", each)
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise

    def _keep_number(self, stream: int, number: int) -> None:
        """Remember that a line had this number. Numbers in a row share one row of
        `dropped_numbers`: keeping the lines themselves would let a sender who never raises the
        floor fill the file."""
        longer = self._db.execute(
            'UPDATE dropped_numbers SET "end" = "end" + 1 WHERE stream = ? AND "end" = ?',
            (stream, number),
        )
        if not longer.rowcount:
            self._db.execute(
                "INSERT OR REPLACE INTO dropped_numbers VALUES (?, ?, ?)",
                (stream, number, number + 1),
            )


class MaintenanceSchedule:
    """Maintains one history until it is closed, while the peer is idle."""

    def __init__(self, loop: asyncio.AbstractEventLoop, maintenance: Maintenance) -> None:
        self._loop = loop
        self._maintenance = maintenance
        self._newest = -1
        self._busy = 0
        """Looks that found new lines since there was last nothing left to do."""
        self._timer = loop.call_later(LOOK_SPAN, self._look)

    def close(self) -> None:
        """Stop, and do the most useful part of what is left; the history is closed next."""
        self._timer.cancel()
        self._attempt(self._maintenance.finish)

    def _look(self) -> None:
        newest = self._attempt(self._maintenance.newest)
        is_quiet, self._newest = newest == self._newest, newest
        self._busy += not is_quiet
        is_due = is_quiet or self._busy > BUSY_LOOKS
        is_more = is_due and bool(self._attempt(self._maintenance.step))
        if is_due and not is_more:
            self._busy = 0
        self._timer = self._loop.call_later(STEP_SPAN if is_more else LOOK_SPAN, self._look)

    @staticmethod
    def _attempt(do: Callable[[], int | None]) -> int:
        try:
            return int(do() or 0)
        except sqlite3.Error as error:
            # The disk may be full, for example; the next look tries again.
            _log.warning("history.db is not maintained: %s", error)
            return 0
