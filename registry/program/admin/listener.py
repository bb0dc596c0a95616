"""The admin socket: a Unix socket in the registry's folder, for the folder's owner alone.

A client sends one JSON object a line and gets one JSON object a line. The folder has mode 0700 and
the socket 0600, and where the system tells who connects, another user is refused.
"""

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    AdminRequest,
)
from chatapp.wire.errors import ChatAppError, quoted
from chatapp.wire.folders import at_folder

SOCKET: Final = "admin.sock"
CLIENTS_MAX: Final = 8
"""Clients that are served at once. One more takes the place of the one that has said nothing for
longest."""
REQUEST_MAX: Final = 1 << 18
"""Bytes of a request: as many join codes as there may be take a quarter of it."""
PATIENCE: Final = 10.0
"""Seconds that a client may take to send a request, and as many to read an answer."""
_LAST_ANSWERS_WITHIN: Final = 2.0
"""Seconds for the answers that are under way when the socket is closed."""

_requests: Final = msgspec.json.Decoder(AdminRequest)
_BACKLOG: Final = 16
_CREDENTIALS: Final = struct.Struct("3i")

AnswerTo = Callable[[AdminRequest, int], Awaitable[AdminAnswer]]
"""Carries out a request of the user with this number."""


class SocketUnusable(ChatAppError):
    """The admin socket cannot be made; the text says why."""


def listen(folder: Path) -> socket.socket:
    """Return the listening admin socket of this folder. A socket that an earlier process left
    behind is replaced. Raises SocketUnusable."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with at_folder(folder):
            _clear(folder)
            listener.bind(SOCKET)
            os.chmod(SOCKET, 0o600)
        listener.listen(_BACKLOG)
        listener.settimeout(0)
    except SocketUnusable:
        listener.close()
        raise
    except OSError as error:
        listener.close()
        raise SocketUnusable(f"{folder / SOCKET}: {error.strerror or error}") from None
    return listener


def _clear(folder: Path) -> None:
    """Remove the socket of a process that is gone from the current folder."""
    try:
        mode = os.stat(SOCKET, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketUnusable(f"{folder / SOCKET} is not a socket: move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(SOCKET)
        except ConnectionRefusedError:
            os.unlink(SOCKET)
            return
        except BlockingIOError:
            pass  # somebody listens, with a full backlog
    raise SocketUnusable(f"{folder / SOCKET}: another program listens on it")


class AdminListener:
    """Serves the clients of an admin socket."""

    def __init__(self, listener: socket.socket, folder: Path, answer: AnswerTo) -> None:
        """`answer`: carries out a request of a user."""
        self._listener = listener
        self._folder = folder
        self._answer = answer
        self._clients: dict[asyncio.Task[None], None] = {}
        """Those that are served, in the order of their last requests."""
        self._asking: set[asyncio.Task[None]] = set()
        """Those whose request is being carried out."""
        self._answering: set[asyncio.Task[None]] = set()
        """Those, and those that have still to read their answer."""
        self._is_closing = False
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to serve."""
        self._server = await asyncio.start_unix_server(
            self._accept, sock=self._listener, limit=REQUEST_MAX
        )

    async def close(self) -> None:
        """Stop serving and remove the socket. Answers that are under way still go out, for a
        moment."""
        if self._server is None:
            return
        self._server.close()
        with suppress(OSError), at_folder(self._folder):
            os.unlink(SOCKET)
        self._is_closing = True
        for client in self._clients.keys() - self._answering:
            client.cancel()
        if self._answering:
            await asyncio.wait(self._answering, timeout=_LAST_ANSWERS_WITHIN)
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        assert client is not None
        try:
            user = _user_of(writer)
            if user not in (0, os.geteuid()):
                return
            if len(self._clients) >= CLIENTS_MAX and not self._make_room():
                writer.write(_encoded(AdminRefused(refusal=AdminRefusal.TOO_MANY_CLIENTS)))
                return
            self._clients[client] = None
            await self._serve(reader, writer, client, user)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # the client is gone, too slow, or sends too much
        except asyncio.CancelledError:
            return
        finally:
            self._clients.pop(client, None)
            self._answering.discard(client)
            writer.close()

    def _make_room(self) -> bool:
        """Cut the client that has asked nothing for longest. Return False if the requests of all
        are being carried out."""
        silent = next((client for client in self._clients if client not in self._asking), None)
        if silent is None:
            return False
        del self._clients[silent]
        silent.cancel()
        return True

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: asyncio.Task[None],
        user: int,
    ) -> None:
        while not self._is_closing:
            self._answering.discard(client)
            async with asyncio.timeout(PATIENCE):
                line = await reader.readuntil(b"\n")
            self._clients[client] = self._clients.pop(client, None)
            self._answering.add(client)
            self._asking.add(client)
            try:
                writer.write(_encoded(await answered(line, user, self._answer)))
            finally:
                self._asking.discard(client)
            async with asyncio.timeout(PATIENCE):
                await writer.drain()


async def answered(line: bytes, user: int, answer: AnswerTo) -> AdminAnswer:
    """Return the answer to a line of a user; a line that is not a request is refused."""
    try:
        request = _requests.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return AdminRefused(refusal=AdminRefusal.NOT_A_REQUEST, detail=quoted(str(error)))
    return await answer(request, user)


def _encoded(answer: AdminAnswer) -> bytes:
    return msgspec.json.encode(answer) + b"\n"


def _user_of(writer: asyncio.StreamWriter) -> int:
    """Return the number of the user as whom the client runs; our own where the system does not
    tell."""
    connection = writer.get_extra_info("socket")
    option = getattr(socket, "SO_PEERCRED", None)
    if connection is None or option is None:
        return os.geteuid()
    _, user, _ = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    )
    return int(user)
