"""The socket of a peer program in the person's folder: where it is, how it is bound and connected to
(clause 1), and an open peer's offer there. What serves others is loaded when the first one comes, so
that a start does not wait for it."""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from chatapp.wire.folders import at_folder

if TYPE_CHECKING:
    from chatapp.peer.rpc.server import RpcServer

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


HANDED_OVER_WITHIN: Final = 1.0
"""Seconds that another program gets to register in the place of this one."""


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

    def __init__(self, peer: Offered, *, is_service: bool = False) -> None:
        """`is_service`: whether this program is started again when it ends. Raises NotOpen,
        OSError."""
        self._peer: Final = peer
        self._is_service: Final = is_service
        self._node: Final = peer.node
        self._loop: Final = asyncio.get_running_loop()
        self._listening: Final[socket.socket] = bound_socket(peer.folder)
        self._is_withdrawn = False
        self._server: RpcServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._loop.add_reader(self._listening, self._begin)

    @property
    def has_heirs(self) -> bool:
        """Whether a client runs the peer itself when this program has ended."""
        return self._server is not None and self._server.has_heirs

    def withdraw(self) -> None:
        """Accept no more clients; those that are here go on. Call it while the lock of the folder
        is held: after that, the socket there may be another program's."""
        if self._is_withdrawn:
            return
        self._is_withdrawn = True
        if self._server is None:
            self._loop.remove_reader(self._listening)
        else:
            self._server.withdraw()
        if self._serving is not None:
            self._serving.cancel()
        self._listening.close()
        remove_socket(self._peer.folder)

    def close(self) -> None:
        """Say goodbye to all clients. Call it before the peer is closed, unless a client runs the
        peer from now on: then all is to be free for it."""
        self.withdraw()
        if self._server is not None:
            self._server.close()

    async def end(self, *, within: float) -> None:
        """Close the node, and say goodbye to all clients. If one of them runs the peer from now on,
        the node does not leave; else `within`: seconds to wait for the registry's answer."""
        if self.has_heirs:
            self.withdraw()
            self._node.hand_over()
            self.close()
            await self._node.handed_over(within=HANDED_OVER_WITHIN)
        else:
            self.close()
            await self._node.close(within=within)

    def _begin(self) -> None:
        """Serve the first client that has come, and all others."""
        self._loop.remove_reader(self._listening)
        from chatapp.peer.rpc.server import RpcServer

        self._server = RpcServer(self._node, is_service=self._is_service)
        self._serving = self._loop.create_task(self._server.serve(self._listening))
