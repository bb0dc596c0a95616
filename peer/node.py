"""This file is about a peer that other programs can be: the SDK, which is also what every face stands on.

    async with Peer("alice", ("192.0.2.1", 5000)) as me:
        receipt = await me.send("bob", "hi")
        print(await receipt.settled())
        async for event in me.events(): ...

It pumps: bytes and time into the core; datagrams, link bytes, records and events out of it. What they mean stands in
`peer.core`.
"""

import asyncio
import contextlib
import logging
import os
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Self

from peer.connection import Connection
from peer.core import events as happened
from peer.core.engine import PeerCore
from peer.core.lookup import LookUp
from peer.core.me import Me
from peer.core.session import State
from peer.history import History
from peer.housekeeping import Housekeeping
from peer.keeping import Keeper
from peer.keys import KeyFolder
from peer.past import Past
from peer.receipts import CHANNEL, Outcome, Receipt, Receipts
from peer.trust import PeerTrust
from wire.address import Address
from wire.aio.datagram import DatagramEndpoint
from wire.delivery.policy import Policy
from wire.errors import ChatAppError
from wire.folders import default_home
from wire.names import file_name_of, name_key, peer_name

_log = logging.getLogger("chatapp.peer")


class NotOpen(ChatAppError):
    """Something was asked of a peer that is not open yet, or not any more."""


class Peer:
    """One node on real sockets and a real disk."""

    def __init__(
        self,
        name: str,
        server: tuple[str, int],
        *,
        port: int = 0,
        home: Path | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`server`: the registry's IP address and port. `port`: our UDP port, 0 for any. Raises NameRefused."""
        self.name: Final = peer_name(name)
        self._server = Address(*server)
        self._port = port
        self.folder: Final = (home or default_home()) / "peers" / file_name_of(name_key(self.name))
        self._policy = policy or Policy()
        self._receipts = Receipts()
        self._events: deque[happened.Event] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_pump_due = False
        self._is_open = False
        self._is_watched = False
        """Whether events are wanted: a program that only sends must not gather them without end."""
        self.trust: Final = PeerTrust(self._open_core, self._receipts, now=self._now, changed=self._schedule)

    # --- life

    async def __aenter__(self) -> Self:
        """Open, and wait until the registry has answered or is known not to."""
        await self.open()
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave and close."""
        await self.close()

    async def open(self) -> None:
        """Bind, lock, load, begin to register. Raises PortInUse, FolderInUse, BrokenKeyFile, sqlite3.Error."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._endpoint = DatagramEndpoint(self._loop, self._datagrams_came)
        self._port = self._endpoint.open(self._port)
        wall = time.time()
        try:
            self._keys = KeyFolder(self.folder, wall=wall)
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
            name=self.name,
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

    async def ready(self) -> None:
        """Wait until all that the registry had for us is here, or it is known not to answer."""
        while self._is_open and not self._core.is_ready and self._core.state is not State.REFUSED:
            await self._change()

    async def close(self, *, within: float = 1.0) -> None:
        """Leave, waiting at most `within` seconds for the registry's answer, and let go of everything."""
        if not self._is_open:
            return
        try:
            if self._core.state is State.REGISTERED:
                self.leave()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.left(), within)
        finally:
            self._shut()
        await self._connection.closed()

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
        self._housekeeping.close()
        self._history.close()
        self._keys.close()

    # --- what one can do

    async def send(self, to: str, text: str) -> Receipt:
        """Begin a message. An unknown name is refused in the receipt. Raises TooLong, UnicodeEncodeError, NotOpen."""
        while (found := self._open_core().look_up(to, now=self._now())) is LookUp.ASKING:
            self._schedule()
            await self._change()
        if found is not LookUp.KNOWN:
            return self._refuse(to, _WHY_NOT[found])
        begun = self._core.send(to, text, now=self._now())
        self._schedule()
        return self._receipts.open(begun.to, begun.number)

    async def send_all(self, text: str) -> Receipt:
        """Begin a line for the channel. Raises TooLong, UnicodeEncodeError, NotOpen."""
        number = self._open_core().send_all(text, now=self._now())
        self._schedule()
        return self._receipts.open(CHANNEL, number)

    async def settled(self) -> None:
        """Wait until all that we said is delivered, saved, kept or refused."""
        while self._is_open and not self._core.is_settled:
            await self._change()

    def leave(self) -> None:
        """Go offline and stay in the program; `Left` or `LeaveUnanswered` follows. Raises NotOpen."""
        self._open_core().leave(now=self._now())
        self._schedule()

    async def left(self) -> None:
        """Wait until the registry has answered our leave, or all tries are over."""
        while self._is_open and self._is_leaving:
            await self._change()

    def come_back(self) -> None:
        """Register again after `leave`. Raises NotOpen."""
        self._open_core().start(now=self._now())
        self._schedule()

    @property
    def past(self) -> Past:
        """Our own history, from disk. Raises NotOpen."""
        core = self._open_core()
        return Past(self._history.lines, lambda: core.me.name, core.steps_under_way, flush=self._store)

    def people(self) -> tuple[happened.Person, ...]:
        """The table, by name."""
        return self._core.people()

    @property
    def is_offline(self) -> bool:
        """Whether we left and have not come back."""
        return self._core.is_offline

    def _open_core(self) -> PeerCore:
        if not self._is_open:
            raise NotOpen("this peer is not open")
        return self._core

    @property
    def _is_leaving(self) -> bool:
        return self._core.state is State.LEAVING

    # --- what happens

    async def events(self) -> AsyncIterator[happened.Event]:
        """Everything that happens, one by one, until the peer is closed. Asking for the next says that one is done
        with the last: messages that were never asked beyond are given again after a restart."""
        while True:
            batch = await self.next_events()
            if not batch:
                return
            done: list[happened.Event] = []
            try:
                for event in batch:
                    yield event
                    done.append(event)
            finally:
                self.events_shown(done)

    async def next_events(self) -> list[happened.Event]:
        """All that happened since the last call; waits for something; empty when closed. Then say `events_shown`."""
        self._is_watched = True
        while not self._events and self._is_open:
            await self._change()
        return self.take_events()

    def take_events(self) -> list[happened.Event]:
        """What happened since the last call, without waiting."""
        batch = list(self._events)
        self._events.clear()
        return batch

    def events_shown(self, batch: Sequence[happened.Event]) -> None:
        """These have been seen; their messages are not given again after a restart."""
        for event in batch:
            match event:
                case happened.DirectReceived() | happened.ChannelReceived():
                    self._core.line_shown(event)
                case happened.MailReturned(lines=lines):
                    for line in lines:
                        self._core.line_shown(line)
                case _:
                    pass
        if self._is_open and batch:
            self._store()

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

    def _refuse(self, to: str, reason: str) -> Receipt:
        receipt = Receipt(to, 0)
        receipt.settle(Outcome.REFUSED, reason)
        self._events.append(happened.Refused(to=to, number=0, reason=reason))
        self._changed.set()
        return receipt


_WHY_NOT: Final = {
    LookUp.UNKNOWN: "nobody of that name is known here",
    LookUp.BLOCKED: "the key shown for this name is not the one that we hold",
}
