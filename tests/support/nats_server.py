"""One real nats-server with JetStream, as the tests start it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.support.ports import free_port

PROGRAM: Final = Path(sys.executable).with_name("nats-server")
READY_WITHIN: Final = 30.0


class NatsServer:
    """A server in a folder of its own. It is killed by its process id, and may be started again on its files."""

    def __init__(
        self,
        folder: Path,
        *,
        ports: Sequence[int],
        name: str = "n1",
        routes: Sequence[int] = (),
        sync: str = "always",
        extra: str = "",
        has_jetstream: bool = True,
    ) -> None:
        """`ports`: for clients, for monitoring, and for the other servers. `routes`: these of all servers."""
        self.folder = folder
        self.client_port, self.monitor_port, self._route_port = ports
        self.name = name
        self._process: subprocess.Popen[bytes] | None = None
        store = (
            f'jetstream {{\n  store_dir: "{folder}"\n  sync_interval: {sync}\n}}\n' if has_jetstream else ""
        )
        members = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        cluster = (
            f"cluster {{\n  name: c\n  listen: 127.0.0.1:{self._route_port}\n  routes: [{members}]\n}}\n"
            if routes
            else ""
        )
        self._file = folder / "server.conf"
        self._file.write_text(
            f"server_name: {name}\nlisten: 127.0.0.1:{self.client_port}\nhttp: 127.0.0.1:{self.monitor_port}\n"
            f"{store}{cluster}{extra}"
        )

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.client_port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, without waiting."""
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen([PROGRAM, "-c", self._file], stdout=log, stderr=log)
        log.close()

    def wait_until_ready(self) -> None:
        """Wait until it answers, and its JetStream works."""
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until:
            assert self._process is not None and self._process.poll() is None, self.log()
            with suppress(OSError):
                self.asked("healthz")
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.name} is not ready\n{self.log()}")

    def asked(self, path: str) -> Mapping[str, object]:
        """Return what its monitoring says."""
        address = f"http://127.0.0.1:{self.monitor_port}/{path}"
        with urllib.request.urlopen(address, timeout=5) as answer:
            found: Mapping[str, object] = json.load(answer)
        return found

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it (`kill -9`) and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def single(folder: Path, *, extra: str = "", sync: str = "always", has_jetstream: bool = True) -> NatsServer:
    """Start one server and wait until it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    server = NatsServer(
        folder, ports=[free_port() for _ in range(3)], extra=extra, sync=sync, has_jetstream=has_jetstream
    )
    server.start()
    server.wait_until_ready()
    return server


def remove(server: NatsServer) -> None:
    """Kill a server and remove its files."""
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)
