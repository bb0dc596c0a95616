"""`run`: a registry as a program, with signals, a console and an exit status."""

import asyncio
import contextlib
import gc
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from chatapp.registry.cluster.settings import ClusterSettings
from chatapp.registry.program.admin.control import AdminControl
from chatapp.registry.program.admin.listener import AdminListener, SocketUnusable, listen
from chatapp.registry.program.app import (
    ListeningPort,
    NodeParts,
    Registry,
    RuleSettings,
    Unable,
    announcer,
    folder_of,
    links_max,
    raise_descriptor_limit,
)
from chatapp.registry.program.settings import (
    Settings,
    access_of,
    cluster_of,
    desk_of,
    metrics_address,
    policy_of,
)
from chatapp.registry.program.texts import (
    KEEPS_STATE_LINE,
    beside_text,
    console_elsewhere_line,
    failure_line,
    not_reloaded_line,
    reloaded_line,
    restart_needed_line,
    searching_text,
    serving_beside_line,
    serving_text,
    unshown_line,
)
from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    ListsReloaded,
    RegistryRequest,
    ShowStats,
)
from chatapp.registry.rules.desk.texts import CallingLine
from chatapp.registry.rules.people.access import AccessLists
from chatapp.registry.store.storage import Storage
from chatapp.registry.telemetry.figures import FIGURES, NOTHING, Snapshot
from chatapp.registry.telemetry.logs import (
    ListsChanged,
    Log,
    LogUnusable,
    RegistryStarted,
    RegistryStopped,
    event_name,
)
from chatapp.registry.telemetry.supervisor import Supervisor
from chatapp.wire.aio.loops import serving_loop
from chatapp.wire.errors import ChatAppError, quoted
from chatapp.wire.folders import path_of
from chatapp.wire.limits import DESK_CONSOLE_LINES_MAX, TEXT_MAX

if TYPE_CHECKING:
    from chatapp.registry.program.node import ClusterNode
    from chatapp.registry.program.serving import EngineBus, NodeEdge
    from chatapp.registry.telemetry.metrics import MetricsServer
    from chatapp.wire.aio.lan import Announcer

_log = logging.getLogger(__name__)

T = TypeVar("T")

Again = Callable[[], Settings]
"""Reads the settings again. Raises ChatAppError, whose text names the mistake."""


class SettingsReload:
    """Reloads the access lists, one reload at a time."""

    def __init__(
        self,
        again: Again,
        first: Settings,
        change: Callable[[AccessLists], int],
        say: Callable[[str], None],
        *,
        begun: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`change`: puts lists in force and returns how many people had to go. `begun` and `ended`
        are called around each reload."""
        self._again = again
        self._first: Final = first
        self._change = change
        self._say = say
        self._begun = begun
        self._ended = ended
        self.access = access_of(first.registry)
        """The settings of access with the lists that were loaded last: a registry that serves again
        begins with them."""
        self._task: asyncio.Task[AdminAnswer] | None = None
        self._is_wanted = self._is_open = False

    def open(self) -> None:
        """Note that the registry serves: reload now if a reload was requested before."""
        self._is_open = True
        self._begin()

    def ask(self) -> None:
        """Reload, after one that is under way."""
        self._is_wanted = True
        self._begin()

    async def answer(self) -> AdminAnswer:
        """Reload and return the outcome."""
        self.ask()
        assert self._task is not None, "the administrator comes after the start"
        return await asyncio.shield(self._task)

    def close(self) -> None:
        """Note that the registry does not serve. A reload that is under way is cancelled, and
        begins anew at the next `open`."""
        self._is_open = False
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._is_wanted = True

    def _begin(self) -> None:
        if self._is_open and self._is_wanted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> AdminAnswer:
        answer: AdminAnswer = AdminRefused(refusal=AdminRefusal.NO_LISTS)
        self._begun()
        while self._is_wanted:
            self._is_wanted = False
            try:
                settings, lists = await asyncio.to_thread(self._load)
            except ChatAppError as error:
                self._say(not_reloaded_line(str(error)))
                answer = AdminRefused(refusal=AdminRefusal.LISTS_WRONG, detail=str(error))
                continue
            table = settings.registry
            self.access = msgspec.structs.replace(
                self.access, allow=table.allow, ban=table.ban, gateways=table.gateways
            )
            answer = self._tell(settings, lists, self._change(lists))
        self._ended()
        return answer

    def _load(self) -> tuple[Settings, AccessLists]:
        settings = self._again()
        return settings, AccessLists(access_of(settings.registry))

    def _tell(self, settings: Settings, lists: AccessLists, evicted: int) -> ListsReloaded:
        allowed, banned, gateways = len(lists.allowed), len(lists.bans), len(lists.gateways)
        _tell(ListsChanged(allowed=allowed, banned=banned, evicted=evicted))
        self._say(reloaded_line(allowed=allowed, banned=banned, gateways=gateways, evicted=evicted))
        later = sorted(key for key, _ in _others(settings) - _others(self._first))
        if later:
            self._say(restart_needed_line(later))
        return ListsReloaded(
            allowed=allowed, banned=banned, gateways=gateways, evicted=evicted, later=later
        )


def _others(settings: Settings) -> set[tuple[str, str]]:
    """Return all settings that a reload does not change."""
    return {
        (key, repr(value))
        for table in msgspec.structs.asdict(settings).values()
        for key, value in msgspec.structs.asdict(table).items()
        if key not in ("allow", "ban", "gateways")
    }


class ControllingTerminal:
    """This program's controlling terminal, if any. Closing it ends the program."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        with suppress(OSError):
            self._descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)

    @property
    def is_hung_up(self) -> bool:
        """Whether the terminal was there and is gone."""
        return self._descriptor is not None and not os.isatty(self._descriptor)


CHUNK: Final = 65_536
LINE_MAX: Final = TEXT_MAX + 1_024
"""Bytes of a typed line that are read: a text of full length and a command. The rest is cut off and
refused."""

_OUTPUT: Final = 1
"""The descriptor of standard output."""
FLUSH_FOR: Final = 0.25
"""Seconds that the last lines have when the registry stops."""


class Console:
    """Reads typed lines and prints lines. Calls `typed` for each line and `closed` at the end of
    the input; on a terminal Ctrl-D calls `ended` instead. Rings a terminal for lines that call the
    operator, unless `quiet`."""

    def __init__(
        self,
        *,
        typed: Callable[[str], None],
        closed: Callable[[], None],
        ended: Callable[[], None],
        quiet: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._typed = typed
        self._closed = closed
        self._ended = ended
        self._rings = not quiet and os.isatty(_OUTPUT)
        self._rest = b""
        self._output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._unwritten = 0
        self._unshown = 0
        self._is_writing = False
        self._written = asyncio.Event()

    @property
    def is_terminal(self) -> bool:
        """Whether a person types, and not a script."""
        return os.isatty(sys.stdin.fileno())

    def open(self) -> bool:
        """Begin to read. Return whether there is an input at all."""
        try:
            descriptor = sys.stdin.fileno()
            os.fstat(descriptor)
        except (AttributeError, OSError, ValueError):
            return False
        if os.isatty(descriptor):
            self._loop.add_reader(descriptor, self._read_terminal, descriptor)
        else:
            threading.Thread(target=self._read_all, args=(descriptor,), daemon=True).start()
        return True

    # --- out

    def show(self, lines: Iterable[str]) -> None:
        """Print lines, in a thread of their own."""
        for line in lines:
            if self._unwritten >= DESK_CONSOLE_LINES_MAX:
                self._unshown += 1
                continue
            gap = f"{unshown_line(self._unshown)}\n" if self._unshown else ""
            self._unshown = 0
            self._unwritten += 1
            bell = "\a" if isinstance(line, CallingLine) and self._rings else ""
            self._output.put(f"{bell}{gap}{line}\n".encode("utf-8", "backslashreplace"))
        if self._unwritten and not self._is_writing:
            self._is_writing = True
            threading.Thread(target=self._write_all, daemon=True).start()

    async def finish(self) -> None:
        """Wait until the last lines are written, or nobody reads them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_FOR):
                while self._unwritten:
                    self._written.clear()
                    await self._written.wait()

    def _write_all(self) -> None:
        """Write lines, in a thread."""
        while True:
            text = self._output.get()
            with contextlib.suppress(OSError):  # nobody reads, which is no reason to stop
                while text:
                    text = text[os.write(_OUTPUT, text) :]
            try:
                self._loop.call_soon_threadsafe(self._was_written)
            except RuntimeError:
                return  # the loop is closed: the program ends

    def _was_written(self) -> None:
        self._unwritten -= 1
        self._written.set()

    # --- in

    def _read_terminal(self, descriptor: int) -> None:
        is_ours, data = False, b""
        with contextlib.suppress(OSError):
            # In the background the input belongs to another program, and reading it would stop us.
            is_ours = os.tcgetpgrp(descriptor) == os.getpgrp()
            data = os.read(descriptor, CHUNK) if is_ours else b""
        if data:
            self._take(data)
            return
        self._loop.remove_reader(descriptor)
        (self._ended if is_ours else self._closed)()

    def _read_all(self, descriptor: int) -> None:
        """Read all input, in a thread, which waits until the loop has taken what was read. The end
        of the program cancels nothing that it waits for: that would be reported as a fault."""
        taken = threading.Semaphore(1)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            with contextlib.suppress(OSError):  # the input is gone: that is its end
                while data := os.read(descriptor, CHUNK):
                    taken.acquire()
                    self._loop.call_soon_threadsafe(self._take_and_tell, data, taken)
            self._loop.call_soon_threadsafe(self._input_over)

    def _take_and_tell(self, data: bytes, taken: threading.Semaphore) -> None:
        self._take(data)
        taken.release()

    def _take(self, data: bytes) -> None:
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_MAX]
        for line in whole:
            self._typed(line[:LINE_MAX].decode("utf-8", "replace"))

    def _input_over(self) -> None:
        if self._rest:
            self._typed(self._rest.decode("utf-8", "replace"))
        self._closed()


FAULTS_SPAN: Final = 10.0
"""Seconds between two lines of the log about faults of the event loop."""


class LoopFaults:
    """Logs faults of an event loop that asyncio would print with a traceback, such as a connection
    that could not be accepted."""

    def __init__(self) -> None:
        self._silent_until = 0.0
        self._unsaid = 0

    def note(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Log a fault that the event loop reports. A flood of faults does not become a flood of
        lines."""
        self._unsaid += 1
        if loop.time() >= self._silent_until:
            self._silent_until = loop.time() + FAULTS_SPAN
            reason = quoted(repr(context.get("exception")))
            _log.warning("%s: %s (%d)", context.get("message"), reason, self._unsaid)
            self._unsaid = 0


_STOPPED: Final = 0
_FAILED: Final = 1
_INTERRUPTED: Final = 130
_GARBAGE_THRESHOLDS: Final = (50_000, 20, 50)
"""The garbage collector rarely looks for cycles: walking the rows of thousands of people holds the
loop, and hardly any cycles are made."""


def run(*, port: int, settings: Settings, again: Again | None = None, quiet: bool = False) -> int:
    """Run a registry until a signal comes and return the exit status. `again` reads the settings
    once more, if there are files. `quiet`: the terminal rings for nothing."""
    table = settings.registry
    try:
        file = None if table.log_file is None else path_of(table.log_file)
        log = Log(level=table.log_level, form=table.log_format, file=file)
    except (LogUnusable, FileNotFoundError) as error:
        _say(failure_line(str(error)))
        return _FAILED
    raise_descriptor_limit()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    gc.enable()
    try:
        with asyncio.Runner(loop_factory=serving_loop) as runner:
            return runner.run(_until_signal(port, settings, again, log, quiet=quiet))
    except KeyboardInterrupt:  # before our own handler was installed
        return _INTERRUPTED
    except Unable as error:
        _say(str(error))
        return _FAILED


async def _until_signal(
    port: int, settings: Settings, again: Again | None, log: Log, *, quiet: bool
) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(status: int) -> None:
        if not stopped.done():
            stopped.set_result(status)

    supervisor = Supervisor()
    run = _Run(port, settings, again, stop, supervisor, quiet=quiet)
    _handle_signals(loop, stop, run.reload, log)
    loop.set_exception_handler(LoopFaults().note)
    cluster = cluster_of(settings.cluster)
    try:
        if cluster is None:
            await run.start()
            await stopped
        else:
            await _serve_in_cluster(run, cluster, stopped)
        return await stopped
    finally:
        supervisor.stopping()
        await run.stop()
        await run.close()


async def _serve_in_cluster(
    run: "_Run", settings: ClusterSettings, stopped: asyncio.Future[int]
) -> None:
    """Serve as the edge of the cluster's engine, and as the engine whenever the lease is this
    node's, until a signal comes. Raises Unable."""
    from chatapp.registry.program.node import (
        ClusterNode,  # deferred: not every registry is in a cluster
    )

    name = f"{socket.gethostname()}:{run.port}"
    node = ClusterNode(settings, folder=run.folder, name=name, say=_say)
    listening = ListeningPort(run.port)
    stopped.add_done_callback(lambda _: node.hurry(ends=True))
    try:
        await _unless(stopped, node.open())
        if not stopped.done():
            await run.open_beside(node)
        while not stopped.done():
            await run.start_edge(node, listening)
            storage = await _unless(stopped, node.win_lease())
            if storage is None:
                return
            try:
                await run.start(storage, listening, node.engine_bus())
            except Unable as failure:
                if not storage.is_interrupted:
                    raise
                _say(str(failure))
            else:
                _say(KEEPS_STATE_LINE)
                await _unless(stopped, node.lost())
            node.hurry(ends=False)
            await run.stop()
            await node.step_down()
    except Unable:
        raise
    except ChatAppError as error:
        raise Unable(failure_line(str(error))) from None
    except OSError as error:
        raise Unable(
            failure_line(f"{error.filename or run.folder}: {error.strerror or error}")
        ) from None
    finally:
        node.hurry(ends=True)
        await run.stop()
        await node.close()
        listening.close()


async def _unless(stopped: asyncio.Future[int], work: Coroutine[Any, Any, T]) -> T | None:
    """Return what `work` returns, None if the program is to stop before."""
    task = asyncio.ensure_future(work)
    both: list[asyncio.Future[Any]] = [task, stopped]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return await task
    task.cancel()
    await asyncio.wait([task])
    return None


FAREWELL_WITHIN: Final = 0.1
"""Seconds that a stop may take to take back the announcement on the local network."""


class _Run:
    """A registry with its console, its administrator and its metrics. In a cluster it may change
    its role."""

    def __init__(
        self,
        port: int,
        settings: Settings,
        again: Again | None,
        stop: Callable[[int], None],
        supervisor: Supervisor,
        *,
        quiet: bool,
    ) -> None:
        self.port = port
        self.folder = folder_of(port, _data_of(settings))
        self._settings = settings
        self._stop = stop
        self._supervisor = supervisor
        self._quiet = quiet
        self._registry: Registry | None = None
        self._edge: NodeEdge | None = None
        self._control: AdminControl | None = None
        self._admin: AdminListener | None = None
        """The administrator's socket of a node in a cluster, which outlives its roles."""
        self._node: ClusterNode | None = None
        self._metrics: MetricsServer | None = None
        self._announcer: Announcer | None = None
        self._console: Console | None = None
        self._has_input = False
        self._status = serving_text(port)
        """What a service manager shows."""
        self.reload: SettingsReload | None = None
        if again is not None:
            self.reload = SettingsReload(
                again,
                settings,
                self._change_lists,
                _say,
                begun=supervisor.reloading,
                ended=self._tell_ready,
            )

    async def start(
        self,
        storage: Storage | None = None,
        listening: ListeningPort | None = None,
        bus: "EngineBus | None" = None,
    ) -> None:
        """Begin to serve with the state. In a cluster this node is another one's edge until then.
        Raises Unable."""
        settings = self._settings
        access = access_of(settings.registry) if self.reload is None else self.reload.access
        offset = time.localtime().tm_gmtoff
        desk = desk_of(settings.desk, utc_offset=offset, zone=_local_zone())
        registry = Registry(
            self.port,
            _data_of(settings),
            say=_say,
            rules=RuleSettings(desk, policy_of(settings.registry), access),
            takes_admin_requests=bus is None,
            node=NodeParts(storage, listening, bus, lambda: self._edge),
        )
        await registry.start()
        self._registry = registry
        await self._stop_edge(hands_over=False)
        _tell(RegistryStarted(port=self.port, key=registry.fingerprint))
        self._announce(registry.fingerprint)
        if self.reload is not None:
            self.reload.open()
        self._control = AdminControl(
            ask_core=registry.ask,
            reload=self._reload,
            stop=lambda: self._stop(_STOPPED),
            back_up=registry.back_up,
            verify=registry.verify,
        )
        if bus is None:
            await registry.open_admin(self._control.answer)
            await self._open_metrics()
            self._open_console()
        gc.freeze()  # what was loaded stays, so the collector need not walk it again
        if self._console is not None and self._has_input:
            registry.open_console(self._console.show, is_terminal=self._console.is_terminal)
        self._status = serving_text(self.port)
        self._tell_ready()

    async def open_beside(self, node: "ClusterNode") -> None:
        """Open what a node of a cluster has in both roles: the administrator's socket, the metrics
        and the console. Raises Unable."""
        from chatapp.registry.program.admin.log import (
            RecordedAdmin,
        )  # deferred: it is needed once people are served

        self._node = node
        try:
            recorded = RecordedAdmin(self.folder, self._answer, wall=time.time)
            self._admin = AdminListener(listen(self.folder), self.folder, recorded.answer)
        except SocketUnusable as error:
            raise Unable(failure_line(str(error))) from None
        await self._admin.open()
        await self._open_metrics()
        self._open_console()

    async def start_edge(self, node: "ClusterNode", listening: ListeningPort) -> None:
        """Serve as the edge of another node's engine, unless this node does. Raises
        ClusterUnavailable."""
        if self._edge is not None:
            return
        from chatapp.registry.program.serving import (
            EdgeOffice,  # deferred: most registries are alone
        )

        def opened(engine: str, key: str) -> None:
            for line in (*listening.first_lines(key, self.folder), serving_beside_line(engine)):
                _say(line)
            self._announce(key)
            self._status = beside_text(self.port, engine)
            self._tell_ready()

        if self.reload is not None:
            self.reload.open()
        office = EdgeOffice(
            say=_say, opened=opened, reload=self._reload, stop=lambda: self._stop(_STOPPED)
        )
        policy = policy_of(self._settings.registry)
        policy = msgspec.structs.replace(policy, links_max=links_max())
        self._edge = node.edge(listening, office, policy=policy)
        await self._edge.start()
        self._status = searching_text(self.port)
        self._tell_ready()

    async def stop(self) -> None:
        """Stop serving."""
        if self.reload is not None:
            self.reload.close()
        await self._stop_edge(hands_over=True)
        registry, self._registry = self._registry, None
        if registry is not None:
            if self._control is not None:
                self._control.close()
            await registry.stop()
            gc.unfreeze()
            if self._console is not None:
                await self._console.finish()
            _tell(RegistryStopped(port=self.port))

    async def close(self) -> None:
        """Close what is beside the registry. It has stopped."""
        if self._announcer is not None:
            self._announcer.close(within=FAREWELL_WITHIN)
        if self._metrics is not None:
            self._metrics.close()
        if self._admin is not None:
            await self._admin.close()

    async def _stop_edge(self, *, hands_over: bool) -> None:
        edge, self._edge = self._edge, None
        if edge is not None:
            await edge.stop(hands_over=hands_over)

    # --- beside it

    @property
    def _reload(self) -> Callable[[], Awaitable[AdminAnswer]] | None:
        return None if self.reload is None else self.reload.answer

    def _announce(self, key: str) -> None:
        """Announce the registry on the local network, where the library for that is installed.
        `key`: the fingerprint of its key."""
        if self._settings.registry.announce and self._announcer is None:
            self._announcer = announcer(self.port, key)

    async def _answer(self, request: RegistryRequest) -> AdminAnswer:
        """Carry out a request of the administrator of a node, in the role that it has now."""
        if isinstance(request, ShowStats):
            return self._snapshot(0.0).as_answer()
        if self._edge is not None:
            return await self._edge.answer(request)
        if self._control is not None and self._registry is not None:
            return await self._control.answer(request)
        return AdminRefused(refusal=AdminRefusal.NO_ENGINE)

    async def _open_metrics(self) -> None:
        """Serve metrics over HTTP, if they are wanted. Raises Unable."""
        at = metrics_address(self._settings.registry.metrics or "")
        if at is None:
            return
        from chatapp.registry.telemetry.metrics import (  # deferred: few do
            MetricsServer,
            MetricsUnavailable,
        )

        self._metrics = MetricsServer(
            self._snapshot, self._why_not_ready, hosts=self._settings.registry.metrics_hosts
        )
        try:
            await self._metrics.open(at)
        except MetricsUnavailable as error:
            raise Unable(failure_line(str(error))) from None

    def _snapshot(self, lag: float) -> Snapshot:
        serving = self._edge or self._registry
        snapshot = NOTHING if serving is None else serving.snapshot(lag)
        if self._node is None:
            return snapshot
        known = {**snapshot.figures, **self._node.figures()}
        figures = {name: known[name] for name in FIGURES if name in known}
        return snapshot._replace(figures=figures, state_node=self._node.state_node)

    def _why_not_ready(self) -> str:
        serving = self._edge or self._registry
        return "the registry does not serve" if serving is None else serving.why_not_ready()

    def _open_console(self) -> None:
        # `ended` is Ctrl-D on a terminal; the end of a file or a pipe ends only the typing.
        self._console = Console(
            typed=self._typed,
            closed=self._closed,
            ended=lambda: self._stop(_STOPPED),
            quiet=self._quiet,
        )
        self._has_input = self._console.open()

    def _tell_ready(self) -> None:
        self._supervisor.ready(self._status)

    def _change_lists(self, lists: AccessLists) -> int:
        return 0 if self._registry is None else self._registry.change_lists(lists)

    def _typed(self, line: str) -> None:
        if self._registry is not None:
            self._registry.console_typed(line)
        elif self._edge is not None:
            _say(console_elsewhere_line(self._edge.engine_name))

    def _closed(self) -> None:
        self._has_input = False
        if self._registry is not None:
            self._registry.close_console()


def _handle_signals(
    loop: asyncio.AbstractEventLoop,
    stop: Callable[[int], None],
    reload: SettingsReload | None,
    log: Log,
) -> None:
    """Handle signals. SIGHUP reopens the log's file and reloads lists, if there are such files;
    otherwise, or when the terminal is gone, it ends the registry."""
    loop.add_signal_handler(signal.SIGTERM, stop, _STOPPED)
    loop.add_signal_handler(signal.SIGINT, stop, _INTERRUPTED)
    stops = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # started by nohup
    terminal = ControllingTerminal()

    def handle_hangup() -> None:
        has_files = reload is not None or log.is_file
        if has_files and not (stops and terminal.is_hung_up):
            log.reopen()
            if reload is not None:
                reload.ask()
        elif stops:
            stop(_STOPPED)

    if stops or reload is not None or log.is_file:
        loop.add_signal_handler(signal.SIGHUP, handle_hangup)


def _tell(event: RegistryStarted | RegistryStopped | ListsChanged) -> None:
    """Log an event of the program."""
    _log.info("%s", event_name(event).replace("_", " "), extra={"event": event})


def _local_zone() -> tzinfo:
    """Return the zone of this machine, with its rules of summer time where the system tells
    them."""
    with suppress(OSError, ValueError):
        if name := os.environ.get("TZ", "").lstrip(":"):
            return ZoneInfo(name)
        with Path("/etc/localtime").open("rb") as rules:
            return ZoneInfo.from_file(rules)
    return timezone(timedelta(seconds=time.localtime().tm_gmtoff))


def _data_of(settings: Settings) -> Path | None:
    named = settings.registry.data
    return None if named is None else path_of(named)


def _say(line: str) -> None:
    """Print one line. If nobody reads, that is no reason to stop."""
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            # So that the interpreter does not fail on the same bytes when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), _OUTPUT)
