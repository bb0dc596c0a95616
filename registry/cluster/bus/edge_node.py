"""A node whose engine is elsewhere: an edge, as long as there is a session, as one state machine
without I/O.

A driver runs it like `RegistryCore`, and carries the messages of the bus beside.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.registry.cluster.bus.messages import ID_SIZE
from chatapp.registry.cluster.bus.remote_engine import EngineState, RemoteEngine, SessionOpened
from chatapp.registry.cluster.bus.session import BusSeals
from chatapp.registry.edge.edge import SECRET_SIZE, Edge, Output
from chatapp.registry.edge.links import LinkState
from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    CoreRequest,
)
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.registry.store.protocol import KeptTable
from chatapp.registry.telemetry.figures import CoreSnapshot, Recorder
from chatapp.wire.address import Address
from chatapp.wire.identity import Identity
from chatapp.wire.sessions.opening import Randomness


class EdgeCore:
    """One node without the engine."""

    def __init__(
        self,
        *,
        name: str,
        seals: BusSeals,
        rng: Randomness,
        link_port: int,
        now: float,
        wall: float,
        policy: RegistryPolicy | None = None,
    ) -> None:
        """`name`: the node's, for people."""
        self.id: Final = rng.randbytes(ID_SIZE)
        """Of this run of the program."""
        self._policy = policy or RegistryPolicy()
        self._rng = rng
        self._link_port = link_port
        self._clock = WallClock(now=now, wall=wall)
        self.recorder: Final = Recorder(events_max=self._policy.events_max)
        self.dropped: Final = self.recorder.dropped
        """How much was not served, by reason."""
        self._engine = RemoteEngine(
            self.id,
            name,
            seals=seals,
            recorder=self.recorder,
            cookies_last=2 * self._policy.cookie_window,
            now=now,
        )
        self._secret = rng.randbytes(SECRET_SIZE)
        """Of the cookies: what a peer began before a new session, it may finish in that one."""
        self._edge: Edge | None = None
        """The edge of the session, or the links that wait for the next one."""
        self._orphans_until = float("inf")
        self._last = Output([], [], [], [], [], [], [])
        """What edges of earlier sessions left to be carried out, and connections that were
        refused."""
        self._was_by_interest = False
        """Whether the last edge told its links only of those whom they watch."""
        self._delivered = 0
        """Copies of lines that edges of earlier sessions have sent."""
        self._tickets: dict[str, None] = {}
        """Admin requests that wait for the engine's answer."""
        self._admin_answers: list[tuple[str, AdminAnswer]] = []

    @property
    def state(self) -> EngineState:
        """How this node stands with its engine. Peers are served while it is OPEN."""
        return self._engine.state

    @property
    def engine_name(self) -> str:
        """The name of the node that has the engine, empty while none is known."""
        return self._engine.engine_name

    @property
    def identity(self) -> Identity | None:
        """The registry's identity, None until there was a session with an engine."""
        return None if self._edge is None else self._edge.identity

    def kept_table(self) -> KeptTable | None:
        """Return the table as this node knows it, for an engine that goes on with it."""
        return self._engine.kept_table()

    # --- the bus

    def receive_bus(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus, from the subject of the news or of this edge."""
        self._engine.receive(data, now=now)
        self._follow(now)

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order
        within a subject."""
        return self._engine.take_messages()

    def _follow(self, now: float) -> None:
        """Do what follows from a session that has begun or ended."""
        for change in self._engine.take_changes():
            if isinstance(change, SessionOpened):
                self._open(change, now)
            elif self._edge is not None and now < change.orphans_until:
                self._edge.orphans.begin(change.reason)
                self._orphans_until = change.orphans_until
                self._refuse_admin_requests()
            else:
                self._close(change.reason)

    def _open(self, opened: SessionOpened, now: float) -> None:
        self._orphans_until = float("inf")
        edge = self._edge
        if edge is None or edge.identity.public != opened.identity.public:
            self._close(LinkEndReason.OTHER_ENGINE)
            self._open_afresh(opened, now)
            return
        self._engine.edge = edge
        edge.serve_another(lease=opened.lease, counter=self._clock.millis(now))
        self._engine.adopt(edge.orphans.adopt(now=now))
        edge.settle(now=now)

    def _open_afresh(self, opened: SessionOpened, now: float) -> None:
        edge = self._edge = self._engine.edge = Edge(
            identity=opened.identity,
            rng=self._rng,
            link_port=self._link_port,
            policy=msgspec.structs.replace(self._policy, lease_span=opened.lease),
            recorder=self.recorder,
            counter=self._clock.millis(now),
            secret=self._secret,
        )
        edge.engine = self._engine
        if self._was_by_interest:
            edge.interest.expect()

    def _close(self, reason: LinkEndReason) -> None:
        edge, self._edge = self._edge, None
        if edge is None:
            return
        self._was_by_interest = edge.interest.is_on
        self._delivered += edge.links.copies_relayed
        edge.end_all(reason)
        self._last = _joined(self._last, edge.take_output())
        self._refuse_admin_requests()

    def _refuse_admin_requests(self) -> None:
        refused = AdminRefused(refusal=AdminRefusal.NO_ENGINE)
        self._admin_answers += [(ticket, refused) for ticket in self._tickets]
        self._tickets.clear()

    def leave(self, reason: LinkEndReason = LinkEndReason.NODE_STOPS, *, now: float) -> None:
        """End the session and all links for good: the engine takes their peers offline at once."""
        self._engine.leave(reason)
        self._follow(now)

    def hand_over(self, key: bytes, *, now: float) -> Edge | None:
        """Leave for good, and return the edge with the orphaned links of members for an engine in
        the same process; None if there are none. `key`: the registry's, as that engine has it."""
        edge = self._edge
        if edge is None or edge.identity.public != key:
            return None
        edge.orphans.begin(LinkEndReason.OTHER_ENGINE)
        self._edge = None
        self.leave(LinkEndReason.OTHER_ENGINE, now=now)
        return edge

    # --- links and datagrams

    def link_opened(self, number: int, remote: Address, *, now: float) -> None:
        """A connection was accepted. The driver never uses the number again, and begins with 1."""
        if self._edge is None or not self._engine.is_open:
            self.dropped[DropReason.NO_ENGINE] += 1
            self._last.links_to_close.append((number, LinkEndReason.NO_ENGINE))
        else:
            self._edge.link_opened(number, remote, now=now)

    def receive_frames(self, number: int, frames: Sequence[bytes], *, now: float) -> None:
        """Handle whole frames of a link, in order."""
        edge = self._edge
        if edge is None:
            return
        if not self._engine.is_open:
            link = edge.links.find(number)
            if link is not None and link.state is LinkState.WAITING:
                edge.disconnect(number, LinkEndReason.NO_ENGINE)
                edge.settle(now=now)
        edge.receive_frames(number, frames, now=now)

    def take_links_to_widen(self) -> list[int]:
        """Drain the links that have authenticated since the last call: their frames may have full
        length from now on."""
        return [] if self._edge is None else self._edge.take_links_to_widen()

    def link_backlog(self, number: int, size: int) -> None:
        """Note that `size` written bytes wait for the link's reader."""
        if self._edge is not None:
            self._edge.link_backlog(number, size)

    def broadcast_backlog(self, *, waits: bool) -> None:
        """Note whether datagrams of broadcasts wait to be sent. The engine, at another node, does
        not learn it."""
        if self._edge is not None:
            self._edge.broadcast_backlog(waits=waits)

    def link_closed(self, number: int, *, now: float) -> None:
        """Note that a connection is over, whichever side ended it."""
        if self._edge is not None:
            self._edge.link_closed(number, now=now)

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Handle one datagram. Without an engine nobody gets an answer, so that peers look at other
        nodes."""
        if self._edge is None or not self._engine.is_open:
            self.dropped[DropReason.NO_ENGINE] += 1
        else:
            self._edge.receive_datagram(data, sender, now=now)

    # --- the administrator

    def run_admin_request(self, request: CoreRequest, ticket: str, *, now: float) -> None:
        """Have an admin request carried out by the engine. `take_admin_answers` returns the answer
        under this ticket."""
        if self._engine.ask_admin(request, ticket):
            self._tickets[ticket] = None
        else:
            self._admin_answers.append((ticket, AdminRefused(refusal=AdminRefusal.NO_ENGINE)))

    def take_admin_answers(self) -> list[tuple[str, AdminAnswer]]:
        """Drain the answers to admin requests, by ticket."""
        answers, self._admin_answers = self._admin_answers + self._engine.take_admin_answers(), []
        for ticket, _ in answers:
            self._tickets.pop(ticket, None)
        return answers

    def snapshot(self, *, now: float) -> CoreSnapshot:
        """Return the figures of this node. Those of the registry as a whole are the engine's."""
        links = None if self._edge is None else self._edge.links
        figures: dict[str, float] = {
            "cluster_keeps_state": 0,
            "links": 0 if links is None else len(links),
            "links_held": 0 if links is None else links.throttle.held,
            "room_deliveries": self._delivered + (0 if links is None else links.copies_relayed),
        }
        if (lag := self._engine.lag(now=now)) is not None:
            figures["cluster_lag_seconds"] = lag
        return CoreSnapshot(figures, self.recorder.counted(), [], {})

    # --- time

    def set_wall(self, wall: float, *, now: float) -> None:
        """Set the wall clock (Unix seconds)."""
        self._clock.set(wall, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._engine.handle_timer(now=now)
        self._follow(now)
        if now >= self._orphans_until:
            self._orphans_until = float("inf")
            self._close(LinkEndReason.NO_ENGINE)
        if self._edge is not None:
            self._edge.handle_timer(now=now)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next; infinity for not at all."""
        due = min(self._engine.next_timer(), self._orphans_until)
        return due if self._edge is None else min(due, self._edge.next_timer())

    # --- out

    def take_output(self) -> Output:
        """Drain everything that the driver has to send or log."""
        last, self._last = self._last, Output([], [], [], [], [], [], [])
        if self._edge is not None:
            return _joined(last, self._edge.take_output())
        return last._replace(events=last.events + self.recorder.take_events())


def _joined(first: Output, second: Output) -> Output:
    """Return two outputs as one, in this order."""
    return Output(
        first.link_writes + second.link_writes,
        first.links_to_pause + second.links_to_pause,
        first.links_to_resume + second.links_to_resume,
        first.links_to_close + second.links_to_close,
        first.datagrams + second.datagrams,
        first.broadcasts + second.broadcasts,
        first.events + second.events,
    )
