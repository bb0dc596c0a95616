"""Rooms and the channel: where we are, who is with us, what is said there.

The registry decides who enters. Leaving is our own decision and takes effect at once, whether or
not the registry has heard of it.
"""

from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY
from chatapp.peer.api.events import NoAnswer, RoomEntryRefusal
from chatapp.peer.api.trace import Raw
from chatapp.peer.core.contacts import Change, Contact
from chatapp.peer.core.context import (
    Carrier,
    Context,
    People,
    RegistryChange,
    RegistryPort,
    RegistryReach,
    Routes,
)
from chatapp.peer.core.conversation import SentMessage, check_length
from chatapp.peer.core.inbox import Streams
from chatapp.peer.core.records import CHANNEL_MARK, Loaded, RoomKept, StoredGroup, StoredStream
from chatapp.peer.core.rooms.current import CurrentRoom, PendingRequest, RoomList, TopicRequest
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.lines import GroupOutbox, GroupReceiver
from chatapp.peer.core.rooms.membership import DirectFanout, Membership, RoomRecipients
from chatapp.wire.codec import unpack_relayed
from chatapp.wire.errors import NameRefused
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EnterRoom,
    GroupAccepted,
    GroupGranted,
    GroupRefused,
    LeaveRoom,
    RoomChanged,
    RoomEntered,
    RoomEvicted,
    RoomLeft,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
    TopicChanged,
    TopicRefused,
)
from chatapp.wire.names import is_same_name, peer_name
from chatapp.wire.sealing import GroupKey

RETURN_AGAIN_AFTER: Final = 10.0
"""Seconds after which a peer asks for its room again that the registry could not write down."""


class Rooms:
    """The subject `rooms` of a peer: the channel and at most one room (a `Passenger`)."""

    def __init__(
        self,
        ctx: Context,
        people: People,
        registry: RegistryPort,
        carrier: Carrier,
        *,
        streams: Streams,
        loaded: Loaded,
    ) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._people: Final = people
        self._registry: Final = registry
        self._catch_up: Final = streams.catch_up
        self._catch_up.when_drained = self._announce
        own = streams.unused.pop(CHANNEL_MARK, StoredStream())
        position = loaded.groups.get(CHANNEL, StoredGroup())
        self._groups: Final = Groups(Group(CHANNEL, own, position, ctx.out))
        self._members: Final = Membership(ctx, people.contacts, registry)
        self._fanout: Final = DirectFanout(ctx, people.contacts, carrier)
        self.recipients: Final = RoomRecipients(
            ctx, people.contacts, self._groups, members=self._members, fanout=self._fanout
        )
        self._receiver: Final = GroupReceiver(
            ctx, people, streams, groups=self._groups, members=self._members
        )
        self._outbox: Final = GroupOutbox(
            ctx, registry, groups=self._groups, recipients=self.recipients, receiver=self._receiver
        )
        self._current: Final = CurrentRoom(
            ctx,
            people,
            groups=self._groups,
            members=self._members,
            outbox=self._outbox,
            positions=loaded.groups,
        )
        self.room_list: Final = RoomList(ctx, registry, self._current)
        self.topic: Final = TopicRequest(ctx, registry, self._current)
        self.routes: Final[Routes] = {
            GroupGranted: self._granted,
            GroupAccepted: self._outbox.answered,
            GroupRefused: self._outbox.answered,
            RoomEntered: self._entered,
            RoomRefused: self._refused,
            RoomLeft: self._left,
            RoomEvicted: self._evicted,
            RoomChanged: self._current.changed,
            RoomsListed: self.room_list.listed,
            TopicChanged: self.topic.answered,
            TopicRefused: self.topic.answered,
        }
        self._entry: PendingRequest | None = None
        """The user's request to enter another room."""
        self._reentry: PendingRequest | None = None
        """The request that names our present room to the registry, on a new link or after an entry
        that failed."""
        self.carried: Final = self._fanout.carried
        self.line_acknowledged: Final = self._outbox.line_acknowledged
        self.line_given_up: Final = self._fanout.gave_up
        self.numbers_reported: Final = self._outbox.numbers_reported
        self.line_came: Final = self._receiver.line_straight
        self.beyond: Final = self._receiver.beyond
        self.adopt: Final = self._receiver.adopt
        self.floors: Final = self._receiver.floors
        self.raise_floors: Final = self._receiver.raise_floors
        self.numbers_stored: Final = self._outbox.numbers_stored
        self.page_came: Final = self._outbox.page_arrived
        ctx.alarms.follow(self._outbox.next_timer, self._outbox.handle_timer)
        self._may_be_elsewhere = False
        """Whether the registry may have let us into a room that we asked for and have given up
        on."""
        self._leave_reference = 0
        self._alarm: Final = ctx.alarms.add(self._look)
        self._return_alarm: Final = ctx.alarms.add(self._return_again)

    def restore(self, loaded: Loaded, *, now: float) -> None:
        """Take up the room of an earlier run, and lines that the registry never got."""
        self._outbox.adopt(self._groups.channel, now=now)
        self._current.restore(loaded.room, now=now)

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
            was_asked, self._entry = self._entry, None
            self._members.is_announced = False
            is_refused = self._return_alarm.deadline is not None
            if was_asked is not None or self._may_be_elsewhere or is_refused:
                self._stay(now)
            return
        if self._ctx.status.reach is RegistryReach.NONE:
            self._refuse(name, RoomEntryRefusal.OFFLINE)
            return
        if self._ctx.status.reach is RegistryReach.LOST and not self._registry.search(now=now):
            self._refuse(name, RoomEntryRefusal.UNREACHABLE)
            return
        self._may_be_elsewhere = self._may_be_elsewhere or self._entry is not None
        self._entry = PendingRequest(self._reference(), name, None)
        if self._registry.is_up:
            self._ask(self._entry, now)

    def leave(self, *, now: float) -> None:
        """Leave the room at once; the registry is told now or on the next link."""
        asked, self._entry = self._entry, None
        room = self.room
        if room is None:
            self._out.events.append(events.NotInRoom())
        if room is None and asked is None:
            return
        self._go_out(now)
        self._current.owes_leave = True
        self._current.keep()
        if self._registry.is_up:
            self._say_leave()
        if room is not None:
            self._out.events.append(events.LeftRoom(room=room.room))

    def forget(self) -> None:
        """Note that the program ends: start in no room next time, unless a line of ours still waits
        to be sent there. At the registry we stay a member for a while."""
        if self.room is not None and not self.room.unsettled:
            self._out.records.append(RoomKept(None))

    @property
    def wanted(self) -> str | None:
        """The room that the user wants to be in: the one that was asked for last, else ours."""
        if self._entry is not None:
            return self._entry.room
        return None if self.room is None else self.room.room

    @property
    def is_settled(self) -> bool:
        """Whether the user knows which room we are in, and no request to enter one is pending."""
        return self._entry is None and (
            self._members.is_announced or self._ctx.status.reach is RegistryReach.NONE
        )

    def say(self, text: str, *, now: float) -> SentMessage | None:
        """Begin a line for our room. Return None, and report `NotInRoom`, when we are in none.
        Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        room = self._groups.room
        if room is None:
            self._out.events.append(events.NotInRoom())
            return None
        line = self._outbox.say(room, text, now=now)
        return SentMessage(room.conversation, line.id, line.number)

    def say_to_all(self, text: str, *, now: float) -> SentMessage:
        """Begin a line for the channel. Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        line = self._outbox.say(self._groups.channel, text, now=now)
        return SentMessage(EVERYBODY, line.id, line.number)

    @property
    def are_lines_settled(self) -> bool:
        """Whether each line was answered, or the user knows that it waits and no copy is on its way
        to a member."""
        return self._outbox.is_settled

    @property
    def are_lines_answered(self) -> bool:
        """Whether the registry has answered each line, or the user knows that it waits."""
        return self._outbox.is_answered

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """Return the steps of a pending line of ours so far; none when it is not pending."""
        return self._groups.steps_under_way(stream, number)

    # --- people

    def row_changed(self, contact: Contact, change: Change, *, now: float) -> None:
        """Send a member who is back what they missed while the registry is not."""
        if change is Change.RESTARTED and self._ctx.status.reach is RegistryReach.LOST:
            self._outbox.catch_up(contact, now=now)

    def rows_arrived(self, *, now: float) -> None:
        """Read the lines that waited for the rows of their authors, and report members without a
        name."""
        self._receiver.rows_arrived(now=now)
        self._members.rows_arrived()

    def person_gone(self, identity: bytes) -> None:
        """Report that somebody left the room, when the table shows first that they went offline."""
        self._members.gone(identity)

    def replace(self, old: Contact) -> None:
        """Send a contact whose key was replaced no lines any more."""
        self._fanout.let_go(old)

    # --- what happens to the registry

    def registry_changed(self, change: RegistryChange, *, now: float) -> None:
        """Tell the registry on a new link where we are; send lines directly while it is lost; give
        requests up when nobody will answer them."""
        match change:
            case RegistryChange.LINK_UP:
                self._link_up(now)
            case RegistryChange.LINK_LOST:
                self._link_lost()
            case RegistryChange.CLOCK_KNOWN:
                self._outbox.clock_known(now=now)
            case RegistryChange.REACH if self._ctx.status.reach is RegistryReach.NONE:
                self._outbox.stop(now=now)
                self._give_up(RoomEntryRefusal.OFFLINE, now)
                self._give_up_requests(NoAnswer.OFFLINE)
                self._members.is_announced = self.room is None  # told again when we are back
            case RegistryChange.LOST:
                self._outbox.registry_lost(now=now)
            case RegistryChange.GIVEN_UP:
                self._give_up(RoomEntryRefusal.UNREACHABLE, now)
                self._announce()
                self._give_up_requests(NoAnswer.UNREACHABLE)

    def _link_up(self, now: float) -> None:
        if self._current.owes_leave:
            self._say_leave()
        if self.room is not None:
            self._reentry = PendingRequest(self._reference(), self.room.room, None)
            self._catch_up.await_group(self.room.name)
            self._ask(self._reentry, now)
        if self._entry is not None:
            self._ask(self._entry, now)
        for request in (self.room_list, self.topic):
            request.link_up(now=now)

    def _link_lost(self) -> None:
        """Void what the link granted. Requests are made again on the next one."""
        self._receiver.link_lost()
        self._groups.revoke()
        self._reentry = None
        if self._entry is not None:
            self._entry.deadline = None
        for request in (self.room_list, self.topic):
            request.link_lost()

    def _give_up_requests(self, reason: NoAnswer) -> None:
        for request in (self.room_list, self.topic):
            request.give_up(reason)

    # --- what the registry says

    def _entered(self, notice: RoomEntered, *, now: float) -> None:
        """Handle the notice that the registry let us into a room."""
        asked, again = self._entry, self._reentry
        if again is not None and notice.reference == again.reference:
            self._reentry, room = None, self.room
            if room is not None and notice.group == room.name:
                self._current.return_to(room, notice, now=now)
            else:
                self._go_in(notice, now)
        elif asked is not None and notice.reference == asked.reference:
            self._entry = None
            self._go_in(notice, now)
        elif asked is None and again is None and not self._current.owes_leave:
            is_elsewhere = self.room is None or notice.group != self.room.name
            if is_elsewhere:
                self._stay(now)

    def _refused(self, notice: RoomRefused, *, now: float) -> None:
        """Handle the notice that the registry refused a request to enter a room."""
        if self._entry is not None and notice.reference == self._entry.reference:
            asked, self._entry = self._entry, None
            self._refuse(asked.room, RoomEntryRefusal[notice.reason.name])
            if self._may_be_elsewhere:
                self._stay(now)
        elif (
            self._reentry is not None
            and notice.reference == self._reentry.reference
            and self.room is not None
        ):
            self._return_refused(self._reentry, self.room, notice.reason, now)

    def _return_refused(
        self, asked: PendingRequest, room: Group, reason: RoomRefusal, now: float
    ) -> None:
        """Leave the room, or ask again later if the registry only cannot write: the user is told
        once."""
        self._reentry = None
        self._catch_up.group_drained(room.name)
        if not asked.is_repeat:
            self._refuse(room.room, RoomEntryRefusal[reason.name])
        if reason is RoomRefusal.NOT_SERVING:
            self._return_alarm.deadline = now + RETURN_AGAIN_AFTER
            return
        self._go_out(now)
        self._current.keep()
        self._out.events.append(events.LeftRoom(room=room.room))

    def _left(self, notice: RoomLeft, *, now: float) -> None:
        """Handle the notice that confirms that we left."""
        if self._current.owes_leave and notice.reference == self._leave_reference:
            self._current.owes_leave = False
            self._current.keep()

    def _evicted(self, notice: RoomEvicted, *, now: float) -> None:
        """Handle the notice that the registry's owner has taken us out of the room, or closed
        it."""
        room = self.room
        if room is None or notice.group != room.name:
            return
        if self._reentry is not None:
            self._catch_up.group_drained(room.name)
        self._go_out(now)
        self._current.keep()
        how = events.RoomExit.CLOSED if notice.is_closed else events.RoomExit.EVICTED
        self._out.events.append(events.LeftRoom(room=room.room, how=how))

    def line_relayed(self, data: bytes, *, now: float) -> None:
        """Take a line that the registry relays, and ask for its author's row if we lack it. Raises
        WireError."""
        position, frame = unpack_relayed(data)
        if not self._receiver.line_relayed(position, frame, now=now):
            self._people.fetch(now=now)

    def channel_key(self, epoch: int) -> GroupKey | None:
        """Return the channel's key of an epoch, if we hold it."""
        return self._groups.channel.key(epoch)

    def _granted(self, granted: GroupGranted, *, now: float) -> None:
        """Take the key of a group."""
        group = self._groups.by_name(granted.group)
        if group is not None:
            self._outbox.granted(granted, group, now=now)

    # --- inside

    def _announce(self) -> None:
        """Tell the user that we are in the room, once: not while an entry is pending, or while the
        registry has yet to learn that we are there, or lines are missing."""
        room, reach = self._groups.room, self._ctx.status.reach
        if room is None or self._members.is_announced or self._entry is not None:
            return
        if reach is RegistryReach.NONE:
            return
        if reach is not RegistryReach.LOST:
            is_reentering = self._reentry is not None and self._reentry.deadline is not None
            if is_reentering or not self._registry.is_up or self._catch_up.awaits(room.name):
                return
        missed = self._catch_up.count(room.room)
        members = self._members.announce()
        topic = self._members.topic
        shown = "" if topic is None or self._members.hides(topic) else topic.text
        self._out.events.append(
            events.EnteredRoom(room=room.room, members=members, missed=missed, topic=shown)
        )

    def _look(self, *, now: float) -> None:
        """Give up requests to enter a room that were not answered in time."""
        if self._entry is not None and self._entry.is_due(now):
            self._give_up(RoomEntryRefusal.UNANSWERED, now)
        reentry = self._reentry
        if reentry is not None and reentry.is_due(now):
            reentry.deadline = None  # a late answer still counts
            if self.room is not None:
                self._catch_up.group_drained(self.room.name)
            self._announce()
        for request in (self._entry, self._reentry):
            if request is not None and request.deadline is not None:
                self._alarm.no_later_than(request.deadline)

    def _return_again(self, *, now: float) -> None:
        """Ask for our room again after the registry could not write that we are in it."""
        if self.room is None or self._reentry is not None or not self._registry.is_up:
            return
        if self._entry is not None:  # the answer may take us elsewhere
            self._return_alarm.deadline = now + RETURN_AGAIN_AFTER
            return
        self._reentry = PendingRequest(self._reference(), self.room.room, None, is_repeat=True)
        self._ask(self._reentry, now)

    def _give_up(self, reason: RoomEntryRefusal, now: float) -> None:
        """Refuse a request that was not answered; the registry may have received it, so say where
        we are again."""
        if self._entry is not None:
            asked, self._entry = self._entry, None
            self._refuse(asked.room, reason)
            self._stay(now)

    def _stay(self, now: float) -> None:
        """Tell the registry that we stay where we are, whatever we asked before. It follows the
        request at once: a registry that has read only the request moves us until it reads this as
        well."""
        self._may_be_elsewhere = False
        if self.room is None:
            self._current.owes_leave = True
            self._current.keep()
            if self._registry.is_up:
                self._say_leave()
        elif self._registry.is_up:
            self._reentry = PendingRequest(self._reference(), self.room.room, None)
            self._ask(self._reentry, now)

    def _go_out(self, now: float) -> None:
        self._reentry = self._return_alarm.deadline = None
        self._current.go_out(now=now)

    def _go_in(self, notice: RoomEntered, now: float) -> None:
        self._reentry = self._return_alarm.deadline = None
        self._may_be_elsewhere = False
        self._current.go_in(notice, now=now)

    def _ask(self, asked: PendingRequest, now: float) -> None:
        asked.deadline = now + self._ctx.policy.give_up_after
        self._alarm.no_later_than(asked.deadline)
        is_return = asked is self._reentry
        if is_return:
            self._return_alarm.deadline = None
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
