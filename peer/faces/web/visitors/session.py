"""One browser session: its visitor at the registry, what its pages show, and the streams that wait
for news."""

import asyncio
import contextlib
import enum
import logging
import os
from collections.abc import Callable
from typing import Final, NamedTuple

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import DeskFileRefusal, DeskFileRefused, NotOpen
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.form import Form
from chatapp.peer.faces.web.budget import Ledger
from chatapp.peer.faces.web.limits import (
    ACTIONS_BURST,
    ACTIONS_PER_SECOND,
    KEYS_PER_SESSION,
    LOOKS_BURST,
    LOOKS_PER_SECOND,
    STREAMS_PER_SESSION,
    UNSENT_PER_SESSION,
)
from chatapp.peer.faces.web.streams import Windows
from chatapp.peer.faces.web.visitors.store import SessionStore
from chatapp.peer.sdk.visitor import Visitor
from chatapp.peer.view.visit import LINE_COST, VisitStage, VisitView
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import quoted

ASK_AFTER: Final = 20.0
"""Seconds between two questions how long the wait may be."""

ABSENT_AFTER: Final = 45.0
"""Seconds without a browser after which others are called first: a phone that was put away, a
window that was closed."""

GONE_AFTER: Final = 15 * 60.0
"""Seconds without a browser after which the place is given up."""

OVER_FOR: Final = 30 * 60.0
"""Seconds for which the last page of a visit can still be seen."""

RATES_WITHIN: Final = 5 * 60.0
"""Seconds for which a visit that is over can be rated. After that the registry is not bothered with
the visitor."""

ASK_AGAIN_AFTER: Final = 5.0
"""Seconds after which a pause is asked for again that has not taken effect."""

SETTLES_WITHIN: Final = 3.0
"""Seconds for which a request waits until the registry has stored what it said."""


CLOCKS_DIFFER_BY: Final = 60.0
"""Seconds by which a browser's time may be ahead of ours."""

_VERSION_DIGITS: Final = 12
_KEY_DIGITS: Final = 18

_log: Final = logging.getLogger("chatapp.peer")


class Outcome(enum.Enum):
    """What became of a text that the browser sent."""

    TAKEN = enum.auto()
    """It is on its way to the registry, or stored there."""
    AWAY = enum.auto()
    """The registry does not answer, or has not kept it."""
    MUCH = enum.auto()
    """Too much is kept already of the visits of this network, or of all."""
    OVER = enum.auto()
    """The visit is over."""
    GONE = enum.auto()
    """The line that it is about cannot be changed any more."""


class Office(NamedTuple):
    """What all visits of a gateway share."""

    kept: Ledger
    """The bytes that all of them keep."""
    wall: Callable[[], float]
    """Tells the Unix time."""
    tell: Callable[[visit_events.VisitEvent], None]
    """Is called with each event that the person who runs the gateway should know."""


class WebSession:
    """One visit, and whoever looks at it. Times are those of the event loop."""

    def __init__(
        self,
        id_: str,
        visitor: Visitor,
        store: SessionStore,
        *,
        language: str,
        network: str,
        form: Form | None,
        office: Office,
    ) -> None:
        """`id_`: the hash of the browser's secret. `network`: what the browser's address is counted
        under; empty after a restart. `form`: what the browser that is there joins the line with;
        None to go on with a visit, whose browser is not there yet."""
        self.id: Final = id_
        self.visitor: Final = visitor
        self.language: Final = language
        self.network: Final = network
        self.view: Final = VisitView()
        self._boot: Final = os.urandom(6).hex()
        """Names this object: the versions of another one mean nothing to its pages."""
        self._actions: Buckets[None] = Buckets(rate=ACTIONS_PER_SECOND, burst=ACTIONS_BURST)
        self._looks: Buckets[None] = Buckets(rate=LOOKS_PER_SECOND, burst=LOOKS_BURST)
        self._kept: Final = office.kept
        self._kept_size = 0
        """Our part of what is kept."""
        self._store: Final = store
        self._form = form
        self._wall: Final = office.wall
        self._tell: Final = office.tell
        self._loop: Final = asyncio.get_running_loop()
        self.windows: Final = Windows(self._loop, most=STREAMS_PER_SESSION)
        self._seen_at = self._loop.time() - (ABSENT_AFTER if form is None else 0.0)
        self._asked_at = -ASK_AFTER
        self._asked_for = 0
        self._over_at: float | None = None
        self._said_keys: dict[str, None] = {}
        """The keys of the last lines that were said."""
        self._paused_at = -ASK_AGAIN_AFTER
        """When the pause was asked for last on behalf of an absent browser."""
        self._is_leaving = False
        """Whether the visitor wants to leave, and the registry has not confirmed it."""
        self._is_rating_lost = False
        """Whether the rating has to be sent once more."""
        self._is_described = False
        """Whether the registry has stored what was described last."""
        self._reading: asyncio.Task[None] | None = None
        self._detaching: asyncio.Task[None] | None = None
        self._is_closed = False

    def open(self) -> None:
        """Look for the registry. Raises AddressRefused, PortInUse, OSError."""
        self.visitor.open()
        self._reading = self._loop.create_task(self._read())
        self._reading.add_done_callback(report)

    async def close(self, *, within: float | None = None) -> None:
        """Let go of everything. `within`: give the place up, too, waiting so many seconds for the
        registry."""
        self._is_closed = True
        self._note_kept()
        if self._detaching is not None:
            await self._detaching
        elif within is None:
            await self.visitor.detach()
        else:
            await self.visitor.close(within=within)
        if self._reading is not None:
            await asyncio.wait((self._reading,))
        self.windows.clear()

    async def _read(self) -> None:
        while batch := await self.visitor.next_events():
            for event in batch:
                self._handle(event)
            self._note_kept()
            self.visitor.events_shown(batch)
            self.windows.wake()
            await asyncio.sleep(0)

    def _handle(self, event: visit_events.VisitEvent) -> None:
        form = self._form
        self.view.handle(event)
        match event:
            case visit_events.FormWanted() if form is not None:
                self._form = None
                self.visitor.join(form)
            case visit_events.TicketNotStored():
                self._tell(event)
            case visit_events.PauseChanged(is_paused=is_paused) if (
                self._is_here and self._store.is_absent
            ):
                if is_paused:
                    self._come_back()
                else:
                    self._note_absence(is_absent=False)
            case visit_events.QuestionUnanswered() | visit_events.VisitorServerLost():
                self._is_rating_lost = bool(self.view.rating) and self.view.is_rating_kept is None
            case visit_events.Described() | visit_events.MessageChanged(state=MessageState.SAVED):
                # What is described at the very moment of the turn is said as a line.
                self._is_described = True
            case _:
                pass
        if self.view.stage is VisitStage.OVER and self._over_at is None:
            self._over_at = self._loop.time()

    # --- what the browser asks for

    def may_act(self) -> bool:
        """Whether the visit may do one thing more: it has not done too much of late."""
        return self._actions.take(None, now=self._loop.time())

    def may_look(self) -> bool:
        """Whether the visit may ask for one page more."""
        return self._looks.take(None, now=self._loop.time())

    async def arrived(self) -> None:
        """Wait for a moment until it is known where the visitor is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLES_WITHIN):
                while self.view.stage is VisitStage.ARRIVING:
                    await self.windows.wait()

    async def say(self, text: str, *, key: str) -> Outcome:
        """Say a line, and wait for a moment until the registry has stored it. `key`: a line that
        comes again under the same key was sent twice, and is said once; one that is a time is known
        to the registry under it, over restarts of this program. Raises TextTooLong."""
        await self.arrived()
        if self._is_over:
            return Outcome.OVER
        number = self._number_from(key)
        if key and (key in self._said_keys or self.visitor.was_said(number)):
            return Outcome.TAKEN
        if not self.visitor.is_admitted or self.view.unsent > UNSENT_PER_SESSION:
            return Outcome.AWAY
        if not self._kept.has_room(self.network, len(text.encode()) + LINE_COST):
            return Outcome.MUCH
        line = self.visitor.talk(text, number=number)
        if line is None:
            return Outcome.AWAY
        self.view.said(text, line, at=self._wall(), key=key)
        self._note_kept()
        if key:
            self._said_keys[key] = None
        if len(self._said_keys) > KEYS_PER_SESSION:
            del self._said_keys[next(iter(self._said_keys))]
        self.windows.wake()
        await self.settled()
        return Outcome.TAKEN

    @property
    def files_largest(self) -> int:
        """Bytes of the largest file that the desk takes; 0: none, as far as is known."""
        return self.visitor.files_largest

    async def send_file(self, name: str, content: bytes) -> Outcome:
        """Send a file, and wait for a moment until the registry has stored its line. Raises
        DeskFileRefused."""
        if self._is_over:
            return Outcome.OVER
        if not self._kept.has_room(self.network, len(name.encode()) + LINE_COST):
            return Outcome.MUCH
        try:
            line = await self.visitor.send_file(name, content)
        except NotOpen:
            return Outcome.AWAY
        self.view.said(line.text, line.id, at=self._wall(), file=line.file, visit=line.visit)
        self._note_kept()
        self.windows.wake()
        await self.settled()
        return Outcome.TAKEN

    async def fetch_file(self, said: int) -> tuple[str, bytes]:
        """Return the name and content of the file that the line with this id brings. Raises
        DeskFileRefused."""
        line, visit = self.view.file_of(said), self.view.visit
        if line is None or line.file is None or not line.file.number:
            raise DeskFileRefused(DeskFileRefusal.NOT_HERE)
        name, file = line.text, line.file
        try:
            return name, await self.visitor.fetch_file(visit, file.number, file.size)
        except NotOpen:
            raise DeskFileRefused(DeskFileRefusal.NOT_SERVED) from None

    async def change(self, said: int, text: str | None) -> Outcome:
        """Change a line that the visitor has said under this id, or take it back (None), and wait
        for a moment until the registry has that. Raises TextTooLong."""
        await self.arrived()
        if self._is_over:
            return Outcome.OVER
        if self.view.text_of(said) is None:
            return Outcome.GONE
        if not self.visitor.is_admitted or self.view.unsent > UNSENT_PER_SESSION:
            return Outcome.AWAY
        if not self._kept.has_room(self.network, len((text or "").encode()) + LINE_COST):
            return Outcome.MUCH
        change = self.visitor.change(said, text)
        if change is None:
            return Outcome.GONE
        self.view.changing(change, said, text)
        self._note_kept()
        self.windows.wake()
        await self.settled()
        return Outcome.TAKEN

    def _number_from(self, key: str) -> int:
        """Return the number that a key stands for: a time that is not in the future, in
        microseconds; 0 for none."""
        if not (key.isascii() and key.isdecimal() and len(key) <= _KEY_DIGITS):
            return 0
        return int(key) if int(key) <= (self._wall() + CLOCKS_DIFFER_BY) * 1_000_000 else 0

    async def describe(self, text: str) -> Outcome:
        """Replace the description. `TAKEN` means that the registry has stored it."""
        await self.arrived()
        if self._is_over:
            return Outcome.OVER
        self._is_described = False
        self.visitor.describe(text)
        await self.settled()
        return Outcome.TAKEN if self._is_described else Outcome.AWAY

    def _note_kept(self) -> None:
        size = 0 if self._is_closed else self.view.size
        self._kept.add(self.network, size - self._kept_size)
        self._kept_size = size

    async def pause(self, *, is_paused: bool) -> None:
        """Let others go first, or be called in turn again."""
        if not self._is_over:
            self._note_absence(is_absent=False)  # from now on it is the visitor's own pause
            self.visitor.pause(is_paused=is_paused)
            await self.settled()

    async def rate(self, rating: int) -> None:
        """Rate the session, once, if that is possible. The rating is sent again until the registry
        has answered."""
        if self.view.may_rate and not self.view.rating and not self._is_closed:
            self.view.rated(rating)
            self.visitor.rate(rating)
            await self.settled()

    async def leave(self) -> None:
        """Give the place up; if the registry does not answer now, as soon as it does."""
        if self._is_over:
            return
        self._is_leaving = True
        self._send_leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLES_WITHIN):
                while not self._is_over:
                    await self.windows.wait()
        if not self._is_over:
            self.view.leaves()
            self.windows.wake()

    def _send_leave(self) -> None:
        if self.visitor.is_linked and self.visitor.is_admitted:
            self.visitor.begin_anew()

    @property
    def _is_over(self) -> bool:
        """Whether nothing can be done any more: a request may have begun before the end."""
        return self._is_closed or self.view.stage is VisitStage.OVER

    @property
    def description(self) -> str:
        """What the visitor wrote about the issue, while they wait."""
        is_waiting = self.view.stage is VisitStage.WAITING and not self._is_closed
        return self.visitor.description if is_waiting else ""

    async def settled(self) -> None:
        """Wait for a moment until all that was asked of the registry is answered."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLES_WITHIN):
                await self.visitor.settled()
                await asyncio.sleep(0)

    # --- whoever looks

    def enter(self) -> object:
        """Note a window that looks. Return what `exit` takes."""
        self.touch()
        return self.windows.enter()

    @property
    def number(self) -> str:
        """What names the present state of the view to a window."""
        return self.number_of(self.view.version)

    def number_of(self, version: int) -> str:
        """Return what names a version of the view to a window."""
        return f"{self._boot}-{version}"

    def version_of(self, number: str) -> int:
        """Return the version of the view that a window shows, by the number that it was given; -1
        for any other one."""
        boot, _, version = number.partition("-")
        is_ours = boot == self._boot and version.isdecimal() and len(version) <= _VERSION_DIGITS
        return int(version) if is_ours and int(version) <= self.view.version else -1

    def exit(self, window: object) -> None:
        """Note that a window is closed."""
        self.windows.exit(window)
        self.touch()

    def touch(self) -> bool:
        """Note that the browser is there. Return whether that is news to the registry."""
        self._seen_at = self._loop.time()
        is_back = self._store.is_absent and not self._is_over
        if is_back:
            self._come_back()
        return is_back

    @property
    def _is_here(self) -> bool:
        return bool(self.windows) or self._loop.time() - self._seen_at < ABSENT_AFTER

    def _come_back(self) -> None:
        """Be called in turn again: the browser is back."""
        self._paused_at = self._loop.time()
        self.visitor.pause(is_paused=False)

    def _note_absence(self, *, is_absent: bool) -> None:
        with contextlib.suppress(OSError):
            self._store.note_absence(is_absent=is_absent)

    def _detach(self) -> None:
        """Leave the registry alone: the visit is over, and can only be read any more."""
        if self._detaching is None:
            self.view.may_rate = False
            self._detaching = self._loop.create_task(self.visitor.detach())

    # --- time

    def tend(self) -> bool:
        """Do what is due. Return False if the session is to be closed: nobody has looked for
        long."""
        now = self._loop.time()
        if self._over_at is not None:
            if now - self._over_at >= RATES_WITHIN:
                self._detach()
            elif self._is_rating_lost and self.visitor.is_linked:
                self._is_rating_lost = False
                self.visitor.rate(self.view.rating)
            return now - self._over_at < OVER_FOR
        if self.windows:
            self._seen_at = now
        absent_for = now - self._seen_at
        if absent_for >= GONE_AFTER:
            return False
        if self._is_leaving:
            self._send_leave()
        is_waiting = self.view.stage is VisitStage.WAITING and not self.view.is_away
        if is_waiting:
            self._tend_pause(now)
        is_new = self.view.position != self._asked_for
        if (
            is_waiting
            and absent_for < ABSENT_AFTER
            and (is_new or now - self._asked_at >= ASK_AFTER)
        ):
            self._asked_at, self._asked_for = now, self.view.position
            self.visitor.ask_position()
        return True

    def _tend_pause(self, now: float) -> None:
        """Let others go first while no browser is there, and not any more when it is back. A
        request may be lost with its link, so it is repeated until the registry reports the pause
        that we want."""
        is_here = self._is_here
        if not is_here and not self.view.is_paused and not self._store.is_absent:
            self._note_absence(is_absent=True)
        if not self._store.is_absent:
            return
        if self.view.is_paused is is_here:
            if now - self._paused_at >= ASK_AGAIN_AFTER and self.visitor.is_linked:
                self._paused_at = now
                self.visitor.pause(is_paused=not is_here)
        elif is_here and now - self._paused_at >= ASK_AGAIN_AFTER:
            self._note_absence(is_absent=False)  # the pause had not taken effect


def report(task: asyncio.Task[None]) -> None:
    """Log a bug that has ended a task."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("fault of a web session: %s", quoted(repr(error)), exc_info=error)
