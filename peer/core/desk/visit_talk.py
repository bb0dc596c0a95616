"""The conversation of a visit, and the ticket, which remembers how far we have read."""

import random
from collections.abc import Callable
from typing import Final

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import StoredVisit
from chatapp.peer.core.desk.operator import DeskConversation
from chatapp.wire.messages.desk import (
    TICKET_SIZE,
    AckDeskLines,
    ConversationRequest,
    DeskLine,
    LineRefusal,
    LineRefused,
    LinesSaved,
)

MILLISECONDS: Final = 1_000
MICROSECONDS: Final = 1_000_000
"""In a second: a line's number is the time at which it was typed (clause 6.2)."""


class Ticket:
    """The ticket of one visitor. The visitor draws it, so that asking to join can be repeated; it
    is stored before anybody is told of it."""

    def __init__(self, stored: StoredVisit, *, rng: random.Random) -> None:
        self._rng: Final = rng
        self._is_changed = False
        self._then: list[Callable[[], None]] = []
        self.value = stored.ticket
        """Empty while we have no position."""
        self.shown = stored.shown
        """The highest position of the visit that was shown, in this run or an earlier one."""

    @property
    def is_pending(self) -> bool:
        """Whether any record waits for the disk."""
        return bool(self._then)

    def draw(self, then: Callable[[], None]) -> None:
        """Draw a new ticket; call `then` once it is stored."""
        self.value, self.shown = self._rng.randbytes(TICKET_SIZE), 0
        self._store(then)

    def read_up_to(self, position: int, then: Callable[[], None]) -> None:
        """Note that the lines up to this one have been shown; call `then` once it is stored."""
        self.shown = position
        self._store(then)

    def forget(self) -> None:
        """Give the ticket up: we have no position any more."""
        self.value, self.shown = b"", 0
        self._is_changed = True
        self._then.clear()

    def wants_stored(self) -> StoredVisit | None:
        """Return, once, what is to be stored; None for nothing. Call `stored` when it is on
        disk."""
        changed, self._is_changed = self._is_changed, False
        return StoredVisit(ticket=self.value, shown=self.shown) if changed else None

    def stored(self) -> None:
        """Do what waited for the disk, now that what `wants_stored` returned is on it."""
        then, self._then = self._then, []
        for act in then:
            act()

    def _store(self, then: Callable[[], None]) -> None:
        self._is_changed = True
        self._then.append(then)


class VisitorConversation:
    """The conversation of one visit, which begins when the registry has given the visit a
    number."""

    def __init__(
        self,
        ticket: Ticket,
        *,
        send: Callable[[ConversationRequest], None],
        tell: Callable[[visit_events.VisitEvent], None],
        too_late: Callable[[str, float], None],
    ) -> None:
        """`too_late` takes a text that came when nobody served us any more, and the time at which
        it was typed."""
        self._ticket = ticket
        self._too_late = too_late
        self._send = send
        self._tell = tell
        self._conversation: DeskConversation | None = None
        self._last_line = 0
        self._unsettled: list[int] = []
        """Our lines that were not answered, as `say` returned them, in order."""
        self._earlier = 0
        """Up to which position an earlier run has shown the lines of this visit."""
        self._told = 0
        """The highest position among the lines that we have told in this run."""
        self._is_new_link = False
        """Whether the registry has not told us on this link where we are."""

    def begin(self, visit: int) -> None:
        """Begin the conversation of this visit; continue it if it has begun. Of a visit that an
        earlier run of the program has begun, we know nothing but the ticket, and the registry tells
        all its lines once more."""
        if self._conversation is None or self._conversation.visit != visit:
            self._conversation = DeskConversation(visit)
            self._earlier, self._told = self._ticket.shown, 0

    def forget(self) -> None:
        """End the conversation: the visit is over, or another one begins."""
        self._conversation = None
        self._settle(len(self._unsettled), is_saved=False)

    @property
    def has_begun(self) -> bool:
        """Whether the conversation has begun."""
        return self._conversation is not None

    @property
    def visit(self) -> int:
        """The number of the visit; 0 before the conversation has begun."""
        return 0 if self._conversation is None else self._conversation.visit

    @property
    def shown(self) -> int:
        """The highest position of the visit that was shown in this run."""
        return 0 if self._conversation is None else self._conversation.shown

    @property
    def is_settled(self) -> bool:
        """Whether every line of ours was answered."""
        return self._conversation is None or self._conversation.is_settled

    # --- ours

    def say(self, text: str, *, wall: float) -> int:
        """Say a line to the operator, and return what `LineSettled` will name it by. The
        conversation must have begun."""
        assert self._conversation is not None
        line = self._conversation.say(text, wall=wall)
        self._last_line += 1
        self._unsettled.append(self._last_line)
        if not self._is_new_link:
            self._send(
                line
            )  # Otherwise it goes behind the earlier lines, which would be taken for repeats.
        return self._last_line

    def link_up(self) -> None:
        """Note that the link is new: what was not answered has to be said again on it."""
        self._is_new_link = True

    def say_again(self) -> None:
        """On a new link, repeat what was not answered on the last one. Called when the registry has
        told us where we are; it does not matter what it told us, since a visitor who is back may be
        called by another operator at once."""
        is_new_link, self._is_new_link = self._is_new_link, False
        if is_new_link and self._conversation is not None:
            for line in self._conversation.unanswered():
                self._send(line)

    def taken(self, taken: LinesSaved) -> None:
        """Note that the registry has these lines of ours."""
        if self._conversation is not None and taken.visit == self._conversation.visit:
            for line in self._conversation.taken(taken.number):
                self._send(line)
            self._settle(len(self._unsettled) - len(self._conversation.unanswered()), is_saved=True)

    def refused(self, refused: LineRefused) -> None:
        """Tell that a line of ours will not arrive."""
        if self._conversation is None or refused.visit != self._conversation.visit:
            return
        numbers = [line.number for line in self._conversation.unanswered()]
        said = self._conversation.refused(refused.number)
        if said is None:
            return
        line = self._unsettled.pop(numbers.index(refused.number))
        self._tell(visit_events.LineSettled(line=line, is_saved=False))
        if refused.reason is LineRefusal.NOT_YOUR_TURN:
            self._too_late(said.text, refused.number / MICROSECONDS)
        else:
            self._tell(visit_events.VisitorLineRefused(reason=refused.reason))

    def _settle(self, count: int, *, is_saved: bool) -> None:
        """Tell that so many of our oldest unanswered lines are saved, or will not arrive."""
        settled, self._unsettled = self._unsettled[:count], self._unsettled[count:]
        for line in settled:
            self._tell(visit_events.LineSettled(line=line, is_saved=is_saved))

    # --- the lines of the visit

    def came(self, line: DeskLine) -> None:
        """Tell a line of the visit, once. One that was shown before is confirmed again: the
        registry did not hear it."""
        if self._conversation is None and self._ticket.value:
            self.begin(line.visit)  # It may come before we are told that our ticket is still valid.
        conversation = self._conversation
        if conversation is None or line.visit != conversation.visit:
            return
        if not conversation.take(line):
            if line.position <= conversation.shown:
                self._send(AckDeskLines(line.visit, conversation.shown))
        elif line.number and conversation.has_said(line.number):
            if conversation.shown >= self._told:
                self.note_shown(self._told)
        else:
            self._told = line.position
            self._tell(self._event_of(line))

    def _event_of(self, line: DeskLine) -> visit_events.EarlierLine | visit_events.LineReceived:
        at = line.at / MILLISECONDS
        if line.number or line.position <= self._earlier:
            return visit_events.EarlierLine(
                operator=line.operator, text=line.text, position=line.position, at=at
            )
        return visit_events.LineReceived(
            operator=line.operator, text=line.text, position=line.position, at=at
        )

    def note_shown(self, position: int) -> None:
        """Confirm the lines up to this one to the registry, once it is stored that they were
        shown."""
        conversation = self._conversation
        if conversation is None:
            return
        if position >= self._told:
            position = (
                conversation.came
            )  # What came after it are lines that we have said in this run.
        if position <= conversation.shown:
            return
        conversation.note_shown(position)
        confirmation = AckDeskLines(conversation.visit, position)
        if position > self._ticket.shown:
            self._ticket.read_up_to(position, lambda: self._send(confirmation))
        else:
            self._send(confirmation)  # An earlier run has stored it.
