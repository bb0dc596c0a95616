"""This file is about pumping one core: bytes and time into it; datagrams, link bytes, records and events out of it.

It knows sockets, the disk and the clock. What anything means stands in `peer.core`; what one can ask, in `peer.node`.
"""

import asyncio
import logging
import os
import random
import time
from collections import deque
from pathlib import Path
from typing import Final

from peer.connection import Connection
from peer.core import events as happened
from peer.core.engine import PeerCore
from peer.core.me import Me
from peer.fence import hear
from peer.history import History
from peer.housekeeping import Housekeeping
from peer.keeping import Keeper
from peer.keys import KeyFolder
from peer.receipts import Receipts
from peer.waiters import Waiters
from wire.address import Address
from wire.aio.datagram import DatagramEndpoint
from wire.delivery.policy import Policy
from wire.limits import EVENTS_WAITING_MAX
from wire.names import PeerName

_log = logging.getLogger("chatapp.peer")

SOON_ENOUGH: Final = 0.01
"""Seconds after which it is seen what is due: no more than the shortest span of any part, so that nobody notices."""

_TOO_MUCH: Final = "Too much waits to be shown: nobody's messages are taken until it is"


class Pump:
    """One core on real sockets and a real disk."""

    def __init__(self, name: PeerName, server: Address, *, port: int, home: Path, policy: Policy) -> None:
        self._name: Final = name
        """As it was asked for; the core knows what it is now."""
        self._server = server
        self._port = port
        self._home = home
        self._policy = policy
        self._receipts = Receipts()
        self._events: deque[happened.Event] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_pump_due = False
        self._is_open = False
        self._is_full = False
        self._is_watched = False
        """Whether events are wanted: a program that only sends must not gather them without end."""

    # --- life

    async def open(self) -> None:
        """Bind, lock, load, begin to register. Raises PortInUse, FolderInUse, BrokenKeyFile, sqlite3.Error."""
        self._loop = asyncio.get_running_loop()
        self._waiting_for_turn = Waiters(self._loop)
        self._waiting_for_events = Waiters(self._loop)
        self._endpoint = DatagramEndpoint(self._loop, self._datagrams_came)
        self._port = self._endpoint.open(self._port)
        wall = time.time()
        try:
            self._keys = KeyFolder(self._home, self._name, wall=wall)
        except BaseException:
            self._endpoint.close()
            raise
        try:
            self._history = History(self._keys.history, server=str(self._server))
            self._core = self._make_core(wall)
        except BaseException:
            self._endpoint.close()
            self._keys.close()
            raise
        self._keeper = Keeper(self._history)
        self._housekeeping = Housekeeping(self._loop, self._history.tidy)
        self._connection = Connection(self._core, self._server.host, read_clock=self._now, pump=self._pump)
        self._is_open = True
        self._core.start(now=self._now())
        self._pump()

    def _make_core(self, wall: float) -> PeerCore:
        now = self._loop.time()
        me = Me(
            name=self._name,
            other_name=self._keys.other_name,
            identity=self._keys.identity,
            live=os.urandom(32),
            mail_keys=self._keys.mail_keys,
            counter=self._keys.next_counter(wall),
        )
        return PeerCore(
            me,
            server=self._server,
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
        self._tell()
        if self._timer is not None:
            self._timer.cancel()
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
            hear(self._core.receive_datagram, data, source, now=now, dropped=self._core.dropped)
        self._pump()

    def _timer_rang(self) -> None:
        self._timer = None
        hear(self._core.handle_timer, now=self._now(), dropped=self._core.dropped)
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
        self._endpoint.send_all(self._core.datagrams_to_send(now=now))
        if self._store() and self._core.records_stored(now=now):
            self._endpoint.send_all(self._core.datagrams_to_send(now=now))
        self._connection.tend(now=now)
        events = self._core.events()
        for event in events:
            self._receipts.note(event)
        if (name := self._core.renaming.news()) is not None:
            self._follow(name)
        if self._is_watched or len(self._events) < 1_000:
            self._events += events
        self._look_for_room()
        self._tell()

    def _look_for_room(self) -> None:
        """Take nobody's messages while nobody shows them, or no disk takes them: else they would fill our memory."""
        is_full = self._is_watched and len(self._events) >= EVENTS_WAITING_MAX
        if is_full and not self._is_full:
            self._events.append(happened.Trouble(text=_TOO_MUCH))
        self._is_full = is_full
        has_room = not is_full and not self._keeper.is_full
        self._core.take_messages(has_room=has_room)
        self._connection.hold(is_held=not has_room)

    def _store(self, *, is_last: bool = False) -> bool:
        """Give the disk what the core wants stored; true when nothing promised is unstored."""
        is_stored = self._keeper.keep(self._core.records_to_store(), now=self._loop.time(), is_last=is_last)
        if self._keeper.trouble is not None:
            self._events.append(happened.Trouble(text=self._keeper.trouble))
            self._keeper.trouble = None
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
        dues = [due for due in (self._core.next_timer(), self._keeper.next_timer()) if due is not None]
        if dues and self._timer is None and self._is_open:
            self._timer = self._loop.call_at(min(dues), self._timer_rang)

    async def _change(self) -> None:
        """Wait for the next turn of the pump."""
        await self._waiting_for_turn.wait()

    def _tell(self) -> None:
        """Wake whoever waits for a turn, and for events if there are some or no more come."""
        self._waiting_for_turn.wake()
        if self._events or not self._is_open:
            self._waiting_for_events.wake()

    def _follow(self, name: str) -> None:
        """The registry knows us by this name for sure: our folder bears it from now on. Between the two steps the
        history is closed; a crash anywhere leaves a folder that is found under either name (`peer.keys`)."""
        self._keeper.keep((), now=self._loop.time(), is_last=True)
        self._housekeeping.close()
        self._history.close()
        try:
            self._keys.settle(name)
        except OSError as error:
            self._events.append(
                happened.Trouble(
                    text=f"The folder of {name} could not be moved ({error}); the next start tries again"
                )
            )
        self._history = History(self._keys.history, server=str(self._server))
        self._keeper.use(self._history)
        self._housekeeping = Housekeeping(self._loop, self._history.tidy)
