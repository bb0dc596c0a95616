"""What every part of the core shares: its outputs, the registry's status, the alarms, and the ports
by which the subjects reach each other."""

import enum
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from chatapp.peer.api.events import Event
from chatapp.peer.api.trace import DeliveryTraces, WallClock
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.records import Record
from chatapp.wire.delivery.policy import Policy
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


class Ring(Protocol):
    """What an alarm does."""

    def __call__(self, *, now: float) -> object: ...


class Alarm:
    """One part's wish to be woken. The part sets `deadline`; when that has come, the alarm rings
    once, unless the part has cancelled it by None."""

    __slots__ = ("deadline", "ring")

    def __init__(self, ring: Ring) -> None:
        self.ring: Final = ring
        self.deadline: float | None = None

    def no_later_than(self, due: float) -> None:
        """Ring at this time, or when it would have rung before."""
        if self.deadline is None or due < self.deadline:
            self.deadline = due


class Alarms:
    """All deadlines of one node: those that parts set, and those that move with nearly every
    datagram, which are asked for only when somebody wants to know.

    What is due at the same time rings in the order in which it was added, and what is asked for
    before what was set: the loss of the registry comes before its consequences."""

    __slots__ = ("_asked", "_set")

    def __init__(self) -> None:
        self._set: list[Alarm] = []
        self._asked: list[tuple[Callable[[], float | None], Ring]] = []

    def add(self, ring: Ring) -> Alarm:
        """Return a new alarm."""
        alarm = Alarm(ring)
        self._set.append(alarm)
        return alarm

    def follow(self, next_timer: Callable[[], float | None], ring: Ring) -> None:
        """Call `ring` when the deadline that `next_timer` returns has come. It moves that
        deadline."""
        self._asked.append((next_timer, ring))

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        dues = [next_timer() for next_timer, _ in self._asked]
        dues += [alarm.deadline for alarm in self._set]
        return min([due for due in dues if due is not None], default=None)

    def ring(self, *, now: float) -> None:
        """Do what is due."""
        for next_timer, ring in self._asked:
            if (due := next_timer()) is not None and due <= now:
                ring(now=now)
        for alarm in self._set:
            if (due := alarm.deadline) is not None and due <= now:
                alarm.deadline = None
                alarm.ring(now=now)


class Context:
    """What every part of one node is given."""

    __slots__ = ("alarms", "clock", "dropped", "me", "out", "policy", "rng", "status", "traces")

    def __init__(
        self,
        me: LocalIdentity,
        *,
        policy: Policy,
        rng: random.Random,
        wall_offset: float,
        last_id: int = 0,
    ) -> None:
        """`last_id`: as of `Outputs`."""
        self.me: Final = me
        self.policy: Final = policy
        self.rng: Final = rng
        self.clock: Final = WallClock(wall_offset)
        """The driver keeps its offset right."""
        self.out: Final = Outputs(last_id, life=me.life)
        self.status: Final = RegistryStatus()
        self.traces: Final = DeliveryTraces(self.clock)
        self.alarms: Final = Alarms()
        self.dropped: Final[Counter[str]] = Counter()
        """Invalid datagrams and frames, counted by what is wrong with them."""

    def wall(self, now: float) -> float:
        """Return the Unix time at this moment."""
        return now + self.clock.offset
