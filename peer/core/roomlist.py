"""Which rooms there are: asked of the registry, told when it answers.

While it does not, the room where we are is the only one that we know of.
"""

from peer.core.asked import AWAY, OFFLINE, SILENT, Asked
from peer.core.events import Room, RoomsListed, Trouble
from peer.core.membership import Membership
from peer.core.parts import Parts
from peer.core.reach import Reach
from wire.messages import room as wire


class RoomList:
    """At most one question, the newest. It waits for the link while the registry is being looked for."""

    def __init__(self, parts: Parts, members: Membership) -> None:
        self._groups = parts.groups
        self._link = parts.link
        self._out = parts.out
        self._outlook = parts.outlook
        self._session = parts.session
        self._policy = parts.policy
        self._rng = parts.rng
        self._members = members
        self._asked: Asked | None = None

    def ask(self, *, now: float) -> None:
        """Ask which rooms there are; `RoomsListed` follows."""
        self._asked = Asked(self._rng.getrandbits(32), "", None)
        if self._outlook.reach is Reach.LOST:
            if not self._session.search(now=now):
                self.give_up(AWAY)
        elif self._outlook.reach is Reach.NONE:
            self.give_up(OFFLINE)
        elif self._link.is_up:
            self.link_up(now=now)

    def link_up(self, *, now: float) -> None:
        """Ask what waits for an answer, or for a link to be asked on."""
        if self._asked is not None:
            self._asked.deadline = now + self._policy.give_up_after
            self._out.requests.append(wire.ListRooms(reference=self._asked.reference))

    def listed(self, notice: wire.RoomsListed) -> None:
        """The rooms with somebody in them."""
        if self._asked is not None and notice.reference == self._asked.reference:
            self._asked = None
            rooms = [Room(name=one.group[1:], here=one.here) for one in notice.rooms]
            rooms.sort(key=lambda room: room.name)
            self._out.events.append(RoomsListed(rooms=tuple(rooms)))

    def link_lost(self) -> None:
        """Ask again on the next link."""
        if self._asked is not None:
            self._asked.deadline = None

    def give_up(self, why: str) -> None:
        """Tell of the room where we are instead, if the question is unanswered."""
        if self._asked is not None:
            self._asked = None
            self._list_own(why)

    def handle_timer(self, *, now: float) -> None:
        """Give up when the answer takes too long."""
        if self._asked is not None and self._asked.is_due(now):
            self.give_up(SILENT)

    def next_timer(self) -> float | None:
        """When the answer is not waited for any longer."""
        return self._asked.deadline if self._asked is not None else None

    def _list_own(self, why: str) -> None:
        self._out.events.append(Trouble(text=f"Which rooms there are is not known: {why}"))
        room = self._groups.room
        if room is not None:
            here = len(self._members.here()) + 1
            self._out.events.append(RoomsListed(rooms=(Room(name=room.room, here=here),)))
