"""Run a node, a peer's or a visitor's, on real sockets and the real clock.

Everything that comes in (datagrams, frames of the link, a timer, a call of the user) goes to the
node's core and is followed by a turn, in which the node takes out of its core what has come of it:
datagrams, records, link bytes, events.
"""

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Final, Protocol

from chatapp.peer.core.context import WallClock
from chatapp.peer.node.feed import Waiters
from chatapp.wire.address import Address, ip_literal
from chatapp.wire.aio.hosts import server_addresses
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import Connect, Machine
from chatapp.wire.errors import PortInUse, quoted

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

SETTLE_SPAN: Final = 0.01
"""Seconds from a turn until the deadlines are looked at: no part of a core sets a shorter one, so
nothing is late."""

LONE_TURNS: Final = 2
"""Turns that look at the deadlines at once, unless they go on a run of more: a lone message and its
answer wake the program up no more often than they must."""

LOOK_SPAN: Final = 0.0002
"""Seconds for which we look for an answer before we sleep: no longer than it takes to fall asleep
and to wake up again."""

LOOKS_LEFT_OUT: Final = 64
"""Looks that are left out at most after one that found nothing."""

LINK_QUEUE: Final = 8 * 1024 * 1024
"""Bytes of ours that may wait until the registry reads them. They are the user's own words, so the
limit is generous."""

PORTS_TRIED: Final = 8
"""Ports of which the TCP half is looked at, if we may have any."""

_log = logging.getLogger("chatapp.peer")


def call_guarded(
    handle: Callable[..., None], *what: object, now: float, dropped: Counter[str]
) -> None:
    """Pass input to the core. A bug there is logged and counted; it must not end the program."""
    try:
        handle(*what, now=now)
    except Exception as error:  # noqa: BLE001 - any bug at all
        faults = error.exceptions if isinstance(error, ExceptionGroup) else [error]
        dropped["fault of ours"] += len(faults)
        for fault in faults:
            is_debugging = _log.isEnabledFor(logging.DEBUG)
            _log.error(
                "fault while listening: %s",
                quoted(repr(fault)),
                exc_info=fault if is_debugging else None,
            )


class DrivenCore(Protocol):
    """What a driver needs of a core, a peer's or a visitor's."""

    @property
    def clock(self) -> WallClock:
        """The difference between monotonic time and Unix time, which the driver keeps right."""

    @property
    def dropped(self) -> Counter[str]: ...
    @property
    def link_address(self) -> Address: ...
    def link_renewals(self) -> int: ...
    def receive_datagrams(self, batch: Sequence[tuple[bytes, Address]], *, now: float) -> None: ...
    def handle_timer(self, *, now: float) -> None: ...
    def has_link_work(self) -> bool:
        """Return whether there is anything to do about the link: to close, write or connect."""

    def wants_link(self) -> bool: ...
    def wants_link_closed(self) -> bool: ...
    def link_connected(self, *, now: float) -> None: ...
    def receive_frames(self, frames: Sequence[bytes], *, now: float) -> None: ...
    def link_progressed(self, begun: int, *, now: float) -> None: ...
    def link_closed(self, *, now: float) -> None: ...
    def link_bytes_to_send(self, *, now: float) -> list[bytes]: ...


class DrivenNode(Protocol):
    """What a driver runs."""

    @property
    def core(self) -> DrivenCore:
        """The core. A node that exchanges it for another one calls `Driver.restart`."""

    def take_turn(self, *, now: float) -> None:
        """Take out of the core what has come of the last inputs."""

    def next_timer(self) -> float | None:
        """When the timer is to ring if nothing else happens."""


class Connection:
    """The connection that a node has, or the attempt to make one, if any. What comes of earlier
    ones is ignored."""

    def __init__(
        self,
        node: DrivenNode,
        *,
        connect: Connect,
        read_clock: Callable[[], float],
        take_turn: Callable[[], None],
    ) -> None:
        self._node = node
        self._connect_link = connect
        self._now = read_clock
        self._take_turn = take_turn
        self._link: TcpLink | None = None
        self._awaited: TcpLink | None = None
        """The end of the connection that is being made."""
        self._connecting: asyncio.Task[None] | None = None
        self._is_over = False
        self._is_held = False
        self._is_cut = asyncio.Event()
        """Set when the other side has closed a connection that was kept."""

    def tend(self, *, now: float) -> None:
        """Close, write and connect, as the core wants."""
        core = self._node.core
        if core.wants_link_closed():
            self._let_go()
        pieces = core.link_bytes_to_send(now=now)
        if self._link is not None and pieces:
            self._link.write(pieces)
        if core.wants_link():
            self._let_go()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _let_go(self) -> None:
        """Close the connection, and give up the attempt to make one. Else the core would take the
        end of this one for the end of the next one."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._link is not None:
            self._link.close("no longer wanted")
        self._link = self._awaited = None

    def hold(self, *, is_held: bool) -> None:
        """Stop or resume reading. What the registry has for us meanwhile waits at its end."""
        if is_held is not self._is_held:
            self._is_held = is_held
            self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        if self._link is not None and self._is_held:
            self._link.pause_reading()
        elif self._link is not None:
            self._link.resume_reading()

    def close(self, *, keeps_link: bool = False) -> None:
        """Send what is written, take nothing more, and close. `keeps_link`: but for the connection,
        which `cut` closes."""
        self._is_over = True
        if self._link is not None and not keeps_link:
            self._link.close("leaving")
        if self._connecting is not None:
            self._connecting.cancel()

    async def cut(self, *, within: float) -> None:
        """Close a connection that was kept once the other side has, or after so many seconds."""
        if self._link is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._is_cut.wait()
            self._link.close("handed over")

    async def closed(self) -> None:
        """Wait until no attempt to connect is under way. `await` on an attempt that was given up
        would raise CancelledError, and to suppress that would swallow a cancellation of the caller
        too."""
        if self._connecting is not None:
            await asyncio.wait([self._connecting])

    async def _connect(self) -> None:
        try:
            await self._connect_link(self._new_end, *self._node.core.link_address)
        except OSError as error:
            _log.debug("no link: %s", error)
            if not self._is_over:
                self._node.core.link_closed(now=self._now())
                self._take_turn()

    def _new_end(self) -> TcpLink:
        self._awaited = TcpLink(self, queue_max=LINK_QUEUE)
        return self._awaited

    # --- what the link reports (`wire.aio.link.TcpLinkOwner`)

    def link_opened(self, link: TcpLink) -> None:
        if self._is_over or link is not self._awaited:
            link.cut("closed meanwhile")
            return
        self._link, self._awaited = link, None
        link.allow_full_frames()
        if self._is_held:
            self._pause_or_resume()
        self._node.core.link_connected(now=self._now())
        self._take_turn()

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        if self._is_current(link):
            core = self._node.core
            renewals = core.link_renewals()
            call_guarded(core.receive_frames, frames, now=self._now(), dropped=core.dropped)
            if core.link_renewals() > renewals:
                _log.debug("link has new keys")
            self._take_turn()

    def link_progressed(self, link: TcpLink, begun: int) -> None:
        if self._is_current(link):
            self._node.core.link_progressed(begun, now=self._now())

    def link_closed(self, link: TcpLink, reason: str) -> None:
        if self._is_over and link is self._link:
            self._is_cut.set()
        if self._is_current(link):
            _log.debug("link closed: %s", reason)
            self._link = None
            self._node.core.link_closed(now=self._now())
            self._take_turn()

    def _is_current(self, link: TcpLink) -> bool:
        return link is self._link and not self._is_over


async def resolved(servers: Sequence[Address]) -> dict[Address, Address]:
    """Return as `wire.aio.hosts.server_addresses`. Raises AddressRefused."""
    if all(ip_literal(server.host) is not None for server in servers):  # needs no thread
        return server_addresses(servers, "server")
    return await asyncio.to_thread(server_addresses, servers, "server")


class AnswerLook:
    """Keeps the event loop awake for a moment after a message that has nothing else beside it: its
    answer is often so near that falling asleep and waking up would take longer. Everybody else in
    the loop goes on as usual.

    Over a longer path nothing is found, and then fewer and fewer messages are looked after."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._until = 0.0
        """When the present look ends; 0 while there is none."""
        self._is_scheduled = False
        self._left_out = 0
        self._to_leave_out = 0

    def begin(self) -> None:
        """Look from now on, unless too many looks before were in vain."""
        if self._to_leave_out:
            self._to_leave_out -= 1
        else:
            self._until = self._loop.time() + LOOK_SPAN
            if not self._is_scheduled:
                self._is_scheduled = True
                self._loop.call_soon(self._go_on)

    def end(self) -> None:
        """Stop looking: something has come, or the message has company."""
        if self._until:
            self._until, self._left_out = 0.0, 0

    def _go_on(self) -> None:
        if self._loop.time() < self._until:
            self._loop.call_soon(
                self._go_on
            )  # before that, the loop asks the sockets without waiting
            return
        self._is_scheduled = False
        if self._until:
            self._until = 0.0
            self._left_out = min(2 * self._left_out + 1, LOOKS_LEFT_OUT)
            self._to_leave_out = self._left_out


class Unwatched(Executor):
    """Runs what it is given in another executor, and lets nobody know the end: asyncio would wake
    the loop up for it."""

    def __init__(self, executor: Executor) -> None:
        self._executor: Final = executor

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any, **options: Any
    ) -> Future[Any]:
        """Return a future that is never done."""
        self._executor.submit(function, *arguments, **options)
        return Future()


class SyncThread:
    """Puts what is stored on the disk, in a thread: one sync at a time. It begins with the first
    one, and sleeps between them.

    Mostly nobody waits for the end of a sync. So it wakes the loop up only when it fails, or after
    `hurry`; else whoever is awake anyway looks whether it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, wake: Callable[[], None]) -> None:
        """`wake`: called when the end of a sync was told that nobody looked for."""
        self._loop: Final = loop
        self._wake: Final = wake
        self._executor: ThreadPoolExecutor | None = None
        self._is_hurried = False
        self.is_running = False
        """Whether a sync is under way, or its end was not told yet."""
        self._ended: Final = threading.Event()
        self._ended.set()
        self._error: OSError | None = None
        self._tell: Callable[[OSError | None], None] | None = None

    def begin(self, sync: Callable[[], None], tell: Callable[[OSError | None], None]) -> None:
        """Run a sync, which may raise OSError, and tell how it ended. None may be under way."""
        if self._executor is None:
            from concurrent.futures import (
                ThreadPoolExecutor,  # deferred: nothing is synced in a start
            )

            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chatapp-disk")
        self._tell, self.is_running, self._is_hurried = tell, True, False
        self._ended.clear()
        _ = self._loop.run_in_executor(Unwatched(self._executor), self._run, sync)

    def hurry(self) -> None:
        """Let the sync that is under way wake the loop up at its end."""
        self._is_hurried = True
        if self._ended.is_set():
            self._loop.call_soon(self._look_and_wake)

    def look(self) -> bool:
        """Tell how the sync ended, if it has. Return whether none is under way any more."""
        if self._tell is not None and self._ended.is_set():
            tell, self._tell, self.is_running = self._tell, None, False
            tell(self._error)
        return not self.is_running

    def wait(self) -> None:
        """Wait for the sync that is under way, if any, and tell how it ended."""
        self._ended.wait()
        self._look_and_wake()

    def close(self) -> None:
        """Wait for the sync that is under way, and let the thread end."""
        self.wait()
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None

    def _run(self, sync: Callable[[], None]) -> None:
        self._error = None
        try:
            sync()
        except OSError as error:
            self._error = error
        finally:
            self._ended.set()
            if self._is_hurried or self._error is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._look_and_wake)

    def _look_and_wake(self) -> None:
        if self.is_running and self.look():
            self._wake()


class Driver:
    """The UDP port, the connection to the registry, the timer and the turns of one node."""

    def __init__(self, node: DrivenNode, *, port: int, machine: Machine) -> None:
        """`port`: ours, 0 for any. Nothing is asked of `node` before `start`. Raises PortInUse."""
        self._node = node
        self._machine = machine
        self._loop = asyncio.get_running_loop()
        self._turns = Waiters(self._loop)
        self._look = AnswerLook(self._loop)
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        """When the timer rings: handles of uvloop do not say it."""
        self._turns_taken = 0
        """Turns since it last rang."""
        self._run_until = 0.0
        """Until when a turn counts as one of the run in which the timer rang."""
        self._connection = self._new_connection()
        self.is_turn_due = False
        """Whether a turn is to be taken once the present loop iteration is over."""
        self.is_closed = False
        self._endpoint = machine.endpoint(self._loop, self._datagrams_came)
        self.send: Final = self._endpoint.send_all
        self.port: Final = self._opened(port, machine)
        """Our UDP port."""

    def start(self) -> None:
        """Take the first turn."""
        self._take_turn()

    def _opened(self, port: int, machine: Machine) -> int:
        """Take a UDP port and return it; for 0, one at which others may connect by TCP as well."""
        for _ in range(PORTS_TRIED):
            found = self._endpoint.open(port)
            if port:
                break
            with contextlib.suppress(PortInUse, OSError):
                machine.listen(found).close()
                break
            self._endpoint.close()
        else:
            found = self._endpoint.open(port)
        return found

    def restart(self) -> None:
        """Drop the connection: it belonged to another core than the node has now."""
        self._connection.close()
        self._connection = self._new_connection()

    def close(self, *, keeps_link: bool = False) -> None:
        """Take no turn any more; close the sockets. `keeps_link`: as in `Connection.close`."""
        self.is_closed = True
        self._turns.wake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connection.close(keeps_link=keeps_link)
        self._endpoint.close()

    async def cut_link(self, *, within: float) -> None:
        """As `Connection.cut`."""
        await self._connection.cut(within=within)

    async def closed(self) -> None:
        """Wait until nothing is under way on the network any more."""
        await self._connection.closed()

    # --- for the node

    def now(self) -> float:
        """Return monotonic seconds, and tell the core what the wall clock shows: it may be set at
        any time."""
        now = self._loop.time()
        self._node.core.clock.offset = self._machine.wall() - now
        return now

    def schedule(self) -> None:
        """Take a turn after this loop iteration, so that everything done in it shares datagrams and
        one commit."""
        if not self.is_turn_due:
            self.is_turn_due = True
            self._look.end()
            self._loop.call_soon(self._take_turn)

    def hasten(self) -> None:
        """Take a turn now, for a message that is alone on its way, and look for its answer."""
        if self.is_turn_due:
            return  # there is company
        self._take_turn()
        if not self.is_closed:
            self._look.begin()

    def tend_link(self, *, now: float) -> None:
        """Close, write and connect, as the core wants."""
        if self._node.core.has_link_work():  # mostly there is none
            self._connection.tend(now=now)

    def hold_link(self, *, is_held: bool) -> None:
        """Stop or resume reading the link."""
        self._connection.hold(is_held=is_held)

    async def turn(self) -> None:
        """Wait for the end of the next turn, or for the end of the node."""
        await self._turns.wait()

    # --- inputs

    def _datagrams_came(self, batch: list[tuple[bytes, Address]]) -> None:
        self._look.end()
        now, core = self.now(), self._node.core
        call_guarded(core.receive_datagrams, batch, now=now, dropped=core.dropped)
        self._take_turn(now)

    def _timer_rang(self) -> None:
        now = self._loop.time()
        if self._turns_taken > LONE_TURNS:
            self._run_until = now + SETTLE_SPAN
        self._timer, self._turns_taken = None, 0
        due = self._node.next_timer()
        if due is not None and due <= now:  # mostly the timer rings to look for deadlines only
            core = self._node.core
            call_guarded(core.handle_timer, now=self.now(), dropped=core.dropped)
            self._node.take_turn(now=self._loop.time())
            self._turns.wake()
            due = self._node.next_timer()
        self._ring_at(due)

    def _ring_at(self, due: float | None) -> None:
        if due is not None and self._timer is None and not self.is_closed:
            self._timer, self._rings_at = self._loop.call_at(due, self._timer_rang), due

    def _take_turn(self, now: float | None = None) -> None:
        """`now`: as it was when the input came, if that was right before."""
        self.is_turn_due = False
        if self.is_closed:
            return
        now = self._loop.time() if now is None else now
        self._node.take_turn(now=now)
        self._turns.wake()
        # Finding the earliest deadline of all parts costs as much as a message. So in a run of
        # turns it is not done in each: the timer rings soon after the turn, and looks for deadlines
        # then.
        self._turns_taken += 1
        if self._turns_taken <= LONE_TURNS and now >= self._run_until:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._ring_at(self._node.next_timer())
            return
        if self._timer is not None:
            if self._rings_at <= now + SETTLE_SPAN:
                return
            self._timer.cancel()
            self._timer = None
        self._ring_at(now + SETTLE_SPAN)

    def _new_connection(self) -> Connection:
        return Connection(
            self._node,
            connect=self._machine.connect,
            read_clock=self.now,
            take_turn=self._take_turn,
        )
