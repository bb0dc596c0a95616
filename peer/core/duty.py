"""An operator of the help desk: whether on duty, and the one visitor whom the operator serves (clause 13).

Whether we are an operator is the registry's to say.
"""

import random
from typing import Final, NamedTuple, assert_never

from peer.core.dutycommands import DutyCommands
from peer.core.events import duty as happened
from peer.core.outputs import Outputs
from peer.core.talk import Talk
from wire.focus import STILL_SERVED, Focus, Held, Typed
from wire.messages.desk.operating import (
    ClientCause,
    ClientChanged,
    ClientReach,
    ClientTold,
    CommandDone,
    DutyTold,
    FiguresShown,
    OperatorNotice,
    RoomShown,
)
from wire.messages.desk.talking import (
    ConversationNotice,
    DeskLine,
    HeardAtDesk,
    LineRefusal,
    LineRefused,
    LinesTaken,
    ReadAtDesk,
)

LINE_FAILURES: Final = {
    LineRefusal.FULL: "Not sent: the client is away, and too much waits for them already",
    LineRefusal.TOO_FAST: "Not sent: too many lines at once",
    LineRefusal.NOT_SERVING: "Not sent: the server's disk takes nothing more",
}
"""What is told of each failure but those that mean that the visitor is not ours, which are `HeldBack`."""


class Whom(NamedTuple):
    """Which visitor is meant: a visit by its number, else the one whom an operator means who types at this time."""

    visit: int | None
    entered_at: float
    is_maybe: bool = False
    """Whether a typed line would mean something else if nobody were served."""


class Duty:
    """Our side of the desk, as an operator."""

    def __init__(self, outputs: Outputs, rng: random.Random) -> None:
        self._out = outputs
        self._focus = Focus()
        self.commands: Final = DutyCommands(outputs, rng, self._focus)
        """What we ask for."""
        self._talk: Talk | None = None
        self._ended: dict[int, Talk] = {}
        """Visits that are not ours any more, and lines that we said there without an answer so far."""
        self._is_client_away = False
        self._wants_duty = False
        self._is_new_link = False
        self.is_on = False
        self.queue = ""

    @property
    def client(self) -> str | None:
        """The name of the visitor whom we serve."""
        return None if self._focus.client is None else self._focus.client.name

    @property
    def visit(self) -> int:
        """The number of the visit of the visitor whom we serve; 0 for nobody."""
        return 0 if self._focus.client is None else self._focus.client.visit

    def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text that is typed at this time is for a visitor, be it for one who has just left."""
        return self._focus.takes_lines(entered_at=entered_at)

    # --- what we want

    def end(self) -> None:
        """Nobody new, and not on the next link either."""
        self._wants_duty = False
        self.commands.end_duty()

    def say(self, text: str, whom: Whom, *, wall: float) -> None:
        """A line for our visitor; it waits here while the registry is away. The caller keeps to TEXT_MAX."""
        visit = self._meant(happened.HeldWhat.LINE, whom)
        if visit is None:
            return
        if self._talk is not None and self._talk.visit == visit:
            self._out.requests.append(self._talk.say(text, wall=wall))
        else:
            self.commands.hold_back(happened.HeldWhat.LINE, self._focus.missed(visit))

    def call_next(self, queue: str, whom: Whom) -> None:
        """End the session, and get the next in line."""
        visit = self._meant(happened.HeldWhat.END, whom)
        if visit is not None:
            self.commands.call_next(queue, visit)

    def end_session(self, whom: Whom) -> None:
        """End the session."""
        visit = self._meant(happened.HeldWhat.END, whom)
        if visit is not None:
            self.commands.end_session(visit)

    def hand_over(self, operator: str, whom: Whom) -> None:
        """Give our visitor to this operator."""
        visit = self._meant(happened.HeldWhat.HAND_OVER, whom)
        if visit is not None:
            self.commands.hand_over(operator, visit)

    def note(self, text: str, whom: Whom) -> None:
        """Note something about our visitor, for operators only."""
        visit = self._meant(happened.HeldWhat.NOTE, whom)
        if visit is not None:
            self.commands.note(text, visit)

    def _meant(self, what: happened.HeldWhat, whom: Whom) -> int | None:
        """The visit that is meant, 0 for none; None when that is not clear, which is told."""
        if whom.visit is not None:
            return whom.visit
        typed = Typed.COMMAND
        if what is happened.HeldWhat.LINE:
            typed = Typed.MAYBE_LINE if whom.is_maybe else Typed.LINE
        client = self._focus.meant(typed, entered_at=whom.entered_at)
        if isinstance(client, Held):
            self.commands.hold_back(what, client)
            return None
        return 0 if client is None else client.visit

    def lines_shown(self, visit: int, position: int) -> None:
        """The visit's lines up to this one have been shown."""
        if self._talk is not None and self._talk.visit == visit:
            self._talk.shown(position)
            self._out.requests.append(HeardAtDesk(visit, position))

    @property
    def is_settled(self) -> bool:
        """Whether all that we asked and said is answered."""
        return self.commands.is_answered and self._are_lines_answered

    @property
    def is_said(self) -> bool:
        """Whether every line of ours was taken or refused, or nobody can be told just now."""
        return not self.commands.is_up or self._are_lines_answered

    @property
    def _are_lines_answered(self) -> bool:
        return not self._ended and (self._talk is None or self._talk.is_settled)

    # --- the link

    def link_up(self) -> None:
        """Requests can be made."""
        self.commands.link_up()
        self._is_new_link = True
        for talk in (*self._ended.values(), *([self._talk] if self._talk is not None else [])):
            self._out.requests += talk.unanswered()

    def link_lost(self) -> None:
        """Nothing asked for will be answered; what we said is said again on the next link."""
        self.commands.link_lost()

    # --- what the registry says

    def heed(self, notice: OperatorNotice | ConversationNotice, *, now: float) -> None:
        """A notice of the desk."""
        match notice:
            case DutyTold():
                self._duty_told(notice, now)
            case ClientTold():
                self._client_told(notice, now)
            case ClientChanged():
                self._client_changed(notice, now)
            case DeskLine():
                self._line_came(notice)
            case LinesTaken():
                self._lines_taken(notice)
            case LineRefused():
                self._line_refused(notice, now)
            case CommandDone():
                self.commands.answered(notice)
            case RoomShown() | FiguresShown():
                self.commands.shown(notice)
            case _:
                assert_never(notice)

    def _duty_told(self, told: DutyTold, now: float) -> None:
        """Also on each new link: a registry that was started anew has forgotten who was on duty."""
        was_first, self._is_new_link = self._is_new_link, False
        if was_first and self._talk is not None and told.visit != self._talk.visit:
            self._taken_back(self._talk, now)
        if was_first and self._wants_duty and not told.is_on:
            self.commands.take_duty(self.queue)
            return
        self._wants_duty = self._wants_duty or told.is_on
        if (told.is_on, told.queue) != (self.is_on, self.queue):
            self._out.events.append(happened.DutyChanged(is_on=told.is_on, queue=told.queue))
        self.is_on, self.queue = told.is_on, told.queue

    def _taken_back(self, talk: Talk, now: float) -> None:
        """Whom we served was taken back while we had no link; what we said to them meanwhile reaches nobody."""
        move = happened.ClientMove.TAKEN_BACK
        self._out.events.append(happened.ClientChanged(name=self.client or "", move=move))
        self._focus.lost(ClientReach.TAKEN_BACK, now=now)
        self._talk = None
        for _ in talk.unanswered():
            self.commands.hold_back(happened.HeldWhat.LINE, self._focus.missed(talk.visit))

    def _client_told(self, told: ClientTold, now: float) -> None:
        is_same = self._talk is not None and self._talk.visit == told.visit
        known = self._talk if is_same else self._ended.pop(told.visit, None)
        if not is_same:
            self._part()
            self._talk = known or Talk(told.visit)
        heard = 0 if known is None else known.heard
        self._out.requests.append(ReadAtDesk(told.visit, heard, with_own=known is None))
        self._focus.came(told, now=now)
        self._is_client_away = not told.is_here
        if told.cause is ClientCause.RETURNED and is_same:
            return  # the link broke, and nobody noticed
        self._out.events.append(
            happened.ClientCame(
                visit=told.visit,
                name=told.name,
                number=told.number,
                issue=told.issue,
                queue=told.queue,
                waited=told.waited,
                is_here=told.is_here,
                note=told.note,
                handed_over_by=told.operator,
                is_back=told.cause is ClientCause.RETURNED,
            )
        )

    def _client_changed(self, changed: ClientChanged, now: float) -> None:
        if self._talk is None or self._talk.visit != changed.visit:
            return
        self._focus.changed(changed, now=now)
        if changed.change not in STILL_SERVED:
            self._part()
        was_away, self._is_client_away = self._is_client_away, changed.change is ClientReach.AWAY
        if changed.change is ClientReach.BACK and not was_away:
            return  # a registry that was started anew takes everybody for away
        move = happened.ClientMove[changed.change.name]
        self._out.events.append(happened.ClientChanged(name=changed.name, move=move))

    def _part(self) -> None:
        """The visitor is not ours any more; lines on their way are still answered."""
        if self._talk is not None and not self._talk.is_settled:
            self._ended[self._talk.visit] = self._talk
        self._talk = None

    def _talk_of(self, visit: int) -> Talk | None:
        if self._talk is not None and self._talk.visit == visit:
            return self._talk
        return self._ended.get(visit)

    def _lines_taken(self, taken: LinesTaken) -> None:
        talk = self._talk_of(taken.visit)
        if talk is not None:
            self._out.requests += talk.taken(taken.number)
            self._drop_answered(talk)

    def _line_refused(self, refused: LineRefused, now: float) -> None:
        talk = self._talk_of(refused.visit)
        if talk is None or not talk.refused(refused.number):
            return
        self._drop_answered(talk)
        if refused.reason in LINE_FAILURES:
            self.commands.fail(LINE_FAILURES[refused.reason])
            return
        if (
            talk is self._talk and self._is_new_link
        ):  # we may not serve under our present name: DutyTold does not come
            self._focus.lost(None, now=now)
            self._part()
        self.commands.hold_back(happened.HeldWhat.LINE, self._focus.missed(refused.visit))

    def _drop_answered(self, talk: Talk) -> None:
        if talk.is_settled:
            self._ended.pop(talk.visit, None)

    def _line_came(self, line: DeskLine) -> None:
        if self._talk is None or self._talk.visit != line.visit:
            return
        if self._talk.take(line):
            self._out.events.append(
                happened.ClientSaid(
                    sender=line.operator or self.client or "",
                    text=line.text,
                    visit=line.visit,
                    position=line.position,
                )
            )
        elif line.position <= self._talk.heard:
            self._out.requests.append(HeardAtDesk(line.visit, self._talk.heard))
