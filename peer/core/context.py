"""What the parts of the core hand out: gathered in lists, drained by the engine."""

import enum

from chatapp.peer.core.events import Event
from chatapp.peer.core.records import Record
from chatapp.wire.messages.link import PeerRequest


class Outputs:
    """One a node; every part of the core appends, the engine drains."""

    __slots__ = ("events", "has_numbered", "records", "requests")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.requests: list[PeerRequest] = []
        """For the link; only while it is up."""
        self.has_numbered = False
        """Whether messages wait for their numbers to be on disk."""

    def drain_events(self) -> list[Event]:
        """All events so far, in order."""
        events, self.events = self.events, []
        return events

    def drain_records(self) -> list[Record]:
        """All records so far, in order."""
        records, self.records = self.records, []
        return records


class RegistryReach(enum.Enum):
    """What we know of the registry."""

    UP = "the link stands: letters and relaying are possible"
    SEEKING = "not heard of yet, or just lost: wait and see"
    LOST = "it does not answer"
    NONE = "we are offline by our own wish"


class RegistryStatus:
    """What every part of a node may look at before it counts on the registry."""

    __slots__ = ("clock_ahead", "reach", "silent_since")

    def __init__(self) -> None:
        self.reach = RegistryReach.SEEKING
        self.silent_since: float | None = None
        """Since when the registry is not in reach."""
        self.clock_ahead: float | None = None
        """Seconds by which the registry's clock was ahead of ours when it last let us in; 0 when it was not, None when it
        has not let us in since the start of the program."""

    def change(self, reach: RegistryReach, *, now: float) -> None:
        """It came, went, or is being looked for."""
        self.reach = reach
        if reach is RegistryReach.UP:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now
