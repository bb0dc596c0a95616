"""Probes of the network and of the disk: each makes findings of what the operating system and the
registry answer."""

import asyncio
import contextlib
import errno
import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.api.findings import Check, Finding, Trouble, disk_finding, packets_finding
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, decode_cookie, encode_hello
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError
from chatapp.wire.identity import fingerprint, is_authentic
from chatapp.wire.limits import DATAGRAM_MAX
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Hello

_NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN)
_MTU_OF_PATH: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, 14),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 24),
}
"""Linux's IP_MTU and IPV6_MTU: the longest packet on the path of a connected socket, as far as the
kernel knows."""


async def probe_server(
    address: Address, *, known_key: str | None, policy: Policy | None = None
) -> list[Finding]:
    """Ask a registry by UDP and TCP, without registering. `known_key`: the fingerprint that its key
    must have, if we know one. Takes at most as long as a question of the protocol (2.5 s)."""
    limits = policy or Policy()
    udp, tcp = await asyncio.gather(
        _ask_by_udp(address, known_key, limits), _ask_by_tcp(address, limits)
    )
    return sorted([*udp, tcp], key=lambda one: list(Check).index(one.check))


async def probe_servers(
    addresses: Sequence[Address], *, known_key: str | None, policy: Policy | None = None
) -> list[Finding]:
    """Ask all servers of a registry at once. Of the first that answers with the right key (of the
    first one, if none does) everything is told, of each other one whether it answers: one server is
    enough, so its silence is no trouble."""
    found = await asyncio.gather(
        *(probe_server(address, known_key=known_key, policy=policy) for address in addresses)
    )
    if len(addresses) == 1:
        return found[0]
    best = next((place for place, findings in enumerate(found) if _is_in_order(findings)), 0)
    whole = [
        msgspec.structs.replace(one, server=str(addresses[best]))
        if one.check in _OF_SERVER
        else one
        for one in found[best]
    ]
    others = [
        _in_brief(address, findings)
        for place, (address, findings) in enumerate(zip(addresses, found, strict=True))
        if place != best
    ]
    return [*whole, *others]


_OF_SERVER: Final = (Check.UDP, Check.TCP)


def _is_in_order(findings: Sequence[Finding]) -> bool:
    return all(one.is_fine for one in findings if one.check in (Check.UDP, Check.KEY))


def _in_brief(address: Address, findings: Sequence[Finding]) -> Finding:
    udp = next(one for one in findings if one.check is Check.UDP)
    trouble = next((one.trouble for one in findings if one.check is Check.KEY), None)
    return Finding(
        check=Check.OTHER_SERVER, trouble=trouble, amount=udp.amount, server=str(address)
    )


async def _ask_by_udp(address: Address, known_key: str | None, policy: Policy) -> list[Finding]:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as endpoint:
        endpoint.setblocking(False)  # noqa: FBT003 - the library's signature
        try:
            endpoint.connect(address)
            answer = await _cookie(loop, endpoint, policy)
        except OSError as error:
            return [Finding(check=Check.UDP, trouble=_trouble(error))]
        packets = [packets_finding(size) for size in _packet_sizes(endpoint, family)]
    if isinstance(answer, Trouble):
        return [Finding(check=Check.UDP, trouble=answer), *packets]
    seconds, key = answer
    trouble = Trouble.OTHER_KEY if known_key is not None and key != known_key else None
    return [
        Finding(check=Check.UDP, amount=seconds),
        Finding(check=Check.KEY, trouble=trouble, subject=key),
        *packets,
    ]


async def _cookie(
    loop: asyncio.AbstractEventLoop, endpoint: socket.socket, policy: Policy
) -> tuple[float, str] | Trouble:
    """Send HELLOs until a COOKIE comes. Return the seconds until then and the registry's key.
    Raises OSError."""
    nonce = os.urandom(16)
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=PROTOCOL_VERSION, nonce=nonce))
    has_heard = False
    for _ in range(policy.tries):
        sent_at = loop.time()
        await loop.sock_sendall(endpoint, hello)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(policy.ack_timeout):
                while True:
                    key = _key_in(await loop.sock_recv(endpoint, DATAGRAM_MAX + 1), nonce)
                    has_heard = True
                    if key is not None:
                        return loop.time() - sent_at, key
    return Trouble.NO_REGISTRY if has_heard else Trouble.SILENT


def _key_in(datagram: bytes, nonce: bytes) -> str | None:
    """Return the fingerprint of the registry whose COOKIE answers our HELLO; None for anything
    else."""
    if not datagram or datagram[0] != Kind.COOKIE:
        return None
    try:
        cookie = decode_cookie(datagram[1:])
    except WireError:
        return None
    is_answer = cookie.nonce == nonce and is_authentic(cookie.card)
    return fingerprint(cookie.card.identity) if is_answer else None


async def _ask_by_tcp(address: Address, policy: Policy) -> Finding:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(policy.give_up_after):
            _, writer = await asyncio.open_connection(*address)
    except TimeoutError:
        return Finding(check=Check.TCP, trouble=Trouble.SILENT)
    except OSError as error:
        return Finding(check=Check.TCP, trouble=_trouble(error))
    seconds = loop.time() - began
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Finding(check=Check.TCP, amount=seconds)


def _trouble(error: OSError) -> Trouble:
    if error.errno == errno.ECONNREFUSED:
        return Trouble.REFUSED
    return Trouble.NO_ROUTE if error.errno in _NO_WAY else Trouble.SILENT


def _packet_sizes(endpoint: socket.socket, family: int) -> list[int]:
    """Return the longest packet on the path of a connected socket, if the system tells it."""
    if sys.platform != "linux":
        return []
    try:
        return [endpoint.getsockopt(*_MTU_OF_PATH[socket.AddressFamily(family)])]
    except OSError:
        return []


def probe_disk(folder: Path, *, free_of: Callable[[Path], int] | None = None) -> Finding:
    """Look at the disk of a folder, which may not exist yet. `free_of`: returns the free bytes of
    the disk with a folder."""
    existing = next((one for one in (folder, *folder.parents) if one.is_dir()), Path("/"))
    try:
        free = (free_of or _free)(existing)
        is_writable = os.access(existing, os.W_OK | os.X_OK) and not _is_read_only(existing)
    except OSError:
        free, is_writable = 0, False
    return disk_finding(str(existing), free=free, is_writable=is_writable)


def probe_privacy(folder: Path) -> Finding:
    """Look at who may read the folder with our keys."""
    try:
        is_open = bool(stat.S_IMODE(folder.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        is_open = False  # the check of the disk says more
    trouble = Trouble.OPEN_TO_OTHERS if is_open else None
    return Finding(check=Check.PRIVACY, trouble=trouble, subject=str(folder))


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
