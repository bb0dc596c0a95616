"""Why (Enter on a line): how one message was delivered, step by step."""

import sqlite3
from collections.abc import Awaitable, Sequence
from typing import ClassVar, Final, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.faces.full.overlays.overlay import Overlay, Paragraph
from chatapp.peer.faces.full.signs import Signs
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name, shown_time
from chatapp.peer.words.history import trace_steps
from chatapp.wire.errors import ChatAppError
from chatapp.wire.text import sanitize

TEXT_SHOWN: Final = 2_000
"""Characters of the message that are shown."""


class Traceable(Protocol):
    """What knows how messages were delivered: `Peer.past`."""

    def why(self, id_: int | None) -> Awaitable[DeliveryTrace | None]:
        """Return how the line with this id was delivered."""
        ...


class WhyOverlay(Overlay[None]):
    """Shows one message and each step of its delivery, and follows it while it is under way."""

    DEFAULT_CSS = """
    WhyOverlay {
        & > #frame { height: auto; }
        & #steps { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
        & #message { margin-bottom: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f5", "again", show=False)]

    def __init__(self, past: Traceable, id_: int | None, *, signs: Signs) -> None:
        """`id_`: of the line; None for the user's own newest one."""
        super().__init__(texts.WHY, signs=signs, keys=(texts.AGAIN,))
        self._past: Final = past
        self._asked_id: Final = id_
        self._found_id = id_
        self._message = Paragraph(id="message")
        self._steps = Paragraph()

    def body(self) -> ComposeResult:
        with VerticalScroll(id="steps"):
            yield self._message
            yield self._steps

    def on_mount(self) -> None:
        """Look the message up."""
        self.action_again()

    def action_again(self) -> None:
        """Look the message up once more."""
        self.run_worker(self._look_up(), exclusive=True)

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Look again when something became of this message."""
        for event in batch:
            if (
                isinstance(event, events.MessageChanged | events.Unacknowledged)
                and event.id == self._found_id
            ):
                self.action_again()
                return

    async def _look_up(self) -> None:
        try:
            trace = await self._past.why(self._asked_id)
        except sqlite3.Error as error:
            self.note(texts.unreadable(error))
            return
        except ChatAppError as error:
            self.note(texts.failed(error))
            return
        if trace is None:
            self.note(texts.GONE)
            return
        self._found_id, line = trace.line.id, trace.line
        self._message.show(
            Content.assemble(
                (name(line.sender), "bold"),
                (f" {texts.addressed_to(line)}  {shown_time(line.at)}\n", "$chat-muted"),
                sanitize(line.text, limit=TEXT_SHOWN),
            )
        )
        steps = [
            Content.assemble((f"{self._signs.notice} ", "$primary"), sanitize(step))
            for step in trace_steps(trace)
        ]
        self._steps.show(Content("\n").join(steps))
        self.note("")
