"""One registry core under test: no sockets, no sleeping; time is a number, and outputs are sorted
by kind."""

import random
from collections import defaultdict

import msgspec

from chatapp.registry.edge.edge import Edge
from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.directory.table import TableCopy
from chatapp.registry.rules.effects import DropReason, Event, LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.registry.store.entries import Entry
from chatapp.registry.store.protocol import KeptTable
from chatapp.registry.telemetry.logs import event_line
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.codec import FrameReader, decode_notice
from chatapp.wire.errors import StoreError, StoreFull
from chatapp.wire.identity import Identity
from chatapp.wire.limits import LINK_FRAME_MAX
from chatapp.wire.messages.table import Row, TablePage
from tests.registry.linked_peer import LinkedPeer, rows_of
from tests.support.memory_store import MemoryStore

WALL = 1_700_000_000.0
PORT = 5_000


class Rig:
    """One registry in virtual time."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        seed: int = 1,
        now: float = 100.0,
        wall: float = WALL,
        policy: RegistryPolicy | None = None,
        desk: DeskSettings | None = None,
        access: AccessSettings | None = None,
        table: KeptTable | None = None,
        edge: Edge | None = None,
    ) -> None:
        """`table`, `edge`: of an earlier engine in a cluster."""
        self.desk = desk
        self.access = access
        self.console: list[str] = []
        self.now = now
        self.wall_offset = wall - now
        self.rng = random.Random(seed)
        self.identity = Identity(bytes(range(32)))
        self.store = store or MemoryStore()
        self.policy = policy or RegistryPolicy()
        self.auto_commit = True
        self.faults_allowed = False
        self.datagrams: defaultdict[Address, list[bytes]] = defaultdict(list)
        self.frames: defaultdict[int, list[bytes]] = defaultdict(list)
        self.closed: dict[int, LinkEndReason] = {}
        self.events: list[Event] = []
        self.paused: set[int] = set()
        self.widened: set[int] = set()
        self.handed: list[Entry] = []
        self._readers: dict[int, FrameReader] = {}
        self._next_link = 1
        self._made = 0
        self._table = table
        self.peers: list[LinkedPeer] = []
        self.core = self._start(edge)

    def _start(self, edge: Edge | None = None) -> RegistryCore:
        context = Context(
            identity=self.identity,
            rng=self.rng,
            clock=WallClock(now=self.now, wall=self.now + self.wall_offset),
            store=self.store,
            policy=self.policy,
        )
        core = RegistryCore(
            context,
            msgspec.structs.replace(self.store.load(), table=self._table),
            edge or PORT,
            desk=self.desk,
            access=self.access,
            now=self.now,
        )
        self._commit_all(core)
        return core

    def restart(
        self, *, crash: bool = True, downtime: float = 1.0, table: KeptTable | None = None
    ) -> None:
        """Restart the registry on the same store; all links are lost. `table`: with which it goes
        on."""
        self._table = table
        if crash:
            self.store.crash()
        self.now += downtime
        self.frames.clear()
        self.datagrams.clear()
        self.core = self._start()

    def kept_table(self) -> KeptTable:
        """Return the table as it was told until now, as another node has it."""
        table, copy = self.core.engine.hub.directory.table, TableCopy()
        copy.table.gaps = table.gaps
        copy.learn(table.delta(0, bytes_max=1 << 30, rows_max=1 << 30))
        return copy.kept()

    # --- turning

    def turn(self) -> None:
        """Do what the driver does at the end of a turn."""
        assert self.faults_allowed or not self.core.dropped[DropReason.FAULT], (
            self.take_event_lines()
        )
        while (
            self.core.edge.register_queue.due <= self.now
        ):  # the shell's next timer, which is due at once
            self.core.handle_timer(now=self.now)
        if self.auto_commit:
            self._commit_all(self.core)
        self.widened.update(self.core.take_links_to_widen())
        output = self.core.take_output()
        for link, pieces in output.link_writes:
            self._feed(link, pieces)
        self.console += self.core.take_console_lines()
        for data, to in output.datagrams:
            self.datagrams[to].append(data)
        for data, addresses in output.broadcasts:
            for address in addresses:
                self.datagrams[address].append(data)
        self.paused.update(output.links_to_pause)
        self.paused.difference_update(output.links_to_resume)
        self.closed.update(output.links_to_close)
        self.events += output.events

    def take_event_lines(self) -> list[str]:
        """Drain the log lines of events."""
        events = [*self.events, *self.core.take_output().events]
        self.events = []
        return [event_line(event) for event in events]

    def commit(self) -> None:
        """Let the disk store everything requested so far."""
        self._commit_all(self.core)
        self.turn()

    def hand_over(self) -> None:
        """Pass entries to the store; the sync is still running."""
        entries = self.core.entries_to_store()
        self.store.append(entries)
        self.handed += entries

    def sync_ends(self) -> None:
        """End the running sync: it covers what was passed before it began."""
        self.store.sync()
        count, self.handed = len(self.handed), []
        self.core.entries_stored(count, now=self.now)
        self.turn()

    def _commit_all(self, core: RegistryCore) -> None:
        while entries := [*self.handed, *(new := core.entries_to_store())]:
            try:
                if new:
                    self.store.append(new)
                self.store.sync()
            except StoreError as error:
                core.store_failed(
                    str(error),
                    newest=len(new) or None,
                    is_full=isinstance(error, StoreFull),
                    now=self.now,
                )
            else:
                core.entries_stored(len(entries), now=self.now)
            self.handed = []

    def advance(self, seconds: float) -> None:
        """Let time pass; every deadline on the way is met, and everybody with a link who is not
        frozen shows signs of life."""
        until = self.now + seconds
        self._show_life(self.peers, until)
        while (due := self.core.next_timer()) <= until:
            self.now = max(self.now, due)
            if asked := self.core.engine.hub.liveness._probes:
                self._show_life([peer for peer in self.peers if peer.id in asked], self.now)
            self.core.handle_timer(now=self.now)
            self.turn()
        self.now = until

    def _show_life(self, peers: list[LinkedPeer], now: float) -> None:
        for peer in peers:
            if peer.shows_life:
                self.core.engine.hub.liveness.note_if_present(peer.id, now=now)

    # --- the world

    def receive(self, data: bytes, sender: Address) -> None:
        """Receive a datagram."""
        self.core.receive_datagram(data, sender, now=self.now)
        self.turn()

    def take(self, address: Address) -> list[bytes]:
        """Drain the datagrams sent to this address."""
        return self.datagrams.pop(address, [])

    def open_link(self, host: str) -> int:
        """Open a connection."""
        link = self._next_link
        self._next_link += 1
        self._readers[link] = FrameReader()
        self._readers[link].largest = LINK_FRAME_MAX
        self.core.link_opened(link, Address(host, 40_000), now=self.now)
        self.turn()
        return link

    def close_link(self, link: int) -> None:
        """Close a connection."""
        self.core.link_closed(link, now=self.now)
        self.turn()

    def _feed(self, link: int, pieces: list[bytes]) -> None:
        reader = self._readers[link]
        reader.feed(b"".join(pieces))
        while (frame := reader.next_frame()) is not None:
            self.frames[link].append(frame)

    def operator_code(self, name: str) -> JoinCode | None:
        """Return the code that this run printed for an operator of this name."""
        codes = self.core.operators.codes.items()
        return next((code for key, code in codes if key == name.casefold()), None)

    def peer(self, name: str, *, host: str | None = None) -> "LinkedPeer":
        """Return a peer that has done nothing yet."""
        self._made += 1
        self.peers.append(
            LinkedPeer(self, name, host=host or f"10.0.0.{self._made}", seed=self._made)
        )
        return self.peers[-1]

    def member(self, name: str) -> "LinkedPeer":
        """Return a registered peer with a link."""
        peer = self.peer(name)
        peer.register()
        peer.attach()
        return peer


def row_of(rig: Rig, peer: LinkedPeer) -> Row:
    """Return a person's row in the table. A row that is not there yet is told without a link after
    a while (clause 3.3)."""
    if (row := _row_now(rig, peer)) is None:
        rig.advance(LINK_AWAITED_FOR)
        row = _row_now(rig, peer)
    assert row is not None
    return row


def _row_now(rig: Rig, peer: LinkedPeer) -> Row | None:
    page = decode_notice(bytes(rig.core.engine.hub.directory.table.page(0)))
    assert isinstance(page, TablePage)
    return next((row for row in rows_of(page.rows) if row.card.identity == peer.id), None)  # type: ignore[arg-type]
