"""Limits for the rules: leases, shares of a quota, queues of pending requests, the registry's clock
and its policy.

Nothing here reads a clock: `now` comes in.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

import msgspec

from chatapp.wire.address import Address
from chatapp.wire.limits import (
    FILE_RELAY_BYTES,
    GROUP_KEPT_FOR,
    LINK_SILENCE_MAX,
    MAIL_KEPT_FOR,
    MAIL_PLACES,
    MEMBERSHIPS_PER_NAME,
    NAMES_MAX,
    REQUESTS_PER_SECOND,
    REQUESTS_QUEUED_MAX,
    ROOMS_EACH_MAX,
    ROOMS_MAX,
    ROWS_TOLD_WHOLE,
)
from chatapp.wire.messages.table import RUN_BITS


class DiskState:
    """Remembers whether the last write failed because the disk was full, so that refusals can say
    so."""

    def __init__(self) -> None:
        self.is_full = False


Queued = TypeVar("Queued")


class PendingRequests(Generic[Queued]):
    """The identities with a request at the disk, each with a queue of the requests that came since.

    Only the answer to the request for which a queue waits releases the queue, so its first request
    can always go on.
    """

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Queued]] = {}

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._queues

    def begin(self, identity: bytes) -> None:
        """Note that a request of this identity is on its way to the disk."""
        assert identity not in self._queues
        self._queues[identity] = deque()

    def wait(self, identity: bytes, request: Queued) -> bool:
        """Queue a request behind the one at the disk. Return False when too many wait."""
        queue = self._queues[identity]
        if len(queue) >= REQUESTS_QUEUED_MAX:
            return False
        queue.append(request)
        return True

    def end(self, identity: bytes) -> list[Queued]:
        """Return the requests that waited, in order, now that the disk has answered. The first of
        them that goes to the disk makes the others wait again."""
        return list(self._queues.pop(identity, ()))


Held = TypeVar("Held", bound=Hashable)


class Leases(Generic[Held]):
    """Leases of equal length, in the order in which they end."""

    __slots__ = ("_until", "span")

    def __init__(self, span: float) -> None:
        self.span: Final = span
        """Seconds of each."""
        self._until: dict[Held, float] = {}

    def __contains__(self, key: Held) -> bool:
        return key in self._until

    def __len__(self) -> int:
        return len(self._until)

    def renew(self, key: Held, *, now: float) -> None:
        """Begin or renew a lease of one span. A clock that runs backwards shortens none."""
        self._until.pop(key, None)
        latest = next(
            reversed(self._until.values()), 0.0
        )  # keeps the order when `now` runs backwards
        self._until[key] = max(now + self.span, latest)

    def postpone(self, until: float) -> None:
        """Let no lease end before this time."""
        for key, ends_at in self._until.items():
            if ends_at >= until:
                return
            self._until[key] = until

    def end(self, key: Held) -> bool:
        """End a lease. Return whether there was one."""
        return self._until.pop(key, None) is not None

    def oldest(self) -> Held | None:
        """Return the holder whose lease ends first."""
        return next(iter(self._until), None)

    def expired(self, *, now: float) -> list[Held]:
        """Remove the leases that are over and return their holders, in order."""
        over: list[Held] = []
        for key, until in self._until.items():
            if until > now:
                break
            over.append(key)
        for key in over:
            del self._until[key]
        return over

    def next_deadline(self) -> float | None:
        """Return when the first lease ends."""
        return next(iter(self._until.values()), None)


EPOCHS_BY_CLOCK_MAX: Final = 3 * 2**30
"""The clock sets no epoch above this one (the year 2072): a quarter of all epochs is left to count
on by one."""


def first_epoch(*, last: int, wall: int) -> int:
    """Return the first epoch of a group in a new run: above `last`, the last one on disk (0 for
    none), and above the clock's seconds, which a disk that was put back from a backup cannot set
    back."""
    return max(last, min(wall, EPOCHS_BY_CLOCK_MAX)) + 1


def first_number(*, epoch: int, chance: bytes) -> int:
    """Return the number above which versions and positions of a run begin. Its channel begins with
    `epoch`, so the clock gives it 2^28 numbers a second, and no run reaches the numbers of a
    later one. `chance` is at least four random bytes: two runs under one epoch, of which only one
    is on disk, hardly ever meet."""
    return epoch << RUN_BITS | int.from_bytes(chance[:4]) >> 33 - RUN_BITS


class WallClock:
    """Turns monotonic `now` into Unix time."""

    __slots__ = ("_offset",)

    def __init__(self, *, now: float, wall: float) -> None:
        self._offset = wall - now

    def set(self, wall: float, *, now: float) -> None:
        """Set the wall clock to `wall` (Unix seconds) at `now`."""
        self._offset = wall - now

    def seconds(self, now: float) -> int:
        """Return Unix time in whole seconds, never below 0."""
        return max(int(now + self._offset), 0)

    def millis(self, now: float) -> int:
        """Return Unix time in milliseconds, never below 0."""
        return max(int((now + self._offset) * 1_000), 0)


def remaining(stored_at_ms: int, wall: float, *, kept_for: float, at_least: float) -> float:
    """Return the seconds that a loaded record has left. Its age by the wall clock is clamped, since
    that clock may be wrong."""
    age = max(wall - stored_at_ms / 1_000, 0.0)
    return min(max(kept_for - age, at_least), kept_for)


class RegistryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The registry's numbers that nobody needs to configure, and a few that settings replace. Spans
    are in seconds."""

    lease_span: int = 30
    """Somebody who shows no sign of life for so long counts as away, whatever their connection
    looks like."""
    slow_lease_span: int = int(LINK_SILENCE_MAX)
    """The same on a slow link, where each sign of life costs what others need for words."""
    probe_span: float = 0.5
    """Seconds between two probes of somebody whom others cannot reach."""
    probes: int = 5
    """Unanswered probes after which they count as away."""
    late_after: float = 1.0
    """If a timer is later than this, the registry itself was stopped, and signs of life are still
    to be read."""
    cookie_window: float = 30.0
    """A cookie is valid in the window in which it was made and in the next one."""
    grace_span: float = 60.0
    """How long frames under a group's previous key are accepted."""

    coalesce_span: float = 0.005
    """Changes after a quiet while are gathered for so long, then broadcast."""
    busy_span: float = 0.1
    """While changes go on, they are broadcast no more often than this."""
    datagram_span: float = 0.04
    """Pause after a broadcast for each of its datagrams. More than about 125 changes a second pile
    up, until they are too many for a broadcast: to fetch so many once a second costs both sides
    less."""
    broadcasts_per_second: float = 50_000.0
    """Broadcast datagrams a second, over all recipients: half a core at the worst, and what the
    sockets of a full engine take."""
    announce_span: float = 0.25
    """So long after the last broadcast its version is announced once more, so that a lost datagram
    is noticed."""
    storm_span: float = 1.0
    """While there are too many changes to broadcast, the version is announced no more often than
    this."""
    whole_rows_told: int = 1_000
    """Datagrams, over all recipients, up to which a broadcast has whole rows, of which five fill one. A
    larger one is in columns, in which a change of somebody known takes a dozen bytes; whoever talks
    with them then asks for the card."""
    broadcast_datagrams: int = 8
    """Datagrams in one broadcast. More changes are fetched over the links, where each row travels
    once and is acknowledged."""

    broadcast_up_to: int = 1_000
    """People online up to whom everybody is told of everybody; of more, each peer is told of those
    whom it watches."""
    channel_free_up_to: int = 5_000
    """People online up to whom the channel takes every line; of more, one a second."""
    rows_whole: int = ROWS_TOLD_WHOLE
    """Rows that a page of the table gives whole; of more it is a roster."""
    names_max: int = NAMES_MAX
    """Names that may be bound, about 1 KiB each. Past it, newcomers are refused."""
    rooms_max: int = ROOMS_MAX
    """Rooms that may be there at once."""
    rooms_each: int = ROOMS_EACH_MAX
    """Rooms that one person may be in at once."""
    file_relay_bytes: int = FILE_RELAY_BYTES
    """Bytes of files an hour that are relayed for one sender; 0: none."""
    kept_files_each: int = 0
    """Bytes of files that are kept for one person; 0: none are."""
    kept_files_total: int = 1_000_000_000
    """The same for all together."""
    sessions_max: int = 50_000
    """How many peers may open sessions, about 0.5 KiB each. Past it, those silent longest have to
    register again."""
    links_max: int = 2 * NAMES_MAX
    """How many connections the machine can hold."""
    epoch_span: float = 60.0
    """The channel's key is replaced no more often than this, however often its members change."""
    room_epoch_span: float = 1.0
    """The same for a room's key, which changes when a few people come and go."""
    room_news_span: float = 0.02
    """Changes of a room's members are gathered for so long, then announced to those who are in
    it."""
    room_news_per_second: float = 20_000.0
    """Such announcements a second in one room, over all its members: each copy is sealed for its
    link."""

    sweep_span: float = 60.0
    """Seconds between two sweeps for what has expired."""
    restart_grace: float = 86_400.0
    """What was loaded is kept for at least this long: after a restart the wall clock may be a year ahead, and set
    right later."""
    requests_per_second: float = REQUESTS_PER_SECOND
    """Requests a second of one link, averaged; all links of one network together have four times as
    many."""
    mail_places: int = MAIL_PLACES
    """Places in all mailboxes together."""
    mail_kept_for: float = MAIL_KEPT_FOR
    """How long a letter waits to be fetched."""
    group_kept_for: float = GROUP_KEPT_FOR
    """How long a line of a room or the channel is kept, and somebody who is away stays a member of
    a room."""
    events_max: int = 10_000
    """Events kept for the log until they are drained."""
    servers: tuple[Address, ...] = ()
    """Other servers of this registry, which peers are told of."""

    @property
    def memberships_max(self) -> int:
        """Memberships of rooms that there may be at once. A registry for few names has as many as
        others: its people are in several rooms each."""
        return MEMBERSHIPS_PER_NAME * max(self.names_max, NAMES_MAX)


class _Held:
    """The places of one identity, and the network with which it is counted."""

    __slots__ = ("network", "places")

    def __init__(self, network: str) -> None:
        self.places = 0
        self.network: Final = network


class Shares:
    """Divides places fairly between networks, and within a network between identities."""

    __slots__ = ("_identities", "_most", "_networks", "held")

    def __init__(self, *, most: int) -> None:
        self._most: Final = most
        self._identities: dict[bytes, _Held] = {}
        self._networks: dict[str, int] = {}
        self.held = 0
        """How many places are taken."""

    def has_capacity(self, identity: bytes, network: str, places: int = 1) -> bool:
        """Return whether this identity may take `places` more."""
        held = self._identities.get(identity)
        if held is not None:
            network = held.network
        left = self._most - self.held
        of_network = self._networks.get(network, 0)
        of_identity = 0 if held is None else held.places
        return of_network + places <= left and of_identity + places <= left - of_network

    def has_left(self, places: int = 1) -> bool:
        """Return whether `places` are left at all."""
        return places <= self._most - self.held

    def take(self, identity: bytes, network: str, places: int = 1) -> None:
        """Take places. Those of an earlier run are taken even if too few are left."""
        held = self._identities.get(identity)
        if held is None:
            held = self._identities[identity] = _Held(network)
        held.places += places
        self._networks[held.network] = self._networks.get(held.network, 0) + places
        self.held += places

    def give_back(self, identity: bytes, places: int = 1) -> None:
        """Give places back."""
        held = self._identities[identity]
        self.held -= places
        if held.places > places:
            held.places -= places
        else:
            del self._identities[identity]
        of_network = self._networks[held.network] - places
        if of_network:
            self._networks[held.network] = of_network
        else:
            del self._networks[held.network]
