"""This file is about getting into rooms and out of them: asked of the registry, and again on each new link.

The registry says who is let in; leaving is our own affair and takes effect at once, whether the registry has heard of
it or not. Being in a room is `whereabouts`', what is said there `lines`' and `hearing`'s.
"""

from typing import Final

from peer.core import events as happened
from peer.core.asked import AWAY, OFFLINE, SILENT, Asked
from peer.core.audience import Audience
from peer.core.group import Group
from peer.core.lines import Lines
from peer.core.membership import Membership
from peer.core.parts import Parts
from peer.core.reach import Reach
from peer.core.records import RoomKept
from peer.core.roomlist import RoomList
from peer.core.whereabouts import Whereabouts
from wire.errors import NameRefused
from wire.messages.group import GroupGranted
from wire.messages.room import EnterRoom, LeaveRoom, RoomEntered, RoomLeft, RoomRefusal, RoomRefused
from wire.names import is_same_name, peer_name

REFUSALS: Final = {
    RoomRefusal.BAD_NAME: "the server does not accept this name",
    RoomRefusal.ROOM_FULL: "it is full",
    RoomRefusal.TOO_MANY_ROOMS: "there are too many rooms",
    RoomRefusal.SHARE_USED_UP: "there are too many rooms of people at your address",
    RoomRefusal.NOT_SERVING: "the server's disk takes nothing more",
    RoomRefusal.TOO_OFTEN: "you, or others at your address, made or entered too many rooms in a short time",
}


class Rooms:
    """Our side of rooms."""

    def __init__(self, parts: Parts, kept: RoomKept, *, now: float) -> None:
        self._rng = parts.rng
        self._session = parts.session
        self._outlook = parts.outlook
        self._groups = parts.groups
        self._link = parts.link
        self._home = parts.home
        self._out = parts.out
        self._policy = parts.policy
        self._members = Membership(parts.contacts, parts.out, me=parts.me.identity.public)
        self.audience: Final = Audience(parts, self._members)
        """Who is in."""
        self.lines: Final = Lines(parts, members=self.audience.members_of, now=now)
        """What we say."""
        self.where: Final = Whereabouts(parts, kept, self._members, self.lines, now=now)
        """Where we are."""
        self.list: Final = RoomList(parts, self._members)
        self._asked: Asked | None = None
        self._again: Asked | None = None
        """The room where we are, named to the registry on a new link, or behind a question that came to nothing."""
        self._is_astray = False
        """Whether the registry may hold us to be where we asked to be, and not where we are."""
        self._leave_reference = 0
        parts.hearing.is_member = self.audience.is_member
        parts.home.before_release = self._announce
        parts.table.before_gone = self.where.gone

    # --- what the user wants

    @property
    def room(self) -> Group | None:
        """Where we are."""
        return self._groups.room

    def enter(self, room: str, *, now: float) -> None:
        """Ask to be let into a room, and out of the one where we are."""
        try:
            name = peer_name(room)
        except NameRefused as refusal:
            self._refuse(room, refusal.reason)
            return
        if self.room is not None and is_same_name(self.room.room, name):
            was_asked, self._asked, self.where.is_told = self._asked, None, False
            if was_asked is not None or self._is_astray:
                self._stay(now)
            return
        if self._outlook.reach is Reach.NONE:
            self._refuse(name, OFFLINE)
            return
        if self._outlook.reach is Reach.LOST and not self._session.search(now=now):
            self._refuse(name, AWAY)
            return
        self._is_astray = self._is_astray or self._asked is not None
        self._asked = Asked(self._reference(), name, None)
        if self._link.is_up:
            self._ask(self._asked, now)

    def leave(self, *, now: float) -> None:
        """Be in no room, at once; the registry hears of it now or on the next link."""
        asked, self._asked = self._asked, None
        room = self.room
        if room is None:
            self._out.events.append(happened.NotInRoom())
        if room is None and asked is None:
            return
        self._go_out(now)
        self.where.owes_leave = True
        self.where.keep()
        if self._link.is_up:
            self._say_leave()
        if room is not None:
            self._out.events.append(happened.RoomLeft(room=room.room))

    def forget(self) -> None:
        """The program ends: its next start is in no room, unless a line of ours has yet to be told there. The registry
        keeps our place for a while."""
        if self.room is not None and not self.room.unsettled:
            self._out.records.append(RoomKept(None))

    @property
    def is_settled(self) -> bool:
        """Whether it is known, and told, in which room we are."""
        return self._asked is None and (self.where.is_told or self._outlook.reach is Reach.NONE)

    # --- what happens to the link

    def link_up(self, *, now: float) -> None:
        """A new link knows nothing of where we are."""
        if self.where.owes_leave:
            self._say_leave()
        if self.room is not None:
            self._again = Asked(self._reference(), self.room.room, None)
            self._home.await_group(self.room.name)
            self._ask(self._again, now)
        if self._asked is not None:
            self._ask(self._asked, now)
        self.list.link_up(now=now)

    def link_lost(self) -> None:
        """Nothing asked will be answered; a question to be let in is put again on the next link."""
        self._again = None
        if self._asked is not None:
            self._asked.deadline = None
        self.list.link_lost()

    def registry_lost(self, *, now: float) -> None:
        """Nobody is there to let us in; where we are, we are."""
        self._give_up(AWAY, now)
        self._announce()
        self.list.give_up(AWAY)

    def stop(self, *, now: float) -> None:
        """We go offline by our own wish, and come back to the room."""
        self._give_up(OFFLINE, now)
        self.list.give_up(OFFLINE)
        self.where.is_told = self.room is None

    # --- what the registry says

    def entered(self, notice: RoomEntered, *, now: float) -> None:
        """We are let in."""
        asked, again = self._asked, self._again
        if again is not None and notice.reference == again.reference:
            self._again, room = None, self.room
            if room is not None and notice.group == room.name:
                self.where.return_to(room, notice, now=now)
            else:
                self._go_in(notice, now)
        elif asked is not None and notice.reference == asked.reference:
            self._asked = None
            self._go_in(notice, now)
        elif asked is None and again is None and not self.where.owes_leave:
            is_elsewhere = self.room is None or notice.group != self.room.name
            if is_elsewhere:
                self._stay(now)

    def refused(self, notice: RoomRefused, *, now: float) -> None:
        """We are not let in."""
        if self._asked is not None and notice.reference == self._asked.reference:
            asked, self._asked = self._asked, None
            self._refuse(asked.room, REFUSALS[notice.reason])
            if self._is_astray:
                self._stay(now)
        elif self._again is not None and notice.reference == self._again.reference and self.room is not None:
            self._again, room = None, self.room
            self._home.group_drained(room.name)
            self._refuse(room.room, REFUSALS[notice.reason])
            if notice.reason is not RoomRefusal.NOT_SERVING:
                self._go_out(now)
                self.where.keep()
                self._out.events.append(happened.RoomLeft(room=room.room))

    def left(self, notice: RoomLeft) -> None:
        """The registry knows that we are in no room."""
        if self.where.owes_leave and notice.reference == self._leave_reference:
            self.where.owes_leave = False
            self.where.keep()

    def granted(self, granted: GroupGranted, *, now: float) -> None:
        """We may speak in a group."""
        group = self._groups.by_name(granted.group)
        if group is not None:
            self.lines.granted(granted, group, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Give up what was not answered; tell who was waited for in vain."""
        if self._asked is not None and self._asked.is_due(now):
            self._give_up(SILENT, now)
        if self._again is not None and self._again.is_due(now):
            self._again.deadline = None  # an answer that comes late is taken all the same
            if self.room is not None:
                self._home.group_drained(self.room.name)
            self._announce()
        self.list.handle_timer(now=now)
        self._members.handle_timer(now=now)
        self.lines.handle_timer(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        asked = [one.deadline for one in (self._asked, self._again) if one is not None]
        dues = [*asked, self.list.next_timer(), self._members.next_timer(), self.lines.next_timer()]
        return min((due for due in dues if due is not None), default=None)

    # --- inside

    def _give_up(self, reason: str, now: float) -> None:
        """A question that is not answered in time; the registry may have heard it all the same."""
        if self._asked is not None:
            asked, self._asked = self._asked, None
            self._refuse(asked.room, reason)
            self._stay(now)

    def _stay(self, now: float) -> None:
        """Where we are is where we want to be, whatever we asked: said right behind that question, so that a registry which
        reads both at once moves us nowhere, and any other only until it reads on."""
        self._is_astray = False
        if self.room is None:
            self.where.owes_leave = True
            self.where.keep()
            if self._link.is_up:
                self._say_leave()
        elif self._link.is_up:
            self._again = Asked(self._reference(), self.room.room, None)
            self._ask(self._again, now)

    def _go_out(self, now: float) -> None:
        self._again = None
        self.where.go_out(now=now)

    def _go_in(self, notice: RoomEntered, now: float) -> None:
        self._again, self._is_astray = None, False
        self.where.go_in(notice, now=now)

    def _announce(self) -> None:
        """Once, and not while we are being let in, or the registry has yet to hear that we are there."""
        if self.where.is_told or self._asked is not None:
            return
        is_awaited = self._again is not None and self._again.deadline is not None
        if not is_awaited or self._outlook.reach is Reach.LOST:
            self.where.announce()

    def _ask(self, asked: Asked, now: float) -> None:
        asked.deadline = now + self._policy.give_up_after
        self._out.requests.append(EnterRoom(reference=asked.reference, room=asked.room))

    def _say_leave(self) -> None:
        self._leave_reference = self._reference()
        self._out.requests.append(LeaveRoom(reference=self._leave_reference))

    def _reference(self) -> int:
        return self._rng.getrandbits(32)

    def _refuse(self, room: str, reason: str) -> None:
        self._out.events.append(happened.RoomRefused(room=room, reason=reason))
