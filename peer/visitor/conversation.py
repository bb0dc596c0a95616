"""What is said in a visit: our lines until they are answered, the operator's until they are shown.

It knows lines and the ticket that remembers how far we have read.
"""

import random
from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.peer.core.operator import DeskConversation
from chatapp.peer.visitor import events as happened
from chatapp.peer.visitor.events import LINE_REFUSALS
from chatapp.wire.messages.desk import (
    TICKET_SIZE,
    ConversationRequest,
    DeskLine,
    HeardAtDesk,
    LineRefusal,
    LineRefused,
    LinesTaken,
)
from chatapp.wire.messages.table import Count


class StoredVisit(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept on disk: the ticket, and how far we have read."""

    ticket: bytes = b""
    """Empty: no place."""
    heard: Count = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what no registry would take: nobody would ever answer it."""
        if len(self.ticket) not in (0, TICKET_SIZE):
            raise ValueError(f"a ticket has {TICKET_SIZE} bytes")


class Ticket:
    """The ticket of one visitor, drawn by the visitor; what waits for the disk is done by `stored`."""

    def __init__(self, stored: StoredVisit, *, rng: random.Random) -> None:
        self._rng: Final = rng
        self._is_changed = False
        self._then: list[Callable[[], None]] = []
        self.value = stored.ticket
        """Empty: no place."""
        self.heard = stored.heard
        """The highest position among the operator's lines that was shown."""

    @property
    def is_pending(self) -> bool:
        """Whether something waits for the disk."""
        return bool(self._then)

    def draw(self, then: Callable[[], None]) -> None:
        """A new one, of which nothing is read yet."""
        self.value, self.heard = self._rng.randbytes(TICKET_SIZE), 0
        self._store(then)

    def read_up_to(self, position: int, then: Callable[[], None]) -> None:
        """The operator's lines up to this one have been shown."""
        self.heard = position
        self._store(then)

    def forget(self) -> None:
        """No place any more."""
        self.value, self.heard = b"", 0
        self._is_changed = True
        self._then.clear()

    def wants_stored(self) -> StoredVisit | None:
        """Drained: store this, then say `stored`."""
        changed, self._is_changed = self._is_changed, False
        return StoredVisit(ticket=self.value, heard=self.heard) if changed else None

    def stored(self) -> None:
        """What was drained is on disk."""
        then, self._then = self._then, []
        for act in then:
            act()

    def _store(self, then: Callable[[], None]) -> None:
        self._is_changed = True
        self._then.append(then)


class Saying:
    """The talk of one visit, once the registry has given it a number."""

    def __init__(
        self,
        ticket: Ticket,
        *,
        send: Callable[[ConversationRequest], None],
        tell: Callable[[happened.VisitEvent], None],
    ) -> None:
        self._ticket = ticket
        self._send = send
        self._tell = tell
        self._conversation: DeskConversation | None = None
        self._is_new_link = False
        """Whether we have not been told on this link where we are."""

    def begin(self, visit: int) -> None:
        """The registry speaks of this visit; one that we know goes on."""
        if self._conversation is None or self._conversation.visit != visit:
            self._conversation = DeskConversation(visit, heard=self._ticket.heard)

    def forget(self) -> None:
        """The visit is over, or another one begins."""
        self._conversation = None

    @property
    def has_begun(self) -> bool:
        """Whether there is a visit to talk in."""
        return self._conversation is not None

    @property
    def is_settled(self) -> bool:
        """Whether every line of ours was answered."""
        return self._conversation is None or self._conversation.is_settled

    # --- ours

    def say(self, text: str, *, wall: float) -> None:
        """A line for the operator. The talk has begun."""
        assert self._conversation is not None
        line = self._conversation.say(text, wall=wall)
        if self._is_new_link:
            return  # it goes with those before it: if it came first, they would be taken for repeats
        self._send(line)

    def link_up(self) -> None:
        """A new link knows nothing of what was said."""
        self._is_new_link = True

    def say_again(self) -> None:
        """We are told where we are; first on a new link, what was not answered on the one before is said again. Why we are
        told does not matter: whoever is back may be called by another operator at once."""
        is_new_link, self._is_new_link = self._is_new_link, False
        if is_new_link and self._conversation is not None:
            for line in self._conversation.unanswered():
                self._send(line)

    def taken(self, taken: LinesTaken) -> None:
        """The registry has lines of ours."""
        if self._conversation is not None and taken.visit == self._conversation.visit:
            for line in self._conversation.taken(taken.number):
                self._send(line)

    def refused(self, refused: LineRefused) -> None:
        """A line of ours will not arrive."""
        if (
            self._conversation is None
            or refused.visit != self._conversation.visit
            or not self._conversation.refused(refused.number)
        ):
            return
        if refused.reason is LineRefusal.NOT_YOUR_TURN:
            self._tell(happened.NotYourTurn())
        else:
            self._tell(happened.LineRefused(reason=LINE_REFUSALS[refused.reason]))

    # --- the operator's

    def came(self, line: DeskLine) -> None:
        """A line of the operator: told once, confirmed again when the registry did not hear that it was shown."""
        if self._conversation is None and self._ticket.value:
            self.begin(line.visit)  # it may come before we are told that our ticket is still good
        if self._conversation is None or line.visit != self._conversation.visit:
            return
        if self._conversation.take(line):
            self._tell(happened.LineCame(operator=line.operator, text=line.text, position=line.position))
        elif line.position <= self._ticket.heard:
            self._send(HeardAtDesk(line.visit, self._ticket.heard))

    def shown(self, position: int) -> None:
        """Lines up to this one have been shown: once that is stored, the registry may know."""
        if self._conversation is None or position <= self._ticket.heard:
            return
        self._conversation.shown(position)
        visit = self._conversation.visit
        self._ticket.read_up_to(position, lambda: self._send(HeardAtDesk(visit, position)))
