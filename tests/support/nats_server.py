"""The nats-servers of tests."""

import shutil
from pathlib import Path

from examples.cluster.servers import NatsServer
from tests.support.ports import free_port

__all__ = ["NatsServer", "remove", "single"]


def single(
    folder: Path, *, extra: str = "", sync: str = "always", has_jetstream: bool = True
) -> NatsServer:
    """Start one server and wait until it is ready."""
    ports = [free_port() for _ in range(3)]
    server = NatsServer(folder, ports=ports, extra=extra, sync=sync, has_jetstream=has_jetstream)
    server.start()
    server.wait_until_ready()
    return server


def remove(server: NatsServer) -> None:
    """Kill a server and remove its files."""
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)
