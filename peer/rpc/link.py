"""The client's end of a connection to a peer program: requests out, answers and notices in."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from chatapp.peer.api.errors import NotOpen
from chatapp.peer.rpc.protocol import TOLD_LINE_MAX, Code, RpcError, exception_of

Notice = Callable[[str, dict[str, Any]], None]


class RpcLink(asyncio.Protocol):
    """One connection. After its end every request raises NotOpen."""

    def __init__(self, notice: Notice, lost: Callable[[], None]) -> None:
        """`notice` gets the method and the parameters of each notification. `lost` is called once,
        at the end."""
        self._notice: Final = notice
        self._lost: Final = lost
        self._transport: asyncio.Transport | None = None
        self._input = bytearray()
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._at_once: dict[int, Callable[[Any], None]] = {}

    @classmethod
    async def over(
        cls, connected: socket.socket, notice: Notice, lost: Callable[[], None]
    ) -> "RpcLink":
        """Return a link over a connected socket. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(notice, lost), sock=connected)
        return link

    # --- requests

    def call(
        self,
        method: str,
        params: object,
        *,
        answered: Callable[[Any], None] | None = None,
    ) -> asyncio.Future[Any]:
        """Send a request; return the future of its result as JSON values. The future raises
        NotOpen, RpcError or the exception that the error tells of. `answered` gets the result
        before any line that follows is taken."""
        future = asyncio.get_running_loop().create_future()
        self._last_id += 1
        if self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}):
            self._waiting[self._last_id] = future
            if answered is not None:
                self._at_once[self._last_id] = answered
        else:
            future.set_exception(NotOpen())
        return future

    def post(self, method: str, params: object) -> None:
        """Send a request that is not answered. Raises NotOpen."""
        if not self._send({"jsonrpc": "2.0", "method": method, "params": params}):
            raise NotOpen

    def close(self) -> None:
        """Send what is written and close."""
        if self._transport is not None:
            self._transport.close()

    def _send(self, request: Mapping[str, Any]) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(msgspec.json.encode(request) + b"\n")
        return True

    # --- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is of no class of asyncio

    def data_received(self, data: bytes) -> None:
        """Take whole lines."""
        self._input += data
        if b"\n" in data:
            *lines, self._input = self._input.split(b"\n")
            for line in lines:
                if not self._take(bytes(line)):
                    self._break()
                    return
        if len(self._input) >= TOLD_LINE_MAX:
            self._break()

    def connection_lost(self, _: Exception | None) -> None:
        """Let go of whoever waits."""
        self._transport = None
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(NotOpen())
        self._lost()

    def _break(self) -> None:
        """End the connection: the other side does not speak this protocol."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, line: bytes) -> bool:
        """Take a line; False if it breaks the protocol."""
        try:
            told = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if not isinstance(told, dict):
            return False
        if isinstance(method := told.get("method"), str):
            params = told.get("params")
            if isinstance(params, dict):
                self._notice(method, params)
            return isinstance(params, dict)
        id_ = told.get("id")
        future = self._waiting.pop(id_, None) if isinstance(id_, int) else None
        answered = self._at_once.pop(id_, None) if isinstance(id_, int) else None
        error = told.get("error")
        if answered is not None and error is None:
            answered(told.get("result"))
        if future is None or future.done():
            return True
        if error is None:
            future.set_result(told.get("result"))
        else:
            future.set_exception(exception_of(_error(error)))
        return True


def _error(told: Any) -> RpcError:
    fields = told if isinstance(told, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    if not isinstance(code, int) or not isinstance(message, str):
        return RpcError(Code.FAULT, "the program answered with an error that says nothing")
    return RpcError(code, message, fields.get("data"))
