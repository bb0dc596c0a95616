"""Reports: what keeps the user from the server or from a person, and what to do about it (doctor, F2);
and how one message was delivered, step by step (why, Enter on a line)."""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.api.findings import Finding
from chatapp.peer.api.past import DeliveryTrace
from chatapp.peer.faces.full.overlays.overlay import Overlay, Paragraph
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.doctor import finding_texts, summary_of
from chatapp.peer.words.formatting import name, shown_time
from chatapp.peer.words.history import trace_steps
from chatapp.wire.address import Address
from chatapp.wire.errors import ChatAppError
from chatapp.wire.text import sanitize

_CHANGES: Final = (
    events.ServerLost,
    events.ServerBack,
    events.LinkTroubled,
    events.Registered,
    events.SignedOff,
    events.RegistryKeyChanged,
)
"""Events after which the findings may be others."""


class DoctorOverlay(Overlay[None]):
    """Shows what the doctor finds, and looks again when the server goes or comes, or at a key."""

    DEFAULT_CSS = """
    DoctorOverlay {
        & > #frame { height: auto; }
        & #findings { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
        & .finding { height: auto; layout: horizontal; }
        & .sign { width: 3; }
        & .said { width: 1fr; height: auto; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f5,f2", "again", show=False)]

    def __init__(
        self,
        examine: Callable[[str | None], Awaitable[list[Finding]]],
        server: Address,
        *,
        person: str | None = None,
        signs: Signs,
    ) -> None:
        """`examine`: `Peer.examine`. `server`: as the user named it. `person`: whom to look for;
        None for the server."""
        super().__init__(texts.DOCTOR, signs=signs, keys=(texts.AGAIN,))
        self._examine: Final = examine
        self._server: Final = server
        self._person: Final = person
        self._findings = VerticalScroll(id="findings")

    def body(self) -> ComposeResult:
        yield self._findings

    def on_mount(self) -> None:
        """Begin to look."""
        self.action_again()

    def action_again(self) -> None:
        """Look anew. What was found before stays on the screen until then."""
        self.note(texts.EXAMINING)
        self.run_worker(self._look(), exclusive=True)

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Look anew when the way to the server has changed."""
        if any(isinstance(event, _CHANGES) for event in batch):
            self.action_again()

    async def _look(self) -> None:
        try:
            findings = await self._examine(self._person)
        except ChatAppError as error:
            self.note(texts.failed(error))
            return
        rows = [
            self._row(title, said, is_fine=is_fine)
            for title, said, is_fine in finding_texts(findings, self._server)
        ]
        await self._findings.remove_children()
        await self._findings.mount_all(rows)
        self.note(summary_of(findings))

    def _row(self, title: str, said: str, *, is_fine: bool) -> Paragraph:
        sign = (
            (f"{self._signs.fine} ", "bold $success")
            if is_fine
            else (f"{self._signs.wrong} ", "bold $error")
        )
        style = "$chat-muted" if is_fine else ""
        return Paragraph(
            Content.assemble(sign, (f"{sanitize(title)}: ", "bold"), (sanitize(said), style))
        )


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
