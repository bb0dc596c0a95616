"""Presence: signs of life, who is online and where, and how the table comes to say so.

A peer is online if it has shown a sign of life within the lease. An open TCP connection is not such
a sign: the kernel of a hung program, or of a machine that is gone, keeps it open for minutes. Only
what a program says itself counts: a REGISTER, a Ping, any frame on its link (clause 5.4). When a
link ends, its peer is offline at once, until its next sign of life. A peer that said goodbye is
away, all others are lost (clause 3.2).
"""

from typing import Final

from chatapp.registry.rules.directory.connections import NOWHERE, Connections, Liveness, Place
from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.effects import (
    Caller,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    LinkEndReason,
    Reply,
    origin_of,
)
from chatapp.registry.rules.limits import WallClock
from chatapp.registry.store.protocol import KeptTable
from chatapp.wire.messages import table
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.registration import AskLease, LeaseNamed, Leave, Left, Ping, Pong


class PresenceTracker:
    """Keeps the directory and the connections in step with who is online."""

    def __init__(
        self, directory: Directory, connections: Connections, liveness: Liveness, clock: WallClock
    ) -> None:
        self._directory = directory
        self.connections: Final = connections
        self.liveness: Final = liveness
        self._clock = clock
        self._lost_nodes: set[int] = set()
        """Nodes that have gone. Their numbers are never used again."""

    def recall(self, kept: KeptTable, *, first: int, now: float) -> None:
        """Go on with the table that an earlier run has told of. Who was online there is so for one
        more lease. `first`: where the versions of this run begin."""
        indices = self.connections.indices
        for person in self._directory.recall(kept, first=first, is_sender=indices.is_reserved):
            identity = person.card.identity
            self.connections.of(identity).sender_index = person.sender_index
            if person.online:
                is_slow = person.presence is table.Presence.SLOW
                self.liveness.lend(identity, is_slow=is_slow, now=now)

    # --- signs of life

    def arrive(self, person: Person, caller: Caller, *, now: float) -> None:
        """Note that a person registered or sent a Ping. If the node at which it came has gone
        meanwhile, so has the person."""
        if caller.node in self._lost_nodes:
            return
        self.liveness.note(caller.identity, now=now)
        self._show(person, caller, now)

    def adopt(self, nonce: bytes, caller: Caller, *, now: float) -> list[Effect]:
        """Count a person as registered whose link has outlived an earlier run, as if they had sent
        REGISTER with this nonce. It ends if they are elsewhere now, or may be: who has registered
        in this run, and who was away or at another address when the earlier one ended."""
        person, link = self._directory.person(caller.identity), caller.link
        connection = self.connections.of(caller.identity)
        is_there = person is not None and person.online and person.address == caller.address
        if person is None or not is_there or connection.nonce:
            assert link is not None
            return [Disconnect(link=link, reason=LinkEndReason.REPLACED)]
        connection.nonce, connection.node = nonce, origin_of(caller)
        self.arrive(person, caller, now=now)
        return []

    def ping(self, ping: Ping, caller: Caller, *, now: float) -> list[Effect]:
        """Answer a Ping: it renews the lease, or brings the person back, at the address of their
        newest datagram."""
        person = self._directory.person(caller.identity)
        if person is None:
            return [Drop(reason=DropReason.PING_FROM_STRANGER)]
        if caller.is_newest and caller.address is not None and self._is_current(caller):
            self.arrive(person, caller, now=now)
        return _answer(Pong(ping.reference, self._directory.version), caller, person)

    def ask_lease(self, request: AskLease, caller: Caller, *, now: float) -> list[Effect]:
        """Give somebody the lease of a slow link, or the usual one, for as long as their link
        lives."""
        person = self._directory.person(caller.identity)
        if person is None or caller.link != self.connections.link_of(caller.identity):
            return [Drop(reason=DropReason.PING_FROM_STRANGER)]
        span = self.liveness.lend(caller.identity, is_slow=request.is_slow, now=now)
        self._show(person, caller, now)
        return [Reply(to=caller, message=LeaseNamed(seconds=span))]

    def set_status(self, request: table.SetStatus, caller: Caller, *, now: float) -> list[Effect]:
        """Set what somebody's row says of them. The changed row is the answer."""
        person = self._directory.person(caller.identity)
        if person is None or caller.link != self.connections.link_of(caller.identity):
            return [Drop(reason=DropReason.PING_FROM_STRANGER)]
        self._directory.set_status(person, request.status, request.away, now=now)
        return []

    def attach(
        self, request: Attach, caller: Caller, link: int, *, now: float
    ) -> list[Effect] | None:
        """Attach a link and end a former one. Return None if the link is attached already, or the
        person has no name. A program that had the person's last sender index, as it says, keeps it:
        it goes on counting. So it does not if its table has what an earlier run alone told it: then
        it fetches the whole one. While there is no index for another one, the link itself is ended:
        its peer makes another. So is a link at a node that the person has left."""
        person, connection = (
            self._directory.person(caller.identity),
            self.connections.of(caller.identity),
        )
        if person is None or connection.link == link:
            return None
        if not self._is_current(caller):
            return [Disconnect(link=link, reason=LinkEndReason.REPLACED)]
        claimed = request.sender_index
        goes_on = claimed != 0 and claimed == connection.sender_index
        if goes_on and not self._directory.table.is_missed(request.version):
            index: int | None = claimed
        else:
            index = self.connections.indices.take(claimed)
        if index is None:
            return [Disconnect(link=link, reason=LinkEndReason.NO_SENDER_INDEX)]
        former = connection.link
        self.connections.attach(connection, link, index)
        if caller.identity in self.liveness.slow:  # for the former link
            self.liveness.lend(caller.identity, is_slow=False, now=now)
        self.liveness.note(caller.identity, now=now)
        self._show(person, caller, now)
        self._directory.link_came(person, now=now)
        return [] if former is None else [Disconnect(link=former, reason=LinkEndReason.REPLACED)]

    # --- going

    def leave(self, leave: Leave, caller: Caller, *, now: float) -> list[Effect]:
        """Take somebody offline who said goodbye; each repeat is answered again."""
        person = self._directory.person(caller.identity)
        if person is None:
            return [Drop(reason=DropReason.LEAVE_FROM_STRANGER)]
        effects = _answer(Left(leave.reference), caller, person)
        if caller.is_newest and self._is_current(
            caller
        ):  # an older Leave was sent before another sign of life
            link = self.connections.link_of(caller.identity)
            if link is not None:
                effects.append(Disconnect(link=link, reason=LinkEndReason.LEFT))
            self._go(person, table.Presence.AWAY, now)
        return effects

    def evict(self, person: Person, reason: LinkEndReason, *, now: float) -> list[Effect]:
        """Take a person offline who is banned or kicked: by ending the link if there is one, else
        at once."""
        link = self.connections.link_of(person.card.identity)
        if link is not None:
            return [Disconnect(link=link, reason=reason)]
        self._go(person, table.Presence.LOST, now)
        return []

    def forget(self, identity: bytes) -> None:
        """Forget the lease and the link of somebody who has no name any more."""
        self.liveness.end(identity)
        self.connections.detach(self.connections.of(identity))

    def link_lost(self, identity: bytes, link: int, *, now: float) -> bool:
        """Note that a link is over. Return whether it was the person's current one."""
        person = self._directory.person(identity)
        if person is None or self.connections.link_of(identity) != link:
            return False
        self._go(person, table.Presence.LOST, now)
        return True

    def node_lost(self, node: int, *, now: float) -> list[tuple[int, bytes]]:
        """Take those offline whose last sign of life came in at a node that has gone, and who have
        no link. Return the links of the others, with their identities: these are of before their
        REGISTER at that node, and are to end."""
        self._lost_nodes.add(node)
        former: list[tuple[int, bytes]] = []
        for identity in self._directory.online_at(node):
            person, link = self._directory.person(identity), self.connections.link_of(identity)
            if link is not None:
                former.append((link, identity))
            elif person is not None:
                self._go(person, table.Presence.LOST, now)
        return former

    def _is_current(self, caller: Caller) -> bool:
        """Return whether the caller is at the node of their last REGISTER. What comes from another
        one was said before."""
        return origin_of(caller) == self.connections.of(caller.identity).node

    def silent(self, identity: bytes, *, now: float) -> list[Effect]:
        """Take a silent person offline: by ending the link if there is one, else at once."""
        link = self.connections.link_of(identity)
        if link is not None:
            return [Disconnect(link=link, reason=LinkEndReason.SILENT)]
        person = self._directory.person(identity)
        if person is not None:
            self._show(person, None, now)
        return []

    def place_of(self, identity: bytes) -> Place:
        """Return where somebody online is."""
        person = self._directory.person(identity)
        if person is None or not person.online:
            return NOWHERE
        return Place(self.connections.link_of(identity), person.address, person.node)

    def _go(self, person: Person, absence: table.Presence, now: float) -> None:
        identity = person.card.identity
        self.liveness.end(identity)
        self.connections.detach(self.connections.of(identity))
        self._show(person, None, now, absence)

    def _show(
        self,
        person: Person,
        caller: Caller | None,
        now: float,
        absence: table.Presence = table.Presence.LOST,
    ) -> None:
        identity = person.card.identity
        connection = self.connections.of(identity)
        here = table.Presence.SLOW if identity in self.liveness.slow else table.Presence.ONLINE
        self._directory.place(
            person,
            presence=here if identity in self.liveness else absence,
            sender_index=connection.sender_index,
            address=None if caller is None else caller.address,
            node=None if caller is None else origin_of(caller),
            wall_ms=self._clock.millis(now),
            now=now,
        )


def _answer(message: Pong | Left, caller: Caller, person: Person) -> list[Effect]:
    """Answer, unless only an old datagram speaks for the address: anybody may have replayed it."""
    if caller.address is None or caller.is_newest or caller.address == person.address:
        return [Reply(to=caller, message=message)]
    return [Drop(reason=DropReason.OLD_DATAGRAM_FROM_ELSEWHERE)]
