"""This file is about who is in the room where we are, and who of them the user has been told is there.

Only real changes are told: after the registry's return members come back one after the other, and nobody who was there
before and is there again soon is said to have left or joined. It must not know how one gets into a room.
"""

from collections.abc import Iterable
from typing import Final

from peer.core.contact import Contact
from peer.core.contacts import Contacts
from peer.core.events import MemberJoined, MemberLeft
from peer.core.outputs import Outputs
from wire.messages.room import RoomMember, RoomPresence

RETURN_SPAN: Final = 30.0
"""Seconds after our own return for which a member may take to come back before they are said to have left."""


class Membership:
    """The members of one room but for ourselves."""

    def __init__(self, contacts: Contacts, outputs: Outputs, *, me: bytes) -> None:
        self._contacts = contacts
        self._out = outputs
        self._me = me
        self.room = ""
        self.members: dict[bytes, RoomPresence] = {}
        self._told: set[bytes] = set()
        self._missing: dict[bytes, float] = {}
        """Told to be there and not back yet: until when they are waited for."""
        self._unnamed: set[bytes] = set()
        """Told of as soon as their row has come."""

    def begin(self, room: str, members: Iterable[RoomMember]) -> None:
        """We are in this room now, and nobody of it has been told of."""
        self.room = room
        self._told.clear()
        self._missing.clear()
        self._unnamed.clear()
        self._replace(members)

    def end(self) -> None:
        """We are in no room."""
        self.begin("", ())

    def tell_all(self) -> tuple[str, ...]:
        """Those who are here, by name: they are told of herewith. Who has no name yet is, when their row comes."""
        here = [identity for identity in self.members if self._is_here(identity)]
        self._told = set(here)
        self._missing.clear()
        contacts = {identity: self._contacts.by_identity(identity) for identity in here}
        self._unnamed = {identity for identity, contact in contacts.items() if contact is None}
        return tuple(sorted(contact.name for contact in contacts.values() if contact is not None))

    def returned(self, members: Iterable[RoomMember], *, now: float) -> None:
        """We are in the same room again, on a new link."""
        self._replace(members)
        for identity in list(self.members):
            if self._is_here(identity):
                self._came(identity)
        for identity in list(self._told):
            if identity not in self.members:
                self._went(identity)
            elif not self._is_here(identity):
                self._missing[identity] = now + RETURN_SPAN

    def changed(self, members: Iterable[RoomMember], *, is_told: bool) -> None:
        """These stand otherwise. `is_told`: the user has been told who is here."""
        for member in members:
            if member.identity == self._me:
                continue
            if member.presence is RoomPresence.GONE:
                self.members.pop(member.identity, None)
            else:
                self.members[member.identity] = member.presence
            if not is_told:
                continue
            if member.presence is RoomPresence.HERE:
                self._came(member.identity)
            elif member.presence is RoomPresence.GONE or member.identity not in self._missing:
                self._went(member.identity)

    def gone(self, identity: bytes) -> None:
        """The table says that somebody is gone, before the room does: they have left the room first, and once."""
        if self._is_here(identity):
            self._went(identity)

    def rows_came(self) -> None:
        """Some who had no name may have one now."""
        for identity in list(self._unnamed):
            contact = self._contacts.by_identity(identity)
            if contact is not None:
                self._unnamed.discard(identity)
            if contact is not None and identity not in self._contacts.ignored:
                self._out.events.append(MemberJoined(room=self.room, name=contact.name))

    @property
    def lacks_rows(self) -> bool:
        """Whether somebody is here of whom we have no row."""
        return any(self._contacts.by_identity(one) is None for one in self.members if self._is_here(one))

    def here(self) -> list[Contact]:
        """Those who are here, as far as we know."""
        found = (self._contacts.by_identity(one) for one in self.members if self._is_here(one))
        return [contact for contact in found if contact is not None]

    def handle_timer(self, *, now: float) -> None:
        """Who was waited for long enough has left."""
        for identity, deadline in list(self._missing.items()):
            if now >= deadline:
                self._went(identity)

    def next_timer(self) -> float | None:
        """When somebody will have been waited for long enough."""
        return min(self._missing.values(), default=None)

    def _replace(self, members: Iterable[RoomMember]) -> None:
        self.members = {
            member.identity: member.presence
            for member in members
            if member.presence is not RoomPresence.GONE and member.identity != self._me
        }

    def _is_here(self, identity: bytes) -> bool:
        return self.members.get(identity) is RoomPresence.HERE

    def _came(self, identity: bytes) -> None:
        self._missing.pop(identity, None)
        if identity in self._told:
            return
        self._told.add(identity)
        contact = self._contacts.by_identity(identity)
        if contact is None:
            self._unnamed.add(identity)
        elif identity not in self._contacts.ignored:
            self._out.events.append(MemberJoined(room=self.room, name=contact.name))

    def _went(self, identity: bytes) -> None:
        self._missing.pop(identity, None)
        if identity not in self._told:
            return
        self._told.discard(identity)
        contact = self._contacts.by_identity(identity)
        is_shown = identity not in self._unnamed and identity not in self._contacts.ignored
        if contact is not None and is_shown:
            self._out.events.append(MemberLeft(room=self.room, name=contact.name))
        self._unnamed.discard(identity)
