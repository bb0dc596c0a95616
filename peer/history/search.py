"""Finding lines by the words in them: one full-text index, filled when there is time for it.

Theory: storing a line must not pay for finding it, so lines enter the index later: when the peer is idle, at its end,
and at the latest when somebody searches. `marks.indexed` is the id up to which all have. The index holds no text of its
own (`content=''`). Scripts that are written without blanks are spread out, a word for each character, and what is
looked for in them is a phrase of such words: so any piece of a Chinese, Japanese or Thai sentence is found by the same
index.
"""

import re
import sqlite3
from typing import Final

from chatapp.peer.history.schema import damage_named

INDEXED_AT_ONCE: Final = 200
"""Lines that one idle moment takes in: a few milliseconds, so that nobody waits for an acknowledgement meanwhile."""

WORDS_MAX: Final = 32
"""Words of a search that count; nobody types more, and each costs a look into the index."""

_WITHOUT_BLANKS: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def spread(text: str) -> str:
    """`text` as the index takes it: blanks around each character of a script without any."""
    return text if text.isascii() else _WITHOUT_BLANKS.sub(r" \g<0> ", text)


def query(words: str) -> str | None:
    """What a person typed as a query that means it: all of the words, the last one as a beginning. None: no word."""
    typed = words.encode(errors="replace").decode().replace("\0", " ").split()
    found = [word for word in typed if any(map(str.isalnum, word))][:WORDS_MAX]
    if not found:
        return None
    return " ".join('"' + spread(word).replace('"', " ") + '"' for word in found) + " *"


class SearchIndex:
    """The index of one history."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.create_function("spread", 1, spread, deterministic=True)

    @damage_named()
    def catch_up(self, most: int | None = None) -> bool:
        """Take in lines that are not in yet, at most so many; true when some are left."""
        execute = self._db.execute
        (indexed,) = execute("SELECT indexed FROM marks").fetchone()
        (newest,) = execute("SELECT coalesce(max(id), 0) FROM lines").fetchone()
        if indexed >= newest:
            return False
        until = newest if most is None else min(newest, indexed + most)
        execute("BEGIN IMMEDIATE")
        try:
            execute(
                "INSERT INTO words (rowid, text) SELECT id, spread(text) FROM lines WHERE id > ? AND id <= ?",
                (indexed, until),
            )
            execute("UPDATE marks SET indexed = ?", (until,))
            execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                execute("ROLLBACK")
            raise
        return int(until) < int(newest)

    def forget(self, ids: list[int]) -> None:
        """These lines are about to go; within the transaction that drops them."""
        self._db.executemany(
            "INSERT INTO words (words, rowid, text) SELECT 'delete', id, spread(text) FROM lines "
            "WHERE id = ? AND id <= (SELECT indexed FROM marks)",
            [(id_,) for id_ in ids],
        )
