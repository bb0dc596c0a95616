"""The two bars of the screen: the title of the conversation that is open, and the status line."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content
from textual.widget import Widget

from chatapp.peer.faces.full.logbook import clipped
from chatapp.peer.view.layout import cells_of
from chatapp.peer.words.formatting import Fragments

_STYLES: Final = {
    "class:status": "$chat-muted",
    "class:status.me": "bold $chat-me",
    "class:status.alarm": "bold $error",
    "class:status.news": "bold $chat-calls",
    "title": "bold $primary",
    "about": "$chat-muted",
    "alarm": "bold $error",
    "key": "$primary",
}
"""The styles of the pieces, by the names that `status_pieces` gives them."""


def pieces_as_content(pieces: Sequence[tuple[str, str]]) -> Content:
    """Return text in pieces as Textual draws it: as text, whatever it contains. The pieces must be
    sanitized."""
    return Content.assemble(*((text, _STYLES.get(style, "")) for style, text in pieces))


class Bar(Widget, can_focus=False):
    """One row: pieces from the left, and pieces at the right end if there is room."""

    DEFAULT_CSS = """
    Bar {
        height: 1;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        &:ansi { background: ansi_default; text-style: none; }
    }
    """

    def __init__(self, *, cut: str, between: str, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """`cut`: stands where the text is cut; `between`: stands between pieces."""
        super().__init__(id=id)
        self._cut: Final = cut
        self._between: Final = between
        self._left: Fragments = []
        self._right: Fragments = []

    def show_pieces(self, left: Fragments, right: Fragments = []) -> None:  # noqa: B006 - never changed
        """Show these pieces."""
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render(self) -> Content:
        """Draw the pieces that have room, the first ones first."""
        width = self.content_size.width
        shown: Fragments = []
        taken = 0
        for style, text in self._left:
            before = self._between if shown else ""
            piece = clipped(text, width - taken - len(before), self._cut)
            if not piece or (piece != text and shown and len(piece) < 4):
                break
            shown += [("class:status", before), (style, piece)]
            taken += len(before) + sum(map(cells_of, piece))
        rest = sum(sum(map(cells_of, text)) for _, text in self._right)
        if self._right and taken + rest + 2 <= width:
            shown += [("", " " * (width - taken - rest)), *self._right]
        return pieces_as_content(shown)
