"""One running registry: its ports, folder, key and store put together, and taken apart in order."""

import asyncio
import logging
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from chatapp.registry.edge.driver import EdgeDriver
from chatapp.registry.edge.edge import Edge
from chatapp.registry.engine.core import RegistryCore
from chatapp.registry.program.admin.listener import AdminListener, SocketUnusable, listen
from chatapp.registry.program.driver import RegistryDriver, TableKeeper
from chatapp.registry.program.texts import (
    NEW_KEY_LINE,
    address_lines,
    failure_line,
    join_code_line,
    operator_lines,
    port_unusable_line,
    start_lines,
)
from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    CoreRequest,
    Done,
    MakeInvites,
    ShowStats,
)
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.registry.store.keystore import KeyUnusable
from chatapp.registry.store.protocol import KeptTable, Loaded, Store
from chatapp.registry.store.storage import FolderStorage, Found, Storage
from chatapp.registry.telemetry.figures import FIGURES, Snapshot
from chatapp.wire.address import Address
from chatapp.wire.admission import CODE_BYTES, JoinCode
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.aio.machine import THIS_MACHINE, Machine
from chatapp.wire.errors import ChatAppError, PortInUse, StoreError
from chatapp.wire.folders import default_home
from chatapp.wire.identity import Identity, fingerprint

if TYPE_CHECKING:
    from chatapp.registry.kept.keeper import KeptFiles
    from chatapp.registry.program.admin.log import Answer
    from chatapp.registry.program.serving import EngineBus
    from chatapp.registry.store.backup import Inspection, Manifest
    from chatapp.wire.aio.lan import Announcer

_log = logging.getLogger(__name__)

_DESCRIPTORS_KEPT = 48
"""Descriptors for listening sockets, the event loop, journals and files being written."""
_LINKS_MAX = 200_000


def folder_of(port: int, data: Path | None) -> Path:
    """Return the folder of the registry on this port: in `data`, else in $CHATAPP_HOME, else where
    the platform keeps data."""
    return (data or default_home()) / "registry" / str(port)


def raise_descriptor_limit() -> None:
    """Raise the limit of open files as far as the system allows: each peer takes one."""
    try:
        import resource  # not on every platform
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # the present limit has to do


def links_max() -> int:
    """Return how many connections there may be, leaving descriptors for files and for the next
    accept."""
    try:
        import resource  # not on every platform
    except ImportError:
        return _LINKS_MAX
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _LINKS_MAX
    return max(min(soft - _DESCRIPTORS_KEPT, _LINKS_MAX), 1)


DRAINED_A_WAKE_UP: Final = 256
"""Datagrams read before links and timers get the event loop. They take about two milliseconds,
since expensive requests are queued. With fewer, the socket would fill under a flood while a
broadcast goes out."""

_KEPT: Final = "kept"
"""The folder of kept files. It is in no backup: those who gave the files have them."""

_CODES_AT_START: Final = 3
_FIRST: Final = "first"
"""The ticket of the first admin request, for the codes made at the start."""


class Unable(ChatAppError):
    """The registry cannot run; the text is the line to show."""


class _Refusal:
    """The owner of links that come while nobody serves: it ends them."""

    def link_opened(self, link: TcpLink) -> None:
        link.cut("nobody serves now")

    def link_frames(self, link: TcpLink, frames: list[bytes]) -> None: ...
    def link_progressed(self, link: TcpLink, begun: int) -> None: ...
    def link_closed(self, link: TcpLink, reason: str) -> None: ...


class ListeningPort:
    """The UDP and the TCP port of a registry. They are taken once; drivers may serve there in
    turn."""

    def __init__(self, number: int, *, machine: Machine = THIS_MACHINE) -> None:
        """Take the ports. Raises Unable."""
        self.number: Final = number
        self._driver: EdgeDriver | None = None
        self._is_open = self._is_told = self._takes_links = False
        self.endpoint: Final = machine.endpoint(
            asyncio.get_running_loop(),
            self._receive,
            at_once=DRAINED_A_WAKE_UP,
            answers_from_asked=True,
        )
        try:
            self.endpoint.open(number)
            self._listener: Final = machine.listen(number)
        except (PortInUse, OSError) as error:
            self.endpoint.close()
            if isinstance(error, PortInUse):
                raise Unable(failure_line(str(error))) from None
            raise Unable(port_unusable_line(number, error.strerror or str(error))) from None

    async def serve(self, driver: EdgeDriver) -> None:
        """Hand what comes to this driver from now on."""
        self._driver, self._takes_links = driver, True
        if not self._is_open:
            self._is_open = True
            await self._listener.serve(self._make_link)

    def _make_link(self) -> TcpLink:
        return TcpLink((self._driver if self._takes_links else None) or _Refusal())

    def refuse_links(self) -> None:
        """Accept no more links, until another driver serves."""
        self._takes_links = False

    def pause(self, driver: EdgeDriver) -> None:
        """Drop what comes, unless another driver serves by now."""
        if self._driver is driver:
            self._driver = None

    def first_lines(self, key: str, folder: Path) -> list[str]:
        """Return the lines that tell people where the registry listens; none after the first time.
        `key`: the fingerprint of its key."""
        from chatapp.wire.aio.lan import own_addresses  # deferred: ctypes takes 7 ms to load

        if self._is_told:
            return []
        self._is_told = True
        return [
            *start_lines(self.number, key, folder),
            *address_lines(own_addresses(), self.number),
        ]

    def close(self) -> None:
        """Let the ports go."""
        self._listener.close()
        self.endpoint.close()

    def _receive(self, batch: list[tuple[bytes, Address]]) -> None:
        if self._driver is not None:  # a datagram may be lost as any other
            self._driver.receive(batch)


class RuleSettings(NamedTuple):
    """What an owner chooses for the rules."""

    desk: DeskSettings | None = None
    policy: RegistryPolicy = RegistryPolicy()
    access: AccessSettings = AccessSettings()


class HandedOver(NamedTuple):
    """Links that outlive the engine to which they were attached."""

    edge: Edge
    driver: EdgeDriver


class FormerRole(Protocol):
    """A node, while it still is the edge of another one's engine."""

    def kept_table(self) -> KeptTable | None:
        """Return the table as the node knows it."""

    def hand_over(self, key: bytes) -> HandedOver | None:
        """Return the links of members for an engine in this process; None if there are none. `key`:
        the registry's, as that engine has it."""


class NodeParts(NamedTuple):
    """What a registry has from the node of a cluster on which it runs; alone it makes its own."""

    storage: Storage | None = None
    """Where the state is; None for the registry's folder."""
    listening: ListeningPort | None = None
    """Its ports if they are taken already and stay so."""
    bus: "EngineBus | None" = None
    """The way to the other nodes."""
    former: Callable[[], FormerRole | None] = lambda: None
    """Returns what the node has been until now, if it was an edge."""


_USUAL_RULES: Final = RuleSettings()
_ALONE: Final = NodeParts()


class Registry:
    """One running registry. `start` raises Unable if it cannot run."""

    def __init__(
        self,
        port: int,
        data: Path | None,
        say: Callable[[str], None],
        *,
        rules: RuleSettings = _USUAL_RULES,
        machine: Machine = THIS_MACHINE,
        takes_admin_requests: bool = True,
        node: NodeParts = _ALONE,
    ) -> None:
        """`takes_admin_requests`: whether other programs of this user can ask for join codes and
        the like."""
        self._takes_admin_requests = takes_admin_requests
        self._port = port
        self._machine = machine
        self.folder = folder_of(port, data)
        self.fingerprint = ""
        self._say = say
        self._desk, self._policy, self._access = rules
        self._codes: list[JoinCode] = []
        self._operators: list[str] = []
        self._driver: RegistryDriver | None = None
        self._listening = node.listening
        self._lets_port_go = node.listening is None
        self._bus = node.bus
        self._former_role = node.former
        self._admin_socket: socket.socket | None = None
        self._admin: AdminListener | None = None
        self._storage = node.storage or FolderStorage(
            self.folder, rng=machine.rng, now=machine.now, disk=machine.disk
        )
        self._started_at = machine.now()

    async def start(self) -> None:
        """Take the ports first: if one is taken, nothing has been made. Raises Unable."""
        loop = asyncio.get_running_loop()
        with ExitStack() as undo:
            listening = self._listening or ListeningPort(self._port, machine=self._machine)
            if self._lets_port_go:
                undo.callback(listening.close)
            store = self._open_store()
            undo.callback(store.close)
            admin_socket = self._open_admin_socket() if self._takes_admin_requests else None
            if admin_socket is not None:
                undo.callback(admin_socket.close)
            if (
                self._bus is not None
            ):  # the loop goes on, in which this node still is the edge of another one's engine
                found = await asyncio.to_thread(self._read)
            else:
                found = self._read()
            driver = self._driver_of(found, loop, store)
            undo.callback(driver.edge.cut_links, "this node cannot keep the state")
            if self._bus is not None:
                await self._bus.open(driver.receive_bus)
            undo.pop_all()
        self._driver, self._listening = driver, listening
        self._admin_socket = admin_socket
        await listening.serve(driver.edge)
        driver.start(listening.endpoint)
        for line in (
            *listening.first_lines(self.fingerprint, self.folder),
            *(join_code_line(code) for code in self._codes),
            *self._operators,
        ):
            self._say(line)

    async def open_admin(self, answer: "Answer") -> None:
        """Serve the administrator. `answer`: carries out a request."""
        if self._admin_socket is not None:
            from chatapp.registry.program.admin.log import (
                RecordedAdmin,
            )  # deferred: it is needed once people are served

            recorded = RecordedAdmin(self.folder, answer, wall=self._machine.wall)
            self._admin = AdminListener(self._admin_socket, self.folder, recorded.answer)
            await self._admin.open()

    async def ask(self, request: CoreRequest) -> AdminAnswer:
        """Carry out an admin request of the core."""
        assert self._driver is not None
        if isinstance(request, ShowStats):
            return self.snapshot(0.0).as_answer()
        return await self._driver.edge.ask(request)

    async def back_up(self, target: Path) -> "Manifest":
        """Copy everything that is kept into a folder. Raises BackupFailed, StoreError."""
        made_at = int(self._machine.wall())
        assert self._driver is not None
        copy = partial(self._storage.back_up, target, port=self._port, made_at=made_at)
        return await self._driver.committer.run_beside(copy)

    async def verify(self) -> "Inspection":
        """Read everything that is kept. Raises BackupFailed, StoreError."""
        assert self._driver is not None
        return await self._driver.committer.run_beside(self._storage.verify)

    def snapshot(self, lag: float) -> Snapshot:
        """Return all figures. `lag`: how late the event loop was at most, in seconds."""
        assert self._driver is not None
        found = self._driver.snapshot()
        figures = {**found.figures, **self._storage.figures(), **process_figures()}
        figures["uptime_seconds"] = self._machine.now() - self._started_at
        figures["loop_lag_seconds"] = lag
        from chatapp.registry.store.backup import (
            last_backup,
        )  # deferred: a start need not load what makes backups

        if (backed_up_at := last_backup(self.folder)) is not None:
            figures["backup_age_seconds"] = max(self._machine.wall() - backed_up_at, 0.0)
        return Snapshot(
            {name: figures[name] for name in FIGURES if name in figures},
            found.dropped,
            found.queues,
            self._driver.committer.durations,
            found.waits,
        )

    def why_not_ready(self) -> str:
        """Return why nobody is served now, empty if people are."""
        if self._driver is None:
            return "the registry does not serve"
        return "" if self._driver.committer.is_storing else "the disk takes nothing"

    def change_lists(self, lists: AccessLists) -> int:
        """Put new access lists in force. Return how many of the people online they exclude."""
        return 0 if self._driver is None else self._driver.change_lists(lists)

    def open_console(self, show: Callable[[list[str]], None], *, is_terminal: bool) -> None:
        """Open the console. `show` prints its lines; `is_terminal`: whether a person types, and not
        a script."""
        if self._driver is not None:
            self._driver.open_console(show, is_terminal=is_terminal)

    def console_typed(self, line: str) -> None:
        """Handle a line typed at the console."""
        if self._driver is not None:
            self._driver.console_typed(line)

    def close_console(self) -> None:
        """Close the console: its input has ended."""
        if self._driver is not None:
            self._driver.close_console()

    async def stop(self) -> None:
        """Stop in order: no new connections, everything stored, links closed, files at rest."""
        driver, listening = self._driver, self._listening
        if driver is None or listening is None:
            return
        listening.refuse_links()
        if self._admin is not None:
            await self._admin.close()
        elif self._admin_socket is not None:
            self._admin_socket.close()
        table = await driver.stop()
        listening.pause(driver.edge)
        try:
            self._storage.keep_table(table)
        except OSError as error:  # then everybody fetches it anew
            _log.warning("%s: %s", self.folder, error.strerror or error)
        if self._bus is not None:
            await self._bus.close()
        if self._lets_port_go:
            listening.close()

    # --- assembly

    def _open_store(self) -> Store:
        try:
            return self._storage.open()
        except (OSError, StoreError) as error:
            raise Unable(failure_line(str(error))) from None

    def _read(self) -> Found:
        try:
            return self._storage.load()
        except (OSError, KeyUnusable, StoreError) as error:
            raise Unable(failure_line(str(error))) from None

    def _driver_of(
        self, found: Found, loop: asyncio.AbstractEventLoop, store: Store
    ) -> RegistryDriver:
        loaded, identity, is_new = found
        former = self._former_role()
        if self._bus is not None:
            table = None if former is None else former.kept_table()
            loaded = msgspec.structs.replace(loaded, table=table)
        self._report(loaded, is_new=is_new)
        self.fingerprint = fingerprint(identity.public)
        handed = None if former is None else former.hand_over(identity.public)
        edge = None if handed is None else handed.edge
        core = self._make_core(identity, loaded, store, edge)
        self._operators = list(operator_lines(core.operators))
        neighbours = None if self._bus is None else self._bus.join(core, now=self._machine.now())
        keeper = (
            TableKeeper(core.engine.hub.directory, self._storage) if neighbours is None else None
        )
        driver = RegistryDriver(
            loop,
            core,
            store,
            keeper=keeper,
            files=self._kept_files(core) if neighbours is None else None,
            neighbours=neighbours,
            machine=self._machine,
        )
        if handed is not None:
            driver.edge.take_over(handed.driver)
        codes = self._draw_codes(loaded, identity.public)
        core.run_admin_request(
            MakeInvites([code.public for code in codes]), _FIRST, now=self._machine.now()
        )
        driver.committer.commit_now()
        is_stored = any(
            ticket == _FIRST and isinstance(answer, Done)
            for ticket, answer in core.take_admin_answers()
        )
        self._codes = codes if is_stored else []
        return driver

    def _kept_files(self, core: RegistryCore) -> "KeptFiles | None":
        """Return the files that are kept; None if none are to be. Raises Unable."""
        policy, folder, machine = self._policy, self.folder / _KEPT, self._machine
        if not policy.kept_files_each:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        from chatapp.registry.kept.keeper import Clocks, KeptFiles  # deferred: most keep none
        from chatapp.registry.kept.shelf import Quota  # deferred: as above

        quota = Quota(policy.kept_files_each, policy.kept_files_total, policy.mail_kept_for)
        try:
            return KeptFiles(
                folder, quota, core.engine.hub, Clocks(now=machine.now, wall=machine.wall)
            )
        except OSError as error:
            raise Unable(failure_line(f"{folder}: {error.strerror or error}")) from None

    def _open_admin_socket(self) -> socket.socket:
        try:
            return listen(self.folder)
        except SocketUnusable as error:
            raise Unable(failure_line(str(error))) from None

    def _draw_codes(self, loaded: Loaded, registry: bytes) -> list[JoinCode]:
        """Draw join codes if newcomers need one and none is left. They are shown at the start only,
        so a log of the console holds no others."""
        if not self._access.invite_only or loaded.invites:
            return []
        rng = self._machine.rng
        return [
            JoinCode.generate(rng.randbytes(CODE_BYTES), registry=registry)
            for _ in range(_CODES_AT_START)
        ]

    def _make_core(
        self, identity: Identity, loaded: Loaded, store: Store, edge: Edge | None
    ) -> RegistryCore:
        now = self._machine.now()
        context = Context(
            identity=identity,
            rng=self._machine.rng,
            clock=WallClock(now=now, wall=self._machine.wall()),
            store=store,
            policy=msgspec.structs.replace(self._policy, links_max=links_max()),
        )
        return RegistryCore(
            context,
            loaded,
            edge or self._port,
            desk=self._desk,
            access=self._access,
            now=now,
        )

    def _report(self, loaded: Loaded, *, is_new: bool) -> None:
        for line in loaded.damage:
            self._say(failure_line(line))
        if is_new and loaded.names:
            self._say(NEW_KEY_LINE)


def announcer(port: int, key: str) -> "Announcer":
    """Announce a registry on the local network, where the library for that is installed. `key`: its
    fingerprint."""
    from chatapp.wire.aio.lan import Announcer  # deferred: not every registry announces itself

    return Announcer(port, key.replace(" ", ""))


def process_figures() -> dict[str, float]:
    """Return what this process takes of the machine; empty where the system does not tell."""
    try:
        import resource  # not on every platform

        pages = int(Path("/proc/self/statm").read_text().split()[1])
        descriptors = len(os.listdir("/proc/self/fd"))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = resource.getrusage(resource.RUSAGE_SELF)
    except (ImportError, OSError):
        return {}
    return {
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory_bytes": pages * resource.getpagesize(),
        "descriptors": descriptors,
        "descriptors_max": soft,
    }
