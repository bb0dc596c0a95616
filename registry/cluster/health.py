"""How well the servers of a cluster are, from what a node sees of them: which answer, which have
JetStream, which have a current copy of each stream.

A server whose disk is full goes on answering. It either switches JetStream off or only keeps no
copy any more; neither ends when there is room again, but both do when the server is started again.
"""

import enum
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

HOLDS_AFTER: Final = 3.0
"""Seconds after which the state of a server is told: a server that is started again is behind for a
moment."""

STALLED_AFTER: Final = 10.0
"""Seconds without a leader of a stream after which that is told: an election takes 4 to 8."""

HOUR: Final = 3_600.0
RESTLESS: Final = 3
"""Takeovers within an hour that are told: updates of the nodes cause one or two."""


class ServerState(enum.Enum):
    """How a server is. The better one stands first."""

    WELL = "it answers, and all its copies are current"
    BEHIND = "it has no current copy of a stream"
    OFF = "it answers, and its JetStream is off"
    AWAY = "it does not answer"


_RANK: Final = {state: rank for rank, state in enumerate(ServerState)}


class Greeting(NamedTuple):
    """What a server says to whoever connects."""

    name: str
    has_jetstream: bool


class Copies(NamedTuple):
    """The copies of a stream. `wanted`: how many there have to be; `others`: for each server but
    the leader, whether its copy is current."""

    leader: str
    others: Mapping[str, bool]
    wanted: int


class Look(NamedTuple):
    """What a node has seen."""

    greetings: Mapping[str, Greeting | None]
    """By the address at which a server was asked; None: it did not answer."""
    streams: Mapping[str, Copies | None]
    """By their names; None: nobody told."""


class ServerChanged(NamedTuple):
    """The state of a server has changed, and stays so for a while by now."""

    server: str
    state: ServerState


class StreamStalled(NamedTuple):
    """No server leads a stream."""

    stream: str


class StreamLed(NamedTuple):
    """A server leads a stream that nobody led."""

    stream: str


class StateRestless(NamedTuple):
    """RESTLESS nodes have taken the state over within an hour, `node` the last one."""

    node: str


HealthEvent = ServerChanged | StreamStalled | StreamLed | StateRestless


def _state_of(greeting: Greeting | None) -> ServerState:
    if greeting is None:
        return ServerState.AWAY
    return ServerState.WELL if greeting.has_jetstream else ServerState.OFF


class _Server:
    """One server, and since when it is as it is."""

    def __init__(self, now: float) -> None:
        self.state = self.told = ServerState.WELL
        self._since = now

    def is_news(self, state: ServerState, now: float) -> bool:
        """Note its state. Return whether it is to be told."""
        if state is not self.state:
            self.state, self._since = state, now
        if state is self.told or now - self._since < HOLDS_AFTER:
            return False
        self.told = state
        return True


class _Stream:
    """One stream, as far as it was seen."""

    def __init__(self, now: float) -> None:
        self.members: frozenset[str] = frozenset()
        self.behind: frozenset[str] = frozenset()
        """Servers without a current copy. Without a leader nobody knows, so these stay."""
        self.missing = 0
        """How many current copies there are too few."""
        self.is_stalled = False
        self._led_at = now

    def note(self, copies: Copies | None, now: float) -> bool:
        """Note what was seen. Return whether that changes `is_stalled`."""
        if copies is not None and copies.leader:
            self.behind = frozenset(
                server for server, is_current in copies.others.items() if not is_current
            )
            self.members = frozenset((copies.leader, *copies.others))
            current = len(self.members) - len(self.behind)
            self.missing, self._led_at = max(copies.wanted - current, 0), now
        was, self.is_stalled = self.is_stalled, now - self._led_at >= STALLED_AFTER
        return was is not self.is_stalled


class Health:
    """The servers and streams of a cluster, as one node sees them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        """The name of the server at an address, as it told the last time."""
        self._servers: dict[str, _Server] = {}
        """By name, or by address as long as the name is not known."""
        self._streams: dict[str, _Stream] = {}
        self._takeovers: deque[float] = deque()

    def looked(self, look: Look, *, now: float) -> list[HealthEvent]:
        """Note what was seen. Return what is to be told."""
        events: list[HealthEvent] = []
        for name, copies in look.streams.items():
            stream = self._streams.setdefault(name, _Stream(now))
            if stream.note(copies, now):
                events.append(StreamStalled(name) if stream.is_stalled else StreamLed(name))
        self._learn_names(look.greetings)
        states = self._states(look.greetings)
        for name, state in states.items():
            if self._servers.setdefault(name, _Server(now)).is_news(state, now):
                events.append(ServerChanged(name, state))
        for name in self._servers.keys() - states.keys():  # another one is in its place
            del self._servers[name]
        return events

    def _learn_names(self, greetings: Mapping[str, Greeting | None]) -> None:
        for address, greeting in greetings.items():
            if greeting is not None:
                self._names[address] = greeting.name
                if address in self._servers:
                    self._servers.setdefault(greeting.name, self._servers.pop(address))

    def _states(self, greetings: Mapping[str, Greeting | None]) -> dict[str, ServerState]:
        states: dict[str, ServerState] = {}
        for address, greeting in greetings.items():
            name = self._names.get(address, address)
            state = _state_of(greeting)
            states[name] = min(state, states.get(name, state), key=_RANK.__getitem__)
        for stream in self._streams.values():
            for name in stream.members:
                states.setdefault(name, ServerState.WELL)
            for name in stream.behind:
                states[name] = max(states[name], ServerState.BEHIND, key=_RANK.__getitem__)
        return states

    def taken_over(self, node: str, *, now: float) -> StateRestless | None:
        """Note that this node keeps the state from now on. Return what is to be told."""
        self._forget_takeovers(now)
        self._takeovers.append(now)
        return StateRestless(node) if len(self._takeovers) == RESTLESS else None

    def _forget_takeovers(self, now: float) -> None:
        while self._takeovers and now - self._takeovers[0] > HOUR:
            self._takeovers.popleft()

    def figures(self, *, now: float) -> dict[str, float]:
        """Return the figures of the servers and of the streams."""
        self._forget_takeovers(now)
        states = [server.state for server in self._servers.values()]
        return {
            "cluster_servers_away": states.count(ServerState.AWAY),
            "cluster_servers_off": states.count(ServerState.OFF),
            "cluster_copies_missing": sum(stream.missing for stream in self._streams.values()),
            "cluster_streams_stalled": sum(stream.is_stalled for stream in self._streams.values()),
            "cluster_takeovers_hour": len(self._takeovers),
        }
