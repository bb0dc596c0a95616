"""This file is about being an operator of the help desk: duty, and the one visitor whom we serve (clause 13).

It knows the desk's notices. It must not know how a link is made; whether we are an operator is the registry's to say.
"""

import random
from typing import Final, assert_never

from peer.core.dutycommands import NO_CLIENT, DutyCommands
from peer.core.events import duty as happened
from peer.core.outputs import Outputs
from peer.core.talk import Talk
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
)

LINE_FAILURES: Final = {
    LineRefusal.NOT_YOUR_TURN: NO_CLIENT,
    LineRefusal.NO_CLIENT: NO_CLIENT,
    LineRefusal.FULL: "Not sent: the client is away, and too much waits for them already",
    LineRefusal.TOO_FAST: "Not sent: too many lines at once",
    LineRefusal.NOT_SERVING: "Not sent: the server's disk takes nothing more",
}
_STILL_OURS: Final = frozenset({ClientReach.AWAY, ClientReach.BACK})


class Duty:
    """Our side of the desk, as one who serves."""

    def __init__(self, outputs: Outputs, rng: random.Random) -> None:
        self._out = outputs
        self.commands: Final = DutyCommands(outputs, rng)
        """What we ask for."""
        self._talk: Talk | None = None
        self._is_client_away = False
        self._wants_duty = False
        self._is_new_link = False
        self.is_on = False
        self.queue = ""
        self.client: str | None = None
        """The name of the visitor whom we serve."""

    # --- what we want

    def end(self) -> None:
        """Nobody new, and not on the next link either."""
        self._wants_duty = False
        self.commands.end_duty()

    def say(self, text: str, *, wall: float) -> None:
        """A line for our visitor; it waits here while the registry is away. The caller keeps to TEXT_MAX."""
        if self._talk is None:
            self.commands.fail(NO_CLIENT)
        else:
            self._out.requests.append(self._talk.say(text, wall=wall))

    def lines_shown(self, visit: int, position: int) -> None:
        """The visit's lines up to this one have been shown."""
        if self._talk is not None and self._talk.visit == visit:
            self._talk.shown(position)
            self._out.requests.append(HeardAtDesk(visit, position))

    @property
    def is_settled(self) -> bool:
        """Whether all that we asked and said is answered."""
        return self.commands.is_answered and (self._talk is None or self._talk.is_settled)

    @property
    def is_said(self) -> bool:
        """Whether every line of ours was taken or refused, or nobody can be told just now."""
        return not self.commands.is_up or self._talk is None or self._talk.is_settled

    # --- the link

    def link_up(self) -> None:
        """Requests can be made."""
        self.commands.link_up()
        self._is_new_link = True
        if self._talk is not None:
            self._out.requests += self._talk.unanswered()

    def link_lost(self) -> None:
        """Nothing asked for will be answered; what we said is said again on the next link."""
        self.commands.link_lost()

    # --- what the registry says

    def heed(self, notice: OperatorNotice | ConversationNotice) -> None:
        """A notice of the desk."""
        match notice:
            case DutyTold():
                self._duty_told(notice)
            case ClientTold():
                self._client_told(notice)
            case ClientChanged():
                self._client_changed(notice)
            case DeskLine():
                self._line_came(notice)
            case LinesTaken(visit, number):
                if self._talk is not None and self._talk.visit == visit:
                    self._out.requests += self._talk.taken(number)
            case LineRefused(visit, number, why):
                if self._talk is not None and self._talk.visit == visit and self._talk.refused(number):
                    self.commands.fail(LINE_FAILURES[why])
                    if LINE_FAILURES[why] == NO_CLIENT:
                        self._talk = self.client = None
            case CommandDone():
                self.commands.answered(notice)
            case RoomShown() | FiguresShown():
                self.commands.shown(notice)
            case _:
                assert_never(notice)

    def _duty_told(self, told: DutyTold) -> None:
        """Also on each new link: a registry that was started anew has forgotten who was on duty."""
        was_first, self._is_new_link = self._is_new_link, False
        if was_first and self._talk is not None and told.visit != self._talk.visit:
            self._lose_client()
        if was_first and self._wants_duty and not told.is_on:
            self.commands.take_duty(self.queue)
            return
        self._wants_duty = self._wants_duty or told.is_on
        if (told.is_on, told.queue) != (self.is_on, self.queue):
            self._out.events.append(happened.DutyChanged(is_on=told.is_on, queue=told.queue))
        self.is_on, self.queue = told.is_on, told.queue

    def _lose_client(self) -> None:
        """Whom we served was taken back while we had no link; what we said to them meanwhile reaches nobody."""
        if self.client is None or self._talk is None:
            return
        move = happened.ClientMove.TAKEN_BACK
        self._out.events.append(happened.ClientChanged(name=self.client, move=move))
        for _ in self._talk.unanswered():
            self.commands.fail(NO_CLIENT)
        self._talk = self.client = None

    def _client_told(self, told: ClientTold) -> None:
        self.commands.client_came()
        is_same = self._talk is not None and self._talk.visit == told.visit
        if self._talk is None or not is_same:
            self._talk = Talk(told.visit)
        self.client, self._is_client_away = told.name, not told.is_here
        if told.cause is ClientCause.RETURNED and is_same:
            return  # the link broke, and nobody noticed
        self._out.events.append(
            happened.ClientCame(
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

    def _client_changed(self, changed: ClientChanged) -> None:
        if self._talk is None or self._talk.visit != changed.visit:
            return
        if changed.change not in _STILL_OURS:
            self._talk = self.client = None
        was_away, self._is_client_away = self._is_client_away, changed.change is ClientReach.AWAY
        if changed.change is ClientReach.BACK and not was_away:
            return  # a registry that was started anew takes everybody for away
        move = happened.ClientMove[changed.change.name]
        self._out.events.append(happened.ClientChanged(name=changed.name, move=move))

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
