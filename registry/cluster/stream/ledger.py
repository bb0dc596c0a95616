"""The seam between a registry and the broker that keeps its stream: what is published, and how the
broker answers.

A cluster has three streams. The journal's places are dense and rise by one. The snapshots' stream
holds the pieces of snapshots, and the manifest of each under a subject of its own. The lease's
stream holds one message.
"""

import enum
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import msgspec


class Subject(enum.Enum):
    """The subjects of a cluster."""

    JOURNAL = "journal"
    SNAPSHOT = "snapshot"
    MANIFEST = "manifest"
    LEASE = "lease"


class Stream(enum.Enum):
    """The streams of a cluster, each with its subjects."""

    JOURNAL = (Subject.JOURNAL,)
    SNAPSHOTS = (Subject.SNAPSHOT, Subject.MANIFEST)
    LEASE = (Subject.LEASE,)


STREAM_OF: Final = {subject: stream for stream in Stream for subject in stream.value}
"""The stream of each subject."""


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A message for the broker to store, if `after` is the last place of its subject; None: in any
    case."""

    subject: Subject
    message: bytes
    after: int | None
    run: str = ""
    """The run of a piece: each snapshot's pieces have a subject of their own below SNAPSHOT."""
    id: str = ""
    """The broker stores a message once if it comes again under the same id; empty: it has none."""


class Acked(NamedTuple):
    """The message is stored at this place, and survives the crash of any one server."""

    place: int


class Overtaken(NamedTuple):
    """Not stored: `after` is not the last place of the subject."""


class Refused(NamedTuple):
    """Not stored, for another reason. `is_full`: there is no space for it."""

    reason: str
    is_full: bool = False


class Unanswered(NamedTuple):
    """Nobody knows whether it is or will be stored: the answer was lost, or no server leads the
    stream."""


Answer = Acked | Overtaken | Refused | Unanswered


class Placed(NamedTuple):
    """A message at its place in a stream."""

    place: int
    message: bytes


class Extent(NamedTuple):
    """The first and the last place of a stream. Nothing is there if the first is above the last."""

    first: int
    last: int


class LedgerUnavailable(Exception):
    """The broker did not answer in time."""


class Ledger(Protocol):
    """What a registry needs of the broker. Reading methods ask the stream's leader, wait for a few
    seconds at most, and raise LedgerUnavailable if no answer came."""

    @property
    def message_max(self) -> int:
        """The most bytes of a message."""

    def publish(self, publication: Publication) -> Answer:
        """Publish a message and wait for the answer."""

    def newest(self, subject: Subject) -> Placed | None:
        """Return the newest message of a subject."""

    def extent(self, stream: Stream) -> Extent:
        """Return which places a stream has."""

    def read(self, stream: Stream, first: int, last: int) -> Iterator[Placed]:
        """Yield the messages at these places, in order. Places without a message are left out."""

    def purge(self, stream: Stream, below: int) -> None:
        """Remove all messages below a place."""

    def purge_run(self, run: str) -> None:
        """Remove all pieces of a snapshot."""
