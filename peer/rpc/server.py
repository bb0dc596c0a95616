"""A running peer offers itself to other programs: the socket, and a connection for each client."""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Final, cast

from chatapp.peer.api import events
from chatapp.peer.rpc.hub import Hub, ServedNode
from chatapp.peer.rpc.protocol import CALLS_MAX, CLIENTS_MAX, UNREAD_MAX, Farewell
from chatapp.peer.rpc.session import Call, RpcSession

LOOK_SPAN: Final = 0.5
"""Seconds after which the state is looked at again while a message is under way."""

FAREWELL_WITHIN: Final = 2.0
"""Seconds that a client gets to read the last lines before its connection is closed all the
same."""


class RpcServer:
    """The clients of one open peer."""

    def __init__(self, node: ServedNode, *, is_service: bool = False) -> None:
        """`is_service`: as in `Greeting`."""
        self._loop: Final = asyncio.get_running_loop()
        self._hub: Final = Hub(node, run=os.urandom(8).hex(), is_service=is_service)
        self._clients: set[Client] = set()
        self._is_telling = False
        self._is_closed = False
        self._accepting: asyncio.Server | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._listeners: Final = (
            node.listen(self._happened),
            node.listen_shown(self._hub.forget_shown),
            node.listen_ours(self._happened),
        )

    async def serve(self, listening: socket.socket) -> None:
        """Accept clients at a socket that listens, until this is closed."""
        self._accepting = await self._loop.create_unix_server(
            lambda: Client(self, self._hub), sock=listening
        )

    @property
    def has_heirs(self) -> bool:
        """Whether a client runs the peer itself when this program has ended."""
        return any(client.is_heir for client in self._clients)

    def withdraw(self) -> None:
        """Accept no more clients; those that are here go on."""
        if self._accepting is not None:
            self._accepting.close()

    def close(self) -> None:
        """Accept no more clients, and say goodbye to all."""
        self._is_closed = True
        self.withdraw()
        for end in self._listeners:
            end()
        if self._looking is not None:
            self._looking.cancel()
        for client in list(self._clients):
            client.end(Farewell.ENDED)

    # --- for the connections

    def take(self, client: "Client") -> bool:
        """Note a new client; False if there are too many."""
        if self._is_closed or len(self._clients) >= CLIENTS_MAX:
            return False
        self._clients.add(client)
        return True

    def drop(self, client: "Client") -> None:
        """Forget a client whose connection is closed."""
        self._clients.discard(client)

    def tell_soon(self) -> None:
        """Tell all clients what has happened when the present callback is done."""
        if not self._is_telling and not self._is_closed:
            self._is_telling = True
            self._loop.call_soon(self._tell)

    def _happened(self, events: Sequence[events.Event]) -> None:
        self._hub.note(events)
        self.tell_soon()

    def _tell(self) -> None:
        self._is_telling = False
        if self._is_closed:
            return
        self._hub.look()
        for client in list(self._clients):
            client.tell()
        if self._hub.is_sending and self._clients and self._looking is None:
            # No event tells of another try to send a message.
            self._looking = self._loop.call_later(LOOK_SPAN, self._look_again)

    def _look_again(self) -> None:
        self._looking = None
        self.tell_soon()


class Client(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, server: RpcServer, hub: Hub) -> None:
        self._server: Final = server
        self._hub: Final = hub
        self._session: Final = RpcSession()
        self._transport: asyncio.Transport | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._is_unread = False
        """Whether the client has much to read before it gets more."""
        self._is_ending = False
        """Whether the client sends nothing more."""

    # --- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of no class of asyncio
        self._transport.set_write_buffer_limits(high=UNREAD_MAX)
        if not self._server.take(self):
            self.end(Farewell.TOO_MANY)

    def data_received(self, data: bytes) -> None:
        """Carry out requests, side by side."""
        self._begin_calls(data)

    def pause_writing(self) -> None:
        """Write no more events, and take no more requests, until the client has read."""
        self._is_unread = True
        self._read_or_wait()

    def resume_writing(self) -> None:
        """Go on."""
        self._is_unread = False
        self._begin_calls()
        self.tell()

    def eof_received(self) -> bool:
        """Finish all that was asked for: a script may close its side after its last request."""
        self._is_ending = True
        return not self._is_done

    def connection_lost(self, _: Exception | None) -> None:
        """End what the client has asked for."""
        self._server.drop(self)
        self._transport = None
        for task in self._calls:
            task.cancel()

    # --- for the server

    @property
    def is_heir(self) -> bool:
        """Whether the client runs the peer itself when this program has ended."""
        return self._session.is_heir and not self._session.is_over

    def tell(self) -> None:
        """Tell the client what is new, as far as it reads."""
        if self._transport is None:
            return
        waiting = UNREAD_MAX if self._is_unread else self._transport.get_write_buffer_size()
        self._hub.tell(self._session, room=UNREAD_MAX - waiting)
        self._write()

    def end(self, reason: Farewell) -> None:
        """Close the connection, and say why."""
        self._session.end(reason)
        self._write()

    def _begin_calls(self, data: bytes = b"") -> None:
        """Take bytes, and begin with the next requests unless too many are under way or the client
        does not read."""
        if self._transport is None or self._transport.is_closing():
            return
        self._take_calls(data)
        while self._session.has_line and self._room:
            self._take_calls(b"")
        if self._is_ending and self._is_done:
            self._transport.close()
        self._read_or_wait()

    def _take_calls(self, data: bytes) -> None:
        for call in self._session.receive(data, most=self._room):
            task = asyncio.get_running_loop().create_task(self._carry_out(call))
            self._calls.add(task)
            task.add_done_callback(self._done)
        self._write()  # errors, which may be all that there is

    @property
    def _room(self) -> int:
        """How many more requests may begin."""
        return 0 if self._is_unread else CALLS_MAX - len(self._calls)

    @property
    def _is_done(self) -> bool:
        """Whether all that the client has asked for so far is answered."""
        return not self._calls and not self._session.has_line

    async def _carry_out(self, call: Call) -> None:
        result, error = await self._hub.carry_out(self._session, call)
        if self._transport is None:
            return
        self._hub.look()
        self.tell()  # what happened before the answer is told before it
        if error is None:
            self._session.answer(call, result)
        else:
            self._session.refuse(call, error)
        self._write()
        self.tell()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._begin_calls()

    def _read_or_wait(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._is_ending:
            return
        if self._room:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _write(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if output := self._session.take_output():
            transport.write(output)
        if self._session.is_over:
            transport.close()
            asyncio.get_running_loop().call_later(FAREWELL_WITHIN, transport.abort)
