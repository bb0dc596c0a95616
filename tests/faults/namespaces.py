"""Small test networks: namespaces joined by a switch, with filters and address translation.

Their names contain our process id. They are removed with the test in any case, and the machine's
own network is not touched.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
from typing import Final, Self

import pytest

from tests.cast.lines import WELCOME, beginning
from tests.cast.people import Person
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage

PORT: Final = 5_000
"""The registry's, on its machine."""
NETWORK: Final = "10.77.0"
INSIDE: Final = "192.168.77"
_TOOLS: Final = ("ip", "nft", "conntrack")
_numbers: Final = itertools.count()


class Lab:
    """Machines connected to one switch; a context manager."""

    def __init__(self) -> None:
        self._name: Final = f"cf{os.getpid()}n{next(_numbers)}"
        self._made: list[str] = []
        self._hosts = itertools.count(1)

    def __enter__(self) -> Self:
        try:
            self._add("hub")
            self.run("hub", "ip link add br0 type bridge", "ip link set br0 up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything."""
        while self._made:
            subprocess.run(["ip", "netns", "del", self._full(self._made.pop())], check=False)

    # --- machines

    def machine(self, name: str) -> str:
        """Add a machine; returns its address."""
        self._add(name)
        address = f"{NETWORK}.{next(self._hosts)}"
        self._cable(name, "eth0", "hub", f"to-{name}")
        self.run("hub", f"ip link set to-{name} master br0", f"ip link set to-{name} up")
        self.run(name, f"ip addr add {address}/24 dev eth0", "ip link set eth0 up")
        return address

    def second_address(self, name: str) -> str:
        """Add an address to a machine; the kernel still prefers the first."""
        address = f"{NETWORK}.{next(self._hosts)}"
        self.run(name, f"ip addr add {address}/24 dev eth0")
        return address

    def machine_behind_nat(self, name: str) -> str:
        """Add a machine that others see only at the address of its gateway, `<name>-gate`; returns
        its own address."""
        gate = f"{name}-gate"
        self.machine(gate)
        self._add(name)
        self._cable(name, "eth0", gate, "eth1")
        self.run(
            gate,
            f"ip addr add {INSIDE}.1/24 dev eth1",
            "ip link set eth1 up",
            "sysctl -qw net.ipv4.ip_forward=1",
        )
        self.run(
            name,
            f"ip addr add {INSIDE}.2/24 dev eth0",
            "ip link set eth0 up",
            f"ip route add default via {INSIDE}.1",
        )
        self.run(
            gate,
            "nft add table ip nat",
            "nft add chain ip nat out { type nat hook postrouting priority 100 ; }",
            "nft add rule ip nat out oifname eth0 masquerade random",
        )
        return f"{INSIDE}.2"

    def inside(self, name: str) -> tuple[str, ...]:
        """Return the prefix that runs a command on this machine."""
        return ("ip", "netns", "exec", self._full(name))

    def run(self, name: str, *commands: str) -> None:
        """Run commands on this machine. CalledProcessError if one fails."""
        for command in commands:
            subprocess.run([*self.inside(name), *command.split()], check=True, capture_output=True)

    # --- weather

    def filter(self, name: str, *rules: str) -> None:
        """Set the filter of a machine's incoming traffic: nft rules, which replace earlier ones."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run(name, "nft delete table ip weather")
        if rules:
            self.run(
                name,
                "nft add table ip weather",
                "nft add chain ip weather in { type filter hook input priority 0 ; }",
                *(f"nft add rule ip weather in {rule} drop" for rule in rules),
            )

    def lose(self, name: str, percent: int) -> None:
        """Let a machine lose so many of its incoming UDP datagrams."""
        self.filter(name, f"ip protocol udp numgen random mod 100 < {percent}")

    def swallow_long_segments(self, name: str, size: int) -> None:
        """Drop longer TCP packets to this machine silently (an MTU black hole)."""
        self.filter(name, f"ip protocol tcp ip length > {size}")

    def slow(self, name: str, megabits: int) -> None:
        """Let so many megabits a second to a machine and from it."""
        for where, port in (("hub", f"to-{name}"), (name, "eth0")):
            rate = f"rate {megabits}mbit burst 64k latency 50ms"
            self.run(where, f"tc qdisc replace dev {port} root tbf {rate}")

    def cut(self, name: str) -> None:
        """Cut this machine off."""
        self.run("hub", f"ip link set to-{name} down")

    def heal(self, name: str) -> None:
        """Reconnect this machine."""
        self.run("hub", f"ip link set to-{name} up")

    def rebind(self, name: str) -> None:
        """Let a machine's gateway forget its translations, as a cheap router does at night."""
        self.run(f"{name}-gate", "conntrack -F")

    # --- inside

    def _full(self, name: str) -> str:
        return f"{self._name}-{name}"

    def _add(self, name: str) -> None:
        subprocess.run(["ip", "netns", "add", self._full(name)], check=True, capture_output=True)
        self._made.append(name)
        self.run(name, "ip link set lo up")

    def _cable(self, one: str, port: str, other: str, other_port: str) -> None:
        command = f"ip link add {port} netns {self._full(one)} type veth peer name {other_port} netns {self._full(other)}"
        subprocess.run(command.split(), check=True, capture_output=True)
        # Single packets, as on a wire: else filters would see segments and datagrams that the
        # kernel has not divided yet.
        self.run(one, f"ip link set {port} gso_max_segs 1")
        self.run(other, f"ip link set {other_port} gso_max_segs 1")


class Town:
    """A registry and people, each on a machine of their own."""

    def __init__(self, lab: Lab, stage: Stage) -> None:
        self.lab = lab
        self.stage = stage
        self.server = lab.machine("registry")

    async def registry(self) -> Program:
        words = [*self.lab.inside("registry"), *CHATAPP, "-s", str(PORT)]
        registry = await self.stage.run("registry", words, home="registry")
        await registry.sees(beginning("[Registry listening"))
        return registry

    async def peer(self, name: str, *, server: str | None = None) -> Person:
        words = [
            *self.lab.inside(name),
            *CHATAPP,
            "-c",
            name,
            server or self.server,
            str(PORT),
            "6000",
        ]
        return await self.stage.person(name, words)

    async def peers(self, *names: str) -> list[Person]:
        peers = [await self.peer(name) for name in names]
        for peer in peers:
            await peer.sees(WELCOME)
        for peer in peers:
            await peer.knows(*names)
        return peers


def why_not() -> str:
    """Return why no lab is possible here; empty if one is."""
    if os.geteuid():
        return "needs root, for network namespaces"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {' and '.join(missing)}"
    try:
        with Lab() as lab:
            lab.machine_behind_nat("probe")
            lab.lose("probe", 1)
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.decode(errors='replace').strip()}"
    return ""


def lab_or_skip() -> Lab:
    """Return a lab, or skip the test with the reason."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    return Lab()
