"""Offer an open peer to other programs. What serves them is loaded when the first one comes, so
that a start does not wait for it."""

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from chatapp.peer.rpc.place import bound_socket, remove_socket

if TYPE_CHECKING:
    from chatapp.peer.rpc.server import RpcServer


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
