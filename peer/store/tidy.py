"""This file is about what a history does when nobody waits for it: it indexes, notes what is settled, lets go of the oldest.

Each step is short; a whole round of them may take as long as it likes. It knows tables; it must not know when there is time.
"""

import sqlite3
from typing import Final

from peer.core.standing import FINAL
from peer.store.lines import Lines
from peer.store.words import INDEXED_AT_ONCE

LINES_KEPT: Final = 1_000_000
"""Lines that stay whatever comes; at 100 bytes of text they and their index are some 300 MiB."""

BYTES_KEPT: Final = 1024 * 1024 * 1024
"""Bytes of the file's pages in use beyond which older lines go though there are fewer: lines may have 64 KiB each."""

DROPPED_AT_ONCE: Final = 200
INDEXED_AT_THE_END: Final = 20_000
"""Lines taken into the index before the program ends: a tenth of a second. The rest waits for the next time."""

_FINAL: Final = ",".join(str(int(standing)) for standing in sorted(FINAL))
_SETTLE: Final = f"""
UPDATE streams SET settled = coalesce(
    (SELECT min(number) FROM lines WHERE stream = streams.id AND number >= settled AND standing NOT IN ({_FINAL})),
    (SELECT max(number) + 1 FROM lines WHERE stream = streams.id AND number >= settled), settled) WHERE ours"""
_OLDEST: Final = f"""
SELECT lines.id FROM lines JOIN streams ON streams.id = stream WHERE lines.id > ? AND lines.id <= ?
    AND CASE WHEN ours THEN standing IN ({_FINAL})
        ELSE number < floor AND number <= shown AND coalesce(behind, 0) = 0 END
    ORDER BY lines.id LIMIT ?"""
"""What is not settled, not shown, or may come a second time (above its sender's floor) stays however old it is."""


class Tidy:
    """The housekeeping of one history. Every method raises sqlite3.Error; what was done before stays done."""

    def __init__(self, db: sqlite3.Connection, lines: Lines) -> None:
        self._db = db
        self._lines = lines
        self._looked_at = 0
        """The id up to which lines have been looked at for dropping: what stayed is not looked at again."""
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
            self._settled_at = newest

    def newest(self) -> int:
        """The id of the newest line; 0 for none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()[0])

    def drop_oldest(
        self, *, lines_kept: int = LINES_KEPT, bytes_kept: int = BYTES_KEPT, most: int = DROPPED_AT_ONCE
    ) -> bool:
        """Let go of some lines beyond the limits; true when there may be more. Their numbers are never given again."""
        until = self._drop_until(lines_kept, bytes_kept)
        if until <= self._looked_at:
            return False
        ids = [id_ for (id_,) in self._db.execute(_OLDEST, (self._looked_at, until, most))]
        self._drop(ids)
        self._looked_at = ids[-1] if len(ids) == most else until
        return self._drop_until(lines_kept, bytes_kept) > self._looked_at

    def _drop_until(self, lines_kept: int, bytes_kept: int) -> int:
        newest = self.newest()
        until = newest - lines_kept
        if self._bytes_in_use() > bytes_kept:
            until = max(until, self._looked_at + max((newest - self._looked_at) // 64, 1))
        return min(until, newest)

    def _bytes_in_use(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _drop(self, ids: list[int]) -> None:
        if not ids:
            return
        execute, each = self._db.execute, [(id_,) for id_ in ids]
        execute("BEGIN IMMEDIATE")
        try:
            self._lines.words.forget(ids)
            self._db.executemany(
                "UPDATE streams SET last = max(last, lines.number) FROM lines "
                "WHERE lines.id = ? AND streams.id = lines.stream AND ours",
                each,
            )
            self._db.executemany("DELETE FROM lines WHERE id = ?", each)
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise
