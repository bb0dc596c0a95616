"""`ChatApp doctor`: examine the way to a registry, and our name there if we have one."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api.errors import NotLetIn
from chatapp.peer.api.findings import Check, Finding, Trouble
from chatapp.peer.doctor import probe_disk, probe_servers
from chatapp.peer.faces.program import DONE, FAILED, INTERRUPTED, start_logging
from chatapp.peer.node.driver import resolved
from chatapp.peer.node.keystore import FolderInUse
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words.doctor import doctor_lines
from chatapp.wire.address import Address
from chatapp.wire.errors import AddressRefused, ChatAppError

ADMITTED_WITHIN: Final = 5.0
"""Seconds to wait until the registry lets us in."""


def run(*, servers: Sequence[Address], name: str | None, home: Path, log_level: str) -> int:
    """Examine and print. `name`: of ours, with which to register for a moment; None for none.
    Returns the exit status: 0 if all is well."""
    start_logging(log_level)
    try:
        findings = asyncio.run(_examine(servers, name, home))
    except KeyboardInterrupt:
        return INTERRUPTED
    print(*doctor_lines(findings, servers[0]), sep="\n", flush=True)
    return DONE if all(finding.is_fine for finding in findings) else FAILED


async def _examine(servers: Sequence[Address], name: str | None, home: Path) -> list[Finding]:
    try:
        addresses = await resolved(servers)
    except AddressRefused:
        return [Finding(check=Check.ADDRESS, trouble=Trouble.NO_SUCH_HOST), probe_disk(home)]
    unknown = [
        Finding(check=Check.ADDRESS, trouble=Trouble.NO_SUCH_HOST, server=server.host)
        for server in servers
        if server not in addresses.values()
    ]
    return unknown + await _examine_found(servers, addresses, name, home)


async def _examine_found(
    servers: Sequence[Address], addresses: Iterable[Address], name: str | None, home: Path
) -> list[Finding]:
    if name is not None:
        # A name that a program of ours uses right now, or whose keys are damaged, is no help here.
        with contextlib.suppress(FolderInUse, ChatAppError, OSError):
            return await _examine_as(name, servers, home)
    return [*await probe_servers(list(addresses), known_key=None), probe_disk(home)]


async def _examine_as(name: str, servers: Sequence[Address], home: Path) -> list[Finding]:
    peer = Peer(name, servers, home=home)
    await peer.open()
    try:
        with contextlib.suppress(NotLetIn, TimeoutError):
            async with asyncio.timeout(ADMITTED_WITHIN):
                await peer.ready()
        return await peer.examine()
    finally:
        await peer.close(within=0.3)
