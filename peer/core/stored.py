"""This file is about what a node starts with: what earlier records left behind on disk.

`peer.store.loading` reads it, `peer.core.parts` takes it up. It must not know how it is stored.
"""

import msgspec

from peer.core.records import RoomKept
from peer.core.standing import Standing
from peer.core.trail import Stored
from wire.messages.table import Row


class StoredOutgoing(msgspec.Struct, frozen=True):
    """One of our messages that is not final yet."""

    number: int
    at_ms: int
    text: str
    standing: Standing
    trail: Stored = None


class StoredIncoming(msgspec.Struct, frozen=True):
    """A message that was stored and, as far as we know, not shown; `behind` as in `IncomingAdded`."""

    number: int
    at_ms: int
    text: str
    behind: bool = False


class StoredStream(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one stream at start."""

    last_sent: int = 0
    outgoing: tuple[StoredOutgoing, ...] = ()
    voids: tuple[tuple[int, int], ...] = ()
    """Spans [start, end) of our numbers between unsettled ones that were never given, or never arrive."""
    floor: int = 0
    shown: int = 0
    seen: tuple[int, ...] = ()
    """Numbers at or above the floor that are stored."""
    unshown: tuple[StoredIncoming, ...] = ()


class StoredGroup(msgspec.Struct, frozen=True):
    """Where we stand in a group's log: all up to `cursor` is here; our own newest line in it is at `newest`."""

    cursor: int | None = None
    newest: int = 0


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node starts with."""

    registry: bytes | None = None
    rows: tuple[Row, ...] = ()
    version: int = 0
    table_at: float = 0.0
    groups: dict[str, StoredGroup] = {}
    room: RoomKept = RoomKept(None)
    streams: dict[bytes, StoredStream] = {}
    blocked: tuple[Row, ...] = ()
    """Rows whose key is not the one that we hold for their name."""
    ignored: frozenset[bytes] = frozenset()
