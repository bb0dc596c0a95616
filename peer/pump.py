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
from peer.history import History
from peer.keeping import Keeper
from peer.keys import KeyFolder
from peer.receipts import Receipts
from wire.address import Address
from wire.aio.datagram import DatagramEndpoint
from wire.delivery.policy import Policy
from wire.names import PeerName

_log = logging.getLogger("chatapp.peer")


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
        self._is_watched = False
        """Whether events are wanted: a program that only sends must not gather them without end."""

    # --- life

    async def open(self) -> None:
        """Bind, lock, load, begin to register. Raises PortInUse, FolderInUse, BrokenKeyFile, sqlite3.Error."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
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
        self._changed.set()
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()
        self._endpoint.close()
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
            self._core.receive_datagram(data, source, now=now)
        self._pump()

    def _timer_rang(self) -> None:
        self._timer = None
        self._core.handle_timer(now=self._now())
        self._pump()

    def _schedule(self) -> None:
        """Pump once after this loop turn: all that it did shares datagrams and one commit."""
        if not self._is_pump_due:
            self._is_pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._is_pump_due = False
        if not self._is_open:
            return
        now = self._loop.time()
        self._endpoint.send_all(self._core.datagrams_to_send(now=now))
        if self._store():
            self._core.records_stored(now=now)
            self._endpoint.send_all(self._core.datagrams_to_send(now=now))
        self._connection.tend(now=now)
        events = self._core.events()
        for event in events:
            self._receipts.note(event)
        if (name := self._core.name_confirmed()) is not None:
            self._follow(name)
        if self._is_watched or len(self._events) < 1_000:
            self._events += events
        self._arm(now)
        self._changed.set()

    def _store(self, *, is_last: bool = False) -> bool:
        """Give the disk what the core wants stored; true when nothing promised is unstored."""
        is_stored = self._keeper.keep(self._core.records_to_store(), now=self._loop.time(), is_last=is_last)
        if self._keeper.trouble is not None:
            self._events.append(happened.Trouble(text=self._keeper.trouble))
            self._keeper.trouble = None
        return is_stored

    def _arm(self, now: float) -> None:
        dues = [due for due in (self._core.next_timer(), self._keeper.next_timer()) if due is not None]
        if not dues:
            return
        due = min(dues)
        if self._timer is not None:
            if self._timer.when() <= due:
                return  # it rings early, which is harmless, and costs less than a new one each turn
            self._timer.cancel()
        self._timer = self._loop.call_at(max(due, now), self._timer_rang)

    async def _change(self) -> None:
        """Wait for the next turn of the pump."""
        self._changed.clear()
        await self._changed.wait()

    def _follow(self, name: str) -> None:
        """The registry knows us by this name for sure: our folder bears it from now on. Between the two steps the
        history is closed; a crash anywhere leaves a folder that is found under either name (`peer.keys`)."""
        self._keeper.keep((), now=self._loop.time(), is_last=True)
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
