"""The errors of requests as errors of the protocol and back (clause 6)."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chatapp.peer.api.errors import (
    ChangeRefusal,
    ChangeRefused,
    NameTaken,
    NotAdmitted,
    NotAnswered,
    NotOpen,
    OtherRegistry,
)
from chatapp.peer.api.events import AdmissionRefusal, NoAnswer
from chatapp.peer.rpc.protocol import Code, RpcError
from chatapp.wire.errors import ChatAppError, TextTooLong

TYPE: Final = "type"
"""The field that tells the class of an error."""

_CARRIED: Final[Mapping[type[ChatAppError], Mapping[str, type]]] = {
    NotOpen: {},
    NameTaken: {"name": str},
    NotAdmitted: {"reason": AdmissionRefusal, "key": str},
    NotAnswered: {"reason": NoAnswer},
    ChangeRefused: {"reason": ChangeRefusal},
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
