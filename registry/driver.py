"""The driver: it carries bytes between sockets and the core, entries to the disk, and rings the core's one timer.

Everything that comes in one turn of the event loop is answered together at its end.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from chatapp.registry.access import AccessLists
from chatapp.registry.admin.messages import AdminAnswer, CoreRequest
from chatapp.registry.core import CoreSnapshot, RegistryCore
from chatapp.registry.effects import DropReason, Event, Fault, LinkRenewed
from chatapp.registry.front.front import Output
from chatapp.registry.store.protocol import Store
from chatapp.registry.telemetry.figures import COMMIT_BOUNDS, Histogram
from chatapp.registry.texts import LINK_ENDS, event_line
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import THIS_MACHINE, Endpoint, Machine
from chatapp.wire.errors import StoreError, StoreFull, StoreLost, quoted

_log = logging.getLogger(__name__)

_LEVELS: Final[dict[type[Event], int]] = {Fault: logging.ERROR, LinkRenewed: logging.DEBUG}
"""The levels of the log's lines for events; those not named here are for information."""

T = TypeVar("T")

_NOT_STORED: Final = "not stored"
_STORED_AGAIN: Final = "the disk takes what is to be stored again"


QUIET_AFTER: Final = 10.0
"""Seconds without trouble after which it counts as over: on a nearly full disk small entries find room now and then."""


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
        """Note a success. It ends the trouble if it is the first for a while, or `is_sure` to last."""
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
            await asyncio.shield(self._checkpoint)  # others wait for it, too: our cancelling must not end it
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
            partial(self._core.store_failed, newest=newest, is_full=isinstance(error, StoreFull)), str(error)
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
            self._trouble.went_well("checkpoint put off", "the checkpoint is made up for", is_sure=True)
        self._end_checkpoint()

    def _end_checkpoint(self) -> None:
        running, self._checkpoint = self._checkpoint, None
        if running is not None:
            running.set_result(None)


BROADCAST_SLICE = 256
"""Datagrams of a broadcast sent before others get the event loop: 10,000 at once would hold it for 15 ms."""

MAINTENANCE_SPAN = 5.0
"""Seconds between two looks at the wall clock and at the store's need of a checkpoint."""

LINGER_FOR = 5.0
"""Seconds that a closed link may take for its last bytes: a peer that never reads must not keep it."""

FLUSH_FOR = 0.25
"""Seconds that links have for their last bytes when the registry stops."""


class RegistryDriver:
    """Runs one core with sockets, a clock and a store. It owns all links (`wire.aio.link.TcpLinkOwner`)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        core: RegistryCore,
        store: Store,
        *,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        self._now = machine.now
        self._wall = machine.wall
        self._loop = loop
        self._core = core
        self.committer = Committer(loop, core, store, self._call_guarded, now=machine.now)
        self._endpoint: Endpoint | None = None
        self._numbers: dict[TcpLink, int] = {}
        self._links: dict[int, TcpLink] = {}
        self._next_number = 1
        self._behind: set[int] = set()
        """Links whose readers were behind when last looked at."""
        self.datagrams_in = self.datagrams_out = 0
        """Datagrams since the start."""
        self._admin_requests: dict[str, asyncio.Future[AdminAnswer]] = {}
        """Admin requests whose answer is awaited, by ticket."""
        self._admin_tickets = itertools.count()
        self._is_awake = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._maintenance: asyncio.TimerHandle | None = None
        self._broadcasts: deque[tuple[bytes, list[Address], int]] = deque()
        self._is_broadcasting = False
        self._emptied = asyncio.Event()
        self._show: Callable[[list[str]], None] | None = None

    def start(self, endpoint: Endpoint) -> None:
        """Begin to serve."""
        self._endpoint = endpoint
        self._maintain()
        self._wake()

    # --- the registry's own terminal

    def open_console(self, show: Callable[[list[str]], None], *, is_terminal: bool) -> None:
        """Open the console. `show` prints its lines; `is_terminal`: whether a person types, and not a script."""
        self._show = show
        self._call_guarded(partial(self._core.console_opened, is_terminal=is_terminal))

    def console_typed(self, line: str) -> None:
        """Pass on a line that was typed at the console."""
        self._call_guarded(self._core.console_typed, line)

    def close_console(self) -> None:
        """Pass on that the console's input has ended."""
        self._call_guarded(self._core.console_closed)

    async def stop(self) -> None:
        """Stop: tell everybody, store and answer what is under way, then end the links and close the store."""
        self._call_guarded(self._core.tell_stopping)
        await self.committer.settle()
        self._turn()
        for handle in (self._timer, self._maintenance):
            if handle is not None:
                handle.cancel()
        self._endpoint = None
        await self._end_links("the registry stops")
        await self.committer.finish()

    async def _end_links(self, reason: str) -> None:
        for end in (TcpLink.close, TcpLink.cut):
            for link in list(self._numbers):
                end(link, reason)
            if self._links:
                self._emptied.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_FOR):
                        await self._emptied.wait()

    # --- in

    def receive(self, batch: list[tuple[bytes, Address]]) -> None:
        """Hand datagrams to the core."""
        self.datagrams_in += len(batch)
        for data, sender in batch:
            self._call_guarded(self._core.receive_datagram, data, sender)

    def link_opened(self, link: TcpLink) -> None:
        number = self._numbers[link] = self._next_number
        self._next_number += 1
        self._links[number] = link
        self._call_guarded(self._core.link_opened, number, link.remote)

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        self._call_guarded(self._core.receive_frames, self._numbers[link], frames)
        self._widen()

    def link_closed(self, link: TcpLink, reason: str) -> None:
        number = self._numbers.pop(link, None)
        if number is not None:
            del self._links[number]
            _log.debug("link of %s is over: %s", link.remote, reason)
            self._call_guarded(self._core.link_closed, number)
        if not self._links:
            self._emptied.set()

    def _call_guarded(self, hear: Callable[..., None], *what: object) -> None:
        """Call an input of the core. The core should never raise; if it does, nobody else is affected."""
        try:
            hear(*what, now=self._now())
        except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
            self._core.dropped[DropReason.FAULT] += 1
            debugging = _log.isEnabledFor(logging.DEBUG)
            _log.error("fault while serving: %s", quoted(repr(error)), exc_info=debugging)
        self._wake()

    # --- out

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Carry out everything that this turn of the event loop produced."""
        self._is_awake = False
        self._widen()
        output = self._core.take_output()
        for number, pieces in output.link_writes:
            link = self._links.get(number)
            if link is not None and not link.write(pieces):
                self._behind.add(number)
        if self._behind:
            self._note_backlogs()
        # Not before the writes: the sync's thread needs the interpreter too, and would delay a thousand of them.
        self.committer.commit()
        self._pause_and_close(output)
        if self._endpoint is not None:
            self.datagrams_out += len(output.datagrams)
            self._endpoint.send_all(output.datagrams)
        self._broadcasts.extend((data, to, 0) for data, to in output.broadcasts)
        if self._broadcasts and not self._is_broadcasting:
            self._broadcast()
        console_lines = self._core.take_console_lines()
        if console_lines and self._show is not None:
            self._show(console_lines)
        self._answer_admin()
        for event in output.events:
            level = _LEVELS.get(type(event), logging.INFO)
            if _log.isEnabledFor(level):
                _log.log(level, "%s", quoted(event_line(event)), extra={"event": event})
        self._arm()

    def _note_backlogs(self) -> None:
        """Tell the core which links' readers are behind, and which have caught up."""
        for number in list(self._behind):
            link = self._links.get(number)
            waiting = 0 if link is None else link.waiting
            self._core.link_backlog(number, waiting)
            if not waiting:
                self._behind.discard(number)

    def _widen(self) -> None:
        """Allow long frames at once: the rest of what one read brought is cut into frames by the new limit."""
        for number in self._core.take_links_to_widen():
            if number in self._links:
                self._links[number].allow_full_frames()

    def _pause_and_close(self, output: Output) -> None:
        links = self._links
        for number in output.links_to_pause:
            if number in links:
                links[number].pause_reading()
        for number in output.links_to_resume:
            if number in links:
                links[number].resume_reading()
        for number, reason in output.links_to_close:
            if number in links:
                links[number].close(LINK_ENDS[reason])
                self._loop.call_later(LINGER_FOR, links[number].cut, LINK_ENDS[reason])

    def _broadcast(self) -> None:
        """Send one slice of a broadcast. The next follows when others had their turn."""
        self._is_broadcasting = False
        if self._endpoint is None or not self._broadcasts:
            self._broadcasts.clear()
            return
        data, addresses, start = self._broadcasts.popleft()
        end = start + BROADCAST_SLICE
        self._endpoint.send_all([(data, address) for address in addresses[start:end]])
        self.datagrams_out += min(end, len(addresses)) - start
        if end < len(addresses):
            self._broadcasts.appendleft((data, addresses, end))
        if self._broadcasts:
            self._is_broadcasting = True
            self._loop.call_soon(self._broadcast)

    # --- admin requests

    async def ask(self, request: CoreRequest) -> AdminAnswer:
        """Carry out an admin request and return its answer; a change is on the disk by then."""
        ticket = str(next(self._admin_tickets))
        answer: asyncio.Future[AdminAnswer] = self._loop.create_future()
        self._admin_requests[ticket] = answer
        self._call_guarded(self._core.run_admin_request, request, ticket)
        try:
            return await answer
        finally:
            del self._admin_requests[ticket]

    def snapshot(self) -> CoreSnapshot:
        """Return the figures of the core and of this driver."""
        snapshot = self._core.snapshot(now=self._now())
        snapshot.figures["datagrams_in"] = self.datagrams_in
        snapshot.figures["datagrams_out"] = self.datagrams_out
        snapshot.figures["store_accepts_writes"] = int(self.committer.is_storing)
        return snapshot

    def _answer_admin(self) -> None:
        for ticket, answer in self._core.take_admin_answers():
            waiting = self._admin_requests.get(ticket)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def change_lists(self, lists: AccessLists) -> int:
        """Put new access lists in force. Return how many people who are here have to go."""
        count = self._core.change_lists(lists, now=self._now())
        self._wake()
        return count

    # --- time

    def _arm(self) -> None:
        """Arm the one timer. One that rings too early does no harm, so a later deadline leaves it as it is."""
        due = self._core.next_timer()
        if due >= self._timer_at or self._endpoint is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(max(due - self._now(), 0.0), self._fire)

    def _fire(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self._call_guarded(self._core.handle_timer)

    def _maintain(self) -> None:
        self._maintenance = self._loop.call_later(MAINTENANCE_SPAN, self._maintain)
        self._core.set_wall(self._wall(), now=self._now())
        self.committer.maintain()
