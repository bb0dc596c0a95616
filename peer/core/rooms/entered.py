"""The rooms that we are in: their groups, members and topics, what is stored of them, and our requests
about rooms, of which at most one of each kind is pending."""

import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import NoAnswer, Room, RoomsKnown, RoomsUnknown, TopicFailure
from chatapp.peer.core.context import Context, People, RegistryPort, RegistryReach
from chatapp.peer.core.records import RoomKept, StoredGroup, StoredStream, group_mark, parties_of
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.lines import GroupOutbox
from chatapp.peer.core.rooms.membership import Membership, Memberships
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import ROOM_SIGN, TOPIC_MAX
from chatapp.wire.messages import rooms as wire
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.names import name_key
from chatapp.wire.text import sanitize


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
        self.owed: Final[dict[str, str]] = {}
        """Rooms that we have left, or will not enter, and of which the registry has yet to be told:
        by the keys of their names."""

    def restore(self, kept: Iterable[RoomKept], *, now: float) -> None:
        """Take up the rooms of an earlier run."""
        for one in kept:
            if not one.group.startswith(ROOM_SIGN):
                continue
            if one.members is None:
                self.owed[room_key(one.group[1:])] = one.group[1:]
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
        self._people.meet(membership.here())
        self._catch_up.await_group(group.name)
        if lacking := membership.lacking():
            self._people.seek(lacking, now=now)
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
        if lacking := membership.lacking():
            self._people.seek(lacking, is_anew=False, now=now)
        self.keep(group)

    def owe_leave(self, room: str) -> None:
        """Note that the registry has yet to be told that we are not in this room."""
        self.owed[room_key(room)] = room
        self._out.records.append(RoomKept(ROOM_SIGN + room, owes_leave=True))

    def settled(self, room: str) -> None:
        """Note that the registry knows that we left this room, or that we are in it again."""
        owed = self.owed.pop(room_key(room), None)
        if owed is not None:
            self._out.records.append(RoomKept(ROOM_SIGN + owed))

    def owes_leave(self, room: str) -> bool:
        """Return whether the registry has yet to learn that we are not in this room."""
        return room_key(room) in self.owed

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
            group = self._group(ROOM_SIGN + room)
            self._outbox.adopt(group, now=now)
            self._outbox.drop(group, now=now)


@dataclass(slots=True)
class PendingRequest:
    """A request about rooms that the registry has not answered."""

    reference: int
    room: str
    deadline: float | None
    """None while there is no link to ask on, and after the wait for an answer is over."""
    is_sent: bool = False
    """Whether it was ever sent: the registry may have received it."""
    is_refused: bool = False
    """Whether it was refused for now: then `deadline` is when to ask again."""

    def is_due(self, now: float) -> bool:
        """Return whether the wait for the answer is over."""
        return self.deadline is not None and now >= self.deadline


class RoomRequest(abc.ABC):
    """A request of one kind: at most one is pending, the newest. It waits for the link while the
    registry is sought."""

    def __init__(
        self,
        ctx: Context,
        registry: RegistryPort,
        entered: EnteredRooms,
    ) -> None:
        self._ctx: Final = ctx
        self._entered: Final = entered
        self._registry: Final = registry
        self._out = ctx.out
        self._alarm: Final = ctx.alarms.add(self._look)
        self.pending: PendingRequest | None = None

    def link_up(self, *, now: float) -> None:
        """Send the pending request on the new link."""
        if self.pending is not None and (request := self._request(self.pending)) is not None:
            self.pending.deadline = now + self._ctx.policy.give_up_after
            self._alarm.deadline = self.pending.deadline
            self._out.requests.append(request)

    def link_lost(self) -> None:
        """Wait for the next link."""
        if self.pending is not None:
            self.pending.deadline = None

    def give_up(self, reason: NoAnswer) -> None:
        """Report that there is no answer, if a request is pending."""
        if self.pending is not None:
            asked, self.pending = self.pending, None
            self._report(asked, reason)

    def _look(self, *, now: float) -> None:
        """Give up when the answer takes too long."""
        if self.pending is not None and self.pending.is_due(now):
            self.give_up(NoAnswer.UNANSWERED)

    def _begin(self, room: str, *, now: float) -> None:
        """Make a request in place of the pending one. `room`: the one that it is about; empty for
        none."""
        self.pending = PendingRequest(
            self._ctx.rng.getrandbits(32) or 1, room, None
        )  # 0 stands for no request
        if self._ctx.status.reach is RegistryReach.LOST:
            if not self._registry.search(now=now):
                self.give_up(NoAnswer.UNREACHABLE)
        elif self._ctx.status.reach is RegistryReach.NONE:
            self.give_up(NoAnswer.OFFLINE)
        elif self._registry.is_up:
            self.link_up(now=now)

    def _is_answer(self, reference: int) -> bool:
        """Return whether this answers the pending request, which is over then."""
        if self.pending is None or reference != self.pending.reference:
            return False
        self.pending = None
        return True

    @abc.abstractmethod
    def _request(self, asked: PendingRequest) -> PeerRequest | None:
        """Return the message to the registry; None if the request has come to nothing."""

    @abc.abstractmethod
    def _report(self, asked: PendingRequest, reason: NoAnswer) -> None:
        """Report that there is no answer."""


class RoomList(RoomRequest):
    """The request for the list of rooms."""

    answer: tuple[Room, ...] | NoAnswer | None = None
    """The answer to the last request: the rooms, or why there is none; None while it is pending."""

    def ask(self, *, now: float) -> None:
        """Ask which rooms there are; `RoomsKnown` or `RoomsUnknown` follows."""
        self.answer = None
        self._begin("", now=now)

    def listed(self, notice: wire.RoomsListed, *, now: float) -> None:
        """Report the rooms that somebody is in."""
        if self._is_answer(notice.reference):
            rooms = [
                Room(name=name, here=one.here, is_ours=self._entered.find(name) is not None)
                for one in notice.rooms
                if (name := one.group[1:])
            ]
            rooms.sort(key=lambda room: room.name)
            self.answer = tuple(rooms)
            self._out.events.append(RoomsKnown(rooms=self.answer))

    def _request(self, asked: PendingRequest) -> PeerRequest:
        return wire.ListRooms(reference=asked.reference)

    def _report(self, asked: PendingRequest, reason: NoAnswer) -> None:
        """Report that the rooms are unknown, and our own rooms."""
        self.answer = reason
        self._out.events.append(RoomsUnknown(reason=reason))
        ours = [
            Room(name=members.room, here=len(members.here()) + 1, is_ours=True)
            for members in self._entered.members
        ]
        if ours:
            self._out.events.append(
                RoomsKnown(rooms=tuple(sorted(ours, key=lambda room: room.name)))
            )


class TopicRequest(RoomRequest):
    """The request to set the topic of one of our rooms."""

    _text = ""

    def show(self, room: str) -> None:
        """Report the topic of a room as far as we know it."""
        members = self._members(room)
        if members is None:
            self._out.events.append(events.NotInRoom(room=room))
        elif members.topic is None:
            self._out.events.append(events.TopicUnknown(room=members.room))
        else:
            self._out.events.append(members.topic_of(members.topic))

    def ask(self, room: str, text: str, *, now: float) -> None:
        """Ask to set the topic of a room; `TopicKnown` or `TopicNotSet` follows."""
        members = self._members(room)
        if members is None:
            self._out.events.append(events.NotInRoom(room=room))
            return
        self._text = sanitize(text.strip())
        if len(self._text) > TOPIC_MAX:
            self.pending = None
            self._fail(members.room, TopicFailure.TOO_LONG)
        else:
            self._begin(members.room, now=now)

    def answered(self, notice: wire.TopicChanged | wire.TopicRefused, *, now: float) -> None:
        """Take the registry's answer, or its news that somebody else set the topic."""
        asked = self.pending
        is_ours = self._is_answer(notice.reference)
        if isinstance(notice, wire.TopicChanged):
            self._entered.topic_changed(notice.group, notice.topic)
        elif is_ours and asked is not None:
            self._fail(asked.room, TopicFailure[notice.reason.name])

    def _members(self, room: str) -> Membership | None:
        group = self._entered.find(room)
        return None if group is None else self._entered.members[group.name]

    def _request(self, asked: PendingRequest) -> PeerRequest | None:
        """The request goes behind the one that enters the room."""
        group = self._entered.find(asked.room)
        if group is not None:
            return wire.SetTopic(asked.reference, group.name, self._text)
        self.pending = None
        self._fail(asked.room, TopicFailure.NOT_HERE)
        return None

    def _report(self, asked: PendingRequest, reason: NoAnswer) -> None:
        self._fail(asked.room, TopicFailure[reason.name])

    def _fail(self, room: str, reason: TopicFailure) -> None:
        self._out.events.append(events.TopicNotSet(room=room, reason=reason))
