"""The numbers and words of the protocol between a peer program and its clients (`docs/reference/rpc.md`),
and the errors of requests as errors of the protocol and back (clause 6)."""

import enum
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from chatapp.peer.api.errors import (
    ChangeRefusal,
    ChangeRefused,
    DeskFileRefusal,
    DeskFileRefused,
    FileRefusal,
    FileRefused,
    NameTaken,
    NotAdmitted,
    NotAnswered,
    NotOpen,
    OtherRegistry,
)
from chatapp.peer.api.events import AdmissionRefusal, NoAnswer
from chatapp.peer.api.requests import AnyRequest, Command, Id, Request
from chatapp.peer.api.state import State
from chatapp.wire.errors import ChatAppError, TextTooLong

VERSION: Final = 1
"""The version of the protocol (clause 3)."""

LINE_MAX: Final = 1_048_576
TOLD_LINE_MAX: Final = 16 * 1024 * 1024
"""Bytes of a line of a client, and of one of the program, with its line feed (clause 2.1). The
longest one of the program tells the state of somebody in many full rooms."""

LINES_TOGETHER: Final = 100
TEXT_TOGETHER: Final = 65_536
"""Lines of the history, and bytes of their texts, in one answer or event: they fit a line whatever
their characters are."""

PEOPLE_TOGETHER: Final = 500
"""People in one line."""

EVENTS_KEPT: Final = 10_000
TEXT_KEPT: Final = 16 * 1024 * 1024
"""Events, and bytes of their texts, that are kept for clients that come back or are behind (clause
4.2)."""

UNREAD_MAX: Final = 256 * 1024
"""Bytes written to a client that it has not read, beyond which nothing more is written until it
reads."""

CALLS_MAX: Final = 64
"""Requests of one client under way. Nothing more is read from it meanwhile."""

CLIENTS_MAX: Final = 32
"""Clients of one program."""

UNSHOWN_MAX: Final = 10_000
"""Lines that clients were given and have not reported as shown, of which the program knows."""


def drawn_key() -> int:
    """Return a new key of a line that is asked for: 52 random bits, not 0."""
    return secrets.randbits(52) or 1


class Farewell(enum.Enum):
    """Why the program closes a connection (clause 4.7)."""

    SLOW = "the client did not read, and events that it has not read are gone"
    ENDED = "the program ends"
    TOO_MANY = "too many clients are connected"
    TOO_LONG = "a line of the client was too long"


class Code(enum.IntEnum):
    """The code of an error (clause 6)."""

    NOT_JSON = -32700
    NOT_A_REQUEST = -32600
    NO_SUCH_METHOD = -32601
    WRONG_PARAMETERS = -32602
    FAULT = -32603
    REFUSED = -32000
    NO_HELLO = -32001
    OTHER_VERSION = -32002


class RpcError(ChatAppError):
    """An error that is the answer to a request."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return self.message


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Hello` (clause 3.1)."""

    protocol: int
    program: str
    run: str
    last: int
    state: State
    is_service: bool = False
    """Whether the program is one that is started again when it ends."""


class Hello(Request[Greeting], frozen=True, kw_only=True):
    """The first request of a client."""

    protocol: int
    is_heir: bool = False
    """Whether the client runs the peer itself when this program has ended."""


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Subscribe`: the events after this number follow; `missed`: others are lost."""

    after: int
    missed: bool


class Subscribe(Request[Subscribed], frozen=True, kw_only=True):
    """Be told of events from now on, or from those on that follow the one with the number `after`
    of `run`."""

    run: str | None = None
    after: Id | None = None


class ReportShown(Command, frozen=True, kw_only=True):
    """The client has shown lines."""

    ids: tuple[Id, ...]


METHODS: Final[Mapping[str, type[Request[Any]]]] = {
    kind.__name__: kind for kind in (Hello, Subscribe, ReportShown, *get_args(AnyRequest))
}
"""What a client may ask: requests, by their names."""


TYPE: Final = "type"
"""The field that tells the class of an error."""

_CARRIED: Final[Mapping[type[ChatAppError], Mapping[str, type]]] = {
    NotOpen: {},
    NameTaken: {"name": str},
    NotAdmitted: {"reason": AdmissionRefusal, "key": str},
    NotAnswered: {"reason": NoAnswer},
    ChangeRefused: {"reason": ChangeRefusal},
    DeskFileRefused: {"reason": DeskFileRefusal, "limit": int, "kinds": tuple[str, ...]},
    FileRefused: {"reason": FileRefusal, "path": str, "detail": str},
    OtherRegistry: {"expected": str, "got": str},
    TextTooLong: {"size": int, "limit": int},
}
"""The exceptions that a client may want to tell apart, with the facts that they carry."""

_BY_NAME: Final = {kind.__name__: (kind, facts) for kind, facts in _CARRIED.items()}

UNREADABLE: Final = "HistoryUnreadable"
"""The type of an error of SQLite."""


def refusal_of(error: ChatAppError | sqlite3.Error) -> RpcError:
    """Return the error that tells of an exception."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, sqlite3.Error):
        return RpcError(Code.REFUSED, f"the history cannot be read: {error}", {TYPE: UNREADABLE})
    facts = {name: getattr(error, name) for name in _CARRIED.get(type(error), {})}
    return RpcError(Code.REFUSED, str(error), {TYPE: type(error).__name__, **facts})


def exception_of(error: RpcError) -> Exception:
    """Return the exception that an error tells of; the error itself if there is none of its own."""
    data: Any = error.data
    kind = data.get(TYPE) if isinstance(data, dict) else None
    if kind == UNREADABLE:
        return sqlite3.OperationalError(error.message)
    if not isinstance(kind, str) or kind not in _BY_NAME:
        return error
    made, facts = _BY_NAME[kind]
    try:
        return made(*(msgspec.convert(data.get(name), of) for name, of in facts.items()))
    except msgspec.ValidationError:
        return error
