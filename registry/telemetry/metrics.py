"""Metrics for Prometheus and health checks, over HTTP: `/metrics`, `/healthz`, `/readyz`.

Everything is read at the moment of a request, in the event loop. The server takes few connections,
each for one short request, so whoever can reach the port cannot hold much.
"""

import asyncio
import errno
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from chatapp.registry.rules.admin_requests import QueueFigures
from chatapp.registry.telemetry.figures import (
    BUILD,
    COMMIT_HELP,
    DROPPED,
    FIGURES,
    QUEUE_FIGURES,
    STATE_NODE,
    WAIT_HELP,
    FigureKind,
    Snapshot,
)
from chatapp.wire.address import Address, KnownHosts
from chatapp.wire.errors import ChatAppError, needs_extra
from chatapp.wire.version import installed_version

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

PREFIX: Final = "chatapp_"
CONNECTIONS_MAX: Final = 16
HEAD_MAX: Final = 8_192
"""Bytes of a request."""
PATIENCE: Final = 5.0
"""Seconds that a client may take for its request, and as many to read the answer."""
LAG_SPAN: Final = 0.5
"""Seconds between two looks at how late the event loop is."""

_PLAIN: Final = "text/plain; charset=utf-8"


class MetricsUnavailable(ChatAppError):
    """Metrics cannot be served; the text says why."""


class MetricsServer:
    """Serves the metrics of a registry."""

    def __init__(
        self,
        look: Callable[[float], Snapshot],
        ready: Callable[[], str],
        *,
        hosts: Iterable[str] = (),
    ) -> None:
        """`look`: returns the figures, given how late the event loop was at most, in seconds.
        `ready`: says why the registry is not ready; empty if it is. `hosts`: names under which it
        is asked, beside those that `KnownHosts` has."""
        self._hosts = KnownHosts(hosts)
        self._look = look
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._open = 0
        self._lag = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, at: Address) -> None:
        """Begin to serve. Raises MetricsUnavailable."""
        try:
            import prometheus_client  # noqa: F401 - an extra: better missed now than at the first request
        except ImportError:
            raise MetricsUnavailable(f"--metrics {needs_extra('metrics')}") from None
        try:
            self._server = await asyncio.start_server(self._serve, at.host, at.port, limit=HEAD_MAX)
        except OSError as error:
            why = "already in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise MetricsUnavailable(f"Metrics cannot be served on {at}: {why or error}") from None
        self._measure_lag(self._loop.time())

    def close(self) -> None:
        """Stop serving."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()

    def _measure_lag(self, due: float) -> None:
        now = self._loop.time()
        self._lag = max(self._lag, now - due)
        self._timer = self._loop.call_later(LAG_SPAN, self._measure_lag, now + LAG_SPAN)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > CONNECTIONS_MAX:
                return
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer(head))
            async with asyncio.timeout(PATIENCE):
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # the client is gone, too slow, or sends too much
        finally:
            self._open -= 1
            with suppress(OSError):
                writer.close()

    def _answer(self, head: bytes) -> bytes:
        if not self._hosts.serves(_host_of(head)):
            return _response(
                400, _PLAIN, b"nothing is served under this name; --metrics-host NAME adds a name\n"
            )
        method, _, rest = head.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
        if method not in (b"GET", b"HEAD"):
            return _response(405, _PLAIN, b"only GET\n")
        match path:
            case b"/metrics":
                lag, self._lag = self._lag, 0.0
                kind, body = rendered(self._look(lag))
                return _response(200, kind, body)
            case b"/healthz":
                return _response(200, _PLAIN, b"ok\n")
            case b"/readyz":
                why = self._ready()
                return _response(503 if why else 200, _PLAIN, f"{why or 'ok'}\n".encode())
            case _:
                return _response(404, _PLAIN, b"there are /metrics, /healthz and /readyz\n")


def _host_of(head: bytes) -> str:
    """Return the value of the header `Host`; empty if there is none, or more than one."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    found = [value.strip() for name, _, value in lines if name.lower() == b"host"]
    return found[0].decode("latin-1") if len(found) == 1 else ""


_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


def _response(status: int, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def rendered(snapshot: Snapshot) -> tuple[str, bytes]:
    """Return the type and the text of all metrics."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class _Figures(Collector):
        def collect(self) -> Iterator["Metric"]:
            return metrics_of(snapshot)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return CONTENT_TYPE_LATEST, generate_latest(registry)


def metrics_of(snapshot: Snapshot) -> Iterator["Metric"]:
    """Yield all metrics."""
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    for name, value in snapshot.figures.items():
        figure = FIGURES[name]
        family = CounterMetricFamily if figure.kind is FigureKind.COUNTER else GaugeMetricFamily
        yield family(PREFIX + name, figure.help, value=value)
    build = GaugeMetricFamily(f"{PREFIX}build_info", BUILD.help, labels=["version", "python"])
    build.add_metric([installed_version(), platform.python_version()], 1)
    yield build
    if snapshot.state_node:
        keeper = GaugeMetricFamily(f"{PREFIX}cluster_state_info", STATE_NODE.help, labels=["node"])
        keeper.add_metric([snapshot.state_node], 1)
        yield keeper
    dropped = CounterMetricFamily(f"{PREFIX}dropped", DROPPED.help, labels=["reason"])
    for reason, count in snapshot.dropped.items():
        dropped.add_metric([reason], count)
    yield dropped
    for name, figure in QUEUE_FIGURES.items():
        gauge = GaugeMetricFamily(PREFIX + name, figure.help, labels=["queue"])
        for queue in snapshot.queues:
            gauge.add_metric([queue.queue], _of_queue(name, queue))
        yield gauge
    commits = HistogramMetricFamily(f"{PREFIX}commit_seconds", COMMIT_HELP)
    commits.add_metric([], buckets=snapshot.commits.cumulated(), sum_value=snapshot.commits.total)
    yield commits
    waits = HistogramMetricFamily(f"{PREFIX}desk_wait_seconds", WAIT_HELP, labels=["queue"])
    for of_queue, histogram in snapshot.waits.items():
        waits.add_metric([of_queue], buckets=histogram.cumulated(), sum_value=histogram.total)
    yield waits


def _of_queue(name: str, queue: QueueFigures) -> float:
    match name:
        case "desk_waiting":
            return sum(visitor.position > 0 for visitor in queue.visitors)
        case "desk_served":
            return sum(visitor.position == 0 for visitor in queue.visitors)
        case "desk_operators":
            return queue.operators
        case _:
            return queue.served_today
