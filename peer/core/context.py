"""What every part of the core shares: the lists of its outputs, and the status of the registry."""

import enum
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Final

from chatapp.peer.api.events import Event
from chatapp.peer.core.records import Record
from chatapp.wire.delivery.syncs import Syncs
from chatapp.wire.errors import WireError
from chatapp.wire.messages.link import PeerRequest


def drop_invalid(problems: Sequence[Exception], dropped: Counter[str]) -> None:
    """Count the inputs that are invalid. Raises an ExceptionGroup of all other problems: they are
    faults of ours."""
    faults = []
    for problem in problems:
        if isinstance(problem, WireError):
            dropped[type(problem).__name__] += 1
        else:
            faults.append(problem)
    if faults:
        raise ExceptionGroup("faults while receiving", faults)


class Outputs:
    """The outputs of one node. Every part appends to the lists; the core drains them after each
    turn."""

    __slots__ = ("events", "has_numbered", "new_id", "records", "requests", "syncs", "wants_sync")

    def __init__(self, last_id: int = 0, *, life: int = 0) -> None:
        """`last_id`: the highest id of a line in the history. `life`: see `Syncs`."""
        self.syncs: Final = Syncs(life)
        self.wants_sync = False
        """Whether the journal is to be synced at once."""
        self.new_id: Final = itertools.count(last_id + 1).__next__
        """Returns the id of the next line of the history."""
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.requests: list[PeerRequest] = []
        """Requests for the link; dropped while it is down."""
        self.has_numbered = False
        """Whether messages wait for their numbers to be on disk."""

    def drain_events(self) -> list[Event]:
        """Return all events so far, in order, and forget them."""
        events, self.events = self.events, []
        return events

    def drain_records(self) -> list[Record]:
        """Return all records so far, in order, and forget them."""
        records, self.records = self.records, []
        return records


class RegistryReach(enum.Enum):
    """Whether the registry can be reached."""

    UP = "the link is up: sealed mail and relaying are possible"
    SEEKING = "not found yet, or just lost; the next seconds will tell"
    LOST = "it does not answer"
    NONE = "we are offline by our own wish"


class RegistryStatus:
    """What a part looks at before it relies on the registry."""

    __slots__ = ("clock_ahead", "clock_offset", "reach", "silent_since")

    def __init__(self) -> None:
        self.reach = RegistryReach.SEEKING
        self.silent_since: float | None = None
        """Since when the registry is out of reach; None while the link is up."""
        self.clock_offset: float | None = None
        """Seconds by which the registry's clock was ahead of ours (negative: behind) when it last
        let us in; None when it has not let us in since the start of the program."""
        self.clock_ahead: float | None = None
        """The same, but 0 when it was behind."""

    def clock_heard(self, offset: float) -> None:
        """Note what the registry's clock shows."""
        self.clock_offset, self.clock_ahead = offset, max(0.0, offset)

    def change(self, reach: RegistryReach, *, now: float) -> None:
        """Note that the registry came, went, or is being looked for."""
        self.reach = reach
        if reach is RegistryReach.UP:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now
