"""Test networks that need nothing but `ip`, and root: machines around a router that drops what it
is told to, and machines on one switch."""

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
from typing import Final, Self

import pytest

from tests.cast.program import CHECKOUT, WITHIN
from tests.faults.namespaces import Lab

_NETWORK: Final = "10.78"


class RoutedLab(Lab):
    """Machines, each with a network of its own, around a router; a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._networks = itertools.count(1)

    def __enter__(self) -> Self:
        try:
            self._add("router")
            self.run("router", "sysctl -qw net.ipv4.ip_forward=1")
        except BaseException:
            self.close()
            raise
        return self

    def machine(self, name: str) -> str:
        """Add a machine; returns its address."""
        self._add(name)
        network = f"{_NETWORK}.{next(self._networks)}"
        self._cable(name, "eth0", "router", f"to-{name}")
        self.run("router", f"ip addr add {network}.1/24 dev to-{name}", f"ip link set to-{name} up")
        self.run(
            name,
            f"ip addr add {network}.2/24 dev eth0",
            "ip link set eth0 up",
            f"ip route add default via {network}.1",
        )
        return f"{network}.2"

    def block(self, *traffic: str) -> None:
        """Drop this traffic, and nothing else: selectors of `ip rule`, such as `ipproto udp dport
        5000`."""
        # The rule of the machine's own addresses has the preference 0; what is forwarded meets ours
        # next.
        while True:
            try:
                self.run("router", "ip rule del pref 100")
            except subprocess.CalledProcessError:
                break
        for one in traffic:
            self.run("router", f"ip rule add pref 100 {one} blackhole")
        self.run("router", "ip route flush cache")


_LISTEN: Final = """
import sys, time
from chatapp.wire.aio.lan import Discovery
while len(Discovery().finish()) < int(sys.argv[1]):
    pass
"""


class SwitchedLab(Lab):
    """Machines on one switch, on which multicast reaches everybody."""

    def machine(self, name: str) -> str:
        """Add a machine; returns its address."""
        address = super().machine(name)
        self.run(name, "ip route add default dev eth0")
        return address

    async def hears_announcements(self, name: str, count: int) -> None:
        """Wait until so many registries announce themselves to this machine."""
        words = [*self.inside(name), sys.executable, "-c", _LISTEN, str(count)]
        process = await asyncio.create_subprocess_exec(*words, cwd=CHECKOUT)
        try:
            assert await asyncio.wait_for(process.wait(), WITHIN) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def switched_lab_or_skip() -> SwitchedLab:
    """Return a lab, or skip the test with the reason."""
    _skip_without(SwitchedLab)
    return SwitchedLab()


def routed_lab_or_skip() -> RoutedLab:
    """Return a lab, or skip the test with the reason."""
    _skip_without(RoutedLab)
    with RoutedLab() as lab:
        try:
            lab.block("ipproto udp dport 9")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no rules for ports here: {error.stderr.decode(errors='replace').strip()}")
    return RoutedLab()


def _skip_without(kind: type[Lab]) -> None:
    if os.geteuid():
        pytest.skip("needs root, for network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("needs ip")
    try:
        with kind() as lab:
            lab.machine("probe")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode(errors='replace').strip()}")
