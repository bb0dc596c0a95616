"""This file is about peers in the simulated network: a real core and a real history, on virtual time and wires.

A person can crash and start again with what its disk holds; what it was shown is kept for the invariants.
"""

import random
from collections.abc import Callable

from peer.core import events as happened
from peer.core.dutyevents import ClientSaid
from peer.core.engine import PeerCore
from peer.core.lookup import LookUp
from peer.core.me import Me
from peer.core.records import Standing
from peer.history import History
from peer.keys import RENEWALS_MAX
from tests.support.network import Happening, Network, Pipe
from wire.address import Address
from wire.delivery.policy import Policy
from wire.framing import FrameReader
from wire.identity import AgreementKey, Identity
from wire.limits import LINK_FRAME_MAX

WALL_OFFSET = 1_800_000_000.0
POLICY = Policy()


class Screen:
    """What one person has seen, over all lives of their program."""

    def __init__(self) -> None:
        self.events: list[happened.Event] = []
        self.lines: list[happened.Line] = []

    def show(self, event: happened.Event) -> list[happened.Line]:
        """Note an event; returns the lines that it showed."""
        self.events.append(event)
        match event:
            case happened.DirectReceived() | happened.ChannelReceived() | happened.RoomReceived():
                shown: list[happened.Line] = [event]
            case happened.MailReturned(lines=lines):
                shown = list(lines)
            case _:
                shown = []
        self.lines += shown
        return shown

    def texts(self) -> list[str]:
        """What was said to this person, in the order in which it was shown."""
        return [line.text for line in self.lines]

    def count(self, kind: type) -> int:
        """How often something happened."""
        return sum(isinstance(event, kind) for event in self.events)


class Person:
    """One peer."""

    def __init__(self, network: Network, name: str, server: Address, host: str) -> None:
        self.network = network
        self.name = name
        """By which tests call this person, for ever."""
        self.called = name
        """By which this person goes, as its folder says."""
        self.names = {name}
        """All that this person ever went by, or asked to."""
        self.maybe_called: str | None = None
        self.server = server
        self.address = Address(host, 6_000)
        self.random = random.Random(network.random.random())
        self.identity = Identity(self.random.randbytes(32))
        self.mail_keys = [AgreementKey(self.random.randbytes(32))]
        self.history = History(":memory:", server="registry")
        self.screen = Screen()
        self.connect: Callable[[Person], None] = lambda person: None
        self.lives = 0
        self.wall_offset = WALL_OFFSET
        self.said_at: dict[str, float] = {}
        """When each text was said: texts are said once."""
        self.said_to_all: dict[int, float] = {}
        """When each line for everybody was said, by its number."""
        self.came_at: float | None = None
        """When this person was first welcome."""
        self.bound_at: float | None = None
        """When the registry first knew the name."""
        self._asleep: list[Callable[[], None]] | None = None
        self._counter = 0
        self._core: PeerCore | None = None
        self._pipe: Pipe | None = None
        self._timer: Happening | None = None

    # --- life

    @property
    def core(self) -> PeerCore:
        """The running program."""
        assert self._core is not None, f"{self.name} is not running"
        return self._core

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self._core is not None

    def start(self) -> None:
        """Start the program with what the disk holds."""
        self.lives += 1
        now = self.network.now
        counter = max(self._counter + 1, int((now + self.wall_offset) * 1_000))
        self._counter = counter + RENEWALS_MAX  # set aside before they are used, as on disk
        me = Me(
            name=self.called,
            other_name=self.maybe_called,
            identity=self.identity,
            live=self.random.randbytes(32),
            mail_keys=self.mail_keys,
            counter=counter,
        )
        self._core = PeerCore(
            me,
            server=self.server,
            loaded=self.history.load(),
            rng=self.random,
            policy=POLICY,
            now=now,
            wall_offset=self.wall_offset,
        )
        self.network.settle_at(self.address, self._datagram_came)
        self.core.start(now=now)
        self.pump()

    def crash(self) -> None:
        """Kill -9: what is on disk stays, the rest is gone."""
        self._core = self._asleep = None
        self._timer = None
        self.network.leave(self.address)
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            pipe.close(0)

    def fall_asleep(self) -> None:
        """The program is stopped (SIGSTOP, a laptop's lid): what comes waits in the kernel, timers are late."""
        if self._asleep is None:
            self._asleep = []

    def wake_up(self) -> None:
        """It goes on with all that waited."""
        waited, self._asleep = self._asleep or [], None
        for act in waited:
            act()

    @property
    def is_asleep(self) -> bool:
        """Whether the program is stopped."""
        return self._asleep is not None

    def _is_put_off(self, act: Callable[[], None], *, may_be_lost: bool = False) -> bool:
        """Whether we sleep: then it waits. Datagrams for which the kernel has no room are lost."""
        if self._asleep is None:
            return False
        if len(self._asleep) < 500 or not may_be_lost:
            self._asleep.append(act)
        return True

    def set_clock(self, seconds: float) -> None:
        """The wall clock jumps by so many seconds."""
        self.wall_offset += seconds
        if self._core is not None:
            self._core.wall_offset = self.wall_offset

    def move(self) -> None:
        """The address changes under the program: a router forgot whom it had translated."""
        self.network.leave(self.address)
        self.address = Address(self.address.host, self.address.port + 1)
        if self.is_running:
            self.network.settle_at(self.address, self._datagram_came)

    # --- what the disk says

    def holds(self, stream: bytes, number: int) -> bool:
        """Whether a message to this person is stored; a note to oneself is stored as said, once."""
        is_note = stream == self.identity.public
        query = "SELECT 1 FROM lines JOIN streams ON streams.id = stream WHERE ours = ? AND key = ? AND number = ?"
        return self.history._db.execute(query, (is_note, stream, number)).fetchone() is not None

    def sent(self) -> list[tuple[bytes, int, Standing]]:
        """All messages of this person: (recipient, number, standing)."""
        query = "SELECT key, number, standing FROM lines JOIN streams ON streams.id = stream WHERE ours"
        return [(stream, number, Standing(it)) for stream, number, it in self.history._db.execute(query)]

    def standing_of(self, stream: bytes, text: str) -> Standing | None:
        """How far a message of this person got that said this."""
        query = "SELECT standing FROM lines JOIN streams ON streams.id = stream WHERE ours AND key = ? AND text = ?"
        row = self.history._db.execute(query, (stream, text)).fetchone()
        return None if row is None else Standing(row[0])

    def count_standing(self, *standings: Standing) -> int:
        """How many messages of this person stand there."""
        return sum(standing in standings for _, _, standing in self.sent())

    # --- what a person does

    def send(self, to: str, text: str) -> None:
        """Say something, after looking the name up as the face does."""
        if not self.is_running:
            return
        found = self.core.look_up(to, now=self.network.now)
        if found is LookUp.ASKING:
            self.pump()
            self.network.after(0.05, lambda: self.send(to, text))
            return
        if found is LookUp.KNOWN:
            self.said_at.setdefault(text, self.network.now)
            self.core.send(to, text, now=self.network.now)
            self.pump()

    def send_all(self, text: str) -> None:
        """Say something to everybody."""
        self.said_at.setdefault(text, self.network.now)
        self.said_to_all[self.core.send_all(text, now=self.network.now)] = self.network.now
        self.pump()

    def say(self, text: str) -> None:
        """Say something in the room where this person is."""
        self.said_at.setdefault(text, self.network.now)
        self.core.say(text, now=self.network.now)
        self.pump()

    def enter(self, room: str) -> None:
        """`join`."""
        self.core.rooms.enter(room, now=self.network.now)
        self.pump()

    def leave_room(self) -> None:
        """`leave`."""
        self.core.rooms.leave(now=self.network.now)
        self.pump()

    def rename(self, new: str) -> None:
        """`/nick`, with the note in the folder that the shell makes before."""
        if self.core.renaming.refusal_of(new) is None:
            self.maybe_called = new
            self.names.add(new)
        self.core.rename(new, now=self.network.now)
        self.pump()

    def quit(self) -> None:
        """A clean end: the registry is told if it answers, and the next start is in no room."""
        self.core.rooms.forget()
        self.leave()
        self.network.run_until(lambda: not self.is_running or self.core.is_offline, within=3.0)
        if self.is_running:
            self.pump()
            self.crash()

    @property
    def room(self) -> str | None:
        """Where this person is, as the program says."""
        return self.core.rooms.room.room if self.core.rooms.room is not None else None

    def leave(self) -> None:
        """`dereg`."""
        self.core.leave(now=self.network.now)
        self.pump()

    def come_back(self) -> None:
        """`reg`."""
        self.core.start(now=self.network.now)
        self.pump()

    # --- the pump, as in `peer.node`

    def pump(self) -> None:
        """Move everything that the core has to say."""
        core, now = self.core, self.network.now
        self._send(core.datagrams_to_send(now=now))
        records = core.records_to_store()
        if records:
            self.history.apply(records)
        core.records_stored(now=now)
        self._send(core.datagrams_to_send(now=now))
        self._tend_link(core, now)
        if (name := core.name_confirmed()) is not None:
            self.called, self.maybe_called = name, None
        for event in core.events():
            if isinstance(event, happened.Registered) and self.came_at is None:
                self.came_at = now
            for line in self.screen.show(event):
                core.line_shown(line)
            if isinstance(event, ClientSaid):
                core.duty.lines_shown(event.visit, event.position)
        records = core.records_to_store()
        if records:
            self.history.apply(records)
            core.records_stored(now=now)
        self._tend_link(core, now)
        self._arm(core)

    def _send(self, datagrams: list[tuple[bytes, Address]]) -> None:
        for data, target in datagrams:
            assert len(data) <= 1_200
            self.network.send(data, self.address, target)

    def _datagram_came(self, data: bytes, source: Address) -> None:
        if self._core is None or self._is_put_off(
            lambda: self._datagram_came(data, source), may_be_lost=True
        ):
            return
        self.core.receive_datagram(data, source, now=self.network.now)
        self.pump()

    def _arm(self, core: PeerCore) -> None:
        due = core.next_timer()
        if due is None:
            self._timer = None
            return
        if self._timer is not None and self.network.now < self._timer.at <= due:
            return
        timer = self._timer = self.network.at(due, lambda: self._timer_rang(timer))

    def _timer_rang(self, timer: Happening) -> None:
        if timer is self._timer and self._core is not None:
            if self._is_put_off(lambda: self._timer_rang(timer)):
                return
            self._timer = None
            self._core.handle_timer(now=self.network.now)
            self.pump()

    # --- the link

    def _tend_link(self, core: PeerCore, now: float) -> None:
        if core.wants_link_closed() and self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            pipe.close(0)
        pieces = core.link_bytes_to_send(now=now)
        if self._pipe is not None:
            self._pipe.write(0, b"".join(pieces))
        if core.wants_link():
            self.network.after(0.001, lambda: self.connect(self))

    def link_refused(self) -> None:
        """Nobody listens on the registry's TCP port."""
        if self._core is not None:
            self._core.link_closed(now=self.network.now)
            self.pump()

    def link_made(self, pipe: Pipe) -> None:
        """A connection stands; this is end 0."""
        if self._core is None:
            pipe.close(0)
            return
        self._pipe = pipe
        reader = FrameReader()
        reader.largest = LINK_FRAME_MAX
        is_greeted = False

        def receive(data: bytes) -> None:
            nonlocal is_greeted
            if self._pipe is not pipe or self._core is None or self._is_put_off(lambda: receive(data)):
                return
            reader.feed(data)
            if not is_greeted:
                greeting = reader.take_raw(16)
                if greeting is None:
                    return
                is_greeted = True
                self._core.link_greeted(greeting, now=self.network.now)
            frames = []
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
            self._core.receive_frames(frames, now=self.network.now)
            self.pump()

        def closed() -> None:
            if self._pipe is pipe and self._core is not None and not self._is_put_off(closed):
                self._pipe = None
                self._core.link_closed(now=self.network.now)
                self.pump()

        pipe.receive[0], pipe.closed[0] = receive, closed
        self._core.link_connected(now=self.network.now)
        self.pump()
