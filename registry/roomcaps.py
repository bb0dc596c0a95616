"""How often rooms may be made and entered, and how many there may be."""

from registry.buckets import Buckets
from registry.directory import Directory
from registry.room import Room
from registry.shares import Shares
from wire.limits import (
    BUCKETS_MAX,
    ROOM_ENTRIES_BURST,
    ROOM_ENTRIES_SPAN,
    ROOMS_MADE_BURST,
    ROOMS_MADE_PER_ADDRESS_BURST,
    ROOMS_MADE_PER_ADDRESS_SPAN,
    ROOMS_MADE_SPAN,
    ROOMS_MAX,
)
from wire.messages.room import RoomRefusal


class RoomCaps:
    """Counts by identity, and by the address at which the directory has it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._shares = Shares(most=ROOMS_MAX)
        """Rooms with members, by the member with whom each is counted."""
        self._entries: Buckets[bytes] = Buckets(
            rate=1 / ROOM_ENTRIES_SPAN, burst=ROOM_ENTRIES_BURST, most=BUCKETS_MAX
        )
        self._made: Buckets[bytes] = Buckets(
            rate=1 / ROOMS_MADE_SPAN, burst=ROOMS_MADE_BURST, most=BUCKETS_MAX
        )
        self._made_at: Buckets[str] = Buckets(
            rate=1 / ROOMS_MADE_PER_ADDRESS_SPAN, burst=ROOMS_MADE_PER_ADDRESS_BURST, most=BUCKETS_MAX
        )

    def refusal_of(self, identity: bytes) -> RoomRefusal | None:
        """Why this identity may not be the first member of a room; None when it may."""
        if self._shares.has_room(identity, self._directory.network_of(identity)):
            return None
        return RoomRefusal.SHARE_USED_UP if self._shares.has_left() else RoomRefusal.TOO_MANY_ROOMS

    def is_full(self, rooms: int) -> bool:
        """Whether there may be no more than these, deserted ones among them."""
        return rooms >= ROOMS_MAX

    def count(self, room: Room, keeper: bytes | None) -> None:
        """Count a room with this identity from now on; with nobody for None."""
        if room.keeper is not None:
            self._shares.give_back(room.keeper)
        if keeper is not None:
            self._shares.take(keeper, self._directory.network_of(keeper))
        room.keeper = keeper

    def may_enter(self, identity: bytes, *, now: float) -> bool:
        """Once more, any room."""
        return self._entries.take(identity, now=now)

    def may_make(self, identity: bytes, *, now: float) -> bool:
        """One room more."""
        person = self._directory.person(identity)
        if person is None or not self._made.take(identity, now=now):
            return False
        return self._made_at.take(person.address.host, now=now)
