"""This file is about what a face keeps in mind between events: lines not seen to yet, people online, names to offer, and
what was said already and holds on.

It knows events, lines and the peer's state. It must not know how they are shown.
"""

from collections.abc import Sequence

from peer.core import events as happened
from peer.node import Peer
from peer.ui.completion import Known
from peer.ui.view import View
from peer.ui.wording import lines_of
from peer.ui.words import Spoken


class Stock:
    """Of one person at one terminal."""

    def __init__(self, peer: Peer, known: Known | None) -> None:
        """`known`: where to note names for a terminal that offers them; without one, people need not be counted."""
        self._peer = peer
        self._known = known
        self._online = 0
        self._unread = 0
        self._told_alone: list[str] = []
        """How our lines to the room go without the registry, as the user has been told: said again when it changes."""

    def view(self) -> View:
        """The state as it is now."""
        peer = self._peer
        return View(
            me=peer.name,
            room=peer.room,
            client=peer.desk.client,
            is_on_duty=peer.desk.is_on_duty,
            is_offline=peer.is_offline,
            is_server_away=peer.is_server_away,
            in_reach=peer.in_reach,
            online=self._online,
            unread=self._unread,
        )

    def all_is_read(self) -> None:
        """Somebody is there, and has typed."""
        self._unread = 0

    def lines(self, event: happened.Event) -> list[str]:
        """What to show of an event; nothing of what was said last and holds on."""
        lines = lines_of(event, in_reach=self._peer.in_reach)
        match event:
            case happened.RoomUnanswered():
                before, self._told_alone = self._told_alone, lines
                return lines if lines != before else []
            case (
                happened.RoomAccepted()
                | happened.RoomEntered()
                | happened.ServerLost()
                | happened.ServerBack()
            ):
                self._told_alone = []
            case _:
                pass
        return lines

    def take(self, batch: Sequence[happened.Event], lines: Sequence[str]) -> None:
        """These have happened, and are shown so."""
        if self._known is None:
            return
        for line in lines:
            if isinstance(line, Spoken):
                self._unread += 1
                self._known.talked_with(line.sender)
        for event in batch:
            match event:
                case happened.Delivered(to=to) | happened.Unacknowledged(to=to) | happened.Kept(to=to):
                    self._known.talked_with(to)
                case happened.RoomEntered(room=room):
                    self._known.saw_room(room)
                case happened.RoomsListed(rooms=rooms):
                    for one in rooms:
                        self._known.saw_room(one.name)
                case _:
                    pass
        counts = happened.TableChanged | happened.Registered | happened.Renamed
        if any(isinstance(event, counts) for event in batch):
            people = self._peer.people()
            self._known.people_are(one.name for one in people)
            self._online = sum(one.online for one in people)
