"""A test network of machines around one router, which drops what it is told to. It needs nothing but `ip`, and root."""

import itertools
import os
import shutil
import subprocess
from typing import Final, Self

import pytest

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
        """Drop this traffic, and nothing else: selectors of `ip rule`, such as `ipproto udp dport 5000`."""
        # The rule of the machine's own addresses has the preference 0; what is forwarded meets ours next.
        while True:
            try:
                self.run("router", "ip rule del pref 100")
            except subprocess.CalledProcessError:
                break
        for one in traffic:
            self.run("router", f"ip rule add pref 100 {one} blackhole")
        self.run("router", "ip route flush cache")


def routed_lab_or_skip() -> RoutedLab:
    """Return a lab, or skip the test with the reason."""
    if os.geteuid():
        pytest.skip("needs root, for network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("needs ip")
    try:
        with RoutedLab() as lab:
            lab.machine("probe")
            lab.block("ipproto udp dport 9")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode(errors='replace').strip()}")
    return RoutedLab()
