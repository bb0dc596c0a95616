"""The registry's log: to standard error or to a file, as text or as JSON, one line an event.

A JSON line has `at`, `level`, `event` and the event's own fields. Names of events and fields are
stable. What is logged has names and addresses, never the text of a message.
"""

import datetime as dt
import enum
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, assert_never

import msgspec

from chatapp.registry.rules.effects import (
    Event,
    Fault,
    LinkEnded,
    LinkEndReason,
    LinkRenewed,
    NameChanged,
    NameGivenUp,
    NamesSkipped,
    PeerRegistered,
    RegistrationRefused,
    StoreFailed,
)
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError, quoted

if TYPE_CHECKING:
    from logging.handlers import WatchedFileHandler


LogFormat: TypeAlias = Literal["text", "json"]
LOG_LEVELS: Final[tuple[Literal["debug", "info", "warning", "error", "critical"], ...]] = (
    "debug",
    "info",
    "warning",
    "error",
    "critical",
)

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FILE_MODE: Final = 0o600
_WORDS: Final = re.compile(r"(?<!^)(?=[A-Z])")
_OURS: Final = "chatapp."


class LogUnusable(ChatAppError):
    """The log's file cannot be written; the text says why."""


class RegistryStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry serves."""

    port: int
    key: str


class RegistryStopped(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has stopped in order."""

    port: int


class ListsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The access lists were read again. `evicted`: how many people that disconnected."""

    allowed: int
    banned: int
    evicted: int


def event_name(event: object) -> str:
    """Return the name under which an event is logged: its class in small letters with
    underscores."""
    return _WORDS.sub("_", type(event).__name__).lower()


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object. A record without an event is a `log` with its
    message."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        shown: dict[str, object] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
        }
        event = getattr(record, "event", None)
        if isinstance(event, msgspec.Struct):
            shown["event"] = event_name(event)
            shown |= {key: _value(value) for key, value in msgspec.structs.asdict(event).items()}
        else:
            shown["event"] = "log"
            shown["part"] = record.name.removeprefix(_OURS)
            shown["message"] = record.getMessage()
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(shown).decode()


def _value(value: object) -> object:
    match value:
        case enum.Enum():
            return value.name.lower()
        case Address():
            return str(value)
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case _:
            return value


class Log:
    """Where the program logs to."""

    def __init__(self, *, level: str, form: LogFormat, file: Path | None) -> None:
        """Log from now on. Raises LogUnusable."""
        self._file = file
        self._level = level.upper()
        self._formatter = JsonFormatter() if form == "json" else logging.Formatter(_TEXT)
        self._handler = None if file is None else _file_handler(file)
        self._begin(self._handler or logging.StreamHandler(sys.stderr))

    def _begin(self, handler: logging.Handler) -> None:
        handler.setFormatter(self._formatter)
        logging.basicConfig(level=self._level, handlers=[handler], force=True)

    @property
    def is_file(self) -> bool:
        """Whether the log is a file, which can be reopened."""
        return self._file is not None

    def reopen(self) -> None:
        """Go on in a new file, if the present one was moved away. A file that cannot be opened is
        reported on standard error, and the log goes on there."""
        if self._file is None or self._handler is None:
            return
        try:
            _make(self._file)
            self._handler.reopenIfNeeded()
        except OSError as error:
            print(f"ChatApp: {quoted(str(self._file))}: {error.strerror or error}", file=sys.stderr)
            self._handler = None
            self._begin(logging.StreamHandler(sys.stderr))


def _file_handler(file: Path) -> "WatchedFileHandler":
    from logging.handlers import (
        WatchedFileHandler,  # deferred: it loads much that few registries need
    )

    try:
        _make(file)
        return WatchedFileHandler(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise LogUnusable(f"{quoted(str(file))}: {error.strerror or error}") from None


def _make(file: Path) -> None:
    """Make the file, for its owner alone, unless it is there. Raises OSError."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE))


LINK_ENDS: Final = {
    LinkEndReason.TOO_MANY_LINKS: "too many links",
    LinkEndReason.TOO_MANY_PENDING: "too many connections without a first frame",
    LinkEndReason.FIRST_FRAME_LATE: "no first frame",
    LinkEndReason.NO_SESSION: "the first frame opens no session",
    LinkEndReason.NO_ATTACH: "the first frame is not an Attach",
    LinkEndReason.SEAL_BROKEN: "a frame does not open",
    LinkEndReason.OUTPUT_UNREAD: "asks for more than it reads",
    LinkEndReason.REPLACED: "replaced by a newer link",
    LinkEndReason.LEFT: "left",
    LinkEndReason.SILENT: "silent",
    LinkEndReason.BANNED: "banned",
    LinkEndReason.KICKED: "disconnected by the administrator",
    LinkEndReason.NO_SENDER_INDEX: "the disk takes no more sender indices",
    LinkEndReason.NO_ENGINE: "no node keeps the state",
    LinkEndReason.OTHER_ENGINE: "another node keeps the state now",
    LinkEndReason.ENGINE_SESSION_LOST: "messages to or from the node that keeps the state were lost",
    LinkEndReason.NODE_STOPS: "this node stops",
}


def event_line(event: Event) -> str:
    """Return the log's line for an event."""
    match event:
        case PeerRegistered():
            return f"{event.name or 'a guest'} came in from {event.address}"
        case NameChanged():
            return f"{event.before} is now {event.name}"
        case NameGivenUp():
            return f"{event.name} has given up that name"
        case RegistrationRefused():
            return f"{event.name} was turned away from {event.address}: {event.reason.name}"
        case LinkEnded():
            whose = f"{event.name} at {event.address}" if event.name else str(event.address)
            return f"link of {whose} ended: {LINK_ENDS[event.reason]}"
        case LinkRenewed():
            return f"link of {event.address} has new keys"
        case StoreFailed():
            return f"not stored: {event.reason}"
        case NamesSkipped():
            return (
                f"{event.count} names on the disk have cards of an unknown shape and were skipped"
            )
        case Fault():
            return f"fault while serving: {event.reason} at {', '.join(event.places)}"
    assert_never(event)
