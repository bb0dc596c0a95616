"""This file is about what the parts of the core hand out: gathered in lists, drained by the engine."""

from peer.core.events import Event
from peer.core.records import Record
from wire.messages.link import PeerRequest


class Outputs:
    """One a node; every part of the core appends, the engine drains."""

    __slots__ = ("events", "records", "requests")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.requests: list[PeerRequest] = []
        """For the link; only while it is up."""

    def drain_events(self) -> list[Event]:
        """All events so far, in order."""
        events, self.events = self.events, []
        return events

    def drain_records(self) -> list[Record]:
        """All records so far, in order."""
        records, self.records = self.records, []
        return records
