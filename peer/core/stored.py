"""This file is about what a node starts with: what earlier records left behind on disk.

`peer.store.loading` reads it, `peer.core.parts` takes it up. It must not know how it is stored.
"""

import msgspec

from peer.core.records import RoomKept
from peer.core.standing import Standing
from peer.core.trail import Stored
from wire.messages.delivery import Number
from wire.messages.table import Row


class StoredOutgoing(msgspec.Struct, frozen=True):
    """One of our messages that is not final yet."""

    number: Number
    at_ms: int
    text: str
    standing: Standing
    trail: Stored = None


class StoredIncoming(msgspec.Struct, frozen=True):
    """A message that was stored and, as far as we know, not shown; `behind` as in `IncomingAdded`."""

    number: Number
    at_ms: int
    text: str
    behind: bool = False


class StoredStream(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream at start."""

    last_sent: Number = 0
    outgoing: tuple[StoredOutgoing, ...] = ()
    voids: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of our numbers between unsettled ones that were never given, or never arrive."""
    floor: Number = 0
    shown: Number = 0
    seen: tuple[Number, ...] = ()
    """Numbers at or above the floor that are stored."""
    gone: tuple[tuple[Number, Number], ...] = ()
    """Spans [start, end) of numbers that were stored and shown, and whose texts are not kept any more."""
    unshown: tuple[StoredIncoming, ...] = ()


class StoredGroup(msgspec.Struct, frozen=True):
    """Where we stand in a group's log: all up to `cursor` is here; our own newest line in it is at `newest`."""

    cursor: Number | None = None
    newest: Number = 0


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    """The identity key of the registry to which the server led the last time; None before the first contact."""
    is_registry_verified: bool = False
    """Whether the user has compared that key."""
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    groups: dict[str, StoredGroup] = {}
    room: RoomKept = RoomKept(None)
    streams: dict[bytes, StoredStream] = {}
    blocked: tuple[Row, ...] = ()
    """Rows whose key is not the one that we hold for their name."""
    verified: frozenset[bytes] = frozenset()
    """People whose keys the user has compared."""
    ignored: frozenset[bytes] = frozenset()
    unknown: dict[bytes, str] = {}
    """Names by streams of ours that are not at rest, and lead to no key in the table."""
    formers: dict[bytes, str] = {}
    """The keys of names by which people went before."""
    openings: dict[bytes, Number] = {}
    """The number of the last opening that each person began a session with."""
    strangers: dict[bytes, str] = {}
    """Authors of letters that were not shown, who are not in the table, and what they are called, or call themselves."""
    dropped: tuple[Row, ...] = ()
    """Last rows of keys that gave way to others, and to which letters are saved."""
