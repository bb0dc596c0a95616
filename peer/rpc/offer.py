"""Offer an open peer to other programs. What serves them is loaded when the first one comes, so
that a start does not wait for it."""

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from chatapp.peer.rpc.place import bound_socket, remove_socket

if TYPE_CHECKING:
    from chatapp.peer.rpc.server import RpcServer


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
