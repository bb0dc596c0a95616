"""Reports to senders: *delivered* means stored by the reader (I2), *saved* means in the mailbox or
fetched (I3), and in the end nothing is missing.

Checked on the disks.
"""

from typing import TYPE_CHECKING

from chatapp.peer.api.events import MessageChanged, MessageState
from chatapp.peer.core.records import DEAD
from tests.support.people import Person
from tests.support.screen import is_now

if TYPE_CHECKING:
    from tests.support.world import World


class LettersPromise:
    """Checks that what senders were told is true."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._checked: dict[str, int] = {}

    def look(self) -> None:
        """After every step."""
        for person in self._world.people:
            events = person.screen.events
            for event in events[self._checked.get(person.name, 0) :]:
                if (
                    is_now(event, MessageState.DELIVERED, MessageState.SAVED)
                    and event.conversation.is_person
                ):
                    self._check(person, event)
            self._checked[person.name] = len(events)

    def _check(self, person: Person, event: MessageChanged) -> None:
        reader, sender = self._world.person(event.conversation.name), person.identity.public
        number = person.number_of(event.id)
        is_stored = reader.holds(sender, number)
        if event.state is MessageState.DELIVERED:
            is_kept = reader.has_lost_power and person.may_give_again(
                reader.identity.public, number
            )
            assert is_stored or is_kept, f"I2: {number} is not with {event.conversation}"
        else:
            is_held = self._world.registry.holds(sender, reader.identity.public, number)
            assert is_held or is_stored, (
                f"I3: {number} is not in the mailbox of {event.conversation}"
            )

    def check_all_arrived(self) -> None:
        """At the end: everything sent and not refused was stored and shown."""
        by_key = {person.identity.public: person for person in self._world.people}
        for person in self._world.people:
            ours = person.identity.public
            for recipient, number, state in person.sent():
                if state in DEAD or recipient not in by_key or recipient == ours:
                    continue
                reader = by_key[recipient]
                assert reader.holds(ours, number), "something sent never arrived"
                shown = {line.number for line in reader.screen.lines if line.identity == ours}
                assert number in shown, "something stored was never shown"
