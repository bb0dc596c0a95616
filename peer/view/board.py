"""What an operator of the help desk knows of it, gathered from events: whom they serve, and who
waits. No I/O."""

from collections.abc import Iterable
from typing import Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove
from chatapp.wire.desk.values import ListedVisitor
from chatapp.wire.names import is_same_name

MINUTE: Final = 60.0
"""Seconds after which a span that is shown in minutes is another one."""
_STILL_SERVED: Final = (ClientMove.AWAY, ClientMove.BACK, ClientMove.SILENT)
_CHANGES: Final = (
    events.DutyChanged | events.ClientCame | events.VisitorsWaiting | events.ClientMoved
)
"""Events after which others may be served or wait."""


class DeskBoard:
    """The state of one queue, as one operator sees it."""

    def __init__(
        self, me: str, *, is_on: bool = False, waiting: int = 0, client: str = "", visit: int = 0
    ) -> None:
        """`is_on`: whether the operator is on duty. `waiting`: how many wait. `client`, `visit`:
        the visitor who is served already."""
        self.me = me
        """The operator's own name."""
        self.is_on = is_on
        self.queue = ""
        """The name of the queue; empty until it is known."""
        self.client = _without_form(client, visit) if client else None
        """The visitor who is served, with their form as far as it is known."""
        self.since = 0.0
        """When the visitor came, in Unix seconds."""
        self.note = ""
        """What operators have noted about the visitor."""
        self.move: ClientMove | None = None
        """AWAY or SILENT while the visitor is that."""
        self.waiting = waiting
        self.line: tuple[ListedVisitor, ...] = ()
        """Who waits, in order; of a long line only the beginning."""
        self.served: tuple[ListedVisitor, ...] = ()
        """Whom others serve."""
        self.operators = 0
        """How many operators are on duty."""
        self.figures: events.Figures | None = None
        self.is_stale = is_on
        """Whether the line has to be asked for: it may be another one."""

    def take(self, batch: Iterable[events.Event], *, now: float) -> None:
        """Take what happened, at a Unix time."""
        for event in batch:
            self._take(event, now)
            self.is_stale = self.is_on and (self.is_stale or isinstance(event, _CHANGES))

    def _take(self, event: events.Event, now: float) -> None:
        match event:
            case events.DutyChanged(is_on=is_on, queue=queue):
                self.is_on, self.queue = is_on, queue or self.queue
                if not is_on:
                    self.line, self.waiting = (), 0
            case events.VisitorsWaiting(queue=queue, waiting=waiting):
                self.queue, self.waiting = queue, waiting
            case events.WaitingRoom():
                self.queue, self.operators = event.queue, event.operators
                self.line, self.waiting = event.waiting, event.total
                self.served = tuple(one for one in event.served if not self._is_mine(one))
                self._complete(event.served)
            case events.Figures():
                self.figures = event
            case events.ClientCame():
                self.client, self.since, self.note = event, now, event.note
                self.move = None if event.is_here else ClientMove.AWAY
            case events.ClientMoved(move=move) if (
                self.client is not None and event.name == self.client.name
            ):
                self.move = move if move in (ClientMove.AWAY, ClientMove.SILENT) else None
                if move not in _STILL_SERVED:
                    self.client, self.note = None, ""
            case events.ClientSaid(visit=visit) if (
                self.client is not None and visit == self.client.visit
            ):
                self.move = None
            case events.CommandSucceeded(action=events.DeskAction.NOTED, name=name, text=text):
                if self.client is not None and name == self.client.name:
                    self.note = text
            case events.Renamed(is_me=True, new=new):
                self.me = new
            case _:
                pass

    def colleagues(self) -> list[str]:
        """Return the names of the other operators that were seen, by name."""
        seen = {one.operator for one in (*self.served, *self.line) if one.operator}
        return sorted(one for one in seen if not is_same_name(one, self.me))

    def _is_mine(self, one: ListedVisitor) -> bool:
        return (
            self.client is not None
            and one.name == self.client.name
            and is_same_name(one.operator, self.me)
        )

    def _complete(self, served: Iterable[ListedVisitor]) -> None:
        """Learn from the list what the visitor wants, and since when they are served, if a program
        is attached later."""
        for one in served:
            if self.client is not None and self._is_mine(one):
                self.since = one.since
                self.client = msgspec.structs.replace(
                    self.client, issue=self.client.issue or one.issue
                )

    def next_change(self, *, now: float) -> float | None:
        """Return the Unix time at which a span in minutes changes; None while no span is shown."""
        begun = [one.since for one in self.line]
        if self.client is not None and self.since:
            begun.append(self.since)
        waits = [MINUTE - (now - since) % MINUTE for since in begun]
        return now + min(waits) if waits else None


def minutes(since: float, now: float) -> int:
    """Return for how many whole minutes something lasts, never fewer than none."""
    return max(int((now - since) // MINUTE), 0)


def _without_form(name: str, visit: int) -> events.ClientCame:
    return events.ClientCame(
        visit=visit,
        name=name,
        number="",
        issue="",
        queue="",
        waited=0,
        is_here=True,
        note="",
        handed_over_by="",
        is_back=True,
    )
