"""What can keep a registry on this machine from serving: its port, its disk, its cluster's servers and their certificates,
and the clock. It changes nothing."""

import ctypes
import errno
import os
import shutil
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chatapp.registry.cluster.settings import ClusterSettings, server_urls
from chatapp.registry.program.admin.client import AdminRequestFailed, ask
from chatapp.registry.rules.admin.messages import ShowStats, StatsShown
from chatapp.wire.codec import decode_cookie, encode_hello
from chatapp.wire.errors import DecodeError
from chatapp.wire.framing import Kind
from chatapp.wire.limits import DATAGRAM_MAX
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Hello

ANSWER_WITHIN: Final = 2.0
"""Seconds to wait for an answer."""
FREE_LEAST: Final = 256 << 20
"""Free bytes below which a disk is short: a checkpoint writes its files anew beside the old ones."""
EXPIRY_SPAN: Final = 14 * 86_400
"""Seconds before its end at which a certificate is to be renewed."""
AHEAD_MOST: Final = 60.0
"""Seconds by which a file may be newer than the clock says it is now."""
_LOCAL: Final = "127.0.0.1"
_INFO_MAX: Final = 1 << 16
_CLOCK_ERROR: Final = 5
"""What Linux says of a clock that nothing keeps right."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    is_well: bool
    found: str


def checks(folder: Path, cluster: ClusterSettings | None) -> Iterator[Check]:
    """Look at everything that the registry with this folder needs; its port is the folder's name."""
    port = int(folder.name)
    try:
        answer = ask(folder, ShowStats()) if folder.exists() else None
    except AdminRequestFailed:
        answer = None
    figures = answer.figures if isinstance(answer, StatsShown) else None
    yield from _running(port) if figures is not None else _free(port)
    yield from _disk(folder, figures)
    if cluster is not None:
        yield from _servers(cluster)
    yield from _clock(folder)


# --- the port


def _running(port: int) -> Iterator[Check]:
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=PROTOCOL_VERSION, nonce=os.urandom(16)))
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        asking.settimeout(ANSWER_WITHIN)
        try:
            asking.connect((_LOCAL, port))
            asking.send(hello)
            decode_cookie(asking.recv(DATAGRAM_MAX)[1:])
            yield Check("UDP port", True, f"the registry answers on {port}")
        except (OSError, DecodeError) as error:
            yield Check("UDP port", False, f"the registry runs and does not answer on {port}: {_why(error)}")
    try:
        socket.create_connection((_LOCAL, port), timeout=ANSWER_WITHIN).close()
        yield Check("TCP port", True, f"the registry answers on {port}")
    except OSError as error:
        yield Check("TCP port", False, f"the registry runs and does not answer on {port}: {_why(error)}")


def _free(port: int) -> Iterator[Check]:
    for what, kind in (("UDP port", socket.SOCK_DGRAM), ("TCP port", socket.SOCK_STREAM)):
        with closing(socket.socket(socket.AF_INET, kind)) as tried:
            if kind == socket.SOCK_STREAM:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("", port))
                yield Check(what, True, f"{port} is free; no registry runs")
            except OSError as error:
                taken = "another program has it" if error.errno == errno.EADDRINUSE else _why(error)
                yield Check(what, False, f"{port}: {taken}")


# --- the disk


def _disk(folder: Path, figures: dict[str, float] | None) -> Iterator[Check]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        if there == folder:
            found = os.stat(folder)
            mode = stat.S_IMODE(found.st_mode)
            if mode & 0o077:
                yield Check("folder", False, f"{folder}: others may read it (mode {mode:o}); chmod 700")
            elif found.st_uid != os.geteuid():
                yield Check("folder", False, f"{folder}: it belongs to another user (number {found.st_uid})")
            else:
                yield Check("folder", True, str(folder))
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield Check("folder", False, f"{there}: {_why(error)}")
        return
    takes = os.access(there, os.W_OK) if figures is None else bool(figures.get("store_accepts_writes", 1))
    if not takes:
        yield Check("disk", False, f"{there}: it takes no writes")
    else:
        yield Check("disk", free >= FREE_LEAST, f"{free >> 20:,} MiB are free")


# --- a cluster's servers


def _servers(cluster: ClusterSettings) -> Iterator[Check]:
    try:
        context = ssl.create_default_context(cafile=cluster.ca)
    except (OSError, ssl.SSLError) as error:
        yield Check("certificate", False, f"{cluster.ca}: {_why(error)}")
        return
    for url in server_urls(cluster.servers):
        yield from _server(url, context, has_tls=url.startswith("tls:") or cluster.ca is not None)


def _server(url: str, context: ssl.SSLContext, *, has_tls: bool) -> Iterator[Check]:
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port}"
    try:
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=ANSWER_WITHIN) as line:
            info = line.recv(_INFO_MAX)
            if not info.startswith(b"INFO "):
                yield Check("NATS", False, f"{place}: another program answers")
                return
            has_streams = b'"jetstream":true' in info
            yield Check("NATS", has_streams, f"{place} answers{'' if has_streams else ' without JetStream'}")
            if has_tls:
                yield _certificate(line, context, str(parts.hostname), place)
    except OSError as error:
        yield Check("NATS", False, f"{place}: {_why(error)}")


def _certificate(line: socket.socket, context: ssl.SSLContext, host: str, place: str) -> Check:
    try:
        with context.wrap_socket(line, server_hostname=host) as sealed:
            shown = sealed.getpeercert() or {}
    except OSError as error:
        return Check("certificate", False, f"{place}: {_why(error)}")
    ends_at = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    left = ends_at - time.time()
    return Check("certificate", left > EXPIRY_SPAN, f"{place}: it holds for {int(left) // 86_400} days")


# --- the clock


def _clock(folder: Path) -> Iterator[Check]:
    newest = 0.0
    for path in folder.glob("*"):
        with suppress(OSError):
            newest = max(newest, path.stat().st_mtime)
    ahead = newest - time.time()
    if ahead > AHEAD_MOST:
        yield Check("clock", False, f"it was set back: a file here is {int(ahead):,} s newer than now")
    elif _is_unkept():
        yield Check("clock", True, "nothing keeps it right, as far as the system knows: run NTP")
    else:
        yield Check("clock", True, time.strftime("%Y-%m-%d %H:%M:%S %z"))


def _is_unkept() -> bool:
    """Return whether the system says that its clock is not kept right. False where it does not tell."""
    try:
        return int(ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(1_024))) == _CLOCK_ERROR
    except (OSError, AttributeError):
        return False


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
