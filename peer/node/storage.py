"""The disk of an open peer: what its core wants stored, filed and synced, and its history, which is
closed while our folder moves.

Records are stored in the journal at once, if an acknowledgement depends on them, and in the database
later. The journal is synced soon after a record of which something was told to somebody, and not
while nothing is new. The database is filled from the journal when records have waited for some
seconds, when much waits, before a reader looks, and at the end; a part at a time, so that no message
waits for it.
"""

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.core.records import CAN_WAIT, MAY_LAG, Record
from chatapp.peer.history.database import History
from chatapp.peer.history.journal import PendingSync, RecordJournal
from chatapp.peer.history.maintenance import MaintenanceSchedule
from chatapp.peer.history.opening import (
    HistoryReader,
    ReaderClosed,
    first_known_server,
    open_history,
)
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.unshown import received
from chatapp.peer.node.driver import SyncThread
from chatapp.peer.node.keystore import KeyFolder
from chatapp.wire.errors import StoreError
from chatapp.wire.limits import RECORDS_WAITING_MAX, TEXTS_WAITING_MAX

if TYPE_CHECKING:
    from chatapp.peer.core.core import PeerCore
    from chatapp.peer.node.local import PeerNode

BATCH_SPAN: Final = 0.02
"""Seconds for which records that no acknowledgement depends on wait for a write that is made
anyway."""

STORE_AGAIN_AFTER: Final = 1.0
"""Seconds between attempts to write to a disk that failed; nothing is acknowledged meanwhile."""

UNFILED_SPAN: Final = 30.0
"""Seconds after which records are filed. What is said within them shares the pages that SQLite
writes: a message a second costs half of the bytes."""

UNFILED_MAX: Final = 512 * 1024
"""Bytes in the journal, some 4,000 records, beyond which the database is filled at once. A start
after a crash, or a reader who looks during a burst, waits until they are filed: some 20 ms."""


SYNC_SPAN: Final = 0.75
"""Seconds from a record to the sync that puts it on the disk. A power cut costs this and the time
of the sync, together less than a second; each sync costs some milliseconds of the disk."""

LOOKED_AT_AFTER: Final = 5.0
"""Seconds from the begin of a sync until it is looked at if nothing else happens."""

LAGGING_SYNC_SPAN: Final = 30.0
"""The same for records that may lag: rows of the table, in a crowd some every second."""


class CommitQueue:
    """Writes records to the journal in batches, and files them in the database."""

    def __init__(self, history: History, journal: RecordJournal) -> None:
        self._history = history
        self._journal = journal
        self._waiting: list[Record] = []
        self._texts_waiting = 0
        """The total length of their texts, once the disk has failed."""
        self._waiting_since = 0.0
        self._is_urgent = False
        self._again_at = 0.0
        self._unfiled = 0
        """Bytes in the journal that the database does not have yet."""
        self._file_at = 0.0
        """When the first of them has waited for long enough."""
        self._file_again_at = 0.0
        self.sync_at = math.inf
        """When the journal is to be synced; infinite if nothing new needs it."""
        self._look_at = math.inf
        self.is_awaited = False
        """Whether the end of the present sync wakes us up."""
        self._pending: PendingSync | None = None
        """The sync that is under way."""
        self.trouble: str | None = None
        """Why the journal cannot be written, when that begins. Whoever reports it sets it to
        None."""
        self.is_full = False
        """Whether so much waits for a failing disk that no more must be added."""
        self.filing_trouble: str | None = None
        """What SQLite says when filing begins to fail. Whoever reports it sets it to None."""

    def keep(self, records: Sequence[Record], *, now: float, is_last: bool = False) -> bool:
        """Add records and write if it is time; True when nothing that an acknowledgement depends on
        is left unstored. `is_last`: no other write will come."""
        if records:
            if not self._waiting:
                self._waiting_since = now
            self._waiting += records
            self._is_urgent = self._is_urgent or not CAN_WAIT.issuperset(map(type, records))
            if self._again_at:
                self._texts_waiting += _texts_of(records)
        if not self._waiting:
            return True
        if now < self._again_at and not is_last:
            self._measure()
            return False
        if not self._is_urgent and not is_last and now < self._waiting_since + BATCH_SPAN:
            self._measure()
            return True
        return self._write(now)

    def use(self, history: History, journal: RecordJournal) -> None:
        """Use these from now on: the same files, opened again at another place."""
        self._history, self._journal = history, journal
        self._unfiled = journal.unread(history.filed)

    # --- syncing

    @property
    def is_on_disk(self) -> bool:
        """Whether all records that were written are on the disk, but those that may lag."""
        return self.sync_at == math.inf and self._pending is None and not self._waiting

    def sync_soon(self, *, now: float) -> None:
        """Let the next sync be due now, if anything is to be synced."""
        if self.sync_at < math.inf:
            self.sync_at = min(self.sync_at, now)

    def begin_sync(self, *, now: float) -> PendingSync | None:
        """Return a sync that is due, for another thread to run; `end_sync` follows. None if none is
        due."""
        if self._pending is not None or now < self.sync_at:
            return None
        if self._journal.is_unconfirmed and not self._is_in_database(now):
            self.sync_at = now + STORE_AGAIN_AFTER
            return None
        self.sync_at = math.inf
        self._look_at, self.is_awaited = now + LOOKED_AT_AFTER, False
        self._pending = self._journal.begin_sync()
        return self._pending

    def end_sync(self, error: OSError | None, *, now: float) -> bool:
        """Note how the sync ended. Return whether what it was to cover is on the disk."""
        pending, self._pending = self._pending, None
        if error is not None:
            self._journal.end()
            self.trouble = str(error)
            self.sync_at = now
            return False
        if pending is not None:
            self._journal.end_sync(pending)
        return True

    def sync(self, *, now: float) -> bool:
        """Sync all that is written, and wait for it. Return whether it is on the disk."""
        self.sync_soon(now=now)
        pending = self.begin_sync(now=now)
        if pending is None:
            return self.is_on_disk
        try:
            pending.run()
        except OSError as error:
            return self.end_sync(error, now=now)
        return self.end_sync(None, now=now)

    def _is_in_database(self, now: float) -> bool:
        """Whether the database is on the disk, with all that a part of the journal holds which the
        disk did not confirm: no later sync of that part could tell."""
        if self.file_all(now=now):
            with contextlib.suppress(sqlite3.Error, OSError):
                self._tidy()
        return not self._journal.is_unconfirmed

    # --- filing

    @property
    def look_due(self) -> float:
        """When a sync is to begin, or it is to be looked at whether the last one has ended;
        infinite for never."""
        if self._pending is None:
            return self.sync_at
        return math.inf if self.is_awaited else min(self._look_at, self.sync_at)

    def next_timer(self) -> float | None:
        """When to call `keep`, `begin_sync` and `file_if_due` again even if there is nothing to
        add."""
        dues = []
        if self.look_due < math.inf:
            dues.append(self.look_due)
        if self._waiting:
            dues.append(max(self._again_at, self._waiting_since + BATCH_SPAN))
        if self._unfiled:
            due = self._file_at if self._unfiled < UNFILED_MAX else 0.0
            dues.append(max(self._file_again_at, due))
        return min(dues, default=None)

    def file_if_due(self, *, now: float) -> None:
        """File some records if it is time."""
        if (
            self._unfiled
            and now >= self._file_again_at
            and (now >= self._file_at or self._unfiled >= UNFILED_MAX)
        ):
            self._file(now)

    def file_all(self, *, now: float) -> bool:
        """File all records that are stored. False if the database cannot be written: it lacks the
        newest ones then."""
        while self._unfiled:
            if not self._file(now):
                return False
        return True

    async def file_gently(self, *, now: Callable[[], float]) -> None:
        """File what is stored by now, a part at a time, and let others run in between. What the
        database does not take stays in the journal."""
        left = self._unfiled
        while left > 0 and self._unfiled:
            before = self._unfiled
            if not self._file(now()):
                return
            left -= max(before - self._unfiled, 1)
            await asyncio.sleep(0)

    def close(self, *, now: float) -> bool:
        """File all records, and close the journal. False if something cannot be filed: it stays
        until the next start."""
        is_filed = self.file_all(now=now)
        self.sync_at = math.inf
        if is_filed:
            self._journal.end()
            with contextlib.suppress(sqlite3.Error):
                self._tidy()
            self._journal.note_synced(self._journal.lines)
        self._journal.close()
        return is_filed

    def _write(self, now: float) -> bool:
        before = self._journal.size
        if not self._unfiled:
            self._file_at = now + UNFILED_SPAN
        sync_at = self.sync_at
        if sync_at > now + SYNC_SPAN and not (kinds := set(map(type, self._waiting))) <= CAN_WAIT:
            sync_at = min(sync_at, now + (LAGGING_SYNC_SPAN if kinds <= MAY_LAG else SYNC_SPAN))
        try:
            while self._waiting:
                del self._waiting[: self._journal.append(self._waiting)]
        except StoreError as error:
            if not self._again_at:
                self.trouble = str(error)
            self._again_at = now + STORE_AGAIN_AFTER
            self._texts_waiting = _texts_of(self._waiting)
            self._measure()
            return False
        finally:
            self._unfiled += self._journal.size - before
        self.sync_at = sync_at
        self._again_at = 0.0
        self._is_urgent = False
        self._texts_waiting = 0
        self.is_full = False
        return True

    def _measure(self) -> None:
        self.is_full = (
            len(self._waiting) >= RECORDS_WAITING_MAX or self._texts_waiting >= TEXTS_WAITING_MAX
        )

    def _file(self, now: float) -> bool:
        """File some records. False if the database cannot be written."""
        try:
            if (batch := self._journal.read(self._history.filed)) is not None:
                self._history.file(batch)
            self._tidy()
        except (sqlite3.Error, OSError) as error:
            if not self._file_again_at:
                self.filing_trouble = str(error)
            self._file_again_at = now + STORE_AGAIN_AFTER
            return False
        self._file_again_at = 0.0
        self._unfiled = 0 if batch is None else self._journal.unread(batch.until)
        return True

    def _tidy(self) -> None:
        """Remove what the journal has no more use for."""
        filed = self._history.filed
        if self._journal.has_filed(filed) and self._history.sync():
            self._journal.remove_filed(filed)


def _texts_of(records: Sequence[Record]) -> int:
    return sum(len(getattr(record, "text", "")) for record in records)


Result = TypeVar("Result")


class NodeStorage:
    """The history of a node, and when it is written."""

    def __init__(self, node: "PeerNode", keys: KeyFolder, servers: Sequence[str]) -> None:
        """`servers`: the names of those that the user gave. Raises sqlite3.Error, OSError."""
        self._node: Final = node
        self._keys: Final = keys
        self._loop: Final = asyncio.get_running_loop()
        self.history, self._journal, self.damage = open_history(
            keys.history, server=first_known_server(keys.history, servers), is_new=keys.is_new
        )
        self.commits: Final = CommitQueue(self.history, self._journal)
        self.sync_thread: Final = SyncThread(self._loop, wake=node.schedule)
        self._is_awaited = False
        """Whether somebody waits for the next sync."""
        self._reader = HistoryReader(keys.history)

    def maintain(self) -> None:
        """Maintain the history from now on, while the peer is idle."""
        self._maintenance = MaintenanceSchedule(self._loop, self.history.maintenance)

    def drop(self) -> None:
        """Close the files as they are: the node cannot begin."""
        self._journal.close()
        self.history.close()

    def close(self) -> bool:
        """File what is stored and close everything. Return whether there is nothing in the
        history."""
        is_blank = False
        if self._end_writing():
            with contextlib.suppress(sqlite3.Error):
                is_blank = self.history.is_blank
        self.history.close()
        return is_blank

    def _end_writing(self) -> bool:
        """File all that is stored; return whether that is done."""
        self.sync_thread.close()
        is_filed = self.commits.close(now=self._loop.time())
        self._reader.close()
        self._maintenance.close()
        return is_filed

    def move_folder(self, name: str) -> None:
        """Give our folder this name, under which the registry knows us for certain now.

        The history is closed while its folder moves. A crash at any point leaves a folder that is
        found under either name (`peer.node.keystore`)."""
        server = self.history.registries.server
        self.commits.keep((), now=self._loop.time(), is_last=True)
        self._end_writing()
        self.history.close()
        try:
            self._keys.settle(name)
        except OSError as error:
            self._node.tell([events.FolderNotMoved(name=name, error=str(error))])
        self.history, self._journal, _ = open_history(
            self._keys.history, server=server, is_new=False
        )
        self.commits.use(self.history, self._journal)
        self._reader = HistoryReader(self._keys.history)
        self.maintain()

    # --- what was said

    @property
    def registry(self) -> int:
        """The row of our registry in the history."""
        return self.history.registries.current

    async def read(self, query: Callable[[MessageQueries], Result], *, by_index: bool) -> Result:
        """Read the history beside the event loop, including what was said right before. `by_index`:
        the query uses the indexes. Raises sqlite3.Error, and NotOpen when the peer is closed
        meanwhile."""
        self.store()
        self.commits.keep((), now=self._loop.time(), is_last=True)
        await self.commits.file_gently(now=self._loop.time)
        self.tell_filing_trouble()
        if by_index:
            await self.history.lines.index.catch_up_gently()
        while not self._node.driver.is_closed:
            reader = self._reader
            with contextlib.suppress(ReaderClosed):  # our folder was moved meanwhile
                return await reader.read(query)
        raise NotOpen

    def unshown(self, *, after: int, count: int) -> list[events.LineEvent]:
        """Return lines to us that were not shown. Raises sqlite3.Error."""
        self.file_all()
        return [received(line) for line in self.history.unshown(after=after, count=count)]

    # --- storing and filing

    def store(self, *, now: float | None = None, is_last: bool = False) -> bool:
        """Store what the core wants stored; True when nothing that an acknowledgement depends on is
        left unstored."""
        now = self._loop.time() if now is None else now
        records = self._node.core.records_to_store()
        is_stored = self.commits.keep(records, now=now, is_last=is_last)
        if self.commits.trouble is not None:
            self._tell_trouble()
        return is_stored

    def _tell_trouble(self) -> None:
        if self.commits.trouble is not None:
            self._node.tell([events.StorageFailed(error=self.commits.trouble)])
            self.commits.trouble = None

    def file_all(self) -> bool:
        """Store what the core wants stored, and file it; True when the database has everything."""
        is_stored = self.store()
        return self.file_stored() and is_stored

    def file_stored(self) -> bool:
        """File what is stored; True when the database has all of it."""
        is_filed = self.commits.file_all(now=self._loop.time())
        self.tell_filing_trouble()
        return is_filed

    def tell_filing_trouble(self) -> None:
        """Tell it, once, if SQLite takes nothing."""
        if self.commits.filing_trouble is not None:
            self._node.tell([events.HistoryBehind(error=self.commits.filing_trouble)])
            self.commits.filing_trouble = None

    # --- syncing

    def sync(self) -> bool:
        """Store what the core wants stored, and wait until it is on the disk. False if the disk
        does not confirm that."""
        is_stored = self.store()
        self.sync_thread.wait()
        is_synced = self.commits.sync(now=self._loop.time())
        self._tell_trouble()
        return is_stored and is_synced

    def tend(self, *, now: float) -> None:
        """Sync in another thread what is due, and read for the core what it asks for."""
        core = self._node.core
        self._give_again(core, now)
        if core.wants_sync():
            self.commits.sync_soon(now=now)
            self._is_awaited = True
            self._hurry()
        pending = self.commits.begin_sync(now=now)
        if pending is not None:
            number = core.sync_begins()
            self.sync_thread.begin(pending.run, lambda error: self._synced(error, core, number))
            if self._is_awaited:
                self._is_awaited = False
                self._hurry()

    def look_at_sync(self, *, now: float) -> None:
        """Note the end of the sync that is under way, if it has ended. When that takes long, the
        end is to wake us up."""
        if not self.sync_thread.look() and now >= self.commits.look_due:
            self._hurry()

    def _hurry(self) -> None:
        if self.sync_thread.is_running:
            self.commits.is_awaited = True
            self.sync_thread.hurry()

    def _synced(self, error: OSError | None, core: "PeerCore", number: int) -> None:
        now = self._loop.time()
        if self.commits.end_sync(error, now=now):
            core.synced(number, now=now)
        self._tell_trouble()

    def _give_again(self, core: "PeerCore", now: float) -> None:
        """Give the core those of our delivered messages that their recipients may have lost."""
        for lost in core.lost_messages(now=now):
            if self.file_all():
                with contextlib.suppress(sqlite3.Error):  # they are looked for again
                    lines, is_all = self.history.delivered(
                        lost.contact.identity, lost.first, lost.end
                    )
                    core.give_again(lost, lines, is_all=is_all, now=now)
                    self._node.schedule()
