"""What a service manager is told, read from a socket as systemd reads it."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.telemetry.supervisor import Supervisor, socket_address, watchdog_span

PID = 4711


class Manager:
    """The service manager's end: a socket on which each datagram is one message."""

    def __init__(self, address: str | bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """All messages that have arrived, without waiting."""
        found = []
        try:
            while True:
                found.append(self.socket.recv(4_096).decode())
        except BlockingIOError:
            return found

    async def next(self) -> str:
        """The next message."""
        loop = asyncio.get_running_loop()
        return (await asyncio.wait_for(loop.sock_recv(self.socket, 4_096), 30.0)).decode()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def supervisor_of(manager: Manager, **environment: str) -> Supervisor:
    given = {"NOTIFY_SOCKET": manager.socket.getsockname(), **environment}
    return Supervisor(given, pid=PID, now=lambda: 12.5)


async def test_a_registry_tells_that_it_serves_loads_and_stops(manager: Manager) -> None:
    supervisor = supervisor_of(manager)
    supervisor.ready("Listening on UDP and TCP port 5000")
    supervisor.reloading()
    supervisor.ready("Listening on UDP and TCP port 5000")
    supervisor.stopping()
    ready = "READY=1\nSTATUS=Listening on UDP and TCP port 5000"
    assert manager.heard() == [ready, "RELOADING=1\nMONOTONIC_USEC=12500000", ready, "STOPPING=1"]


async def test_signs_of_life_come_from_the_event_loop(manager: Manager) -> None:
    supervisor = supervisor_of(manager, WATCHDOG_USEC="2000", WATCHDOG_PID=str(PID))
    assert manager.heard() == []
    supervisor.ready("")
    assert manager.heard() == ["READY=1\nSTATUS=", "WATCHDOG=1"]
    assert [await manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
    supervisor.ready("")  # after a reload: no second series
    supervisor.stopping()
    manager.heard()
    waited = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, waited.set_result, None)
    await waited
    assert manager.heard() == []


async def test_a_name_without_a_file_is_an_address() -> None:
    manager = Manager(b"\0chatapp-supervisor-test")
    try:
        Supervisor({"NOTIFY_SOCKET": "@chatapp-supervisor-test"}).stopping()
        assert manager.heard() == ["STOPPING=1"]
    finally:
        manager.socket.close()


@pytest.mark.parametrize("named", ["", "vsock:2:1234", "notify", "/nowhere/at/all"])
async def test_without_a_manager_that_listens_nothing_happens(named: str) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "1000"}, pid=PID)
    supervisor.ready("")
    supervisor.reloading()
    supervisor.stopping()


@pytest.mark.parametrize(
    ("environment", "span"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "9" * 5_000}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(
    environment: Mapping[str, str], span: float | None
) -> None:
    assert watchdog_span(environment, PID) == span


@given(
    st.dictionaries(st.sampled_from(["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]), st.text())
)
def test_no_environment_is_an_error(environment: dict[str, str]) -> None:
    address, span = socket_address(environment), watchdog_span(environment, PID)
    assert address is None or address[0] in "\0/"
    assert span is None or span > 0
