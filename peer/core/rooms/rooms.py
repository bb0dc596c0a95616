"""Rooms and the channel: where we are, who is with us, what is said there. We may be in several rooms.

The registry decides who enters. Leaving is our own decision and takes effect at once, whether or
not the registry has heard of it.
"""

from collections.abc import Iterator, Sequence
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
from chatapp.peer.core.records import (
    CHANNEL_MARK,
    Loaded,
    Related,
    RoomKept,
    StoredGroup,
    StoredStream,
)
from chatapp.peer.core.rooms.entered import (
    EnteredRooms,
    PendingRequest,
    RoomList,
    TopicRequest,
    room_key,
)
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.peer.core.rooms.lines import GroupOutbox, GroupReceiver
from chatapp.peer.core.rooms.membership import DirectFanout, Memberships, RoomRecipients
from chatapp.wire.codec import unpack_group, unpack_relayed
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import ROOMS_EACH_MAX
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EnterRooms,
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
from chatapp.wire.names import peer_name
from chatapp.wire.sealing import GroupKey

RETURN_AGAIN_AFTER: Final = 10.0
"""Seconds after which a peer asks again to return to a room, if the registry could not let it in just
then."""

_FOR_NOW: Final = (RoomRefusal.NOT_SERVING, RoomRefusal.TOO_OFTEN)
"""Why the registry does not let a member in just now, who stays one."""


class Rooms:
    """The subject `rooms` of a peer: the channel and the rooms that we are in (a `Passenger`)."""

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
        self._members: Final = Memberships(ctx, people.contacts, registry)
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
        self._entered: Final = EnteredRooms(
            ctx,
            people,
            groups=self._groups,
            members=self._members,
            outbox=self._outbox,
            positions=loaded.groups,
        )
        self.room_list: Final = RoomList(ctx, registry, self._entered)
        self.topic: Final = TopicRequest(ctx, registry, self._entered)
        self.routes: Final[Routes] = {
            GroupGranted: self._granted,
            GroupAccepted: self._outbox.answered,
            GroupRefused: self._outbox.answered,
            RoomEntered: self._let_in,
            RoomRefused: self._refused,
            RoomLeft: self._left,
            RoomEvicted: self._evicted,
            RoomChanged: self._entered.changed,
            RoomsListed: self.room_list.listed,
            TopicChanged: self.topic.answered,
            TopicRefused: self.topic.answered,
        }
        self._entries: Final[dict[str, PendingRequest]] = {}
        """The user's requests to enter rooms, by the keys of their names."""
        self._returns: Final[dict[str, PendingRequest]] = {}
        """By the same: what names a room of ours to the registry on a new link."""
        self._leaves: Final[dict[int, str]] = {}
        """The rooms that we asked on this link to leave, by reference."""
        self.carried: Final = self._fanout.carried
        self.line_acknowledged: Final = self._outbox.line_acknowledged
        self.cancel: Final = self._outbox.cancel
        self.reword: Final = self._outbox.reword
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
        self._alarm: Final = ctx.alarms.add(self._look)

    def restore(self, loaded: Loaded, *, now: float) -> None:
        """Take up the rooms of an earlier run, and lines that the registry never got."""
        self._outbox.adopt(self._groups.channel, now=now)
        self._entered.restore(loaded.rooms, now=now)

    # --- what the user wants

    def enter(self, room: str, *, now: float) -> None:
        """Ask to enter a room, beside those that we are in. One that we are in already is announced
        once more."""
        try:
            name = peer_name(room)
        except NameRefused:
            self._refuse(room, RoomEntryRefusal.INVALID_NAME)
            return
        group, key = self._entered.find(name), room_key(name)
        if group is not None:
            self._members[group.name].is_announced = False
        elif self._ctx.status.reach is RegistryReach.NONE:
            self._refuse(name, RoomEntryRefusal.OFFLINE)
        elif self._ctx.status.reach is RegistryReach.LOST and not self._registry.search(now=now):
            self._refuse(name, RoomEntryRefusal.UNREACHABLE)
        elif key not in self._entries:
            self._entries[key] = asked = PendingRequest(self._reference(), name, None)
            if self._registry.is_up:
                self._ask([asked], now)

    def leave(self, room: str, *, now: float) -> None:
        """Leave a room at once; the registry is told now or on the next link."""
        try:
            name = peer_name(room)
        except NameRefused:
            self._out.events.append(events.NotInRoom(room=room))
            return
        group, asked = self._entered.find(name), self._entries.pop(room_key(name), None)
        if asked is not None and asked.is_sent:
            self._stay_out(asked.room)
        if group is None:
            self._out.events.append(events.NotInRoom(room=name))
            return
        self._go_out(group, now)
        self._stay_out(group.room)
        self._out.events.append(events.LeftRoom(room=group.room))

    def forget(self) -> None:
        """Note that the program ends: start in no room next time, unless a line of ours still waits
        to be sent there. At the registry we stay a member for a while."""
        self._out.records += [
            RoomKept(group.name) for group in self._groups.rooms.values() if not group.unsettled
        ]

    @property
    def wanted(self) -> list[str]:
        """The rooms that the user wants to be in: ours, and those that were asked for."""
        entered = [group.room for group in self._groups.rooms.values()]
        return [*entered, *(asked.room for asked in self._entries.values())]

    def present_in(self, room: str) -> list[Contact]:
        """Return the members of a room of ours who are there now."""
        group = self._entered.find(room)
        return [] if group is None else self._members[group.name].here()

    def has_absent(self, room: str) -> bool:
        """Return whether a member of a room of ours is away."""
        group = self._entered.find(room)
        return group is not None and self._members[group.name].has_absent

    def has_member(self, room: str, identity: bytes) -> bool:
        """Whether somebody is a member of a room of ours."""
        group = self._entered.find(room)
        return group is not None and self._members.has(group, identity)

    @property
    def is_settled(self) -> bool:
        """Whether the user knows which rooms we are in, and no request to enter one is pending."""
        return not self._entries and (
            self._ctx.status.reach is RegistryReach.NONE
            or all(members.is_announced for members in self._members)
        )

    def say(
        self, room: str, text: str, related: Related | None = None, *, now: float
    ) -> SentMessage | None:
        """Begin a line for a room. Return None when we are not in it. Raises TextTooLong,
        UnicodeEncodeError."""
        check_length(text)
        group = self._entered.find(room)
        if group is None:
            return None
        line = self._outbox.say(group, text, related, now=now)
        return SentMessage(group.conversation, line.id, line.number)

    def say_to_all(self, text: str, related: Related | None = None, *, now: float) -> SentMessage:
        """Begin a line for the channel. Raises TextTooLong, UnicodeEncodeError."""
        check_length(text)
        line = self._outbox.say(self._groups.channel, text, related, now=now)
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
        """Read the lines that waited for the rows of their authors, and report rooms that waited for
        those of their members, and members without a name."""
        self._receiver.rows_arrived(now=now)
        for members in self._members:
            members.rows_arrived()
        self._announce()

    def person_gone(self, identity: bytes) -> None:
        """Report that somebody left our rooms, when the table shows first that they went offline."""
        for members in self._members:
            members.gone(identity)

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
                self._give_up_all(RoomEntryRefusal.OFFLINE)
                self._give_up_requests(NoAnswer.OFFLINE)
                for members in self._members:
                    members.is_announced = False  # told again when we are back
            case RegistryChange.LOST:
                self._outbox.registry_lost(now=now)
            case RegistryChange.GIVEN_UP:
                self._give_up_all(RoomEntryRefusal.UNREACHABLE)
                self._announce()
                self._give_up_requests(NoAnswer.UNREACHABLE)

    def _link_up(self, now: float) -> None:
        for room in self._entered.owed.values():
            self._say_leave(room)
        for group in self._groups.rooms.values():
            asked = PendingRequest(self._reference(), group.room, None)
            self._returns[room_key(group.room)] = asked
            self._catch_up.await_group(group.name)
        self._ask(list(self._returns.values()), now, is_return=True)
        for asked in self._entries.values():
            self._ask([asked], now)
        for request in (self.room_list, self.topic):
            request.link_up(now=now)

    def _link_lost(self) -> None:
        """Void what the link granted. Requests are made again on the next one."""
        self._receiver.link_lost()
        self._groups.revoke()
        self._returns.clear()
        self._leaves.clear()
        for asked in self._entries.values():
            asked.deadline = None
        for request in (self.room_list, self.topic):
            request.link_lost()

    def _give_up_requests(self, reason: NoAnswer) -> None:
        for request in (self.room_list, self.topic):
            request.give_up(reason)

    # --- what the registry says

    def _let_in(self, notice: RoomEntered, *, now: float) -> None:
        """Handle the notice that the registry let us into a room."""
        name = notice.group[1:]
        group = self._groups.rooms.get(notice.group)
        if self._is_answer(self._returns, name, notice.reference) and group is not None:
            self._entered.return_to(group, notice, now=now)
        elif self._is_answer(self._entries, name, notice.reference) or (
            self._entered.find(name) is not None and group is None  # it has ended and begun anew
        ):
            self._entered.go_in(notice, now=now)
        elif group is None and not (
            self._entered.owes_leave(name) or room_key(name) in self._entries
        ):
            self._stay_out(name)

    def _refused(self, notice: RoomRefused, *, now: float) -> None:
        """Handle the notice that the registry refused a request to enter a room, or all rooms of it
        that were not answered before."""
        reason, is_for_all = notice.reason, not notice.room
        requests = [*self._entries.values(), *self._returns.values()]
        for asked in [one for one in requests if one.reference == notice.reference]:
            if not (is_for_all or room_key(asked.room) == room_key(notice.room)):
                continue
            if self._is_answer(self._entries, asked.room, asked.reference):
                self._refuse(asked.room, RoomEntryRefusal[reason.name])
            elif (group := self._entered.find(asked.room)) is not None:
                self._return_refused(asked, group, reason, now)

    def _return_refused(
        self, asked: PendingRequest, group: Group, reason: RoomRefusal, now: float
    ) -> None:
        """Leave the room, or ask again later if the registry cannot let us in just then: the user is
        told once."""
        self._catch_up.group_drained(group.name)
        if not asked.is_refused:
            self._refuse(group.room, RoomEntryRefusal[reason.name])
        if reason in _FOR_NOW:
            asked.is_refused, asked.deadline = True, now + RETURN_AGAIN_AFTER
            self._alarm.no_later_than(asked.deadline)
        else:
            self._go_out(group, now)
            self._out.events.append(events.LeftRoom(room=group.room))

    @staticmethod
    def _is_answer(asked: dict[str, PendingRequest], room: str, reference: int) -> bool:
        """Return whether this answers a pending request, which is over then."""
        key = room_key(room)
        if key not in asked or asked[key].reference != reference:
            return False
        del asked[key]
        return True

    def _left(self, notice: RoomLeft, *, now: float) -> None:
        """Handle the notice that confirms that we left a room."""
        room = self._leaves.pop(notice.reference, None)
        if room is not None and room not in self._leaves.values():
            self._entered.settled(room)

    def _evicted(self, notice: RoomEvicted, *, now: float) -> None:
        """Handle the notice that the registry's owner has taken us out of a room, or closed it."""
        group = self._groups.rooms.get(notice.group)
        if group is None:
            return
        self._go_out(group, now)
        how = events.RoomExit.CLOSED if notice.is_closed else events.RoomExit.EVICTED
        self._out.events.append(events.LeftRoom(room=group.room, how=how))

    def line_relayed(self, data: bytes, *, now: float) -> None:
        """Take a line that the registry relays, and ask for its author's row if we lack it. Raises
        WireError."""
        position, frame = unpack_relayed(data)
        if not self._receiver.line_relayed(position, frame, now=now):
            self._people.seek_speaker(unpack_group(frame).sender_index, now=now)

    def members(self) -> Iterator[bytes]:
        """Yield the members of our rooms, some more than once."""
        for membership in self._members:
            yield from membership.members

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
        """Tell the user once of each room that we are in: not while the registry has yet to learn
        that we are there, or lines or rows of members are missing."""
        reach = self._ctx.status.reach
        if reach is RegistryReach.NONE:
            return
        for members in self._members:
            if members.is_announced:
                continue
            if reach is not RegistryReach.LOST and self._is_returning(members.room):
                continue
            if self._people.awaits_rows(members.lacking()):
                continue
            missed = self._catch_up.count(members.room)
            here, topic = members.announce(), members.topic
            shown = "" if topic is None or members.hides(topic) else topic.text
            self._out.events.append(
                events.EnteredRoom(room=members.room, members=here, missed=missed, topic=shown)
            )

    def _is_returning(self, room: str) -> bool:
        """Return whether the registry has yet to learn that we are in this room, or lines are
        missing."""
        asked, group = self._returns.get(room_key(room)), self._entered.find(room)
        is_asked = asked is not None and asked.deadline is not None and not asked.is_refused
        return (
            is_asked
            or not self._registry.is_up
            or (group is not None and self._catch_up.awaits(group.name))
        )

    def _look(self, *, now: float) -> None:
        """Give up requests to enter a room that were not answered in time, and ask again to return
        where we were refused."""
        for key, asked in list(self._entries.items()):
            if asked.is_due(now):
                self._give_up(key, RoomEntryRefusal.UNANSWERED)
        for asked in [asked for asked in self._returns.values() if asked.is_due(now)]:
            self._return_due(asked, now)
        for asked in (*self._entries.values(), *self._returns.values()):
            if asked.deadline is not None:
                self._alarm.no_later_than(asked.deadline)

    def _return_due(self, asked: PendingRequest, now: float) -> None:
        if asked.is_refused:
            self._ask([asked], now, is_return=True)
            return
        asked.deadline = None  # a late answer still counts
        group = self._entered.find(asked.room)
        if group is not None:
            self._catch_up.group_drained(group.name)
        self._announce()

    def _give_up(self, key: str, reason: RoomEntryRefusal) -> None:
        """Refuse a request that was not answered. The registry may have received it: have it let us
        out again."""
        asked = self._entries.pop(key)
        self._refuse(asked.room, reason)
        if asked.is_sent:
            self._stay_out(asked.room)

    def _give_up_all(self, reason: RoomEntryRefusal) -> None:
        for key in list(self._entries):
            self._give_up(key, reason)

    def _go_out(self, group: Group, now: float) -> None:
        self._returns.pop(room_key(group.room), None)
        self._entered.go_out(group, now=now)

    def _stay_out(self, room: str) -> None:
        """Tell the registry that we are not in this room, now or on the next link."""
        self._entered.owe_leave(room)
        if self._registry.is_up:
            self._say_leave(room)

    def _ask(self, asked: Sequence[PendingRequest], now: float, *, is_return: bool = False) -> None:
        """Ask for rooms, in as few requests as possible."""
        for start in range(0, len(asked), ROOMS_EACH_MAX):
            batch = asked[start : start + ROOMS_EACH_MAX]
            reference = batch[0].reference
            for one in batch:
                one.reference, one.is_sent = reference, True
                one.deadline = now + self._ctx.policy.give_up_after
                self._alarm.no_later_than(one.deadline)
            rooms = [one.room for one in batch]
            self._out.requests.append(EnterRooms(reference, rooms, is_return=is_return))

    def _say_leave(self, room: str) -> None:
        reference = self._reference()
        self._leaves[reference] = room
        self._out.requests.append(LeaveRoom(reference, room))

    def _reference(self) -> int:
        return self._ctx.rng.getrandbits(32)

    def _refuse(self, room: str, reason: RoomEntryRefusal) -> None:
        self._out.events.append(events.RoomEntryDenied(room=room, reason=reason))
