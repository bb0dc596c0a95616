"""This file is about group commit: entries are appended at once, and one sync at a time covers all that came meanwhile.

There is no timer: the next sync begins when the last one ends. So a lone letter waits for one sync, and a crowd shares
one. Syncs and checkpoints run in a thread each; the loop never waits for the disk. It must not know what entries mean.

The core hears of what became of them through `tell`, the shell's fence, which also lets the answers out.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from registry.core import RegistryCore
from registry.store.errors import StoreError, StoreFull
from registry.store.protocol import Store

_log = logging.getLogger(__name__)


class Committer:
    """Brings the core's entries to the disk, and tells it when they are there."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, core: RegistryCore, store: Store, tell: Callable[..., None]
    ) -> None:
        self._loop = loop
        self._core = core
        self._store = store
        self._tell = tell
        self._sync_thread = ThreadPoolExecutor(1, "sync")
        self._checkpoint_thread = ThreadPoolExecutor(1, "checkpoint")
        self._appended = 0
        self._stored = 0
        self._sync: asyncio.Future[None] | None = None
        self._checkpoint: asyncio.Future[None] | None = None

    def commit_now(self) -> None:
        """At start, before anybody is served: append and sync, here and now."""
        self._append()
        try:
            self._store.sync()
        except StoreError as error:
            self._failed(error, newest=None)
        else:
            self._confirm(self._appended)

    def commit(self) -> None:
        """Append what the core has, and see to it that a sync is on its way."""
        self._append()
        if self._sync is None and self._appended > self._stored:
            # The future stands before anything can call back, so that two syncs never run at once.
            self._sync = self._loop.create_future()
            running = self._loop.run_in_executor(self._sync_thread, self._store.sync)
            covered = self._appended
            running.add_done_callback(lambda done: self._synced(done, covered))

    def look_after(self) -> None:
        """Start a checkpoint when one is due."""
        if self._checkpoint is not None or not self._store.checkpoint_due(time.monotonic()):
            return
        self._checkpoint = self._loop.create_future()
        running = self._loop.run_in_executor(self._checkpoint_thread, self._store.checkpoint)
        running.add_done_callback(self._checkpointed)

    async def settle(self) -> None:
        """Until all that was promised so far is on the disk or refused."""
        self.commit()
        upto = self._appended
        while self._sync is not None and self._stored < upto:
            await self._sync

    async def finish(self) -> None:
        """The last syncs and checkpoints end, the store is closed."""
        while self._sync is not None or self._checkpoint is not None:
            await asyncio.gather(*(one for one in (self._sync, self._checkpoint) if one is not None))
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

    def _synced(self, done: asyncio.Future[None], covered: int) -> None:
        running, self._sync = self._sync, None
        try:
            error = done.exception()
            if error is None:
                self._confirm(covered)
                self.look_after()  # it may be the end of a visit, whose words are to leave the disk
            else:
                self._failed(error, newest=None)
        finally:
            if running is not None:
                running.set_result(None)  # whoever stops the registry waits for it

    def _confirm(self, covered: int) -> None:
        count, self._stored = covered - self._stored, covered
        self._tell(self._core.entries_stored, count)

    def _failed(self, error: BaseException, *, newest: int | None) -> None:
        if newest is None:
            self._stored = self._appended
        _log.error("not stored: %s", error)
        self._tell(
            partial(self._core.store_failed, newest=newest, is_full=isinstance(error, StoreFull)), str(error)
        )

    def _checkpointed(self, done: asyncio.Future[None]) -> None:
        running, self._checkpoint = self._checkpoint, None
        error = done.exception()
        if error is not None:
            _log.warning("checkpoint put off: %s", error)
        if running is not None:
            running.set_result(None)
