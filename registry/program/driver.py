"""The driver of a registry: beside that of its edge, it brings entries to the disk, and serves the
console and the administrator.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from chatapp.registry.edge.driver import EdgeDriver, Timed
from chatapp.registry.edge.edge import FileLink
from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.rules.desk.statistics import Histogram
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.people.access import AccessLists
from chatapp.registry.store.protocol import KeptTable, Store
from chatapp.registry.store.storage import Storage
from chatapp.registry.telemetry.figures import COMMIT_BOUNDS, CoreSnapshot
from chatapp.wire.aio.machine import THIS_MACHINE, Endpoint, Machine
from chatapp.wire.errors import StoreError, StoreFull, StoreLost, quoted

if TYPE_CHECKING:
    from chatapp.registry.kept.keeper import KeptFiles

_log = logging.getLogger(__name__)

T = TypeVar("T")

_NOT_STORED: Final = "not stored"
_STORED_AGAIN: Final = "the disk takes what is to be stored again"


QUIET_AFTER: Final = 10.0
"""Seconds without trouble after which it counts as over: on a nearly full disk small entries find
room now and then."""


class _DiskTrouble:
    """Reports trouble with the disk: one line when it begins, one when it is over."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last: dict[str, float] = {}

    def say(self, level: int, what: str, error: BaseException) -> None:
        """Report trouble, unless it was reported before."""
        if what not in self._last:
            _log.log(level, "%s: %s", what, error)
        self._last[what] = self._now()

    def has(self, what: str) -> bool:
        """Return whether there is such trouble."""
        return what in self._last

    def went_well(self, what: str, after: str, *, is_sure: bool = False) -> None:
        """Note a success. It ends the trouble if it is the first for a while, or `is_sure` to
        last."""
        if what in self._last and (is_sure or self._now() - self._last[what] >= QUIET_AFTER):
            del self._last[what]
            _log.warning("%s", after)


class Committer:
    """Brings the core's entries to the disk, and tells the core when they are there."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        core: RegistryCore,
        store: Store,
        call_guarded: Callable[..., None],
        *,
        now: Callable[[], float] = THIS_MACHINE.now,
    ) -> None:
        """`now`: the clock that the store was made with."""
        self._now = now
        self._loop = loop
        self._core = core
        self._store = store
        self._call_guarded = call_guarded
        self._sync_thread = ThreadPoolExecutor(1, "sync")
        self._checkpoint_thread = ThreadPoolExecutor(1, "checkpoint")
        self._appended = 0
        self._stored = 0
        self._trouble = _DiskTrouble(now)
        self.durations: Final = Histogram(COMMIT_BOUNDS)
        """How long the disk took to confirm what was stored."""
        self._sync: asyncio.Future[None] | None = None
        self._checkpoint: asyncio.Future[None] | None = None

    def commit_now(self) -> None:
        """Append and sync at once. For the start, before anybody is served."""
        self._append()
        try:
            self._store.sync()
        except StoreError as error:
            self._failed(error, newest=None)
        else:
            self._confirm(self._appended)

    def commit(self) -> None:
        """Append the core's entries, and make sure that a sync is under way."""
        self._append()
        if self._sync is None and self._appended > self._stored:
            # The future stands before anything can call back, so that two syncs never run at once.
            self._sync = self._loop.create_future()
            running = self._loop.run_in_executor(self._sync_thread, self._store.sync)
            covered, begun_at = self._appended, self._now()
            running.add_done_callback(lambda done: self._synced(done, covered, begun_at))

    def maintain(self) -> None:
        """Start a checkpoint if one is due; after a failed sync, try to recover."""
        now = self._now()
        if self._checkpoint is not None:
            return
        if self._store.recovery_due(now):
            work, after = self._store.recover, self._recovered
        elif self._store.checkpoint_due(now):
            work, after = self._store.checkpoint, self._checkpointed
        else:
            return
        self._checkpoint = self._loop.create_future()
        running = self._loop.run_in_executor(self._checkpoint_thread, work)
        running.add_done_callback(after)

    async def run_beside(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread of the checkpoints, so that none runs meanwhile."""
        while self._checkpoint is not None:
            await asyncio.shield(
                self._checkpoint
            )  # others wait for it, too: our cancelling must not end it
        self._checkpoint = self._loop.create_future()
        try:
            return await self._loop.run_in_executor(self._checkpoint_thread, work)
        finally:
            self._end_checkpoint()

    @property
    def is_storing(self) -> bool:
        """Whether the disk took what was stored last."""
        return not self._trouble.has(_NOT_STORED)

    async def settle(self) -> None:
        """Wait until everything so far is on the disk or refused."""
        self.commit()
        upto = self._appended
        while self._sync is not None and self._stored < upto:
            await self._sync

    async def finish(self) -> None:
        """Wait for the last syncs and checkpoints, and close the store."""
        while self._sync is not None or self._checkpoint is not None:
            await asyncio.gather(
                *(task for task in (self._sync, self._checkpoint) if task is not None)
            )
        await self._loop.run_in_executor(self._sync_thread, self._store.close)
        self._sync_thread.shutdown()
        self._checkpoint_thread.shutdown()

    def _append(self) -> None:
        entries = self._core.entries_to_store()
        if not entries:
            return
        try:
            self._store.append(entries)
        except Exception as error:  # noqa: BLE001 - entries that vanish would be confirmed with those of the next turn
            self._failed(error, newest=len(entries))
        else:
            self._appended += len(entries)

    def _synced(self, done: asyncio.Future[None], covered: int, begun_at: float) -> None:
        running, self._sync = self._sync, None
        self.durations.note(self._now() - begun_at)
        try:
            error = done.exception()
            if error is None:
                self._confirm(covered)
                self.maintain()  # a visit may have ended, whose lines have to leave the disk
            else:
                self._failed(error, newest=None)
        finally:
            if running is not None:
                running.set_result(None)  # `stop` waits for it

    def _confirm(self, covered: int) -> None:
        count, self._stored = covered - self._stored, covered
        if count:
            self._trouble.went_well(_NOT_STORED, _STORED_AGAIN)
        self._call_guarded(self._core.entries_stored, count)

    def _failed(self, error: BaseException, *, newest: int | None) -> None:
        if newest is None:
            self._stored = self._appended
        self._trouble.say(logging.ERROR, _NOT_STORED, error)
        if isinstance(error, StoreLost):
            return  # the registry that serves now answers what its peers ask again
        self._call_guarded(
            partial(self._core.store_failed, newest=newest, is_full=isinstance(error, StoreFull)),
            str(error),
        )

    def _recovered(self, done: asyncio.Future[None]) -> None:
        if done.exception() is None:
            self._trouble.went_well(_NOT_STORED, _STORED_AGAIN, is_sure=True)
        self._end_checkpoint()  # a failure was reported when it began

    def _checkpointed(self, done: asyncio.Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self._trouble.say(logging.WARNING, "checkpoint put off", error)
        else:
            self._trouble.went_well(
                "checkpoint put off", "the checkpoint is made up for", is_sure=True
            )
        self._end_checkpoint()

    def _end_checkpoint(self) -> None:
        running, self._checkpoint = self._checkpoint, None
        if running is not None:
            running.set_result(None)


_UNLIMITED: Final = 1 << 40

MAINTENANCE_SPAN = 5.0
"""Seconds between two looks at the wall clock and at the store's need of a checkpoint."""


class Neighbours(Timed, Protocol):
    """The other nodes of a cluster, as the node with the engine reaches them. It has the timer of
    the whole node."""

    def receive_bus(self, data: bytes, *, now: float) -> None:
        """Handle a message of another node."""

    def send_messages(self) -> None:
        """Send what the engine tells other nodes."""

    def leave(self) -> None:
        """Tell other nodes that the engine serves nobody any more."""

    def figures(self, *, now: float) -> dict[str, float]:
        """Return figures about them, by their names in `registry.telemetry.figures`."""


class TableKeeper:
    """Keeps the table for the next run as it changes, so that a registry that was killed goes on
    with it. It is written before what it says is broadcast, and not synced: after a power cut
    everybody fetches the table anew."""

    def __init__(self, directory: Directory, storage: Storage) -> None:
        self._directory = directory
        self._storage = storage
        self._upto = 0
        self._has_failed = False

    def keep(self) -> None:
        """Keep what has changed since the last call. The first failure is the last try."""
        table = self._directory.table
        if table.version == self._upto or self._has_failed:
            return
        delta = table.delta(self._upto, bytes_max=_UNLIMITED, rows_max=_UNLIMITED)
        is_first, self._upto = not self._upto, table.version
        try:
            if is_first or not self._storage.add_to_table(delta.version, delta.rows):
                self._storage.keep_table(self._directory.kept())
        except (OSError, ValueError) as error:  # the next run tells the table anew
            self._has_failed = True
            _log.warning("the table is not kept any more: %s", quoted(str(error)))


class RegistryDriver:
    """Runs one core with sockets, a clock and a store."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        core: RegistryCore,
        store: Store,
        *,
        keeper: TableKeeper | None = None,
        files: "KeptFiles | None" = None,
        neighbours: Neighbours | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`files`: those that are kept for people who are away; None: none are. `neighbours`: of a
        registry in a cluster."""
        self._now = machine.now
        self._wall = machine.wall
        self._loop = loop
        self._core = core
        self._keeper = keeper
        self._neighbours = neighbours
        self._has_left = False
        """Whether the other nodes were told that the engine serves nobody any more."""
        self.edge: Final = EdgeDriver(
            loop, core, self._take_rest, timed=neighbours, machine=machine
        )
        self.committer = Committer(loop, core, store, self.edge.call_guarded, now=machine.now)
        self._files = files
        if files is not None:
            core.edge.take_file_link = partial(self._take_file_link, files)
        self._maintenance: asyncio.TimerHandle | None = None
        self._show: Callable[[list[str]], None] | None = None

    def start(self, endpoint: Endpoint) -> None:
        """Begin to serve."""
        self._maintain()
        self.edge.start(endpoint)

    async def stop(self) -> KeptTable:
        """Stop: tell everybody, store and answer what is under way, then end the links and close
        the store. In a cluster nobody is told: people are back at another node in a moment. Return
        the table before the links ended."""
        if self._neighbours is None:
            self._core.tell_stopping()
        await self.committer.settle()
        if self._maintenance is not None:
            self._maintenance.cancel()
        if self._neighbours is not None:
            self._has_left = True
            self._neighbours.leave()
        table = self._core.engine.hub.directory.kept()
        if self._files is not None:
            await self._files.stop()
        await self.edge.stop("the registry stops")
        await self.committer.finish()
        return table

    def _take_file_link(self, files: "KeptFiles", link: FileLink) -> None:
        opened = self.edge.let_go(link.number)
        files.take(opened, link.identity, link.session, link.answer)

    def receive_bus(self, data: bytes) -> None:
        """Hand a message of another node to the engine, unless it has left: what it would store
        then is not stored."""
        if self._neighbours is not None and not self._has_left:
            self.edge.call_guarded(self._neighbours.receive_bus, data)

    def _take_rest(self) -> None:
        if self._keeper is not None:
            self._keeper.keep()
        self.committer.commit()
        if self._neighbours is not None:
            self._neighbours.send_messages()
        console_lines = self._core.take_console_lines()
        if console_lines and self._show is not None:
            self._show(console_lines)

    def _maintain(self) -> None:
        self._maintenance = self._loop.call_later(MAINTENANCE_SPAN, self._maintain)
        self._core.set_wall(self._wall(), now=self._now())
        self.committer.maintain()
        if self._files is not None:
            self._files.maintain()

    # --- the registry's own terminal

    def open_console(self, show: Callable[[list[str]], None], *, is_terminal: bool) -> None:
        """Open the console. `show` prints its lines; `is_terminal`: whether a person types, and not
        a script."""
        self._show = show
        self.edge.call_guarded(partial(self._core.console_opened, is_terminal=is_terminal))

    def console_typed(self, line: str) -> None:
        """Pass on a line that was typed at the console."""
        self.edge.call_guarded(self._core.console_typed, line)

    def close_console(self) -> None:
        """Pass on that the console's input has ended."""
        self.edge.call_guarded(self._core.console_closed)

    # --- the administrator

    def snapshot(self) -> CoreSnapshot:
        """Return the figures of the core and of this driver."""
        snapshot = self._core.snapshot(now=self._now())
        snapshot.figures.update(self.edge.figures())
        if self._files is not None:
            snapshot.figures.update(self._files.figures())
        if self._neighbours is not None:
            snapshot.figures.update(self._neighbours.figures(now=self._now()))
        snapshot.figures["store_accepts_writes"] = int(self.committer.is_storing)
        return snapshot

    def change_lists(self, lists: AccessLists) -> int:
        """Put new access lists in force. Return how many people who are here have to go."""
        count = self._core.change_lists(lists, now=self._now())
        self.edge.wake()
        return count
