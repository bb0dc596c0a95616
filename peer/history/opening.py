"""Open a history: with its journal, from which what the last program could not file is filed and what is
lost is noticed; or to be read beside the event loop.

A program that was killed leaves records in the journal that the database does not have yet. They
are filed before anything is loaded. Lines that were on the disk and are neither in the database nor
in the journal are lost: their senders will not send them again, so the user must be told. See
`docs/decisions/power-cuts.md`.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from chatapp.peer.api.events import HistoryMissing, LinesLost
from chatapp.peer.history import schema
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import Batch, RecordJournal
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.registries import first_known
from chatapp.wire.storage import Disk, generation_in

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def first_known_server(path: Path, servers: Sequence[str]) -> str:
    """Return the first of these servers of which a history, which may not exist, knows the
    registry; without one, the first."""
    if len(servers) > 1 and path.exists():
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
            return first_known(db, servers)
    return servers[0]


def open_history(
    path: Path, *, server: str, is_new: bool, disk: Disk | None = None
) -> tuple[History, RecordJournal, HistoryMissing | LinesLost | None]:
    """Open a history and its journal, and tell what is lost. `is_new`: there was no history before.
    Raises sqlite3.Error, OSError."""
    is_missing = not path.exists() or not path.stat().st_size
    with contextlib.ExitStack() as undo:
        journal = RecordJournal(path.parent, server=server, disk=disk)
        undo.callback(journal.close)
        history = History(path, server=server)
        undo.callback(history.close)
        is_missing = is_missing and not journal.is_whole
        lost = replay(history, journal)
        kept_as = journal.keep_damaged() if lost else None
        history.see_from(server)
        history.give_up_early()
        with contextlib.suppress(sqlite3.Error):
            if journal.has_filed(history.filed) and history.sync():
                journal.remove_filed(history.filed)
        if (
            left := journal.begin_sync()
        ) is not None:  # nobody is told later which life has stored it
            left.run()
        undo.pop_all()
    if is_missing:
        # The newest lines may have been in the journal still: the others went with the database.
        found = history.maintenance.newest()
        is_told = not is_new or found or lost
        return history, journal, HistoryMissing(path=str(path), found=found) if is_told else None
    if lost:
        return history, journal, LinesLost(path=str(path), count=lost, kept_as=kept_as)
    return history, journal, None


def file_leftovers(path: Path) -> None:
    """File what a program that was killed left in the journal, for somebody who only reads. Nothing
    is done if a program runs there, which does it itself, or if the files do not allow it. What is
    lost is left for the next start to tell."""
    disk = Disk()
    with contextlib.suppress(sqlite3.Error, OSError), contextlib.ExitStack() as undo:
        folder = disk.open_root(path.parent)
        undo.callback(disk.close, folder)
        if (
            not any(map(generation_in, disk.names(folder)))
            or (lock := disk.lock(folder, "lock")) is None
        ):
            return
        undo.callback(disk.close, lock)
        journal = RecordJournal(path.parent, server="")
        undo.callback(journal.close)
        history = History(path, server=journal.first_server)
        undo.callback(history.close)
        while (batch := journal.read(history.filed)) is not None and not batch.missing:
            history.file(batch)


def replay(history: History, journal: RecordJournal) -> int:
    """File all that the journal has. Return how many lines are missing. Raises sqlite3.Error,
    OSError."""
    lost = 0
    while (batch := journal.read(history.filed)) is not None:
        history.file(batch)
        lost += batch.missing
    lost += max(0, journal.lines - history.filed.lines)
    if lost:  # it is told once
        here = history.filed._replace(lines=journal.lines)
        history.file(Batch([], here, server=history.registries.server, missing=0))
    journal.go_on_after(history.filed)
    return lost


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
