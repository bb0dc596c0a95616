"""Machines at one switch that exist for a measurement only, each at a line of its own speed: network
namespaces whose names contain our process id, removed at the end in any case."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.rivals import Absent

_NETWORK: Final = "10.98.0"
_numbers: Final = itertools.count()


class Lan:
    """A switch, and what is plugged in."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self._name: Final = name
        self._stack: Final = stack
        self._hosts: Final = itertools.count(1)
        self._add("hub")
        _run(f"ip -n {name}-hub link add br0 type bridge", f"ip -n {name}-hub link set br0 up")

    def machine(self, megabits: int | None = None) -> tuple[str, tuple[str, ...]]:
        """Plug a machine in; return its address, and the words before a command that runs on it.
        `megabits`: what its line takes each second either way; None: what the machine can."""
        host = next(self._hosts)
        own, hub = f"{self._name}-{host}", f"{self._name}-hub"
        address, port = f"{_NETWORK}.{host}", f"to{host}"
        self._add(str(host))
        _run(
            f"ip link add eth0 netns {own} type veth peer name {port} netns {hub}",
            f"ip -n {hub} link set {port} master br0",
            f"ip -n {hub} link set {port} up",
            f"ip -n {own} address add {address}/24 dev eth0",
            f"ip -n {own} link set eth0 up",
        )
        if megabits is not None:
            for where, device in ((own, "eth0"), (hub, port)):
                rate = f"rate {megabits}mbit burst 128k latency 50ms"
                _run(f"tc -n {where} qdisc add dev {device} root tbf {rate}")
        return address, ("ip", "netns", "exec", own)

    def _add(self, name: str) -> None:
        full = f"{self._name}-{name}"
        _run(f"ip netns add {full}")
        self._stack.callback(_run, f"ip netns del {full}")
        _run(f"ip -n {full} link set lo up")


@contextmanager
def lan() -> Iterator[Lan]:
    """Make an empty one. Raises Absent where that is not possible."""
    if os.geteuid() or shutil.which("ip") is None or shutil.which("tc") is None:
        raise Absent("machines at a switch need root, `ip` and `tc`; skipped")
    with ExitStack() as stack:
        try:
            made = Lan(f"cb{os.getpid()}n{next(_numbers)}", stack)
        except subprocess.CalledProcessError as error:
            raise Absent(f"no network namespaces: {error.stderr.decode().strip()}") from None
        yield made


def _run(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True)
