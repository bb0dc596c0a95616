"""This file is about all rooms: who may make or enter one, who is in which, and what of it is on the disk (clause 12).

A room is made by entering it. One room at a time a person: entering another leaves the first. It decides and sends
nothing; how lines travel, `grouprules` says, how members hear of each other, `room`.
"""

import heapq

from registry.clock import remaining
from registry.directory import Directory
from registry.effects import Caller, Drop, Effect, EpochKept, Reply, Resume, RoomEntryKept, Store
from registry.grouprules import Means
from registry.room import Member, Room
from registry.roomcaps import RoomCaps
from registry.store.entries import Entry, GroupGone, RoomMember, RoomMemberGone
from registry.store.protocol import Loaded
from wire.errors import NameRefused
from wire.limits import GROUP_KEPT_FOR, ROOM_LIST_MAX, ROOM_MEMBERS_MAX
from wire.messages.room import (
    ROOM_SIGN,
    ROOMS_LISTED_MAX,
    EnterRoom,
    LeaveRoom,
    ListRooms,
    RoomEntered,
    RoomInfo,
    RoomLeft,
    RoomRefusal,
    RoomRefused,
    RoomsListed,
)
from wire.names import name_key, peer_name

_INFO_OVERHEAD = 16
"""Bytes of a listed room beside its name."""


class Rooms:
    """All rooms."""

    def __init__(self, directory: Directory, means: Means) -> None:
        self._means = means
        self._caps = RoomCaps(directory)
        self._rooms: dict[str, Room] = {}
        self._by_group: dict[str, Room] = {}
        self._by_tag: dict[bytes, Room] = {}
        self._room_of: dict[bytes, Room] = {}
        self._entering: set[bytes] = set()
        """Who is on the way to the disk as a new member; what else they ask waits until it has answered."""
        self._timers: list[tuple[float, str]] = []
        self._position = 0
        """No room begins below: one of the same name may have been here before."""
        self._listed: list[RoomInfo] | None = None

    def __len__(self) -> int:
        return len(self._rooms)

    def load(self, loaded: Loaded, *, now: float) -> list[Entry]:
        """Rooms of earlier lives. Everybody is away; whoever was here had all that was said until then."""
        entries: list[Entry] = []
        groups = [
            (max(kept.keys, default=0), name)
            for name, kept in loaded.groups.items()
            if name.startswith(ROOM_SIGN)
        ]
        for _, name in sorted(groups, reverse=True):
            key = _key_of(name.removeprefix(ROOM_SIGN))
            if key is None or key in self._rooms:  # a room that was made anew while the disk was full
                entries.append(GroupGone(name))
            else:
                entries.append(self._open(key, name, now).load(loaded.groups[name], now=now))
        wall, grace = self._means.clock.seconds(now), self._means.policy.restart_grace
        for kept in loaded.members:
            room = self._by_group.get(kept.group)
            if room is None:
                entries.append(RoomMemberGone(kept.identity))
                continue
            left = GROUP_KEPT_FOR
            if not kept.is_here:
                left = remaining(kept.at, wall, kept_for=GROUP_KEPT_FOR, at_least=grace)
            seen = loaded.groups[kept.group].highest if kept.is_here else kept.seen
            member = Member(since=kept.since, seen=max(seen, kept.since), expires_at=now + left)
            room.restore(kept.identity, member)
            self._room_of[kept.identity] = room
        return entries

    # --- finding

    def by_tag(self, tag: bytes) -> Room | None:
        """The room whose frames bear this tag."""
        return self._by_tag.get(tag)

    def by_group(self, group: str) -> Room | None:
        """The room whose group has this name."""
        return self._by_group.get(group)

    # --- entering

    def enter(self, request: EnterRoom, caller: Caller, *, now: float) -> list[Effect]:
        """Answered at once where the asker is a member, else when the disk has it."""
        if not self._is_at(caller):
            return [Drop(reason="room request of a former link")]
        if caller.identity in self._entering:
            return _after_that(request, caller)
        key = _key_of(request.room)
        if key is None:
            return _refusal(request.reference, caller, RoomRefusal.BAD_NAME)
        if not self._caps.may_enter(caller.identity, now=now):
            return _refusal(request.reference, caller, RoomRefusal.TOO_MANY_ROOMS)
        room = self._rooms.get(key)
        if room is not None and room is self._room_of.get(caller.identity):
            return self._return(room, request.reference, caller, now)
        if room is not None and len(room.members) + room.expected >= ROOM_MEMBERS_MAX:
            return _refusal(request.reference, caller, RoomRefusal.ROOM_FULL)
        entries: list[Entry] = []
        if room is None:
            if not self._caps.may_make(caller.identity, now=now):
                return _refusal(request.reference, caller, RoomRefusal.TOO_MANY_ROOMS)
            if self._caps.is_full(len(self._rooms)):
                deserted = self._longest_deserted()
                if deserted is None:
                    return _refusal(request.reference, caller, RoomRefusal.TOO_MANY_ROOMS)
                entries.append(self._erase(deserted))
            room = self._open(key, ROOM_SIGN + peer_name(request.room), now)
            entries.append(room.begin(now=now))
        return [self._expect(room, entries, request.reference, caller, now)]

    def _expect(self, room: Room, entries: list[Entry], reference: int, caller: Caller, now: float) -> Store:
        """A new member, when the disk has them."""
        room.expected += 1
        self._entering.add(caller.identity)
        since = room.group.position

        def note(*, is_kept: bool) -> Resume:
            name = room.group.name
            kept = RoomEntryKept(group=name, reference=reference, since=since, is_kept=is_kept)
            return Resume(request=kept, to=caller)

        entries.append(self._entry(room, caller.identity, since=since, seen=since, is_here=True, now=now))
        return Store(entries=tuple(entries), then=(note(is_kept=True),), otherwise=(note(is_kept=False),))

    def entry_kept(self, note: RoomEntryKept, caller: Caller, *, now: float) -> list[Effect]:
        """The disk has answered."""
        identity, room = caller.identity, self._by_group[note.group]
        self._entering.discard(identity)
        room.expected -= 1
        if not note.is_kept:
            effects = _refusal(note.reference, caller, RoomRefusal.NOT_SERVING)
            if room.is_deserted and room.group.is_empty:
                effects.append(Store(entries=(self._erase(room),)))
            return effects
        self._take_out(identity, now)
        room.add(
            identity, Member(since=note.since, seen=note.since, expires_at=now + GROUP_KEPT_FOR), now=now
        )
        self._room_of[identity] = room
        self._watch(room)
        if not self._is_at(caller):  # their link broke meanwhile
            return [Store(entries=(self._away_entry(room, identity, now),))]
        return self._arrive(room, note.reference, caller, now)

    def _return(self, room: Room, reference: int, caller: Caller, now: float) -> list[Effect]:
        """Who is a member need not wait for the disk: only that they are back is new to it."""
        identity = caller.identity
        if room.members[identity].is_here:
            return self._welcome(room, reference, caller, missed=0)
        since = room.members[identity].since
        entry = self._entry(room, identity, since=since, seen=since, is_here=True, now=now)
        return [Store(entries=(entry,)), *self._arrive(room, reference, caller, now)]

    def _arrive(self, room: Room, reference: int, caller: Caller, now: float) -> list[Effect]:
        identity = caller.identity
        missed = room.group.count_after(room.members[identity].seen, reader=identity)
        room.arrive(identity, now=now)
        self._changed(room)
        return self._welcome(room, reference, caller, missed=missed)

    def _welcome(self, room: Room, reference: int, caller: Caller, *, missed: int) -> list[Effect]:
        identity = caller.identity
        since = room.members[identity].since
        entered = RoomEntered(reference, room.group.name, room.others(identity), since, missed)
        return [Reply(to=caller, message=entered), room.grant(self._means.roster.seat(identity))]

    # --- going

    def leave(self, request: LeaveRoom, caller: Caller, *, now: float) -> list[Effect]:
        """Out for good, at once; answered when the disk has it, or takes nothing more."""
        if not self._is_at(caller):
            return [Drop(reason="room request of a former link")]
        if caller.identity in self._entering:
            return _after_that(request, caller)
        left = Reply(to=caller, message=RoomLeft(request.reference))
        if not self._take_out(caller.identity, now):
            return [left]
        return [Store(entries=(RoomMemberGone(caller.identity),), then=(left,), otherwise=(left,))]

    def go_away(self, identity: bytes, *, now: float) -> list[Effect]:
        """Somebody's link is gone: they stay a member for as long as lines are kept for them."""
        room = self._room_of.get(identity)
        if room is None or not room.members[identity].is_here:
            return []
        room.go_away(identity, expires_at=now + GROUP_KEPT_FOR, now=now)
        self._changed(room)
        return [Store(entries=(self._away_entry(room, identity, now),))]

    def _take_out(self, identity: bytes, now: float) -> bool:
        """Whether they were in a room."""
        room = self._room_of.pop(identity, None)
        if room is None:
            return False
        room.remove(identity, now=now)
        self._changed(room)
        return True

    # --- looking for one

    def list_rooms(self, request: ListRooms, caller: Caller) -> list[Effect]:
        """The rooms with somebody in them, by name."""
        if self._listed is None:
            self._listed = self._list()
        return [Reply(to=caller, message=RoomsListed(request.reference, self._listed))]

    def _list(self) -> list[RoomInfo]:
        """Where there are too many, those with the most people: nobody hides a room behind empty ones."""
        busy = sorted((room.info for room in self._rooms.values() if room.here), key=lambda info: -info.here)
        chosen: list[RoomInfo] = []
        size = 0
        for info in busy[:ROOMS_LISTED_MAX]:
            size += len(info.group.encode()) + _INFO_OVERHEAD
            if size > ROOM_LIST_MAX:
                break
            chosen.append(info)
        return sorted(chosen, key=lambda info: name_key(info.group.removeprefix(ROOM_SIGN)))

    # --- time

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Keys and news that are due."""
        effects: list[Effect] = []
        while self._timers and self._timers[0][0] <= now:
            _, name = heapq.heappop(self._timers)
            room = self._by_group.get(name)
            if room is not None:
                room.watched_at = None
                effects += room.handle_timer(now=now)
                self._watch(room)
        return effects

    def epoch_kept(self, note: EpochKept, *, now: float) -> list[Effect]:
        """A room's new key is in force; the next one may be due."""
        room = self._by_group.get(note.group)
        if room is None:
            return []
        effects = room.epoch_kept(note, now=now)
        self._watch(room)
        return effects

    def next_timer(self) -> float | None:
        """The earliest deadline, or an earlier one that is none any more."""
        return self._timers[0][0] if self._timers else None

    def sweep(self, *, now: float) -> list[Effect]:
        """Members who stayed away too long, lines that are too old, rooms with neither."""
        entries: list[Entry] = []
        effects: list[Effect] = []
        for room in list(self._rooms.values()):
            over = [one for one, m in room.members.items() if not m.is_here and m.expires_at <= now]
            for identity in over:
                if identity not in self._entering:
                    self._take_out(identity, now)
                    entries.append(RoomMemberGone(identity))
            effects += room.sweep(now=now)
            if room.is_deserted and room.group.is_empty:
                entries.append(self._erase(room))
        return [*effects, Store(entries=tuple(entries))] if entries else effects

    # --- beginning and end

    def _open(self, key: str, name: str, now: float) -> Room:
        position = max(self._means.clock.micros(now), self._position)
        room = Room(name, self._means, position=position, now=now)
        self._rooms[key] = self._by_group[name] = self._by_tag[room.tag] = room
        return room

    def _erase(self, room: Room) -> GroupGone:
        name = room.group.name
        self._position = max(self._position, room.group.position)
        del self._rooms[name_key(name.removeprefix(ROOM_SIGN))]
        del self._by_group[name]
        self._by_tag.pop(room.tag, None)
        return GroupGone(name)

    def _longest_deserted(self) -> Room | None:
        deserted = (room for room in self._rooms.values() if room.is_deserted)
        return min(deserted, key=lambda room: room.deserted_at, default=None)

    def _changed(self, room: Room) -> None:
        self._listed = None
        self._watch(room)

    def _watch(self, room: Room) -> None:
        """See to it that the room is asked when something is due there."""
        at = room.next_timer()
        if at is not None and at != room.watched_at:
            room.watched_at = at
            heapq.heappush(self._timers, (at, room.group.name))

    # --- the disk's words

    def _is_at(self, caller: Caller) -> bool:
        return caller.link is not None and self._means.roster.link_of(caller.identity) == caller.link

    def _away_entry(self, room: Room, identity: bytes, now: float) -> RoomMember:
        member = room.members[identity]
        return self._entry(room, identity, since=member.since, seen=member.seen, is_here=False, now=now)

    def _entry(
        self, room: Room, identity: bytes, *, since: int, seen: int, is_here: bool, now: float
    ) -> RoomMember:
        at = self._means.clock.millis(now)
        return RoomMember(identity, room.group.name, since, seen, is_here, at)


def _key_of(name: str) -> str | None:
    try:
        return name_key(peer_name(name))
    except NameRefused:
        return None


def _after_that(request: EnterRoom | LeaveRoom, caller: Caller) -> list[Effect]:
    """Look again when the disk has answered what was asked before."""
    again = (Resume(request=request, to=caller),)
    return [Store(entries=(), then=again, otherwise=again)]


def _refusal(reference: int, caller: Caller, reason: RoomRefusal) -> list[Effect]:
    return [Reply(to=caller, message=RoomRefused(reference, reason))]
