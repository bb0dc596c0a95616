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
from typing import Final

from registry.core import RegistryCore
from registry.store.errors import StoreError, StoreFull
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_STORED_AGAIN: Final = "the disk takes what is to be stored again"


QUIET_AFTER: Final = 10.0
"""Seconds without trouble after which it is over: on a nearly full disk small entries find room now and then."""


class _Complaints:
    """What goes wrong with the disk, for whoever runs the registry: one line when it begins, one when it is over."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def say(self, level: int, what: str, error: BaseException) -> None:
        """It goes wrong, for the first time or once more."""
        if what not in self._last:
            _log.log(level, "%s: %s", what, error)
        self._last[what] = time.monotonic()

    def went_well(self, what: str, after: str, *, is_sure: bool = False) -> None:
        """It went well, which ends the trouble when it was the first time for a while, or is sure to stay so."""
        if what in self._last and (is_sure or time.monotonic() - self._last[what] >= QUIET_AFTER):
            del self._last[what]
            _log.warning("%s", after)


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
        self._complaints = _Complaints()
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
        """Start a checkpoint when one is due; after a failed sync, see whether the disk can be written to again."""
        now = time.monotonic()
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
        if count:
            self._complaints.went_well("not stored", _STORED_AGAIN)
        self._tell(self._core.entries_stored, count)

    def _failed(self, error: BaseException, *, newest: int | None) -> None:
        if newest is None:
            self._stored = self._appended
        self._complaints.say(logging.ERROR, "not stored", error)
        self._tell(
            partial(self._core.store_failed, newest=newest, is_full=isinstance(error, StoreFull)), str(error)
        )

    def _recovered(self, done: asyncio.Future[None]) -> None:
        if done.exception() is None:
            self._complaints.went_well("not stored", _STORED_AGAIN, is_sure=True)
        self._end_checkpoint()  # of what goes on being wrong somebody was told

    def _checkpointed(self, done: asyncio.Future[None]) -> None:
        error = done.exception()
        if error is not None:
            self._complaints.say(logging.WARNING, "checkpoint put off", error)
        else:
            self._complaints.went_well("checkpoint put off", "the checkpoint is made up for", is_sure=True)
        self._end_checkpoint()

    def _end_checkpoint(self) -> None:
        running, self._checkpoint = self._checkpoint, None
        if running is not None:
            running.set_result(None)
