"""A registry as one state machine without I/O: bytes, the time and random numbers come in, bytes
and one deadline go out.

It is an edge and an engine that call each other.
"""

from typing import Final

from chatapp.registry.edge.edge import SECRET_SIZE, Edge
from chatapp.registry.engine.engine import Engine
from chatapp.registry.rules.admin_requests import CoreRequest
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.effects import LOCAL, Caller
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.registry.store.protocol import Loaded
from chatapp.registry.telemetry.figures import CoreSnapshot, Recorder


class RegistryCore:
    """One registry."""

    def __init__(
        self,
        context: Context,
        loaded: Loaded,
        edge: int | Edge,
        *,
        desk: DeskSettings | None = None,
        access: AccessSettings | None = None,
        now: float,
    ) -> None:
        """`loaded`: what the context's store has. `edge`: the port on which links are opened; or in
        a cluster the edge of an earlier engine, with the links of members that have outlived it."""
        self.context: Final = context
        policy = context.policy
        self.recorder: Final = (
            edge.recorder if isinstance(edge, Edge) else Recorder(events_max=policy.events_max)
        )
        self.dropped: Final = self.recorder.dropped
        """How much was not served, by reason."""
        self.edge: Final = (
            edge
            if isinstance(edge, Edge)
            else Edge(
                identity=context.identity,
                rng=context.rng,
                link_port=edge,
                policy=policy,
                recorder=self.recorder,
                counter=context.clock.millis(now),
            )
        )
        self.engine: Final = Engine(
            context,
            loaded,
            self.recorder,
            desk=desk or DeskSettings(),
            access=access or AccessSettings(),
            now=now,
        )
        self.edge.engine = self.engine
        self.engine.edges[LOCAL] = self.edge
        directory = self.engine.hub.directory
        self.edge.interest.look_at(directory.table, lambda: directory.online_count)
        self.operators: Final = self.engine.hub.desk.operators
        # What the edge does, under the names that a driver uses.
        self.link_opened: Final = self.edge.link_opened
        self.receive_frames: Final = self.edge.receive_frames
        self.take_links_to_widen: Final = self.edge.take_links_to_widen
        self.link_backlog: Final = self.edge.link_backlog
        self.broadcast_backlog: Final = self.edge.broadcast_backlog
        self.link_closed: Final = self.edge.link_closed
        self.receive_datagram: Final = self.edge.receive_datagram
        self.tell_stopping: Final = self.edge.tell_stopping
        self.take_output: Final = self.edge.take_output
        self.take_admin_answers: Final = self.edge.take_admin_answers
        # What the engine does.
        self.entries_to_store: Final = self.engine.entries_to_store
        self.take_console_lines: Final = self.engine.take_console_lines
        self.engine.start(now=now)
        if isinstance(edge, Edge):
            self._adopt(edge, now)

    def _adopt(self, edge: Edge, now: float) -> None:
        edge.let_nobody_finish(self.context.rng.randbytes(SECRET_SIZE))
        edge.broadcast_backlog(waits=False)
        edge.serve_another(
            lease=self.context.policy.lease_span, counter=self.context.clock.millis(now)
        )
        for link in edge.orphans.adopt(now=now):
            caller = Caller(identity=link.identity, link=link.number, address=link.address)
            self.engine.adopt_link(link.nonce, caller, now=now)
        edge.settle(now=now)

    # --- the registry's console and its administrator

    def console_opened(self, *, is_terminal: bool, now: float) -> None:
        """Open the registry's console for typed lines. `is_terminal`: whether a person types, and
        not a script."""
        self.engine.console_opened(is_terminal=is_terminal, now=now)
        self.edge.settle(now=now)

    def console_typed(self, line: str, *, now: float) -> None:
        """Handle a line typed at the console."""
        self.engine.console_typed(line, now=now)
        self.edge.settle(now=now)

    def console_closed(self, *, now: float) -> None:
        """Note that the console's input has ended."""
        self.engine.console_closed(now=now)
        self.edge.settle(now=now)

    def run_admin_request(self, request: CoreRequest, ticket: str, *, now: float) -> None:
        """Carry out an admin request. `take_admin_answers` returns the answer under this ticket."""
        self.engine.run_admin_request(request, ticket, now=now)
        self.edge.settle(now=now)

    def change_lists(self, lists: AccessLists, *, now: float) -> int:
        """Put new access lists in force. Return how many people who are here have to go."""
        count = self.engine.change_lists(lists, now=now)
        self.edge.settle(now=now)
        return count

    def snapshot(self, *, now: float) -> CoreSnapshot:
        """Return the figures of this moment."""
        snapshot = self.engine.snapshot(now=now)
        snapshot.figures["links"] = len(self.edge.links)
        snapshot.figures["room_deliveries"] = self.edge.links.copies_relayed
        return snapshot

    # --- the disk

    def entries_stored(self, count: int, *, now: float) -> None:
        """Note that the oldest `count` entries on their way are on the disk."""
        self.engine.entries_stored(count, now=now)
        self.edge.settle(now=now)

    def store_failed(
        self, reason: str, *, newest: int | None = None, is_full: bool = False, now: float
    ) -> None:
        """Note that the newest `newest` entries on their way (all, for None) were not stored.
        `reason` is for the log; `is_full`: whether the disk had no space left."""
        self.engine.store_failed(reason, newest=newest, is_full=is_full, now=now)
        self.edge.settle(now=now)

    # --- time

    def set_wall(self, wall: float, *, now: float) -> None:
        """Set the wall clock (Unix seconds). It stamps what is stored from now on, and moves no
        deadline."""
        self.engine.set_wall(wall, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self.engine.handle_timer(now=now)
        self.edge.handle_timer(now=now)
        if not self.edge.is_broadcasting:
            self.engine.broadcast_table(now=now)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        due = min(self.edge.next_timer(), self.engine.next_timer())
        return due if self.edge.is_broadcasting else min(due, self.engine.next_broadcast())
