"""This file is about how often rooms may be made and entered, and how many there may be. It knows no room."""

from registry.buckets import Buckets
from registry.directory import Directory
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


class RoomCaps:
    """Counts by identity, and by the address at which the directory has it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._entries: Buckets[bytes] = Buckets(
            rate=1 / ROOM_ENTRIES_SPAN, burst=ROOM_ENTRIES_BURST, most=BUCKETS_MAX
        )
        self._made: Buckets[bytes] = Buckets(
            rate=1 / ROOMS_MADE_SPAN, burst=ROOMS_MADE_BURST, most=BUCKETS_MAX
        )
        self._made_at: Buckets[str] = Buckets(
            rate=1 / ROOMS_MADE_PER_ADDRESS_SPAN, burst=ROOMS_MADE_PER_ADDRESS_BURST, most=BUCKETS_MAX
        )

    def is_full(self, rooms: int) -> bool:
        """Whether there may be no more than these."""
        return rooms >= ROOMS_MAX

    def may_enter(self, identity: bytes, *, now: float) -> bool:
        """Once more, any room."""
        return self._entries.take(identity, now=now)

    def may_make(self, identity: bytes, *, now: float) -> bool:
        """One room more."""
        person = self._directory.person(identity)
        if person is None or not self._made.take(identity, now=now):
            return False
        return self._made_at.take(person.address.host, now=now)
