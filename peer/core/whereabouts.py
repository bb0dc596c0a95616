"""This file is about the room where we are: taken up, told to the user once all is here, kept for the next start, left.

It must not know what was asked of the registry, or answered: that is `rooms`'.
"""

from peer.core.events import RoomEntered
from peer.core.group import Group
from peer.core.lines import Lines
from peer.core.membership import Membership
from peer.core.parts import Parts
from peer.core.reach import Reach
from peer.core.records import RoomKept
from peer.core.stored import StoredGroup, StoredStream
from peer.core.streamkeys import group_mark
from wire.messages import room as wire


class Whereabouts:
    """In one room, or in none."""

    def __init__(
        self, parts: Parts, kept: RoomKept, members: Membership, lines: Lines, *, now: float
    ) -> None:
        self._parts = parts
        self._outlook = parts.outlook
        self._groups = parts.groups
        self._link = parts.link
        self._table = parts.table
        self._home = parts.home
        self._hearing = parts.hearing
        self._out = parts.out
        self._members = members
        self._lines = lines
        self.is_told = True
        """Whether the user knows that we are in the room where we are."""
        self.owes_leave = kept.owes_leave
        """Whether the registry has yet to hear that we left a room."""
        if kept.group is not None and kept.group.startswith(wire.ROOM_SIGN):
            self._take_up(kept.group, now)
            presences = (wire.RoomMember(one, wire.RoomPresence(presence)) for one, presence in kept.members)
            self._members.begin(kept.group[1:], presences)
            self.is_told = False

    @property
    def room(self) -> Group | None:
        """Where we are."""
        return self._groups.room

    def go_in(self, notice: wire.RoomEntered, *, now: float) -> None:
        """Into a room where we were not before, as far as this program knows."""
        self.go_out(now=now)
        self.owes_leave = False
        group = self._take_up(notice.group, now)
        if group.begin_at(notice.since, now=now):
            self._hearing.move_cursor(group)
        self._members.begin(group.room, notice.members)
        self._home.await_group(group.name)
        self.is_told = False
        if self._members.lacks_rows:
            self._table.fetch_anew(now=now)
        self.keep()

    def return_to(self, room: Group, notice: wire.RoomEntered, *, now: float) -> None:
        """Into the one where we are, on a new link."""
        if room.begin_at(notice.since, now=now):
            self._hearing.move_cursor(room)
        if self.is_told:
            self._members.returned(notice.members, now=now)
        else:
            self._members.begin(room.room, notice.members)
        self.keep()

    def go_out(self, *, now: float) -> None:
        """Into none."""
        room = self.room
        if room is None:
            return
        self._home.group_drained(room.name)
        self._groups.leave()
        self._lines.drop(room, now=now)
        self._members.end()
        self.is_told = True

    def changed(self, notice: wire.RoomChanged, *, now: float) -> None:
        """Members stand otherwise."""
        if self.room is None or notice.group != self.room.name:
            return
        self._members.changed(notice.members, is_told=self.is_told)
        if self._members.lacks_rows:
            self._table.fetch(now=now)
        self.keep()

    def rows_came(self) -> None:
        """Members who had no name may have one now."""
        if self.is_told:
            self._members.rows_came()

    def gone(self, identity: bytes) -> None:
        """Somebody has vanished from the table."""
        if self.is_told:
            self._members.gone(identity)

    def announce(self) -> None:
        """Tell the user that we are in the room, when all is here that we missed of it."""
        reach, room = self._outlook.reach, self.room
        if room is None or reach is Reach.NONE:
            return
        if reach is not Reach.LOST and (not self._link.is_up or self._home.awaits(room.name)):
            return
        self.is_told = True
        missed = self._home.count(room.room)
        self._out.events.append(RoomEntered(room=room.room, members=self._members.tell_all(), missed=missed))

    def keep(self) -> None:
        """For the next start."""
        members = tuple((identity, int(presence)) for identity, presence in self._members.members.items())
        name = self.room.name if self.room is not None else None
        self._out.records.append(RoomKept(name, members, self.owes_leave))

    def _take_up(self, name: str, now: float) -> Group:
        """The group of a room, with what we know of it from before."""
        group = self._groups.known.get(name)
        if group is None:
            stored = self._parts.stored.pop(group_mark(name), StoredStream())
            place = self._parts.places.get(name, StoredGroup())
            group = self._groups.known[name] = Group(name, stored, place, self._out)
        group.revoke()
        self._groups.enter(group)
        self._lines.adopt(group, now=now)
        return group
