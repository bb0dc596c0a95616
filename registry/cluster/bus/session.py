"""One end of the bus: it seals what goes out, opens what comes in, and notices what the bus has lost.

Core NATS delivers at most once, in the order of the publisher, and loses messages when it connects
anew. So each side of the session between an edge and the engine numbers its bundles from 1, and a
gap ends the session: nothing that came before is in doubt, and nothing after it is used.
"""

import enum
from typing import Final, NamedTuple

import msgspec

from chatapp.registry.cluster.bus.messages import (
    BusMessage,
    DownItem,
    UpItem,
    decode_message,
    encode,
)
from chatapp.registry.cluster.stream.bundles import (
    NO_HASH,
    BundleRefused,
    Flaw,
    Kind,
    Opener,
    Sealer,
)
from chatapp.registry.rules.effects import DropReason
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.errors import DecodeError

BEAT: Final = 1.0
"""Seconds between two bundles of a side that has nothing to say, and between two announcements of
an engine."""
ENTER_SPAN: Final = 0.5
"""Seconds between two requests for a session."""
SILENT_AFTER: Final = 3.0
"""Seconds of silence after which the other side serves nobody: for the engine, the node is lost."""
ALONE_AFTER: Final = 10.0
"""Seconds of silence of the engine after which an edge ends its links. A new engine takes 4 to
8."""
LATE_AFTER: Final = 0.5
"""Seconds by which a timer has to be late for the process to have been stopped meanwhile."""
PATIENCE: Final = 1.0
"""Seconds after such a stop in which nobody is judged: what came meanwhile is still to be read."""
BUNDLE_MAX: Final = 256 * 1024
"""Bytes of items past which a bundle is full. One item may be nearly as long."""
MESSAGE_MAX: Final = BUNDLE_MAX + 1024
"""Bytes of a message of the bus: a full bundle, with what names and seals it. The servers have to
allow as many."""
HANDLED_TOLD: Final = 64 * 1024
"""Bytes of items that a side handles before it tells the other one at once how far it is."""
PART_MAX: Final = 128 * 1024
"""Bytes of one part of something long, and about as many of a long list."""


class Order(enum.Enum):
    """How a bundle that came follows the one before."""

    NEXT = enum.auto()
    REPEATED = enum.auto()
    GAP = enum.auto()
    """Bundles before it were lost."""


class BusSession:
    """One side of a session."""

    __slots__ = (
        "_newest_received",
        "_full",
        "_handled",
        "_is_beat_due",
        "_items",
        "_sent",
        "_size",
        "heard_at",
        "run",
    )

    def __init__(self, run: bytes, *, now: float) -> None:
        self.run: Final = run
        self.heard_at = now
        """When the other side was heard last."""
        self._sent = 0
        self._newest_received = 0
        self._full: list[list[msgspec.Raw]] = []
        self._items: list[msgspec.Raw] = []
        self._size = 0
        self._is_beat_due = False
        self._handled = 0
        """Bytes of items that were handled since the other side was told something."""

    @property
    def newest_received(self) -> int:
        """The number of the newest bundle that has come."""
        return self._newest_received

    @property
    def has_begun(self) -> bool:
        """Whether a bundle has come."""
        return self._newest_received > 0

    def accept(self, number: int, *, now: float) -> Order:
        """Note a bundle that came."""
        if number <= self._newest_received:
            return Order.REPEATED
        if number > self._newest_received + 1:
            return Order.GAP
        self._newest_received, self.heard_at = number, now
        return Order.NEXT

    def add(self, item: UpItem | DownItem) -> int:
        """Queue an item. Return its size."""
        encoded = encode(item)
        if self._items and self._size + len(encoded) > BUNDLE_MAX:
            self._full.append(self._items)
            self._items, self._size = [], 0
        self._items.append(msgspec.Raw(encoded))
        self._size += len(encoded)
        return len(encoded)

    def note_handled(self, size: int) -> None:
        """Note items that were handled. After many the other side is told, if there is nothing else
        to say to it."""
        self._handled += size
        if self._handled >= HANDLED_TOLD:
            self._is_beat_due = True

    def beat(self) -> None:
        """Show a sign of life, by an empty bundle if there is nothing to say."""
        self._is_beat_due = True

    def take_bundles(self) -> list[tuple[int, list[msgspec.Raw]]]:
        """Drain the numbered bundles of this turn."""
        if not self._items and not self._is_beat_due:
            return []
        bundles = [*self._full, self._items]
        first = self._sent + 1
        self._sent += len(bundles)
        self._full, self._items, self._size, self._is_beat_due = [], [], 0, False
        self._handled = 0
        return list(enumerate(bundles, first))


class BusSeals(NamedTuple):
    """With what one end of the bus seals and opens. `sealer` has a salt of its own, which seals
    nothing else."""

    sealer: Sealer
    opener: Opener


class Channel:
    """One end of the bus."""

    def __init__(self, seals: BusSeals, recorder: Recorder) -> None:
        self._sealer, self._opener = seals
        self._recorder = recorder
        self._messages: list[tuple[str, bytes]] = []

    def open(self, data: bytes) -> BusMessage | None:
        """Open a message that came. What is sealed otherwise, or malformed, is dropped and
        counted."""
        try:
            return decode_message(self._opener.open(Kind.BUS, data).content)
        except BundleRefused as refused:
            is_other = refused.flaw is Flaw.OTHER_VERSION
            self.drop(DropReason.BUS_OTHER_VERSION if is_other else DropReason.BUS_SEAL_BROKEN)
        except DecodeError:
            self.drop(DropReason.BUS_MALFORMED)
        return None

    def drop(self, reason: DropReason) -> None:
        """Count something that was not used."""
        self._recorder.dropped[reason] += 1

    def send(self, subject: str, message: BusMessage) -> None:
        """Queue a message."""
        self._messages.append((subject, self._sealer.seal(Kind.BUS, 0, NO_HASH, encode(message))))

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order
        within a subject."""
        messages, self._messages = self._messages, []
        return messages
