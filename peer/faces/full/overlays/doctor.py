"""Doctor (F2): what keeps the user from the server or from a person, and what to do about it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.api.findings import Finding
from chatapp.peer.faces.full.overlays.overlay import Overlay, Paragraph
from chatapp.peer.faces.full.signs import Signs
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.doctor import finding_texts, summary_of
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
