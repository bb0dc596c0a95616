"""A node whose house is elsewhere: a front, as long as there is a session, as one state machine without I/O.

A driver runs it like `RegistryCore`, and carries the messages of the bus beside.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.registry.cluster.bus.remote_house import HouseState, RemoteHouse, SessionOpened
from chatapp.registry.cluster.stream.bundles import Opener, Sealer
from chatapp.registry.edge.edge import LINKS_MAX, SECRET_SIZE, Front, Output
from chatapp.registry.edge.links import LinkState
from chatapp.registry.rules.admin.messages import AdminAnswer, AdminRefusal, AdminRefused, CoreRequest
from chatapp.registry.rules.effects import DropReason, LinkEndReason
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.registry.telemetry.figures import CoreSnapshot
from chatapp.registry.telemetry.recorder import Recorder
from chatapp.wire.address import Address
from chatapp.wire.identity import Identity
from chatapp.wire.sessions.opening import Randomness


class FrontCore:
    """One node without the house."""

    def __init__(
        self,
        *,
        front_id: bytes,
        name: str,
        sealer: Sealer,
        opener: Opener,
        rng: Randomness,
        link_port: int,
        now: float,
        wall: float,
        policy: RegistryPolicy | None = None,
        links_max: int = LINKS_MAX,
    ) -> None:
        """`front_id`: 8 random bytes of this run of the program. `name`: the node's, for people. `sealer`: with a salt of
        its own, which seals nothing else. `links_max`: how many connections the machine can hold."""
        self._policy = policy or RegistryPolicy()
        self._rng = rng
        self._link_port = link_port
        self._links_max = links_max
        self._clock = WallClock(now=now, wall=wall)
        self.recorder: Final = Recorder(events_max=self._policy.events_max)
        self.dropped: Final = self.recorder.dropped
        """How much was not served, by reason."""
        self._house = RemoteHouse(
            front_id,
            name,
            sealer=sealer,
            opener=opener,
            recorder=self.recorder,
            cookies_last=2 * self._policy.cookie_window,
            now=now,
        )
        self._secret = rng.randbytes(SECRET_SIZE)
        """Of the cookies: what a peer began before a new session, it may finish in that one."""
        self._front: Front | None = None
        self._last = Output([], [], [], [], [], [], [])
        """What fronts of earlier sessions left to be carried out, and connections that were refused."""
        self._delivered = 0
        """Copies of lines that fronts of earlier sessions have sent."""
        self._tickets: dict[str, None] = {}
        """Admin requests that wait for the house's answer."""
        self._admin_answers: list[tuple[str, AdminAnswer]] = []

    @property
    def state(self) -> HouseState:
        """How this node stands with its house. Peers are served while it is OPEN."""
        return self._house.state

    @property
    def house_name(self) -> str:
        """The name of the node that has the house, empty while none is known."""
        return self._house.house_name

    @property
    def identity(self) -> Identity | None:
        """The registry's identity, None while there is no session with the house."""
        return None if self._front is None else self._front.identity

    # --- the bus

    def receive_bus(self, data: bytes, *, now: float) -> None:
        """Handle a message of the bus, from the subject of the news or of this front."""
        self._house.receive(data, now=now)
        self._follow(now)

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order within a subject."""
        return self._house.take_messages()

    def _follow(self, now: float) -> None:
        """Do what follows from a session that has begun or ended."""
        for change in self._house.take_changes():
            if isinstance(change, SessionOpened):
                self._open(change, now)
            else:
                self._close(change.reason)

    def _open(self, opened: SessionOpened, now: float) -> None:
        front = self._front = self._house.front = Front(
            identity=opened.identity,
            rng=self._rng,
            link_port=self._link_port,
            policy=msgspec.structs.replace(self._policy, lease_span=opened.lease),
            recorder=self.recorder,
            counter=self._clock.millis(now),
            links_max=self._links_max,
            secret=self._secret,
            now=now,
        )
        front.house = self._house

    def _close(self, reason: LinkEndReason) -> None:
        front, self._front = self._front, None
        if front is None:
            return
        self._delivered += front.links.copies_relayed
        front.end_all(reason)
        self._last = _joined(self._last, front.take_output())
        refused = AdminRefused(refusal=AdminRefusal.NO_HOUSE)
        self._admin_answers += [(ticket, refused) for ticket in self._tickets]
        self._tickets.clear()

    def leave(self, reason: LinkEndReason = LinkEndReason.NODE_STOPS, *, now: float) -> None:
        """End the session and all links for good: the house takes their peers offline at once."""
        self._house.leave(reason)
        self._follow(now)

    # --- links and datagrams

    def link_opened(self, number: int, remote: Address, *, now: float) -> None:
        """A connection was accepted. The driver never uses the number again, and begins with 1."""
        if self._front is None or not self._house.is_open:
            self.dropped[DropReason.NO_HOUSE] += 1
            self._last.links_to_close.append((number, LinkEndReason.NO_HOUSE))
        else:
            self._front.link_opened(number, remote, now=now)

    def receive_frames(self, number: int, frames: Sequence[bytes], *, now: float) -> None:
        """Handle whole frames of a link, in order."""
        front = self._front
        if front is None:
            return
        if not self._house.is_open:
            link = front.links.find(number)
            if link is not None and link.state is LinkState.WAITING:
                front.disconnect(number, LinkEndReason.NO_HOUSE)
                front.settle(now=now)
        front.receive_frames(number, frames, now=now)

    def take_links_to_widen(self) -> list[int]:
        """Drain the links that have authenticated since the last call: their frames may have full length from now on."""
        return [] if self._front is None else self._front.take_links_to_widen()

    def link_backlog(self, number: int, size: int) -> None:
        """Note that `size` written bytes wait for the link's reader."""
        if self._front is not None:
            self._front.link_backlog(number, size)

    def broadcast_backlog(self, *, waits: bool) -> None:
        """Note whether datagrams of broadcasts wait to be sent. The house, at another node, does not learn it."""
        if self._front is not None:
            self._front.broadcast_backlog(waits=waits)

    def link_closed(self, number: int, *, now: float) -> None:
        """Note that a connection is over, whichever side ended it."""
        if self._front is not None:
            self._front.link_closed(number, now=now)

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Handle one datagram. Without a house nobody gets an answer, so that peers look at other nodes."""
        if self._front is None or not self._house.is_open:
            self.dropped[DropReason.NO_HOUSE] += 1
        else:
            self._front.receive_datagram(data, sender, now=now)

    # --- the administrator

    def run_admin_request(self, request: CoreRequest, ticket: str, *, now: float) -> None:
        """Have an admin request carried out by the house. `take_admin_answers` returns the answer under this ticket."""
        if self._house.ask_admin(request, ticket):
            self._tickets[ticket] = None
        else:
            self._admin_answers.append((ticket, AdminRefused(refusal=AdminRefusal.NO_HOUSE)))

    def take_admin_answers(self) -> list[tuple[str, AdminAnswer]]:
        """Drain the answers to admin requests, by ticket."""
        answers, self._admin_answers = self._admin_answers + self._house.take_admin_answers(), []
        for ticket, _ in answers:
            self._tickets.pop(ticket, None)
        return answers

    def snapshot(self, *, now: float) -> CoreSnapshot:
        """Return the figures of this node. Those of the registry as a whole are the house's."""
        links = None if self._front is None else self._front.links
        figures: dict[str, float] = {
            "cluster_keeps_state": 0,
            "links": 0 if links is None else len(links),
            "links_held": 0 if links is None else links.throttle.held,
            "room_deliveries": self._delivered + (0 if links is None else links.copies_relayed),
        }
        if (lag := self._house.lag(now=now)) is not None:
            figures["cluster_lag_seconds"] = lag
        return CoreSnapshot(figures, self.recorder.counted(), [], {})

    # --- time

    def set_wall(self, wall: float, *, now: float) -> None:
        """Set the wall clock (Unix seconds)."""
        self._clock.set(wall, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._house.handle_timer(now=now)
        self._follow(now)
        if self._front is not None:
            self._front.handle_timer(now=now)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next; infinity for not at all."""
        due = self._house.next_timer()
        return due if self._front is None else min(due, self._front.next_timer())

    # --- out

    def take_output(self) -> Output:
        """Drain everything that the driver has to send or log."""
        last, self._last = self._last, Output([], [], [], [], [], [], [])
        if self._front is not None:
            return _joined(last, self._front.take_output())
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
