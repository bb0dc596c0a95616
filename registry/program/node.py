"""One registry as a node of a cluster: it connects, checks what it finds, and waits until the lease
is its own."""

import asyncio
import http.client
import logging
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.cluster.bus.session import MESSAGE_MAX
from chatapp.registry.cluster.health import Health, HealthEvent
from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.lease import Lease, LeaseState
from chatapp.registry.cluster.settings import (
    ClusterProblem,
    ClusterSettings,
    ClusterUnavailable,
    monitor_urls,
    server_urls,
    without_secrets,
)
from chatapp.registry.cluster.storage import (
    CLUSTER_KEY,
    ClusterStorage,
    check_folder,
    make_key,
    read_key,
    remove_copy,
)
from chatapp.registry.cluster.stream.bundles import (
    SALT_SIZE,
    BundleRefused,
    ClusterKey,
    Flaw,
    Opener,
    Sealer,
    Strays,
)
from chatapp.registry.cluster.stream.ledger import LedgerUnavailable, Stream, Subject
from chatapp.registry.cluster.stream.mark import Mark, read_mark, write_mark
from chatapp.registry.cluster.stream.store import Hold, is_key_of
from chatapp.registry.cluster.watch import watch
from chatapp.registry.program import texts
from chatapp.registry.program.app import ListeningPort
from chatapp.registry.program.serving import Bus, EdgeOffice, EngineBus, NodeEdge
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.store.keystore import KEY_FILE, KeyUnusable
from chatapp.registry.store.protocol import StoreInUse
from chatapp.wire.errors import StoreError
from chatapp.wire.folders import make_private, path_of
from chatapp.wire.storage import Disk

_log = logging.getLogger(__name__)

SWITCH_SPAN: Final = 0.0005
"""Seconds after which a busy thread lets another one run, a tenth of Python's default. Storing
passes through three threads, each of which would wait that long for the busy event loop."""
TRY_FOR: Final = 30.0
"""Seconds in which the cluster has to be usable at the start."""
SAY_AFTER: Final = 2.0
"""Seconds of trying after which a line says so."""
LEASE_WITHIN: Final = 0.5
"""Seconds that the broker has for an answer about the lease. A renewal without one is sent again at
once."""
MONITOR_WITHIN: Final = 3.0
"""Seconds that a server's monitoring has for its answer."""
STOP_WITHIN: Final = 3.0
"""Seconds that a stop waits for the broker to store the last entries."""
_MONITOR_BYTES: Final = 1 << 20


class ClusterNode:
    """One node. Call `open` first, then `win_lease` and `lost` in turn, and `close` last. All run
    in the main event loop."""

    def __init__(
        self, settings: ClusterSettings, *, folder: Path, name: str, say: Callable[[str], None]
    ) -> None:
        """`folder`: the registry's own. `name`: the node's, for people."""
        self._settings = settings
        self._folder = folder
        self._name = name
        self._lease_strays = Strays(settings.name, "place of the lease", now=time.monotonic)
        self._say = say
        self._key_path = path_of(settings.key) if settings.key else folder / CLUSTER_KEY
        self._broker: JetStream | None = None
        self._lease_broker: JetStream | None = None
        """A connection in a thread of its own, where nothing that is much delays the lease."""
        self._health = Health()
        self._watching: asyncio.Future[None] | None = None
        self._holder = ""
        """Who was seen last to hold the lease."""
        self._key: ClusterKey | None = None
        self._has_made_key = False
        self._lease: Lease | None = None
        self._keeping: asyncio.Future[None] | None = None
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._storage: ClusterStorage | None = None
        self._following: asyncio.Future[None] | None = None
        """Reads what another node stores, while that is going on."""
        self._flaw: BundleRefused | None = None
        self._is_key_known = False
        """Whether the key was seen to open something that a stray in the lease's place leaves in
        doubt."""
        self._is_answered = True
        self._is_stopped = False
        """Whether the storage can store nothing more."""
        self._locks: list[int] = []
        self._edge: NodeEdge | None = None

    # --- the start

    async def open(self) -> None:
        """Connect and check everything. Raises ClusterUnavailable, KeyUnusable, StoreError,
        OSError."""
        sys.setswitchinterval(SWITCH_SPAN)
        self._take_folder()
        settings = self._settings
        read_mark(self._folder, settings.name)  # it says so if this is another cluster's folder
        access = Access(
            servers=server_urls(settings.servers),
            credentials=path_of(settings.credentials) if settings.credentials else None,
            ca=path_of(settings.ca) if settings.ca else None,
        )
        self._broker = JetStream(access, settings.name)
        self._lease_broker = JetStream(access, settings.name)
        saying = self._loop.call_later(SAY_AFTER, self._say, texts.TRYING_LINE)
        try:
            for broker in (self._broker, self._lease_broker):
                await asyncio.to_thread(broker.open, within=TRY_FOR)
        finally:
            saying.cancel()
        if self._broker.message_max < MESSAGE_MAX:
            raise ClusterUnavailable(ClusterProblem.SMALL_MESSAGES, f"{self._broker.message_max:,}")
        await self._check_monitors()
        self._key = await asyncio.to_thread(self._find_key, self._broker)
        await self._mark_folder(self._broker)
        self._watching = self._lease_broker.start(
            watch(self._lease_broker, access.servers, self._health, self._tell_health)
        )
        self._watching.add_done_callback(partial(_log_fault, "the servers are not watched"))

    def _take_folder(self) -> None:
        make_private(self._folder)
        disk = Disk()
        root = disk.open_root(self._folder)
        held = disk.lock(root, "lock")
        self._locks = [root] if held is None else [root, held]
        if held is None:
            raise StoreInUse(str(self._folder))
        remove_copy(self._folder)

    async def _check_monitors(self) -> None:
        """Look whether the servers sync before they confirm. Raises ClusterUnavailable."""
        monitors = monitor_urls(self._settings.monitors)
        if not monitors:
            self._say(texts.UNSEEN_LINE)
        for url in monitors:
            try:
                is_synced = await asyncio.to_thread(_syncs_always, url)
            except (OSError, ValueError, http.client.HTTPException) as error:
                why = str(error).strip() or type(error).__name__
                self._say(texts.unmonitored_line(without_secrets(url), without_secrets(why)))
                continue
            if not is_synced:
                raise ClusterUnavailable(ClusterProblem.SYNCS_LATE, without_secrets(url))

    def _find_key(self, broker: JetStream) -> ClusterKey:
        """Read the cluster's key, or make it if the cluster is new."""
        key = read_key(self._key_path)
        if key is not None:
            return key
        if not _is_new(broker):
            raise KeyUnusable(
                self._key_path,
                f"missing: copy the key of the cluster {self._settings.name} from another node",
            )
        self._has_made_key = True
        return make_key(self._key_path)

    # --- its roles

    def engine_bus(self) -> EngineBus:
        """Return the way to the other nodes. This node has the lease."""
        lease, storage = self._lease, self._storage
        assert lease is not None and storage is not None

        def overtaken() -> None:
            storage.give_up()
            if storage is self._storage:
                self._store_lost()

        return EngineBus(
            self._bus(),
            term=lease.term,
            holds_lease=lambda: lease.is_confirmed(now=time.monotonic()),
            overtaken=overtaken,
        )

    def edge(
        self,
        listening: ListeningPort,
        office: EdgeOffice,
        *,
        policy: RegistryPolicy,
    ) -> NodeEdge:
        """Return this node as the edge of another one's engine."""
        self._edge = NodeEdge(
            self._bus(),
            listening,
            office,
            trouble=self._trouble,
            policy=policy,
        )
        return self._edge

    @property
    def state_node(self) -> str:
        """The name of the node that keeps the state; empty if none is known."""
        return "" if self._lease is None else self._lease.serving

    def figures(self) -> dict[str, float]:
        """Return the figures of the lease, of the connection to the servers, and of their
        health."""
        figures: dict[str, float] = {
            "cluster_connected": float(self._broker is not None and self._broker.is_connected),
            **self._health.figures(now=time.monotonic()),
        }
        age = None if self._lease is None else self._lease.age(now=time.monotonic())
        return figures if age is None else {**figures, "cluster_lease_age_seconds": age}

    def _bus(self) -> Bus:
        assert self._broker is not None and self._key is not None
        return Bus(self._broker, self._key, self._settings.name, name=self._name)

    def _trouble(self) -> str | None:
        broker = self._lease_broker
        return None if self._is_answered or broker is None else broker.trouble

    # --- the lease

    async def win_lease(self) -> ClusterStorage:
        """Wait until this node has the lease, and return the storage of the state, which it has to
        keep now. Raises ClusterUnavailable, KeyUnusable, StoreError."""
        assert self._broker is not None and self._key is not None
        assert self._lease_broker is not None
        name, key, broker = self._settings.name, self._key, self._broker
        self._is_stopped = False
        lease = self._lease = Lease(
            Sealer(key, name, os.urandom(SALT_SIZE)),
            Opener(key, name),
            holder=os.urandom(8).hex(),
            name=self._name,
            strays=self._lease_strays,
            now=time.monotonic(),
        )
        self._keeping = self._lease_broker.start(self._keep(lease))
        self._keeping.add_done_callback(partial(_log_fault, "the lease is lost"))
        storage: ClusterStorage | None = None
        while lease.state is LeaseState.STANDBY and self._flaw is None:
            for connection in (broker, self._lease_broker):
                connection.check_allowed()
            await self._check_key(broker, key, lease)
            if lease.serving and (self._following is None or self._following.done()):
                with suppress(ClusterUnavailable):
                    await self._mark_folder(broker)
                storage = storage or self._storage_of(lease)
                self._following = asyncio.ensure_future(asyncio.to_thread(storage.follow))
                self._following.add_done_callback(partial(_log_fault, "the stream is not followed"))
            if self._edge is not None and self._edge.identity is not None:
                check_folder(self._folder, self._edge.identity, name)
            await self._wait()
        if self._flaw is not None:
            raise self._refusal(self._flaw)
        if lease.state is LeaseState.LOST:
            await asyncio.sleep(SAY_AFTER)
            return await self.win_lease()
        if self._has_made_key:
            self._has_made_key = False
            self._say(texts.new_key_line(self._key_path))
        if storage is not None and self._following is not None:
            self._say(texts.TAKING_OVER_LINE)
            await asyncio.wait([self._following])
        self._storage = storage or self._storage_of(lease)
        return self._storage

    def _storage_of(self, lease: Lease) -> ClusterStorage:
        assert self._broker is not None and self._key is not None
        return ClusterStorage(
            self._broker,
            self._key,
            self._settings.name,
            folder=self._folder,
            node=self._name,
            hold=Hold(lambda: lease.is_confirmed(now=time.monotonic()), self._store_lost),
            lease_strays=self._lease_strays,
        )

    async def _check_key(self, broker: JetStream, key: ClusterKey, lease: Lease) -> None:
        """Look whether this node has the cluster's key, if there is a lease that it does not open:
        another key may be wrong, or a stray may be there. Raises KeyUnusable, StoreError."""
        if not lease.saw_other_key or self._is_key_known:
            return
        try:
            found = await asyncio.to_thread(is_key_of, broker, Opener(key, self._settings.name))
        except LedgerUnavailable:
            return
        if found is False or (found is None and self._has_made_key):
            raise self._refusal(BundleRefused(Flaw.OTHER_KEY))
        self._is_key_known = found is True

    async def _mark_folder(self, broker: JetStream) -> None:
        """Note in the folder whose it is and, once the cluster exists, that this node must not
        begin it anew."""
        if (self._folder / KEY_FILE).exists():  # the storage looks first whose folder it is
            return
        if read_mark(self._folder, self._settings.name) is None:
            is_new = await asyncio.to_thread(_is_new, broker)
            write_mark(self._folder, self._settings.name, None if is_new else Mark(1))

    def _refusal(self, flaw: BundleRefused) -> StoreError | KeyUnusable:
        if flaw.flaw is Flaw.OTHER_KEY:
            if self._has_made_key:
                with suppress(OSError):
                    self._key_path.unlink()
            return KeyUnusable(
                self._key_path,
                f"is not the key of the cluster {self._settings.name} on these servers: copy that of another node, or "
                "choose another name by --cluster-name",
            )
        return StoreError(self._settings.name, f"the lease cannot be read: {flaw.flaw.value}")

    async def lost(self) -> None:
        """Wait until this node must not keep the state any longer, and say so."""
        while (
            not self._is_stopped
            and self._lease is not None
            and self._lease.state is LeaseState.OWNER
        ):
            await self._wait()
        self._say(texts.LOST_LINE)

    async def _wait(self) -> None:
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(SAY_AFTER):
                await self._news.wait()

    def hurry(self, *, ends: bool) -> None:
        """Note that the registry stops: it does not wait for the broker any longer than a moment.
        `ends`: so does the program."""
        if self._storage is not None:
            self._loop.call_later(STOP_WITHIN, self._storage.give_up)
        if ends and self._broker is not None:
            self._loop.call_later(STOP_WITHIN, self._broker.give_up)

    async def step_down(self) -> None:
        """Give the lease back, if it is this registry's: a standby takes over at once. The registry
        has stopped."""
        keeping, lease, broker = self._keeping, self._lease, self._lease_broker
        self._keeping = self._lease = self._storage = None
        if keeping is not None:  # it ends by itself: it sees that it keeps no lease any more
            await asyncio.wait([keeping], timeout=STOP_WITHIN)
        if lease is not None and broker is not None and lease.state is LeaseState.OWNER:
            release = broker.publish_soon(lease.release(), within=LEASE_WITHIN)
            await broker.start(release)

    async def close(self) -> None:
        """Give the lease back, close the connection, and let the folder go. Calling it again does
        nothing."""
        await self.step_down()
        if self._following is not None and self._broker is not None:
            self._broker.give_up()
            await asyncio.wait([self._following])
        brokers = (self._broker, self._lease_broker)
        self._broker = self._lease_broker = None
        for broker in brokers:
            if broker is not None:
                await asyncio.to_thread(broker.close)
        while self._locks:
            os.close(self._locks.pop())

    def _store_lost(self) -> None:
        self._is_stopped = True
        with suppress(RuntimeError):  # the program ends
            self._loop.call_soon_threadsafe(self._news.set)

    # --- in the thread of the lease's connection

    def _tell_health(self, event: HealthEvent) -> None:
        with suppress(RuntimeError):  # the program ends
            self._loop.call_soon_threadsafe(self._say, texts.health_line(event))

    def _note_holder(self, lease: Lease) -> None:
        """Count a takeover if another node or program holds the lease now."""
        if lease.holder and lease.holder != self._holder:
            if self._holder:
                event = self._health.taken_over(lease.serving, now=time.monotonic())
                if event is not None:
                    self._tell_health(event)
            self._holder = lease.holder

    async def _keep(self, lease: Lease) -> None:
        """Look at the lease, claim it and renew it, until it is lost."""
        try:
            while lease is self._lease and lease.state in (LeaseState.STANDBY, LeaseState.OWNER):
                before = lease.state, lease.serving, self._is_answered, lease.saw_other_key
                await self._step(lease)
                self._note_holder(lease)
                if (lease.state, lease.serving, self._is_answered, lease.saw_other_key) != before:
                    self._loop.call_soon_threadsafe(self._news.set)
                await asyncio.sleep(max(lease.next_timer - time.monotonic(), 0.0))
        except BundleRefused as refused:
            self._flaw = refused
        finally:
            if lease is self._lease:  # it was lost, and not given back
                lease.state = LeaseState.LOST
                if self._storage is not None:
                    self._storage.give_up()
                self._store_lost()

    async def _step(self, lease: Lease) -> None:
        broker = self._lease_broker
        assert broker is not None
        if lease.wants_look(now=time.monotonic()):
            try:
                found = await broker.newest_soon(Subject.LEASE, within=LEASE_WITHIN)
            except LedgerUnavailable:
                self._is_answered = False
                lease.not_looked(now=time.monotonic())
                return
            self._is_answered = True
            if lease.looked(found, now=time.monotonic()):
                claim = lease.claim(now=time.monotonic())
                lease.claimed(
                    await broker.publish_soon(claim, within=LEASE_WITHIN), now=time.monotonic()
                )
            return
        renewal = lease.publication(now=time.monotonic())
        if renewal is None:
            return
        answer = await broker.publish_soon(renewal, within=LEASE_WITHIN)
        if lease.renewed(answer, now=time.monotonic()):
            with suppress(LedgerUnavailable):
                lease.found(await broker.newest_soon(Subject.LEASE, within=LEASE_WITHIN))


def _is_new(broker: JetStream) -> bool:
    """Whether nothing was ever stored. Raises ClusterUnavailable."""
    try:
        return not broker.extent(Stream.JOURNAL).last
    except LedgerUnavailable:
        raise ClusterUnavailable(ClusterProblem.NO_STREAM) from None


def _log_fault(what: str, work: asyncio.Future[None]) -> None:
    """Log a fault of this program that has ended some work. `what`: what follows."""
    fault = None if work.cancelled() else work.exception()
    if fault is not None:
        _log.error("%s because of a fault in this program", what, exc_info=fault)


class _StorageConfig(msgspec.Struct):
    sync_always: bool = False


class _JetStreamSection(msgspec.Struct):
    config: _StorageConfig | None = None


class _Monitoring(msgspec.Struct):
    """What matters in the answer of a server's monitoring to `/varz`."""

    jetstream: _JetStreamSection | None = None


def _syncs_always(url: str) -> bool:
    """Ask a server's monitoring whether it syncs before it confirms. Raises OSError, ValueError,
    HTTPException."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{url}/varz", timeout=MONITOR_WITHIN) as answer:
        data = answer.read(_MONITOR_BYTES)
    try:
        found = msgspec.json.decode(data, type=_Monitoring)
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError("its answer is not that of the monitoring of a NATS server") from None
    if found.jetstream is None or found.jetstream.config is None:
        raise ValueError("its answer tells nothing about JetStream")
    return found.jetstream.config.sync_always
