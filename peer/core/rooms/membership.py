"""The members of each of our rooms, and which of them the user knows to be there.

Only real changes are reported. When the registry comes back, members return one after the other; a
member who was there before and is back soon has neither left nor joined.
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from chatapp.peer.api.events import MemberJoined, MemberLeft, MessageState, Person, TopicKnown
from chatapp.peer.api.state import RoomState
from chatapp.peer.core.contacts import Contact, Contacts
from chatapp.peer.core.context import Carrier, Context, RegistryPort, RegistryReach
from chatapp.peer.core.conversation import Message
from chatapp.peer.core.records import NumberUsed
from chatapp.peer.core.rooms.group import Group, Groups
from chatapp.wire.messages.direct import PROVISIONAL
from chatapp.wire.messages.rooms import RoomMember, RoomPresence, Topic


class DirectFanout:
    """Sends our lines to members one by one, and knows who has which."""

    def __init__(self, ctx: Context, contacts: Contacts, carrier: Carrier) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._contacts: Final = contacts
        self._carrier: Final = carrier
        self._conversation: Final = carrier.conversation
        self.carried: Final[dict[bytes, dict[int, tuple[Group, Message]]]] = {}
        """The lines on their way to each member, by their numbers in our direct stream to that
        member."""
        self._asked: dict[bytes, list[tuple[Group, Message]]] = {}
        """Lines to send to each member as soon as the numbers of the lines are on disk."""
        self._has: dict[Message, set[bytes]] = {}
        """The members who have a line, or to whom it is on its way."""
        self.silent: Final[set[bytes]] = set()
        """Members who did not answer the last line. Until they do, they are sent only the
        newest."""

    @property
    def is_settled(self) -> bool:
        """Whether no line is on its way."""
        return not self.carried and not self._asked

    def say(
        self, group: Group, message: Message, members: Iterable[Contact], *, wall: float, now: float
    ) -> None:
        """Send a line to each of these members, with earlier lines that they miss, so that it need
        not wait for those."""
        for contact in members:
            if contact.identity in self.silent:
                self._carry(group, message, contact, wall=wall, now=now)
            else:
                self.catch_up(group, contact, wall=wall, now=now)

    def catch_up(self, group: Group, contact: Contact, *, wall: float, now: float) -> None:
        """Send a member the lines that neither the registry nor the member has."""
        for message in group.unsettled:
            if message.state is MessageState.KEPT:
                self._carry(group, message, contact, wall=wall, now=now)

    def forget(self, message: Message) -> None:
        """Stop tracking a line: the registry has it, or nobody is to have it."""
        self._has.pop(message, None)

    def acknowledged(self, contact: Contact, number: int) -> bool:
        """Note that a member has stored a line. Return False if the number is not a line's."""
        message = self._settle(contact, number)
        if message is not None:
            self.silent.discard(contact.identity)
        return message is not None

    def gave_up(self, contact: Contact, number: int) -> bool:
        """Note that a member did not answer. Return False if the number is not a line's."""
        message = self._settle(contact, number)
        if message is not None:
            self.silent.add(contact.identity)
            self._has.get(message, set()).discard(contact.identity)
        return message is not None

    def withdraw(self, name: str | None = None) -> None:
        """Stop sending the lines of a group, or of all groups without a name."""
        for identity, under_way in list(self.carried.items()):
            contact = self._contacts.by_identity(identity)
            for number, (group, message) in list(under_way.items()):
                if contact is not None and name in (None, group.name):
                    self._take_back(contact, number, message)
        for identity, lines in list(self._asked.items()):
            self._asked[identity] = [line for line in lines if name not in (None, line[0].name)]

    def let_go(self, contact: Contact) -> None:
        """Stop sending lines to a contact whose key was replaced."""
        for number, (_, message) in list(self.carried.get(contact.identity, {}).items()):
            self._take_back(contact, number, message)
        self._asked.pop(contact.identity, None)
        self.silent.discard(contact.identity)

    def number(self, contact: Contact) -> None:
        """Send a member's lines again that have provisional numbers, once their final numbers are
        on disk."""
        for number, (group, message) in list(self.carried.get(contact.identity, {}).items()):
            if number >= PROVISIONAL:
                self._take_back(contact, number, message)
                self._asked.setdefault(contact.identity, []).append((group, message))
                self._out.has_numbered = True

    def number_all(self) -> None:
        """Do the same for all members."""
        for identity in list(self.carried):
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                self.number(contact)

    def numbers_stored(self, *, wall: float, now: float) -> None:
        """Send the lines that waited for their numbers to be on disk."""
        asked, self._asked = self._asked, {}
        for identity, lines in asked.items():
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                for group, message in lines:
                    if message in group.unsettled:
                        self._carry(group, message, contact, wall=wall, now=now)

    def _take_back(self, contact: Contact, number: int, message: Message) -> None:
        self._conversation(contact).delivery.withdraw(number)
        self._settle(contact, number)
        self._has.get(message, set()).discard(contact.identity)

    def _carry(
        self, group: Group, message: Message, contact: Contact, *, wall: float, now: float
    ) -> None:
        has = self._has.setdefault(message, set())
        if contact.identity in has:
            return
        has.add(contact.identity)
        message.has_left = True
        conversation = self._conversation(contact)
        body, ahead = group.fanout(message), self._ctx.status.clock_ahead
        carried = conversation.outgoing.carry(body, wall=wall, ahead=ahead)
        if carried.is_numbered:
            self._out.records.append(NumberUsed(contact.identity, carried.number))
        self.carried.setdefault(contact.identity, {})[carried.number] = group, message
        conversation.delivery.send(carried.number, carried.body, now=now)
        conversation.tell_floor()
        self._carrier.flush_later(contact)

    def _settle(self, contact: Contact, number: int) -> Message | None:
        under_way = self.carried.get(contact.identity, {})
        line = under_way.pop(number, None)
        if line is None:
            return None
        if not under_way:
            del self.carried[contact.identity]
        conversation = self._conversation(contact)
        carried = conversation.outgoing.messages.get(number)
        if carried is not None:
            # Their disk does not keep this number: the next run of theirs would wait for it.
            conversation.outgoing.settle(carried, MessageState.REFUSED)
            conversation.tell_floor()
            self._carrier.flush_later(contact)
        return line[1]


RETURN_SPAN: Final = 30.0
"""Seconds after our own return until a member who is not back counts as gone."""


class Membership:
    """The members of one room other than ourselves."""

    def __init__(self, room: str, ctx: Context, contacts: Contacts, registry: RegistryPort) -> None:
        self._contacts = contacts
        self._out = ctx.out
        self._me = ctx.me.identity.public
        self._registry: Final = registry
        self.room: Final = room
        self.topic: Topic | None = None
        """The topic of the room. An empty text: it has none. None: not known."""
        self.members: dict[bytes, RoomPresence] = {}
        self.changes = 0
        """How often `members` may have changed."""
        self.is_announced = False
        """Whether the user knows that we are in this room."""
        self._told: set[bytes] = set()
        self.missing: dict[bytes, float] = {}
        """Members whom the user knows to be there and who are not back yet: until when we wait for
        each."""
        self._unnamed: set[bytes] = set()
        """Members without a row, to be reported when it arrives."""

    def begin(self, members: Iterable[RoomMember]) -> None:
        """Enter the room; nothing was reported of it yet."""
        self.topic = None
        self.is_announced = False
        self._told.clear()
        self.missing.clear()
        self._unnamed.clear()
        self._replace(members)

    def announce(self) -> tuple[str, ...]:
        """Return the names of those present and mark them announced; unnamed ones follow when their
        row arrives."""
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
            is_administrators=topic.author == self._registry.pinned,
        )

    def hides(self, topic: Topic) -> bool:
        """Return whether the user ignores the author of a topic."""
        return topic.author in self._contacts.ignored

    def returned(self, members: Iterable[RoomMember], *, now: float) -> None:
        """Take the members of the same room on a new link, and report who joined or left
        meanwhile."""
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
        self.changes += 1
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

    def lacking(self) -> list[bytes]:
        """Return the present members whose rows we do not have."""
        return [
            one
            for one in self.members
            if self._is_here(one) and self._contacts.by_identity(one) is None
        ]

    def here(self) -> list[Contact]:
        """Return the present members whose rows we have."""
        found = (self._contacts.by_identity(one) for one in self.members if self._is_here(one))
        return [contact for contact in found if contact is not None]

    @property
    def has_absent(self) -> bool:
        """Whether a member is away."""
        return not all(map(self._is_here, self.members))

    def look(self, *, now: float) -> None:
        """Report the members who did not come back in time."""
        for identity, deadline in list(self.missing.items()):
            if now >= deadline:
                self._went(identity)

    def _replace(self, members: Iterable[RoomMember]) -> None:
        self.changes += 1
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


class Memberships:
    """The members of all rooms that we are in."""

    def __init__(self, ctx: Context, contacts: Contacts, registry: RegistryPort) -> None:
        self._ctx: Final = ctx
        self._contacts: Final = contacts
        self._registry: Final = registry
        self._rooms: Final[dict[str, Membership]] = {}
        self._alarm: Final = ctx.alarms.add(self._look)

    def __iter__(self) -> Iterator[Membership]:
        return iter(list(self._rooms.values()))

    def __getitem__(self, group: str) -> Membership:
        return self._rooms[group]

    def begin(self, group: Group, members: Iterable[RoomMember]) -> Membership:
        """Enter a room."""
        membership = self._rooms[group.name] = Membership(
            group.room, self._ctx, self._contacts, self._registry
        )
        membership.begin(members)
        return membership

    def end(self, group: Group) -> None:
        """Leave a room."""
        del self._rooms[group.name]

    def has(self, group: Group, identity: bytes) -> bool:
        """Return whether somebody is a member of a room that we are in."""
        return group.name in self._rooms and identity in self._rooms[group.name].members

    def watch(self) -> None:
        """Look again when the first member who is missing would have to be back."""
        dues = [due for membership in self for due in membership.missing.values()]
        self._alarm.deadline = min(dues, default=None)

    def _look(self, *, now: float) -> None:
        for membership in self:
            membership.look(now=now)
        self.watch()


_After: TypeAlias = tuple[Membership, int, int, str, frozenset[bytes]]
"""A membership, how many changes of it and of contacts there were, our name, and who is silent."""


class RoomRecipients:
    """Who gets a line of the channel or of a room."""

    def __init__(
        self,
        ctx: Context,
        contacts: Contacts,
        groups: Groups,
        *,
        members: Memberships,
        fanout: DirectFanout,
    ) -> None:
        self._ctx: Final = ctx
        self._contacts: Final = contacts
        self._groups: Final = groups
        self._members: Final = members
        self.fanout: Final = fanout
        self._rooms: dict[str, tuple[_After, RoomState]] = {}
        """By group: each room as it was put together last, and after what."""

    def members_of(self, group: Group) -> list[Contact]:
        """Return the members to whom a line goes directly while the registry is away."""
        if group.room:
            here = self._members[group.name].here() if group.name in self._groups.rooms else []
            return [one for one in here if one.address.port and not one.is_banned]
        me = self._ctx.me.identity.public
        return [
            contact for contact in self._contacts if contact.may_answer and contact.identity != me
        ]

    def rooms(self) -> tuple[RoomState, ...]:
        """Return the rooms that we are in, with everybody there: the same values until something
        changes, since they are asked for after each turn."""
        is_alone = self._ctx.status.reach is not RegistryReach.UP
        silent = frozenset(self.fanout.silent if is_alone else ())
        groups = self._groups.rooms.values()
        self._rooms = {group.name: self._room(group, silent) for group in groups}
        return tuple(room for _, room in self._rooms.values())

    def _room(self, group: Group, silent: frozenset[bytes]) -> tuple[_After, RoomState]:
        """`silent`: who would not get a line of ours now."""
        members, known = self._members[group.name], self._rooms.get(group.name)
        after = (members, members.changes, self._contacts.changes, self._ctx.me.name, silent)
        if known is not None and known[0] == after:
            return known
        in_reach = sum(contact.identity not in silent for contact in members.here())
        people = self._build_people(members)
        return after, RoomState(name=group.room, members=people, in_reach=in_reach)

    def _build_people(self, membership: Membership) -> tuple[Person, ...]:
        own = self._contacts.by_identity(self._ctx.me.identity.public)
        people = [
            Person(
                name=self._ctx.me.name,
                online=True,
                since=float(own.row.since) if own is not None else 0.0,
                status=own.row.status if own is not None else "",
                away=own.row.away if own is not None else None,
            )
        ]
        for identity, presence in membership.members.items():
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                is_here = presence is RoomPresence.HERE
                people.append(
                    Person(
                        name=contact.name,
                        online=is_here,
                        since=float(contact.row.since),
                        status=contact.row.status,
                        away=contact.row.away if is_here else None,
                    )
                )
        return tuple(sorted(people, key=lambda person: person.name))
