"""Who is a member of which rooms, how many rooms one person may be in, and who was put out of one
while away (clauses 10.2, 10.3)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.limits import Shares
from chatapp.registry.rules.rooms.room import Room
from chatapp.wire.messages.rooms import RoomEvicted, RoomRefusal


class Memberships:
    """The rooms of each person."""

    def __init__(self, directory: Directory, *, each: int, most: int) -> None:
        """`each`: how many one person may have; `most`: how many there may be in all."""
        self._directory = directory
        self._each: Final = each
        self._shares = Shares(most=most)
        self._rooms: dict[bytes, list[Room]] = {}

    def __len__(self) -> int:
        return self._shares.held

    def of(self, identity: bytes) -> list[Room]:
        """Return the rooms of which somebody is a member, the first one first."""
        return list(self._rooms.get(identity, ()))

    def add(self, identity: bytes, room: Room) -> None:
        """Note a new member of a room."""
        self._rooms.setdefault(identity, []).append(room)
        self._shares.take(identity, self._directory.network_of(identity))

    def remove(self, identity: bytes, room: Room) -> None:
        """Note that a member is one no more."""
        rooms = self._rooms[identity]
        rooms.remove(room)
        if not rooms:
            del self._rooms[identity]
        self._shares.give_back(identity)

    def is_full(self, identity: bytes) -> bool:
        """Return whether somebody is in as many rooms as one person may be in."""
        return len(self._rooms.get(identity, ())) >= self._each

    def longest_away(self, identity: bytes) -> Room | None:
        """Return the room from which somebody has been away longest: their program has not returned
        to it, so it makes way for another one. None if they are here in all of theirs."""
        away = [room for room in self.of(identity) if not room.members[identity].is_here]
        return min(away, key=lambda room: room.members[identity].expires_at, default=None)

    def refusal_of(self, identity: bytes) -> RoomRefusal | None:
        """Return why there is no place for one more membership; None if there is one."""
        if self._shares.has_capacity(identity, self._directory.network_of(identity)):
            return None
        return RoomRefusal.SHARE_USED_UP if self._shares.has_left() else RoomRefusal.TOO_MANY_ROOMS


class _Eviction(NamedTuple):
    message: RoomEvicted
    expires_at: float


class Evictions:
    """What the registry's owner did to members, until they ask anew to enter that room. Who is away
    reads it on return."""

    def __init__(self) -> None:
        self._of: dict[bytes, dict[str, _Eviction]] = {}

    def add(self, identity: bytes, key: str, message: RoomEvicted, *, expires_at: float) -> None:
        """Keep it until `expires_at`. `key`: that of the room's name."""
        self._of.setdefault(identity, {})[key] = _Eviction(message, expires_at)

    def find(self, identity: bytes, key: str) -> RoomEvicted | None:
        """Return what somebody is to be told when they return to this room."""
        eviction = self._of.get(identity, {}).get(key)
        return None if eviction is None else eviction.message

    def remove(self, identity: bytes, key: str) -> None:
        """Let somebody enter this room again."""
        rooms = self._of.get(identity, {})
        rooms.pop(key, None)
        if not rooms:
            self._of.pop(identity, None)

    def forget(self, identity: bytes) -> None:
        """Forget somebody whose name was released."""
        self._of.pop(identity, None)

    def expired(self, *, now: float) -> Iterator[tuple[bytes, str]]:
        """Remove those that are too old. Yield whom each concerned, and the room's group."""
        over = [
            (identity, key, eviction.message.group)
            for identity, rooms in self._of.items()
            for key, eviction in rooms.items()
            if eviction.expires_at <= now
        ]
        for identity, key, group in over:
            self.remove(identity, key)
            yield identity, group
