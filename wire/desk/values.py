"""What an operator is shown, as values with names: the events of a peer and the registry's console
have them."""

import msgspec

from chatapp.wire.messages import desk as wire


class VisitorForm(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator is told of the visitor whom they serve from now on."""

    name: str
    number: str
    issue: str
    queue: str
    waited: int
    """Seconds in the waiting room."""
    is_here: bool
    note: str
    """The note of an earlier operator."""
    description: str = ""
    """What they wrote while waiting."""


class ListedVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor as operators see them. `since`: Unix time."""

    visit: int
    """The number of the visit."""
    name: str
    issue: str
    since: float
    is_here: bool
    operator: str
    """The operator who serves them, or for whom they wait; empty for none."""
    is_paused: bool = False
    """Whether others are called first."""
    is_silent: bool = False
    """Whether they are served, and have said nothing for a while."""


class ListedQueue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue, how many wait there, and how many operators are on duty for it."""

    queue: str
    waiting: int
    operators: int


class ListedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """An operator on duty, for which queue, and whether they serve nobody."""

    operator: str
    queue: str
    is_free: bool


class DeskRoom(msgspec.Struct, frozen=True, kw_only=True):
    """Who is served and who waits in one queue. `total`: how many wait; a very long line is not
    listed in full."""

    queue: str
    operators: int
    served: tuple[ListedVisitor, ...]
    waiting: tuple[ListedVisitor, ...]
    total: int
    queues: tuple[ListedQueue, ...] = ()
    """All queues of the desk."""
    on_duty: tuple[ListedOperator, ...] = ()
    """All operators on duty, the first 40 of more."""


class DeskFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one queue. Spans in seconds; `today` is the registry's day."""

    queue: str
    served_today: int
    median_wait: int
    ninetieth_wait: int
    longest_waiting: int
    waiting: int
    operators: int
    rated: int = 0
    """Sessions that were rated today."""
    mean_rating: int = 0
    """A hundred times the mean of their ratings, from 1 to 5; 0 for none."""


class PastLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a past session."""

    sender: str
    """The operator, or the visitor."""
    is_operator: bool
    at: float
    """Unix time."""
    text: str
    mark: wire.LineMark = wire.LineMark.SAID
    number: int = 0
    """Its place among the lines of the session."""
    size: int = 0
    """Bytes of the file whose name is the text; 0: it is none, or not here any more."""


class PastSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is over. Spans in seconds, times in Unix seconds."""

    visit: int
    queue: str
    name: str
    number: str
    issue: str
    note: str
    description: str
    operator: str
    at: float
    """When the visitor was called."""
    waited: int
    took: int
    lines: tuple[PastLine, ...]
    left_out: int
    """How many lines before these are not shown."""
    has_transcript: bool
    """Whether the registry still has the lines."""


class DeskPast(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions that are over, the oldest first. `total`: how many there are of the name, or of
    all."""

    sessions: tuple[PastSession, ...]
    total: int


def past_of(shown: wire.PastShown) -> DeskPast:
    """Return the past sessions that the registry shows."""
    return DeskPast(sessions=tuple(map(_session, shown.sessions)), total=shown.total)


def _session(shown: wire.PastSession) -> PastSession:
    fields = msgspec.structs.asdict(shown)
    fields["at"] = float(shown.at)
    fields["lines"] = tuple(_line(line, shown.name) for line in shown.lines)
    return PastSession(**fields)


def _line(line: wire.PastLine, visitor: str) -> PastLine:
    return PastLine(
        sender=line.operator or visitor,
        is_operator=bool(line.operator),
        at=line.at / 1_000,
        text=line.text,
        mark=line.mark,
        number=line.position,
        size=line.file_size,
    )
