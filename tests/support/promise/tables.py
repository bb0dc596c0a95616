"""The table: a name has one holder (I4), tables go forward and end equal (I5), and whatever
strangers can grow stays below its limit (I8).

Checked in the cores.
"""

from typing import TYPE_CHECKING, Final

from chatapp.wire.address import Address
from chatapp.wire.limits import MAILBOX_PLACES

if TYPE_CHECKING:
    from tests.support.world import World

_SHOWN_WITHIN: Final = 20.0
"""Seconds from a change of the table to the moment when the registry knows where everybody is. It
did not know of those whose translation a router forgot, or whose ping a stranger's copy overtook:
they miss the change, hear of it with the next Ping on their links and ping it by UDP (clause
5.4)."""


class TablesPromise:
    """Checks everybody's table."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._versions: dict[str, int] = {}
        self._holders: dict[str, bytes] = {}

    @property
    def _tells_all(self) -> bool:
        """Whether everybody is always told of everybody: only then is what they know on disk of one
        version."""
        return self._world.registry.broadcast_up_to > len(self._world.people)

    def put_back(self, name: str) -> None:
        """A person's disk was restored from a backup."""
        self._versions.pop(name, None)

    def look(self) -> None:
        """After every step."""
        for person in self._world.people:
            if person.bound_at is None and self._world.registry.knows(person.identity.public):
                person.bound_at = self._world.network.now
            if person.is_running and self._tells_all:
                version = person.core.roster.table.version
                assert version >= self._versions.get(person.name, 0), (
                    f"I5: the table of {person.name} went back"
                )
                self._versions[person.name] = version

    def look_closely(self) -> None:
        """Check what is too expensive to check after every step."""
        for person in self._world.people:
            if not person.is_running:
                continue
            for contact in person.core.roster.contacts:
                holder = self._holders.setdefault(contact.name, contact.identity)
                assert holder == contact.identity, f"I4: {contact.name} belongs to two keys"
        if self._world.registry.is_running:
            boxes = self._world.registry.engine.hub.mail._boxes._boxes
            assert all(box.shares.held <= MAILBOX_PLACES for box in boxes.values()), "I8: a mailbox"
            everybody = len(self._world.people) + len(self._world.guests)
            assert self._world.registry.sessions <= 10 * everybody + 200, "I8: sessions"

    def check_equal(self) -> None:
        """At the end: everybody sees all those of whom they are told, with the right name and
        address."""
        directory = self._world.registry.engine.hub.directory
        everybody = {(one.card.name, one.online) for one in directory}
        for person in self._world.people:
            table = {(one.name, one.online) for one in person.core.people()}
            assert person.core.me.name == person.called
            assert (person.called, True) in table, f"I4: {person.called} is not in the table"
            if person.core.roster.interest.is_on:
                assert table <= everybody, f"I5: tables differ: {table - everybody}"
            else:
                assert table == everybody, f"I5: tables differ: {table ^ everybody}"
        for person in self._world.people:
            person.core.roster.wants_cards()
            person.turn()
        assert self._world.network.run_until(
            lambda: not any(one.core.roster.awaits_cards for one in self._world.people),
            within=_SHOWN_WITHIN,
        ), "cards were asked for in vain"
        if self._elsewhere():
            self._change_table()
        assert not self._elsewhere(), self._elsewhere()

    def _change_table(self) -> None:
        first, network = self._world.people[0], self._world.network
        first.leave()
        assert network.run_until(lambda: first.core.is_offline, within=10.0)
        first.come_back()
        network.run_until(
            lambda: self._world.is_calm() and not self._elsewhere(),
            within=self._world.pinged_within + _SHOWN_WITHIN,
        )

    def _elsewhere(self) -> list[str]:
        """Return who has somebody at another address than theirs in the table. Where datagrams go
        may be where somebody on the path has sent a captured one from."""
        return [
            f"{other.name} has {person.name} elsewhere"
            for person in self._world.people
            for other in self._world.people
            if (contact := other.core.roster.contacts.by_identity(person.identity.public))
            if other is not person and contact.is_current
            if other.core.roster.contacts.is_followed(contact)
            if Address(contact.row.host, contact.row.port) != person.address
        ]
