"""The servers that people would use instead: fetched by `make bench-rivals` or found on the PATH,
run on loopback.

They run without restrictions: flood limits and pings are off, and nothing is written to disk unless
the measure is about the disk.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from bench.machine import CHECKOUT, Failed, Process, built, free_port, scratch

_PATIENCE = 10.0


class Absent(Exception):
    """A rival is not installed."""


class Rival:
    """A running server."""

    def __init__(self, name: str, protocol: str, process: Process, port: int) -> None:
        self.name, self.protocol, self.process, self.port = name, protocol, process, port


FETCHED: Final = CHECKOUT / ".rivals"
"""Where `make bench-rivals` unpacks rivals."""


def program_of(name: str) -> str | None:
    """Find a rival's program: fetched ones first, then those that the system has. None: there is
    none."""
    fetched = [
        *FETCHED.glob("python/*/bin"),
        FETCHED / "python/bin",
        FETCHED / "debian/usr/bin",
        FETCHED / "debian/usr/sbin",
    ]
    places = [*map(str, fetched), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))


def _found(program: str, package: str) -> str:
    found = program_of(program)
    if found is None:
        raise _absent(program, package)
    return found


def _absent(what: str, package: str) -> Absent:
    return Absent(
        f"{what} is not installed (`make bench-rivals` fetches it; Debian: {package}); skipped"
    )


def libraries() -> dict[str, str]:
    """The environment in which fetched programs find the libraries that were fetched with them."""
    folders = [path for path in FETCHED.glob("debian/usr/lib/*-linux-*") if path.is_dir()]
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))} if folders else {}


@contextmanager
def _running(
    name: str, protocol: str, command: list[str | Path], port: int, core: int | None = None
) -> Iterator[Rival]:
    with Process(command, env=libraries(), quiet=True, core=core) as process:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Failed(f"{name} does not listen: {process.complaint()}") from None
                time.sleep(0.02)
        time.sleep(0.05)
        yield Rival(name, protocol, process, port)


@contextmanager
def ngircd(*, core: int | None = None) -> Iterator[Rival]:
    """An IRC server in C."""
    program, port = _found("ngircd", "ngircd"), free_port()
    with scratch() as folder:
        settings = folder / "ngircd.conf"
        settings.write_text(
            f"[Global]\nName = irc.bench.test\nInfo = bench\nListen = 127.0.0.1\nPorts = {port}\n"
            f"ServerUID = {os.getuid()}\nServerGID = {os.getgid()}\n"
            "[Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxNickLength = 20\n"
            "MaxPenaltyTime = 0\nPingTimeout = 3600\nPongTimeout = 3600\n"
            "[Options]\nDNS = no\nIdent = no\nPAM = no\nSyslogFacility = local1\n"
        )
        with _running("ngircd", "irc", [program, "-n", "-f", settings], port, core) as rival:
            yield rival


@contextmanager
def nats() -> Iterator[Rival]:
    """A message broker in Go."""
    program, port = _found("nats-server", "nats-server"), free_port()
    with scratch() as folder:
        settings = folder / "nats.conf"
        settings.write_text(
            f'host: "127.0.0.1"\nport: {port}\nmax_connections: 70000\nping_interval: "1h"\nlogtime: false\n'
        )
        with _running("NATS", "nats", [program, "-c", settings], port) as rival:
            yield rival


@contextmanager
def redis(*, durable: bool = False) -> Iterator[Rival]:
    """Redis: pub/sub in memory; or `durable`, an answer only after the disk has it."""
    program, port = _found("redis-server", "redis-server"), free_port()
    with scratch() as folder:
        disk = ["yes", "--appendfsync", "always"] if durable else ["no"]
        command: list[str | Path] = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]
        command += ["--dir", folder, "--appendonly", *disk, "--maxclients", "15000"]
        with _running("Redis", "redis", command, port) as rival:
            yield rival


@contextmanager
def mosquitto() -> Iterator[Rival]:
    """An MQTT broker in C."""
    program, port = _found("mosquitto", "mosquitto"), free_port()
    with scratch() as folder:
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n"
            f"max_inflight_messages 0\n"
            f"persistence false\nuser {_user()}\n"
        )
        with _running("mosquitto", "mqtt", [program, "-c", settings], port) as rival:
            yield rival


def toxcore() -> Path:
    """The load program of c-toxcore, which has no server."""
    for system in (FETCHED / "debian/usr", Path("/usr")):
        found = [*system.glob("lib/*-linux-*/libtoxcore.so")]
        if found and (system / "include/tox/tox.h").exists():
            # The libraries that this one needs are found when the program runs.
            lazily = "-Wl,--unresolved-symbols=ignore-in-shared-libs"
            return built("tox", "-I", system / "include", found[0], lazily)
    raise _absent("libtoxcore", "libtoxcore-dev")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


@contextmanager
def c_relay() -> Iterator[Rival]:
    """The limit of a relay."""
    port = free_port()
    with Process([built("relay"), str(port)]) as process:
        process.line()
        yield Rival("C", "plain", process, port)


RELAYS: tuple[tuple[str, Callable[[], AbstractContextManager[Rival]]], ...] = (
    ("ngircd", ngircd),
    ("NATS", nats),
    ("Redis", redis),
    ("mosquitto", mosquitto),
)


@contextmanager
def room_of(rival: Rival, receivers: int, *, core: int | None = None) -> Iterator[Process]:
    """Start a load generator with so many receivers, all in the room; `joined` is the time that
    this took."""
    with Process(
        [built("room"), rival.protocol, str(rival.port), str(receivers)], core=core
    ) as load:
        load.joined = load.told()
        yield load
