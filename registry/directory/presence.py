"""Presence: who is online and where, and how the table comes to say so.

A peer is online if it has shown a sign of life within the lease (`registry.transport.liveness`). When a link ends, its
peer is offline at once; a later sign of life brings it back. A peer that said so before it went is away, all others are
lost (clause 3.2).
"""

from chatapp.registry.directory.directory import Directory, Person
from chatapp.registry.effects import Caller, Disconnect, Drop, Effect, Reply
from chatapp.registry.limits import WallClock
from chatapp.registry.transport.liveness import Liveness
from chatapp.registry.transport.sessions import Connections
from chatapp.wire.address import Address
from chatapp.wire.messages import table
from chatapp.wire.messages.registration import Leave, Left, Ping, Pong


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
            return [Drop(reason="ping of a stranger")]
        if caller.is_newest and caller.address is not None:
            self.arrive(person, caller, now=now)
        return _answer(Pong(ping.reference, self._directory.version), caller, person)

    def attach(self, caller: Caller, link: int, *, now: float) -> list[Effect] | None:
        """They have a link; a former one goes. None when they have this one already, or no name."""
        person, connection = (
            self._directory.person(caller.identity),
            self._connections.connection(caller.identity),
        )
        if person is None or connection.link == link:
            return None
        former = connection.link
        self._connections.attach(connection, link)
        self._liveness.note(caller.identity, now=now)
        self._show(person, caller, now)
        return [] if former is None else [Disconnect(link=former, reason="replaced by a newer link")]

    # --- going

    def leave(self, leave: Leave, caller: Caller, *, now: float) -> list[Effect]:
        """Off on purpose; each repeat is answered again."""
        person = self._directory.person(caller.identity)
        if person is None:
            return [Drop(reason="leave of a stranger")]
        effects = _answer(Left(leave.reference), caller, person)
        if caller.is_newest:  # an older one was sent before something that shows them here
            link = self._connections.link_of(caller.identity)
            if link is not None:
                effects.append(Disconnect(link=link, reason="left"))
            self._go(person, table.Presence.AWAY, now)
        return effects

    def evict(self, person: Person, *, now: float) -> list[Effect]:
        """They may not be here any more. The end of a link makes them away; who has none is so at once."""
        link = self._connections.link_of(person.card.identity)
        if link is not None:
            return [Disconnect(link=link, reason="kept out")]
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
            return [Disconnect(link=link, reason="silent")]
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
        self._connections.detach(self._connections.connection(identity))
        self._show(person, None, now, absence)

    def _show(
        self,
        person: Person,
        caller: Caller | None,
        now: float,
        absence: table.Presence = table.Presence.LOST,
    ) -> None:
        identity = person.card.identity
        connection = self._connections.connection(identity)
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
    return [Drop(reason="old datagram from elsewhere")]
