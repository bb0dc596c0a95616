"""The state that a user sees all the time: their name, their room, how many people are online, what
is under way."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import MessageState
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.view.folding import Folding
from chatapp.peer.view.underway import UnderWay
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import MessageLine, View
from chatapp.peer.words.people import typing_note
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.names import PeerName, is_same_name, peer_name

TYPING_SHOWN_FOR: Final = 6.0
"""Seconds for which a person counts as typing after having said so: two of the spans in which it is
said again."""

if TYPE_CHECKING:
    from chatapp.peer.sdk.anypeer import AnyPeer


class SessionState:
    """The state that a user sees all the time, besides the lines: their name, their room, how many
    people are online."""

    def __init__(
        self, peer: "AnyPeer", completions: CompletionIndex | None, folding: Folding | None
    ) -> None:
        """`completions`: where to note names for a terminal that offers them; without one, people
        need not be counted. `folding`: what leaves out lines that a person at a screen need not
        read; None to show them all."""
        self._peer = peer
        self._completions = completions
        self._folding = folding
        self.query: PeerName | None = None
        """The person for whom bare lines outside of a room are."""
        self.under_way: Final = UnderWay()
        """The user's messages on a screen; none elsewhere."""
        self._online = 0
        self._unread = 0
        self._seen: dict[Conversation, int] = {}
        """The newest line of others that was shown of each conversation, since the user last
        typed."""
        self._typing: dict[str, float] = {}
        """Until when each person counts as typing to the user, by the loop's clock."""
        self._last_room_notice: list[str] = []
        """The lines that last said how our room lines travel without the registry; shown again only
        when they change."""

    def view(self) -> View:
        """Return the present state."""
        peer, now = self._peer, asyncio.get_running_loop().time()
        self._typing = {name: until for name, until in self._typing.items() if until > now}
        tried, most = peer.sending_try if self.under_way else (0, 0)
        return View(
            me=peer.name,
            room=peer.room,
            query=self.query,
            client=peer.desk.client,
            is_on_duty=peer.desk.is_on_duty,
            waiting=peer.desk.waiting if self._folding is not None else 0,
            is_offline=peer.is_offline,
            is_server_away=peer.is_server_away,
            is_sending=self._folding is not None and peer.is_sending,
            sending_try=tried,
            tries=most,
            in_reach=peer.in_reach,
            online=self._online,
            unread=self._unread,
            notes=(typing_note(list(self._typing)),) if self._typing else (),
        )

    def mark_read(self) -> dict[Conversation, int]:
        """Count unread lines from zero again: the user has typed, and so has seen them. Return,
        once, up to which line each conversation is read now."""
        self._unread = 0
        read, self._seen = self._seen, {}
        return read

    def lines(self, event: events.Event) -> list[str]:
        """Return the lines to show for an event; none that would only repeat the last notice."""
        lines = lines_of(event, in_reach=self._peer.in_reach)
        match event:
            case events.MessageChanged(conversation=what, state=MessageState.KEPT) if what.is_room:
                before, self._last_room_notice = self._last_room_notice, lines
                return lines if lines != before else []
            case events.Renamed(old=old, new=new) if self.query is not None and is_same_name(
                old, self.query
            ):
                self.query = peer_name(new)
            case events.VisitorsWaiting() if self._folding is None:
                return []  # a pipe shows nobody who waits until asked
            case events.EnteredRoom() | events.ServerLost() | events.ServerBack():
                self._last_room_notice = []
            case events.MessageChanged(conversation=what, state=MessageState.SAVED) if what.is_room:
                self._last_room_notice = []
            case _:
                pass
        return lines

    def batch_lines(self, batch: Sequence[events.Event]) -> list[str]:
        """Return the lines to show for several events."""
        if self._folding is None:
            return [line for event in batch for line in self.lines(event)]
        return self._folding.lines(
            batch, lambda event: self.under_way.lines(event, self.lines(event))
        )

    def talked_with(self, people: Iterable[str]) -> None:
        """Note whom the user talked with before this start."""
        for one in people:
            if self._folding is not None:
                self._folding.talked_with(one)
            if self._completions is not None:
                self._completions.add_recent(one)

    def has_seen_room(self, room: str) -> bool:
        """Whether the registry has told us of a room of this name in this run."""
        return self._completions is not None and any(
            is_same_name(one, room) for one in self._completions.rooms()
        )

    def _note_seen(self, event: events.Event) -> None:
        for one in event.lines if isinstance(event, events.MailReturned) else (event,):
            if isinstance(one, events.Said):
                self._seen[one.conversation] = max(one.id, self._seen.get(one.conversation, 0))

    def take(self, batch: Sequence[events.Event], lines: Sequence[str]) -> None:
        """Count what a batch of events and its lines change: who is typing, unread lines, people
        online, names for completion."""
        for event in batch:
            self._note_seen(event)
            if isinstance(event, events.PersonTyping):
                self._typing[event.name] = asyncio.get_running_loop().time() + TYPING_SHOWN_FOR
            elif isinstance(event, events.Said) and event.conversation.is_person:
                self._typing.pop(event.sender, None)
        if self._completions is None:
            return
        self._completions.is_operator = self._peer.desk.is_operator
        for line in lines:
            if isinstance(line, MessageLine):
                self._unread += 1
                self._completions.add_recent(line.sender)
        for event in batch:
            match event:
                case events.Unacknowledged(conversation=what):
                    self._completions.add_recent(what.name)
                case events.MessageChanged(
                    conversation=what, state=MessageState.DELIVERED | MessageState.KEPT
                ) if what.is_person:
                    self._completions.add_recent(what.name)
                case events.AnswersKnown(answers=answers):
                    self._completions.set_answers(answers)
                case events.EnteredRoom(room=room):
                    self._completions.add_room(room)
                case events.RoomsKnown(rooms=rooms):
                    for one in rooms:
                        self._completions.add_room(one.name)
                case _:
                    pass
        counts = events.TableChanged | events.Registered | events.Renamed
        if any(isinstance(event, counts) for event in batch):
            self.count_people()

    def count_people(self) -> None:
        """Count the people online, and note their names for completion, if somebody wants to
        know."""
        if self._completions is not None:
            people = self._peer.people()
            self._completions.set_people(one.name for one in people)
            self._online = sum(one.online for one in people)


LINE_MAX: Final = 8 * TEXT_MAX
"""Bytes kept of one typed line. A longer one is refused, once."""
