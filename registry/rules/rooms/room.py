"""One room: its members, which of them are here, and how they learn of each other (clause 10).

A member is here on the one link that entered the room.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from chatapp.registry.rules.context import Context
from chatapp.registry.rules.directory.connections import Connection, Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.effects import Caller, Effect, Push, RelayTo
from chatapp.registry.rules.rooms.log import Group
from chatapp.registry.rules.rooms.rules import GroupRules
from chatapp.wire.codec import encode
from chatapp.wire.limits import ROOM_BYTES_MAX, ROOM_LINES_MAX, ROOM_SIGN
from chatapp.wire.messages.rooms import (
    NO_TOPIC,
    RoomChanged,
    RoomInfo,
    RoomMember,
    RoomPresence,
    Topic,
    TopicChanged,
)

_NEWS_AT_ONCE: Final = 64
"""How many changes are gathered at most."""


class Member:
    """A member, away until they enter the room on a link."""

    __slots__ = ("expires_at", "is_here", "news_seen", "seen", "since")

    def __init__(self, *, since: int, seen: int, expires_at: float) -> None:
        self.since: Final = since
        """Lines up to this position are not theirs to read."""
        self.seen = seen
        """The newest line when they went away."""
        self.expires_at = expires_at
        """When the membership ends, if they stay away."""
        self.is_here = False
        self.news_seen = 0
        """The number of the newest change that they know."""


class Room(GroupRules):
    """One room. `name` is its group's."""

    def __init__(
        self,
        name: str,
        directory: Directory,
        connections: Connections,
        context: Context,
        *,
        position: int,
        now: float,
    ) -> None:
        group = Group(
            name,
            position=position,
            lines_max=ROOM_LINES_MAX,
            bytes_max=ROOM_BYTES_MAX,
            kept_for=context.policy.group_kept_for,
        )
        span = context.policy.room_epoch_span
        super().__init__(group, directory, connections, context, epoch_span=span, now=now)
        self.members: dict[bytes, Member] = {}
        self.keeper: bytes | None = None
        """The member against whose share of all rooms it counts: the oldest one, or the first one
        while still entering."""
        self.expected: set[bytes] = set()
        """New members on their way to the disk."""
        self.deserted_at = now
        """When it last lost all members."""
        self.here = 0
        """How many members are here."""
        self.watched_at: float | None = None
        """The deadline that `RoomIndex` has queued."""
        self.topic: Topic = NO_TOPIC
        self._links: tuple[int, ...] | None = None
        self._changes = 0
        self._untold: dict[bytes, tuple[int, int, RoomPresence]] = {}
        """Members that changed since the last announcement: the numbers of their first and last
        change, and their presence before."""
        self._arrivals: list[int] = []
        """The numbers of the changes, since the last announcement, after which somebody was given a
        list of all others."""
        self._news_at: float | None = None

    # --- members

    @property
    def name(self) -> str:
        """Its name as its maker wrote it."""
        return self.group.name.removeprefix(ROOM_SIGN)

    @property
    def is_deserted(self) -> bool:
        """Whether nobody is a member or about to be one."""
        return not self.members and not self.expected

    @property
    def info(self) -> RoomInfo:
        """The room as it appears in the list of rooms."""
        return RoomInfo(self.group.name, self.here)

    def others(self, identity: bytes) -> list[RoomMember]:
        """Return all other members."""
        return [
            RoomMember(other, self._presence(other)) for other in self.members if other != identity
        ]

    def crowded_out(self, newcomer: str, network_of: Callable[[bytes], str]) -> bytes | None:
        """Return the member who makes way in a full room for a newcomer of another network: of the
        network with most members, the one longest away. None if that is the newcomer's network, or
        if all of its members are here."""
        networks = {identity: network_of(identity) for identity in self.members}
        ((most, _),) = Counter(networks.values()).most_common(1)
        away = [
            identity
            for identity, member in self.members.items()
            if networks[identity] == most and not member.is_here
        ]
        if most == newcomer or not away:
            return None
        return min(away, key=lambda identity: self.members[identity].expires_at)

    def add(self, identity: bytes, member: Member, *, now: float) -> None:
        """Add a member, who is away at first. The first member of all gets a key that nobody else
        has had."""
        if self.members:
            self.members_changed(now=now)
        self._note(identity, now)
        self.members[identity] = member

    def restore(self, identity: bytes, member: Member) -> None:
        """Restore a member of an earlier run."""
        self.members[identity] = member

    def arrive(self, identity: bytes, *, now: float) -> None:
        """Note that a member is here."""
        member = self.members[identity]
        self._note(identity, now)
        member.is_here = True
        self.list_given(identity)
        self._here_changed(1)

    def list_given(self, identity: bytes) -> None:
        """Note that a member has been given a list of the others: only later changes are announced
        to them."""
        self.members[identity].news_seen = self._changes
        self._arrivals.append(self._changes)

    def go_away(self, identity: bytes, *, expires_at: float, now: float) -> Member:
        """Note that a member who was here is out of reach."""
        member = self.members[identity]
        self._note(identity, now)
        member.is_here, member.seen, member.expires_at = False, self.group.position, expires_at
        self._here_changed(-1)
        return member

    def remove(self, identity: bytes, *, now: float) -> None:
        """Remove a member."""
        self._note(identity, now)
        if self.members.pop(identity).is_here:
            self._here_changed(-1)
        if self.members:
            self.members_changed(now=now)
        else:
            self.deserted_at = now

    def _here_changed(self, by: int) -> None:
        self.here += by
        self._links = None

    def _presence(self, identity: bytes) -> RoomPresence:
        member = self.members.get(identity)
        if member is None:
            return RoomPresence.GONE
        return RoomPresence.HERE if member.is_here else RoomPresence.AWAY

    # --- what differs between groups

    def listeners(self) -> Iterable[Connection]:
        """Yield the connections of members who are here."""
        connections = (
            self._connections.of(identity)
            for identity, member in self.members.items()
            if member.is_here
        )
        return (connection for connection in connections if connection.link is not None)

    def may_send(self, caller: Caller) -> bool:
        """Return whether the sender is here."""
        member = self.members.get(caller.identity)
        return member is not None and member.is_here

    def not_before(self, identity: bytes) -> int | None:
        """Return the position at which their membership began."""
        member = self.members.get(identity)
        return None if member is None else member.since

    def relay(self, frame: bytes, sender: int) -> list[Effect]:
        """Relay to everybody who is here, after pending changes of members."""
        if self._links is None:
            self._links = tuple(
                connection.link for connection in self.listeners() if connection.link is not None
            )
        return [*self._tell(), RelayTo(frame=frame, links=self._links, sender=sender)]

    def tell_topic(self, *, author: int | None) -> list[Effect]:
        """Tell everybody who is here of the topic, except on the author's link, where it is the
        answer."""
        message = msgspec.Raw(encode(TopicChanged(0, self.group.name, self.topic)))
        links = (connection.link for connection in self.listeners())
        return [
            Push(link=link, message=message)
            for link in links
            if link is not None and link != author
        ]

    # --- news

    def next_timer(self) -> float | None:
        """Return when a new key or an announcement is due."""
        key_at = super().next_timer()
        if key_at is None or self._news_at is None:
            return self._news_at if key_at is None else key_at
        return min(key_at, self._news_at)

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Announce changes first: then everybody knows who gets the new key."""
        effects = self._tell() if self._news_at is not None and now >= self._news_at else []
        return effects + super().handle_timer(now=now)

    def _note(self, identity: bytes, now: float) -> None:
        """Note a presence change that was not announced yet."""
        self._changes += 1
        first, _, before = self._untold.pop(identity, (self._changes, 0, self._presence(identity)))
        self._untold[identity] = (first, self._changes, before)
        if self._news_at is None:
            policy = self._context.policy
            self._news_at = now + max(
                policy.room_news_span, self.here / policy.room_news_per_second
            )
        if len(self._untold) >= _NEWS_AT_ONCE:
            self._news_at = now

    def _tell(self) -> list[Effect]:
        """Announce to each member who is here what is new to them."""
        if not self._untold:
            return []
        news = self._news()
        self._untold, self._arrivals, self._news_at = {}, [], None
        if not news:
            return []
        messages: dict[int, msgspec.Raw] = {}
        effects: list[Effect] = []
        for identity, member in self.members.items():
            link = self._connections.link_of(identity)
            if not member.is_here or link is None or member.news_seen >= news[-1][0]:
                continue
            first = next(
                place for place, (number, _) in enumerate(news) if number > member.news_seen
            )
            message = messages.get(first)
            if message is None:
                changed = RoomChanged(self.group.name, [who for _, who in news[first:]])
                message = messages[first] = msgspec.Raw(encode(changed))
            effects.append(Push(link=link, message=message))
        return effects

    def _news(self) -> list[tuple[int, RoomMember]]:
        """Return the changed members in order, with the numbers of their last change. A member
        whose presence is as it was announced is left out, unless somebody was given a list in
        between."""
        return [
            (last, RoomMember(identity, self._presence(identity)))
            for identity, (first, last, before) in self._untold.items()
            if self._presence(identity) is not before
            or any(first <= seen < last for seen in self._arrivals)
        ]
