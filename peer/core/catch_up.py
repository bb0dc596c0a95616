"""Catching up after the link came up: what was missed is gathered, and shown together once it is
complete.

The room is announced first, then the missed lines, oldest first. If there are too many, some are
shown before that.
"""

from dataclasses import dataclass
from typing import Final

from chatapp.peer.api.conversations import room
from chatapp.peer.api.events import EnteredRoom, MailReturned, Said
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.rooms.group import Groups
from chatapp.peer.core.rooms.membership import Membership
from chatapp.wire.limits import HELD_MESSAGE_COST, TEXTS_WAITING_MAX
from chatapp.wire.messages.mail import TakeMail


@dataclass(slots=True)
class PendingRequest:
    """A request about rooms that the registry has not answered."""

    reference: int
    room: str
    deadline: float | None
    """None while there is no link to ask on, and after the wait for an answer is over."""

    def is_due(self, now: float) -> bool:
        """Return whether the wait for the answer is over."""
        return self.deadline is not None and now >= self.deadline


class RoomArrival:
    """The requests that bring us into a room, and the announcement that we are there."""

    def __init__(
        self, ctx: Context, *, groups: Groups, members: Membership, link: RegistryLink
    ) -> None:
        self._ctx: Final = ctx
        self._groups = groups
        self._members = members
        self._link = link
        self._out = ctx.out
        self.entry: PendingRequest | None = None
        """The user's request to enter another room."""
        self.reentry: PendingRequest | None = None
        """The request that names our present room to the registry, on a new link or after an entry
        that failed."""

    def announce(self, catch_up: "CatchUp") -> None:
        """Tell the user that we are in the room, once: not while an entry is pending, or while the
        registry has yet to learn that we are there, or lines are missing."""
        room, reach = self._groups.room, self._ctx.status.reach
        if room is None or self._members.is_announced or self.entry is not None:
            return
        if reach is RegistryReach.NONE:
            return
        if reach is not RegistryReach.LOST:
            is_reentering = self.reentry is not None and self.reentry.deadline is not None
            if is_reentering or not self._link.is_up or catch_up.awaits(room.name):
                return
        missed = catch_up.count(room.room)
        members = self._members.announce()
        topic = self._members.topic
        shown = "" if topic is None or self._members.hides(topic) else topic.text
        self._out.events.append(
            EnteredRoom(room=room.room, members=members, missed=missed, topic=shown)
        )


class CatchUp:
    """Gathers the mail and lines that the registry sends after the link came up, until all of it is
    here."""

    def __init__(self, ctx: Context, arrival: RoomArrival) -> None:
        self._out = ctx.out
        self._arrival = arrival
        self._lines: list[Said] = []
        self._size = 0
        """Their length in characters, and HELD_MESSAGE_COST for each."""
        self._to_take: list[int] = []
        self._taking: list[tuple[int, list[int]]] = []
        """Mail that is stored, with the sync after which the registry may drop it."""
        self._awaited: set[str] = set()
        """Groups whose missed lines are on their way."""
        self.is_mail_drained = True

    def begin(self) -> None:
        """Begin to wait for our mail: the link is up."""
        self.is_mail_drained = False

    def await_group(self, name: str) -> None:
        """Wait for the missed lines of this group as well."""
        self._awaited.add(name)

    def group_drained(self, name: str) -> None:
        """Stop waiting for a group: its missed lines are here, or will not come."""
        self._awaited.discard(name)

    def give_up(self) -> None:
        """Stop waiting, because the link is gone. The next `release` shows what is here."""
        self.is_mail_drained = True
        self._awaited.clear()
        self._to_take.clear()
        self._taking.clear()

    def gather(self, line: Said) -> None:
        """Add a late line, to be shown with the others."""
        self._lines.append(line)
        self._size += len(line.text) + HELD_MESSAGE_COST

    @property
    def is_gathering(self) -> bool:
        """Whether any line is gathered."""
        return bool(self._lines)

    def holds_back(self, line: Said) -> bool:
        """Return whether an earlier line of the same stream is still gathered: this line must not
        overtake it."""
        return any(other.stream == line.stream for other in self._lines)

    def awaits(self, name: str) -> bool:
        """Return whether missed lines of a group are still to come."""
        return name in self._awaited

    def count(self, name: str) -> int:
        """Return how many gathered lines are of this room."""
        return sum(line.conversation == room(name) for line in self._lines)

    def take_later(self, serial: int) -> None:
        """Tell the registry to drop this piece of mail once our own disk has it."""
        self._to_take.append(serial)

    def stored(self) -> None:
        """Have the mail of the batch synced: it is stored now. The registry has the only other copy
        of it."""
        if self._to_take:
            self._taking.append((self._out.syncs.covering, self._to_take))
            self._to_take = []
            self._out.wants_sync = True
            self.synced()

    def synced(self) -> None:
        """Let the registry drop the mail that is on our disk now, and send the next batch."""
        while self._taking and self._taking[0][0] <= self._out.syncs.done:
            _, serials = self._taking.pop(0)
            self._out.requests.append(TakeMail(serials=serials))

    def release(self) -> None:
        """Show the gathered lines if nothing more is awaited, or there are too many: letters that
        never end must not fill our memory."""
        if self.is_mail_drained and not self._awaited:
            self._arrival.announce(self)
        elif self._size <= TEXTS_WAITING_MAX:
            return
        if self._lines:
            lines, self._lines, self._size = self._lines, [], 0
            self._out.events.append(MailReturned(lines=tuple(in_order(lines))))


def in_order(lines: list[Said]) -> list[Said]:
    """Return the lines oldest first, but each sender's lines in their own order: a sender's clock
    may have been set back."""
    newest: dict[object, float] = {}
    keyed = []
    for line in sorted(lines, key=lambda line: line.number):
        stream = line.stream
        newest[stream] = max(line.at, newest.get(stream, line.at))
        keyed.append((newest[stream], line))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])]
