"""This file is about which rooms there are: by name, by group, by tag; when one is due; what a list of them shows.

It knows rooms and the names of rooms; it must not know who asks, or what the disk has of them.
"""

import heapq
from collections.abc import Iterator

from registry.effects import Effect
from registry.grouprules import Means
from registry.room import Room
from registry.store.entries import GroupGone
from wire.errors import NameRefused
from wire.limits import ROOM_LIST_MAX
from wire.messages.room import ROOM_SIGN, ROOMS_LISTED_MAX, RoomInfo
from wire.names import name_key, peer_name

_INFO_OVERHEAD = 16
"""Bytes of a listed room beside its name."""


class RoomIndex:
    """All rooms. Whoever changes one says so by `changed`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._rooms: dict[str, Room] = {}
        self._by_group: dict[str, Room] = {}
        self._by_tag: dict[bytes, Room] = {}
        self._timers: list[tuple[float, str]] = []
        self._position = 0
        """No room begins below: one of the same name may have been here before."""
        self._listed: list[RoomInfo] | None = None

    def __len__(self) -> int:
        return len(self._rooms)

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    # --- finding

    def find(self, key: str) -> Room | None:
        """The room whose name has this key."""
        return self._rooms.get(key)

    def by_group(self, group: str) -> Room | None:
        """The room whose group has this name."""
        return self._by_group.get(group)

    def by_tag(self, tag: bytes) -> Room | None:
        """The room whose frames bear this tag."""
        return self._by_tag.get(tag)

    def longest_deserted(self) -> Room | None:
        """The room that has been without members longest."""
        deserted = (room for room in self._rooms.values() if room.is_deserted)
        return min(deserted, key=lambda room: room.deserted_at, default=None)

    def listed(self) -> list[RoomInfo]:
        """The rooms in which somebody is, by name; made once a change, as anybody may ask at any rate."""
        if self._listed is None:
            self._listed = self._list()
        return self._listed

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

    # --- beginning and end

    def open(self, key: str, group: str, *, now: float) -> Room:
        """A room that is not there yet."""
        position = max(self._means.first_position, self._position)
        room = Room(group, self._means, position=position, now=now)
        self._rooms[key] = self._by_group[group] = self._by_tag[room.tag] = room
        return room

    def erase(self, room: Room) -> GroupGone:
        """It is not there any more; what the disk is to be told."""
        group = room.group.name
        self._position = max(self._position, room.group.position + 1)
        del self._rooms[name_key(group.removeprefix(ROOM_SIGN))]
        del self._by_group[group]
        self._by_tag.pop(room.tag, None)
        return GroupGone(group)

    # --- time

    def changed(self, room: Room) -> None:
        """Somebody came or went: lists are out of date, and something may be due there."""
        self._listed = None
        self.watch(room)

    def watch(self, room: Room) -> None:
        """See to it that the room is asked when something is due there."""
        at = room.next_timer()
        if at is not None and at != room.watched_at:
            room.watched_at = at
            heapq.heappush(self._timers, (at, room.group.name))

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Keys and news that are due."""
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
        """The earliest deadline, or an earlier one that is none any more."""
        return self._timers[0][0] if self._timers else None


def room_key(name: str) -> str | None:
    """What names of rooms are compared by; None for what is no name."""
    try:
        return name_key(peer_name(name))
    except NameRefused:
        return None
