"""One client of a program, without I/O: bytes in, requests out; answers, events and notices in,
bytes out."""

from collections import deque
from typing import Any, Final

import msgspec

from chatapp.peer.rpc.protocol import CALLS_MAX, LINE_MAX, VERSION, Code, Farewell, RpcError
from chatapp.peer.rpc.ring import EventRing, notice

HELLO: Final = "Hello"

_WORDS_SHOWN: Final = 100
"""Characters of a client's own words in an error."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request of a client."""

    method: str
    params: dict[str, Any]
    id: str | int | float | None = None
    is_answered: bool = True
    """Whether the client wants an answer."""


class RpcSession:
    """The lines between a program and one client."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._output: deque[bytes] = deque()
        self._has_said_hello = False
        self.after: int | None = None
        """The number of the last event that the client was told; None while it wants no events."""
        self.state_told = 0
        """The version of the state that the client was told; 0 for none."""
        self.people_told: int | None = None
        """How many changes of people the client was told; None for none."""
        self.is_heir = False
        """Whether the client runs the peer itself when this program has ended."""
        self.is_over = False
        """Whether the connection is to be closed once the output is written."""

    # --- what comes in

    def receive(self, data: bytes, *, most: int = CALLS_MAX) -> list[Call]:
        """Take bytes of the client; return the requests that are to be carried out, of the next
        `most` lines at most. Further lines wait for the next call."""
        self._input += data
        calls: list[Call] = []
        while most > 0 and not self.is_over:
            end = self._input.find(b"\n")
            if max(end, len(self._input) if end < 0 else 0) >= LINE_MAX:
                self.fail(
                    None, RpcError(Code.NOT_A_REQUEST, f"a line has at most {LINE_MAX:,} bytes")
                )
                self.end(Farewell.TOO_LONG)
            if end < 0 or self.is_over:
                break
            line = bytes(self._input[:end])
            del self._input[: end + 1]
            if line.strip():
                self._take(line, calls)
                most -= 1
        if self.is_over:
            self._input.clear()
        return calls

    @property
    def has_line(self) -> bool:
        """Whether a whole line waits for the next call of `receive`."""
        return b"\n" in self._input

    def _take(self, line: bytes, calls: list[Call]) -> None:
        id_ = None
        try:
            asked = _json(line)
            if isinstance(asked, dict):
                id_ = asked.get("id") if _is_id(asked.get("id")) else None
            call = _call(asked)
            self._check_order(call)
        except RpcError as error:
            self.fail(id_, error)
            self.is_over |= error.code == Code.OTHER_VERSION
            return
        calls.append(call)

    def _check_order(self, call: Call) -> None:
        """Raises RpcError for a request before `hello`, and for a `hello` in another version."""
        if call.method != HELLO:
            if not self._has_said_hello:
                raise RpcError(Code.NO_HELLO, f"the first request is {HELLO}")
            return
        wanted = call.params.get("protocol")
        if wanted != VERSION or isinstance(wanted, bool):
            spoken = f"this program speaks version {VERSION} of the protocol"
            raise RpcError(Code.OTHER_VERSION, spoken, {"protocol": VERSION})
        self._has_said_hello = True

    # --- what goes out

    def answer(self, call: Call, result: object) -> None:
        """Answer a request."""
        if call.is_answered:
            self._answer(call.id, "result", result)

    def refuse(self, call: Call, error: RpcError) -> None:
        """Answer a request with an error."""
        if call.is_answered:
            self.fail(call.id, error)

    def fail(self, id_: object, error: RpcError) -> None:
        """Answer what may not even be a request with an error. `id_`: the request's; None if it is
        not known."""
        told: dict[str, object] = {"code": int(error.code), "message": error.message}
        if error.data is not None:
            told["data"] = error.data
        self._answer(id_, "error", told)

    def _answer(self, id_: object, name: str, value: object) -> None:
        line = msgspec.json.encode({"jsonrpc": "2.0", "id": id_, name: value}) + b"\n"
        self._output.append(line)

    def tell(self, line: bytes) -> None:
        """Send the line of a notification."""
        self._output.append(line)

    def tell_events(self, ring: EventRing, *, room: int) -> None:
        """Send the next events, until `room` bytes are used up. A client that is behind what is
        kept is cut."""
        if self.after is None or self.is_over:
            return
        if not ring.has_all_after(self.after):
            self.end(Farewell.SLOW)
            return
        while room > 0 and self.after < ring.last:
            self.after += 1
            line = ring.line(self.after)
            self._output.append(line)
            room -= len(line)

    def end(self, reason: Farewell) -> None:
        """Say why the connection is closed, and close it."""
        if not self.is_over:
            self._output.append(notice("bye", {"reason": reason.name.lower()}))
            self.is_over = True

    def take_output(self) -> bytes:
        """Take the bytes to write."""
        output = b"".join(self._output)
        self._output.clear()
        return output


def _json(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RpcError(Code.NOT_JSON, f"not JSON: {str(error)[:_WORDS_SHOWN]}") from None


def _call(asked: object) -> Call:
    """Return the request. Raises RpcError."""
    if isinstance(asked, list):
        raise RpcError(Code.NOT_A_REQUEST, "batches are not supported: send one object a line")
    if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0":
        raise RpcError(Code.NOT_A_REQUEST, 'an object with "jsonrpc": "2.0" is needed')
    method, params = asked.get("method"), asked.get("params", {})
    if not isinstance(method, str):
        raise RpcError(Code.NOT_A_REQUEST, "the method is missing")
    if "id" in asked and not _is_id(asked["id"]):
        raise RpcError(Code.NOT_A_REQUEST, "the id is a string, a number or null")
    if not isinstance(params, dict):
        raise RpcError(Code.WRONG_PARAMETERS, "params is an object")
    return Call(method, params, asked.get("id"), "id" in asked)


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))
