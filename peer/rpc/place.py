"""The socket of a peer program in the person's folder: where it is, and how it is bound and
connected to (clause 1)."""

import contextlib
import os
import socket
from pathlib import Path
from typing import Final

from chatapp.wire.folders import at_folder

FILE: Final = "socket"

_BACKLOG: Final = 32


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
    """Return a socket that is connected to the program that runs in this folder; None if none runs
    or offers one. Raises OSError."""
    connected = _socket()
    try:
        with at_folder(folder):
            connected.connect(FILE)
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


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)  # noqa: FBT003 - the library's signature
    return made
