"""The conversations that do not ring: kept over restarts, and the same in all windows of the user."""

from collections.abc import Iterable, Iterator
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.requests import SECONDS_MAX
from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.context import Context
from chatapp.peer.core.records import MuteChanged, group_mark, parties_of
from chatapp.wire.limits import ROOM_SIGN
from chatapp.wire.messages.rooms import CHANNEL

FOR_GOOD: Final = 0
"""The end of what does not end by itself."""


class Muting:
    """Which conversations the user has muted, and until when."""

    def __init__(self, ctx: Context, contacts: Contacts, stored: Iterable[MuteChanged]) -> None:
        self._ctx: Final = ctx
        self._contacts: Final = contacts
        self.kept: Final = {(one.key, one.is_group): one for one in stored}
        """What is muted, by what it is stored under; also what has run out."""

    def change(
        self, what: Conversation, seconds: int | None, *, now: float
    ) -> events.Muted | events.NobodyKnown:
        """Mute a conversation for so many seconds, or for good (None); 0: not any more. `what`: a
        room bears its name as its creator spelled it."""
        contact = self._contacts.by_name(what.name) if what.is_person else None
        if what.is_person and contact is None:
            return events.NobodyKnown(name=what.name)
        until = int(self._ctx.wall(now)) + min(seconds, SECONDS_MAX) if seconds else FOR_GOOD
        if contact is not None:
            key, what = (contact.identity, False), person(contact.name)
        else:
            key = (group_mark(ROOM_SIGN + what.name if what.is_room else CHANNEL), True)
        if seconds == 0:
            self.kept.pop(key, None)
        else:
            self.kept[key] = MuteChanged(*key, until)
        self._ctx.out.records.append(self.kept.get(key, MuteChanged(*key, None)))
        return events.Muted(conversation=what, is_muted=seconds != 0, until=float(until))

    def conversations(self, *, now: float) -> tuple[Conversation, ...]:
        """Return the conversations that are muted now."""
        return tuple(self._named(self._ctx.wall(now)))

    def _named(self, wall: float) -> Iterator[Conversation]:
        for one in self.kept.values():
            if one.until not in (None, FOR_GOOD) and one.until <= wall:
                continue
            if one.is_group:
                name = parties_of(one.key, is_ours=True).room
                yield room(name) if name else EVERYBODY
            elif (contact := self._contacts.by_identity(one.key)) is not None:
                yield person(contact.name)
