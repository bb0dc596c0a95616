"""Metrics: what is served over HTTP, to whom, and what the files for Prometheus and Grafana ask of
it."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chatapp.registry.program.settings import metrics_address
from chatapp.registry.rules.admin_requests import QueueFigures, VisitorFigures
from chatapp.registry.rules.desk.statistics import WAIT_BOUNDS, Histogram
from chatapp.registry.telemetry import metrics
from chatapp.registry.telemetry.figures import COMMIT_BOUNDS, FIGURES, Snapshot
from chatapp.registry.telemetry.metrics import (
    CONNECTIONS_MAX,
    HEAD_MAX,
    PREFIX,
    MetricsServer,
    MetricsUnavailable,
    rendered,
)
from chatapp.wire.address import Address
from tests.registry.rig import Rig
from tests.support.ports import free_port

CONTRIB = Path(__file__).parents[3] / "contrib" / "monitoring"
NAMES = re.compile(rf"\b{PREFIX}[a-z_]+\b")
VISITOR = VisitorFigures(1, 1, "Vera", "Other", 5, True, "")


def snapshot(lag: float = 0.0) -> Snapshot:
    """Figures of which each has another value."""
    figures = {name: float(number) for number, name in enumerate(FIGURES, 1)}
    commits, waits = Histogram(COMMIT_BOUNDS), Histogram(WAIT_BOUNDS)
    for span in (0.0005, 0.003, 99.0):
        commits.note(span)
    figures["loop_lag_seconds"] = lag
    queue = QueueFigures("desk", 2, 7, 30, 60, [VISITOR])
    return Snapshot(figures, {"seal_broken": 3}, [queue], commits, {"desk": waits})


@asynccontextmanager
async def served(why: str = "") -> AsyncIterator[Address]:
    server, at = (
        MetricsServer(snapshot, lambda: why, hosts=["Desk.example"]),
        Address("127.0.0.1", free_port()),
    )
    await server.open(at)
    try:
        yield at
    finally:
        server.close()


async def asked(at: Address, request: str, host: str = "localhost:9464") -> tuple[int, str]:
    """Return the status and the body."""
    reader, writer = await asyncio.open_connection(at.host, at.port)
    writer.write(f"{request}\r\nHost: {host}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "host", ["evil.example", "", "localhost\r\nHost: localhost", "desk.example.evil"]
)
async def test_other_names_are_refused_in_one_line(host: str) -> None:
    async with served() as at:
        assert await asked(at, "GET /metrics HTTP/1.1", host) == (
            400,
            "nothing is served under this name; --metrics-host NAME adds a name\n",
        )


@pytest.mark.parametrize(
    "host", ["desk.example", "DESK.example:9464", "192.0.2.7:9464", "[::1]", "localhost"]
)
async def test_its_own_names_and_ip_addresses_are_served(host: str) -> None:
    async with served() as at:
        assert (await asked(at, "GET /healthz HTTP/1.1", host))[0] == 200


def samples() -> dict[str, float]:
    """All samples by name and labels."""
    _, text = rendered(snapshot())
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_figure_is_shown_with_its_value() -> None:
    found = samples()
    for number, (name, figure) in enumerate(FIGURES.items(), 1):
        suffix = "_total" if figure.kind.value == "counter" else ""
        assert found[f"{PREFIX}{name}{suffix}"] == (0.0 if name == "loop_lag_seconds" else number)
    assert found["chatapp_dropped_total[('reason', 'seal_broken')]"] == 3
    assert found["chatapp_desk_waiting[('queue', 'desk')]"] == 1
    assert found["chatapp_desk_operators[('queue', 'desk')]"] == 2
    assert found["chatapp_desk_served_today[('queue', 'desk')]"] == 7


def test_a_histogram_counts_each_span_once_and_cumulates() -> None:
    found = samples()
    assert found["chatapp_commit_seconds_bucket[('le', '0.001')]"] == 1
    assert found["chatapp_commit_seconds_bucket[('le', '0.005')]"] == 2
    assert found["chatapp_commit_seconds_bucket[('le', '5.0')]"] == 2
    assert found["chatapp_commit_seconds_bucket[('le', '+Inf')]"] == 3
    assert found["chatapp_commit_seconds_count"] == 3
    assert found["chatapp_commit_seconds_sum"] == pytest.approx(99.0035)


def test_a_core_tells_what_it_has(rig: Rig) -> None:
    rig.member("ann")
    for peer in (rig.member("bob"), rig.member("carol")):
        peer.enter("lab")
        peer.say("hi")
    rig.core.receive_datagram(b"\xff", Address("192.0.2.9", 5), now=rig.now)
    found = rig.core.snapshot(now=rig.now)
    assert {name: found.figures[name] for name in ("registered", "online", "links", "rooms")} == {
        "registered": 3,
        "online": 3,
        "links": 3,
        "rooms": 1,
    }
    assert found.figures["room_deliveries"] == 1
    assert found.figures["stored_entries"] > 0
    assert found.figures["table_changes"] > 0
    assert found.dropped["unknown_datagram_kind"] == 1
    assert set(found.figures) < set(FIGURES)


# --- the server


async def test_metrics_and_health_are_served() -> None:
    async with served() as at:
        status, body = await asked(at, "GET /metrics HTTP/1.1")
        assert (status, "chatapp_online" in body) == (200, True)
        assert await asked(at, "GET /healthz HTTP/1.1") == (200, "ok\n")
        assert await asked(at, "GET /readyz?x=1 HTTP/1.0") == (200, "ok\n")
        assert (await asked(at, "GET / HTTP/1.1"))[0] == 404
        assert (await asked(at, "POST /metrics HTTP/1.1"))[0] == 405
    async with served("the disk takes nothing") as at:
        assert await asked(at, "GET /readyz HTTP/1.1") == (503, "the disk takes nothing\n")
        assert (await asked(at, "GET /healthz HTTP/1.1"))[0] == 200


async def test_slow_long_and_too_many_clients_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as at:
        reader, writer = await asyncio.open_connection(at.host, at.port)
        writer.write(b"GET /" + b"x" * 3 * HEAD_MAX)
        with suppress(ConnectionResetError):  # what the server has not read is lost
            assert await reader.read() == b""
        writer.close()
        waiting = [await asyncio.open_connection(at.host, at.port) for _ in range(CONNECTIONS_MAX)]
        reader, writer = await asyncio.open_connection(at.host, at.port)
        assert await reader.read() == b""
        for _, one in waiting:
            one.close()
        for other, _ in waiting:  # the server has seen their end
            assert await other.read() == b""
        writer.close()
        monkeypatch.setattr(metrics, "PATIENCE", 0.01)
        reader, writer = await asyncio.open_connection(at.host, at.port)
        assert await reader.read() == b""
        writer.close()


async def test_a_port_in_use_is_named() -> None:
    async with served() as at:
        with pytest.raises(MetricsUnavailable, match=rf"{at}: already in use$"):
            await MetricsServer(snapshot, str).open(at)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9464", Address("127.0.0.1", 9464)),
        ("0.0.0.0:9464", Address("0.0.0.0", 9464)),
        ("[::1]:9464", Address("::1", 9464)),
        ("localhost:9464", None),
        ("9464x", None),
        ("80", None),
        ("127.0.0.1:", None),
        ("127.0.0.1:99999", None),
        ("²²²²", None),
        ("", None),
    ],
)
def test_a_metrics_address_is_a_port_or_an_ip_address_with_one(
    text: str, found: Address | None
) -> None:
    assert metrics_address(text) == found


# --- the files for Prometheus and Grafana


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "prometheus-alerts.yml"])
def test_each_metric_that_a_file_asks_for_exists(file: str) -> None:
    asked_for = set(NAMES.findall((CONTRIB / file).read_text(encoding="utf-8")))
    assert len(asked_for) > 5
    assert asked_for <= {name.split("[")[0] for name in samples()}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_metrics_and_the_alerts() -> None:
    rules = str(CONTRIB / "prometheus-alerts.yml")
    assert subprocess.run(["promtool", "check", "rules", rules], check=False).returncode == 0
    _, text = rendered(snapshot())
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, check=False)
    assert checked.returncode == 0


def test_the_dashboard_shows_every_figure() -> None:
    text = (CONTRIB / "grafana-dashboard.json").read_text(encoding="utf-8")
    board = json.loads(text)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    missing = {name for name in FIGURES if PREFIX + name not in text}
    assert missing <= {"store_accepts_writes"}, "an alert watches it"


def test_no_figure_names_anybody() -> None:
    assert any(VISITOR in queue.visitors for queue in snapshot().queues)
    assert VISITOR.name.encode() not in rendered(snapshot())[1]
