"""The socket of a peer program in the person's folder: where it is, and how it is bound and
connected to (clause 1)."""

import contextlib
import errno
import os
import socket
import struct
from pathlib import Path
from typing import Final

from chatapp.wire.folders import at_folder

FILE: Final = "socket"

_BACKLOG: Final = 32

_CREDENTIALS: Final = struct.Struct("3i")
"""The process, user and group at the other end of a Unix socket (unix(7))."""


def bound_socket(folder: Path) -> socket.socket:
    """Return a socket that listens in this folder, whose lock we hold: a socket that is there has
    no program behind it. Raises OSError."""
    listening = _socket()
    try:
        with at_folder(folder):
            Path(FILE).unlink(missing_ok=True)
            os.fchmod(listening.fileno(), 0o600)  # before others can see it
            listening.bind(FILE)
            os.chmod(FILE, 0o600)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def connected_socket(folder: Path) -> socket.socket | None:
    """Return a socket that is connected to the program of this user that runs in this folder; None
    if none runs or offers one. Raises OSError."""
    connected = _socket()
    try:
        with at_folder(folder):
            connected.connect(FILE)
        _require_ours(connected, folder / FILE)
    except (ConnectionRefusedError, FileNotFoundError):
        connected.close()
        return None
    except BaseException:
        connected.close()
        raise
    return connected


def is_offered(folder: Path) -> bool:
    """Whether there is a socket in a folder. A program that was killed leaves one, too."""
    return (folder / FILE).exists()


def remove_socket(folder: Path) -> None:
    """Remove the socket from a folder, as far as the disk allows."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def _require_ours(connected: socket.socket, path: Path) -> None:
    """Raises PermissionError for a program of another user, as far as the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    if user != os.geteuid():
        raise PermissionError(errno.EPERM, "a program of another user offers it", str(path))


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)  # noqa: FBT003 - the library's signature
    return made
