"""What a visitor writes: lines of the conversation, the description of the issue; and the ticket, which
remembers how far the visitor has read."""

import random
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from chatapp.peer.api import visit_events
from chatapp.peer.api.conversations import DESK
from chatapp.peer.api.events import MessageState
from chatapp.peer.api.form import StoredVisit
from chatapp.peer.core.desk.operator import (
    DeskConversation,
    SaidLine,
    Taken,
    changed_in_visit,
    said_in_visit,
)
from chatapp.wire.limits import DESK_DESCRIPTION_MAX
from chatapp.wire.messages.desk import (
    TICKET_SIZE,
    AckDeskLines,
    ConversationRequest,
    DescribeVisit,
    DescriptionAnswered,
    DescriptionResult,
    DeskLine,
    LineMark,
    LineRefusal,
    LineRefused,
    LinesSaved,
)

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
    ) -> None:
        self._ticket = ticket
        self._send = send
        self._tell = tell
        self._conversation: DeskConversation | None = None
        self._held: list[SaidLine] = []
        """Our lines that came when nobody served us any more: they are said in the next turn."""
        self._waits = False
        """Whether the visitor knows that lines wait for the next turn."""
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
        """End the conversation: the visit is over, or another one begins. What was not said is
        told."""
        for said in self.unsaid():
            self._give_up(said, None)
        self._conversation, self._held = None, []

    def unsaid(self) -> list[SaidLine]:
        """Return our lines that the registry has neither taken nor refused for good."""
        return [*self._held, *(self._conversation.unsaid() if self._conversation else ())]

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

    def say(self, text: str, *, wall: float, number: int = 0, upload: bytes = b"") -> int:
        """Say a line to the operator, and return the id by which `MessageChanged` will name it:
        `number`, if that is above all earlier ones. `upload`: what has brought a file. The
        conversation must have begun."""
        assert self._conversation is not None
        line = self._conversation.say(text, wall=wall, number=number, upload=upload)
        if not self._is_new_link:
            self._send(
                line
            )  # Otherwise it goes behind the earlier lines, which would be taken for repeats.
        return line.number

    def change(self, line: int, text: str | None, *, wall: float, is_served: bool) -> int | None:
        """Change a line of ours, by what events name it, or take it back (None): when we are served
        again, if nobody serves us. Return the id by which `MessageChanged` will name the change;
        None if we have said no such line."""
        conversation = self._conversation
        mark = LineMark.RETRACTED if text is None else LineMark.EDITED
        id_ = int(wall * MICROSECONDS)
        held = next((said for said in self._held if said.line == line), None)
        if held is not None:
            self._change_held(held, text)
            self._settle([id_], MessageState.SAVED)
            return id_
        if conversation is None or not conversation.may_change(line):
            return None
        if not is_served:
            self._held.append(SaidLine(text or "", id_, mark, line))
            self.wait()
            return id_
        change = conversation.say(text or "", wall=wall, mark=mark, target=line)
        if not self._is_new_link:
            self._send(change)
        return change.number

    def _change_held(self, held: SaidLine, text: str | None) -> None:
        """Change a line that the registry does not have, or never say it."""
        place = self._held.index(held)
        if text is None:
            del self._held[place]
            self._settle([held.line], MessageState.REFUSED)
        else:
            self._held[place] = held._replace(text=text)

    def hold(self, text: str, *, wall: float, number: int = 0) -> int:
        """Keep a line for our next turn, and return its id."""
        number = number or int(wall * MICROSECONDS)
        self._held.append(SaidLine(text, number))
        self.wait()
        return number

    def was_said(self, number: int) -> bool:
        """Return whether an earlier run has said the line with this number, as far as is known."""
        return self._conversation is not None and self._conversation.was_said(number)

    def link_up(self) -> None:
        """Note that the link is new: what was not answered has to be said again on it."""
        self._is_new_link = True

    def served(self) -> None:
        """Say what waits for our turn: on a new link what was not answered on the last one, and what
        came when nobody served us."""
        is_new_link, self._is_new_link = self._is_new_link, False
        self._waits = False
        if self._conversation is None:
            return
        again = self._conversation.unanswered() if is_new_link else []
        held, self._held = self._held, []
        for text, id_, mark, target, upload, _ in held:
            again.append(
                self._conversation.say(
                    text,
                    wall=0.0,
                    line=id_,
                    number=id_,
                    mark=mark,
                    target=target,
                    upload=upload,
                )
            )
        for line in again:
            self._send(line)

    def taken(self, taken: LinesSaved) -> None:
        """Note that the registry has these lines of ours."""
        if self._conversation is not None and taken.visit == self._conversation.visit:
            position = taken.position
            self._note_taken(self._conversation.taken(taken.number, position=position))

    def _note_taken(self, taken: Taken) -> None:
        for line in taken.again:
            self._send(line)
        for said in taken.saved:
            self._settle([said.line], MessageState.SAVED, file=said.position)

    def refused(self, refused: LineRefused) -> None:
        """Tell that a line of ours will not arrive, or keep it for our next turn."""
        if self._conversation is None or refused.visit != self._conversation.visit:
            return
        said = self._conversation.refused(refused.number)
        if said is None:
            return
        if refused.reason is LineRefusal.NOT_YOUR_TURN:
            self._held.append(said)
            self.wait()
        else:
            self._give_up(said, refused.reason)

    def wait(self) -> None:
        """Tell, once, that lines of ours wait for the next turn."""
        if not self._waits:
            self._waits = True
            self._tell(visit_events.NotYourTurn())

    def _give_up(self, said: SaidLine, reason: LineRefusal | None) -> None:
        self._settle([said.line], MessageState.REFUSED)
        self._tell(visit_events.VisitorLineRefused(reason=reason, text=said.text))

    def _settle(self, lines: Iterable[int], state: MessageState, *, file: int = 0) -> None:
        """Tell what became of these lines of ours. `file`: as in `MessageChanged`."""
        for line in lines:
            self._tell(
                visit_events.MessageChanged(conversation=DESK, id=line, state=state, file=file)
            )

    # --- the lines of the visit

    def came(self, line: DeskLine) -> None:
        """Tell a line of the visit, once. One that was shown before is confirmed again: the
        registry did not hear it."""
        if self._conversation is None and self._ticket.value:
            self.begin(line.visit)  # It may come before we are told that our ticket is still valid.
        conversation = self._conversation
        if conversation is None or line.visit != conversation.visit:
            return
        is_new = conversation.take(line)
        self._note_taken(conversation.settle())
        if not is_new:
            if line.position <= conversation.shown:
                self._send(AckDeskLines(line.visit, conversation.shown))
        elif line.number and conversation.has_said(line.number):
            if conversation.shown >= self._told:
                self.note_shown(self._told)
        else:
            self._told = line.position
            is_late = line.number > 0 or line.position <= self._earlier
            id_ = line.number or line.position
            said = said_in_visit(line, id_, "", is_late=is_late)
            if not line.target:
                conversation.told(line, id_)
                self._tell(said)
            elif target := conversation.target_of(line):
                self._tell(changed_in_visit(said, line.mark, target))

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


class _Written(NamedTuple):
    reference: int
    """Of the request that carried it last."""
    text: str
    wall: float
    """When it was typed, in Unix seconds."""
    is_line: bool
    """Whether it was typed as a line for the operator, and added; otherwise it replaced the
    description."""


class Description:
    """The description of one visit, and what was written and not answered yet."""

    def __init__(
        self,
        *,
        send: Callable[[DescribeVisit], None],
        tell: Callable[[visit_events.VisitEvent], None],
        say: Callable[[str, float], object],
        next_reference: Callable[[], int],
    ) -> None:
        """`say` takes a text that comes too late, as we are being served already, and the time at
        which it was typed."""
        self._send = send
        self._tell = tell
        self._say = say
        self._next_reference = next_reference
        self._visit = 0
        self._written: list[_Written] = []
        self._is_new_link = False
        self.text = ""
        """The whole description, with what is not answered yet."""

    @property
    def is_settled(self) -> bool:
        """Whether all that was written was answered."""
        return not self._written

    def begin(self, visit: int) -> None:
        """Begin with this visit; continue if it has begun."""
        if self._visit != visit:
            self.forget()
            self._visit = visit

    def forget(self) -> None:
        """Forget the description: the visit is over, or another one begins."""
        self._visit, self.text = 0, ""
        self._written.clear()

    # --- what is written

    def add(self, line: str, *, wall: float) -> None:
        """Add a line; `NotYourTurn` and `Described` follow, or `DescriptionRefused`."""
        self._write(f"{self.text}\n{line}" if self.text else line, line, wall=wall, is_line=True)

    def replace(self, text: str, *, wall: float) -> None:
        """Replace the whole text; `Described` or `DescriptionRefused` follows."""
        self._write(text, text, wall=wall, is_line=False)

    def _write(self, whole: str, typed: str, *, wall: float, is_line: bool) -> None:
        size = len(whole.encode())
        if size > DESK_DESCRIPTION_MAX:
            self._tell(
                visit_events.DescriptionRefused(
                    size=size, limit=DESK_DESCRIPTION_MAX, is_line=is_line
                )
            )
            return
        self.text = whole
        self._written.append(_Written(self._next_reference(), typed, wall, is_line))
        if not self._is_new_link:
            self._send(DescribeVisit(self._written[-1].reference, self._visit, whole))

    # --- the link and the registry

    def link_up(self) -> None:
        """Note that the link is new: what was not answered has to be written again on it."""
        self._is_new_link = True

    def write_again(self) -> None:
        """On a new link, send what was not answered on the last one. Called when the registry has
        told us where we are."""
        is_new_link, self._is_new_link = self._is_new_link, False
        if is_new_link and self._written:
            reference = self._next_reference()
            self._written = [one._replace(reference=reference) for one in self._written]
            self._send(DescribeVisit(reference, self._visit, self.text))

    def answered(self, notice: DescriptionAnswered) -> None:
        """Take the registry's answer, or the description that it has kept since an earlier link."""
        if notice.visit != self._visit:
            return
        done = [one for one in self._written if one.reference <= notice.reference]
        self._written = self._written[len(done) :]
        if not self._written:
            self.text = notice.text
        for one in done:
            self._settle(one, notice.result)

    def _settle(self, one: _Written, result: DescriptionResult) -> None:
        match result:
            case DescriptionResult.KEPT:
                if one.is_line:
                    self._tell(visit_events.NotYourTurn())
                self._tell(visit_events.Described())
            case DescriptionResult.SERVED:
                self._say(one.text, one.wall)
            case DescriptionResult.TOO_LONG:
                size = len(one.text.encode())
                self._tell(
                    visit_events.DescriptionRefused(
                        size=size, limit=DESK_DESCRIPTION_MAX, is_line=one.is_line
                    )
                )
            case DescriptionResult.TOO_FAST:
                self._tell(
                    visit_events.VisitorLineRefused(
                        reason=visit_events.LineRefusal.TOO_FAST, text=one.text
                    )
                )
