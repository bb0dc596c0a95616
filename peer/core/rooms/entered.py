"""The rooms that we are in: their groups, members and topics, and what is stored of them."""

from collections.abc import Iterable, Mapping
from typing import Final

from chatapp.peer.core.context import Context, People
from chatapp.peer.core.records import RoomKept, StoredGroup, StoredStream, group_mark, parties_of
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.membership import Memberships
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages import rooms as wire
from chatapp.wire.names import name_key


def room_key(room: str) -> str:
    """Return the key by which names of rooms are compared; what is no name is its own."""
    try:
        return name_key(room)
    except NameRefused:
        return room


class EnteredRooms:
    """The rooms that we are in, and what is stored of them."""

    def __init__(
        self,
        ctx: Context,
        people: People,
        *,
        groups: Groups,
        members: Memberships,
        outbox: GroupOutbox,
        positions: Mapping[str, StoredGroup],
    ) -> None:
        """`positions`: our position in each group's log."""
        self._out = ctx.out
        self._people: Final = people
        self._groups: Final = groups
        self.members: Final = members
        self._outbox: Final = outbox
        self._receiver: Final = outbox.receiver
        self._catch_up: Final = self._receiver.catch_up
        self._stored: Final = self._receiver.stored
        self._positions: Final = positions
        self.owed: Final[dict[str, None]] = {}
        """Rooms that we have left, or will not enter, and of which the registry has yet to be
        told."""

    def restore(self, kept: Iterable[RoomKept], *, now: float) -> None:
        """Take up the rooms of an earlier run."""
        for one in kept:
            if not one.group.startswith(wire.ROOM_SIGN):
                continue
            if one.members is None:
                self.owed[one.group[1:]] = None
                continue
            members = [
                wire.RoomMember(identity, wire.RoomPresence(presence))
                for identity, presence in one.members
            ]
            self.members.begin(self._take_up(one.group, now), members)
        self._drop_what_was_left(now)

    def find(self, room: str) -> Group | None:
        """Return the room of this name, if we are in it."""
        key = room_key(room)
        rooms = self._groups.rooms.values()
        return next((group for group in rooms if room_key(group.room) == key), None)

    def go_in(self, notice: wire.RoomEntered, *, now: float) -> None:
        """Enter a room that we were not in, as far as this program knows. A room of the same name
        has ended then."""
        former = self.find(notice.group[1:])
        if former is not None:
            self.go_out(former, now=now)
        group = self._take_up(notice.group, now)
        if group.begin_at(notice.since, now=now):
            self._receiver.move_cursor(group)
        membership = self.members.begin(group, notice.members)
        membership.topic = notice.topic
        self._catch_up.await_group(group.name)
        if membership.lacks_rows:
            self._people.fetch_anew(now=now)
        self.settled(group.room)
        self.keep(group)

    def return_to(self, group: Group, notice: wire.RoomEntered, *, now: float) -> None:
        """Enter the same room again, on a new link."""
        if group.begin_at(notice.since, now=now):
            self._receiver.move_cursor(group)
        membership = self.members[group.name]
        if membership.is_announced:
            membership.returned(notice.members, now=now)
            self.members.watch()
        else:
            membership.begin(notice.members)
        self._take_topic(group, notice.topic)
        self.keep(group)

    def topic_changed(self, group: str, topic: wire.Topic) -> None:
        """Take the topic of a room."""
        if group in self._groups.rooms:
            self._take_topic(self._groups.rooms[group], topic)

    def _take_topic(self, group: Group, topic: wire.Topic) -> None:
        """Take a topic. Tell the user of a change, unless the announcement of the room will."""
        membership = self.members[group.name]
        former, membership.topic = membership.topic, topic
        if former == topic or not membership.is_announced or membership.hides(topic):
            return
        if topic.text or (former is not None and former.text):
            self._out.events.append(membership.topic_of(topic, is_change=True))

    def go_out(self, group: Group, *, now: float) -> None:
        """Leave a room."""
        self._catch_up.group_drained(group.name)
        self._groups.leave(group)
        self._outbox.drop(group, now=now)
        self.members.end(group)
        self._out.records.append(RoomKept(group.name))

    def changed(self, notice: wire.RoomChanged, *, now: float) -> None:
        """Take changes of the members of a room."""
        group = self._groups.rooms.get(notice.group)
        if group is None:
            return
        membership = self.members[group.name]
        membership.changed(notice.members)
        if membership.lacks_rows:
            self._people.fetch(now=now)
        self.keep(group)

    def owe_leave(self, room: str) -> None:
        """Note that the registry has yet to be told that we are not in this room."""
        self.owed[room] = None
        self._out.records.append(RoomKept(wire.ROOM_SIGN + room, owes_leave=True))

    def settled(self, room: str) -> None:
        """Note that the registry knows that we left this room, or that we are in it again."""
        if room in self.owed:
            del self.owed[room]
            self._out.records.append(RoomKept(wire.ROOM_SIGN + room))

    def keep(self, group: Group) -> None:
        """Store that we are in a room, for the next start."""
        present = self.members[group.name].members.items()
        members = tuple((identity, int(presence)) for identity, presence in present)
        self._out.records.append(RoomKept(group.name, members))

    def _take_up(self, name: str, now: float) -> Group:
        """Enter the group of a room, with what we know of it from before."""
        group = self._group(name)
        group.revoke()
        self._groups.enter(group)
        self._outbox.adopt(group, now=now)
        return group

    def _group(self, name: str) -> Group:
        group = self._groups.known.get(name)
        if group is None:
            stored = self._stored.pop(group_mark(name), StoredStream())
            position = self._positions.get(name, StoredGroup())
            group = self._groups.known[name] = Group(name, stored, position, self._out)
        return group

    def _drop_what_was_left(self, now: float) -> None:
        """Give up lines to rooms that an earlier run had left, and whose fate it did not learn."""
        stored = self._stored.items()
        rooms = [parties_of(mark, is_ours=True).room for mark, stream in stored if stream.outgoing]
        for room in filter(None, rooms):
            group = self._group(wire.ROOM_SIGN + room)
            self._outbox.adopt(group, now=now)
            self._outbox.drop(group, now=now)
