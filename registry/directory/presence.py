"""Presence: who is online and where, and how the table comes to say so.

A peer is online if it has shown a sign of life within the lease (`Liveness`). When a link ends, its
peer is offline at once; a later sign of life brings it back. A peer that said so before it went is away, all others are
lost (clause 3.2).
"""

from typing import Final

from chatapp.registry.directory.directory import Directory, Person
from chatapp.registry.effects import Caller, Disconnect, Drop, DropReason, Effect, LinkEndReason, Reply
from chatapp.registry.limits import Leases, RegistryPolicy, WallClock
from chatapp.registry.transport.sessions import Connections
from chatapp.wire.address import Address
from chatapp.wire.messages import table
from chatapp.wire.messages.registration import Leave, Left, Ping, Pong


class Liveness:
    """Members and guests alike, by identity. It decides who is silent; what follows from that is decided elsewhere."""

    def __init__(self, policy: RegistryPolicy) -> None:
        self._leases: Final[Leases[bytes]] = Leases(policy.lease_span)
        self._doubted: Final[Leases[bytes]] = Leases(policy.probe_span)
        """By when each must show a sign of life, or is asked (again)."""
        self._probes: Final[dict[bytes, int]] = {}
        """How often each of them was asked."""
        self._probes_max: Final = policy.probes
        self._late_after: Final = policy.late_after
        self._patience: Final = policy.probe_span * policy.probes
        self._patient_until = float("-inf")

    def note_if_present(self, identity: bytes, *, now: float) -> None:
        """Note a sign of life of somebody who is here already."""
        if identity in self._leases:
            self.note(identity, now=now)

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._leases

    def note(self, identity: bytes, *, now: float) -> None:
        """They have shown a sign of life: they are here for one more lease, and no longer in doubt."""
        self._leases.renew(identity, now=now)
        if identity in self._probes:
            self._settle(identity)

    def end(self, identity: bytes) -> None:
        """They are gone."""
        self._leases.end(identity)
        self._settle(identity)

    def check_alive(self, identity: bytes, *, now: float) -> None:
        """Somebody waits for them in vain. Unless they show a sign of life soon, they are asked for one, several times.

        It makes nobody silent who answers; and each doubt costs one probe at most, after a pause."""
        if identity in self._leases and identity not in self._probes:
            self._probes[identity] = 0
            self._doubted.renew(identity, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> tuple[list[bytes], list[bytes]]:
        """Drained: who is silent (and gone from here), and who is to be asked for a sign of life now."""
        due = self.next_timer()
        if due is None or now < due:
            return [], []
        if now > due + self._late_after:
            # We were stopped ourselves, and what was said meanwhile is still to be read: it would be unjust to judge now.
            self._patient_until = now + self._patience
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
                self._leases.end(identity)
                silent.append(identity)
        for identity in self._leases.expired(now=now):
            self._settle(identity)
            silent.append(identity)
        return silent, to_ask

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        deadlines = (self._leases.next_deadline(), self._doubted.next_deadline())
        due = min((deadline for deadline in deadlines if deadline is not None), default=None)
        return None if due is None else max(due, self._patient_until)

    def _settle(self, identity: bytes) -> None:
        if self._probes.pop(identity, None) is not None:
            self._doubted.end(identity)


class PresenceTracker:
    """Keeps directory and roster in step with who is here."""

    def __init__(
        self, directory: Directory, connections: Connections, liveness: Liveness, clock: WallClock
    ) -> None:
        self._directory = directory
        self._connections = connections
        self._liveness = liveness
        self._clock = clock

    # --- signs of life

    def arrive(self, person: Person, caller: Caller, *, now: float) -> None:
        """They have registered."""
        self._liveness.note(caller.identity, now=now)
        self._show(person, caller, now)

    def ping(self, ping: Ping, caller: Caller, *, now: float) -> list[Effect]:
        """Keeps the lease, or brings somebody back; moves them to where their newest datagram came from."""
        person = self._directory.person(caller.identity)
        if person is None:
            return [Drop(reason=DropReason.PING_FROM_STRANGER)]
        if caller.is_newest and caller.address is not None:
            self.arrive(person, caller, now=now)
        return _answer(Pong(ping.reference, self._directory.version), caller, person)

    def attach(self, caller: Caller, link: int, *, now: float) -> list[Effect] | None:
        """They have a link; a former one goes. None when they have this one already, or no name."""
        person, connection = (
            self._directory.person(caller.identity),
            self._connections.of(caller.identity),
        )
        if person is None or connection.link == link:
            return None
        former = connection.link
        self._connections.attach(connection, link)
        self._liveness.note(caller.identity, now=now)
        self._show(person, caller, now)
        return [] if former is None else [Disconnect(link=former, reason=LinkEndReason.REPLACED)]

    # --- going

    def leave(self, leave: Leave, caller: Caller, *, now: float) -> list[Effect]:
        """Off on purpose; each repeat is answered again."""
        person = self._directory.person(caller.identity)
        if person is None:
            return [Drop(reason=DropReason.LEAVE_FROM_STRANGER)]
        effects = _answer(Left(leave.reference), caller, person)
        if caller.is_newest:  # an older one was sent before something that shows them here
            link = self._connections.link_of(caller.identity)
            if link is not None:
                effects.append(Disconnect(link=link, reason=LinkEndReason.LEFT))
            self._go(person, table.Presence.AWAY, now)
        return effects

    def evict(self, person: Person, *, now: float) -> list[Effect]:
        """They may not be here any more. The end of a link makes them away; who has none is so at once."""
        link = self._connections.link_of(person.card.identity)
        if link is not None:
            return [Disconnect(link=link, reason=LinkEndReason.BANNED)]
        self._go(person, table.Presence.LOST, now)
        return []

    def link_lost(self, identity: bytes, link: int, *, now: float) -> bool:
        """A link is over; whether it was the one that held somebody here."""
        person = self._directory.person(identity)
        if person is None or self._connections.link_of(identity) != link:
            return False
        self._go(person, table.Presence.LOST, now)
        return True

    def silent(self, identity: bytes, *, now: float) -> list[Effect]:
        """They have shown no sign of life for too long: the end of their link makes them lost, or they are at once."""
        link = self._connections.link_of(identity)
        if link is not None:
            return [Disconnect(link=link, reason=LinkEndReason.SILENT)]
        person = self._directory.person(identity)
        if person is not None:
            self._show(person, None, now)
        return []

    def place_of(self, identity: bytes) -> tuple[int | None, Address | None]:
        """The link and the address of somebody who is online."""
        person = self._directory.person(identity)
        if person is None or not person.online:
            return None, None
        return self._connections.link_of(identity), person.address

    def _go(self, person: Person, absence: table.Presence, now: float) -> None:
        identity = person.card.identity
        self._liveness.end(identity)
        self._connections.detach(self._connections.of(identity))
        self._show(person, None, now, absence)

    def _show(
        self,
        person: Person,
        caller: Caller | None,
        now: float,
        absence: table.Presence = table.Presence.LOST,
    ) -> None:
        identity = person.card.identity
        connection = self._connections.of(identity)
        is_here = identity in self._liveness
        self._directory.place(
            person,
            presence=table.Presence.ONLINE if is_here else absence,
            sender_index=connection.sender_index,
            address=None if caller is None else caller.address,
            wall_ms=self._clock.millis(now),
            now=now,
        )


def _answer(message: Pong | Left, caller: Caller, person: Person) -> list[Effect]:
    """Nobody is written to at a place for which only an old datagram speaks: it may have been sent on by anybody."""
    if caller.address is None or caller.is_newest or caller.address == person.address:
        return [Reply(to=caller, message=message)]
    return [Drop(reason=DropReason.OLD_DATAGRAM_FROM_ELSEWHERE)]
