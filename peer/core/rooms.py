"""This file is about the room where we are: getting in and out, again on each new link, and with the registry away.

The registry says who is let in; leaving is our own affair and takes effect at once, whether the registry has heard of
it or not. What is said in a room is `lines`' and `hearing`'s.
"""

from typing import Final

from peer.core import events as happened
from peer.core.asked import AWAY, OFFLINE, SILENT, Asked
from peer.core.contacts import Contact
from peer.core.group import Group
from peer.core.ladder import Reach
from peer.core.lines import Lines
from peer.core.membership import Membership
from peer.core.parts import Parts
from peer.core.records import RoomKept, StoredGroup, StoredStream, group_mark, parties_of
from peer.core.roomlist import RoomList
from peer.core.trail import Raw
from wire.errors import NameRefused
from wire.messages.group import GroupGranted
from wire.messages.link import PeerRequest
from wire.messages.room import (
    ROOM_SIGN,
    EnterRoom,
    LeaveRoom,
    RoomChanged,
    RoomEntered,
    RoomLeft,
    RoomMember,
    RoomPresence,
    RoomRefusal,
    RoomRefused,
)
from wire.names import name_key, peer_name

REFUSALS: Final = {
    RoomRefusal.BAD_NAME: "the server does not accept this name",
    RoomRefusal.ROOM_FULL: "it is full",
    RoomRefusal.TOO_MANY_ROOMS: "there are too many rooms",
    RoomRefusal.NOT_SERVING: "the server's disk takes nothing more",
}


class Rooms:
    """Our side of rooms."""

    def __init__(self, parts: Parts, kept: RoomKept, *, now: float) -> None:
        self._parts = parts
        self._groups = parts.groups
        self._contacts = parts.contacts
        self._ladder = parts.ladder
        self._link = parts.link
        self._table = parts.table
        self._home = parts.home
        self._hearing = parts.hearing
        self._out = parts.out
        self._policy = parts.policy
        self._members = Membership(parts.contacts, parts.out, me=parts.me.identity.public)
        self._lines = Lines(parts, members=self.members_of, now=now)
        self._known: dict[str, Group] = {}
        """Rooms of this life: their streams go on when we come again."""
        self._asked: Asked | None = None
        self._again: Asked | None = None
        """The room where we are, named to the registry on a new link."""
        self.list: Final = RoomList(parts, self._members)
        self._leave_reference = 0
        self._owes_leave = kept.owes_leave
        self._is_told = True
        """Whether the user knows that we are in the room where we are."""
        self._hearing.is_member = self.is_member
        self._home.before_release = self._announce
        self._table.before_gone = self._gone
        if kept.group is not None and kept.group.startswith(ROOM_SIGN):
            self._take_up(kept.group, now)
            presences = (RoomMember(identity, RoomPresence(presence)) for identity, presence in kept.members)
            self._members.begin(kept.group[1:], presences)
            self._is_told = False
        self._drop_what_was_left(now)

    @property
    def lines(self) -> Lines:
        """What we say."""
        return self._lines

    # --- what the user wants

    @property
    def room(self) -> Group | None:
        """Where we are."""
        return self._groups.room

    def enter(self, room: str, *, now: float) -> None:
        """Ask to be let into a room, and out of the one where we are."""
        try:
            name = peer_name(room)
        except NameRefused as refusal:
            self._refuse(room, refusal.reason)
            return
        if self.room is not None and name_key(self.room.room) == name_key(name):
            self._asked, self._is_told = None, False
            return
        if self._ladder.reach in (Reach.LOST, Reach.NONE):
            self._refuse(name, AWAY if self._ladder.reach is Reach.LOST else OFFLINE)
            return
        self._asked = Asked(self._reference(), name, None)
        if self._link.is_up:
            self._ask(self._asked, now)

    def leave(self, *, now: float) -> None:
        """Be in no room, at once; the registry hears of it now or on the next link."""
        asked, self._asked = self._asked, None
        room = self.room
        if room is None:
            self._out.events.append(happened.NotInRoom())
        if room is None and asked is None:
            return
        self._go_out(now)
        self._owes_leave = True
        self._keep()
        if self._link.is_up:
            self._say_leave()
        if room is not None:
            self._out.events.append(happened.RoomLeft(room=room.room))

    def forget(self) -> None:
        """The program ends: its next start is in no room, unless a line of ours has yet to be told there. The registry
        keeps our place for a while."""
        if self.room is not None and not self.room.unsettled:
            self._out.records.append(RoomKept(None))

    # --- who is in

    def members_of(self, group: Group) -> list[Contact]:
        """To whom a line goes straight."""
        if group.room:
            return self._members.here() if group is self.room else []
        me = self._parts.me.identity.public
        return [contact for contact in self._contacts if contact.row.online and contact.identity != me]

    def is_member(self, group: Group, identity: bytes) -> bool:
        """Whether somebody known is one of a group's, as far as we know."""
        return not group.room or (group is self.room and identity in self._members.members)

    def people(self) -> tuple[happened.Person, ...]:
        """Everybody in the room where we are, ourselves among them, by name."""
        if self.room is None:
            return ()
        me = self._parts.me
        own = self._contacts.by_identity(me.identity.public)
        people = [
            happened.Person(name=me.name, online=True, since=float(own.row.since) if own is not None else 0.0)
        ]
        for identity, presence in self._members.members.items():
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                is_here = presence is RoomPresence.HERE
                since = float(contact.row.since)
                people.append(happened.Person(name=contact.name, online=is_here, since=since))
        return tuple(sorted(people, key=lambda person: person.name))

    @property
    def in_reach(self) -> int:
        """How many others a line of ours gets to now."""
        is_alone = self._ladder.reach is not Reach.UP
        silent = self._parts.straight.silent if is_alone else ()
        return sum(contact.identity not in silent for contact in self._members.here())

    @property
    def is_settled(self) -> bool:
        """Whether it is known, and told, in which room we are."""
        return self._asked is None and (self._is_told or self._ladder.reach is Reach.NONE)

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """How a line of ours to a group that we are in, or were in this life, went so far."""
        groups = (self._groups.channel, *self._known.values())
        return next((group.steps_of(number) for group in groups if group.mark == stream), ())

    # --- what happens to the link

    def link_up(self, *, now: float) -> None:
        """A new link knows nothing of where we are."""
        if self._owes_leave:
            self._say_leave()
        if self.room is not None:
            self._again = Asked(self._reference(), self.room.room, None)
            self._home.await_group(self.room.name)
            self._ask(self._again, now)
        if self._asked is not None:
            self._ask(self._asked, now)

    def link_lost(self) -> None:
        """Nothing asked will be answered; a question to be let in is put again on the next link."""
        self._again = None
        if self._asked is not None:
            self._asked.deadline = None
        self.list.link_lost()

    def registry_lost(self) -> None:
        """Nobody is there to let us in; where we are, we are."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            self._refuse(asked.room, AWAY)
        self._announce()

    def stop(self) -> None:
        """We go offline by our own wish, and come back to the room."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            self._refuse(asked.room, OFFLINE)
        self._is_told = self.room is None

    # --- what the registry says

    def entered(self, notice: RoomEntered, *, now: float) -> None:
        """We are let in."""
        asked, again = self._asked, self._again
        if again is not None and notice.reference == again.reference:
            self._again = None
            is_same = self.room is not None and notice.group == self.room.name
            self._entered(notice, now) if not is_same else self._returned(notice, now)
        elif asked is not None and notice.reference == asked.reference:
            self._asked = None
            self._entered(notice, now)
        elif asked is None and self.room is not None and notice.group != self.room.name:
            self._again = Asked(self._reference(), self.room.room, None)
            self._ask(self._again, now)  # an answer that was given up: we want to be where we are
        elif asked is None and self.room is None:
            self._owes_leave = True
            self._say_leave()

    def refused(self, notice: RoomRefused, *, now: float) -> None:
        """We are not let in."""
        if self._asked is not None and notice.reference == self._asked.reference:
            asked, self._asked = self._asked, None
            self._refuse(asked.room, REFUSALS[notice.reason])
        elif self._again is not None and notice.reference == self._again.reference and self.room is not None:
            self._again, room = None, self.room
            self._home.group_drained(room.name)
            self._refuse(room.room, REFUSALS[notice.reason])
            if notice.reason is not RoomRefusal.NOT_SERVING:
                self._go_out(now)
                self._keep()
                self._out.events.append(happened.RoomLeft(room=room.room))

    def left(self, notice: RoomLeft) -> None:
        """The registry knows that we are in no room."""
        if self._owes_leave and notice.reference == self._leave_reference:
            self._owes_leave = False
            self._keep()

    def granted(self, granted: GroupGranted, *, now: float) -> None:
        """We may speak in a group."""
        group = self._groups.by_name(granted.group)
        if group is not None:
            self._lines.granted(granted, group, now=now)

    def changed(self, notice: RoomChanged, *, now: float) -> None:
        """Members stand otherwise."""
        if self.room is None or notice.group != self.room.name:
            return
        self._members.changed(notice.members, is_told=self._is_told)
        if self._members.lacks_rows:
            self._table.fetch(now=now)
        self._keep()

    def _gone(self, identity: bytes) -> None:
        if self._is_told:
            self._members.gone(identity)

    def rows_came(self) -> None:
        """Members who had no name may have one now."""
        if self._is_told:
            self._members.rows_came()

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Give up what was not answered; tell who was waited for in vain."""
        if self._asked is not None and self._asked.is_due(now):
            asked, self._asked = self._asked, None
            self._refuse(asked.room, SILENT)
        if self._again is not None and self._again.is_due(now):
            self._again.deadline = None  # an answer that comes late is taken all the same
            if self.room is not None:
                self._home.group_drained(self.room.name)
            self._announce()
        self.list.handle_timer(now=now)
        self._members.handle_timer(now=now)
        self._lines.handle_timer(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        asked = [one.deadline for one in (self._asked, self._again) if one is not None]
        dues = [*asked, self.list.next_timer(), self._members.next_timer(), self._lines.next_timer()]
        return min((due for due in dues if due is not None), default=None)

    # --- inside

    def _entered(self, notice: RoomEntered, now: float) -> None:
        """Into a room where we were not before, as far as this program knows."""
        self._go_out(now)
        self._owes_leave = False
        group = self._take_up(notice.group, now)
        if group.begin_at(notice.since, now=now):
            self._hearing.move_cursor(group)
        self._members.begin(group.room, notice.members)
        self._home.await_group(group.name)
        self._is_told = False
        if self._members.lacks_rows:
            self._table.fetch_anew(now=now)
        self._keep()

    def _returned(self, notice: RoomEntered, now: float) -> None:
        """Into the one where we are."""
        assert self.room is not None
        if self.room.begin_at(notice.since, now=now):
            self._hearing.move_cursor(self.room)
        if self._is_told:
            self._members.returned(notice.members, now=now)
        else:
            self._members.begin(self.room.room, notice.members)
        self._keep()

    def _take_up(self, name: str, now: float) -> Group:
        """The group of a room, with what we know of it from before."""
        group = self._group(name)
        group.revoke()
        self._groups.enter(group)
        self._lines.adopt(group, now=now)
        return group

    def _group(self, name: str) -> Group:
        group = self._known.get(name)
        if group is None:
            stored = self._parts.stored.pop(group_mark(name), StoredStream())
            place = self._parts.places.get(name, StoredGroup())
            group = self._known[name] = Group(name, stored, place, self._out)
        return group

    def _drop_what_was_left(self, now: float) -> None:
        """An earlier life ended before it knew what became of lines to a room that it had left."""
        stored = self._parts.stored.items()
        rooms = [parties_of(mark, is_ours=True).room for mark, stream in stored if stream.outgoing]
        for room in filter(None, rooms):
            group = self._group(ROOM_SIGN + room)
            self._lines.adopt(group, now=now)
            self._lines.drop(group, now=now)

    def _go_out(self, now: float) -> None:
        room = self.room
        if room is None:
            return
        self._again = None
        self._home.group_drained(room.name)
        self._groups.leave()
        self._lines.drop(room, now=now)
        self._members.end()
        self._is_told = True

    def _announce(self) -> None:
        """Tell the user, once, that we are in the room: when all is here that we missed of it."""
        if self._is_told or self.room is None or self._ladder.reach is Reach.NONE or self._asked is not None:
            return
        if self._ladder.reach is not Reach.LOST and (self._again is not None and self._again.deadline):
            return
        is_alone = self._ladder.reach is Reach.LOST
        if not is_alone and (not self._link.is_up or self._home.awaits(self.room.name)):
            return
        self._is_told = True
        missed = self._home.count(self.room.room)
        self._out.events.append(
            happened.RoomEntered(room=self.room.room, members=self._members.tell_all(), missed=missed)
        )

    def _keep(self) -> None:
        members = tuple((identity, int(presence)) for identity, presence in self._members.members.items())
        name = self.room.name if self.room is not None else None
        self._out.records.append(RoomKept(name, members, self._owes_leave))

    def _ask(self, asked: Asked, now: float) -> None:
        asked.deadline = now + self._policy.give_up_after
        self._request(EnterRoom(reference=asked.reference, room=asked.room))

    def _say_leave(self) -> None:
        self._leave_reference = self._reference()
        self._request(LeaveRoom(reference=self._leave_reference))

    def _request(self, request: PeerRequest) -> None:
        self._out.requests.append(request)

    def _reference(self) -> int:
        return self._parts.rng.getrandbits(32)

    def _refuse(self, room: str, reason: str) -> None:
        self._out.events.append(happened.RoomRefused(room=room, reason=reason))
