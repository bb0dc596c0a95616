"""The room that we are in: its group, its members, its topic, what is stored of it, and our requests
about rooms, of which at most one of each kind is pending."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import NoAnswer, Room, RoomsKnown, RoomsUnknown, TopicFailure
from chatapp.peer.core.context import Context, People, RegistryPort, RegistryReach
from chatapp.peer.core.records import RoomKept, StoredGroup, StoredStream, group_mark, parties_of
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.lines import GroupOutbox
from chatapp.peer.core.rooms.membership import Membership
from chatapp.wire.limits import TOPIC_MAX
from chatapp.wire.messages import rooms as wire
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.text import sanitize


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


@dataclass(slots=True)
class PendingRequest:
    """A request about rooms that the registry has not answered."""

    reference: int
    room: str
    deadline: float | None
    """None while there is no link to ask on, and after the wait for an answer is over."""
    is_repeat: bool = False
    """Whether the user was told of a refusal already."""

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
        current: CurrentRoom,
    ) -> None:
        self._ctx: Final = ctx
        self._current: Final = current
        self._registry: Final = registry
        self._members: Final = current.members
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
            rooms = [Room(name=one.group[1:], here=one.here) for one in notice.rooms]
            rooms.sort(key=lambda room: room.name)
            self.answer = tuple(rooms)
            self._out.events.append(RoomsKnown(rooms=self.answer))

    def _request(self, asked: PendingRequest) -> PeerRequest:
        return wire.ListRooms(reference=asked.reference)

    def _report(self, asked: PendingRequest, reason: NoAnswer) -> None:
        """Report that the rooms are unknown, and our own room."""
        self.answer = reason
        self._out.events.append(RoomsUnknown(reason=reason))
        room = self._current.room
        if room is not None:
            here = len(self._members.here()) + 1
            self._out.events.append(RoomsKnown(rooms=(Room(name=room.room, here=here),)))


class TopicRequest(RoomRequest):
    """The request to set the topic of our room."""

    _text = ""

    def show(self) -> None:
        """Report the topic as far as we know it."""
        room, topic = self._current.room, self._members.topic
        if room is None:
            self._out.events.append(events.NotInRoom())
        elif topic is None:
            self._out.events.append(events.TopicUnknown(room=room.room))
        else:
            self._out.events.append(self._members.topic_of(topic))

    def ask(self, text: str, *, now: float) -> None:
        """Ask to set the topic; `TopicKnown` or `TopicNotSet` follows."""
        room = self._current.room
        if room is None:
            self._out.events.append(events.NotInRoom())
            return
        self._text = sanitize(text.strip())
        if len(self._text) > TOPIC_MAX:
            self.pending = None
            self._fail(room.room, TopicFailure.TOO_LONG)
        else:
            self._begin(room.room, now=now)

    def answered(self, notice: wire.TopicChanged | wire.TopicRefused, *, now: float) -> None:
        """Take the registry's answer, or its news that somebody else set the topic."""
        asked = self.pending
        is_ours = self._is_answer(notice.reference)
        if isinstance(notice, wire.TopicRefused):
            if is_ours and asked is not None:
                self._fail(asked.room, TopicFailure[notice.reason.name])
            return
        room = self._current.room
        if room is not None and notice.group == room.name:
            self._current.take_topic(notice.topic)

    def _request(self, asked: PendingRequest) -> PeerRequest | None:
        """The request goes behind the one that enters the room."""
        room = self._current.room
        if room is not None and room.room == asked.room:
            return wire.SetTopic(asked.reference, room.name, self._text)
        self.pending = None
        self._fail(asked.room, TopicFailure.NOT_HERE)
        return None

    def _report(self, asked: PendingRequest, reason: NoAnswer) -> None:
        self._fail(asked.room, TopicFailure[reason.name])

    def _fail(self, room: str, reason: TopicFailure) -> None:
        self._out.events.append(events.TopicNotSet(room=room, reason=reason))
