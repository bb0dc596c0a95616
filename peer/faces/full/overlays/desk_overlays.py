"""The help desk on a screen of its own, and the question for a name."""

from collections.abc import Sequence
from typing import Final

from textual.app import ComposeResult
from textual.content import Content

from chatapp.peer.api import events
from chatapp.peer.faces.full.overlays.desk import DeskPane
from chatapp.peer.faces.full.overlays.overlay import Overlay, Picker
from chatapp.peer.faces.full.signs import Signs
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name


class DeskOverlay(Overlay[None]):
    """The desk on a screen of its own, where there is no room beside the log."""

    DEFAULT_CSS = """
    DeskOverlay DeskPane { height: 1fr; padding: 0; }
    """

    def __init__(self, pane: DeskPane, *, signs: Signs) -> None:
        """`pane`: shows the desk; it is removed with the overlay."""
        super().__init__(texts.DESK, signs=signs)
        self._pane: Final = pane

    def body(self) -> ComposeResult:
        yield self._pane

    def take_events(self, _: Sequence[events.Event]) -> None:
        """Show what has changed."""
        self._pane.redraw()


class NameOverlay(Picker[str]):
    """Asks for a name, and offers those that are known. Its result is the name, which need not be
    one of them."""

    def __init__(self, title: str, known: Sequence[str], *, signs: Signs) -> None:
        super().__init__(title, signs=signs, keys=(texts.TAKES,))
        self._known: Final = known

    def look_for(self, typed: str) -> None:
        """Show the names that begin so, and the one that was typed."""
        begun = typed.strip()
        names = [one for one in self._known if one.casefold().startswith(begun.casefold())]
        if begun and begun not in names:
            names.append(begun)
        self.show_rows([(one, Content(name(one))) for one in names])
        self.note("" if names else texts.TYPE_NAME)
