"""This file is about visitors of the help desk in the simulated network: a real core and a ticket on a disk.

A visitor's program can crash and start again with what its disk holds; what it was shown is kept.
"""

from typing import cast

from peer.core.engine import PeerCore
from peer.core.me import Me
from peer.desk import events as happened
from peer.desk.core import VisitorCore
from peer.desk.form import Form
from peer.desk.ticket import StoredVisit
from tests.support.machine import POLICY, WALL_OFFSET
from tests.support.network import Network
from tests.support.people import Person
from wire.address import Address
from wire.identity import AgreementKey, Identity


class Guest(Person):
    """One visitor: fills in the form at once, answers each line of an operator, goes when the visit is over.

    A program that was served, starts again and finds its visit gone asks for another form: that is left unanswered."""

    def __init__(self, network: Network, name: str, server: Address, host: str) -> None:
        super().__init__(network, name, server, host)
        self.disk = StoredVisit()
        self.pinned: bytes | None = None
        self.told: list[happened.VisitEvent] = []
        self.heard: list[str] = []
        self.turns = 0

    @property
    def guest(self) -> VisitorCore:
        """The running program."""
        return cast(VisitorCore, self.core)

    @property
    def is_done(self) -> bool:
        """Whether the visit is over."""
        was_served = any(isinstance(event, happened.Served | happened.ServedAnswered) for event in self.told)
        return any(
            isinstance(event, happened.Over) or (was_served and event == happened.PlaceGone(is_joining=False))
            for event in self.told
        )

    def start(self) -> None:
        """Start the program with what the disk holds."""
        self.lives += 1
        now = self.network.now
        me = Me(
            name="",
            identity=Identity(self.random.randbytes(32)),
            live=self.random.randbytes(32),
            mail_keys=[AgreementKey(self.random.randbytes(32))],
            counter=int((now + WALL_OFFSET) * 1_000),
        )
        core = VisitorCore(
            me,
            server=self.server,
            pinned=self.pinned,
            stored=self.disk,
            queue="",
            rng=self.random,
            policy=POLICY,
            wall_offset=WALL_OFFSET,
        )
        self._core = cast(PeerCore, core)  # the verbs are the same
        self.network.settle_at(self.address, self._datagram_came)
        core.start(now=now)
        self.pump()

    def pump(self) -> None:
        """Move everything that the core has to say, as `peer.desk.node` does."""
        core, now = self.guest, self.network.now
        for _ in range(2):  # what is heard may be answered at once
            wanted = core.wants_stored()
            if wanted is not None:
                self.disk = wanted
                core.stored()
            self.pinned = core.pinned
            self._send(core.datagrams_to_send())
            self._tend_link(self.core, now)
            for event in core.events():
                self._heed(event)
        self._arm(self.core)

    def _heed(self, event: happened.VisitEvent) -> None:
        self.told.append(event)
        match event:
            case happened.FormWanted() if not self.is_done:
                self.guest.join(Form(name=self.name, number="+919876543210", issue=1))
            case happened.Served():
                self.turns += 1
            case happened.LineCame(text=text, position=position):
                self.heard.append(text)
                self.guest.lines_shown(position)
                self.guest.say(f"{text}: heard", now=self.network.now)
            case _:
                pass
