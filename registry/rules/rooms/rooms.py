"""All rooms: making and entering them, their members, and their records on the disk (clause 10).

Entering a room that does not exist makes it. A person may be in several rooms.
"""

import heapq
from collections.abc import Iterator

import msgspec

from chatapp.registry.rules.context import Context
from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    Drop,
    DropReason,
    Effect,
    Effects,
    Handle,
    Push,
    Reply,
    Rule,
    Steps,
    Store,
)
from chatapp.registry.rules.limits import PendingRequests, Shares, remaining
from chatapp.registry.rules.rooms.memberships import Evictions, Memberships
from chatapp.registry.rules.rooms.room import Member, Room
from chatapp.registry.store.entries import (
    Entry,
    GroupGone,
    GroupLinesDropped,
    RoomMemberGone,
    RoomMemberKept,
    RoomTopicKept,
)
from chatapp.registry.store.protocol import Loaded, LoadedGroup
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import (
    BUCKETS_MAX,
    ROOM_ENTRIES_BURST,
    ROOM_ENTRIES_SPAN,
    ROOM_LIST_MAX,
    ROOM_MEMBERS_MAX,
    ROOM_SIGN,
    ROOMS_MADE_BURST,
    ROOMS_MADE_PER_ADDRESS_BURST,
    ROOMS_MADE_PER_ADDRESS_SPAN,
    ROOMS_MADE_SPAN,
    TOPICS_BURST,
    TOPICS_SPAN,
)
from chatapp.wire.messages.rooms import (
    NO_TOPIC,
    ROOMS_LISTED_MAX,
    EnterRooms,
    LeaveRoom,
    ListRooms,
    RoomEntered,
    RoomEvicted,
    RoomInfo,
    RoomLeft,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
    SetTopic,
    Topic,
    TopicChanged,
    TopicRefusal,
    TopicRefused,
)
from chatapp.wire.names import name_key, peer_name

_INFO_OVERHEAD = 16
"""Bytes of a listed room beside its name."""


class RoomIndex:
    """Finds rooms, and their deadlines. Callers report each change of a room by `changed`."""

    def __init__(
        self,
        directory: Directory,
        connections: Connections,
        context: Context,
        *,
        first_position: int,
    ) -> None:
        """`first_position`: where positions of this run begin (`limits.first_number`)."""
        self._directory = directory
        self._connections = connections
        self._context = context
        self._rooms: dict[str, Room] = {}
        self._by_group: dict[str, Room] = {}
        self._by_tag: dict[bytes, Room] = {}
        self._timers: list[tuple[float, str]] = []
        self._position = first_position
        """Where the positions of new rooms begin: above those of erased rooms, which may have had
        the same name."""
        self._listed: list[RoomInfo] | None = None

    def __len__(self) -> int:
        return len(self._rooms)

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    # --- finding

    def find(self, key: str) -> Room | None:
        """Return the room whose name has this key."""
        return self._rooms.get(key)

    def by_group(self, group: str) -> Room | None:
        """Return the room of this group."""
        return self._by_group.get(group)

    def by_tag(self, tag: bytes) -> Room | None:
        """Return the room whose frames have this tag."""
        return self._by_tag.get(tag)

    def longest_deserted(self) -> Room | None:
        """Return the room that has been without members longest."""
        deserted = (room for room in self._rooms.values() if room.is_deserted)
        return min(deserted, key=lambda room: room.deserted_at, default=None)

    def listed(self) -> list[RoomInfo]:
        """Return the rooms with somebody in them, by name; made once a change, since anybody may
        ask at any rate."""
        if self._listed is None:
            self._listed = self._list()
        return self._listed

    def _list(self) -> list[RoomInfo]:
        """List the rooms with most people: nobody hides a room behind empty ones."""
        busy = sorted(
            (room.info for room in self._rooms.values() if room.here), key=lambda info: -info.here
        )
        chosen: list[RoomInfo] = []
        size = 0
        for info in busy[:ROOMS_LISTED_MAX]:
            size += len(info.group.encode()) + _INFO_OVERHEAD
            if size > ROOM_LIST_MAX:
                break
            chosen.append(info)
        return sorted(chosen, key=lambda info: name_key(info.group.removeprefix(ROOM_SIGN)))

    # --- beginning and end

    def open(self, key: str, group: str, *, now: float) -> Room:
        """Make a room."""
        room = Room(
            group,
            self._directory,
            self._connections,
            self._context,
            position=self._position,
            now=now,
        )
        room.timer_changed = lambda: self.watch(room)
        self._rooms[key] = self._by_group[group] = self._by_tag[room.tag] = room
        return room

    def erase(self, room: Room) -> GroupGone:
        """Remove a room. Return the entry for the disk."""
        room.is_over, group = True, room.group.name
        self._position = max(self._position, room.group.position + 1)
        del self._rooms[name_key(group.removeprefix(ROOM_SIGN))]
        del self._by_group[group]
        self._by_tag.pop(room.tag, None)
        return GroupGone(group)

    # --- time

    def changed(self, room: Room) -> None:
        """Note that members of a room changed."""
        self._listed = None
        self.watch(room)

    def watch(self, room: Room) -> None:
        """Queue the room's next deadline."""
        at = room.next_timer()
        if at is not None and at != room.watched_at:
            room.watched_at = at
            heapq.heappush(self._timers, (at, room.group.name))

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Do what is due in rooms: new keys, announcements."""
        effects: list[Effect] = []
        while self._timers and self._timers[0][0] <= now:
            _, group = heapq.heappop(self._timers)
            room = self._by_group.get(group)
            if room is not None:
                room.watched_at = None
                effects += room.handle_timer(now=now)
                self.watch(room)
        return effects

    def next_timer(self) -> float | None:
        """Return the earliest deadline, or an earlier time at which nothing is due any more."""
        return self._timers[0][0] if self._timers else None


def room_key(name: str) -> str | None:
    """Return the key by which names of rooms are compared; None for an invalid name."""
    try:
        return name_key(peer_name(name))
    except NameRefused:
        return None


def _key_of(group: str) -> str | None:
    """Return the key of the room of this group."""
    return room_key(group.removeprefix(ROOM_SIGN))


class RoomCaps:
    """Limits on making and entering rooms, by identity and by address."""

    def __init__(self, directory: Directory, *, most: int) -> None:
        """`most`: how many rooms there may be."""
        self._directory = directory
        self._most = most
        self._shares = Shares(most=most)
        """Rooms with members, each counted against one of its members."""
        self._entries: Buckets[bytes] = Buckets(
            rate=1 / ROOM_ENTRIES_SPAN, burst=ROOM_ENTRIES_BURST, most=BUCKETS_MAX
        )
        self._made: Buckets[bytes] = Buckets(
            rate=1 / ROOMS_MADE_SPAN, burst=ROOMS_MADE_BURST, most=BUCKETS_MAX
        )
        self._made_at: Buckets[str] = Buckets(
            rate=1 / ROOMS_MADE_PER_ADDRESS_SPAN,
            burst=ROOMS_MADE_PER_ADDRESS_BURST,
            most=BUCKETS_MAX,
        )

    def refusal_of(self, identity: bytes) -> RoomRefusal | None:
        """Return why this identity may not be the first member of a room; None if it may."""
        if self._shares.has_capacity(identity, self._directory.network_of(identity)):
            return None
        return RoomRefusal.SHARE_USED_UP if self._shares.has_left() else RoomRefusal.TOO_MANY_ROOMS

    def is_full(self, rooms: int) -> bool:
        """Return whether there may be no more rooms than these."""
        return rooms >= self._most

    def count(self, room: Room, keeper: bytes | None) -> None:
        """Count a room against this identity from now on; None for nobody."""
        if room.keeper is not None:
            self._shares.give_back(room.keeper)
        if keeper is not None:
            self._shares.take(keeper, self._directory.network_of(keeper))
        room.keeper = keeper

    def may_enter(self, identity: bytes, *, now: float) -> bool:
        """Return whether this identity may enter a room once more."""
        return self._entries.take(identity, now=now)

    def may_make(self, identity: bytes, *, now: float) -> bool:
        """Return whether this identity may make one more room."""
        person = self._directory.person(identity)
        if person is None or not self._made.take(identity, now=now):
            return False
        return self._made_at.take(person.address.host, now=now)


class Rooms:
    """Handles requests about rooms."""

    def __init__(
        self,
        directory: Directory,
        connections: Connections,
        context: Context,
        *,
        first_position: int,
    ) -> None:
        self._directory = directory
        self._connections = connections
        self._context = context
        self._kept_for = context.policy.group_kept_for
        self._caps = RoomCaps(directory, most=context.policy.rooms_max)
        self.index = RoomIndex(directory, connections, context, first_position=first_position)
        self.memberships = Memberships(
            directory, each=context.policy.rooms_each, most=context.policy.memberships_max
        )
        self._entering: PendingRequests[Handle] = PendingRequests()
        """Those with an EnterRooms at the disk."""
        self._evictions = Evictions()
        self._topics: Buckets[bytes] = Buckets(
            rate=1 / TOPICS_SPAN, burst=TOPICS_BURST, most=BUCKETS_MAX
        )

    def load(self, loaded: Loaded, *, now: float) -> list[Entry]:
        """Restore the rooms of earlier runs. Everybody is away; those who were here had read
        everything."""
        entries: list[Entry] = []
        groups = [
            (max(kept.keys, default=0), name)
            for name, kept in loaded.groups.items()
            if name.startswith(ROOM_SIGN)
        ]
        for _, name in sorted(groups, reverse=True):
            key = _key_of(name)
            if key is not None and self.index.find(key) is None:
                entries.append(self._load_room(key, loaded.groups[name], name, now))
            else:  # erased and made again in another spelling while the disk was full
                entries.append(GroupGone(name))
        for kept in sorted(loaded.members, key=lambda member: member.since):
            room = self.index.by_group(kept.group)
            if kept.is_closed is not None:
                self._load_eviction(kept, now)
            elif room is None:
                entries.append(RoomMemberGone(kept.identity, kept.group))
            else:
                entries += self._load_member(room, kept, loaded.groups[kept.group].highest, now)
        for room in self.index:
            self._check_keeper(room)
        return entries

    def _load_room(self, key: str, kept: LoadedGroup, group: str, now: float) -> Entry:
        room = self.index.open(key, group, now=now)
        if kept.topic is not None:
            room.topic = Topic(kept.topic.text, kept.topic.author, kept.topic.at)
        return room.load(kept, now=now)

    def _load_eviction(self, kept: RoomMemberKept, now: float) -> None:
        key, message = _key_of(kept.group), RoomEvicted(kept.group, bool(kept.is_closed))
        if key is not None:
            self._evictions.add(kept.identity, key, message, expires_at=now + self._left(kept, now))

    def _left(self, kept: RoomMemberKept, now: float) -> float:
        """Return for how long a record is still kept."""
        wall, grace = self._context.clock.seconds(now), self._context.policy.restart_grace
        return remaining(kept.at, wall, kept_for=self._kept_for, at_least=grace)

    def _load_member(
        self, room: Room, kept: RoomMemberKept, highest: int, now: float
    ) -> list[Entry]:
        left = self._kept_for if kept.is_here else self._left(kept, now)
        seen = max(highest if kept.is_here else kept.seen, kept.since)
        room.restore(kept.identity, Member(since=kept.since, seen=seen, expires_at=now + left))
        self.memberships.add(kept.identity, room)
        # The next run must not assume that they were here in this one.
        return [self._away_entry(room, kept.identity, now)] if kept.is_here else []

    # --- entering

    def enter(self, request: EnterRooms, caller: Caller, *, now: float) -> Effects:
        """Handle an EnterRooms: answered for each room, at once where the caller is a member, else
        when the disk has it."""
        if not self._is_latest(caller):
            return [Drop(reason=DropReason.ROOM_REQUEST_FROM_OLD_LINK)]
        if caller.identity in self._entering:
            is_queued = self._entering.wait(caller.identity, Handle(request=request, to=caller))
            return (
                []
                if is_queued
                else [_refused(request.reference, "", caller, RoomRefusal.TOO_OFTEN)]
            )
        return self._enter_all(request, caller, now)

    def _enter_all(self, request: EnterRooms, caller: Caller, now: float) -> Rule:
        """Enter one room after the other. What the caller asks meanwhile follows."""
        self._entering.begin(caller.identity)
        for name in request.rooms:
            if not self._is_latest(caller):  # another link asks for all of them anew
                break
            if not self._caps.may_enter(caller.identity, now=now):
                # Looking at the others, and answering for each, would cost more than asking.
                yield _refused(request.reference, "", caller, RoomRefusal.TOO_OFTEN)
                break
            now = yield from self._enter(name, request, caller, now)
        yield from self._entering.end(caller.identity)

    def _enter(self, name: str, request: EnterRooms, caller: Caller, now: float) -> Steps[float]:
        """Enter one room. Return the time."""
        identity, key, reference = caller.identity, room_key(name), request.reference
        if key is None:
            yield _refused(reference, name, caller, RoomRefusal.BAD_NAME)
            return now
        put_out = self._evictions.find(identity, key)
        if put_out is not None and request.is_return:
            yield Reply(to=caller, message=put_out)
            return now
        self._evictions.remove(identity, key)
        room = self.index.find(key)
        if room is not None and identity in room.members:
            yield from self._return(room, reference, caller, now)
            return now
        entries: list[Entry] = [] if put_out is None else [RoomMemberGone(identity, put_out.group)]
        place = self._place(key, name, identity, entries, now)
        if isinstance(place, RoomRefusal):
            yield _refused(reference, name, caller, place)
            return now
        return (yield from self._join(place, entries, (reference, name), caller, now))

    def _place(
        self, key: str, name: str, identity: bytes, entries: list[Entry], now: float
    ) -> Room | RoomRefusal:
        """Return the room that somebody new may enter, or why there is no place for them. What makes
        way for them is appended to `entries`."""
        room, former = self.index.find(key), None
        if self.memberships.is_full(identity):
            former = self.memberships.longest_away(identity)
            if former is None:
                return RoomRefusal.IN_TOO_MANY
        refusal = self.memberships.refusal_of(identity) if former is None else None
        if room is None or room.is_deserted:
            refusal = refusal or self._caps.refusal_of(identity)
        if refusal is not None:
            return refusal
        if room is None:
            if not self._caps.may_make(identity, now=now):
                return RoomRefusal.TOO_OFTEN
            room = self._make(key, ROOM_SIGN + peer_name(name), entries, now)
            if room is None:
                return RoomRefusal.TOO_MANY_ROOMS
        elif not self._make_way(room, identity, entries, now):
            return RoomRefusal.ROOM_FULL
        if former is not None:
            entries.append(self._take_out(former, identity, now))
        return room

    def _make_way(self, room: Room, identity: bytes, entries: list[Entry], now: float) -> bool:
        """Let a member who is away make way in a full room. Return whether one more member fits
        now."""
        if len(room.members) + len(room.expected) < ROOM_MEMBERS_MAX:
            return True
        network_of = self._directory.network_of
        gone = room.crowded_out(network_of(identity), network_of) if room.members else None
        if gone is None:
            return False
        entries.append(self._take_out(room, gone, now))
        return True

    def _make(self, key: str, group: str, entries: list[Entry], now: float) -> Room | None:
        """Make a room, if there may be one more, and append what the disk must have of it."""
        if self._caps.is_full(len(self.index)):
            deserted = self.index.longest_deserted()
            if deserted is None:
                return None
            entries.append(self.index.erase(deserted))
        room = self.index.open(key, group, now=now)
        room.begin(now=now)
        return room

    def _join(
        self, room: Room, entries: list[Entry], asked: tuple[int, str], caller: Caller, now: float
    ) -> Steps[float]:
        """Add a member when the disk has them. Return the time. `asked`: the reference, and the room
        as the caller named it."""
        identity, since = caller.identity, room.group.position
        if room.is_deserted:
            self._caps.count(room, identity)
        room.expected.add(identity)
        entries.append(self._entry(room, identity, since=since, seen=since, is_here=True, now=now))
        is_stored, now = yield Store(room.with_first_key(*entries))
        room.expected.discard(identity)
        if is_stored:
            room.first_key_stored()
            yield from self._joined(room, since, asked[0], caller, now)
            return now
        self._check_keeper(room)
        yield _refused(*asked, caller, RoomRefusal.NOT_SERVING)
        if room.is_deserted and room.group.is_empty:
            yield Append((self.index.erase(room),))
        return now

    def _joined(
        self, room: Room, since: int, reference: int, caller: Caller, now: float
    ) -> list[Effect]:
        identity = caller.identity
        if self._directory.person(identity) is None:  # they gave up their name meanwhile
            self._check_keeper(room)
            return [Append((RoomMemberGone(identity, room.group.name),))]
        member = Member(since=since, seen=since, expires_at=now + self._kept_for)
        room.add(identity, member, now=now)
        self.memberships.add(identity, room)
        self._check_keeper(room)
        self.index.watch(room)
        if not self._is_at(caller):  # their link broke meanwhile
            return [Append((self._away_entry(room, identity, now),))]
        return self._arrive(room, reference, caller, now)

    def _return(self, room: Room, reference: int, caller: Caller, now: float) -> list[Effect]:
        """Let a member back in. They need not wait for the disk: only their return is new to it."""
        identity = caller.identity
        if not self._is_at(caller):  # their link broke while this waited: they are away
            return []
        if room.members[identity].is_here:
            room.list_given(identity)
            return self._welcome(room, reference, caller, missed=0)
        since = room.members[identity].since
        entry = self._entry(room, identity, since=since, seen=since, is_here=True, now=now)
        return [Append((entry,)), *self._arrive(room, reference, caller, now)]

    def _arrive(self, room: Room, reference: int, caller: Caller, now: float) -> list[Effect]:
        identity = caller.identity
        missed = room.group.count_after(room.members[identity].seen, reader=identity)
        room.arrive(identity, now=now)
        self.index.changed(room)
        return self._welcome(room, reference, caller, missed=missed)

    def _welcome(self, room: Room, reference: int, caller: Caller, *, missed: int) -> list[Effect]:
        identity = caller.identity
        since = room.members[identity].since
        others = room.others(identity)
        entered = RoomEntered(reference, room.group.name, others, since, missed, room.topic)
        return [
            Reply(to=caller, message=entered),
            room.grant(self._connections.of(identity)),
        ]

    # --- going

    def leave(self, request: LeaveRoom, caller: Caller, *, now: float) -> Effects:
        """Handle a LeaveRoom. The member is out at once; the answer follows when the disk has it. One
        that is not answered is asked again on the next link."""
        if not self._is_latest(caller):
            return [Drop(reason=DropReason.ROOM_REQUEST_FROM_OLD_LINK)]
        if caller.identity in self._entering:
            is_queued = self._entering.wait(caller.identity, Handle(request=request, to=caller))
            return [] if is_queued else [Drop(reason=DropReason.REQUEST_QUEUE_FULL)]
        left = Reply(to=caller, message=RoomLeft(request.reference))
        room = self.named(request.room)
        if room is None or caller.identity not in room.members:
            return [left]
        return self._note_left(self._take_out(room, caller.identity, now), left)

    def _note_left(self, gone: RoomMemberGone, left: Reply) -> Rule:
        if (yield Store((gone,))).is_stored:
            yield left

    def go_away(self, identity: bytes, *, now: float) -> list[Effect]:
        """Note that a member's link has gone. They stay a member of their rooms for as long as lines
        are kept for them."""
        entries: list[Entry] = []
        for room in self.memberships.of(identity):
            if room.members[identity].is_here:
                room.go_away(identity, expires_at=now + self._kept_for, now=now)
                self.index.changed(room)
                entries.append(self._away_entry(room, identity, now))
        return [Append(tuple(entries))] if entries else []

    def forget(self, identity: bytes, *, now: float) -> None:
        """Remove somebody whose name was released."""
        self._evictions.forget(identity)
        for room in self.memberships.of(identity):
            self._take_out(room, identity, now)

    # --- what the registry's owner does

    def named(self, name: str) -> Room | None:
        """Return the room with this name."""
        key = room_key(name)
        return None if key is None else self.index.find(key)

    def close(self, room: Room, *, now: float) -> tuple[list[Entry], list[Effect]]:
        """End a room that nobody is about to enter. Return what the disk must have, and what tells
        its members."""
        entries, notices = self._put_all_out(room, list(room.members), is_closed=True, now=now)
        return [*entries, self.index.erase(room)], notices

    def evict(self, room: Room, identity: bytes, *, now: float) -> tuple[list[Entry], list[Effect]]:
        """Take a member out of a room. Return what the disk must have, and what tells the
        member."""
        return self._put_all_out(room, [identity], is_closed=False, now=now)

    def _put_all_out(
        self, room: Room, identities: list[bytes], *, is_closed: bool, now: float
    ) -> tuple[list[Entry], list[Effect]]:
        """Take members out. Those who are away are told on return, also if the registry is started
        again before."""
        key, message = name_key(room.name), RoomEvicted(room.group.name, is_closed)
        entries: list[Entry] = []
        notices: list[Effect] = []
        for identity in identities:
            self._evictions.add(identity, key, message, expires_at=now + self._kept_for)
            if room.members[identity].is_here:
                entries.append(RoomMemberGone(identity, room.group.name))
                link = self._connections.link_of(identity)
                notices += [] if link is None else [Push(link=link, message=message)]
            else:
                entries.append(
                    msgspec.structs.replace(
                        self._away_entry(room, identity, now), is_closed=is_closed
                    )
                )
            self._take_out(room, identity, now)
        return entries, notices

    def forget_author(self, identity: bytes) -> tuple[list[Entry], list[Effect], int]:
        """Drop all lines and topics of somebody. Return what the disk must have, what tells others,
        and how many lines."""
        entries: list[Entry] = []
        notices: list[Effect] = []
        count = 0
        for room in self.index:
            dropped = room.forget_author(identity)
            if dropped is not None:
                count += len(dropped.positions)
            if room.topic.author == identity and room.topic.text:
                room.topic, group = NO_TOPIC, room.group.name
                entries.append(RoomTopicKept(group, "", NO_TOPIC.author, 0))
                notices += room.tell_topic(author=None)
                dropped = dropped or GroupLinesDropped(group, [], [])
            if dropped is not None:
                entries.append(dropped)
        return entries, notices, count

    def _take_out(self, room: Room, identity: bytes, now: float) -> RoomMemberGone:
        """Take a member out of a room. Return the entry for the disk."""
        room.remove(identity, now=now)
        self.memberships.remove(identity, room)
        self._check_keeper(room)
        self.index.changed(room)
        return RoomMemberGone(identity, room.group.name)

    def _check_keeper(self, room: Room) -> None:
        """Count a room against its oldest member, if the one before is no longer a member."""
        if room.keeper is None or not (room.keeper in room.members or room.keeper in room.expected):
            self._caps.count(room, next(iter(room.members), None))

    # --- the topic

    def set_topic(self, request: SetTopic, caller: Caller, *, now: float) -> Effects:
        """Handle a SetTopic: answered, and told to all who are here, when the disk has it."""
        if not self._is_at(caller):
            return [Drop(reason=DropReason.ROOM_REQUEST_FROM_OLD_LINK)]
        if caller.identity in self._entering:
            is_queued = self._entering.wait(caller.identity, Handle(request=request, to=caller))
            return [] if is_queued else _no_topic(request, caller, TopicRefusal.TOO_OFTEN)
        room = self.index.by_group(request.group)
        if room is None or not room.may_send(caller):
            return _no_topic(request, caller, TopicRefusal.NOT_HERE)
        if not self._topics.take(caller.identity, now=now):
            return _no_topic(request, caller, TopicRefusal.TOO_OFTEN)
        return self._set_topic(room, request, caller, now)

    def _set_topic(self, room: Room, request: SetTopic, caller: Caller, now: float) -> Rule:
        topic = Topic(request.text, caller.identity, self._context.clock.millis(now))
        if not (yield from self.keep_topic(room, topic, link=caller.link)):
            yield from _no_topic(request, caller, TopicRefusal.NOT_SERVING)
            return
        message = TopicChanged(request.reference, request.group, topic)
        yield Reply(to=caller, message=message)

    def keep_topic(self, room: Room, topic: Topic, *, link: int | None) -> Steps[bool]:
        """Store a topic, then tell all who are here, except on its author's link. Return whether it
        was stored."""
        entry = RoomTopicKept(room.group.name, topic.text, topic.author, topic.at)
        is_stored, _ = yield Store((entry,))
        if is_stored and not room.is_over:
            room.topic = topic
            yield from room.tell_topic(author=link)
        return is_stored

    # --- the list of rooms

    def list_rooms(self, request: ListRooms, caller: Caller, *, now: float) -> list[Effect]:
        """List the rooms with somebody in them."""
        return [Reply(to=caller, message=RoomsListed(request.reference, self.index.listed()))]

    # --- time

    def sweep(self, *, now: float) -> list[Effect]:
        """Remove members who stayed away too long, expired lines, and rooms with neither."""
        entries: list[Entry] = []
        effects: list[Effect] = []
        for room in self.index:
            over = [
                identity
                for identity, member in room.members.items()
                if not member.is_here and member.expires_at <= now
            ]
            entries += [self._take_out(room, identity, now) for identity in over]
            effects += room.sweep(now=now)
            if room.is_deserted and room.group.is_empty:
                entries.append(self.index.erase(room))
        entries += [
            RoomMemberGone(identity, group) for identity, group in self._evictions.expired(now=now)
        ]
        return [*effects, Append(tuple(entries))] if entries else effects

    # --- what the disk stores

    def _is_latest(self, caller: Caller) -> bool:
        """Return whether nothing newer can have been asked on another link. What waited for the
        disk while its link broke is served: it may take back what went before it."""
        latest = self._connections.latest_link_of(caller.identity)
        return caller.link is not None and latest == caller.link

    def _is_at(self, caller: Caller) -> bool:
        return caller.link is not None and self._connections.link_of(caller.identity) == caller.link

    def _away_entry(self, room: Room, identity: bytes, now: float) -> RoomMemberKept:
        member = room.members[identity]
        return self._entry(
            room, identity, since=member.since, seen=member.seen, is_here=False, now=now
        )

    def _entry(
        self, room: Room, identity: bytes, *, since: int, seen: int, is_here: bool, now: float
    ) -> RoomMemberKept:
        at = self._context.clock.millis(now)
        return RoomMemberKept(identity, room.group.name, since, seen, is_here, at)


def _refused(reference: int, room: str, caller: Caller, reason: RoomRefusal) -> Effect:
    return Reply(to=caller, message=RoomRefused(reference, room, reason))


def _no_topic(request: SetTopic, caller: Caller, reason: TopicRefusal) -> list[Effect]:
    return [Reply(to=caller, message=TopicRefused(request.reference, reason))]
