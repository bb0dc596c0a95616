"""The connection that each identity has, and their signs of life (clause 5.4)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from chatapp.registry.rules.limits import Leases, RegistryPolicy
from chatapp.registry.store.entries import SenderIndicesReserved
from chatapp.wire.address import Address

BLOCK: Final = 2**14
"""Indices in a block: more than the links that a full registry makes anew while its store is
slow."""

_INDICES: Final = 2**32


class SenderIndices:
    """The sender indices of one run of one node."""

    def __init__(self, *, reserved: int, block: int = BLOCK) -> None:
        """`reserved`: how many indices were ever reserved, by any run of any node."""
        self._block: Final = block
        self._next = reserved + 1
        self._end = reserved + block
        self._is_first_stored = False
        self._is_reserving = False
        self.own: Final[int] = reserved % _INDICES
        """The index under which this run seals its table batches. It belongs to no link."""

    @property
    def first_reservation(self) -> tuple[SenderIndicesReserved, ...]:
        """What has to be stored with or before each first key of this run; empty once it is
        stored."""
        return () if self._is_first_stored else (SenderIndicesReserved(self._end),)

    def first_stored(self) -> None:
        """Note that the first reservation is stored."""
        self._is_first_stored = True

    def is_reserved(self, index: int) -> bool:
        """Whether an earlier run has reserved an index, so that this one never takes it."""
        return 0 < (self.own - index) % _INDICES < _INDICES // 2

    def take(self, claimed: int = 0) -> int | None:
        """Return an index that no sender has had; None while there is none left. `claimed`: the one
        that a program had before, and would take for a sign that this run goes on with the table of
        an earlier one."""
        while self._next < self._end:
            index, self._next = self._next % _INDICES, self._next + 1
            if index not in (0, claimed):  # 0 stands for none
                return index
        return None

    def reservation(self) -> SenderIndicesReserved | None:
        """Return what has to be stored to have more indices; None while half a block is left, or if
        it is on its way."""
        if self._is_reserving or self._end - self._next > self._block // 2:
            return None
        self._is_reserving = True
        return SenderIndicesReserved(
            self._end + self._block if self._is_first_stored else self._end
        )

    def settled(self, upto: int, *, is_stored: bool) -> None:
        """Note what became of what `reservation` returned. One that failed is returned again."""
        self._is_reserving = False
        if is_stored:
            self._is_first_stored = True
            self._end = max(self._end, upto)


class Connection:
    """The link of one identity, and what belongs to it."""

    __slots__ = ("latest", "link", "node", "nonce", "sender_index")

    def __init__(self) -> None:
        self.link: int | None = None
        self.latest: int | None = None
        """The link, or the last one if there is none: nothing newer was said on another."""
        self.sender_index = 0
        """Identifies the sender in group frames: one run of their program, over all its links."""
        self.nonce = b""
        """The nonce of the last REGISTER: the same once more is a repeated datagram."""
        self.node = 0
        """The node of the last REGISTER. What still comes from another one is old."""


class Connections:
    """Connections by identity. Each run of a program has a sender index that no other ever had."""

    def __init__(self, indices: SenderIndices) -> None:
        self._connections: dict[bytes, Connection] = {}
        self.indices: Final = indices

    def of(self, identity: bytes) -> Connection:
        """Return an identity's connection, making it if needed."""
        connection = self._connections.get(identity)
        if connection is None:
            connection = self._connections[identity] = Connection()
        return connection

    def link_of(self, identity: bytes) -> int | None:
        """Return an identity's link, None for none."""
        connection = self._connections.get(identity)
        return None if connection is None else connection.link

    def latest_link_of(self, identity: bytes) -> int | None:
        """Return an identity's link, or its last one if it has none now."""
        connection = self._connections.get(identity)
        return None if connection is None else connection.latest

    def attach(self, connection: Connection, link: int, sender_index: int) -> None:
        """Note a new link and the sender index of its program's run."""
        connection.link = connection.latest = link
        connection.sender_index = sender_index

    def detach(self, connection: Connection) -> None:
        """Note that the link has gone."""
        connection.link = None

    def attached(self) -> Iterator[Connection]:
        """Yield the connections that have a link."""
        return (
            connection for connection in self._connections.values() if connection.link is not None
        )


class Place(NamedTuple):
    """Where somebody is: the link, the address of their datagrams, and the node at which those come
    in."""

    link: int | None
    address: Address | None
    node: int


NOWHERE: Final = Place(None, None, 0)


class Liveness:
    """Decides which members and guests are silent, and whom to probe."""

    def __init__(self, policy: RegistryPolicy) -> None:
        self._leases: Final[Leases[bytes]] = Leases(policy.lease_span)
        slow_span = max(policy.slow_lease_span, policy.lease_span)
        self._slow_leases: Final[Leases[bytes]] = Leases(slow_span)
        self.slow: Final[set[bytes]] = set()
        """Those who have the lease of a slow link."""
        self._doubted: Final[Leases[bytes]] = Leases(policy.probe_span)
        """Deadlines of those in doubt: for a sign of life, or else for the next probe."""
        self._probes: Final[dict[bytes, int]] = {}
        """How often each was probed."""
        self._probes_max: Final = policy.probes
        self._late_after: Final = policy.late_after
        self._patience: Final = policy.probe_span * policy.probes
        self._all: Final = (self._leases, self._slow_leases, self._doubted)

    def note_if_present(self, identity: bytes, *, now: float) -> None:
        """Note a sign of life of somebody who is here already."""
        leases = self._slow_leases if identity in self.slow else self._leases
        if identity in leases:
            leases.renew(identity, now=now)
            if identity in self._probes:
                self._settle(identity)

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._leases or identity in self.slow

    def lease_of(self, identity: bytes) -> float:
        """Return the seconds after which somebody's silence takes them offline."""
        return (self._slow_leases if identity in self.slow else self._leases).span

    def lend(self, identity: bytes, *, is_slow: bool, now: float) -> int:
        """Give somebody who is here the lease of a slow link, or the usual one, until they have
        gone. Return its seconds."""
        self._end_leases(identity)
        if is_slow:
            self.slow.add(identity)
        self.note(identity, now=now)
        return int(self.lease_of(identity))

    def note(self, identity: bytes, *, now: float) -> None:
        """Note a sign of life: the lease is renewed and any doubt is over."""
        (self._slow_leases if identity in self.slow else self._leases).renew(identity, now=now)
        if identity in self._probes:
            self._settle(identity)

    def end(self, identity: bytes) -> None:
        """Forget somebody who has gone."""
        self._end_leases(identity)
        self._settle(identity)

    def check_alive(self, identity: bytes, *, now: float) -> None:
        """Start probing somebody whom another peer cannot reach, after a short wait for a sign of
        life.

        Whoever answers stays online, and repeated reports send no more probes.
        """
        if identity in self and identity not in self._probes:
            self._probes[identity] = 0
            self._doubted.renew(identity, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> tuple[list[bytes], list[bytes]]:
        """Return who is silent from now on, and whom to probe now."""
        due = self.next_timer()
        if due is None or now < due:
            return [], []
        if now > due + self._late_after:
            # The registry itself was stopped, and signs of life from meanwhile are still to be
            # read: wait before judging.
            for leases in self._all:
                leases.postpone(now + self._patience)
            return [], []
        to_ask: list[bytes] = []
        silent: list[bytes] = []
        for identity in self._doubted.expired(now=now):
            if self._probes[identity] < self._probes_max:
                self._probes[identity] += 1
                self._doubted.renew(identity, now=now)
                to_ask.append(identity)
            else:
                del self._probes[identity]
                self._end_leases(identity)
                silent.append(identity)
        for leases in (self._leases, self._slow_leases):
            for identity in leases.expired(now=now):
                self.end(identity)
                silent.append(identity)
        return silent, to_ask

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        deadlines = [leases.next_deadline() for leases in self._all]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _end_leases(self, identity: bytes) -> None:
        self._leases.end(identity)
        if identity in self.slow:
            self.slow.remove(identity)
            self._slow_leases.end(identity)

    def _settle(self, identity: bytes) -> None:
        if self._probes.pop(identity, None) is not None:
            self._doubted.end(identity)
