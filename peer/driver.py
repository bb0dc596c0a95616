"""Pumping one core: bytes and time into it; datagrams, link bytes, records and events out of it.

It knows sockets, the disk and the clock. What anything means stands in `peer.core`; what one can ask, in `peer.client`.
"""

import asyncio
import contextlib
import logging
import random
import sqlite3
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.core import events as happened
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.events import Event
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.records import Record, can_wait
from chatapp.peer.errors import AlreadyOpen, NotOpen, ServerUnreachable
from chatapp.peer.history.damage import lines_about
from chatapp.peer.history.database import History, Maintenance
from chatapp.peer.keystore import KeyFolder
from chatapp.peer.receipts import Receipts
from chatapp.peer.transport import Connection, call_guarded
from chatapp.wire.address import Address, ip_literal, server_name
from chatapp.wire.aio.datagram import DatagramEndpoint
from chatapp.wire.aio.hosts import host_from
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import AddressRefused
from chatapp.wire.limits import EVENTS_WAITING_MAX, RECORDS_WAITING_MAX, TEXTS_WAITING_MAX
from chatapp.wire.names import PeerName


class Waiters:
    """Those who wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Until the next `wake`."""
        future = self._loop.create_future()
        self._futures.append(future)
        await future

    def wake(self) -> None:
        """All who wait now go on."""
        if self._futures:
            futures, self._futures = self._futures, []
            for future in futures:
                if not future.done():  # whoever waited may have been cancelled
                    future.set_result(None)


WAIT_FOR_COMPANY: Final = 0.02
"""Seconds for which records that carry no promise wait for a commit that is made anyway."""

STORE_AGAIN_AFTER: Final = 1.0
"""Seconds between tries to write to a full disk; nothing is acknowledged meanwhile."""


class CommitQueue:
    """Commits records, all that are due in one transaction."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: list[Record] = []
        self._texts_waiting = 0
        """The length of the texts of those."""
        self._waiting_since = 0.0
        self._is_urgent = False
        self._again_at = 0.0
        self.trouble: str | None = None
        """Why nothing can be stored; set once when it begins. Whoever tells of it sets it to None."""

    def keep(self, records: Sequence[Record], *, now: float, is_last: bool = False) -> bool:
        """Take more; true when nothing promised is unstored. `is_last`: no other commit will come."""
        if records:
            if not self._waiting:
                self._waiting_since = now
            self._waiting += records
            for record in records:
                self._texts_waiting += len(getattr(record, "text", ""))
            self._is_urgent = self._is_urgent or not all(map(can_wait, records))
        if not self._waiting:
            return True
        if now < self._again_at and not is_last:
            return False
        if not self._is_urgent and not is_last and now < self._waiting_since + WAIT_FOR_COMPANY:
            return True
        return self._commit(now)

    def use(self, history: History) -> None:
        """The same memory, at another place."""
        self._history = history

    @property
    def is_full(self) -> bool:
        """Whether so much waits for a disk that takes nothing that no more may come."""
        return len(self._waiting) >= RECORDS_WAITING_MAX or self._texts_waiting >= TEXTS_WAITING_MAX

    def next_timer(self) -> float | None:
        """When `keep` is to be called again though nothing new came."""
        if not self._waiting:
            return None
        return max(self._again_at, self._waiting_since + WAIT_FOR_COMPANY)

    def _commit(self, now: float) -> bool:
        try:
            self._history.apply(self._waiting)
        except sqlite3.Error as error:
            if not self._again_at:
                self.trouble = f"Nothing can be stored ({error}); messages are not acknowledged until it can"
            self._again_at = now + STORE_AGAIN_AFTER
            return False
        self._again_at = 0.0
        self._is_urgent = False
        self._waiting.clear()
        self._texts_waiting = 0
        return True


LOOK_SPAN: Final = 5.0
"""Seconds between looks, and of quiet before anything is done."""

BUSY_LOOKS: Final = 12
"""Looks in a row with news behind each, after which it is tidied nevertheless."""

STEP_SPAN: Final = 0.05
"""Seconds between two steps, each of which takes some milliseconds."""

_log = logging.getLogger("chatapp.peer")


class Housekeeping:
    """Tidies one history until it is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tidy: Maintenance) -> None:
        self._loop = loop
        self._tidy = tidy
        self._newest = -1
        self._busy = 0
        """Looks with news, since there was nothing more to do."""
        self._timer = loop.call_later(LOOK_SPAN, self._look)

    def close(self) -> None:
        """The last chance; the history is closed next."""
        self._timer.cancel()
        self._do(self._tidy.finish)

    def _look(self) -> None:
        newest = self._do(self._tidy.newest)
        is_quiet, self._newest = newest == self._newest, newest
        self._busy += not is_quiet
        is_due = is_quiet or self._busy > BUSY_LOOKS
        is_more = is_due and bool(self._do(self._tidy.step))
        if is_due and not is_more:
            self._busy = 0
        self._timer = self._loop.call_later(STEP_SPAN if is_more else LOOK_SPAN, self._look)

    @staticmethod
    def _do(what: Callable[[], int | None]) -> int:
        try:
            return int(what() or 0)
        except sqlite3.Error as error:
            # A full disk, say; the next look tries again.
            _log.warning("history.db is not tidied up: %s", error)
            return 0


UNREAD_MAX: Final = 1_000
"""Events that are kept for a program that has read none yet: one that only sends must not gather them without end."""

SHOWN_TOGETHER: Final = 256
"""Events that a loop is done with before that is noted, while more of them wait."""


class EventQueue:
    """Events that one reader has not taken yet."""

    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.size = 0
        """The length of their texts."""

    def __len__(self) -> int:
        return len(self.events)

    @property
    def is_full(self) -> bool:
        """Whether the reader is so far behind that nothing more must come."""
        return len(self.events) >= EVENTS_WAITING_MAX or self.size >= TEXTS_WAITING_MAX


class EventFeed:
    """One opening of a peer. The first loop reads the main queue, whose reader decides what has been shown; any other
    loop gets the same events in a queue of its own, from its beginning on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, has_room: Callable[[], None]) -> None:
        """`has_room` is called when a reader has caught up with a feed that was full."""
        self._waiters = Waiters(loop)
        self._has_room = has_room
        self._others: list[EventQueue] = []
        self._has_main_loop = False
        self.main: Final = EventQueue()
        self.is_read = False
        """Whether somebody has begun to read."""
        self.is_closed = False

    def put(self, events: Sequence[Event]) -> None:
        """These have happened; readers go on."""
        size = 0
        for event in events:
            size += len(getattr(event, "text", ""))
        queues = [self.main, *self._others] if self.is_read or len(self.main) < UNREAD_MAX else self._others
        for queue in queues:
            queue.events.extend(events)
            queue.size += size
        self._waiters.wake()

    def close(self) -> None:
        """Nothing more happens: readers get what is left, and end."""
        self.is_closed = True
        self._waiters.wake()

    @property
    def is_full(self) -> bool:
        """Whether a reader is so far behind that nothing more must come."""
        if self.is_read and self.main.is_full:
            return True
        return bool(self._others) and any(queue.is_full for queue in self._others)

    async def next_batch(self) -> list[Event]:
        """All of the main queue; waits for something; empty when closed."""
        self.is_read = True
        await self._wait_for(self.main)
        return self.take()

    def take(self) -> list[Event]:
        """All of the main queue, without waiting."""
        was_full = self.is_full
        batch = list(self.main.events)
        self.main.events.clear()
        self.main.size = 0
        self._caught_up(was_full=was_full)
        return batch

    async def read(self, shown: Callable[[list[Event]], None]) -> AsyncGenerator[Event, None]:
        """Each event, until the feed is closed. The first loop calls `shown` with the events beyond which it was asked;
        when it has ended, the next loop that begins takes its place."""
        is_main = not self._has_main_loop
        if is_main:
            queue, self._has_main_loop, self.is_read = self.main, True, True
        else:
            queue = EventQueue()
            self._others.append(queue)
        done: list[Event] = []
        try:
            while await self._wait_for(queue):
                was_full = self.is_full
                event = queue.events.popleft()
                queue.size -= len(getattr(event, "text", ""))
                self._caught_up(was_full=was_full)
                yield event
                done.append(event)
                if is_main and (not queue or len(done) >= SHOWN_TOGETHER):
                    shown(done)
                    done = []
        finally:
            if is_main:
                shown(done)
                self._has_main_loop = False
            else:
                was_full = self.is_full
                self._others = [other for other in self._others if other is not queue]
                self._caught_up(was_full=was_full)

    def _caught_up(self, *, was_full: bool) -> None:
        if was_full and not self.is_full and not self.is_closed:
            self._has_room()

    async def _wait_for(self, queue: EventQueue) -> bool:
        """Wait for an event in this queue; false when it is empty and none will come."""
        while not queue and not self.is_closed:
            await self._waiters.wait()
        return bool(queue)


SOON_ENOUGH: Final = 0.01
"""Seconds after which it is seen what is due: no more than the shortest span of any part, so that nobody notices."""

_TOO_MUCH: Final = "Too much waits to be shown: nobody's messages are taken until it is"


class PeerDriver:
    """One core on real sockets and a real disk."""

    def __init__(
        self,
        name: PeerName,
        server: Address,
        *,
        registry_key: str | None,
        port: int,
        home: Path,
        policy: Policy,
    ) -> None:
        self._name = name
        """Ours while the peer is not open; while it is, the core knows it."""
        self._server = server
        """As it was given: its host may be a name."""
        self._registry_key = registry_key
        """The digits of the fingerprint that the registry's key must have; None for any."""
        self._port = port
        self._home = home
        self._policy = policy
        self._receipts = Receipts()
        self._timer: asyncio.TimerHandle | None = None
        self._is_pump_due = False
        self._is_opening = False
        self._is_open = False
        self._feed: EventFeed | None = None
        """The events of the present opening, or the last one."""
        self._is_full = False
        self._is_changing = False
        """Whether the core is to begin again with what is known of another registry."""

    # --- life

    async def open(self) -> None:
        """Find the server, bind, lock, load, begin to register; also again after `close`. Raises AlreadyOpen,
        ServerUnreachable, PortInUse, FolderInUse, BrokenKeyFile, OtherKey, sqlite3.Error, OSError."""
        if self._is_open or self._is_opening:
            raise AlreadyOpen
        self._is_opening = True
        try:
            self._load(await _found(self._server))
        finally:
            self._is_opening = False

    def _load(self, address: Address) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting_for_turn = Waiters(self._loop)
        wall = time.time()
        with contextlib.ExitStack() as undo:
            self._endpoint = DatagramEndpoint(self._loop, self._datagrams_came)
            undo.callback(self._endpoint.close)
            self._endpoint.open(self._port)
            self._keys = KeyFolder(self._home, self._name, wall=wall)
            undo.callback(self._keys.close)
            damage = lines_about(self._keys.history, is_new=self._keys.is_new)
            self._history = History(self._keys.history, server=server_name(*self._server))
            undo.callback(self._history.close)
            self._core = self._make_core(self._name, address, wall)
            undo.pop_all()
        # A new one: what an earlier opening left unshown is in the history, and comes from there again.
        self._feed = EventFeed(self._loop, has_room=self._schedule)
        self._tell([happened.Trouble(text=line) for line in damage])
        self._is_full = self._is_changing = False
        self._commit_queue = CommitQueue(self._history)
        self._housekeeping = Housekeeping(self._loop, self._history.tidy)
        self._is_open = True
        self._begin(address)
        self._pump()

    def _begin(self, address: Address) -> None:
        self._address = address
        self._connection = Connection(self._core, address.host, read_clock=self._now, pump=self._pump)
        if self._registry_key is not None:
            self._core.demand_registry(self._registry_key)
        self._core.start(now=self._now())

    def _make_core(self, name: str, address: Address, wall: float) -> PeerCore:
        now = self._loop.time()
        me = LocalIdentity(
            name=name,
            other_name=self._keys.other_name,
            identity=self._keys.identity,
            mail_keys=self._keys.mail_keys,
            counter=self._keys.next_counter(wall),
        )
        return PeerCore(
            me,
            server=address,
            loaded=self._history.load(),
            rng=random.SystemRandom(),
            policy=self._policy,
            now=now,
            wall_offset=wall - now,
        )

    def _shut(self) -> None:
        if not self._is_open:
            return
        self._receipts.close(is_kept=self._store(is_last=True))
        self._is_open = False
        self._name = PeerName(self._core.me.name)
        self._waiting_for_turn.wake()
        self._open_feed().close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connection.close()
        self._endpoint.close()
        self._housekeeping.close()
        self._history.close()
        self._keys.close()

    # --- the pump

    def _now(self) -> float:
        """Monotonic seconds for the core, and what the wall clock shows by it: both may be set at any time."""
        now = self._loop.time()
        self._core.wall_offset = time.time() - now
        return now

    def _datagrams_came(self, batch: list[tuple[bytes, Address]]) -> None:
        now = self._now()
        for data, source in batch:
            call_guarded(self._core.receive_datagram, data, source, now=now, dropped=self._core.dropped)
        self._pump()

    def _timer_rang(self) -> None:
        self._timer = None
        call_guarded(self._core.handle_timer, now=self._now(), dropped=self._core.dropped)
        self._turn()
        self._ring_when_due()

    def _schedule(self) -> None:
        """Pump once after this loop turn: all that it did shares datagrams and one commit."""
        if not self._is_pump_due:
            self._is_pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._is_pump_due = False
        if self._is_open:
            self._turn()
            self._ring_soon(self._loop.time())

    def _turn(self) -> None:
        now = self._loop.time()
        met = self._core.registry_met()
        self._is_changing |= met is not None and self._history.registries.is_change(met)
        if self._is_changing and not self._change_registry():
            self._waiting_for_turn.wake()
            return
        self._endpoint.send_all(self._core.datagrams_to_send(now=now))
        if self._store() and self._core.records_stored(now=now):
            self._endpoint.send_all(self._core.datagrams_to_send(now=now))
        self._connection.tend(now=now)
        events = self._core.events()
        for event in events:
            self._receipts.note(event)
        if (name := self._core.renaming.news()) is not None:
            self._follow(name)
        self._tell(events)
        self._look_for_room()
        self._waiting_for_turn.wake()

    def _change_registry(self) -> bool:
        """Our server leads to another registry than the one whose people the core began with: begin again with what the
        history knows of this one. False: the disk does not take the change yet."""
        if not self._store():
            return False
        self._is_changing = False
        told = happened.Registered | happened.RegistryMet
        events = [event for event in self._core.events() if not isinstance(event, told)]
        if servers := self._history.registries.other_servers():
            events.append(happened.RegistryRecognized(servers=tuple(servers)))
        self._tell(events)
        self._connection.close()
        self._registry_key = self._core.demanded_registry
        self._core = self._make_core(self._core.me.name, self._address, time.time())
        self._begin(self._address)
        return True

    def _look_for_room(self) -> None:
        """Take nobody's messages while nobody shows them, or no disk takes them: else they would fill our memory."""
        is_full = self._open_feed().is_full
        if is_full and not self._is_full:
            self._tell([happened.Trouble(text=_TOO_MUCH)])
        self._is_full = is_full
        has_room = not is_full and not self._commit_queue.is_full
        self._core.take_messages(has_room=has_room)
        self._connection.hold(is_held=not has_room)
        self._core.read_link(is_read=has_room, now=self._now())

    def _store(self, *, is_last: bool = False) -> bool:
        """Give the disk what the core wants stored; true when nothing promised is unstored."""
        is_stored = self._commit_queue.keep(
            self._core.records_to_store(), now=self._loop.time(), is_last=is_last
        )
        if self._commit_queue.trouble is not None:
            self._tell([happened.Trouble(text=self._commit_queue.trouble)])
            self._commit_queue.trouble = None
        return is_stored

    def _ring_soon(self, now: float) -> None:
        """Something has happened, and may be due sooner or later. To look for the earliest deadline of all costs as
        much as a message, so that waits until the timer rings."""
        if self._timer is not None:
            if self._timer.when() <= now + SOON_ENOUGH:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(now + SOON_ENOUGH, self._timer_rang)

    def _ring_when_due(self) -> None:
        """Nothing has happened but what was due: wait for what is due next."""
        dues = [due for due in (self._core.next_timer(), self._commit_queue.next_timer()) if due is not None]
        if dues and self._timer is None and self._is_open:
            self._timer = self._loop.call_at(min(dues), self._timer_rang)

    def _open_core(self) -> PeerCore:
        if not self._is_open:
            raise NotOpen
        return self._core

    async def _change(self) -> None:
        """Wait for the next turn of the pump."""
        await self._waiting_for_turn.wait()

    async def _until(self, is_so: Callable[[PeerCore], bool]) -> None:
        """Wait until this is so. Raises NotOpen, also when the peer is closed meanwhile."""
        while not is_so(self._open_core()):
            await self._change()

    def _tell(self, events: Sequence[happened.Event]) -> None:
        """Give these to every reader."""
        if events:
            self._open_feed().put(events)

    def _open_feed(self) -> EventFeed:
        if self._feed is None:
            raise NotOpen
        return self._feed

    def _follow(self, name: str) -> None:
        """The registry knows us by this name for sure: our folder bears it from now on. Between the two steps the
        history is closed; a crash anywhere leaves a folder that is found under either name (`peer.keystore`)."""
        self._commit_queue.keep((), now=self._loop.time(), is_last=True)
        self._housekeeping.close()
        self._history.close()
        try:
            self._keys.settle(name)
        except OSError as error:
            trouble = f"The folder of {name} could not be moved ({error}); the next start tries again"
            self._tell([happened.Trouble(text=trouble)])
        self._history = History(self._keys.history, server=server_name(*self._server))
        self._commit_queue.use(self._history)
        self._housekeeping = Housekeeping(self._loop, self._history.tidy)


async def _found(server: Address) -> Address:
    """The IP address of a server that may be given by name. Raises ServerUnreachable."""
    try:
        if ip_literal(server.host) is not None:  # needs no thread
            return Address(host_from(server.host, "server"), server.port)
        return Address(await asyncio.to_thread(host_from, server.host, "server"), server.port)
    except AddressRefused as error:
        raise ServerUnreachable(str(error)) from error
