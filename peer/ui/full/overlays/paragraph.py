"""Text in widgets: shown as it is, whatever it contains."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content
from textual.widgets import Static

from chatapp.peer.view.signs import Signs
from chatapp.wire.text import sanitize

_NOTHING: Final = Content("")


class Paragraph(Static):
    """Text that is shown as it is: as `Content`, and never as markup."""

    def __init__(self, content: Content = _NOTHING, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(Content.assemble(content), id=id, markup=False)

    def show(self, content: Content) -> None:
        """Show this text."""
        self.update(Content.assemble(content))


def key_line(keys: Sequence[tuple[str, str]], signs: Signs) -> Content:
    """Return keys and what they do in one line, as `Enter go there · Esc close`."""
    pieces = [Content.assemble((key, "bold"), f" {sanitize(does)}") for key, does in keys]
    return Content(signs.between).join(pieces)
