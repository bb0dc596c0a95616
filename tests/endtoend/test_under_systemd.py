"""A real registry under a service manager: it tells when it serves, loads its lists and stops."""

import asyncio
import signal
import socket

import pytest

from tests.cast.stage import Stage


@pytest.fixture(scope="module")
def is_forked() -> bool:
    """Each program begins as a user starts it."""
    return False


async def test_a_registry_keeps_its_service_manager_informed(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    config = stage.folder / "chatapp.toml"
    config.write_text("[registry]\n", "utf-8")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(stage.folder / "notify"))
        manager.setblocking(False)

        async def told() -> str:
            """The next message that is no sign of life."""
            while (
                text := (await asyncio.wait_for(loop.sock_recv(manager, 4_096), 60.0)).decode()
            ) == "WATCHDOG=1":
                pass
            return text

        environment = {"NOTIFY_SOCKET": str(stage.folder / "notify"), "WATCHDOG_USEC": "200000"}
        registry = await stage.begin_registry("--config", str(config), environment=environment)
        ready = f"READY=1\nSTATUS=Listening on UDP and TCP port {stage.port}"
        assert await told() == ready
        assert (await loop.sock_recv(manager, 4_096)).decode() == "WATCHDOG=1"
        registry.signal(signal.SIGHUP)
        assert (await told()).startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert await told() == ready
        registry.signal(signal.SIGTERM)
        assert await told() == "STOPPING=1"
        assert await registry.ends() == 0
