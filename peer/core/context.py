"""What every part of the core shares: its outputs, our own identity, the registry's status, the alarms,
and the ports by which the subjects reach each other."""

import enum
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from chatapp.peer.api.events import Event
from chatapp.peer.api.trace import AT_ONCE, SENT_AT_ONCE, STEPS_MAX, Raw, TraceEvent
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.conversation import Conversation
from chatapp.peer.core.records import Record
from chatapp.wire.delivery.parts import Syncs
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.messages.direct import DirectGroupLine, FileFrame, FileRelayRefused
from chatapp.wire.messages.link import NodeNotice, PeerRequest
from chatapp.wire.messages.table import Card

_OPENINGS_BITS: Final = 9
"""How far a card's counter is shifted to get a number for openings: each counter leaves room for so
many bits of them. The counter follows the clock in milliseconds."""


COUNTER_MAX: Final = 2**62
"""A higher counter from a registry is ignored, so that there is always a counter left for a newer
card."""


_encode: Final = msgspec.msgpack.Encoder().encode


class Trailed(Protocol):
    """A message of ours, as far as its trace is concerned."""

    steps: tuple[Raw, ...]

    @property
    def at_ms(self) -> int:
        """When it was written, Unix milliseconds."""


class WallClock:
    """Unix time for the core, which itself counts monotonic seconds: `now + offset`."""

    __slots__ = ("offset",)

    def __init__(self, offset: float) -> None:
        self.offset = offset


class FileFrameCame(NamedTuple):
    """What came for our files."""

    identity: bytes
    """From whom; of a refusal, who is at the other end."""
    frame: FileFrame | FileRelayRefused
    through_server: bool


class DeliveryTraces:
    """Records the steps of our messages."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock

    def sent(self, messages: Iterable[Trailed], now: float) -> None:
        """Record the first direct attempt since these messages last waited."""
        at = self.milliseconds(now)
        for message in messages:
            if not message.steps and at - message.at_ms < AT_ONCE:
                message.steps = SENT_AT_ONCE
            else:
                self.note(message, TraceEvent.SENT, now, 1)

    def note(self, message: Trailed, what: TraceEvent, now: float, *more: int | str) -> None:
        """Record a step, unless there are STEPS_MAX."""
        if len(message.steps) < STEPS_MAX:
            message.steps = (*message.steps, (what.number, self._since(message, now), *more))

    def changed(self, message: Trailed, what: TraceEvent, now: float, *more: int | str) -> bytes:
        """Record a step that changes the message's state, even in a full trace. Return the trace to
        store."""
        message.steps = message.steps[: STEPS_MAX - 1]
        self.note(message, what, now, *more)
        return packed(message.steps)

    def milliseconds(self, now: float) -> int:
        """Return Unix milliseconds; see `Stored` for what they mean as a whole trace."""
        return int((now + self._clock.offset) * 1_000)

    def _since(self, message: Trailed, now: float) -> int:
        return self.milliseconds(now) - message.at_ms

    def seconds(self, now: float) -> int:
        """Return Unix seconds, the unit of times inside a step."""
        return int(now + self._clock.offset)


def packed(steps: tuple[Raw, ...]) -> bytes:
    """Return the steps as bytes for the disk."""
    return _encode(steps)


class LocalIdentity:
    """Our name and keys."""

    def __init__(
        self,
        *,
        name: str,
        identity: Identity,
        mail_keys: list[AgreementKey],
        counter: int,
        other_name: str | None = None,
    ) -> None:
        """`counter`: above the counters of all earlier cards. `mail_keys`: newest first.
        `other_name`: the name by which the registry may know us instead, if a rename was cut
        short."""
        self.name = name
        self.other_name = other_name
        self.identity: Final = identity
        self.mail_keys: Final = mail_keys
        self._counter = counter
        self.card: Card = self._make_card(name)

    @property
    def first_opening(self) -> int:
        """A number above those of all session openings of earlier runs; it is derived from the
        card's counter."""
        return min(self._counter, 2**53) << _OPENINGS_BITS

    @property
    def life(self) -> int:
        """A number that differs from those of earlier runs."""
        return max(1, self._counter % 2**32)

    def card_as(self, name: str) -> Card:
        """Return a newer card under another name. It is not our card yet."""
        self._counter += 1
        return self._make_card(name)

    def outdo(self, counter: int) -> bool:
        """Make our card newer than this counter, which an earlier run or another program has used.
        Return False if our card is newer already, or no counter is left."""
        if not self._counter <= counter < COUNTER_MAX:
            return False
        self._counter = counter + 1
        self.card = self._make_card(self.name)
        return True

    def rename(self, name: str) -> None:
        """Take this name, with a card newer than all before."""
        self.name = name
        self._counter += 1
        self.card = self._make_card(name)

    def _make_card(self, name: str) -> Card:
        return make_card(
            self.identity,
            name=name,
            mail=self.mail_keys[0].public,
            counter=self._counter,
        )


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

    __slots__ = (
        "events",
        "has_numbered",
        "last_id",
        "records",
        "requests",
        "syncs",
        "file_frames",
        "wants_sync",
    )

    def __init__(self, life: int = 0) -> None:
        """`life`: see `Syncs`."""
        self.syncs: Final = Syncs(life)
        self.wants_sync = False
        """Whether the journal is to be synced at once."""
        self.last_id = 0
        """The highest id of a line in the history."""
        self.events: list[Event] = []
        self.records: list[Record] = []
        self.requests: list[PeerRequest] = []
        """Requests for the link; dropped while it is down."""
        self.file_frames: Final[list[FileFrameCame]] = []
        """What came for our files; whoever takes it clears the list."""
        self.has_numbered = False
        """Whether messages wait for their numbers to be on disk."""

    def new_id(self) -> int:
        """Return the id of the next line of the history."""
        self.last_id += 1
        return self.last_id

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

    __slots__ = ("clock_ahead", "clock_offset", "is_lost", "reach", "silent_since")

    def __init__(self) -> None:
        self.is_lost = False
        """Whether it does not answer by UDP."""
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


class RegistryChange(enum.Enum):
    """What changed about the registry or our link to it. The hub tells each subject."""

    LINK_UP = "requests can be sent from now on"
    LINK_LOST = "the link is gone: what was asked stays unanswered, and what it granted is void"
    CLOCK_KNOWN = "it is letting us in, and the status has its clock"
    RESTARTED = "it was started again since it last let us in"
    GRANTED = (
        "it has given us a sender index on this link, so it goes on with its table if we had one"
    )
    GRANTED_ANEW = (
        "the same, but another index than we had: it does not know what it told us before"
    )
    RESTORED = "it was restored from a backup: its table is older than ours"
    LET_IN = "we are registered"
    CARD_RENEWED = "our card is newer, and openings of sessions have higher numbers"
    NOT_FOUND = "it does not answer, and never has since we began to look for it"
    MISSED = "it does not answer any more"
    REACH = "the status has another reach"
    LOST = "the reach is LOST"
    GIVEN_UP = "the reach is LOST, and no request has begun another attempt"


RUNG_AGAIN_AFTER: Final = 1.0
"""Seconds until an alarm rings again after a fault of ours in what it does."""


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
        dues = [due for next_timer, _ in self._asked if (due := next_timer()) is not None]
        dues += [due for alarm in self._set if (due := alarm.deadline) is not None]
        return min(dues, default=None)

    def ring(self, *, now: float) -> None:
        """Do what is due. After a fault in one part, the parts behind it ring at the next call, and
        its own alarm rings once more later."""
        for next_timer, ring in self._asked:
            if (due := next_timer()) is not None and due <= now:
                ring(now=now)
        for alarm in self._set:
            if (due := alarm.deadline) is not None and due <= now:
                alarm.deadline = None
                try:
                    alarm.ring(now=now)
                except Exception:
                    alarm.no_later_than(now + RUNG_AGAIN_AFTER)
                    raise


class Context:
    """What every part of one node is given."""

    __slots__ = (
        "alarms",
        "clock",
        "dropped",
        "gives_marks",
        "me",
        "out",
        "policy",
        "rng",
        "status",
        "traces",
    )

    def __init__(
        self,
        me: LocalIdentity,
        *,
        policy: Policy,
        rng: random.Random,
        wall_offset: float,
        gives_marks: bool = False,
    ) -> None:
        """`gives_marks`: whether people who do the same are told what the user has seen."""
        self.me: Final = me
        self.gives_marks: Final = gives_marks
        self.policy: Final = policy
        self.rng: Final = rng
        self.clock: Final = WallClock(wall_offset)
        """The driver keeps its offset right."""
        self.out: Final = Outputs(me.life)
        self.status: Final = RegistryStatus()
        self.traces: Final = DeliveryTraces(self.clock)
        self.alarms: Final = Alarms()
        self.dropped: Final[Counter[str]] = Counter()
        """Invalid datagrams and frames, counted by what is wrong with them."""

    def wall(self, now: float) -> float:
        """Return the Unix time at this moment."""
        return now + self.clock.offset


class LookUp(enum.Enum):
    """What is known of a name."""

    KNOWN = "it is in the table"
    BLOCKED = "the registry shows another key for it than the one that we hold"
    UNKNOWN = "nobody has it, or we are offline and cannot ask"
    UNANSWERED = "it is not in the table, and the registry does not answer"
    ASKING = "the registry is being asked"


Routes = Mapping[type[NodeNotice], Callable[..., None]]
"""Which method of a subject takes each kind of notice; it is called with the notice and `now`."""


class RegistryPort(Protocol):
    """What a subject asks of our connection to the registry."""

    @property
    def is_up(self) -> bool:
        """Whether requests can be sent."""

    @property
    def pinned(self) -> bytes | None:
        """The registry's key that we hold."""

    def search(self, *, now: float) -> bool:
        """Look for a lost registry at once, because a request waits for it. Return whether an
        attempt is under way."""

    def ping(self, *, now: float) -> None:
        """Find out whether the registry answers."""

    def send_group_frame(self, frame: bytes, *, now: float) -> None:
        """Send a sealed group frame on the link, which must be up."""


class People(Protocol):
    """Whom we know, and how to learn of others."""

    @property
    def contacts(self) -> Contacts: ...

    @property
    def version(self) -> int:
        """The version of our copy of the table."""

    @property
    def saved_at(self) -> float:
        """The Unix time up to which it is complete."""

    @property
    def is_fresh(self) -> bool:
        """Whether we have all rows that the registry had when the present link came up."""

    def fetch(self, *, now: float) -> None:
        """Ask for the rows that we miss, unless that is asked. Only while the link is up."""

    def seek(self, identities: Iterable[bytes], *, is_anew: bool = True, now: float) -> None:
        """Ask for the rows of these people, of whom some are unknown. `is_anew`: also if rows are
        asked for already. Only while the link is up."""

    def seek_speaker(self, sender_index: int, *, now: float) -> None:
        """Ask who seals group frames under this index. Only while the link is up."""

    def stranger_wrote(self, identity: bytes, *, now: float) -> None:
        """Ask who that is, if the registry tells us only of some people. What they sent comes
        again."""

    def is_vouched(self, contact: Contact, key: str) -> bool:
        """Whether the registry would have told us if the name with this key were somebody else's
        by now."""

    def find(self, name: str, *, can_ask: bool, now: float) -> LookUp:
        """Return what is known of a name that is not in the table; ASKING: ask again later."""

    def awaits_card(self, contact: Contact) -> bool:
        """Ask for the card of somebody if it may not be the newest. Return whether the answer is to
        come."""

    def awaits_rows(self, identities: Iterable[bytes]) -> bool:
        """Whether rows of some of these people were asked for one by one and are to come."""

    def meet(self, contacts: Iterable[Contact]) -> None:
        """Ask for the cards of some of these people, who are to be reached without the registry as
        well."""

    @property
    def searches(self) -> Mapping[str, object]:
        """The names that are being looked up."""

    def forget(self, name: str) -> None:
        """End the search for a name."""


class Carrier(Protocol):
    """What carries something to one person."""

    def conversation(self, contact: Contact) -> Conversation:
        """Return the conversation with somebody, with what is stored of it."""

    def flush_later(self, contact: Contact) -> None:
        """Note that the delivery stream to somebody may have something to send."""


class Passenger(Protocol):
    """What travels in the streams of direct messages without being one: lines of groups."""

    @property
    def carried(self) -> Mapping[bytes, object]:
        """The lines on their way to each person."""

    def line_came(self, contact: Contact, line: DirectGroupLine) -> None:
        """Take a line that a member sent us directly."""

    def line_acknowledged(self, contact: Contact, number: int, *, now: float) -> bool:
        """Note that somebody has stored a line. Return False if the number is not a line's."""

    def line_given_up(self, contact: Contact, number: int) -> bool:
        """Note that somebody did not answer. Return False if the number is not a line's."""

    def numbers_reported(self, contact: Contact, known: int, *, skip: int, now: float) -> None:
        """Number what waits for it, as somebody told which numbers of ours they know."""

    def beyond(self, contact: Contact) -> int:
        """The lowest number above all that we know of somebody as a speaker in groups."""
