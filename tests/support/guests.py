"""Visitors of the help desk in the simulated network: a real core and a ticket on a disk.

A visitor's program can crash and start again with what its disk holds; what it was shown is kept.
"""

from typing import cast

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.desk.visit import ADMITTED, Stage
from chatapp.peer.core.visitor import VisitorCore
from chatapp.registry.rules.desk.queue.visit import digest
from chatapp.wire.address import Address
from chatapp.wire.identity import AgreementKey, Identity
from tests.support.machine import POLICY
from tests.support.network import Network
from tests.support.people import Person


class Guest(Person):
    """One visitor. The form is filled in at once, and lines are read as soon as they are shown."""

    def __init__(self, network: Network, name: str, server: Address, host: str) -> None:
        super().__init__(network, name, server, host)
        self.disk = StoredVisit()
        self.pinned: bytes | None = None
        self.visit = 0
        """The number of the present or last visit."""
        self.over: set[int] = set()
        """Visits that are over, as the visitor was told."""
        self.given_up: set[bytes] = set()
        """Digests of the tickets that the visitor gave up."""
        self.said: list[str] = []
        """The lines that this program sent in this visit."""
        self.typed: list[str] = []
        """Those, and what was typed while waiting: it is said if the turn comes before it is a
        description."""
        self.heard: dict[int, str] = {}
        """The lines of this visit that this program was told, as they are now, by position; empty
        for a change."""
        self.places: dict[int, int] = {}
        """The positions of these lines, by their ids."""
        self.own: dict[int, str] = {}
        """What each line that this program said in this visit is now, by its id; empty: taken
        back."""
        self.replaced: set[str] = set()
        """Texts that this program has changed since."""
        self.unsaid: list[str] = []
        """The lines that reached nobody, as the visitor was told."""
        self.told: list[tuple[int, visit_events.VisitEvent]] = []
        self.rated: set[int] = set()
        """The visits that were rated. An answer may come when another visit has begun."""

    @property
    def guest(self) -> VisitorCore:
        """The running program."""
        return cast(VisitorCore, self.core)

    @property
    def is_placed(self) -> bool:
        """Whether the visitor has a place or is being served, according to the program."""
        return self.is_running and self.guest.stage in ADMITTED

    @property
    def is_at_rest(self) -> bool:
        """Whether the program waits for nothing more from the registry."""
        return self.is_running and not self.guest.is_lost and self.guest.is_settled

    def start(self) -> None:
        """Start the program with what the disk holds."""
        self.lives += 1
        self._begin_anew()
        now = self.network.now
        me = LocalIdentity(
            name="",
            identity=Identity(self.random.randbytes(32)),
            mail_keys=[AgreementKey(self.random.randbytes(32))],
            counter=max(int((now + self.wall_offset) * 1_000), 0),
        )
        core = VisitorCore(
            Context(me, policy=POLICY, rng=self.random, wall_offset=self.wall_offset),
            servers=self.servers,
            pinned=self.pinned,
            stored=self.disk,
            queue="",
        )
        self._core = cast(PeerCore, core)  # the verbs are the same
        self.network.settle_at(self.address, self._datagram_came)
        core.start(now=now)
        self.turn()

    def _begin_anew(self) -> None:
        """Note that this program has said and heard nothing yet of its visit."""
        self.said, self.typed, self.unsaid = [], [], []
        self.heard, self.places = {}, {}
        self.own, self.replaced = {}, set()

    # --- what a visitor does

    def say_at_desk(self, text: str) -> None:
        """Send a line to the operator, or describe the issue while waiting."""
        self.typed.append(text)
        if self.guest.stage is Stage.ACTIVE:
            self.said.append(text)
        line = self.guest.say(text, now=self.network.now)
        if line is not None:
            self.own[line] = text
        self.turn()

    def change(self, place: int, text: str) -> None:
        """Change one of the newest lines of this program, or take it back (empty)."""
        lines = [line for line, now in self.own.items() if now]
        line = lines[place % len(lines)]
        if self.guest.change(line, text or None, now=self.network.now) is None:
            return
        self.replaced.add(self.own[line])
        self.own[line] = text
        if text:
            self.typed.append(text)
            self.said.append(text)
        self.turn()

    def give_up(self) -> None:
        """Give up the place, or begin another visit after the last one."""
        self.given_up.add(digest(self.disk.ticket))
        self.guest.begin_anew()
        self.turn()

    def ask_position(self) -> None:
        """Ask for the position (`.queue`)."""
        self.guest.ask_position()
        self.turn()

    def pause(self, *, is_paused: bool) -> None:
        """Let others go first (`.pause`), or no more (`.resume`)."""
        self.guest.pause(is_paused=is_paused)
        self.turn()

    def rate(self, rating: int) -> None:
        """Rate the session."""
        self.rated.add(self.visit)
        self.guest.rate(rating)
        self.turn()

    def quit(self) -> None:
        """Quit cleanly, so that the registry is told if it answers."""
        self.given_up.add(digest(self.disk.ticket))
        self.guest.leave(now=self.network.now)
        self.turn()
        self.network.run_until(lambda: not self.is_running or self.guest.has_left, within=3.0)
        if self.is_running:
            self.turn()
            self.crash()

    # --- one turn, as in `peer.sdk.visitor`

    def turn(self) -> None:
        """Carry out everything that the core has to output."""
        core, now = self.guest, self.network.now
        is_moving = True
        while is_moving:  # what is heard may be answered at once
            wanted = core.wants_stored()
            if wanted is not None:
                self.disk = wanted
                core.stored()
            self.pinned = core.pinned
            self._send(core.datagrams_to_send())
            self._tend_link(self.core, now)
            begun = core._visit._conversation.visit or self.visit
            events = core.events()
            is_moving = bool(events)
            for event in events:
                self._enter(begun)
                self._react(event)
            self._enter(begun)
        self._arm(self.core)

    def _enter(self, visit: int) -> None:
        """Note the visit that has begun, unless it is the present one."""
        if visit != self.visit:
            self._begin_anew()
        self.visit = visit

    def _react(self, event: visit_events.VisitEvent) -> None:
        self.told.append((self.visit, event))
        match event:
            case visit_events.FormWanted():
                self.guest.join(Form(name=self.name, number="+919876543210", issue=1))
            case visit_events.Said(number=position, text=text):
                assert position > max(self.heard, default=0), f"{text!r} came twice or too late"
                self.heard[position] = text
                self.places[event.id] = position
                self.guest.lines_shown(position)
            case visit_events.Edited() | visit_events.Retracted():
                assert event.number > max(self.heard, default=0), "a change came twice or too late"
                self.heard[event.number] = ""
                self.heard[self.places[event.target.number]] = event.text
                self.guest.lines_shown(event.number)
            case visit_events.VisitorLineRefused(text=text):
                self.unsaid.append(text)
            case visit_events.VisitEnded() | visit_events.EndedUnseen():
                self.over.add(self.visit)
            case _:
                pass
