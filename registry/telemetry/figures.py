"""The registry's figures: what each is called, what it says, and the histograms in which spans are
counted.

Figures are read when somebody asks for them: what serves people only adds to plain numbers.
"""

import enum
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from chatapp.registry.rules.admin_requests import QueueFigures, StatsShown
from chatapp.registry.rules.desk.statistics import Histogram
from chatapp.registry.rules.effects import DropReason, Event, Fault


class FigureKind(enum.Enum):
    """How a figure develops."""

    GAUGE = "gauge"
    """It rises and falls."""
    COUNTER = "counter"
    """It rises from 0 at each start."""


class Figure(NamedTuple):
    """What a figure says."""

    kind: FigureKind
    help: str


FIGURES: Final = {
    "registered": Figure(FigureKind.GAUGE, "People who have a name here"),
    "online": Figure(FigureKind.GAUGE, "People who are online"),
    "guests": Figure(FigureKind.GAUGE, "Visitors of the help desk who are connected"),
    "links": Figure(FigureKind.GAUGE, "Connections, those included that have proved nothing yet"),
    "links_held": Figure(
        FigureKind.GAUGE,
        "Connections not read until the cluster's engine has caught up, at a node without it",
    ),
    "links_behind": Figure(
        FigureKind.GAUGE, "Connections whose readers have not taken all that was sent"
    ),
    "link_queue_bytes": Figure(FigureKind.GAUGE, "Bytes that wait for such readers"),
    "table_changes": Figure(FigureKind.COUNTER, "Versions of the table since the start"),
    "broadcasts": Figure(FigureKind.COUNTER, "Broadcasts of changes of the table"),
    "broadcast_rows": Figure(FigureKind.COUNTER, "Rows in broadcasts of the table"),
    "rooms": Figure(FigureKind.GAUGE, "Rooms"),
    "memberships": Figure(
        FigureKind.GAUGE, "Memberships of rooms: one for each member of each room"
    ),
    "mail_waiting": Figure(FigureKind.GAUGE, "Letters that wait for their readers"),
    "mail_oldest_seconds": Figure(FigureKind.GAUGE, "How long the oldest letter has waited"),
    "store_accepts_writes": Figure(
        FigureKind.GAUGE, "1 if the disk takes what is to be stored, else 0"
    ),
    "cluster_strays": Figure(
        FigureKind.COUNTER,
        "Messages in the cluster's streams that no registry of it wrote; they are passed over",
    ),
    "stored_entries": Figure(
        FigureKind.COUNTER, "Entries of the journal on the disk; acknowledgements wait for them"
    ),
    "room_deliveries": Figure(
        FigureKind.COUNTER, "Copies of lines of rooms and the channel sent to members"
    ),
    "file_bytes_relayed": Figure(
        FigureKind.COUNTER,
        "Bytes of files passed on between people who reach each other in no other way",
    ),
    "kept_files": Figure(FigureKind.GAUGE, "Sealed files that are kept for people who are away"),
    "kept_file_bytes": Figure(FigureKind.GAUGE, "Bytes that these take of `keep_files_total`"),
    "kept_bytes_given": Figure(FigureKind.COUNTER, "Bytes of files that people gave to be kept"),
    "kept_bytes_fetched": Figure(FigureKind.COUNTER, "Bytes of kept files that people fetched"),
    "datagrams_in": Figure(FigureKind.COUNTER, "Datagrams received"),
    "datagrams_out": Figure(FigureKind.COUNTER, "Datagrams sent"),
    "bytes_in": Figure(FigureKind.COUNTER, "Bytes received, in datagrams and on connections"),
    "bytes_out": Figure(FigureKind.COUNTER, "Bytes sent, in datagrams and on connections"),
    "send_errors": Figure(FigureKind.COUNTER, "Datagrams that the kernel refused to send"),
    "uptime_seconds": Figure(FigureKind.GAUGE, "Seconds since the start"),
    "cpu_seconds": Figure(FigureKind.COUNTER, "Seconds of processor time"),
    "memory_bytes": Figure(FigureKind.GAUGE, "Resident memory"),
    "descriptors": Figure(FigureKind.GAUGE, "Open descriptors"),
    "descriptors_max": Figure(FigureKind.GAUGE, "Descriptors that may be open"),
    "loop_lag_seconds": Figure(
        FigureKind.GAUGE, "How late the event loop was at most since the last look"
    ),
    "backup_age_seconds": Figure(
        FigureKind.GAUGE, "Seconds since the last backup that succeeded; absent if there was none"
    ),
    "cluster_keeps_state": Figure(
        FigureKind.GAUGE, "1 at the node that keeps the cluster's state, else 0"
    ),
    "cluster_lease_age_seconds": Figure(
        FigureKind.GAUGE,
        "Seconds since this node saw the lease of the node with the state confirmed",
    ),
    "cluster_connected": Figure(
        FigureKind.GAUGE, "1 if this node is connected to a NATS server, else 0"
    ),
    "cluster_lag_seconds": Figure(
        FigureKind.GAUGE,
        "Seconds since this node heard the node with the state; there, since it heard the most silent one",
    ),
    "cluster_servers_away": Figure(FigureKind.GAUGE, "NATS servers that do not answer"),
    "cluster_servers_off": Figure(
        FigureKind.GAUGE, "NATS servers whose JetStream is off, as after their disk was full"
    ),
    "cluster_copies_missing": Figure(
        FigureKind.GAUGE, "Copies of the cluster's streams that are missing or not current"
    ),
    "cluster_streams_stalled": Figure(
        FigureKind.GAUGE, "Streams of the cluster that no NATS server leads: nothing is stored"
    ),
    "cluster_takeovers_hour": Figure(
        FigureKind.GAUGE, "How often another node took the state over in the last hour"
    ),
}
"""The figures without labels, by name."""

BUILD: Final = Figure(FigureKind.GAUGE, "1, with the versions of ChatApp and Python as labels")
"""The figure `build_info`."""

STATE_NODE: Final = Figure(
    FigureKind.GAUGE, "1, with the node that keeps the cluster's state as a label"
)
"""The figure `cluster_state_info`."""

DROPPED: Final = Figure(FigureKind.COUNTER, "What came in and was not served, by reason")
"""The figure `dropped`, by reason."""

QUEUE_FIGURES: Final = {
    "desk_waiting": Figure(FigureKind.GAUGE, "Visitors in the waiting room, by queue"),
    "desk_served": Figure(FigureKind.GAUGE, "Visitors who are with an operator, by queue"),
    "desk_operators": Figure(FigureKind.GAUGE, "Operators on duty, by queue"),
    "desk_served_today": Figure(FigureKind.GAUGE, "Visitors served since midnight, by queue"),
}
"""The figures of the help desk, by name; each has a value for each queue."""

COMMIT_BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the spans of `commit_seconds`."""
COMMIT_HELP: Final = "Seconds until the disk confirmed what was stored"
WAIT_HELP: Final = "Seconds that visitors waited for their call, by queue"


class Snapshot(NamedTuple):
    """All figures at one moment."""

    figures: Mapping[str, float]
    dropped: Mapping[str, int]
    """By reason."""
    queues: list[QueueFigures]
    commits: Histogram
    waits: Mapping[str, Histogram]
    """By queue."""
    state_node: str = ""
    """The node that keeps the cluster's state; empty if none is known, and outside of a cluster."""

    def as_answer(self) -> StatsShown:
        """Return what an administrator is shown. Nobody measures how late the loop is for one
        question."""
        shown = {name: value for name, value in self.figures.items() if name != "loop_lag_seconds"}
        return StatsShown(shown, dict(self.dropped), self.queues)


NOTHING: Final = Snapshot({}, {}, [], Histogram(COMMIT_BOUNDS), {})
"""The figures of a program that does not serve at this moment."""


class CoreSnapshot(NamedTuple):
    """The figures of a core at one moment."""

    figures: dict[str, float]
    """By their names in `FIGURES`."""
    dropped: dict[str, int]
    """What was not served, by reason."""
    queues: list[QueueFigures]
    waits: Mapping[str, Histogram]
    """How long visitors waited, by queue."""


class Recorder:
    """Counts and events, which both halves of a registry write into."""

    def __init__(self, *, events_max: int) -> None:
        """`events_max`: how many events of one turn are kept."""
        self.dropped: Final[Counter[DropReason]] = Counter()
        """How much was not served, by reason."""
        self.events: list[Event] = []
        """What happened since the last call of `take_events`."""
        self._events_max: Final = events_max

    def counted(self) -> dict[str, int]:
        """Return how much was not served, by the names of the reasons."""
        return {reason.name.lower(): count for reason, count in self.dropped.items()}

    def note(self, event: Event) -> None:
        """Queue an event for the log; past the cap events are lost."""
        if len(self.events) < self._events_max:
            self.events.append(event)

    def fault(self, error: Exception) -> None:
        """Count and report a fault of the program itself."""
        self.dropped[DropReason.FAULT] += 1
        steps = traceback.extract_tb(error.__traceback__)
        places = tuple(f"{Path(step.filename).name}:{step.lineno}" for step in steps)
        self.note(Fault(reason=repr(error), places=places))

    def take_events(self) -> list[Event]:
        """Drain the events."""
        events, self.events = self.events, []
        return events
