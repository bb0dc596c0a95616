"""The room that we are in: its group, its members, its topic, and what is stored of it."""

from collections.abc import Mapping
from typing import Final

from chatapp.peer.core.context import Context, People
from chatapp.peer.core.records import RoomKept, StoredGroup, StoredStream, group_mark, parties_of
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.membership import Membership
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.wire.messages import rooms as wire


class CurrentRoom:
    """The room that we are in, if any, and what is stored of it."""

    def __init__(
        self,
        ctx: Context,
        people: People,
        *,
        groups: Groups,
        members: Membership,
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
        self.owes_leave = False
        """Whether we have yet to tell the registry that we left a room."""

    def restore(self, kept: RoomKept, *, now: float) -> None:
        """Take up the room of an earlier run."""
        self.owes_leave = kept.owes_leave
        if kept.group is not None and kept.group.startswith(wire.ROOM_SIGN):
            self._take_up(kept.group, now)
            presences = (
                wire.RoomMember(one, wire.RoomPresence(presence)) for one, presence in kept.members
            )
            self.members.begin(kept.group[1:], presences)
        self._drop_what_was_left(now)

    @property
    def room(self) -> Group | None:
        """The room that we are in."""
        return self._groups.room

    def go_in(self, notice: wire.RoomEntered, *, now: float) -> None:
        """Enter a room that we were not in, as far as this program knows."""
        self.go_out(now=now)
        self.owes_leave = False
        group = self._take_up(notice.group, now)
        if group.begin_at(notice.since, now=now):
            self._receiver.move_cursor(group)
        self.members.begin(group.room, notice.members)
        self.members.topic = notice.topic
        self._catch_up.await_group(group.name)
        if self.members.lacks_rows:
            self._people.fetch_anew(now=now)
        self.keep()

    def return_to(self, room: Group, notice: wire.RoomEntered, *, now: float) -> None:
        """Enter the same room again, on a new link."""
        if room.begin_at(notice.since, now=now):
            self._receiver.move_cursor(room)
        if self.members.is_announced:
            self.members.returned(notice.members, now=now)
        else:
            self.members.begin(room.room, notice.members)
        self.take_topic(notice.topic)
        self.keep()

    def take_topic(self, topic: wire.Topic) -> None:
        """Take the topic of our room. Tell the user of a change, unless the announcement of the
        room will."""
        former, self.members.topic = self.members.topic, topic
        if former == topic or not self.members.is_announced or self.members.hides(topic):
            return
        if topic.text or (former is not None and former.text):
            self._out.events.append(self.members.topic_of(topic, is_change=True))

    def go_out(self, *, now: float) -> None:
        """Leave the room."""
        room = self.room
        if room is None:
            return
        self._catch_up.group_drained(room.name)
        self._groups.leave()
        self._outbox.drop(room, now=now)
        self.members.end()

    def changed(self, notice: wire.RoomChanged, *, now: float) -> None:
        """Take changes of the members."""
        if self.room is None or notice.group != self.room.name:
            return
        self.members.changed(notice.members)
        if self.members.lacks_rows:
            self._people.fetch(now=now)
        self.keep()

    def keep(self) -> None:
        """Store where we are, for the next start."""
        members = tuple(
            (identity, int(presence)) for identity, presence in self.members.members.items()
        )
        name = self.room.name if self.room is not None else None
        self._out.records.append(RoomKept(name, members, self.owes_leave))

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
        """Give up lines to a room that an earlier run had left, and whose fate it did not learn."""
        stored = self._stored.items()
        rooms = [parties_of(mark, is_ours=True).room for mark, stream in stored if stream.outgoing]
        for room in filter(None, rooms):
            group = self._group(wire.ROOM_SIGN + room)
            self._outbox.adopt(group, now=now)
            self._outbox.drop(group, now=now)
