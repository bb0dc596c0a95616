"""Entering and leaving rooms: requests to the registry, repeated on each new link.

The registry decides who enters. Leaving is our own decision and takes effect at once, whether or
not the registry has heard of it.
"""

import abc
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import (
    NoAnswer,
    Room,
    RoomEntryRefusal,
    RoomsKnown,
    RoomsUnknown,
    TopicFailure,
)
from chatapp.peer.core.catch_up import CatchUp, PendingRequest, RoomArrival
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.records import RoomKept
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.session import RegistrySession
from chatapp.peer.core.rooms.current import CurrentRoom
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.membership import Membership, RoomRecipients
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import TOPIC_MAX
from chatapp.wire.messages import rooms as wire
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.rooms import (
    EnterRoom,
    GroupGranted,
    LeaveRoom,
    RoomEntered,
    RoomEvicted,
    RoomLeft,
    RoomRefusal,
    RoomRefused,
)
from chatapp.wire.names import is_same_name, peer_name
from chatapp.wire.text import sanitize


class RoomRequest(abc.ABC):
    """A request of one kind: at most one is pending, the newest. It waits for the link while the
    registry is sought."""

    def __init__(
        self,
        ctx: Context,
        *,
        current: CurrentRoom,
        members: Membership,
        session: RegistrySession,
        link: RegistryLink,
    ) -> None:
        self._ctx: Final = ctx
        self._current: Final = current
        self._members: Final = members
        self._session = session
        self._link = link
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
            if not self._session.search(now=now):
                self.give_up(NoAnswer.UNREACHABLE)
        elif self._ctx.status.reach is RegistryReach.NONE:
            self.give_up(NoAnswer.OFFLINE)
        elif self._link.is_up:
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

    def listed(self, notice: wire.RoomsListed) -> None:
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

    def answered(self, notice: wire.TopicChanged | wire.TopicRefused) -> None:
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


class Rooms:
    """Enters and leaves rooms for the user."""

    def __init__(
        self,
        ctx: Context,
        *,
        recipients: RoomRecipients,
        outbox: GroupOutbox,
        current: CurrentRoom,
        room_list: RoomList,
        topic: TopicRequest,
        groups: Groups,
        members: Membership,
        arrival: RoomArrival,
        catch_up: CatchUp,
        session: RegistrySession,
        link: RegistryLink,
    ) -> None:
        self._ctx: Final = ctx
        self.recipients: Final = recipients
        self.outbox: Final = outbox
        self.current: Final = current
        self.room_list: Final = room_list
        self.topic: Final = topic
        self._groups = groups
        self._members = members
        self._arrival = arrival
        self._catch_up = catch_up
        self._session = session
        self._link = link
        self._out = ctx.out
        self._may_be_elsewhere = False
        """Whether the registry may have let us into a room that we asked for and have given up
        on."""
        self._leave_reference = 0
        self._alarm: Final = ctx.alarms.add(self._look)

    # --- what the user wants

    @property
    def room(self) -> Group | None:
        """The room that we are in."""
        return self._groups.room

    def enter(self, room: str, *, now: float) -> None:
        """Ask to enter a room, which also leaves the present one."""
        try:
            name = peer_name(room)
        except NameRefused:
            self._refuse(room, RoomEntryRefusal.INVALID_NAME)
            return
        if self.room is not None and is_same_name(self.room.room, name):
            was_asked, self._arrival.entry = self._arrival.entry, None
            self._members.is_announced = False
            if was_asked is not None or self._may_be_elsewhere:
                self._stay(now)
            return
        if self._ctx.status.reach is RegistryReach.NONE:
            self._refuse(name, RoomEntryRefusal.OFFLINE)
            return
        if self._ctx.status.reach is RegistryReach.LOST and not self._session.search(now=now):
            self._refuse(name, RoomEntryRefusal.UNREACHABLE)
            return
        self._may_be_elsewhere = self._may_be_elsewhere or self._arrival.entry is not None
        self._arrival.entry = PendingRequest(self._reference(), name, None)
        if self._link.is_up:
            self._ask(self._arrival.entry, now)

    def leave(self, *, now: float) -> None:
        """Leave the room at once; the registry is told now or on the next link."""
        asked, self._arrival.entry = self._arrival.entry, None
        room = self.room
        if room is None:
            self._out.events.append(events.NotInRoom())
        if room is None and asked is None:
            return
        self._go_out(now)
        self.current.owes_leave = True
        self.current.keep()
        if self._link.is_up:
            self._say_leave()
        if room is not None:
            self._out.events.append(events.LeftRoom(room=room.room))

    def forget(self) -> None:
        """Note that the program ends: start in no room next time, unless a line of ours still waits
        to be sent there. At the registry we stay a member for a while."""
        if self.room is not None and not self.room.unsettled:
            self._out.records.append(RoomKept(None))

    @property
    def is_settled(self) -> bool:
        """Whether the user knows which room we are in, and no request to enter one is pending."""
        return self._arrival.entry is None and (
            self._members.is_announced or self._ctx.status.reach is RegistryReach.NONE
        )

    # --- what happens to the link

    def link_up(self, *, now: float) -> None:
        """Tell the registry on a new link which room we are in, or want to enter."""
        if self.current.owes_leave:
            self._say_leave()
        if self.room is not None:
            self._arrival.reentry = PendingRequest(self._reference(), self.room.room, None)
            self._catch_up.await_group(self.room.name)
            self._ask(self._arrival.reentry, now)
        if self._arrival.entry is not None:
            self._ask(self._arrival.entry, now)
        for request in (self.room_list, self.topic):
            request.link_up(now=now)

    def link_lost(self) -> None:
        """Note that the link is gone: a request to enter a room is made again on the next one."""
        self._arrival.reentry = None
        if self._arrival.entry is not None:
            self._arrival.entry.deadline = None
        for request in (self.room_list, self.topic):
            request.link_lost()

    def registry_lost(self, *, now: float) -> None:
        """Refuse a pending request, as there is no registry; we stay in the present room."""
        self._give_up(RoomEntryRefusal.UNREACHABLE, now)
        self._arrival.announce(self._catch_up)
        for request in (self.room_list, self.topic):
            request.give_up(NoAnswer.UNREACHABLE)

    def stop(self, *, now: float) -> None:
        """Give up pending requests: we go offline by our own wish. Going online brings us back to
        the room."""
        self._give_up(RoomEntryRefusal.OFFLINE, now)
        for request in (self.room_list, self.topic):
            request.give_up(NoAnswer.OFFLINE)
        self._members.is_announced = self.room is None

    # --- what the registry says

    def entered(self, notice: RoomEntered, *, now: float) -> None:
        """Handle the notice that the registry let us into a room."""
        asked, again = self._arrival.entry, self._arrival.reentry
        if again is not None and notice.reference == again.reference:
            self._arrival.reentry, room = None, self.room
            if room is not None and notice.group == room.name:
                self.current.return_to(room, notice, now=now)
            else:
                self._go_in(notice, now)
        elif asked is not None and notice.reference == asked.reference:
            self._arrival.entry = None
            self._go_in(notice, now)
        elif asked is None and again is None and not self.current.owes_leave:
            is_elsewhere = self.room is None or notice.group != self.room.name
            if is_elsewhere:
                self._stay(now)

    def refused(self, notice: RoomRefused, *, now: float) -> None:
        """Handle the notice that the registry refused a request to enter a room."""
        if self._arrival.entry is not None and notice.reference == self._arrival.entry.reference:
            asked, self._arrival.entry = self._arrival.entry, None
            self._refuse(asked.room, RoomEntryRefusal[notice.reason.name])
            if self._may_be_elsewhere:
                self._stay(now)
        elif (
            self._arrival.reentry is not None
            and notice.reference == self._arrival.reentry.reference
            and self.room is not None
        ):
            self._arrival.reentry, room = None, self.room
            self._catch_up.group_drained(room.name)
            self._refuse(room.room, RoomEntryRefusal[notice.reason.name])
            if notice.reason is not RoomRefusal.NOT_SERVING:
                self._go_out(now)
                self.current.keep()
                self._out.events.append(events.LeftRoom(room=room.room))

    def left(self, notice: RoomLeft) -> None:
        """Handle the notice that confirms that we left."""
        if self.current.owes_leave and notice.reference == self._leave_reference:
            self.current.owes_leave = False
            self.current.keep()

    def evicted(self, notice: RoomEvicted, *, now: float) -> None:
        """Handle the notice that the registry's owner has taken us out of the room, or closed
        it."""
        room = self.room
        if room is None or notice.group != room.name:
            return
        if self._arrival.reentry is not None:
            self._catch_up.group_drained(room.name)
        self._go_out(now)
        self.current.keep()
        how = events.RoomExit.CLOSED if notice.is_closed else events.RoomExit.EVICTED
        self._out.events.append(events.LeftRoom(room=room.room, how=how))

    def granted(self, granted: GroupGranted, *, now: float) -> None:
        """Take the key of a group."""
        group = self._groups.by_name(granted.group)
        if group is not None:
            self.outbox.granted(granted, group, now=now)

    # --- inside

    def _look(self, *, now: float) -> None:
        """Give up requests to enter a room that were not answered in time."""
        if self._arrival.entry is not None and self._arrival.entry.is_due(now):
            self._give_up(RoomEntryRefusal.UNANSWERED, now)
        reentry = self._arrival.reentry
        if reentry is not None and reentry.is_due(now):
            reentry.deadline = None  # a late answer still counts
            if self.room is not None:
                self._catch_up.group_drained(self.room.name)
            self._arrival.announce(self._catch_up)
        for request in (self._arrival.entry, self._arrival.reentry):
            if request is not None and request.deadline is not None:
                self._alarm.no_later_than(request.deadline)

    def _give_up(self, reason: RoomEntryRefusal, now: float) -> None:
        """Refuse a request that was not answered; the registry may have received it, so say where
        we are again."""
        if self._arrival.entry is not None:
            asked, self._arrival.entry = self._arrival.entry, None
            self._refuse(asked.room, reason)
            self._stay(now)

    def _stay(self, now: float) -> None:
        """Tell the registry that we stay where we are, whatever we asked before. It follows the
        request at once: a registry that has read only the request moves us until it reads this as
        well."""
        self._may_be_elsewhere = False
        if self.room is None:
            self.current.owes_leave = True
            self.current.keep()
            if self._link.is_up:
                self._say_leave()
        elif self._link.is_up:
            self._arrival.reentry = PendingRequest(self._reference(), self.room.room, None)
            self._ask(self._arrival.reentry, now)

    def _go_out(self, now: float) -> None:
        self._arrival.reentry = None
        self.current.go_out(now=now)

    def _go_in(self, notice: RoomEntered, now: float) -> None:
        self._arrival.reentry, self._may_be_elsewhere = None, False
        self.current.go_in(notice, now=now)

    def _ask(self, asked: PendingRequest, now: float) -> None:
        asked.deadline = now + self._ctx.policy.give_up_after
        self._alarm.no_later_than(asked.deadline)
        is_return = asked is self._arrival.reentry
        self._out.requests.append(
            EnterRoom(reference=asked.reference, room=asked.room, is_return=is_return)
        )

    def _say_leave(self) -> None:
        self._leave_reference = self._reference()
        self._out.requests.append(LeaveRoom(reference=self._leave_reference))

    def _reference(self) -> int:
        return self._ctx.rng.getrandbits(32)

    def _refuse(self, room: str, reason: RoomEntryRefusal) -> None:
        self._out.events.append(events.RoomEntryDenied(room=room, reason=reason))
