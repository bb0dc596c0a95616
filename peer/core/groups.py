"""This file is about the groups that we are in: the channel always, one room at a time, and rooms just left.

It finds a group by name or by the tag of its frames; how we get in and out stands in `peer.core.rooms`.
"""

from collections.abc import Iterator
from typing import Final

from peer.core.group import Group
from peer.core.trail import Raw


class Groups:
    """The channel, and the room where we are."""

    def __init__(self, channel: Group) -> None:
        self.channel: Final = channel
        self.room: Group | None = None
        self.known: Final[dict[str, Group]] = {}
        """Rooms of this life: their streams go on when we come again."""
        self._former: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        """Those that we are in."""
        yield self.channel
        if self.room is not None:
            yield self.room

    def by_name(self, name: str) -> Group | None:
        """One that we are in."""
        return next((group for group in self if group.name == name), None)

    def by_tag(self, tag: bytes) -> Group | None:
        """The one that we are in whose frames bear this tag."""
        return next((group for group in self if group.tag == tag), None)

    def answering(self, name: str) -> Group | None:
        """One that we are in, or that we have left while lines of ours were on their way to it."""
        return self.by_name(name) or self._former.get(name)

    def steps_under_way(self, stream: bytes, number: int) -> tuple[Raw, ...]:
        """How a line of ours to a group that we are in, or were in this life, went so far."""
        groups = (self.channel, *self.known.values())
        return next((group.steps_of(number) for group in groups if group.mark == stream), ())

    def enter(self, group: Group) -> None:
        """We are in this room now, and in no other."""
        self.leave()
        self._former.pop(group.name, None)
        self.room = group

    def leave(self) -> None:
        """We are in no room; the one that we were in may still answer."""
        if self.room is not None:
            self._former = {self.room.name: self.room}
            self.room = None

    def revoke(self) -> None:
        """The link is gone, and what it granted."""
        self._former.clear()
        for group in self:
            group.revoke()
