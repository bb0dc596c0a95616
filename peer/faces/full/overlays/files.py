"""Files that were offered: how far each is, and what can be done about it (files, Alt-T)."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList

from chatapp.peer.api import events
from chatapp.peer.faces.full.overlays.overlay import Overlay
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.transfers import FileAction, ShownFile, Transfers
from chatapp.peer.words import overlays as texts


class FilesOverlay(Overlay[None]):
    """Shows all files, the newest first, and follows them."""

    DEFAULT_CSS = """
    FilesOverlay {
        &.-ascii OptionList { scrollbar-size-vertical: 0; }
        OptionList {
            height: 1fr;
            border: none;
            padding: 0;
            background: $surface;
            scrollbar-size-vertical: 1;
            &:focus { border: none; background-tint: $foreground 0%; }
            & > .option-list--option-highlighted { color: $foreground; background: $chat-open; text-style: none; }
            &:focus > .option-list--option-highlighted { color: $foreground; background: $chat-open; text-style: none; }
            &:ansi .option-list--option-highlighted {
                color: $block-cursor-foreground;
                background: $block-cursor-background;
            }
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "act('accept')", show=False),
        Binding("p", "act('pause')", show=False),
        Binding("r", "act('resume')", show=False),
        Binding("d", "act('refuse')", show=False),
        Binding("c", "act('cancel file')", show=False),
    ]

    def __init__(
        self, transfers: Transfers, act: Callable[[int, FileAction], None], *, signs: Signs
    ) -> None:
        """`act`: does something about the file that the line with this id offers."""
        super().__init__(texts.FILES, signs=signs, keys=texts.FILE_KEYS)
        self._transfers: Final = transfers
        self._act: Final = act
        self._files: list[ShownFile] = []
        self._list = OptionList(compact=True, markup=False)

    def body(self) -> ComposeResult:
        yield self._list

    def on_mount(self) -> None:
        """Show what is known."""
        self._list.focus()
        self._show()

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Show how files stand now."""
        if any(isinstance(event, events.FileChanged) for event in batch):
            self._show()

    def _show(self) -> None:
        chosen = self._chosen
        self._files = self._transfers.rows()
        self._list.set_options([self._row(file) for file in self._files])
        places = [place for place, file in enumerate(self._files) if file.id == chosen]
        self._list.highlighted = next(iter(places), 0 if self._files else None)
        self.note("" if self._files else texts.NO_FILES)

    @property
    def _chosen(self) -> int:
        place = self._list.highlighted
        return 0 if place is None or place >= len(self._files) else self._files[place].id

    def _row(self, file: ShownFile) -> Content:
        does = ", ".join(offer.label for offer in file.offers)
        return Content.assemble(
            (f"{file.name}", "bold"),
            (f"  {file.about}\n", "$chat-muted"),
            (f"  {self._signs.bar(file.percent)}", "$primary"),
            file.standing,
            (f"  {does}" if does else "", "$chat-muted"),
        )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what is done first about a file in its state."""
        event.stop()
        file = self._files[event.option_index]
        for offer in file.offers[:1]:
            self._act(file.id, offer.action)

    def action_act(self, named: str) -> None:
        """Do this about the chosen file, if it makes sense."""
        file = self._transfers.shown(self._chosen)
        if file is not None and any(offer.action.value == named for offer in file.offers):
            self._act(file.id, FileAction(named))
