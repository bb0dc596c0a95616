"""What a history does when nobody waits for it: it indexes, notes what is settled, drops old lines beyond its limits.

The conversation that takes the most space gives way first, and in a group the speaker in it who takes the most, with the
oldest lines; so whoever floods a history pays for it. People to whom the user has never written count as one such group:
identities cost nothing. Each step is short; a whole round of them may take as long as it likes.
"""

import sqlite3
from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple

from peer.core.standing import FINAL
from peer.core.streamkeys import parties_of
from peer.store.lines import Lines
from peer.store.words import INDEXED_AT_ONCE

LINES_KEPT: Final = 1_000_000
"""Lines that stay; at 100 bytes of text they and their index are some 300 MiB."""

BYTES_KEPT: Final = 1024 * 1024 * 1024
"""Bytes of the file's pages in use beyond which older lines go though there are fewer: lines may have 64 KiB each."""

DROPPED_AT_ONCE: Final = 50
"""Lines that one step drops: some milliseconds, also where they lie apart all over the file."""

COUNTED_AT_ONCE: Final = 1_000
"""Lines that one step counts: some milliseconds, also where each has 64 KiB."""

LINE_COST: Final = 200
"""Bytes that a line takes besides its text, in the tables and in the index."""

INDEXED_AT_THE_END: Final = 20_000
"""Lines taken into the index before the program ends: a tenth of a second. The rest waits for the next time."""

_FINAL: Final = ",".join(str(int(standing)) for standing in sorted(FINAL))
_SETTLE: Final = f"""
UPDATE streams SET settled = coalesce(
    (SELECT min(number) FROM lines WHERE stream = streams.id AND number >= settled AND standing NOT IN ({_FINAL})),
    (SELECT max(number) + 1 FROM lines WHERE stream = streams.id AND number >= settled), settled) WHERE ours"""
_UNNEEDED: Final = 'DELETE FROM gone WHERE "end" <= (SELECT floor FROM streams WHERE id = stream)'
_DROPPABLE: Final = f"""
SELECT lines.id, stream, number, NOT ours AND number >= floor, length(text) FROM lines JOIN streams ON streams.id = stream
    WHERE stream = ? AND number > ? AND CASE WHEN ours THEN standing IN ({_FINAL})
        ELSE number <= shown AND coalesce(behind, 0) = 0 END
    ORDER BY number LIMIT ?"""
"""What is not settled or not shown stays however old it is. Of what may come a second time (its number is not below its
sender's floor) the number stays."""

_STRANGERS: Final = "everybody to whom the user has never written"


class _Old(NamedTuple):
    """A line that may be dropped."""

    id: int
    stream: int
    number: int
    may_come_again: int
    size: int


class _Space:
    """How much space everybody's lines take. Counting is done a little at a time, and only when a limit is passed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._costs: dict[int, int] = {}
        """Bytes of each stream."""
        self._parties: dict[int, tuple[bytes, bool, Hashable]] = {}
        """Of each stream: its key, whether it is ours, and its group if it is one's."""
        self._until = 0
        self.lines = 0
        """Lines that were counted and not dropped since."""

    def count(self, newest: int) -> bool:
        """Count some of the lines that came since; false when all are counted."""
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

    def dropped(self, line: _Old) -> None:
        """A line takes no space any more."""
        self.lines -= 1
        self._costs[line.stream] = self._costs.get(line.stream, 0) - LINE_COST - line.size

    def speakers(self) -> Iterator[list[int]]:
        """The streams of each conversation of two, and each stream of a group: the largest conversation first, and in a
        group the largest stream first."""
        for stream in self._costs.keys() - self._parties.keys():
            key, ours, registry = self._db.execute(
                "SELECT key, ours, registry FROM streams WHERE id = ?", (stream,)
            ).fetchone()
            room = parties_of(key, is_ours=bool(ours)).room
            self._parties[stream] = key, bool(ours), None if room is None else (registry, room)
        answered = {key for key, is_ours, group in self._parties.values() if is_ours and group is None}
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


class Tidy:
    """The housekeeping of one history. Every method raises sqlite3.Error; what was done before stays done."""

    def __init__(self, db: sqlite3.Connection, lines: Lines) -> None:
        self._db = db
        self._lines = lines
        self._space = _Space(db)
        self._looked_at: dict[int, int] = {}
        """The number up to which a stream has been looked at for dropping: what stayed is not looked at again."""
        self._emptied: dict[int, int] = {}
        """Streams of which nothing could be dropped, and the newest line at that time."""
        self._settled_at = -1

    def step(self) -> bool:
        """A little of what there is to do; true when there is more."""
        if self._lines.words.catch_up(INDEXED_AT_ONCE):
            return True
        self._note_settled()
        return self.drop_oldest()

    def finish(self) -> None:
        """Before the file is closed."""
        self._lines.words.catch_up(INDEXED_AT_THE_END)
        self._note_settled()

    def _note_settled(self) -> None:
        """So that the next start looks through the newest messages only."""
        newest = self.newest()
        if newest != self._settled_at:
            self._db.execute(_SETTLE)
            self._db.execute(_UNNEEDED)
            self._settled_at = newest

    def newest(self) -> int:
        """The id of the newest line; 0 for none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()[0])

    def drop_oldest(
        self, *, lines_kept: int = LINES_KEPT, bytes_kept: int = BYTES_KEPT, most: int = DROPPED_AT_ONCE
    ) -> bool:
        """Drop some lines beyond the limits; true when there may be more. Their numbers are never given again, and never
        taken again."""
        newest = self.newest()
        is_full = self._bytes_in_use() > bytes_kept
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
        """Drop the oldest lines of these streams."""
        found: list[_Old] = []
        for stream in streams:
            looked_at = self._looked_at.get(stream, -1)
            found += map(_Old._make, self._db.execute(_DROPPABLE, (stream, looked_at, most)))
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

    def _drop(self, old: list[_Old]) -> None:
        if not old:
            return
        execute, ids = self._db.execute, [line.id for line in old]
        each = [(id_,) for id_ in ids]
        execute("BEGIN IMMEDIATE")
        try:
            self._lines.words.forget(ids)
            self._db.executemany(
                "UPDATE streams SET last = max(last, lines.number) FROM lines "
                "WHERE lines.id = ? AND streams.id = lines.stream AND ours",
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
        """A line was here: a sender who never raises the floor cannot keep all lines in the file in this way."""
        longer = self._db.execute(
            'UPDATE gone SET "end" = ?2 + 1 WHERE stream = ?1 AND "end" = ?2', (stream, number)
        )
        if not longer.rowcount:
            self._db.execute("INSERT OR REPLACE INTO gone VALUES (?1, ?2, ?2 + 1)", (stream, number))
