"""A whole world: a registry of one node or three, several people and visitors of its help desk, one
network.

After every step the promise of docs/explanation/reliability.md is checked (`promise`). What happens in a world
is others' to say.
"""

from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.records import group_mark
from chatapp.registry.rules.desk.settings import DeskSettings
from tests.support.cluster.cluster import SimulatedCluster
from tests.support.guests import Guest
from tests.support.network import Network, Weather
from tests.support.people import Person
from tests.support.promise.conversations import TalkPromise
from tests.support.promise.desk import DeskPromise
from tests.support.promise.letters import LettersPromise
from tests.support.promise.lines import LinesPromise
from tests.support.promise.nodes import NodesPromise
from tests.support.promise.order import OrderPromise
from tests.support.promise.presence import PresencePromise
from tests.support.promise.rooms import RoomsPromise
from tests.support.promise.tables import TablesPromise
from tests.support.promise.timers import TimersPromise
from tests.support.promise.views import ViewsPromise
from tests.support.registry import SimulatedRegistry

NAMES = ("alice", "bob", "carol", "dave", "erin")
VISITORS = ("Ana", "Ben", "Cem", "Dan")


class World:
    """A whole simulated world, made from one seed."""

    def __init__(
        self,
        seed: int,
        *,
        people: int,
        weather: Weather | None = None,
        desk: DeskSettings | None = None,
        nodes: int = 1,
    ) -> None:
        """`nodes`: 1 for a registry on one machine, `NODES` for a cluster."""
        self.network = Network(seed, weather)
        self.registry: SimulatedRegistry | SimulatedCluster = (
            SimulatedRegistry(self.network, "9.9.9.9")
            if nodes == 1
            else SimulatedCluster(self.network)
        )
        self.registry.desk = desk or self.registry.desk
        self.people: list[Person] = []
        self.guests: list[Guest] = []
        for _ in range(people):
            self._add_person()
        self.lines = LinesPromise(self)
        self.letters = LettersPromise(self)
        self.tables = TablesPromise(self)
        self.rooms = RoomsPromise(self)
        self.desk = DeskPromise(self)
        self.conversation = TalkPromise(self)
        self.views = ViewsPromise(self)
        self.presence = PresencePromise(self)
        self.order = OrderPromise(self)
        self.nodes = NodesPromise(self)
        self.timers = TimersPromise(self)
        self._promise = (
            self.lines,
            self.letters,
            self.tables,
            self.presence,
            self.rooms,
            self.desk,
            self.conversation,
            self.nodes,
        )
        self.network.after_each = self.check
        self.is_healed = False
        """Whether faults have ended."""
        self._number = 0

    @property
    def machine(self) -> SimulatedRegistry:
        """The machine of a registry that has only one."""
        assert isinstance(self.registry, SimulatedRegistry)
        return self.registry

    def start(self) -> None:
        """Start everybody."""
        self.registry.start()
        for person in self.people:
            person.start()

    def next_number(self) -> int:
        """Return a number that makes a text unique."""
        self._number += 1
        return self._number

    def person(self, name: str) -> Person:
        """Return the person with this name."""
        return next(person for person in self.people if name in person.names)

    def newcomer(self) -> Person | None:
        """Return a new person; None when there is nobody left to come."""
        if len(self.people) == len(NAMES):
            return None
        person = self._add_person()
        person.start()
        return person

    def visitor(self) -> Guest | None:
        """Return a new visitor of the help desk; None when there is nobody left to come."""
        if len(self.guests) == len(VISITORS):
            return None
        at = len(self.guests)
        guest = Guest(self.network, VISITORS[at], self.registry.addresses[0], f"2.2.2.{at + 1}")
        guest.servers = self.registry.servers(at)
        guest.connect = self.registry.connect
        self.guests.append(guest)
        guest.start()
        return guest

    def _add_person(self) -> Person:
        at = len(self.people)
        person = Person(self.network, NAMES[at], self.registry.addresses[0], f"1.1.1.{at + 1}")
        person.servers = self.registry.servers(at)
        person.connect = self.registry.connect
        person.operator_code = self.registry.operator_code
        self.people.append(person)
        return person

    # --- the promise

    def check(self) -> None:
        """Check the promise after a step."""
        for part in self._promise:
            part.look()

    def check_now_and_then(self) -> None:
        """Check what is too expensive to check after every step."""
        self.tables.look_closely()
        self.timers.look_closely()

    # --- the end

    def heal(self) -> None:
        """End all faults and bring everybody online."""
        self.is_healed = True
        self.network.heal()
        self.network.weather = Weather()
        self.registry.heal()
        for person in (*self.people, *self.guests):
            person.wake_up()
            if not person.is_running:
                person.start()
        for guest in self.guests:
            if (
                guest.guest.has_left
            ):  # a bit of their HELLO's version was flipped, and they were told of it
                guest.crash()
                guest.start()
        for person in self.people:
            if person.core.is_offline:
                person.come_back()

    @property
    def pinged_within(self) -> float:
        """Seconds within which everybody pings the registry on their link, whatever else they say:
        twice the longest lease."""
        return 2 * max(self.registry.lease_of(person.identity.public) for person in self.people)

    def is_calm(self) -> bool:
        """Whether every message has arrived, and everybody's state is up to date."""
        return (
            len({person.core.table_version for person in self.people}) == 1
            and all(
                person.core.reach is RegistryReach.UP and person.core.is_settled
                for person in self.people
            )
            and all(person.core.rooms.is_settled for person in self.people)
            and all(guest.is_at_rest for guest in self.guests)
            and not any(self._waits(person) for person in self.people)
        )

    def _waits(self, person: Person) -> bool:
        """Whether a message of this person is still to be sent; lines to rooms that they have left
        may stay."""
        left = {group_mark(f"#{room}") for room in self.rooms.names if room not in person.rooms}
        unsettled = (MessageState.UNSETTLED, MessageState.KEPT)
        return any(state in unsettled and stream not in left for stream, _, state in person.sent())
