"""This file is about pumping one core: bytes and time into it; datagrams, link bytes, records and events out of it.

It knows sockets, the disk and the clock. What anything means stands in `peer.core`; what one can ask, in `peer.node`.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from peer.connection import Connection
from peer.core import events as happened
from peer.core.engine import PeerCore
from peer.core.me import Me
from peer.errors import AlreadyOpen, NotOpen, ServerUnreachable
from peer.feed import EventFeed
from peer.fence import hear
from peer.history import History
from peer.housekeeping import Housekeeping
from peer.keeping import Keeper
from peer.keys import KeyFolder
from peer.receipts import Receipts
from peer.store.damage import lines_about
from peer.waiters import Waiters
from wire.address import Address, literal, server_name
from wire.aio.datagram import DatagramEndpoint
from wire.aio.hosts import host_from
from wire.delivery.policy import Policy
from wire.errors import AddressRefused
from wire.names import PeerName

_log = logging.getLogger("chatapp.peer")

SOON_ENOUGH: Final = 0.01
"""Seconds after which it is seen what is due: no more than the shortest span of any part, so that nobody notices."""

_TOO_MUCH: Final = "Too much waits to be shown: nobody's messages are taken until it is"


class Pump:
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
        self._keeper = Keeper(self._history)
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
        me = Me(
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
        has_room = not is_full and not self._keeper.is_full
        self._core.take_messages(has_room=has_room)
        self._connection.hold(is_held=not has_room)
        self._core.read_link(is_read=has_room, now=self._now())

    def _store(self, *, is_last: bool = False) -> bool:
        """Give the disk what the core wants stored; true when nothing promised is unstored."""
        is_stored = self._keeper.keep(self._core.records_to_store(), now=self._loop.time(), is_last=is_last)
        if self._keeper.trouble is not None:
            self._tell([happened.Trouble(text=self._keeper.trouble)])
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
        history is closed; a crash anywhere leaves a folder that is found under either name (`peer.keys`)."""
        self._keeper.keep((), now=self._loop.time(), is_last=True)
        self._housekeeping.close()
        self._history.close()
        try:
            self._keys.settle(name)
        except OSError as error:
            trouble = f"The folder of {name} could not be moved ({error}); the next start tries again"
            self._tell([happened.Trouble(text=trouble)])
        self._history = History(self._keys.history, server=server_name(*self._server))
        self._keeper.use(self._history)
        self._housekeeping = Housekeeping(self._loop, self._history.tidy)


async def _found(server: Address) -> Address:
    """The IP address of a server that may be given by name. Raises ServerUnreachable."""
    try:
        if literal(server.host) is not None:  # needs no thread
            return Address(host_from(server.host, "server"), server.port)
        return Address(await asyncio.to_thread(host_from, server.host, "server"), server.port)
    except AddressRefused as error:
        raise ServerUnreachable(str(error)) from error
