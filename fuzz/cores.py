"""Fuzz targets: cores under bytes from strangers, friends and registries.

A core must drop and count invalid input, never raise, and answer nobody with more than they sent.
Each core is replaced after some bytes, so that a failing input can be identified.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from chatapp.registry.edge.links import PeerLink
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.store import entries
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rules.desk.help_desk import HelpDesk
from tests.support.guests import Guest
from tests.support.memory_store import MemoryStore
from tests.support.network import Network
from tests.support.people import Person
from tests.support.registry import SimulatedRegistry
from tests.support.world import World

STRANGER: Final = Address("7.7.7.7", 7_777)
COUNT_MAX: Final = 1 << 62
_RELAYED: Final = bytes((Kind.GROUP_RELAYED,))
STEP: Final = 0.01
"""Seconds of virtual time from one input to the next."""


class Registry:
    """A registry with people, a visitor and an operator receives any bytes by datagram, on a new
    connection, and on their links."""

    def __init__(self) -> None:
        help_desk = HelpDesk(DeskSettings(operators=("bob",)))
        self.rig = help_desk.rig
        alice, bob, asha = self.rig.member("alice"), help_desk.operator("bob"), help_desk.joined()
        alice.enter("tea")
        bob.peer.enter("tea")
        self.links: tuple[LinkedPeer, ...] = (alice, bob.peer, asha.peer)

    def __call__(self, data: bytes) -> None:
        rig = self.rig
        self._hear_a_stranger(data)
        for peer in self.links:
            assert peer.link is not None
            if peer.link not in rig.closed:
                peer.send_raw(peer.session.seal(data))
                rig.frames.clear()
        rig.datagrams.clear()
        rig.console.clear()
        rig.advance(STEP)

    def _hear_a_stranger(self, data: bytes) -> None:
        rig = self.rig
        rig.receive(data, STRANGER)
        sent = sum(map(len, rig.take(STRANGER)))
        assert sent <= len(data), "more bytes out than in"
        link = rig.open_link(STRANGER.host)
        rig.core.receive_frames(link, [data], now=rig.now)
        rig.close_link(link)


class _Remembering(MemoryStore):
    """A store that records everything ever appended."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[entries.Entry] = []

    def append(self, entries: Sequence[entries.Entry]) -> None:
        super().append(entries)
        self.said += entries


class Store:
    """A registry starts on a store with one strange entry, which is complete but was not written by
    a registry."""

    def __init__(self) -> None:
        help_desk = HelpDesk(DeskSettings(operators=("bob",)), store=(store := _Remembering()))
        alice, bob = help_desk.rig.member("alice"), help_desk.operator("bob")
        help_desk.joined()
        alice.enter("tea")
        bob.peer.enter("tea")
        alice.say("hi")
        self._said = store.said

    def __call__(self, data: bytes) -> None:
        entry = entries.decode(data)
        if entry is None or isinstance(entry, entries.CheckpointMark) or _counts_too_far(entry):
            return
        store = MemoryStore()
        place = len(data) % (len(self._said) + 1)
        store.append([*self._said[:place], entry, *self._said[place:]])
        store.sync()
        help_desk = HelpDesk(DeskSettings(operators=("bob",)), store=store)
        help_desk.rig._made = len(self._said)  # somebody who was never here
        help_desk.rig.member("zoe-9").enter("tea")
        help_desk.rig.advance(1.0)


def _counts_too_far(entry: entries.Entry) -> bool:
    """Whether a number in it is higher than any that a registry reaches: with a valid checksum that
    is not damage."""
    return any(
        isinstance(value, int) and value > COUNT_MAX for value in msgspec.structs.astuple(entry)
    )


class _Company:
    """Two people who know each other, and their registry; its later output is ignored."""

    def __init__(self) -> None:
        self.world = World(1, people=2)
        self.world.start()
        self.world.network.run_for(2.0)
        self.alice, self.bob = self.world.people
        for person in self.world.people:
            person.enter("tea")
        self.world.network.run_for(2.0)
        self.now = self.world.network.now

    def turn(self) -> None:
        """Carry out the output of alice's program, and let time pass for it."""
        core = self.alice.core
        _drain(self.alice, self.now)
        self.now += STEP
        due = core.next_timer()
        if due is not None and due <= self.now:
            core.handle_timer(now=self.now)


def _drain(person: Person, now: float) -> None:
    core = person.core
    core.datagrams_to_send(now=now)
    person.storage.store(core.records_to_store())
    core.records_stored(now=now)
    (
        core.link_bytes_to_send(now=now),
        core.wants_link(),
        core.wants_link_closed(),
        core.registry.renaming.take_confirmed(),
    )
    for event in core.events():
        for line in person.screen.show(event):
            core.lines_shown([line])
    person.screen.events.clear()
    person.screen.lines.clear()


class Peer(_Company):
    """A peer receives any bytes by datagram, also correctly sealed by a known person."""

    def __call__(self, data: bytes) -> None:
        for source in (STRANGER, self.world.machine.address, self.bob.address):
            self.alice.core.receive_datagrams([(data, source)], now=self.now)
        sessions = self.bob.core.direct._transport.sessions
        for datagram in sessions.seal(self.alice.identity.public, data[:1_000], now=self.now):
            self.alice.core.receive_datagrams([(datagram, self.bob.address)], now=self.now)
        self.turn()


class Uplink(_Company):
    """A peer receives anything from its registry, which is hostile."""

    def __init__(self) -> None:
        super().__init__()
        self.link = _link_of(self.world.machine, self.alice.identity.public)

    def __call__(self, data: bytes) -> None:
        assert self.link.session is not None
        if self.alice.core.registry.link.is_up:
            self.alice.core.receive_frames([self.link.session.seal(data)], now=self.now)
            if data[:1] == _RELAYED:
                self.alice.core.receive_frames([data], now=self.now)
        self.turn()


class Visitor:
    """A visitor of the help desk receives anything from the registry, by datagram and on the
    link."""

    def __init__(self) -> None:
        network = Network(1)
        registry = SimulatedRegistry(network, "9.9.9.9")
        registry.start()
        self.guest = Guest(network, "Asha", registry.address, "1.1.1.1")
        self.guest.connect = registry.connect
        self.guest.start()
        assert network.run_until(lambda: bool(self.guest.disk.ticket), within=10.0)
        network.run_for(2.0)
        self.link = registry.core.edge.links.attached()[0]
        self.server = registry.address
        self.now = network.now

    def __call__(self, data: bytes) -> None:
        core, now = self.guest.guest, self.now
        for source in (STRANGER, self.server):
            core.receive_datagrams([(data, source)], now=now)
        assert self.link.session is not None
        if core.is_linked:
            core.receive_frames([self.link.session.seal(data)], now=now)
        if core.wants_stored():
            core.stored()
        core.datagrams_to_send(), core.events()
        core.link_bytes_to_send(now=now), core.wants_link(), core.wants_link_closed()
        self.now += STEP
        due = core.next_timer()
        if due is not None and due <= self.now:
            core.handle_timer(now=self.now)


def _link_of(registry: SimulatedRegistry, identity: bytes) -> PeerLink:
    return next(link for link in registry.core.edge.links.attached() if link.identity == identity)
