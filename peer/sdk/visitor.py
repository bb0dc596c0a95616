"""A visitor of a help desk as a program uses it.

Requests go to the core of the open visitor (`peer.core.visitor`); what comes of them is told by
events.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import DeskFileRefusal, DeskFileRefused, NotOpen
from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.conversation import check_length
from chatapp.peer.core.desk.files import WITHIN, DeskDownload, DeskUpload
from chatapp.peer.core.desk.visit import ADMITTED, Stage
from chatapp.peer.core.visitor import VisitorCore
from chatapp.peer.node.driver import Driver
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.ticket import TooManyVisits, VisitFolder, VisitStore
from chatapp.wire.address import Address, ServerSpec, server_name, servers_of
from chatapp.wire.aio.hosts import server_addresses
from chatapp.wire.aio.machine import THIS_MACHINE, Machine
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.folders import default_home
from chatapp.wire.identity import AgreementKey, Identity, require_fingerprint

STORE_AGAIN_AFTER: Final = 1.0
"""Seconds between attempts to write to a disk that failed."""


class VisitorNode:
    """A visitor from its opening to its closing: its core, what it has on the network and on disk,
    and its events."""

    def __init__(
        self,
        servers: Sequence[Address],
        *,
        registry_key: str | None,
        queue: str,
        open_store: Callable[[], VisitStore],
        gateway: Identity | None,
        machine: Machine,
    ) -> None:
        """Bind, load the ticket and look for the registry. `servers`: as the user gave them. Raises
        AddressRefused, PortInUse, OSError, TooManyVisits; then nothing is left open."""
        self._machine: Final = machine
        self._gateway: Final = gateway
        self._loop: Final = asyncio.get_running_loop()
        self._addresses: Final = list(server_addresses(servers, "server"))
        self._registry_key: Final = registry_key
        self._queue: Final = queue
        self._unsaved: StoredVisit | None = None
        self._save_at = 0.0
        """When to write to a failing disk again; 0 while it works."""
        with contextlib.ExitStack() as undo:
            self._store: Final = open_store()
            undo.callback(self._store.close)
            self.driver: Final = Driver(self, port=0, machine=machine)
            undo.pop_all()
        self.core = self._new_core()
        self._begun_with = self._store.visit
        self.feed: Final[EventFeed[visit_events.VisitEvent]] = EventFeed(
            self._loop, has_room=self.driver.schedule
        )
        self.feed.put(self._store.damage)
        self._look_for_registry()
        self.driver.start()

    def _new_core(self) -> VisitorCore:
        now, wall, rng = self._loop.time(), self._machine.wall(), self._machine.rng
        guest = LocalIdentity(
            name="",
            identity=Identity(rng.randbytes(32)),
            mail_keys=[AgreementKey(rng.randbytes(32))],
            counter=int(wall * 1_000),
        )
        return VisitorCore(
            Context(guest, policy=Policy(), rng=rng, wall_offset=wall - now),
            servers=self._addresses,
            pinned=self._store.registry,
            stored=self._store.visit,
            queue=self._queue,
            gateway=self._gateway,
        )

    def _look_for_registry(self) -> None:
        if self._registry_key is not None:
            self.core.demand_registry(self._registry_key)
        self.core.start(now=self.driver.now())

    def close(self) -> None:
        """Store what is left and let go of everything."""
        self.take_turn(now=self._loop.time())
        self.driver.close()
        self.feed.close()
        self._store.close()

    # --- for the driver

    def take_turn(self, *, now: float) -> None:
        """Store, send and tell what has come of the last inputs."""
        self._save(now)
        self.driver.send(self.core.datagrams_to_send())
        self.driver.tend_link(now=now)
        if events := self.core.events():
            self.feed.put(events)

    def next_timer(self) -> float | None:
        """Return the earliest deadline of the core and of the disk."""
        dues = [due for due in (self.core.next_timer(), self._save_at or None) if due is not None]
        return min(dues, default=None)

    def _save(self, now: float) -> None:
        self._unsaved = self.core.wants_stored() or self._unsaved
        if now < self._save_at:
            return
        try:
            if self.core.pinned is not None and self.core.pinned != self._store.registry:
                self._pin(self.core.pinned)
            if self._unsaved is not None:
                self._store.save(self._unsaved)
                self._unsaved = None
                self.core.stored()
            self._save_at = 0.0
        except OSError as error:
            if not self._save_at:
                path = str(error.filename or self._store.folder)
                self.feed.put(
                    [visit_events.TicketNotStored(path=path, error=error.strerror or str(error))]
                )
            self._save_at = now + STORE_AGAIN_AFTER

    def _pin(self, registry: bytes) -> None:
        """Store the key of the registry that has let us in. If we have an unfinished visit there,
        go on with that one. Raises OSError."""
        try:
            self._store.pin(registry)
        except TooManyVisits as error:
            self.feed.put([visit_events.FolderFull(folder=str(error.folder))])
        if self._store.visit != self._begun_with:
            self.feed.put(self.core.events())
            self._unsaved = None
            self.core = self._new_core()
            self._begun_with = self._store.visit
            self.driver.restart()
            self._look_for_registry()


class Visitor:
    """One visitor of one help desk."""

    def __init__(
        self,
        server: ServerSpec,
        *,
        registry_key: str | None = None,
        queue: str = "",
        home: Path | None = None,
        gateway: Identity | None = None,
        open_store: Callable[[], VisitStore] | None = None,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`queue`: which queue of the desk, by default its first one. `gateway`: the key of the
        gateway through which the visitor comes (`peer.node.ticket.gateway_key`): a registry that
        lists it counts the visitor with the gateway, and not with this machine's address; from
        another one `GatewayUnknown` follows. `open_store`: opens the store of this visit; by
        default an unfinished visit in the folder `home` is continued, else a new one is begun
        there. All else is as in `peer.sdk.client.Peer`. Raises AddressRefused, KeyRefused."""
        self._machine: Final = machine
        self._gateway: Final = gateway
        self._servers: Final = servers_of(server)
        self._registry_key: Final = (
            None if registry_key is None else require_fingerprint(registry_key)
        )
        self._queue: Final = queue
        self._home: Final = home
        self._open_store: Final = open_store or self._open_folder
        self._node: VisitorNode | None = None
        """The open node; None while the visitor is closed."""
        self._feed: EventFeed[visit_events.VisitEvent] | None = None
        """The events of the present opening, else of the last one."""

    # --- life

    def open(self) -> None:
        """Bind, load the ticket and look for the registry. Raises AddressRefused, PortInUse,
        OSError, TooManyVisits."""
        self._node = VisitorNode(
            self._servers,
            registry_key=self._registry_key,
            queue=self._queue,
            open_store=self._open_store,
            gateway=self._gateway,
            machine=self._machine,
        )
        self._feed = self._node.feed

    def _open_folder(self) -> VisitStore:
        return VisitFolder(
            self._home or default_home(), *(server_name(*server) for server in self._servers)
        )

    async def close(self, *, within: float) -> None:
        """Give the position up, waiting at most `within` seconds for the registry's answer, and let
        go of everything."""
        if (node := self._node) is None:
            return
        try:
            node.core.leave(now=node.driver.now())
            node.driver.schedule()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while not node.core.has_left:
                        await node.driver.turn()
        finally:
            node.close()
            self._node = None
        await node.driver.closed()

    async def detach(self) -> None:
        """Let go of everything but the position: the registry keeps it for a while, and who opens
        the store again goes on with the visit."""
        if (node := self._node) is not None:
            node.close()
            self._node = None
            await node.driver.closed()

    def _open_node(self) -> VisitorNode:
        if self._node is None:
            raise NotOpen
        return self._node

    # --- requests; each raises NotOpen

    def join(self, form: Form) -> None:
        """Ask for a position in the line."""
        node = self._open_node()
        node.core.join(form)
        node.driver.schedule()

    def say(self, text: str) -> int | None:
        """Say a line to the operator, and return the id by which `MessageChanged` will name it; None
        if it was added to the description instead, as we wait. Raises TextTooLong."""
        check_length(text)
        node = self._open_node()
        line = node.core.say(text, now=node.driver.now())
        node.driver.schedule()
        return line

    def talk(self, text: str, *, number: int = 0) -> int | None:
        """Say a line of a talk, in our next turn if nobody serves us any more. Return the id by which
        `MessageChanged` will name it; None if there is no visit. `number`: the id that it is given
        if it is above all earlier ones; a program that does not know whether an earlier run has said
        it gives the same again. Raises TextTooLong."""
        check_length(text)
        node = self._open_node()
        line = node.core.talk(text, now=node.driver.now(), number=number)
        node.driver.schedule()
        return line

    def change(self, line: int, text: str | None) -> int | None:
        """Change a line of a talk that we have said, by its id, or take it back (None). Return the id
        by which `MessageChanged` will name the change; None if there is no such line, or no visit.
        Raises TextTooLong."""
        check_length(text or "")
        node = self._open_node()
        change = node.core.change(line, text, now=node.driver.now())
        node.driver.schedule()
        return change

    async def send_file(self, name: str, content: bytes) -> visit_events.Said:
        """Send a file to the operator. Return the line that brings it, which no other event tells.
        Raises DeskFileRefused, NotOpen."""
        node = self._open_node()
        upload = node.core.send_file(name, content, now=node.driver.now())
        if upload is None:
            raise DeskFileRefused(DeskFileRefusal.NOT_SERVED)
        await self._over(node, upload)
        return upload.outcome()

    async def fetch_file(self, visit: int, position: int, size: int) -> bytes:
        """Return the content of the file of a line of this visit, or of the last one, as the line has
        these numbers (`visit`, `number`, `file.size`). Raises DeskFileRefused, NotOpen."""
        node = self._open_node()
        download = node.core.fetch_file(visit, position, size)
        await self._over(node, download)
        return download.content

    async def _over(self, node: VisitorNode, transfer: DeskUpload | DeskDownload) -> None:
        node.driver.schedule()
        try:
            async with asyncio.timeout(WITHIN):
                while not transfer.is_over:
                    if self._node is not node:
                        raise NotOpen
                    await node.driver.turn()
        except TimeoutError:
            raise DeskFileRefused(DeskFileRefusal.UNANSWERED) from None
        finally:
            node.core.forget_file(transfer)

    def was_said(self, number: int) -> bool:
        """Return whether an earlier run has said the line with this number, as far as is known."""
        return self._open_node().core.was_said(number)

    def describe(self, text: str) -> None:
        """Replace the description of our issue, while we wait; `Described` or `DescriptionRefused`
        follows."""
        node = self._open_node()
        node.core.describe(text, now=node.driver.now())
        node.driver.schedule()

    def ask_position(self) -> None:
        """Ask where we are; `PositionAnswered` or `ServedAnswered` follows."""
        node = self._open_node()
        node.core.ask_position()
        node.driver.schedule()

    def rate(self, rating: int) -> None:
        """Rate the session, from 1 (bad) to 5 (good), during it or after its end; `Rated`
        follows."""
        node = self._open_node()
        node.core.rate(rating)
        node.driver.schedule()

    def pause(self, *, is_paused: bool) -> None:
        """Let others go first, or be called in turn again; `PauseChanged` follows, or what follows
        `ask_position`."""
        node = self._open_node()
        node.core.pause(is_paused=is_paused)
        node.driver.schedule()

    def begin_anew(self) -> None:
        """Give the position up and fill in another form; `FormWanted` follows."""
        node = self._open_node()
        node.core.begin_anew()
        node.driver.schedule()

    # --- where we are

    @property
    def is_lost(self) -> bool:
        """Whether the registry does not answer. What is typed then waits for it."""
        return self._open_node().core.is_lost

    @property
    def description(self) -> str:
        """What we wrote about our issue while waiting; empty for nothing."""
        return self._open_node().core.description

    @property
    def files_largest(self) -> int:
        """Bytes of the largest file that the desk takes; 0: none, as far as we know."""
        return 0 if self._node is None else self._node.core.files_largest

    @property
    def is_waiting(self) -> bool:
        """Whether we are in the line."""
        return self._open_node().core.stage is Stage.WAITING

    @property
    def is_admitted(self) -> bool:
        """Whether we are in the line or are being served: only then is what we say kept."""
        return self._open_node().core.stage in ADMITTED

    @property
    def is_linked(self) -> bool:
        """Whether a request would reach the registry now."""
        return self._node is not None and self._node.core.is_linked

    @property
    def wants_form(self) -> bool:
        """Whether the desk waits for our form."""
        return self._open_node().core.stage is Stage.ASKING

    async def stage_known(self) -> None:
        """Wait until it is known where we are: asked for the form, in the line, being served, or at
        the end."""
        while (node := self._node) and node.core.stage in (
            Stage.CLOSED,
            Stage.JOINING,
            Stage.RETURNING,
        ):
            await node.driver.turn()

    async def settled(self) -> None:
        """Wait until our position is known and all that we said has arrived, or the registry does
        not answer."""
        while (node := self._node) and not node.core.is_settled:
            await node.driver.turn()

    # --- events

    async def next_events(self) -> list[visit_events.VisitEvent]:
        """Return all that happened since the last call, waiting for something; empty once the
        visitor is closed. Call `events_shown` afterwards. Raises NotOpen for a visitor that was
        never open."""
        return await self._any_feed().next_batch()

    def take_events(self) -> list[visit_events.VisitEvent]:
        """Return the same as `next_events`, without waiting."""
        return self._any_feed().take()

    def events_shown(self, batch: Sequence[visit_events.VisitEvent]) -> None:
        """Report that the visitor has seen these; the lines among them are given again after the
        program's next start only, as late ones."""
        if (node := self._node) is None:
            return
        for event in batch:
            if isinstance(event, visit_events.Said | visit_events.Edited | visit_events.Retracted):
                node.core.lines_shown(event.number)
        node.driver.schedule()

    def _any_feed(self) -> EventFeed[visit_events.VisitEvent]:
        if self._feed is None:
            raise NotOpen
        return self._feed
