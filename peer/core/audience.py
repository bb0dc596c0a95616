"""This file is about who hears what we say in a group: members, as far as we know them, and who of them is in reach.

It reads; what changes who is in a room stands in `membership`.
"""

from peer.core.contact import Contact
from peer.core.events import Person
from peer.core.group import Group
from peer.core.membership import Membership
from peer.core.parts import Parts
from peer.core.reach import Reach
from wire.messages.room import RoomPresence


class Audience:
    """Of the channel, and of the room where we are."""

    def __init__(self, parts: Parts, members: Membership) -> None:
        self._me = parts.me
        self._groups = parts.groups
        self._contacts = parts.contacts
        self._outlook = parts.outlook
        self._straight = parts.straight
        self._members = members

    def members_of(self, group: Group) -> list[Contact]:
        """To whom a line goes straight."""
        if group.room:
            here = self._members.here() if group is self._groups.room else []
            return [contact for contact in here if not contact.is_banned]
        me = self._me.identity.public
        return [contact for contact in self._contacts if contact.may_answer and contact.identity != me]

    def is_member(self, group: Group, identity: bytes) -> bool:
        """Whether somebody known is one of a group's, as far as we know."""
        return not group.room or (group is self._groups.room and identity in self._members.members)

    def people(self) -> tuple[Person, ...]:
        """Everybody in the room where we are, ourselves among them, by name."""
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
        """How many others of the room a line of ours gets to now."""
        is_alone = self._outlook.reach is not Reach.UP
        silent = self._straight.silent if is_alone else ()
        return sum(contact.identity not in silent for contact in self._members.here())
