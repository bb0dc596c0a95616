"""What can keep a registry on this machine from serving: its port, its disk, its cluster's servers
and their certificates, and the clock. It changes nothing."""

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

from chatapp.registry.cluster.settings import ClusterSettings, demands_tls, is_old, server_urls
from chatapp.registry.program.admin.client import AdminRequestFailed, RegistryNotRunning, ask
from chatapp.registry.program.admin.log import account
from chatapp.registry.rules.admin_requests import ShowStats, StatsShown
from chatapp.wire.codec import Kind, decode_cookie, encode_hello
from chatapp.wire.errors import DecodeError
from chatapp.wire.limits import DATAGRAM_MAX
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Hello

ANSWER_WITHIN: Final = 2.0
"""Seconds to wait for an answer."""
FREE_LEAST: Final = 256 << 20
"""Free bytes below which a disk is short: a checkpoint writes its files anew beside the old
ones."""
EXPIRY_SPAN: Final = 14 * 86_400
"""Seconds before its end at which a certificate is to be renewed."""
AHEAD_MOST: Final = 60.0
"""Seconds by which a file may be newer than the clock says it is now."""
_LOCAL: Final = "127.0.0.1"
_INFO_MAX: Final = 1 << 16
_UNSYNCHRONISED: Final = 5
"""The state TIME_ERROR of ntp_adjtime(3)."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. `is_well`: None if this could not be found out."""

    what: str
    is_well: bool | None
    found: str


def _well(what: str, found: str) -> Check:
    return Check(what, is_well=True, found=found)


def _wrong(what: str, found: str) -> Check:
    return Check(what, is_well=False, found=found)


def _unknown(what: str, found: str) -> Check:
    return Check(what, is_well=None, found=found)


def checks(folder: Path, cluster: ClusterSettings | None) -> Iterator[Check]:
    """Look at everything that the registry with this folder needs; its port is the folder's
    name."""
    port = int(folder.name)
    figures, runs = None, False
    try:
        figures = _figures(folder)
        runs = figures is not None
    except AdminRequestFailed as error:
        yield _unknown("registry", f"it cannot be asked: {error}")
        runs = _udp_trouble(port) is None
    yield from _running(port) if runs else _free(port)
    yield from _disk(folder, figures)
    if cluster is not None:
        yield from _servers(cluster)
    yield _clock(folder)


def _figures(folder: Path) -> dict[str, float] | None:
    """Return what the registry counts; None if it does not run. Raises AdminRequestFailed."""
    try:
        os.stat(folder)
        answer = ask(folder, ShowStats())
    except (FileNotFoundError, RegistryNotRunning):
        return None
    except OSError as error:
        raise AdminRequestFailed(_why(error)) from None
    if not isinstance(answer, StatsShown):
        raise AdminRequestFailed("it refuses to tell its figures")
    return answer.figures


# --- the port


def _running(port: int) -> Iterator[Check]:
    for what, trouble in (("UDP port", _udp_trouble(port)), ("TCP port", _tcp_trouble(port))):
        if trouble is None:
            yield _well(what, f"the registry answers on {port}")
        else:
            yield _wrong(what, f"the registry runs and does not answer on {port}: {trouble}")


def _udp_trouble(port: int) -> str | None:
    """Return why no registry answers on the port; None if one does."""
    hello = bytes((Kind.HELLO,)) + encode_hello(
        Hello(version=PROTOCOL_VERSION, nonce=os.urandom(16))
    )
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        asking.settimeout(ANSWER_WITHIN)
        try:
            asking.connect((_LOCAL, port))
            asking.send(hello)
            decode_cookie(asking.recv(DATAGRAM_MAX)[1:])
        except (OSError, DecodeError) as error:
            return _why(error)
    return None


def _tcp_trouble(port: int) -> str | None:
    try:
        socket.create_connection((_LOCAL, port), timeout=ANSWER_WITHIN).close()
    except OSError as error:
        return _why(error)
    return None


def _free(port: int) -> Iterator[Check]:
    for what, kind in (("UDP port", socket.SOCK_DGRAM), ("TCP port", socket.SOCK_STREAM)):
        with closing(socket.socket(socket.AF_INET, kind)) as tried:
            if kind == socket.SOCK_STREAM:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("", port))
                yield _well(what, f"{port} is free; no registry runs")
            except OSError as error:
                taken = (
                    "in use, and no registry answers"
                    if error.errno == errno.EADDRINUSE
                    else _why(error)
                )
                yield _wrong(what, f"{port}: {taken}")


# --- the disk


def _disk(folder: Path, figures: dict[str, float] | None) -> Iterator[Check]:
    try:
        there, found = _nearest(folder)
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield _unknown("folder", f"{folder}: {_why(error)}")
        return
    is_ours = there != folder or found.st_uid == os.geteuid()
    if there == folder:
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            yield _wrong("folder", f"{folder}: others may read it (mode {mode:o}); chmod 700")
        elif is_ours:
            yield _well("folder", str(folder))
        else:
            yield _unknown(
                "folder",
                f"{folder} belongs to another user: run this check as {account(found.st_uid)}",
            )
    takes = (
        os.access(there, os.W_OK)
        if figures is None
        else bool(figures.get("store_accepts_writes", 1))
    )
    if is_ours and not takes:
        yield _wrong("disk", f"{there}: it takes no writes")
    else:
        yield Check("disk", free >= FREE_LEAST, f"{free >> 20:,} MiB are free")


def _nearest(folder: Path) -> tuple[Path, os.stat_result]:
    """Return the folder, or what is there of the path to it. Raises OSError."""
    for path in (folder, *folder.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            return path, os.stat(path)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


# --- a cluster's servers


class _Info(msgspec.Struct):
    """What a server of NATS says of itself before anything else."""

    version: str = ""
    jetstream: bool = False
    tls_required: bool = False
    tls_available: bool = False
    tls_verify: bool = False
    auth_required: bool = False


def _servers(cluster: ClusterSettings) -> Iterator[Check]:
    try:
        context = ssl.create_default_context(cafile=cluster.ca)
    except OSError as error:
        yield _wrong("certificate", f"{cluster.ca}: {_why(error)}")
        return
    urls = server_urls(cluster.servers)
    for url in urls:
        yield from _server(url, context, demands_tls=demands_tls(urls, cluster.ca))


def _server(url: str, context: ssl.SSLContext, *, demands_tls: bool) -> Iterator[Check]:
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port}"
    try:
        with socket.create_connection(
            (parts.hostname, parts.port or 0), timeout=ANSWER_WITHIN
        ) as line:
            info = _info(line)
            trouble = (
                "another program answers"
                if info is None
                else _trouble(info, demands_tls=demands_tls)
            )
            yield Check(
                "NATS", not trouble, f"{place}: {trouble}" if trouble else f"{place} answers"
            )
            if info is not None and (info.tls_required or (demands_tls and info.tls_available)):
                yield _certificate(line, context, str(parts.hostname), place)
            if info is not None and info.auth_required:
                yield _unknown(
                    "login",
                    f"{place} demands one: only the start of a registry shows that it is right",
                )
    except OSError as error:
        yield _wrong("NATS", f"{place}: {_why(error)}")


def _info(line: socket.socket) -> _Info | None:
    """Read what a server says first. None if it is none of NATS. Raises OSError."""
    with line.makefile("rb") as lines:
        try:
            verb, _, said = lines.readline(_INFO_MAX).partition(b" ")
        except TimeoutError:
            raise TimeoutError(0, "says nothing; a registry needs handshake_first off") from None
    try:
        return msgspec.json.decode(said, type=_Info) if verb == b"INFO" else None
    except msgspec.MsgspecError:
        return None


def _trouble(info: _Info, *, demands_tls: bool) -> str:
    """Return why a registry cannot use a server; empty if it can."""
    if is_old(info.version):
        return f"version {info.version} is too old"
    if not info.jetstream:
        return "JetStream is disabled"
    if demands_tls and not (info.tls_required or info.tls_available):
        return "it has no TLS"
    return "it demands a certificate of its clients (verify: true)" if info.tls_verify else ""


def _certificate(line: socket.socket, context: ssl.SSLContext, host: str, place: str) -> Check:
    try:
        with context.wrap_socket(line, server_hostname=host) as sealed:
            shown = sealed.getpeercert() or {}
    except OSError as error:
        return _wrong("certificate", f"{place}: {_why(error)}")
    left = ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()
    return Check(
        "certificate", left > EXPIRY_SPAN, f"{place}: valid for {int(left) // 86_400} more days"
    )


# --- the clock


def _clock(folder: Path) -> Check:
    newest = 0.0
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(folder)
    for name in names:
        with suppress(OSError):
            newest = max(newest, os.stat(folder / name).st_mtime)
    ahead = newest - time.time()
    if ahead > AHEAD_MOST:
        return _wrong("clock", f"it was set back: a file here is {int(ahead):,} s newer than now")
    shown = time.strftime("%Y-%m-%d %H:%M:%S %z")
    if _is_synchronised():
        return _well("clock", f"{shown}, synchronised")
    return _unknown(
        "clock",
        f"{shown}; the system does not say that it is synchronised: NTP has to run here or on the host",
    )


def _is_synchronised() -> bool:
    """Return whether the kernel says that its clock is synchronised. It does not know of a host
    that sets the clock, nor of every NTP client."""
    try:
        state = int(ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(1_024)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _UNSYNCHRONISED


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (
        (error.strerror if isinstance(error, OSError) else None)
        or str(error)
        or type(error).__name__
    )
