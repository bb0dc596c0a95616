"""The disk of an open peer: what its core wants stored, filed and synced, and its history, which is
closed while our folder moves."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.history.commits import CommitQueue
from chatapp.peer.history.damage import first_known_server, open_history
from chatapp.peer.history.maintenance import MaintenanceSchedule
from chatapp.peer.history.query import MessageQueries
from chatapp.peer.history.reader import HistoryReader, ReaderClosed
from chatapp.peer.history.unshown import received
from chatapp.peer.node.driver import SyncThread
from chatapp.peer.node.keystore import KeyFolder

if TYPE_CHECKING:
    from chatapp.peer.core.core import PeerCore
    from chatapp.peer.node.local import PeerNode

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
        self._sync_thread: Final = SyncThread(self._loop)
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
        self._sync_thread.close()
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

    def unshown(self, *, after: int, count: int) -> list[events.Said]:
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
        self._sync_thread.wait()
        is_synced = self.commits.sync(now=self._loop.time())
        self._tell_trouble()
        return is_stored and is_synced

    def tend(self, *, now: float) -> None:
        """Sync in another thread what is due, and read for the core what it asks for."""
        core = self._node.core
        self._give_again(core, now)
        if core.wants_sync():
            self.commits.sync_soon(now=now)
        pending = self.commits.begin_sync(now=now)
        if pending is not None:
            number = core.sync_begins()
            self._sync_thread.begin(pending.run, lambda error: self._synced(error, core, number))

    def _synced(self, error: OSError | None, core: "PeerCore", number: int) -> None:
        now = self._loop.time()
        if self.commits.end_sync(error, now=now):
            core.synced(number, now=now)
        self._tell_trouble()
        self._node.schedule()

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
