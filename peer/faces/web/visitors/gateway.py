"""The gateway: all visits that come through it, and what the desk offers to newcomers."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.faces.web.budget import Ledger
from chatapp.peer.faces.web.cookies import hashed, new_secret
from chatapp.peer.faces.web.limits import (
    JOINS_BURST,
    JOINS_PER_SECOND,
    RATES_MAX,
    SESSIONS_MAX,
    SESSIONS_PER_ADDRESS,
    TEXT_IN_ALL,
    TEXT_PER_NETWORK,
)
from chatapp.peer.faces.web.visitors.session import Office, WebSession, report
from chatapp.peer.faces.web.visitors.store import GatewayFolder, SessionStore, StoredSession
from chatapp.peer.faces.web.visitors.texts import TEXTS
from chatapp.peer.node.feed import Waiters
from chatapp.peer.node.ticket import gateway_key
from chatapp.peer.sdk.visitor import Visitor
from chatapp.wire.address import Address, ip_literal, server_name
from chatapp.wire.aio.hosts import server_addresses
from chatapp.wire.aio.machine import THIS_MACHINE, Machine
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import AddressRefused, ChatAppError, quoted
from chatapp.wire.identity import fingerprint

TEND_AFTER: Final = 1.0
"""Seconds between two looks at what is due."""

LOOK_AGAIN_AFTER: Final = 15.0
"""Seconds after which what is known of a closed desk is asked for again: a registry tells its
choices once a link."""

RESOLVED_AFTER: Final = 60.0
"""Seconds after which the registry's host name is resolved anew, for visits that begin later."""

KNOWN_WITHIN: Final = 3.0
"""Seconds for which a request waits until it is known what the desk offers."""

DISK_TOLD_AFTER: Final = 60.0
"""Seconds without trouble after which a failing disk is told again."""

LEAVES_WITHIN: Final = 0.5
"""Seconds that are given to the registry to answer that a visitor leaves."""


_log: Final = logging.getLogger("chatapp.peer")

_FOR_THE_TERMINAL: Final = (
    visit_events.NoServer
    | visit_events.VisitorServerLost
    | visit_events.ServerBack
    | visit_events.RegistryMet
    | visit_events.RegistryKeyChanged
    | visit_events.VisitorNotAdmitted
    | visit_events.QueueUnknown
    | visit_events.GatewayUnknown
    | visit_events.LinkTroubled
    | visit_events.TicketNotStored
)
"""Events of the lookout that concern the person who runs the gateway."""


class Crowded(Exception):
    """No visit can begin now. `why` is a key of the texts: `refusal.<why>`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class FrontDesk:
    """What the desk offers, as a visitor learns it who never joins the line."""

    def __init__(self) -> None:
        self.form: visit_events.FormWanted | None = None
        """The form; None until the registry has told it."""
        self.closed: visit_events.DeskClosed | None = None
        """That the desk takes no newcomers."""
        self.trouble: visit_events.VisitEvent | None = None
        """Why the registry lets nobody in."""
        self.is_away = False
        """Whether the registry does not answer."""

    @property
    def is_known(self) -> bool:
        """Whether it is known what the desk offers, or why it does not."""
        return bool(self.form or self.closed or self.trouble or self.is_away)

    def handle(self, event: visit_events.VisitEvent) -> None:
        """Take an event in."""
        match event:
            case visit_events.FormWanted():
                self.form, self.closed, self.trouble, self.is_away = event, None, None, False
            case visit_events.DeskClosed():
                self.closed, self.trouble, self.is_away = event, None, False
            case visit_events.NoServer() | visit_events.VisitorServerLost():
                self.is_away = True
            case visit_events.ServerBack():
                self.is_away = False
            case (
                visit_events.QueueUnknown()
                | visit_events.VisitorNotAdmitted()
                | visit_events.RegistryKeyChanged()
            ):
                self.trouble = event
            case _:
                pass


class Gateway:
    """All sessions of one web desk."""

    def __init__(
        self,
        servers: Sequence[Address],
        *,
        registry_key: str | None,
        queue: str,
        home: Path,
        language: str,
        tell: Callable[[visit_events.VisitEvent], None],
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`queue`: which queue of the desk; empty for its first one. `language`: for browsers that
        ask for none of ours. `tell` is called with each event that the person who runs the gateway
        should know. Raises GatewayRuns, BrokenKeyFile, OSError, KeyRefused."""
        self._tell: Final = tell
        self._machine: Final = machine
        self.read_clock: Final = machine.now
        """Tells the time by which requests are counted."""
        self._loop: Final = asyncio.get_running_loop()
        self._servers: Final = tuple(servers)
        self._registry_key: Final = registry_key
        self._queue: Final = queue
        self.language: Final = language
        self.folder: Final = GatewayFolder(home, server_name(*servers[0]))
        self._key: Final = gateway_key(self.folder.path)
        self.fingerprint: Final = fingerprint(self._key.public)
        """What the registry is given by `--gateway`, so that our visitors have limits of their
        own."""
        self.sessions: Final[dict[str, WebSession]] = {}
        self.front: Final = FrontDesk()
        self._joins: Buckets[str] = Buckets(
            rate=JOINS_PER_SECOND, burst=JOINS_BURST, most=RATES_MAX
        )
        self._of_network: Final[Counter[str]] = Counter()
        self._kept: Final = Ledger(of_network=TEXT_PER_NETWORK, in_all=TEXT_IN_ALL)
        """The bytes of what all visits show."""
        self._front_news: Final = Waiters(self._loop)
        self._lookout: Visitor | None = None
        self._addresses: Sequence[Address] = ()
        """The registry's servers as IP addresses."""
        self._has_names: Final = any(ip_literal(server.host) is None for server in servers)
        self._resolved_at = 0.0
        self._looked_at = 0.0
        self._is_relooking = False
        self._told_unknown = False
        """Whether the terminal was told that the registry does not list us."""
        self._disk_failed_at = -DISK_TOLD_AFTER
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_ending = False

    def open(self) -> None:
        """Look for the registry, and go on with all visits that are stored. Raises AddressRefused,
        OSError."""
        self._addresses, self._resolved_at = self._resolved(), self._loop.time()
        self._look()
        for id_, stored in self.folder.sessions():
            language = stored.language if stored.language in TEXTS else self.language
            self._begin(id_, stored, language=language, network="", form=None)
        for damage in self.folder.damage:
            self._tell(damage)
        self._do(self._tend())

    async def close(self) -> None:
        """Let go of everything; the visitors keep their places."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self.sessions.values()))
        if self._lookout is not None:
            await self._lookout.detach()
        self.folder.close()

    def end_streams(self) -> None:
        """End all streams, as the program ends."""
        self.is_ending = True
        for session in self.sessions.values():
            session.windows.wake()

    # --- visits

    def join(self, form: Form, *, language: str, network: str) -> tuple[str, WebSession]:
        """Begin a visit. Return the browser's secret and the session. Raises Crowded."""
        if len(self.sessions) >= SESSIONS_MAX:
            raise Crowded("full")
        if self._of_network[network] >= SESSIONS_PER_ADDRESS:
            raise Crowded("many")
        if not self._joins.take(network, now=self._loop.time()):
            raise Crowded("fast")
        secret = new_secret()
        stored = StoredSession(visit=StoredVisit(), language=language)
        try:
            session = self._begin(
                hashed(secret), stored, language=language, network=network, form=form
            )
        except (OSError, ChatAppError):
            raise Crowded("full") from None  # no port is left, or no descriptor
        return secret, session

    def _begin(
        self, id_: str, stored: StoredSession, *, language: str, network: str, form: Form | None
    ) -> WebSession:
        store = SessionStore(self.folder, id_, stored)
        visitor = Visitor(
            self._addresses,
            registry_key=self._registry_key,
            queue=self._queue,
            gateway=self._key,
            open_store=lambda: store,
            machine=self._machine,
        )
        session = WebSession(
            id_,
            visitor,
            store,
            language=language,
            network=network,
            form=form,
            office=Office(self._kept, self._machine.wall, self._note_failing_disk),
        )
        session.open()
        self.sessions[id_] = session
        self._of_network[network] += 1
        return session

    def _note_failing_disk(self, event: visit_events.VisitEvent) -> None:
        """Tell that tickets cannot be stored, once for all the sessions that notice it together."""
        now = self._loop.time()
        if now - self._disk_failed_at >= DISK_TOLD_AFTER:
            self._tell(event)
        self._disk_failed_at = now

    async def drop(self, session: WebSession) -> None:
        """End a session; a place in the line is given up."""
        if self.sessions.pop(session.id, None) is not None:
            self._of_network[session.network] -= 1
            if not self._of_network[session.network]:
                del self._of_network[session.network]
            await session.close(within=LEAVES_WITHIN)

    # --- the front desk

    async def front_known(self) -> None:
        """Wait for a moment until it is known what the desk offers: the program may have just
        begun."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KNOWN_WITHIN):
                while not self.front.is_known:
                    await self._front_news.wait()

    def look_again(self) -> None:
        """Ask the desk anew what it offers, if that may have changed since."""
        is_due = self._loop.time() - self._looked_at >= LOOK_AGAIN_AFTER
        is_wanted = not self.front.is_away and (self.front.closed or self.front.trouble)
        if is_due and is_wanted and not self._is_relooking:
            self._is_relooking = True
            self._do(self._relook())

    def _look(self) -> None:
        self._looked_at = self._loop.time()
        nothing = StoredSession(visit=StoredVisit(), language=self.language)
        store = SessionStore(self.folder, "", nothing)
        self._lookout = Visitor(
            self._addresses,
            registry_key=self._registry_key,
            queue=self._queue,
            gateway=self._key,
            open_store=lambda: store,
            machine=self._machine,
        )
        self._lookout.open()
        self._do(self._watch(self._lookout))

    async def _relook(self) -> None:
        try:
            if self._lookout is not None:
                await self._lookout.detach()
            self._look()
        finally:
            self._is_relooking = False

    async def _watch(self, lookout: Visitor) -> None:
        while batch := await lookout.next_events():
            for event in batch:
                self.front.handle(event)
                if isinstance(event, _FOR_THE_TERMINAL) and not self._is_told(event):
                    self._tell(event)
            self._front_news.wake()

    def _is_told(self, event: visit_events.VisitEvent) -> bool:
        """Whether an event was told before that need not be told again: each new lookout meets it
        once more."""
        if not isinstance(event, visit_events.GatewayUnknown):
            return False
        was_told, self._told_unknown = self._told_unknown, True
        return was_told

    # --- the registry's addresses

    def _resolved(self) -> list[Address]:
        """Return the registry's servers as IP addresses. May take seconds. Raises
        AddressRefused."""
        return list(server_addresses(self._servers, "server"))

    async def _resolve_again(self) -> None:
        """Resolve the names in a thread, as every visit waits for the loop. The former addresses
        are kept if that fails."""
        with contextlib.suppress(AddressRefused):
            self._addresses = await asyncio.to_thread(self._resolved)

    # --- time

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_AFTER)
            if self._has_names and self._loop.time() - self._resolved_at >= RESOLVED_AFTER:
                self._resolved_at = self._loop.time()
                self._do(self._resolve_again())
            for session in tuple(self.sessions.values()):
                if not self._tended(session):
                    self._do(self.drop(session))

    def _tended(self, session: WebSession) -> bool:
        """Do what is due in a session. Return False if it is to be closed."""
        try:
            return session.tend()
        except Exception as error:  # noqa: BLE001 - a bug in one session must not end the others
            _log.error("fault of a web session: %s", quoted(repr(error)), exc_info=error)
            return False

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report)
