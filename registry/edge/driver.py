"""The driver of an edge: it carries bytes between sockets and a core, and rings the core's one
timer.

Everything that comes in one turn of the event loop is answered together at its end.
"""

import asyncio
import contextlib
import itertools
import logging
import operator
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from chatapp.registry.edge.edge import Output
from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    CoreRequest,
)
from chatapp.registry.rules.effects import DropReason, Event, Fault, LinkRenewed
from chatapp.registry.telemetry.logs import LINK_ENDS, event_line
from chatapp.wire.address import Address
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import THIS_MACHINE, Endpoint, Machine
from chatapp.wire.aio.manylinks import ManyLinks
from chatapp.wire.codec import LENGTH_SIZE
from chatapp.wire.errors import quoted
from chatapp.wire.limits import LINK_QUEUE_MAX

_log = logging.getLogger(__name__)

_LEVELS: Final[dict[type[Event], int]] = {Fault: logging.ERROR, LinkRenewed: logging.DEBUG}
"""The levels of the log's lines for events; those not named here are for information."""

BROADCAST_SLICE = 128
"""Datagrams of a broadcast sent before others get the event loop, which 10,000 at once would hold
for 60 ms."""

MANY_WRITES = 64
"""Links written to in one turn, from which on sockets are read again before the rest of the turn: a
thousand writes take milliseconds, in which lines for the same readers arrive. uvloop reads all that
came until then, asyncio only sockets that were ready before the turn began."""

SETTLE_SPAN = 0.01
"""Seconds from a turn until the deadlines are looked at: none is met later than by so many."""

LINGER_FOR = 5.0
"""Seconds that a closed link may take for its last bytes: a peer that never reads must not keep
it."""

FLUSH_FOR = 0.25
"""Seconds that links have for their last bytes when the registry stops."""


class DrivenCore(Protocol):
    """A core with an edge (`registry.engine.core.RegistryCore`)."""

    @property
    def dropped(self) -> Counter[DropReason]:
        """How much was not served, by reason."""

    def link_opened(self, number: int, remote: Address, *, now: float) -> None: ...
    def receive_frames(self, number: int, frames: Sequence[bytes], *, now: float) -> None: ...
    def take_links_to_widen(self) -> list[int]: ...
    def link_backlog(self, number: int, size: int) -> None: ...
    def broadcast_backlog(self, *, waits: bool) -> None: ...
    def link_closed(self, number: int, *, now: float) -> None: ...
    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None: ...
    def run_admin_request(self, request: CoreRequest, ticket: str, *, now: float) -> None: ...
    def take_admin_answers(self) -> list[tuple[str, AdminAnswer]]: ...
    def handle_timer(self, *, now: float) -> None: ...
    def next_timer(self) -> float: ...
    def take_output(self) -> Output: ...


class Timed(Protocol):
    """What has a deadline."""

    def handle_timer(self, *, now: float) -> None: ...
    def next_timer(self) -> float: ...


class EdgeDriver:
    """Runs the edge of one core with sockets and a clock. It owns all links
    (`wire.aio.link.TcpLinkOwner`)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        core: DrivenCore,
        take_rest: Callable[[], None],
        *,
        timed: Timed | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`take_rest`: carries out what else the core has produced in a turn. It is called after
        the links were written to, as a thread that it starts would delay a thousand writes, and
        after many writes one turn of the event loop later: what is read until then (`MANY_WRITES`)
        shares its sync, and the next writes. `timed`: has the timer if that is not the core."""
        self._now = machine.now
        self._loop = loop
        self._core = core
        self._timed = timed or core
        self._take_rest = take_rest
        self._endpoint: Endpoint | None = None
        self._has_stopped = False
        self._numbers: dict[TcpLink, int] = {}
        self._links: dict[int, TcpLink] = {}
        self._next_number = 1
        self._many = ManyLinks()
        self._behind: set[int] = set()
        """Links whose readers were behind when last looked at."""
        self._datagrams_in = self._datagrams_out = self._bytes_in = self._bytes_out = 0
        """Since the start; the bytes are those of datagrams and links."""
        self._admin_requests: dict[str, asyncio.Future[AdminAnswer]] = {}
        """Admin requests whose answer is awaited, by ticket."""
        self._admin_tickets = itertools.count()
        self._is_awake = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._broadcasts: deque[tuple[bytes, list[Address], int]] = deque()
        self._is_broadcasting = False
        self._has_backlog = False
        """Whether the core was told that datagrams of broadcasts wait."""
        self._has_given_way = False
        """Whether the next slice has already been postponed once."""
        self._emptied = asyncio.Event()

    def start(self, endpoint: Endpoint) -> None:
        """Begin to serve."""
        self._endpoint = endpoint
        self.wake()

    def take_over(self, former: "EdgeDriver") -> None:
        """Own the links of another driver, whose edge the core has from now on. Call it before any
        other link is opened."""
        self._links, self._next_number = former.let_go_all()
        self._numbers = {link: number for number, link in self._links.items()}
        self._behind = {number for number, link in self._links.items() if link.waiting}
        for link in self._numbers:
            link.hand_to(self, queue_max=LINK_QUEUE_MAX)
        self.wake()

    def let_go_all(self) -> tuple[dict[int, TcpLink], int]:
        """Forget all links, which somebody else owns from now on. Return them by number, and the
        next number."""
        links, self._links, self._numbers, self._behind = self._links, {}, {}, set()
        return links, self._next_number

    def cut_links(self, reason: str) -> None:
        """End all links at once."""
        for link in list(self._numbers):
            link.cut(reason)

    async def stop(self, reason: str) -> None:
        """Send what is left, refuse the admin requests that wait for an answer, and end the
        links."""
        self.turn()
        self._take_rest()
        for answer in self._admin_requests.values():
            if not answer.done():
                answer.set_result(AdminRefused(refusal=AdminRefusal.NO_ENGINE))
        if self._timer is not None:
            self._timer.cancel()
        self._endpoint, self._has_stopped = None, True
        await self._end_links(reason)

    async def _end_links(self, reason: str) -> None:
        for end in (TcpLink.close, TcpLink.cut):
            for link in list(self._numbers):
                end(link, reason)
            if self._links:
                self._emptied.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_FOR):
                        await self._emptied.wait()
        self._many.close()

    # --- in

    def receive(self, batch: list[tuple[bytes, Address]]) -> None:
        """Hand datagrams to the core, unless we have stopped: what they say could not be stored."""
        if self._has_stopped:
            return
        self._datagrams_in += len(batch)
        for data, sender in batch:
            self._bytes_in += len(data)
            self.call_guarded(self._core.receive_datagram, data, sender)

    def link_opened(self, link: TcpLink) -> None:
        number = self._numbers[link] = self._next_number
        self._next_number += 1
        self._links[number] = link
        self.call_guarded(self._core.link_opened, number, link.remote)

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None:
        for frame in frames:  # mostly one: for so few, `sum` and `map` would take longer
            self._bytes_in += LENGTH_SIZE + len(frame)
        self.call_guarded(self._core.receive_frames, self._numbers[link], frames)
        self._widen()

    def let_go(self, number: int) -> TcpLink:
        """Forget a link, which somebody else owns from now on."""
        link = self._links.pop(number)
        del self._numbers[link]
        self._behind.discard(number)
        return link

    def link_progressed(self, link: TcpLink, begun: int) -> None:
        """Ignore it: the lease and the time for a first frame are for whole ones."""

    def link_closed(self, link: TcpLink, reason: str) -> None:
        number = self._numbers.pop(link, None)
        if number is not None:
            del self._links[number]
            _log.debug("link of %s is over: %s", link.remote, reason)
            self.call_guarded(self._core.link_closed, number)
        if not self._links:
            self._emptied.set()

    def call_guarded(self, hear: Callable[..., None], *what: object) -> None:
        """Call an input of the core. The core should never raise; if it does, nobody else is
        affected."""
        try:
            hear(*what, now=self._now())
        except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
            self._core.dropped[DropReason.FAULT] += 1
            debugging = _log.isEnabledFor(logging.DEBUG)
            _log.error("fault while serving: %s", quoted(repr(error)), exc_info=debugging)
        self.wake()

    # --- out

    def wake(self) -> None:
        """Take a turn soon."""
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self.turn)

    def turn(self) -> None:
        """Carry out everything that this turn of the event loop produced."""
        self._is_awake = False
        self._widen()
        output = self._core.take_output()
        for pieces, group in itertools.groupby(output.link_writes, key=operator.itemgetter(1)):
            links = [link for number, _ in group if (link := self._links.get(number)) is not None]
            for piece in pieces:
                self._bytes_out += len(piece) * len(links)
            for link in self._many.write(links, pieces):
                self._behind.add(self._numbers[link])
        if self._behind:
            self._note_backlogs()
        if len(output.link_writes) < MANY_WRITES:
            self._take_rest()
        else:
            self._loop.call_soon(self._take_rest)
        self._pause_and_close(output)
        if self._endpoint is not None:
            self._datagrams_out += len(output.datagrams)
            for data, _ in output.datagrams:
                self._bytes_out += len(data)
            self._endpoint.send_all(output.datagrams)
        self._broadcasts.extend((data, to, 0) for data, to in output.broadcasts)
        if self._broadcasts and not self._is_broadcasting:
            self._broadcast()
        if self._admin_requests:
            self._answer_admin()
        for event in output.events:
            level = _LEVELS.get(type(event), logging.INFO)
            if _log.isEnabledFor(level):
                _log.log(level, "%s", quoted(event_line(event)), extra={"event": event})
        # Finding the earliest deadline of all parts costs more than passing on a line, so it is not
        # done in every turn: the timer rings soon, and looks for deadlines then.
        look_at = self._now() + SETTLE_SPAN
        if self._timer_at > look_at:
            self._ring_at(look_at)

    def _note_backlogs(self) -> None:
        """Tell the core which links' readers are behind, and which have caught up."""
        for number in list(self._behind):
            link = self._links.get(number)
            waiting = 0 if link is None else link.waiting
            self._core.link_backlog(number, waiting)
            if not waiting:
                self._behind.discard(number)

    def _widen(self) -> None:
        """Allow long frames at once: the rest of what one read brought is cut into frames by the
        new limit."""
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
        """Send one slice of a broadcast. The next follows when others had their turn, and answers
        that wait go before it."""
        self._is_broadcasting = False
        if self._endpoint is None or not self._broadcasts:
            self._broadcasts.clear()
            self._note_broadcasts()
            return
        try:
            if self._is_awake and not self._has_given_way:
                self._has_given_way = (
                    True  # once, or a stream of questions would end all broadcasts
                )
            else:
                self._has_given_way = False
                self._send_slice(self._endpoint)
        finally:  # a fault of ours costs one slice, not all broadcasts that follow
            if self._broadcasts:
                self._is_broadcasting = True
                self._loop.call_soon(self._broadcast)
            self._note_broadcasts()

    def _note_broadcasts(self) -> None:
        """Tell the core when datagrams of broadcasts wait, and when all are sent: the next
        broadcast may be due by then."""
        waits = bool(self._broadcasts)
        if waits is not self._has_backlog:
            self._has_backlog = waits
            self._core.broadcast_backlog(waits=waits)
            if not waits:
                self.wake()

    def _send_slice(self, endpoint: Endpoint) -> None:
        data, addresses, start = self._broadcasts.popleft()
        end = start + BROADCAST_SLICE
        endpoint.send_to_many(data, addresses[start:end])
        sent = min(end, len(addresses)) - start
        self._datagrams_out += sent
        self._bytes_out += sent * len(data)
        if end < len(addresses):
            self._broadcasts.appendleft((data, addresses, end))

    # --- the administrator

    def figures(self) -> dict[str, float]:
        """Return what has passed, and what waits for slow readers, by the names in
        `registry.telemetry.figures`."""
        waiting = [self._links[number].waiting for number in self._behind if number in self._links]
        return {
            "datagrams_in": self._datagrams_in,
            "datagrams_out": self._datagrams_out,
            "bytes_in": self._bytes_in,
            "bytes_out": self._bytes_out,
            "links_behind": sum(map(bool, waiting)),
            "link_queue_bytes": sum(waiting),
        }

    async def ask(self, request: CoreRequest) -> AdminAnswer:
        """Carry out an admin request and return its answer; a change is on the disk by then."""
        ticket = str(next(self._admin_tickets))
        answer: asyncio.Future[AdminAnswer] = self._loop.create_future()
        self._admin_requests[ticket] = answer
        self.call_guarded(self._core.run_admin_request, request, ticket)
        try:
            return await answer
        finally:
            del self._admin_requests[ticket]

    def _answer_admin(self) -> None:
        for ticket, answer in self._core.take_admin_answers():
            waiting = self._admin_requests.get(ticket)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    # --- time

    def _fire(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        due = self._timed.next_timer()
        if due <= self._now():  # mostly it rings to look for deadlines only
            self.call_guarded(self._timed.handle_timer)
            due = self._timed.next_timer()
        self._ring_at(due)

    def _ring_at(self, due: float) -> None:
        if due == float("inf") or self._endpoint is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(max(due - self._now(), 0.0), self._fire)
