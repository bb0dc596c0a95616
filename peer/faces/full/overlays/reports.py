"""Reports: what keeps the user from the server, and what to do about it (doctor, F2); and how one
message was delivered, step by step (why, Enter on a line)."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.faces.full.overlays.overlay import Overlay, Paragraph, Perform
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.lookups import Delivery, Examination
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.doctor import finding_texts
from chatapp.peer.words.formatting import name, shown_time
from chatapp.peer.words.history import trace_steps
from chatapp.wire.address import Address
from chatapp.wire.text import sanitize


class Report(Overlay[None]):
    """Shows what was looked up, and looks again when it may be otherwise, or at a key."""

    DEFAULT_CSS = """
    Report {
        & > #frame { height: auto; }
        & VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f5", "again", show=False)]

    def __init__(
        self, title: str, subject: Examination | Delivery, perform: Perform, *, signs: Signs
    ) -> None:
        super().__init__(title, signs=signs, keys=(texts.AGAIN,))
        self._subject: Final = subject
        self._perform: Final = perform

    def on_mount(self) -> None:
        """Begin to look."""
        self.action_again()

    def action_again(self) -> None:
        """Look anew. What was found before stays on the screen until then."""
        self.run_worker(self._look(), exclusive=True)

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Look anew if what happened has to do with it."""
        if self._subject.is_stale(batch):
            self.action_again()

    async def _look(self) -> None:
        await self._perform(self._subject.look())
        await self.show_found()
        self.note(self._subject.note)

    async def show_found(self) -> None:
        """Show what was found."""


class DoctorOverlay(Report):
    """Shows what the doctor finds."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f2", "again", show=False)]

    def __init__(self, server: Address, perform: Perform, *, signs: Signs) -> None:
        """`server`: as the user named it."""
        self._examination: Final = Examination()
        super().__init__(texts.DOCTOR, self._examination, perform, signs=signs)
        self._server: Final = server
        self._findings = VerticalScroll(id="findings")

    def body(self) -> ComposeResult:
        yield self._findings

    def action_again(self) -> None:
        self.note(texts.EXAMINING)
        super().action_again()

    async def show_found(self) -> None:
        rows = [
            self._row(title, said, is_fine=is_fine)
            for title, said, is_fine in finding_texts(self._examination.findings, self._server)
        ]
        await self._findings.remove_children()
        await self._findings.mount_all(rows)

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


class WhyOverlay(Report):
    """Shows one message and each step of its delivery, and follows it while it is under way."""

    DEFAULT_CSS = """
    WhyOverlay #message { margin-bottom: 1; }
    """

    def __init__(self, id_: int, perform: Perform, *, signs: Signs) -> None:
        """`id_`: of the line."""
        self._delivery: Final = Delivery(id_)
        super().__init__(texts.WHY, self._delivery, perform, signs=signs)
        self._message = Paragraph(id="message")
        self._steps = Paragraph()

    def body(self) -> ComposeResult:
        with VerticalScroll(id="steps"):
            yield self._message
            yield self._steps

    async def show_found(self) -> None:
        trace = self._delivery.trace
        if trace is None:
            return
        line = trace.line
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
