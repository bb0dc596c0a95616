"""The socket of a peer program in the person's folder: where it is, how it is bound and connected to
(clause 1), and an open peer's offer there. What serves others is loaded when the first one comes, so
that a start does not wait for it."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from chatapp.wire.folders import at_folder

if TYPE_CHECKING:
    from chatapp.peer.rpc.server import RpcServer

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


class Offered(Protocol):
    """A peer of this program."""

    @property
    def node(self) -> Any:
        """The open node. Raises NotOpen."""

    @property
    def folder(self) -> Path:
        """The person's folder."""


class Offer:
    """The socket in the folder of an open peer, from the beginning of the offer to its end."""

    def __init__(self, peer: Offered) -> None:
        """Raises NotOpen, OSError."""
        self._peer: Final = peer
        self._node: Final = peer.node
        self._loop: Final = asyncio.get_running_loop()
        self._listening: Final[socket.socket] = bound_socket(peer.folder)
        self._server: RpcServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._loop.add_reader(self._listening, self._begin)

    def close(self) -> None:
        """Say goodbye to all clients. Call it before the peer is closed."""
        if self._server is None:
            self._loop.remove_reader(self._listening)
        else:
            self._server.close()
        if self._serving is not None:
            self._serving.cancel()
        self._listening.close()
        remove_socket(self._peer.folder)

    def _begin(self) -> None:
        """Serve the first client that has come, and all others."""
        self._loop.remove_reader(self._listening)
        from chatapp.peer.rpc.server import RpcServer

        self._server = RpcServer(self._node)
        self._serving = self._loop.create_task(self._server.serve(self._listening))
