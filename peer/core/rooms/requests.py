"""Requests about rooms, of which at most one of each kind is pending: for the list of rooms, and to set
the topic of one of ours."""

import abc
from dataclasses import dataclass
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import NoAnswer, Room, RoomsKnown, RoomsUnknown, TopicFailure
from chatapp.peer.core.context import Context, RegistryPort, RegistryReach
from chatapp.peer.core.rooms.entered import EnteredRooms
from chatapp.peer.core.rooms.membership import Membership
from chatapp.wire.limits import TOPIC_MAX
from chatapp.wire.messages import rooms as wire
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.text import sanitize


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
