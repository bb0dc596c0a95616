"""Find messages by the words in them, with one full-text index, and by their conversation, with
another.

Indexing must not slow down storing. So lines are indexed later: while the peer is idle, when it
ends, and at the latest when somebody looks for one. `progress.indexed` is the id up to which all
lines are indexed. The index of words holds no text of its own (`content=''`). In scripts that are
written without spaces, each character is indexed as a word, and a search for several of them is a
search for a phrase: any part of a Chinese, Japanese or Thai sentence is found.
"""

import asyncio
import functools
import re
import sqlite3
from typing import Final

from chatapp.peer.history.schema import NEWEST_LINE, damage_named

INDEXED_AT_ONCE: Final = 1_000
"""Lines that are indexed in one step: a few milliseconds, so that no acknowledgement waits for it.
In steps of 200 a line costs twice as much, and the longest step, which merges, lasts no shorter."""

WORDS_MAX: Final = 32
"""Words of a search that are used. Nobody types more, and each costs one look-up in the index."""

_WITHOUT_BLANKS: Final = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


_INDEXED: Final = (
    "CASE WHEN length(text) = length(CAST(text AS BLOB)) THEN text ELSE spread(text) END"
)
"""The text as it is indexed: mostly it is ASCII, and no function of ours is called."""


def spread(text: str) -> str:
    """Return the text as it is indexed: with spaces around each character of a script that has
    none."""
    return text if text.isascii() else _without_blanks().sub(r" \g<0> ", text)


@functools.cache
def _without_blanks() -> re.Pattern[str]:
    """Compile the pattern when the first such text comes: that takes a hundredth of a start."""
    return re.compile(_WITHOUT_BLANKS)


def query(words: str) -> str | None:
    """Return the FTS5 query for what a person typed: all of the words, the last one as a prefix.
    None if it has no word."""
    typed = words.encode(errors="replace").decode().replace("\0", " ").split()
    found = [word for word in typed if any(map(str.isalnum, word))][:WORDS_MAX]
    if not found:
        return None
    return " ".join('"' + spread(word).replace('"', " ") + '"' for word in found) + " *"


class Indexes:
    """The indexes of one history: of words, and of conversations."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.create_function("spread", 1, spread, deterministic=True)

    @damage_named()
    def catch_up(self, most: int | None = None) -> bool:
        """Index lines that are not indexed yet, at most so many; True when some are left."""
        execute = self._db.execute
        (indexed,) = execute("SELECT indexed FROM progress").fetchone()
        (newest,) = execute(NEWEST_LINE).fetchone()
        if indexed >= newest:
            return False
        until = newest if most is None else min(newest, indexed + most)
        execute("BEGIN IMMEDIATE")
        try:
            execute(
                f"INSERT INTO search_index (rowid, text) SELECT id, {_INDEXED} FROM lines "
                "WHERE id > ? AND id <= ? AND kind IS NULL",
                (indexed, until),
            )
            execute(
                "INSERT OR IGNORE INTO conversation_lines SELECT conversation, lines.id FROM lines "
                "JOIN streams ON streams.id = stream WHERE lines.id > ? AND lines.id <= ? AND kind IS NULL",
                (indexed, until),
            )
            execute("UPDATE progress SET indexed = ?", (until,))
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise
        return int(until) < int(newest)

    async def catch_up_gently(self) -> None:
        """Index the lines that are there by now, some at a time, and let others run in between."""
        (newest,) = self._db.execute(NEWEST_LINE).fetchone()
        (indexed,) = self._db.execute("SELECT indexed FROM progress").fetchone()
        while indexed < newest and self.catch_up(INDEXED_AT_ONCE):
            indexed += INDEXED_AT_ONCE
            await asyncio.sleep(0)

    def forget(self, ids: list[int]) -> None:
        """Remove lines from the indexes, within the transaction that drops them and while they are
        still there: FTS5 needs their text, since the index has none of its own."""
        self._db.executemany(
            "DELETE FROM conversation_lines WHERE line = ? AND conversation = "
            "(SELECT conversation FROM lines JOIN streams ON streams.id = stream WHERE lines.id = ?)",
            [(id_, id_) for id_ in ids],
        )
        self._db.executemany(
            "INSERT INTO search_index (search_index, rowid, text) SELECT 'delete', id, spread(text) FROM lines "
            "WHERE id = ? AND kind IS NULL AND id <= (SELECT indexed FROM progress)",
            [(id_,) for id_ in ids],
        )
