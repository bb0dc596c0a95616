"""Reading a history beside the event loop: an own connection, in an own thread."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from chatapp.peer.history import schema
from chatapp.peer.history.query import MessageQueries

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Result = TypeVar("Result")


class ReaderClosed(Exception):
    """The reader was closed before it could read."""


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a history for reading. Raises sqlite3.Error."""
    # mode=ro would make SQLite leave an empty log and its index behind when no peer runs.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA query_only = ON")
        schema.check(db)
    except BaseException:
        db.close()
        raise
    return db


class HistoryReader:
    """Reads one history in a thread, one query after the other. A query sees what is filed when it
    begins."""

    def __init__(self, path: Path) -> None:
        """The file is opened, and the thread begins, with the first query."""
        self._path: Final = path
        self._executor: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None
        self._queries: MessageQueries | None = None
        self._is_closed = False

    async def read(self, query: Callable[[MessageQueries], Result]) -> Result:
        """Return the result of a query. Raises sqlite3.Error, ReaderClosed."""
        if self._is_closed:
            raise ReaderClosed
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor  # deferred: most starts read nothing

            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chatapp-history")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._do, query)

    def _do(self, query: Callable[[MessageQueries], Result]) -> Result:
        if self._is_closed:
            raise ReaderClosed
        if self._queries is None:
            self._db = open_read_only(self._path)
            self._queries = MessageQueries(self._db)
        return query(self._queries)

    def close(self) -> None:
        """Wait for the query that is being done, leave out the others, and close the file; a second
        call does nothing."""
        self._is_closed = True
        if self._executor is not None:
            self._executor.shutdown()
        if self._db is not None:
            self._db.close()
            self._db = None
