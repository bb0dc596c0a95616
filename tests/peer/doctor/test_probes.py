"""Probes over loopback sockets and real folders: what each kind of answer is taken for."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.peer.api.findings import (
    CLOCK_TOLERATED,
    DISK_NEEDED,
    PACKET_NEEDED,
    Check,
    Finding,
    Trouble,
    clock_finding,
    packets_finding,
)
from chatapp.peer.doctor import probe_disk, probe_privacy, probe_server, probe_servers
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from tests.peer.village import Village, village
from tests.support.ports import free_port

__all__ = ["village"]

QUICK = Policy(ack_timeout=0.05)
"""A registry that is asked on a loaded machine may take longer to answer."""


def troubles(findings: list[Finding]) -> dict[Check, Trouble | None]:
    """What is wrong, by check; the length of packets is a matter of the machine."""
    return {one.check: one.trouble for one in findings if one.check is not Check.PACKETS}


@contextlib.contextmanager
def occupied(port: int, *kinds: socket.SocketKind) -> Iterator[list[socket.socket]]:
    """Hold a port without ever answering."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for kind in kinds:
            one = stack.enter_context(socket.socket(socket.AF_INET, kind))
            one.bind(("127.0.0.1", port))
            if kind is socket.SOCK_STREAM:
                one.listen()
            sockets.append(one)
        yield sockets


async def test_a_registry_answers(village: Village) -> None:
    address = Address("127.0.0.1", village.port)
    findings = await probe_server(address, known_key=None)
    assert troubles(findings) == {Check.UDP: None, Check.TCP: None, Check.KEY: None}
    key = next(one.subject for one in findings if one.check is Check.KEY)
    assert all(one.is_fine for one in await probe_server(address, known_key=key))
    other = troubles(await probe_server(address, known_key="0000 " * 8))
    assert other == {Check.UDP: None, Check.TCP: None, Check.KEY: Trouble.OTHER_KEY}


async def test_of_several_servers_the_one_that_answers_is_told_and_the_others_in_brief(
    village: Village,
) -> None:
    """One server is enough, so the silence of another one is no trouble."""
    away, here = Address("127.0.0.1", free_port()), Address("127.0.0.1", village.port)
    findings = await probe_servers([away, here], known_key=None, policy=QUICK)
    expected = {Check.UDP: None, Check.TCP: None, Check.KEY: None, Check.OTHER_SERVER: None}
    assert troubles(findings) == expected
    assert {one.server for one in findings if one.check in (Check.UDP, Check.TCP)} == {str(here)}
    (other,) = [one for one in findings if one.check is Check.OTHER_SERVER]
    assert (other.server, other.amount) == (str(away), None)
    foreign = troubles(await probe_servers([away, here], known_key="0000 " * 8, policy=QUICK))
    assert foreign[Check.OTHER_SERVER] is Trouble.OTHER_KEY
    assert foreign[Check.UDP] is Trouble.REFUSED


async def test_nothing_runs_there() -> None:
    findings = await probe_server(Address("127.0.0.1", free_port()), known_key=None, policy=QUICK)
    assert troubles(findings) == {Check.UDP: Trouble.REFUSED, Check.TCP: Trouble.REFUSED}


async def test_somebody_listens_and_says_nothing() -> None:
    port = free_port()
    with occupied(port, socket.SOCK_DGRAM, socket.SOCK_STREAM):
        findings = await probe_server(Address("127.0.0.1", port), known_key=None, policy=QUICK)
    assert troubles(findings) == {Check.UDP: Trouble.SILENT, Check.TCP: None}


async def test_somebody_answers_who_is_no_registry() -> None:
    port = free_port()
    loop = asyncio.get_running_loop()
    with occupied(port, socket.SOCK_DGRAM) as (echo,):
        echo.setblocking(False)

        def answer() -> None:
            data, source = echo.recvfrom(2_048)
            echo.sendto(data, source)
            echo.sendto(b"", source)
            echo.sendto(b"\x02\xff\xff", source)

        loop.add_reader(echo, answer)
        findings = await probe_server(Address("127.0.0.1", port), known_key=None, policy=QUICK)
        loop.remove_reader(echo)
    assert troubles(findings)[Check.UDP] is Trouble.NO_REGISTRY


def test_a_disk_with_room_and_one_without(tmp_path: Path) -> None:
    assert probe_disk(tmp_path, free_of=lambda _: DISK_NEEDED).is_fine
    assert probe_disk(tmp_path, free_of=lambda _: DISK_NEEDED - 1).trouble is Trouble.FULL
    missing = probe_disk(tmp_path / "a" / "b", free_of=lambda _: DISK_NEEDED)
    assert (missing.is_fine, missing.subject) == (True, str(tmp_path))

    def fails(_: Path) -> int:
        raise OSError(5, "Input/output error")

    assert probe_disk(tmp_path, free_of=fails).trouble is Trouble.UNWRITABLE


@pytest.mark.skipif(not os.geteuid(), reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert probe_disk(tmp_path).trouble is Trouble.UNWRITABLE


@pytest.mark.parametrize(("mode", "is_fine"), [(0o700, True), (0o750, False), (0o701, False)])
def test_who_may_read_the_keys(tmp_path: Path, mode: int, is_fine: bool) -> None:
    tmp_path.chmod(mode)
    assert probe_privacy(tmp_path).is_fine is is_fine


def test_a_clock_may_differ_a_little() -> None:
    ahead = (-CLOCK_TOLERATED - 1, -CLOCK_TOLERATED, 0.0, CLOCK_TOLERATED, CLOCK_TOLERATED + 1)
    found = [clock_finding(seconds).trouble for seconds in ahead]
    assert found == [Trouble.AHEAD, None, None, None, Trouble.BEHIND]


def test_short_packets() -> None:
    assert packets_finding(PACKET_NEEDED).is_fine
    assert packets_finding(PACKET_NEEDED - 1).trouble is Trouble.TOO_SHORT
