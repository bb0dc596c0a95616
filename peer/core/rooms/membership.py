"""The members of our room, and which of them the user knows to be there.

Only real changes are reported. When the registry comes back, members return one after the other; a member who was
there before and is back soon has neither left nor joined.
"""

from collections.abc import Callable, Iterable
from typing import Final

from chatapp.peer.core.context import Outputs, RegistryReach, RegistryStatus
from chatapp.peer.core.events import MemberJoined, MemberLeft, Person, TopicKnown
from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.core.people.contact import Contact
from chatapp.peer.core.people.roster import Contacts
from chatapp.peer.core.rooms.direct_fanout import DirectFanout
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.wire.messages.rooms import RoomMember, RoomPresence, Topic

RETURN_SPAN: Final = 30.0
"""Seconds after our own return until a member who is not back counts as gone."""


class Membership:
    """The members of our room other than ourselves."""

    def __init__(
        self, contacts: Contacts, outputs: Outputs, *, me: bytes, registry_key: Callable[[], bytes | None]
    ) -> None:
        """`registry_key`: returns the registry's key, in whose name its administrator acts; None if we know none."""
        self._contacts = contacts
        self._out = outputs
        self._me = me
        self._registry_key = registry_key
        self.room = ""
        self.topic: Topic | None = None
        """The topic of our room. An empty text: it has none. None: not known."""
        self.members: dict[bytes, RoomPresence] = {}
        self.is_announced = True
        """Whether the user knows that we are in this room; also true when we are in none."""
        self._told: set[bytes] = set()
        self.missing: dict[bytes, float] = {}
        """Members whom the user knows to be there and who are not back yet: until when we wait for each."""
        self._unnamed: set[bytes] = set()
        """Members without a row, to be reported when it arrives."""

    def begin(self, room: str, members: Iterable[RoomMember]) -> None:
        """Enter a room; nothing was reported of it yet."""
        self.room = room
        self.topic = None
        self.is_announced = False
        self._told.clear()
        self.missing.clear()
        self._unnamed.clear()
        self._replace(members)

    def end(self) -> None:
        """Leave the room."""
        self.begin("", ())
        self.is_announced = True

    def announce(self) -> tuple[str, ...]:
        """Return the names of those present and mark them announced; unnamed ones follow when their row arrives."""
        self.is_announced = True
        here = [identity for identity in self.members if self._is_here(identity)]
        self._told = set(here)
        self.missing.clear()
        contacts = {identity: self._contacts.by_identity(identity) for identity in here}
        self._unnamed = {identity for identity, contact in contacts.items() if contact is None}
        names = (contact.name for contact in contacts.values() if contact is not None)
        return tuple(sorted(names, key=str.casefold))

    def topic_of(self, topic: Topic, *, is_change: bool = False) -> TopicKnown:
        """Return the event that tells the user of a topic of our room."""
        author = self._contacts.by_identity(topic.author)
        return TopicKnown(
            room=self.room,
            text=topic.text,
            author=author.name if author is not None else "",
            at=topic.at / 1000,
            is_change=is_change,
            is_administrators=topic.author == self._registry_key(),
        )

    def hides(self, topic: Topic) -> bool:
        """Return whether the user ignores the author of a topic."""
        return topic.author in self._contacts.ignored

    def returned(self, members: Iterable[RoomMember], *, now: float) -> None:
        """Take the members of the same room on a new link, and report who joined or left meanwhile."""
        self._replace(members)
        for identity in list(self.members):
            if self._is_here(identity):
                self._came(identity)
        for identity in list(self._told):
            if identity not in self.members:
                self._went(identity)
            elif not self._is_here(identity):
                self.missing[identity] = now + RETURN_SPAN

    def changed(self, members: Iterable[RoomMember]) -> None:
        """Take what the registry says of these members now."""
        for member in members:
            if member.identity == self._me:
                continue
            if member.presence is RoomPresence.GONE:
                self.members.pop(member.identity, None)
            else:
                self.members[member.identity] = member.presence
            if not self.is_announced:
                continue
            if member.presence is RoomPresence.HERE:
                self._came(member.identity)
            elif member.presence is RoomPresence.GONE or member.identity not in self.missing:
                self._went(member.identity)

    def gone(self, identity: bytes) -> None:
        """Report that somebody left the room, when the table shows first that they went offline."""
        if self.is_announced and self._is_here(identity):
            self._went(identity)

    def rows_arrived(self) -> None:
        """Report members whose rows have arrived."""
        for identity in list(self._unnamed) if self.is_announced else ():
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                self._unnamed.discard(identity)
            if contact is not None and identity not in self._contacts.ignored:
                self._out.events.append(MemberJoined(room=self.room, name=contact.name))

    @property
    def lacks_rows(self) -> bool:
        """Whether a present member has no row."""
        return any(self._contacts.by_identity(one) is None for one in self.members if self._is_here(one))

    def here(self) -> list[Contact]:
        """Return the present members whose rows we have."""
        found = (self._contacts.by_identity(one) for one in self.members if self._is_here(one))
        return [contact for contact in found if contact is not None]

    def handle_timer(self, *, now: float) -> None:
        """Report the members who did not come back in time."""
        for identity, deadline in list(self.missing.items()):
            if now >= deadline:
                self._went(identity)

    def next_timer(self) -> float | None:
        """Return when the wait for a member ends."""
        return min(self.missing.values(), default=None)

    def _replace(self, members: Iterable[RoomMember]) -> None:
        self.members = {
            member.identity: member.presence
            for member in members
            if member.presence is not RoomPresence.GONE and member.identity != self._me
        }

    def _is_here(self, identity: bytes) -> bool:
        return self.members.get(identity) is RoomPresence.HERE

    def _came(self, identity: bytes) -> None:
        self.missing.pop(identity, None)
        if identity in self._told:
            return
        self._told.add(identity)
        contact = self._contacts.by_identity(identity)
        if contact is None:
            self._unnamed.add(identity)
        elif identity not in self._contacts.ignored:
            self._out.events.append(MemberJoined(room=self.room, name=contact.name))

    def _went(self, identity: bytes) -> None:
        self.missing.pop(identity, None)
        if identity not in self._told:
            return
        self._told.discard(identity)
        contact = self._contacts.by_identity(identity)
        is_shown = identity not in self._unnamed and identity not in self._contacts.ignored
        if contact is not None and is_shown:
            self._out.events.append(MemberLeft(room=self.room, name=contact.name))
        self._unnamed.discard(identity)


class RoomRecipients:
    """Who gets a line of the channel or of our room."""

    def __init__(
        self,
        *,
        me: LocalIdentity,
        groups: Groups,
        contacts: Contacts,
        members: Membership,
        fanout: DirectFanout,
        registry_status: RegistryStatus,
    ) -> None:
        self._me = me
        self._groups = groups
        self._contacts = contacts
        self._members = members
        self._fanout = fanout
        self._registry_status = registry_status

    def members_of(self, group: Group) -> list[Contact]:
        """Return the members to whom a line goes directly while the registry is away."""
        if group.room:
            here = self._members.here() if group is self._groups.room else []
            return [contact for contact in here if not contact.is_banned]
        me = self._me.identity.public
        return [contact for contact in self._contacts if contact.may_answer and contact.identity != me]

    def people(self) -> tuple[Person, ...]:
        """Return everybody in our room, ourselves included, by name."""
        if self._groups.room is None:
            return ()
        own = self._contacts.by_identity(self._me.identity.public)
        people = [
            Person(name=self._me.name, online=True, since=float(own.row.since) if own is not None else 0.0)
        ]
        for identity, presence in self._members.members.items():
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                is_here = presence is RoomPresence.HERE
                people.append(Person(name=contact.name, online=is_here, since=float(contact.row.since)))
        return tuple(sorted(people, key=lambda person: person.name))

    @property
    def in_reach(self) -> int:
        """How many other members a line of ours would reach now."""
        is_alone = self._registry_status.reach is not RegistryReach.UP
        silent = self._fanout.silent if is_alone else ()
        return sum(contact.identity not in silent for contact in self._members.here())
